/* SPDX-License-Identifier: MIT */
/* Small matrix products on one thread: where operands are rows scattered over
 * memory or live in the cache for a moment only. */
#pragma once
#include <glib.h>

G_BEGIN_DECLS

/* Sizes that end up as rows of vectors are rounded up to this. */
enum { SHU_GEMM_STEP = 16 };

static inline gsize
shu_gemm_round (gsize n)
{
  return (n + SHU_GEMM_STEP - 1) / SHU_GEMM_STEP * SHU_GEMM_STEP;
}

/* y [M,N] (+)= a [M,K] b [K,N], rows lda, ldb, ldy apart; N a multiple of
 * SHU_GEMM_STEP.  Sums run over k in order. */
void shu_gemm (float *y, gsize ldy, const float *a, gsize lda, const float *b,
    gsize ldb, gsize M, gsize N, gsize K, gboolean accumulate);

/* The same where each of the M rows of y and of a is anywhere; y's differ. */
void shu_gemm_rows (float *const *y, const float *const *a, const float *b,
    gsize ldb, gsize M, gsize N, gsize K, gboolean accumulate);

/* ret [C,n_padded] = x [n,C] transposed, rows of x ld apart; the rest zero */
void shu_transpose (
    float *ret, gsize n_padded, const float *x, gsize ld, gsize n, gsize C);

G_END_DECLS
