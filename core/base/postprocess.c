/* SPDX-License-Identifier: MIT */
/* From decoded views to the bytes that are saved; VaeImageProcessor's
 * postprocess() and save_image() of the reference. */
#include "postprocess.h"
#include "base/half.h"
#include <string.h>

void
shu_view_denormalize (float *v, gsize n)
{
  for (gsize i = 0; i < n; i++) {
    float x = v[i] * 0.5f + 0.5f;

    v[i] = CLAMP (x, 0.0f, 1.0f);
  }
}

void
shu_view_paste_face (float *front, const float *face, int S)
{
  int third = S / 3;

  g_return_if_fail (S % 3 == 0);
  /* A bilinear resize to a third falls on the pixels (3i + 1, 3j + 1). */
  for (int i = 0; i < third; i++)
    for (int j = 0; j < third; j++)
      memcpy (front + ((gsize) i * S + third + j) * 3,
          face + ((gsize) (3 * i + 1) * S + 3 * j + 1) * 3, 3 * sizeof (float));
}

guint8
shu_view_byte (float v, gboolean half)
{
  if (half) {
    v = shu_f16_round (shu_f16_round (v) * 255.0f);
    v = shu_f16_round (v + 0.5f);
  } else
    v = v * 255.0f + 0.5f;
  /* written so that NaN becomes 0 */
  return v >= 255.0f ? 255 : v > 0.0f ? (guint8) v : 0;
}

ShuImage *
shu_view_to_image (const float *v, int width, int height, gboolean half)
{
  ShuImage *image = shu_image_new (width, height, 3);
  gsize n = shu_image_size (image);

  for (gsize i = 0; i < n; i++)
    image->data[i] = shu_view_byte (v[i], half);
  return image;
}

ShuImage *
shu_images_side_by_side (ShuImage *const *images, int n)
{
  int W = images[0]->width, H = images[0]->height, C = images[0]->n_channels;
  gsize row = (gsize) W * C;
  ShuImage *all;

  g_return_val_if_fail (n > 0 && W * n <= SHU_IMAGE_MAX_SIDE, NULL);
  all = shu_image_new (W * n, H, C);
  for (int i = 0; i < n; i++) {
    g_return_val_if_fail (images[i]->width == W && images[i]->height == H &&
                              images[i]->n_channels == C,
        all);
    for (int y = 0; y < H; y++)
      memcpy (all->data + ((gsize) y * n + i) * row, images[i]->data + y * row,
          row);
  }
  return all;
}
