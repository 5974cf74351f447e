/* SPDX-License-Identifier: MIT */
/* FlexiCubes over sparse cells, the arithmetic and the order of vertices and
 * faces those of geometry/flexicubes.c: means in f64, without fused
 * multiply-adds where these would change a sign. */
#include "ops/cuda/kernels_mesh.h"
#include "ops/cuda/scan_private.h"
#include <math.h>

typedef ShuCudaIsosurface Iso;

enum {
  SDF = 0,
  DEFORM = 8,
  BETA = 32,
  ALPHA = 44,
  GAMMA = 52,
  COLOR = 53,
  EDGES = 12,
  MAX_DUAL = 4,
  CASE = 2 + EDGES, /* bytes: dual vertices, groups of edges, direction */
};

/* The corners of each edge, as geometry/flexicubes_tables.h has them. */
static __constant__ int8_t edge_corner[EDGES][2] = {{0, 1}, {1, 5}, {4, 5},
    {0, 4}, {2, 3}, {3, 7}, {6, 7}, {2, 6}, {2, 0}, {3, 1}, {7, 5}, {6, 4}};

/* ---- cells, corners and their numbers ---- */

static __device__ bool
in_grid (const Iso &g, const int (&c)[3])
{
  return min (c[0], min (c[1], c[2])) >= 0 &&
         max (c[0], max (c[1], c[2])) < g.R;
}

static __device__ uint32_t
cell_at (const Iso &g, const int (&c)[3])
{
  return ((uint32_t) c[0] * g.R + c[1]) * g.R + c[2];
}

static __device__ uint32_t
vertex_at (const Iso &g, int x, int y, int z)
{
  return ((uint32_t) x * (g.R + 1) + y) * (g.R + 1) + z;
}

static __device__ uint32_t
corner_of_cell (const Iso &g, const int (&cell)[3], int c)
{
  return vertex_at (
      g, cell[0] + (c & 1), cell[1] + (c >> 1 & 1), cell[2] + (c >> 2));
}

static __device__ void
unpack (uint32_t id, int side, int (&ret)[3])
{
  ret[2] = id % side;
  ret[1] = id / side % side;
  ret[0] = id / side / side;
}

/* The cell whose corner @c is the grid vertex at @v; false outside. */
static __device__ bool
cell_around (const Iso &g, const int (&v)[3], int c, uint32_t *ret)
{
  int cell[3] = {v[0] - (c & 1), v[1] - (c >> 1 & 1), v[2] - (c >> 2)};

  *ret = cell_at (g, cell);
  return in_grid (g, cell);
}

/* Row of the features of a cell, or -1. */
static __device__ int
row_of (const Iso &g, uint32_t cell)
{
  int rank = shu_set_rank (g.active, cell);

  return rank < 0 ? -1 : g.row_of[rank];
}

static __device__ int
row_around (const Iso &g, const int (&v)[3], int c)
{
  uint32_t cell;

  return cell_around (g, v, c, &cell) ? row_of (g, cell) : -1;
}

static __device__ float
feature (const Iso &g, int row, int k)
{
  return __half2float (((const __half *) g.feats)[(size_t) row * g.K + k]);
}

static __device__ const int8_t *
case_of (const Iso &g, int id)
{
  return g.cases + id * CASE;
}

/* ---- cells ---- */

/* A thread a row: is it in the grid, and alone in its cell? */
static __global__ void
mark_cells (Iso g)
{
  for (size_t i = shu_task (); i < g.n; i += shu_task_step ()) {
    int c[3] = {g.coords[3 * i], g.coords[3 * i + 1], g.coords[3 * i + 2]};
    uint32_t id = cell_at (g, c), bit = 1u << id % 32;

    if (!in_grid (g, c))
      atomicOr (g.wrong, SHU_CUDA_ISO_OUTSIDE);
    else if (atomicOr (&g.active.bits[id / 32], bit) & bit)
      atomicOr (g.wrong, SHU_CUDA_ISO_TWICE);
  }
}

static __global__ void
check_features (Iso g)
{
  for (size_t i = shu_task (); i < g.n * g.K; i += shu_task_step ())
    if (!isfinite (__half2float (((const __half *) g.feats)[i])))
      atomicOr (g.wrong, SHU_CUDA_ISO_NOT_FINITE);
}

