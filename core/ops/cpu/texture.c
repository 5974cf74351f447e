/* SPDX-License-Identifier: MIT */
/* Textures from rows: weighted means in a pyramid, and the robust least
 * squares solution.  Sums over texels go row by row of the texture. */
#include "ops/cpu/texture_rows.h"
#include <string.h>

/**
 * Solver:
 * All planes are [S,S,3] but where another shape is given.
 * @t: the texture so far, at the beginning of a round: it has d's place
 * @change: @t - start, where the result will be
 * @r, @d, @z: residual and direction of conjugate gradients, and the matrix
 *   times that direction
 * @diagonal: [S,S] of the matrix, lumped
 * @acting: (nullable): [S,S] weight of the rows that act on a texel, or on one
 *   beside it
 * @robust: [n,3] weights of rows in this round
 * @steady: (nullable): [S,S,2,3] of the differences to the right and below
 */
typedef struct {
  ShuRowSet rows;
  const ShuTextureSolver *p;
  int S;
  float *t, *change, *r, *d, *z, *diagonal, *acting, *robust, *steady;
  double *sums; /* [S,3] */
} Solver;

/* Differences of neighbours: of the texture, robust, and of its change */
enum { VARIES = 1, STIFF = 2 };

/* Weight of the difference of texel @i to @j, on its right or @below it */
static float
pair_weight (const Solver *s, int parts, gsize i, gsize j, int below, int k)
{
  float w =
      parts & VARIES && s->steady ? s->steady[(2 * i + below) * 3 + k] : 0;

  if (parts & STIFF && s->acting)
    w += s->p->stiffness * MIN (s->acting[i], s->acting[j]);
  return w;
}

/* For channel @k of texel (x, y): ret[0] += the sum of weights, ret[1] += what
 * it gets of the differences of @v to its neighbours. */
static void
sum_differences (
    const Solver *s, int parts, const float *v, int x, int y, int k, float *ret)
{
  int S = s->S;
  gsize i = (gsize) y * S + x;
  const gsize other[4] = {i + 1, i - 1, i + S, i - S};
  const gboolean there[4] = {x + 1 < S, x > 0, y + 1 < S, y > 0};

  for (int n = 0; n < 4; n++)
    if (there[n]) {
      gsize j = other[n];
      float w = pair_weight (s, parts, MIN (i, j), MAX (i, j), n >> 1, k);
      ret[0] += w;
      ret[1] += w * (v[3 * i + k] - v[3 * j + k]);
    }
}

/* The same of STIFF for all channels, where the texture does not vary */
static void
add_stiff (const Solver *s, const float *v, int x, int y, float *ret)
{
  int S = s->S;
  gsize i = (gsize) y * S + x;
  const gsize other[4] = {i + 1, i - 1, i + S, i - S};
  const gboolean there[4] = {x + 1 < S, x > 0, y + 1 < S, y > 0};

  for (int n = 0; n < 4; n++) {
    gsize j = there[n] ? other[n] : i;
    float w = s->p->stiffness * MIN (s->acting[i], s->acting[j]);

    for (int k = 0; k < 3; k++)
      ret[k] += w * (v[3 * i + k] - v[3 * j + k]);
  }
}

/* For each channel of texel (x, y) what differences and start add to y */
static void
add_product (const Solver *s, const float *x, int col, int row, float *y)
{
  gsize i = (gsize) row * s->S + col;
  float sum[3] = {0};

  if (s->steady)
    for (int k = 0; k < 3; k++) {
      float both[2] = {0};
      sum_differences (s, VARIES | STIFF, x, col, row, k, both);
      sum[k] = both[1];
    }
  else if (s->acting && s->acting[i] > 0)
    add_stiff (s, x, col, row, sum);
  for (int k = 0; k < 3; k++) {
    if (s->acting)
      sum[k] += s->p->hold * s->acting[i] * x[3 * i + k];
    y[3 * i + k] += sum[k];
  }
}

/* Spreads for each row what @value says of its sample into y [S,S,3]. */
typedef void (*RowFunc) (
    const Solver *s, gsize i, const float *sample, float *value);

static void
through_rows (Solver *s, const float *x, RowFunc func, float *y)
{
  if (x)
    shu_row_set_load (&s->rows, x);
#pragma omp parallel for schedule(dynamic, 1)
  for (int b = 0; b < SHU_TEXTURE_BANDS; b++) {
    ShuRowBand *band = s->rows.bands + b;

    shu_row_band_clear (&s->rows, band);
    for (gsize i = band->from; i < band->to; i++) {
      float sample[3] = {0}, value[3];
      if (x)
        shu_row_sample (&s->rows, i, sample);
      func (s, i, sample, value);
      shu_row_spread (&s->rows, band, i, value);
    }
  }
  shu_row_set_sum (&s->rows, y, TRUE);
}

