/* SPDX-License-Identifier: MIT */
/* Which vertices lie at one place: an unwrapped mesh without its seams. */
#pragma once
#include "geometry/mesh.h"

G_BEGIN_DECLS

/**
 * shu_mesh_weld:
 * @ret_first: (out caller-allocates): for each vertex the first one at exactly
 *   its position
 */
void shu_mesh_weld (const ShuMesh *mesh, gint32 *ret_first);

/**
 * shu_mesh_normals_welded:
 * @first: from shu_mesh_weld()
 * @ret_normals: (out caller-allocates): 3 floats a vertex
 *
 * As shu_mesh_normals(), but the same at both sides of a seam.
 */
void shu_mesh_normals_welded (
    const ShuMesh *mesh, const gint32 *first, float *ret_normals);

G_END_DECLS
