/* SPDX-License-Identifier: MIT */
#include "base/half.h"
#include "sampling/flow_euler.h"
#include <math.h>

static void
test_official_times (void)
{
  double t[51], sum = 0;

  shu_flow_times (50, 3, t);
  g_assert_cmpfloat (t[0], ==, 1);
  g_assert_cmpfloat_with_epsilon (t[1], 0.99324324, 5e-9);
  g_assert_cmpfloat_with_epsilon (t[2], 0.98630137, 5e-9);
  g_assert_cmpfloat_with_epsilon (t[49], 0.05769231, 5e-9);
  g_assert_cmpfloat (t[50], ==, 0);
  for (int i = 0; i < 50; i++) {
    g_assert_cmpfloat (t[i], >, t[i + 1]);
    sum += t[i] - t[i + 1];
  }
  g_assert_cmpfloat_with_epsilon (sum, 1, 1e-12);
}

static void
test_even_times (void)
{
  double t[5];

  shu_flow_times (4, 1, t);
  for (int i = 0; i <= 4; i++)
    g_assert_cmpfloat (t[i], ==, 1 - i / 4.0);
}

static void
test_half_timesteps (void)
{
  static const float expected[] = {1000, 993, 986.5, 979, 972, 964.5};
  double t[51];

  shu_flow_times (50, 3, t);
  for (guint i = 0; i < G_N_ELEMENTS (expected); i++)
    g_assert_cmpfloat (shu_flow_timestep_f16 (t[i]), ==, expected[i]);
  for (int i = 0; i < 49; i++)
    g_assert_cmpfloat (
        shu_flow_timestep_f16 (t[i]), >, shu_flow_timestep_f16 (t[i + 1]));
  g_assert_cmpfloat_with_epsilon (shu_flow_timestep (t[1]), 993.24324, 1e-4);
}

/* Both ends of the interval count. */
static void
test_guided_steps (void)
{
  double t[26];
  int n = 0, n_even = 0;

  shu_flow_times (25, 3, t);
  for (int i = 0; i < 25; i++)
    n += shu_flow_is_guided (t[i], 0.5, 1);
  g_assert_cmpint (n, ==, 19);
  shu_flow_times (25, 1, t);
  for (int i = 0; i < 25; i++)
    n_even += shu_flow_is_guided (t[i], 0.5, 1);
  g_assert_cmpint (n_even, ==, 13);
  g_assert_true (shu_flow_is_guided (0.5, 0.5, 1));
}

static void
test_conventions_agree (void)
{
  const float cond[] = {1.5f, -2, 0.25f}, uncond[] = {0.5f, 1, 0.25f};
  float a[3], b[3];

  shu_guide_scale (cond, uncond, 3, a, 3, SHU_FLOW_F32);
  shu_guide_strength (cond, uncond, 2, b, 3);
  for (int i = 0; i < 3; i++)
    g_assert_cmpfloat_with_epsilon (a[i], b[i], 1e-6);
  g_assert_cmpfloat (a[0], ==, 3.5f);
  g_assert_cmpfloat (a[2], ==, 0.25f); /* the same: no influence */
}

static void
test_constant_velocity (void)
{
  float x[] = {1, -3, 0.5f}, v[] = {0.75f, 2, -1};
  const float expected[] = {0.25f, -5, 1.5f};
  double t[51];

  shu_flow_times (50, 3, t);
  for (int i = 0; i < 50; i++)
    shu_flow_step (x, v, t[i], t[i + 1], 3, SHU_FLOW_F32);
  for (int i = 0; i < 3; i++)
    g_assert_cmpfloat_with_epsilon (x[i], expected[i], 1e-5);
}

static void
test_rounding (void)
{
  float x = 1.0f, y = 1.0f, z = 1.0f;
  const float v = 0.3f;

  shu_flow_step (&x, &v, 1, 0.9, 1, SHU_FLOW_F32);
  shu_flow_step (&y, &v, 1, 0.9, 1, SHU_FLOW_F16);
  shu_flow_step (&z, &v, 1, 0.9, 1, SHU_FLOW_F16_VELOCITY);
  g_assert_cmpfloat_with_epsilon (x, 0.97f, 1e-7);
  g_assert_cmpfloat (y, ==, shu_f16_round (y));
  g_assert_cmpfloat (z, !=, shu_f16_round (z));
  g_assert_cmpfloat (1.0f - z, ==, shu_f16_round (1.0f - z));
  g_assert_cmpfloat_with_epsilon (y, 0.97f, 1e-3);
}

static void
test_prediction (void)
{
  const float x = 2, v = 0.5f;
  float data;

  shu_flow_predict_data (&x, &v, 0.5, 0, &data, 1);
  g_assert_cmpfloat (data, ==, 1.75f);
  shu_flow_predict_data (&x, &v, 0, 0, &data, 1);
  g_assert_cmpfloat (data, ==, 2.0f);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/sampling/flow/official_times", test_official_times);
  g_test_add_func ("/sampling/flow/even_times", test_even_times);
  g_test_add_func ("/sampling/flow/half_timesteps", test_half_timesteps);
  g_test_add_func ("/sampling/flow/guided_steps", test_guided_steps);
  g_test_add_func (
      "/sampling/flow/guidance_conventions_agree", test_conventions_agree);
  g_test_add_func (
      "/sampling/flow/constant_velocity_arrives", test_constant_velocity);
  g_test_add_func ("/sampling/flow/rounds_as_float16", test_rounding);
  g_test_add_func ("/sampling/flow/predicts_data", test_prediction);
  return g_test_run ();
}
