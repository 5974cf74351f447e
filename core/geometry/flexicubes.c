/* SPDX-License-Identifier: MIT */
/* FlexiCubes over sparse cells.
 *
 *   cells -> grid vertices (mean sdf) -> surface cells and their cases
 *         -> dual vertices, one per group of crossing edges
 *         -> one quad per crossing grid edge that four cells share
 *
 * Traps: cells without features can be surface cells, because grid vertices
 * that no cell touches count as outside; the ambiguity test looks at the
 * original cases only; an sdf of exactly 0 is outside, yet orients its quads
 * like a negative one.  Ids are linear with x slowest. */
#include "flexicubes.h"
#include "flexicubes_tables.h"
#include "rankset_private.h"
#include "base/error.h"
#include <math.h>

enum {
  MAX_RESOLUTION = 512,
  SDF = 0,
  DEFORM = 8,
  BETA = 32,
  ALPHA = 44,
  GAMMA = 52,
  COLOR = 53,
  N_PLAIN = 53,
  N_COLORED = 101,
};

/* Corners of surface cells, with what interpolation needs. */
typedef struct {
  float sdf;
  float pos[3];
  float color[6];
} Corner;

typedef struct {
  const ShuFlexiCubesInput *in;
  int R;
  RankSet active;     /* cells that have features */
  int *row_of;        /* their rows, by rank */
  RankSet touched;    /* grid vertices of active cells */
  float *sdf;         /* by rank */
  RankSet candidates; /* cells around an inside vertex */
  RankSet surface;    /* cells with corners of both signs */
  guint32 *cells;     /* their ids, ascending */
  guint8 *case_id;
  guint32 *first_dual; /* number of their first dual vertex */
  float *gamma;
  RankSet corner_set; /* grid vertices of surface cells */
  guint32 *corner_ids;
  Corner *corners;
} Grid;

static void
grid_clear (Grid *g)
{
  rank_set_clear (&g->active);
  rank_set_clear (&g->touched);
  rank_set_clear (&g->candidates);
  rank_set_clear (&g->surface);
  rank_set_clear (&g->corner_set);
  g_free (g->row_of);
  g_free (g->sdf);
  g_free (g->cells);
  g_free (g->case_id);
  g_free (g->first_dual);
  g_free (g->gamma);
  g_free (g->corner_ids);
  g_free (g->corners);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Grid, grid_clear)

static guint32
cell_at (const Grid *g, int x, int y, int z)
{
  return ((guint32) x * g->R + y) * g->R + z;
}

static guint32
vertex_at (const Grid *g, int x, int y, int z)
{
  return ((guint32) x * (g->R + 1) + y) * (g->R + 1) + z;
}

static void
unpack (guint32 id, int side, int *ret_xyz)
{
  ret_xyz[2] = id % side;
  ret_xyz[1] = id / side % side;
  ret_xyz[0] = id / side / side;
}

static gboolean
cell_in_grid (const Grid *g, const int *c)
{
  return c[0] >= 0 && c[1] >= 0 && c[2] >= 0 && c[0] < g->R && c[1] < g->R &&
         c[2] < g->R;
}

/* The cell whose corner @c is the grid vertex at @v; FALSE outside. */
static gboolean
cell_around (const Grid *g, const int *v, int c, guint32 *ret_id)
{
  int cell[3] = {v[0] - (c & 1), v[1] - (c >> 1 & 1), v[2] - (c >> 2 & 1)};

  if (!cell_in_grid (g, cell))
    return FALSE;
  *ret_id = cell_at (g, cell[0], cell[1], cell[2]);
  return TRUE;
}

static guint32
corner_of_cell (const Grid *g, const int *cell, int c)
{
  return vertex_at (
      g, cell[0] + (c & 1), cell[1] + (c >> 1 & 1), cell[2] + (c >> 2 & 1));
}

static const float *
feats_of_cell (const Grid *g, guint32 id)
{
  int rank = rank_set_rank (&g->active, id);

  if (rank < 0)
    return NULL;
  return g->in->feats + (gsize) g->row_of[rank] * g->in->n_channels;
}

static const gint32 *
coords_of_row (const ShuFlexiCubesInput *in, int row)
{
  return in->coords + (gsize) row * in->coord_stride + in->coord_stride - 3;
}

