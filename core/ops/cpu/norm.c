/* SPDX-License-Identifier: MIT */
/* Norms.  Statistics in double, mean first, then the squared distances from it;
 * partial sums belong to fixed chunks of rows and are added in order, so the
 * number of threads does not change a bit. */
#include "ops/cpu/cpu_private.h"
#include "ops/cpu/kernels_private.h"
#include <math.h>
#include <string.h>

/* Rows in one partial sum. */
enum { ROWS = 256 };

/* sum[ch] = sum over rows of x; f32 within a few rows, double beyond */
SHU_SIMD static void
column_sums (double *restrict sum, const float *restrict x, gsize rows, gsize C)
{
  for (gsize r = 0; r < rows; r++)
    for (gsize i = 0; i < C; i++)
      sum[i] += x[r * C + i];
}

SHU_SIMD static void
column_squares (double *restrict sum, const double *restrict mean,
    const float *restrict x, gsize rows, gsize C)
{
  for (gsize r = 0; r < rows; r++)
    for (gsize i = 0; i < C; i++) {
      double d = x[r * C + i] - mean[i];

      sum[i] += d * d;
    }
}

/* Adds the chunks' sums in order, and the channels of a group; every channel
 * gets its group's total / count. */
static void
fold (double *ret, const double *parts, gsize n_parts, gsize C, int n_groups,
    double count)
{
  gsize size = C / (gsize) n_groups;

  for (gsize g = 0; g < (gsize) n_groups; g++) {
    double total = 0;

    for (gsize p = 0; p < n_parts; p++)
      for (gsize i = g * size; i < (g + 1) * size; i++)
        total += parts[p * C + i];
    for (gsize i = g * size; i < (g + 1) * size; i++)
      ret[i] = total / count;
  }
}

/* x + add, [B,1,C] */
static ShuTensor *
with_added (ShuCtx *c, ShuTensor *x, ShuTensor *add)
{
  gint64 B = x->dims[0], C = x->dims[x->n_dims - 1];
  ShuTensor *h = shu_reshape (c, x, SHU_DIMS (B, -1, C));
  ShuTensor *b = shu_reshape (c, add, SHU_DIMS (B, 1, C));
  ShuTensor *y = shu_scoped (c, c->real, h->n_dims, h->dims);

  if (!shu_ctx_failed (c))
    shu_cpu_binary (c, y, h, b, SHU_BINARY_ADD);
  return y;
}

void
shu_cpu_group_norm (ShuCtx *c, ShuTensor *y, ShuTensor *x, ShuTensor *add,
    const ShuNorm *norm, int n_groups, float eps, ShuAct act)
{
  SHU_SCOPE (c);
  gsize C = (gsize) x->dims[x->n_dims - 1];
  gsize B = (gsize) x->dims[0];
  gsize T = x->n / B / C;
  gsize parts = (T + ROWS - 1) / ROWS;
  double count = (double) T * (double) (C / (gsize) n_groups);
  double *sums = shu_cpu_scratch (c, B * parts * C, sizeof (double));
  double *mean = shu_cpu_scratch (c, B * C, sizeof (double));
  double *var = shu_cpu_scratch (c, B * C, sizeof (double));
  float *scale = shu_cpu_scratch (c, 3 * B * C, sizeof (float));
  const float *w = norm && norm->w ? shu_f32 (norm->w) : NULL;
  const float *b = norm && norm->b ? shu_f32 (norm->b) : NULL;
  gint64 n = (gint64) (B * parts);

  if (add)
    x = with_added (c, x, add);
  if (shu_ctx_failed (c))
    return;
  memset (sums, 0, B * parts * C * sizeof (double));
#pragma omp parallel for if (x->n > 32768)
  for (gint64 i = 0; i < n; i++) {
    gsize first = (gsize) i % parts * ROWS;

    column_sums (sums + (gsize) i * C,
        shu_f32 (x) + ((gsize) i / parts * T + first) * C,
        MIN (ROWS, T - first), C);
  }
  for (gsize i = 0; i < B; i++)
    fold (mean + i * C, sums + i * parts * C, parts, C, n_groups, count);
  memset (sums, 0, B * parts * C * sizeof (double));
#pragma omp parallel for if (x->n > 32768)
  for (gint64 i = 0; i < n; i++) {
    gsize first = (gsize) i % parts * ROWS;

    column_squares (sums + (gsize) i * C, mean + (gsize) i / parts * C,
        shu_f32 (x) + ((gsize) i / parts * T + first) * C,
        MIN (ROWS, T - first), C);
  }
  for (gsize i = 0; i < B; i++)
    fold (var + i * C, sums + i * parts * C, parts, C, n_groups, count);
  for (gsize i = 0; i < B * C; i++) {
    double s = (w ? w[i % C] : 1.) / sqrt (var[i] + eps);

    scale[i] = (float) mean[i];
    scale[B * C + i] = (float) s;
    scale[2 * B * C + i] =
        (float) ((b ? b[i % C] : 0.) - (mean[i] - scale[i]) * s);
  }
#pragma omp parallel for if (x->n > 32768)
  for (gint64 i = 0; i < n; i++) {
    gsize item = (gsize) i / parts;
    gsize first = (gsize) i % parts * ROWS;
    gsize at = (item * T + first) * C;

    shu_kernels ()->scale_rows (shu_f32 (y) + at, shu_f32 (x) + at,
        scale + item * C, B * C, MIN (ROWS, T - first), C, act == SHU_ACT_SILU);
  }
  if (act != SHU_ACT_NONE && act != SHU_ACT_SILU)
    shu_cpu_act (c, y, y, act);
}

