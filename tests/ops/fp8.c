/* SPDX-License-Identifier: MIT */
/* Layers in FP8 against sums of the very numbers that operands are rounded to;
 * and where there is no FP8, the same as ever. */
#include "harness.h"
#include "base/e4m3.h"
#include <string.h>

typedef struct {
  gint64 B, H, W, Ci, Co;
  int k, before, after;
} Row;

static ShuConv
random_conv (ShuCtx *c, const Row *r)
{
  return (ShuConv){
      .w = random_tensor (c, SHU_DIMS (r->Co, r->Ci, r->k, r->k)),
      .b = random_tensor (c, SHU_DIMS (r->Co)),
      .precision = SHU_PRECISION_FP8,
  };
}

static ShuTensor *
convolve (ShuCtx *c, ShuTensor *x, const ShuConv *k, const Row *r)
{
  return shu_conv2d (c, x, k,
      &(ShuConvParams){.pad_before = r->before, .pad_after = r->after});
}

/* What the device makes of @t: (transfer full) */
static float *
rounded (const ShuTensor *t)
{
  float *ret = g_new (float, t->n), top = 0, scale;

  for (gsize i = 0; i < t->n; i++)
    top = MAX (top, fabsf ((float) at (t, i)));
  scale = shu_e4m3_scale (top);
  for (gsize i = 0; i < t->n; i++)
    ret[i] =
        shu_e4m3_to_f32 (shu_f32_to_e4m3 ((float) at (t, i) * scale)) / scale;
  return ret;
}

/* Of pixel (@y, @x) and channel @co of image @b */
static double
sum_of (const float *in, const float *w, const Row *r, const gint64 place[4])
{
  double sum = 0;

  for (int i = 0; i < r->k; i++)
    for (int j = 0; j < r->k; j++) {
      gint64 y = place[1] + i - r->before, x = place[2] + j - r->before;
      const float *pixel = in + ((place[0] * r->H + y) * r->W + x) * r->Ci;
      const float *tap = w + (place[3] * r->Ci * r->k + i) * r->k + j;

      if (y < 0 || x < 0 || y >= r->H || x >= r->W)
        continue;
      for (gint64 ci = 0; ci < r->Ci; ci++)
        sum += (double) pixel[ci] * tap[ci * r->k * r->k];
    }
  return sum;
}

static double *
reference (ShuTensor *x, const ShuConv *k, ShuTensor *like, const Row *r)
{
  g_autofree float *in = rounded (x), *w = rounded (k->w);
  double *ret = reference_new (like);

#pragma omp parallel for
  for (gsize i = 0; i < like->n; i++) {
    gint64 at_pixel = (gint64) i / r->Co;
    const gint64 place[] = {at_pixel / (r->W * r->H), at_pixel / r->W % r->H,
        at_pixel % r->W, (gint64) i % r->Co};

    ret[i] = sum_of (in, w, r, place) + at (k->b, (gsize) place[3]);
  }
  return ret;
}

/* TRUE where the test is over: this device has none. */
static gboolean
skips (ShuCtx *c)
{
  if (shu_has_fp8 (c))
    return FALSE;
  g_test_skip ("a device without FP8");
  return TRUE;
}

static void
test_conv (void)
{
  static const Row rows[] = {
      {1, 32, 64, 64, 160, 1, 0, 0},   /* a product */
      {1, 48, 48, 128, 160, 3, 1, 1},  /* pieces of 128 channels */
      {3, 27, 31, 64, 320, 3, 1, 1},   /* boxes beyond all ends */
      {20, 12, 12, 192, 160, 3, 1, 1}, /* boxes of many images */
      {2, 40, 33, 320, 160, 2, 1, 0},  /* looks back alone */
      {2, 24, 24, 96, 64, 3, 1, 1},    /* channels beyond both ends */
  };
  g_autoptr (ShuCtx) c = context_new ();

  if (skips (c))
    return;
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    SHU_SCOPE (c);
    const Row *r = &rows[i];
    g_autofree char *what = g_strdup_printf ("row %zu", i);
    ShuTensor *x = random_tensor (c, SHU_DIMS (r->B, r->H, r->W, r->Ci));
    ShuConv k = random_conv (c, r);
    ShuTensor *y = convolve (c, x, &k, r);
    ShuTensor *host = to_host (c, y), *again;

    check_nmse (c, what, y, reference (x, &k, host, r), epsilon (1e-6));
    again = to_host (c, convolve (c, x, &k, r));
    g_assert_cmpmem (
        host->data, host->n * sizeof (float), again->data, again->n * 4);
  }
}

