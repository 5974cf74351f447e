/* SPDX-License-Identifier: MIT */
/* See kernels_private.h.  Compiled once for each instruction set, with
 * SHU_KERNELS the name of its table. */
#include "ops/cpu/kernels_private.h"
#include "ops/cpu/simd_private.h"
#include <math.h>

/* ---- products ---- */

/* A tile of y stays in registers while k runs: 24 of 32, or 12 of 16. */
enum { TILE_ROWS = 6, TILE_VECTORS = LANES == 16 ? 4 : 2 };

/* Rows of y from @at on, R of them, V vectors wide. */
SHU_INLINE void
tile (const int R, const int V, float *const *y, const float *const *a,
    gsize at, const float *b, gsize ldb, gsize K, gboolean accumulate)
{
  Vec sum[TILE_ROWS][TILE_VECTORS];
  const float *rows[TILE_ROWS];

#pragma GCC unroll 6
  for (int r = 0; r < R; r++)
    rows[r] = a[r];
#pragma GCC unroll 6
  for (int r = 0; r < R; r++)
#pragma GCC unroll 4
    for (int v = 0; v < V; v++)
      sum[r][v] = accumulate ? v_load (y[r] + at + v * LANES) : v_set (0);
  for (gsize k = 0; k < K; k++) {
    Vec row[TILE_VECTORS];

#pragma GCC unroll 4
    for (int v = 0; v < V; v++)
      row[v] = v_load (b + k * ldb + at + v * LANES);
#pragma GCC unroll 6
    for (int r = 0; r < R; r++)
#pragma GCC unroll 4
      for (int v = 0; v < V; v++)
        sum[r][v] += rows[r][k] * row[v];
  }
#pragma GCC unroll 6
  for (int r = 0; r < R; r++)
#pragma GCC unroll 4
    for (int v = 0; v < V; v++)
      v_store (y[r] + at + v * LANES, sum[r][v]);
}

SHU_INLINE void
rows_of_tiles (const int R, float *const *y, const float *const *a,
    const float *b, gsize ldb, gsize N, gsize K, gboolean accumulate)
{
  gsize n = 0;

  for (; n + TILE_VECTORS * LANES <= N; n += TILE_VECTORS * LANES)
    tile (R, TILE_VECTORS, y, a, n, b, ldb, K, accumulate);
  if (TILE_VECTORS > 2 && N - n >= 2 * LANES) {
    tile (R, 2, y, a, n, b, ldb, K, accumulate);
    n += 2 * LANES;
  }
  if (n < N)
    tile (R, 1, y, a, n, b, ldb, K, accumulate);
}

static void
gemm_rows (float *const *y, const float *const *a, const float *b, gsize ldb,
    gsize M, gsize N, gsize K, gboolean accumulate)
{
  gsize m = 0;

  for (; m + TILE_ROWS <= M; m += TILE_ROWS)
    rows_of_tiles (TILE_ROWS, y + m, a + m, b, ldb, N, K, accumulate);
  for (; m + 2 <= M; m += 2)
    rows_of_tiles (2, y + m, a + m, b, ldb, N, K, accumulate);
  if (m < M)
    rows_of_tiles (1, y + m, a + m, b, ldb, N, K, accumulate);
}

/* ---- attention ---- */

static void
softmax_rows (
    float *s, gsize ld, gsize rows, gsize n, float scale, float *ret_sum)
{
  for (gsize r = 0; r < rows; r++, s += ld) {
    Vec top = v_set (-G_MAXFLOAT), sum = v_set (0);
    float m;
    gsize i;

    for (i = 0; i + LANES <= n; i += LANES)
      top = v_max (top, v_load (s + i));
    if (i < n)
      top = v_max (top, v_load_n (s + i, n - i, -G_MAXFLOAT));
    m = v_max_lane (top);
    for (i = 0; i + LANES <= n; i += LANES) {
      Vec e = v_exp ((v_load (s + i) - m) * scale);

      v_store (s + i, e);
      sum += e;
    }
    if (i < n) {
      Vec e = v_exp ((v_load_n (s + i, n - i, -G_MAXFLOAT) - m) * scale);

      memcpy (s + i, &e, (n - i) * sizeof (float));
      sum += e;
    }
    ret_sum[r] = v_sum (sum);
  }
}

