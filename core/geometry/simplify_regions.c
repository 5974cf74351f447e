/* SPDX-License-Identifier: MIT */
/* Large meshes are simplified in slabs of equally many vertices.  Each has a
 * worker with a heap of its own; vertices next to another slab stay, until the
 * next pass has its slabs across the seams.  All go to the same cost, step by
 * step, so that the order over the whole mesh is nearly that of one heap.  How
 * many slabs there are depends on the mesh alone. */
#include "simplify_private.h"
#include <string.h>

enum {
  FEW_FACES = 80000, /* no regions below */
  ROWS_OF_SLAB = 24, /* faces, if as many lie along the axis as around it */
  MAX_REGIONS = 64,
  AT_ONCE = 16, /* there are so many, or twice, three times as many, for threads
                   to end together */
  MAX_ROUNDS = 400,
};

/* What the heap for all does in the end, as a share of the faces to go: the
 * seams of the last pass.  A pass leaves no less than half of the faces, so
 * that its seams are no finer than twice what lies between them. */
static const double LEFT_TO_WHOLE = 0.02;

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

#pragma omp parallel for schedule(static) reduction(min                        \
                                                    : lo) reduction(max        \
                                                                    : hi)
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

/* Slabs across the longest axis; a histogram is exact enough.  Every other
 * time they begin half a slab earlier, so that there is one more. */
static void
divide (const Simplifier *s, int n_regions, gboolean half, guint8 *ret_region)
{
  enum { BINS = 1 << 14 };

  double lo, hi, scale;
  int axis = longest_axis (s, &lo, &hi);
  g_autofree int *bin = g_new (int, s->n_verts);
  g_autofree int *before = g_new0 (int, BINS + 1);

  scale = hi > lo ? (BINS - 1) / (hi - lo) : 0;
#pragma omp parallel for schedule(static)
  for (int i = 0; i < s->n_verts; i++)
    bin[i] = (int) ((along (s->pos[i], axis) - lo) * scale);
  for (int i = 0; i < s->n_verts; i++)
    before[bin[i] + 1]++;
  for (int k = 0; k < BINS; k++)
    before[k + 1] += before[k];
#pragma omp parallel for schedule(static)
  for (int i = 0; i < s->n_verts; i++)
    ret_region[i] =
        (guint8) ((2 * (gint64) before[bin[i]] * n_regions / s->n_verts +
                      half) /
                  2);
}

/* Vertices of faces that more than one region has. */
static void
lock_seams (Simplifier *s, const guint8 *region)
{
#pragma omp parallel for schedule(static)
  for (int i = 0; i < s->n_verts; i++) {
    s->locked[i] &= ~ON_SEAM;
    for (int c = s->head[i]; c >= 0; c = s->next[c]) {
      int u, v;

      others (s, c, &u, &v);
      if (region[u] != region[i] || region[v] != region[i])
        s->locked[i] |= ON_SEAM;
    }
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
regions_init (Regions *r, Simplifier *s, int n_slabs, gboolean half)
{
  g_autofree guint8 *region = g_new (guint8, s->n_verts);
  int n = n_slabs + half, n_faces[MAX_REGIONS + 1] = {0};

  divide (s, n_slabs, half, region);
  lock_seams (s, region);
  memset (s->mark, 0, s->n_verts * sizeof *s->mark);
  r->n = n;
  r->workers = g_new0 (Worker, n);
#pragma omp parallel for schedule(static) reduction(+ : n_faces)
  for (int f = 0; f < s->n_faces; f++)
    if (s->faces[3 * (gsize) f] >= 0)
      n_faces[region[s->faces[3 * (gsize) f]]]++;
  r->n_faces = g_memdup2 (n_faces, n * sizeof *n_faces);
#pragma omp parallel for schedule(dynamic)
  for (int i = 0; i < n; i++) {
    const guint8 *end = region + s->n_verts;

    r->workers[i].s = s;
    r->workers[i].left = LOOKS_OF_FACE * (gint64) r->n_faces[i] + FREE_LOOKS;
    for (const guint8 *at = region; (at = memchr (at, i, end - at)); at++)
      worker_push_edges (&r->workers[i], (int) (at - region), TRUE);
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
      worker_drain (&r->workers[i], max_cost, share, r->workers[i].left);
    r->n_faces[i] -= r->workers[i].n_removed;
  }
}

/* One pass, until @stop faces are left.  @ret_cost: to which all have come */
static gboolean
run_pass (Simplifier *s, int n_slabs, gboolean half, int stop, int target,
    double *ret_cost, const ShuProgress *progress, GError **error)
{
  g_auto (Regions) r = {0};
  double cost;

  regions_init (&r, s, n_slabs, half);
  cost = first_cost (&r);
  for (int round = 0; round < MAX_ROUNDS && s->n_alive > stop + r.n; round++) {
    gboolean any = FALSE;

    if (!shu_progress (progress, "simplify", s->n_faces - s->n_alive,
            MAX (1, s->n_faces - target), error))
      return FALSE;
    drain_regions (&r, cost, s->n_alive, s->n_alive - stop);
    for (int i = 0; i < r.n; i++) {
      s->n_alive -= r.workers[i].n_removed;
      any |= r.workers[i].n_heap > 0;
    }
    *ret_cost = cost;
    if (!any)
      break;
    cost *= COST_STEP;
  }
  return TRUE;
}

gboolean
simplify_regions (Simplifier *s, int target, double *ret_cost,
    const ShuProgress *progress, GError **error)
{
  int end = target + (int) (LEFT_TO_WHOLE * (s->n_alive - target));

  *ret_cost = INFINITY;
  /* A pass may leave one face more in each region. */
  for (int pass = 0; s->n_alive > MAX (end + MAX_REGIONS + 1, FEW_FACES);
       pass++) {
    int before = s->n_alive, n = (int) sqrt (before) / ROWS_OF_SLAB;

    n = CLAMP ((n + AT_ONCE / 2) / AT_ONCE * AT_ONCE, AT_ONCE, MAX_REGIONS);
    if (!run_pass (s, n - (pass & 1), pass & 1, MAX (end, before / 2), target,
            ret_cost, progress, error))
      return FALSE;
    if (s->n_alive > 0.9 * before)
      break;
  }
  for (int i = 0; i < s->n_verts; i++)
    s->locked[i] &= ~ON_SEAM;
  return TRUE;
}