static gboolean
check_input (const ShuFlexiCubesInput *in, GError **error)
{
  gsize n;
  gboolean finite = TRUE;

  if (in->resolution < 1 || in->resolution > MAX_RESOLUTION) {
    g_set_error (error, SHU_ERROR, SHU_ERROR_LIMIT,
        "surface extraction: resolution %d, expected 1..%d", in->resolution,
        MAX_RESOLUTION);
    return FALSE;
  }
  if (in->n_channels != N_PLAIN && in->n_channels != N_COLORED) {
    g_set_error (error, SHU_ERROR, SHU_ERROR_INVALID,
        "surface extraction: %d channels a cell, expected %d or %d",
        in->n_channels, N_PLAIN, N_COLORED);
    return FALSE;
  }
  if (in->n_cells < 1) {
    g_set_error (error, SHU_ERROR, SHU_ERROR_INVALID,
        "surface extraction: no cells, so there is no surface");
    return FALSE;
  }

  n = (gsize) in->n_cells * in->n_channels;
#pragma omp parallel for reduction(&& : finite)
  for (gsize i = 0; i < n; i++)
    finite = finite && isfinite (in->feats[i]);
  if (!finite) {
    g_set_error (error, SHU_ERROR, SHU_ERROR_INVALID,
        "surface extraction: a feature is not finite");
    return FALSE;
  }
  return TRUE;
}

/* Says which cell is the first that cannot be. */
static void
explain_cells (const Grid *g, GError **error)
{
  g_autoptr (GHashTable) seen = g_hash_table_new (NULL, NULL);

  for (int row = 0; row < g->in->n_cells; row++) {
    const gint32 *c = coords_of_row (g->in, row);
    gboolean inside = cell_in_grid (g, c);

    if (inside && g_hash_table_add (
                      seen, GUINT_TO_POINTER (cell_at (g, c[0], c[1], c[2]))))
      continue;
    if (inside)
      g_set_error (error, SHU_ERROR, SHU_ERROR_INVALID,
          "cell %d: (%d, %d, %d) is there twice", row, c[0], c[1], c[2]);
    else
      g_set_error (error, SHU_ERROR, SHU_ERROR_INVALID,
          "cell %d: (%d, %d, %d) is outside the grid of side %d", row, c[0],
          c[1], c[2], g->R);
    return;
  }
}

static gboolean
index_cells (Grid *g, GError **error)
{
  const ShuFlexiCubesInput *in = g->in;
  gboolean fits = TRUE;

  rank_set_init (&g->active, (gsize) g->R * g->R * g->R);
#pragma omp parallel for reduction(&& : fits)
  for (int row = 0; row < in->n_cells; row++) {
    const gint32 *c = coords_of_row (in, row);

    fits = cell_in_grid (g, c) &&
           rank_set_add (&g->active, cell_at (g, c[0], c[1], c[2])) && fits;
  }
  if (!fits) {
    explain_cells (g, error);
    return FALSE;
  }
  rank_set_seal (&g->active);

  g->row_of = g_new (int, in->n_cells);
#pragma omp parallel for
  for (int row = 0; row < in->n_cells; row++) {
    const gint32 *c = coords_of_row (in, row);

    g->row_of[rank_set_rank (&g->active, cell_at (g, c[0], c[1], c[2]))] = row;
  }
  return TRUE;
}

/* Mean sdf of each grid vertex over the cells around it, bias included. */
static void
average_sdf (Grid *g)
{
  const double bias = -1.0 / g->R;
  g_autofree guint32 *ids = NULL;

  rank_set_init (&g->touched, (gsize) (g->R + 1) * (g->R + 1) * (g->R + 1));
#pragma omp parallel for
  for (int row = 0; row < g->in->n_cells; row++)
    for (int c = 0; c < 8; c++)
      rank_set_add (
          &g->touched, corner_of_cell (g, coords_of_row (g->in, row), c));
  rank_set_seal (&g->touched);
  ids = rank_set_members (&g->touched);

  g->sdf = g_new (float, g->touched.n);
#pragma omp parallel for
  for (guint32 i = 0; i < g->touched.n; i++) {
    int v[3], n = 0;
    double sum = 0;
    guint32 id;

    unpack (ids[i], g->R + 1, v);
    for (int c = 0; c < 8; c++) {
      const float *f =
          cell_around (g, v, c, &id) ? feats_of_cell (g, id) : NULL;

      if (f) {
        sum += f[SDF + c];
        n++;
      }
    }
    g->sdf[i] = sum / n + bias;
  }

  rank_set_init (&g->candidates, (gsize) g->R * g->R * g->R);
#pragma omp parallel for
  for (guint32 i = 0; i < g->touched.n; i++) {
    int v[3];
    guint32 id;

    if (g->sdf[i] >= 0)
      continue;
    unpack (ids[i], g->R + 1, v);
    for (int c = 0; c < 8; c++)
      if (cell_around (g, v, c, &id))
        rank_set_add (&g->candidates, id);
  }
}

