/* SPDX-License-Identifier: MIT */
/* Layers, norms, attention, resampling and sparse voxels: shape checks, the
 * result's allocation, and the call of the backend.  Shapes and elementwise
 * operations are in ops_shape.c, embeddings in ops_embed.c. */
#include "ops/backend_private.h"
#include "base/error.h"
#include <string.h>

/* A result like @x, but for its last dimension. */
static ShuTensor *
rows_like (ShuCtx *c, ShuTensor *x, gint64 C)
{
  gint64 dims[SHU_MAX_DIMS];

  memcpy (dims, x->dims, sizeof dims);
  dims[x->n_dims - 1] = C;
  return shu_scoped (c, c->real, x->n_dims, dims);
}

static gint64
last (const ShuTensor *x)
{
  return x->dims[x->n_dims - 1];
}

/* Makes *@x an operand; whether it is an activation */
static gboolean
real_operand (ShuCtx *c, ShuTensor **x)
{
  *x = shu_operand (c, *x);
  return (*x)->dtype == c->real;
}

/* The same for a layer of @precision, which may have it as a norm left it */
static gboolean
layer_operand (ShuCtx *c, ShuTensor **x, ShuPrecision precision)
{
  return real_operand (c, x) ||
         ((*x)->dtype == SHU_DTYPE_E4M3 && precision == SHU_PRECISION_FP8);
}

/* What layer @l makes of @x, rows of @C */
static ShuTensor *
layer_result (ShuCtx *c, const ShuTensor *x, const ShuLinear *l, gint64 C)
{
  gint64 dims[SHU_MAX_DIMS];
  ShuPrecision result =
      l->precision == SHU_PRECISION_FP8 ? l->result : SHU_PRECISION_F16;

  memcpy (dims, x->dims, sizeof dims);
  dims[x->n_dims - 1] = C;
  return shu_scoped (c,
      shu_result_dtype (c, result, (gint64) x->n / last (x), C), x->n_dims,
      dims);
}

/* Makes *@x an operand; whether it is an index */
static gboolean
index_operand (ShuCtx *c, ShuTensor **x, int n_dims)
{
  *x = shu_operand (c, *x);
  return (*x)->dtype == SHU_DTYPE_I32 && (*x)->n_dims == n_dims;
}

gboolean
shu_is_weight (ShuCtx *c, ShuTensor *w)
{
  if (shu_place_is_cpu (c->place))
    w = shu_operand_of_host (c, w);
  return w->dtype == SHU_DTYPE_F32 && w->storage->place == SHU_HOST;
}

gboolean
shu_is_vector (ShuCtx *c, ShuTensor *x, gint64 C)
{
  return !x || (shu_is_weight (c, x) && (gint64) x->n == C);
}

static gboolean
same_shape (const ShuTensor *a, const ShuTensor *b)
{
  return a->n_dims == b->n_dims && !memcmp (a->dims, b->dims, sizeof a->dims);
}

/* ---- layers ---- */

static ShuTensor *
linear (ShuCtx *c, const char *op, ShuTensor *x, const ShuLinear *l, ShuAct act,
    ShuTensor *residual)
{
  const ShuBackend *be = SHU_BACKEND_FOR (c, linear);
  ShuTensor *y;

  if (!be)
    return c->nil;
  if (!l->w)
    return shu_op_wrong (c, op, "a weight", x, NULL);
  if (!layer_operand (c, &x, l->precision) || !shu_is_weight (c, l->w) ||
      l->w->n_dims != 2 || last (x) != l->w->dims[1] ||
      !shu_is_vector (c, l->b, l->w->dims[0]))
    return shu_op_wrong (
        c, op, "x [...,Ci], weight [Co,Ci], bias [Co]", x, l->w, l->b, NULL);
  y = layer_result (c, x, l, l->w->dims[0]);
  if (residual && (!real_operand (c, &residual) || residual->n != y->n) &&
      !shu_ctx_failed (c))
    return shu_op_wrong (
        c, op, "a residual like the result", y, residual, NULL);
  if (!shu_ctx_failed (c) && y->n > 0)
    be->linear (c, y, x, l, act, residual);
  return y;
}

ShuTensor *
shu_linear (ShuCtx *c, ShuTensor *x, const ShuLinear *l)
{
  return linear (c, "linear", x, l, SHU_ACT_NONE, NULL);
}

