/* SPDX-License-Identifier: MIT */
/* Operations that are several steps in one pass: checks and dispatch. */
#include "ops/backend_private.h"
#include "base/error.h"
#include <string.h>

static gint64
last (const ShuTensor *x)
{
  return x->dims[x->n_dims - 1];
}

/* Whether @v, where it is there, is [b,...,C] with b a divisor of @rows. */
static gboolean
is_part_vector (ShuCtx *c, const ShuTensor *v, gint64 rows, gint64 C)
{
  return !v || (v->dtype == c->real && v->n > 0 && last (v) == C &&
                   rows % (gint64) (v->n / (gsize) C) == 0);
}

/* Rows that the other tensor has; 0 where @o does not describe @rows rows, or
 * two of them fall on one place or beside the tensor. */
static gint64
order_rows (const ShuOrder *o, gint64 rows)
{
  gint64 there = 1, all = 1, end = 0;

  for (int i = 0; i < 4; i++) {
    gint64 size = i == 1 ? o->present : o->size[i];

    if (o->size[i] < 1 || o->step[i] < 0 || size < 1 || size > o->size[i] ||
        __builtin_mul_overflow (all, o->size[i], &all))
      return 0;
    if (i == 1 && (o->first < 0 || o->first > o->size[i] - size))
      return 0;
    there *= size;
    end += (size - 1) * o->step[i];
  }
  return all == rows && end == there - 1 ? there : 0;
}

static void
make_operand (ShuCtx *c, ShuTensor **x)
{
  if (*x)
    *x = shu_operand (c, *x);
}

static gboolean
blends (const ShuOrder *o, int blend)
{
  gint64 side = 1;

  if (!blend)
    return TRUE;
  while (side * side < o->size[2] * o->size[3])
    side++;
  return blend > 1 && o->size[1] % blend == 0 && o->present == o->size[1] &&
         side % 3 == 0 && side * side == o->size[2] * o->size[3] &&
         o->step[2] == o->step[3] * (o->size[2] > 1 ? o->size[3] : 0);
}

static gboolean
is_linear (ShuCtx *c, const ShuLinear *l, gint64 Co, gint64 Ci)
{
  return l && l->w && shu_is_weight (c, l->w) && l->w->n_dims == 2 &&
         l->w->dims[0] == Co && l->w->dims[1] == Ci &&
         shu_is_vector (c, l->b, Co);
}

/* @l: of p->h, in the same step, or NULL */
static ShuTensor *
add_norm (ShuCtx *c, ShuTensor *x, const ShuLinear *l, const ShuNorm *norm,
    const ShuAddNorm *params, ShuTensor **ret_sum)
{
  const ShuBackend *be = SHU_BACKEND_FOR (c, add_norm);
  ShuAddNorm p = *params;
  gint64 C, K, rows, y_rows;
  ShuOrder plain = {{0, 1, 1, 1}, {1, 0, 0, 0}, 0, 1};
  ShuTensor *y, *sum = NULL;
  ShuDType dtype;

  if (ret_sum)
    *ret_sum = c->nil;
  if (!be)
    return c->nil;
  x = shu_operand (c, x);
  make_operand (c, &p.h);
  make_operand (c, &p.rest);
  make_operand (c, &p.gate);
  make_operand (c, &p.scale);
  make_operand (c, &p.shift);
  if (shu_ctx_failed (c))
    return c->nil;
  C = last (x);
  K = l ? last (p.h) : C;
  plain.size[0] = rows = C > 0 ? (gint64) x->n / C : 0;
  p.h_order = p.h_order ? p.h_order : &plain;
  p.y_order = params->y_order ? params->y_order : &plain;
  y_rows = order_rows (p.y_order, rows);
  if (x->dtype != c->real || rows < 1 || !is_part_vector (c, p.rest, 1, C) ||
      !is_part_vector (c, p.gate, rows, C) ||
      !is_part_vector (c, p.scale, rows, C) ||
      !is_part_vector (c, p.shift, rows, C) || !p.scale != !p.shift ||
      (norm &&
          (!shu_is_vector (c, norm->w, C) || !shu_is_vector (c, norm->b, C))))
    return shu_op_wrong (c, "add_norm",
        "x [...,C]; rest [C]; gate, scale and shift [b,...,C]; norm [C]", x,
        p.gate, p.scale, NULL);
  if (y_rows < 1 || !blends (p.h_order, p.h ? p.blend : 0) ||
      (p.h && (p.h->dtype != c->real ||
                  order_rows (p.h_order, rows) * K != (gint64) p.h->n)))
    return shu_op_wrong (
        c, "add_norm", "orders that fit x and h", x, p.h, NULL);
  if (p.h)
    sum = shu_scoped (c, c->real, x->n_dims, x->dims);
  dtype = shu_result_dtype (c, p.precision, y_rows, C);
  y = params->y_order ? shu_scoped (c, dtype, SHU_DIMS (y_rows, C))
                      : shu_scoped (c, dtype, x->n_dims, x->dims);
  if (shu_ctx_failed (c))
    return c->nil;
  if (l)
    be->linear_add_norm (c, y, sum, x, l, norm, &p);
  else
    be->add_norm (c, y, sum, x, norm, &p);
  if (ret_sum)
    *ret_sum = sum ? sum : x;
  return y;
}

