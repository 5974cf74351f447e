/* SPDX-License-Identifier: MIT */
/* What the parts of the atlas share: charts, from cut to packing. */
#pragma once
#include "geometry/atlas.h"

G_BEGIN_DECLS

/**
 * ShuChart:
 * @n_faces: number of faces
 * @n_verts: number of vertices, each counted once
 * @faces: faces of the mesh
 * @verts: vertices of the mesh
 * @tris: three indices into @verts a face
 * @uv: two floats a vertex, world units; faces are counter-clockwise
 * @density: texels per unit, relative to the other charts
 * @cell_x: where its box lies in the packing grid
 * @cell_y: the same, downwards
 * @quarter: quarter turns that packing gave it
 */
typedef struct {
  int n_faces;
  int n_verts;
  gint32 *faces;
  gint32 *verts;
  gint32 *tris;
  float *uv;
  float density;
  int cell_x, cell_y;
  int quarter;
} ShuChart;

/**
 * ShuSurface:
 * What cutting and flattening need to know about the mesh.
 * @normal: unit normal of each face (any unit vector where it has no area)
 * @area: of each face
 * @next: three faces across the edges (i, i+1) of each face; -1 at a border or
 *   where more than two faces meet
 * @zone: charts do not cross from one zone to another
 */
typedef struct {
  const ShuMesh *mesh;
  float (*normal)[3];
  float *area;
  gint32 (*next)[3];
  guint8 *zone;
} ShuSurface;

ShuChart *shu_chart_new (const ShuSurface *s, const gint32 *faces, int n_faces);
void shu_chart_free (gpointer chart);

/* Cuts the surface.  Returns: (transfer full): array of ShuChart without uv */
GPtrArray *shu_charts_cut (const ShuSurface *s, float min_cos);

/**
 * shu_chart_flatten:
 * @resolution: texels per unit at which it is tested for folds
 * @ret_seed: (out caller-allocates): two faces (of the chart) that ended up on
 *   top of each other, or -1
 *
 * Sets @uv.  Returns: FALSE where no map without folds was found.
 */
gboolean shu_chart_flatten (
    const ShuSurface *s, ShuChart *chart, float resolution, int *ret_seed);

/* Texel centres that two faces of the chart claim at @resolution texels per
 * unit; two such faces go to @ret_seed where the caller wants them. */
int shu_chart_overlaps (const ShuChart *chart, float resolution, int *ret_seed);

/* Divides a chart into two connected ones, grown from two faces. */
void shu_chart_split (const ShuSurface *s, const ShuChart *chart,
    const int *seed, ShuChart *ret_part[2]);

/* Turns each chart upright within its smallest box, the corner at (0,0). */
void shu_chart_align (ShuChart *chart);

/**
 * shu_charts_pack:
 * @grid: cells a side
 * @gutter: cells between charts
 *
 * Returns: cells per unit, the largest found with which all fit; 0: none
 */
float shu_charts_pack (GPtrArray *charts, int grid, int gutter);

/* Where a point of a packed chart lies, in cells. */
void shu_chart_place (
    const ShuChart *chart, float scale, const float *uv, float *ret_xy);

G_END_DECLS
