/* SPDX-License-Identifier: MIT */
/* Lets packed charts swell into the room between them: the square flows so that
 * what charts and gutters cover spreads and the rest shrinks; where charts have
 * come too close to each other, it flows apart again. */
#include "geometry/atlas_private.h"
#include <math.h>
#include <string.h>

enum {
  N_APART = 8, /* rounds of moving charts apart */
  N_TRIES = 5,
  N_SLIVER_ROUNDS = 6,
  MAX_SLIVERS = 1000, /* vertices of faces that may be turned back */
};

/* Density of what nothing needs, at first; of charts and gutters it is 1. */
static const float first_density = 0.35f;
/* Of the square: less gain is not worth another try. */
static const float least_gain = 0.004f;
/* Stretch that it may come to: of half of the surface, of nearly all. */
static const float stretch_median = 1.25f, stretch_p99 = 2.3f;
/* The same density while charts move apart, and how strongly they do: a power
 * of what is missing. */
static const float slack = 1, push = 3;

typedef struct {
  ShuMesh *mesh;
  const gint32 *chart; /* of each vertex */
  ShuRaster *raster;
  int gutter;
} Swell;

static int
chart_at (const Swell *s, int x, int y)
{
  gint32 f = s->raster->face[(gsize) y * s->raster->width + x];

  return f < 0 ? -1 : s->chart[s->mesh->faces[3 * (gsize) f]];
}

/* Marks with @value what is within @reach texels of a chart and not of one. */
static void
mark_band (const gint32 *face, int size, int reach, float *rho, float value)
{
  g_autofree guint8 *wide = g_malloc ((gsize) size * size);

  /* Along rows, then down columns. */
  for (int y = 0; y < size; y++) {
    const gint32 *row = face + (gsize) y * size;
    int last = -reach - 1, next = 0;

    for (int x = 0; x < size; x++) {
      next = MAX (next, x);
      while (next < size && next <= x + reach && row[next] < 0)
        next++;
      if (row[x] >= 0)
        last = x;
      wide[(gsize) y * size + x] =
          x - last <= reach || (next < size && next <= x + reach);
    }
  }
  for (int x = 0; x < size; x++)
    for (int y = 0, last = -reach - 1, next = 0; y < size; y++) {
      gsize at = (gsize) y * size + x;

      next = MAX (next, y);
      while (next < size && next <= y + reach && !wide[(gsize) next * size + x])
        next++;
      if (wide[at])
        last = y;
      if (face[at] < 0 &&
          (y - last <= reach || (next < size && next <= y + reach)))
        rho[at] = value;
    }
}

/* The nearest texel of another chart, within the gutter or just beyond.
 * Returns: how far; 0: none */
static int
find_other (const Swell *s, int x, int y, int *ret_x, int *ret_y)
{
  int size = s->raster->width, own = chart_at (s, x, y);

  for (int d = 1; d <= s->gutter + 1; d++)
    for (int v = MAX (0, y - d); v <= MIN (size - 1, y + d); v++) {
      int by = ABS (v - y) == d ? 1 : 2 * d; /* the ring of distance d */

      for (int u = x - d; u <= x + d; u += by) {
        int other = u < 0 || u >= size ? -1 : chart_at (s, u, v);

        if (other < 0 || other == own)
          continue;
        *ret_x = u;
        *ret_y = v;
        return d;
      }
    }
  return 0;
}

/* Makes dense what lies between charts that are too close: @rho [size,size].
 * Returns: how many texels are */
static int
find_close (const Swell *s, float *rho)
{
  int size = s->raster->width, n_close = 0;
  const gint32 *face = s->raster->face;

  for (int y = 0; y < size; y++)
    for (int x = 0; x < size; x++) {
      gsize at = (gsize) y * size + x;
      int u, v, d;

      if (face[at] < 0 || ((x == 0 || face[at - 1] >= 0) &&
                              (x + 1 == size || face[at + 1] >= 0) &&
                              (y == 0 || face[at - size] >= 0) &&
                              (y + 1 == size || face[at + size] >= 0)))
        continue;
      d = find_other (s, x, y, &u, &v);
      if (!d)
        continue;
      n_close += d <= s->gutter;
      float dense = powf (
          (s->gutter + 3.f) / d, getenv ("PU") ? atof (getenv ("PU")) : push);
      for (int i = 0; i <= d; i++) {
        float *to =
            rho + (gsize) (y + (v - y) * i / d) * size + x + (u - x) * i / d;
        *to = MAX (*to, dense);
      }
    }
  return n_close;
}

/* @rho: [size,size], of which cells of the flow's grid take the mean */
static void
flow (Swell *s, const float *rho)
{
  enum { SIDE = SHU_FLOW_SIDE };

  int size = s->raster->width;
  g_autofree float *coarse = g_new (float, SIDE *SIDE);

#pragma omp parallel for
  for (int cy = 0; cy < SIDE; cy++)
    for (int cx = 0; cx < SIDE; cx++) {
      int x0 = cx * size / SIDE, x1 = MAX (x0 + 1, (cx + 1) * size / SIDE);
      int y0 = cy * size / SIDE, y1 = MAX (y0 + 1, (cy + 1) * size / SIDE);
      float sum = 0;

      for (int y = y0; y < y1; y++)
        for (int x = x0; x < x1; x++)
          sum += rho[(gsize) y * size + x];
      coarse[cy * SIDE + cx] = sum / ((x1 - x0) * (y1 - y0));
    }
  shu_flow (coarse, s->mesh->uv, s->mesh->n_verts);
}

