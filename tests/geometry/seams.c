/* SPDX-License-Identifier: MIT */
/* What must hold of a baked texture as viewers sample it: across seams, in its
 * smaller pictures, at outlines, on the face. */
#include "atlas_bodies.h"
#include "geometry/bake.h"
#include "geometry/raster.h"
#include "geometry/render.h"
#include "geometry/weld.h"
#include "geometry/splat.h"
#include <math.h>
#include <string.h>

enum { S = 384, FACE = 192, TEXTURE = 1024, N_FACES = 4000 };

typedef struct {
  ShuMesh *mesh;
  BodiesPictures views;
  ShuImage *texture;
} Case;

static void
flat (const float *pos, float *ret_rgb)
{
  ret_rgb[0] = 180;
  ret_rgb[1] = 120;
  ret_rgb[2] = 60;
}

/* A tenth of the range over the body */
static void
slope (const float *pos, float *ret_rgb)
{
  ret_rgb[0] = 150 + 60 * pos[2];
  ret_rgb[1] = 120 + 60 * pos[0];
  ret_rgb[2] = 120 - 60 * pos[2] + 60 * pos[1];
}

static Case
make_case (void)
{
  return (Case){bodies_unwrapped (N_FACES, TEXTURE)};
}

/* Pictures of the sides given as bits, and of the front's face */
static void
photograph (Case *c, BodiesPaint paint, guint sides, int size)
{
  for (int v = 0; v < SHU_N_VIEWS; v++) {
    if (sides >> v & 1)
      bodies_photograph_as (
          c->mesh, v, size, paint, &c->views.color[v], &c->views.normal[v]);
  }
}

static void
bake (Case *c)
{
  ShuBakeParams params = {.size = TEXTURE};
  g_autoptr (ShuCtx) cpu = shu_ctx_new ("cpu", NULL);
  ShuBakeViews views = bodies_views (cpu, &c->views);
  g_autoptr (GError) error = NULL;

  c->texture = shu_bake (c->mesh, &views, &params, NULL, &error);
  g_assert_no_error (error);
}

static void
case_clear (Case *c)
{
  shu_mesh_free (c->mesh);
  shu_image_free (c->texture);
  bodies_pictures_clear (&c->views);
}

/* Bilinear, as a viewer does */
static void
sample (const ShuImage *t, const float *uv, float *ret)
{
  float x = CLAMP (uv[0] * t->width - 0.5f, 0, t->width - 1);
  float y = CLAMP (uv[1] * t->height - 0.5f, 0, t->height - 1);
  int x0 = (int) x, y0 = (int) y;

  for (int k = 0; k < 3; k++) {
    ret[k] = 0;
    for (int i = 0; i < 4; i++) {
      int u = MIN (x0 + (i & 1), t->width - 1);
      int v = MIN (y0 + (i >> 1), t->height - 1);
      ret[k] += (i & 1 ? x - x0 : 1 - x + x0) * (i >> 1 ? y - y0 : 1 - y + y0) *
                t->data[3 * ((gsize) v * t->width + u) + k];
    }
  }
}

/* The edges of faces by the places of their ends, with the corners that they
 * have there. */
static GHashTable *
collect_edges (const ShuMesh *m)
{
  GHashTable *edges =
      g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, g_free);
  g_autofree gint32 *first = g_new (gint32, m->n_verts);

  shu_mesh_weld (m, first);
  for (int i = 0; i < 3 * m->n_faces; i++) {
    gint32 a = m->faces[i], b = m->faces[i / 3 * 3 + (i + 1) % 3];
    gint64 p = first[a], q = first[b];
    gint64 key = MIN (p, q) << 32 | MAX (p, q);
    gint32 *known = g_hash_table_lookup (edges, &key);

    if (!known) {
      known = g_new (gint32, 4);
      known[0] = p < q ? a : b;
      known[1] = p < q ? b : a;
      known[2] = known[3] = -1;
      g_hash_table_insert (edges, g_memdup2 (&key, sizeof key), known);
    } else {
      known[2] = p < q ? a : b;
      known[3] = p < q ? b : a;
    }
  }
  return edges;
}

typedef struct {
  double worst, sum;
  int n;
} Steps;

