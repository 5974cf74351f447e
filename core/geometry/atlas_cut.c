/* SPDX-License-Identifier: MIT */
/* Cuts a mesh into charts: of small clusters of faces, the pair of neighbours
 * whose union is flattest and roundest is united until none may be (Garland,
 * Willmott and Heckbert 2001, with the normal metric of Cohen-Steiner et al.
 * 2004). */
#include "geometry/atlas_private.h"
#include <math.h>
#include <string.h>

/* Weight of the squared outline against the spread of the normals. */
static const float outline_weight = 0.3f;

typedef struct {
  float area;
  float normal[3]; /* sum of area * normal */
  float outline;   /* length of the border */
  int first, last; /* faces, linked through @next_face */
  int stamp;       /* times it changed; -1: absorbed */
  GArray *borders;
} Cluster;

typedef struct {
  float cost;
  int a, b;
  int stamp_a, stamp_b;
} Pair;

typedef struct {
  const ShuSurface *s;
  Cluster *clusters;
  int *next_face;
  float min_cos;
  GArray *heap;
} Cutter;

static gboolean
pair_before (const Pair *p, const Pair *q)
{
  if (p->cost != q->cost)
    return p->cost < q->cost;
  return p->a != q->a ? p->a < q->a : p->b < q->b;
}

static void
heap_push (GArray *heap, Pair p)
{
  guint i = heap->len;

  g_array_append_val (heap, p);
  Pair *h = (Pair *) heap->data;
  for (; i > 0 && pair_before (&p, h + (i - 1) / 2); i = (i - 1) / 2)
    h[i] = h[(i - 1) / 2];
  h[i] = p;
}

static Pair
heap_pop (GArray *heap)
{
  Pair *h = (Pair *) heap->data;
  Pair top = h[0], p = h[heap->len - 1];
  guint i = 0, n = heap->len - 1;

  for (guint c; (c = 2 * i + 1) < n; i = c) {
    if (c + 1 < n && pair_before (h + c + 1, h + c))
      c++;
    if (!pair_before (h + c, &p))
      break;
    h[i] = h[c];
  }
  h[i] = p;
  g_array_set_size (heap, n);
  return top;
}

static void
push_pair (Cutter *c, int a, const ShuBorder *border)
{
  const Cluster *p = c->clusters + a, *q = c->clusters + border->other;
  float cost = shu_union_cost (p->area + q->area, p->normal, q->normal,
      p->outline + q->outline - 2 * border->length);

  if (cost < INFINITY)
    heap_push (
        c->heap, (Pair){cost, MIN (a, border->other), MAX (a, border->other),
                     a < border->other ? p->stamp : q->stamp,
                     a < border->other ? q->stamp : p->stamp});
}

/* Whether all faces of both turn less than the limit from their mean. */
static gboolean
may_unite (const Cutter *c, const Cluster *p, const Cluster *q)
{
  float n[3], len;

  for (int k = 0; k < 3; k++)
    n[k] = p->normal[k] + q->normal[k];
  len = sqrtf (n[0] * n[0] + n[1] * n[1] + n[2] * n[2]);
  for (int part = 0; part < 2; part++)
    for (int f = part ? q->first : p->first; f >= 0; f = c->next_face[f]) {
      const float *m = c->s->normal[f];
      if (c->s->area[f] > 0 &&
          m[0] * n[0] + m[1] * n[1] + m[2] * n[2] < c->min_cos * len)
        return FALSE;
    }
  return TRUE;
}

/* Replaces @from by @to among the borders of @cluster, adding lengths. */
static void
rename_border (Cluster *cluster, int from, int to)
{
  ShuBorder *b = (ShuBorder *) cluster->borders->data;
  int at = -1, had = -1;

  for (guint i = 0; i < cluster->borders->len; i++) {
    if (b[i].other == from)
      at = i;
    else if (b[i].other == to)
      had = i;
  }
  if (at >= 0 && had >= 0) {
    b[had].length += b[at].length;
    g_array_remove_index_fast (cluster->borders, at);
  } else if (at >= 0) {
    b[at].other = to;
  }
}

/* The smaller, @ib, goes into @ia. */
static void
unite (Cutter *c, int ia, int ib)
{
  Cluster *a = c->clusters + ia, *b = c->clusters + ib;

  a->area += b->area;
  a->outline += b->outline;
  for (int k = 0; k < 3; k++)
    a->normal[k] += b->normal[k];
  c->next_face[a->last] = b->first;
  a->last = b->last;
  a->stamp++;
  b->stamp = -1;
  for (guint i = 0; i < b->borders->len; i++) {
    ShuBorder e = g_array_index (b->borders, ShuBorder, i);
    guint j = 0;

    if (e.other == ia) {
      a->outline -= 2 * e.length;
      continue;
    }
    rename_border (c->clusters + e.other, ib, ia);
    for (; j < a->borders->len; j++)
      if (g_array_index (a->borders, ShuBorder, j).other == e.other)
        break;
    if (j < a->borders->len)
      g_array_index (a->borders, ShuBorder, j).length += e.length;
    else
      g_array_append_val (a->borders, e);
  }
  for (guint j = 0; j < a->borders->len; j++)
    if (g_array_index (a->borders, ShuBorder, j).other == ib) {
      g_array_remove_index_fast (a->borders, j);
      break;
    }
  g_clear_pointer (&b->borders, g_array_unref);
  for (guint j = 0; j < a->borders->len; j++)
    push_pair (c, ia, &g_array_index (a->borders, ShuBorder, j));
}

