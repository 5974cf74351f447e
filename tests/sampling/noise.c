/* SPDX-License-Identifier: MIT */
/* Noise against numbers that PyTorch drew: on the CPU, and on an H100 by way of
 * the specification of its Philox sequence. */
#include "base/error.h"
#include "base/half.h"
#include "sampling/noise.h"
#include <math.h>

enum { N_EMBEDDINGS = 10 * 1024, N_LATENTS = 10 * 4 * 96 * 96 };

static void
assert_near (const float *v, const double *expected, int n, double limit)
{
  for (int i = 0; i < n; i++)
    g_assert_cmpfloat_with_epsilon (v[i], expected[i], limit);
}

static void
test_cpu_seed_43 (void)
{
  static const double expected[] = {-0.01660361, -0.46679494, 2.09089756,
      0.61490285, -0.56209558, -0.41425121, -1.30009162, -0.10119579};

  enum { N = 8 * 16 * 16 * 16 };

  g_autofree float *v = g_new (float, N);
  ShuNoise noise;
  double sum = 0;

  shu_noise_init (&noise, 43, NULL);
  shu_noise_cpu (&noise, v, N);
  assert_near (v, expected, G_N_ELEMENTS (expected), 1e-6);
  for (int i = 0; i < N; i++)
    sum += v[i];
  g_assert_cmpfloat_with_epsilon (sum, 98.39716782, 1e-3);
}

/* torch.manual_seed (0); torch.randn (5) */
static void
test_cpu_few_values (void)
{
  static const double expected[] = {1.5410, -0.2934, -2.1788, 0.5684, -1.0845};
  ShuNoise noise;
  float v[5], one[5];

  shu_noise_init (&noise, 0, NULL);
  shu_noise_cpu (&noise, v, 5);
  assert_near (v, expected, 5, 1e-4);
  shu_noise_init (&noise, 0, NULL);
  for (int i = 0; i < 5; i++) /* the second of a pair is not lost */
    shu_noise_cpu (&noise, &one[i], 1);
  g_assert_cmpmem (v, sizeof v, one, sizeof one);
}

/* All but the last 16 are as they would be without the rest. */
static void
test_cpu_tail (void)
{
  float whole[32], cut[21];
  ShuNoise a, b;

  shu_noise_init (&a, 7, NULL);
  shu_noise_cpu (&a, whole, 32);
  shu_noise_init (&b, 7, NULL);
  shu_noise_cpu (&b, cut, 21);
  g_assert_cmpmem (whole, 5 * sizeof (float), cut, 5 * sizeof (float));
  /* 21 + 16 words drawn; the 16 last ones are one group of their own */
  g_assert_cmpint (a.mt_used, ==, 32);
  g_assert_cmpint (b.mt_used, ==, 37);
  g_assert_cmpfloat (whole[5], !=, cut[5]);
}

/* torch.manual_seed (0); torch.randn (8, device="cuda") */
static void
test_cuda_seed_0 (void)
{
  static const double expected[] = {
      -0.9247, -0.4253, -2.6438, 0.1452, -0.1209, -0.5797, -0.6229, -0.3284};
  ShuNoise noise;
  float v[8];

  shu_noise_init (&noise, 0, NULL);
  shu_noise_cuda (&noise, v, 8);
  assert_near (v, expected, 8, 6e-5);
}

typedef struct {
  const char *name;
  const ShuNoiseDevice *device;
  double at_200000, at_300000, at_end;
} DeviceRow;

static const DeviceRow device_rows[] = {
    {"h100", &shu_noise_h100, -1.1753471, -0.9081060, 0.9976670},
    {"a100", &shu_noise_a100, -1.1753471, -1.2295885, -0.0150000},
    {"rtx4090", &shu_noise_rtx4090, -0.1311140, 0.0831414, -1.7653316},
    {"a40", &shu_noise_a40, -1.2675941, 0.4973206, -0.4639284},
};

static void
test_cuda_device (gconstpointer data)
{
  static const double start[] = {1.1394908, -1.1053437, -0.5574292, -0.4361392};
  const DeviceRow *row = data;
  g_autofree float *v = g_new (float, N_LATENTS);
  ShuNoise noise;

  shu_noise_init (&noise, 43, row->device);
  shu_noise_cuda (&noise, v, N_EMBEDDINGS);
  g_assert_cmpuint (noise.cuda_offset, ==, 4);
  shu_noise_cuda (&noise, v, N_LATENTS);
  assert_near (v, start, 4, 2e-6);
  g_assert_cmpfloat_with_epsilon (v[200000], row->at_200000, 2e-6);
  g_assert_cmpfloat_with_epsilon (v[300000], row->at_300000, 2e-6);
  g_assert_cmpfloat_with_epsilon (v[N_LATENTS - 1], row->at_end, 2e-6);
}

