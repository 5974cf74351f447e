/* SPDX-License-Identifier: MIT */
/* Which leg is where: a row of the side silhouette may have several intervals,
 * and a cell of the front silhouette lies in one of them.  Rows are gone
 * through from the head down: legs part where the silhouette does, in the order
 * that their depths so far tell, and then each goes its way. */
#include "hull_private.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LOOK = 24 }; /* how far is looked for a leg: a part of the grid */

static const double alike = 0.35; /* legs, in depth */

HullIntervals
hull_side_intervals (const Hull *h, int row)
{
  HullIntervals s = {0};

  for (int y = 0; y < h->R; y++) {
    if (!hull_has (h, 1, row, y))
      continue;
    if (s.n < HULL_MAX_INTERVALS)
      s.lo[s.n++] = y;
    while (hull_has (h, 1, row, y + 1))
      y++;
    s.hi[s.n - 1] = y + 1;
  }
  return s;
}

/* Whether interval @k and the next are legs, and not a hand beside a body. */
static gboolean
are_alike (const HullIntervals *s, int k)
{
  double a = s->hi[k] - s->lo[k], b = s->hi[k + 1] - s->lo[k + 1];

  return MIN (a, b) > alike * MAX (a, b);
}

static int
by_value (gconstpointer a, gconstpointer b)
{
  double d = *(const double *) a - *(const double *) b;

  return d < 0 ? -1 : d > 0;
}

/* The parts of n sorted values with the least variance within them.
 * @ret_begin: their first values */
static void
split_values (const double *v, int n, int n_parts, double *ret_begin)
{
  int stride = n + 1;
  g_autofree double *cost = g_new (double, (gsize) (n_parts + 1) * stride);
  g_autofree int *from = g_new0 (int, (gsize) (n_parts + 1) * stride);

  for (int i = 0; i < (n_parts + 1) * stride; i++)
    cost[i] = i == 0 ? 0 : G_MAXDOUBLE;
  for (int k = 1; k <= n_parts; k++)
    for (int end = 1; end <= n; end++) {
      double sum = 0, squares = 0;

      for (int begin = end - 1; begin >= 0; begin--) {
        double c = cost[(k - 1) * stride + begin];

        sum += v[begin];
        squares += v[begin] * v[begin];
        if (c == G_MAXDOUBLE)
          continue;
        c += squares - sum * sum / (end - begin);
        if (c < cost[k * stride + end]) {
          cost[k * stride + end] = c;
          from[k * stride + end] = begin;
        }
      }
    }
  for (int k = n_parts, end = n; k > 0; k--) {
    end = from[k * stride + end];
    ret_begin[k - 1] = v[end];
  }
}

/* The interval that [f,b] has most in common with, or that is nearest. */
static int
nearest_interval (const HullIntervals *s, double f, double b)
{
  double best = -G_MAXDOUBLE;
  int nearest = 0;

  for (int k = 0; k < s->n; k++) {
    double shared = MIN (b, s->hi[k]) - MAX (f, s->lo[k]);

    if (shared > best) {
      best = shared;
      nearest = k;
    }
  }
  return nearest;
}

/* Twice the depth of the middle of the body at a cell and at those above it. */
static double
depth_above (const Hull *h, int row, int col)
{
  double sum = 0;
  int n = 0;

  for (; hull_has (h, 0, row, col) && n < h->R / LOOK; row--, n++) {
    gsize at = (gsize) row * h->R + col;

    sum += h->depth[0][at] + h->depth[1][at];
  }
  return sum / MAX (n, 1);
}

/* Legs that part: the cells of a row labelled @label[] == @which, in the order
 * of their depths so far, one group for each of the @n_legs intervals from
 * @first on. */
static void
part_legs (const Hull *h, int row, int which, int first, int n_legs, int *label)
{
  int R = h->R, n = 0;
  g_autofree double *depth = g_new (double, R), *sorted = g_new (double, R);
  double begin[HULL_MAX_INTERVALS];

  for (int col = 0; col < R; col++)
    if (label[col] == which)
      sorted[n++] = depth[col] = depth_above (h, row, col);
  if (n < n_legs)
    return;
  qsort (sorted, n, sizeof *sorted, by_value);
  split_values (sorted, n, n_legs, begin);
  for (int col = 0; col < R; col++) {
    int k = n_legs - 1;

    if (label[col] != which)
      continue;
    while (k > 0 && depth[col] < begin[k])
      k--;
    label[col] = first + k;
  }
}

/* The interval of the row above that the nearest cell there lies in, -1 for
 * none within reach. */
static int
label_above (const Hull *h, const int *label, int col)
{
  for (int d = 0; d <= h->R / LOOK; d++)
    for (int side = -1; side <= 1; side += 2)
      if (col + side * d >= 0 && col + side * d < h->R &&
          label[col + side * d] >= 0)
        return label[col + side * d];
  return -1;
}

/* Cells between others that lie elsewhere go with them. */
static void
join_strays (const Hull *h, int *label)
{
  for (int begin = 1, end; begin < h->R; begin = end) {
    for (end = begin + 1; end < h->R && label[end] == label[begin]; end++)
      ;
    if (end == h->R || label[begin] < 0 || label[begin - 1] < 0 ||
        label[end] != label[begin - 1] || end - begin > h->R / LOOK / 2)
      continue;
    for (int col = begin; col < end; col++)
      label[col] = label[begin - 1];
  }
}

/* Which interval of the side silhouette the cells of a row lie in: where that
 * of the row above goes on as one, that, else the nearest; legs are parted. */
static void
place_row (const Hull *h, int row, const HullIntervals *before,
    const HullIntervals *s, const int *label_before, int *label)
{
  int R = h->R, count[HULL_MAX_INTERVALS] = {0};

  for (int col = 0; col < R; col++) {
    gsize at = (gsize) row * R + col;
    int above, on = -1, n = 0;

    label[col] = -1;
    if (!hull_has (h, 0, row, col) || s->n == 0)
      continue;
    above = label_above (h, label_before, col);
    for (int k = 0; above >= 0 && k < s->n; k++)
      if (s->lo[k] < before->hi[above] && s->hi[k] > before->lo[above]) {
        on = k;
        n++;
      }
    label[col] =
        n == 1 ? on : nearest_interval (s, h->depth[0][at], h->depth[1][at]);
    count[label[col]]++;
  }
  /* An interval that nothing lies in has a leg from one beside it. */
  for (int k = 0; k + 1 < s->n; k++)
    if ((count[k] == 0) != (count[k + 1] == 0) && are_alike (s, k))
      part_legs (h, row, count[k] ? k : k + 1, k, 2, label);
  join_strays (h, label);
}

void
hull_place_cells (const Hull *h, double *ret_lo, double *ret_hi)
{
  int R = h->R;
  g_autofree int *label = g_new (int, R), *before = g_new (int, R);
  HullIntervals s = {0};

  for (int col = 0; col < R; col++)
    before[col] = -1;
  for (int row = 0; row < R; row++) {
    HullIntervals next = hull_side_intervals (h, row);

    place_row (h, row, &s, &next, before, label);
    for (int col = 0; col < R; col++) {
      gsize at = (gsize) row * R + col;

      before[col] = label[col];
      ret_lo[at] = label[col] < 0 ? 0 : next.lo[label[col]];
      ret_hi[at] = label[col] < 0 ? 0 : next.hi[label[col]];
    }
    s = next;
  }
}
