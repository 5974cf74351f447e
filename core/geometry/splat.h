/* SPDX-License-Identifier: MIT */
/* The views of a person's Gaussians from which its texture is made: the
 * reference's render_multiview(), drawn by ops/render.h. */
#pragma once
#include "geometry/camera.h"
#include "geometry/mesh.h"
#include "ops/render.h"

G_BEGIN_DECLS

enum {
  SHU_GAUSSIAN_VIEWS = 100, /* the first SHU_N_VIEWS are those of stage 1 */
  SHU_GAUSSIAN_VIEW_SIZE = 1024,
};

/* @camera, a perspective one with its axis in the middle of the image. */
ShuSplatCamera shu_splat_camera (const ShuCamera *camera);

/* Copies of @gaussians; scoped */
ShuSplatInput shu_splat_input (ShuCtx *c, const ShuGaussians *gaussians);

/**
 * shu_gaussians_views:
 * @first: the first view that is wanted; SHU_N_VIEWS leaves out those that
 *   stage 1 has pictures of
 * @n_views: of all cameras (shu_camera_renders()), which @first is less than;
 *   at least SHU_N_VIEWS + 1
 * @size: pixels a side
 * @what: of ShuSplatWhat
 *
 * Views @first..@n_views-1, in that order.  Row 0 is the top: the reference
 * turns these pictures upside down, together with the mesh's.
 *
 * Returns: FALSE after a failure of @c; results are scoped
 */
gboolean shu_gaussians_views (ShuCtx *c, const ShuSplatInput *gaussians,
    int first, int n_views, int size, guint what, ShuSplats *ret);

G_END_DECLS
