/* SPDX-License-Identifier: MIT */
/* What operations take beside their operands, told without a device. */
#include "ops/cuda/cuda_private.h"
#include "ops/cuda/gemm.h"
#include "ops/cuda/sdpa.h"

gsize
shu_cuda_scratch_bytes (ShuScratch what, const ShuTensor *y, const ShuTensor *x,
    int n_heads, gint64 n_keys)
{
  gint64 C = x->dims[x->n_dims - 1];

  switch (what) {
  case SHU_SCRATCH_GEGLU:
    C = y->dims[y->n_dims - 1];
    return shu_cuda_gemm_geglu_scratch ((gint64) y->n / C, C);
  case SHU_SCRATCH_GROUP_NORM:
    return shu_launch_group_norm_scratch (
        (gsize) x->dims[0], x->n / (gsize) (x->dims[0] * C), (gsize) C);
  case SHU_SCRATCH_ATTENTION:
    return shu_cuda_sdpa_scratch_guess (&(ShuCudaSdpa){.B = x->dims[0],
        .Tq = x->dims[1],
        .Tk = n_keys,
        .NH = n_heads,
        .HD = (int) (C / n_heads)});
  case SHU_SCRATCH_SELF_ATTENTION: /* q, k and v */
    return 3 * shu_tensor_bytes (y) +
           shu_cuda_scratch_bytes (
               SHU_SCRATCH_ATTENTION, y, y, n_heads, y->dims[1]);
  default:
    return MAX (shu_tensor_bytes (y), 4 * shu_tensor_bytes (x));
  }
}
