/* SPDX-License-Identifier: MIT */
/* Records: every operation is seen, counted by its shapes and timed. */
#include "harness.h"
#include "ops/backend_private.h"
#include "ops/record.h"
#include <string.h>

static const ShuRecordRow *
row_of (ShuRecord *r, const char *op)
{
  GPtrArray *rows = shu_record_rows (r);

  for (guint i = 0; i < rows->len; i++) {
    const ShuRecordRow *row = g_ptr_array_index (rows, i);

    if (strcmp (row->op, op) == 0)
      return row;
  }
  g_error ("no row %s", op);
}

/* An entry of the table that a record does not know would be left out. */
static void
test_complete (void)
{
  gsize marks = G_STRUCT_OFFSET (ShuBackend, mark) / sizeof (gpointer);
  const gpointer *real = (const gpointer *) &shu_backend_cpu;
  const gpointer *record = (const gpointer *) &shu_backend_record;

  for (gsize i = 1; i < marks; i++)
    if (real[i] && (!record[i] || record[i] == real[i]))
      g_error ("entry %zu of the backend's table is not recorded", i);
}

static void
test_work (void)
{
  g_autoptr (ShuCtx) c = context_new ();
  gsize size = on_gpu () ? 2 : 4;
  ShuTensor *x = random_tensor (c, SHU_DIMS (2, 6, 8, 16));
  ShuLinear l = {
      random_tensor (c, SHU_DIMS (48, 16)), random_tensor (c, SHU_DIMS (48))};
  ShuConv k = {random_tensor (c, SHU_DIMS (32, 16, 3, 3)), NULL};
  g_autoptr (ShuRecord) r = shu_record_new (c, SHU_RECORD_WORK);
  const ShuRecordRow *row;
  ShuRecordRow total;
  g_autoptr (GError) error = NULL;

  shu_linear (c, x, &l);
  shu_linear_act (c, x, &l, SHU_ACT_SILU);
  shu_conv2d (
      c, x, &k, &(ShuConvParams){.stride = 2, .pad_before = 1, .pad_after = 1});
  shu_slice (c, x, 1, 1, 3);
  row = row_of (r, "linear");
  g_assert_cmpstr (row->shapes, ==, "[2,6,8,48] [2,6,8,16] [48,16] [48]");
  g_assert_cmpuint (row->calls, ==, 2);
  g_assert_cmpfloat (row->flop, ==, 2 * 2.0 * 96 * 16 * 48);
  g_assert_cmpfloat (
      row->bytes, ==, 2.0 * size * (96 * 48 + 96 * 16 + 48 * 16 + 48));
  row = row_of (r, "conv2d");
  g_assert_cmpfloat (row->flop, ==, 2.0 * 2 * 3 * 4 * 32 * 16 * 9);
  row = row_of (r, "copy");
  g_assert_cmpfloat (row->flop, ==, 0);
  g_assert_cmpfloat (row->bytes, ==, 2.0 * size * 2 * 3 * 8 * 16);
  g_assert_cmpfloat (row->seconds, ==, 0);
  total = shu_record_total (r);
  g_assert_cmpuint (total.calls, ==, 4);
  shu_ctx_finish (c, &error);
  g_assert_no_error (error);
}

static void
test_attention (void)
{
  g_autoptr (ShuCtx) c = context_new ();
  g_autoptr (ShuRecord) r = shu_record_new (c, SHU_RECORD_WORK);
  ShuTensor *q = random_tensor (c, SHU_DIMS (2, 5, 64));
  ShuTensor *k = random_tensor (c, SHU_DIMS (2, 7, 64));
  ShuTensor *t = random_tensor (c, SHU_DIMS (10, 64));
  const gint32 order[] = {9, 8, 7, 6, 5, 4, 3, 2, 1, 0}, start[] = {0, 3, 10};
  g_autoptr (GError) error = NULL;

  shu_attention (c, q, k, k, 2);
  shu_attention_groups (c, t, t, t,
      shu_from_host (c, SHU_DTYPE_I32, SHU_DIMS (10), order),
      shu_from_host (c, SHU_DTYPE_I32, SHU_DIMS (3), start), 2);
  g_assert_cmpfloat (row_of (r, "attention")->flop, ==, 4.0 * 2 * 5 * 7 * 64);
  g_assert_cmpfloat (
      row_of (r, "attention_groups")->flop, ==, 4.0 * (9 + 49) * 64);
  shu_ctx_finish (c, &error);
  g_assert_no_error (error);
}