/* Both sides of every seam, along it */
static Steps
measure_seams (const Case *c)
{
  const ShuMesh *m = c->mesh;
  g_autoptr (GHashTable) edges = collect_edges (m);
  Steps s = {0};
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, edges);
  while (g_hash_table_iter_next (&iter, NULL, &value)) {
    const gint32 *e = value;
    if (e[2] < 0 || (e[0] == e[2] && e[1] == e[3]))
      continue;
    for (int i = 0; i <= 8; i++) {
      float t = i / 8.0f, uv[2][2], rgb[2][3];
      for (int side = 0; side < 2; side++) {
        for (int k = 0; k < 2; k++)
          uv[side][k] = (1 - t) * m->uv[2 * e[2 * side] + k] +
                        t * m->uv[2 * e[2 * side + 1] + k];
        sample (c->texture, uv[side], rgb[side]);
      }
      for (int k = 0; k < 3; k++) {
        double d = fabsf (rgb[0][k] - rgb[1][k]);
        s.worst = MAX (s.worst, d);
        s.sum += d;
        s.n++;
      }
    }
  }
  g_assert_cmpint (s.n, >, 1000);
  return s;
}

static void
check_seams (BodiesPaint paint, double worst, double mean)
{
  Case c = make_case ();
  Steps s;

  photograph (&c, paint, 15, S);
  bake (&c);
  s = measure_seams (&c);
  g_test_message ("%d samples of both sides: %.2f levels at most, %.3f in the"
                  " mean",
      s.n / 3, s.worst, s.sum / s.n);
  g_assert_cmpfloat (s.worst, <=, worst);
  g_assert_cmpfloat (s.sum / s.n, <=, mean);
  case_clear (&c);
}

static void
flat_colour_has_no_seams (void)
{
  check_seams (flat, 2, 0.1);
}

static void
slopes_have_no_seams (void)
{
  check_seams (slope, 4, 0.6);
}

/* The chart of each face: the least vertex that it is connected with. */
static gint32 *
find_charts (const ShuMesh *m)
{
  gint32 *of = g_new (gint32, m->n_verts);
  gboolean changes = TRUE;

  for (int i = 0; i < m->n_verts; i++)
    of[i] = i;
  while (changes) {
    changes = FALSE;
    for (int f = 0; f < m->n_faces; f++) {
      const gint32 *v = m->faces + 3 * f;
      gint32 least = MIN (of[v[0]], MIN (of[v[1]], of[v[2]]));
      for (int k = 0; k < 3; k++)
        if (of[v[k]] > least) {
          of[v[k]] = least;
          changes = TRUE;
        }
    }
  }
  return of;
}

static void
color_of_chart (gint32 chart, int *ret)
{
  for (int k = 0; k < 3; k++)
    ret[k] = (chart >> 3 * k) * 37 % 2 ? 220 : 30 + 20 * k;
}

/* The texture's smaller pictures, by 2x2 means */
static ShuImage *
halve (const ShuImage *t)
{
  ShuImage *h = shu_image_new (t->width / 2, t->height / 2, 3);

  for (int y = 0; y < h->height; y++)
    for (int x = 0; x < h->width; x++)
      for (int k = 0; k < 3; k++) {
        const guint8 *p = t->data + 3 * ((gsize) 2 * y * t->width + 2 * x) + k;
        h->data[3 * ((gsize) y * h->width + x) + k] =
            (p[0] + p[3] + p[3 * t->width] + p[3 * t->width + 3] + 2) / 4;
      }
  return h;
}

/* Charts of very different colours: in no level up to the third has a texel
 * whose middle lies in a chart anything of another. */
static void
gutters_last_to_the_third_level (void)
{
  Case c = make_case ();
  ShuMesh *m = c.mesh;
  g_autofree gint32 *charts = find_charts (m);
  g_autoptr (ShuRaster) r = shu_raster_new (2 * TEXTURE, 2 * TEXTURE, 0);
  ShuImage *level;

  for (int i = 0; i < m->n_verts; i++) {
    int rgb[3];
    color_of_chart (charts[i], rgb);
    for (int k = 0; k < 3; k++)
      m->attr[6 * i + k] = rgb[k] / 255.0f;
  }
  bake (&c);
  /* Twice as fine: middles of smaller pictures' texels lie between texels. */
  shu_raster_uv (r, m, 0, NULL);
  level = shu_image_copy (c.texture);
  for (int l = 0; l <= 3; l++) {
    int n = 0, worst = 0;

    for (int y = 0; y < level->height; y++)
      for (int x = 0; x < level->width; x++) {
        int at = ((2 * y + 1) << l) * 2 * TEXTURE + ((2 * x + 1) << l);
        int face = r->face[at], rgb[3];
        if (face < 0)
          continue;
        color_of_chart (charts[m->faces[3 * face]], rgb);
        for (int k = 0; k < 3; k++)
          worst = MAX (worst,
              ABS (rgb[k] - level->data[3 * (y * level->width + x) + k]));
        n++;
      }
    g_test_message ("level %d: %d texels in charts, off by %d", l, n, worst);
    g_assert_cmpint (worst, <=, 2);
    ShuImage *next = halve (level);
    shu_image_free (level);
    level = next;
  }
  shu_image_free (level);
  case_clear (&c);
}