static float
sdf_at (const Grid *g, guint32 vertex)
{
  int rank = rank_set_rank (&g->touched, vertex);

  return rank < 0 ? 1.0f : g->sdf[rank];
}

static int
case_of_cell (const Grid *g, guint32 id)
{
  int cell[3], number = 0;

  unpack (id, g->R, cell);
  for (int c = 0; c < 8; c++)
    number |= (sdf_at (g, corner_of_cell (g, cell, c)) < 0) << c;
  return number;
}

/* The candidates that do not lie wholly inside. */
static void
select_surface (Grid *g)
{
  g_autofree guint32 *ids = NULL;

  rank_set_seal (&g->candidates);
  ids = rank_set_members (&g->candidates);
  rank_set_init (&g->surface, (gsize) g->R * g->R * g->R);
#pragma omp parallel for
  for (guint32 i = 0; i < g->candidates.n; i++)
    if (case_of_cell (g, ids[i]) != 255)
      rank_set_add (&g->surface, ids[i]);
  rank_set_seal (&g->surface);
  g->cells = rank_set_members (&g->surface);
  g->case_id = g_new (guint8, g->surface.n + 1);
#pragma omp parallel for
  for (guint32 i = 0; i < g->surface.n; i++)
    g->case_id[i] = case_of_cell (g, g->cells[i]);
}

/* Two cells that share an ambiguous face and would both join across it are
 * inverted, or their surfaces would not fit. */
static void
resolve_ambiguity (Grid *g)
{
  const ShuFlexCase *cases = shu_flex_cases ();
  guint8 *resolved = g_new (guint8, g->surface.n + 1);

#pragma omp parallel for
  for (guint32 i = 0; i < g->surface.n; i++) {
    int dir = cases[g->case_id[i]].flag_dir;
    int cell[3], other;

    resolved[i] = g->case_id[i];
    if (dir < 0)
      continue;
    unpack (g->cells[i], g->R, cell);
    cell[dir / 2] += dir & 1 ? 1 : -1;
    if (!cell_in_grid (g, cell))
      continue;
    other = rank_set_rank (&g->surface, cell_at (g, cell[0], cell[1], cell[2]));
    if (other >= 0 && cases[g->case_id[other]].flag_dir >= 0)
      resolved[i] = 255 - g->case_id[i];
  }
  g_free (g->case_id);
  g->case_id = resolved;
}

/* Vertices of cells with one dual vertex come first, then those with two... */
static int
number_dual_vertices (Grid *g)
{
  const ShuFlexCase *cases = shu_flex_cases ();
  guint32 next = 0;

  g->first_dual = g_new (guint32, g->surface.n + 1);
  for (int n_dual = 1; n_dual <= SHU_FLEX_MAX_DUAL; n_dual++)
    for (guint32 i = 0; i < g->surface.n; i++)
      if (cases[g->case_id[i]].n_dual == n_dual) {
        g->first_dual[i] = next;
        next += n_dual;
      }
  return next;
}

static double
sigmoid (double x)
{
  return 1 / (1 + exp (-x));
}

static void
compute_corner (const Grid *g, guint32 vertex, Corner *ret)
{
  gboolean colored = g->in->n_channels == N_COLORED;
  double deform[3] = {0}, color[6] = {0};
  int v[3], n = 0;
  guint32 id;

  unpack (vertex, g->R + 1, v);
  for (int c = 0; c < 8; c++) {
    const float *f = cell_around (g, v, c, &id) ? feats_of_cell (g, id) : NULL;

    if (!f)
      continue;
    n++;
    for (int i = 0; i < 3; i++)
      deform[i] += f[DEFORM + 3 * c + i];
    for (int i = 0; colored && i < 6; i++)
      color[i] += f[COLOR + 6 * c + i];
  }
  n = MAX (1, n);
  ret->sdf = sdf_at (g, vertex);
  for (int i = 0; i < 3; i++)
    ret->pos[i] =
        (double) v[i] / g->R - 0.5 + tanh (deform[i] / n) / (2.0 * g->R);
  for (int i = 0; i < 6; i++)
    ret->color[i] = sigmoid (color[i] / n);
}

