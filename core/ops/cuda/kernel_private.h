/* SPDX-License-Identifier: MIT */
/* What kernels share: moving 8 halves (16 bytes) or 1 at a time, activations,
 * sums over lanes and blocks, launch sizes. */
#pragma once
#include "ops/cuda/kernels.h"
#include <cuda_fp16.h>
#include <cuda_fp8.h>
#include <cuda_runtime.h>
#include <pthread.h>

enum {
  SHU_WARP = 32,
  SHU_THREADS = 256, /* of a block, unless a kernel says otherwise */
  SHU_VECTOR = 8,
};

/* ---- launch sizes ---- */

static inline size_t
shu_div_up (size_t a, size_t b)
{
  return a / b + (a % b != 0);
}

/* Blocks for a loop over n tasks with the whole grid's step. */
static inline unsigned
shu_blocks (size_t n, unsigned threads = SHU_THREADS)
{
  size_t blocks = shu_div_up (n, threads);

  return blocks < 1u << 20 ? (unsigned) blocks : 1u << 20;
}

/* Whether one block for each of n tasks is too much for a grid. */
static inline bool
shu_too_many (size_t n)
{
  return n > 0x7fffffff;
}

static inline bool
shu_aligned (const void *p)
{
  return (uintptr_t) p % 16 == 0;
}

/* Where a loop over tasks starts, and its step. */
static __device__ inline size_t
shu_task (void)
{
  return (size_t) blockIdx.x * blockDim.x + threadIdx.x;
}

static __device__ inline size_t
shu_task_step (void)
{
  return (size_t) gridDim.x * blockDim.x;
}

/* i % n and i / n in 32 bits where both fit, which nearly all do: the GPU has
 * no division of 64. */
static __device__ inline size_t
shu_mod (size_t i, size_t n)
{
  return (i | n) >> 32 ? i % n : (uint32_t) i % (uint32_t) n;
}

static __device__ inline size_t
shu_div (size_t i, size_t n)
{
  return (i | n) >> 32 ? i / n : (uint32_t) i / (uint32_t) n;
}

/* ---- kernels in a row ---- */

/* Kernels that are launched with programmatic stream serialization begin when
 * all blocks of the one before have said so, and wait for its end before they
 * touch anything but weights. */
static __device__ inline void
shu_let_next_begin (void)
{
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;" : : : "memory");
#endif
}

static __device__ inline void
shu_await_grid (void)
{
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;" : : : "memory");
#endif
}

/* What was found out of a device, once for each of the first; 0: nothing yet */
enum { SHU_MAX_KNOWN = 64 };

typedef struct {
  int known[SHU_MAX_KNOWN];
} ShuKnown;

/* Of the current device; NULL: it has none */
static inline int *
shu_known_here (ShuKnown &k)
{
  int device = -1;

  return cudaGetDevice (&device) == cudaSuccess && device >= 0 &&
                 device < SHU_MAX_KNOWN
             ? &k.known[device]
             : NULL;
}

/* Whether the current device has that */
static inline bool
shu_has_chains (void)
{
  static ShuKnown majors;
  int *known = shu_known_here (majors), major = 0, device;

  if (known)
    major = __atomic_load_n (known, __ATOMIC_RELAXED);
  if (major == 0 && cudaGetDevice (&device) == cudaSuccess &&
      cudaDeviceGetAttribute (
          &major, cudaDevAttrComputeCapabilityMajor, device) == cudaSuccess &&
      known)
    __atomic_store_n (known, major, __ATOMIC_RELAXED);
  return major >= 9;
}

/* Lets @KERNEL have @bytes of shared memory, or more, on the current device:
 * the driver is asked once, which takes as long as a tenth of a launch. */
template <auto KERNEL>
static inline cudaError_t
shu_allow_shared (size_t bytes)
{
  static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  static ShuKnown allowed;
  int *known = shu_known_here (allowed), wanted = (int) bytes;
  cudaError_t e = cudaSuccess;

  if (known && __atomic_load_n (known, __ATOMIC_RELAXED) >= wanted)
    return cudaSuccess;
  pthread_mutex_lock (&lock); /* a larger number of others' stays */
  if (!known || __atomic_load_n (known, __ATOMIC_RELAXED) < wanted)
    e = cudaFuncSetAttribute (
        KERNEL, cudaFuncAttributeMaxDynamicSharedMemorySize, wanted);
  if (known && e == cudaSuccess &&
      __atomic_load_n (known, __ATOMIC_RELAXED) < wanted)
    __atomic_store_n (known, wanted, __ATOMIC_RELAXED);
  pthread_mutex_unlock (&lock);
  return e;
}

