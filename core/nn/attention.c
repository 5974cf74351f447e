/* SPDX-License-Identifier: MIT */
/* Attention and feed-forward as diffusers names them. */
#include "nn/attention.h"
#include "base/error.h"

ShuAttn
shu_attn_load (ShuWeights *w, const char *name, gint64 Cq, gint64 Ck,
    gint64 inner, int n_heads)
{
  ShuWeights *p = shu_weights_at (w, "%s", name);

  if (n_heads < 1 || inner % n_heads != 0)
    shu_weights_fail (w, SHU_ERROR_INVALID,
        "%s: %" G_GINT64_FORMAT " channels cannot be split into %d heads", name,
        inner, n_heads);
  return (ShuAttn){
      .to_q = shu_weights_linear (p, "to_q", inner, Cq, FALSE),
      .to_k = shu_weights_linear (p, "to_k", inner, Ck, FALSE),
      .to_v = shu_weights_linear (p, "to_v", inner, Ck, FALSE),
      .to_out = shu_weights_linear (p, "to_out.0", Cq, inner, TRUE),
      .n_heads = n_heads,
  };
}

ShuKeyValue
shu_attn_key_value (ShuCtx *c, const ShuAttn *a, ShuTensor *context)
{
  return (ShuKeyValue){
      .k = shu_linear (c, context, &a->to_k),
      .v = shu_linear (c, context, &a->to_v),
  };
}

ShuTensor *
shu_attn_cross (ShuCtx *c, const ShuAttn *a, ShuTensor *x, ShuKeyValue context)
{
  SHU_SCOPE (c);
  ShuTensor *q = shu_linear (c, x, &a->to_q);
  ShuTensor *h = shu_attention (c, q, context.k, context.v, a->n_heads);

  shu_drop (c, q);
  return shu_keep (c, shu_linear (c, h, &a->to_out));
}

ShuTensor *
shu_attn_self (ShuCtx *c, const ShuAttn *a, ShuTensor *x)
{
  SHU_SCOPE (c);
  const ShuSelfAttention self = {
      .n = 3, .l = {&a->to_q, &a->to_k, &a->to_v}, .n_heads = a->n_heads};

  return shu_keep (
      c, shu_linear (c, shu_self_attention (c, x, &self), &a->to_out));
}

ShuFeedForward
shu_feed_forward_load (ShuWeights *w, const char *name, gint64 C)
{
  ShuWeights *p = shu_weights_at (w, "%s", name);

  return (ShuFeedForward){
      .proj = shu_weights_linear (p, "net.0.proj", 8 * C, C, TRUE),
      .out = shu_weights_linear (p, "net.2", C, 4 * C, TRUE),
  };
}

ShuTensor *
shu_feed_forward (ShuCtx *c, const ShuFeedForward *f, ShuTensor *x)
{
  SHU_SCOPE (c);
  ShuTensor *h = shu_linear_geglu (c, x, &f->proj);

  return shu_keep (c, shu_linear (c, h, &f->out));
}

ShuTensor *
shu_feed_forward_add (
    ShuCtx *c, const ShuFeedForward *f, ShuTensor *x, ShuTensor *residual)
{
  SHU_SCOPE (c);
  ShuTensor *h = shu_linear_geglu (c, x, &f->proj);

  return shu_keep (c, shu_linear_add (c, h, &f->out, residual));
}
