/* SPDX-License-Identifier: MIT */
/* The yardstick of the benchmark: one oneDNN primitive, in the layouts that it
 * likes best, with nothing around it. */
#pragma once
#include <glib.h>

G_BEGIN_DECLS

typedef struct _ShuMeasure ShuMeasure;

/* A matrix product with bias, [M,Ci] by [Ci,Co]; NULL where oneDNN cannot. */
ShuMeasure *shu_measure_linear_new (gint64 M, gint64 Ci, gint64 Co);

/* A convolution with bias of x [B,side,..,side,Ci] in @n_space dimensions,
 * kernels of k, stride 1, same size; NULL where oneDNN cannot. */
ShuMeasure *shu_measure_conv_new (
    int n_space, gint64 B, gint64 side, gint64 Ci, gint64 Co, int k);

/* Computes once. */
void shu_measure_run (ShuMeasure *m);
void shu_measure_free (ShuMeasure *m);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ShuMeasure, shu_measure_free)

G_END_DECLS