static void
add_border (Cluster *p, int other, float length)
{
  guint j = 0;

  while (j < p->borders->len &&
         g_array_index (p->borders, ShuBorder, j).other != other)
    j++;
  if (j == p->borders->len) {
    ShuBorder e = {other, 0};
    g_array_append_val (p->borders, e);
  }
  g_array_index (p->borders, ShuBorder, j).length += length;
}

/* @label: cluster of each face to begin with */
static void
init_clusters (Cutter *c, const gint32 *label, int n)
{
  const ShuSurface *s = c->s;

  for (int i = 0; i < n; i++)
    c->clusters[i] = (Cluster){.first = -1,
        .borders = g_array_sized_new (FALSE, FALSE, sizeof (ShuBorder), 8)};
  for (int f = 0; f < s->mesh->n_faces; f++) {
    Cluster *p = c->clusters + label[f];

    p->area += s->area[f];
    c->next_face[f] = -1;
    if (p->first < 0)
      p->first = f;
    else
      c->next_face[p->last] = f;
    p->last = f;
    for (int k = 0; k < 3; k++) {
      int other = s->next[f][k];
      float length;

      p->normal[k] += s->area[f] * s->normal[f][k];
      if (other >= 0 && label[other] == label[f])
        continue;
      length = shu_edge_length (s->mesh, f, k);
      p->outline += length;
      if (other >= 0 && s->zone[other] == s->zone[f])
        add_border (p, label[other], length);
    }
  }
}

/* The faces of each cluster as a chart. */
static GPtrArray *
make_charts (Cutter *c, int n_clusters)
{
  const ShuSurface *s = c->s;
  int n = s->mesh->n_faces, n_charts = 0, n_full = 0;
  g_autofree int *chart = g_new (int, n);
  g_autofree gint32 *faces = g_new (gint32, n);
  GPtrArray *charts = g_ptr_array_new_with_free_func (shu_chart_free);

  for (int i = 0; i < n_clusters; i++) {
    if (c->clusters[i].stamp < 0)
      continue;
    for (int f = c->clusters[i].first; f >= 0; f = c->next_face[f])
      chart[f] = n_charts;
    n_charts++;
  }
  n_charts = shu_charts_straighten (s, chart, n_charts, c->min_cos);
  g_autofree int *start = g_new0 (int, n_charts + 1);
  for (int f = 0; f < n; f++)
    start[chart[f] + 1]++;
  for (int i = 0; i < n_charts; i++)
    start[i + 1] += start[i];
  g_autofree int *at = g_memdup2 (start, n_charts * sizeof (int));
  for (int f = 0; f < n; f++)
    faces[at[chart[f]]++] = f;
  for (int i = 0; i < n_charts; i++)
    if (start[i + 1] > start[i])
      start[n_full++] = start[i];
  start[n_full] = n;
  g_ptr_array_set_size (charts, n_full);
#pragma omp parallel for schedule(dynamic, 1)
  for (int i = 0; i < n_full; i++)
    charts->pdata[i] =
        shu_chart_new (s, faces + start[i], start[i + 1] - start[i]);
  return charts;
}

float
shu_union_cost (float area, const float *p, const float *q, float outline)
{
  float n[3];

  for (int k = 0; k < 3; k++)
    n[k] = p[k] + q[k];
  float flat = sqrtf (n[0] * n[0] + n[1] * n[1] + n[2] * n[2]);
  /* Half a turn of normals apart: never. */
  return flat < 0.3f * area ? INFINITY
                            : area - flat + outline_weight * outline * outline;
}

GPtrArray *
shu_charts_cut (const ShuSurface *s, float min_cos)
{
  g_autofree int *next_face = g_new (int, s->mesh->n_faces);
  g_autofree gint32 *label = g_new (gint32, s->mesh->n_faces);
  int n = shu_faces_cluster (s, min_cos, label);
  g_autofree Cluster *clusters = g_new (Cluster, n);
  g_autoptr (GArray) heap = g_array_new (FALSE, FALSE, sizeof (Pair));
  Cutter c = {s, clusters, next_face, min_cos, heap};
  GPtrArray *charts;

  init_clusters (&c, label, n);
  for (int i = 0; i < n; i++)
    for (guint j = 0; j < clusters[i].borders->len; j++) {
      const ShuBorder *e = &g_array_index (clusters[i].borders, ShuBorder, j);
      if (e->other > i)
        push_pair (&c, i, e);
    }
  while (heap->len > 0 && !shu_progress_stops (s->progress)) {
    Pair p = heap_pop (heap);
    Cluster *a = clusters + p.a, *b = clusters + p.b;

    if (a->stamp != p.stamp_a || b->stamp != p.stamp_b || !may_unite (&c, a, b))
      continue;
    if (a->borders->len >= b->borders->len)
      unite (&c, p.a, p.b);
    else
      unite (&c, p.b, p.a);
  }
  charts = make_charts (&c, n);
  for (int i = 0; i < n; i++)
    if (clusters[i].stamp >= 0)
      g_array_unref (clusters[i].borders);
  return charts;
}