/* A launch of such a kernel */
template <class... P, class... A>
static inline cudaError_t
shu_launch_chained (void (*kernel) (P...), dim3 grid, unsigned threads,
    size_t bytes, cudaStream_t stream, A &&...args)
{
  cudaLaunchAttribute chained = {};
  cudaLaunchConfig_t config = {};

  chained.id = cudaLaunchAttributeProgrammaticStreamSerialization;
  chained.val.programmaticStreamSerializationAllowed = 1;
  config.gridDim = grid;
  config.blockDim = dim3 (threads);
  config.dynamicSmemBytes = bytes;
  config.stream = stream;
  config.attrs = &chained;
  config.numAttrs = shu_has_chains ();
  return cudaLaunchKernelEx (&config, kernel, P (args)...);
}

/* ---- 8 or 1 at a time ---- */

static __device__ inline void
shu_load (float (&ret)[8], const __half *x)
{
  uint4 word = *(const uint4 *) x;
  const __half2 *pair = (const __half2 *) &word;

#pragma unroll
  for (int i = 0; i < 4; i++) {
    float2 f = __half22float2 (pair[i]);

    ret[2 * i] = f.x;
    ret[2 * i + 1] = f.y;
  }
}

static __device__ inline void
shu_load (float (&ret)[8], const float *x)
{
  float4 lo = ((const float4 *) x)[0], hi = ((const float4 *) x)[1];

  ret[0] = lo.x;
  ret[1] = lo.y;
  ret[2] = lo.z;
  ret[3] = lo.w;
  ret[4] = hi.x;
  ret[5] = hi.y;
  ret[6] = hi.z;
  ret[7] = hi.w;
}

static __device__ inline void
shu_load (float (&ret)[1], const __half *x)
{
  ret[0] = __half2float (*x);
}

static __device__ inline void
shu_load (float (&ret)[1], const float *x)
{
  ret[0] = *x;
}

template <int V>
static __device__ inline void
shu_load (float (&ret)[V], ShuCudaVector v, size_t at)
{
  if (v.is_f32)
    shu_load (ret, (const float *) v.data + at);
  else
    shu_load (ret, (const __half *) v.data + at);
}

static __device__ inline uint32_t
shu_pack (float lo, float hi)
{
  __half2 pair = __floats2half2_rn (lo, hi);

  return *(uint32_t *) &pair;
}

/* Sums of halves, two in a word */
static __device__ inline uint32_t
shu_add_halves (uint32_t a, uint32_t b)
{
  float2 x = __half22float2 (*(__half2 *) &a);
  float2 y = __half22float2 (*(__half2 *) &b);

  return shu_pack (x.x + y.x, x.y + y.y);
}

static __device__ inline uint2
shu_add_halves (uint2 a, uint2 b)
{
  return make_uint2 (shu_add_halves (a.x, b.x), shu_add_halves (a.y, b.y));
}

static __device__ inline uint4
shu_add_halves (uint4 a, uint4 b)
{
  return make_uint4 (shu_add_halves (a.x, b.x), shu_add_halves (a.y, b.y),
      shu_add_halves (a.z, b.z), shu_add_halves (a.w, b.w));
}

static __device__ inline void
shu_store (__half *y, const float (&v)[8])
{
  /* a plain store, but one that is never taken apart */
  __stwb ((uint4 *) y, make_uint4 (shu_pack (v[0], v[1]), shu_pack (v[2], v[3]),
                           shu_pack (v[4], v[5]), shu_pack (v[6], v[7])));
}

static __device__ inline void
shu_store (float *y, const float (&v)[8])
{
  ((float4 *) y)[0] = make_float4 (v[0], v[1], v[2], v[3]);
  ((float4 *) y)[1] = make_float4 (v[4], v[5], v[6], v[7]);
}

static __device__ inline void
shu_store (__half *y, const float (&v)[1])
{
  *y = __float2half_rn (v[0]);
}

static __device__ inline void
shu_store (float *y, const float (&v)[1])
{
  *y = v[0];
}

