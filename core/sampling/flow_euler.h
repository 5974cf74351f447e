/* SPDX-License-Identifier: MIT */
/* Rectified flow by Euler steps: times, guidance, update.  Time runs from 1
 * (noise) to 0 (data) and velocity is noise - data, so x falls along it.
 * Plain arrays; which network gave the velocity is the caller's business. */
#pragma once
#include <glib.h>

G_BEGIN_DECLS

/**
 * ShuFlowRounding:
 * @SHU_FLOW_F32: float32 throughout (best quality)
 * @SHU_FLOW_F16: state and velocity are float16 and every elementary operation
 *   rounds, as for the 2D latents of the official Stage 1
 * @SHU_FLOW_F16_VELOCITY: the velocity rounds so, the state stays float32, as
 *   for its 3D latent
 */
typedef enum {
  SHU_FLOW_F32,
  SHU_FLOW_F16,
  SHU_FLOW_F16_VELOCITY,
} ShuFlowRounding;

/**
 * shu_flow_times:
 * @rescale: r in r u / (1 + (r - 1) u); 1 leaves the times evenly spaced, 3 is
 *   official in both stages
 * @ret_t: (out caller-allocates): @n_steps + 1 times, the first 1, the last 0
 */
void shu_flow_times (int n_steps, double rescale, double *ret_t);

/* 1000 t as the 2D network (float32) and the structure network (float16) of
 * Stage 1 see it. */
float shu_flow_timestep (double t);
float shu_flow_timestep_f16 (double t);

/**
 * shu_flow_is_guided:
 * Returns: whether @t, already rescaled, lies in [@start, @end]
 */
gboolean shu_flow_is_guided (double t, double start, double end);

/**
 * shu_guide_scale:
 * @ret: (out caller-allocates): @n values, uncond + scale (cond - uncond); may
 *   be one of the inputs
 *
 * Stage 1's convention: 1 is no guidance.
 */
void shu_guide_scale (const float *cond, const float *uncond, float scale,
    float *ret, gsize n, ShuFlowRounding rounding);

/**
 * shu_guide_strength:
 * @ret: (out caller-allocates): @n values, (1 + s) cond - s uncond; may be one
 *   of the inputs
 *
 * Stage 2's convention: 0 is no guidance.
 */
void shu_guide_strength (const float *cond, const float *uncond, float strength,
    float *ret, gsize n);

/**
 * shu_flow_step:
 * @x: (inout): @n values at time @t; becomes x - (t - t_next) v
 */
void shu_flow_step (float *x, const float *v, double t, double t_next, gsize n,
    ShuFlowRounding rounding);

/**
 * shu_flow_coefficients:
 * @ret: (out caller-allocates): step, a and b of x - step v, which is the next
 *   state, and a x - b v, which is what shu_flow_predict_data() gives
 */
void shu_flow_coefficients (
    double t, double t_next, double sigma_min, float ret[3]);

/**
 * shu_flow_predict_data:
 * @sigma_min: noise that is left at time 0, official 1e-5
 * @ret: (out caller-allocates): @n values, the data that @x, @v at time @t
 *   lead to; for previews
 */
void shu_flow_predict_data (const float *x, const float *v, double t,
    double sigma_min, float *ret, gsize n);

G_END_DECLS
