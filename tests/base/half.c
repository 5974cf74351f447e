/* SPDX-License-Identifier: MIT */
/* 16-bit floats: every half, and the roundings that are easy to get wrong. */
#include "base/half.h"
#include <math.h>

static gboolean
is_nan_16 (guint16 h, guint16 infinity)
{
  return (h & 0x7fff) > infinity;
}

static void
test_all_halves (void)
{
  for (int i = 0; i < 65536; i++) {
    guint16 h = i, back = shu_f32_to_f16 (shu_f16_to_f32 (h));
    guint16 bf_back = shu_f32_to_bf16 (shu_bf16_to_f32 (h));

    if (is_nan_16 (h, 0x7c00))
      g_assert_true (is_nan_16 (back, 0x7c00));
    else
      g_assert_cmpint (back, ==, h);
    if (is_nan_16 (h, 0x7f80))
      g_assert_true (is_nan_16 (bf_back, 0x7f80));
    else
      g_assert_cmpint (bf_back, ==, h);
  }
}

static void
test_known_values (void)
{
  static const struct {
    float f;
    guint16 h;
  } rows[] = {
      {0.0f, 0x0000}, {-0.0f, 0x8000}, {1.0f, 0x3c00}, {-2.0f, 0xc000},
      {65504.0f, 0x7bff}, {65519.996f, 0x7bff}, {65520.0f, 0x7c00},
      {1e30f, 0x7c00}, {-INFINITY, 0xfc00}, {0x1p-14f, 0x0400},
      {0x1p-24f, 0x0001}, {0x1p-25f, 0x0000}, /* tie, to even */
      {0x1.8p-24f, 0x0002},                   /* tie, to even */
      {0x1.000002p-25f, 0x0001},
      {0x1.ffcp-15f, 0x0400},   /* tie between subnormal and normal */
      {1.00048828125f, 0x3c00}, /* 1 + 2^-11: tie, to even */
      {1.00146484375f, 0x3c02}, /* 1 + 3 * 2^-11: tie, to even */
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    g_assert_cmpint (shu_f32_to_f16 (rows[i].f), ==, rows[i].h);
  g_assert_cmpint (shu_f32_to_bf16 (1.00390625f), ==, 0x3f80);
  g_assert_cmpint (shu_f32_to_bf16 (1.01171875f), ==, 0x3f82);
  g_assert_true (is_nan_16 (shu_f32_to_bf16 (NAN), 0x7f80));
  g_assert_true (isnan (shu_f16_to_f32 (shu_f32_to_f16 (NAN))));
}

/* Between two neighbours the nearer one is taken, the even one in the middle.
 */
static void
test_nearest_even (void)
{
  for (int i = 0; i < 0x7bff; i++) {
    float a = shu_f16_to_f32 (i), b = shu_f16_to_f32 (i + 1);
    float middle = a + (b - a) / 2;

    g_assert_cmpint (shu_f32_to_f16 (middle), ==, i + (i & 1));
    g_assert_cmpint (shu_f32_to_f16 (nextafterf (middle, a)), ==, i);
    g_assert_cmpint (shu_f32_to_f16 (nextafterf (middle, b)), ==, i + 1);
  }
}

static void
test_bulk (void)
{
  enum { N = 1027 };

  guint16 h[N], back[N];
  float f[N];

  for (int i = 0; i < N; i++)
    h[i] = i * 29;
  shu_f16_to_f32_n (h, f, N);
  shu_f32_to_f16_n (f, back, N);
  g_assert_cmpmem (h, sizeof h, back, sizeof back);
  shu_bf16_to_f32_n (h, f, N);
  shu_f32_to_bf16_n (f, back, N);
  g_assert_cmpmem (h, sizeof h, back, sizeof back);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/base/half/round_trip", test_all_halves);
  g_test_add_func ("/base/half/known_values", test_known_values);
  g_test_add_func ("/base/half/nearest_even", test_nearest_even);
  g_test_add_func ("/base/half/bulk", test_bulk);
  return g_test_run ();
}
