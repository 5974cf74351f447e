/* SPDX-License-Identifier: MIT */
/* Before and after the matting network, as rembg does it for "u2net". */
#include "preprocess.h"
#include "base/error.h"

/* RGB of grey, RGB or RGBA, whose alpha is dropped, not blended */
static ShuTensor *
to_rgb (ShuCtx *c, ShuTensor *picture)
{
  switch (picture->dims[2]) {
  case 4:
    return shu_slice (c, picture, 2, 0, 3);
  case 1:
    return shu_concat (c, 2, 3, (ShuTensor *[]){picture, picture, picture});
  default:
    return picture;
  }
}

void
shu_matting_size (int *width, int *height)
{
  /* The quotient first: the product then falls below 1024 for some sizes. */
  double s = (double) SHU_MATTING_SIDE / MAX (*width, *height);

  if (s >= 1)
    return;
  *width = MAX ((int) (*width * s), 1);
  *height = MAX ((int) (*height * s), 1);
}

ShuTensor *
shu_matting_picture (ShuCtx *c, ShuTensor *photo)
{
  SHU_SCOPE (c);
  int H = (int) photo->dims[0], W = (int) photo->dims[1];
  int height = H, width = W;

  photo = to_rgb (c, shu_on_device (c, photo, SHU_TRAFFIC_IMAGE));
  shu_matting_size (&width, &height);
  if (width != W || height != H)
    photo = shu_picture_resize (c, photo, width, height, SHU_FILTER_LANCZOS);
  return shu_keep (c, photo);
}

ShuTensor *
shu_matting_input (ShuCtx *c, ShuTensor *picture, int side)
{
  static const double mean[] = {0.485, 0.456, 0.406};
  static const double std[] = {0.229, 0.224, 0.225};
  SHU_SCOPE (c);
  ShuTensor *small =
      shu_picture_resize (c, picture, side, side, SHU_FILTER_LANCZOS);
  ShuPictureMeasures m = {.max = 0};

  shu_picture_measure (c, small, 1, &m);
  return shu_keep (
      c, shu_picture_normalize (c, small, MAX (m.max, 1e-6), mean, std));
}

ShuTensor *
shu_matting_mask (ShuCtx *c, ShuTensor *p, const ShuMaskMeasures *m)
{
  if (!m->finite)
    shu_ctx_fail (c, SHU_ERROR_INVALID,
        "the matting network gave values that are not finite: its weights are "
        "damaged");
  else if (!(m->hi > m->lo))
    shu_ctx_fail (c, SHU_ERROR_NO_PERSON,
        "no person found: nothing in the picture stands out from the "
        "background");
  return shu_mask_to_picture (c, p, m->lo, m->hi);
}

ShuTensor *
shu_matting_cutout (ShuCtx *c, ShuTensor *picture, ShuTensor *mask)
{
  SHU_SCOPE (c);
  ShuTensor *alpha = shu_picture_resize (c, mask, (int) picture->dims[1],
      (int) picture->dims[0], SHU_FILTER_LANCZOS);

  return shu_keep (c, shu_concat2 (c, 2, picture, alpha));
}
