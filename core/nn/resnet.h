/* SPDX-License-Identifier: MIT */
/* The 2D residual block of diffusers (ResnetBlock2D), with and without a time
 * embedding: UNet and VAE. */
#pragma once
#include "weights/weights.h"

G_BEGIN_DECLS

enum { SHU_NAME_SIZE = 96 }; /* bytes of a block's name, for taps */

typedef struct {
  char name[SHU_NAME_SIZE]; /* with a dot at the end, or empty */
  ShuNorm norm1;            /* [Ci] */
  ShuConv conv1;            /* [Co,Ci,3,3] */
  ShuLinear time_emb_proj;  /* [Co,E], absent (w NULL) in the VAE */
  ShuNorm norm2;            /* [Co] */
  ShuConv conv2;            /* [Co,Co,3,3] */
  ShuConv conv_shortcut;    /* [Co,Ci,1,1], absent where Ci == Co */
  int n_groups;
  float eps;
} ShuResnet;

/* @E: channels of the time embedding, 0: none.  @name: of the block within
 * @w, "" where @w is the block. */
ShuResnet shu_resnet_load (ShuWeights *w, const char *name, gint64 Ci,
    gint64 Co, gint64 E, int n_groups, float eps);

/* Lets both convolutions compute in FP8 where the device can. */
void shu_resnet_use_fp8 (ShuResnet *r, ShuWeights *w);

/**
 * shu_resnet:
 * @x: [B,H,W,Ci]
 * @time: (nullable): of shu_resnet_time(), [B,Co]
 *
 * Returns: scoped, [B,H,W,Co]
 */
ShuTensor *shu_resnet (
    ShuCtx *c, const ShuResnet *r, ShuTensor *x, ShuTensor *time);

/* time [B,E], silu of the embedding -> [B,Co] */
ShuTensor *shu_resnet_time (ShuCtx *c, const ShuResnet *r, ShuTensor *time);

/* A name for taps: "OUTER" "FORMAT" "." */
void shu_name_set (char ret_name[SHU_NAME_SIZE], const char *outer,
    const char *format, ...) G_GNUC_PRINTF (3, 4);
/* @name without its last dot, for the tap of a block's result */
#define SHU_NAME_ARGS(name) (int) MAX (strlen (name), 1) - 1, (name)

/* A block's own part of @w: @w itself where @name is "" */
ShuWeights *shu_weights_part (ShuWeights *w, const char *name);
/* C channels in @n_groups groups: a failure of @w where that cannot be */
void shu_weights_check_groups (
    ShuWeights *w, const char *name, gint64 C, int n_groups);

G_END_DECLS
