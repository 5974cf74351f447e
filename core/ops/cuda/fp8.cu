/* SPDX-License-Identifier: MIT */
/* E4M3 (base/e4m3.h) from f16.  A tensor is stored times one power of two, that
 * which its largest number allows; the largest is found among bits, so in any
 * order it is the same. */
#include "ops/cuda/kernel_private.h"
#include "ops/cuda/kernels_layers.h"
#include <cuda_fp8.h>

enum { WITHOUT_SIGN = 0x7fff7fff, INFINITE = 0x7c00 };

static const unsigned MOST_BLOCKS = 1024;

/* Where the @i-th 8 of x [M,C] are, rows @ldx elements apart */
static __device__ inline size_t
place_of (size_t i, size_t C, size_t ldx)
{
  size_t row = C == ldx ? 0 : shu_div (i, C / SHU_VECTOR);

  return i * SHU_VECTOR + row * (ldx - C);
}

static __global__ void
top (unsigned *ret, const __half *x, size_t M, size_t C, size_t ldx)
{
  __shared__ unsigned room[SHU_THREADS / SHU_WARP];
  unsigned most = 0;

  for (size_t i = shu_task (); i < M * C / SHU_VECTOR; i += shu_task_step ()) {
    uint4 v = *(const uint4 *) (x + place_of (i, C, ldx));

    most = __vmaxu2 (most, __vmaxu2 (v.x & WITHOUT_SIGN, v.y & WITHOUT_SIGN));
    most = __vmaxu2 (most, __vmaxu2 (v.z & WITHOUT_SIGN, v.w & WITHOUT_SIGN));
  }
  most = max (most & 0xffff, most >> 16);
  most = __reduce_max_sync (0xffffffff, most);
  if (threadIdx.x % SHU_WARP == 0)
    room[threadIdx.x / SHU_WARP] = most;
  __syncthreads ();
  if (threadIdx.x == 0) {
    for (int i = 1; i < SHU_THREADS / SHU_WARP; i++)
      most = max (most, room[i]);
    atomicMax (ret, most);
  }
}

/* As shu_e4m3_scale() */
static __device__ inline float
scale_of (unsigned top)
{
  float t = __half2float (__ushort_as_half ((unsigned short) top));
  int e;

  if (top == 0 || top >= INFINITE)
    return 1;
  return ldexpf (1, (frexpf (t, &e) <= 0.875f ? 9 : 8) - e);
}

static __device__ inline uint32_t
four_of (uint32_t a, uint32_t b, float scale)
{
  float2 lo = __half22float2 (*(__half2 *) &a);
  float2 hi = __half22float2 (*(__half2 *) &b);

  lo = make_float2 (lo.x * scale, lo.y * scale);
  hi = make_float2 (hi.x * scale, hi.y * scale);
  return __nv_cvt_float2_to_fp8x2 (lo, __NV_SATFINITE, __NV_E4M3) |
         (uint32_t) __nv_cvt_float2_to_fp8x2 (hi, __NV_SATFINITE, __NV_E4M3)
             << 16;
}

static __global__ void
to_e4m3 (uint2 *y, float *back, const __half *x, const unsigned *top,
    const float *times, size_t M, size_t C, size_t ldx)
{
  float scale = scale_of (*top);

  if (shu_task () == 0)
    *back = (times ? *times : 1) / scale;
  for (size_t i = shu_task (); i < M * C / SHU_VECTOR; i += shu_task_step ()) {
    uint4 v = *(const uint4 *) (x + place_of (i, C, ldx));

    y[i] = make_uint2 (four_of (v.x, v.y, scale), four_of (v.z, v.w, scale));
  }
}

extern "C" cudaError_t
shu_launch_to_e4m3 (void *y, ShuCudaE4m3 *scale, const void *x,
    const float *times, size_t M, size_t C, size_t ldx, cudaStream_t stream)
{
  unsigned blocks = shu_blocks (M * C / SHU_VECTOR);
  cudaError_t e;

  if (C % SHU_VECTOR != 0 || ldx % SHU_VECTOR != 0 || !shu_aligned (x) ||
      !shu_aligned (y))
    return cudaErrorInvalidValue;
  e = cudaMemsetAsync (&scale->top, 0, sizeof scale->top, stream);
  if (e != cudaSuccess)
    return e;
  blocks = blocks < MOST_BLOCKS ? blocks : MOST_BLOCKS;
  top<<<blocks, SHU_THREADS, 0, stream>>> (
      &scale->top, (const __half *) x, M, C, ldx);
  to_e4m3<<<blocks, SHU_THREADS, 0, stream>>> ((uint2 *) y, &scale->back,
      (const __half *) x, &scale->top, times, M, C, ldx);
  return cudaGetLastError ();
}
