/* SPDX-License-Identifier: MIT */
/* Colours from pictures onto a surface: a ball before two cameras.  What a GPU
 * gives is compared with the CPU, what that gives with what must come out. */
#include "harness.h"
#include "geometry/camera.h"
#include "ops/bake.h"
#include <math.h>
#include <string.h>

enum {
  ROWS = 24,
  COLUMNS = 48,
  VERTS = (ROWS + 1) * (COLUMNS + 1),
  FACES = 2 * ROWS * COLUMNS,
  PHOTO = 96,
  TEXTURE = 64,
  RIGHT = 1,
};

static const float front_color[3] = {60, 120, 200};
static const float right_color[3] = {70, 110, 180};

typedef struct {
  ShuBakeScene scene;
  ShuBakePhoto photos[2];
  ShuRastered plane;
} Case;

static ShuTensor *
bring (ShuCtx *c, ShuTensor *t)
{
  return shu_on_device (c, t, SHU_TRAFFIC_MESH);
}

static ShuTensor *
filled (ShuCtx *c, int n_dims, const gint64 *dims, int n, const float *values)
{
  ShuTensor *t = host_tensor (c, SHU_DTYPE_F32, n_dims, dims);

  for (gsize i = 0; i < t->n; i++)
    ((float *) t->data)[i] = values[i % n];
  return bring (c, t);
}

/* Around the ball and from pole to pole, as a map of the world */
static void
make_ball (ShuCtx *c, ShuBakeScene *s)
{
  ShuTensor *pos = host_tensor (c, SHU_DTYPE_F32, SHU_DIMS (VERTS, 3));
  ShuTensor *normal = host_tensor (c, SHU_DTYPE_F32, SHU_DIMS (VERTS, 3));
  ShuTensor *uv = host_tensor (c, SHU_DTYPE_F32, SHU_DIMS (VERTS, 2));
  ShuTensor *faces = host_tensor (c, SHU_DTYPE_I32, SHU_DIMS (FACES, 3));
  gint32 *f = faces->data;

  for (int i = 0; i < VERTS; i++) {
    float u = (float) (i % (COLUMNS + 1)) / COLUMNS;
    float v = (float) (i / (COLUMNS + 1)) / ROWS;
    float yaw = 2 * (float) G_PI * u, pitch = (float) G_PI * v;
    const float n[3] = {
        sinf (yaw) * sinf (pitch), cosf (yaw) * sinf (pitch), cosf (pitch)};

    for (int k = 0; k < 3; k++) {
      ((float *) normal->data)[3 * i + k] = 0.9f * n[k];
      ((float *) pos->data)[3 * i + k] = 0.4f * n[k];
    }
    ((float *) uv->data)[2 * i] = u;
    ((float *) uv->data)[2 * i + 1] = v;
  }
  for (int i = 0; i < FACES / 2; i++) {
    int a = i / COLUMNS * (COLUMNS + 1) + i % COLUMNS, b = a + COLUMNS + 1;
    const gint32 quad[6] = {a, a + 1, b, b, a + 1, b + 1};

    memcpy (f + 6 * i, quad, sizeof quad);
  }
  s->pos = bring (c, pos);
  s->normal = bring (c, normal);
  s->uv = bring (c, uv);
  s->faces = bring (c, faces);
}

static ShuBakePhoto
make_photo (ShuCtx *c, const ShuBakeScene *s, ShuView view, const float *color)
{
  static const float one = 1;
  ShuBakePhoto p = {.size = PHOTO, .camera = shu_camera_of_view (view)};
  const ShuRasterJob job = {.at = s->pos,
      .faces = s->faces,
      .n_views = 1,
      .cameras = &p.camera,
      .width = PHOTO,
      .height = PHOTO,
      .flags = SHU_RASTER_BARY | SHU_RASTER_DEPTH};

  p.rgb = p.smooth = filled (c, SHU_DIMS (PHOTO, PHOTO, 3), 3, color);
  p.trust = p.open = filled (c, SHU_DIMS (PHOTO, PHOTO), 1, &one);
  g_assert_true (shu_rasterize (c, &job, &p.raster));
  return p;
}

