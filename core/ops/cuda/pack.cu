/* SPDX-License-Identifier: MIT */
/* Rows of ShuTextureRows without those that weigh nothing, in their order. */
#include "ops/cuda/kernels_mesh.h"
#include "ops/cuda/scan_private.h"

static_assert ((int) SHU_SCAN_TILE == (int) SHU_CUDA_PACK_SCAN, "");

struct Counts {
  const float *weight;

  __device__ uint32_t operator() (size_t i) const
  {
    return weight[i] > 0;
  }
};

extern "C" cudaError_t
shu_launch_count_rows (uint32_t *to, uint32_t *total, uint32_t *sums,
    const float *weight, size_t n, cudaStream_t stream)
{
  shu_scan (to, total, sums, Counts{weight}, n, stream);
  return cudaGetLastError ();
}

static __global__ void
pack (ShuCudaRows y, ShuCudaRows x, const uint32_t *to)
{
  for (size_t i = shu_task (); i < x.n; i += shu_task_step ()) {
    size_t j = to[i];

    if (!(x.weight[i] > 0) || j >= y.n)
      continue;
    for (int k = 0; k < 3; k++) {
      y.place[3 * j + k] = x.place[3 * i + k];
      y.color[3 * j + k] = x.color[3 * i + k];
    }
    y.weight[j] = x.weight[i];
  }
}

extern "C" cudaError_t
shu_launch_pack_rows (const ShuCudaRows *y, const ShuCudaRows *x,
    const uint32_t *to, cudaStream_t stream)
{
  if (x->n > 0)
    pack<<<shu_blocks (x->n), SHU_THREADS, 0, stream>>> (*y, *x, to);
  return cudaGetLastError ();
}
