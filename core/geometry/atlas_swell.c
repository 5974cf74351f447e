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
  const ShuProgress *progress;
} Swell;

/* Draws the charts as they lie, and moves them apart where they are too close.
 * Returns: whether they have no folds and all their gutters; how many cells are
 * theirs */
static gboolean
settle (Swell *s, int *ret_taken)
{
  for (int round = 0; round <= N_APART; round++) {
    int n_doubles;

    if (shu_progress_stops (s->progress) || !shu_atlas_turn_slivers (s->mesh))
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
shu_charts_swell (ShuMesh *mesh, const gint32 *chart, const ShuPackGrid *g)
{
  int grid = g->side;
  gsize n = 2 * (gsize) mesh->n_verts;
  g_autofree float *best = g_memdup2 (mesh->uv, n * sizeof (float));
  g_autofree float *rho = g_new (float, SHU_FLOW_SIDE *SHU_FLOW_SIDE);
  g_autoptr (ShuRaster) raster = shu_raster_new (grid, grid, 0);
  g_autoptr (ShuGaps) gaps = shu_gaps_new (grid, g->gutter);
  Swell s = {mesh, chart, raster, gaps, rho, g->progress};
  int used = 0, before, enough = (int) (least_gain * grid * grid);
  float rest = first_density;
  gboolean drawn = TRUE; /* the best, by what was last looked at */

  shu_raster_uv (raster, mesh, 0, NULL);
  before = shu_gaps_look (gaps, raster, mesh, chart);

  /* What one warp cannot do without folds, several smaller ones may. */
  for (int i = 0; i < N_TRIES && !shu_progress_stops (g->progress); i++) {
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