static void
attend_row (float *restrict y, const float *restrict q, const float *k,
    const float *v, const gint32 *rows, gsize K, gsize C, gsize NH,
    float *restrict p)
{
  gsize HD = C / NH;
  float scale = 1.f / sqrtf ((float) HD);

  for (gsize h = 0; h < NH; h++) {
    float top = -G_MAXFLOAT, sum = 0;
    const float *qh = q + h * HD;
    float *yh = y + h * HD;

    for (gsize j = 0; j < K; j++) {
      const float *kh = k + (gsize) rows[j] * C + h * HD;
      Vec acc = v_set (0);
      gsize i;

      for (i = 0; i + LANES <= HD; i += LANES)
        acc += v_load (qh + i) * v_load (kh + i);
      if (i < HD)
        acc += v_load_n (qh + i, HD - i, 0) * v_load_n (kh + i, HD - i, 0);
      p[j] = v_sum (acc) * scale;
      top = p[j] > top ? p[j] : top;
    }
    for (gsize j = 0; j < K; j++) {
      p[j] = expf (p[j] - top);
      sum += p[j];
    }
    memset (yh, 0, HD * sizeof (float));
    for (gsize j = 0; j < K; j++) {
      const float *vh = v + (gsize) rows[j] * C + h * HD;
      float weight = p[j] / sum;

      for (gsize i = 0; i < HD; i++)
        yh[i] += weight * vh[i];
    }
  }
}

/* ---- elementwise ---- */

/* y[i] = EXPR of v = x[i], full vectors first, then the rest in one that is
 * filled up: the same arithmetic for every element. */
#define MAP(EXPR)                                                              \
  do {                                                                         \
    gsize i = 0;                                                               \
    Vec v;                                                                     \
                                                                               \
    for (; i + LANES <= n; i += LANES) {                                       \
      v = v_load (x + i);                                                      \
      v_store (y + i, EXPR);                                                   \
    }                                                                          \
    if (i < n) {                                                               \
      v = v_load_n (x + i, n - i, 0);                                          \
      v = EXPR;                                                                \
      memcpy (y + i, &v, (n - i) * sizeof (float));                            \
    }                                                                          \
  } while (0)

static void
act_run (float *y, const float *x, gsize n, ShuAct act)
{
  switch (act) {
  case SHU_ACT_NONE:
    memmove (y, x, n * sizeof (float));
    break;
  case SHU_ACT_SILU:
    MAP (v_silu (v));
    break;
  case SHU_ACT_GELU:
    MAP (v_gelu (v));
    break;
  case SHU_ACT_GELU_TANH:
    MAP (v_gelu_tanh (v));
    break;
  case SHU_ACT_RELU:
    MAP (v_max (v, v_set (0)));
    break;
  case SHU_ACT_SIGMOID:
    MAP (v_sigmoid (v));
    break;
  }
}

static void
geglu_run (float *restrict y, const float *x, gsize n)
{
  const float *gate = x + n;
  gsize i = 0;

  for (; i + LANES <= n; i += LANES)
    v_store (y + i, v_load (x + i) * v_gelu (v_load (gate + i)));
  if (i < n) {
    Vec v = v_load_n (x + i, n - i, 0);

    v *= v_gelu (v_load_n (gate + i, n - i, 0));
    memcpy (y + i, &v, (n - i) * sizeof (float));
  }
}

/* y = (x - m) a + b, the three vectors @plane apart.  m is the mean in f32, b
 * corrects what that lost: a large mean would eat a small spread otherwise. */
static void
scale_rows (float *restrict y, const float *restrict x, const float *restrict m,
    gsize plane, gsize rows, gsize C, gboolean silu)
{
  const float *restrict a = m + plane, *restrict b = a + plane;

  for (gsize r = 0; r < rows; r++, x += C, y += C) {
    gsize i = 0;

    for (; i + LANES <= C; i += LANES) {
      Vec v =
          (v_load (x + i) - v_load (m + i)) * v_load (a + i) + v_load (b + i);

      v_store (y + i, silu ? v_silu (v) : v);
    }
    if (i < C) {
      Vec v = v_load_n (x + i, C - i, 0) - v_load_n (m + i, C - i, 0);

      v = v * v_load_n (a + i, C - i, 0) + v_load_n (b + i, C - i, 0);

      v = silu ? v_silu (v) : v;
      memcpy (y + i, &v, (C - i) * sizeof (float));
    }
  }
}

/* ---- Gaussians ---- */

enum {
  SPLAT_LOOK = 8,  /* Gaussians until somebody looks what is still open */
  SPLAT_AHEAD = 4, /* Gaussians that are on their way from memory */
  SPLAT_GROUP = 4, /* pixels for a bit of what is open; at most LANES */
};

