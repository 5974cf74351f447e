/* SPDX-License-Identifier: MIT */
/* A texture's colours at the vertices of its mesh. */
#pragma once
#include "base/image.h"
#include "geometry/mesh.h"

G_BEGIN_DECLS

/**
 * shu_mesh_paint:
 * @mesh: checked, with uv
 * @texture: RGB, row 0 at v = 0
 *
 * The mesh without its seams and without uv, the texture's colour at each
 * vertex: the mean over about as many pixels as a vertex stands for, and over
 * both sides of a seam.  Faces without area because two of their vertices lie
 * at one place are left out.
 *
 * Returns: (transfer full): with attr
 */
ShuMesh *shu_mesh_paint (const ShuMesh *mesh, const ShuImage *texture);

G_END_DECLS
