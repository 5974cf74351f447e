/* SPDX-License-Identifier: MIT */
/* What operations take beside their operands, told without a device. */
#include "ops/cuda/conv_thin.h"
#include "ops/cuda/cuda_private.h"
#include "ops/cuda/gemm.h"
#include "ops/cuda/sdpa.h"

enum { SM = 90, N_SM = 132 }; /* of the card that is told of */

/* Of a layer of @x in parts for rows like those of @y */
static gsize
parts_bytes (const ShuTensor *y, const ShuTensor *x)
{
  gsize N = (gsize) y->dims[y->n_dims - 1], K = (gsize) x->dims[x->n_dims - 1];
  gsize M = x->n / K;

  return shu_launch_add_norm_parts_fits (y->n / N, N)
             ? shu_launch_product_parts_number (M, N, K, N_SM, SM) * M * N *
                   sizeof (guint16)
             : 0;
}

/* Of sides @k; padded as its result tells */
static gsize
conv_bytes (const ShuTensor *y, const ShuTensor *x, int k, gint64 stride)
{
  ShuCudaConv c = {.n_space = x->n_dims - 2,
      .B = x->dims[0],
      .Ci = x->dims[x->n_dims - 1],
      .Co = y->dims[y->n_dims - 1],
      .stride = (int) stride,
      .dilation = 1};

  for (int i = 0; i < c.n_space; i++) {
    c.x[i] = x->dims[1 + i];
    c.k[i] = k;
  }
  c.pad_after = (int) ((y->dims[1] - 1) * stride + k - c.x[0]);
  return shu_cuda_conv_thin_scratch (&c);
}

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
  case SHU_SCRATCH_CONV:
    return conv_bytes (y, x, n_heads, n_keys);
  case SHU_SCRATCH_PATCHES:
    return (gsize) (y->dims[0] * y->dims[1] *
                    shu_cuda_padded_row (C * n_heads * n_heads) * 2);
  case SHU_SCRATCH_LINEAR_ADD_NORM:
    return parts_bytes (y, x);
  case SHU_SCRATCH_FP8:
    return sizeof (ShuCudaFp8) + x->n;
  default:
    return MAX (shu_tensor_bytes (y), 4 * shu_tensor_bytes (x));
  }
}
