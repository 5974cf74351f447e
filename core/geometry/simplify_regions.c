/* SPDX-License-Identifier: MIT */
/* Large meshes are simplified in slabs of equally many vertices.  Each has a
 * worker with a heap of its own; vertices next to another slab stay.  All go to
 * the same cost, step by step, so that the order over the whole mesh is nearly
 * that of one heap.  How many slabs there are depends on the mesh alone. */
#include "simplify_private.h"
#include <string.h>

enum { FACES_OF_REGION = 40000, MAX_REGIONS = 64, MAX_ROUNDS = 400 };

/* What one heap does afterwards, as a share of the faces to go: the seams. */
static const double LEFT_TO_WHOLE = 0.1;

static const double COST_STEP = 1.5;

static double
along (Vec3 p, int axis)
{
  return axis == 0 ? p.x : axis == 1 ? p.y : p.z;
}

/* The longest side of the box of all, and where it begins and ends. */
static int
longest_axis (const Simplifier *s, double *ret_lo, double *ret_hi)
{
  int best = 0;

  for (int axis = 0; axis < 3; axis++) {
    double lo = INFINITY, hi = -INFINITY;

    for (int i = 0; i < s->n_verts; i++) {
      lo = MIN (lo, along (s->pos[i], axis));
      hi = MAX (hi, along (s->pos[i], axis));
    }
    if (axis == 0 || hi - lo > *ret_hi - *ret_lo) {
      best = axis;
      *ret_lo = lo;
      *ret_hi = hi;
    }
  }
  return best;
}

/* Slabs across the longest axis; a histogram is exact enough. */
static void
divide (const Simplifier *s, int n_regions, guint8 *ret_region)
{
  enum { BINS = 1 << 14 };

  double lo, hi, scale;
  int axis = longest_axis (s, &lo, &hi);
  g_autofree int *bin = g_new (int, s->n_verts);
  g_autofree int *before = g_new0 (int, BINS + 1);

  scale = hi > lo ? (BINS - 1) / (hi - lo) : 0;
  for (int i = 0; i < s->n_verts; i++) {
    bin[i] = (int) ((along (s->pos[i], axis) - lo) * scale);
    before[bin[i] + 1]++;
  }
  for (int k = 0; k < BINS; k++)
    before[k + 1] += before[k];
  for (int i = 0; i < s->n_verts; i++)
    ret_region[i] = (guint8) ((gint64) before[bin[i]] * n_regions / s->n_verts);
}

static void
lock_seams (Simplifier *s, const guint8 *region)
{
  for (int f = 0; f < s->n_faces; f++) {
    const gint32 *v = s->faces + 3 * (gsize) f;

    if (v[0] < 0 ||
        (region[v[0]] == region[v[1]] && region[v[1]] == region[v[2]]))
      continue;
    for (int k = 0; k < 3; k++)
      s->locked[v[k]] |= ON_SEAM;
  }
}

typedef struct {
  int n;
  Worker *workers;
  int *n_faces; /* alive, of each */
} Regions;

static void
regions_clear (Regions *r)
{
  for (int i = 0; i < r->n; i++)
    g_free (r->workers[i].heap);
  g_free (r->workers);
  g_free (r->n_faces);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Regions, regions_clear)

static void
regions_init (Regions *r, Simplifier *s, int n)
{
  g_autofree guint8 *region = g_new (guint8, s->n_verts);
  g_autofree int *order = g_new (int, s->n_verts);
  g_autofree int *start = g_new0 (int, n + 1);

  divide (s, n, region);
  lock_seams (s, region);
  r->n = n;
  r->workers = g_new0 (Worker, n);
  r->n_faces = g_new0 (int, n);
  for (int f = 0; f < s->n_faces; f++)
    if (s->faces[3 * (gsize) f] >= 0)
      r->n_faces[region[s->faces[3 * (gsize) f]]]++;
  for (int i = 0; i < s->n_verts; i++)
    start[region[i] + 1]++;
  for (int i = 0; i < n; i++)
    start[i + 1] += start[i];
  for (int i = 0; i < s->n_verts; i++)
    order[start[region[i]]++] = i;
#pragma omp parallel for schedule(dynamic)
  for (int i = 0; i < n; i++) {
    r->workers[i].s = s;
    for (int k = i > 0 ? start[i - 1] : 0; k < start[i]; k++)
      worker_push_edges (&r->workers[i], order[k], TRUE);
  }
}

/* A cost that about one in ten edges stays below. */
static double
first_cost (const Regions *r)
{
  double least = INFINITY, sum = 0;
  gsize n = 0;

  for (int i = 0; i < r->n; i++)
    for (gsize k = 0; k < r->workers[i].n_heap; k += 16, n++)
      sum += sqrt (r->workers[i].heap[k].cost);
  least = n > 0 ? 0.1 * sum / n : 0;
  return MAX (least * least, 1e-30);
}

/* All regions up to the same cost; none beyond its share of what may go. */
static void
drain_regions (Regions *r, double max_cost, int n_alive, int n_to_go)
{
#pragma omp parallel for schedule(dynamic)
  for (int i = 0; i < r->n; i++) {
    int share = (int) ((gint64) n_to_go * r->n_faces[i] / MAX (1, n_alive));

    r->workers[i].n_removed = 0;
    if (share > 0)
      worker_drain (&r->workers[i], max_cost, share);
    r->n_faces[i] -= r->workers[i].n_removed;
  }
}

gboolean
simplify_regions (
    Simplifier *s, int target, const ShuProgress *progress, GError **error)
{
  int n = MIN (MAX_REGIONS, s->n_faces / FACES_OF_REGION), before = s->n_alive;
  int stop = target + (int) (LEFT_TO_WHOLE * (s->n_alive - target));
  g_auto (Regions) r = {0};
  double cost;

  if (n < 2 || stop >= s->n_alive)
    return TRUE;
  regions_init (&r, s, n);
  cost = first_cost (&r);
  for (int round = 0; round < MAX_ROUNDS && s->n_alive > stop + n; round++) {
    gboolean any = FALSE;

    if (!shu_progress (progress, "simplify", before - s->n_alive,
            MAX (1, before - target), error))
      return FALSE;
    drain_regions (&r, cost, s->n_alive, s->n_alive - stop);
    for (int i = 0; i < n; i++) {
      s->n_alive -= r.workers[i].n_removed;
      any |= r.workers[i].n_heap > 0;
    }
    if (!any)
      break;
    cost *= COST_STEP;
  }
  for (int i = 0; i < s->n_verts; i++)
    s->locked[i] &= ~ON_SEAM;
  return TRUE;
}
