/* SPDX-License-Identifier: MIT */
/* Triangulation of closed polygons in space. */
#pragma once
#include "geometry/vec3_private.h"
#include <glib.h>

/* Chords that must not be used: those of corner i lead to
 * @to[@start[i]..@start[i + 1]]. */
typedef struct {
  const int *start; /* [n + 1] */
  const int *to;
} Chords;

/**
 * polygon_triangulate:
 * @triangles: gets n - 2 triples of ascending corner numbers
 *
 * Triangulation of least area by dynamic programming; polygons with very many
 * corners are divided first.
 *
 * Returns: FALSE where the forbidden chords leave none.
 */
gboolean polygon_triangulate (
    const Vec3 *pos, int n, const Chords *forbidden, GArray *triangles);
