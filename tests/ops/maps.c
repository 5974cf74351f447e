/* SPDX-License-Identifier: MIT */
/* Resampling of feature maps, and sparse voxels. */
#include "harness.h"
#include <math.h>
#include <string.h>

static const double LIMIT = 1e-11;

/* weight of input k for output i; n inputs, m outputs */
typedef double (*Weight) (gsize i, gsize k, gsize n, gsize m);

static double
bilinear_weight (gsize i, gsize k, gsize n, gsize m)
{
  double x = ((double) i + 0.5) * (double) n / (double) m - 0.5, d;

  x = CLAMP (x, 0, (double) n - 1);
  d = fabs (x - (double) k);
  return d < 1 ? 1 - d : 0;
}

static double
bicubic_kernel (double x)
{
  x = fabs (x);
  return x < 1   ? 1.5 * x * x * x - 2.5 * x * x + 1
         : x < 2 ? -0.5 * x * x * x + 2.5 * x * x - 4 * x + 2
                 : 0;
}

static double
bicubic_weight (gsize i, gsize k, gsize n, gsize m)
{
  double scale = (double) n / (double) m, stretch = MAX (scale, 1);
  double centre = ((double) i + 0.5) * scale, sum = 0;

  for (gsize j = 0; j < n; j++)
    sum += bicubic_kernel (((double) j + 0.5 - centre) / stretch);
  return bicubic_kernel (((double) k + 0.5 - centre) / stretch) / sum;
}

static double
adaptive_weight (gsize i, gsize k, gsize n, gsize m)
{
  gsize lo = (gsize) floor ((double) (i * n) / (double) m);
  gsize hi = (gsize) ceil ((double) ((i + 1) * n) / (double) m);

  return k >= lo && k < hi ? 1. / (double) (hi - lo) : 0;
}

static void
check_separable (
    ShuCtx *c, const char *what, ShuTensor *y, ShuTensor *x, Weight weight)
{
  int n = x->n_dims - 2;
  gsize C = (gsize) x->dims[n + 1];
  gsize in = x->n / C / (gsize) x->dims[0], out = y->n / C / (gsize) y->dims[0];
  double *ref = reference_new (y);

  for (gsize i = 0; i < y->n / C; i++)
    for (gsize k = 0; k < in; k++) {
      double w = 1;
      gsize rest_i = i % out, rest_k = k;

      for (int d = n; d > 0; d--) {
        gsize si = (gsize) y->dims[d], sk = (gsize) x->dims[d];

        w *= weight (rest_i % si, rest_k % sk, sk, si);
        rest_i /= si;
        rest_k /= sk;
      }
      for (gsize ch = 0; w != 0 && ch < C; ch++)
        ref[i * C + ch] += w * at (x, (i / out * in + k) * C + ch);
    }
  check_nmse (c, what, y, ref, LIMIT);
}

static const int resize_rows[][4] = {
    /* H, W, h, w */
    {1, 1, 1, 1},
    {1, 1, 3, 2},
    {6, 6, 2, 2},
    {7, 5, 9, 14},
    {16, 16, 9, 32},
    {12, 9, 5, 4},
    {37, 37, 16, 64},
};

static void
test_resize (void)
{
  g_autoptr (ShuCtx) c = context_new ();

  for (gsize i = 0; i < G_N_ELEMENTS (resize_rows); i++) {
    const int *d = resize_rows[i];
    ShuTensor *x = random_tensor (c, SHU_DIMS (2, d[0], d[1], 3));

    check_separable (c, "resize_bilinear",
        shu_resize_bilinear (c, x, d[2], d[3]), x, bilinear_weight);
    check_separable (c, "resize_bicubic_aa",
        shu_resize_bicubic_aa (c, x, d[2], d[3]), x, bicubic_weight);
    check_separable (c, "adaptive_pool2d",
        shu_adaptive_pool2d (c, x, d[2], d[3]), x, adaptive_weight);
  }
}

