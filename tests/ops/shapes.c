/* SPDX-License-Identifier: MIT */
/* Shapes, copies and elementwise operations. */
#include "harness.h"
#include <math.h>
#include <string.h>

static const double EXACT = 1e-14, LIMIT = 1e-12;

static void
test_host (void)
{
  g_autoptr (ShuCtx) c = context_new ();
  ShuTensor *x = random_tensor (c, SHU_DIMS (3, 5));
  g_autofree float *copy = g_new (float, x->n);
  gint32 numbers[4] = {1, -2, 3, 4}, back[4];
  static const guint16 halves[3] = {0x3c00, 0xc000, 0x3800};
  float wide[3];

  g_assert_true (shu_to_host (
      c, shu_from_host (c, SHU_DTYPE_F32, SHU_DIMS (3, 5), x->data), copy));
  g_assert_cmpmem (copy, x->n * 4, x->data, x->n * 4);
  g_assert_true (shu_to_host (
      c, shu_from_host (c, SHU_DTYPE_I32, SHU_DIMS (4), numbers), back));
  g_assert_cmpmem (numbers, sizeof numbers, back, sizeof back);
  g_assert_true (shu_to_host (
      c, shu_from_host (c, SHU_DTYPE_F16, SHU_DIMS (3), halves), wide));
  g_assert_cmpfloat (wide[0], ==, 1);
  g_assert_cmpfloat (wide[1], ==, -2);
  g_assert_cmpfloat (wide[2], ==, 0.5);
  x = to_host (c, shu_fill (c, SHU_DIMS (2, 2), 0.25f));
  g_assert_cmpfloat (at (x, 3), ==, 0.25);
}

static void
test_reshape (void)
{
  g_autoptr (ShuCtx) c = context_new ();
  ShuTensor *x = random_tensor (c, SHU_DIMS (2, 6, 5));
  ShuTensor *y = shu_reshape (c, x, SHU_DIMS (3, -1));

  g_assert_true (y->data == x->data);
  g_assert_cmpint (y->dims[1], ==, 20);
  shu_reshape (c, x, SHU_DIMS (7, -1));
  CHECK_FAILS (c, SHU_ERROR_INVALID, "reshape", "[7,-1]", "[2,6,5]");
  shu_reshape (c, x, SHU_DIMS (2, 6, 6));
  CHECK_FAILS (c, SHU_ERROR_INVALID, "reshape");
}

static void
check_permute (ShuCtx *c, ShuTensor *x, const int *axes)
{
  ShuTensor *y = shu_permute (c, x, axes);
  double *ref = reference_new (y);

  for (gsize i = 0; i < y->n; i++) {
    gsize place[SHU_MAX_DIMS], rest = i, from = 0;

    for (int d = y->n_dims - 1; d >= 0; d--) {
      place[axes[d]] = rest % (gsize) y->dims[d];
      rest /= (gsize) y->dims[d];
    }
    for (int d = 0; d < x->n_dims; d++)
      from = from * (gsize) x->dims[d] + place[d];
    ref[i] = at (x, from);
  }
  check_nmse (c, "permute", y, ref, EXACT);
}

static void
test_permute (void)
{
  g_autoptr (ShuCtx) c = context_new ();

  check_permute (
      c, random_tensor (c, SHU_DIMS (2, 3, 4, 5, 6)), (int[]){4, 2, 0, 3, 1});
  check_permute (
      c, random_tensor (c, SHU_DIMS (2, 3, 4, 5)), (int[]){0, 2, 3, 1});
  check_permute (c, random_tensor (c, SHU_DIMS (7, 1, 9)), (int[]){1, 2, 0});
  check_permute (
      c, random_tensor (c, SHU_DIMS (2, 9, 40, 40)), (int[]){1, 0, 2, 3});
  check_permute (c, random_tensor (c, SHU_DIMS (1)), (int[]){0});
  shu_permute (c, random_tensor (c, SHU_DIMS (2, 2)), (int[]){0, 0});
  CHECK_FAILS (c, SHU_ERROR_INVALID, "permute");
}

