/* SPDX-License-Identifier: MIT */
/* Crops, alpha and what lies behind it. */
#include "image.h"
#include <string.h>

gboolean
shu_image_has_alpha (const ShuImage *image)
{
  gsize n = shu_image_size (image);

  for (gsize i = 3; image->n_channels == 4 && i < n; i += 4)
    if (image->data[i] != 255)
      return TRUE;
  return FALSE;
}

double
shu_image_coverage (const ShuImage *image)
{
  gsize n = shu_image_size (image);
  guint64 sum = 0;

  if (image->n_channels != 4)
    return 1;
  for (gsize i = 3; i < n; i += 4)
    sum += image->data[i];
  return (double) sum / 255 / (n / 4);
}

ShuImage *
shu_image_to_rgb (const ShuImage *image)
{
  int C = image->n_channels;
  gsize n = (gsize) image->width * image->height;
  ShuImage *rgb;

  if (C == 3)
    return shu_image_copy (image);
  rgb = shu_image_new (image->width, image->height, 3);
  for (gsize i = 0; i < n; i++)
    for (int c = 0; c < 3; c++)
      rgb->data[3 * i + c] = image->data[C * i + (C == 1 ? 0 : c)];
  return rgb;
}

ShuImage *
shu_image_crop (const ShuImage *image, const ShuBox *box)
{
  int C = image->n_channels;
  ShuImage *crop = shu_image_new (box->x1 - box->x0, box->y1 - box->y0, C);
  int x0 = MAX (box->x0, 0), x1 = MIN (box->x1, image->width);
  int y0 = MAX (box->y0, 0), y1 = MIN (box->y1, image->height);

  for (int y = y0; y < y1 && x0 < x1; y++)
    memcpy (
        crop->data + ((gsize) (y - box->y0) * crop->width + x0 - box->x0) * C,
        image->data + ((gsize) y * image->width + x0) * C,
        (gsize) (x1 - x0) * C);
  return crop;
}

void
shu_composite (const ShuImage *rgba, float background, float *ret)
{
  gsize n = (gsize) rgba->width * rgba->height;

  for (gsize i = 0; i < n; i++) {
    const guint8 *p = rgba->data + 4 * i;
    float alpha = p[3] / 255.0f;
    float rest = background * (1.0f - alpha);

    for (int c = 0; c < 3; c++) {
      float part = p[c] / 255.0f * alpha;

      ret[3 * i + c] = part + rest;
    }
  }
}

ShuImage *
shu_image_flatten (const ShuImage *rgba, float background)
{
  gsize n = (gsize) rgba->width * rgba->height * 3;
  g_autofree float *v = g_new (float, n);
  ShuImage *rgb = shu_image_new (rgba->width, rgba->height, 3);

  shu_composite (rgba, background, v);
  for (gsize i = 0; i < n; i++)
    rgb->data[i] = (guint8) (v[i] * 255.0f);
  return rgb;
}