static void
test_resize_concat (void)
{
  static const struct {
    gint64 B, H, W, C, h, w, D;
  } rows[] = {{1, 3, 4, 8, 7, 9, 16}, {2, 5, 5, 3, 10, 10, 1},
      {2, 4, 6, 16, 4, 6, 8}, {1, 1, 2, 5, 3, 2, 8}, {1, 9, 8, 8, 4, 3, 3}};

  g_autoptr (ShuCtx) c = context_new ();

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    SHU_SCOPE (c);
    ShuTensor *x = random_tensor (
        c, SHU_DIMS (rows[i].B, rows[i].H, rows[i].W, rows[i].C));
    ShuTensor *like = random_tensor (
        c, SHU_DIMS (rows[i].B, rows[i].h, rows[i].w, rows[i].D));
    ShuTensor *y = to_host (c, shu_resize_concat (c, x, like));
    ShuTensor *resized = to_host (
        c, shu_resize_bilinear (c, x, (int) rows[i].h, (int) rows[i].w));
    gsize C = (gsize) rows[i].C, D = (gsize) rows[i].D;

    g_assert_cmpuint (y->n, ==, resized->n + like->n);
    for (gsize k = 0; k < y->n; k++) {
      gsize ch = k % (C + D), row = k / (C + D);

      g_assert_cmpfloat (at (y, k), ==,
          ch < C ? at (resized, row * C + ch) : at (like, row * D + ch - C));
    }
  }
  shu_resize_concat (c, random_tensor (c, SHU_DIMS (1, 2, 2, 3)),
      random_tensor (c, SHU_DIMS (2, 4, 4, 3)));
  CHECK_FAILS (c, SHU_ERROR_INVALID, "resize_concat", "[2,4,4,3]");
}

static void
test_adaptive_pool3d (void)
{
  g_autoptr (ShuCtx) c = context_new ();
  ShuTensor *x = random_tensor (c, SHU_DIMS (2, 8, 7, 5, 9));

  check_separable (c, "adaptive_pool3d", shu_adaptive_pool3d (c, x, 6, 3, 10),
      x, adaptive_weight);
}

static void
test_bilinear_centre (void)
{
  g_autoptr (ShuCtx) c = context_new ();
  ShuTensor *x = random_tensor (c, SHU_DIMS (1, 9, 9, 2));
  ShuTensor *y = to_host (c, shu_resize_bilinear (c, x, 3, 3));

  /* a third of the size samples the centres exactly */
  for (gsize i = 0; i < 3; i++)
    for (gsize j = 0; j < 3; j++)
      g_assert_cmpfloat (at (y, (i * 3 + j) * 2), ==,
          at (x, ((3 * i + 1) * 9 + 3 * j + 1) * 2));
}

static void
test_nearest (void)
{
  g_autoptr (ShuCtx) c = context_new ();

  for (gsize f = 1; f < 4; f++) {
    ShuTensor *x = random_tensor (c, SHU_DIMS (2, 3, 5, 7));
    ShuTensor *y = shu_upsample_nearest (c, x, (int) f);
    double *ref = reference_new (y);

    for (gsize i = 0; i < y->n; i++) {
      gsize px = i / 7 % (5 * f), py = i / 7 / (5 * f) % (3 * f);

      ref[i] = at (
          x, ((i / 7 / (15 * f * f) * 3 + py / f) * 5 + px / f) * 7 + i % 7);
    }
    check_nmse (c, "upsample_nearest", y, ref, 1e-20);
  }
}

static void
test_max_pool (void)
{
  static const gsize sizes[][2] = {{1, 1}, {2, 2}, {5, 4}, {6, 7}};
  g_autoptr (ShuCtx) c = context_new ();

  for (gsize s = 0; s < G_N_ELEMENTS (sizes); s++) {
    gsize H = sizes[s][0], W = sizes[s][1];
    ShuTensor *x = random_tensor (c, SHU_DIMS (2, (gint64) H, (gint64) W, 5));
    ShuTensor *y = shu_max_pool2 (c, x);
    double *ref = reference_new (y);
    gsize h = (H + 1) / 2, w = (W + 1) / 2;

    g_assert_cmpuint (y->n, ==, 2 * h * w * 5);
    for (gsize i = 0; i < y->n; i++) {
      gsize px = i / 5 % w, py = i / 5 / w % h, b = i / 5 / w / h;

      ref[i] = -2;
      for (gsize yy = 2 * py; yy < MIN (2 * py + 2, H); yy++)
        for (gsize xx = 2 * px; xx < MIN (2 * px + 2, W); xx++)
          ref[i] = MAX (ref[i], at (x, ((b * H + yy) * W + xx) * 5 + i % 5));
    }
    check_nmse (c, "max_pool2", y, ref, 1e-20);
  }
}

static void
test_pixel_shuffle (void)
{
  g_autoptr (ShuCtx) c = context_new ();
  ShuTensor *x = random_tensor (c, SHU_DIMS (2, 3, 2, 4, 24));
  ShuTensor *y = shu_pixel_shuffle3d (c, x);
  double *ref = reference_new (y);

  for (gsize p = 0; p < x->n; p++) {
    gsize ch = p % 24, w = p / 24 % 4, h = p / 96 % 2, d = p / 192 % 3;
    gsize z = 2 * d + ch % 8 / 4, yy = 2 * h + ch % 4 / 2, xx = 2 * w + ch % 2;

    ref[(((p / 576 * 6 + z) * 4 + yy) * 8 + xx) * 3 + ch / 8] = at (x, p);
  }
  check_nmse (c, "pixel_shuffle3d", y, ref, 1e-20);
}

