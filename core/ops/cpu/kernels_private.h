/* SPDX-License-Identifier: MIT */
/* What is written with vectors of a fixed width (simd_private.h).  kernels.c
 * is compiled for each of several instruction sets. */
#pragma once
#include "ops/ops.h"

G_BEGIN_DECLS

typedef struct {
  /* shu_gemm_rows() */
  void (*gemm_rows) (float *const *y, const float *const *a, const float *b,
      gsize ldb, gsize M, gsize N, gsize K, gboolean accumulate);

  /* Row-wise softmax of scale * s, in place, without the division; the sums go
   * to @ret_sum. */
  void (*softmax_rows) (
      float *s, gsize ld, gsize rows, gsize n, float scale, float *ret_sum);

  /* One query against the K tokens @rows; p is room for K */
  void (*attend_row) (float *restrict y, const float *restrict q,
      const float *k, const float *v, const gint32 *rows, gsize K, gsize C,
      gsize NH, float *restrict p);

  void (*act) (float *y, const float *x, gsize n, ShuAct act);

  /* y [n] = a gelu (g) for x = [a, g] */
  void (*geglu) (float *restrict y, const float *x, gsize n);

  /* y = (x - m) a + b, the three vectors @plane apart, then perhaps SiLU */
  void (*scale_rows) (float *restrict y, const float *restrict x,
      const float *restrict m, gsize plane, gsize rows, gsize C, gboolean silu);
} ShuKernels;

/* Those for the instruction set that oneDNN uses, so ONEDNN_MAX_CPU_ISA holds
 * for both. */
const ShuKernels *shu_kernels (void);

G_END_DECLS
