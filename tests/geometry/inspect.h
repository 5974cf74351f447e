/* SPDX-License-Identifier: MIT */
/* How a mesh is in space: what it encloses, and how far it is from another or
 * from a body known by its distance. */
#pragma once
#include "geometry/mesh.h"

/* Along vertical lines through the mesh, @n in each direction: lengths where
 * the surface winds once around, and where neither once nor not at all, as
 * where one surface lies within another or is turned inside out. */
typedef struct {
  double once;
  double otherwise;
} Winding;

Winding inspect_winding (const ShuMesh *mesh, int n);

/* Where the surface winds once around on the vertical line through (x,y),
 * upwards: (transfer full), pairs of double */
GArray *inspect_spans (const ShuMesh *mesh, double x, double y);

/* Distance of points on @a (corners, middles of sides and of faces) from the
 * surface of @b: the largest, and the mean. */
typedef struct {
  double max, mean;
} Distance;

Distance inspect_distance (const ShuMesh *a, const ShuMesh *b);
