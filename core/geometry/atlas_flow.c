/* SPDX-License-Identifier: MIT */
/* Warps the unit square so that a density becomes even, as a cartogram does
 * (Gastner, Seguy and More 2018): the flux that evens it out does not depend on
 * time, so one Poisson equation gives the whole motion.  The warp is smooth and
 * one to one. */
#include "geometry/atlas_private.h"
#include <math.h>
#include <string.h>

enum {
  SIDE = SHU_FLOW_SIDE,
  N_CYCLES = 8, /* of multigrid */
  N_SWEEPS = 2, /* before and after each coarser grid */
  N_STEPS = 16, /* in time */
};

/* One sweep over the cells of one colour: Gauss-Seidel for the five-point
 * Laplacian of cells of side 1, no flow through the border. */
static void
relax_colour (float *u, const float *f, int n, int colour)
{
  for (int y = 0; y < n; y++)
    for (int x = (y + colour) & 1; x < n; x += 2) {
      float *p = u + y * n + x, sum = 0;
      int m = 0;

      if (x > 0)
        sum += p[-1], m++;
      if (x + 1 < n)
        sum += p[1], m++;
      if (y > 0)
        sum += p[-n], m++;
      if (y + 1 < n)
        sum += p[n], m++;
      *p = (sum - f[y * n + x]) / m;
    }
}

static float
residual (const float *u, const float *f, int n, int x, int y)
{
  const float *p = u + y * n + x;
  float sum = 0;

  if (x > 0)
    sum += p[-1] - *p;
  if (x + 1 < n)
    sum += p[1] - *p;
  if (y > 0)
    sum += p[-n] - *p;
  if (y + 1 < n)
    sum += p[n] - *p;
  return f[y * n + x] - sum;
}

/* Value between the cells of a grid, of which the centres are at .5. */
static float
sample (const float *u, int n, float x, float y)
{
  float px = CLAMP (x - 0.5f, 0, n - 1.f), py = CLAMP (y - 0.5f, 0, n - 1.f);
  int x0 = MIN ((int) px, MAX (0, n - 2)), y0 = MIN ((int) py, MAX (0, n - 2));
  int x1 = MIN (x0 + 1, n - 1), y1 = MIN (y0 + 1, n - 1);
  float a = px - x0, b = py - y0;

  return (1 - b) * ((1 - a) * u[y0 * n + x0] + a * u[y0 * n + x1]) +
         b * ((1 - a) * u[y1 * n + x0] + a * u[y1 * n + x1]);
}

/* One V-cycle for laplacian (u) = f.  @n: a power of two */
static void
cycle (float *u, const float *f, int n)
{
  int half = n / 2;
  g_autofree float *f2 = NULL, *u2 = NULL;

  for (int i = 0; i < 2 * N_SWEEPS; i++)
    relax_colour (u, f, n, i & 1);
  if (n <= 2)
    return;
  f2 = g_new0 (float, half *half);
  u2 = g_new0 (float, half *half);
  /* Four cells of side 1 are one of side 2: their sum is 4 times the mean,
   * and the Laplacian of side 2 has 1 / 4 of the weights. */
  for (int y = 0; y < n; y++)
    for (int x = 0; x < n; x++)
      f2[y / 2 * half + x / 2] += residual (u, f, n, x, y);
  cycle (u2, f2, half);
  for (int y = 0; y < n; y++)
    for (int x = 0; x < n; x++)
      u[y * n + x] += sample (u2, half, (x + 0.5f) / 2, (y + 0.5f) / 2);
  for (int i = 0; i < 2 * N_SWEEPS; i++)
    relax_colour (u, f, n, i & 1);
}

/* Mean of 3 x 3 cells: flow that is smooth between cells. */
static void
blur (float *u)
{
  g_autofree float *old = g_memdup2 (u, SIDE * SIDE * sizeof (float));

  for (int y = 0; y < SIDE; y++)
    for (int x = 0; x < SIDE; x++) {
      float sum = 0;
      for (int k = 0; k < 9; k++)
        sum += old[CLAMP (y + k / 3 - 1, 0, SIDE - 1) * SIDE +
                   CLAMP (x + k % 3 - 1, 0, SIDE - 1)];
      u[y * SIDE + x] = sum / 9;
    }
}

/* The flow of density @rho and its mean: flux to the right and down. */
static void
find_flux (const float *rho, double mean, float *ret_x, float *ret_y)
{
  enum { N = SIDE };

  g_autofree float *u = g_new0 (float, N *N);
  g_autofree float *f = g_new (float, N *N);

  /* div (-grad u) = rho - mean */
  for (int i = 0; i < N * N; i++)
    f[i] = (float) (mean - rho[i]);
  for (int i = 0; i < N_CYCLES; i++)
    cycle (u, f, N);
  for (int y = 0; y < N; y++)
    for (int x = 0; x < N; x++) {
      int i = y * N + x;
      /* Nothing flows through the border. */
      float left = x > 0 ? u[i - 1] - u[i] : 0;
      float right = x + 1 < N ? u[i] - u[i + 1] : 0;
      float up = y > 0 ? u[i - N] - u[i] : 0;
      float down = y + 1 < N ? u[i] - u[i + N] : 0;
      ret_x[i] = (left + right) / 2;
      ret_y[i] = (up + down) / 2;
    }
}

void
shu_flow (float *rho, float *uv, int n)
{
  g_autofree float *flux_x = g_new (float, SIDE *SIDE);
  g_autofree float *flux_y = g_new (float, SIDE *SIDE);
  double mean = 0;

  blur (rho);
  for (int i = 0; i < SIDE * SIDE; i++)
    mean += rho[i];
  mean /= SIDE * SIDE;
  find_flux (rho, mean, flux_x, flux_y);
#pragma omp parallel for
  for (int i = 0; i < n; i++) {
    float x = uv[2 * (gsize) i] * SIDE, y = uv[2 * (gsize) i + 1] * SIDE;

    /* The midpoint rule. */
    for (int step = 0; step < N_STEPS; step++) {
      float px = x, py = y, dt = 1.f / N_STEPS;

      for (int stage = 0; stage < 2; stage++) {
        float t = (step + 0.5f * stage) * dt;
        float d = (1 - t) * sample (rho, SIDE, px, py) + t * (float) mean;
        float h = stage ? dt : dt / 2;
        float vx = sample (flux_x, SIDE, px, py) / d;
        float vy = sample (flux_y, SIDE, px, py) / d;
        px = CLAMP (x + h * vx, 0, SIDE);
        py = CLAMP (y + h * vy, 0, SIDE);
      }
      x = px;
      y = py;
    }
    uv[2 * (gsize) i] = x / SIDE;
    uv[2 * (gsize) i + 1] = y / SIDE;
  }
}
