/* SPDX-License-Identifier: MIT */
#include "flow_euler.h"
#include "base/half.h"

void
shu_flow_times (int n_steps, double rescale, double *ret_t)
{
  for (int i = 0; i <= n_steps; i++) {
    double u = 1 - (double) i / n_steps;

    ret_t[i] = rescale * u / (1 + (rescale - 1) * u);
  }
}

float
shu_flow_timestep (double t)
{
  return (float) (1000 * t);
}

float
shu_flow_timestep_f16 (double t)
{
  return shu_f16_round ((float) (1000 * t));
}

gboolean
shu_flow_is_guided (double t, double start, double end)
{
  return start <= t && t <= end;
}

void
shu_guide_scale (const float *cond, const float *uncond, float scale,
    float *ret, gsize n, ShuFlowRounding rounding)
{
  if (rounding == SHU_FLOW_F32) {
#pragma omp parallel for
    for (gsize i = 0; i < n; i++)
      ret[i] = uncond[i] + scale * (cond[i] - uncond[i]);
    return;
  }
#pragma omp parallel for
  for (gsize i = 0; i < n; i++) {
    float u = shu_f16_round (uncond[i]);
    float difference = shu_f16_round (shu_f16_round (cond[i]) - u);

    ret[i] = shu_f16_round (u + shu_f16_round (scale * difference));
  }
}

void
shu_guide_strength (
    const float *cond, const float *uncond, float strength, float *ret, gsize n)
{
#pragma omp parallel for
  for (gsize i = 0; i < n; i++)
    ret[i] = (1 + strength) * cond[i] - strength * uncond[i];
}

void
shu_flow_step (float *x, const float *v, double t, double t_next, gsize n,
    ShuFlowRounding rounding)
{
  float dt = (float) (t - t_next);

  if (rounding == SHU_FLOW_F32) {
#pragma omp parallel for
    for (gsize i = 0; i < n; i++)
      x[i] -= dt * v[i];
    return;
  }
#pragma omp parallel for
  for (gsize i = 0; i < n; i++) {
    x[i] -= shu_f16_round (dt * shu_f16_round (v[i]));
    if (rounding == SHU_FLOW_F16)
      x[i] = shu_f16_round (x[i]);
  }
}

void
shu_flow_coefficients (double t, double t_next, double sigma_min, float ret[3])
{
  ret[0] = (float) (t - t_next);
  ret[1] = (float) (1 - sigma_min);
  ret[2] = (float) (sigma_min + (1 - sigma_min) * t);
}

void
shu_flow_predict_data (const float *x, const float *v, double t,
    double sigma_min, float *ret, gsize n)
{
  float k[3];

  shu_flow_coefficients (t, t, sigma_min, k);
#pragma omp parallel for
  for (gsize i = 0; i < n; i++)
    ret[i] = k[1] * x[i] - k[2] * v[i];
}
