/* SPDX-License-Identifier: MIT */
/* The multi-view 2D network of the joint denoiser, in pieces between which the
 * 2D-3D synchronisation happens (reference: the UNet half of
 * SyncHuman_2D3DCrossSpaceDiffusion, after diffusers' UNet2DConditionModel). */
#pragma once
#include "nn/embed.h"
#include "nn/unet_block.h"
#include "weights/config.h"

G_BEGIN_DECLS

enum { SHU_UNET_MAX_LEVELS = 8 };

/**
 * ShuUnetSizes:
 * @side: of the latents; @Ci: noisy and image latent; @Co: velocity
 * @C: channels by level; @E: of the time embedding
 * @X: of the text; @P: of the class label
 */
typedef struct {
  int side, Ci, Co, V;
  int n_levels, n_layers, n_groups;
  int C[SHU_UNET_MAX_LEVELS], n_heads[SHU_UNET_MAX_LEVELS];
  int E, X, P;
  float eps;
} ShuUnetSizes;

typedef struct {
  ShuUnetSizes sizes;
  ShuPrecision precision;      /* set before loading */
  ShuConv conv_in;             /* [C0,Ci,3,3] */
  ShuEmbedMlp time_embedding;  /* [E,C0], [E,E] */
  ShuEmbedMlp class_embedding; /* [E,P], [E,E] */
  ShuUnetBlock down_blocks[SHU_UNET_MAX_LEVELS];
  ShuUnetBlock mid_block;
  ShuUnetBlock up_blocks[SHU_UNET_MAX_LEVELS];
  ShuNorm conv_norm_out; /* [C0] */
  ShuConv conv_out;      /* [Co,C0,3,3] */
} ShuMvUnet;

/* Failures stick to @config and @w.  @ret must be zero but for its precision;
 * cleared with shu_mv_unet_clear() */
void shu_mv_unet_load (ShuMvUnet *ret, ShuConfig *config, ShuWeights *w);
void shu_mv_unet_clear (ShuMvUnet *m);

/* What does not change between steps */
typedef struct {
  ShuUnetText down[SHU_UNET_MAX_LEVELS], mid, up[SHU_UNET_MAX_LEVELS];
} ShuMvUnetText;

/* text [R,S,X] -> scoped */
void shu_mv_unet_text (
    ShuCtx *c, const ShuMvUnet *m, ShuTensor *text, ShuMvUnetText *ret_text);
/* labels [R,P] -> [R,E] */
ShuTensor *shu_mv_unet_class (ShuCtx *c, const ShuMvUnet *m, ShuTensor *labels);
/* @t: @n times, already x1000; @class_emb [R,E] -> what all residual blocks
 * make of their sum, a row for each time */
ShuTensor *shu_mv_unet_times (
    ShuCtx *c, const ShuMvUnet *m, int n, const float *t, ShuTensor *class_emb);
/* one row of it -> the parts */
void shu_mv_unet_time (ShuCtx *c, const ShuMvUnet *m, ShuTensor *times,
    gint64 R, ShuUnetTimes *ret);
/* x [R,L,L,Ci] -> [R,L,L,C0] */
ShuTensor *shu_mv_unet_input (
    ShuCtx *c, const ShuMvUnet *m, ShuTensor *x, ShuSkips *ret_skips);
/* x [R,L,L,C0] -> velocity [R,L,L,Co] */
ShuTensor *shu_mv_unet_output (ShuCtx *c, const ShuMvUnet *m, ShuTensor *x);

G_END_DECLS
