/* SPDX-License-Identifier: MIT */
/* Triangulation of closed polygons in space. */
#pragma once
#include "geometry/vec3_private.h"
#include <glib.h>

/**
 * polygon_triangulate:
 * @forbidden: [n,n] chords that must not be used
 * @triangles: gets n - 2 triples of ascending corner numbers
 *
 * Triangulation of least area by dynamic programming; polygons with very many
 * corners are divided first.
 *
 * Returns: FALSE where the forbidden chords leave none.
 */
gboolean polygon_triangulate (
    const Vec3 *pos, int n, const guint8 *forbidden, GArray *triangles);