/* Seen from the front and from the right */
static void
case_init (Case *k, ShuCtx *c)
{
  static const float zero = 0;
  ShuRasterJob job = {.n_views = 1,
      .width = TEXTURE,
      .height = TEXTURE,
      .flags = SHU_RASTER_BARY};

  *k = (Case){.scene = {.power = 4}};
  make_ball (c, &k->scene);
  k->photos[0] = make_photo (c, &k->scene, SHU_VIEW_FRONT, front_color);
  k->photos[1] = make_photo (c, &k->scene, SHU_VIEW_RIGHT, right_color);
  k->scene.photos[0] = &k->photos[0];
  k->scene.photos[RIGHT] = &k->photos[1];
  k->scene.bridge = filled (c, SHU_DIMS (VERTS, 3), 1, &zero);
  job.at = k->scene.uv;
  job.faces = k->scene.faces;
  g_assert_true (shu_rasterize (c, &job, &k->plane));
}

static void
finish (ShuCtx *c)
{
  g_autoptr (GError) error = NULL;

  shu_ctx_finish (c, &error);
  g_assert_no_error (error);
}

/* Where the face of a texel looks: front is -y, right is +x */
static void
texel_normal (int i, float *ret)
{
  float yaw = 2 * (float) G_PI * ((float) (i % TEXTURE) + 0.5f) / TEXTURE;
  float pitch = (float) G_PI * ((float) (i / TEXTURE) + 0.5f) / TEXTURE;

  ret[0] = sinf (yaw) * sinf (pitch);
  ret[1] = cosf (yaw) * sinf (pitch);
  ret[2] = cosf (pitch);
}

/* ---- texels ---- */

static void
texels_take_what_sees_them (void)
{
  g_autoptr (ShuCtx) c = context_new ();
  SHU_SCOPE (c);
  Case k;
  ShuTensor *charts, *rgb;
  int n_front = 0, n_right = 0, n_unseen = 0;

  case_init (&k, c);
  rgb = to_host (c, shu_bake_texels (c, &k.scene, &k.plane, &charts));
  charts = to_host (c, charts);
  finish (c);
  for (int i = 0; i < TEXTURE * TEXTURE; i++) {
    float n[3];

    g_assert_cmpint (((guint8 *) charts->data)[i], ==, 1);
    texel_normal (i, n);
    for (int j = 0; j < 3; j++) {
      double v = at (rgb, 3 * i + j);

      if (-n[1] > 0.6f) { /* the photo overrules the side */
        g_assert_cmpfloat (fabs (v - front_color[j]), <, 2);
        n_front++;
      } else if (n[0] > 0.75f && n[1] > 0.1f) {
        g_assert_cmpfloat (fabs (v - right_color[j]), <, 1);
        n_right++;
      } else if (n[0] < -0.2f && n[1] > 0.2f) { /* grey underneath */
        g_assert_cmpfloat (fabs (v - 128), <, 1);
        n_unseen++;
      }
    }
  }
  g_assert_cmpint (MIN (n_front, MIN (n_right, n_unseen)), >, 300);
}

static void
underneath_shows_where_nothing_is_seen (void)
{
  static const float under[3] = {10, 20, 30}, bridge[3] = {5, 6, 7};
  g_autoptr (ShuCtx) c = context_new ();
  SHU_SCOPE (c);
  Case k;
  ShuTensor *charts, *rgb;

  case_init (&k, c);
  k.scene.under = filled (c, SHU_DIMS (8, 8, 3), 3, under);
  k.scene.bridge = filled (c, SHU_DIMS (VERTS, 3), 3, bridge);
  rgb = to_host (c, shu_bake_texels (c, &k.scene, &k.plane, &charts));
  finish (c);
  for (int i = 0; i < TEXTURE * TEXTURE; i++) {
    float n[3];

    texel_normal (i, n);
    for (int j = 0; n[0] < -0.2f && n[1] > 0.2f && j < 3; j++)
      g_assert_cmpfloat (
          fabs (at (rgb, 3 * i + j) - under[j] - bridge[j]), <, 0.1);
  }
}

/* ---- vertices ---- */

