/* SPDX-License-Identifier: MIT */
/* The order in which a mesh is drawn. */
#pragma once
#include "geometry/mesh.h"

G_BEGIN_DECLS

/**
 * shu_mesh_reorder:
 * @mesh: checked
 *
 * The same surface as a GPU likes it: faces in an order in which a cache of
 * vertices serves most of them, in groups of which those that hide others come
 * first (Sander, Nehab and Barczak 2007), vertices in the order of their first
 * use.  Vertices that no face uses are left out.  Linear in the size of @mesh
 * beside one sort of the groups; the same for any number of threads.
 *
 * Returns: (transfer full)
 */
ShuMesh *shu_mesh_reorder (const ShuMesh *mesh);

G_END_DECLS
