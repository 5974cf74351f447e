/* SPDX-License-Identifier: MIT */
/* What makes a product of a convolution with few channels: its input unfolded,
 * or the sum over the taps of its output.  See conv_thin.h. */
#include "ops/cuda/kernel_private.h"
#include "ops/cuda/kernels_layers.h"

/* Takes the last digit of @at in base @n off. */
static __device__ inline unsigned
digit (unsigned &at, unsigned n)
{
  unsigned d = at % n;

  at /= n;
  return d;
}

/* The pixel of x that a tap sees from a place of the output; -1: beyond x */
static __device__ inline int64_t
seen (const ShuCudaWindow &p, unsigned item, unsigned depth, unsigned row,
    unsigned col, unsigned q, unsigned r, unsigned s)
{
  int t = (int) (depth * p.stride + q * p.dilation) - p.pad_depth;
  int u = (int) (row * p.stride + r * p.dilation) - p.pad;
  int v = (int) (col * p.stride + s * p.dilation) - p.pad;

  if (t < 0 || t >= (int) p.D || u < 0 || u >= (int) p.H || v < 0 ||
      v >= (int) p.W)
    return -1;
  return (((int64_t) item * p.D + t) * p.H + u) * p.W + v;
}

/* x [B,D,H,W,pieces] of 16 bytes -> y [B,Do,Ho,Wo,kD,k,k,pieces]; a thread a
 * piece */
static __global__ void
unfold (uint4 *y, const uint4 *x, ShuCudaWindow p, unsigned pieces)
{
  size_t n = (size_t) p.B * p.Do * p.Ho * p.Wo * p.kD * p.k * p.k * pieces;

  for (size_t i = shu_task (); i < n; i += shu_task_step ()) {
    unsigned at = (unsigned) i, piece = digit (at, pieces);
    unsigned s = digit (at, p.k), r = digit (at, p.k), q = digit (at, p.kD);
    unsigned col = digit (at, p.Wo), row = digit (at, p.Ho);
    unsigned depth = digit (at, p.Do);
    int64_t from = seen (p, at, depth, row, col, q, r, s);

    y[i] = from >= 0 ? x[from * pieces + piece] : make_uint4 (0, 0, 0, 0);
  }
}

/* The same of any C, with zeros behind; a thread 8 elements of a row */
static __global__ void
unfold_any (
    uint4 *y, const __half *x, ShuCudaWindow p, unsigned C, unsigned pieces)
{
  size_t n = (size_t) p.B * p.Do * p.Ho * p.Wo * pieces;

  for (size_t i = shu_task (); i < n; i += shu_task_step ()) {
    unsigned at = (unsigned) i, q = digit (at, pieces) * SHU_VECTOR;
    unsigned c = digit (q, C), s = digit (q, p.k), r = digit (q, p.k);
    unsigned col = digit (at, p.Wo), row = digit (at, p.Ho);
    unsigned depth = digit (at, p.Do);
    alignas (16) __half ret[SHU_VECTOR];

#pragma unroll
    for (unsigned k = 0; k < SHU_VECTOR; k++) {
      int64_t from = q < p.kD ? seen (p, at, depth, row, col, q, r, s) : -1;

      ret[k] = from >= 0 ? x[from * C + c] : __float2half (0);
      if (++c == C) { /* the next tap */
        c = 0;
        if (++s == p.k) {
          s = 0;
          if (++r == p.k) {
            r = 0;
            q++;
          }
        }
      }
    }
    y[i] = *(const uint4 *) ret;
  }
}

extern "C" cudaError_t
shu_launch_unfold (void *y, const void *x, const ShuCudaWindow *p, size_t C,
    size_t row, cudaStream_t stream)
{
  size_t pieces = row / SHU_VECTOR;
  size_t n = (size_t) p->B * p->Do * p->Ho * p->Wo * pieces;

  if (n == 0)
    return cudaSuccess;
  if (row % SHU_VECTOR || shu_too_many (n) || !shu_aligned (y) ||
      !shu_aligned (x))
    return cudaErrorInvalidValue;
  if (C % SHU_VECTOR == 0)
    unfold<<<shu_blocks (n), SHU_THREADS, 0, stream>>> (
        (uint4 *) y, (const uint4 *) x, *p, (unsigned) (C / SHU_VECTOR));
  else
    unfold_any<<<shu_blocks (n), SHU_THREADS, 0, stream>>> (
        (uint4 *) y, (const __half *) x, *p, (unsigned) C, (unsigned) pieces);
  return cudaGetLastError ();
}

static __global__ void
pad_rows (__half *y, const __half *x, size_t rows, unsigned n, unsigned ld)
{
  for (size_t i = shu_task (); i < rows * ld; i += shu_task_step ()) {
    size_t row = shu_div (i, ld);
    unsigned c = (unsigned) (i - row * ld);

    y[i] = c < n ? x[row * n + c] : __float2half (0);
  }
}

extern "C" cudaError_t
shu_launch_pad_rows (void *y, const void *x, size_t rows, size_t n, size_t ld,
    cudaStream_t stream)
{
  if (rows == 0)
    return cudaSuccess;
  pad_rows<<<shu_blocks (rows * ld), SHU_THREADS, 0, stream>>> (
      (__half *) y, (const __half *) x, rows, (unsigned) n, (unsigned) ld);
  return cudaGetLastError ();
}

/* x [C,taps,step], of which the first B D H W of a tap are what those pixels
 * add to others: y [B,Do,Ho,Wo,C] = act (b + their sum); a thread an element of
 * y */
static __global__ void
fold (__half *y, const float *x, ShuCudaVector b, ShuCudaWindow p, unsigned C,
    size_t step, int act)
{
  size_t n = (size_t) p.B * p.Do * p.Ho * p.Wo * C;

  for (size_t i = shu_task (); i < n; i += shu_task_step ()) {
    unsigned at = (unsigned) i, ch = digit (at, C);
    unsigned col = digit (at, p.Wo), row = digit (at, p.Ho);
    unsigned depth = digit (at, p.Do);
    const float *tap = x + (size_t) ch * p.kD * p.k * p.k * step;
    float sum[1] = {0};

    if (b.data)
      shu_load (sum, b, ch);
    for (unsigned q = 0; q < p.kD; q++)
      for (unsigned r = 0; r < p.k; r++)
        for (unsigned s = 0; s < p.k; s++, tap += step) {
          int64_t from = seen (p, at, depth, row, col, q, r, s);

          if (from >= 0)
            sum[0] += tap[from];
        }
    sum[0] = shu_act_of (sum[0], act);
    shu_store (y + i, sum);
  }
}

extern "C" cudaError_t
shu_launch_fold (void *y, const float *x, ShuCudaVector b,
    const ShuCudaWindow *p, size_t C, size_t step, int act, cudaStream_t stream)
{
  size_t n = (size_t) p->B * p->Do * p->Ho * p->Wo * C;

  if (n == 0)
    return cudaSuccess;
  if (shu_too_many (n))
    return cudaErrorInvalidValue;
  fold<<<shu_blocks (n), SHU_THREADS, 0, stream>>> (
      (__half *) y, x, b, *p, (unsigned) C, step, act);
  return cudaGetLastError ();
}
