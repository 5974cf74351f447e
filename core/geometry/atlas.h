/* SPDX-License-Identifier: MIT */
/* Texture coordinates for a mesh: cut into charts, flattened, packed. */
#pragma once
#include "base/progress.h"
#include "geometry/mesh.h"

G_BEGIN_DECLS

/**
 * ShuAtlasParams:
 * @size: side of the texture the atlas is made for, in texels; 0 means 1024
 * @gutter: texels that stay free between two charts; 0 means a 128th of @size,
 *   8 for 1024: the smaller pictures that a viewer makes of a texture keep the
 *   same share
 * @face_detail: texels per unit length on the front of the head, as a multiple
 *   of those elsewhere; 0 means 1.5
 */
typedef struct {
  int size;
  int gutter;
  float face_detail;
} ShuAtlasParams;

/**
 * ShuAtlasReport:
 * @n_charts: number of charts
 * @utilisation: share of the texels whose centre a face covers
 * @stretch_median: of the surface, how much longer a texel is in one direction
 *   than in another, 1 for a perfect map
 * @stretch_p99: the same, exceeded on a hundredth of the surface
 * @n_doubles: texel centres that more than one face covers: 0
 */
typedef struct {
  int n_charts;
  float utilisation;
  float stretch_median;
  float stretch_p99;
  int n_doubles;
} ShuAtlasReport;

/**
 * shu_atlas:
 * @mesh: at least one face with an area
 * @params: (nullable): NULL means the defaults
 * @ret_report: (out) (optional)
 *
 * Cuts @mesh into charts of limited normal deviation, flattens each with
 * little stretch and without folds, glues those together that can be unrolled
 * in one piece, packs them into the unit square, and lets them swell into the
 * room that is left.
 * Faces keep their order.  The result depends on nothing but the arguments.
 *
 * Returns: (transfer full): @mesh with vertices doubled along the seams, uv
 *   set and attributes carried along; or NULL with %SHU_ERROR_INVALID
 *   (a broken mesh, or nothing to unwrap), %SHU_ERROR_LIMIT (the charts do not
 * fit) or %G_IO_ERROR_CANCELLED
 */
ShuMesh *shu_atlas (const ShuMesh *mesh, const ShuAtlasParams *params,
    ShuAtlasReport *ret_report, const ShuProgress *progress, GError **error);

G_END_DECLS
