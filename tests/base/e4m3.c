/* SPDX-License-Identifier: MIT */
/* 8-bit floats: every code, the middle of every two, and what lies outside. */
#include "base/e4m3.h"

enum { LARGEST = 0x7e, NOT_A_NUMBER = 0x7f, SIGN = 0x80 };

static void
test_all_codes (void)
{
  for (int i = 0; i < 256; i++) {
    float f = shu_e4m3_to_f32 ((guint8) i);

    if ((i & ~SIGN) == NOT_A_NUMBER) {
      g_assert_true (isnan (f));
      g_assert_cmpint (shu_f32_to_e4m3 (f) & ~SIGN, ==, NOT_A_NUMBER);
    } else {
      /* by the format's definition */
      int e = (i & ~SIGN) >> 3, m = i & 7;
      float size = e ? ldexpf (1 + m / 8.f, e - 7) : ldexpf (m / 8.f, -6);

      g_assert_true (f == (i & SIGN ? -size : size));
      g_assert_cmpint (signbit (f) != 0, ==, i >= SIGN);
      g_assert_cmpint (shu_f32_to_e4m3 (f), ==, i);
    }
  }
}

static void
test_known_values (void)
{
  static const struct {
    float f;
    guint8 h;
  } rows[] = {
      {0.0f, 0x00},
      {-0.0f, 0x80},
      {1.0f, 0x38},
      {-2.0f, 0xc0},
      {448.0f, 0x7e},
      {463.9f, 0x7e},
      {464.0f, 0x7e},
      {480.0f, 0x7e},
      {1e30f, 0x7e},
      {-1e30f, 0xfe},
      {INFINITY, 0x7e},
      {-INFINITY, 0xfe},
      {0x1p-6f, 0x08},
      {0x1p-9f, 0x01},
      {0x1p-10f, 0x00},  /* tie, to even */
      {0x1.8p-9f, 0x02}, /* tie, to even */
      {0x1.000002p-10f, 0x01},
      {0x1.ep-7f, 0x08}, /* between both kinds */
      {1e-30f, 0x00},
      {1.0625f, 0x38}, /* 1 + 2^-4: tie, to even */
      {1.1875f, 0x3a}, /* 1 + 3 * 2^-4 */
      {1.0625001f, 0x39},
      {0.3f, 0x2a},
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    g_assert_cmpint (shu_f32_to_e4m3 (rows[i].f), ==, rows[i].h);
  g_assert_cmpint (shu_f32_to_e4m3 (NAN) & ~SIGN, ==, NOT_A_NUMBER);
}

/* Between two neighbours the nearer one is taken, the even one in the middle.
 */
static void
test_nearest_even (void)
{
  for (int i = 0; i < LARGEST; i++) {
    float a = shu_e4m3_to_f32 ((guint8) i), b = shu_e4m3_to_f32 (i + 1);
    float middle = a + (b - a) / 2;

    g_assert_cmpint (shu_f32_to_e4m3 (middle), ==, i + (i & 1));
    g_assert_cmpint (shu_f32_to_e4m3 (nextafterf (middle, a)), ==, i);
    g_assert_cmpint (shu_f32_to_e4m3 (nextafterf (middle, b)), ==, i + 1);
    g_assert_cmpint (
        shu_f32_to_e4m3 (-middle), ==, SIGN | shu_f32_to_e4m3 (middle));
  }
}

/* The largest number comes into the upper half of the range, and stays in it.
 */
static void
test_scale (void)
{
  static const float tops[] = {
      1e-30f, 0x1p-24f, 0.875f, 0.8750001f, 1, 447, 448, 448.1f, 65504, 3e38f};

  for (guint i = 0; i < G_N_ELEMENTS (tops); i++) {
    float scale = shu_e4m3_scale (tops[i]);
    int e;

    g_assert_true (frexpf (scale, &e) == 0.5f); /* a power of two */
    g_assert_true (tops[i] * scale <= 448);
    g_assert_true (tops[i] * scale > 224);
  }
  g_assert_true (shu_e4m3_scale (0) == 1);
  g_assert_true (shu_e4m3_scale (INFINITY) == 1);
  g_assert_true (shu_e4m3_scale (NAN) == 1);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/base/e4m3/all_codes", test_all_codes);
  g_test_add_func ("/base/e4m3/known_values", test_known_values);
  g_test_add_func ("/base/e4m3/nearest_even", test_nearest_even);
  g_test_add_func ("/base/e4m3/scale", test_scale);
  return g_test_run ();
}
