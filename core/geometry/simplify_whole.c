/* SPDX-License-Identifier: MIT */
/* The end of a simplification: one heap for all of the mesh.  Where regions
 * have come to some cost already, it has only what is cheaper, which are their
 * last seams, and a little more if that is not enough. */
#include "simplify_private.h"
#include <string.h>

enum {
  CHUNK = 4096,            /* vertices a task */
  FEW = 64,                /* corners that are looked at for an edge */
  FACES_AT_ONCE = 8192,    /* between two looks at whether to stop */
  LOOKS_AT_ONCE = 1 << 20, /* the same, where nothing can be collapsed */
  MAX_RAISES = 8,
};

static const double RAISE = 2; /* of what is cheap enough */

/* Whether one of the first faces of @a has the edge from @a to @b. */
static gboolean
has_edge (const Simplifier *s, int a, int b)
{
  int n = 0;

  for (int c = s->head[a]; c >= 0 && n < FEW; c = s->next[c], n++) {
    int u, v;

    others (s, c, &u, &v);
    if (u == b)
      return TRUE;
  }
  return FALSE;
}

static void
add_candidate (const Simplifier *s, int a, int b, double limit, GArray *list)
{
  Candidate c = {0, a, b, s->version[a], s->version[b]};
  Vec3 x;

  c.cost = merge_cost (s, a, b, &x);
  if (c.cost <= limit)
    g_array_append_val (list, c);
}

/* Edges from @a to higher vertices; a few may come twice, which does not
 * matter. */
static void
collect_edges (const Simplifier *s, int a, double limit, GArray *list)
{
  for (int c = s->head[a]; c >= 0 && !s->locked[a]; c = s->next[c]) {
    int u, v;

    others (s, c, &u, &v);
    if (a < u && !s->locked[u])
      add_candidate (s, a, u, limit, list);
    if (a < v && !s->locked[v] && !has_edge (s, a, v))
      add_candidate (s, a, v, limit, list);
  }
}

/* All edges of no more than @limit as the worker's heap. */
static void
collect (Worker *w, double limit)
{
  const Simplifier *s = w->s;
  int n_chunks = (s->n_verts + CHUNK - 1) / CHUNK;
  g_autofree GArray **lists = g_new (GArray *, MAX (1, n_chunks));
  gsize n = 0;

#pragma omp parallel for schedule(dynamic, 1)
  for (int k = 0; k < n_chunks; k++) {
    lists[k] = g_array_new (FALSE, FALSE, sizeof (Candidate));
    for (int a = k * CHUNK; a < MIN (s->n_verts, (k + 1) * CHUNK); a++)
      collect_edges (s, a, limit, lists[k]);
  }
  for (int k = 0; k < n_chunks; k++)
    n += lists[k]->len;
  if (n > w->heap_size) {
    w->heap_size = n;
    w->heap = g_renew (Candidate, w->heap, n);
  }
  w->n_heap = 0;
  for (int k = 0; k < n_chunks; k++) {
    if (lists[k]->len > 0)
      memcpy (w->heap + w->n_heap, lists[k]->data,
          lists[k]->len * sizeof (Candidate));
    w->n_heap += lists[k]->len;
    g_array_unref (lists[k]);
  }
  worker_order (w);
}

gboolean
simplify_whole (Simplifier *s, int target, double cost,
    const ShuProgress *progress, GError **error)
{
  Worker w = {.s = s, .left = LOOKS_OF_FACE * (gint64) s->n_alive + FREE_LOOKS};
  int before, total = MAX (1, s->n_faces - target);
  gboolean ok = TRUE, more;

  memset (s->mark, 0, s->n_verts * sizeof (int));
  for (int round = 0; ok && s->n_alive > target; round++) {
    double limit = round < MAX_RAISES ? cost : INFINITY;

    before = s->n_alive;
    collect (&w, limit);
    do {
      w.n_removed = 0;
      more = worker_drain (
          &w, limit, MIN (s->n_alive - target, FACES_AT_ONCE), LOOKS_AT_ONCE);
      s->n_alive -= w.n_removed;
      ok = shu_progress (
          progress, "simplify", s->n_faces - s->n_alive, total, error);
    } while (ok && more && s->n_alive > target);
    /* What was refused may become possible once its neighbours have changed. */
    if (w.left <= 0 || (limit == INFINITY && s->n_alive == before))
      break;
    w.left -= LOOKS_OF_FACE / 16 * (gint64) s->n_alive; /* a round's edges */
    cost *= RAISE;
  }
  g_free (w.heap);
  return ok;
}
