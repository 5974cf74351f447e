/* SPDX-License-Identifier: MIT */
/* Linear layers and convolutions against sums written out. */
#include "harness.h"
#include <math.h>

static const double LIMIT = 1e-11;

/* ---- linear ---- */

static const gint64 linear_rows[][3] = {
    /* rows, Ci, Co */
    {1, 1, 1},
    {1, 3, 2},
    {1, 128, 256},
    {7, 5, 9},
    {13, 64, 33},
    {20, 97, 64},
    {257, 128, 130},
    {1029, 63, 17},
    {144, 512, 128},
};

static double *
linear_reference (ShuTensor *y, ShuTensor *x, const ShuLinear *l)
{
  gsize Co = (gsize) l->w->dims[0], Ci = (gsize) l->w->dims[1];
  double *ref = g_new0 (double, x->n / Ci * Co + 1);

  for (gsize r = 0; r < x->n / Ci; r++)
    for (gsize o = 0; o < Co; o++) {
      double s = l->b ? at (l->b, o) : 0;

      for (gsize i = 0; i < Ci; i++)
        s += at (x, r * Ci + i) * at (l->w, o * Ci + i);
      ref[r * Co + o] = s;
    }
  return ref;
}

static void
test_linear (void)
{
  g_autoptr (ShuCtx) c = context_new ();

  for (gsize i = 0; i < G_N_ELEMENTS (linear_rows); i++) {
    const gint64 *d = linear_rows[i];

    for (int bias = 0; bias < 2; bias++) {
      SHU_SCOPE (c);
      ShuTensor *x = random_tensor (c, SHU_DIMS (1, d[0], d[1]));
      ShuLinear l = {random_tensor (c, SHU_DIMS (d[2], d[1])),
          bias ? random_tensor (c, SHU_DIMS (d[2])) : NULL};
      ShuTensor *y = shu_linear (c, x, &l);

      g_assert_cmpint (y->n_dims, ==, 3);
      g_assert_cmpint (y->dims[1], ==, d[0]);
      g_assert_cmpint (y->dims[2], ==, d[2]);
      check_nmse (c, "linear", y, linear_reference (y, x, &l), LIMIT);
    }
  }
}

static void
test_linear_act (void)
{
  g_autoptr (ShuCtx) c = context_new ();

  for (ShuAct act = SHU_ACT_NONE; act <= SHU_ACT_SIGMOID; act++)
    for (int size = 1; size < 150; size += 37) {
      SHU_SCOPE (c);
      ShuTensor *x = random_tensor (c, SHU_DIMS (9, size));
      ShuLinear l = {random_tensor (c, SHU_DIMS (size + 3, size)),
          random_tensor (c, SHU_DIMS (size + 3))};
      ShuTensor *y = shu_linear_act (c, x, &l, act);
      double *ref = linear_reference (y, x, &l);

      for (gsize i = 0; i < y->n; i++)
        ref[i] = act_reference (ref[i], act);
      check_nmse (c, "linear_act", y, ref, LIMIT);
    }
}

static void
test_linear_add (void)
{
  g_autoptr (ShuCtx) c = context_new ();
  ShuTensor *x = random_tensor (c, SHU_DIMS (2, 11, 24));
  ShuTensor *residual = random_tensor (c, SHU_DIMS (2, 11, 40));
  ShuLinear l = {
      random_tensor (c, SHU_DIMS (40, 24)), random_tensor (c, SHU_DIMS (40))};
  g_autofree float *before = g_memdup2 (residual->data, residual->n * 4);
  ShuTensor *y = shu_linear_add (c, x, &l, residual);
  double *ref = linear_reference (y, x, &l);

  for (gsize i = 0; i < y->n; i++)
    ref[i] += at (residual, i);
  check_nmse (c, "linear_add", y, ref, LIMIT);
  g_assert_cmpmem (before, residual->n * 4, residual->data, residual->n * 4);
}

