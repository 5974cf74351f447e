/* SPDX-License-Identifier: MIT */
/* Separable resampling with weights in 22-bit fixed point: columns first, then
 * rows, the picture between them rounded to 8 bits.  After the published
 * behaviour of Pillow's resize(). */
#include "resample.h"
#include <math.h>
#include <string.h>

enum { PRECISION = SHU_TAPS_PRECISION };

static double
bicubic (double x)
{
  const double a = -0.5;

  x = fabs (x);
  if (x < 1)
    return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2)
    return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}

static double
sinc (double x)
{
  if (x == 0)
    return 1;
  x *= G_PI;
  return sin (x) / x;
}

static double
lanczos (double x)
{
  return x >= -3 && x < 3 ? sinc (x) * sinc (x / 3) : 0;
}

/* Fills the taps of output @i; @w is room for t->stride numbers. */
static void
fill_tap (ShuTaps *t, int i, int n_in, double scale, double support,
    ShuFilter filter, double *w)
{
  double centre = (i + 0.5) * scale;
  double inverse = 1 / MAX (scale, 1.0);
  int lo = MAX ((int) (centre - support + 0.5), 0);
  int hi = MIN ((int) (centre + support + 0.5), n_in);
  double sum = 0;

  for (int k = 0; k < hi - lo; k++) {
    double x = (k + lo - centre + 0.5) * inverse;

    w[k] = filter == SHU_FILTER_LANCZOS ? lanczos (x) : bicubic (x);
    sum += w[k];
  }
  for (int k = 0; k < hi - lo; k++) {
    double q = (sum != 0 ? w[k] / sum : w[k]) * (1 << PRECISION);

    t->weight[(gsize) i * t->stride + k] = (gint32) (q < 0 ? q - 0.5 : q + 0.5);
  }
  t->first[i] = lo;
  t->count[i] = hi - lo;
}

void
shu_taps_init (ShuTaps *t, int n_in, int n_out, ShuFilter filter)
{
  double scale = (double) n_in / n_out;
  double radius = filter == SHU_FILTER_LANCZOS ? 3 : 2;
  double support = radius * MAX (scale, 1.0);
  g_autofree double *w = NULL;

  t->stride = (int) ceil (support) * 2 + 1;
  t->first = g_new (int, n_out);
  t->count = g_new (int, n_out);
  t->weight = g_new (gint32, (gsize) n_out * t->stride);
  w = g_new (double, t->stride);
  for (int i = 0; i < n_out; i++)
    fill_tap (t, i, n_in, scale, support, filter, w);
}

void
shu_taps_clear (ShuTaps *t)
{
  g_free (t->first);
  g_free (t->count);
  g_free (t->weight);
}

static inline guint8
clamp_byte (gint32 sum)
{
  return CLAMP (sum >> PRECISION, 0, 255);
}

/* One row; @C is a constant in each of the calls below. */
static inline __attribute__ ((always_inline)) void
resample_row (
    const guint8 *src, guint8 *dst, int n_out, const ShuTaps *t, int C)
{
  for (int x = 0; x < n_out; x++) {
    const gint32 *w = t->weight + (gsize) x * t->stride;
    const guint8 *p = src + (gsize) t->first[x] * C;
    gint32 sum[4] = {1 << (PRECISION - 1), 1 << (PRECISION - 1),
        1 << (PRECISION - 1), 1 << (PRECISION - 1)};

    for (int k = 0; k < t->count[x]; k++)
      for (int c = 0; c < C; c++)
        sum[c] += w[k] * p[k * C + c];
    for (int c = 0; c < C; c++)
      dst[x * C + c] = clamp_byte (sum[c]);
  }
}

static ShuImage *
resample_columns (const ShuImage *src, int width, ShuFilter filter)
{
  int C = src->n_channels;
  ShuImage *dst = shu_image_new (width, src->height, C);
  g_auto (ShuTaps) t = {0};

  shu_taps_init (&t, src->width, width, filter);
#pragma omp parallel for
  for (int y = 0; y < src->height; y++) {
    const guint8 *in = src->data + (gsize) y * src->width * C;
    guint8 *out = dst->data + (gsize) y * width * C;

    if (C == 4)
      resample_row (in, out, width, &t, 4);
    else if (C == 3)
      resample_row (in, out, width, &t, 3);
    else
      resample_row (in, out, width, &t, 1);
  }
  return dst;
}

static ShuImage *
resample_rows (const ShuImage *src, int height, ShuFilter filter)
{
  gsize row = (gsize) src->width * src->n_channels;
  ShuImage *dst = shu_image_new (src->width, height, src->n_channels);
  g_auto (ShuTaps) t = {0};

  shu_taps_init (&t, src->height, height, filter);
#pragma omp parallel
  {
    g_autofree gint32 *sum = g_new (gint32, row);

#pragma omp for
    for (int y = 0; y < height; y++) {
      guint8 *out = dst->data + y * row;

      for (gsize i = 0; i < row; i++)
        sum[i] = 1 << (PRECISION - 1);
      for (int k = 0; k < t.count[y]; k++) {
        const guint8 *in = src->data + (t.first[y] + k) * row;
        gint32 w = t.weight[(gsize) y * t.stride + k];

        for (gsize i = 0; i < row; i++)
          sum[i] += w * in[i];
      }
      for (gsize i = 0; i < row; i++)
        out[i] = clamp_byte (sum[i]);
    }
  }
  return dst;
}

static ShuImage *
premultiplied (const ShuImage *src)
{
  ShuImage *dst = shu_image_copy (src);
  gsize n = shu_image_size (dst);

#pragma omp parallel for
  for (gsize i = 0; i < n; i += 4)
    for (int c = 0; c < 3; c++)
      dst->data[i + c] = shu_mul_div_255 (dst->data[i + c], dst->data[i + 3]);
  return dst;
}

static void
unpremultiply (ShuImage *image)
{
  gsize n = shu_image_size (image);

#pragma omp parallel for
  for (gsize i = 0; i < n; i += 4) {
    guint8 *p = image->data + i;
    guint alpha = p[3];

    for (int c = 0; c < 3 && alpha != 0 && alpha != 255; c++)
      p[c] = MIN (255 * (guint) p[c] / alpha, 255);
  }
}

ShuImage *
shu_image_resize (
    const ShuImage *image, int width, int height, ShuFilter filter)
{
  g_autoptr (ShuImage) now = NULL;

  g_return_val_if_fail (width > 0 && height > 0, NULL);
  if (width == image->width && height == image->height)
    return shu_image_copy (image);
  now = image->n_channels == 4 ? premultiplied (image) : shu_image_copy (image);
  if (width != image->width) {
    ShuImage *next = resample_columns (now, width, filter);

    shu_image_free (now);
    now = next;
  }
  if (height != image->height) {
    ShuImage *next = resample_rows (now, height, filter);

    shu_image_free (now);
    now = next;
  }
  if (image->n_channels == 4)
    unpremultiply (now);
  return g_steal_pointer (&now);
}
