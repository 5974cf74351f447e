/* SPDX-License-Identifier: MIT */
/* Baking as a whole: every texel on its own from what the pictures show of its
 * place, then all together, so that the pictures come back. */
#include "base/error.h"
#include "geometry/bake_private.h"
#include "ops/pictures.h"
#include "ops/planes.h"
#include <string.h>

enum {
  DEFAULT_SIZE = 1024,
  LEAST_UNDER = 256, /* texels a side of the colours underneath */
  N_PARTS = 4,       /* of the work, as progress is told */
  LEAST_PICTURE = 8, /* pixels a side */
  GUTTER = 10,       /* texels around charts that repeat their border */
};

static const float default_power = 4;

static void
baker_clear (ShuBaker *b)
{
  for (int i = 0; i < SHU_BAKE_BODY; i++)
    g_free (b->photos[i]);
  g_free (b->face);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (ShuBaker, baker_clear)

static gboolean
is_picture (const ShuTensor *t, gint64 S, int C)
{
  return t->dtype == SHU_DTYPE_U8 && t->n_dims == 3 && t->dims[0] == S &&
         t->dims[1] == S && t->dims[2] == C;
}

static gboolean
wrong_picture (const ShuTensor *t, const char *name, int view,
    const char *expected, GError **error)
{
  g_autofree char *found = shu_tensor_describe (t);

  g_set_error (error, SHU_ERROR, SHU_ERROR_INVALID,
      "%s of view %d: %s; %s is expected", name, view, found, expected);
  return FALSE;
}

static gboolean
check_views (const ShuBakeViews *views, GError **error)
{
  const ShuTensor *front = views->color[0];

  for (int i = 0; i < SHU_N_VIEWS; i++) {
    const ShuTensor *c = views->color[i], *n = views->normal[i];

    if (c && (!is_picture (c, c->dims[0], 3) || c->dims[0] < LEAST_PICTURE ||
                 c->dims[0] > SHU_PLANE_MAX_SIZE))
      return wrong_picture (
          c, "picture", i, "square RGB of 8 to 8192 pixels a side", error);
    if (c && n && !is_picture (n, c->dims[0], 3))
      return wrong_picture (
          n, "normals", i, "RGB of the size of the picture", error);
  }
  if (views->person &&
      (!front || !is_picture (views->person, front->dims[0], 1)))
    return wrong_picture (views->person, "mask", 0,
        "one channel of the size of the picture", error);
  return TRUE;
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

static gboolean
done (const ShuBaker *b, const ShuProgress *progress, int step,
    const char *part, GError **error)
{
  if (!shu_ctx_finish (b->c, error))
    return FALSE;
  shu_progress_lap (progress, part);
  return shu_progress (progress, "texture", step, N_PARTS, error);
}

/* @rgb, which nobody looks at any more, with the space between charts */
static ShuTensor *
fill (ShuCtx *c, ShuTensor *rgb, ShuTensor *charts)
{
  ShuTensor *filled = shu_plane_fill (c, rgb, charts, GUTTER);

  shu_drop (c, rgb);
  return filled;
}

/* FALSE after a failure */
static gboolean
bake_texels (ShuBaker *b, int size, ShuTensor **ret_rgb, ShuTensor **ret_charts)
{
  SHU_SCOPE (b->c);
  const ShuRasterJob job = {.at = b->scene.uv,
      .faces = b->scene.faces,
      .n_views = 1,
      .width = size,
      .height = size,
      .flags = SHU_RASTER_BARY};
  ShuRastered plane;
  ShuTensor *rgb;

  if (!shu_rasterize (b->c, &job, &plane))
    return FALSE;
  rgb = shu_bake_texels (b->c, &b->scene, &plane, ret_charts);
  *ret_rgb = shu_keep (b->c, fill (b->c, rgb, *ret_charts));
  shu_keep (b->c, *ret_charts);
  return !shu_ctx_failed (b->c);
}

static ShuImage *
bake (ShuBaker *b, const ShuBakeParams *p, int size,
    const ShuProgress *progress, GError **error)
{
  SHU_SCOPE (b->c);
  ShuCtx *c = b->c;
  ShuTensor *rgb, *sharp, *charts;
  ShuImage *out;

  shu_bake_prepare_mesh (b);
  shu_bake_prepare_photos (b);
  if (!done (b, progress, 1, "photos", error))
    return NULL;
  if (b->views->gaussians && b->views->gaussians->pos->n > 0)
    shu_bake_gaussians (b, p, MAX (LEAST_UNDER, size / 2));
  if (!done (b, progress, 2, "drawings", error))
    return NULL;
  shu_bake_bridge (b);
  if (!bake_texels (b, size, &rgb, &charts)) {
    shu_ctx_finish (c, error);
    return NULL;
  }
  if (!done (b, progress, 3, "texels", error))
    return NULL;
  sharp = shu_bake_sharpen (b, p, rgb);
  if (sharp != rgb)
    shu_drop (c, rgb);
  rgb = fill (c, sharp, charts);
  out = shu_picture_to_image (c, shu_bake_picture (c, rgb), SHU_TRAFFIC_IMAGE);
  if (done (b, progress, 4, "sharpening", error))
    return out;
  shu_image_free (out);
  return NULL;
}

ShuImage *
shu_bake (const ShuMesh *unwrapped, const ShuBakeViews *views,
    const ShuBakeParams *params, const ShuProgress *progress, GError **error)
{
  static const ShuBakeParams defaults = {0};
  const ShuBakeParams *p = params ? params : &defaults;
  int size = p->size ? p->size : DEFAULT_SIZE;
  g_autoptr (ShuCtx) own = NULL;
  g_auto (ShuBaker) b = {.c = p->ctx, .mesh = unwrapped, .views = views};

  g_return_val_if_fail (unwrapped->uv, NULL);
  g_return_val_if_fail (size >= 64 && size <= 8192, NULL);
  if (!check_views (views, error) ||
      !shu_progress (progress, "texture", 0, N_PARTS, error))
    return NULL;
  if (!b.c && !(b.c = own = shu_ctx_new ("cpu", error)))
    return NULL;
  b.scene.power = p->angle_power > 0 ? p->angle_power : default_power;
  return bake (&b, p, size, progress, error);
}
