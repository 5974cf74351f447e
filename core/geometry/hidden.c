/* SPDX-License-Identifier: MIT */
/* Which faces belong to the inside: a minimum cut between those that are seen
 * from many sides and those that are hardly seen, along short edges, as in
 * the post-processing of TRELLIS (Xiang et al. 2024). */
#include "surface_private.h"
#include "mincut_private.h"
#include "geometry/sets_private.h"
#include <string.h>

/* Capacities are real numbers below 10^4 in the reference. */
static const double CAPACITY_UNIT = 1000.0 * (1 << 20);

/* Faces by piece, and by visibility within a piece. */
typedef struct {
  int *label;
  int n_pieces;
  int *start; /* [n_pieces + 1] */
  int *face;
} Pieces;

static void
pieces_clear (Pieces *p)
{
  g_free (p->label);
  g_free (p->start);
  g_free (p->face);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Pieces, pieces_clear)

/* Stable counting sort of @from (or 0, 1, ...) by @key. */
static int *
sort_by_key (
    const int *from, int n, const int *key, int n_keys, int **ret_start)
{
  int *start = g_new0 (int, n_keys + 2), *out = g_new (int, n + 1);

  for (int i = 0; i < n; i++)
    start[key[from ? from[i] : i] + 2]++;
  for (int k = 0; k < n_keys; k++)
    start[k + 2] += start[k + 1];
  for (int i = 0; i < n; i++) {
    int v = from ? from[i] : i;

    out[start[key[v] + 1]++] = v;
  }
  *ret_start = start;
  return out;
}

/* Sorts the faces with label >= 0; takes @label. */
static void
pieces_init (Pieces *p, int *label, int n_pieces, const int *seen, int n_faces,
    int n_views)
{
  g_autofree int *start = NULL;
  g_autofree int *by_seen =
      sort_by_key (NULL, n_faces, seen, n_views + 1, &start);
  int n = 0;

  for (int i = 0; i < n_faces; i++)
    if (label[by_seen[i]] >= 0)
      by_seen[n++] = by_seen[i];
  p->label = label;
  p->n_pieces = n_pieces;
  p->face = sort_by_key (by_seen, n, label, n_pieces, &p->start);
}

/* Quantile with linear interpolation of sorted visibilities. */
static double
quantile (const int *face, int n, const int *seen, double ratio)
{
  double at = ratio * (n - 1);
  int lo = (int) at, hi = MIN (lo + 1, n - 1);

  return seen[face[lo]] + (at - lo) * (seen[face[hi]] - seen[face[lo]]);
}

/* +1 for inner faces, -1 for outer ones, 0 for the undecided. */
static gboolean
mark_terminals (const Surface *s, const ShuCleanupParams *p, const int *seen,
    gint8 *ret_side)
{
  g_autofree int *label = g_new (int, s->n_faces + 1);
  g_autofree int *start = NULL;
  g_autofree int *all =
      sort_by_key (NULL, s->n_faces, seen, p->n_views + 1, &start);
  double q_all = quantile (all, s->n_faces, seen, p->ratio);
  g_auto (Pieces) pieces = {0};
  int n_pieces = surface_label_pieces (s, NULL, label);
  gboolean any_inner = FALSE;

  pieces_init (&pieces, g_steal_pointer (&label), n_pieces, seen, s->n_faces,
      p->n_views);
  for (int i = 0; i < n_pieces; i++) {
    const int *face = pieces.face + pieces.start[i];
    int n = pieces.start[i + 1] - pieces.start[i];
    double q = MIN (quantile (face, n, seen, p->ratio), q_all);
    double limit = MIN (MAX (q, p->outer_min * p->n_views), 0.5 * p->n_views);

    for (int k = 0; k < n; k++) {
      gboolean is_inner = seen[face[k]] <= p->inner_max * p->n_views;

      any_inner |= is_inner;
      ret_side[face[k]] = is_inner ? 1 : seen[face[k]] > limit ? -1 : 0;
    }
  }
  return any_inner;
}

static void
cut_surface (const Surface *s, const gint8 *side, guint8 *ret_inner)
{
  g_autoptr (MinCut) cut = min_cut_new (s->n_faces, 3 * s->n_faces / 2 + 1);

  for (int f = 0; f < s->n_faces; f++)
    min_cut_set_terminal (cut, f, side[f] * (gint64) CAPACITY_UNIT);
  for (int h = 0; h < 3 * s->n_faces; h++) {
    Vec3 d;

    if (s->twin[h] < h)
      continue;
    d = vec3_sub (s->pos[half_from (s, h)], s->pos[half_to (s, h)]);
    min_cut_add_edge (
        cut, h / 3, s->twin[h] / 3, (gint64) (CAPACITY_UNIT * vec3_length (d)));
  }
  min_cut_solve (cut, s->progress, ret_inner);
}

