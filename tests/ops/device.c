/* SPDX-License-Identifier: MIT */
/* What contexts of a GPU do besides arithmetic: memory, errors, threads, and
 * the same bits every time. */
#include "harness.h"
#include <string.h>

static void
test_no_memory (void)
{
  g_autoptr (ShuCtx) c = context_new ();
  g_autoptr (GError) error = NULL;
  /* more than any GPU has; more than a context of the CPU asks for */
  gint64 many = (gint64) 1 << (on_gpu () ? 42 : 45);
  ShuTensor *x;

  shu_fill (c, SHU_DIMS (many), 1);
  CHECK_FAILS (c, SHU_ERROR_MEMORY, "no memory for");
  x = to_host (c, shu_fill (c, SHU_DIMS (3), 2));
  g_assert_cmpfloat (at (x, 2), ==, 2);
  shu_ctx_finish (c, &error);
  g_assert_no_error (error);
}

static void
test_scopes (void)
{
  g_autoptr (ShuCtx) c = context_new ();

  for (int i = 0; i < 3; i++) {
    SHU_SCOPE (c);

    shu_fill (c, SHU_DIMS (1 << 20), 1);
    g_assert_cmpuint (shu_ctx_live_bytes (c), >=, 1 << 21);
  }
  g_assert_cmpuint (shu_ctx_live_bytes (c), ==, 0);
  g_assert_cmpuint (shu_ctx_peak_bytes (c), <, 1 << 23);
}

static void
test_other_device (void)
{
  g_autoptr (ShuCtx) c = context_new ();
  g_autoptr (ShuCtx) cpu = shu_ctx_new ("cpu", NULL);
  ShuTensor *x = shu_fill (c, SHU_DIMS (2, 2), 1);

  shu_add (cpu, x, x);
  CHECK_FAILS (cpu, SHU_ERROR_INVALID, "cuda:0", "of cpu");
}

static gpointer
forward (gpointer data)
{
  const ShuLinear *l = data;
  g_autoptr (ShuCtx) c = context_new ();
  double sum = 0;
  ShuTensor *x;

  for (int i = 0; i < 100; i++) {
    SHU_SCOPE (c);

    shu_linear (c, shu_fill (c, SHU_DIMS (1 + i % 7, 64), 1), l);
  }
  x = to_host (c, shu_linear (c, shu_fill (c, SHU_DIMS (1, 64), 1), l));
  for (gsize i = 0; i < x->n; i++)
    sum += at (x, i);
  g_assert_cmpfloat (sum, ==, 64 * 0.5 * 32);
  return NULL;
}

static void
test_threads (void)
{
  g_autoptr (ShuTensor) w = shu_tensor_new (SHU_DTYPE_F32, SHU_DIMS (32, 64));
  ShuLinear l = {w, NULL};
  GThread *threads[4];

  for (gsize i = 0; i < w->n; i++)
    ((float *) w->data)[i] = 0.5f;
  for (int i = 0; i < 4; i++)
    threads[i] = g_thread_new ("forward", forward, &l);
  for (int i = 0; i < 4; i++)
    g_thread_join (threads[i]);
}

/* ---- the same bits ---- */

typedef ShuTensor *(*Run) (ShuCtx *c);

static ShuTensor *
run_linear (ShuCtx *c)
{
  ShuLinear l = {random_tensor (c, SHU_DIMS (320, 1280)),
      random_tensor (c, SHU_DIMS (320))};

  return shu_linear_add (c, random_tensor (c, SHU_DIMS (77, 1280)), &l,
      random_tensor (c, SHU_DIMS (77, 320)));
}

static ShuTensor *
run_geglu (ShuCtx *c)
{
  ShuLinear l = {random_tensor (c, SHU_DIMS (2560, 320)),
      random_tensor (c, SHU_DIMS (2560))};

  return shu_linear_geglu (c, random_tensor (c, SHU_DIMS (600, 320)), &l);
}

static ShuTensor *
run_conv2d (ShuCtx *c)
{
  ShuConv k = {random_tensor (c, SHU_DIMS (64, 320, 3, 3)),
      random_tensor (c, SHU_DIMS (64))};

  return shu_conv2d_same (c, random_tensor (c, SHU_DIMS (2, 12, 12, 320)), &k);
}

static ShuTensor *
run_conv3d (ShuCtx *c)
{
  ShuConv k = {random_tensor (c, SHU_DIMS (64, 64, 3, 3, 3)),
      random_tensor (c, SHU_DIMS (64))};

  return shu_conv3d_same (c, random_tensor (c, SHU_DIMS (1, 8, 8, 8, 64)), &k);
}

static ShuTensor *
run_group_norm (ShuCtx *c)
{
  return shu_group_norm (c, random_tensor (c, SHU_DIMS (2, 48, 48, 320)), NULL,
      32, 1e-5f, SHU_ACT_SILU);
}

static ShuTensor *
run_attention (ShuCtx *c)
{
  ShuTensor *x = random_tensor (c, SHU_DIMS (2, 1100, 128));

  return shu_attention (c, x, x, x, 2);
}

static ShuTensor *
run_large_head (ShuCtx *c)
{
  ShuTensor *x = random_tensor (c, SHU_DIMS (1, 600, 512));

  return shu_attention (c, x, x, x, 1);
}

static ShuTensor *
run_sparse_conv (ShuCtx *c)
{
  ShuConv k = {random_tensor (c, SHU_DIMS (64, 3, 3, 3, 64)),
      random_tensor (c, SHU_DIMS (64))};

  return shu_sparse_conv (c, random_tensor (c, SHU_DIMS (999, 64)),
      random_index (c, SHU_DIMS (999, 27), -1, 999), &k);
}

static ShuTensor *
run_sparse_pool (ShuCtx *c)
{
  return shu_sparse_pool (c, random_tensor (c, SHU_DIMS (5000, 64)),
      random_index (c, SHU_DIMS (5000), 0, 40), 40);
}

static void
test_bits (void)
{
  static const struct {
    const char *name;
    Run run;
  } rows[] = {
      {"linear", run_linear},
      {"linear_geglu", run_geglu},
      {"conv2d", run_conv2d},
      {"conv3d", run_conv3d},
      {"group_norm", run_group_norm},
      {"attention", run_attention},
      {"attention, heads of 512", run_large_head},
      {"sparse_conv", run_sparse_conv},
      {"sparse_pool", run_sparse_pool},
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (ShuCtx) c = context_new ();
    g_autoptr (ShuCtx) other = context_new ();
    ShuTensor *a, *b;

    random_seed (i);
    a = to_host (c, rows[i].run (c));
    random_seed (i);
    b = to_host (other, rows[i].run (other));
    if (memcmp (a->data, b->data, a->n * sizeof (float)) != 0)
      g_test_fail_printf ("%s: not the same bits twice", rows[i].name);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  test_add ("/ops/device/no_memory", test_no_memory);
  test_add ("/ops/device/scopes_give_back", test_scopes);
  test_add_cuda ("/ops/device/other_device", test_other_device);
  test_add ("/ops/device/several_share_weights", test_threads);
  test_add ("/ops/device/same_bits", test_bits);
  return g_test_run ();
}
