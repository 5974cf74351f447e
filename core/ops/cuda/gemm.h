/* SPDX-License-Identifier: MIT */
/* Matrix products through cuBLASLt: f16 in memory, f32 sums.  Many rows by a
 * small weight go to a kernel of our own (stationary.cu) where it can, few rows
 * to another (product_few.cu), which has the exact GELU in it and reads weight
 * and bias early: no kernel may have made these that was not waited for.
 *
 * Bias: f16, so that it is added to the f32 sum inside the product; an f32 one
 * costs a pass of its own.  Inside, too: ReLU, GELU's tanh approximation, and
 * a residual where there is no activation.  What the library does not offer
 * (SiLU, the exact GELU, sigmoid) follows as one pass over y, which rounds to
 * f16 in between. */
#pragma once
#include "ops/cuda/cuda_private.h"
#include "ops/ops.h"

G_BEGIN_DECLS

/**
 * ShuCudaGemm:
 * y [M,N] = act (x [M,K] w [N,K]^T + b [N]) + residual [M,N]
 * @ldx, @ldw, @ldy: elements from row to row; 0: no gaps
 * @w_kn: w is [K,N]
 * @y_f32: y is f32
 * @batch: products at a distance of @x_step, @w_step, @y_step elements; 0: one
 *
 * Several products, and an f32 y, come without bias, residual and activation.
 */
typedef struct {
  gint64 M, N, K;
  gint64 ldx, ldw, ldy;
  gboolean w_kn;
  gboolean y_f32;
  gint64 batch, x_step, w_step, y_step;
  ShuAct act;
} ShuCudaGemm;

/* @b.data and @residual may be NULL; @residual lies as y does, elsewhere.  Any
 * alignment works, one of 16 bytes (of rows, too) is fast. */
gboolean shu_cuda_gemm (ShuCuda *cuda, const ShuCudaGemm *g, void *y,
    const void *x, const void *w, ShuCudaVector b, const void *residual,
    GError **error);

/* Bytes that shu_cuda_gemm_geglu() needs at @scratch. */
gsize shu_cuda_gemm_geglu_scratch (gint64 M, gint64 C);

/* [a, g] = x [M,K] w [2C,K]^T + b [2C];  y [M,C] = a gelu (g), f16 or @e4m3 (of
 * many rows by a small weight).  In pieces, so that what lies between stays in
 * the cache. */
gboolean shu_cuda_gemm_geglu (ShuCuda *cuda, gint64 M, gint64 C, gint64 K,
    void *y, gboolean e4m3, const void *x, const void *w, ShuCudaVector b,
    void *scratch, GError **error);

G_END_DECLS