static void
differences_are_those_of_colours (void)
{
  g_autoptr (ShuCtx) c = context_new ();
  SHU_SCOPE (c);
  Case k;
  ShuBakeHeld held;
  ShuTensor *value, *weight;
  int n_both = 0;

  case_init (&k, c);
  g_assert_true (shu_bake_differences (c, &k.scene, RIGHT, 1, &held));
  value = to_host (c, held.value);
  weight = to_host (c, held.weight);
  finish (c);
  for (int i = 0; i < VERTS; i++) {
    if (at (weight, i) <= 0)
      continue;
    n_both++;
    for (int j = 0; j < 3; j++)
      g_assert_cmpfloat (
          fabs (at (value, 3 * i + j) - (front_color[j] - right_color[j])), <,
          1e-3);
  }
  g_assert_cmpint (n_both, >, VERTS / 8);
  g_assert_cmpint (n_both, <, VERTS / 3);
}

static void
lacks_lead_to_the_pictures (void)
{
  static const float under[3] = {10, 20, 30};
  g_autoptr (ShuCtx) c = context_new ();
  SHU_SCOPE (c);
  Case k;
  ShuBakeHeld held;
  ShuTensor *value, *weight, *uv;

  case_init (&k, c);
  k.scene.under = filled (c, SHU_DIMS (8, 8, 3), 3, under);
  g_assert_true (shu_bake_lacks (c, &k.scene, &held));
  value = to_host (c, held.value);
  weight = to_host (c, held.weight);
  uv = to_host (c, k.scene.uv);
  finish (c);
  for (int i = 0; i < VERTS; i++) {
    gboolean in_front = fabs (at (uv, 2 * i) - 0.5) < 0.05 &&
                        fabs (at (uv, 2 * i + 1) - 0.5) < 0.1;

    g_assert_true (at (weight, i) >= 0 && at (weight, i) <= 8);
    for (int j = 0; in_front && j < 3; j++)
      g_assert_cmpfloat (
          fabs (at (value, 3 * i + j) - (front_color[j] - under[j])), <, 0.1);
    for (int j = 0; at (weight, i) == 0 && j < 3; j++)
      g_assert_cmpfloat (at (value, 3 * i + j), ==, 0);
  }
}

/* ---- fields ---- */

enum { LINE = 40 };

/* Neighbours along a ribbon of vertices, of which the last stands for the
 * first one's place and has none of its own */
static void
ribbon (ShuCtx *c, ShuField *ret)
{
  ShuTensor *first = host_tensor (c, SHU_DTYPE_I32, SHU_DIMS (LINE));
  ShuTensor *start = host_tensor (c, SHU_DTYPE_I32, SHU_DIMS (LINE + 1));
  ShuTensor *next = host_tensor (c, SHU_DTYPE_I32, SHU_DIMS (2 * LINE - 4));
  int n = 0;

  for (int i = 0; i < LINE; i++) {
    ((gint32 *) first->data)[i] = i < LINE - 1 ? i : 0;
    ((gint32 *) start->data)[i] = n;
    if (i > 0 && i < LINE - 1)
      ((gint32 *) next->data)[n++] = i - 1;
    if (i < LINE - 2)
      ((gint32 *) next->data)[n++] = i + 1;
  }
  ((gint32 *) start->data)[LINE] = n;
  *ret = (ShuField){bring (c, first), bring (c, start), bring (c, next)};
}

/* Gauss-Seidel for a very long time */
static double *
spread (const float *held, const float *weight, double decay)
{
  double *x = g_new (double, 3 * LINE);
  int n = LINE - 1;

  for (int i = 0; i < 3 * LINE; i++)
    x[i] = held[i];
  for (int round = 0; round < 30000; round++)
    for (int i = 0; i < n; i++)
      for (int k = 0; k < 3; k++) {
        double sum = 0, m = (i > 0) + (i < n - 1);

        sum += i > 0 ? x[3 * (i - 1) + k] : 0;
        sum += i < n - 1 ? x[3 * (i + 1) + k] : 0;
        x[3 * i + k] =
            (sum / m + weight[i] * held[3 * i + k]) / (1 + decay + weight[i]);
      }
  memcpy (x + 3 * n, x, 3 * sizeof *x);
  return x;
}

