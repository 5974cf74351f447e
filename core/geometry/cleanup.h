/* SPDX-License-Identifier: MIT */
/* From a raw extracted mesh to its closed outer surface. */
#pragma once
#include "geometry/mesh.h"
#include "base/progress.h"
#include "tensor/context.h"

G_BEGIN_DECLS

/**
 * ShuCleanupParams:
 * @ctx: (nullable): where views are drawn; NULL: on the CPU
 * @n_views: Hammersley directions that visibility is sampled from, up to 4096;
 *   0: 1000 on a GPU and 128 on a CPU
 * @resolution: pixels along each side of such a view, up to 1024; 0: 1024 on a
 *   GPU and 512 on a CPU
 * @ratio: a face counts as outer above this quantile of the visibility...
 * @outer_min: ...but not below this share of the views
 * @inner_max: a face seen from at most this share of the views is inner
 * @max_opening: largest opening, in square units, that removing a hidden part
 *   may leave
 * @min_piece: pieces with less than this share of the whole area go
 * @max_hole_edges: holes with more edges stay open; 0: no limit
 *
 * The reference uses 1000 views at 1024, with the other values as here.
 */
typedef struct {
  ShuCtx *ctx;
  int n_views;
  int resolution;
  double ratio;
  double outer_min;
  double inner_max;
  double max_opening;
  double min_piece;
  int max_hole_edges;
} ShuCleanupParams;

#define SHU_CLEANUP_PARAMS_INIT                                                \
  {                                                                            \
    .ratio = 0.7, .outer_min = 0.15, .inner_max = 0.01, .max_opening = 0.04,   \
    .min_piece = 0.005                                                         \
  }

/**
 * ShuCleanupReport:
 * @degenerate: faces dropped because they were degenerate or there twice
 * @turned: faces turned to face as their neighbours do, and outwards
 * @split: vertices added where edges or vertices were not manifold
 * @hidden: faces removed because nothing outside sees them
 * @pieces: small pieces removed
 * @piece_faces: their faces
 * @holes: holes filled
 * @largest_hole: edges around the largest of them
 * @patch_faces: faces they were filled with
 * @holes_left: holes that stayed open
 */
typedef struct {
  int degenerate;
  int turned;
  int split;
  int hidden;
  int pieces;
  int piece_faces;
  int holes;
  int largest_hole;
  int patch_faces;
  int holes_left;
} ShuCleanupReport;

/**
 * shu_mesh_outer_surface:
 * @ret_report: (out caller-allocates) (nullable): what was done
 *
 * Drops degenerate and duplicate faces, splits non-manifold edges and
 * vertices, removes what cannot be seen from outside (minimum cut between
 * seen and hidden faces) and small pieces, fills holes one by one, orients
 * the surface outwards.  Positions may be anywhere; the mesh is put into the
 * unit cube for the views where it is not.  Texture coordinates are dropped.
 *
 * Returns: (transfer full): a manifold surface, closed unless the report
 *   tells of holes left; NULL with %SHU_ERROR_INVALID where the mesh is broken
 *   or nothing is left of it, or %G_IO_ERROR_CANCELLED
 */
ShuMesh *shu_mesh_outer_surface (const ShuMesh *mesh,
    const ShuCleanupParams *params, ShuCleanupReport *ret_report,
    const ShuProgress *progress, GError **error);

G_END_DECLS