static void
test_slice_concat (void)
{
  g_autoptr (ShuCtx) c = context_new ();

  for (int axis = 0; axis < 3; axis++) {
    ShuTensor *x = random_tensor (c, SHU_DIMS (4, 7, 9));
    ShuTensor *parts[] = {
        shu_slice (c, x, axis, 0, 1),
        shu_slice (c, x, axis, 1, x->dims[axis] - 2),
        shu_slice (c, x, axis, x->dims[axis] - 1, 1),
    };
    ShuTensor *y = to_host (c, shu_concat (c, axis, 3, parts));

    g_assert_false (shu_ctx_failed (c));
    g_assert_cmpmem (y->data, y->n * 4, x->data, x->n * 4);
    parts[1] = to_host (c, parts[1]);
    /* one element by hand: [1,1,1] is [1,0,1] or alike of the middle part */
    g_assert_cmpfloat (
        at (parts[1], ((axis == 0 ? 0 : 1) * (gsize) parts[1]->dims[1] +
                          (axis == 1 ? 0 : 1)) *
                              (gsize) parts[1]->dims[2] +
                          (axis == 2 ? 0 : 1)),
        ==, at (x, (1 * 7 + 1) * 9 + 1));
  }
  shu_slice (c, random_tensor (c, SHU_DIMS (4, 7)), 1, 5, 3);
  CHECK_FAILS (c, SHU_ERROR_INVALID, "slice", "[5,8)", "[4,7]");
  shu_concat2 (c, 0, random_tensor (c, SHU_DIMS (4, 7)),
      random_tensor (c, SHU_DIMS (4, 6)));
  CHECK_FAILS (c, SHU_ERROR_INVALID, "concat", "[4,6]");
}

static void
test_repeat_tile (void)
{
  g_autoptr (ShuCtx) c = context_new ();
  ShuTensor *x = random_tensor (c, SHU_DIMS (3, 5));
  ShuTensor *r = to_host (c, shu_repeat (c, x, 4));
  ShuTensor *t = to_host (c, shu_tile (c, x, 4));

  g_assert_cmpint (r->dims[0], ==, 12);
  g_assert_cmpint (t->dims[0], ==, 12);
  for (gsize i = 0; i < 12; i++)
    for (gsize k = 0; k < 5; k++) {
      g_assert_cmpfloat (at (r, i * 5 + k), ==, at (x, i / 4 * 5 + k));
      g_assert_cmpfloat (at (t, i * 5 + k), ==, at (x, i % 3 * 5 + k));
    }
}

static void
test_gather (void)
{
  g_autoptr (ShuCtx) c = context_new ();
  ShuTensor *x = random_tensor (c, SHU_DIMS (11, 33));
  ShuTensor *index = random_index (c, SHU_DIMS (50), -1, 11);
  ShuTensor *y = shu_gather (c, x, index);
  double *ref = reference_new (y);

  for (gsize i = 0; i < y->n; i++) {
    gint32 row = index_at (index, i / 33);

    ref[i] = row < 0 ? 0 : at (x, (gsize) row * 33 + i % 33);
  }
  check_nmse (c, "gather", y, ref, EXACT);
  shu_gather (c, x, random_index (c, SHU_DIMS (2), 11, 12));
  CHECK_FAILS (c, SHU_ERROR_INVALID, "gather", "below 11");
}

/* ---- elementwise ---- */

/* element of b that falls on element i of x */
static double
broadcast_at (ShuTensor *x, ShuTensor *b, gsize i)
{
  gsize from = 0, step = 1;

  for (int d = 1; d <= b->n_dims; d++) {
    gsize place = i % (gsize) x->dims[x->n_dims - d];

    i /= (gsize) x->dims[x->n_dims - d];
    if (b->dims[b->n_dims - d] != 1)
      from += place * step;
    step *= (gsize) b->dims[b->n_dims - d];
  }
  return at (b, from);
}

static void
check_elementwise (ShuCtx *c, ShuTensor *x, ShuTensor *b, ShuTensor *d)
{
  ShuTensor *results[] = {shu_add (c, x, b), shu_sub (c, x, b),
      shu_mul (c, x, b), shu_modulate (c, x, b, d), shu_add_gated (c, x, b, d)};

  for (int k = 0; k < 5; k++) {
    double *ref = reference_new (x);

    for (gsize i = 0; i < x->n; i++) {
      double xi = at (x, i), bi = broadcast_at (x, b, i);
      double di = broadcast_at (x, d, i);

      ref[i] = k == 0   ? xi + bi
               : k == 1 ? xi - bi
               : k == 2 ? xi * bi
               : k == 3 ? (1 + di) * xi + bi
                        : xi + di * bi;
    }
    check_nmse (c, "elementwise", results[k], ref, LIMIT);
  }
}

