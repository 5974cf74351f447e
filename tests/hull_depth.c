/* SPDX-License-Identifier: MIT */
/* Depths from normals: the front surface y = f (x, z) and the back surface
 * y = b (x, z) on the cells of the front silhouette are what fits the slopes
 * of the normal pictures best, except where these jump (weights of Cauchy),
 * meets at the outline, and lies within the side silhouettes and reaches their
 * ends (least squares, relaxed cell by cell). */
#include "hull_private.h"
#include <math.h>
#include <string.h>

enum {
  ROUNDS = 24,  /* of weights */
  SWEEPS = 120, /* of each */
};

static const double steepest = 4; /* slope that is believed */
static const double jump = 1.5;   /* residual that counts half */
static const double over = 1.85;  /* relaxation */
static const double thinnest = 3; /* body */

void
hull_clear (Hull *h)
{
  for (int i = 0; i < 2; i++) {
    g_free (h->cover[i]);
    g_free (h->slope[i]);
    g_free (h->trust[i]);
    g_free (h->depth[i]);
    g_free (h->weight[i]);
  }
}

/* ---- pictures on the grid ---- */

/* Share of each cell that the person covers: in the front, which is the photo,
 * or in both sides. */
static float *
cover_of (ShuImage *const *color, ShuImage *const *normal, gboolean side, int R)
{
  int S = color[0]->width, v = side ? SHU_VIEW_RIGHT : SHU_VIEW_FRONT;
  int w = side ? SHU_VIEW_LEFT : v;
  g_autofree guint8 *a = hull_person (color[v], normal[v]);
  g_autofree guint8 *b = hull_person (color[w], normal[w]);
  g_autofree int *n = g_new0 (int, (gsize) R *R);
  float *cover = g_new0 (float, (gsize) R *R);

  for (int y = 0; y < S; y++)
    for (int x = 0; x < S; x++) {
      gsize to = (gsize) (y * R / S) * R + x * R / S, at = (gsize) y * S + x;

      n[to]++;
      cover[to] += a[at] && b[at];
    }
  for (gsize i = 0; i < (gsize) R * R; i++)
    cover[i] /= (float) n[i];
  return cover;
}

/* Slopes of a surface seen from the front (@sign -1) or from behind. */
static void
set_slopes (Hull *h, int i, const ShuImage *normal, int sign)
{
  int S = normal->width, R = h->R;
  gsize n = (gsize) R * R;
  g_autofree float *sum = g_new0 (float, 3 * n);
  g_autofree guint8 *mask = hull_mask (normal);

  h->slope[i] = g_new0 (float, 2 * n);
  h->trust[i] = g_new0 (float, n);
  for (int y = 0; y < S; y++)
    for (int x = 0; x < S; x++) {
      const guint8 *p = normal->data + 3 * ((gsize) y * S + x);
      float *to = sum + 3 * ((gsize) (y * R / S) * R + x * R / S);

      for (int k = 0; k < 3 && mask[(gsize) y * S + x]; k++)
        to[k] += p[k] / 127.5f - 1; /* x, up, to the front */
    }
  for (gsize at = 0; at < n; at++) {
    const float *v = sum + 3 * at;
    float len = sqrtf (v[0] * v[0] + v[1] * v[1] + v[2] * v[2]);
    float out = len > 0 ? -sign * v[2] / len : 0;

    if (out < 0.05f)
      continue;
    /* along x: -n_x / n_y, upwards -n_z / n_y; n_y is minus "to the front" */
    h->slope[i][2 * at] = CLAMP (v[0] / v[2], -steepest, steepest);
    h->slope[i][2 * at + 1] = CLAMP (-v[1] / v[2], -steepest, steepest);
    h->trust[i][at] = out;
  }
}

/* ---- depths ---- */

/* Round front and back between the ends of the side silhouette. */
static void
begin_depths (Hull *h)
{
  int R = h->R;

  for (int i = 0; i < 2; i++) {
    h->depth[i] = g_new0 (double, (gsize) R *R);
    h->weight[i] = g_new0 (double, 2 * (gsize) R * R);
  }
  for (int row = 0; row < R; row++) {
    double lo = R / 2.0, hi = R / 2.0;

    for (int y = 0, any = 0; y < R; y++)
      if (hull_has (h, 1, row, y)) {
        lo = any++ ? lo : y;
        hi = y + 1;
      }
    for (int col = 0; col < R; col++) {
      h->depth[0][(gsize) row * R + col] = (2 * lo + hi) / 3;
      h->depth[1][(gsize) row * R + col] = (lo + 2 * hi) / 3;
    }
  }
}