/* Rows by rank; grid vertices of cells.  A thread a corner of a row. */
static __global__ void
touch_vertices (Iso g)
{
  for (size_t i = shu_task (); i < 8 * g.n; i += shu_task_step ()) {
    const int *at = g.coords + i / 8 * 3;
    int c[3] = {at[0], at[1], at[2]}, rank;

    if (!in_grid (g, c))
      continue;
    shu_set_add (g.touched, corner_of_cell (g, c, i % 8));
    rank = shu_set_rank (g.active, cell_at (g, c));
    if (i % 8 == 0)
      g.row_of[rank] = (int) (i / 8);
  }
}

extern "C" cudaError_t
shu_launch_iso_index (const ShuCudaIsosurface *g, cudaStream_t stream)
{
  if (g->n < 1 || g->n > 1 << 28 || g->R < 1 || g->R > SHU_CUDA_ISO_MAX_R)
    return cudaErrorInvalidValue;
  mark_cells<<<shu_blocks (g->n), SHU_THREADS, 0, stream>>> (*g);
  check_features<<<shu_blocks (g->n * g->K), SHU_THREADS, 0, stream>>> (*g);
  shu_set_seal (g->active, &g->totals[SHU_CUDA_ISO_ACTIVE], g->sums, stream);
  touch_vertices<<<shu_blocks (8 * g->n), SHU_THREADS, 0, stream>>> (*g);
  shu_set_seal (g->touched, &g->totals[SHU_CUDA_ISO_TOUCHED], g->sums, stream);
  return cudaGetLastError ();
}

/* ---- distances ---- */

/* Mean distance of each grid vertex over the cells around it, bias included;
 * cells around an inside vertex are candidates for the surface.  A thread a
 * vertex. */
static __global__ void
average_sdf (Iso g)
{
  for (size_t i = shu_task (); i < g.n_touched; i += shu_task_step ()) {
    int v[3], n = 0;
    double sum = 0;
    uint32_t cell;

    unpack (g.vertices[i], g.R + 1, v);
    for (int c = 0; c < 8; c++) {
      int row = row_around (g, v, c);

      if (row >= 0) {
        sum += feature (g, row, SDF + c);
        n++;
      }
    }
    g.sdf[i] = (float) (sum / n + -1.0 / g.R);
    for (int c = 0; c < 8 && g.sdf[i] < 0; c++)
      if (cell_around (g, v, c, &cell))
        shu_set_add (g.candidates, cell);
  }
}

extern "C" cudaError_t
shu_launch_iso_average (const ShuCudaIsosurface *g, cudaStream_t stream)
{
  shu_set_list<<<shu_blocks (g->touched.words), SHU_THREADS, 0, stream>>> (
      g->vertices, g->touched);
  average_sdf<<<shu_blocks (g->n_touched), SHU_THREADS, 0, stream>>> (*g);
  shu_set_seal (
      g->candidates, &g->totals[SHU_CUDA_ISO_CANDIDATES], g->sums, stream);
  return cudaGetLastError ();
}

/* ---- surface cells ---- */

static __device__ float
sdf_at (const Iso &g, uint32_t vertex)
{
  int rank = shu_set_rank (g.touched, vertex);

  return rank < 0 ? 1.f : g.sdf[rank];
}

static __device__ int
find_case (const Iso &g, uint32_t id)
{
  int cell[3], number = 0;

  unpack (id, g.R, cell);
  for (int c = 0; c < 8; c++)
    number |= (sdf_at (g, corner_of_cell (g, cell, c)) < 0) << c;
  return number;
}

/* Candidates that do not lie wholly inside, and their grid vertices; a thread
 * a candidate */
static __global__ void
select_surface (Iso g)
{
  for (size_t i = shu_task (); i < g.n_candidates; i += shu_task_step ()) {
    uint32_t id = g.candidate_ids[i];
    int cell[3];

    if (find_case (g, id) == 255)
      continue;
    shu_set_add (g.surface, id);
    unpack (id, g.R, cell);
    for (int c = 0; c < 8; c++)
      shu_set_add (g.corner_set, corner_of_cell (g, cell, c));
  }
}

