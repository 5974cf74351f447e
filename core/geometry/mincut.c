/* SPDX-License-Identifier: MIT */
/* Two search trees grow from the terminals until they touch, the path is
 * filled, and the subtrees that lost their parent look for a new one (Boykov
 * and Kolmogorov, "An Experimental Comparison of Min-Cut/Max-Flow
 * Algorithms", PAMI 2004). */
#include "mincut_private.h"

enum { NO_ARC = -1, TERMINAL = -2, ORPHAN = -3 };

enum { FREE, SOURCE, SINK };

typedef struct {
  int first;       /* arc list */
  int parent;      /* arc to the parent, or one of the above */
  int next_active; /* -1: not queued; itself: last of the queue */
  int distance;    /* to the terminal, valid at time @stamp */
  int stamp;
  guint8 tree;
  gint64 terminal; /* residual: > 0 from the source, < 0 to the sink */
} Node;

typedef struct {
  int to;
  int next;
  gint64 residual;
} Arc; /* the reverse of arc a is a ^ 1 */

struct _MinCut {
  int n_nodes;
  int n_arcs;
  int max_arcs;
  Node *nodes;
  Arc *arcs;
  int active_head, active_tail;
  GArray *orphans; /* int, a queue with its own read position */
  guint orphan_pos;
  int time;
  gint64 flow;
};

MinCut *
min_cut_new (int n_nodes, int max_edges)
{
  MinCut *c = g_new0 (MinCut, 1);

  c->n_nodes = n_nodes;
  c->max_arcs = 2 * max_edges;
  c->nodes = g_new0 (Node, n_nodes + 1);
  c->arcs = g_new (Arc, c->max_arcs + 1);
  c->orphans = g_array_new (FALSE, FALSE, sizeof (int));
  for (int i = 0; i < n_nodes; i++) {
    c->nodes[i].first = c->nodes[i].parent = NO_ARC;
    c->nodes[i].next_active = -1;
  }
  return c;
}

void
min_cut_free (MinCut *c)
{
  if (!c)
    return;
  g_free (c->nodes);
  g_free (c->arcs);
  g_array_free (c->orphans, TRUE);
  g_free (c);
}

void
min_cut_set_terminal (MinCut *c, int node, gint64 capacity)
{
  c->nodes[node].terminal = capacity;
}

void
min_cut_add_edge (MinCut *c, int a, int b, gint64 capacity)
{
  int i = c->n_arcs;

  g_assert (i + 2 <= c->max_arcs);
  c->arcs[i] = (Arc){b, c->nodes[a].first, capacity};
  c->arcs[i + 1] = (Arc){a, c->nodes[b].first, capacity};
  c->nodes[a].first = i;
  c->nodes[b].first = i + 1;
  c->n_arcs += 2;
}

static void
activate (MinCut *c, int i)
{
  if (c->nodes[i].next_active >= 0)
    return;
  c->nodes[i].next_active = i;
  if (c->active_head < 0)
    c->active_head = i;
  else
    c->nodes[c->active_tail].next_active = i;
  c->active_tail = i;
}

static int
next_active (MinCut *c)
{
  while (c->active_head >= 0) {
    int i = c->active_head, next = c->nodes[i].next_active;

    c->active_head = next == i ? -1 : next;
    c->nodes[i].next_active = -1;
    if (c->nodes[i].tree != FREE)
      return i;
  }
  return -1;
}

static void
make_orphan (MinCut *c, int i)
{
  c->nodes[i].parent = ORPHAN;
  g_array_append_val (c->orphans, i);
}

/* Whether flow can pass between the tree of @i and the other end of @arc, in
 * the direction of the tree. */
static gint64
growth (const MinCut *c, int i, int arc)
{
  return c->arcs[c->nodes[i].tree == SOURCE ? arc : arc ^ 1].residual;
}

/* Grows the tree at @i.  Returns: an arc from the source tree to the sink
 * tree, or NO_ARC when @i has nowhere to grow. */
static int
grow (MinCut *c, int i)
{
  Node *n = &c->nodes[i];

  for (int a = n->first; a != NO_ARC; a = c->arcs[a].next) {
    int j = c->arcs[a].to;
    Node *m = &c->nodes[j];

    if (growth (c, i, a) == 0)
      continue;
    if (m->tree == FREE) {
      m->tree = n->tree;
      m->parent = a ^ 1;
      m->stamp = n->stamp;
      m->distance = n->distance + 1;
      activate (c, j);
    } else if (m->tree != n->tree) {
      return n->tree == SOURCE ? a : a ^ 1;
    } else if (m->stamp <= n->stamp && m->distance > n->distance + 1) {
      m->parent = a ^ 1;
      m->stamp = n->stamp;
      m->distance = n->distance + 1;
    }
  }
  return NO_ARC;
}

