/* SPDX-License-Identifier: MIT */
/* Gaussians out of what a network says of them, on the device where that is.
 * Results are scoped; a failure is the context's, as in ops.h. */
#pragma once
#include "ops/gaussian_point.h"
#include "ops/ops.h"

G_BEGIN_DECLS

/**
 * ShuGaussianFields:
 * @pos: [n,3] centres in [-0.5,0.5], world frame
 * @scale: [n,3] standard deviations, world units
 * @quat: [n,4] (w,x,y,z), unit
 * @opacity: [n] 0..1
 * @sh0: [n,3] spherical harmonics of degree 0
 * @rgb: [n,3] the colour they stand for, >= 0
 *
 * All F32.
 */
typedef struct {
  ShuTensor *pos;
  ShuTensor *scale;
  ShuTensor *quat;
  ShuTensor *opacity;
  ShuTensor *sh0;
  ShuTensor *rgb;
} ShuGaussianFields;

/**
 * shu_gaussians:
 * @x: [N,14G]: centres [G,3], colours [G,3], scales [G,3], rotations [G,4],
 *   opacities [G] of each voxel, before their activations
 * @coords: I32 [N,3] the voxels
 * @offset: F32 [G,3] added to what the centres are made of
 *
 * N G of them, those of one voxel together; up to SHU_SPLAT_MAX_COUNT.
 *
 * Returns: FALSE after a failure
 */
gboolean shu_gaussians (ShuCtx *c, ShuTensor *x, ShuTensor *coords,
    ShuTensor *offset, const ShuGaussianRule *rule, ShuGaussianFields *ret);

G_END_DECLS
