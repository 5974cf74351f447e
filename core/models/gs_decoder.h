/* SPDX-License-Identifier: MIT */
/* Structured latents to 3D Gaussians (SLatGaussianDecoder; TRELLIS, arXiv
 * 2412.01506, section 3.2, with SyncHuman's conditioning on views). */
#pragma once
#include "models/slat_decoder.h"

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
 * ShuGaussianArrays:
 * @n: number of Gaussians; those of one voxel are together
 * @pos: [n,3] centres in [-0.5,0.5], world frame
 * @scale: [n,3] standard deviations, world units
 * @quat: [n,4] (w,x,y,z), unit
 * @opacity: [n] 0..1
 * @sh0: [n,3] spherical harmonics of degree 0
 * @rgb: [n,3] the colour they stand for, >= 0
 *
 * Zero-initialise; free with shu_gaussian_arrays_clear().
 */
typedef struct {
  int n;
  ShuTensor *pos;
  ShuTensor *scale;
  ShuTensor *quat;
  ShuTensor *opacity;
  ShuTensor *sh0;
  ShuTensor *rgb;
} ShuGaussianArrays;

/**
 * shu_gs_decoder_gaussians:
 * @y: host copy of what shu_gs_decoder_forward() returned for @voxels
 * @ret: (out): owned CPU tensors
 */
void shu_gs_decoder_gaussians (const ShuGsDecoder *d, const ShuVoxels *voxels,
    const float *y, ShuGaussianArrays *ret);
void shu_gaussian_arrays_clear (ShuGaussianArrays *a);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ShuGsDecoder, shu_gs_decoder_free)
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (ShuGaussianArrays, shu_gaussian_arrays_clear)

G_END_DECLS
