/* SPDX-License-Identifier: MIT */
/* The sparse-structure branch of the joint denoiser: TRELLIS' flow transformer
 * over a dense voxel grid (arXiv 2412.01506, section 3.3), run in three
 * parts. */
#pragma once
#include "nn/dit_block.h"
#include "nn/embed.h"
#include "weights/config.h"

G_BEGIN_DECLS

enum { SHU_SS_PARTS = 3 };

/**
 * ShuSsSizes:
 * @res: side of the latent grid; @grid: of the token grid, res / patch
 * @Ci, @Co: latent channels; @D: of the tokens; @K: of the context
 */
typedef struct {
  int res, grid, patch;
  int Ci, Co, D, K;
  int n_blocks, n_heads;
} ShuSsSizes;

typedef struct {
  ShuSsSizes sizes;
  ShuPrecision precision; /* set before loading */
  ShuLinear input_layer;  /* [D,Ci P^3] */
  ShuTensor *pos_emb;     /* [grid^3,D]; NULL: computed */
  ShuEmbedMlp t_embedder; /* [D,256], [D,D] */
  ShuDitBlock *blocks;
  ShuLinear out_layer; /* [Co P^3,D] */
} ShuSsDit;

/* Failures stick to @config and @w.  Cleared with shu_ss_dit_clear() */
void shu_ss_dit_load (ShuSsDit *ret, ShuConfig *config, ShuWeights *w);
void shu_ss_dit_clear (ShuSsDit *m);

/* [grid^3,D], scoped */
ShuTensor *shu_ss_dit_positions (ShuCtx *c, const ShuSsDit *m);
/* @t: @n times, already x1000 -> modulation of all blocks, [n,n_blocks*6D] */
ShuTensor *shu_ss_dit_times (
    ShuCtx *c, const ShuSsDit *m, int n, const float *t);
/* x [G,res,res,res,Ci] -> tokens [G,grid^3,D] */
ShuTensor *shu_ss_dit_input (
    ShuCtx *c, const ShuSsDit *m, ShuTensor *x, ShuTensor *positions);
/* @part: 0..SHU_SS_PARTS-1; @mods: of one time, n_blocks*6D values; @contexts:
 * one a block of the whole network */
ShuTensor *shu_ss_dit_part (ShuCtx *c, const ShuSsDit *m, int part,
    ShuTensor *tokens, ShuTensor *mods, const ShuDitContext *contexts);
/* tokens -> velocity [G,res,res,res,Co] */
ShuTensor *shu_ss_dit_output (ShuCtx *c, const ShuSsDit *m, ShuTensor *tokens);

G_END_DECLS