/* ---- linear layers: the same products of one row of pixels ---- */

typedef struct {
  gint64 M, Ci, Co;
  ShuAct act;
} LinearRow;

/* @x times all rows of @l, of which there are @N: (transfer full) */
static double *
products (ShuTensor *x, const ShuLinear *l, gint64 M, gint64 Ci, gint64 N)
{
  g_autofree float *in = rounded (x), *w = rounded (l->w);
  double *ret = g_new (double, M *N);

#pragma omp parallel for
  for (gint64 i = 0; i < M * N; i++) {
    ret[i] = at (l->b, (gsize) (i % N));
    for (gint64 k = 0; k < Ci; k++)
      ret[i] += (double) in[i / N * Ci + k] * w[i % N * Ci + k];
  }
  return ret;
}

static void
test_linear (void)
{
  static const LinearRow rows[] = {
      {300, 64, 160, SHU_ACT_NONE},
      {257, 128, 384, SHU_ACT_GELU_TANH}, /* 128 columns at a time */
      {1000, 320, 200, SHU_ACT_NONE},     /* columns beyond the end */
      {513, 96, 72, SHU_ACT_GELU_TANH},   /* channels, too */
      {4096, 1024, 256, SHU_ACT_NONE},
  };
  g_autoptr (ShuCtx) c = context_new ();

  if (skips (c))
    return;
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    SHU_SCOPE (c);
    const LinearRow *r = &rows[i];
    g_autofree char *what = g_strdup_printf ("row %zu", i);
    ShuTensor *x = random_tensor (c, SHU_DIMS (r->M, r->Ci));
    ShuLinear l = {.w = random_tensor (c, SHU_DIMS (r->Co, r->Ci)),
        .b = random_tensor (c, SHU_DIMS (r->Co)),
        .precision = SHU_PRECISION_FP8};
    ShuTensor *y = shu_linear_act (c, x, &l, r->act);
    double *expected = products (x, &l, r->M, r->Ci, r->Co);

    for (gsize k = 0; k < y->n; k++)
      expected[k] = act_reference (expected[k], r->act);
    check_nmse (c, what, y, expected, epsilon (1e-6));
  }
}

static void
test_geglu (void)
{
  enum { M = 700, CI = 320, C = 192 };

  g_autoptr (ShuCtx) c = context_new ();
  SHU_SCOPE (c);
  ShuTensor *x = random_tensor (c, SHU_DIMS (M, CI)), *y;
  ShuLinear l = {.w = random_tensor (c, SHU_DIMS (2 * C, CI)),
      .b = random_tensor (c, SHU_DIMS (2 * C)),
      .precision = SHU_PRECISION_FP8};
  g_autofree double *all = NULL;
  double *expected;

  if (skips (c))
    return;
  y = shu_linear_geglu (c, x, &l);
  all = products (x, &l, M, CI, 2 * C);
  expected = reference_new (y);
  for (gsize i = 0; i < y->n; i++) {
    const double *row = all + i / C * 2 * C + i % C;

    expected[i] = row[0] * act_reference (row[C], SHU_ACT_GELU);
  }
  check_nmse (c, "geglu", y, expected, epsilon (1e-6));
}

/* The projections of an attention, one weight or three, against one layer of
 * all of them */
static void
test_projections (void)
{
  enum { T = 512, C = 192 };

  g_autoptr (ShuCtx) c = context_new ();
  SHU_SCOPE (c);
  ShuTensor *x = random_tensor (c, SHU_DIMS (1, T, C));
  ShuLinear whole = {.w = random_tensor (c, SHU_DIMS (3 * C, C)),
      .precision = SHU_PRECISION_FP8};
  ShuLinear part[3];
  ShuTensor *three, *one;

  if (skips (c))
    return;
  for (int i = 0; i < 3; i++) {
    ShuTensor *w = host_tensor (c, SHU_DTYPE_F32, SHU_DIMS (C, C));

    memcpy (w->data, (const float *) whole.w->data + i * C * C, C * C * 4);
    part[i] = (ShuLinear){.w = w, .precision = SHU_PRECISION_FP8};
  }
  one = to_host (
      c, shu_self_attention (
             c, x, &(ShuSelfAttention){.n = 1, .l = {&whole}, .n_heads = 3}));
  three = to_host (
      c, shu_self_attention (c, x,
             &(ShuSelfAttention){
                 .n = 3, .l = {&part[0], &part[1], &part[2]}, .n_heads = 3}));
  g_assert_cmpmem (one->data, one->n * 4, three->data, three->n * 4);
}