/* Area of one loop of new border edges, as a fan around the mean of their
 * middles. */
static double
opening_area (const Surface *s, const int *half, int n)
{
  Vec3 mean = {0, 0, 0};
  double area = 0;

  for (int i = 0; i < n; i++)
    mean = vec3_add (mean, vec3_add (s->pos[half_from (s, half[i])],
                               s->pos[half_to (s, half[i])]));
  mean = vec3_scale (mean, 0.5 / n);
  for (int i = 0; i < n; i++)
    area += vec3_length (vec3_normal (mean, s->pos[half_from (s, half[i])],
                s->pos[half_to (s, half[i])])) /
            2;
  return area;
}

typedef struct {
  int root;
  int half;
} LoopEdge;

static int
compare_loop_edges (gconstpointer a, gconstpointer b)
{
  const LoopEdge *l = a, *r = b;

  if (l->root != r->root)
    return l->root < r->root ? -1 : 1;
  return l->half < r->half ? -1 : l->half > r->half;
}

/* The largest opening that removing the faces of one piece would leave.
 * @parent: each vertex its own, before and after */
static double
largest_opening (const Surface *s, const Pieces *pieces, int piece, int *parent)
{
  g_autoptr (GArray) edges = g_array_new (FALSE, FALSE, sizeof (LoopEdge));
  g_autoptr (GArray) loop = g_array_new (FALSE, FALSE, sizeof (int));
  double largest = 0;

  for (int i = pieces->start[piece]; i < pieces->start[piece + 1]; i++)
    for (int k = 0; k < 3; k++) {
      int h = 3 * pieces->face[i] + k, a, b;
      LoopEdge edge = {0, h};

      if (s->twin[h] < 0 || pieces->label[s->twin[h] / 3] == piece)
        continue;
      g_array_append_val (edges, edge);
      a = shu_find_root (parent, half_from (s, h));
      b = shu_find_root (parent, half_to (s, h));
      parent[MAX (a, b)] = MIN (a, b);
    }
  for (guint i = 0; i < edges->len; i++) {
    LoopEdge *e = &g_array_index (edges, LoopEdge, i);

    e->root = shu_find_root (parent, half_from (s, e->half));
  }
  for (guint i = 0; i < edges->len; i++) {
    const LoopEdge *e = &g_array_index (edges, LoopEdge, i);

    parent[half_from (s, e->half)] = half_from (s, e->half);
    parent[half_to (s, e->half)] = half_to (s, e->half);
  }
  g_array_sort (edges, compare_loop_edges);
  for (guint i = 0; i < edges->len; i++) {
    const LoopEdge *e = &g_array_index (edges, LoopEdge, i);

    g_array_append_val (loop, e->half);
    if (i + 1 == edges->len || e[1].root != e->root) {
      largest =
          MAX (largest, opening_area (s, (const int *) loop->data, loop->len));
      g_array_set_size (loop, 0);
    }
  }
  return largest;
}

int
surface_find_hidden (const Surface *s, const ShuCleanupParams *params,
    const int *seen, guint8 *keep)
{
  g_autofree gint8 *side = g_new (gint8, s->n_faces + 1);
  g_autofree guint8 *inner = g_new (guint8, s->n_faces + 1);
  g_autofree int *label = g_new (int, s->n_faces + 1);
  g_autofree int *parent = g_new (int, s->n_verts + 1);
  g_auto (Pieces) pieces = {0};
  int n_pieces, n_hidden = 0;

  if (s->n_faces == 0 || !mark_terminals (s, params, seen, side))
    return 0;
  for (int v = 0; v < s->n_verts; v++)
    parent[v] = v;
  cut_surface (s, side, inner);
  n_pieces = surface_label_pieces (s, inner, label);
  pieces_init (&pieces, g_steal_pointer (&label), n_pieces, seen, s->n_faces,
      params->n_views);
  for (int i = 0; i < n_pieces && !surface_stops (s); i++) {
    const int *face = pieces.face + pieces.start[i];
    int n = pieces.start[i + 1] - pieces.start[i];

    /* Seen too well, or torn from too wide an opening: stays. */
    if (seen[face[(n - 1) / 2]] > params->outer_min * params->n_views ||
        largest_opening (s, &pieces, i, parent) > params->max_opening)
      continue;
    for (int k = 0; k < n; k++)
      keep[face[k]] = FALSE;
    n_hidden += n;
  }
  return n_hidden;
}
