/* SPDX-License-Identifier: MIT */
/* What makes a product of a convolution with few channels: its input unfolded,
 * or the sum over the taps of its output.  See conv_thin.h. */
#include "ops/cuda/kernel_private.h"

/* x [B,H,W,pieces] of 16 bytes -> y [B,Ho,Wo,k,k,pieces]; a thread a piece */
static __global__ void
unfold (uint4 *y, const uint4 *x, ShuCudaWindow p, unsigned pieces)
{
  size_t n = (size_t) p.B * p.Ho * p.Wo * p.k * p.k * pieces;

  for (size_t i = shu_task (); i < n; i += shu_task_step ()) {
    unsigned at = (unsigned) i, piece = at % pieces, s, r, col, row;
    int u, v;

    at /= pieces;
    s = at % p.k;
    at /= p.k;
    r = at % p.k;
    at /= p.k;
    col = at % p.Wo;
    at /= p.Wo;
    row = at % p.Ho;
    u = (int) (row * p.stride + r * p.dilation) - p.pad;
    v = (int) (col * p.stride + s * p.dilation) - p.pad;
    y[i] = u >= 0 && u < (int) p.H && v >= 0 && v < (int) p.W
               ? x[(((size_t) at / p.Ho * p.H + u) * p.W + v) * pieces + piece]
               : make_uint4 (0, 0, 0, 0);
  }
}

extern "C" cudaError_t
shu_launch_unfold (void *y, const void *x, const ShuCudaWindow *p, size_t C,
    cudaStream_t stream)
{
  size_t pieces = C / SHU_VECTOR;
  size_t n = (size_t) p->B * p->Ho * p->Wo * p->k * p->k * pieces;

  if (n == 0)
    return cudaSuccess;
  if (C % SHU_VECTOR || shu_too_many (n) || !shu_aligned (y) ||
      !shu_aligned (x))
    return cudaErrorInvalidValue;
  unfold<<<shu_blocks (n), SHU_THREADS, 0, stream>>> (
      (uint4 *) y, (const uint4 *) x, *p, (unsigned) pieces);
  return cudaGetLastError ();
}

/* x [B,H,W,step], of which the first C k k of a pixel are what it adds to
 * others: y [B,Ho,Wo,C] = act (b + their sum); a thread an element of y */
static __global__ void
fold (__half *y, const float *x, ShuCudaVector b, ShuCudaWindow p, unsigned C,
    unsigned step, int act)
{
  size_t n = (size_t) p.B * p.Ho * p.Wo * C;

  for (size_t i = shu_task (); i < n; i += shu_task_step ()) {
    unsigned at = (unsigned) i, ch = at % C, row, col;
    const float *item;
    float sum[1] = {0};

    at /= C;
    col = at % p.Wo;
    at /= p.Wo;
    row = at % p.Ho;
    item = x + (size_t) (at / p.Ho) * p.H * p.W * step + ch * p.k * p.k;
    if (b.data)
      shu_load (sum, b, ch);
    for (unsigned r = 0; r < p.k; r++)
      for (unsigned s = 0; s < p.k; s++) {
        int u = (int) (row * p.stride + r * p.dilation) - p.pad;
        int v = (int) (col * p.stride + s * p.dilation) - p.pad;

        if (u >= 0 && u < (int) p.H && v >= 0 && v < (int) p.W)
          sum[0] += item[((size_t) u * p.W + v) * step + r * p.k + s];
      }
    sum[0] = shu_act_of (sum[0], act);
    shu_store (y + i, sum);
  }
}

extern "C" cudaError_t
shu_launch_fold (void *y, const float *x, ShuCudaVector b,
    const ShuCudaWindow *p, size_t C, size_t step, int act, cudaStream_t stream)
{
  size_t n = (size_t) p->B * p->Ho * p->Wo * C;

  if (n == 0)
    return cudaSuccess;
  if (shu_too_many (n))
    return cudaErrorInvalidValue;
  fold<<<shu_blocks (n), SHU_THREADS, 0, stream>>> (
      (__half *) y, x, b, *p, (unsigned) C, (unsigned) step, act);
  return cudaGetLastError ();
}
