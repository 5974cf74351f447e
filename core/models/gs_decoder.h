/* SPDX-License-Identifier: MIT */
/* Structured latents to 3D Gaussians (SLatGaussianDecoder; TRELLIS, arXiv
 * 2412.01506, section 3.2, with SyncHuman's conditioning on views). */
#pragma once
#include "models/slat_decoder.h"
#include "ops/gaussians.h"

G_BEGIN_DECLS

/* Immutable once loaded; threads may share it. */
typedef struct _ShuGsDecoder ShuGsDecoder;

/* @config, @w as for shu_slat_trunk_new().  Returns: (transfer full) */
ShuGsDecoder *shu_gs_decoder_new (
    ShuConfig *config, ShuWeights *w, GError **error);
void shu_gs_decoder_free (ShuGsDecoder *d);

const ShuSlatTrunk *shu_gs_decoder_trunk (const ShuGsDecoder *d);
/* Gaussians of one voxel, G */
int shu_gs_decoder_per_voxel (const ShuGsDecoder *d);

/**
 * shu_gs_decoder_forward:
 * @voxels: of one object
 * @x: [N,latent channels], rows in the order of the voxels
 * @views: features of the views
 *
 * Returns: scoped [N,14G]: centres [G,3], colours [G,3], scales [G,3],
 *   rotations [G,4], opacities [G], all before their activations
 */
ShuTensor *shu_gs_decoder_forward (ShuCtx *c, const ShuGsDecoder *d,
    const ShuVoxels *voxels, ShuTensor *x, const ShuSlatViews *views);

/**
 * shu_gs_decoder_gaussians:
 * @x: what shu_gs_decoder_forward() returned for @voxels
 * @ret: (out): scoped
 *
 * Returns: FALSE after a failure
 */
gboolean shu_gs_decoder_gaussians (ShuCtx *c, const ShuGsDecoder *d,
    const ShuVoxels *voxels, ShuTensor *x, ShuGaussianFields *ret);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ShuGsDecoder, shu_gs_decoder_free)

G_END_DECLS