static void
fill_density (const Swell *s, float *rho, float rest)
{
  gsize n = (gsize) s->raster->width * s->raster->width;

  for (gsize i = 0; i < n; i++)
    rho[i] = s->raster->face[i] >= 0 ? 1 : rest;
  mark_band (s->raster->face, s->raster->width, (s->gutter + 2) / 2, rho, 1);
}

static gboolean
is_upright (const ShuMesh *m, int face)
{
  const float *p[3];

  for (int k = 0; k < 3; k++)
    p[k] = m->uv + 2 * (gsize) m->faces[3 * (gsize) face + k];
  return ((double) p[1][0] - p[0][0]) * ((double) p[2][1] - p[0][1]) -
             ((double) p[1][1] - p[0][1]) * ((double) p[2][0] - p[0][0]) >
         0;
}

/* What is around a vertex. */
typedef struct {
  gint32 vert;
  double sum[2]; /* of its neighbours, once a face */
  int n;
  gint64 turn; /* of the neighbours: 0 unless it is at a border */
} Around;

/* Slivers turn over where others are only bent: their vertices go to the middle
 * of their neighbours, unless they are at the border of a chart.  Returns:
 * whether no face is turned over after it */
static gboolean
turn_slivers (ShuMesh *m)
{
  for (int round = 0; round < N_SLIVER_ROUNDS; round++) {
    g_autoptr (GHashTable) index = g_hash_table_new (NULL, NULL);
    g_autoptr (GArray) list = g_array_new (FALSE, TRUE, sizeof (Around));

    for (int f = 0; f < m->n_faces; f++)
      for (int k = 0; k < 3 && !is_upright (m, f); k++) {
        Around a = {.vert = m->faces[3 * (gsize) f + k]};
        if (g_hash_table_contains (index, GINT_TO_POINTER (a.vert)))
          continue;
        g_hash_table_insert (
            index, GINT_TO_POINTER (a.vert), GINT_TO_POINTER (list->len));
        g_array_append_val (list, a);
      }
    if (list->len == 0)
      return TRUE;
    if (list->len > MAX_SLIVERS)
      return FALSE;
    for (int f = 0; f < m->n_faces; f++)
      for (int k = 0; k < 3; k++) {
        const gint32 *v = m->faces + 3 * (gsize) f;
        gpointer at;

        if (!g_hash_table_lookup_extended (
                index, GINT_TO_POINTER (v[k]), NULL, &at))
          continue;
        Around *a = &g_array_index (list, Around, GPOINTER_TO_INT (at));
        int p = v[(k + 1) % 3], q = v[(k + 2) % 3];
        for (int d = 0; d < 2; d++)
          a->sum[d] += m->uv[2 * (gsize) p + d] + m->uv[2 * (gsize) q + d];
        a->n += 2;
        a->turn += (gint64) p - q;
      }
    for (guint i = 0; i < list->len; i++) {
      const Around *a = &g_array_index (list, Around, i);
      for (int d = 0; a->turn == 0 && d < 2; d++)
        m->uv[2 * (gsize) a->vert + d] = (float) (a->sum[d] / a->n);
    }
  }
  return FALSE;
}

/* Returns: whether the result has no folds, all its gutters and little
 * stretch; @report says how good it is */
static gboolean
try_density (Swell *s, float rest, ShuAtlasReport *report)
{
  gsize n = (gsize) s->raster->width * s->raster->width;
  g_autofree float *rho = g_new (float, n);
  int n_doubles;

  shu_raster_uv (s->raster, s->mesh, 0, NULL);
  fill_density (s, rho, rest);
  flow (s, rho);
  for (int round = 0; round <= N_APART; round++) {
    if (!turn_slivers (s->mesh))
      return FALSE;
    shu_raster_uv (s->raster, s->mesh, 0, &n_doubles);
    if (n_doubles)
      return FALSE;
    fill_density (s, rho, slack);
    if (find_close (s, rho) == 0) {
      shu_atlas_measure (s->mesh, s->raster, report);
      return report->stretch_median <= stretch_median &&
             report->stretch_p99 <= stretch_p99;
    }
    flow (s, rho);
  }
  return FALSE;
}

void
shu_charts_swell (ShuMesh *mesh, const gint32 *chart, int grid, int gutter)
{
  gsize n = 2 * (gsize) mesh->n_verts;
  g_autofree float *best = g_memdup2 (mesh->uv, n * sizeof (float));
  g_autoptr (ShuRaster) raster = shu_raster_new (grid, grid, 0);
  Swell s = {mesh, chart, raster, gutter};
  float rest = first_density, used = 0;

  /* What one warp cannot do without folds, several smaller ones may. */
  for (int i = 0; i < N_TRIES; i++) {
    ShuAtlasReport report;

    if (!try_density (&s, rest, &report)) {
      memcpy (mesh->uv, best, n * sizeof (float));
      rest = (1 + rest) / 2;
      continue;
    }
    memcpy (best, mesh->uv, n * sizeof (float));
    if (report.utilisation < used + least_gain)
      break;
    used = report.utilisation;
  }
}
