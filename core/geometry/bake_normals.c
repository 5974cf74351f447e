/* SPDX-License-Identifier: MIT */
#include "geometry/bake_normals.h"
#include "geometry/bvh.h"
#include "geometry/normals.h"
#include "geometry/raster.h"
#include "geometry/tangents.h"
#include "geometry/weld.h"
#include "ops/planes.h"
#include <math.h>
#include <string.h>

enum {
  MAX_SAMPLES = 3,  /* lines a texel, each way */
  GUTTER_PART = 96, /* of the side: how far texels repeat a chart's border */
};

static const float max_reach = 0.05f; /* of the unit cube */
/* What leans farther over, a picture of one side cannot show. */
static const float least_height = 0.1f;

typedef struct {
  const ShuMesh *mesh, *fine;
  const ShuBvh *bvh;
  float *normals, *tangents, *fine_normals;
  float least_reach;
  int size, samples;
} Baker;

static void
baker_clear (Baker *b)
{
  shu_bvh_free ((ShuBvh *) b->bvh);
  g_free (b->normals);
  g_free (b->tangents);
  g_free (b->fine_normals);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Baker, baker_clear)

static float
distance (const float *a, const float *b)
{
  float x = a[0] - b[0], y = a[1] - b[1], z = a[2] - b[2];

  return sqrtf (x * x + y * y + z * z);
}

/* Twice the mean side of a face of @mesh */
static float
two_sides (const ShuMesh *mesh)
{
  double sum = 0;
  gsize n = 3 * (gsize) mesh->n_faces;

  for (gsize i = 0; i < n; i++) {
    gsize next = i % 3 == 2 ? i - 2 : i + 1;

    sum += distance (mesh->pos + 3 * (gsize) mesh->faces[i],
        mesh->pos + 3 * (gsize) mesh->faces[next]);
  }
  return n ? (float) (2 * sum / n) : 0;
}

/* A surface with sides of this length is that close to what it stands for. */
static float
reach_of (const Baker *b, const gint32 *v)
{
  const float *p[3];
  float longest = 0;

  for (int k = 0; k < 3; k++)
    p[k] = b->mesh->pos + 3 * (gsize) v[k];
  for (int k = 0; k < 3; k++)
    longest = MAX (longest, distance (p[k], p[(k + 1) % 3]));
  return MIN (MAX (longest / 2, b->least_reach), max_reach);
}

static void
mix (const float *a, const gint32 *f, const float *l, float *ret)
{
  for (int k = 0; k < 3; k++)
    ret[k] = l[0] * a[3 * (gsize) f[0] + k] + l[1] * a[3 * (gsize) f[1] + k] +
             l[2] * a[3 * (gsize) f[2] + k];
}

static void
make_unit (float *a)
{
  float length = sqrtf (a[0] * a[0] + a[1] * a[1] + a[2] * a[2]);

  for (int k = 0; k < 3 && length > 0; k++)
    a[k] /= length;
}

/* Weights of the corners of face @v at a place of the picture, within it. */
static void
weights_at (
    const ShuMesh *mesh, const gint32 *v, double x, double y, float *ret)
{
  const float *a = mesh->uv + 2 * (gsize) v[0];
  const float *b = mesh->uv + 2 * (gsize) v[1];
  const float *c = mesh->uv + 2 * (gsize) v[2];
  double u1 = (double) b[0] - a[0], v1 = (double) b[1] - a[1];
  double u2 = (double) c[0] - a[0], v2 = (double) c[1] - a[1];
  double turn = u1 * v2 - u2 * v1, s, t;

  s = turn != 0 ? ((x - a[0]) * v2 - (y - a[1]) * u2) / turn : 1. / 3;
  t = turn != 0 ? ((y - a[1]) * u1 - (x - a[0]) * v1) / turn : 1. / 3;
  s = CLAMP (s, 0, 1);
  t = CLAMP (t, 0, 1);
  if (s + t > 1) {
    double sum = s + t;

    s /= sum;
    t /= sum;
  }
  ret[0] = (float) (1 - s - t);
  ret[1] = (float) s;
  ret[2] = (float) t;
}