/* A map that is doubled before: four products, each of a quarter of y */
static void
test_doubled (void)
{
  static const Row r = {3, 24, 26, 64, 168, 3, 1, 1};
  g_autoptr (ShuCtx) c = context_new ();
  SHU_SCOPE (c);
  ShuTensor *x = random_tensor (c, SHU_DIMS (r.B, r.H, r.W, r.Ci));
  ShuConv k = random_conv (c, &r);
  const ShuConvParams p = {.pad_before = 1, .pad_after = 1, .upsample = TRUE};
  ShuTensor *y, *f16;
  double sum = 0, squares = 0;

  if (skips (c))
    return;
  y = to_host (c, shu_conv2d (c, x, &k, &p));
  k.precision = SHU_PRECISION_F16;
  f16 = to_host (c, shu_conv2d (c, x, &k, &p));
  for (gsize i = 0; i < y->n; i++) {
    sum += (at (y, i) - at (f16, i)) * (at (y, i) - at (f16, i));
    squares += at (f16, i) * at (f16, i);
  }
  /* two operands, each wrong by 2.6 % at random */
  g_assert_cmpfloat (sqrt (sum / squares), <, 0.05);
}

/* The distance of @y from what is @expected, as a share of that */
static double
distance (ShuCtx *c, ShuTensor *y, ShuTensor *expected)
{
  double sum = 0, squares = 0;

  y = to_host (c, y);
  expected = to_host (c, expected);
  for (gsize i = 0; i < y->n; i++) {
    double d = at (y, i) - at (expected, i);

    sum += d * d;
    squares += at (expected, i) * at (expected, i);
  }
  return sqrt (sum / squares);
}

/* A norm's result that becomes E4M3 at once, beside one that is f16 before:
 * numbers in the middle between two go either way. */
static void
check_norm (ShuCtx *c, const Row *r, int n_groups)
{
  enum { MAX_TOKENS = 2000 };

  SHU_SCOPE (c);
  gint64 T = r->H * r->W, C = r->Ci;
  ShuTensor *x = random_tensor (c, SHU_DIMS (r->B, r->H, r->W, C));
  ShuTensor *tokens = shu_slice (
      c, shu_reshape (c, x, SHU_DIMS (r->B, T, C)), 1, 0, MIN (T, MAX_TOKENS));
  ShuTensor *h[2], *y[2];
  ShuNorm norm = {.w = random_tensor (c, SHU_DIMS (C)),
      .b = random_tensor (c, SHU_DIMS (C))};
  ShuAddNorm add = {.eps = 1e-5f};
  ShuConv k = random_conv (c, r);
  ShuLinear qkv = {.w = random_tensor (c, SHU_DIMS (3 * C, C)),
      .precision = SHU_PRECISION_FP8};
  const ShuSelfAttention self = {
      .n = 1, .l = {&qkv}, .n_heads = (int) (C / 64)};

  for (int i = 0; i < 2; i++) {
    norm.precision = i ? SHU_PRECISION_FP8 : SHU_PRECISION_F16;
    h[i] = shu_group_norm (c, x, &norm, n_groups, 1e-5f, SHU_ACT_SILU);
    y[i] = convolve (c, h[i], &k, r);
  }
  g_assert_cmpint (h[1]->dtype, ==, SHU_DTYPE_E4M3);
  g_assert_cmpfloat (distance (c, y[1], y[0]), <, 0.015);
  for (int i = 0; i < 2; i++) {
    add.precision = i ? SHU_PRECISION_FP8 : SHU_PRECISION_F16;
    h[i] = shu_add_norm (c, tokens, &norm, &add, NULL);
    y[i] = shu_self_attention (c, h[i], &self);
  }
  g_assert_cmpint (h[1]->dtype, ==, SHU_DTYPE_E4M3);
  g_assert_cmpfloat (distance (c, y[1], y[0]), <, 0.1);
}

static void
test_norms (void)
{
  static const Row rows[] = {
      {2, 16, 18, 128, 160, 3, 1, 1}, /* few rows, groups in shared memory */
      {1, 96, 96, 192, 160, 3, 1, 1},
      {1, 104, 96, 320, 160, 3, 1, 1}, /* read twice */
  };
  g_autoptr (ShuCtx) c = context_new ();

  if (skips (c))
    return;
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    check_norm (c, &rows[i], i == 1 ? 16 : 32);
}

