/* SPDX-License-Identifier: MIT */
/* The end of a simplification: one heap for all of the mesh.  Where regions
 * have come to some cost already, it has what they have left of that and the
 * edges at their last seams, and a little more if that is not enough. */
#include "simplify_private.h"
#include <string.h>

enum {
  CHUNK = 4096,            /* vertices a task */
  FEW = 64,                /* corners that are looked at for an edge */
  FACES_AT_ONCE = 8192,    /* between two looks at whether to stop */
  LOOKS_AT_ONCE = 1 << 18, /* the same, where nothing can be collapsed */
  MAX_RAISES = 8,
  LOOKS_OF_ROUND = 12, /* what listing its edges costs, for each face */
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

/* Adds to what the worker will look at once its limit is raised. */
static void
take_list (Worker *w, const GArray *list)
{
  gsize n = w->n_later + list->len;

  if (n > w->later_size) {
    w->later_size = MAX (n, 2 * w->later_size);
    w->later = g_renew (Candidate, w->later, w->later_size);
  }
  if (list->len > 0)
    memcpy (w->later + w->n_later, list->data, list->len * sizeof (Candidate));
  w->n_later = n;
}

/* Edges from @a, each once, or twice, which does not matter: all, or those with
 * an end on a seam that no region has come to. */
static void
collect_edges (
    const Simplifier *s, int a, gboolean seams, double limit, GArray *list)
{
  guint8 stays = seams ? (guint8) ~ON_SEAM : 0xff;

  if (s->locked[a] & stays || (seams && !(s->locked[a] & ON_SEAM)))
    return;
  for (int c = s->head[a]; c >= 0; c = s->next[c]) {
    int n[2];

    others (s, c, &n[0], &n[1]);
    for (int k = 0; k < 2; k++) {
      int b = n[k];
      gboolean from_b = b < a && (!seams || s->locked[b] & ON_SEAM);

      if (from_b || s->locked[b] & stays || (k == 1 && has_edge (s, a, b)))
        continue;
      add_candidate (s, MIN (a, b), MAX (a, b), limit, list);
    }
  }
}

/* Edges of no more than @limit as the worker's heap: all, or what regions have
 * left and those at their seams. */
static void
collect (Worker *w, gboolean seams, double limit)
{
  const Simplifier *s = w->s;
  int n_chunks = (s->n_verts + CHUNK - 1) / CHUNK;
  g_autofree GArray **lists = g_new (GArray *, MAX (1, n_chunks));

  w->n_heap = w->n_later = 0;
#pragma omp parallel for schedule(dynamic, 1)
  for (int k = 0; k < n_chunks; k++) {
    lists[k] = g_array_new (FALSE, FALSE, sizeof (Candidate));
    for (int a = k * CHUNK; a < MIN (s->n_verts, (k + 1) * CHUNK) &&
                            !shu_progress_stops (s->progress);
         a++)
      collect_edges (s, a, seams, limit, lists[k]);
  }
  if (seams)
    take_list (w, s->left);
  for (int k = 0; k < n_chunks; k++) {
    take_list (w, lists[k]);
    g_array_unref (lists[k]);
  }
  worker_raise (w, limit);
}

gboolean
simplify_whole (Simplifier *s, int target, double cost, GError **error)
{
  Worker w = {.s = s,
      .left = LOOKS_OF_FACE * (gint64) s->n_alive + FREE_LOOKS,
      .limit = cost};
  int before, total = MAX (1, s->n_faces - target);
  gboolean ok = TRUE, more;

  memset (s->mark, 0, s->n_verts * sizeof *s->mark);
  for (int round = 0; ok && s->n_alive > target; round++) {
    double limit = round < MAX_RAISES ? cost : INFINITY;

    before = s->n_alive;
    collect (&w, round == 0 && s->left, limit);
    for (int i = 0; i < s->n_verts && round == 0; i++)
      s->locked[i] &= ~ON_SEAM;
    do {
      w.n_removed = 0;
      more = worker_drain (
          &w, MIN (s->n_alive - target, FACES_AT_ONCE), LOOKS_AT_ONCE);
      s->n_alive -= w.n_removed;
      ok = shu_progress (
          s->progress, "simplify", s->n_faces - s->n_alive, total, error);
    } while (ok && more && s->n_alive > target);
    /* What was refused may become possible once its neighbours have changed. */
    if (w.left <= 0 || (limit == INFINITY && s->n_alive == before))
      break;
    w.left -= LOOKS_OF_ROUND * (gint64) s->n_alive;
    cost *= RAISE;
  }
  worker_clear (&w);
  return ok;
}
