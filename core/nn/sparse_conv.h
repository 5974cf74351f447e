/* SPDX-License-Identifier: MIT */
/* What sparse convolutions of the reference need beside the operation. */
#pragma once
#include "ops/ops.h"

G_BEGIN_DECLS

/**
 * shu_sparse_conv1_matrix:
 * @w: [Co,1,1,1,Ci] f32, with its values in host memory
 *
 * The matrix that a submanifold convolution of size 1 multiplies by.  The
 * library behind the reference (spconv 2.x) takes the buffer, stored in the
 * order of the shape above, for a matrix [Ci,Co], and weights were trained
 * with it: y[o] = sum_i x[i] buffer[i Co + o].
 *
 * Returns: (transfer full): [Co,Ci], as a linear layer wants it
 */
ShuTensor *shu_sparse_conv1_matrix (const ShuTensor *w);

G_END_DECLS
