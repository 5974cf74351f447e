/* SPDX-License-Identifier: MIT */
/* The blocks of the 2D network: residual blocks, each followed by a multi-view
 * transformer where the block has attention, then a resampling convolution
 * (reference: unet_mv2d_blocks.py and diffusers' DownBlock2D, UpBlock2D). */
#pragma once
#include "nn/mv_transformer.h"

G_BEGIN_DECLS

enum {
  SHU_UNET_MAX_LAYERS = 8, /* residual blocks in one block */
  SHU_UNET_MAX_SKIPS = 64,
  SHU_UNET_MAX_RESNETS = 160,
};

typedef enum { SHU_UNET_SAME, SHU_UNET_DOWN, SHU_UNET_UP } ShuUnetSampler;

typedef struct {
  char name[SHU_NAME_SIZE];
  int n_resnets;
  int n_attentions; /* 0, or one after each residual block (mid: one) */
  ShuResnet resnets[SHU_UNET_MAX_LAYERS];
  ShuMvTransformer attentions[SHU_UNET_MAX_LAYERS];
  ShuUnetSampler sampler;
  ShuConv conv; /* [Co,Co,3,3], "downsamplers.0.conv" or "upsamplers.0.conv" */
} ShuUnetBlock;

/**
 * ShuUnetParams:
 * @E: channels of the time embedding
 * @mv: attention; its C is the block's output; n_blocks 0: no attention
 * @precision: of what pays in FP8
 */
typedef struct {
  gint64 E;
  int n_groups;
  float eps;
  ShuMvParams mv;
  ShuPrecision precision;
} ShuUnetParams;

/* @Ci: input channels of each residual block (with the skip's).  @ret must be
 * zero; cleared with shu_unet_block_clear() */
void shu_unet_block_load (ShuUnetBlock *ret, ShuWeights *w, const char *name,
    int n_resnets, const gint64 *Ci, gint64 Co, ShuUnetSampler sampler,
    const ShuUnetParams *params);
/* residual, attention, residual */
void shu_unet_mid_load (ShuUnetBlock *ret, ShuWeights *w, const char *name,
    gint64 C, const ShuUnetParams *params);
void shu_unet_block_clear (ShuUnetBlock *b);

/* What does not change between the steps of a block: keys and values of the
 * text for each attention */
typedef struct {
  ShuKeyValue text[SHU_UNET_MAX_LAYERS][SHU_MV_MAX_LAYERS];
} ShuUnetText;

/* text [R,S,X] -> scoped */
void shu_unet_block_text (
    ShuCtx *c, const ShuUnetBlock *b, ShuTensor *text, ShuUnetText *ret_text);

/* What the residual blocks make of the time, [R,Co] each, in the order in
 * which they run */
typedef struct {
  ShuTensor *t[SHU_UNET_MAX_RESNETS];
  int n;
} ShuUnetTimes;

/* time [R,E] (silu of the embedding) -> scoped, behind those in @times */
void shu_unet_block_times (
    ShuCtx *c, const ShuUnetBlock *b, ShuTensor *time, ShuUnetTimes *times);

/* Tensors that a down block leaves for an up block, last in, first out */
typedef struct {
  ShuTensor *t[SHU_UNET_MAX_SKIPS];
  int n;
} ShuSkips;

/* x [R,H,W,Ci], @times: of this block's residual blocks; results are scoped.
 * @views and @text may be NULL where there is no attention. */
ShuTensor *shu_unet_down (ShuCtx *c, const ShuUnetBlock *b, ShuTensor *x,
    ShuTensor *const *times, const ShuViews *views, const ShuUnetText *text,
    ShuSkips *skips);
ShuTensor *shu_unet_mid (ShuCtx *c, const ShuUnetBlock *b, ShuTensor *x,
    ShuTensor *const *times, const ShuViews *views, const ShuUnetText *text);
/* takes n_resnets tensors off @skips; input of each is [current, skip]; @x and
 * those skips are of no use afterwards (shu_drop()) */
ShuTensor *shu_unet_up (ShuCtx *c, const ShuUnetBlock *b, ShuTensor *x,
    ShuTensor *const *times, const ShuViews *views, const ShuUnetText *text,
    ShuSkips *skips);

G_END_DECLS
