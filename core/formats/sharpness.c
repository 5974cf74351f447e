/* SPDX-License-Identifier: MIT */
#include "sharpness.h"

/* Pixels that are looked at, about. */
enum { SAMPLES = 250000 };

/* 0..255 */
static int
luma (const ShuImage *image, int x, int y)
{
  const guint8 *p =
      image->data + ((gsize) y * image->width + x) * image->n_channels;

  return (77 * p[0] + 150 * p[1] + 29 * p[2] + 128) >> 8;
}

double
shu_image_sharpness (const ShuImage *image)
{
  int W = image->width, H = image->height, step = 1;
  double sum = 0;
  gsize n = 0;

  g_return_val_if_fail (image->n_channels >= 3, 0);
  while ((gsize) W * H / ((gsize) step * step) > SAMPLES)
    step++;
  for (int y = 1; y < H - 1; y += step)
    for (int x = 1; x < W - 1; x += step) {
      int v = 4 * luma (image, x, y) - luma (image, x - 1, y) -
              luma (image, x + 1, y) - luma (image, x, y - 1) -
              luma (image, x, y + 1);

      sum += (double) v * v;
      n++;
    }
  return n > 0 ? sum / n : 0;
}