/* ---- sparse voxels ---- */

enum { SIDE = 5 };

/* A random set of voxels of a cube: grid[cell] = row or -1. */
static gsize
random_voxels (gint32 *grid, double density)
{
  gint32 N = 0;

  for (int i = 0; i < SIDE * SIDE * SIDE; i++)
    grid[i] = g_test_rand_double () < density ? N++ : -1;
  return (gsize) N;
}

static gint32
cell (const gint32 *grid, int side, int x, int y, int z)
{
  if (MIN (x, MIN (y, z)) < 0 || MAX (x, MAX (y, z)) >= side)
    return -1;
  return grid[(x * side + y) * side + z];
}

static ShuTensor *
neighbours (ShuCtx *c, const gint32 *grid, int side, gsize N)
{
  ShuTensor *nbr = host_tensor (c, SHU_DTYPE_I32, SHU_DIMS ((gint64) N, 27));

  for (int i = 0; i < side * side * side; i++)
    for (int t = 0; t < 27 && grid[i] >= 0; t++)
      ((gint32 *) nbr->data)[grid[i] * 27 + t] =
          cell (grid, side, i / side / side + t / 9 - 1,
              i / side % side + t / 3 % 3 - 1, i % side + t % 3 - 1);
  return nbr;
}

static double *
sparse_conv_reference (ShuTensor *x, ShuTensor *nbr, const ShuConv *k)
{
  gsize N = (gsize) x->dims[0], Ci = (gsize) x->dims[1];
  gsize Co = (gsize) k->w->dims[0];
  double *ref = g_new0 (double, N *Co + 1);

  for (gsize n = 0; n < N; n++)
    for (gsize o = 0; o < Co; o++) {
      double s = k->b ? at (k->b, o) : 0;

      for (gsize t = 0; t < 27; t++) {
        gint32 row = index_at (nbr, n * 27 + t);

        for (gsize i = 0; row >= 0 && i < Ci; i++)
          s += at (x, (gsize) row * Ci + i) * at (k->w, (o * 27 + t) * Ci + i);
      }
      ref[n * Co + o] = s;
    }
  return ref;
}

static const gint64 sparse_rows[][2] = {
    {1, 1}, {3, 5}, {32, 32}, {64, 17}, {16, 64}};

static void
test_sparse_conv (void)
{
  g_autoptr (ShuCtx) c = context_new ();

  for (gsize r = 0; r < G_N_ELEMENTS (sparse_rows); r++)
    for (int bias = 0; bias < 2; bias++) {
      gint32 grid[SIDE * SIDE * SIDE];
      gint64 N = (gint64) random_voxels (grid, 0.6);
      gint64 Ci = sparse_rows[r][0], Co = sparse_rows[r][1];
      ShuTensor *x = random_tensor (c, SHU_DIMS (N, Ci));
      ShuTensor *nbr = neighbours (c, grid, SIDE, (gsize) N);
      ShuConv k = {random_tensor (c, SHU_DIMS (Co, 3, 3, 3, Ci)),
          bias ? random_tensor (c, SHU_DIMS (Co)) : NULL};
      ShuTensor *y = shu_sparse_conv (c, x, nbr, &k);

      check_nmse (
          c, "sparse_conv", y, sparse_conv_reference (x, nbr, &k), LIMIT);
    }
}

static void
test_sparse_conv_subdivided (void)
{
  g_autoptr (ShuCtx) c = context_new ();

  for (gsize r = 0; r < G_N_ELEMENTS (sparse_rows); r++) {
    gint32 grid[SIDE * SIDE * SIDE], fine[8 * SIDE * SIDE * SIDE];
    gint64 N = (gint64) random_voxels (grid, 0.4);
    gint64 Ci = sparse_rows[r][0], Co = sparse_rows[r][1];
    ShuTensor *x = random_tensor (c, SHU_DIMS (N, Ci));
    ShuTensor *nbr = neighbours (c, grid, SIDE, (gsize) N);
    ShuConv k = {random_tensor (c, SHU_DIMS (Co, 3, 3, 3, Ci)),
        random_tensor (c, SHU_DIMS (Co))};
    ShuTensor *y = shu_sparse_conv_subdivided (c, x, nbr, &k);
    ShuTensor *children, *fine_nbr;

    for (int i = 0; i < (int) G_N_ELEMENTS (fine); i++) {
      int fx = i / (4 * SIDE * SIDE), fy = i / (2 * SIDE) % (2 * SIDE);
      int fz = i % (2 * SIDE);
      gint32 parent = cell (grid, SIDE, fx / 2, fy / 2, fz / 2);

      fine[i] =
          parent < 0 ? -1 : 8 * parent + 4 * (fx % 2) + 2 * (fy % 2) + fz % 2;
    }
    children = to_host (c, shu_repeat (c, x, 8));
    fine_nbr = neighbours (c, fine, 2 * SIDE, 8 * (gsize) N);
    g_assert_cmpint (y->dims[0], ==, 8 * N);
    check_nmse (c, "sparse_conv_subdivided", y,
        sparse_conv_reference (children, fine_nbr, &k), LIMIT);
    /* the summed weights are kept: the same again */
    check_nmse (c, "sparse_conv_subdivided again",
        shu_sparse_conv_subdivided (c, x, nbr, &k),
        sparse_conv_reference (children, fine_nbr, &k), LIMIT);
  }
}