static void
test_linear_geglu (void)
{
  static const gint64 sizes[][3] = {{1, 1, 1}, {5, 7, 3}, {33, 64, 256}};
  g_autoptr (ShuCtx) c = context_new ();

  for (gsize k = 0; k < G_N_ELEMENTS (sizes); k++) {
    gint64 T = sizes[k][0], Ci = sizes[k][1], C = sizes[k][2];
    ShuTensor *x = random_tensor (c, SHU_DIMS (T, Ci));
    ShuLinear l = {random_tensor (c, SHU_DIMS (2 * C, Ci)),
        random_tensor (c, SHU_DIMS (2 * C))};
    ShuTensor *y = shu_linear_geglu (c, x, &l);
    g_autofree double *both = linear_reference (y, x, &l);
    double *ref = reference_new (y);

    for (gsize r = 0; r < (gsize) T; r++)
      for (gsize i = 0; i < (gsize) C; i++)
        ref[r * C + i] = both[r * 2 * C + i] *
                         act_reference (both[r * 2 * C + C + i], SHU_ACT_GELU);
    check_nmse (c, "linear_geglu", y, ref, LIMIT);
  }
}

/* ---- convolutions, 2D as 3D with one layer ---- */

typedef struct {
  gint64 x[5]; /* B, D, H, W, Ci; D 0: 2D */
  gint64 Co;
  int k;
  ShuConvParams p;
} ConvRow;

static const ConvRow conv_rows[] = {
    {{1, 0, 1, 1, 1}, 1, 1, {0}},
    {{2, 0, 5, 7, 3}, 5, 3, {.pad_before = 1, .pad_after = 1}},
    {{1, 0, 9, 9, 4}, 32, 3, {.pad_before = 1, .pad_after = 1}},
    {{3, 0, 6, 6, 8}, 64, 3, {.pad_before = 1, .pad_after = 1}},
    {{1, 0, 8, 8, 9}, 7, 3, {.pad_before = 1, .pad_after = 1}},
    {{2, 0, 12, 12, 32}, 64, 3, {.pad_before = 1, .pad_after = 1}},
    {{1, 0, 24, 24, 64}, 64, 3, {.pad_before = 1, .pad_after = 1}},
    {{1, 0, 24, 24, 96}, 3, 3, {.pad_before = 1, .pad_after = 1}},
    {{1, 0, 13, 11, 192}, 128, 1, {0}},
    {{2, 0, 9, 9, 33}, 17, 3, {.pad_before = 1, .pad_after = 1}},
    {{1, 0, 12, 10, 32}, 32, 3, {.stride = 2, .pad_before = 1, .pad_after = 1}},
    {{1, 0, 12, 10, 32}, 32, 3, {.stride = 2, .pad_after = 1}},
    {{1, 0, 28, 28, 3}, 20, 14, {.stride = 14}},
    {{1, 0, 20, 17, 16}, 16, 3,
        {.dilation = 2, .pad_before = 2, .pad_after = 2}},
    {{1, 0, 19, 23, 16}, 8, 3,
        {.dilation = 8, .pad_before = 8, .pad_after = 8, .act = SHU_ACT_RELU}},
    {{1, 0, 6, 5, 64}, 64, 3,
        {.pad_before = 1, .pad_after = 1, .upsample = TRUE}},
    {{2, 0, 7, 3, 5}, 6, 3,
        {.pad_before = 1, .pad_after = 1, .upsample = TRUE}},
    {{1, 0, 5, 5, 64}, 32, 3,
        {.pad_before = 1, .pad_after = 1, .act = SHU_ACT_SILU}},
    {{1, 0, 5, 5, 8}, 8, 3,
        {.pad_before = 1, .pad_after = 1, .act = SHU_ACT_GELU}},
    /* few channels on one side */
    {{2, 0, 11, 9, 8}, 24, 3, {.stride = 2, .pad_before = 1, .pad_after = 1}},
    {{1, 0, 13, 9, 8}, 5, 3, {.dilation = 2, .pad_before = 2, .pad_after = 1}},
    {{2, 0, 6, 5, 24}, 16, 2, {.pad_after = 1, .act = SHU_ACT_SILU}},
    {{2, 0, 9, 7, 40}, 4, 3, {.pad_before = 1, .pad_after = 1}},
    {{1, 0, 8, 12, 64}, 1, 5,
        {.dilation = 2, .pad_before = 4, .pad_after = 4, .act = SHU_ACT_RELU}},
    {{2, 0, 7, 9, 32}, 5, 3, {.pad_after = 1, .act = SHU_ACT_GELU}},
    {{1, 1, 1, 1, 1}, 1, 1, {0}},
    {{2, 3, 4, 5, 8}, 12, 3, {.pad_before = 1, .pad_after = 1}},
    {{1, 8, 8, 8, 8}, 64, 3, {.pad_before = 1, .pad_after = 1}},
    {{1, 6, 6, 6, 64}, 32, 3,
        {.pad_before = 1, .pad_after = 1, .act = SHU_ACT_GELU}},
    {{1, 5, 6, 7, 16}, 1, 3, {.pad_before = 1, .pad_after = 1}},
    {{2, 5, 6, 7, 32}, 1, 3, {.pad_before = 1, .pad_after = 1}},
    {{1, 4, 9, 5, 40}, 2, 3, {.pad_after = 1, .act = SHU_ACT_SILU}},
    {{2, 5, 3, 7, 8}, 24, 3, {.dilation = 2, .pad_before = 2, .pad_after = 1}},
    {{2, 6, 5, 7, 3}, 12, 2, {.stride = 2, .pad_before = 1}},
    {{1, 5, 6, 7, 5}, 3, 3, {.stride = 2, .pad_before = 1, .pad_after = 1}},
};

