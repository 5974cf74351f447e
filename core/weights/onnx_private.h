/* SPDX-License-Identifier: MIT */
#pragma once
#include "weights/tensor_file_private.h"

/**
 * ShuOnnxConv:
 * A convolution, in the order of the graph.
 * @weight, @bias: names of its tensors; "" where it has none
 */
typedef struct {
  char *weight, *bias;
  int kernel, dilation;
} ShuOnnxConv;

/* Whether @n convolutions are those of U²-Net, in its order. */
gboolean shu_u2net_matches (const ShuOnnxConv *convs, guint n);
/* Its name for the @i-th of them, e.g. "stage1.rebnconvin.conv_s1" */
char *shu_u2net_conv_name (guint i);
