/* SPDX-License-Identifier: MIT */
/* The weight order of 1x1x1 submanifold convolutions. */
#include "nn/sparse_conv.h"

ShuTensor *
shu_sparse_conv1_matrix (const ShuTensor *w)
{
  gint64 Co = w->dims[0], Ci = w->dims[w->n_dims - 1];
  ShuTensor *t = shu_tensor_new (SHU_DTYPE_F32, SHU_DIMS (Co, Ci));
  const float *src = w->data;
  float *dst = t->data;

  g_assert (w->dtype == SHU_DTYPE_F32 && w->n == t->n);
  for (gint64 o = 0; o < Co; o++)
    for (gint64 i = 0; i < Ci; i++)
      dst[o * Ci + i] = src[i * Co + o];
  return t;
}
