/* SPDX-License-Identifier: MIT */
/* Multi-head attention over voxels as the Stage 2 networks use it (reference:
 * SparseMultiHeadAttention): among all of them, inside windows, or to a dense
 * context. */
#pragma once
#include "weights/weights.h"

G_BEGIN_DECLS

/**
 * ShuSparseAttention:
 * @C: channels
 * @NH: heads, each C / NH wide
 * @to_qkv: [3C,C], self attention only; rows [q,k,v][head][channel]
 * @to_q: [C,C], cross attention only
 * @to_kv: [2C,S], cross attention only; rows [k,v][head][channel]
 * @to_out: [C,C]
 * @q_rms_norm: (nullable): [NH,HD]
 * @k_rms_norm: (nullable): [NH,HD]
 */
typedef struct {
  int C;
  int NH;
  ShuLinear to_qkv;
  ShuLinear to_q;
  ShuLinear to_kv;
  ShuLinear to_out;
  ShuTensor *q_rms_norm;
  ShuTensor *k_rms_norm;
} ShuSparseAttention;

ShuSparseAttention shu_sparse_attention_load_self (
    ShuWeights *w, int C, int NH, gboolean qk_rms_norm);
ShuSparseAttention shu_sparse_attention_load_cross (
    ShuWeights *w, int C, int S, int NH, gboolean qk_rms_norm);

/* Everybody attends to everybody; x [B,T,C] -> scoped [B,T,C] */
ShuTensor *shu_sparse_attention_full (
    ShuCtx *c, const ShuSparseAttention *a, ShuTensor *x);

/**
 * shu_sparse_attention_windowed:
 * @x: [N,C]
 * @order: I32 [N], @start: I32 [G+1], of shu_voxels_windows()
 * @residual: (nullable): [N,C], added to the result
 *
 * Returns: scoped [N,C]
 */
ShuTensor *shu_sparse_attention_windowed (ShuCtx *c,
    const ShuSparseAttention *a, ShuTensor *x, ShuTensor *order,
    ShuTensor *start, ShuTensor *residual);

/* Keys and values of a context [B,L,S]: scoped [B,L,C] each.  They do not
 * depend on the queries, so a sampler makes them once. */
void shu_sparse_attention_context (ShuCtx *c, const ShuSparseAttention *a,
    ShuTensor *context, ShuTensor **ret_k, ShuTensor **ret_v);

/* x [B,T,C] attends to k, v [B,L,C]; @residual as above; scoped [B,T,C] */
ShuTensor *shu_sparse_attention_cross (ShuCtx *c, const ShuSparseAttention *a,
    ShuTensor *x, ShuTensor *k, ShuTensor *v, ShuTensor *residual);

/* What a context of zeros gives to every token: all its keys are alike, so
 * the softmax is uniform and the values are the bias.  scoped [1,C] */
ShuTensor *shu_sparse_attention_null (ShuCtx *c, const ShuSparseAttention *a);

G_END_DECLS