/* y at (b, d, h, w), output channel o; steps of x already known */
static double
conv_point (ShuTensor *x, const ShuConv *k, const ConvRow *row, gsize b,
    const gsize *place, gsize o)
{
  int n = k->w->n_dims - 2;
  gsize stride = (gsize) MAX (row->p.stride, 1);
  gsize dilation = (gsize) MAX (row->p.dilation, 1);
  gsize Ci = (gsize) k->w->dims[1], taps = k->w->n / Ci / (gsize) k->w->dims[0];
  double s = k->b ? at (k->b, o) : 0;

  for (gsize t = 0; t < taps; t++) {
    gsize rest = t, pixel = 0, step = 1;
    gboolean inside = TRUE;

    for (int i = n - 1; i >= 0; i--) {
      gsize size = (gsize) x->dims[1 + i];
      gint64 from =
          (gint64) (place[i] * stride + rest % (gsize) row->k * dilation) -
          row->p.pad_before;

      rest /= (gsize) row->k;
      inside = inside && from >= 0 &&
               from < (gint64) size * (row->p.upsample ? 2 : 1);
      if (row->p.upsample)
        from /= 2;
      pixel += (gsize) MAX (from, 0) * step;
      step *= size;
    }
    for (gsize i = 0; inside && i < Ci; i++)
      s += at (x, (b * step + pixel) * Ci + i) *
           at (k->w, (o * Ci + i) * taps + t);
  }
  return act_reference (s, row->p.act);
}

static double *
conv_reference (
    ShuTensor *y, ShuTensor *x, const ShuConv *k, const ConvRow *row)
{
  int n = x->n_dims - 2;
  gsize Co = (gsize) row->Co;
  gsize area = y->n / Co / (gsize) y->dims[0];
  double *ref = reference_new (y);

  for (gsize i = 0; i < y->n; i++) {
    gsize place[3], rest = i / Co % area;

    for (int d = n - 1; d >= 0; d--) {
      place[d] = rest % (gsize) y->dims[1 + d];
      rest /= (gsize) y->dims[1 + d];
    }
    ref[i] = conv_point (x, k, row, i / Co / area, place, i % Co);
  }
  return ref;
}

static void
test_conv (void)
{
  g_autoptr (ShuCtx) c = context_new ();

  for (gsize i = 0; i < G_N_ELEMENTS (conv_rows); i++) {
    const ConvRow *row = &conv_rows[i];
    const gint64 *d = row->x;
    gboolean flat = d[1] == 0;
    g_autofree char *name = g_strdup_printf ("convolution %d", (int) i);

    for (int bias = 0; bias < 2; bias++) {
      SHU_SCOPE (c);
      ShuTensor *x =
          flat ? random_tensor (c, SHU_DIMS (d[0], d[2], d[3], d[4]))
               : random_tensor (c, SHU_DIMS (d[0], d[1], d[2], d[3], d[4]));
      ShuConv k = {.w = flat ? random_tensor (
                                   c, SHU_DIMS (row->Co, d[4], row->k, row->k))
                             : random_tensor (c, SHU_DIMS (row->Co, d[4],
                                                     row->k, row->k, row->k)),
          .b = bias ? random_tensor (c, SHU_DIMS (row->Co)) : NULL};
      ShuTensor *y = flat ? shu_conv2d (c, x, &k, &row->p)
                          : shu_conv3d (c, x, &k, &row->p);

      check_nmse (c, name, y, conv_reference (y, x, &k, row), LIMIT);
    }
  }
}

