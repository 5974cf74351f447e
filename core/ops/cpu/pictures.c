/* SPDX-License-Identifier: MIT */
/* Pictures, by the functions of base/. */
#include "base/postprocess.h"
#include "ops/cpu/cpu_private.h"
#include <math.h>
#include <string.h>

static ShuImage
as_image (const ShuTensor *x)
{
  return (ShuImage){.width = (int) x->dims[1],
      .height = (int) x->dims[0],
      .n_channels = (int) x->dims[2],
      .data = x->data};
}

/* Takes over @image, whose pixels become y's. */
static void
put (ShuTensor *y, ShuImage *image)
{
  memcpy (y->data, image->data, y->n);
  shu_image_free (image);
}

void
shu_cpu_picture_resize (ShuCtx *c, ShuTensor *y, ShuTensor *x, ShuFilter filter)
{
  ShuImage image = as_image (x);

  put (
      y, shu_image_resize (&image, (int) y->dims[1], (int) y->dims[0], filter));
}

void
shu_cpu_picture_crop (ShuCtx *c, ShuTensor *y, ShuTensor *x, const ShuBox *box)
{
  ShuImage image = as_image (x);

  put (y, shu_image_crop (&image, box));
}

void
shu_cpu_picture_flatten (
    ShuCtx *c, ShuTensor *y, ShuTensor *x, float background, gboolean saved)
{
  ShuImage image = as_image (x);
  float *v;

  if (!saved) {
    put (y, shu_image_flatten (&image, background));
    return;
  }
  v = shu_cpu_scratch (c, y->n, sizeof *v);
  if (!v)
    return;
  shu_composite (&image, background, v);
  for (gsize i = 0; i < y->n; i++)
    ((guint8 *) y->data)[i] = shu_view_byte (v[i], TRUE);
}

void
shu_cpu_picture_paste_face (
    ShuCtx *c, ShuTensor *y, ShuTensor *x, ShuTensor *face)
{
  gsize S = (gsize) y->dims[0], third = S / 3;
  guint8 *to = y->data;
  const guint8 *from = face->data;

  memcpy (to, x->data, y->n);
  for (gsize i = 0; i < third; i++)
    for (gsize j = 0; j < third; j++)
      memcpy (to + (i * S + third + j) * 3,
          from + ((3 * i + 1) * S + 3 * j + 1) * 3, 3);
}

void
shu_cpu_picture_normalize (ShuCtx *c, ShuTensor *y, ShuTensor *x, double scale,
    const double mean[3], const double std[3])
{
  const guint8 *from = x->data;

#pragma omp parallel for if (x->n > 65536)
  for (gsize i = 0; i < x->n; i++)
    shu_f32 (y)[i] = (float) ((from[i] / scale - mean[i % 3]) / std[i % 3]);
}

void
shu_cpu_picture_from_view (ShuCtx *c, ShuTensor *y, ShuTensor *x)
{
  float *v = shu_cpu_scratch (c, x->n, sizeof *v);

  if (!v)
    return;
  memcpy (v, x->data, shu_tensor_bytes (x));
  shu_view_denormalize (v, x->n);
  for (gsize i = 0; i < y->n; i++)
    ((guint8 *) y->data)[i] = shu_view_byte (v[i], FALSE);
}

void
shu_cpu_picture_measure (
    ShuCtx *c, ShuTensor *x, int threshold, ShuPictureMeasures *ret)
{
  int W = (int) x->dims[1], H = (int) x->dims[0], C = (int) x->dims[2];
  const guint8 *p = x->data;

  *ret = (ShuPictureMeasures){
      .box = {G_MAXINT, G_MAXINT, -1, -1}, .min = 255, .max = 0};
  for (gsize i = 0; i < x->n; i++)
    ret->max = MAX (ret->max, p[i]);
  p += C - 1;
  for (int v = 0; v < H; v++)
    for (int u = 0; u < W; u++, p += C) {
      ret->sum += *p;
      ret->min = MIN (ret->min, *p);
      if (*p < threshold)
        continue;
      ret->box.x0 = MIN (ret->box.x0, u);
      ret->box.x1 = MAX (ret->box.x1, u);
      ret->box.y0 = MIN (ret->box.y0, v);
      ret->box.y1 = v;
    }
}

