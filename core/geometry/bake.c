/* SPDX-License-Identifier: MIT */
/* Baking as a whole: fields on the vertices that bring pictures in line and
 * bridge what none sees, then every texel on its own. */
#include "geometry/bake_private.h"
#include "base/error.h"
#include "geometry/raster.h"
#include "geometry/weld.h"
#include <math.h>
#include <string.h>

enum {
  N_BODY = 4, /* pictures of the whole body */
  DEFAULT_SIZE = 1024,
  N_MATCH = 120, /* rounds of spreading differences of side pictures */
  N_SMOOTH = 8,
  N_BRIDGE = 300, /* rounds of spreading colours over unseen parts */
  MAX_DIFFERENCE = 64,
  USUAL_DIFFERENCE = 40,
  GUTTER = 10, /* texels around charts that repeat their border */
};

static const float default_power = 4;
/* The photo, the drawn back, the sides: where front and side see a place at
 * 69 degrees and 21, they weigh the same. */
static const float prior[N_BODY] = {50, 1, 20, 1};
static const float base_weight = 2e-3f; /* of the colours underneath */
static const float normal_hold = 0.6f;  /* of a normal against its neighbours */
static const float match_decay = 0.002f;
static const float face_fade = 0.06f; /* of the face window, at its border */

typedef struct {
  const ShuMesh *mesh;
  const ShuBakeViews *views;
  float power;
  ShuBakePhoto *photos[N_BODY]; /* nullable */
  ShuBakePhoto *face;           /* nullable */
  float *face_shift; /* [S,S,3] of the face: what it lacks against the front */
  ShuGaussianGrid *gaussians; /* nullable */
  float *normals;             /* [n_verts,3] */
  float *match[N_BODY];       /* [n_verts,3], nullable */
  float *bridge;              /* [n_verts,3] from base colour to pictures */
} Baker;

static void
baker_clear (Baker *b)
{
  for (int i = 0; i < N_BODY; i++) {
    shu_bake_photo_free (b->photos[i]);
    g_free (b->match[i]);
  }
  shu_bake_photo_free (b->face);
  g_free (b->face_shift);
  shu_gaussian_grid_free (b->gaussians);
  g_free (b->normals);
  g_free (b->bridge);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Baker, baker_clear)

static gboolean
check_views (const ShuBakeViews *views, GError **error)
{
  for (int i = 0; i < SHU_N_VIEWS; i++) {
    const ShuImage *c = views->color[i], *n = views->normal[i];

    if (!c)
      continue;
    if (c->n_channels != 3 || c->width != c->height || c->width < 8 ||
        (n && (n->n_channels != 3 || n->width != c->width ||
                  n->height != c->height))) {
      g_set_error (error, SHU_ERROR, SHU_ERROR_INVALID,
          "picture %d: %d x %d with %d channels; square RGB is expected, and "
          "a normal picture of the same size",
          i, c->width, c->height, c->n_channels);
      return FALSE;
    }
  }
  const ShuImage *person = views->person, *front = views->color[0];
  if (person &&
      (!front || person->n_channels != 1 || person->width != front->width ||
          person->height != front->height)) {
    g_set_error (error, SHU_ERROR, SHU_ERROR_INVALID,
        "mask of the front: %d x %d with %d channels; one channel and the size "
        "of the front picture are expected",
        person->width, person->height, person->n_channels);
    return FALSE;
  }
  return TRUE;
}

/* The face picture is drawn, not photographed: what differs from the front
 * in low frequencies is taken from the front. */
static void
align_face (Baker *b)
{
  ShuBakePhoto *face = b->face;
  const ShuBakePhoto *front = b->photos[SHU_VIEW_FRONT];
  int size = face->size;

  b->face_shift = g_new (float, 3 * (gsize) size * size);
#pragma omp parallel for
  for (int y = 0; y < size; y++)
    for (int x = 0; x < size; x++) {
      gsize at = (gsize) y * size + x;
      float uv[2] = {(x + 0.5f) / size / 3 + 1.0f / 3, (y + 0.5f) / size / 3};
      float c[3];
      shu_bake_photo_sample (front->rgb, front->size, 3, uv, c);
      for (int k = 0; k < 3; k++)
        b->face_shift[3 * at + k] = c[k] - face->rgb[3 * at + k];
    }
  /* About one and a half pixels of the front: the detail beyond is the
   * face's. */
  shu_plane_blur (
      b->face_shift, size, 3, MAX (1, 3 * size / (2 * front->size)));
}

