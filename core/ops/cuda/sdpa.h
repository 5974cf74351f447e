/* SPDX-License-Identifier: MIT */
/* Attention: y = softmax (q k^T / sqrt (HD)) v for each head; f16 in memory,
 * f32 scores and sums.
 *
 * On sm_90 heads of up to 64 have a kernel of our own (attention_many.cu), and
 * those of 80 with few keys (attention_whole.cu); elsewhere heads of 64 with
 * few keys (attention_short.cu).  cuDNN's one-kernel attention has all other
 * heads that are multiples of 8 up to 256; it compiles it for each shape (45
 * ms; libnvrtc must be there).  What is left (the VAE's single head of 512),
 * and all where cuDNN refuses, goes through scores in memory, in pieces. */
#pragma once
#include "ops/cuda/cuda_private.h"

G_BEGIN_DECLS

/**
 * ShuCudaSdpa:
 * q [B,Tq,NH*HD], k, v [B,Tk,NH*HD] -> y [B,Tq,NH*HD]
 * @ldq, @ldk, @ldv: elements from token to token; 0: no gaps.  A sequence's
 * first token follows the last one's end: q, k and v may be parts of a packed
 * [B,T,3*NH*HD]
 */
typedef struct {
  gint64 B, Tq, Tk;
  int NH, HD;
  const void *q, *k, *v;
  gint64 ldq, ldk, ldv;
  void *y;
} ShuCudaSdpa;

/* Bytes that shu_cuda_sdpa() needs at its @scratch; 0 is usual.  Asking makes
 * the plan. */
gsize shu_cuda_sdpa_scratch (ShuCuda *cuda, const ShuCudaSdpa *s);

/* The same where there is no device to ask: 0 for what a kernel is known to
 * take. */
gsize shu_cuda_sdpa_scratch_guess (const ShuCudaSdpa *s);

gboolean shu_cuda_sdpa (
    ShuCuda *cuda, const ShuCudaSdpa *s, void *scratch, GError **error);

G_END_DECLS