void
shu_cpu_picture_window (
    ShuCtx *c, ShuTensor *y, ShuTensor *x, const ShuBox *box, gboolean mirror)
{
  int W = (int) x->dims[1], H = (int) x->dims[0], C = (int) x->dims[2];
  int w = (int) y->dims[1], h = (int) y->dims[0];
  const guint8 *from = x->data;
  guint8 *to = y->data;

#pragma omp parallel for if (y->n > 65536)
  for (int v = 0; v < h; v++)
    for (int u = 0; u < w; u++) {
      int i = CLAMP (box->y0 + v, 0, H - 1);
      int j = CLAMP (box->x0 + (mirror ? w - 1 - u : u), 0, W - 1);

      memcpy (to + ((gsize) v * w + u) * C, from + ((gsize) i * W + j) * C, C);
    }
}

void
shu_cpu_picture_clean (ShuCtx *c, ShuTensor *y, ShuTensor *x)
{
  ShuImage image = as_image (y);

  memcpy (y->data, x->data, y->n);
  shu_image_clean (&image);
}

void
shu_cpu_picture_cells (
    ShuCtx *c, ShuTensor *x, int step, guint32 *ret_sums, guint32 *ret_n)
{
  gsize W = (gsize) x->dims[1], H = (gsize) x->dims[0], C = (gsize) x->dims[2];
  gsize columns = (W + step - 1) / step, rows = (H + step - 1) / step;
  const guint8 *p = x->data;

  memset (ret_sums, 0, rows * columns * sizeof *ret_sums);
  for (gsize v = 0; v < H; v++)
    for (gsize u = 0; u < W; u++) {
      guint8 a = p[(v * W + u) * C + C - 1];

      ret_sums[v / step * columns + u / step] += a;
      *ret_n += a >= 128;
    }
}

void
shu_cpu_picture_compare (ShuCtx *c, ShuTensor *x, ShuTensor *y, int opaque,
    int tolerance, guint32 *ret)
{
  const guint8 *p = x->data, *q = y->data;
  gsize n = x->n / 4;

#pragma omp parallel for reduction(+ : ret[:2]) if (n > 65536)
  for (gsize i = 0; i < n; i++) {
    gboolean differs = FALSE;

    for (int k = 0; k < 3; k++)
      differs |= ABS (p[4 * i + k] - q[3 * i + k]) > tolerance;
    ret[0] += p[4 * i + 3] >= opaque;
    ret[1] += p[4 * i + 3] >= opaque && differs;
  }
}

/* ---- masks ---- */

void
shu_cpu_mask_mean (ShuCtx *c, ShuTensor *y, ShuTensor *p, ShuTensor *q)
{
  gsize S = (gsize) p->dims[1];

  for (gsize v = 0; v < S; v++)
    for (gsize u = 0; u < S; u++)
      shu_f32 (y)[v * S + u] =
          (shu_f32 (p)[v * S + u] + shu_f32 (q)[v * S + S - 1 - u]) / 2;
}

void
shu_cpu_mask_to_picture (
    ShuCtx *c, ShuTensor *y, ShuTensor *p, float lo, float hi)
{
  for (gsize i = 0; i < p->n; i++) {
    float v = (shu_f32 (p)[i] - lo) / (hi - lo);

    ((guint8 *) y->data)[i] = (guint8) (CLAMP (v, 0.0f, 1.0f) * 255.0f);
  }
}

void
shu_cpu_mask_measure (ShuCtx *c, ShuTensor *p, ShuTensor *q, const ShuBox *box,
    int row, ShuMaskMeasures *ret)
{
  int S = (int) p->dims[1];

  *ret = (ShuMaskMeasures){.finite = TRUE, .lo = INFINITY, .hi = -INFINITY};
  for (int v = 0; v < S; v++)
    for (int u = 0; u < S; u++) {
      float a = shu_f32 (p)[v * S + u], b = shu_f32 (q)[v * S + S - 1 - u];

      ret->finite &= isfinite (a) != 0;
      ret->lo = MIN (ret->lo, a);
      ret->hi = MAX (ret->hi, a);
      ret->smaller += MIN (a, b);
      ret->larger += MAX (a, b);
      ret->n_row += v == row && a > 0.5f;
      if (v < box->y0 || v >= box->y1 || u < box->x0 || u >= box->x1)
        continue;
      ret->most = isnan (a) ? INFINITY : MAX (ret->most, a);
      ret->sum += a;
      ret->doubt += 4 * (double) a * (1 - (double) a);
    }
}
