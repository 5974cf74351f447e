/* SPDX-License-Identifier: MIT */
/* The multi-view transformer of the 2D branch (reference:
 * BasicMVTransformerBlock and TransformerMV2DModel of
 * transformer_mv2d_self_rowwise.py; PSHuman, arXiv 2409.10141, section 3). */
#pragma once
#include "nn/attention.h"
#include "nn/resnet.h"

G_BEGIN_DECLS

/**
 * ShuViews:
 * How the rows of a batch are laid out: row = (d * G + g) * V + v with domain
 * d (0 normal, 1 colour), group g and view v; the last view is the face.
 * Groups do not see each other: with and without guidance, and subjects.
 */
typedef struct {
  int G;
  int V;
} ShuViews;

enum { SHU_DOMAINS = 2 };

/* One block.  NH heads, X channels of text */
typedef struct {
  char name[SHU_NAME_SIZE];
  ShuNorm norm1, norm_mv, norm2, norm3; /* [C] */
  ShuAttn attn1;                        /* domains joined, face blended in */
  ShuAttn attn_mv;                      /* body views joined, row by row */
  ShuAttn attn2;                        /* text, [.,X] */
  ShuFeedForward ff;
  gboolean joint; /* mvcd_attention; FALSE: attn1 is plain self-attention */
} ShuMvBlock;

ShuMvBlock shu_mv_block_load (ShuWeights *w, const char *name, gint64 C,
    gint64 X, int n_heads, gboolean joint);

/* Lets products with many columns compute in FP8 where the device can and the
 * channels are enough: q, k and v together, and the feed-forward's first. */
void shu_mv_block_use_fp8 (ShuMvBlock *b, ShuWeights *w);

/**
 * shu_mv_block:
 * @x: [R,H,H,C], R = 2 G V rows; of no use afterwards (shu_drop())
 * @text: keys and values of attn2, [R,S,C]
 *
 * Returns: scoped, [R,H,H,C]
 */
ShuTensor *shu_mv_block (ShuCtx *c, const ShuMvBlock *b, ShuTensor *x,
    const ShuViews *views, ShuKeyValue text);

enum { SHU_MV_MAX_LAYERS = 4 };

typedef struct {
  char name[SHU_NAME_SIZE];
  ShuNorm norm;      /* [C], eps 1e-6 */
  ShuLinear proj_in; /* [C,C] */
  ShuMvBlock transformer_blocks[SHU_MV_MAX_LAYERS];
  ShuLinear proj_out; /* [C,C] */
  int n_groups, n_blocks;
  ShuTensor *owned[2]; /* projections that are 1x1 convolutions, as matrices */
} ShuMvTransformer;

/**
 * ShuMvParams:
 * @linear: proj_in and proj_out are linear layers, not 1x1 convolutions
 */
typedef struct {
  gint64 C, X;
  int n_heads, n_groups, n_blocks;
  gboolean linear, joint;
} ShuMvParams;

/* @ret must be zero; cleared with shu_mv_transformer_clear() */
void shu_mv_transformer_load (ShuMvTransformer *ret, ShuWeights *w,
    const char *name, const ShuMvParams *params);
void shu_mv_transformer_clear (ShuMvTransformer *t);

/* text [R,S,X] -> keys and values for each block, scoped */
void shu_mv_transformer_text (ShuCtx *c, const ShuMvTransformer *t,
    ShuTensor *text, ShuKeyValue *ret_text);

/* x [R,H,H,C], @text: one for each block -> [R,H,H,C] */
ShuTensor *shu_mv_transformer (ShuCtx *c, const ShuMvTransformer *t,
    ShuTensor *x, const ShuViews *views, const ShuKeyValue *text);

G_END_DECLS
