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
  ShuTensor *h = shu_linear (c, x, &b->to_qkv); /* [B,T,3C] */
  ShuTensor *q, *k;

  h = shu_reshape (
      c, h, SHU_DIMS (x->dims[0], x->dims[1], 3, x->dims[2])); /* [B,T,3,C] */
  q = head_norm (c, part (c, h, 0), b->q_gamma);
  k = head_norm (c, part (c, h, 1), b->k_gamma);
  h = shu_attention (c, q, k, part (c, h, 2), b->n_heads);
  h = shu_linear (c, h, &b->to_out);
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

static ShuTensor *
cross_attention (
    ShuCtx *c, const ShuDitBlock *b, ShuTensor *x, const ShuDitContext *context)
{
  SHU_SCOPE (c);
  gint64 B = x->dims[0], T = x->dims[1], C = x->dims[2];
  ShuTensor *q = context->constant ? shu_slice (c, x, 0, 1, B - 1) : x;
  ShuTensor *h;

  q = shu_layer_norm (c, q, &b->norm2, NORM_EPS);
  q = head_norm (c, shu_linear (c, q, &b->to_q), b->cross_q_gamma);
  h = shu_attention (c, q, context->kv.k, context->kv.v, b->n_heads);
  h = shu_linear (c, h, &b->cross_to_out);
  if (context->constant)
    h = shu_concat2 (c, 0,
        shu_reshape (
            c, shu_repeat (c, context->constant, T), SHU_DIMS (1, T, C)),
        h);
  return shu_keep (c, shu_tap (c, h, "%scross_attn", b->name));
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
shu_dit_block (ShuCtx *c, const ShuDitBlock *b, ShuTensor *x, ShuTensor *mod,
    const ShuDitContext *context)
{
  SHU_SCOPE (c);
  gint64 C = x->dims[2];
  ShuTensor *m = shu_linear (c, mod, &b->adaLN_modulation), *h;
  ShuTensor *s[6]; /* shift, scale, gate; shift, scale, gate: [B,1,C] */

  m = shu_reshape (c, m, SHU_DIMS (mod->dims[0], 1, 6, C));
  for (int i = 0; i < 6; i++)
    s[i] = part (c, m, i);

  h = shu_layer_norm (c, x, NULL, NORM_EPS);
  h = self_attention (c, b, shu_modulate (c, h, s[0], s[1]));
  x = shu_add_gated (c, x, h, s[2]);

  x = shu_add (c, x, cross_attention (c, b, x, context));

  h = shu_layer_norm (c, x, NULL, NORM_EPS);
  h = mlp (c, b, shu_modulate (c, h, s[3], s[4]));
  x = shu_add_gated (c, x, h, s[5]);
  return shu_keep (c, shu_tap (c, x, "%.*s", SHU_NAME_ARGS (b->name)));
}