/* Colour of body picture @v at a point, the face's detail included. */
static void
sample_view (const Baker *b, int v, const float *uv, float *ret)
{
  const ShuBakePhoto *p = b->photos[v];

  shu_bake_photo_sample (p->rgb, p->size, 3, uv, ret);
  if (v == SHU_VIEW_FRONT && b->face) {
    float in[2] = {3 * uv[0] - 1, 3 * uv[1]}, c[3], shift[3];
    float margin = MIN (MIN (in[0], 1 - in[0]), 1 - in[1]);
    float t = CLAMP (margin / face_fade, 0, 1);
    if (t <= 0 || in[1] < 0)
      return;
    shu_bake_photo_sample (b->face->rgb, b->face->size, 3, in, c);
    shu_bake_photo_sample (b->face_shift, b->face->size, 3, in, shift);
    for (int k = 0; k < 3; k++)
      ret[k] += t * (c[k] + shift[k] - ret[k]);
  }
}

/* The difference of picture @v to those of @refs (as they are matched
 * themselves) where both see the surface well, spread over it.  What differs
 * much shows something else, and counts little. */
static void
match_view (Baker *b, const ShuField *field, int v, const int *refs, int n_refs)
{
  const ShuBakePhoto *photo = b->photos[v];
  int n = b->mesh->n_verts;
  g_autofree float *weight = g_new (float, MAX (1, n));

  b->match[v] = g_new0 (float, MAX (1, 3 * (gsize) n));
#pragma omp parallel for
  for (int i = 0; i < n; i++) {
    const float *pos = b->mesh->pos + 3 * (gsize) i;
    const float *normal = b->normals + 3 * (gsize) i;
    float *m = b->match[v] + 3 * (gsize) i, uv[2], c[3], d[3];
    float w = shu_bake_photo_weight (photo, pos, normal, 2, uv);

    weight[i] = 0;
    if (!(w > 0.02f))
      continue;
    shu_bake_photo_sample (photo->smooth, photo->size, 3, uv, c);
    for (int r = 0; r < n_refs; r++) {
      const ShuBakePhoto *ref = b->photos[refs[r]];
      const float *shift = b->match[refs[r]];
      float wr = ref ? w * shu_bake_photo_weight (ref, pos, normal, 2, uv) : 0;
      float large = 0;
      if (wr <= 0)
        continue;
      shu_bake_photo_sample (ref->smooth, ref->size, 3, uv, d);
      for (int k = 0; k < 3; k++) {
        d[k] += (shift ? shift[3 * (gsize) i + k] : 0) - c[k];
        large += d[k] * d[k];
      }
      wr /= 1 + large / (USUAL_DIFFERENCE * USUAL_DIFFERENCE);
      for (int k = 0; k < 3; k++)
        m[k] += wr * CLAMP (d[k], -MAX_DIFFERENCE, MAX_DIFFERENCE);
      weight[i] += wr;
    }
    for (int k = 0; k < 3 && weight[i] > 0; k++)
      m[k] /= weight[i];
    weight[i] *= 4;
  }
  shu_field_spread (field, b->match[v], weight, match_decay, N_MATCH);
}

/* The front is the photo: the sides follow it, the back follows the sides.
 * Without it the sides follow the back. */
static void
match_views (Baker *b, const ShuField *field)
{
  static const int front[] = {SHU_VIEW_FRONT}, back[] = {SHU_VIEW_BACK};
  static const int sides[] = {SHU_VIEW_RIGHT, SHU_VIEW_LEFT};
  gboolean has_front = b->photos[SHU_VIEW_FRONT] != NULL;

  for (int i = 0; i < 2; i++)
    if (b->photos[sides[i]])
      match_view (b, field, sides[i], has_front ? front : back, 1);
  if (has_front && b->photos[SHU_VIEW_BACK])
    match_view (b, field, SHU_VIEW_BACK, sides, 2);
}

/* Where a texel or a vertex is. */
typedef struct {
  float pos[3], normal[3], base[3], bridge[3];
  float match[N_BODY][3];
} Spot;