static void
compute_corners (Grid *g)
{
  rank_set_init (&g->corner_set, (gsize) (g->R + 1) * (g->R + 1) * (g->R + 1));
#pragma omp parallel for
  for (guint32 i = 0; i < g->surface.n; i++) {
    int cell[3];

    unpack (g->cells[i], g->R, cell);
    for (int c = 0; c < 8; c++)
      rank_set_add (&g->corner_set, corner_of_cell (g, cell, c));
  }
  rank_set_seal (&g->corner_set);
  g->corner_ids = rank_set_members (&g->corner_set);
  g->corners = g_new (Corner, g->corner_set.n + 1);
#pragma omp parallel for
  for (guint32 i = 0; i < g->corner_set.n; i++)
    compute_corner (g, g->corner_ids[i], &g->corners[i]);
}

/* One cell's dual vertices: beta-weighted means of the zero crossings. */
static void
emit_cell (const Grid *g, guint32 i, ShuMesh *mesh)
{
  const ShuFlexCase *kase = &shu_flex_cases ()[g->case_id[i]];
  const float *f = feats_of_cell (g, g->cells[i]);
  double sum[SHU_FLEX_MAX_DUAL][9] = {{0}}, weight[SHU_FLEX_MAX_DUAL] = {0};
  int cell[3];

  unpack (g->cells[i], g->R, cell);
  for (int e = 0; e < SHU_FLEX_EDGES; e++) {
    int a = shu_flex_edge[e][0], b = shu_flex_edge[e][1];
    int group = kase->group_of_edge[e];
    const Corner *ca, *cb;
    double w0, w1, beta, t;

    if (group < 0)
      continue;
    ca = &g->corners[rank_set_rank (
        &g->corner_set, corner_of_cell (g, cell, a))];
    cb = &g->corners[rank_set_rank (
        &g->corner_set, corner_of_cell (g, cell, b))];
    w0 = ca->sdf * (f ? 1 + 0.99 * tanh (f[ALPHA + a]) : 1);
    w1 = cb->sdf * (f ? 1 + 0.99 * tanh (f[ALPHA + b]) : 1);
    beta = f ? 1 + 0.99 * tanh (f[BETA + e]) : 1;
    t = w1 / (w1 - w0); /* share of the first corner; the signs differ */
    for (int k = 0; k < 3; k++)
      sum[group][k] += beta * (t * ca->pos[k] + (1 - t) * cb->pos[k]);
    for (int k = 0; k < 6; k++)
      sum[group][3 + k] += beta * (t * ca->color[k] + (1 - t) * cb->color[k]);
    weight[group] += beta;
  }

  for (int d = 0; d < kase->n_dual; d++) {
    gsize v = g->first_dual[i] + d;

    for (int k = 0; k < 3; k++)
      mesh->pos[3 * v + k] = sum[d][k] / weight[d];
    for (int k = 0; mesh->attr && k < 6; k++)
      mesh->attr[6 * v + k] = sum[d][3 + k] / weight[d];
  }
  g->gamma[i] = f ? 0.99 * sigmoid (f[GAMMA]) + 0.005 : 0.5;
}

/* Edge number of a cell from its low corner and its axis. */
static int
edge_number (int low, int axis)
{
  int high = low | 1 << axis;

  for (int e = 0; e < SHU_FLEX_EDGES; e++)
    if (MIN (shu_flex_edge[e][0], shu_flex_edge[e][1]) == low &&
        MAX (shu_flex_edge[e][0], shu_flex_edge[e][1]) == high)
      return e;
  g_assert_not_reached ();
}

/* The quad across the grid edge that starts at corner @i.  @k: 0 the edge
 * down along y, 1 up along z, 2 up along x: ascending ids of the other end.
 *
 * Returns: 0 if there is none, 1 if its first end is positive, else 2 */
