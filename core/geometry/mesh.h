/* SPDX-License-Identifier: MIT */
/* A triangle mesh and the other plain structures that the geometry shares.
 * World frame inside the library: right-handed, z up, the person faces -y,
 * the unit cube [-0.5,0.5]^3 (docs/architecture.md). */
#pragma once
#include <glib.h>

G_BEGIN_DECLS

/**
 * ShuMesh:
 * @n_verts: number of vertices
 * @n_faces: number of triangles
 * @pos: 3 floats a vertex
 * @attr: (nullable): 6 floats a vertex in 0..1: RGB, then normal * 0.5 + 0.5
 * @uv: (nullable): 2 floats a vertex in 0..1; v = 0 is the first texture row
 * @faces: 3 vertex indices a face, counter-clockwise seen from outside
 */
typedef struct {
  int n_verts;
  int n_faces;
  float *pos;
  float *attr;
  float *uv;
  gint32 *faces;
} ShuMesh;

/* All arrays that are asked for are allocated; contents undefined. */
ShuMesh *shu_mesh_new (
    int n_verts, int n_faces, gboolean with_attr, gboolean with_uv);
ShuMesh *shu_mesh_copy (const ShuMesh *mesh);
void shu_mesh_free (ShuMesh *mesh);

/**
 * shu_mesh_check:
 * Whether indices are in range and positions finite: what every algorithm
 * below may then rely on.
 */
gboolean shu_mesh_check (const ShuMesh *mesh, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ShuMesh, shu_mesh_free)

/**
 * ShuGaussians:
 * @n: number of Gaussians
 * @pos: [n,3] centres, world frame
 * @scale: [n,3] standard deviations along the axes, world units
 * @quat: [n,4] rotation (w,x,y,z), unit
 * @opacity: [n] 0..1
 * @rgb: [n,3] colour, >= 0 (spherical harmonics of degree 0, evaluated)
 *
 * Arrays belong to the caller.
 */
typedef struct {
  int n;
  const float *pos;
  const float *scale;
  const float *quat;
  const float *opacity;
  const float *rgb;
} ShuGaussians;

G_END_DECLS
