/* SPDX-License-Identifier: MIT */
/* One thread and more give the same bits, at the shapes of the networks and at
 * odd ones. */
#include "harness.h"
#include <omp.h>
#include <string.h>

typedef ShuTensor *(*Run) (ShuCtx *c, const gint64 *size);

static ShuTensor *
run_linear (ShuCtx *c, const gint64 *s)
{
  ShuLinear l = {random_tensor (c, SHU_DIMS (s[2], s[1])),
      random_tensor (c, SHU_DIMS (s[2]))};

  return shu_linear_act (
      c, random_tensor (c, SHU_DIMS (s[0], s[1])), &l, SHU_ACT_GELU);
}

static ShuTensor *
run_linear_add (ShuCtx *c, const gint64 *s)
{
  ShuLinear l = {random_tensor (c, SHU_DIMS (s[2], s[1])), NULL};

  return shu_linear_add (c, random_tensor (c, SHU_DIMS (s[0], s[1])), &l,
      random_tensor (c, SHU_DIMS (s[0], s[2])));
}

static ShuTensor *
run_geglu (ShuCtx *c, const gint64 *s)
{
  ShuLinear l = {random_tensor (c, SHU_DIMS (2 * s[2], s[1])),
      random_tensor (c, SHU_DIMS (2 * s[2]))};

  return shu_linear_geglu (c, random_tensor (c, SHU_DIMS (s[0], s[1])), &l);
}

static ShuTensor *
run_conv2d (ShuCtx *c, const gint64 *s)
{
  ShuConv k = {random_tensor (c, SHU_DIMS (s[3], s[2], s[4], s[4])),
      random_tensor (c, SHU_DIMS (s[3]))};

  return shu_conv2d (c, random_tensor (c, SHU_DIMS (s[0], s[1], s[1], s[2])),
      &k,
      &(ShuConvParams){
          .pad_before = (int) s[4] / 2, .pad_after = (int) s[4] / 2});
}

/* Dilation in the place of the batch. */
static ShuTensor *
run_dilated (ShuCtx *c, const gint64 *s)
{
  ShuConv k = {random_tensor (c, SHU_DIMS (s[3], s[2], s[4], s[4])),
      random_tensor (c, SHU_DIMS (s[3]))};

  return shu_conv2d (c, random_tensor (c, SHU_DIMS (1, s[1], s[1], s[2])), &k,
      &(ShuConvParams){.dilation = (int) s[0],
          .pad_before = (int) s[0],
          .pad_after = (int) s[0],
          .act = SHU_ACT_RELU});
}

/* Stride 2, padded after only. */
static ShuTensor *
run_halved (ShuCtx *c, const gint64 *s)
{
  ShuConv k = {random_tensor (c, SHU_DIMS (s[3], s[2], s[4], s[4])),
      random_tensor (c, SHU_DIMS (s[3]))};

  return shu_conv2d (c, random_tensor (c, SHU_DIMS (s[0], s[1], s[1], s[2])),
      &k, &(ShuConvParams){.stride = 2, .pad_after = 1});
}

static ShuTensor *
run_upsample (ShuCtx *c, const gint64 *s)
{
  ShuConv k = {random_tensor (c, SHU_DIMS (s[3], s[2], 3, 3)),
      random_tensor (c, SHU_DIMS (s[3]))};

  return shu_conv2d (c, random_tensor (c, SHU_DIMS (s[0], s[1], s[1], s[2])),
      &k, &(ShuConvParams){.pad_before = 1, .pad_after = 1, .upsample = TRUE});
}

static ShuTensor *
run_conv3d (ShuCtx *c, const gint64 *s)
{
  ShuConv k = {random_tensor (c, SHU_DIMS (s[3], s[2], 3, 3, 3)),
      random_tensor (c, SHU_DIMS (s[3]))};

  return shu_conv3d_same (
      c, random_tensor (c, SHU_DIMS (s[0], s[1], s[1], s[1], s[2])), &k);
}

static ShuTensor *
run_group_norm (ShuCtx *c, const gint64 *s)
{
  return shu_group_norm (c, random_tensor (c, SHU_DIMS (s[0], s[1], s[2])),
      NULL, 32, 1e-5f, SHU_ACT_SILU);
}