SHU_SIMD void
shu_cpu_layer_norm_row (float *restrict y, const float *restrict x,
    const float *restrict w, const float *restrict b, gsize C, float eps)
{
  double sum[8] = {0}, squares[8] = {0};
  double mean = 0, var = 0;
  float m, s;
  gsize i;

  for (i = 0; i + 8 <= C; i += 8)
    for (int k = 0; k < 8; k++)
      sum[k] += x[i + k];
  for (; i < C; i++)
    sum[0] += x[i];
  for (int k = 0; k < 8; k++)
    mean += sum[k];
  mean /= (double) C;
  for (i = 0; i + 8 <= C; i += 8)
    for (int k = 0; k < 8; k++) {
      double d = x[i + k] - mean;

      squares[k] += d * d;
    }
  for (; i < C; i++)
    squares[0] += (x[i] - mean) * (x[i] - mean);
  for (int k = 0; k < 8; k++)
    var += squares[k];
  m = (float) mean;
  s = (float) (1 / sqrt (var / (double) C + eps));
  if (w && b)
    for (i = 0; i < C; i++)
      y[i] = (x[i] - m) * s * w[i] + b[i];
  else
    for (i = 0; i < C; i++)
      y[i] = (x[i] - m) * s * (w ? w[i] : 1.f) + (b ? b[i] : 0.f);
}

void
shu_cpu_layer_norm (
    ShuCtx *c, ShuTensor *y, ShuTensor *x, const ShuNorm *norm, float eps)
{
  gsize C = (gsize) x->dims[x->n_dims - 1];
  const float *w = norm && norm->w ? shu_f32 (norm->w) : NULL;
  const float *b = norm && norm->b ? shu_f32 (norm->b) : NULL;

#pragma omp parallel for if (x->n > 32768)
  for (gint64 r = 0; r < (gint64) (x->n / C); r++)
    shu_cpu_layer_norm_row (
        shu_f32 (y) + (gsize) r * C, shu_f32 (x) + (gsize) r * C, w, b, C, eps);
}

void
shu_cpu_rms_norm_heads (ShuCtx *c, ShuTensor *y, ShuTensor *x, ShuTensor *gamma)
{
  gsize NH = (gsize) gamma->dims[0];
  gsize HD = (gsize) gamma->dims[1];
  double root = sqrt ((double) HD);

#pragma omp parallel for if (x->n > 32768)
  for (gint64 r = 0; r < (gint64) (x->n / HD); r++) {
    const float *xr = shu_f32 (x) + (gsize) r * HD;
    const float *g = shu_f32 (gamma) + (gsize) r % NH * HD;
    float *yr = shu_f32 (y) + (gsize) r * HD;
    double squares = 0;
    float s;

    for (gsize i = 0; i < HD; i++)
      squares += (double) xr[i] * xr[i];
    s = (float) (root / MAX (sqrt (squares), 1e-12));
    for (gsize i = 0; i < HD; i++)
      yr[i] = xr[i] * s * g[i];
  }
}
