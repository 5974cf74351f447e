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
 * @n_uneven: how often little was split off what it comes from
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
  int n_uneven;
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
 * @total: area of all
 * @progress: (nullable): everything below ends soon when it says stop, with
 *   results that are of no use
 */
typedef struct {
  const ShuMesh *mesh;
  float (*normal)[3];
  float *area;
  gint32 (*next)[3];
  guint8 *zone;
  float total;
  const ShuProgress *progress;
} ShuSurface;

/* Sets normals, areas and zones. */
void shu_surface_measure (ShuSurface *s);

/* Links faces across edges that exactly two share, in opposite directions. */
void shu_surface_link (ShuSurface *s);

/* Charts that there are at least: parts of the surface that nothing links. */
int shu_surface_count_parts (const ShuSurface *s);

ShuChart *shu_chart_new (const ShuSurface *s, const gint32 *faces, int n_faces);
void shu_chart_free (gpointer chart);

/* Cuts the surface.  Returns: (transfer full): array of ShuChart without uv */
GPtrArray *shu_charts_cut (const ShuSurface *s, float min_cos);

/* Where two clusters of faces meet. */
typedef struct {
  int other;
  float length;
} ShuBorder;

/* What it costs to unite clusters, the less the flatter and rounder they are
 * together; infinite where they turn too much.  @area, @outline: of the union;
 * @p, @q: sums of area * normal */
float shu_union_cost (
    float area, const float *p, const float *q, float outline);

/* Unites faces to clusters that cutting begins with.  @ret_label: of each face
 * Returns: the number of clusters */
int shu_faces_cluster (const ShuSurface *s, float min_cos, gint32 *ret_label);

/* Of the edge that begins at corner @side of a face */
float shu_edge_length (const ShuMesh *mesh, int face, int side);

/* Straightens the borders between charts.  @label: (inout): chart of each face
 * Returns: the number of charts, of which some may be empty */
int shu_charts_straighten (
    const ShuSurface *s, gint32 *label, int n_labels, float min_cos);

/* A chart as it is on the surface, and what fits its map to that: to be made
 * again where the chart changes, but for its map. */
typedef struct _ShuRest ShuRest;

ShuRest *shu_rest_new (const ShuSurface *s, const ShuChart *chart);
void shu_rest_free (ShuRest *rest);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ShuRest, shu_rest_free)

/* The map of a chart of one face: as it is. */
void shu_rest_lay (const ShuRest *r, float *ret_uv);

/* The least part of its area that a face keeps; negative where it turns. */
double shu_rest_least_area (const ShuRest *r, const float *uv);

/* Moves the map towards rigid faces, as far as none becomes smaller than
 * @least of its area. */
void shu_rest_relax (const ShuRest *r, int n_rounds, double least, float *uv);

/* Of a map: the mean squared deviation of lengths from those of the surface,
 * and the share of it that is twice as long one way as the other. */
typedef struct {
  double deviation, doubled;
} ShuStretch;

ShuStretch shu_rest_stretch (const ShuRest *r, const float *uv);

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

/* Points of a map that a box around it may touch, however it is turned: those
 * not inside of a polygon of some that lie far out; (transfer full) */
float *shu_outer_points (const float *uv, int n, int *ret_n);

/* Area of the smallest box around the points; by which angle to turn them for
 * it, and its longer side, where the caller wants them. */
double shu_smallest_box (
    const float *uv, int n, double *ret_angle, float *ret_side);

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
 * @progress: (nullable): when it says stop nothing fits
 */
typedef struct {
  int side;
  int gutter;
  float reach;
  const ShuProgress *progress;
} ShuPackGrid;

/* No more charts than these fit, however small they are. */
int shu_most_charts (const ShuPackGrid *grid);

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
 * @grid: cells a side, and how many stay free between charts
 *
 * Lets charts use the room between them, as far as nothing folds.
 */
void shu_charts_swell (
    ShuMesh *mesh, const gint32 *chart, const ShuPackGrid *grid);

/* Slivers turn over where others are only bent: their vertices go to the middle
 * of their neighbours, unless they are at the border of a chart.
 * Returns: whether no face is turned over after it */
gboolean shu_atlas_turn_slivers (ShuMesh *mesh);

/* Faces that coordinates of 24 bits leave without area get some: a corner moves
 * by a few units in the last place, if only smaller faces become flat for it.
 * @area: of each face, on the surface.
 * Returns: whether none is flat after it */
gboolean shu_atlas_raise_slivers (ShuMesh *mesh, const float *area);

/* What lies between packed charts, on a grid of cells. */
typedef struct {
  int side;       /* of the grid */
  int words;      /* of 64 cells, a row of bits */
  int gutter;     /* cells that should be free between charts */
  gint32 *chart;  /* [side,side], -1 where none is */
  guint64 *taken; /* [side,words] cells of charts */
  guint64 *rim;   /* [side,words] of these, those beside a free one */
  float *dense;   /* [side,side] scratch, 0 */
} ShuGaps;

ShuGaps *shu_gaps_new (int side, int gutter);
void shu_gaps_free (ShuGaps *gaps);

/* Takes in what @raster shows, of the same size.  @chart: of each vertex
 * Returns: cells taken */
int shu_gaps_look (ShuGaps *gaps, const ShuRaster *raster, const ShuMesh *mesh,
    const gint32 *chart);

/* @ret_rho: of shu_flow(): 1 for charts and their half of each gutter, @rest
 * elsewhere */
void shu_gaps_spread (const ShuGaps *gaps, float rest, float *ret_rho);

/* @ret_rho: of shu_flow(): 1, and more between charts that are too close.
 * Returns: how many cells at their rims are */
int shu_gaps_part (const ShuGaps *gaps, float *ret_rho);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ShuGaps, shu_gaps_free)

/* @ret: of half, and of 99 %, of the surface, as in the report */
void shu_atlas_stretch (const ShuMesh *mesh, float ret[2]);

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