/* Two layers with an activation or a gate between them, which stays E4M3 */
static void
test_feed_forward (void)
{
  enum { M = 1000, CI = 192, R = 384, CO = 160 };

  g_autoptr (ShuCtx) c = context_new ();
  SHU_SCOPE (c);
  ShuTensor *x = random_tensor (c, SHU_DIMS (M, CI));
  ShuTensor *residual = shu_add (c, random_tensor (c, SHU_DIMS (M, CO)),
      random_tensor (c, SHU_DIMS (M, CO)));
  ShuLinear in = {.w = random_tensor (c, SHU_DIMS (2 * R, CI)),
      .b = random_tensor (c, SHU_DIMS (2 * R)),
      .precision = SHU_PRECISION_FP8};
  ShuLinear wide = {.w = random_tensor (c, SHU_DIMS (CO, 2 * R)),
      .b = random_tensor (c, SHU_DIMS (CO)),
      .precision = SHU_PRECISION_FP8};
  ShuLinear out = {
      .w = random_tensor (c, SHU_DIMS (CO, R)), .precision = SHU_PRECISION_FP8};
  ShuTensor *h[2], *y[2];

  if (skips (c))
    return;
  for (int i = 0; i < 2; i++) {
    in.result = i ? SHU_PRECISION_FP8 : SHU_PRECISION_F16;
    h[i] = shu_linear_act (c, x, &in, SHU_ACT_GELU_TANH);
    y[i] = shu_linear_add (c, h[i], &wide, residual);
  }
  g_assert_cmpint (h[1]->dtype, ==, SHU_DTYPE_E4M3);
  g_assert_cmpfloat (distance (c, y[1], y[0]), <, 0.015);
  for (int i = 0; i < 2; i++) {
    in.result = i ? SHU_PRECISION_FP8 : SHU_PRECISION_F16;
    h[i] = shu_linear_geglu (c, x, &in);
    y[i] = shu_linear (c, h[i], &out);
  }
  g_assert_cmpint (h[1]->dtype, ==, SHU_DTYPE_E4M3);
  g_assert_cmpfloat (distance (c, y[1], y[0]), <, 0.015);
  /* what is added is added */
  h[0] = shu_linear_act (c, x, &in, SHU_ACT_GELU_TANH);
  y[0] = shu_add (c, shu_linear (c, h[0], &wide), residual);
  y[1] = shu_linear_add (c, h[0], &wide, residual);
  g_assert_cmpfloat (distance (c, y[1], y[0]), <, 1e-3);
}

/* A gate in f16 that leaves E4M3, where there is a kernel for it, or not */
static void
test_gate (void)
{
  enum { CI = 320, R = 128, CO = 64 };

  static const gint64 rows[] = {16400, 300};
  g_autoptr (ShuCtx) c = context_new ();

  if (skips (c))
    return;
  for (gsize k = 0; k < G_N_ELEMENTS (rows); k++) {
    SHU_SCOPE (c);
    ShuTensor *x = random_tensor (c, SHU_DIMS (rows[k], CI)), *h[2], *y[2];
    ShuLinear in = {.w = random_tensor (c, SHU_DIMS (2 * R, CI)),
        .b = random_tensor (c, SHU_DIMS (2 * R))};
    ShuLinear out = {.w = random_tensor (c, SHU_DIMS (CO, R)),
        .precision = SHU_PRECISION_FP8};

    for (int i = 0; i < 2; i++) {
      in.result = i ? SHU_PRECISION_FP8 : SHU_PRECISION_F16;
      h[i] = shu_linear_geglu (c, x, &in);
      y[i] = shu_linear (c, h[i], &out);
    }
    g_assert_cmpint (h[1]->dtype, ==, k == 0 ? SHU_DTYPE_E4M3 : SHU_DTYPE_F16);
    g_assert_cmpfloat (distance (c, y[1], y[0]), <, 0.015);
  }
}

