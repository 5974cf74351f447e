/* SPDX-License-Identifier: MIT */
/* The trunk that both decoders of structured latents share: windowed attention
 * over voxels, conditioned on features of the views (SyncHuman, arXiv
 * 2510.07723, section 3.3). */
#pragma once
#include "nn/sparse_index.h"
#include "weights/config.h"
#include "weights/weights.h"

G_BEGIN_DECLS

/* Immutable once loaded; threads may share it. */
typedef struct _ShuSlatTrunk ShuSlatTrunk;

/**
 * shu_slat_trunk_new:
 * @config: the model's config.json, or its "args" alone
 * @name: the class that "name" must say, with or without "Elastic"
 * @w: the weights; a reference is kept.  What is wrong with them shows in
 *   shu_weights_finish(), which is left to the decoder around this
 *
 * Returns: (transfer full): NULL with an error
 */
ShuSlatTrunk *shu_slat_trunk_new (
    ShuConfig *config, const char *name, ShuWeights *w, GError **error);
void shu_slat_trunk_free (ShuSlatTrunk *t);

int shu_slat_trunk_resolution (const ShuSlatTrunk *t);
/* width of the result, and channels of the latents */
int shu_slat_trunk_channels (const ShuSlatTrunk *t);
int shu_slat_trunk_latent_channels (const ShuSlatTrunk *t);
/* channels of the view features */
int shu_slat_trunk_view_channels (const ShuSlatTrunk *t);
/* "args" of @config, wherever it is */
ShuConfig *shu_slat_trunk_args (ShuConfig *config);

/**
 * ShuSlatViews:
 * @color: [V,S,S,F] features of the colour views front, side, back, side
 * @normal: [V,S,S,F] the same of the normal views
 *
 * Rows run downwards, columns with x (views 0 and 2) or y (1 and 3); a voxel
 * looks at row S - 1 - z.  V may be less than 4 where fewer are used.
 */
typedef struct {
  ShuTensor *color;
  ShuTensor *normal;
} ShuSlatViews;

/**
 * shu_slat_trunk_forward:
 * @voxels: of one object
 * @x: [N,latent channels], rows in the order of the voxels
 * @views: features of the views; not looked at in mode "no"
 *
 * Returns: scoped [N,C]
 */
ShuTensor *shu_slat_trunk_forward (ShuCtx *c, const ShuSlatTrunk *t,
    const ShuVoxels *voxels, ShuTensor *x, const ShuSlatViews *views);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ShuSlatTrunk, shu_slat_trunk_free)

G_END_DECLS