/* @target in the axes of @frame, which need not be at right angles. */
static void
into_frame (const ShuFrame *frame, const float *target, float *ret)
{
  const float *axes[3] = {frame->tangent, frame->bitangent, frame->normal};
  float det = 0, out[3];

  for (int k = 0; k < 3; k++) {
    const float *p = axes[(k + 1) % 3], *q = axes[(k + 2) % 3];
    float c[3] = {p[1] * q[2] - p[2] * q[1], p[2] * q[0] - p[0] * q[2],
        p[0] * q[1] - p[1] * q[0]};

    out[k] = target[0] * c[0] + target[1] * c[1] + target[2] * c[2];
    if (k == 0)
      det = axes[0][0] * c[0] + axes[0][1] * c[1] + axes[0][2] * c[2];
  }
  for (int k = 0; k < 3; k++)
    ret[k] = fabsf (det) > 1e-3f ? out[k] / det : k == 2;
  make_unit (ret);
  if (ret[2] < least_height) {
    ret[2] = least_height;
    make_unit (ret);
  }
}

/* How a texel found its normal. */
typedef enum { FOUND_NOTHING, FOUND_NEAR, FOUND_MET } Found;

/* The fine surface's normal at a place of face @v of the mesh; @leaf (inout):
 * where the last one was found, -1: nowhere yet */
static Found
look_up (const Baker *b, const gint32 *v, const float *l, float reach,
    int *leaf, float *ret)
{
  float pos[3], axis[3];
  Found found = FOUND_MET;
  ShuBvhHit hit;

  mix (b->mesh->pos, v, l, pos);
  mix (b->normals, v, l, axis);
  make_unit (axis);
  memcpy (ret, axis, sizeof axis);
  if (!shu_bvh_line (b->bvh, pos, axis, reach, *leaf, &hit)) {
    found = FOUND_NEAR;
    if (!shu_bvh_nearest (b->bvh, pos, axis, reach, *leaf, &hit))
      return FOUND_NOTHING;
  }
  *leaf = hit.leaf;
  const gint32 *f = b->fine->faces + 3 * (gsize) hit.face;
  float w[3] = {1 - hit.bary[0] - hit.bary[1], hit.bary[0], hit.bary[1]};

  mix (b->fine_normals, f, w, ret);
  make_unit (ret);
  return found;
}

static Found
bake_texel (
    const Baker *b, const gint32 *v, int x, int y, int *leaf, float *ret)
{
  float reach = reach_of (b, v), sum[3] = {0}, l[3];
  Found found = FOUND_NOTHING;
  int n = b->samples;

  for (int i = 0; i < n * n; i++) {
    float normal[3];
    Found one;

    weights_at (b->mesh, v, (x + (i % n + 0.5) / n) / b->size,
        (y + (i / n + 0.5) / n) / b->size, l);
    one = look_up (b, v, l, reach, leaf, normal);
    found = MAX (found, one);
    for (int k = 0; k < 3; k++)
      sum[k] += normal[k];
  }
  weights_at (b->mesh, v, (x + 0.5) / b->size, (y + 0.5) / b->size, l);
  ShuFrame frame = shu_frame_at (b->normals, b->tangents, v, l);
  into_frame (&frame, sum, ret);
  return found;
}

/* 0 lies between two bytes: always the upper one, whatever rounding did. */
void
shu_normal_encode (const float *normal, guint8 *ret_rgb)
{
  for (int k = 0; k < 3; k++)
    ret_rgb[k] = (guint8) CLAMP (normal[k] * 127.5f + 128.01f, 0, 255);
}

/* Near a chart its nearest texel, which is in its tangent space; farther away
 * the mean direction. */
static gboolean
fill_gaps (float *map, const guint8 *covered, int size, GError **error)
{
  g_autoptr (ShuCtx) c = shu_ctx_new ("cpu", error);
  ShuTensor *y;

  if (!c)
    return FALSE;
  y = shu_plane_fill (c,
      shu_from_host (c, SHU_DTYPE_F32, SHU_DIMS (size, size, 3), map),
      shu_from_host (c, SHU_DTYPE_U8, SHU_DIMS (size, size), covered),
      size / (float) GUTTER_PART);
  shu_to_host (c, y, map);
  return shu_ctx_finish (c, error);
}

