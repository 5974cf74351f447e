/* SPDX-License-Identifier: MIT */
/* Linear layers: a oneDNN matrix product, weights packed once. */
#include "ops/cpu/onednn_private.h"
#include <string.h>

static ShuDnnOp *
matmul_new (ShuCtx *c, const ShuDnnKey *key)
{
  gint64 M = key->x[0], Ci = key->x[1], Co = key->w[0];
  dnnl_memory_desc_t x, w, b, y;
  dnnl_matmul_desc_t desc;

  dnnl_memory_desc_init_by_tag (&x, 2, (dnnl_dims_t){M, Ci}, dnnl_f32, dnnl_ab);
  dnnl_memory_desc_init_by_tag (
      &w, 2, (dnnl_dims_t){Ci, Co}, dnnl_f32, dnnl_format_tag_any);
  dnnl_memory_desc_init_by_tag (&b, 2, (dnnl_dims_t){1, Co}, dnnl_f32, dnnl_ab);
  dnnl_memory_desc_init_by_tag (&y, 2, (dnnl_dims_t){M, Co}, dnnl_f32, dnnl_ab);
  if (!shu_dnn_check (c,
          dnnl_matmul_desc_init (
              &desc, &x, &w, key->flags & SHU_DNN_BIAS ? &b : NULL, &y),
          "linear"))
    return NULL;
  return shu_dnn_create (c, key, &desc);
}

static void
linear (ShuCtx *c, float *y, const float *x, gsize rows, const ShuLinear *l,
    ShuAct act, gboolean sum)
{
  gint64 Co = l->w->dims[0], Ci = l->w->dims[1];
  ShuDnnKey key = {
      .kind = SHU_DNN_LINEAR,
      .act = (gint32) act,
      .flags = (l->b ? SHU_DNN_BIAS : 0) | (sum ? SHU_DNN_SUM : 0),
      .x = {(gint64) rows, Ci},
      .w = {Co, Ci},
  };
  ShuDnnOp *op = shu_dnn_lookup (c, &key);
  dnnl_memory_desc_t plain;

  if (!op)
    op = matmul_new (c, &key);
  if (!op)
    return;
  dnnl_memory_desc_init_by_tag (
      &plain, 2, (dnnl_dims_t){Ci, Co}, dnnl_f32, dnnl_ba);
  shu_dnn_run (c, op, l->w, &plain, x, l->b ? shu_f32 (l->b) : NULL, y);
}

void
shu_cpu_linear (ShuCtx *c, ShuTensor *y, ShuTensor *x, const ShuLinear *l,
    ShuAct act, ShuTensor *residual)
{
  if (residual)
    shu_cpu_upload (c, y, residual->data);
  linear (c, shu_f32 (y), shu_f32 (x), x->n / (gsize) l->w->dims[1], l, act,
      residual != NULL);
}

void
shu_cpu_linear_geglu (ShuCtx *c, ShuTensor *y, ShuTensor *x, const ShuLinear *l)
{
  SHU_SCOPE (c);
  gsize rows = x->n / (gsize) l->w->dims[1];
  ShuTensor *both =
      shu_scoped (c, SHU_DTYPE_F32, SHU_DIMS ((gint64) rows, l->w->dims[0]));

  if (shu_ctx_failed (c))
    return;
  linear (c, shu_f32 (both), shu_f32 (x), rows, l, SHU_ACT_NONE, FALSE);
  shu_cpu_geglu_rows (
      shu_f32 (y), shu_f32 (both), rows, (gsize) l->w->dims[0] / 2);
}
