/* SPDX-License-Identifier: MIT */
/* The order that simplification works in: vertices along the longest side of
 * their box, and faces by the lowest of their vertices.  So a slab across that
 * side is a range of memory, and threads that have a slab each stay out of each
 * other's way. */
#include "simplify_private.h"

enum {
  BINS = 4096,
  CHUNKS = 32, /* tasks, each of which counts for itself */
};

typedef struct {
  double lo[3], hi[3];
} Box;

static Box
measure_box (const ShuMesh *m)
{
  Box box;

  for (int axis = 0; axis < 3; axis++) {
    double lo = INFINITY, hi = -INFINITY;

#pragma omp parallel for schedule(static) reduction(min                        \
                                                    : lo) reduction(max        \
                                                                    : hi)
    for (int i = 0; i < m->n_verts; i++) {
      lo = MIN (lo, m->pos[3 * (gsize) i + axis]);
      hi = MAX (hi, m->pos[3 * (gsize) i + axis]);
    }
    box.lo[axis] = lo;
    box.hi[axis] = hi;
  }
  return box;
}

static int
chunk_begin (int n, int chunk)
{
  return (int) ((gint64) n * chunk / CHUNKS);
}

/* 0, 1, ... @n - 1 by @bin, those of a bin in order; (transfer full) */
static gint32 *
sort_by_bin (const guint16 *bin, int n)
{
  gint32 *order = g_new (gint32, MAX (1, n));
  g_autofree int *at = g_new0 (int, CHUNKS *BINS);
  int sum = 0;

#pragma omp parallel for schedule(static)
  for (int k = 0; k < CHUNKS; k++)
    for (int i = chunk_begin (n, k); i < chunk_begin (n, k + 1); i++)
      at[k * BINS + bin[i]]++;
  for (int b = 0; b < BINS; b++)
    for (int k = 0; k < CHUNKS; k++) {
      int count = at[k * BINS + b];

      at[k * BINS + b] = sum;
      sum += count;
    }
#pragma omp parallel for schedule(static)
  for (int k = 0; k < CHUNKS; k++)
    for (int i = chunk_begin (n, k); i < chunk_begin (n, k + 1); i++)
      order[at[k * BINS + bin[i]]++] = i;
  return order;
}

/* The order of what is too small for slabs */
static gint32 *
as_it_is (int n)
{
  gint32 *order = g_new (gint32, MAX (1, n));

  for (int i = 0; i < n; i++)
    order[i] = i;
  return order;
}

static gint32 *
order_vertices (const ShuMesh *m, const Box *box)
{
  g_autofree guint16 *bin = g_new (guint16, MAX (1, m->n_verts));
  double longest = 0, scale;
  int along = 0;

  for (int axis = 0; axis < 3; axis++)
    if (box->hi[axis] - box->lo[axis] > longest) {
      longest = box->hi[axis] - box->lo[axis];
      along = axis;
    }
  scale = longest > 0 ? (BINS - 1) / longest : 0;
#pragma omp parallel for schedule(static)
  for (int i = 0; i < m->n_verts; i++)
    bin[i] =
        (guint16) ((m->pos[3 * (gsize) i + along] - box->lo[along]) * scale);
  return sort_by_bin (bin, m->n_verts);
}

/* @number: of each vertex in its new order */
static gint32 *
order_faces (const ShuMesh *m, const gint32 *number)
{
  g_autofree guint16 *bin = g_new (guint16, MAX (1, m->n_faces));

#pragma omp parallel for schedule(static)
  for (int f = 0; f < m->n_faces; f++) {
    const gint32 *v = m->faces + 3 * (gsize) f;
    int least = MIN (MIN (number[v[0]], number[v[1]]), number[v[2]]);

    bin[f] = (guint16) ((gint64) least * BINS / m->n_verts);
  }
  return sort_by_bin (bin, m->n_faces);
}

double
simplifier_take (Simplifier *s, const ShuMesh *m)
{
  Box box = measure_box (m);
  gboolean small = m->n_faces < FEW_FACES;
  g_autofree gint32 *verts =
      small ? as_it_is (m->n_verts) : order_vertices (m, &box);
  g_autofree gint32 *number = g_new (gint32, MAX (1, m->n_verts));
  g_autofree gint32 *faces = NULL;
  double diagonal2 = 0;

#pragma omp parallel for schedule(static)
  for (int i = 0; i < m->n_verts; i++) {
    gsize from = verts[i];

    number[from] = i;
    s->pos[i] = vec3_load (m->pos + 3 * from);
    for (int k = 0; m->attr && k < 6; k++)
      s->attr[6 * (gsize) i + k] = m->attr[6 * from + k];
  }
  faces = small ? as_it_is (m->n_faces) : order_faces (m, number);
#pragma omp parallel for schedule(static)
  for (int f = 0; f < m->n_faces; f++)
    for (int k = 0; k < 3; k++)
      s->faces[3 * (gsize) f + k] = number[m->faces[3 * (gsize) faces[f] + k]];
  for (int axis = 0; axis < 3; axis++)
    diagonal2 += (box.hi[axis] - box.lo[axis]) * (box.hi[axis] - box.lo[axis]);
  return sqrt (diagonal2);
}
