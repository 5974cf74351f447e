/* SPDX-License-Identifier: MIT */
/* Layers with weights, and attention: tensors for what gemm, conv, sdpa and
 * the sparse kernels do with pointers.  Biases are f16, which is what they can
 * add to their f32 sums. */
#include "ops/cuda/conv.h"
#include "ops/cuda/conv_thin.h"
#include "ops/cuda/cuda_private.h"
#include "ops/cuda/gemm.h"
#include "ops/cuda/sdpa.h"
#include "base/error.h"

gboolean
shu_cuda_norm_vectors (
    ShuCtx *c, const ShuNorm *norm, const float **ret_w, const float **ret_b)
{
  *ret_w = *ret_b = NULL;
  if (norm && norm->w)
    *ret_w = shu_cuda_weight (c, norm->w, SHU_CUDA_WEIGHT_SAME);
  if (norm && norm->b)
    *ret_b = shu_cuda_weight (c, norm->b, SHU_CUDA_WEIGHT_SAME);
  return !shu_ctx_failed (c);
}

gboolean
shu_cuda_bias (ShuCtx *c, ShuTensor *b, ShuCudaVector *ret)
{
  *ret = (ShuCudaVector){NULL, 0};
  if (b)
    ret->data = shu_cuda_weight (c, b, SHU_CUDA_WEIGHT_F16);
  return !b || ret->data;
}

/* ---- linear ---- */

static void
linear_f16 (ShuCtx *c, ShuTensor *y, ShuTensor *x, const ShuLinear *l,
    ShuAct act, ShuTensor *residual)
{
  ShuCuda *s = shu_cuda (c);
  gconstpointer w = shu_cuda_weight (c, l->w, SHU_CUDA_WEIGHT_F16);
  gint64 Co = l->w->dims[0], Ci = l->w->dims[1];
  ShuCudaGemm g = {.M = (gint64) x->n / Ci, .N = Co, .K = Ci, .act = act};
  ShuCudaVector b;
  GError *error = NULL;

  if (!w || !shu_cuda_bias (c, l->b, &b))
    return;
  shu_cuda_gemm (
      s, &g, y->data, x->data, w, b, residual ? residual->data : NULL, &error);
  shu_cuda_done_error (c, "linear", error);
}

void
shu_cuda_linear (ShuCtx *c, ShuTensor *y, ShuTensor *x, const ShuLinear *l,
    ShuAct act, ShuTensor *residual)
{
  if (!shu_cuda_linear_fp8 (c, "linear", y, x, l, act, FALSE, residual) &&
      shu_cuda_is_f16 (c, "linear", x) && shu_cuda_is_f16 (c, "linear", y))
    linear_f16 (c, y, x, l, act, residual);
}

static void
linear_geglu_f16 (ShuCtx *c, ShuTensor *y, ShuTensor *x, const ShuLinear *l)
{
  SHU_SCOPE (c);
  ShuCuda *s = shu_cuda (c);
  gconstpointer w = shu_cuda_weight (c, l->w, SHU_CUDA_WEIGHT_F16);
  gint64 C = l->w->dims[0] / 2, Ci = l->w->dims[1], M = (gint64) x->n / Ci;
  gpointer scratch = shu_cuda_scratch (c, shu_cuda_gemm_geglu_scratch (M, C));
  ShuCudaVector b;
  GError *error = NULL;

  if (!w || !scratch || !shu_cuda_bias (c, l->b, &b))
    return;
  shu_cuda_gemm_geglu (s, M, C, Ci, y->data, y->dtype == SHU_DTYPE_E4M3,
      x->data, w, b, scratch, &error);
  shu_cuda_done_error (c, "linear_geglu", error);
}

void
shu_cuda_linear_geglu (
    ShuCtx *c, ShuTensor *y, ShuTensor *x, const ShuLinear *l)
{
  if (!shu_cuda_linear_fp8 (
          c, "linear_geglu", y, x, l, SHU_ACT_NONE, TRUE, NULL) &&
      shu_cuda_is_f16 (c, "linear_geglu", x))
    linear_geglu_f16 (c, y, x, l);
}

