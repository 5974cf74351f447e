/* SPDX-License-Identifier: MIT */
#include "image.h"

ShuImage *
shu_image_new (int width, int height, int n_channels)
{
  ShuImage *image = g_new (ShuImage, 1);

  g_assert (width > 0 && width <= SHU_IMAGE_MAX_SIDE);
  g_assert (height > 0 && height <= SHU_IMAGE_MAX_SIDE);
  g_assert (n_channels == 1 || n_channels == 3 || n_channels == 4);
  *image =
      (ShuImage){.width = width, .height = height, .n_channels = n_channels};
  image->data = g_malloc0 (shu_image_size (image));
  return image;
}

ShuImage *
shu_image_copy (const ShuImage *image)
{
  ShuImage *copy = g_new (ShuImage, 1);

  *copy = *image;
  copy->data = g_memdup2 (image->data, shu_image_size (image));
  return copy;
}

void
shu_image_free (ShuImage *image)
{
  if (!image)
    return;
  g_free (image->data);
  g_free (image);
}
