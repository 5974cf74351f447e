/* SPDX-License-Identifier: MIT */
#include "stages/vision_private.h"

const float shu_imagenet_mean[3] = {0.485f, 0.456f, 0.406f};
const float shu_imagenet_std[3] = {0.229f, 0.224f, 0.225f};

ShuTensor *
shu_vision_input (ShuCtx *c, const ShuImage *image, int side,
    const float mean[3], const float std[3])
{
  gsize n = (gsize) image->width * image->height;
  g_autofree float *v = g_new (float, 3 * n);
  ShuTensor *x;

  g_assert (image->n_channels == 3);
  for (gsize i = 0; i < n; i++)
    for (int k = 0; k < 3; k++)
      v[3 * i + k] = (image->data[3 * i + k] / 255.0f - mean[k]) / std[k];
  x = shu_from_host (
      c, SHU_DTYPE_F32, SHU_DIMS (1, image->height, image->width, 3), v);
  if (image->width != side || image->height != side)
    x = shu_resize_bilinear (c, x, side, side);
  return x;
}
