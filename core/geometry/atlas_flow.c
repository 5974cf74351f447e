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
  N_CYCLES = 6, /* of multigrid */
  N_SWEEPS = 2, /* before and after each coarser grid */
  N_STEPS = 8,  /* in time */
  AT_ONCE = 16, /* points */
};

static const float damping = 0.8f; /* of Jacobi's sweeps */

/* Grids have a frame of one cell, so that of side n is [n+2,n+2]. */
static float *
row (float *u, int n, int y)
{
  return u + (y + 1) * (n + 2) + 1;
}

static float *
grid_new (int n)
{
  return g_new0 (float, (gsize) (n + 2) * (n + 2));
}

/* The frame repeats the cells beside it: no flow through the border. */
static void
set_frame (float *u, int n)
{
  for (int y = 0; y < n; y++) {
    float *p = row (u, n, y);

    p[-1] = p[0];
    p[n] = p[n - 1];
  }
  memcpy (row (u, n, -1) - 1, row (u, n, 0) - 1, (n + 2) * sizeof (float));
  memcpy (row (u, n, n) - 1, row (u, n, n - 1) - 1, (n + 2) * sizeof (float));
}

/* One sweep for the five-point Laplacian of cells of side 1. */
static void
sweep (float *restrict out, float *restrict u, float *restrict f, int n)
{
  set_frame (u, n);
  for (int y = 0; y < n; y++) {
    const float *p = row (u, n, y), *up = row (u, n, y - 1);
    const float *down = row (u, n, y + 1), *g = row (f, n, y);
    float *to = row (out, n, y);

    for (int x = 0; x < n; x++)
      to[x] =
          p[x] + damping / 4 *
                     (p[x - 1] + p[x + 1] + up[x] + down[x] - 4 * p[x] - g[x]);
  }
}

/* What is left of @f, summed over the four cells that are one of the coarser
 * grid: of side 2, its Laplacian has a quarter of the weights. */
static void
restrict_residual (float *u, float *f, int n, float *ret)
{
  set_frame (u, n);
  for (int y = 0; y < n; y++) {
    const float *p = row (u, n, y), *up = row (u, n, y - 1);
    const float *down = row (u, n, y + 1), *g = row (f, n, y);
    float *to = row (ret, n / 2, y / 2);

    for (int x = 0; x < n; x++)
      to[x / 2] += g[x] - (p[x - 1] + p[x + 1] + up[x] + down[x] - 4 * p[x]);
  }
}

/* Adds the coarser grid, between its centres. */
static void
add_coarse (float *u, int n, float *coarse)
{
  int half = n / 2;

  set_frame (coarse, half);
  for (int y = 0; y < n; y++) {
    const float *near = row (coarse, half, y / 2);
    const float *far = row (coarse, half, y / 2 + (y & 1 ? 1 : -1));
    float *to = row (u, n, y);

    for (int x = 0; x < half; x++) {
      float mid = 0.75f * near[x] + 0.25f * far[x];
      float left = 0.75f * near[x - 1] + 0.25f * far[x - 1];
      float right = 0.75f * near[x + 1] + 0.25f * far[x + 1];

      to[2 * x] += 0.75f * mid + 0.25f * left;
      to[2 * x + 1] += 0.75f * mid + 0.25f * right;
    }
  }
}

/* One V-cycle for laplacian (u) = f.  @n: a power of two */
static void
cycle (float *u, float *f, int n)
{
  g_autofree float *other = grid_new (n), *f2 = NULL, *u2 = NULL;

  for (int i = 0; i < N_SWEEPS; i++) {
    sweep (other, u, f, n);
    sweep (u, other, f, n);
  }
  if (n <= 2)
    return;
  f2 = grid_new (n / 2);
  u2 = grid_new (n / 2);
  restrict_residual (u, f, n, f2);
  cycle (u2, f2, n / 2);
  add_coarse (u, n, u2);
  for (int i = 0; i < N_SWEEPS; i++) {
    sweep (other, u, f, n);
    sweep (u, other, f, n);
  }
}

