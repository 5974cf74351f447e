/* SPDX-License-Identifier: MIT */
/* What the parts of the atlas share: charts, from cut to packing. */
#pragma once
#include "geometry/atlas.h"
#include "geometry/raster.h"

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
 * @cell_w: cells of that box, before it is turned
 * @cell_h: the same, downwards
 * @turn: quarters by which packing turns it; 0 once it is packed
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
  int cell_w, cell_h;
  int turn;
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

/* Straightens the borders between charts.  @label: (inout): chart of each face
 * Returns: the number of charts, of which some may be empty */
int shu_charts_straighten (
    const ShuSurface *s, gint32 *label, int n_labels, float min_cos);

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

/**
 * shu_chart_relax:
 * Moves an existing map towards less stretch, without turning any face over.
 *
 * @ret_stretch: (out): mean squared deviation of lengths
 *
 * Returns: FALSE where a face has turned over already
 */
gboolean shu_chart_relax (
    const ShuSurface *s, ShuChart *chart, int n_rounds, float *ret_stretch);

/* Unites charts of a zone that can be unrolled in one piece.  @charts may have
 * gaps, and has NULL where a chart went into another.  @resolution: as above */
void shu_charts_glue (const ShuSurface *s, GPtrArray *charts, float resolution);

/* Area of the smallest box; by which angle to turn the chart for it, and its
 * longer side, where the caller wants them. */
double shu_chart_smallest_box (
    const ShuChart *chart, double *ret_angle, float *ret_side);

/* Texel centres that two faces of the chart claim at @resolution texels per
 * unit; two such faces go to @ret_seed where the caller wants them. */
int shu_chart_overlaps (const ShuChart *chart, float resolution, int *ret_seed);

/* Divides a chart into two connected ones, grown from two faces. */
void shu_chart_split (const ShuSurface *s, const ShuChart *chart,
    const int *seed, ShuChart *ret_part[2]);

/* Turns each chart upright within its smallest box, the corner at (0,0). */
void shu_chart_align (ShuChart *chart);

/**
 * ShuPackGrid:
 * @side: cells a side, at most 1024
 * @gutter: cells that stay free between charts
 * @reach: a cell belongs to a chart that comes this near to its centre: 0.5
 *   for all that it touches, little where cells are texels
 */
typedef struct {
  int side;
  int gutter;
  float reach;
} ShuPackGrid;

/* Places all charts.  Returns: cells per unit, the largest found with which
 * all fit; 0: none */
float shu_charts_pack (GPtrArray *charts, const ShuPackGrid *grid);

enum { SHU_FLOW_SIDE = 256 };

/* Moves @n points of the unit square as it is warped so that density becomes
 * even.  @rho: (inout): [SHU_FLOW_SIDE,SHU_FLOW_SIDE] */
void shu_flow (float *rho, float *uv, int n);

/**
 * shu_charts_swell:
 * @mesh: (inout): packed
 * @chart: of each vertex
 * @grid: cells a side
 * @gutter: cells that stay free between charts
 *
 * Lets charts use the room between them, as far as nothing folds.
 */
void shu_charts_swell (
    ShuMesh *mesh, const gint32 *chart, int grid, int gutter);

/* Sets all but the numbers of charts and doubles.  @raster: the atlas drawn */
void shu_atlas_measure (
    const ShuMesh *mesh, const ShuRaster *raster, ShuAtlasReport *ret);

/* A chart as cells. */
typedef struct {
  int w, h;
  guint8 *bits; /* [h,w] */
} ShuMask;

/* Cells first..last of a row. */
typedef struct {
  gint16 row, first, last;
} ShuSpan;

/* @uv: of the chart, its corner at (0,0) */
ShuMask shu_mask_draw (
    const ShuChart *chart, const float *uv, float scale, float reach);

/* (transfer full): array of ShuSpan, longest first */
GArray *shu_mask_spans (const ShuMask *mask);

enum { SHU_N_TURNS = 4 };

/* A chart in one of its turns. */
typedef struct {
  int w, h;
  GArray *spans; /* of ShuSpan, longest first */
} ShuShape;

typedef ShuShape ShuTurns[SHU_N_TURNS];

/* Where a chart goes: nearest to the top, then to the left. */
typedef struct {
  int x, y;
  int turn;
  int bottom;
} ShuPlace;

/**
 * shu_board_pack:
 * @limit: rows that there are
 * @ret_places: [n], by chart
 *
 * Puts @n charts on an empty board of @g->side columns, in the order given.
 *
 * Returns: how many rows they take; 0 where one does not fit
 */
int shu_board_pack (const ShuTurns *shapes, const int *order, int n,
    const ShuPackGrid *g, int limit, ShuPlace *ret_places);

/* Limits of a map turned by the angle of the cosine and sine given. */
void shu_chart_box (const float *uv, int n, double cs, double sn,
    double *ret_lo, double *ret_hi);

/* Where a point of a packed chart lies, in cells. */
void shu_chart_place (
    const ShuChart *chart, float scale, const float *uv, float *ret_xy);

G_END_DECLS
