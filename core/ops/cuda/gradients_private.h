/* SPDX-License-Identifier: MIT */
/* Conjugate gradients on three channels, as far as they do not depend on what
 * is solved: sums over all blocks in an order that is always the same, and what
 * follows from them.  A step is: d = r / diagonal + BACK d; z = A d, DZ = d z;
 * x += step d and r -= step z, RR = r r / diagonal. */
#pragma once
#include "ops/cuda/kernel_private.h"
#include "ops/cuda/kernels_mesh.h"
#include "ops/texture_taps.h"

/* Which scalars: three channels of each.  FIRST: RR at the beginning */
enum { RR = 0, DZ = 3, BACK = 6, FIRST = 9 };

/* The block's part of a sum; all of the block's threads. */
static __device__ inline void
shu_gradients_put (const ShuCudaGradients &g, const double (&sum)[3])
{
  __shared__ double room[SHU_WARP];

  for (int k = 0; k < 3; k++) {
    double all = shu_block_sum (sum[k], room);
    if (threadIdx.x == 0)
      g.partial[3 * blockIdx.x + k] = all;
  }
}

static __device__ inline void
shu_gradients_step (const ShuCudaGradients &g, float (&ret)[3])
{
  for (int k = 0; k < 3; k++)
    ret[k] = shu_gradient_step (
        g.scalars[RR + k], g.scalars[FIRST + k], g.scalars[DZ + k]);
}

/* One block; @to: which scalars.  With @first there is nothing to go back to.
 */
static __global__ void
reduce (ShuCudaGradients g, int n_blocks, int to, int first)
{
  __shared__ double room[SHU_WARP];

  for (int k = 0; k < 3; k++) {
    double sum = 0;
    for (int i = threadIdx.x; i < n_blocks; i += blockDim.x)
      sum += g.partial[3 * i + k];
    sum = shu_block_sum (sum, room);
    if (threadIdx.x > 0)
      continue;
    if (to == RR)
      g.scalars[BACK + k] =
          !first && g.scalars[RR + k] > 0 ? sum / g.scalars[RR + k] : 0;
    if (first)
      g.scalars[FIRST + k] = sum;
    g.scalars[to + k] = sum;
  }
}

/* Of what @n_blocks have put */
static inline void
shu_gradients_sum (const ShuCudaGradients &g, int n_blocks, int to, int first,
    cudaStream_t stream)
{
  int threads = n_blocks < SHU_THREADS ? n_blocks : SHU_THREADS;

  reduce<<<1, threads, 0, stream>>> (g, n_blocks, to, first);
}