ShuTensor *
shu_linear_act (ShuCtx *c, ShuTensor *x, const ShuLinear *l, ShuAct act)
{
  return linear (c, "linear_act", x, l, act, NULL);
}

ShuTensor *
shu_linear_add (
    ShuCtx *c, ShuTensor *x, const ShuLinear *l, ShuTensor *residual)
{
  return linear (c, "linear_add", x, l, SHU_ACT_NONE, residual);
}

/* The same where the layer itself may be in f16 */
static ShuTensor *
gated_result (ShuCtx *c, const ShuTensor *x, const ShuLinear *l, gint64 C)
{
  const ShuBackend *be = shu_backend_of (c);
  ShuLinear as = *l;

  if (l->result == SHU_PRECISION_FP8 && l->precision == SHU_PRECISION_F16 &&
      !shu_ctx_failed (c) && be->geglu_to_e4m3 &&
      be->geglu_to_e4m3 (c, (gint64) x->n / last (x), C, last (x)))
    as.precision = SHU_PRECISION_FP8;
  return layer_result (c, x, &as, C);
}

ShuTensor *
shu_linear_geglu (ShuCtx *c, ShuTensor *x, const ShuLinear *l)
{
  const ShuBackend *be = SHU_BACKEND_FOR (c, linear_geglu);
  ShuTensor *y;

  if (!be)
    return c->nil;
  if (!l->w)
    return shu_op_wrong (c, "linear_geglu", "a weight", x, NULL);
  if (!layer_operand (c, &x, l->precision) || !shu_is_weight (c, l->w) ||
      l->w->n_dims != 2 || last (x) != l->w->dims[1] ||
      l->w->dims[0] % 2 != 0 || !shu_is_vector (c, l->b, l->w->dims[0]))
    return shu_op_wrong (c, "linear_geglu",
        "x [...,Ci], weight [2C,Ci], bias [2C]", x, l->w, l->b, NULL);
  y = gated_result (c, x, l, l->w->dims[0] / 2);
  if (!shu_ctx_failed (c) && y->n > 0)
    be->linear_geglu (c, y, x, l);
  return y;
}

/* Size along one axis after a convolution; below 1 where it does not fit. */
static gint64
conv_size (gint64 n, gint64 k, const ShuConvParams *p)
{
  gint64 room = n * (p->upsample ? 2 : 1) + p->pad_before + p->pad_after -
                ((k - 1) * p->dilation + 1);

  return room < 0 ? 0 : room / p->stride + 1;
}

static ShuTensor *
conv (ShuCtx *c, const char *op, int n_space, ShuTensor *x, const ShuConv *k,
    const ShuConvParams *params)
{
  const ShuBackend *be =
      n_space == 2 ? SHU_BACKEND_FOR (c, conv2d) : SHU_BACKEND_FOR (c, conv3d);
  ShuConvParams p = params ? *params : (ShuConvParams){0};
  gint64 dims[SHU_MAX_DIMS];
  ShuTensor *y;

  if (!be)
    return c->nil;
  if (!k->w)
    return shu_op_wrong (c, op, "a weight", x, NULL);
  p.stride = MAX (p.stride, 1);
  p.dilation = MAX (p.dilation, 1);
  if (!layer_operand (c, &x, k->precision) || !shu_is_weight (c, k->w) ||
      x->n_dims != n_space + 2 || k->w->n_dims != n_space + 2 ||
      last (x) != k->w->dims[1] || k->w->n == 0 ||
      !shu_is_vector (c, k->b, k->w->dims[0]) || p.pad_before < 0 ||
      p.pad_after < 0 || (p.upsample && n_space != 2))
    return shu_op_wrong (c, op,
        n_space == 2 ? "x [B,H,W,Ci], weight [Co,Ci,kH,kW], bias [Co]"
                     : "x [B,D,H,W,Ci], weight [Co,Ci,kD,kH,kW], bias [Co]",
        x, k->w, k->b, NULL);
  dims[0] = x->dims[0];
  for (int i = 0; i < n_space; i++) {
    dims[1 + i] = conv_size (x->dims[1 + i], k->w->dims[2 + i], &p);
    if (dims[1 + i] < 1)
      return shu_op_wrong (
          c, op, "x no smaller than the kernel", x, k->w, NULL);
  }
  dims[1 + n_space] = k->w->dims[0];
  y = shu_scoped (c, c->real, n_space + 2, dims);
  if (shu_ctx_failed (c) || y->n == 0)
    return y;
  if (n_space == 2)
    be->conv2d (c, y, x, k, &p);
  else
    be->conv3d (c, y, x, k, &p);
  return y;
}

