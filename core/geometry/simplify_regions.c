/* SPDX-License-Identifier: MIT */
/* Large meshes are simplified in slabs of equally many vertices, which are
 * numbered one slab after the other.  Each has a worker with a heap of its own;
 * vertices next to another slab stay, until the next pass has its slabs across
 * the seams.  All go to the same cost, step by step, so that the order over the
 * whole mesh is nearly that of one heap.  How many slabs there are depends on
 * the mesh alone. */
#include "simplify_private.h"
#include <string.h>

enum {
  ROWS_OF_SLAB = 24, /* faces, if as many lie along the axis as around it */
  MAX_REGIONS = 64,
  AT_ONCE = 16, /* there are so many, or half, twice, three times as many, for
                   threads to end together */
  MAX_ROUNDS = 400,
};

/* What the heap for all does in the end, as a share of the faces to go: the
 * seams of the last pass.  A pass leaves no less than half of the faces, so
 * that its seams are no finer than twice what lies between them. */
static const double LEFT_TO_WHOLE = 0.02;

static const double COST_STEP = 1.5;

/* Slabs of equally many vertices that are left, one after the other.  Every
 * other time they begin half a slab earlier, so that there is one more.
 * @ret_first: [n_regions + half + 1] vertices */
static void
divide (const Simplifier *s, int n_regions, gboolean half, guint8 *ret_region,
    int *ret_first)
{
  gint64 n_left = 0, n_before = 0;
  int region = 0;

#pragma omp parallel for schedule(static) reduction(+ : n_left)
  for (int i = 0; i < s->n_verts; i++)
    n_left += s->head[i] >= 0;
  ret_first[0] = 0;
  for (int i = 0; i < s->n_verts; i++) {
    while (region + 1 < n_regions + half &&
           2 * n_before * n_regions >= (2 * region + 2 - half) * n_left)
      ret_first[++region] = i;
    ret_region[i] = (guint8) region;
    n_before += s->head[i] >= 0;
  }
  while (region < n_regions + half)
    ret_first[++region] = s->n_verts;
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
  int *order;   /* those that had most to do before first */
} Regions;

static void
regions_clear (Regions *r)
{
  for (int i = 0; i < r->n; i++)
    worker_clear (&r->workers[i]);
  g_free (r->workers);
  g_free (r->order);
  g_free (r->n_faces);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Regions, regions_clear)

static void
regions_init (Regions *r, Simplifier *s, int n_slabs, gboolean half)
{
  g_autofree guint8 *region = g_new (guint8, s->n_verts);
  int n = n_slabs + half, n_faces[MAX_REGIONS + 1] = {0};
  int first[MAX_REGIONS + 2];

  divide (s, n_slabs, half, region, first);
  lock_seams (s, region);
  memset (s->mark, 0, s->n_verts * sizeof *s->mark);
  r->n = n;
  r->order = g_new (int, n);
  r->workers = g_new0 (Worker, n);
#pragma omp parallel for schedule(static) reduction(+ : n_faces)
  for (int f = 0; f < s->n_faces; f++)
    if (s->faces[3 * (gsize) f] >= 0)
      n_faces[region[s->faces[3 * (gsize) f]]]++;
  r->n_faces = g_memdup2 (n_faces, n * sizeof *n_faces);
#pragma omp parallel for schedule(dynamic, 1)
  for (int i = 0; i < n; i++) {
    r->order[i] = i;
    r->workers[i] = (Worker){.s = s,
        .limit = -1,
        .left = LOOKS_OF_FACE * (gint64) r->n_faces[i] + FREE_LOOKS / n};
    for (int v = first[i];
         v < first[i + 1] && !shu_progress_stops (s->progress); v++)
      worker_push_edges (&r->workers[i], v, TRUE);
  }
}

