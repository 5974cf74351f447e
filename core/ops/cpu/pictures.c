/* SPDX-License-Identifier: MIT */
/* Pictures, by the functions of base/. */
#include "base/postprocess.h"
#include "ops/cpu/cpu_private.h"
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
