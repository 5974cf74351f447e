/* SPDX-License-Identifier: MIT */
/* Softmax of f32 scores, for attention that goes through memory.  Sums are
 * trees of a fixed shape. */
#include "ops/cuda/kernel_private.h"
#include "ops/cuda/kernels_layers.h"

/* A block a row of N; reads it three times, the last two from the cache. */
static __global__ void
softmax (
    __half *y, size_t ldy, const float *x, size_t ldx, size_t N, float scale)
{
  __shared__ float room[SHU_WARP];
  float top = -INFINITY, sum = 0;

  x += blockIdx.x * ldx;
  y += blockIdx.x * ldy;
  for (size_t i = threadIdx.x; i < N; i += blockDim.x)
    top = fmaxf (top, x[i]);
  top = shu_block_max (top, room);
  for (size_t i = threadIdx.x; i < N; i += blockDim.x)
    sum += __expf ((x[i] - top) * scale);
  sum = shu_block_sum (sum, room);
  for (size_t i = threadIdx.x; i < N; i += blockDim.x)
    y[i] = __float2half_rn (__expf ((x[i] - top) * scale) / sum);
}

/* The same of a row that fits the registers, NV times 4 values a thread; N and
 * all rows' beginnings are multiples of 4. */
template <int NV>
static __global__ void
softmax_row (
    __half *y, size_t ldy, const float *x, size_t ldx, unsigned N, float scale)
{
  __shared__ float room[SHU_WARP];
  float v[NV][4], top = -INFINITY, sum = 0;

  x += blockIdx.x * ldx;
  y += blockIdx.x * ldy;
#pragma unroll
  for (int k = 0; k < NV; k++) {
    unsigned i = (threadIdx.x + k * blockDim.x) * 4;
    float4 in = i < N
                    ? *(const float4 *) (x + i)
                    : make_float4 (-INFINITY, -INFINITY, -INFINITY, -INFINITY);

    v[k][0] = in.x;
    v[k][1] = in.y;
    v[k][2] = in.z;
    v[k][3] = in.w;
  }
#pragma unroll
  for (int k = 0; k < NV; k++)
#pragma unroll
    for (int j = 0; j < 4; j++)
      top = fmaxf (top, v[k][j]);
  top = shu_block_max (top, room);
#pragma unroll
  for (int k = 0; k < NV; k++)
#pragma unroll
    for (int j = 0; j < 4; j++) {
      v[k][j] = __expf ((v[k][j] - top) * scale);
      sum += v[k][j];
    }
  sum = shu_block_sum (sum, room);
  sum = 1 / sum;
#pragma unroll
  for (int k = 0; k < NV; k++) {
    unsigned i = (threadIdx.x + k * blockDim.x) * 4;

    if (i < N)
      *(uint2 *) (y + i) = make_uint2 (shu_pack (v[k][0] * sum, v[k][1] * sum),
          shu_pack (v[k][2] * sum, v[k][3] * sum));
  }
}

enum { ROW_THREADS = 512 };

template <int NV>
static void
launch_softmax_row (void *y, size_t ldy, const float *x, size_t ldx, size_t M,
    size_t N, float scale, cudaStream_t stream)
{
  size_t threads = shu_div_up (N, 4 * NV);

  threads = shu_div_up (threads, SHU_WARP) * SHU_WARP;
  softmax_row<NV><<<(unsigned) M, (unsigned) threads, 0, stream>>> (
      (__half *) y, ldy, x, ldx, (unsigned) N, scale);
}

static bool
is_row (const void *y, size_t ldy, const float *x, size_t ldx, size_t N)
{
  return N % 4 == 0 && ldx % 4 == 0 && ldy % 4 == 0 && shu_aligned (x) &&
         shu_aligned (y) && N <= (size_t) 8 * 4 * ROW_THREADS;
}

extern "C" cudaError_t
shu_launch_softmax (void *y, size_t ldy, const float *x, size_t ldx, size_t M,
    size_t N, float scale, cudaStream_t stream)
{
  unsigned threads = SHU_WARP;

  if (M == 0 || N == 0)
    return cudaSuccess;
  if (shu_too_many (M))
    return cudaErrorInvalidValue;
  if (is_row (y, ldy, x, ldx, N)) {
    if (N <= (size_t) 2 * 4 * ROW_THREADS)
      launch_softmax_row<2> (y, ldy, x, ldx, M, N, scale, stream);
    else if (N <= (size_t) 5 * 4 * ROW_THREADS)
      launch_softmax_row<5> (y, ldy, x, ldx, M, N, scale, stream);
    else
      launch_softmax_row<8> (y, ldy, x, ldx, M, N, scale, stream);
    return cudaGetLastError ();
  }
  while (threads < SHU_THREADS && threads * 4 < N)
    threads *= 2;
  softmax<<<(unsigned) M, threads, 0, stream>>> (
      (__half *) y, ldy, x, ldx, N, scale);
  return cudaGetLastError ();
}