/* The slope between a cell and the next one (@k 0: right, 1: below), and how
 * much it is to be believed. */
static double
slope_between (const Hull *h, int i, gsize at, int k, double *ret_trust)
{
  gsize to = at + (k ? (gsize) h->R : 1);
  double a = h->trust[i][at], b = h->trust[i][to];

  *ret_trust = MIN (a, b);
  return a + b > 0
             ? (a * h->slope[i][2 * at + k] + b * h->slope[i][2 * to + k]) /
                   (a + b)
             : 0;
}

static void
set_weights (Hull *h)
{
  int R = h->R;

  for (int i = 0; i < 2; i++)
    for (int row = 0; row < R; row++)
      for (int col = 0; col < R; col++)
        for (int k = 0; k < 2; k++) {
          gsize at = (gsize) row * R + col, to = at + (k ? (gsize) R : 1);
          double trust, slope, r;

          h->weight[i][2 * at + k] = 0;
          if (!hull_has (h, 0, row, col) || !hull_has (h, 0, row + k, col + !k))
            continue;
          slope = slope_between (h, i, at, k, &trust);
          r = (h->depth[i][to] - h->depth[i][at] - slope) / jump;
          h->weight[i][2 * at + k] = (0.02 + trust * trust) / (1 + r * r);
        }
}

/* Where a cell is pulled by the silhouettes. */
typedef struct {
  double to[2], weight[2]; /* f and b */
  double apart, together;  /* b - f, and how strongly */
} Pull;

/* @with_legs: also where the side silhouette has several intervals; slopes tell
 * first which leg is in front. */
static void
set_pulls (const Hull *h, gboolean with_legs, Pull *pulls)
{
  int R = h->R;
  gsize n = (gsize) R * R;
  g_autofree double *all_lo = g_new (double, n), *all_hi = g_new (double, n);

  hull_place_cells (h, all_lo, all_hi);
  for (int row = 0; row < R; row++) {
    const double *lo = all_lo + (gsize) row * R, *hi = all_hi + (gsize) row * R;
    gboolean known = with_legs || hull_side_intervals (h, row).n == 1;

    for (int col = 0; col < R; col++) {
      gsize at = (gsize) row * R + col;
      double f = h->depth[0][at], b = h->depth[1][at];
      Pull *p = &pulls[at];

      *p = (Pull){{f, b}, {0, 0}, thinnest, 0};
      if (!hull_has (h, 0, row, col))
        continue;
      if (!hull_has (h, 0, row, col - 1) || !hull_has (h, 0, row, col + 1) ||
          !hull_has (h, 0, row - 1, col) || !hull_has (h, 0, row + 1, col))
        p->together = 1;
      else if (b - f < thinnest)
        p->together = 0.5;
      if (hi[col] <= 0 || !known)
        continue;
      p->to[0] = CLAMP (f, lo[col], hi[col] - 1);
      p->to[1] = CLAMP (b, lo[col] + 1, hi[col]);
      p->weight[0] = f != p->to[0] ? 0.3 : 1e-5;
      p->weight[1] = b != p->to[1] ? 0.3 : 1e-5;
    }
    /* the foremost cell of each interval reaches its end, the hindmost, too */
    for (int col = 0; col < R; col++) {
      int first = -1, last = -1;

      if (!hull_has (h, 0, row, col) || hi[col] <= 0 || !known)
        continue;
      for (int other = 0; other < R; other++) {
        gsize at = (gsize) row * R + other;

        if (!hull_has (h, 0, row, other) || lo[other] != lo[col])
          continue;
        if (first < 0 || h->depth[0][at] < h->depth[0][(gsize) row * R + first])
          first = other;
        if (last < 0 || h->depth[1][at] > h->depth[1][(gsize) row * R + last])
          last = other;
      }
      pulls[(gsize) row * R + first].to[0] = lo[col];
      pulls[(gsize) row * R + first].weight[0] = 0.5;
      pulls[(gsize) row * R + last].to[1] = hi[col];
      pulls[(gsize) row * R + last].weight[1] = 0.5;
    }
  }
}

