/* SPDX-License-Identifier: MIT */
/* Renders Gaussians as a mip-splatting renderer does (Kerbl et al. 2023, Yu et
 * al. 2024): projected to ellipses, blended front to back in tiles. */
#pragma once
#include "geometry/camera.h"
#include "geometry/mesh.h"

G_BEGIN_DECLS

/**
 * ShuSplat:
 * @size: pixels a side
 * @rgb: [S,S,3] colour over black, in the unit of the Gaussians' colour
 * @through: [S,S] share of the background that is seen, 1 - alpha
 * @depth: (nullable): [S,S] mean distance along the axis of what was blended;
 *   0 where nothing was
 */
typedef struct {
  int size;
  float *rgb;
  float *through;
  float *depth;
} ShuSplat;

/**
 * ShuSplatPoint:
 * @mean: centre in pixels; pixel i has its centre at i
 * @cov: xx, xy, yy of the filtered ellipse, pixels^2
 * @conic: xx, xy, yy of its inverse
 * @alpha: opacity in the centre, corrected for the filter
 * @depth: along the camera's axis
 * @radius: pixels; 0 where the Gaussian is not seen
 *
 * A Gaussian on the image plane.
 */
typedef struct {
  float mean[2];
  float cov[3];
  float conic[3];
  float alpha;
  float depth;
  int radius;
} ShuSplatPoint;

/* Projects Gaussian @i; the first half of shu_splat(), for tests. */
ShuSplatPoint shu_splat_project (
    const ShuGaussians *gaussians, int i, const ShuCamera *camera, int size);

/**
 * shu_splat:
 * @camera: a perspective one with its axis in the middle of the image
 * @size: pixels a side, 1..8192
 * @with_depth: whether @depth is wanted
 *
 * Gaussians nearer than 0.2 are left out; there are no other limits to depth.
 * At equal depth the lower index is in front; the result does not depend on
 * the number of threads.
 *
 * Returns: (transfer full)
 */
ShuSplat *shu_splat (const ShuGaussians *gaussians, const ShuCamera *camera,
    int size, gboolean with_depth);
void shu_splat_free (ShuSplat *splat);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ShuSplat, shu_splat_free)

G_END_DECLS