/* ---- convolutions ---- */

gboolean
shu_cuda_is_doubled (const ShuConv *k, const ShuConvParams *p)
{
  return p->upsample && p->stride == 1 && p->dilation == 1 &&
         p->pad_before == 1 && p->pad_after == 1 && k->w->dims[2] == 3 &&
         k->w->dims[3] == 3 && k->w->dims[0] % 8 == 0 && k->w->dims[1] % 8 == 0;
}

/* 3x3 of the doubled x: see doubled.cu */
static void
convolve_doubled (ShuCtx *c, ShuTensor *y, ShuTensor *x, const ShuConv *k,
    const ShuConvParams *p)
{
  SHU_SCOPE (c);
  ShuCuda *s = shu_cuda (c);
  const guint16 *w = shu_cuda_weight (c, k->w, SHU_CUDA_WEIGHT_DOUBLED);
  gint64 B = x->dims[0], H = x->dims[1], W = x->dims[2];
  ShuCudaConv conv = {.n_space = 2,
      .B = B,
      .Ci = k->w->dims[1],
      .Co = k->w->dims[0],
      .x = {H, W},
      .k = {2, 2},
      .stride = 1,
      .dilation = 1,
      .pad_before = 1,
      .act = p->act};
  guint16 *parts = shu_cuda_scratch (c, y->n * 2);
  GError *error = NULL;
  ShuCudaVector b;

  if (!w || !parts || !shu_cuda_bias (c, k->b, &b))
    return;
  for (int i = 0; i < 4 && !error; i++) {
    /* odd rows and columns look ahead, even ones back */
    conv.turned = (i & 2 ? 1 : 0) | (i & 1 ? 2 : 0);
    shu_cuda_conv (s, &conv, parts + i * (gint64) (y->n / 4), x->data,
        w + i * 4 * conv.Co * conv.Ci, b, &error);
  }
  if (!error)
    shu_cuda_ok (shu_launch_interleave (y->data, parts, (gsize) B, (gsize) H,
                     (gsize) W, (gsize) conv.Co, s->stream),
        "interleave", &error);
  shu_cuda_done_error (c, "conv2d", error);
}

/* x [B,H,W,C] twice as large, in the innermost scope */
static ShuTensor *
doubled (ShuCtx *c, ShuCuda *s, ShuTensor *x)
{
  const gint64 *d = x->dims;
  ShuTensor *y =
      shu_scoped (c, x->dtype, SHU_DIMS (d[0], 2 * d[1], 2 * d[2], d[3]));

  if (!shu_ctx_failed (c))
    shu_cuda_done (c, "upsample_nearest",
        shu_launch_upsample_nearest (y->data, x->data, (gsize) d[0],
            (gsize) d[1], (gsize) d[2], (gsize) d[3], 2, s->stream));
  return y;
}

static void
convolve (ShuCtx *c, const char *op, int n_space, ShuTensor *y, ShuTensor *x,
    const ShuConv *k, const ShuConvParams *p)
{
  SHU_SCOPE (c);
  ShuCuda *s = shu_cuda (c);
  gconstpointer w = shu_cuda_weight (c, k->w, SHU_CUDA_WEIGHT_KRSC);
  ShuCudaConv conv = {.n_space = n_space,
      .B = x->dims[0],
      .Ci = k->w->dims[1],
      .Co = k->w->dims[0],
      .stride = p->stride,
      .dilation = p->dilation,
      .pad_before = p->pad_before,
      .pad_after = p->pad_after,
      .act = p->act};
  gsize scratch_bytes;
  gpointer scratch;
  ShuCudaVector b;
  GError *error = NULL;

  if (!w || !shu_cuda_bias (c, k->b, &b))
    return;
  if (p->upsample)
    x = doubled (c, s, x);
  if (shu_ctx_failed (c))
    return;
  for (int i = 0; i < n_space; i++) {
    conv.x[i] = x->dims[1 + i];
    conv.k[i] = k->w->dims[2 + i];
  }
  scratch_bytes = shu_cuda_conv_thin_scratch (&conv);
  if (!scratch_bytes)
    shu_cuda_conv (s, &conv, y->data, x->data, w, b, &error);
  else if ((scratch = shu_cuda_scratch (c, scratch_bytes)))
    shu_cuda_conv_thin (s, &conv, y->data, x->data, w, b, scratch, &error);
  shu_cuda_done_error (c, op, error);
}