extern "C" cudaError_t
shu_launch_iso_select (const ShuCudaIsosurface *g, cudaStream_t stream)
{
  if (g->n_candidates > 0) {
    shu_set_list<<<shu_blocks (g->candidates.words), SHU_THREADS, 0, stream>>> (
        g->candidate_ids, g->candidates);
    select_surface<<<shu_blocks (g->n_candidates), SHU_THREADS, 0, stream>>> (
        *g);
  }
  shu_set_seal (g->surface, &g->totals[SHU_CUDA_ISO_SURFACE], g->sums, stream);
  shu_set_seal (
      g->corner_set, &g->totals[SHU_CUDA_ISO_CORNERS], g->sums, stream);
  return cudaGetLastError ();
}

static __global__ void
find_cases (Iso g)
{
  for (size_t i = shu_task (); i < g.n_surface; i += shu_task_step ())
    g.original[i] = (uint8_t) find_case (g, g.cells[i]);
}

/* Two cells that share an ambiguous face and would both join across it are
 * inverted, or their surfaces would not fit. */
static __global__ void
resolve_ambiguity (Iso g)
{
  for (size_t i = shu_task (); i < g.n_surface; i += shu_task_step ()) {
    int id = g.original[i], dir = case_of (g, id)[CASE - 1], cell[3], other;

    g.case_id[i] = (uint8_t) id;
    if (dir < 0)
      continue;
    unpack (g.cells[i], g.R, cell);
    for (int axis = 0; axis < 3; axis++)
      cell[axis] += axis != dir / 2 ? 0 : dir & 1 ? 1 : -1;
    other =
        in_grid (g, cell) ? shu_set_rank (g.surface, cell_at (g, cell)) : -1;
    if (other >= 0 && case_of (g, g.original[other])[CASE - 1] >= 0)
      g.case_id[i] = (uint8_t) (255 - id);
  }
}

/* Vertices of cells with one dual vertex come first, then those with two... */
struct DualVertices {
  const uint8_t *case_id;
  const int8_t *cases;
  size_t n;

  __device__ uint32_t operator() (size_t i) const
  {
    uint32_t wanted = (uint32_t) (i / n) + 1;

    return cases[case_id[i % n] * CASE] == (int) wanted ? wanted : 0;
  }
};

extern "C" cudaError_t
shu_launch_iso_number (const ShuCudaIsosurface *g, cudaStream_t stream)
{
  const DualVertices in = {g->case_id, g->cases, g->n_surface};

  if (g->n_surface > 0) {
    shu_set_list<<<shu_blocks (g->surface.words), SHU_THREADS, 0, stream>>> (
        g->cells, g->surface);
    find_cases<<<shu_blocks (g->n_surface), SHU_THREADS, 0, stream>>> (*g);
    resolve_ambiguity<<<shu_blocks (g->n_surface), SHU_THREADS, 0, stream>>> (
        *g);
  }
  shu_scan (g->first_dual, &g->totals[SHU_CUDA_ISO_DUALS], g->sums, in,
      MAX_DUAL * g->n_surface, stream);
  return cudaGetLastError ();
}

static __device__ uint32_t
first_dual (const Iso &g, size_t i)
{
  int n_dual = case_of (g, g.case_id[i])[0];

  return g.first_dual[(n_dual - 1) * g.n_surface + i];
}

/* ---- vertices ---- */

/* Of a grid vertex of surface cells: distance, position, colour */
typedef struct {
  float sdf, pos[3], color[6];
} Corner;

static_assert ((int) CASE == (int) SHU_CUDA_ISO_CASE, "");
static_assert ((int) SHU_SCAN_TILE == (int) SHU_CUDA_ISO_SCAN, "");
static_assert (sizeof (Corner) == SHU_CUDA_ISO_CORNER * sizeof (float), "");

static __device__ double
sigmoid (double x)
{
  return 1 / (1 + exp (-x));
}

/* 1 + 0.99 tanh (x), product and sum apart */
static __device__ double
weight_of (float x)
{
  return __dadd_rn (1, __dmul_rn (0.99, tanh ((double) x)));
}

