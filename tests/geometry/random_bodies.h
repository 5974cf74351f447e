/* SPDX-License-Identifier: MIT */
/* Bodies at random, as signed distances and as meshes extracted from them with
 * all that makes such meshes bad. */
#pragma once
#include "geometry/mesh.h"

enum { RANDOM_MAX_PARTS = 7 };

typedef struct {
  int kind; /* sphere, capsule, box, ring */
  gboolean carved;
  double center[3], axis[3]; /* unit */
  double length, radius;
} RandomPart;

typedef struct {
  guint32 seed;
  int n_parts;
  RandomPart parts[RANDOM_MAX_PARTS];
} RandomBody;

/* The same for the same seed everywhere. */
void random_body (guint32 seed, RandomBody *ret_body);

/* Signed distance (a bound of it where parts were carved), negative inside. */
double random_body_distance (const RandomBody *body, const double *p);

/* What stage 2 would give FlexiCubes for it: the cells near the surface of a
 * grid of 14 to 29, so that a second surface lies within the first; with every
 * other seed noise and with every fourth missing cells. */
ShuMesh *random_body_extract (const RandomBody *body);

/* Damage, by the seed's next bits: copies of faces, faces turned, faces without
 * extent, holes, vertices torn apart or brought together, an inner copy, a
 * tube, floating pieces.  (transfer full) */
ShuMesh *random_damage (const ShuMesh *mesh, guint32 seed);
