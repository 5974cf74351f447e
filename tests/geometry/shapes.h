/* SPDX-License-Identifier: MIT */
/* Analytic bodies as meshes and as voxel features, and what must hold for a
 * closed surface: shared by the geometry tests. */
#pragma once
#include "geometry/flexicubes.h"

/* Signed distance in the unit cube, negative inside. */
typedef double (*Field) (const double *p);

double field_sphere (const double *p); /* radius 0.3 */
double field_torus (const double *p);  /* radii 0.3 and 0.1, axis z */
double field_person (const double *p); /* capsules; head and feet leave the
                                          cube at z = +-0.5 */

/* The cells within @width cells of the surface, with plain features whose
 * noise has the given amplitude (0: the field itself). */
ShuFlexiCubesInput shapes_features (
    Field field, int resolution, double width, double noise, guint32 seed);
void shapes_features_clear (ShuFlexiCubesInput *in);
ShuMesh *shapes_extract (
    Field field, int resolution, double width, double noise, guint32 seed);

/* A sphere of latitude and longitude, closed, outward. */
ShuMesh *shapes_sphere (const double *center, double radius, int n);

/* Both meshes in one. */
ShuMesh *shapes_join (const ShuMesh *a, const ShuMesh *b);

/* What every test wants to know about a mesh. */
typedef struct {
  int n_components; /* by shared edges */
  int n_border;     /* edges with one face */
  int n_bad_edges;  /* with more than two faces, or two of one direction */
  int n_bad_verts;  /* whose faces are more than one fan */
  int n_degenerate; /* faces that name a vertex twice or have no area */
  int n_duplicate;  /* faces over the same vertices as another */
  int euler;        /* V - E + F, of the vertices in use */
  double volume;
  double area;
} Facts;

Facts shapes_facts (const ShuMesh *mesh);

/* Fails the test unless @mesh is a closed, consistent, outward surface. */
void shapes_assert_closed (const ShuMesh *mesh);
