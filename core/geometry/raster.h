/* SPDX-License-Identifier: MIT */
/* A z-buffer rasteriser on the CPU: which face a pixel centre shows, where on
 * it, and how far away. */
#pragma once
#include "geometry/camera.h"
#include "geometry/mesh.h"

G_BEGIN_DECLS

/**
 * ShuRaster:
 * @width: pixels
 * @height: pixels
 * @face: [H,W] face index, -1 where nothing is
 * @bary: (nullable): [H,W,2] weights of the face's second and third vertex
 *   on the surface (perspective is undone); 0 where nothing is
 * @depth: [H,W] distance along the camera's axis; G_MAXFLOAT where nothing is
 */
typedef struct {
  int width;
  int height;
  gint32 *face;
  float *bary;
  float *depth;
} ShuRaster;

/**
 * ShuRasterFlags:
 * @SHU_RASTER_BARY: fill @bary
 * @SHU_RASTER_CULL: leave faces out that turn their back
 */
typedef enum {
  SHU_RASTER_NONE = 0,
  SHU_RASTER_BARY = 1 << 0,
  SHU_RASTER_CULL = 1 << 1,
} ShuRasterFlags;

ShuRaster *shu_raster_new (int width, int height, ShuRasterFlags flags);
void shu_raster_free (ShuRaster *raster);

/**
 * shu_raster_mesh:
 * @raster: (inout): overwritten
 * @mesh: indices in range, positions finite (shu_mesh_check())
 *
 * Pixel centres lie at .5.  Corners are rounded to 1/256 pixel and edges
 * belong to one of the two faces that share them, so a closed surface has
 * neither holes nor doubles.  At equal depth the lower face index wins; the
 * result does not depend on the number of threads.  Faces that reach nearer
 * than 0.01 to a perspective camera are left out, as are faces more than 2^20
 * pixels wide.
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

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ShuRaster, shu_raster_free)

G_END_DECLS