static void
prepare (Baker *b)
{
  g_autofree gint32 *first = g_new (gint32, MAX (1, b->mesh->n_verts));
  gsize n = b->mesh->n_verts;

  b->normals = g_new (float, 3 * n + 1);
  b->tangents = g_new (float, 4 * n + 1);
  b->fine_normals = g_new (float, 3 * (gsize) b->fine->n_verts + 1);
  shu_mesh_weld (b->mesh, first);
  shu_mesh_normals_welded (b->mesh, first, b->normals);
  shu_mesh_tangents (b->mesh, b->normals, b->tangents);
  shu_mesh_normals (b->fine, b->fine_normals);
  b->bvh = shu_bvh_new (b->fine);
  b->least_reach = two_sides (b->fine);
}

/* So many lines that no face of the fine surface falls between them. */
static int
count_samples (const ShuMesh *fine, int texels)
{
  double faces = texels ? fine->n_faces / (double) texels : 0;

  return CLAMP ((int) ceil (sqrt (faces)), 1, MAX_SAMPLES);
}

ShuImage *
shu_bake_normals (const ShuMesh *unwrapped, const ShuMesh *fine, int size,
    ShuNormalReport *ret_report, const ShuProgress *progress, GError **error)
{
  gsize n = (gsize) size * size;
  g_auto (Baker) b = {.mesh = unwrapped, .fine = fine, .size = size};
  int texels = 0, met = 0, near = 0;

  g_return_val_if_fail (unwrapped->uv, NULL);
  g_return_val_if_fail (size >= 64 && size <= 8192, NULL);
  if (!shu_progress (progress, "normals", 0, 3, error))
    return NULL;
  prepare (&b);
  if (!shu_progress (progress, "normals", 1, 3, error))
    return NULL;

  g_autoptr (ShuRaster) raster = shu_raster_new (size, size, SHU_RASTER_NONE);
  g_autofree float *map = g_new0 (float, 3 * n);
  g_autofree guint8 *covered = g_malloc (n);
  shu_raster_uv (raster, unwrapped, SHU_RASTER_NONE, NULL);
  for (gsize i = 0; i < n; i++)
    texels += covered[i] = raster->face[i] >= 0;
  b.samples = count_samples (fine, texels);
#pragma omp parallel for schedule(dynamic, 4) reduction(+ : met, near)
  for (int y = 0; y < size; y++) {
    int leaf = -1;

    for (int x = 0; x < size; x++) {
      gsize i = (gsize) y * size + x;
      Found found;

      if (!covered[i])
        continue;
      found = bake_texel (&b, unwrapped->faces + 3 * (gsize) raster->face[i], x,
          y, &leaf, map + 3 * i);
      met += found == FOUND_MET;
      near += found == FOUND_NEAR;
    }
  }
  if (!shu_progress (progress, "normals", 2, 3, error))
    return NULL;
  if (!fill_gaps (map, covered, size, error))
    return NULL;
  ShuImage *out = shu_image_new (size, size, 3);
  for (gsize i = 0; i < n; i++) {
    make_unit (map + 3 * i);
    shu_normal_encode (map + 3 * i, out->data + 3 * i);
  }
  if (ret_report)
    *ret_report = (ShuNormalReport){texels, met, near};
  return out;
}

ShuImage *
shu_normal_map_halve (const ShuImage *map)
{
  int w = MAX (1, map->width / 2), h = MAX (1, map->height / 2);
  ShuImage *out = shu_image_new (w, h, 3);

  g_assert (map->n_channels == 3);
  for (int y = 0; y < h; y++)
    for (int x = 0; x < w; x++) {
      float sum[3] = {0}, one[3];

      for (int k = 0; k < 4; k++) {
        int u = MIN (2 * x + (k & 1), map->width - 1);
        int v = MIN (2 * y + (k >> 1), map->height - 1);

        shu_normal_decode (map->data + 3 * ((gsize) v * map->width + u), one);
        for (int c = 0; c < 3; c++)
          sum[c] += one[c];
      }
      make_unit (sum);
      shu_normal_encode (sum, out->data + 3 * ((gsize) y * w + x));
    }
  return out;
}
