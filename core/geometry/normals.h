/* SPDX-License-Identifier: MIT */
/* Normals of vertices. */
#pragma once
#include "geometry/mesh.h"

G_BEGIN_DECLS

/**
 * shu_mesh_normals:
 * @ret_normals: (out caller-allocates): 3 floats a vertex
 *
 * Means of the normals of the faces around each vertex, weighted by the angle
 * there (Thürmer and Wüthrich 1998), unit length; (0, 0, 1) where there is
 * none.  The mesh must have passed shu_mesh_check().
 */
void shu_mesh_normals (const ShuMesh *mesh, float *ret_normals);

G_END_DECLS
