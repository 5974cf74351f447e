/* SPDX-License-Identifier: MIT */
/* Surface extraction from sparse voxel features: FlexiCubes (Shen et al.,
 * "Flexible Isosurface Extraction for Gradient-Based Mesh Optimization",
 * SIGGRAPH 2023) over a list of active cells instead of a dense grid. */
#pragma once
#include "geometry/mesh.h"
#include "ops/ops.h"

G_BEGIN_DECLS

/**
 * ShuFlexiCubesInput:
 * @resolution: cells along each side of the grid, 1..512
 * @n_cells: number of active cells
 * @coords: [n_cells, @coord_stride] cell coordinates; the last three of each
 *   row are x, y, z in 0..resolution-1, no cell twice
 * @coord_stride: 3, or 4 where rows start with a batch index
 * @n_channels: 53, or 101 with colours
 * @feats: [n_cells, n_channels]: sdf of 8 corners, deformation 8x3, weights
 *   21 (beta 12, alpha 8, gamma 1), colour logits 8x6.  Corners run x fastest
 *
 * The bias of -1 / resolution is added to the sdf here; negative is inside.
 */
typedef struct {
  int resolution;
  int n_cells;
  const gint32 *coords;
  int coord_stride;
  int n_channels;
  const float *feats;
} ShuFlexiCubesInput;

/**
 * shu_flexicubes:
 *
 * Extracts the surface in the unit cube [-0.5,0.5]^3, faces counter-clockwise
 * seen from positive sdf.  Corner values of cells that share a grid vertex
 * are averaged; grid vertices without a cell have sdf +1 and colour 0.5, so a
 * shell of cells may give an inner surface too, and a surface that reaches
 * the border of the grid is open there.  Vertex and face order are those of
 * the dense reference; the result does not depend on the number of threads.
 * Memory beyond input and output: five bits and their index per grid cell,
 * and the cells at the surface.
 *
 * Returns: (transfer full): the mesh, with attributes if @n_channels is 101;
 *   NULL with %SHU_ERROR_INVALID where the input is malformed or has no
 *   surface, %SHU_ERROR_LIMIT where the resolution is beyond 512
 */
ShuMesh *shu_flexicubes (const ShuFlexiCubesInput *in, GError **error);

/**
 * shu_flexicubes_on_device:
 * @c: of a GPU
 * @coords: I32 [n,3], there
 * @feats: [n,n_channels], there
 *
 * The same faces; positions and attributes may differ in their last bit.
 */
ShuMesh *shu_flexicubes_on_device (ShuCtx *c, int resolution, ShuTensor *coords,
    ShuTensor *feats, GError **error);

G_END_DECLS
