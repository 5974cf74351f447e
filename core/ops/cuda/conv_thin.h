/* SPDX-License-Identifier: MIT */
/* Convolutions with few channels on one side, for which cuDNN has nothing that
 * is near the speed of memory, as matrix products: what each output pixel sees
 * as a row of its own, or what each input pixel adds to others, which are
 * summed up behind, both in f32. */
#pragma once
#include "ops/cuda/conv.h"

G_BEGIN_DECLS

/* Bytes that shu_cuda_conv_thin() needs at its @scratch; 0: @conv is none for
 * it. */
gsize shu_cuda_conv_thin_scratch (const ShuCudaConv *conv);

/* As shu_cuda_conv(). */
gboolean shu_cuda_conv_thin (ShuCuda *cuda, const ShuCudaConv *conv, void *y,
    const void *x, const void *w, ShuCudaVector b, void *scratch,
    GError **error);

G_END_DECLS
