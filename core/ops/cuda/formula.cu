/* SPDX-License-Identifier: MIT */
/* Weights made by the rule of weights/formula.c, bit for bit. */
#include "ops/cuda/kernel_private.h"

static __device__ uint64_t
splitmix (uint64_t z)
{
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

/* y[i] = offset + scale * v[i] with one rounding each, then as f16; a thread
 * an element */
template <class Y>
static __global__ void
formula (Y *y, uint64_t key, float offset, float scale, size_t n)
{
  for (size_t i = shu_task (); i < n; i += shu_task_step ()) {
    uint64_t z = splitmix (key + (i + 1) * 0x9E3779B97F4A7C15u);
    float v = (float) ((int) (z >> 40) - 8388608) * 0x1p-23f;
    float x = __fadd_rn (offset, __fmul_rn (scale, v));
    const float rounded[1] = {__half2float (__float2half_rn (x))};

    shu_store (y + i, rounded);
  }
}

extern "C" cudaError_t
shu_launch_formula_f16 (void *y, uint64_t key, float offset, float scale,
    size_t n, cudaStream_t stream)
{
  if (n == 0)
    return cudaSuccess;
  formula<<<shu_blocks (n), SHU_THREADS, 0, stream>>> (
      (__half *) y, key, offset, scale, n);
  return cudaGetLastError ();
}

extern "C" cudaError_t
shu_launch_formula_f32 (float *y, uint64_t key, float offset, float scale,
    size_t n, cudaStream_t stream)
{
  if (n == 0)
    return cudaSuccess;
  formula<<<shu_blocks (n), SHU_THREADS, 0, stream>>> (
      y, key, offset, scale, n);
  return cudaGetLastError ();
}