static void
test_names (void)
{
  static const char *const wrong[] = {"H100 ", "132", "x", "0x2048", "132x255",
      "132x2048x2", "1025x2048", "132 x 2048", "-1x2048"};
  ShuNoiseDevice d;

  for (guint i = 0; i < G_N_ELEMENTS (device_rows); i++) {
    g_assert_true (shu_noise_device_parse (device_rows[i].name, &d, NULL));
    g_assert_cmpmem (&d, sizeof d, device_rows[i].device, sizeof d);
  }
  for (int i = 0; i < 2; i++) {
    g_assert_true (shu_noise_device_parse (i ? "" : NULL, &d, NULL));
    g_assert_cmpmem (&d, sizeof d, &shu_noise_h100, sizeof d);
  }
  g_assert_true (shu_noise_device_parse ("h200", &d, NULL));
  g_assert_cmpmem (&d, sizeof d, &shu_noise_h100, sizeof d);
  g_assert_true (shu_noise_device_parse ("82x1536", &d, NULL));
  g_assert_cmpint (d.n_multiprocessors, ==, 82);
  g_assert_cmpint (d.threads_per_multiprocessor, ==, 1536);
  for (guint i = 0; i < G_N_ELEMENTS (wrong); i++) {
    g_autoptr (GError) error = NULL;

    g_assert_false (shu_noise_device_parse (wrong[i], &d, &error));
    g_assert_error (error, SHU_ERROR, SHU_ERROR_INVALID);
  }
}

static void
test_stage1_order (void)
{
  enum { N = 4096 };

  g_autofree float *latents = g_new (float, N_LATENTS);
  g_autofree float *structure = g_new (float, N);
  g_autofree float *alone = g_new (float, N);
  ShuNoise noise;
  double sum = 0;

  shu_noise_stage1 (43, NULL, N_EMBEDDINGS, latents, N_LATENTS, structure, N);
  for (int i = 0; i < N_LATENTS; i++) {
    g_assert_cmpfloat (latents[i], ==, shu_f16_round (latents[i]));
    sum += latents[i];
  }
  g_assert_cmpfloat_with_epsilon (sum, -264.4126443862915, 0.02);
  shu_noise_init (&noise, 43, NULL);
  shu_noise_cpu (&noise, alone, N);
  g_assert_cmpmem (structure, N * sizeof (float), alone, N * sizeof (float));
}

static void
test_more_loops_than_one (void)
{
  static const ShuNoiseDevice tiny = {1, 256};

  enum { N = 256 * 4 * 2 + 100 };

  float v[N];
  double sum = 0, squares = 0;
  ShuNoise noise;

  shu_noise_init (&noise, 1, &tiny);
  for (int i = 0; i < N; i++)
    v[i] = NAN;
  shu_noise_cuda (&noise, v, N);
  g_assert_cmpuint (noise.cuda_offset, ==, 12);
  for (int i = 0; i < N; i++) {
    sum += v[i];
    squares += v[i] * v[i];
  }
  g_assert_cmpfloat_with_epsilon (sum / N, 0, 0.08);
  g_assert_cmpfloat_with_epsilon (squares / N, 1, 0.1);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/sampling/noise/cpu_seed_43", test_cpu_seed_43);
  g_test_add_func ("/sampling/noise/cpu_few_values", test_cpu_few_values);
  g_test_add_func ("/sampling/noise/cpu_redraws_tail", test_cpu_tail);
  g_test_add_func ("/sampling/noise/cuda_seed_0", test_cuda_seed_0);
  for (guint i = 0; i < G_N_ELEMENTS (device_rows); i++) {
    g_autofree char *path = g_strdup_printf (
        "/sampling/noise/cuda_order_on/%s", device_rows[i].name);

    g_test_add_data_func (path, &device_rows[i], test_cuda_device);
  }
  g_test_add_func (
      "/sampling/noise/cuda_fills_all_loops", test_more_loops_than_one);
  g_test_add_func ("/sampling/noise/names_of_gpus", test_names);
  g_test_add_func ("/sampling/noise/stage1_order", test_stage1_order);
  return g_test_run ();
}
