/* SPDX-License-Identifier: MIT */
/* Meshes, rasterised; base/raster.h has the rules. */
#pragma once
#include "base/raster.h"
#include "geometry/mesh.h"

G_BEGIN_DECLS

/**
 * shu_raster_mesh:
 * @raster: (inout): overwritten
 * @mesh: indices in range (shu_mesh_check())
 *
 * As a camera sees it.
 */
void shu_raster_mesh (ShuRaster *raster, const ShuMesh *mesh,
    const ShuCamera *camera, ShuRasterFlags flags);

/**
 * shu_raster_uv:
 * Rasterises the texture plane: pixel (i, j) shows the face whose uv covers
 * ((i + .5) / W, (j + .5) / H).  Depth is 0.
 *
 * @ret_n_doubles: (out) (optional): how many pixels two faces or more claim
 */
void shu_raster_uv (ShuRaster *raster, const ShuMesh *mesh,
    ShuRasterFlags flags, int *ret_n_doubles);

G_END_DECLS