/* Gaussians are drawn over black, which must not come in at outlines. */
static void
outlines_have_no_specks (void)
{
  Case c = make_case ();
  gsize n = c.mesh->n_verts;
  g_autofree float *rgb = g_new (float, 3 * n), *scale = g_new (float, 3 * n);
  g_autofree float *quat = g_new0 (float, 4 * n), *opacity = g_new (float, n);
  g_autoptr (ShuRaster) r = shu_raster_new (TEXTURE, TEXTURE, 0);
  int darkest = 255;

  for (gsize i = 0; i < 3 * n; i++) {
    rgb[i] = 0.7f;
    scale[i] = 0.012f;
    quat[4 * (i / 3)] = 1;
    opacity[i / 3] = 0.6f;
  }
  ShuGaussians g = {(int) n, c.mesh->pos, scale, quat, opacity, rgb};
  g_autoptr (ShuCtx) ctx = shu_ctx_new ("cpu", NULL);
  SHU_SCOPE (ctx);
  ShuSplatInput input = shu_splat_input (ctx, &g);
  c.views.gaussians = &input;
  bake (&c);
  shu_raster_uv (r, c.mesh, 0, NULL);
  for (gsize i = 0; i < (gsize) TEXTURE * TEXTURE; i++)
    for (int k = 0; r->face[i] >= 0 && k < 3; k++)
      darkest = MIN (darkest, c.texture->data[3 * i + k]);
  g_test_message ("of 178 everywhere, the darkest texel is %d", darkest);
  g_assert_cmpint (darkest, >=, 170);
  case_clear (&c);
}

/* The sum of differences of neighbours where @mask is set. */
static double
detail (const ShuImage *image, const guint8 *mask)
{
  double sum = 0;
  int C = image->n_channels;

  for (int y = 1; y + 1 < FACE; y++)
    for (int x = 1; x + 1 < FACE; x++) {
      int i = y * FACE + x;
      if (!mask[i])
        continue;
      for (int k = 0; k < 3; k++)
        sum += ABS (image->data[C * i + k] - image->data[C * (i + 1) + k]) +
               ABS (image->data[C * i + k] - image->data[C * (i + FACE) + k]);
    }
  return sum;
}

/* What only the picture of the face shows is on the model. */
static void
faces_are_sharp (void)
{
  Case c = make_case ();
  ShuCamera camera = shu_camera_of_view (SHU_VIEW_FACE);
  ShuRenderParams params = {.width = FACE, .height = FACE};
  g_autofree guint8 *mask = g_malloc0 (FACE * FACE);
  ShuImage *face;
  double ratio;

  photograph (&c, slope, 31, FACE);
  face = c.views.color[SHU_VIEW_FACE];
  for (int i = 0; i < FACE * FACE; i++)
    for (int k = 0; k < 3; k++)
      if (c.views.normal[SHU_VIEW_FACE]->data[3 * i] < 230)
        face->data[3 * i + k] +=
            (int) lrint (24 * sin (i % FACE * 0.9) * cos (i / FACE * 0.7));
  bake (&c);
  g_autoptr (ShuImage) out = shu_render (c.mesh, c.texture, &camera, &params);
  /* A round part of the head that is seen from the front, well inside */
  for (int i = 0; i < FACE * FACE; i++) {
    double x = (i % FACE + 0.5) / FACE / 3 - 1.0 / 6,
           z = 0.5 - (i / FACE + 0.5) / FACE / 3;
    mask[i] = hypot (x, z - 0.375) < 0.035;
  }
  ratio = detail (out, mask) / detail (face, mask);
  g_test_message ("%.3f of the picture's detail", ratio);
  g_assert_cmpfloat (ratio, >, 0.8);
  g_assert_cmpfloat (ratio, <, 1.1);
  case_clear (&c);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func (
      "/geometry/seams/flat_colour_has_no_seams", flat_colour_has_no_seams);
  g_test_add_func (
      "/geometry/seams/slopes_have_no_seams", slopes_have_no_seams);
  g_test_add_func ("/geometry/seams/gutters_last_to_the_third_level",
      gutters_last_to_the_third_level);
  g_test_add_func (
      "/geometry/seams/outlines_have_no_specks", outlines_have_no_specks);
  g_test_add_func ("/geometry/seams/faces_are_sharp", faces_are_sharp);
  return g_test_run ();
}
