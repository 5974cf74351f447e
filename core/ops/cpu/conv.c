/* SPDX-License-Identifier: MIT */
/* Convolutions: oneDNN on channels-last activations, weights packed once. */
#include "ops/cpu/onednn_private.h"
#include <string.h>

static ShuDnnOp *
conv_new (ShuCtx *c, const ShuDnnKey *key, int n, const gint64 *y_dims)
{
  dnnl_format_tag_t last = n == 4 ? dnnl_nhwc : dnnl_ndhwc;
  dnnl_dims_t dx, dw, dy, stride, dilate, before, after;
  dnnl_memory_desc_t x, w, b, y;
  dnnl_convolution_desc_t desc;

  dx[0] = key->x[0];
  dx[1] = key->x[n - 1];
  dy[0] = y_dims[0];
  dy[1] = y_dims[n - 1];
  dw[0] = key->w[0];
  dw[1] = key->w[1];
  for (int i = 0; i < n - 2; i++) {
    dx[2 + i] = key->x[1 + i];
    dy[2 + i] = y_dims[1 + i];
    dw[2 + i] = key->w[2 + i];
    stride[i] = key->stride;
    dilate[i] = key->dilation - 1;
    before[i] = i == n - 3 ? key->before_w : key->before;
    /* What the last window leaves over is cut off, as in torch. */
    after[i] = (dy[2 + i] - 1) * key->stride + (dw[2 + i] - 1) * key->dilation +
               1 - dx[2 + i] - before[i];
  }
  dnnl_memory_desc_init_by_tag (&x, n, dx, dnnl_f32, last);
  dnnl_memory_desc_init_by_tag (&w, n, dw, dnnl_f32, dnnl_format_tag_any);
  dnnl_memory_desc_init_by_tag (&b, 1, dw, dnnl_f32, dnnl_a);
  dnnl_memory_desc_init_by_tag (&y, n, dy, dnnl_f32, last);
  if (!shu_dnn_check (c,
          dnnl_dilated_convolution_forward_desc_init (&desc,
              dnnl_forward_inference, dnnl_convolution_direct, &x, &w,
              key->flags & SHU_DNN_BIAS ? &b : NULL, &y, stride, dilate, before,
              after),
          "convolution"))
    return NULL;
  return shu_dnn_create (c, key, &desc);
}

/* y, of dimensions @y_dims, from x; @key has all but the sizes. */
static void
convolve (ShuCtx *c, float *y, const gint64 *y_dims, ShuTensor *x, ShuTensor *w,
    ShuTensor *b, ShuDnnKey key)
{
  dnnl_dims_t dims = {0};
  dnnl_memory_desc_t plain;
  ShuDnnOp *op;

  key.kind = SHU_DNN_CONV;
  key.n_dims = x->n_dims;
  key.flags = b ? SHU_DNN_BIAS : 0;
  memcpy (key.x, x->dims, sizeof key.x);
  memcpy (key.w, w->dims, sizeof key.w);
  op = shu_dnn_lookup (c, &key);
  if (!op)
    op = conv_new (c, &key, x->n_dims, y_dims);
  if (!op)
    return;
  memcpy (dims, w->dims, sizeof w->dims);
  dnnl_memory_desc_init_by_tag (&plain, w->n_dims, dims, dnnl_f32,
      w->n_dims == 4 ? dnnl_abcd : dnnl_abcde);
  shu_dnn_run (c, op, w, &plain, shu_f32 (x), b ? shu_f32 (b) : NULL, y);
}

/* ---- nearest x2, then 3x3: four 2x2 convolutions of the small map ---- */

/* Along one axis a pixel of phase 0 sees its left neighbour through tap 0 and
 * itself through taps 1 and 2; one of phase 1 itself through 0 and 1, and its
 * right neighbour through 2. */
static ShuTensor *
phase_weights (ShuTensor *w, gsize phase)
{
  ShuTensor *sums =
      shu_tensor_new (SHU_DTYPE_F32, SHU_DIMS (w->dims[0], w->dims[1], 2, 2));
  gsize n = (gsize) (w->dims[0] * w->dims[1]);

  memset (sums->data, 0, shu_tensor_bytes (sums));
  for (gsize i = 0; i < n; i++)
    for (gsize tap = 0; tap < 9; tap++) {
      gsize row = (tap / 3 + 1 - phase / 2) / 2;
      gsize column = (tap % 3 + 1 - phase % 2) / 2;

      shu_f32 (sums)[4 * i + 2 * row + column] += shu_f32 (w)[9 * i + tap];
    }
  return sums;
}

static ShuTensor *
phase_of (ShuTensor *w, gsize phase)
{
  ShuPacked *packed = shu_packed_of (w);

  g_mutex_lock (&packed->lock);
  if (!packed->phases[phase])
    packed->phases[phase] = phase_weights (w, phase);
  g_mutex_unlock (&packed->lock);
  return packed->phases[phase];
}

/* Rows of part [B,H,W,C] to every second row and column of y. */
static void
interleave (ShuTensor *y, ShuTensor *part, gsize phase)
{
  gsize W = (gsize) part->dims[2], C = (gsize) part->dims[3];

#pragma omp parallel for
  for (gint64 r = 0; r < part->dims[0] * part->dims[1]; r++) {
    const float *src = shu_f32 (part) + (gsize) r * W * C;
    float *dst =
        shu_f32 (y) + (((gsize) r * 2 + phase / 2) * 2 * W + phase % 2) * C;

    for (gsize i = 0; i < W; i++)
      memcpy (dst + 2 * i * C, src + i * C, C * sizeof (float));
  }
}

static void
convolve_upsampled (ShuCtx *c, ShuTensor *y, ShuTensor *x, const ShuConv *k,
    const ShuConvParams *p)
{
  SHU_SCOPE (c);
  ShuTensor *part = shu_scoped (c, SHU_DTYPE_F32,
      SHU_DIMS (x->dims[0], x->dims[1], x->dims[2], y->dims[3]));

  for (gsize phase = 0; phase < 4 && !shu_ctx_failed (c); phase++) {
    ShuDnnKey key = {
        .act = (gint32) p->act,
        .stride = 1,
        .dilation = 1,
        .before = phase / 2 ? 0 : 1,
        .after = phase / 2 ? 1 : 0,
        .before_w = phase % 2 ? 0 : 1,
    };

    convolve (
        c, shu_f32 (part), part->dims, x, phase_of (k->w, phase), k->b, key);
    interleave (y, part, phase);
  }
}

void
shu_cpu_conv (ShuCtx *c, ShuTensor *y, ShuTensor *x, const ShuConv *k,
    const ShuConvParams *p)
{
  SHU_SCOPE (c);
  ShuDnnKey key = {
      .act = (gint32) p->act,
      .stride = p->stride,
      .dilation = p->dilation,
      .before = p->pad_before,
      .after = p->pad_after,
      .before_w = p->pad_before,
  };

  if (p->upsample && p->stride == 1 && p->dilation == 1 && p->pad_before == 1 &&
      p->pad_after == 1 && k->w->dims[2] == 3 && k->w->dims[3] == 3) {
    convolve_upsampled (c, y, x, k, p);
    return;
  }
  if (p->upsample)
    x = shu_upsample_nearest (c, x, 2);
  if (!shu_ctx_failed (c))
    convolve (c, shu_f32 (y), y->dims, x, k->w, k->b, key);
}
