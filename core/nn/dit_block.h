/* SPDX-License-Identifier: MIT */
/* The modulated transformer block with cross-attention (adaLN-zero; Peebles and
 * Xie, arXiv 2212.09748; reference: TRELLIS ModulatedTransformerCrossBlock). */
#pragma once
#include "nn/attention.h"
#include "nn/resnet.h"

G_BEGIN_DECLS

/* C channels, K context channels, R = mlp_ratio C, NH heads of HD */
typedef struct {
  char name[SHU_NAME_SIZE];
  ShuNorm norm2;              /* [C]; norm1 and norm3 have no tensors */
  ShuLinear to_qkv;           /* [3C,C], rows q, k, v */
  ShuTensor *q_gamma;         /* [NH,HD], NULL without qk_rms_norm */
  ShuTensor *k_gamma;         /* [NH,HD] */
  ShuLinear to_out;           /* [C,C] */
  ShuLinear to_q;             /* [C,C], cross-attention */
  ShuLinear to_kv;            /* [2C,K], rows k, v */
  ShuTensor *cross_q_gamma;   /* [NH,HD], NULL without qk_rms_norm_cross */
  ShuTensor *cross_k_gamma;   /* [NH,HD] */
  ShuLinear cross_to_out;     /* [C,C] */
  ShuLinear mlp0, mlp2;       /* [R,C], [C,R] */
  ShuLinear adaLN_modulation; /* [6C,C]: shift, scale, gate; attn, then mlp */
  int n_heads;
} ShuDitBlock;

typedef struct {
  gint64 C, K;
  double mlp_ratio;
  int n_heads;
  gboolean qk_rms_norm, qk_rms_norm_cross;
  ShuPrecision precision; /* of the products with the most columns */
} ShuDitParams;

ShuDitBlock shu_dit_block_load (
    ShuWeights *w, const char *name, const ShuDitParams *params);

/**
 * ShuDitContext:
 * What cross-attention needs of a context that does not change.
 * @kv: keys and values of the conditional rows, [Bc,S,C]
 * @constant: (nullable): [1,1,C], what a row with an all-zero context adds:
 *   every value is to_kv's bias, whatever the query.  Then the rows of the
 *   batch before the last Bc, which are conditional, are such rows
 */
typedef struct {
  ShuKeyValue kv;
  ShuTensor *constant;
} ShuDitContext;

/* context [Bc,S,K]; @with_zero: the batch has rows with a zero context */
ShuDitContext shu_dit_block_context (
    ShuCtx *c, const ShuDitBlock *b, ShuTensor *context, gboolean with_zero);

/* time: silu of its embedding, [b,C] -> shift, scale, gate, twice: [b,6C] */
ShuTensor *shu_dit_block_modulation (
    ShuCtx *c, const ShuDitBlock *b, ShuTensor *time);

/* x [B,T,C], mod [b,6C] with b = B or 1 -> [B,T,C] */
ShuTensor *shu_dit_block (ShuCtx *c, const ShuDitBlock *b, ShuTensor *x,
    ShuTensor *mod, const ShuDitContext *context);

G_END_DECLS
