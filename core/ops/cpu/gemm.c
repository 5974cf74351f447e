/* SPDX-License-Identifier: MIT */
/* See gemm_private.h.  A tile of 6 rows and 4 vectors of y stays in registers
 * while k runs. */
#ifdef __clang__
#pragma clang fp contract(fast)
#else
#pragma GCC optimize("fp-contract=fast")
#endif
#include "ops/cpu/gemm_private.h"
#include "ops/cpu/simd_private.h"

enum { TILE_ROWS = 6, TILE_VECTORS = 4 };

/* Rows of y from @at on, R of them, V vectors wide. */
SHU_INLINE void
tile (const int R, const int V, float *const *y, const float *const *a,
    gsize at, const float *b, gsize ldb, gsize K, gboolean accumulate)
{
  V16 sum[TILE_ROWS][TILE_VECTORS];
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
    V16 row[TILE_VECTORS];

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

  for (; n + 4 * LANES <= N; n += 4 * LANES)
    tile (R, 4, y, a, n, b, ldb, K, accumulate);
  if (N - n >= 2 * LANES) {
    tile (R, 2, y, a, n, b, ldb, K, accumulate);
    n += 2 * LANES;
  }
  if (n < N)
    tile (R, 1, y, a, n, b, ldb, K, accumulate);
}

SHU_SIMD void
shu_gemm_rows (float *const *y, const float *const *a, const float *b,
    gsize ldb, gsize M, gsize N, gsize K, gboolean accumulate)
{
  gsize m = 0;

  for (; m + TILE_ROWS <= M; m += TILE_ROWS)
    rows_of_tiles (TILE_ROWS, y + m, a + m, b, ldb, N, K, accumulate);
  for (; m + 2 <= M; m += 2)
    rows_of_tiles (2, y + m, a + m, b, ldb, N, K, accumulate);
  if (m < M)
    rows_of_tiles (1, y + m, a + m, b, ldb, N, K, accumulate);
}

void
shu_gemm (float *y, gsize ldy, const float *a, gsize lda, const float *b,
    gsize ldb, gsize M, gsize N, gsize K, gboolean accumulate)
{
  enum { AT_ONCE = 96 };

  float *to[AT_ONCE];
  const float *from[AT_ONCE];

  for (gsize m = 0; m < M; m += AT_ONCE) {
    gsize n = MIN (AT_ONCE, M - m);

    for (gsize r = 0; r < n; r++) {
      to[r] = y + (m + r) * ldy;
      from[r] = a + (m + r) * lda;
    }
    shu_gemm_rows (to, from, b, ldb, n, N, K, accumulate);
  }
}

void
shu_transpose (
    float *ret, gsize n_padded, const float *x, gsize ld, gsize n, gsize C)
{
  enum { BLOCK = 16 };

  for (gsize i = 0; i < n_padded; i += BLOCK)
    for (gsize ch = 0; ch < C; ch++)
      for (gsize k = i; k < MIN (i + BLOCK, n_padded); k++)
        ret[ch * n_padded + k] = k < n ? x[k * ld + ch] : 0;
}