/* One cell of one surface, all others held. */
static void
relax (Hull *h, const Pull *p, int i, gsize at)
{
  gsize R = h->R, beside[2] = {1, R};
  const double *w = h->weight[i], *d = h->depth[i];
  double other = h->depth[1 - i][at], sum, total, trust;

  sum = p->weight[i] * p->to[i] +
        p->together * (other + (i ? p->apart : -p->apart));
  total = p->weight[i] + p->together;
  for (int k = 0; k < 2; k++) {
    if (w[2 * at + k] > 0) {
      sum += w[2 * at + k] *
             (d[at + beside[k]] - slope_between (h, i, at, k, &trust));
      total += w[2 * at + k];
    }
    if (at >= beside[k] && w[2 * (at - beside[k]) + k] > 0) {
      gsize from = at - beside[k];

      sum +=
          w[2 * from + k] * (d[from] + slope_between (h, i, from, k, &trust));
      total += w[2 * from + k];
    }
  }
  if (total > 0)
    h->depth[i][at] += over * (sum / total - d[at]);
}

static void
find_depths (Hull *h)
{
  gsize n = (gsize) h->R * h->R;
  g_autofree Pull *pulls = g_new (Pull, n);

  begin_depths (h);
  for (int round = 0; round < ROUNDS; round++) {
    set_weights (h);
    set_pulls (h, round >= ROUNDS / 3, pulls);
    for (int sweep = 0; sweep < SWEEPS; sweep++)
      for (gsize j = 0; j < n; j++) {
        gsize at = sweep & 1 ? n - 1 - j : j;

        if (h->cover[0][at] < 0.5f)
          continue;
        relax (h, &pulls[at], 0, at);
        relax (h, &pulls[at], 1, at);
      }
  }
}

/* What is left outside the side silhouettes goes where it should lie. */
static void
hold_depths (Hull *h)
{
  gsize n = (gsize) h->R * h->R;
  g_autofree double *lo = g_new (double, n), *hi = g_new (double, n);

  hull_place_cells (h, lo, hi);
  for (gsize i = 0; i < n; i++) {
    double *f = &h->depth[0][i], *b = &h->depth[1][i];
    double half = MIN (thinnest, hi[i] - lo[i]) / 2, middle;

    if (hi[i] <= 0)
      continue;
    *f = MAX (*f, lo[i]);
    *b = MIN (*b, hi[i]);
    if (*b - *f >= 2 * half)
      continue;
    middle = CLAMP ((*f + *b) / 2, lo[i] + half, hi[i] - half);
    *f = middle - half;
    *b = middle + half;
  }
}

/* Beyond the outline the depths of the nearest cells within. */
static void
grow_depths (Hull *h)
{
  int R = h->R;
  gsize n = (gsize) R * R;
  g_autofree guint8 *known = g_malloc (n), *next = g_malloc (n);

  for (gsize i = 0; i < n; i++)
    known[i] = h->cover[0][i] >= 0.5f;
  for (int step = 0; step < 4; step++) {
    memcpy (next, known, n);
    for (int row = 1; row + 1 < R; row++)
      for (int col = 1; col + 1 < R; col++) {
        gsize at = (gsize) row * R + col;
        const gssize beside[] = {-1, 1, -R, R};
        double sum[2] = {0, 0};
        int count = 0;

        for (int k = 0; k < 4 && !known[at]; k++)
          if (known[at + beside[k]]) {
            sum[0] += h->depth[0][at + beside[k]];
            sum[1] += h->depth[1][at + beside[k]];
            count++;
          }
        if (count == 0)
          continue;
        next[at] = 1;
        h->depth[0][at] = sum[0] / count;
        h->depth[1][at] = sum[1] / count;
      }
    memcpy (known, next, n);
  }
}

void
hull_measure (Hull *h, ShuImage *const *color, ShuImage *const *normal, int R)
{
  h->R = R;
  h->cover[0] = cover_of (color, normal, FALSE, R);
  h->cover[1] = cover_of (color, normal, TRUE, R);
  set_slopes (h, 0, normal[SHU_VIEW_FRONT], -1);
  set_slopes (h, 1, normal[SHU_VIEW_BACK], 1);
  find_depths (h);
  hold_depths (h);
  grow_depths (h);
}
