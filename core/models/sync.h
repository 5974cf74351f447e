/* SPDX-License-Identifier: MIT */
/* The 2D-3D cross-space attention (SyncHuman, arXiv 2510.07723, section 3.2;
 * reference: attn_2D3D_sync.py, DualCrossAttentionSS and
 * DualCrossAttentionMV). */
#pragma once
#include "nn/mv_transformer.h"

G_BEGIN_DECLS

enum { SHU_BODY_VIEWS = 4 }; /* front, right, back, left */

/**
 * ShuSyncSizes:
 * Cm: channels of the feature maps, D: of the voxel tokens, I: inside the
 * attention
 */
typedef struct {
  gint64 Cm, D, I;
  int n_heads;
} ShuSyncSizes;

/* From pictures to structure. */
typedef struct {
  char name[SHU_NAME_SIZE];
  ShuLinear input_layer_mv;       /* [Cm,Cm] */
  ShuNorm downsample_norm;        /* [Cm], "imagedownsample.conv.0" */
  ShuConv downsample_conv;        /* [Cm,Cm,3,3], "imagedownsample.conv.1" */
  ShuLinear input_layer_stucture; /* [D,D]; the checkpoint's spelling */
  ShuNorm normStructure1;         /* [D] */
  ShuAttn cross_attn;             /* "cross_attn_MV_to_Structure" */
  ShuNorm normStructure2;         /* [D] */
  ShuFeedForward ffn_stucture;
  ShuLinear output_layer_stucture; /* [D,D] */
} ShuSyncSs;

ShuSyncSs shu_sync_ss_load (
    ShuWeights *w, const char *name, const ShuSyncSizes *sizes);

/**
 * shu_sync_ss:
 * @maps: [2 G V,H,H,Cm]; normal rows of the four body views are read
 * @tokens: [G,res^3,D]
 * @index: shu_sync_ss_index()
 *
 * Returns: scoped, the new tokens
 */
ShuTensor *shu_sync_ss (ShuCtx *c, const ShuSyncSs *m, ShuTensor *maps,
    const ShuViews *views, ShuTensor *tokens, int res, ShuTensor *index);
/* For each voxel the pooled pixels that it falls on: [G res^3, 4] */
ShuTensor *shu_sync_ss_index (ShuCtx *c, int G, int res);
/* The pooled features alone: maps [B,H,H,Cm] -> [B,res,res,Cm] */
ShuTensor *shu_sync_ss_pool (
    ShuCtx *c, const ShuSyncSs *m, ShuTensor *maps, int res);

/* One domain of ShuSyncMv */
typedef struct {
  ShuAttn cross_attn;     /* "cross_attn_Structure_to_normal" or "_color" */
  ShuFeedForward ffn;     /* "ffn_no" or "ffn_clr" */
  ShuLinear output_layer; /* [Cm,Cm], "output_layer_no" or "_clr" */
} ShuSyncMvDomain;

/* From structure to pictures. */
typedef struct {
  char name[SHU_NAME_SIZE];
  ShuLinear input_layer_mv;       /* [Cm,Cm] */
  ShuLinear input_layer_stucture; /* [D,D] */
  ShuNorm downsample_norm;        /* [D], "voxeldownsample.conv.0" */
  ShuConv downsample_conv;        /* [D,D,3,3,3], "voxeldownsample.conv.1" */
  ShuSyncMvDomain domain[SHU_DOMAINS];
} ShuSyncMv;

ShuSyncMv shu_sync_mv_load (
    ShuWeights *w, const char *name, const ShuSyncSizes *sizes);

/**
 * shu_sync_mv:
 * @maps: [2 G V,H,H,Cm]
 * @tokens: [G,res^3,D]
 * @index: shu_sync_mv_index()
 *
 * Returns: scoped, the new maps; those of the face are the old ones
 */
ShuTensor *shu_sync_mv (ShuCtx *c, const ShuSyncMv *m, ShuTensor *maps,
    const ShuViews *views, ShuTensor *tokens, int res, ShuTensor *index);
/* For each pixel of maps H wide the voxels on its ray: [G 4 H^2, H] */
ShuTensor *shu_sync_mv_index (ShuCtx *c, int G, int H);

/* Sizes from the weights where these are stored; @fallback otherwise. */
ShuSyncSizes shu_sync_sizes (
    ShuWeights *w, const char *name, const ShuSyncSizes *fallback);

G_END_DECLS