static void
test_sparse_wrong (void)
{
  g_autoptr (ShuCtx) c = context_new ();
  ShuTensor *x = random_tensor (c, SHU_DIMS (4, 8));
  ShuConv k = {random_tensor (c, SHU_DIMS (2, 3, 3, 3, 8)), NULL};

  shu_sparse_conv (c, x, random_index (c, SHU_DIMS (4, 27), 4, 5), &k);
  CHECK_FAILS (c, SHU_ERROR_INVALID, "sparse_conv", "below 4");
  shu_sparse_conv (c, x, random_index (c, SHU_DIMS (3, 27), 0, 4), &k);
  CHECK_FAILS (c, SHU_ERROR_INVALID, "sparse_conv", "[3,27] i32");
  shu_sparse_pool (c, x, random_index (c, SHU_DIMS (4), 2, 3), 2);
  CHECK_FAILS (c, SHU_ERROR_INVALID, "sparse_pool", "0..1");
}

static void
test_sparse_pool (void)
{
  static const gint32 index[] = {0, 2, 2, 0, 2, 3};
  static const double counts[] = {2, 0, 3, 1};
  g_autoptr (ShuCtx) c = context_new ();
  ShuTensor *x = random_tensor (c, SHU_DIMS (6, 9));
  ShuTensor *y = shu_sparse_pool (
      c, x, shu_from_host (c, SHU_DTYPE_I32, SHU_DIMS (6), index), 4);
  double *ref = reference_new (y);

  for (gsize i = 0; i < 54; i++)
    ref[(gsize) index[i / 9] * 9 + i % 9] +=
        at (x, i) / (counts[index[i / 9]] + 1);
  check_nmse (c, "sparse_pool", y, ref, LIMIT);
}

static void
test_sparse_group_norm (void)
{
  g_autoptr (ShuCtx) c = context_new ();
  ShuTensor *x = random_tensor (c, SHU_DIMS (999, 12));
  ShuTensor *y =
      to_host (c, shu_sparse_group_norm (c, x, NULL, 4, 1e-5f, SHU_ACT_NONE));
  double sum = 0, squares = 0;

  g_assert_cmpint (y->n_dims, ==, 2);
  g_assert_cmpint (y->dims[0], ==, 999);
  for (gsize i = 0; i < y->n; i++)
    if (i % 12 / 3 == 2) {
      sum += at (y, i);
      squares += at (y, i) * at (y, i);
    }
  g_assert_cmpfloat_with_epsilon (sum / 2997, 0, epsilon (1e-6));
  g_assert_cmpfloat_with_epsilon (squares / 2997, 1, epsilon (1e-4));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  test_add ("/ops/resize/definitions", test_resize);
  test_add ("/ops/resize/third_samples_centres", test_bilinear_centre);
  test_add ("/ops/adaptive_pool3d/windows", test_adaptive_pool3d);
  test_add ("/ops/upsample_nearest/copies", test_nearest);
  test_add ("/ops/max_pool2/ceil_mode", test_max_pool);
  test_add ("/ops/resize_concat/resizes_and_joins", test_resize_concat);
  test_add ("/ops/pixel_shuffle3d/channel_order", test_pixel_shuffle);
  test_add ("/ops/sparse_conv/sums", test_sparse_conv);
  test_add (
      "/ops/sparse_conv_subdivided/as_if_made", test_sparse_conv_subdivided);
  test_add ("/ops/sparse/wrong_rows_are_named", test_sparse_wrong);
  test_add ("/ops/sparse_pool/count_plus_one", test_sparse_pool);
  test_add ("/ops/sparse_group_norm/one_object", test_sparse_group_norm);
  return g_test_run ();
}