static void
row_weight (const Solver *s, gsize i, const float *sample, float *value)
{
  value[0] = value[1] = value[2] = s->rows.weight[i];
}

static void
row_robust_weight (const Solver *s, gsize i, const float *sample, float *value)
{
  memcpy (value, s->robust + 3 * i, 3 * sizeof (float));
}

/* The rows' part of the matrix */
static void
row_product (const Solver *s, gsize i, const float *sample, float *value)
{
  for (int k = 0; k < 3; k++)
    value[k] = s->robust[3 * i + k] * sample[k];
}

static void
row_residual (const Solver *s, gsize i, const float *sample, float *value)
{
  for (int k = 0; k < 3; k++)
    value[k] = s->robust[3 * i + k] * (s->rows.color[3 * i + k] - sample[k]);
}

static double
sum_up (const Solver *s, int k)
{
  double sum = 0;

  for (int y = 0; y < s->S; y++)
    sum += s->sums[3 * y + k];
  return sum;
}

/* y = A x; ret: x . y of each channel */
static void
multiply (Solver *s, const float *x, float *y, double *ret)
{
  int S = s->S;

  through_rows (s, x, row_product, y);
#pragma omp parallel for
  for (int row = 0; row < S; row++) {
    double *sums = s->sums + 3 * row;

    sums[0] = sums[1] = sums[2] = 0;
    for (int col = 0; col < S; col++) {
      gsize i = (gsize) row * S + col;
      add_product (s, x, col, row, y);
      for (int k = 0; k < 3; k++)
        sums[k] += (double) x[3 * i + k] * y[3 * i + k];
    }
  }
  for (int k = 0; k < 3; k++)
    ret[k] = sum_up (s, k);
}

/* r += step * y; ret: r . r / diagonal of each channel */
static void
advance (Solver *s, const float *y, const double *step, double *ret)
{
  int S = s->S;

#pragma omp parallel for
  for (int row = 0; row < S; row++) {
    double *sums = s->sums + 3 * row;

    sums[0] = sums[1] = sums[2] = 0;
    for (gsize i = (gsize) row * S; i < (gsize) (row + 1) * S; i++)
      for (int k = 0; k < 3 && s->diagonal[i] > 0; k++) {
        float *r = s->r + 3 * i + k;
        if (y)
          *r += (float) step[k] * y[3 * i + k];
        sums[k] += (double) *r * *r / s->diagonal[i];
      }
  }
  for (int k = 0; k < 3; k++)
    ret[k] = sum_up (s, k);
}

static void
conjugate_gradients (Solver *s)
{
  gsize n = (gsize) s->S * s->S;
  double rr[3], first[3], next[3], dz[3], step[3], back[3];

  advance (s, NULL, NULL, rr);
  memcpy (first, rr, sizeof first);
  memset (s->d, 0, 3 * n * sizeof (float));
  memset (back, 0, sizeof back);
  for (int i = 0; i < s->p->steps; i++) {
#pragma omp parallel for
    for (gsize j = 0; j < n; j++)
      for (int k = 0; k < 3; k++)
        s->d[3 * j + k] =
            (s->diagonal[j] > 0 ? s->r[3 * j + k] / s->diagonal[j] : 0) +
            (float) back[k] * s->d[3 * j + k];
    multiply (s, s->d, s->z, dz);
    for (int k = 0; k < 3; k++)
      step[k] = shu_gradient_step (rr[k], first[k], dz[k]);
#pragma omp parallel for
    for (gsize j = 0; j < 3 * n; j++)
      s->change[j] += (float) step[j % 3] * s->d[j];
    for (int k = 0; k < 3; k++)
      step[k] = -step[k];
    advance (s, s->z, step, next);
    for (int k = 0; k < 3; k++) {
      back[k] = rr[k] > 0 ? next[k] / rr[k] : 0;
      rr[k] = next[k];
    }
  }
}

static void
weigh_rows (Solver *s, float soft)
{
  shu_row_set_load (&s->rows, s->t);
#pragma omp parallel for
  for (gsize i = 0; i < s->rows.n; i++) {
    float sample[3];
    shu_row_sample (&s->rows, i, sample);
    for (int k = 0; k < 3; k++)
      s->robust[3 * i + k] =
          s->rows.weight[i] *
          shu_texture_robust (s->rows.color[3 * i + k] - sample[k], soft);
  }
}

