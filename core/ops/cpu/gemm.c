/* SPDX-License-Identifier: MIT */
/* See gemm_private.h.  The product itself is in kernels.c. */
#include "ops/cpu/gemm_private.h"
#include "ops/cpu/kernels_private.h"

void
shu_gemm_rows (float *const *y, const float *const *a, const float *b,
    gsize ldb, gsize M, gsize N, gsize K, gboolean accumulate)
{
  shu_kernels ()->gemm_rows (y, a, b, ldb, M, N, K, accumulate);
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
