/* SPDX-License-Identifier: MIT */
/* Fewer triangles for the same shape. */
#pragma once
#include "geometry/mesh.h"
#include "base/progress.h"

G_BEGIN_DECLS

/**
 * ShuSimplifyParams:
 * @ratio: share of the faces to remove, 0..1; used where @target_faces is 0
 * @target_faces: number of faces to stop at, or 0
 */
typedef struct {
  double ratio;
  int target_faces;
} ShuSimplifyParams;

/* The official pipeline removes 70 %. */
#define SHU_SIMPLIFY_PARAMS_INIT                                               \
  {                                                                            \
    .ratio = 0.7                                                               \
  }

/**
 * shu_mesh_simplify:
 *
 * Collapses edges in the order of their quadric error (Garland and Heckbert,
 * "Surface Simplification Using Quadric Error Metrics", SIGGRAPH 1997), that of
 * colours included (Hoppe 1999); large meshes in regions that threads share,
 * with the same result for any number of threads.  A collapse is refused where
 * it would turn a face over, make an edge or a vertex non-manifold, close a
 * border, or make a sliver worse than those around; so a closed manifold stays
 * one, and the result may have more faces than asked for.  Borders are held in
 * place by planes of their own.  Colours become what fits the faces around
 * best, the other attributes are interpolated along the collapsed edges;
 * texture coordinates are dropped.  Faces that name a vertex twice and vertices
 * that no face uses are dropped.
 *
 * Returns: (transfer full): the simplified mesh; NULL with
 *   %SHU_ERROR_INVALID for a broken mesh, or %G_IO_ERROR_CANCELLED
 */
ShuMesh *shu_mesh_simplify (const ShuMesh *mesh,
    const ShuSimplifyParams *params, const ShuProgress *progress,
    GError **error);

G_END_DECLS
