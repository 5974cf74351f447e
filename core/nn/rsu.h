/* SPDX-License-Identifier: MIT */
/* Residual U-blocks of U^2-Net (Qin et al., arXiv 2005.09007, section 3.1).
 * Batch norms are folded into their convolutions when loading. */
#pragma once
#include "nn/resnet.h"

G_BEGIN_DECLS

enum { SHU_RSU_MAX_UNITS = 7 };

/* Convolution, batch norm, ReLU ("REBNCONV") */
typedef struct {
  ShuConv conv; /* [Co,Ci,3,3], owned */
  int dilation;
} ShuRebnconv;

/**
 * ShuRsu:
 * @height: L of RSU-L, 4..7; 4 with @dilated: RSU-4F, which dilates instead of
 *   pooling
 * @in, @down, @up: rebnconvin; rebnconv1..L; rebnconv1d..(L-1)d
 */
typedef struct {
  char name[SHU_NAME_SIZE];
  int height;
  gboolean dilated;
  ShuRebnconv in;
  ShuRebnconv down[SHU_RSU_MAX_UNITS];
  ShuRebnconv up[SHU_RSU_MAX_UNITS - 1];
} ShuRsu;

/* Channels: @Ci in, @M inside, @Co out.  Cleared with shu_rsu_clear() */
ShuRsu shu_rsu_load (ShuWeights *w, const char *name, int height,
    gboolean dilated, gint64 Ci, gint64 M, gint64 Co);
void shu_rsu_clear (ShuRsu *r);

/* x [B,H,W,Ci] -> [B,H,W,Co] */
ShuTensor *shu_rsu (ShuCtx *c, const ShuRsu *r, ShuTensor *x);
/* Of [deeper at the size of skip, skip], both let go */
ShuTensor *shu_rsu_joined (
    ShuCtx *c, const ShuRsu *r, ShuTensor *deeper, ShuTensor *skip);

G_END_DECLS
