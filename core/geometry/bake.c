/* SPDX-License-Identifier: MIT */
/* Baking as a whole: every texel on its own from what the pictures show of its
 * place, then all together, so that the pictures come back. */
#include "base/error.h"
#include "geometry/bake_private.h"
#include "geometry/raster.h"
#include <math.h>
#include <string.h>

enum {
  DEFAULT_SIZE = 1024,
  LEAST_UNDER = 256, /* texels a side of the colours underneath */
  GUTTER = 10,       /* texels around charts that repeat their border */
};

static const float default_power = 4;
static const float base_weight = 2e-3f; /* of the colours underneath */

static void
baker_clear (ShuBaker *b)
{
  for (int i = 0; i < SHU_BAKE_BODY; i++) {
    g_free (b->photos[i]);
    g_free (b->match[i]);
  }
  g_free (b->face);
  g_free (b->normals);
  g_free (b->under);
  g_free (b->bridge);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (ShuBaker, baker_clear)

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

static void
bake_texel (const ShuBaker *b, int face, const float *bary, float *ret)
{
  const ShuMesh *m = b->mesh;
  const gint32 *f = m->faces + 3 * (gsize) face;
  float l[3] = {1 - bary[0] - bary[1], bary[0], bary[1]}, own[3], base[3];
  float sum[3], bridge[3], uv[2], total;
  ShuBakeSpot s = shu_bake_spot (b, face, l);

  total = shu_bake_sum_views (b, &s, sum);
  if (m->attr)
    shu_bake_mix (m->attr, f, l, 6, own);
  for (int k = 0; k < 2; k++)
    uv[k] = l[0] * m->uv[2 * (gsize) f[0] + k] +
            l[1] * m->uv[2 * (gsize) f[1] + k] +
            l[2] * m->uv[2 * (gsize) f[2] + k];
  shu_bake_under (b, uv, m->attr ? own : NULL, base);
  shu_bake_mix (b->bridge, f, l, 3, bridge);
  for (int k = 0; k < 3; k++)
    ret[k] = CLAMP (
        (sum[k] + base_weight * (base[k] + bridge[k])) / (total + base_weight),
        0, 255);
}

ShuTensor *
shu_bake_upload (const ShuBaker *b, ShuDType dtype, int n_dims,
    const gint64 *dims, gconstpointer data, ShuTrafficKind kind)
{
  g_autoptr (ShuTensor) t = shu_tensor_new (dtype, n_dims, dims);

  if (t->n > 0)
    memcpy (t->data, data, shu_tensor_bytes (t));
  return shu_on_device (b->c, t, kind);
}

/* Near a chart its nearest texel, farther away a smooth mean. */
static void
fill_gaps (const ShuBaker *b, float *rgb, const guint8 *charts, int size)
{
  SHU_SCOPE (b->c);

  shu_to_host_as (b->c, SHU_TRAFFIC_IMAGE,
      shu_plane_fill (b->c,
          shu_bake_upload (b, SHU_DTYPE_F32, SHU_DIMS (size, size, 3), rgb,
              SHU_TRAFFIC_IMAGE),
          shu_bake_upload (b, SHU_DTYPE_U8, SHU_DIMS (size, size), charts,
              SHU_TRAFFIC_IMAGE),
          GUTTER),
      rgb);
}

/* Every texel of a chart on its own: *@rgb [S,S,3], *@charts [S,S] 0 or 1 */
static void
bake_texels (const ShuBaker *b, int size, float *rgb, guint8 *charts)
{
  g_autoptr (ShuRaster) raster = shu_raster_new (size, size, SHU_RASTER_BARY);

  shu_raster_uv (raster, b->mesh, SHU_RASTER_BARY, NULL);
#pragma omp parallel for schedule(dynamic, 8)
  for (int y = 0; y < size; y++)
    for (int x = 0; x < size; x++) {
      gsize i = (gsize) y * size + x;
      charts[i] = raster->face[i] >= 0;
      if (charts[i])
        bake_texel (b, raster->face[i], raster->bary + 2 * i, rgb + 3 * i);
    }
}

static ShuImage *
bake (ShuBaker *b, const ShuBakeParams *p, int size,
    const ShuProgress *progress, GError **error)
{
  SHU_SCOPE (b->c);
  const ShuMesh *mesh = b->mesh;
  gsize n = (gsize) size * size;
  g_autofree float *rgb = g_new0 (float, 3 * n);
  g_autofree guint8 *charts = g_malloc (n);

  b->pos = shu_bake_upload (b, SHU_DTYPE_F32, SHU_DIMS (mesh->n_verts, 3),
      mesh->pos, SHU_TRAFFIC_MESH);
  b->faces = shu_bake_upload (b, SHU_DTYPE_I32, SHU_DIMS (mesh->n_faces, 3),
      mesh->faces, SHU_TRAFFIC_MESH);
  shu_bake_prepare_photos (b);
  if (!shu_ctx_finish (b->c, error) ||
      !shu_progress (progress, "texture", 1, 4, error))
    return NULL;
  shu_progress_lap (progress, "photos");
  if (b->views->gaussians && b->views->gaussians->n > 0 &&
      !shu_bake_gaussians (b, p, error))
    return NULL;
  shu_progress_lap (progress, "drawings");
  shu_bake_bridge (b);
  if (!shu_progress (progress, "texture", 2, 4, error))
    return NULL;
  bake_texels (b, size, rgb, charts);
  fill_gaps (b, rgb, charts, size);
  shu_progress_lap (progress, "texels");
  if (!shu_progress (progress, "texture", 3, 4, error) ||
      !shu_bake_sharpen (b, p, size, rgb, error))
    return NULL;
  shu_progress_lap (progress, "sharpening");
  fill_gaps (b, rgb, charts, size);
  if (!shu_ctx_finish (b->c, error))
    return NULL;
  ShuImage *out = shu_image_new (size, size, 3);
  for (gsize i = 0; i < 3 * n; i++)
    out->data[i] = (guint8) CLAMP (rgb[i] + 0.5f, 0, 255);
  return out;
}

ShuImage *
shu_bake (const ShuMesh *unwrapped, const ShuBakeViews *views,
    const ShuBakeParams *params, const ShuProgress *progress, GError **error)
{
  static const ShuBakeParams defaults = {0};
  const ShuBakeParams *p = params ? params : &defaults;
  int size = p->size ? p->size : DEFAULT_SIZE;
  g_autoptr (ShuCtx) c = NULL;
  g_auto (ShuBaker) b = {.mesh = unwrapped, .views = views};

  g_return_val_if_fail (unwrapped->uv, NULL);
  g_return_val_if_fail (size >= 64 && size <= 8192, NULL);
  if (!check_views (views, error) ||
      !shu_progress (progress, "texture", 0, 4, error) ||
      !(c = shu_ctx_new ("cpu", error)))
    return NULL;
  b.c = c;
  b.power = p->angle_power > 0 ? p->angle_power : default_power;
  b.under_size = MAX (LEAST_UNDER, size / 2);
  return bake (&b, p, size, progress, error);
}
