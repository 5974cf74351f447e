/* SPDX-License-Identifier: MIT */
/* The two halves that most transformer blocks here are made of, with the
 * tensor names of diffusers: attention with separate projections, and the
 * GEGLU feed-forward. */
#pragma once
#include "weights/weights.h"

G_BEGIN_DECLS

/**
 * ShuAttn:
 * Projections without bias, output with bias.  Cq: queries, Ck: context,
 * I = n_heads * HD inside.
 */
typedef struct {
  ShuLinear to_q;   /* [I,Cq] */
  ShuLinear to_k;   /* [I,Ck] */
  ShuLinear to_v;   /* [I,Ck] */
  ShuLinear to_out; /* [Cq,I], "to_out.0" */
  int n_heads;
} ShuAttn;

/* Keys and values of a context that stays the same: [B,S,I] each */
typedef struct {
  ShuTensor *k, *v;
} ShuKeyValue;

ShuAttn shu_attn_load (ShuWeights *w, const char *name, gint64 Cq, gint64 Ck,
    gint64 inner, int n_heads);

/* context [B,S,Ck] -> scoped keys and values */
ShuKeyValue shu_attn_key_value (
    ShuCtx *c, const ShuAttn *a, ShuTensor *context);

/* x [B,T,Cq] -> [B,T,Cq] */
ShuTensor *shu_attn_cross (
    ShuCtx *c, const ShuAttn *a, ShuTensor *x, ShuKeyValue context);
ShuTensor *shu_attn_self (ShuCtx *c, const ShuAttn *a, ShuTensor *x);

/**
 * ShuFeedForward:
 * GEGLU of width 4C: a gelu(g), then back to C.
 */
typedef struct {
  ShuLinear proj; /* [8C,C], "net.0.proj" */
  ShuLinear out;  /* [C,4C], "net.2" */
} ShuFeedForward;

ShuFeedForward shu_feed_forward_load (
    ShuWeights *w, const char *name, gint64 C);

/* x [...,C] -> [...,C] */
ShuTensor *shu_feed_forward (ShuCtx *c, const ShuFeedForward *f, ShuTensor *x);
/* residual + the same */
ShuTensor *shu_feed_forward_add (
    ShuCtx *c, const ShuFeedForward *f, ShuTensor *x, ShuTensor *residual);

G_END_DECLS
