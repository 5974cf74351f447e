/* SPDX-License-Identifier: MIT */
#include "inspect.h"
#include "geometry/vec3_private.h"
#include <math.h>
#include <string.h>

typedef struct {
  double z;
  int step;
} Crossing;

static int
compare (gconstpointer a, gconstpointer b)
{
  const Crossing *l = a, *r = b;

  return l->z < r->z ? -1 : l->z > r->z;
}

static Vec3
corner (const ShuMesh *m, int f, int k)
{
  return vec3_load (m->pos + 3 * (gsize) m->faces[3 * (gsize) f + k]);
}

static double
side (Vec3 a, Vec3 b, double x, double y)
{
  return (b.x - a.x) * (y - a.y) - (b.y - a.y) * (x - a.x);
}

/* Where the line through (x,y) passes @f. */
static gboolean
crosses (const ShuMesh *m, int f, double x, double y, Crossing *ret)
{
  Vec3 a = corner (m, f, 0), b = corner (m, f, 1), c = corner (m, f, 2);
  double u = side (b, c, x, y), v = side (c, a, x, y), w = side (a, b, x, y);

  if (!((u > 0 && v > 0 && w > 0) || (u < 0 && v < 0 && w < 0)))
    return FALSE;
  ret->z = (u * a.z + v * b.z + w * c.z) / (u + v + w);
  ret->step = u > 0 ? -1 : 1; /* out through a face that looks up */
  return TRUE;
}

/* Columns of @n x @n over the unit cube, off the grids that meshes lie on. */
static double
column (int i, int n)
{
  return (i + 0.5 + 0.0137) / n * 1.0021 - 0.5;
}

static GArray **
all_crossings (const ShuMesh *m, int n)
{
  GArray **lines = g_new (GArray *, n * n);

  for (int i = 0; i < n * n; i++)
    lines[i] = g_array_new (FALSE, FALSE, sizeof (Crossing));
  for (int f = 0; f < m->n_faces; f++) {
    Vec3 a = corner (m, f, 0), b = corner (m, f, 1), c = corner (m, f, 2);
    double lo_x = MIN (a.x, MIN (b.x, c.x)), hi_x = MAX (a.x, MAX (b.x, c.x));
    double lo_y = MIN (a.y, MIN (b.y, c.y)), hi_y = MAX (a.y, MAX (b.y, c.y));
    int x0 = MAX (0, (int) ((lo_x + 0.5) * n) - 2);
    int y0 = MAX (0, (int) ((lo_y + 0.5) * n) - 2);

    for (int x = x0; x < n && column (x, n) <= hi_x; x++)
      for (int y = y0; y < n && column (y, n) <= hi_y; y++) {
        Crossing crossing;

        if (crosses (m, f, column (x, n), column (y, n), &crossing))
          g_array_append_val (lines[x * n + y], crossing);
      }
  }
  return lines;
}

Winding
inspect_winding (const ShuMesh *mesh, int n)
{
  GArray **lines = all_crossings (mesh, n);
  Winding w = {0, 0};

  for (int i = 0; i < n * n; i++) {
    int around = 0;

    g_array_sort (lines[i], compare);
    for (guint k = 0; k + 1 < lines[i]->len; k++) {
      const Crossing *c = &g_array_index (lines[i], Crossing, k);

      around += c->step;
      if (around == 1)
        w.once += c[1].z - c[0].z;
      else if (around != 0)
        w.otherwise += c[1].z - c[0].z;
    }
    g_array_unref (lines[i]);
  }
  g_free (lines);
  return w;
}

GArray *
inspect_spans (const ShuMesh *mesh, double x, double y)
{
  g_autoptr (GArray) line = g_array_new (FALSE, FALSE, sizeof (Crossing));
  GArray *spans = g_array_new (FALSE, FALSE, 2 * sizeof (double));
  int around = 0;

  for (int f = 0; f < mesh->n_faces; f++) {
    Crossing crossing;

    if (crosses (mesh, f, x, y, &crossing))
      g_array_append_val (line, crossing);
  }
  g_array_sort (line, compare);
  for (guint k = 0; k + 1 < line->len; k++) {
    const Crossing *c = &g_array_index (line, Crossing, k);
    double span[2] = {c[0].z, c[1].z};

    around += c->step;
    if (around == 1)
      g_array_append_vals (spans, span, 1);
  }
  return spans;
}

/* ---- distances ---- */

/* Closest point of a triangle (Ericson, Real-Time Collision Detection, 5.1.5)
 * as its squared distance. */
static double
triangle_distance2 (Vec3 p, Vec3 a, Vec3 b, Vec3 c)
{
  Vec3 ab = vec3_sub (b, a), ac = vec3_sub (c, a), ap = vec3_sub (p, a);
  Vec3 bp = vec3_sub (p, b), cp = vec3_sub (p, c), at = a;
  double d1 = vec3_dot (ab, ap), d2 = vec3_dot (ac, ap);
  double d3 = vec3_dot (ab, bp), d4 = vec3_dot (ac, bp);
  double d5 = vec3_dot (ab, cp), d6 = vec3_dot (ac, cp);
  double va = d3 * d6 - d5 * d4, vb = d5 * d2 - d1 * d6, vc = d1 * d4 - d3 * d2;

  if (d1 <= 0 && d2 <= 0)
    at = a;
  else if (d3 >= 0 && d4 <= d3)
    at = b;
  else if (d6 >= 0 && d5 <= d6)
    at = c;
  else if (vc <= 0 && d1 >= 0 && d3 <= 0)
    at = vec3_add (a, vec3_scale (ab, d1 / (d1 - d3)));
  else if (vb <= 0 && d2 >= 0 && d6 <= 0)
    at = vec3_add (a, vec3_scale (ac, d2 / (d2 - d6)));
  else if (va <= 0 && d4 >= d3 && d5 >= d6)
    at = vec3_add (
        b, vec3_scale (vec3_sub (c, b), (d4 - d3) / (d4 - d3 + d5 - d6)));
  else
    at = vec3_add (a, vec3_add (vec3_scale (ab, vb / (va + vb + vc)),
                          vec3_scale (ac, vc / (va + vb + vc))));
  return vec3_dot (vec3_sub (p, at), vec3_sub (p, at));
}