/* Mean of 3 x 3 cells: flow that is smooth between cells. */
static void
blur (float *rho)
{
  g_autofree float *old = g_memdup2 (rho, SIDE * SIDE * sizeof (float));

  for (int y = 0; y < SIDE; y++)
    for (int x = 0; x < SIDE; x++) {
      float sum = 0;
      for (int k = 0; k < 9; k++)
        sum += old[CLAMP (y + k / 3 - 1, 0, SIDE - 1) * SIDE +
                   CLAMP (x + k % 3 - 1, 0, SIDE - 1)];
      rho[y * SIDE + x] = sum / 9;
    }
}

/* What a moving point asks of a cell: its density, and the flux to the right
 * and down, all of which are worked with at once. */
typedef float Cell __attribute__ ((vector_size (16), aligned (4)));

enum { DENSITY, X, Y };

/* The flow of density @rho towards its mean. */
static void
find_flux (const float *rho, double mean, Cell *ret)
{
  enum { N = SIDE };

  g_autofree float *u = grid_new (N);
  g_autofree float *f = grid_new (N);

  /* div (-grad u) = rho - mean */
  for (int y = 0; y < N; y++)
    for (int x = 0; x < N; x++)
      row (f, N, y)[x] = (float) (mean - rho[y * N + x]);
  for (int i = 0; i < N_CYCLES; i++)
    cycle (u, f, N);
  set_frame (u, N);
  for (int y = 0; y < N; y++) {
    const float *p = row (u, N, y), *up = row (u, N, y - 1);
    const float *down = row (u, N, y + 1);

    for (int x = 0; x < N; x++)
      ret[y * N + x] = (Cell){
          rho[y * N + x], (p[x - 1] - p[x + 1]) / 2, (up[x] - down[x]) / 2};
  }
}

/* Between the cells, of which the centres are at .5. */
static Cell
sample (const Cell *cells, float x, float y)
{
  float px = CLAMP (x - 0.5f, 0, SIDE - 1.f);
  float py = CLAMP (y - 0.5f, 0, SIDE - 1.f);
  int x0 = MIN ((int) px, SIDE - 2), y0 = MIN ((int) py, SIDE - 2);
  const Cell *p = cells + y0 * SIDE + x0, *q = p + SIDE;
  float a = px - x0, b = py - y0;
  float w[4] = {(1 - b) * (1 - a), (1 - b) * a, b * (1 - a), b * a};

  return w[0] * p[0] + w[1] * p[1] + w[2] * q[0] + w[3] * q[1];
}

/* Moves a few points, which need not wait for each other, by the midpoint
 * rule. */
static void
move_points (const Cell *cells, float mean, float *uv, int n)
{
  const float dt = 1.f / N_STEPS;
  float at[AT_ONCE][2], mid[AT_ONCE][2];

  for (int i = 0; i < n; i++)
    for (int d = 0; d < 2; d++)
      at[i][d] = uv[2 * i + d] * SIDE;
  for (int step = 0; step < 2 * N_STEPS; step++) {
    float t = 0.5f * step * dt, h = step % 2 ? dt : dt / 2;
    float (*from)[2] = step % 2 ? mid : at, (*to)[2] = step % 2 ? at : mid;

    for (int i = 0; i < n; i++) {
      Cell c = sample (cells, from[i][0], from[i][1]);
      float move = h / ((1 - t) * c[DENSITY] + t * mean);

      to[i][0] = CLAMP (at[i][0] + move * c[X], 0, SIDE);
      to[i][1] = CLAMP (at[i][1] + move * c[Y], 0, SIDE);
    }
  }
  for (int i = 0; i < n; i++)
    for (int d = 0; d < 2; d++)
      uv[2 * i + d] = at[i][d] / SIDE;
}

void
shu_flow (float *rho, float *uv, int n)
{
  g_autofree Cell *cells = g_new (Cell, SIDE * SIDE);
  double mean = 0;

  blur (rho);
  for (int i = 0; i < SIDE * SIDE; i++)
    mean += rho[i];
  mean /= SIDE * SIDE;
  find_flux (rho, mean, cells);
#pragma omp parallel for
  for (int i = 0; i < n; i += AT_ONCE)
    move_points (cells, (float) mean, uv + 2 * (gsize) i, MIN (AT_ONCE, n - i));
}
