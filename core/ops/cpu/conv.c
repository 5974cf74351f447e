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
    before[i] = key->before;
    /* What the last window leaves over is cut off, as in torch. */
    after[i] = (dy[2 + i] - 1) * key->stride + (dw[2 + i] - 1) * key->dilation +
               1 - dx[2 + i] - key->before;
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

void
shu_cpu_conv (ShuCtx *c, ShuTensor *y, ShuTensor *x, const ShuConv *k,
    const ShuConvParams *p)
{
  SHU_SCOPE (c);
  ShuTensor *w = k->w;
  ShuDnnKey key = {
      .kind = SHU_DNN_CONV,
      .n_dims = x->n_dims,
      .act = (gint32) p->act,
      .flags = k->b ? SHU_DNN_BIAS : 0,
      .stride = p->stride,
      .dilation = p->dilation,
      .before = p->pad_before,
      .after = p->pad_after,
  };
  dnnl_dims_t dims = {0};
  dnnl_memory_desc_t plain;
  ShuDnnOp *op;

  if (p->upsample)
    x = shu_upsample_nearest (c, x, 2);
  if (shu_ctx_failed (c))
    return;
  memcpy (key.x, x->dims, sizeof key.x);
  memcpy (key.w, w->dims, sizeof key.w);
  op = shu_dnn_lookup (c, &key);
  if (!op)
    op = conv_new (c, &key, x->n_dims, y->dims);
  if (!op)
    return;
  memcpy (dims, w->dims, sizeof w->dims);
  dnnl_memory_desc_init_by_tag (&plain, w->n_dims, dims, dnnl_f32,
      w->n_dims == 4 ? dnnl_abcd : dnnl_abcde);
  shu_dnn_run (
      c, op, w, &plain, shu_f32 (x), k->b ? shu_f32 (k->b) : NULL, shu_f32 (y));
}
