/* SPDX-License-Identifier: MIT */
/* A step of a flow's sampler; its number and times are on the device, so that a
 * recorded step can be started again. */
#include "ops/cuda/kernel_private.h"

/* x, estimate [P,n], v [P,G,n]; a thread an element */
static __global__ void
flow_advance (float *x, float *estimate, const __half *v, const float *schedule,
    const int *step, int n_steps, size_t all, int G, size_t n, float guidance,
    int extra)
{
  int k = *step;

  if (k < 0 || k >= n_steps)
    return;
  for (size_t i = shu_task (); i < all; i += shu_task_step ()) {
    size_t at = i / n * G * n + i % n;
    float now = x[i], d = __half2float (v[at]);

    if (G == 2 && extra)
      d = (1 + guidance) * d - guidance * __half2float (v[at + n]);
    else if (G == 2)
      d += guidance * (__half2float (v[at + n]) - d);
    if (estimate)
      estimate[i] = schedule[3 * k + 1] * now - schedule[3 * k + 2] * d;
    x[i] = now - schedule[3 * k] * d;
  }
}

extern "C" cudaError_t
shu_launch_flow_advance (float *x, float *estimate, const void *v,
    const float *schedule, const int *step, int n_steps, size_t P, int G,
    size_t n, float guidance, int extra, cudaStream_t stream)
{
  if (P * n == 0)
    return cudaSuccess;
  flow_advance<<<shu_blocks (P * n), SHU_THREADS, 0, stream>>> (x, estimate,
      (const __half *) v, schedule, step, n_steps, P * n, G, n, guidance,
      extra);
  return cudaGetLastError ();
}

static __global__ void
state_affine (__half *y, const float *x, const float *scale, const float *shift,
    size_t n, size_t K)
{
  for (size_t i = shu_task (); i < n; i += shu_task_step ())
    y[i] = __float2half (x[i] * scale[i % K] + shift[i % K]);
}

extern "C" cudaError_t
shu_launch_state_affine (void *y, const float *x, const float *scale,
    const float *shift, size_t n, size_t K, cudaStream_t stream)
{
  if (n == 0)
    return cudaSuccess;
  state_affine<<<shu_blocks (n), SHU_THREADS, 0, stream>>> (
      (__half *) y, x, scale, shift, n, K);
  return cudaGetLastError ();
}

static __global__ void
count (int *step)
{
  ++*step;
}

extern "C" cudaError_t
shu_launch_count (int *step, cudaStream_t stream)
{
  count<<<1, 1, 0, stream>>> (step);
  return cudaGetLastError ();
}
