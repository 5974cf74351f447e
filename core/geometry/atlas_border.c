/* SPDX-License-Identifier: MIT */
/* Straightens the borders between charts: a face goes to the chart that has
 * most of the surface around it, over and over, which moves borders by their
 * curvature (Merriman, Bence and Osher 1992).  Short seams, and outlines that
 * pack well. */
#include "geometry/atlas_private.h"
#include <math.h>
#include <string.h>

enum {
  N_ROUNDS = 10,
  N_AROUND = 40, /* faces that are looked at around one */
  N_TEETH = 20,  /* rounds */
  N_SLOTS = 256, /* of a table of these faces */
};

typedef struct {
  const ShuSurface *s;
  gint32 *label;
  int n_labels;
  float (*axis)[3]; /* of each label: sum of area * normal */
  float min_cos;
} Borders;

static void
sum_axes (Borders *b)
{
  const ShuSurface *s = b->s;

  memset (b->axis, 0, 3 * sizeof (float) * b->n_labels);
  for (int f = 0; f < s->mesh->n_faces; f++)
    for (int k = 0; k < 3; k++)
      b->axis[b->label[f]][k] += s->area[f] * s->normal[f][k];
}

/* Whether the face turns less than the limit from the chart's mean. */
static gboolean
may_join (const Borders *b, int f, int label)
{
  const float *a = b->axis[label], *n = b->s->normal[f];
  float len = sqrtf (a[0] * a[0] + a[1] * a[1] + a[2] * a[2]);

  return !(b->s->area[f] > 0) ||
         a[0] * n[0] + a[1] * n[1] + a[2] * n[2] >= b->min_cos * len;
}

static gboolean
is_at_border (const Borders *b, int f)
{
  for (int k = 0; k < 3; k++) {
    int n = b->s->next[f][k];
    if (n >= 0 && b->label[n] != b->label[f] && b->s->zone[n] == b->s->zone[f])
      return TRUE;
  }
  return FALSE;
}

/* Faces that a walk has found. */
typedef struct {
  int n;
  gint32 queue[N_AROUND];
  gint32 table[N_SLOTS]; /* the same by hash, or -1 */
} Walk;

/* Queues the face unless it is there already. */
static void
find_face (Walk *w, gint32 face)
{
  guint at = (guint32) face * 0x9e3779b1u >> 24;

  for (; w->table[at] >= 0; at = (at + 1) % N_SLOTS)
    if (w->table[at] == face)
      return;
  w->table[at] = face;
  w->queue[w->n++] = face;
}

/* The label that has most of the area around @f, of those it may join. */
static int
label_around (const Borders *b, int f)
{
  const ShuSurface *s = b->s;
  int n_labels = 0, labels[N_AROUND];
  float area[N_AROUND];
  int best = b->label[f];
  Walk w = {0};

  memset (w.table, 0xff, sizeof w.table);
  find_face (&w, f);
  for (int i = 0; i < w.n; i++) {
    int at = w.queue[i], j = 0;

    while (j < n_labels && labels[j] != b->label[at])
      j++;
    if (j == n_labels) {
      labels[n_labels] = b->label[at];
      area[n_labels++] = 0;
    }
    area[j] += s->area[at];
    for (int k = 0; k < 3 && w.n < N_AROUND; k++) {
      int next = s->next[at][k];

      if (next >= 0 && s->zone[next] == s->zone[f])
        find_face (&w, next);
    }
  }
  /* The first is its own. */
  for (int j = 1, most = 0; j < n_labels; j++)
    if (area[j] > area[most] && may_join (b, f, labels[j])) {
      most = j;
      best = labels[j];
    }
  return best;
}

/* Returns: how many faces changed their chart */
static int
move_borders (Borders *b)
{
  int n = b->s->mesh->n_faces, n_list = 0, n_moved = 0;
  g_autofree gint32 *list = g_new (gint32, n);
  g_autofree gint32 *to = g_new (gint32, n);
  g_autofree guint8 *at_border = g_new (guint8, n);

#pragma omp parallel for schedule(static)
  for (int f = 0; f < n; f++)
    at_border[f] = is_at_border (b, f);
  for (int f = 0; f < n; f++)
    if (at_border[f])
      list[n_list++] = f;
#pragma omp parallel for schedule(static)
  for (int i = 0; i < n_list; i++)
    to[i] = label_around (b, list[i]);
  for (int i = 0; i < n_list; i++) {
    n_moved += b->label[list[i]] != to[i];
    b->label[list[i]] = to[i];
  }
  return n_moved;
}

/* The other chart that @f borders on two sides, or -1. */
static int
label_on_two_sides (const Borders *b, int f)
{
  const ShuSurface *s = b->s;

  for (int k = 0; k < 3; k++) {
    int p = s->next[f][k], q = s->next[f][(k + 1) % 3];

    if (p >= 0 && q >= 0 && p != q && b->label[p] == b->label[q] &&
        b->label[p] != b->label[f] && s->zone[p] == s->zone[f])
      return b->label[p];
  }
  return -1;
}