/* The arc that carries flow between @i and its parent. */
static Arc *
tree_arc (MinCut *c, int i, int tree)
{
  int parent = c->nodes[i].parent;

  return &c->arcs[tree == SOURCE ? parent ^ 1 : parent];
}

static gint64
bottleneck (MinCut *c, int i, int tree)
{
  gint64 least = G_MAXINT64;

  for (; c->nodes[i].parent != TERMINAL; i = c->arcs[c->nodes[i].parent].to)
    least = MIN (least, tree_arc (c, i, tree)->residual);
  return MIN (least, ABS (c->nodes[i].terminal));
}

static void
push (MinCut *c, int i, int tree, gint64 flow)
{
  while (c->nodes[i].parent != TERMINAL) {
    int parent = c->nodes[i].parent, up = c->arcs[parent].to;
    int forward = tree == SOURCE ? parent ^ 1 : parent;

    c->arcs[forward].residual -= flow;
    c->arcs[forward ^ 1].residual += flow;
    if (c->arcs[forward].residual == 0)
      make_orphan (c, i);
    i = up;
  }
  c->nodes[i].terminal += tree == SOURCE ? -flow : flow;
  if (c->nodes[i].terminal == 0)
    make_orphan (c, i);
}

static void
augment (MinCut *c, int arc)
{
  int from = c->arcs[arc ^ 1].to, to = c->arcs[arc].to;
  gint64 flow = c->arcs[arc].residual;

  flow = MIN (flow, bottleneck (c, from, SOURCE));
  flow = MIN (flow, bottleneck (c, to, SINK));
  c->arcs[arc].residual -= flow;
  c->arcs[arc ^ 1].residual += flow;
  push (c, from, SOURCE, flow);
  push (c, to, SINK, flow);
  c->flow += flow;
}

/* Distance of @i from its terminal, or -1 where its tree hangs on an orphan.
 * Marks the way so that the next question is answered sooner. */
static int
distance_to_terminal (MinCut *c, int i)
{
  int steps = 0, total;

  for (int j = i;; j = c->arcs[c->nodes[j].parent].to) {
    Node *n = &c->nodes[j];

    if (n->stamp == c->time) {
      total = steps + n->distance;
      break;
    }
    if (n->parent == TERMINAL) {
      n->stamp = c->time;
      n->distance = 1;
      total = steps + 1;
      break;
    }
    if (n->parent == ORPHAN || n->parent == NO_ARC)
      return -1;
    steps++;
  }
  for (int j = i, d = total; c->nodes[j].stamp != c->time;
       j = c->arcs[c->nodes[j].parent].to) {
    c->nodes[j].stamp = c->time;
    c->nodes[j].distance = d--;
  }
  return total;
}

static void
adopt (MinCut *c, int i)
{
  Node *n = &c->nodes[i];
  int best = NO_ARC, best_distance = G_MAXINT;

  for (int a = n->first; a != NO_ARC; a = c->arcs[a].next) {
    int j = c->arcs[a].to, d;

    if (c->nodes[j].tree != n->tree || growth (c, j, a ^ 1) == 0)
      continue;
    d = distance_to_terminal (c, j);
    if (d >= 0 && d < best_distance) {
      best = a;
      best_distance = d;
    }
  }
  if (best != NO_ARC) {
    n->parent = best;
    n->stamp = c->time;
    n->distance = best_distance + 1;
    return;
  }

  for (int a = n->first; a != NO_ARC; a = c->arcs[a].next) {
    int j = c->arcs[a].to;
    Node *m = &c->nodes[j];

    if (m->tree != n->tree)
      continue;
    if (growth (c, j, a ^ 1) > 0)
      activate (c, j);
    if (m->parent == (a ^ 1))
      make_orphan (c, j);
  }
  n->tree = FREE;
  n->parent = NO_ARC;
}

static void
adopt_orphans (MinCut *c)
{
  c->time++;
  while (c->orphan_pos < c->orphans->len)
    adopt (c, g_array_index (c->orphans, int, c->orphan_pos++));
  g_array_set_size (c->orphans, 0);
  c->orphan_pos = 0;
}

gint64
min_cut_solve (MinCut *c, const ShuProgress *progress, guint8 *ret_source)
{
  int i;

  c->active_head = -1;
  for (i = 0; i < c->n_nodes; i++) {
    Node *n = &c->nodes[i];

    if (n->terminal == 0)
      continue;
    n->tree = n->terminal > 0 ? SOURCE : SINK;
    n->parent = TERMINAL;
    n->distance = 1;
    activate (c, i);
  }
  while ((i = next_active (c)) >= 0 && !shu_progress_stops (progress)) {
    int arc;

    while (c->nodes[i].tree != FREE && !shu_progress_stops (progress) &&
           (arc = grow (c, i)) != NO_ARC) {
      augment (c, arc);
      adopt_orphans (c);
    }
  }
  for (i = 0; i < c->n_nodes; i++)
    ret_source[i] = c->nodes[i].tree != SINK;
  return c->flow;
}
