/* SPDX-License-Identifier: MIT */
/* x += gate_a attn (modulate (ln x)); x += cross (norm2 x, context);
 * x += gate_m mlp (modulate (ln x))
 *
 * Traps: eps is 1e-6; cross-attention has no gate; its norm is the affine one;
 * GELU is the tanh approximation; q and k are normalised per head before the
 * usual 1/sqrt (HD). */
#include "nn/dit_block.h"
#include "base/error.h"
#include <math.h>

static const float NORM_EPS = 1e-6f;

static void
load_gammas (ShuWeights *w, gboolean present, gint64 NH, gint64 HD,
    ShuTensor **ret_q, ShuTensor **ret_k)
{
  if (!present)
    return;
  *ret_q = shu_weights_get_norm (w, "q_rms_norm.gamma", SHU_DIMS (NH, HD));
  *ret_k = shu_weights_get_norm (w, "k_rms_norm.gamma", SHU_DIMS (NH, HD));
}

ShuDitBlock
shu_dit_block_load (ShuWeights *w, const char *name, const ShuDitParams *params)
{
  ShuWeights *p = shu_weights_part (w, name);
  ShuWeights *self = shu_weights_at (p, "self_attn");
  ShuWeights *cross = shu_weights_at (p, "cross_attn");
  gint64 C = params->C, K = params->K, NH = MAX (params->n_heads, 1);
  gint64 R = (gint64) round (params->mlp_ratio * (double) C);
  ShuDitBlock b = {
      .norm2 = shu_weights_norm (p, "norm2", C),
      .to_qkv = shu_weights_linear (self, "to_qkv", 3 * C, C, TRUE),
      .to_out = shu_weights_linear (self, "to_out", C, C, TRUE),
      .to_q = shu_weights_linear (cross, "to_q", C, C, TRUE),
      .to_kv = shu_weights_linear (cross, "to_kv", 2 * C, K, TRUE),
      .cross_to_out = shu_weights_linear (cross, "to_out", C, C, TRUE),
      .mlp0 = shu_weights_linear (p, "mlp.mlp.0", R, C, TRUE),
      .mlp2 = shu_weights_linear (p, "mlp.mlp.2", C, R, TRUE),
      .adaLN_modulation =
          shu_weights_linear (p, "adaLN_modulation.1", 6 * C, C, TRUE),
      .n_heads = NH,
  };

  if (params->precision == SHU_PRECISION_FP8) {
    shu_weights_use_fp8 (w, &b.to_qkv);
    shu_weights_use_fp8 (w, &b.mlp0);
    shu_weights_use_fp8 (w, &b.mlp2);
    b.mlp0.result = SHU_PRECISION_FP8;
  }
  if (C % NH != 0)
    shu_weights_fail (w, SHU_ERROR_INVALID,
        "%s: %d channels cannot be split into %d heads", name, (int) C,
        (int) NH);
  shu_name_set (b.name, "", "%s", name);
  load_gammas (self, params->qk_rms_norm, NH, C / NH, &b.q_gamma, &b.k_gamma);
  load_gammas (cross, params->qk_rms_norm_cross, NH, C / NH, &b.cross_q_gamma,
      &b.cross_k_gamma);
  return b;
}

/* x [B,T,C] -> the same, each head normalised; as it is without @gamma */
static ShuTensor *
head_norm (ShuCtx *c, ShuTensor *x, ShuTensor *gamma)
{
  ShuTensor *h;

  if (!gamma)
    return x;
  h = shu_reshape (
      c, x, SHU_DIMS (x->dims[0], x->dims[1], gamma->dims[0], gamma->dims[1]));
  return shu_reshape_like (c, shu_rms_norm_heads (c, h, gamma), x);
}

/* part @i of x [B,T,n,C] -> [B,T,C] */
static ShuTensor *
part (ShuCtx *c, ShuTensor *x, int i)
{
  ShuTensor *h = shu_slice (c, x, 2, i, 1);

  return shu_reshape (c, h, SHU_DIMS (x->dims[0], x->dims[1], x->dims[3]));
}

static ShuTensor *
self_attention (ShuCtx *c, const ShuDitBlock *b, ShuTensor *x)
{
  SHU_SCOPE (c);
  const ShuSelfAttention p = {.n = 1,
      .l = {&b->to_qkv},
      .q_gamma = b->q_gamma,
      .k_gamma = b->k_gamma,
      .n_heads = b->n_heads};
  ShuTensor *h = shu_linear (c, shu_self_attention (c, x, &p), &b->to_out);

  return shu_keep (c, shu_tap (c, h, "%sself_attn", b->name));
}

