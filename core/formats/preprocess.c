/* SPDX-License-Identifier: MIT */
/* The pictures that the networks look at, made from a cut-out.  Sources:
 * load_img_face(), preprocess_image() of the reference.  The two crops differ
 * in every respect: alpha > 0 against > 204, exclusive against inclusive box,
 * bicubic against Lanczos, white against black. */
#include "preprocess.h"
#include "photo_private.h"
#include "base/error.h"
#include "tensor/context_backend.h"
#include <math.h>

enum {
  ANY_ALPHA = 1,
  SOLID_ALPHA = 205, /* > 0.8 * 255 */
};

/* The smallest and largest coordinates (both inclusive) of the pixels with
 * alpha of @threshold or more. */
static gboolean
find_box (ShuCtx *c, ShuTensor *cutout, int threshold,
    ShuPictureMeasures *ret_measures)
{
  if (!shu_ctx_ready (c))
    return FALSE;
  if (cutout->dtype != SHU_DTYPE_U8 || cutout->n_dims != 3 ||
      cutout->dims[2] != 4) {
    shu_ctx_fail (c, SHU_ERROR_INVALID,
        "a cut-out is RGBA, this picture has %d channels: send it through "
        "matting first",
        (int) cutout->dims[2]);
    return FALSE;
  }
  if (!shu_picture_measure (c, cutout, threshold, ret_measures))
    return FALSE;
  if (ret_measures->box.x1 < 0) {
    shu_ctx_fail (c, SHU_ERROR_NO_PERSON,
        "no person found: no pixel of the cut-out has an alpha of %d or more; "
        "use one whose person is opaque",
        threshold);
    return FALSE;
  }
  return TRUE;
}

static ShuTensor *
too_small (ShuCtx *c, const ShuBox *b)
{
  shu_ctx_fail (c, SHU_ERROR_NO_PERSON,
      "no person found: what the cut-out shows is too small or too thin "
      "(%d x %d pixels)",
      b->x1 - b->x0 + 1, b->y1 - b->y0 + 1);
  return c->nil;
}

/* As shu_body_canvas(), for a box that is known. */
static ShuTensor *
body_canvas (ShuCtx *c, ShuTensor *cutout, int side, const ShuBox *box)
{
  SHU_SCOPE (c);
  /* The inclusive maximum serves as an exclusive end from here on. */
  int w = box->x1 - box->x0, h = box->y1 - box->y0, x, y;
  ShuTensor *scaled;
  double s;

  if (w == 0 || h == 0)
    return too_small (c, box);
  s = (double) side / MAX (w, h);
  w = (int) (s * w);
  h = (int) (s * h);
  if (w == 0 || h == 0)
    return too_small (c, box);
  scaled = shu_picture_resize (
      c, shu_picture_crop (c, cutout, box), w, h, SHU_FILTER_BICUBIC);
  x = (side - w) / 2;
  y = (side - h) / 2;
  return shu_keep (
      c, shu_picture_crop (c, scaled, &(ShuBox){-x, -y, side - x, side - y}));
}

ShuTensor *
shu_body_canvas (ShuCtx *c, ShuTensor *cutout, int side, ShuBox *ret_box)
{
  ShuPictureMeasures m;

  g_return_val_if_fail (side > 0 && side <= SHU_IMAGE_MAX_SIDE, c->nil);
  if (!find_box (c, cutout, ANY_ALPHA, &m))
    return c->nil;
  if (ret_box)
    *ret_box = m.box;
  return body_canvas (c, cutout, side, &m.box);
}

ShuTensor *
shu_face_canvas (ShuCtx *c, ShuTensor *canvas)
{
  SHU_SCOPE (c);
  int side = (int) canvas->dims[0], third = side / 3;
  ShuBox box = {third, 0, 2 * third, third};

  return shu_keep (c, shu_picture_resize (c, shu_picture_crop (c, canvas, &box),
                          side, side, SHU_FILTER_BICUBIC));
}

/* (a + b) / 2 - half and + half, each rounded half to even. */
static void
round_span (int a, int b, int half, int *ret_lo, int *ret_hi)
{
  double centre = (a + b) / 2.0;

  *ret_lo = (int) rint (centre - half);
  *ret_hi = (int) rint (centre + half);
}

ShuTensor *
shu_condition_image (ShuCtx *c, ShuTensor *cutout, int side, ShuBox *ret_box)
{
  SHU_SCOPE (c);
  GError *error = NULL;
  ShuPictureMeasures m;
  ShuTensor *scaled;
  ShuBox box;
  int extent, half;

  g_return_val_if_fail (side > 0 && side <= SHU_IMAGE_MAX_SIDE, c->nil);
  if (!find_box (c, cutout, SOLID_ALPHA, &m))
    return c->nil;
  extent = MAX (m.box.x1 - m.box.x0, m.box.y1 - m.box.y0);
  half = (int) (extent * 1.2) / 2;
  if (half == 0)
    return too_small (c, &m.box);
  round_span (m.box.x0, m.box.x1, half, &box.x0, &box.x1);
  round_span (m.box.y0, m.box.y1, half, &box.y0, &box.y1);
  if (!shu_photo_check_size (box.x1 - box.x0, box.y1 - box.y0, &error)) {
    shu_ctx_take_error (c, error);
    return c->nil;
  }
  scaled = shu_picture_resize (
      c, shu_picture_crop (c, cutout, &box), side, side, SHU_FILTER_LANCZOS);
  if (ret_box)
    *ret_box = box;
  return shu_keep (c, shu_picture_flatten (c, scaled, 0, FALSE));
}

gboolean
shu_preprocess (
    ShuCtx *c, ShuTensor *cutout, int side, int condition_side, ShuSubject *ret)
{
  ShuPictureMeasures m;
  ShuTensor *canvas;

  g_return_val_if_fail (side % 3 == 0, FALSE);
  cutout = shu_on_device (c, cutout, SHU_TRAFFIC_IMAGE);
  if (!find_box (c, cutout, ANY_ALPHA, &m))
    return FALSE;
  canvas = body_canvas (c, cutout, side, &m.box);
  ret->body_box = m.box;
  ret->coverage =
      (double) m.sum / 255 / (double) (cutout->dims[0] * cutout->dims[1]);
  ret->condition =
      shu_condition_image (c, cutout, condition_side, &ret->condition_box);
  ret->body = shu_picture_flatten (c, canvas, 1, FALSE);
  ret->front = shu_picture_flatten (c, canvas, 1, TRUE);
  ret->face = shu_picture_flatten (c, shu_face_canvas (c, canvas), 1, FALSE);
  return !shu_ctx_failed (c);
}
