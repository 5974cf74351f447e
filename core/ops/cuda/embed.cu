/* SPDX-License-Identifier: MIT */
/* Sine and cosine embeddings of times and of voxel coordinates.  Angles in f32
 * as in the reference, which is why products must not be contracted and
 * frequencies are rounded from double. */
#include "ops/cuda/kernel_private.h"

/* y [n,2*half] = cosines, sines; a thread an angle */
static __global__ void
timestep_embedding (__half *y, const float *values, size_t n, size_t half)
{
  for (size_t i = shu_task (); i < n * half; i += shu_task_step ()) {
    size_t row = i / half, k = i % half;
    float power = __fdiv_rn (
        __fmul_rn (-9.21034037f, (float) k), (float) half); /* ln 10000 */
    float angle = __fmul_rn (values[row], (float) exp ((double) power));

    y[row * 2 * half + k] = __float2half_rn ((float) cos ((double) angle));
    y[row * 2 * half + half + k] =
        __float2half_rn ((float) sin ((double) angle));
  }
}

extern "C" cudaError_t
shu_launch_timestep_embedding (
    void *y, const float *values, size_t n, size_t dim, cudaStream_t stream)
{
  if (dim % 2 != 0)
    return cudaErrorInvalidValue;
  if (n == 0 || dim == 0)
    return cudaSuccess;
  timestep_embedding<<<shu_blocks (n * (dim / 2)), SHU_THREADS, 0, stream>>> (
      (__half *) y, values, n, dim / 2);
  return cudaGetLastError ();
}

/* coords [N,3] -> y [N,C]: for each axis d sines, d cosines; zeros from 6 d on.
 * A thread has one column of every gridDim.y-th row. */
static __global__ void
position_embedding (__half *y, const int *coords, size_t N, size_t C)
{
  size_t column = shu_task (), d = C / 6;
  bool used = column < 6 * d;
  size_t part = used ? column / d : 0, k = used ? column % d : 0;
  float w = 0;

  if (column >= C)
    return;
  if (used)
    w = (float) (1 / pow (10000., (double) ((float) k / (float) d)));
  for (size_t i = blockIdx.y; i < N; i += gridDim.y) {
    float angle = __fmul_rn ((float) coords[3 * i + part / 2], w);
    float v = part % 2 == 0 ? sinf (angle) : cosf (angle);

    y[i * C + column] = __float2half_rn (used ? v : 0);
  }
}

extern "C" cudaError_t
shu_launch_position_embedding (
    void *y, const int *coords, size_t N, size_t C, cudaStream_t stream)
{
  const size_t rows = 32; /* of a thread, where there are enough */
  const size_t most = 65535;
  size_t blocks = shu_div_up (C, SHU_THREADS), parts = shu_div_up (N, rows);

  if (N == 0 || C == 0)
    return cudaSuccess;
  if (shu_too_many (blocks))
    return cudaErrorInvalidValue;
  position_embedding<<<dim3 ((unsigned) blocks,
                           (unsigned) (parts < most ? parts : most)),
      SHU_THREADS, 0, stream>>> ((__half *) y, coords, N, C);
  return cudaGetLastError ();
}
