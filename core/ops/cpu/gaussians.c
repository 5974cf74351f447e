/* SPDX-License-Identifier: MIT */
#include "ops/cpu/cpu_private.h"

void
shu_cpu_gaussians (ShuCtx *c, ShuTensor *x, ShuTensor *coords,
    ShuTensor *offset, const ShuGaussianRule *p, const ShuGaussianFields *y)
{
  const ShuGaussianPlaces to = {shu_f32 (y->pos), shu_f32 (y->scale),
      shu_f32 (y->quat), shu_f32 (y->opacity), shu_f32 (y->sh0),
      shu_f32 (y->rgb)};
  gsize G = (gsize) p->per_voxel, n = (gsize) coords->dims[0] * G;

#pragma omp parallel for schedule(static)
  for (gsize i = 0; i < n; i++) {
    const float *of_voxel = shu_f32 (x) + i / G * SHU_GAUSSIAN_CHANNELS * G;
    int g = (int) (i % G);
    float v[SHU_GAUSSIAN_CHANNELS];

    for (int j = 0; j < SHU_GAUSSIAN_CHANNELS; j++)
      v[j] = of_voxel[shu_gaussian_channel (p, g, j)];
    shu_gaussian_make (
        p, i, shu_i32 (coords) + 3 * (i / G), v, shu_f32 (offset) + 3 * g, &to);
  }
}
