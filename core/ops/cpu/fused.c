/* SPDX-License-Identifier: MIT */
/* Operations that are several steps in one pass. */
#include "ops/cpu/cpu_private.h"
#include <string.h>

/* ---- residual and norm ---- */

/* Where @o has row @r, or -1. */
static gint64
place_of (const ShuOrder *o, gint64 r, gint64 i[4])
{
  gint64 at = 0;

  for (int k = 3; k >= 0; k--) {
    i[k] = r % o->size[k];
    r /= o->size[k];
    at += i[k] * o->step[k];
  }
  return i[1] < o->first || i[1] >= o->first + o->present
             ? -1
             : at - o->first * o->step[1];
}

/* The row of h that is blended into row (i0,i1,i2,i3), or -1. */
static gint64
blended_with (const ShuOrder *o, int views, const gint64 i[4], gint64 at)
{
  gint64 pixel = i[2] * o->size[3] + i[3], side = 1, q, y, x;

  if (!views || i[1] % views != 0)
    return -1;
  while (side * side < o->size[2] * o->size[3])
    side++;
  q = side / 3;
  y = pixel / side;
  x = pixel % side - q;
  if (y >= q || x < 0 || x >= q)
    return -1;
  return at + (views - 1) * o->step[1] +
         ((3 * y + 1) * side + 3 * x + 1 - pixel) * o->step[3];
}

/* The vector of v that belongs to row @r of @rows. */
static const float *
part_of (ShuTensor *v, gsize rows, gsize r, gsize C)
{
  return v ? shu_f32 (v) + r / (rows / (v->n / C)) * C : NULL;
}

static void
add_row (float *restrict sum, const float *restrict x, const float *restrict h,
    const float *restrict other, const float *restrict gate, gsize C)
{
  for (gsize i = 0; i < C; i++) {
    float v = other ? (h[i] + other[i]) * 0.5f : h[i];

    sum[i] = gate ? x[i] + gate[i] * v : x[i] + v;
  }
}

void
shu_cpu_add_norm (ShuCtx *c, ShuTensor *y, ShuTensor *sum, ShuTensor *x,
    const ShuNorm *norm, const ShuAddNorm *p)
{
  gsize C = (gsize) x->dims[x->n_dims - 1], rows = x->n / C;
  const float *w = norm && norm->w ? shu_f32 (norm->w) : NULL;
  const float *b = norm && norm->b ? shu_f32 (norm->b) : NULL;

#pragma omp parallel for if (x->n > 32768)
  for (gint64 r = 0; r < (gint64) rows; r++) {
    const float *from = shu_f32 (x) + (gsize) r * C;
    gint64 i[4], at;
    float *to;

    if (sum) {
      gint64 other;

      to = shu_f32 (sum) + (gsize) r * C;
      at = place_of (p->h_order, r, i);
      other = at < 0 ? -1 : blended_with (p->h_order, p->blend, i, at);
      if (at < 0 && p->rest)
        add_row (to, from, shu_f32 (p->rest), NULL, NULL, C);
      else if (at < 0)
        memcpy (to, from, C * sizeof *to);
      else
        add_row (to, from, shu_f32 (p->h) + (gsize) at * C,
            other < 0 ? NULL : shu_f32 (p->h) + (gsize) other * C,
            part_of (p->gate, rows, (gsize) r, C), C);
      from = to;
    }
    at = place_of (p->y_order, r, i);
    if (at < 0)
      continue;
    to = shu_f32 (y) + (gsize) at * C;
    shu_cpu_layer_norm_row (to, from, w, b, C, p->eps);
    if (p->scale) {
      const float *scale = part_of (p->scale, rows, (gsize) r, C);
      const float *shift = part_of (p->shift, rows, (gsize) r, C);

      for (gsize k = 0; k < C; k++)
        to[k] = to[k] * (1.f + scale[k]) + shift[k];
    }
  }
}

/* ---- attention ---- */

/* part @i of x [B,T,3C] -> like @y */
static ShuTensor *
third (ShuCtx *c, ShuTensor *x, ShuTensor *y, int i)
{
  ShuTensor *h = shu_scoped (c, c->real, y->n_dims, y->dims);
  gsize bytes = (gsize) y->dims[2] * sizeof (float);

  if (!shu_ctx_failed (c))
    shu_cpu_copy (c, h, x,
        &(ShuCopy){.n_rows = y->n / (gsize) y->dims[2],
            .bytes = bytes,
            .y_step = bytes,
            .x_offset = bytes * (gsize) i,
            .x_step = 3 * bytes});
  return h;
}

static ShuTensor *
projection (ShuCtx *c, ShuTensor *x, const ShuLinear *l)
{
  ShuTensor *h =
      shu_scoped (c, c->real, SHU_DIMS (x->dims[0], x->dims[1], l->w->dims[0]));

  if (!shu_ctx_failed (c))
    shu_cpu_linear (c, h, x, l, SHU_ACT_NONE, NULL);
  return h;
}

static ShuTensor *
head_norm (ShuCtx *c, ShuTensor *x, ShuTensor *gamma)
{
  ShuTensor *h;

  if (!gamma)
    return x;
  h = shu_scoped (c, c->real, x->n_dims, x->dims);
  if (!shu_ctx_failed (c))
    shu_cpu_rms_norm_heads (c, h, x, gamma);
  return h;
}

void
shu_cpu_self_attention (
    ShuCtx *c, ShuTensor *y, ShuTensor *x, const ShuSelfAttention *p)
{
  SHU_SCOPE (c);
  ShuTensor *qkv[3], *all = p->n == 1 ? projection (c, x, p->l[0]) : NULL;

  for (int i = 0; i < 3; i++)
    qkv[i] = all ? third (c, all, y, i) : projection (c, x, p->l[i]);
  qkv[0] = head_norm (c, qkv[0], p->q_gamma);
  qkv[1] = head_norm (c, qkv[1], p->k_gamma);
  if (!shu_ctx_failed (c))
    shu_cpu_attention (c, y, qkv[0], qkv[1], qkv[2], p->n_heads);
}