static void
fields_spread_to_the_end (void)
{
  for (int decays = 0; decays < 2; decays++) {
    g_autoptr (ShuCtx) c = context_new ();
    SHU_SCOPE (c);
    ShuTensor *value = random_tensor (c, SHU_DIMS (LINE, 3));
    ShuTensor *weight = random_tensor (c, SHU_DIMS (LINE));
    float decay = decays ? 0.01f : 0;
    ShuBakeHeld held;
    ShuField field;

    /* few of them hold, and the others begin at 0 */
    for (int i = 0; i < LINE; i++) {
      float *w = (float *) weight->data + i;

      *w = i % 9 == 4 ? 1 + *w : 0;
      for (int k = 0; *w == 0 && k < 3; k++)
        ((float *) value->data)[3 * i + k] = 0;
    }
    ribbon (c, &field);
    held = (ShuBakeHeld){bring (c, value), bring (c, weight)};
    /* as many steps as it takes, and many more that change nothing */
    for (int n_steps = LINE; n_steps <= 8 * LINE; n_steps *= 8)
      check_nmse (c, decays ? "with decay" : "without",
          shu_field_spread (c, &field, &held, decay, n_steps),
          spread (value->data, weight->data, decay), 1e-9);
    finish (c);
  }
}

/* ---- rows ---- */

static void
rows_of_a_photo_read_where_it_looks (void)
{
  g_autoptr (ShuCtx) c = context_new ();
  SHU_SCOPE (c);
  Case k;
  ShuTextureRows all, some;
  ShuTensor *place, *color, *weight;
  gint64 n = 0;

  case_init (&k, c);
  g_assert_true (
      shu_bake_photo_rows (c, &k.scene, &k.photos[0], 0, TEXTURE, 0.5f, &all));
  g_assert_true (shu_texture_pack (c, &all, &some));
  weight = to_host (c, all.weight);
  finish (c);
  for (gsize i = 0; i < weight->n; i++)
    n += at (weight, i) > 0;
  g_assert_cmpint (n, >, PHOTO * PHOTO / 4);
  g_assert_cmpint (some.weight->n, ==, n);
  place = to_host (c, some.place);
  color = to_host (c, some.color);
  weight = to_host (c, some.weight);
  finish (c);
  for (gint64 i = 0; i < n; i++) {
    /* the front is the middle of the map */
    g_assert_cmpfloat (fabs (at (place, 3 * i) - 0.5), <, 0.26);
    g_assert_true (at (place, 3 * i + 2) >= 0 && at (place, 3 * i + 2) <= 0.5);
    g_assert_true (at (weight, i) > 0 && at (weight, i) <= 1);
    for (int j = 0; j < 3; j++)
      g_assert_cmpfloat (
          fabs (at (color, 3 * i + j) - front_color[j]), <, 1e-3);
  }
}

/* Drawings of which a half is solid, and in a corner in front of the mesh */
static void
rows_of_drawings_are_of_what_is_solid (void)
{
  static const float quarter[3] = {0.125f, 0.25f, 0.375f};

  enum { V = 2, S = 48 };

  g_autoptr (ShuCtx) c = context_new ();
  SHU_SCOPE (c);
  Case k;
  const ShuCamera cameras[V] = {
      shu_camera_orbit (0, 0, 2, 40), shu_camera_orbit (2, 0.5f, 2, 40)};
  ShuTensor *through = host_tensor (c, SHU_DTYPE_F32, SHU_DIMS (V, S, S));
  ShuTensor *depth = host_tensor (c, SHU_DTYPE_F32, SHU_DIMS (V, S, S));
  ShuBakeDrawings d = {.cameras = cameras};
  ShuTextureRows rows;
  ShuTensor *face, *color, *weight, *of_mesh;
  int n = 0;

  case_init (&k, c);
  g_assert_true (shu_rasterize (c,
      &(ShuRasterJob){.at = k.scene.pos,
          .faces = k.scene.faces,
          .n_views = V,
          .cameras = cameras,
          .width = S,
          .height = S,
          .flags = SHU_RASTER_BARY | SHU_RASTER_DEPTH},
      &d.raster));
  face = to_host (c, d.raster.face);
  of_mesh = to_host (c, d.raster.depth);
  finish (c);
  for (int i = 0; i < V * S * S; i++) {
    gboolean upper = i / S % S < S / 2;

    ((float *) through->data)[i] = i % S < S / 2 ? 0.5f : 0.75f;
    ((float *) depth->data)[i] =
        face->data && index_at (face, i) >= 0
            ? (float) at (of_mesh, i) - (upper ? 0.1f : 0.01f)
            : 0;
  }
  d.splats.through = bring (c, through);
  d.splats.depth = bring (c, depth);
  d.splats.color = filled (c, SHU_DIMS (V, S, S, 3), 3, quarter);
  g_assert_true (shu_bake_drawing_rows (c, &k.scene, &d, TEXTURE, 9, &rows));
  color = to_host (c, rows.color);
  weight = to_host (c, rows.weight);
  finish (c);
  for (int i = 0; i < V * S * S; i++) {
    if (at (weight, i) == 0)
      continue;
    n++;
    g_assert_true (
        i % S < S / 2 && i / S % S >= S / 2 && index_at (face, i) >= 0);
    for (int j = 0; j < 3; j++)
      g_assert_cmpfloat (
          fabs (at (color, 3 * i + j) - 2 * 255 * quarter[j]), <, 1e-3);
  }
  g_assert_cmpint (n, >, V * S * S / 20);
}