/* In one step or two, that is the device's choice. */
static void
test_linear_add_norm (void)
{
  g_autoptr (ShuCtx) c = context_new ();
  g_autoptr (ShuRecord) r = shu_record_new (c, SHU_RECORD_WORK);
  ShuTensor *x = random_tensor (c, SHU_DIMS (2, 257, 1280));
  ShuTensor *h = random_tensor (c, SHU_DIMS (2, 257, 5120));
  ShuLinear l = {random_tensor (c, SHU_DIMS (1280, 5120)), NULL};
  g_autoptr (GError) error = NULL;

  shu_linear_add_norm (c, x, &l, NULL, &(ShuAddNorm){.h = h}, NULL);
  g_assert_cmpfloat (
      shu_record_total (r).flop, ==, 2.0 * 2 * 257 * 1280 * 5120);
  shu_ctx_finish (c, &error);
  g_assert_no_error (error);
}

/* Two voxels side by side along x: each has itself and one neighbour; of its
 * children four reach the neighbour, at one tap of the eight each. */
static void
test_sparse (void)
{
  g_autoptr (ShuCtx) c = context_new ();
  g_autoptr (ShuRecord) r = shu_record_new (c, SHU_RECORD_WORK);
  ShuTensor *x = random_tensor (c, SHU_DIMS (2, 32));
  ShuConv k = {random_tensor (c, SHU_DIMS (16, 3, 3, 3, 32)), NULL};
  gint32 nbr[2 * 27];
  ShuTensor *table;
  g_autoptr (GError) error = NULL;

  for (int i = 0; i < 2 * 27; i++)
    nbr[i] = -1;
  nbr[13] = 0;
  nbr[22] = 1;
  nbr[27 + 13] = 1;
  nbr[27 + 4] = 0;
  table = shu_from_host (c, SHU_DTYPE_I32, SHU_DIMS (2, 27), nbr);
  shu_sparse_conv (c, x, table, &k);
  shu_sparse_conv_subdivided (c, x, table, &k);
  g_assert_cmpfloat (row_of (r, "sparse_conv")->flop, ==, 2.0 * 4 * 32 * 16);
  g_assert_cmpfloat (row_of (r, "sparse_conv_subdivided")->flop, ==,
      2.0 * 2 * (8 + 4) * 32 * 16);
  shu_ctx_finish (c, &error);
  g_assert_no_error (error);
}

static void
test_time (void)
{
  g_autoptr (ShuCtx) c = context_new ();
  ShuTensor *x = random_tensor (c, SHU_DIMS (256, 256));
  g_autoptr (ShuRecord) r = shu_record_new (c, SHU_RECORD_TIME);
  GPtrArray *rows;
  g_autoptr (GError) error = NULL;

  for (int i = 0; i < 3; i++)
    shu_silu (c, x);
  shu_add (c, x, x);
  rows = shu_record_rows (r);
  for (guint i = 0; i < rows->len; i++) {
    const ShuRecordRow *row = g_ptr_array_index (rows, i);

    g_assert_cmpfloat (row->seconds, >, 0);
    g_assert_cmpfloat (row->seconds, <, 60);
  }
  g_assert_cmpuint (row_of (r, "act")->calls, ==, 3);
  shu_ctx_finish (c, &error);
  g_assert_no_error (error);
}

/* Nothing is computed, and with the record gone everything is as before. */
static void
test_dry (void)
{
  g_autoptr (ShuCtx) c = context_new ();
  ShuTensor *x = shu_fill (c, SHU_DIMS (2, 2), 3), *y;
  float values[4] = {1, 1, 1, 1};
  g_autoptr (GError) error = NULL;

  {
    g_autoptr (ShuRecord) r =
        shu_record_new (c, SHU_RECORD_WORK | SHU_RECORD_DRY);

    shu_to_host (c, shu_add (c, x, x), values);
    for (int i = 0; i < 4; i++)
      g_assert_cmpfloat (values[i], ==, 0);
    g_assert_cmpuint (shu_record_total (r).calls, ==, 2);
  }
  y = shu_add (c, x, x);
  shu_to_host (c, y, values);
  g_assert_cmpfloat (values[3], ==, 6);
  shu_ctx_finish (c, &error);
  g_assert_no_error (error);
}

/* What fails, fails as it does without a record. */
static void
test_failure (void)
{
  g_autoptr (ShuCtx) c = context_new ();
  g_autoptr (ShuRecord) r =
      shu_record_new (c, SHU_RECORD_WORK | SHU_RECORD_TIME);
  ShuTensor *x = random_tensor (c, SHU_DIMS (2, 4));

  shu_add (c, x, random_tensor (c, SHU_DIMS (3)));
  shu_silu (c, x);
  CHECK_FAILS (c, SHU_ERROR_INVALID, "add", "[3]");
  g_assert_cmpuint (shu_record_total (r).calls, ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/ops/record/complete", test_complete);
  test_add ("/ops/record/work", test_work);
  test_add ("/ops/record/attention", test_attention);
  test_add ("/ops/record/linear_add_norm", test_linear_add_norm);
  test_add ("/ops/record/sparse", test_sparse);
  test_add ("/ops/record/time", test_time);
  g_test_add_func ("/ops/record/dry/cpu", test_dry);
  test_add ("/ops/record/failure", test_failure);
  return g_test_run ();
}