static void
weigh_differences (Solver *s, float soft)
{
  int S = s->S;

#pragma omp parallel for
  for (int y = 0; y < S; y++)
    for (int x = 0; x < S; x++)
      for (int below = 0; below < 2; below++) {
        gsize i = (gsize) y * S + x, j = i + (below ? S : 1);
        gboolean there = below ? y + 1 < S : x + 1 < S;
        for (int k = 0; k < 3; k++)
          s->steady[(2 * i + below) * 3 + k] =
              there ? s->p->variation *
                          shu_texture_robust (
                              s->t[3 * j + k] - s->t[3 * i + k], soft)
                    : 0;
      }
}

/* Diagonal and residual of this round */
static void
begin_round (Solver *s, const float *start, float soft)
{
  int S = s->S;
  gsize n = (gsize) S * S;

#pragma omp parallel for
  for (gsize i = 0; i < 3 * n; i++)
    s->t[i] = start[i] + s->change[i];
  weigh_rows (s, soft);
  if (s->steady)
    weigh_differences (s, soft);
  through_rows (s, NULL, row_robust_weight, s->z);
  through_rows (s, s->t, row_residual, s->r);
#pragma omp parallel for
  for (int y = 0; y < S; y++)
    for (int x = 0; x < S; x++) {
      gsize i = (gsize) y * S + x;
      float hold = s->acting ? s->p->hold * s->acting[i] : 0, total = 0;

      for (int k = 0; k < 3; k++) {
        float sum[2] = {s->z[3 * i + k], 0};
        if (s->steady)
          sum_differences (s, VARIES, s->t, x, y, k, sum);
        if (s->acting)
          sum_differences (s, STIFF, s->change, x, y, k, sum);
        total += sum[0];
        s->r[3 * i + k] -= sum[1] + hold * s->change[3 * i + k];
      }
      s->diagonal[i] = total / 3 + hold;
    }
}

/* The largest weight around each texel, of those in z */
static void
find_acting (Solver *s)
{
  int S = s->S, reach = shu_texture_reach (S);

  /* along rows into d, then along columns */
#pragma omp parallel for
  for (int y = 0; y < S; y++)
    for (int x = 0; x < S; x++) {
      float most = 0;
      for (int u = MAX (0, x - reach); u <= MIN (S - 1, x + reach); u++)
        most = MAX (most, s->z[3 * ((gsize) y * S + u)]);
      s->d[(gsize) y * S + x] = most;
    }
#pragma omp parallel for
  for (int y = 0; y < S; y++)
    for (int x = 0; x < S; x++) {
      float most = 0;
      for (int v = MAX (0, y - reach); v <= MIN (S - 1, y + reach); v++)
        most = MAX (most, s->d[(gsize) v * S + x]);
      s->acting[(gsize) y * S + x] = most;
    }
}

static gboolean
solver_init (Solver *s, ShuCtx *c, const ShuTextureRows *rows)
{
  gsize n = (gsize) s->S * s->S;
  float **const planes[] = {&s->r, &s->d, &s->z};

  if (!shu_row_set_init (&s->rows, c, rows, s->S))
    return FALSE;
  for (gsize i = 0; i < G_N_ELEMENTS (planes); i++)
    *planes[i] = shu_cpu_scratch (c, n, 3 * sizeof (float));
  s->t = s->d; /* a round looks at the texture before it goes anywhere */
  s->diagonal = shu_cpu_scratch (c, n, sizeof (float));
  s->robust = shu_cpu_scratch (c, s->rows.n, 3 * sizeof (float));
  s->sums = shu_cpu_scratch (c, s->S, 3 * sizeof (double));
  if (s->p->variation > 0)
    s->steady = shu_cpu_scratch (c, n, 6 * sizeof (float));
  if (s->p->stiffness > 0 || s->p->hold > 0)
    s->acting = shu_cpu_scratch (c, n, sizeof (float));
  if (shu_ctx_failed (c))
    return FALSE;
  memset (s->change, 0, 3 * n * sizeof (float));
  if (s->acting) {
    through_rows (s, NULL, row_weight, s->z);
    find_acting (s);
  }
  return TRUE;
}

