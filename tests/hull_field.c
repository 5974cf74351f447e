/* SPDX-License-Identifier: MIT */
/* From depths and silhouettes to distances at the corners of the grid. */
#include "hull_private.h"
#include <math.h>
#include <string.h>

enum { BENEATH = 3 }; /* cells that go on beneath others */

static const double steepest = 4; /* slope */
static const double hiding = 3;   /* step in depth that hides something */
static const float reach = 3;     /* of distances, cells */
static const float shell_sigma = 1.1f, outline_sigma = 0.7f;

/* Gaussian of @sigma along one axis of [outer, n, inner], values clamped at the
 * ends */
static void
blur_axis (float *data, int outer, int n, int inner, float sigma)
{
  enum { RADIUS = 4 };

  float kernel[2 * RADIUS + 1], sum = 0;

  for (int k = -RADIUS; k <= RADIUS; k++)
    sum += kernel[k + RADIUS] = expf (-k * k / (2 * sigma * sigma));
#pragma omp parallel for
  for (int o = 0; o < outer; o++) {
    g_autofree float *line = g_new (float, n);

    for (int i = 0; i < inner; i++) {
      float *at = data + (gsize) o * n * inner + i;

      for (int j = 0; j < n; j++)
        line[j] = at[(gsize) j * inner];
      for (int j = 0; j < n; j++) {
        float v = 0;

        for (int k = -RADIUS; k <= RADIUS; k++)
          v += kernel[k + RADIUS] * line[CLAMP (j + k, 0, n - 1)];
        at[(gsize) j * inner] = v / sum;
      }
    }
  }
}

/* Distances from the outline at cells, negative inside, as far as the blur
 * reaches: @cover becomes them. */
static void
outline_distance (float *cover, int R)
{
  blur_axis (cover, R, R, 1, outline_sigma);
  blur_axis (cover, 1, R, R, outline_sigma);
  for (gsize i = 0; i < (gsize) R * R; i++)
    cover[i] = CLAMP ((0.5f - cover[i]) * outline_sigma * 2.5f, -reach, reach);
}

/* @plane [R,R] of cells at corner (@col, @row from the top): the mean of the
 * four cells around it */
static float
at_corner (const float *plane, int R, int col, int row)
{
  float sum = 0;

  for (int k = 0; k < 4; k++)
    sum += plane[(gsize) CLAMP (row - (k >> 1), 0, R - 1) * R +
                 CLAMP (col - (k & 1), 0, R - 1)];
  return sum / 4;
}

/* The body along y: from f to b; the lengths of a step along the normals for
 * one along y. */
typedef struct {
  double f, b, f_length, b_length;
} Span;

/* Of a surface sloping by that much. */
static double
step_length (double x, double z)
{
  return 1 / sqrt (1 + MIN (x * x + z * z, steepest * steepest));
}

/* What lies around a corner: the foremost surface in @ret[0], and in @ret[1]
 * what ends behind its outline and goes on a little beneath it, as a leg behind
 * the other one.  Returns: how many there are */
static int
spans_at_corner (const Hull *h, int col, int row, Span ret[2])
{
  int R = h->R, n[2] = {0, 0};
  double foremost = G_MAXDOUBLE;

  ret[0] = ret[1] = (Span){0};
  for (int pass = 0; pass < 2; pass++)
    for (int k = 0; k < 4 * BENEATH * BENEATH; k++) {
      int x = col - BENEATH + k % (2 * BENEATH);
      int y = row - BENEATH + k / (2 * BENEATH), to;
      gboolean next =
          ABS (2 * (x - col) + 1) == 1 && ABS (2 * (y - row) + 1) == 1;
      gsize at = (gsize) CLAMP (y, 1, R - 2) * R + CLAMP (x, 1, R - 2);
      const double *f = h->depth[0] + at, *b = h->depth[1] + at;

      if (pass == 0) {
        foremost = next ? MIN (foremost, *f) : foremost;
        continue;
      }
      to = hull_has (h, 0, y, x) && *f > foremost + hiding;
      if (!to && !next)
        continue;
      ret[to].f += *f;
      ret[to].b += *b;
      ret[to].f_length += step_length ((f[1] - f[-1]) / 2, (f[R] - f[-R]) / 2);
      ret[to].b_length += step_length ((b[1] - b[-1]) / 2, (b[R] - b[-R]) / 2);
      n[to]++;
    }
  for (int i = 0; i < 2; i++) {
    ret[i].f /= MAX (n[i], 1);
    ret[i].b /= MAX (n[i], 1);
    ret[i].f_length /= MAX (n[i], 1);
    ret[i].b_length /= MAX (n[i], 1);
  }
  return 1 + (n[1] > 0);
}

/* Distances from the shell of front and back at all corners, [R+1,R+1,R+1], z
 * fastest; (transfer full) */
static float *
shell_distances (const Hull *h)
{
  int R = h->R, n = R + 1;
  float *d = g_new (float, (gsize) n *n *n);

#pragma omp parallel for
  for (int x = 0; x < n; x++)
    for (int z = 0; z < n; z++) {
      Span spans[2];
      int n_spans = spans_at_corner (h, x, R - z, spans);

      for (int y = 0; y < n; y++) {
        double v = G_MAXDOUBLE;

        for (int i = 0; i < n_spans; i++)
          v = MIN (v, MAX (spans[i].f_length * (spans[i].f - y),
                          spans[i].b_length * (y - spans[i].b)));
        d[((gsize) x * n + y) * n + z] = (float) CLAMP (v, -reach, reach);
      }
    }
  blur_axis (d, n * n, n, 1, shell_sigma);
  blur_axis (d, n, n, n, shell_sigma);
  blur_axis (d, 1, n, n * n, shell_sigma);
  return d;
}

/* The same with the silhouettes, which stay as sharp as they are. */
static float *
add_silhouettes (Hull *h)
{
  int R = h->R, n = R + 1;
  float *d = shell_distances (h);

  outline_distance (h->cover[0], R);
  outline_distance (h->cover[1], R);
#pragma omp parallel for
  for (int x = 0; x < n; x++)
    for (int z = 0; z < n; z++) {
      float front = at_corner (h->cover[0], R, x, R - z);

      for (int y = 0; y < n; y++) {
        float side = at_corner (h->cover[1], R, y, R - z);
        float *v = &d[((gsize) x * n + y) * n + z];

        *v = MAX (*v, MAX (front, side));
      }
    }
  return d;
}

float *
hull_distances (ShuImage *const *color, ShuImage *const *normal, int R)
{
  g_auto (Hull) h = {0};

  hull_measure (&h, color, normal, R);
  return add_silhouettes (&h);
}
