/* SPDX-License-Identifier: MIT */
/* Tangents of vertices, for normal maps. */
#pragma once
#include "geometry/mesh.h"

G_BEGIN_DECLS

/**
 * shu_mesh_tangents:
 * @mesh: checked, with uv
 * @normals: 3 floats a vertex, unit length
 * @ret_tangents: (out caller-allocates): 4 floats a vertex: the direction in
 *   which u grows, unit length and at right angles to the normal; then 1 or -1,
 *   with which the cross product of normal and tangent points up in the picture
 *   (against v), as glTF has it
 *
 * MikkTSpace (Mikkelsen 2008), but for vertices that it would double since the
 * texture is mirrored on a part of their faces: these go with the greater part,
 * by angle.  Where no face says anything, any direction is taken.
 */
void shu_mesh_tangents (
    const ShuMesh *mesh, const float *normals, float *ret_tangents);

/**
 * ShuFrame:
 * Axes of a normal map at a place, each of unit length.  They need not be at
 * right angles.
 */
typedef struct {
  float tangent[3], bitangent[3], normal[3];
} ShuFrame;

/**
 * shu_frame_at:
 * @face: three vertices
 * @weights: of each
 *
 * The frame as glTF viewers interpolate it: each axis by itself, then made of
 * unit length.
 */
ShuFrame shu_frame_at (const float *normals, const float *tangents,
    const gint32 *face, const float *weights);

G_END_DECLS