ShuTensor *
shu_add_norm (ShuCtx *c, ShuTensor *x, const ShuNorm *norm, const ShuAddNorm *p,
    ShuTensor **ret_sum)
{
  return add_norm (c, x, NULL, norm, p, ret_sum);
}

/* Whether @be does the layer of p->h in the same step */
static gboolean
has_layer (const ShuBackend *be, ShuCtx *c, ShuTensor *x, const ShuLinear *l,
    const ShuAddNorm *p)
{
  gboolean plain = !p->h_order && !p->y_order && !p->rest && !p->scale &&
                   !p->blend && p->precision == SHU_PRECISION_F16 &&
                   l->precision == SHU_PRECISION_F16;

  return plain && be->has_linear_add_norm && x->dtype == c->real &&
         p->h->dtype == c->real && last (p->h) > 0 &&
         is_linear (c, l, last (x), last (p->h)) &&
         be->has_linear_add_norm (c, x, l, p);
}

ShuTensor *
shu_linear_add_norm (ShuCtx *c, ShuTensor *x, const ShuLinear *l,
    const ShuNorm *norm, const ShuAddNorm *params, ShuTensor **ret_sum)
{
  SHU_SCOPE (c);
  const ShuBackend *be = SHU_BACKEND_FOR (c, add_norm);
  ShuAddNorm p = *params;
  ShuTensor *y, *sum;

  if (ret_sum)
    *ret_sum = c->nil;
  if (!be)
    return c->nil;
  x = shu_operand (c, x);
  p.h = shu_operand (c, p.h);
  if (!shu_ctx_failed (c) && has_layer (be, c, x, l, &p)) {
    y = add_norm (c, x, l, norm, &p, &sum);
  } else {
    p.h = shu_linear (c, p.h, l);
    y = add_norm (c, x, NULL, norm, &p, &sum);
  }
  if (ret_sum)
    *ret_sum = shu_keep (c, sum);
  return shu_keep (c, y);
}

/* ---- attention ---- */

static gboolean
is_gamma (ShuCtx *c, ShuTensor *g, gint64 NH, gint64 C)
{
  return !g || (shu_is_vector (c, g, C) && g->n_dims == 2 && g->dims[0] == NH);
}

ShuTensor *
shu_self_attention (ShuCtx *c, ShuTensor *x, const ShuSelfAttention *p)
{
  const ShuBackend *be = SHU_BACKEND_FOR (c, self_attention);
  gboolean fits = p->n == 1 || p->n == 3;
  gint64 Co = 0, C;
  ShuTensor *y;

  if (!be)
    return c->nil;
  x = shu_operand (c, x);
  if (fits && p->l[0] && p->l[0]->w)
    Co = p->l[0]->w->dims[0];
  C = p->n == 1 ? Co / 3 : Co;
  fits =
      fits && Co > 0 &&
      (x->dtype == c->real || (x->dtype == SHU_DTYPE_E4M3 &&
                                  p->l[0]->precision == SHU_PRECISION_FP8)) &&
      x->n_dims == 3 && p->n_heads > 0 && C % p->n_heads == 0 &&
      Co == (p->n == 1 ? 3 * C : C);
  for (int i = 0; fits && i < p->n; i++)
    fits =
        is_linear (c, p->l[i], Co, x->dims[2]) && (!p->l[i]->b == !p->l[0]->b);
  fits = fits && is_gamma (c, p->q_gamma, p->n_heads, C) &&
         is_gamma (c, p->k_gamma, p->n_heads, C);
  if (!fits)
    return shu_op_wrong (c, "self_attention",
        "x [B,T,Ci], one weight [3C,Ci] or three [C,Ci], gammas [NH,HD]", x,
        p->l[0] ? p->l[0]->w : NULL, NULL);
  y = shu_scoped (c, c->real, SHU_DIMS (x->dims[0], x->dims[1], C));
  if (!shu_ctx_failed (c) && y->n > 0)
    be->self_attention (c, y, x, p);
  return y;
}