ShuTensor *
shu_conv2d (ShuCtx *c, ShuTensor *x, const ShuConv *k, const ShuConvParams *p)
{
  return conv (c, "conv2d", 2, x, k, p);
}

ShuTensor *
shu_conv3d (ShuCtx *c, ShuTensor *x, const ShuConv *k, const ShuConvParams *p)
{
  return conv (c, "conv3d", 3, x, k, p);
}

ShuTensor *
shu_conv2d_same (ShuCtx *c, ShuTensor *x, const ShuConv *k)
{
  return conv (
      c, "conv2d", 2, x, k, &(ShuConvParams){.pad_before = 1, .pad_after = 1});
}

ShuTensor *
shu_conv3d_same (ShuCtx *c, ShuTensor *x, const ShuConv *k)
{
  return conv (
      c, "conv3d", 3, x, k, &(ShuConvParams){.pad_before = 1, .pad_after = 1});
}

/* ---- norms ---- */

/* @add: nothing, or [B,C] */
static gboolean
adds_to_maps (ShuCtx *c, ShuTensor **add, const ShuTensor *x)
{
  return !*add || (real_operand (c, add) && last (*add) == last (x) &&
                      (gint64) (*add)->n == x->dims[0] * last (x));
}

ShuTensor *
shu_group_norm (ShuCtx *c, ShuTensor *x, const ShuNorm *norm, int n_groups,
    float eps, ShuAct act)
{
  return shu_group_norm_add (c, x, NULL, norm, n_groups, eps, act);
}

ShuTensor *
shu_group_norm_add (ShuCtx *c, ShuTensor *x, ShuTensor *add,
    const ShuNorm *norm, int n_groups, float eps, ShuAct act)
{
  const ShuBackend *be = SHU_BACKEND_FOR (c, group_norm);
  ShuTensor *y;

  if (!be)
    return c->nil;
  if (!real_operand (c, &x) || x->n_dims < 2 || n_groups < 1 ||
      last (x) % n_groups || !adds_to_maps (c, &add, x) ||
      (norm && (!shu_is_vector (c, norm->w, last (x)) ||
                   !shu_is_vector (c, norm->b, last (x))))) {
    g_autofree char *what =
        g_strdup_printf ("x [B,...,C] with C a multiple of %d, norm [C]%s",
            n_groups, add ? ", add [B,C]" : "");

    return shu_op_wrong (c, "group_norm", what, x,
        add    ? add
        : norm ? norm->w
               : NULL,
        NULL);
  }
  y = shu_scoped (c,
      shu_result_dtype (c, norm ? norm->precision : SHU_PRECISION_F16,
          (gint64) x->n / last (x), last (x)),
      x->n_dims, x->dims);
  if (!shu_ctx_failed (c) && y->n > 0)
    be->group_norm (c, y, x, add, norm, n_groups, eps, act);
  return y;
}

ShuTensor *
shu_layer_norm (ShuCtx *c, ShuTensor *x, const ShuNorm *norm, float eps)
{
  const ShuBackend *be = SHU_BACKEND_FOR (c, layer_norm);
  ShuTensor *y;

  if (!be)
    return c->nil;
  if (!real_operand (c, &x) ||
      (norm && (!shu_is_vector (c, norm->w, last (x)) ||
                   !shu_is_vector (c, norm->b, last (x)))))
    return shu_op_wrong (
        c, "layer_norm", "x [...,C], norm [C]", x, norm ? norm->w : NULL, NULL);
  y = rows_like (c, x, last (x));
  if (!shu_ctx_failed (c) && y->n > 0)
    be->layer_norm (c, y, x, norm, eps);
  return y;
}