/* Faces by the cells of a grid that their boxes touch. */
typedef struct {
  const ShuMesh *mesh;
  int n;
  Vec3 lo;
  double cell;
  int *start; /* [n^3 + 1] */
  int *face;
} Grid;

static int
place (const Grid *g, double x, double lo)
{
  return (int) CLAMP (floor ((x - lo) / g->cell), 0, g->n - 1);
}

static void
face_cells (const Grid *g, int f, int *lo, int *hi)
{
  for (int k = 0; k < 3; k++) {
    Vec3 p = corner (g->mesh, f, k);
    int at[3] = {place (g, p.x, g->lo.x), place (g, p.y, g->lo.y),
        place (g, p.z, g->lo.z)};

    for (int d = 0; d < 3; d++) {
      lo[d] = k == 0 ? at[d] : MIN (lo[d], at[d]);
      hi[d] = k == 0 ? at[d] : MAX (hi[d], at[d]);
    }
  }
}

static void
visit_cells (Grid *g, gboolean store)
{
  for (int f = 0; f < g->mesh->n_faces; f++) {
    int lo[3], hi[3];

    face_cells (g, f, lo, hi);
    for (int x = lo[0]; x <= hi[0]; x++)
      for (int y = lo[1]; y <= hi[1]; y++)
        for (int z = lo[2]; z <= hi[2]; z++) {
          int c = (x * g->n + y) * g->n + z;

          if (store)
            g->face[g->start[c]++] = f;
          else
            g->start[c + 1]++;
        }
  }
}

static void
grid_init (Grid *g, const ShuMesh *mesh)
{
  Vec3 hi;
  int n_cells;

  g->mesh = mesh;
  g->n = (int) CLAMP (sqrt (mesh->n_faces) / 3, 1, 128);
  n_cells = g->n * g->n * g->n;
  g->lo = hi = corner (mesh, 0, 0);
  for (int i = 0; i < 3 * mesh->n_faces; i++) {
    Vec3 p = corner (mesh, i / 3, i % 3);

    g->lo = (Vec3){MIN (g->lo.x, p.x), MIN (g->lo.y, p.y), MIN (g->lo.z, p.z)};
    hi = (Vec3){MAX (hi.x, p.x), MAX (hi.y, p.y), MAX (hi.z, p.z)};
  }
  hi = vec3_sub (hi, g->lo);
  g->cell = MAX (MAX (hi.x, hi.y), MAX (hi.z, 1e-9)) / g->n;
  g->start = g_new0 (int, n_cells + 1);
  visit_cells (g, FALSE);
  for (int c = 0; c < n_cells; c++)
    g->start[c + 1] += g->start[c];
  g->face = g_new (int, g->start[n_cells] + 1);
  visit_cells (g, TRUE);
  memmove (g->start + 1, g->start, n_cells * sizeof (int));
  g->start[0] = 0;
}

static double
grid_distance (const Grid *g, Vec3 p)
{
  int at[3] = {place (g, p.x, g->lo.x), place (g, p.y, g->lo.y),
      place (g, p.z, g->lo.z)};
  double best = INFINITY;

  /* Rings of cells, until none can hold anything nearer. */
  for (int r = 0; r < g->n && best > (r - 1) * g->cell; r++)
    for (int x = MAX (0, at[0] - r); x <= MIN (g->n - 1, at[0] + r); x++)
      for (int y = MAX (0, at[1] - r); y <= MIN (g->n - 1, at[1] + r); y++)
        for (int z = MAX (0, at[2] - r); z <= MIN (g->n - 1, at[2] + r); z++) {
          int c = (x * g->n + y) * g->n + z;

          if (MAX (ABS (x - at[0]), MAX (ABS (y - at[1]), ABS (z - at[2]))) !=
              r)
            continue;
          for (int i = g->start[c]; i < g->start[c + 1]; i++) {
            int f = g->face[i];
            double d2 = triangle_distance2 (p, corner (g->mesh, f, 0),
                corner (g->mesh, f, 1), corner (g->mesh, f, 2));

            best = MIN (best, sqrt (d2));
          }
        }
  return best;
}

Distance
inspect_distance (const ShuMesh *a, const ShuMesh *b)
{
  static const double weights[7][3] = {{1, 0, 0}, {0, 1, 0}, {0, 0, 1},
      {0.5, 0.5, 0}, {0, 0.5, 0.5}, {0.5, 0, 0.5}, {1. / 3, 1. / 3, 1. / 3}};
  Distance d = {0, 0};
  Grid grid;

  grid_init (&grid, b);
  for (int f = 0; f < a->n_faces; f++)
    for (int i = 0; i < 7; i++) {
      Vec3 p = {0, 0, 0};
      double one;

      for (int k = 0; k < 3; k++)
        p = vec3_add (p, vec3_scale (corner (a, f, k), weights[i][k]));
      one = grid_distance (&grid, p);
      d.max = MAX (d.max, one);
      d.mean += one / 7 / a->n_faces;
    }
  g_free (grid.start);
  g_free (grid.face);
  return d;
}
