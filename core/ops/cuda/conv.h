/* SPDX-License-Identifier: MIT */
/* Convolutions through cuDNN: f16 in memory, f32 sums.
 *
 * Channels are not padded: cuDNN has tensor-core engines for the few channels
 * that occur (3, 4 and 8 in, 1, 3 and 4 out), and slower ones for any others;
 * most flat ones of these are none of its, see conv_thin.h.
 * Inside the convolution: an f16 bias and ReLU, for which there are compiled
 * engines.  Everything else would be compiled at run time, for seconds, and is
 * slower: other activations, and an f32 bias, follow as one pass. */
#pragma once
#include "ops/cuda/cuda_private.h"
#include "ops/ops.h"

G_BEGIN_DECLS

/**
 * ShuCudaConv:
 * x [B,H,W,Ci] or [B,D,H,W,Ci], w [Co,kH,kW,Ci] or [Co,kD,kH,kW,Ci] (the
 * checkpoint's, permuted), b [Co] -> y [B,H',W',Co] or [B,D',H',W',Co]
 * @n_space: 2 or 3
 * @x, @k: sizes of the input and of the kernel, outermost first
 */
typedef struct {
  int n_space;
  gint64 B, Ci, Co;
  gint64 x[3], k[3];
  int stride, dilation;
  int pad_before, pad_after;
  ShuAct act;
  int turned; /* bit i: along dimension i before and after are swapped */
} ShuCudaConv;

/* Output size along dimension @i. */
gint64 shu_cuda_conv_size (const ShuCudaConv *conv, int i);

/* @b.data may be NULL.  All pointers 16 byte aligned.  Kernels of size 1 are
 * matrix products. */
gboolean shu_cuda_conv (ShuCuda *cuda, const ShuCudaConv *conv, void *y,
    const void *x, const void *w, ShuCudaVector b, GError **error);

G_END_DECLS
