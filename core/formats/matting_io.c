/* SPDX-License-Identifier: MIT */
/* Before and after the matting network, as rembg does it for "u2net". */
#include "preprocess.h"
#include "base/resample.h"
#include "base/error.h"
#include <math.h>

enum { MAX_PICTURE = 1024 };

ShuImage *
shu_matting_picture (const ShuImage *photo)
{
  g_autoptr (ShuImage) rgb = shu_image_to_rgb (photo);
  /* The quotient first: the product then falls below 1024 for some sizes. */
  double s = (double) MAX_PICTURE / MAX (rgb->width, rgb->height);

  if (s >= 1)
    return g_steal_pointer (&rgb);
  return shu_image_resize (rgb, MAX ((int) (rgb->width * s), 1),
      MAX ((int) (rgb->height * s), 1), SHU_FILTER_LANCZOS);
}

void
shu_matting_input (const ShuImage *picture, int side, float *ret)
{
  static const double mean[] = {0.485, 0.456, 0.406};
  static const double std[] = {0.229, 0.224, 0.225};
  g_autoptr (ShuImage) small =
      shu_image_resize (picture, side, side, SHU_FILTER_LANCZOS);
  gsize n = shu_image_size (small);
  guint8 peak = 0;
  double scale;

  g_return_if_fail (picture->n_channels == 3);
  for (gsize i = 0; i < n; i++)
    peak = MAX (peak, small->data[i]);
  scale = MAX ((double) peak, 1e-6);
  for (gsize i = 0; i < n; i++)
    ret[i] = (float) ((small->data[i] / scale - mean[i % 3]) / std[i % 3]);
}

ShuImage *
shu_matting_mask (const float *p, int side, GError **error)
{
  gsize n = (gsize) side * side;
  float lo = INFINITY, hi = -INFINITY;
  ShuImage *mask;

  for (gsize i = 0; i < n; i++) {
    if (!isfinite (p[i])) {
      g_set_error_literal (error, SHU_ERROR, SHU_ERROR_INVALID,
          "the matting network gave values that are not finite: its weights "
          "are damaged");
      return NULL;
    }
    lo = MIN (lo, p[i]);
    hi = MAX (hi, p[i]);
  }
  if (!(hi > lo)) {
    g_set_error_literal (error, SHU_ERROR, SHU_ERROR_NO_PERSON,
        "no person found: nothing in the picture stands out from the "
        "background");
    return NULL;
  }
  mask = shu_image_new (side, side, 1);
  for (gsize i = 0; i < n; i++) {
    float v = (p[i] - lo) / (hi - lo);

    mask->data[i] = (guint8) (CLAMP (v, 0.0f, 1.0f) * 255.0f);
  }
  return mask;
}

ShuImage *
shu_matting_cutout (
    const ShuImage *picture, const ShuImage *mask, gboolean straight)
{
  gsize n = (gsize) picture->width * picture->height;
  g_autoptr (ShuImage) alpha = NULL;
  ShuImage *cutout;

  g_return_val_if_fail (picture->n_channels == 3, NULL);
  g_return_val_if_fail (mask->n_channels == 1, NULL);
  alpha = shu_image_resize (
      mask, picture->width, picture->height, SHU_FILTER_LANCZOS);
  cutout = shu_image_new (picture->width, picture->height, 4);
  for (gsize i = 0; i < n; i++) {
    guint8 a = alpha->data[i];

    for (int c = 0; c < 3; c++) {
      guint8 v = picture->data[3 * i + c];

      cutout->data[4 * i + c] = straight ? v : shu_mul_div_255 (v, a);
    }
    cutout->data[4 * i + 3] = a;
  }
  return cutout;
}
