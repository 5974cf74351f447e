/* SPDX-License-Identifier: MIT */
/* Lets packed charts swell into the room between them: the square flows so that
 * what charts and gutters cover spreads and the rest shrinks; where charts have
 * come too close to each other, it flows apart again. */
#include "geometry/atlas_private.h"
#include <math.h>
#include <string.h>

enum {
  N_APART = 8, /* rounds of moving charts apart */
  N_TRIES = 8,
  N_HALVINGS = 5, /* of the way back from too much stretch */
  N_SLIVER_ROUNDS = 6,
  MAX_SLIVERS = 1000, /* vertices of faces that may be turned back */
};

/* Density of what nothing needs, at first; of charts and gutters it is 1. */
static const float first_density = 0.35f;
/* Of the square: less gain is not worth another try. */
static const float least_gain = 0.004f;
/* Stretch that it may come to: of half of the surface, of nearly all. */
static const float stretch_median = 1.25f, stretch_p99 = 2.4f;
/* What moving apart may add to that. */
static const float margin = 0.005f;

typedef struct {
  ShuMesh *mesh;
  const gint32 *chart; /* of each vertex */
  ShuRaster *raster;
  ShuGaps *gaps;
  float *rho; /* of the flow */
} Swell;

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

static gboolean
all_upright (const ShuMesh *m)
{
  int n_turned = 0;

#pragma omp parallel for schedule(static) reduction(+ : n_turned)
  for (int f = 0; f < m->n_faces; f++)
    n_turned += !is_upright (m, f);
  return n_turned == 0;
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
    if (all_upright (m))
      return TRUE;

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

/* Draws the charts as they lie, and moves them apart where they are too close.
 * Returns: whether they have no folds and all their gutters; how many cells are
 * theirs */
static gboolean
settle (Swell *s, int *ret_taken)
{
  for (int round = 0; round <= N_APART; round++) {
    int n_doubles;

    if (!turn_slivers (s->mesh))
      return FALSE;
    shu_raster_uv (s->raster, s->mesh, 0, &n_doubles);
    if (n_doubles)
      return FALSE;
    *ret_taken = shu_gaps_look (s->gaps, s->raster, s->mesh, s->chart);
    if (shu_gaps_part (s->gaps, s->rho) == 0)
      return TRUE;
    shu_flow (s->rho, s->mesh->uv, s->mesh->n_verts);
  }
  return FALSE;
}

static gboolean
is_within (const float *stretch, float room)
{
  return stretch[0] <= stretch_median - room &&
         stretch[1] <= stretch_p99 - room;
}

/* Goes back as far towards @from as stretch asks for.  Returns: whether that
 * leaves anything of the way */
static gboolean
go_back (ShuMesh *m, const float *from)
{
  gsize n = 2 * (gsize) m->n_verts;
  g_autofree float *to = g_memdup2 (m->uv, n * sizeof (float));
  float t = 0, step = 0.5f;

  for (int i = 0; i <= N_HALVINGS; i++, step /= 2) {
    gboolean last = i == N_HALVINGS;
    float at = last ? t : t + step, stretch[2];

#pragma omp parallel for
    for (gsize k = 0; k < n; k++)
      m->uv[k] = from[k] + at * (to[k] - from[k]);
    if (last)
      break;
    shu_atlas_stretch (m, stretch);
    if (is_within (stretch, margin))
      t += step;
  }
  return t > 0;
}

void
shu_charts_swell (ShuMesh *mesh, const gint32 *chart, int grid, int gutter)
{
  gsize n = 2 * (gsize) mesh->n_verts;
  g_autofree float *best = g_memdup2 (mesh->uv, n * sizeof (float));
  g_autofree float *rho = g_new (float, SHU_FLOW_SIDE *SHU_FLOW_SIDE);
  g_autoptr (ShuRaster) raster = shu_raster_new (grid, grid, 0);
  g_autoptr (ShuGaps) gaps = shu_gaps_new (grid, gutter);
  Swell s = {mesh, chart, raster, gaps, rho};
  int used = 0, before, enough = (int) (least_gain * grid * grid);
  float rest = first_density;
  gboolean drawn = TRUE; /* the best, by what was last looked at */

  shu_raster_uv (raster, mesh, 0, NULL);
  before = shu_gaps_look (gaps, raster, mesh, chart);

  /* What one warp cannot do without folds, several smaller ones may. */
  for (int i = 0; i < N_TRIES; i++) {
    int taken;
    float stretch[2];
    gboolean ok, back = FALSE;

    if (!drawn) {
      shu_raster_uv (raster, mesh, 0, NULL);
      shu_gaps_look (gaps, raster, mesh, chart);
    }
    shu_gaps_spread (gaps, rest, rho);
    shu_flow (rho, mesh->uv, mesh->n_verts);
    ok = settle (&s, &taken);
    if (ok) {
      shu_atlas_stretch (mesh, stretch);
      back = !is_within (stretch, 0);
      if (back) {
        ok = go_back (mesh, best) && settle (&s, &taken);
        shu_atlas_stretch (mesh, stretch);
        ok = ok && is_within (stretch, 0) && taken > before;
      }
    }
    if (!ok) {
      memcpy (mesh->uv, best, n * sizeof (float));
      if (back)
        return;
      rest = (1 + 2 * rest) / 3;
      drawn = FALSE;
      continue;
    }
    memcpy (best, mesh->uv, n * sizeof (float));
    if (back || taken < used + enough)
      return;
    used = before = taken;
    drawn = TRUE;
  }
}