/* e^x for -80 <= x <= 0, wrong by 3e-6 of itself; elsewhere anything */
SHU_INLINE Vec
splat_exp (Vec x)
{
  Vec n = x * 1.44269504f + 12582912.f, r, p; /* as in v_exp() */
  UVec k = (UVec) n << 23;

  r = x - (n - 12582912.f) * 0.69314718f;
  p = r * (1.f / 120) + 1.f / 24;
  p = p * r + 1.f / 6;
  p = p * r + 0.5f;
  p = p * r + 1.f;
  p = p * r + 1.f;
  return (Vec) ((UVec) p + k);
}

/* A vector of pixels from (x, .) on; dy: of their row to the centre */
SHU_INLINE void
splat_pixels (
    ShuSplatPixels *t, gsize at, Vec x, float dy, const ShuSplatDot *d)
{
  Vec dx = d->mean[0] - x;
  Vec e = -0.5f * (d->conic[0] * dx * dx + d->conic[2] * dy * dy) -
          d->conic[1] * dx * dy;
  Vec alpha = v_min (d->alpha * splat_exp (e), v_set (SHU_SPLAT_MAX_ALPHA));
  Vec through = v_load (t->through + at), next = through * (1.f - alpha), w;
  float *open_at = (float *) (t->open + at); /* bits */
  IVec open = (IVec) v_load (open_at);
  IVec seen = (e <= 0.f) & (e >= -0.5f * d->reach) &
              (alpha >= SHU_SPLAT_MIN_ALPHA) & open;
  IVec full = seen & (next < SHU_SPLAT_MIN_THROUGH);

  v_store (open_at, (Vec) (open & ~full));
  seen &= ~full;
  w = v_select (seen, alpha * through, v_set (0));
  for (int k = 0; k < 3; k++)
    v_store (t->rgb[k] + at, v_load (t->rgb[k] + at) + d->rgb[k] * w);
  v_store (t->depth + at, v_load (t->depth + at) + d->depth * w);
  v_store (t->through + at, v_select (seen, next, through));
}

/* A bit for each group that has open pixels */
static guint64
splat_open_groups (const ShuSplatPixels *t)
{
  guint64 open = 0;

  for (int i = 0; i < SHU_SPLAT_TILE * SHU_SPLAT_TILE / SPLAT_GROUP; i++) {
    const gint32 *p = t->open + i * SPLAT_GROUP;

    open |= (guint64) ((p[0] | p[1] | p[2] | p[3]) & 1) << i;
  }
  return open;
}

/* Pixels first..end-1 of the tile's 16, from @at on, that [lo,hi] covers */
SHU_INLINE void
splat_range (float lo, float hi, int at, int *ret_first, int *ret_end)
{
  *ret_first = (int) MAX (lo - (float) at, 0.f);
  *ret_end = (int) MIN (hi - (float) at, SHU_SPLAT_TILE - 1.f) + 1;
}

static void
splat_tile (ShuSplatPixels *t, int x0, int y0, const ShuSplatDot *dots,
    const gint32 *list, gsize n)
{
  const guint64 vector = (1u << LANES / SPLAT_GROUP) - 1;
  guint64 open = ~(guint64) 0;
  Vec lane;

  memset (t, 0, sizeof *t);
  memset (t->open, 0xff, sizeof t->open);
  for (int i = 0; i < SHU_SPLAT_TILE * SHU_SPLAT_TILE; i++)
    t->through[i] = 1;
  for (int i = 0; i < LANES; i++)
    lane[i] = (float) i;
  for (gsize j = 0; j < n && open; j++) {
    const ShuSplatDot *d = dots + list[j];
    int u0, u1, v0, v1;

    __builtin_prefetch (dots + list[MIN (j + SPLAT_AHEAD, n - 1)]);
    splat_range (
        d->mean[0] - d->half[0], d->mean[0] + d->half[0], x0, &u0, &u1);
    splat_range (
        d->mean[1] - d->half[1], d->mean[1] + d->half[1], y0, &v0, &v1);
    for (int v = v0; v < v1; v++)
      for (int u = u0 / LANES * LANES; u < u1; u += LANES) {
        int at = v * SHU_SPLAT_TILE + u;

        if (open >> at / SPLAT_GROUP & vector)
          splat_pixels (t, (gsize) at, lane + (float) (x0 + u),
              d->mean[1] - (float) (y0 + v), d);
      }
    if (j % SPLAT_LOOK == SPLAT_LOOK - 1)
      open = splat_open_groups (t);
  }
}

const ShuKernels SHU_KERNELS = {
    .gemm_rows = gemm_rows,
    .softmax_rows = softmax_rows,
    .attend_row = attend_row,
    .act = act_run,
    .geglu = geglu_run,
    .scale_rows = scale_rows,
    .splat_tile = splat_tile,
};