/* Colour without pictures: Gaussians, else the vertices' own. */
static void
sample_base (const Baker *b, const float *pos, const float *own, float *ret)
{
  if (b->gaussians && shu_gaussian_grid_sample (b->gaussians, pos, ret)) {
    for (int k = 0; k < 3; k++)
      ret[k] *= 255;
    return;
  }
  for (int k = 0; k < 3; k++)
    ret[k] = own ? 255 * own[k] : 128;
}

/* Weighted sum of the pictures at a spot.  Returns: the sum of the weights */
static float
sum_views (const Baker *b, const Spot *s, float *ret_sum)
{
  float total = 0;

  ret_sum[0] = ret_sum[1] = ret_sum[2] = 0;
  for (int v = 0; v < N_BODY; v++) {
    float uv[2], c[3], w;
    if (!b->photos[v])
      continue;
    w = prior[v] *
        shu_bake_photo_weight (b->photos[v], s->pos, s->normal, b->power, uv);
    if (w <= 0)
      continue;
    sample_view (b, v, uv, c);
    for (int k = 0; k < 3; k++)
      ret_sum[k] += w * (c[k] + s->match[v][k]);
    total += w;
  }
  return total;
}

/* The shift between the colour underneath and that of the pictures, spread
 * from where pictures are to where none is. */
static void
bridge_unseen (Baker *b, const ShuField *field)
{
  const ShuMesh *m = b->mesh;
  int n = m->n_verts;
  g_autofree float *weight = g_new (float, MAX (1, n));

  b->bridge = g_new0 (float, MAX (1, 3 * (gsize) n));
#pragma omp parallel for schedule(dynamic, 256)
  for (int i = 0; i < n; i++) {
    Spot s = {0};
    float c[3], base[3], w;

    memcpy (s.pos, m->pos + 3 * (gsize) i, sizeof s.pos);
    memcpy (s.normal, b->normals + 3 * (gsize) i, sizeof s.normal);
    for (int v = 0; v < N_BODY; v++)
      if (b->match[v])
        memcpy (s.match[v], b->match[v] + 3 * (gsize) i, sizeof s.match[v]);
    w = sum_views (b, &s, c);
    sample_base (b, s.pos, m->attr ? m->attr + 6 * (gsize) i : NULL, base);
    for (int k = 0; k < 3 && w > 0; k++)
      b->bridge[3 * (gsize) i + k] = c[k] / w - base[k];
    weight[i] = MIN (w, 1) * 8;
  }
  shu_field_spread (field, b->bridge, weight, 0, N_BRIDGE);
}

static void
mix (const float *a, const gint32 *f, const float *l, int stride, float *ret)
{
  for (int k = 0; k < 3; k++)
    ret[k] = l[0] * a[stride * (gsize) f[0] + k] +
             l[1] * a[stride * (gsize) f[1] + k] +
             l[2] * a[stride * (gsize) f[2] + k];
}

static void
bake_texel (const Baker *b, int face, const float *bary, float *ret)
{
  const ShuMesh *m = b->mesh;
  const gint32 *f = m->faces + 3 * (gsize) face;
  float l[3] = {1 - bary[0] - bary[1], bary[0], bary[1]}, own[3], base[3];
  float sum[3], bridge[3], len, total;
  Spot s = {0};

  mix (m->pos, f, l, 3, s.pos);
  mix (b->normals, f, l, 3, s.normal);
  len = sqrtf (s.normal[0] * s.normal[0] + s.normal[1] * s.normal[1] +
               s.normal[2] * s.normal[2]);
  for (int k = 0; k < 3 && len > 0; k++)
    s.normal[k] /= len;
  for (int v = 0; v < N_BODY; v++)
    if (b->match[v])
      mix (b->match[v], f, l, 3, s.match[v]);
  total = sum_views (b, &s, sum);
  /* The colours underneath cost a search: only where they count. */
  if (total < 200 * base_weight) {
    if (m->attr)
      mix (m->attr, f, l, 6, own);
    sample_base (b, s.pos, m->attr ? own : NULL, base);
    mix (b->bridge, f, l, 3, bridge);
    for (int k = 0; k < 3; k++)
      sum[k] += base_weight * (base[k] + bridge[k]);
    total += base_weight;
  }
  for (int k = 0; k < 3; k++)
    ret[k] = CLAMP (sum[k] / total, 0, 255);
}

/* Weights of views depend on normals: what is rough would mix them in
 * patches. */
