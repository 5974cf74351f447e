/* SPDX-License-Identifier: MIT */
#include "geometry/splat.h"
#include <math.h>
#include <omp.h>
#include <string.h>

enum { N = 400, S = 96 };

static float pos[3 * N], scale[3 * N], quat[4 * N], opacity[N], rgb[3 * N];

static ShuGaussians
cloud (int n)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (7);

  for (int i = 0; i < N; i++) {
    float len = 0;
    for (int k = 0; k < 3; k++) {
      pos[3 * i + k] = (float) g_rand_double_range (rand, -0.4, 0.4);
      scale[3 * i + k] = (float) g_rand_double_range (rand, 0.005, 0.06);
      rgb[3 * i + k] = (float) g_rand_double (rand);
    }
    for (int k = 0; k < 4; k++) {
      quat[4 * i + k] = (float) g_rand_double_range (rand, -1, 1);
      len += quat[4 * i + k] * quat[4 * i + k];
    }
    for (int k = 0; k < 4; k++)
      quat[4 * i + k] /= sqrtf (len);
    opacity[i] = (float) g_rand_double_range (rand, 0.1, 0.9);
  }
  return (ShuGaussians){n, pos, scale, quat, opacity, rgb};
}

/* A round Gaussian on the axis is a round spot of known width and height. */
static void
single_one_follows_the_formula (void)
{
  float p[3] = {0, 0, 0}, s[3] = {0.05f, 0.05f, 0.05f}, q[4] = {1, 0, 0, 0};
  float o = 0.8f, c[3] = {0.2f, 0.5f, 1.5f};
  ShuGaussians g = {1, p, s, q, &o, c};
  ShuCamera camera = shu_camera_orbit (1, 0.5f, 2, 40);
  g_autoptr (ShuSplat) out = shu_splat (&g, &camera, S, TRUE);
  double var = pow (S * camera.focal * 0.05 / 2, 2), wide = var + 0.1;
  double coef = sqrt (var * var / (wide * wide + 1e-6) + 1e-6);

  for (int i = 0; i < S * S; i++) {
    double dx = i % S - (S - 1) / 2.0, dy = i / S - (S - 1) / 2.0;
    double a = 0.8 * coef * exp (-0.5 * (dx * dx + dy * dy) / wide);
    /* Beyond three deviations its tiles may end. */
    if (dx * dx + dy * dy > 9 * wide)
      continue;
    if (a < 1.0 / 255)
      a = 0;
    for (int k = 0; k < 3; k++)
      g_assert_cmpfloat_with_epsilon (out->rgb[3 * i + k], a * c[k], 2e-4);
    g_assert_cmpfloat_with_epsilon (out->through[i], 1 - a, 2e-4);
    if (a > 0)
      g_assert_cmpfloat_with_epsilon (out->depth[i], 2, 1e-4);
  }
}

/* The middle pixel against a plain sum over all, sorted by depth. */
static void
nearer_ones_cover_farther_ones (void)
{
  ShuGaussians g = cloud (2);
  ShuCamera camera = shu_camera_orbit ((float) -G_PI, 0, 2, 40);
  float far_rgb[3];

  for (int i = 0; i < 2; i++) {
    pos[3 * i] = pos[3 * i + 2] = 0;
    pos[3 * i + 1] = i ? -0.2f : 0.2f; /* the second is in front */
    for (int k = 0; k < 3; k++)
      scale[3 * i + k] = 0.1f;
    opacity[i] = 0.5f;
    memcpy (rgb + 3 * i, i ? (float[]){1, 0, 0} : (float[]){0, 1, 0}, 12);
  }
  g_autoptr (ShuSplat) out = shu_splat (&g, &camera, 65, FALSE);
  memcpy (far_rgb, out->rgb + 3 * (32 * 65 + 32), sizeof far_rgb);
  g_assert_cmpfloat_with_epsilon (far_rgb[0], 0.5f, 5e-3);
  g_assert_cmpfloat_with_epsilon (far_rgb[1], 0.25f, 5e-3);
  g_assert_null (out->depth);
}

static void
threads_do_not_matter (void)
{
  ShuGaussians g = cloud (N);
  ShuCamera camera = shu_camera_orbit (2, -0.4f, 2, 40);
  int n_threads = omp_get_max_threads ();
  g_autoptr (ShuSplat) a = shu_splat (&g, &camera, S, FALSE);

  omp_set_num_threads (n_threads > 1 ? 1 : 2);
  g_autoptr (ShuSplat) b = shu_splat (&g, &camera, S, FALSE);
  omp_set_num_threads (n_threads);
  g_assert_cmpmem (a->rgb, 3 * S * S * 4, b->rgb, 3 * S * S * 4);
}

static void
wild_values_are_left_out (void)
{
  ShuGaussians g = cloud (8);
  ShuCamera camera = shu_camera_orbit (0, 0, 2, 40);

  pos[0] = NAN;
  pos[4] = 1.9f; /* nearer than the limit */
  pos[7] = 30;   /* behind */
  pos[9] = 1e30f;
  scale[12] = INFINITY;
  quat[20] = NAN;
  scale[18] = 1e20f;
  for (int i = 0; i < 7; i++)
    if (i != 6)
      g_assert_cmpint (shu_splat_project (&g, i, &camera, S).radius, ==, 0);
  g_autoptr (ShuSplat) out = shu_splat (&g, &camera, S, FALSE);
  for (int i = 0; i < 3 * S * S; i++)
    g_assert_true (isfinite (out->rgb[i]));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/geometry/splat/single_one_follows_the_formula",
      single_one_follows_the_formula);
  g_test_add_func ("/geometry/splat/nearer_ones_cover_farther_ones",
      nearer_ones_cover_farther_ones);
  g_test_add_func (
      "/geometry/splat/threads_do_not_matter", threads_do_not_matter);
  g_test_add_func (
      "/geometry/splat/wild_values_are_left_out", wild_values_are_left_out);
  return g_test_run ();
}
