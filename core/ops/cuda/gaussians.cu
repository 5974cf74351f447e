/* SPDX-License-Identifier: MIT */
/* A thread for each Gaussian: compiled without fused products and sums, as the
 * CPU has none. */
#include "ops/cuda/kernel_private.h"
#include "ops/cuda/kernels_mesh.h"

static __global__ void
make_gaussians (ShuGaussianPlaces y, const __half *x, const int *coords,
    const float *offset, ShuGaussianRule p, size_t n)
{
  for (size_t i = shu_task (); i < n; i += shu_task_step ()) {
    size_t voxel = shu_div (i, p.per_voxel);
    int g = (int) shu_mod (i, p.per_voxel);
    const __half *of_voxel = x + voxel * SHU_GAUSSIAN_CHANNELS * p.per_voxel;
    float v[SHU_GAUSSIAN_CHANNELS];

    for (int j = 0; j < SHU_GAUSSIAN_CHANNELS; j++)
      v[j] = __half2float (of_voxel[shu_gaussian_channel (&p, g, j)]);
    shu_gaussian_make (&p, i, coords + 3 * voxel, v, offset + 3 * g, &y);
  }
}

extern "C" cudaError_t
shu_launch_gaussians (const ShuGaussianPlaces *y, const void *x,
    const int *coords, const float *offset, const ShuGaussianRule *p, size_t N,
    cudaStream_t stream)
{
  size_t n = N * p->per_voxel;

  if (n == 0)
    return cudaSuccess;
  make_gaussians<<<shu_blocks (n), SHU_THREADS, 0, stream>>> (
      *y, (const __half *) x, coords, offset, *p, n);
  return cudaGetLastError ();
}
