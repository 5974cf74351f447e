/* SPDX-License-Identifier: MIT */
/* Lets packed charts swell into the room between them: the square flows so that
 * what charts and gutters cover spreads and the rest shrinks; where charts have
 * come too close to each other, it flows apart again. */
#include "geometry/atlas_private.h"
#include <math.h>
#include <string.h>

enum { N_APART = 8 }; /* rounds of moving charts apart */

/* Density of what nothing needs, tried in turn; of charts and gutters it
 * is 1. */
static const float densities[] = {0.35f, 0.5f, 0.65f, 0.8f};
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
is_upright (const ShuMesh *m)
{
  for (int f = 0; f < m->n_faces; f++) {
    const float *p[3];

    for (int k = 0; k < 3; k++)
      p[k] = m->uv + 2 * (gsize) m->faces[3 * (gsize) f + k];
    if (!(((double) p[1][0] - p[0][0]) * ((double) p[2][1] - p[0][1]) -
                ((double) p[1][1] - p[0][1]) * ((double) p[2][0] - p[0][0]) >
            0))
      return FALSE;
  }
  return TRUE;
}

/* Returns: whether the result has no folds, all its gutters and little
 * stretch */
static gboolean
try_density (Swell *s, float rest)
{
  gsize n = (gsize) s->raster->width * s->raster->width;
  g_autofree float *rho = g_new (float, n);
  int n_doubles;

  shu_raster_uv (s->raster, s->mesh, 0, NULL);
  fill_density (s, rho, rest);
  flow (s, rho);
  for (int round = 0; round <= N_APART; round++) {
    shu_raster_uv (s->raster, s->mesh, 0, &n_doubles);
    fill_density (s, rho, slack);
    if (n_doubles || !is_upright (s->mesh))
      return FALSE;
    if (find_close (s, rho) == 0) {
      ShuAtlasReport report;
      shu_atlas_measure (s->mesh, s->raster, &report);
      return report.stretch_median <= stretch_median &&
             report.stretch_p99 <= stretch_p99;
    }
    flow (s, rho);
  }
  return FALSE;
}

void
shu_charts_swell (ShuMesh *mesh, const gint32 *chart, int grid, int gutter)
{
  gsize n = 2 * (gsize) mesh->n_verts;
  g_autofree float *packed = g_memdup2 (mesh->uv, n * sizeof (float));
  g_autoptr (ShuRaster) raster = shu_raster_new (grid, grid, 0);
  Swell s = {mesh, chart, raster, gutter};

  for (gsize i = 0; i < G_N_ELEMENTS (densities); i++) {
    if (try_density (&s, densities[i]))
      return;
    memcpy (mesh->uv, packed, n * sizeof (float));
  }
}