void
shu_cuda_conv2d (ShuCtx *c, ShuTensor *y, ShuTensor *x, const ShuConv *k,
    const ShuConvParams *p)
{
  if (shu_cuda_conv2d_fp8 (c, y, x, k, p) || !shu_cuda_is_f16 (c, "conv2d", x))
    return;
  if (shu_cuda_is_doubled (k, p))
    convolve_doubled (c, y, x, k, p);
  else
    convolve (c, "conv2d", 2, y, x, k, p);
}

void
shu_cuda_conv3d (ShuCtx *c, ShuTensor *y, ShuTensor *x, const ShuConv *k,
    const ShuConvParams *p)
{
  convolve (c, "conv3d", 3, y, x, k, p);
}

/* ---- attention ---- */

void
shu_cuda_attention (ShuCtx *c, ShuTensor *y, ShuTensor *q, ShuTensor *k,
    ShuTensor *v, int n_heads)
{
  SHU_SCOPE (c);
  ShuCuda *s = shu_cuda (c);
  ShuCudaSdpa a = {.B = q->dims[0],
      .Tq = q->dims[1],
      .Tk = k->dims[1],
      .NH = n_heads,
      .HD = (int) (q->dims[2] / n_heads),
      .q = q->data,
      .k = k->data,
      .v = v->data,
      .y = y->data};
  gpointer scratch;
  GError *error = NULL;

  if (!s)
    return;
  scratch = shu_cuda_scratch (c, shu_cuda_sdpa_scratch (s, &a));
  if (!scratch)
    return;
  shu_cuda_sdpa (s, &a, scratch, &error);
  shu_cuda_done_error (c, "attention", error);
}

/* The projections' weights as one, and their bias; FALSE where @c has failed.
 */
static gboolean
projections (ShuCtx *c, const ShuSelfAttention *p, ShuPrecision precision,
    gconstpointer *ret_w, ShuCudaVector *ret_b)
{
  ShuTensor *w[3], *b[3];

  for (int i = 0; i < p->n; i++) {
    w[i] = p->l[i]->w;
    b[i] = p->l[i]->b;
  }
  *ret_b = (ShuCudaVector){NULL, 0};
  *ret_w = shu_cuda_weights_joined (c, p->n, w, precision);
  if (b[0])
    ret_b->data = shu_cuda_weights_joined (c, p->n, b, SHU_PRECISION_F16);
  return *ret_w && (!b[0] || ret_b->data);
}

/* q, k and v of @x, side by side; FALSE where @c or @error says so */
static gboolean
project (ShuCtx *c, guint16 *qkv, ShuTensor *x, const ShuSelfAttention *p,
    gint64 M, gint64 C, GError **error)
{
  ShuCuda *s = shu_cuda (c);
  ShuCudaGemm g = {.M = M, .N = 3 * C, .K = x->dims[2]};
  ShuCudaProductFp8 product;
  gboolean fp8 = shu_cuda_fits_fp8 (s, p->l[0], M, 3 * C, &product);
  gconstpointer w;
  ShuCudaVector b;

  if ((!fp8 && !shu_cuda_is_f16 (c, "self_attention", x)) ||
      !projections (c, p, fp8 ? SHU_PRECISION_FP8 : SHU_PRECISION_F16, &w, &b))
    return FALSE;
  return fp8 ? shu_cuda_product_fp8 (c, qkv, x, w, b, &product, error)
             : shu_cuda_gemm (s, &g, qkv, x->data, w, b, NULL, error);
}

