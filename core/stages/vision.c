/* SPDX-License-Identifier: MIT */
#include "stages/vision_private.h"

const double shu_imagenet_mean[3] = {0.485, 0.456, 0.406};
const double shu_imagenet_std[3] = {0.229, 0.224, 0.225};

ShuTensor *
shu_vision_input (ShuCtx *c, ShuTensor *picture, int side, const double mean[3],
    const double std[3])
{
  ShuTensor *x = shu_picture_normalize (c, picture, 255, mean, std);

  if (x->dims[1] != side || x->dims[2] != side)
    x = shu_resize_bilinear (c, x, side, side);
  return x;
}