/* A layer that cannot take it says so. */
static void
test_norm_of_other (void)
{
  static const Row r = {1, 48, 48, 64, 100, 3, 1, 1}; /* odd channels of y */
  g_autoptr (ShuCtx) c = context_new ();
  g_autoptr (GError) error = NULL;
  SHU_SCOPE (c);
  ShuTensor *x = random_tensor (c, SHU_DIMS (r.B, r.H, r.W, r.Ci));
  ShuConv k = random_conv (c, &r);

  if (skips (c))
    return;
  x = shu_group_norm (c, x, &(ShuNorm){.precision = SHU_PRECISION_FP8}, 32,
      1e-5f, SHU_ACT_SILU);
  convolve (c, x, &k, &r);
  g_assert_false (shu_ctx_finish (c, &error));
  g_assert_error (error, SHU_ERROR, SHU_ERROR_UNSUPPORTED);
}

static void
test_nothing (void)
{
  static const Row r = {1, 48, 48, 64, 160, 3, 1, 1};
  g_autoptr (ShuCtx) c = context_new ();
  SHU_SCOPE (c);
  ShuConv k = random_conv (c, &r);
  ShuTensor *y;

  if (skips (c))
    return;
  y = convolve (c, shu_fill (c, SHU_DIMS (1, 48, 48, 64), 0), &k, &r);
  y = to_host (c, y);
  for (gsize i = 0; i < y->n; i++)
    g_assert_cmpfloat (at (y, i), ==, at (k.b, i % 160));
}

/* What there is no kernel for, and devices without FP8 */
static void
test_others (void)
{
  static const Row rows[] = {
      {1, 9, 7, 64, 160, 3, 1, 1},   /* few pixels */
      {1, 48, 48, 40, 160, 3, 1, 1}, /* odd channels of x */
      {1, 48, 48, 64, 100, 3, 1, 1}, /* and of y */
      {1, 50, 48, 64, 160, 3, 0, 0}, /* another size of y */
  };
  g_autoptr (ShuCtx) c = context_new ();

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    SHU_SCOPE (c);
    const Row *r = &rows[i];
    ShuTensor *x = random_tensor (c, SHU_DIMS (r->B, r->H, r->W, r->Ci));
    ShuConv k = random_conv (c, r);
    ShuTensor *fp8 = to_host (c, convolve (c, x, &k, r)), *f16;

    k.precision = SHU_PRECISION_F16;
    f16 = to_host (c, convolve (c, x, &k, r));
    g_assert_cmpmem (fp8->data, fp8->n * 4, f16->data, f16->n * 4);
  }
  if (!on_gpu ())
    g_assert_false (shu_has_fp8 (c));
}

static void
test_bytes (void)
{
  g_autoptr (ShuCtx) c = context_new ();
  SHU_SCOPE (c);
  ShuTensor *w = host_tensor (c, SHU_DTYPE_F32, SHU_DIMS (320, 640, 3, 3));

  g_assert_cmpuint (2 * shu_weight_bytes (&(ShuWeightUse){w, SHU_USE_FP8}), ==,
      shu_weight_bytes (&(ShuWeightUse){w, SHU_USE_CONV}));
}

static void
test_words (void)
{
  g_autoptr (GError) error = NULL;
  ShuPrecision p = SHU_PRECISION_FP8;

  g_assert_true (shu_precision_parse (NULL, &p, NULL));
  g_assert_cmpint (p, ==, SHU_PRECISION_F16);
  g_assert_true (shu_precision_parse ("fp8", &p, NULL));
  g_assert_cmpint (p, ==, SHU_PRECISION_FP8);
  g_assert_false (shu_precision_parse ("FP4", &p, &error));
  g_assert_error (error, SHU_ERROR, SHU_ERROR_INVALID);
  g_assert_nonnull (strstr (error->message, "FP4"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  test_add_cuda ("/ops/fp8/conv", test_conv);
  test_add_cuda ("/ops/fp8/linear", test_linear);
  test_add_cuda ("/ops/fp8/geglu", test_geglu);
  test_add_cuda ("/ops/fp8/projections", test_projections);
  test_add_cuda ("/ops/fp8/doubled", test_doubled);
  test_add_cuda ("/ops/fp8/nothing", test_nothing);
  test_add_cuda ("/ops/fp8/norms", test_norms);
  test_add_cuda ("/ops/fp8/feed_forward", test_feed_forward);
  test_add_cuda ("/ops/fp8/gate", test_gate);
  test_add_cuda ("/ops/fp8/norm_of_other", test_norm_of_other);
  test_add ("/ops/fp8/others", test_others);
  g_test_add_func ("/ops/fp8/bytes", test_bytes);
  g_test_add_func ("/ops/fp8/words", test_words);
  return g_test_run ();
}