/* 8 to E4M3; only devices that know it have it */
static __device__ inline void
shu_store_e4m3 (uint8_t *y, const float (&v)[8])
{
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 890
  uint32_t w[2];

#pragma unroll
  for (int i = 0; i < 2; i++) {
    float2 lo = make_float2 (v[4 * i], v[4 * i + 1]);
    float2 hi = make_float2 (v[4 * i + 2], v[4 * i + 3]);

    w[i] = __nv_cvt_float2_to_fp8x2 (lo, __NV_SATFINITE, __NV_E4M3) |
           (uint32_t) __nv_cvt_float2_to_fp8x2 (hi, __NV_SATFINITE, __NV_E4M3)
               << 16;
  }
  *(uint2 *) y = make_uint2 (w[0], w[1]);
#endif
}

/* A norm's numbers, from the @at-th on, as f16 or E4M3 */
template <int V>
static __device__ inline void
shu_store_norm (void *y, size_t at, const float (&v)[V], int e4m3)
{
  if constexpr (V == 8)
    if (e4m3) {
      shu_store_e4m3 ((uint8_t *) y + at, v);
      return;
    }
  shu_store ((__half *) y + at, v);
}

/* ---- activations ---- */

/* Approximate exponential and quotient: their error is far below f16's. */
static __device__ inline float
shu_sigmoid (float x)
{
  return __fdividef (1.f, 1.f + __expf (-x));
}

/* 2^x by the special function unit; what is denormal becomes 0 */
static __device__ inline float
shu_exp2 (float x)
{
  float y;

  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

/* x times the normal distribution's integral, of which the logarithm of the
 * smaller part is nearly a polynomial: wrong by 4e-7, and by 3e-6 of itself
 * where that is more than 1e-9. */
static __device__ inline float
shu_gelu (float x)
{
  float a = fabsf (x), p = -1.28160445e-6f;

  p = fmaf (p, a, 5.30432408e-5f);
  p = fmaf (p, a, -8.79199826e-4f);
  p = fmaf (p, a, 8.35758261e-3f);
  p = fmaf (p, a, -5.37385345e-2f);
  p = fmaf (p, a, -0.458616018f);
  p = fmaf (p, a, -1.15121329f);
  p = fmaf (p, a, -0.999996781f);
  return fmaf (-a, shu_exp2 (p), fmaxf (x, 0));
}

static __device__ inline float
shu_act_of (float x, int act)
{
  switch (act) {
  case SHU_CUDA_ACT_SILU:
    return x * shu_sigmoid (x);
  case SHU_CUDA_ACT_GELU:
    return shu_gelu (x);
  case SHU_CUDA_ACT_GELU_TANH:
    /* 0.5 x (1 + tanh (u)) = x sigmoid (2 u) */
    return x * shu_sigmoid (1.59576912f * (x + 0.044715f * x * x * x));
  case SHU_CUDA_ACT_RELU:
    return x > 0 ? x : 0;
  case SHU_CUDA_ACT_SIGMOID:
    return shu_sigmoid (x);
  default:
    return x;
  }
}

/* ---- sums ---- */

/* Over groups of @lanes neighbours, a power of two; all of the warp calls. */
template <class T>
static __device__ inline T
shu_lanes_sum (T v, int lanes)
{
  for (int i = lanes / 2; i > 0; i /= 2)
    v += __shfl_xor_sync (0xffffffff, v, i);
  return v;
}

static __device__ inline float
shu_lanes_max (float v, int lanes)
{
  for (int i = lanes / 2; i > 0; i /= 2)
    v = fmaxf (v, __shfl_xor_sync (0xffffffff, v, i));
  return v;
}

/* Over a block of whole warps, one dimension; @room: SHU_WARP values. */
template <class T>
static __device__ inline T
shu_block_sum (T v, T *room)
{
  int lane = threadIdx.x % SHU_WARP, warp = threadIdx.x / SHU_WARP;

  v = shu_lanes_sum (v, SHU_WARP);
  __syncthreads (); /* the last call's values have been read */
  if (lane == 0)
    room[warp] = v;
  __syncthreads ();
  v = lane < (int) blockDim.x / SHU_WARP ? room[lane] : (T) 0;
  return shu_lanes_sum (v, SHU_WARP);
}

static __device__ inline float
shu_block_max (float v, float *room)
{
  int lane = threadIdx.x % SHU_WARP, warp = threadIdx.x / SHU_WARP;

  v = shu_lanes_max (v, SHU_WARP);
  __syncthreads ();
  if (lane == 0)
    room[warp] = v;
  __syncthreads ();
  v = room[lane < (int) blockDim.x / SHU_WARP ? lane : 0];
  return shu_lanes_max (v, SHU_WARP);
}