static ShuTensor *
run_attention (ShuCtx *c, const gint64 *s)
{
  return shu_attention (c, random_tensor (c, SHU_DIMS (s[0], s[1], s[3])),
      random_tensor (c, SHU_DIMS (s[0], s[2], s[3])),
      random_tensor (c, SHU_DIMS (s[0], s[2], s[3])), (int) s[4]);
}

/* s[0] tokens, s[1] keys each, s[3] channels */
static ShuTensor *
run_gather (ShuCtx *c, const gint64 *s)
{
  return shu_attention_gather (c, random_tensor (c, SHU_DIMS (s[0], s[3])),
      random_tensor (c, SHU_DIMS (s[2], s[3])),
      random_tensor (c, SHU_DIMS (s[2], s[3])),
      random_index (c, SHU_DIMS (s[0], s[1]), 0, (int) s[2]), (int) s[4]);
}

static ShuTensor *
run_sparse (ShuCtx *c, const gint64 *s)
{
  ShuConv k = {random_tensor (c, SHU_DIMS (s[2], 3, 3, 3, s[1])),
      random_tensor (c, SHU_DIMS (s[2]))};
  ShuTensor *x = random_tensor (c, SHU_DIMS (s[0], s[1]));
  ShuTensor *nbr = random_index (c, SHU_DIMS (s[0], 27), -1, (int) s[0]);

  return s[3] ? shu_sparse_conv_subdivided (c, x, nbr, &k)
              : shu_sparse_conv (c, x, nbr, &k);
}

static const struct {
  const char *name;
  Run run;
  gint64 size[5];
} rows[] = {
    {"linear", run_linear, {1, 128, 768}},
    {"linear", run_linear, {10, 128, 128}},
    {"linear", run_linear, {37, 32, 32}},
    {"linear", run_linear, {11520, 64, 192}},
    {"linear", run_linear, {2880, 128, 1024}},
    {"linear", run_linear, {2880, 512, 128}},
    {"linear", run_linear, {720, 1024, 128}},
    {"linear", run_linear, {1029, 588, 128}},
    {"linear", run_linear, {512, 128, 384}},
    {"linear", run_linear, {2, 2048, 64}},
    {"linear", run_linear, {828, 4096, 512}},
    {"linear", run_linear, {1, 2048, 64}},
    {"linear", run_linear, {2, 128, 768}},
    {"linear", run_linear, {2, 1024, 6144}},
    {"linear", run_linear, {4, 4096, 16}},
    {"linear", run_linear, {7, 3000, 5}},
    {"linear", run_linear, {64, 1024, 1024}},
    {"linear", run_linear, {97, 333, 1001}},
    {"linear", run_linear, {257, 1024, 257}},
    {"linear", run_linear, {378, 500, 378}},
    {"linear", run_linear, {1153, 8, 8}},
    {"linear", run_linear, {11520, 256, 64}},
    {"linear", run_linear, {8232, 128, 384}},
    {"linear_add", run_linear_add, {2, 2048, 64}},
    {"linear_add", run_linear_add, {2880, 512, 128}},
    {"linear_add", run_linear_add, {33, 700, 400}},
    {"geglu", run_geglu, {2880, 128, 512}},
    {"geglu", run_geglu, {3, 2048, 40}},
    {"conv2d 3x3", run_conv2d, {20, 24, 8, 64, 3}},
    {"conv2d 3x3", run_conv2d, {20, 24, 64, 64, 3}},
    {"conv2d 3x3", run_conv2d, {20, 12, 192, 128, 3}},
    {"conv2d 3x3", run_conv2d, {20, 6, 256, 128, 3}},
    {"conv2d 1x1", run_conv2d, {20, 24, 192, 64, 1}},
    {"conv2d 3x3", run_conv2d, {1, 96, 64, 64, 3}},
    {"conv2d 3x3", run_conv2d, {1, 192, 32, 3, 3}},
    {"conv2d 3x3", run_conv2d, {1, 64, 3, 16, 3}},
    {"conv2d 3x3", run_conv2d, {1, 10, 64, 64, 3}},
    {"conv2d 3x3", run_conv2d, {1, 5, 9, 7, 3}},
    {"conv2d 3x3", run_conv2d, {1, 1, 512, 8, 3}},
    {"conv2d 3x3", run_conv2d, {1, 6, 1024, 16, 3}},
    {"conv2d 3x3", run_conv2d, {2, 33, 17, 50, 3}},
    {"conv2d 3x3", run_conv2d, {9, 24, 96, 96, 3}},
    {"conv2d 3x3", run_conv2d, {1, 320, 4, 8, 3}},
    {"conv2d 1x1", run_conv2d, {1, 3, 2048, 24, 1}},
    {"conv2d 5x5", run_conv2d, {1, 40, 16, 16, 5}},
    {"dilated", run_dilated, {2, 20, 16, 64, 3}},
    {"dilated", run_dilated, {8, 40, 64, 16, 3}},
    {"halved", run_halved, {2, 96, 32, 32, 3}},
    {"halved", run_halved, {1, 31, 9, 33, 3}},
    {"upsample", run_upsample, {1, 5, 24, 7}},
    {"upsample", run_upsample, {20, 6, 128, 128}},
    {"upsample", run_upsample, {1, 48, 64, 64}},
    {"conv3d", run_conv3d, {1, 8, 8, 64}},
    {"conv3d", run_conv3d, {1, 8, 64, 64}},
    {"conv3d", run_conv3d, {1, 32, 16, 16}},
    {"conv3d", run_conv3d, {1, 32, 16, 1}},
    {"conv3d", run_conv3d, {2, 8, 128, 128}},
    {"conv3d", run_conv3d, {1, 4, 512, 32}},
    {"conv3d", run_conv3d, {1, 5, 3, 11}},
    {"group_norm", run_group_norm, {20, 576, 64}},
    {"group_norm", run_group_norm, {1, 36864, 32}},
    {"attention", run_attention, {10, 1152, 1152, 64, 1}},
    {"attention", run_attention, {40, 48, 48, 128, 2}},
    {"attention", run_attention, {20, 576, 4, 64, 1}},
    {"attention", run_attention, {1, 1029, 1029, 128, 2}},
    {"attention", run_attention, {1, 576, 576, 96, 1}},
    {"attention", run_attention, {1, 7, 5000, 24, 1}},
    {"attention", run_attention, {3, 97, 65, 40, 5}},
    {"gather", run_gather, {999, 8, 500, 128, 2}},
    {"sparse_conv", run_sparse, {6624, 64, 64, 0}},
    {"sparse_conv", run_sparse, {65, 512, 24, 0}},
    {"sparse_conv", run_sparse, {999, 32, 32, 0}},
    {"subdivided", run_sparse, {828, 256, 64, 1}},
    {"subdivided", run_sparse, {67, 16, 8, 1}},
};