static void
test_conv_again (void)
{
  g_autoptr (ShuCtx) c = context_new ();
  g_autoptr (ShuCtx) other = context_new ();
  ShuConv k = {random_tensor (c, SHU_DIMS (32, 16, 3, 3)),
      random_tensor (c, SHU_DIMS (32))};
  static const gint64 sides[] = {4, 9, 4, 12, 9};

  /* one weight, several sizes and contexts: packed forms do not mix */
  for (gsize i = 0; i < G_N_ELEMENTS (sides); i++) {
    ShuCtx *use = i % 2 ? other : c;
    ConvRow row = {.Co = 32, .k = 3, .p = {.pad_before = 1, .pad_after = 1}};
    ShuTensor *x = random_tensor (use, SHU_DIMS (1, sides[i], sides[i], 16));
    ShuTensor *y = shu_conv2d_same (use, x, &k);

    check_nmse (use, "again", y, conv_reference (y, x, &k, &row), LIMIT);
  }
}

static void
test_wrong_shapes (void)
{
  g_autoptr (ShuCtx) c = context_new ();
  ShuTensor *x = random_tensor (c, SHU_DIMS (1, 4, 4, 8));
  ShuLinear l = {random_tensor (c, SHU_DIMS (5, 7)), NULL};
  ShuConv k = {random_tensor (c, SHU_DIMS (5, 8, 3, 3)), NULL};
  ShuTensor *y = shu_linear (c, x, &l);

  g_assert_cmpint (y->n, ==, 1);
  /* the first failure is the one that is told */
  shu_conv2d (c, y, &k, NULL);
  CHECK_FAILS (c, SHU_ERROR_INVALID, "linear", "[1,4,4,8]", "[5,7]");

  shu_conv3d (c, x, &k, NULL);
  CHECK_FAILS (c, SHU_ERROR_INVALID, "conv3d", "[1,4,4,8]", "[5,8,3,3]");
  shu_conv2d (c, random_tensor (c, SHU_DIMS (1, 2, 2, 8)), &k, NULL);
  CHECK_FAILS (c, SHU_ERROR_INVALID, "conv2d", "no smaller than the kernel");
  shu_linear_geglu (c, random_tensor (c, SHU_DIMS (2, 7)), &l);
  CHECK_FAILS (c, SHU_ERROR_INVALID, "linear_geglu", "[5,7]");
  l.b = random_tensor (c, SHU_DIMS (6));
  shu_linear (c, random_tensor (c, SHU_DIMS (2, 7)), &l);
  CHECK_FAILS (c, SHU_ERROR_INVALID, "linear", "[6]");
}

static void
test_empty (void)
{
  g_autoptr (ShuCtx) c = context_new ();
  ShuLinear l = {random_tensor (c, SHU_DIMS (5, 7)), NULL};
  ShuTensor *y = shu_linear (c, random_tensor (c, SHU_DIMS (0, 7)), &l);

  g_assert_false (shu_ctx_failed (c));
  g_assert_cmpint (y->n, ==, 0);
  g_assert_cmpint (y->dims[1], ==, 5);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  test_add ("/ops/linear/sums", test_linear);
  test_add ("/ops/linear/activations", test_linear_act);
  test_add ("/ops/linear/adds_to_residual", test_linear_add);
  test_add ("/ops/linear/geglu_gate_is_second_half", test_linear_geglu);
  test_add ("/ops/linear/no_rows", test_empty);
  test_add ("/ops/conv/sums", test_conv);
  test_add ("/ops/conv/shared_weight", test_conv_again);
  test_add ("/ops/layers/wrong_shapes_are_named", test_wrong_shapes);
  return g_test_run ();
}
