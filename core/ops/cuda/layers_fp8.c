/* SPDX-License-Identifier: MIT */
/* Layers in FP8: weights are rounded to E4M3 when the network is loaded, what
 * they are multiplied with just before.  Results are f16, like all else. */
#include "ops/cuda/cuda_private.h"
#include "base/error.h"

gboolean
shu_cuda_is_f16 (ShuCtx *c, const char *op, const ShuTensor *x)
{
  if (x->dtype == SHU_DTYPE_E4M3)
    shu_ctx_fail (c, SHU_ERROR_UNSUPPORTED,
        "%s: a layer of these sizes has nothing to do with FP8", op);
  return x->dtype != SHU_DTYPE_E4M3;
}

/* Where it is the kernel's that has its weight in shared memory */
gboolean
shu_cuda_geglu_to_e4m3 (ShuCtx *c, gint64 M, gint64 C, gint64 K)
{
  ShuCuda *s = shu_cuda (c);

  return s && shu_launch_stationary_fits (
                  (gsize) M, (gsize) C, (gsize) K, TRUE, s->sm);
}

gboolean
shu_cuda_has_fp8 (ShuCtx *c)
{
  ShuCuda *s = shu_cuda (c);

  return s && shu_launch_has_fp8 (s->sm);
}

/* What a product with a weight takes for x */
typedef struct {
  gconstpointer values;
  const float *scale; /* of both */
} Operand;

/* @x, as a norm left it or rounded, for a product with @w, which may be NULL
 * after a failure, in the innermost scope; FALSE where @c has failed */
static gboolean
operand_of (ShuCtx *c, Operand *ret, ShuTensor *x, const ShuCudaFp8 *w)
{
  ShuCudaFp8 *rounded;

  if (!w)
    return FALSE;
  if (x->dtype == SHU_DTYPE_E4M3) {
    *ret = (Operand){x->data, &w->scale.back};
    return TRUE;
  }
  rounded = shu_cuda_scratch (c, sizeof *rounded + x->n);
  if (!rounded ||
      !shu_cuda_check (c,
          shu_launch_to_e4m3 (rounded->values, &rounded->scale, x->data,
              &w->scale.back, 1, x->n, x->n, shu_cuda (c)->stream),
          "rounding"))
    return FALSE;
  *ret = (Operand){rounded->values, &rounded->scale.back};
  return TRUE;
}

gboolean
shu_cuda_product_fp8 (ShuCtx *c, gpointer y, ShuTensor *x, const ShuCudaFp8 *w,
    ShuCudaVector b, const ShuCudaProductFp8 *product, GError **error)
{
  SHU_SCOPE (c);
  ShuCuda *s = shu_cuda (c);
  Operand operand;

  if (!operand_of (c, &operand, x, w))
    return FALSE;
  return shu_cuda_ok (shu_launch_product_fp8 (product, y, operand.values,
                          w->values, b.data, operand.scale, s->n_sm, s->stream),
      "product in FP8", error);
}

/* The same as an operation of its own */
static void
layer (ShuCtx *c, const char *op, ShuTensor *y, ShuTensor *x, ShuTensor *w,
    ShuTensor *bias, const ShuCudaProductFp8 *product)
{
  const ShuCudaFp8 *form = shu_cuda_weight (c, w, SHU_CUDA_WEIGHT_FP8);
  GError *error = NULL;
  ShuCudaVector b;

  if (!shu_cuda_bias (c, bias, &b))
    return;
  shu_cuda_product_fp8 (c, y->data, x, form, b, product, &error);
  shu_cuda_done_error (c, op, error);
}

/* ---- linear ---- */

gboolean
shu_cuda_fits_fp8 (
    ShuCuda *s, const ShuLinear *l, gint64 M, gint64 Co, ShuCudaProductFp8 *ret)
{
  *ret = (ShuCudaProductFp8){
      .x = {1, 1, (unsigned) M},
      .k = {1, 1},
      .Ci = (unsigned) l->w->dims[1],
      .Co = (unsigned) Co,
  };
  return l->precision == SHU_PRECISION_FP8 && s && M <= G_MAXINT32 &&
         shu_launch_product_fp8_fits (ret, s->sm);
}

gboolean
shu_cuda_linear_fp8 (ShuCtx *c, const char *op, ShuTensor *y, ShuTensor *x,
    const ShuLinear *l, ShuAct act, gboolean geglu, ShuTensor *residual)
{
  ShuCuda *s = shu_cuda (c);
  gint64 Co = y->dims[y->n_dims - 1];
  ShuCudaProductFp8 product;

  if (!shu_cuda_fits_fp8 (s, l, (gint64) y->n / Co, Co, &product))
    return FALSE;
  product.act = (int) act;
  product.geglu = geglu;
  product.residual = residual ? residual->data : NULL;
  product.e4m3 = y->dtype == SHU_DTYPE_E4M3;
  if (!shu_launch_product_fp8_fits (&product, s->sm))
    return FALSE;
  layer (c, op, y, x, l->w, l->b, &product);
  return TRUE;
}

/* ---- convolutions ---- */

/* As with a map twice as large, in f16: four products, each of which goes to
 * where it belongs in y */
static void
doubled (ShuCtx *c, ShuTensor *y, ShuTensor *x, const ShuConv *k,
    ShuCudaProductFp8 *part)
{
  SHU_SCOPE (c);
  ShuCuda *s = shu_cuda (c);
  const ShuCudaFp8 *w = shu_cuda_weight (c, k->w, SHU_CUDA_WEIGHT_DOUBLED_FP8);
  GError *error = NULL;
  Operand operand;
  ShuCudaVector b;

  if (!operand_of (c, &operand, x, w) || !shu_cuda_bias (c, k->b, &b))
    return;
  for (int i = 0; i < 4 && !error; i++) {
    /* odd rows and columns look ahead, even ones back */
    part->before[0] = i & 2 ? 0 : 1;
    part->before[1] = i & 1 ? 0 : 1;
    part->spread = 1 + i;
    shu_cuda_ok (shu_launch_product_fp8 (part, y->data, operand.values,
                     w->values + i * 4 * (gsize) part->Co * part->Ci, b.data,
                     operand.scale, s->n_sm, s->stream),
        "product in FP8", &error);
  }
  shu_cuda_done_error (c, "conv2d", error);
}

gboolean
shu_cuda_conv2d_fp8 (ShuCtx *c, ShuTensor *y, ShuTensor *x, const ShuConv *k,
    const ShuConvParams *p)
{
  ShuCuda *s = shu_cuda (c);
  gboolean twice = shu_cuda_is_doubled (k, p);
  const gint64 *w = k->w->dims, *d = x->dims;
  ShuCudaProductFp8 product = {
      .x = {(unsigned) d[0], (unsigned) d[1], (unsigned) d[2]},
      .k = {(unsigned) (twice ? 2 : w[2]), (unsigned) (twice ? 2 : w[3])},
      .Ci = (unsigned) w[1],
      .Co = (unsigned) w[0],
      .before = {p->pad_before, p->pad_before},
      .act = (int) p->act,
  };
  gboolean same = p->stride == 1 && p->dilation == 1 && !p->upsample &&
                  p->pad_before + p->pad_after == w[2] - 1 && w[2] == w[3];

  if (k->precision != SHU_PRECISION_FP8 || !s || (!same && !twice) ||
      !shu_launch_product_fp8_fits (&product, s->sm))
    return FALSE;
  if (twice)
    doubled (c, y, x, k, &product);
  else
    layer (c, "conv2d", y, x, k->w, k->b, &product);
  return TRUE;
}