/* A thread a vertex */
static __global__ void
compute_corners (Iso g)
{
  for (size_t i = shu_task (); i < g.n_corners; i += shu_task_step ()) {
    uint32_t vertex = g.corner_ids[i];
    double deform[3] = {0}, color[6] = {0};
    Corner to;
    int v[3], n = 0;

    unpack (vertex, g.R + 1, v);
    for (int c = 0; c < 8; c++) {
      int row = row_around (g, v, c);

      if (row < 0)
        continue;
      n++;
      for (int k = 0; k < 3; k++)
        deform[k] += feature (g, row, DEFORM + 3 * c + k);
      for (int k = 0; g.attr && k < 6; k++)
        color[k] += feature (g, row, COLOR + 6 * c + k);
    }
    n = max (1, n);
    to.sdf = sdf_at (g, vertex);
    for (int k = 0; k < 3; k++)
      to.pos[k] = (float) ((double) v[k] / g.R - 0.5 +
                           tanh (deform[k] / n) / (2.0 * g.R));
    for (int k = 0; k < 6; k++)
      to.color[k] = (float) sigmoid (color[k] / n);
    ((Corner *) g.corners)[i] = to;
  }
}

static __device__ const Corner &
corner_at (const Iso &g, const int (&cell)[3], int c)
{
  return (
      (const Corner *)
          g.corners)[shu_set_rank (g.corner_set, corner_of_cell (g, cell, c))];
}

/* t a + (1 - t) b, products and sums apart */
static __device__ double
between (double t, double a, double b)
{
  return __dadd_rn (__dmul_rn (t, a), __dmul_rn (1 - t, b));
}

/* A cell's dual vertices: beta-weighted means of the zero crossings.  A thread
 * a cell. */
static __global__ void
emit_cells (Iso g)
{
  for (size_t i = shu_task (); i < g.n_surface; i += shu_task_step ()) {
    const int8_t *kase = case_of (g, g.case_id[i]);
    double sum[MAX_DUAL][9] = {{0}}, weight[MAX_DUAL] = {0};
    int row = row_of (g, g.cells[i]), cell[3];

    unpack (g.cells[i], g.R, cell);
    for (int e = 0; e < EDGES; e++) {
      int a = edge_corner[e][0], b = edge_corner[e][1], group = kase[1 + e];
      double w0, w1, beta, t;

      if (group < 0)
        continue;
      const Corner &ca = corner_at (g, cell, a), &cb = corner_at (g, cell, b);

      w0 = ca.sdf * (row < 0 ? 1 : weight_of (feature (g, row, ALPHA + a)));
      w1 = cb.sdf * (row < 0 ? 1 : weight_of (feature (g, row, ALPHA + b)));
      beta = row < 0 ? 1 : weight_of (feature (g, row, BETA + e));
      t = w1 / __dsub_rn (w1, w0); /* share of the first corner */
      for (int k = 0; k < 3; k++)
        sum[group][k] = __dadd_rn (
            sum[group][k], __dmul_rn (beta, between (t, ca.pos[k], cb.pos[k])));
      for (int k = 0; g.attr && k < 6; k++)
        sum[group][3 + k] = __dadd_rn (sum[group][3 + k],
            __dmul_rn (beta, between (t, ca.color[k], cb.color[k])));
      weight[group] += beta;
    }
    for (int d = 0; d < kase[0]; d++) {
      size_t v = first_dual (g, i) + d;

      for (int k = 0; k < 3; k++)
        g.pos[3 * v + k] = (float) (sum[d][k] / weight[d]);
      for (int k = 0; g.attr && k < 6; k++)
        g.attr[6 * v + k] = (float) (sum[d][3 + k] / weight[d]);
    }
    g.gamma[i] =
        row < 0
            ? 0.5f
            : (float) __dadd_rn (
                  __dmul_rn (0.99, sigmoid (feature (g, row, GAMMA))), 0.005);
  }
}

/* ---- faces ---- */

/* Edge number of a cell from its low corner and its axis. */
static __device__ int
edge_number (int low, int axis)
{
  int high = low | 1 << axis, e = 0;

  while (min (edge_corner[e][0], edge_corner[e][1]) != low ||
         max (edge_corner[e][0], edge_corner[e][1]) != high)
    e++;
  return e;
}

/* The quad across the grid edge that starts at corner @i.  @k: 0 the edge
 * down along y, 1 up along z, 2 up along x.  Returns: 0 if there is none, 1 if
 * its first end is positive, else 2 */