static void
test_elementwise (void)
{
  static const gint64 shapes[][5] = {{2, 3, 4, 5, 6}, {1, 1, 1, 1, 1},
      {2, 1, 40, 40, 17}, {1, 1, 1, 1, 50000}};
  g_autoptr (ShuCtx) c = context_new ();

  for (gsize s = 0; s < G_N_ELEMENTS (shapes); s++) {
    ShuTensor *x = random_tensor (c, 5, shapes[s]);

    for (int mask = 0; mask < 32; mask++) {
      SHU_SCOPE (c);
      gint64 b[5], d[5];

      for (int i = 0; i < 5; i++) {
        b[i] = mask >> i & 1 ? shapes[s][i] : 1;
        d[i] = mask >> (4 - i) & 1 ? shapes[s][i] : 1;
      }
      check_elementwise (
          c, x, random_tensor (c, 5, b), random_tensor (c, 3, d + 2));
    }
  }
  shu_add (c, random_tensor (c, SHU_DIMS (2, 3)),
      random_tensor (c, SHU_DIMS (2, 2)));
  CHECK_FAILS (c, SHU_ERROR_INVALID, "add", "[2,3]", "[2,2]");
  shu_add (
      c, random_tensor (c, SHU_DIMS (3)), random_tensor (c, SHU_DIMS (2, 3)));
  CHECK_FAILS (c, SHU_ERROR_INVALID, "add", "broadcasts");
}

static void
test_act (void)
{
  g_autoptr (ShuCtx) c = context_new ();

  for (ShuAct act = SHU_ACT_NONE; act <= SHU_ACT_SIGMOID; act++) {
    ShuTensor *x =
        to_host (c, shu_affine (c, random_tensor (c, SHU_DIMS (20001)), 12, 1));
    ShuTensor *y = to_host (c, shu_act (c, x, act));

    for (gsize i = 0; i < y->n; i++) {
      double expected = act_reference (at (x, i), act);

      g_assert_cmpfloat_with_epsilon (
          at (y, i), expected, epsilon (1e-6) * MAX (1, fabs (expected)));
    }
  }
}

static void
test_act_extremes (void)
{
  const float top = on_gpu () ? 6e4f : 1e30f;
  const float values[] = {-top, -200, -88, -87, 0, 87, 89, 200, top};
  g_autoptr (ShuCtx) c = context_new ();
  ShuTensor *x = shu_from_host (
      c, SHU_DTYPE_F32, SHU_DIMS (G_N_ELEMENTS (values)), values);

  for (ShuAct act = SHU_ACT_SILU; act <= SHU_ACT_SIGMOID; act++) {
    ShuTensor *y = to_host (c, shu_act (c, x, act));

    for (gsize i = 0; i < y->n; i++) {
      double v = values[i];
      double expected = act == SHU_ACT_SIGMOID ? (v < 0      ? 0
                                                     : v > 0 ? 1
                                                             : 0.5)
                                               : MAX (v, 0);

      g_assert_cmpfloat_with_epsilon (
          at (y, i), expected, epsilon (1e-6) * MAX (1, fabs (expected)));
    }
  }
}

static void
test_clamp_affine (void)
{
  g_autoptr (ShuCtx) c = context_new ();
  ShuTensor *x = random_tensor (c, SHU_DIMS (77));
  ShuTensor *y = to_host (c, shu_clamp (c, x, -0.5f, 0.25f));
  ShuTensor *z = to_host (c, shu_affine (c, x, 3, -1));

  for (gsize i = 0; i < x->n; i++) {
    g_assert_cmpfloat (at (y, i), ==, CLAMP (at (x, i), -0.5, 0.25));
    g_assert_cmpfloat_with_epsilon (
        at (z, i), 3 * at (x, i) - 1, 2 * epsilon (1e-6));
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  test_add ("/ops/host/comes_back", test_host);
  test_add ("/ops/reshape/shares_elements", test_reshape);
  test_add ("/ops/permute/moves_axes", test_permute);
  test_add ("/ops/slice/concat_is_inverse", test_slice_concat);
  test_add ("/ops/repeat/and_tile_differ", test_repeat_tile);
  test_add ("/ops/gather/negative_is_zero", test_gather);
  test_add ("/ops/elementwise/broadcasts", test_elementwise);
  test_add ("/ops/act/values", test_act);
  test_add ("/ops/act/extremes_are_finite", test_act_extremes);
  test_add ("/ops/clamp/and_affine", test_clamp_affine);
  return g_test_run ();
}