static void
smooth_normals (Baker *b, const ShuField *field)
{
  int n = b->mesh->n_verts;
  g_autofree float *weight = g_new (float, MAX (1, n));

  for (int i = 0; i < n; i++)
    weight[i] = normal_hold;
  shu_field_spread (field, b->normals, weight, 0, N_SMOOTH);
  for (int i = 0; i < n; i++) {
    float *m = b->normals + 3 * (gsize) i;
    float len = sqrtf (m[0] * m[0] + m[1] * m[1] + m[2] * m[2]);
    for (int k = 0; k < 3 && len > 0; k++)
      m[k] /= len;
  }
}

static void
prepare (Baker *b)
{
  const ShuBakeViews *views = b->views;
  const ShuMesh *mesh = b->mesh;
  g_autofree gint32 *first = g_new (gint32, MAX (1, mesh->n_verts));
  ShuField field;

  shu_mesh_weld (mesh, first);
  b->normals = g_new (float, MAX (1, 3 * (gsize) mesh->n_verts));
  shu_mesh_normals_welded (mesh, first, b->normals);
  shu_field_init (&field, mesh, first);
  smooth_normals (b, &field);
  for (int v = 0; v < N_BODY; v++)
    if (views->color[v])
      b->photos[v] = shu_bake_photo_new (views->color[v], views->normal[v],
          v == SHU_VIEW_FRONT ? views->person : NULL, v, mesh);
  if (views->color[SHU_VIEW_FACE] && b->photos[SHU_VIEW_FRONT]) {
    b->face = shu_bake_photo_new (views->color[SHU_VIEW_FACE],
        views->normal[SHU_VIEW_FACE], NULL, SHU_VIEW_FACE, mesh);
    align_face (b);
  }
  if (views->gaussians && views->gaussians->n > 0)
    b->gaussians = shu_gaussian_grid_new (views->gaussians);
  match_views (b, &field);
  bridge_unseen (b, &field);
  shu_field_clear (&field);
}

/* Near a chart its nearest texel, farther away a smooth mean. */
static void
fill_gaps (float *rgb, guint8 *covered, int size)
{
  gsize n = (gsize) size * size;
  g_autofree float *dist = g_new (float, n);
  g_autofree gint32 *from = g_new (gint32, n);

  shu_plane_nearest (covered, size, dist, from);
  for (gsize i = 0; i < n; i++)
    if (!covered[i] && from[i] >= 0 && dist[i] <= GUTTER) {
      memcpy (rgb + 3 * i, rgb + 3 * (gsize) from[i], 3 * sizeof (float));
      covered[i] = 1;
    }
  shu_push_pull (rgb, covered, size);
}

ShuImage *
shu_bake (const ShuMesh *unwrapped, const ShuBakeViews *views,
    const ShuBakeParams *params, const ShuProgress *progress, GError **error)
{
  int size = params && params->size ? params->size : DEFAULT_SIZE;
  gsize n = (gsize) size * size;
  g_auto (Baker) b = {.mesh = unwrapped, .views = views};

  g_return_val_if_fail (unwrapped->uv, NULL);
  g_return_val_if_fail (size >= 64 && size <= 8192, NULL);
  b.power =
      params && params->angle_power > 0 ? params->angle_power : default_power;
  if (!check_views (views, error) ||
      !shu_progress (progress, "texture", 0, 3, error))
    return NULL;
  prepare (&b);
  if (!shu_progress (progress, "texture", 1, 3, error))
    return NULL;

  g_autoptr (ShuRaster) raster = shu_raster_new (size, size, SHU_RASTER_BARY);
  g_autofree float *rgb = g_new0 (float, 3 * n);
  g_autofree guint8 *covered = g_malloc (n);
  shu_raster_uv (raster, unwrapped, SHU_RASTER_BARY, NULL);
#pragma omp parallel for schedule(dynamic, 8)
  for (int y = 0; y < size; y++)
    for (int x = 0; x < size; x++) {
      gsize i = (gsize) y * size + x;
      covered[i] = raster->face[i] >= 0;
      if (covered[i])
        bake_texel (&b, raster->face[i], raster->bary + 2 * i, rgb + 3 * i);
    }
  if (!shu_progress (progress, "texture", 2, 3, error))
    return NULL;
  fill_gaps (rgb, covered, size);
  ShuImage *out = shu_image_new (size, size, 3);
  for (gsize i = 0; i < 3 * n; i++)
    out->data[i] = (guint8) (rgb[i] + 0.5f);
  return out;
}