/* A cost that about one in ten edges stays below. */
static double
first_cost (const Regions *r)
{
  double least = INFINITY, sum = 0;
  gsize n = 0;

  for (int i = 0; i < r->n; i++)
    for (gsize k = 0; k < r->workers[i].n_later; k += 16, n++)
      sum += sqrt (r->workers[i].later[k].cost);
  least = n > 0 ? 0.1 * sum / n : 0;
  return MAX (least * least, 1e-30);
}

/* So that threads end together; does not change what comes out. */
static void
sort_by_work (Regions *r)
{
  for (int k = 1; k < r->n; k++) {
    int i = r->order[k], at = k;

    for (; at > 0 &&
           r->workers[r->order[at - 1]].n_removed < r->workers[i].n_removed;
         at--)
      r->order[at] = r->order[at - 1];
    r->order[at] = i;
  }
}

/* All regions up to the same cost; none beyond its share of what may go. */
static void
drain_regions (Regions *r, double max_cost, int n_alive, int n_to_go)
{
  sort_by_work (r);
#pragma omp parallel for schedule(dynamic, 1)
  for (int k = 0; k < r->n; k++) {
    int i = r->order[k];
    int share = (int) ((gint64) n_to_go * r->n_faces[i] / MAX (1, n_alive));
    Worker *w = &r->workers[i];

    w->n_removed = 0;
    worker_raise (w, max_cost);
    if (share > 0 && !shu_progress_stops (w->s->progress))
      worker_drain (w, share, w->left);
    r->n_faces[i] -= w->n_removed;
  }
}

/* What is in the heaps when a pass ends: those that were no dearer than its
 * cost. */
static void
keep_candidates (Simplifier *s, const Regions *r)
{
  if (!s->left)
    s->left = g_array_new (FALSE, FALSE, sizeof (Candidate));
  g_array_set_size (s->left, 0);
  for (int i = 0; i < r->n; i++)
    if (r->workers[i].n_heap > 0)
      g_array_append_vals (
          s->left, r->workers[i].heap, (guint) r->workers[i].n_heap);
}

/* One pass, until @stop faces are left.  @ret_cost: to which all have come */
static gboolean
run_pass (Simplifier *s, int n_slabs, gboolean half, int stop, int target,
    double *ret_cost, GError **error)
{
  g_auto (Regions) r = {0};
  double cost;

  regions_init (&r, s, n_slabs, half);
  cost = first_cost (&r);
  for (int round = 0; round < MAX_ROUNDS && s->n_alive > stop + r.n; round++) {
    gboolean any = FALSE;

    if (!shu_progress (s->progress, "simplify", s->n_faces - s->n_alive,
            MAX (1, s->n_faces - target), error))
      return FALSE;
    drain_regions (&r, cost, s->n_alive, s->n_alive - stop);
    for (int i = 0; i < r.n; i++) {
      s->n_alive -= r.workers[i].n_removed;
      any |= r.workers[i].n_heap + r.workers[i].n_later > 0;
    }
    *ret_cost = cost;
    if (!any)
      break;
    cost *= COST_STEP;
  }
  keep_candidates (s, &r);
  return TRUE;
}

static int
count_slabs (int n_faces)
{
  int n = (int) sqrt (n_faces) / ROWS_OF_SLAB;

  if (n < AT_ONCE * 3 / 4)
    return AT_ONCE / 2;
  return CLAMP ((n + AT_ONCE / 2) / AT_ONCE * AT_ONCE, AT_ONCE, MAX_REGIONS);
}

gboolean
simplify_regions (Simplifier *s, int target, double *ret_cost, GError **error)
{
  int end = target + (int) (LEFT_TO_WHOLE * (s->n_alive - target));

  *ret_cost = INFINITY;
  /* A pass may leave one face more in each region. */
  for (int pass = 0; s->n_alive > MAX (end + MAX_REGIONS + 1, FEW_FACES);
       pass++) {
    int before = s->n_alive, n = count_slabs (before);

    if (!run_pass (s, n - (pass & 1), pass & 1, MAX (end, before / 2), target,
            ret_cost, error))
      return FALSE;
    if (s->n_alive > 0.9 * before)
      break;
  }
  return TRUE;
}
