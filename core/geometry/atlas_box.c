/* SPDX-License-Identifier: MIT */
/* Boxes around charts. */
#include "geometry/atlas_private.h"
#include <math.h>
#include <string.h>

enum {
  N_ANGLES = 24, /* tried for the smallest box, over a quarter turn */
  N_WAYS = 8,    /* that corners of an inner polygon are looked for in */
  MANY = 4096,   /* outer points: only so many of them stay... */
  N_FAR = 256,   /* ...the farthest of as many ways: less than 1e-4 is lost */
};

void
shu_chart_box (
    const float *uv, int n, double cs, double sn, double *lo, double *hi)
{
  lo[0] = lo[1] = G_MAXDOUBLE;
  hi[0] = hi[1] = -G_MAXDOUBLE;
  for (int i = 0; i < n; i++) {
    double p[2] = {cs * uv[2 * i] - sn * uv[2 * i + 1],
        sn * uv[2 * i] + cs * uv[2 * i + 1]};
    for (int d = 0; d < 2; d++) {
      lo[d] = MIN (lo[d], p[d]);
      hi[d] = MAX (hi[d], p[d]);
    }
  }
}

/* The points that lie farthest in each of the ways. */
static void
find_corners (const float *uv, int n, int *ret)
{
  static const float way[N_WAYS][2] = {
      {1, 0}, {1, 1}, {0, 1}, {-1, 1}, {-1, 0}, {-1, -1}, {0, -1}, {1, -1}};

  float far[N_WAYS];

  for (int k = 0; k < N_WAYS; k++) {
    far[k] = -G_MAXFLOAT;
    ret[k] = 0;
  }
  for (int i = 0; i < n; i++)
    for (int k = 0; k < N_WAYS; k++) {
      float d = way[k][0] * uv[2 * i] + way[k][1] * uv[2 * i + 1];

      if (d > far[k]) {
        far[k] = d;
        ret[k] = i;
      }
    }
}

/* Of very many points those that lie farthest in each of many ways.
 * Returns: how many there are then */
static int
keep_farthest (float *uv, int n)
{
  float kept[2 * N_FAR];
  int last = -1, n_kept = 0;

  for (int k = 0; k < N_FAR; k++) {
    float way[2] = {
        (float) cos (2 * G_PI * k / N_FAR), (float) sin (2 * G_PI * k / N_FAR)};
    float far = -G_MAXFLOAT;
    int best = 0;

    for (int i = 0; i < n; i++) {
      float d = way[0] * uv[2 * i] + way[1] * uv[2 * i + 1];

      if (d > far) {
        far = d;
        best = i;
      }
    }
    if (best != last)
      memcpy (kept + 2 * n_kept++, uv + 2 * best, 2 * sizeof (float));
    last = best;
  }
  memcpy (uv, kept, 2 * n_kept * sizeof (float));
  return n_kept;
}

float *
shu_outer_points (const float *uv, int n, int *ret_n)
{
  float *out = g_new (float, 2 * (gsize) n);
  int corner[N_WAYS], n_out = 0;

  find_corners (uv, n, corner);
  for (int i = 0; i < n; i++) {
    gboolean inside = TRUE;

    for (int k = 0; inside && k < N_WAYS; k++) {
      const float *p = uv + 2 * corner[k];
      const float *q = uv + 2 * corner[(k + 1) % N_WAYS];

      inside = p == q || (q[0] - p[0]) * (uv[2 * i + 1] - p[1]) -
                                 (q[1] - p[1]) * (uv[2 * i] - p[0]) >
                             0;
    }
    if (!inside) {
      out[2 * n_out] = uv[2 * i];
      out[2 * n_out++ + 1] = uv[2 * i + 1];
    }
  }
  *ret_n = n_out > MANY ? keep_farthest (out, n_out) : n_out;
  return out;
}

double
shu_smallest_box (const float *uv, int n, double *ret_angle, float *ret_side)
{
  double best = G_MAXDOUBLE, lo[2], hi[2];

  for (int i = 0; i < N_ANGLES; i++) {
    double a = i * (G_PI / 2) / N_ANGLES;
    shu_chart_box (uv, n, cos (a), sin (a), lo, hi);
    double size = (hi[0] - lo[0]) * (hi[1] - lo[1]);
    if (size >= best * (1 - 1e-6))
      continue;
    best = size;
    if (ret_angle)
      *ret_angle = a;
    if (ret_side)
      *ret_side = (float) MAX (hi[0] - lo[0], hi[1] - lo[1]);
  }
  return best;
}