ShuTensor *
shu_rms_norm_heads (ShuCtx *c, ShuTensor *x, ShuTensor *gamma)
{
  const ShuBackend *be = SHU_BACKEND_FOR (c, rms_norm_heads);
  ShuTensor *y;

  if (!be)
    return c->nil;
  if (!real_operand (c, &x) || !shu_is_weight (c, gamma) || x->n_dims < 2 ||
      gamma->n_dims != 2 || last (x) != gamma->dims[1] ||
      x->dims[x->n_dims - 2] != gamma->dims[0])
    return shu_op_wrong (
        c, "rms_norm_heads", "x [...,NH,HD], gamma [NH,HD]", x, gamma, NULL);
  y = rows_like (c, x, last (x));
  if (!shu_ctx_failed (c) && y->n > 0)
    be->rms_norm_heads (c, y, x, gamma);
  return y;
}

/* ---- attention ---- */

ShuTensor *
shu_attention (ShuCtx *c, ShuTensor *q, ShuTensor *k, ShuTensor *v, int n_heads)
{
  const ShuBackend *be = SHU_BACKEND_FOR (c, attention);
  ShuTensor *y;

  if (!be)
    return c->nil;
  if (!real_operand (c, &q) || !real_operand (c, &k) || !real_operand (c, &v) ||
      q->n_dims != 3 || k->n_dims != 3 || !same_shape (k, v) ||
      q->dims[0] != k->dims[0] || q->dims[2] != k->dims[2] || k->dims[1] < 1 ||
      n_heads < 1 || q->dims[2] % n_heads) {
    g_autofree char *what = g_strdup_printf (
        "q [B,Tq,C], k and v [B,Tk,C] with C a multiple of %d heads", n_heads);

    return shu_op_wrong (c, "attention", what, q, k, v, NULL);
  }
  y = rows_like (c, q, last (q));
  if (!shu_ctx_failed (c) && y->n > 0)
    be->attention (c, y, q, k, v, n_heads);
  return y;
}

ShuTensor *
shu_attention_gather (ShuCtx *c, ShuTensor *q, ShuTensor *k, ShuTensor *v,
    ShuTensor *index, int n_heads)
{
  const ShuBackend *be = SHU_BACKEND_FOR (c, attention_gather);
  ShuTensor *y;

  if (!be)
    return c->nil;
  if (!real_operand (c, &q) || !real_operand (c, &k) || !real_operand (c, &v) ||
      q->n_dims != 2 || k->n_dims != 2 || !same_shape (k, v) ||
      q->dims[1] != k->dims[1] || !index_operand (c, &index, 2) ||
      index->dims[0] != q->dims[0] || index->dims[1] < 1 || n_heads < 1 ||
      q->dims[1] % n_heads) {
    g_autofree char *what = g_strdup_printf ("q [N,C], k and v [M,C], index "
                                             "[N,K] i32, C a multiple of %d",
        n_heads);

    return shu_op_wrong (c, "attention_gather", what, q, k, v, index, NULL);
  }
  y = rows_like (c, q, last (q));
  if (!shu_ctx_failed (c) && y->n > 0)
    be->attention_gather (c, y, q, k, v, index, n_heads);
  return y;
}

ShuTensor *
shu_attention_groups (ShuCtx *c, ShuTensor *q, ShuTensor *k, ShuTensor *v,
    ShuTensor *order, ShuTensor *start, int n_heads)
{
  const ShuBackend *be = SHU_BACKEND_FOR (c, attention_groups);
  ShuTensor *y;

  if (!be)
    return c->nil;
  if (!real_operand (c, &q) || !real_operand (c, &k) || !real_operand (c, &v) ||
      q->n_dims != 2 || !same_shape (q, k) || !same_shape (q, v) ||
      !index_operand (c, &order, 1) || order->dims[0] != q->dims[0] ||
      !index_operand (c, &start, 1) || start->dims[0] < 2 || n_heads < 1 ||
      q->dims[1] % n_heads) {
    g_autofree char *what = g_strdup_printf ("q, k and v [N,C], order [N] i32, "
                                             "start [G+1] i32, C a multiple "
                                             "of %d",
        n_heads);

    return shu_op_wrong (
        c, "attention_groups", what, q, k, v, order, start, NULL);
  }
  y = rows_like (c, q, last (q));
  if (!shu_ctx_failed (c) && y->n > 0)
    be->attention_groups (c, y, q, k, v, order, start, n_heads);
  return y;
}

/* ---- resampling ---- */

