/* SPDX-License-Identifier: MIT */
/* Gaussians: checks and dispatch. */
#include "ops/gaussians.h"
#include "ops/backend_private.h"
#include "ops/render.h"

static gboolean
fit (ShuCtx *c, ShuTensor *x, ShuTensor *coords, ShuTensor *offset,
    const ShuGaussianRule *p)
{
  gint64 G = p->per_voxel, N = coords->dims[0];

  return G >= 1 && p->resolution >= 1 && x->dtype == c->real &&
         x->n_dims == 2 && x->dims[0] == N &&
         x->dims[1] == SHU_GAUSSIAN_CHANNELS * G &&
         coords->dtype == SHU_DTYPE_I32 && coords->n_dims == 2 &&
         coords->dims[1] == 3 && offset->dtype == SHU_DTYPE_F32 &&
         offset->n_dims == 2 && offset->dims[0] == G && offset->dims[1] == 3 &&
         N <= SHU_SPLAT_MAX_COUNT / G;
}

gboolean
shu_gaussians (ShuCtx *c, ShuTensor *x, ShuTensor *coords, ShuTensor *offset,
    const ShuGaussianRule *p, ShuGaussianFields *ret)
{
  const ShuBackend *be = SHU_BACKEND_FOR (c, gaussians);
  gint64 n;

  *ret = (ShuGaussianFields){c->nil, c->nil, c->nil, c->nil, c->nil, c->nil};
  if (!be)
    return FALSE;
  x = shu_operand (c, x);
  coords = shu_on_device (c, coords, SHU_TRAFFIC_MESH);
  offset = shu_on_device (c, offset, SHU_TRAFFIC_MESH);
  if (!fit (c, x, coords, offset, p)) {
    shu_op_wrong (c, "gaussians",
        "[N,14G] of reals, voxels I32 [N,3] and offsets F32 [G,3], N G up to "
        "2^25",
        x, coords, offset, NULL);
    return FALSE;
  }
  n = coords->dims[0] * p->per_voxel;
  *ret = (ShuGaussianFields){
      .pos = shu_scoped (c, SHU_DTYPE_F32, SHU_DIMS (n, 3)),
      .scale = shu_scoped (c, SHU_DTYPE_F32, SHU_DIMS (n, 3)),
      .quat = shu_scoped (c, SHU_DTYPE_F32, SHU_DIMS (n, 4)),
      .opacity = shu_scoped (c, SHU_DTYPE_F32, SHU_DIMS (n)),
      .sh0 = shu_scoped (c, SHU_DTYPE_F32, SHU_DIMS (n, 3)),
      .rgb = shu_scoped (c, SHU_DTYPE_F32, SHU_DIMS (n, 3)),
  };
  if (!shu_ctx_failed (c) && n > 0)
    be->gaussians (c, x, coords, offset, p, ret);
  return !shu_ctx_failed (c);
}