static int
find_quad (const Grid *g, guint32 i, int k, int *ret_cells, int *ret_duals)
{
  static const int axis_of[3] = {1, 2, 0};
  int axis = axis_of[k], B = axis == 0 ? 1 : 0, C = axis == 2 ? 1 : 2;
  float s = g->corners[i].sdf;
  int low[3], end[3], other;

  unpack (g->corner_ids[i], g->R + 1, low);
  for (int d = 0; d < 3; d++)
    end[d] = low[d];
  end[axis] += k == 0 ? -1 : 1;
  if (end[axis] < 0 || end[axis] > g->R)
    return 0;
  if (k == 0)
    low[axis]--;
  other = rank_set_rank (&g->corner_set, vertex_at (g, end[0], end[1], end[2]));
  if (other < 0 || (s < 0) == (g->corners[other].sdf < 0))
    return 0;

  for (int q = 0; q < 4; q++) {
    int b = q >> 1, c = q & 1, cell[3] = {low[0], low[1], low[2]};
    int corner = (1 - b) << B | (1 - c) << C, rank;
    const ShuFlexCase *kase;

    cell[B] += b - 1;
    cell[C] += c - 1;
    if (!cell_in_grid (g, cell))
      return 0;
    rank = rank_set_rank (&g->surface, cell_at (g, cell[0], cell[1], cell[2]));
    g_assert (rank >= 0);
    kase = &shu_flex_cases ()[g->case_id[rank]];
    ret_cells[q] = rank;
    ret_duals[q] =
        g->first_dual[rank] + kase->group_of_edge[edge_number (corner, axis)];
  }
  return s > 0 ? 1 : 2;
}

/* Two triangles, split along the diagonal with the larger product of gamma. */
static void
emit_quad (const Grid *g, const int *cells, const int *duals, int kind,
    gint32 *ret_faces)
{
  static const int order[2][4] = {{0, 1, 3, 2}, {2, 3, 1, 0}};
  static const int split[2][6] = {{0, 1, 3, 3, 1, 2}, {0, 1, 2, 0, 2, 3}};
  const int *o = order[kind - 1];
  float g02 = g->gamma[cells[o[0]]] * g->gamma[cells[o[2]]];
  float g13 = g->gamma[cells[o[1]]] * g->gamma[cells[o[3]]];

  for (int k = 0; k < 6; k++)
    ret_faces[k] = duals[o[split[g02 > g13][k]]];
}

static gint32 *
emit_faces (const Grid *g, int *ret_n_faces)
{
  guint32 n = g->corner_set.n, next = 0;
  g_autofree guint8 *kinds = g_new (guint8, 3 * (gsize) n + 1);
  g_autofree guint32 *at = g_new (guint32, 3 * (gsize) n + 1);
  gint32 *faces;
  int cells[4], duals[4];

#pragma omp parallel for private(cells, duals)
  for (guint32 i = 0; i < n; i++)
    for (int k = 0; k < 3; k++)
      kinds[3 * (gsize) i + k] = find_quad (g, i, k, cells, duals);
  for (int kind = 1; kind <= 2; kind++)
    for (gsize i = 0; i < 3 * (gsize) n; i++)
      if (kinds[i] == kind)
        at[i] = next++;

  faces = g_new (gint32, 6 * (gsize) next + 1);
#pragma omp parallel for private(cells, duals)
  for (guint32 i = 0; i < n; i++)
    for (int k = 0; k < 3; k++) {
      int kind = kinds[3 * (gsize) i + k];

      if (!kind)
        continue;
      find_quad (g, i, k, cells, duals);
      emit_quad (
          g, cells, duals, kind, faces + 6 * (gsize) at[3 * (gsize) i + k]);
    }
  *ret_n_faces = 2 * next;
  return faces;
}

ShuMesh *
shu_flexicubes (const ShuFlexiCubesInput *in, GError **error)
{
  g_auto (Grid) g = {.in = in, .R = in->resolution};
  g_autofree gint32 *faces = NULL;
  ShuMesh *mesh;
  int n_verts, n_faces;

  g_return_val_if_fail (in->coord_stride == 3 || in->coord_stride == 4, NULL);

  if (!check_input (in, error) || !index_cells (&g, error))
    return NULL;
  average_sdf (&g);
  select_surface (&g);
  resolve_ambiguity (&g);
  n_verts = number_dual_vertices (&g);
  compute_corners (&g);

  g.gamma = g_new (float, g.surface.n + 1);
  mesh = shu_mesh_new (n_verts, 0, in->n_channels == N_COLORED, FALSE);
#pragma omp parallel for
  for (guint32 i = 0; i < g.surface.n; i++)
    emit_cell (&g, i, mesh);
  faces = emit_faces (&g, &n_faces);
  if (n_faces == 0) {
    shu_mesh_free (mesh);
    g_set_error (error, SHU_ERROR, SHU_ERROR_INVALID,
        "surface extraction: the sdf of %d cells changes its sign nowhere "
        "inside the grid, so there is no surface",
        in->n_cells);
    return NULL;
  }
  g_free (mesh->faces);
  mesh->faces = g_steal_pointer (&faces);
  mesh->n_faces = n_faces;
  return mesh;
}
