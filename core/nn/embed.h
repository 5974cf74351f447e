/* SPDX-License-Identifier: MIT */
/* Embeddings: sinusoids through a two-layer MLP, patches of voxel grids. */
#pragma once
#include "weights/weights.h"

G_BEGIN_DECLS

/* linear, SiLU, linear */
typedef struct {
  ShuLinear linear_1; /* [E,F] */
  ShuLinear linear_2; /* [E,E] */
} ShuEmbedMlp;

/* @first, @second: the names of the two layers */
ShuEmbedMlp shu_embed_mlp_load (
    ShuWeights *w, const char *first, const char *second, gint64 E, gint64 F);
/* x [B,F] -> [B,E] */
ShuTensor *shu_embed_mlp (ShuCtx *c, const ShuEmbedMlp *e, ShuTensor *x);

/* x [B,D,H,W,C] -> [B,D/P,H/P,W/P,C*P^3], element order (c, i, j, k) */
ShuTensor *shu_patchify3d (ShuCtx *c, ShuTensor *x, int P);
/* the inverse: x [B,D,H,W,C*P^3] -> [B,D*P,H*P,W*P,C] */
ShuTensor *shu_unpatchify3d (ShuCtx *c, ShuTensor *x, int P);

/* Sin-cos positions of all points of a D^3 grid, x outermost: [D^3,C] */
ShuTensor *shu_grid_embedding (ShuCtx *c, int D, int C);

G_END_DECLS