/* NULL, where there is none or @c has failed */
static const float *
gamma_of (ShuCtx *c, ShuTensor *gamma)
{
  return gamma ? shu_cuda_weight (c, gamma, SHU_CUDA_WEIGHT_SAME) : NULL;
}

void
shu_cuda_self_attention (
    ShuCtx *c, ShuTensor *y, ShuTensor *x, const ShuSelfAttention *p)
{
  SHU_SCOPE (c);
  ShuCuda *s = shu_cuda (c);
  gint64 C = y->dims[2], M = (gint64) x->n / x->dims[2];
  const float *q_gamma = gamma_of (c, p->q_gamma);
  const float *k_gamma = gamma_of (c, p->k_gamma);
  guint16 *qkv = shu_cuda_scratch (c, (gsize) (M * 3 * C) * sizeof *qkv);
  ShuCudaSdpa a = {.B = x->dims[0],
      .Tq = x->dims[1],
      .Tk = x->dims[1],
      .NH = p->n_heads,
      .HD = (int) (C / p->n_heads),
      .q = qkv,
      .k = qkv + C,
      .v = qkv + 2 * C,
      .ldq = 3 * C,
      .ldk = 3 * C,
      .ldv = 3 * C,
      .y = y->data};
  gpointer scratch;
  GError *error = NULL;

  if (shu_ctx_failed (c))
    return;
  scratch = shu_cuda_scratch (c, shu_cuda_sdpa_scratch (s, &a));
  if (scratch && project (c, qkv, x, p, M, C, &error) &&
      shu_cuda_ok (shu_launch_norm_packed (qkv, q_gamma, k_gamma, (gsize) M,
                       (gsize) p->n_heads, (gsize) (C / p->n_heads), s->stream),
          "norm of heads", &error))
    shu_cuda_sdpa (s, &a, scratch, &error);
  shu_cuda_done_error (c, "self_attention", error);
}

/* ---- sparse voxels ---- */

typedef cudaError_t (*SparseLaunch) (void *y, const void *x, const int *nbr,
    const void *w, ShuCudaVector b, size_t N, int Ci, int Co,
    cudaStream_t stream);

static void
sparse (ShuCtx *c, const char *op, SparseLaunch launch, ShuCudaLayout layout,
    ShuTensor *y, ShuTensor *x, ShuTensor *nbr, const ShuConv *k)
{
  ShuCuda *s = shu_cuda (c);
  gconstpointer w = shu_cuda_weight (c, k->w, layout);
  ShuCudaVector b;

  if (!w || !shu_cuda_bias (c, k->b, &b))
    return;
  shu_cuda_check_index (c, op, "neighbours", nbr, G_MININT, x->dims[0]);
  shu_cuda_done (c, op,
      launch (y->data, x->data, nbr->data, w, b, (gsize) x->dims[0],
          (int) x->dims[1], (int) y->dims[1], s->stream));
}

void
shu_cuda_sparse_conv (
    ShuCtx *c, ShuTensor *y, ShuTensor *x, ShuTensor *nbr, const ShuConv *k)
{
  sparse (c, "sparse_conv", shu_launch_sparse_conv, SHU_CUDA_WEIGHT_TAPS, y, x,
      nbr, k);
}

void
shu_cuda_sparse_conv_subdivided (
    ShuCtx *c, ShuTensor *y, ShuTensor *x, ShuTensor *nbr, const ShuConv *k)
{
  sparse (c, "sparse_conv_subdivided", shu_launch_sparse_conv_subdivided,
      SHU_CUDA_WEIGHT_SUBDIVIDED, y, x, nbr, k);
}