void
shu_cpu_texture_solve (ShuCtx *c, ShuTensor *y, const ShuTextureRows *rows,
    ShuTensor *start, const ShuTextureSolver *p)
{
  SHU_SCOPE (c);
  Solver s = {.p = p, .S = p->size, .change = y->data};
  const float *from = start->data;

  if (!solver_init (&s, c, rows))
    return;
  for (int i = 0; i < p->rounds; i++) {
    begin_round (
        &s, from, shu_texture_soft (p->soft_first, p->soft_last, i, p->rounds));
    conjugate_gradients (&s);
  }
  for (gsize i = 0; i < y->n; i++)
    s.change[i] += from[i];
}

/* ---- means ---- */

static void
row_color (const Solver *s, gsize i, const float *sample, float *value)
{
  for (int k = 0; k < 3; k++)
    value[k] = s->rows.weight[i] * s->rows.color[3 * i + k];
}

/* Sums of each level and of what is below it; [total,3] */
static void
sum_levels (Solver *s, RowFunc func, float *y)
{
  const ShuTexturePyramid *p = &s->rows.levels;

#pragma omp parallel for schedule(dynamic, 1)
  for (int b = 0; b < SHU_TEXTURE_BANDS; b++) {
    ShuRowBand *band = s->rows.bands + b;

    shu_row_band_clear (&s->rows, band);
    for (gsize i = band->from; i < band->to; i++) {
      float value[3];
      func (s, i, NULL, value);
      shu_row_spread (&s->rows, band, i, value);
    }
  }
  shu_row_set_sum (&s->rows, y, FALSE);
  for (int l = 1; l < p->n_levels; l++) {
    int side = p->side[l], from = p->side[l - 1];
    const float *fine = y + 3 * p->start[l - 1];

    for (gsize i = 0; i < (gsize) from * from; i++)
      for (int k = 0; k < 3; k++)
        y[3 * (p->start[l] + i / from / 2 * side + i % from / 2) + k] +=
            fine[3 * i + k];
  }
}

/* Level @l at a texel of the level below it, linear between texels */
static void
from_above (const float *level, int side, int x, int y, float *ret)
{
  float fx = CLAMP (0.5f * x - 0.25f, 0, side - 1);
  float fy = CLAMP (0.5f * y - 0.25f, 0, side - 1);
  int x0 = (int) fx, y0 = (int) fy;
  int x1 = MIN (x0 + 1, side - 1), y1 = MIN (y0 + 1, side - 1);
  const float *r0 = level + 3 * (gsize) y0 * side;
  const float *r1 = level + 3 * (gsize) y1 * side;

  fx -= x0;
  fy -= y0;
  for (int k = 0; k < 3; k++)
    ret[k] = (1 - fy) * ((1 - fx) * r0[3 * x0 + k] + fx * r0[3 * x1 + k]) +
             fy * ((1 - fx) * r1[3 * x0 + k] + fx * r1[3 * x1 + k]);
}

void
shu_cpu_texture_gather (
    ShuCtx *c, ShuTensor *y, const ShuTextureRows *rows, float hold)
{
  SHU_SCOPE (c);
  Solver s = {.S = (int) y->dims[0]};
  const ShuTexturePyramid *p = &s.rows.levels;
  float *sum, *weight;

  if (!shu_row_set_init (&s.rows, c, rows, s.S))
    return;
  sum = shu_cpu_scratch (c, p->start[p->n_levels], 3 * sizeof (float));
  weight = shu_cpu_scratch (c, p->start[p->n_levels], 3 * sizeof (float));
  if (shu_ctx_failed (c))
    return;
  sum_levels (&s, row_color, sum);
  sum_levels (&s, row_weight, weight);
  for (int l = p->n_levels - 1; l >= 0; l--) {
    int side = p->side[l];
    const float *above = sum + 3 * p->start[MIN (l + 1, p->n_levels - 1)];

#pragma omp parallel for if (side >= 64)
    for (int row = 0; row < side; row++)
      for (int x = 0; x < side; x++) {
        gsize i = p->start[l] + (gsize) row * side + x;
        float mean[3] = {0}, own = l + 1 < p->n_levels ? hold : 0;

        if (own > 0)
          from_above (above, (side + 1) / 2, x, row, mean);
        for (int k = 0; k < 3; k++) {
          float total = weight[3 * i + k] + own;
          sum[3 * i + k] =
              total > 0 ? (sum[3 * i + k] + own * mean[k]) / total : 0;
        }
      }
  }
  memcpy (y->data, sum, y->n * sizeof (float));
}
