/* SPDX-License-Identifier: MIT */
/* What is written with vectors of a fixed width (simd_private.h).  kernels.c
 * is compiled for each of several instruction sets. */
#pragma once
#include "ops/ops.h"
#include "ops/splat_point.h"

G_BEGIN_DECLS

/* Pixels of a tile, row by row; @open: -1, or 0 where nothing comes through any
 * more */
typedef struct {
  float rgb[3][SHU_SPLAT_TILE * SHU_SPLAT_TILE];
  float through[SHU_SPLAT_TILE * SHU_SPLAT_TILE];
  float depth[SHU_SPLAT_TILE * SHU_SPLAT_TILE];
  gint32 open[SHU_SPLAT_TILE * SHU_SPLAT_TILE];
} ShuSplatPixels;

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

  /* The tile whose first pixel is (x0, y0): the n @dots that @list names, front
   * to back */
  void (*splat_tile) (ShuSplatPixels *y, int x0, int y0,
      const ShuSplatDot *dots, const gint32 *list, gsize n);
} ShuKernels;

/* Those for the instruction set that oneDNN uses, so ONEDNN_MAX_CPU_ISA holds
 * for both. */
const ShuKernels *shu_kernels (void);

G_END_DECLS