/* Makes *@x an operand; whether it is a [B,H,W,C] without empty sides */
static gboolean
map_operand (ShuCtx *c, ShuTensor **x, int n_space)
{
  for (int i = 1; i <= n_space; i++)
    if ((*x)->dims[i] < 1)
      return FALSE;
  return real_operand (c, x) && (*x)->n_dims == n_space + 2;
}

#define MAP_OP(op, what, n_space, dims_n, dims, ...)                           \
  const ShuBackend *be = SHU_BACKEND_FOR (c, op);                              \
  ShuTensor *y;                                                                \
                                                                               \
  if (!be)                                                                     \
    return c->nil;                                                             \
  if (!map_operand (c, &x, n_space))                                           \
    return shu_op_wrong (c, #op, what, x, NULL);                               \
  y = shu_scoped (c, c->real, dims_n, dims);                                   \
  if (!shu_ctx_failed (c) && y->n > 0)                                         \
    be->op (c, y, x, ##__VA_ARGS__);                                           \
  return y;

ShuTensor *
shu_resize_bilinear (ShuCtx *c, ShuTensor *x, int H, int W)
{
  gint64 dims[] = {x->dims[0], H, W, x->dims[3]};

  /* sizes taken from a nil tensor are none */
  if (shu_ctx_failed (c))
    return c->nil;
  g_return_val_if_fail (H > 0 && W > 0, c->nil);
  MAP_OP (resize_bilinear, "x [B,H,W,C]", 2, 4, dims)
}

ShuTensor *
shu_resize_concat (ShuCtx *c, ShuTensor *x, ShuTensor *like)
{
  const ShuBackend *be = SHU_BACKEND_FOR (c, resize_concat);
  const gint64 *d = like->dims;
  ShuTensor *y;

  if (!be)
    return c->nil;
  if (!map_operand (c, &x, 2) || !map_operand (c, &like, 2) ||
      d[0] != x->dims[0])
    return shu_op_wrong (
        c, "resize_concat", "x [B,h,w,C] and like [B,H,W,D]", x, like, NULL);
  y = shu_scoped (c, c->real, SHU_DIMS (d[0], d[1], d[2], x->dims[3] + d[3]));
  if (!shu_ctx_failed (c) && y->n > 0)
    be->resize_concat (c, y, x, like);
  return y;
}

ShuTensor *
shu_resize_bicubic_aa (ShuCtx *c, ShuTensor *x, int H, int W)
{
  gint64 dims[] = {x->dims[0], H, W, x->dims[3]};

  /* sizes taken from a nil tensor are none */
  if (shu_ctx_failed (c))
    return c->nil;
  g_return_val_if_fail (H > 0 && W > 0, c->nil);
  MAP_OP (resize_bicubic_aa, "x [B,H,W,C]", 2, 4, dims)
}

ShuTensor *
shu_upsample_nearest (ShuCtx *c, ShuTensor *x, int factor)
{
  gint64 dims[] = {
      x->dims[0], x->dims[1] * factor, x->dims[2] * factor, x->dims[3]};

  /* sizes taken from a nil tensor are none */
  if (shu_ctx_failed (c))
    return c->nil;
  g_return_val_if_fail (factor > 0, c->nil);
  MAP_OP (upsample_nearest, "x [B,H,W,C]", 2, 4, dims, factor)
}

ShuTensor *
shu_max_pool2 (ShuCtx *c, ShuTensor *x)
{
  gint64 dims[] = {
      x->dims[0], (x->dims[1] + 1) / 2, (x->dims[2] + 1) / 2, x->dims[3]};

  MAP_OP (max_pool2, "x [B,H,W,C]", 2, 4, dims)
}

ShuTensor *
shu_adaptive_pool3d (ShuCtx *c, ShuTensor *x, int d, int h, int w)
{
  gint64 dims[] = {x->dims[0], d, h, w, x->dims[4]};

  /* sizes taken from a nil tensor are none */
  if (shu_ctx_failed (c))
    return c->nil;
  g_return_val_if_fail (d > 0 && h > 0 && w > 0, c->nil);
  MAP_OP (adaptive_pool, "x [B,D,H,W,C]", 3, 5, dims)
}

ShuTensor *
shu_adaptive_pool2d (ShuCtx *c, ShuTensor *x, int h, int w)
{
  if (!shu_ctx_ready (c))
    return c->nil;
  if (!map_operand (c, &x, 2))
    return shu_op_wrong (c, "adaptive_pool2d", "x [B,H,W,C]", x, NULL);
  x = shu_reshape (
      c, x, SHU_DIMS (x->dims[0], 1, x->dims[1], x->dims[2], x->dims[3]));
  x = shu_adaptive_pool3d (c, x, 1, h, w);
  return shu_reshape (c, x, SHU_DIMS (x->dims[0], h, w, x->dims[4]));
}

ShuTensor *
shu_pixel_shuffle3d (ShuCtx *c, ShuTensor *x)
{
  gint64 dims[] = {x->dims[0], 2 * x->dims[1], 2 * x->dims[2], 2 * x->dims[3],
      x->dims[4] / 8};

  if (shu_ctx_ready (c) && x->dims[4] % 8 != 0)
    return shu_op_wrong (c, "pixel_shuffle3d", "x [B,D,H,W,8C]", x, NULL);
  MAP_OP (pixel_shuffle3d, "x [B,D,H,W,8C]", 3, 5, dims)
}

/* ---- sparse voxels ---- */

static gboolean
sparse_operands (ShuCtx *c, ShuTensor **x, ShuTensor **nbr, const ShuConv *k)
{
  ShuTensor *w = k->w;

  return w && real_operand (c, x) && index_operand (c, nbr, 2) &&
         shu_is_weight (c, w) && (*x)->n_dims == 2 &&
         (*nbr)->dims[0] == (*x)->dims[0] && (*nbr)->dims[1] == 27 &&
         w->n_dims == 5 && w->dims[1] == 3 && w->dims[2] == 3 &&
         w->dims[3] == 3 && w->dims[4] == (*x)->dims[1] &&
         shu_is_vector (c, k->b, w->dims[0]);
}

ShuTensor *
shu_sparse_conv (ShuCtx *c, ShuTensor *x, ShuTensor *nbr, const ShuConv *k)
{
  const ShuBackend *be = SHU_BACKEND_FOR (c, sparse_conv);
  ShuTensor *y;

  if (!be)
    return c->nil;
  if (!sparse_operands (c, &x, &nbr, k))
    return shu_op_wrong (c, "sparse_conv",
        "x [N,Ci], nbr [N,27] i32, weight [Co,3,3,3,Ci], bias [Co]", x, nbr,
        k->w, k->b, NULL);
  y = rows_like (c, x, k->w->dims[0]);
  if (!shu_ctx_failed (c) && y->n > 0)
    be->sparse_conv (c, y, x, nbr, k);
  return y;
}

ShuTensor *
shu_sparse_conv_subdivided (
    ShuCtx *c, ShuTensor *x, ShuTensor *nbr, const ShuConv *k)
{
  const ShuBackend *be = SHU_BACKEND_FOR (c, sparse_conv_subdivided);
  ShuTensor *y;

  if (!be)
    return c->nil;
  if (!sparse_operands (c, &x, &nbr, k))
    return shu_op_wrong (c, "sparse_conv_subdivided",
        "x [N,Ci], nbr [N,27] i32, weight [Co,3,3,3,Ci], bias [Co]", x, nbr,
        k->w, k->b, NULL);
  y = shu_scoped (c, c->real, SHU_DIMS (8 * x->dims[0], k->w->dims[0]));
  if (!shu_ctx_failed (c) && y->n > 0)
    be->sparse_conv_subdivided (c, y, x, nbr, k);
  return y;
}

ShuTensor *
shu_sparse_pool (ShuCtx *c, ShuTensor *x, ShuTensor *index, int M)
{
  const ShuBackend *be = SHU_BACKEND_FOR (c, sparse_pool);
  ShuTensor *y;

  /* sizes taken from a nil tensor are none */
  if (shu_ctx_failed (c))
    return c->nil;
  g_return_val_if_fail (M >= 0, c->nil);
  if (!be)
    return c->nil;
  if (!real_operand (c, &x) || x->n_dims != 2 ||
      !index_operand (c, &index, 1) || index->dims[0] != x->dims[0])
    return shu_op_wrong (
        c, "sparse_pool", "x [N,C], index [N] i32", x, index, NULL);
  y = shu_scoped (c, c->real, SHU_DIMS (M, x->dims[1]));
  if (!shu_ctx_failed (c) && y->n > 0)
    be->sparse_pool (c, y, x, index);
  return y;
}
