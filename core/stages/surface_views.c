/* SPDX-License-Identifier: MIT */
/* The pictures that a texture is made from, out of a bundle. */
#include "stages/surface_views_private.h"
#include "formats/preprocess.h"
#include "stages/fields_private.h"

enum {
  OPAQUE = 250,     /* alpha */
  OTHER_COLOR = 40, /* difference of a channel that is another picture's */
  OTHER_SHARE = 50, /* one pixel in so many may be */
};

static gboolean
take_pictures (ShuCtx *c, const ShuBundle *b, const char *field,
    ShuTensor **ret, GError **error)
{
  ShuTensor *all = shu_bundle_pictures (c, b, field, SHU_N_VIEWS, error);

  for (int v = 0; all && v < SHU_N_VIEWS; v++)
    ret[v] = shu_reshape (c, shu_slice (c, all, 0, v, 1),
        SHU_DIMS (all->dims[1], all->dims[2], 3));
  return all != NULL;
}

/* Where the front view shows the person, if it is the cut-out that the bundle
 * carries; NULL where there is none, or it shows something else. */
static ShuTensor *
find_person (ShuCtx *c, const ShuBundle *b, ShuTensor *front)
{
  ShuTensor *cutout = shu_bundle_picture (c, b, "cutout", 4, NULL), *canvas;
  gint64 S = front->dims[0];
  gsize n_opaque, n_other;

  if (!cutout || S != front->dims[1] || shu_ctx_failed (c))
    return NULL;
  canvas = shu_body_canvas (c, cutout, (int) S, NULL);
  if (shu_ctx_failed (c)) { /* no person in it: the normals tell as well */
    shu_ctx_finish (c, NULL);
    return NULL;
  }
  if (!shu_picture_compare (
          c, canvas, front, OPAQUE, OTHER_COLOR, &n_opaque, &n_other) ||
      n_other * OTHER_SHARE > n_opaque)
    return NULL;
  return shu_slice (c, canvas, 2, 3, 1);
}

gboolean
shu_surface_views (
    ShuCtx *c, const ShuBundle *b, ShuBakeViews *ret, GError **error)
{
  if (!take_pictures (c, b, "color", ret->color, error) ||
      !take_pictures (c, b, "normal", ret->normal, error))
    return FALSE;
  ret->person = find_person (c, b, ret->color[SHU_VIEW_FRONT]);
  return !shu_ctx_failed (c) || shu_ctx_finish (c, error);
}