/* Teeth go to the chart that holds them on two sides: each makes the border
 * shorter, so this ends. */
static void
remove_teeth (Borders *b)
{
  int n = b->s->mesh->n_faces, n_moved = 1;

  for (int round = 0;
       round < N_TEETH && n_moved > 0 && !shu_progress_stops (b->s->progress);
       round++) {
    n_moved = 0;
    for (int i = 0; i < n; i++) {
      int f = round & 1 ? n - 1 - i : i, to = label_on_two_sides (b, f);

      if (to < 0 || !may_join (b, f, to))
        continue;
      b->label[f] = to;
      n_moved++;
    }
  }
}

typedef struct {
  int start, n; /* in the list of faces */
  float area;
} Piece;

/* Connected faces of one label: their list, piece by piece. */
static GArray *
find_pieces (const Borders *b, gint32 *list)
{
  const ShuSurface *s = b->s;
  int n = s->mesh->n_faces, tail = 0;
  g_autofree guint8 *seen = g_malloc0 (n);
  GArray *pieces = g_array_new (FALSE, FALSE, sizeof (Piece));

  for (int f = 0; f < n; f++) {
    Piece p = {tail, 0, 0};

    if (seen[f])
      continue;
    seen[f] = 1;
    list[tail++] = f;
    for (int i = p.start; i < tail; i++) {
      p.area += s->area[list[i]];
      for (int k = 0; k < 3; k++) {
        int next = s->next[list[i]][k];
        if (next < 0 || seen[next] || b->label[next] != b->label[f])
          continue;
        seen[next] = 1;
        list[tail++] = next;
      }
    }
    p.n = tail - p.start;
    g_array_append_val (pieces, p);
  }
  return pieces;
}

/* The label that most edges of a piece border on and that all of it may join;
 * -1: none.  Labels that pieces were given as charts of their own have no axis
 * to join by.  @settled: faces that keep their label */
static int
label_beside (
    const Borders *b, const gint32 *faces, int n, const guint8 *settled)
{
  const ShuSurface *s = b->s;
  g_autoptr (GHashTable) edges = g_hash_table_new (NULL, NULL);
  int best = -1, most = 0;

  for (int i = 0; i < n; i++)
    for (int k = 0; k < 3; k++) {
      int next = s->next[faces[i]][k], label, count;
      gboolean ok = TRUE;

      if (next < 0 || !settled[next] || b->label[next] == b->label[faces[i]] ||
          s->zone[next] != s->zone[faces[i]])
        continue;
      label = b->label[next];
      if (label >= b->n_labels)
        continue;
      count = 1 + GPOINTER_TO_INT (
                      g_hash_table_lookup (edges, GINT_TO_POINTER (label)));
      g_hash_table_insert (
          edges, GINT_TO_POINTER (label), GINT_TO_POINTER (count));
      if (count <= most)
        continue;
      for (int j = 0; ok && j < n; j++)
        ok = may_join (b, faces[j], label);
      if (ok) {
        best = label;
        most = count;
      }
    }
  return best;
}

/* A chart is in one piece: what borders have cut off goes to a neighbour, or
 * becomes a chart of its own.  Returns: the number of labels */
static int
join_pieces (Borders *b)
{
  int n_labels = b->n_labels;
  g_autofree gint32 *list = g_new (gint32, b->s->mesh->n_faces);
  g_autofree int *largest = g_new (int, n_labels);
  g_autofree guint8 *settled = g_malloc0 (b->s->mesh->n_faces);
  g_autoptr (GArray) pieces = find_pieces (b, list);
  const Piece *p = (const Piece *) pieces->data;

  memset (largest, 0xff, n_labels * sizeof (int));
  for (guint i = 0; i < pieces->len; i++) {
    int *l = largest + b->label[list[p[i].start]];
    if (*l < 0 || p[i].area > p[*l].area)
      *l = i;
  }
  for (int l = 0; l < b->n_labels; l++)
    for (int j = 0; largest[l] >= 0 && j < p[largest[l]].n; j++)
      settled[list[p[largest[l]].start + j]] = 1;
  for (guint i = 0; i < pieces->len; i++) {
    const gint32 *faces = list + p[i].start;
    int to;

    if (settled[faces[0]] || shu_progress_stops (b->s->progress))
      continue;
    to = label_beside (b, faces, p[i].n, settled);
    if (to < 0)
      to = n_labels++;
    for (int j = 0; j < p[i].n; j++) {
      b->label[faces[j]] = to;
      settled[faces[j]] = 1;
    }
  }
  return n_labels;
}

int
shu_charts_straighten (
    const ShuSurface *s, gint32 *label, int n_labels, float min_cos)
{
  g_autofree void *axis = g_new (float, 3 * (gsize) n_labels);
  Borders b = {s, label, n_labels, axis, min_cos};

  for (int round = 0; round < N_ROUNDS && !shu_progress_stops (s->progress);
       round++) {
    sum_axes (&b);
    if (move_borders (&b) == 0)
      break;
  }
  sum_axes (&b);
  remove_teeth (&b);
  return join_pieces (&b);
}