ShuDitContext
shu_dit_block_context (
    ShuCtx *c, const ShuDitBlock *b, ShuTensor *context, gboolean with_zero)
{
  gint64 B = context->dims[0], S = context->dims[1];
  gint64 C = b->norm2.w->dims[0];
  ShuTensor *h = shu_linear (c, context, &b->to_kv);
  ShuDitContext ret = {0};

  h = shu_reshape (c, h, SHU_DIMS (B, S, 2, C));
  ret.kv.k = head_norm (c, part (c, h, 0), b->cross_k_gamma);
  ret.kv.v = part (c, h, 1);
  if (with_zero) {
    ShuTensor *zero = shu_fill (c, SHU_DIMS (1, 1, context->dims[2]), 0);

    h = shu_linear (c, zero, &b->to_kv);
    h = part (c, shu_reshape (c, h, SHU_DIMS (1, 1, 2, C)), 1);
    ret.constant = shu_linear (c, h, &b->cross_to_out);
  }
  return ret;
}

/* x [B,T,C], normalised, of the rows that have a context */
static ShuTensor *
cross_attention (
    ShuCtx *c, const ShuDitBlock *b, ShuTensor *x, const ShuDitContext *context)
{
  SHU_SCOPE (c);
  ShuTensor *h = head_norm (c, shu_linear (c, x, &b->to_q), b->cross_q_gamma);

  h = shu_attention (c, h, context->kv.k, context->kv.v, b->n_heads);
  return shu_keep (c, shu_linear (c, h, &b->cross_to_out));
}

/* The same for all rows, for listeners; @n of them have no context */
static void
tap_cross (ShuCtx *c, const ShuDitBlock *b, ShuTensor *h, ShuTensor *constant,
    gint64 n)
{
  SHU_SCOPE (c);
  gint64 T = h->dims[1], C = h->dims[2];

  if (!shu_tapped (c))
    return;
  if (constant)
    h = shu_concat2 (c, 0,
        shu_reshape (c,
            shu_repeat (c, shu_reshape (c, constant, SHU_DIMS (1, C)), n * T),
            SHU_DIMS (n, T, C)),
        h);
  shu_tap (c, h, "%scross_attn", b->name);
}

static ShuTensor *
mlp (ShuCtx *c, const ShuDitBlock *b, ShuTensor *x)
{
  SHU_SCOPE (c);
  ShuTensor *h = shu_linear_act (c, x, &b->mlp0, SHU_ACT_GELU_TANH);

  h = shu_linear (c, h, &b->mlp2);
  return shu_keep (c, shu_tap (c, h, "%smlp", b->name));
}

ShuTensor *
shu_dit_block_modulation (ShuCtx *c, const ShuDitBlock *b, ShuTensor *time)
{
  return shu_linear (c, time, &b->adaLN_modulation);
}

ShuTensor *
shu_dit_block (ShuCtx *c, const ShuDitBlock *b, ShuTensor *x, ShuTensor *mod,
    const ShuDitContext *context)
{
  SHU_SCOPE (c);
  gint64 B = x->dims[0], T = x->dims[1], C = x->dims[2];
  gint64 first = context->constant ? B - context->kv.k->dims[0] : 0;
  const ShuOrder with_context = {.size = {1, B, 1, T},
      .step = {0, T, 0, 1},
      .first = first,
      .present = B - first};
  ShuTensor *s[6]; /* shift, scale, gate; shift, scale, gate: [b,1,C] */
  ShuTensor *h;

  mod = shu_reshape (c, mod, SHU_DIMS (mod->dims[0], 1, 6, C));
  for (int i = 0; i < 6; i++)
    s[i] = part (c, mod, i);

  h = shu_add_norm (c, x, NULL,
      &(ShuAddNorm){.shift = s[0],
          .scale = s[1],
          .eps = NORM_EPS,
          .precision = b->to_qkv.precision},
      NULL);
  h = self_attention (c, b, h);

  h = shu_add_norm (c, x, &b->norm2,
      &(ShuAddNorm){
          .h = h, .gate = s[2], .y_order = &with_context, .eps = NORM_EPS},
      &x);
  h = cross_attention (
      c, b, shu_reshape (c, h, SHU_DIMS (B - first, T, C)), context);
  tap_cross (c, b, h, context->constant, first);

  h = shu_add_norm (c, x, NULL,
      &(ShuAddNorm){.h = h,
          .h_order = &with_context,
          .rest = context->constant,
          .shift = s[3],
          .scale = s[4],
          .eps = NORM_EPS,
          .precision = b->mlp0.precision},
      &x);
  x = shu_add_gated (c, x, mlp (c, b, h), s[5]);
  return shu_keep (c, shu_tap (c, x, "%.*s", SHU_NAME_ARGS (b->name)));
}