static ShuTensor *
run_row (ShuCtx *c, gsize i, int n_threads)
{
  g_autoptr (GError) error = NULL;
  ShuTensor *y;

  omp_set_num_threads (n_threads);
  random_seed (i);
  y = rows[i].run (c, rows[i].size);
  shu_ctx_finish (c, &error);
  g_assert_no_error (error);
  return y;
}

/* Values of the row that are other bits than with one thread. */
static gsize
count_differences (ShuCtx *c, gsize row, ShuTensor *one, int n_threads)
{
  SHU_SCOPE (c);
  ShuTensor *y = run_row (c, row, n_threads);
  gsize differ = 0;

  for (gsize k = 0; k < one->n; k++)
    differ += memcmp ((float *) one->data + k, (float *) y->data + k, 4) != 0;
  return differ;
}

static void
test_bits (void)
{
  static const int n_threads[] = {2, 5};
  int before = omp_get_max_threads ();
  g_autoptr (ShuCtx) c = context_new ();

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    SHU_SCOPE (c);
    ShuTensor *one = run_row (c, i, 1);

    for (gsize t = 0; t < G_N_ELEMENTS (n_threads); t++) {
      gsize differ = count_differences (c, i, one, n_threads[t]);

      if (!differ)
        continue;
      g_test_message (
          "%s, row %d: %d of %d values differ between 1 and %d threads",
          rows[i].name, (int) i, (int) differ, (int) one->n, n_threads[t]);
      g_test_fail ();
    }
  }
  omp_set_num_threads (before);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/ops/threads/same_bits", test_bits);
  return g_test_run ();
}
