/* SPDX-License-Identifier: MIT */
/* A hierarchy of boxes over the faces of a mesh: what a line meets, and what
 * is nearest to a point. */
#pragma once
#include "geometry/mesh.h"

G_BEGIN_DECLS

typedef struct _ShuBvh ShuBvh;

/**
 * ShuBvhHit:
 * @face: of the mesh
 * @bary: where on it: weights of its second and third vertex
 * @distance: from where the search began; along a line with a sign
 * @leaf: where in the hierarchy: a search nearby begins there and is faster
 */
typedef struct {
  int face;
  float bary[2];
  float distance;
  int leaf;
} ShuBvhHit;

/**
 * shu_bvh_new:
 * @mesh: checked (shu_mesh_check()); its numbers are copied
 *
 * A binary tree over the faces in the order of their middles on a Z curve
 * (Morton 1966), four faces a leaf or fewer.
 */
ShuBvh *shu_bvh_new (const ShuMesh *mesh);
void shu_bvh_free (ShuBvh *bvh);

/**
 * shu_bvh_line:
 * @axis: unit length
 * @reach: how far to look along @axis, and as far against it
 * @leaf: of a hit nearby, or -1; changes nothing but the time
 *
 * Finds what the line through @origin meets closest to @origin.  Faces whose
 * normal is not within 90 degrees of @axis do not count.  A line that goes
 * exactly through an edge may meet neither face.  Of faces at one distance that
 * of the lower index is taken.
 */
gboolean shu_bvh_line (const ShuBvh *bvh, const float *origin,
    const float *axis, float reach, int leaf, ShuBvhHit *ret);

/**
 * shu_bvh_nearest:
 * @axis: unit length
 * @reach: how far to look
 * @leaf: as for shu_bvh_line()
 *
 * Finds the place nearest to @point, on faces as for shu_bvh_line().
 */
gboolean shu_bvh_nearest (const ShuBvh *bvh, const float *point,
    const float *axis, float reach, int leaf, ShuBvhHit *ret);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ShuBvh, shu_bvh_free)

G_END_DECLS