static void
nothing_is_left_of_rows_that_weigh_nothing (void)
{
  static const float zero = 0;
  g_autoptr (ShuCtx) c = context_new ();
  SHU_SCOPE (c);
  ShuTensor *none = filled (c, SHU_DIMS (5000), 1, &zero);
  ShuTensor *three = filled (c, SHU_DIMS (5000, 3), 1, &zero);
  ShuTextureRows rows = {three, three, none}, some;

  g_assert_true (shu_texture_pack (c, &rows, &some));
  finish (c);
  g_assert_cmpint (some.weight->n, ==, 0);
  g_assert_cmpint (some.place->n, ==, 0);
}

/* ---- pictures ---- */

static void
colours_become_the_nearest_bytes (void)
{
  static const float values[6] = {-3, 0.4f, 0.6f, 128, 254.6f, 300};
  static const guint8 bytes[6] = {0, 0, 1, 128, 255, 255};
  g_autoptr (ShuCtx) c = context_new ();
  SHU_SCOPE (c);
  ShuTensor *y = to_host (
      c, shu_bake_picture (c, filled (c, SHU_DIMS (1, 2, 3), 6, values)));

  finish (c);
  g_assert_cmpmem (y->data, y->n, bytes, sizeof bytes);
}

static void
what_is_missing_is_an_error (void)
{
  g_autoptr (ShuCtx) c = context_new ();
  SHU_SCOPE (c);
  Case k;
  ShuBakeHeld held;
  ShuTensor *charts;

  case_init (&k, c);
  k.scene.bridge = NULL;
  shu_bake_texels (c, &k.scene, &k.plane, &charts);
  CHECK_FAILS (c, SHU_ERROR_INVALID, "bake_texels", "all that it needs");
  k.scene.normal = k.scene.uv;
  shu_bake_lacks (c, &k.scene, &held);
  CHECK_FAILS (c, SHU_ERROR_INVALID, "bake_lacks", "got [1225,2] f32");
  case_init (&k, c);
  shu_bake_differences (c, &k.scene, 2, 1, &held);
  CHECK_FAILS (c, SHU_ERROR_INVALID, "bake_differences");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  test_add ("/ops/bake/texels_take_what_sees_them", texels_take_what_sees_them);
  test_add ("/ops/bake/underneath_shows_where_nothing_is_seen",
      underneath_shows_where_nothing_is_seen);
  test_add ("/ops/bake/differences_are_those_of_colours",
      differences_are_those_of_colours);
  test_add ("/ops/bake/lacks_lead_to_the_pictures", lacks_lead_to_the_pictures);
  test_add ("/ops/bake/fields_spread_to_the_end", fields_spread_to_the_end);
  test_add ("/ops/bake/rows_of_a_photo_read_where_it_looks",
      rows_of_a_photo_read_where_it_looks);
  test_add ("/ops/bake/rows_of_drawings_are_of_what_is_solid",
      rows_of_drawings_are_of_what_is_solid);
  test_add ("/ops/bake/nothing_is_left_of_rows_that_weigh_nothing",
      nothing_is_left_of_rows_that_weigh_nothing);
  test_add ("/ops/bake/colours_become_the_nearest_bytes",
      colours_become_the_nearest_bytes);
  test_add (
      "/ops/bake/what_is_missing_is_an_error", what_is_missing_is_an_error);
  return g_test_run ();
}
