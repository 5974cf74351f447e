/* SPDX-License-Identifier: MIT */
/* Small clusters of faces to cut a mesh from: in rounds, all pairs of
 * neighbours that like each other best are united at once.  That is what
 * uniting the best pair of all over and over comes to, but for pairs that a
 * union has made cheaper; threads share it, and do not change it. */
#include "geometry/atlas_private.h"
#include <math.h>
#include <string.h>

enum {
  FACES_OF_CLUSTER = 24, /* on average, to end with */
  MAX_ROUNDS = 40,
};

typedef struct {
  float area, outline;
  float normal[3]; /* sum of area * normal */
  float turn;      /* that no face exceeds from the mean normal, an angle */
  int start, n;    /* of the list of borders */
} Cluster;

typedef struct {
  int n;
  Cluster *clusters;
  ShuBorder *borders;
} Level;

static void
level_init (Level *l, int n, gsize n_borders)
{
  l->n = n;
  l->clusters = g_new (Cluster, MAX (1, n));
  l->borders = g_new (ShuBorder, MAX (1, n_borders));
}

static void
level_clear (Level *l)
{
  g_free (l->clusters);
  g_free (l->borders);
}

/* Adds to the border with @other, or begins one. */
static void
add_border (ShuBorder *list, int *n, int other, float length)
{
  int j = 0;

  while (j < *n && list[j].other != other)
    j++;
  if (j == *n)
    list[(*n)++] = (ShuBorder){other, 0};
  list[j].length += length;
}

static void
begin (const ShuSurface *s, Level *l)
{
  level_init (l, s->mesh->n_faces, 3 * (gsize) s->mesh->n_faces);
#pragma omp parallel for schedule(static)
  for (int f = 0; f < l->n; f++) {
    Cluster *c = l->clusters + f;

    *c = (Cluster){.area = s->area[f], .start = 3 * f};
    for (int k = 0; k < 3; k++) {
      float length = shu_edge_length (s->mesh, f, k);
      int other = s->next[f][k];

      c->normal[k] = s->area[f] * s->normal[f][k];
      c->outline += length;
      if (other >= 0 && other != f && s->zone[other] == s->zone[f])
        add_border (l->borders + c->start, &c->n, other, length);
    }
  }
}

static float
angle_between (const float *a, const float *b)
{
  float dot = a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
  float square = (a[0] * a[0] + a[1] * a[1] + a[2] * a[2]) *
                 (b[0] * b[0] + b[1] * b[1] + b[2] * b[2]);

  return square > 0 ? acosf (CLAMP (dot / sqrtf (square), -1, 1)) : 0;
}

/* By how much faces of the union of both turn from its mean, at most. */
static float
turn_of_union (const Cluster *p, const Cluster *q)
{
  float n[3];

  for (int k = 0; k < 3; k++)
    n[k] = p->normal[k] + q->normal[k];
  return MAX (p->turn + angle_between (p->normal, n),
      q->turn + angle_between (q->normal, n));
}

/* The neighbour that is cheapest to unite with, or -1. */
static int
find_best (const Level *l, int i, float max_turn)
{
  const Cluster *p = l->clusters + i;
  float least = INFINITY;
  int best = -1;

  for (int j = p->start; j < p->start + p->n; j++) {
    int other = l->borders[j].other;
    const Cluster *q = l->clusters + other;
    float cost = shu_union_cost (p->area + q->area, p->normal, q->normal,
        p->outline + q->outline - 2 * l->borders[j].length);

    if (!(cost < least ||
            (cost == least && best >= 0 &&
                (MIN (i, other) < MIN (i, best) ||
                    (MIN (i, other) == MIN (i, best) && other < best)))))
      continue;
    if (turn_of_union (p, q) > max_turn)
      continue;
    least = cost;
    best = other;
  }
  return best;
}

/* The cluster that @a, and @b if it is not -1, become. */
static void
unite (const Level *l, int a, int b, const int *number, ShuBorder *borders,
    Cluster *ret)
{
  int self = number[a], start = ret->start;

  *ret = l->clusters[a];
  if (b >= 0) {
    const Cluster *q = l->clusters + b;

    ret->turn = turn_of_union (ret, q);
    ret->area += q->area;
    ret->outline += q->outline;
    for (int k = 0; k < 3; k++)
      ret->normal[k] += q->normal[k];
  }
  ret->start = start;
  ret->n = 0;
  for (int part = 0; part < (b >= 0 ? 2 : 1); part++) {
    const Cluster *c = l->clusters + (part ? b : a);

    for (int j = c->start; j < c->start + c->n; j++) {
      const ShuBorder *e = l->borders + j;

      if (number[e->other] != self)
        add_border (borders + start, &ret->n, number[e->other], e->length);
      else if (part == 0)
        ret->outline -= 2 * e->length;
    }
  }
}

/* One round.  @number: (out): of each cluster of @l among those of @next */
static void
unite_pairs (const Level *l, float max_turn, int *number, Level *next)
{
  g_autofree int *best = g_new (int, l->n);
  g_autofree int *first = g_new (int, l->n);
  gsize n_borders = 0;
  int n = 0;

#pragma omp parallel for schedule(static)
  for (int i = 0; i < l->n; i++)
    best[i] = find_best (l, i, max_turn);
  for (int i = 0; i < l->n; i++) {
    gboolean mutual = best[i] >= 0 && best[best[i]] == i;

    if (mutual && best[i] < i) {
      number[i] = number[best[i]];
      continue;
    }
    first[n] = i;
    number[i] = n++;
  }
  for (int i = 0; i < l->n; i++)
    n_borders += l->clusters[i].n;
  level_init (next, n, n_borders);
  n_borders = 0;
  for (int i = 0; i < n; i++) {
    int a = first[i], b = best[a];

    next->clusters[i].start = (int) n_borders;
    n_borders += l->clusters[a].n;
    if (b >= 0 && number[b] == i)
      n_borders += l->clusters[b].n;
  }
#pragma omp parallel for schedule(static)
  for (int i = 0; i < n; i++) {
    int a = first[i], b = best[a];

    unite (l, a, b >= 0 && number[b] == i ? b : -1, number, next->borders,
        next->clusters + i);
  }
}

int
shu_faces_cluster (const ShuSurface *s, float min_cos, gint32 *ret_label)
{
  int n_faces = s->mesh->n_faces, target = n_faces / FACES_OF_CLUSTER;
  g_autofree int *number = g_new (int, n_faces);
  Level level, next;

  begin (s, &level);
  for (int f = 0; f < n_faces; f++)
    ret_label[f] = f;
  for (int round = 0; round < MAX_ROUNDS && level.n > target &&
                      !shu_progress_stops (s->progress);
       round++) {
    int before = level.n;

    unite_pairs (&level, acosf (min_cos), number, &next);
    level_clear (&level);
    level = next;
#pragma omp parallel for schedule(static)
    for (int f = 0; f < n_faces; f++)
      ret_label[f] = number[ret_label[f]];
    if (level.n == before)
      break;
  }
  level_clear (&level);
  return level.n;
}