static __device__ int
find_quad (const Iso &g, size_t i, int k, int (&cells)[4], int (&duals)[4])
{
  const Corner *corners = (const Corner *) g.corners;
  int axis = k == 0 ? 1 : k == 1 ? 2 : 0;
  int B = axis == 0 ? 1 : 0, C = axis == 2 ? 1 : 2;
  float s = corners[i].sdf;
  int low[3], step[3] = {0, 0, 0}, other;

  unpack (g.corner_ids[i], g.R + 1, low);
  step[axis] = k == 0 ? -1 : 1;
  if (low[axis] + step[axis] < 0 || low[axis] + step[axis] > g.R)
    return 0;
  other = shu_set_rank (g.corner_set,
      vertex_at (g, low[0] + step[0], low[1] + step[1], low[2] + step[2]));
  if (other < 0 || (s < 0) == (corners[other].sdf < 0))
    return 0;
  low[axis] -= k == 0;
  for (int q = 0; q < 4; q++) {
    int b = q >> 1, c = q & 1, cell[3] = {low[0], low[1], low[2]}, rank;

    cell[B] += b - 1;
    cell[C] += c - 1;
    if (!in_grid (g, cell))
      return 0;
    rank = shu_set_rank (g.surface, cell_at (g, cell));
    cells[q] = rank;
    duals[q] = (int) first_dual (g, rank) +
               case_of (g,
                   g.case_id[rank])[1 + edge_number (
                                            (1 - b) << B | (1 - c) << C, axis)];
  }
  return s > 0 ? 1 : 2;
}

static __global__ void
find_quads (Iso g)
{
  int cells[4], duals[4];

  for (size_t i = shu_task (); i < 3 * g.n_corners; i += shu_task_step ())
    g.kinds[i] = (uint8_t) find_quad (g, i / 3, (int) (i % 3), cells, duals);
}

/* Quads whose first end is positive come first. */
struct Quads {
  const uint8_t *kinds;
  size_t n;

  __device__ uint32_t operator() (size_t i) const
  {
    return kinds[i % n] == (int) (i / n) + 1;
  }
};

extern "C" cudaError_t
shu_launch_iso_vertices (const ShuCudaIsosurface *g, cudaStream_t stream)
{
  const Quads in = {g->kinds, 3 * g->n_corners};

  if (g->n_surface > 0) {
    shu_set_list<<<shu_blocks (g->corner_set.words), SHU_THREADS, 0, stream>>> (
        g->corner_ids, g->corner_set);
    compute_corners<<<shu_blocks (g->n_corners, 128), 128, 0, stream>>> (*g);
    emit_cells<<<shu_blocks (g->n_surface, 128), 128, 0, stream>>> (*g);
    find_quads<<<shu_blocks (3 * g->n_corners), SHU_THREADS, 0, stream>>> (*g);
  }
  shu_scan (g->quad_at, &g->totals[SHU_CUDA_ISO_QUADS], g->sums, in,
      6 * g->n_corners, stream);
  return cudaGetLastError ();
}

/* Two triangles, split along the diagonal with the larger product of gamma. */
static __global__ void
emit_faces (Iso g)
{
  for (size_t i = shu_task (); i < 3 * g.n_corners; i += shu_task_step ()) {
    int kind = g.kinds[i], cells[4], duals[4], *to;
    float even, odd;

    if (kind == 0)
      continue;
    find_quad (g, i / 3, (int) (i % 3), cells, duals);
    to = g.faces + 6 * (size_t) g.quad_at[(kind - 1) * 3 * g.n_corners + i];

    /* around the quad: 0 1 3 2, or 2 3 1 0 */
    const int o[4] = {kind == 1 ? 0 : 2, kind == 1 ? 1 : 3, kind == 1 ? 3 : 1,
        kind == 1 ? 2 : 0};

    even = __fmul_rn (g.gamma[cells[o[0]]], g.gamma[cells[o[2]]]);
    odd = __fmul_rn (g.gamma[cells[o[1]]], g.gamma[cells[o[3]]]);
    to[0] = duals[o[0]];
    to[1] = duals[o[1]];
    to[2] = duals[o[even > odd ? 2 : 3]];
    to[3] = duals[o[even > odd ? 0 : 3]];
    to[4] = duals[o[even > odd ? 2 : 1]];
    to[5] = duals[o[even > odd ? 3 : 2]];
  }
}

extern "C" cudaError_t
shu_launch_iso_faces (const ShuCudaIsosurface *g, cudaStream_t stream)
{
  if (g->n_corners == 0)
    return cudaSuccess;
  emit_faces<<<shu_blocks (3 * g->n_corners), SHU_THREADS, 0, stream>>> (*g);
  return cudaGetLastError ();
}
