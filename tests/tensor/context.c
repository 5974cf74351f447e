/* SPDX-License-Identifier: MIT */
/* Tensors, scopes, errors, cancelling and taps. */
#include "base/error.h"
#include "ops/ops.h"
#include <string.h>

static ShuCtx *
context_new (void)
{
  g_autoptr (GError) error = NULL;
  ShuCtx *c = shu_ctx_new ("cpu", &error);

  g_assert_no_error (error);
  g_assert_cmpstr (shu_ctx_device (c), ==, "cpu");
  return c;
}

/* A context of the first GPU, or of the CPU: never none */
static void
test_auto (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ShuCtx) c = shu_ctx_new ("auto", &error);
  g_autoptr (ShuCtx) first = shu_ctx_new ("cuda", NULL);

  g_assert_no_error (error);
  g_assert_cmpstr (shu_ctx_device (c), ==, first ? "cuda:0" : "cpu");
}

static void
test_devices (void)
{
  static const char *const names[] = {
      "cuda:999", "cuda:", "cuda:-1", "cuda:0x", "cuda:1024", "gpu", ""};

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autoptr (GError) error = NULL;

    g_assert_null (shu_ctx_new (names[i], &error));
    g_assert_error (error, SHU_ERROR, SHU_ERROR_UNSUPPORTED);
    g_assert_nonnull (strstr (error->message, names[i]));
  }
}

/* Where there is no GPU, one sentence says so and what to do. */
static void
test_no_gpu (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ShuCtx) c = shu_ctx_new ("cuda:0", &error);

  if (c) {
    g_test_skip ("there is a GPU");
    return;
  }
  g_assert_error (error, SHU_ERROR, SHU_ERROR_UNSUPPORTED);
  g_assert_nonnull (strstr (error->message, "device cuda:0: "));
  g_assert_nonnull (strstr (error->message, "use cpu or auto"));
}

static void
test_view (void)
{
  g_autoptr (ShuTensor) t = shu_tensor_new (SHU_DTYPE_U8, SHU_DIMS (2, 3, 4));
  g_autoptr (ShuTensor) view = shu_tensor_view (t, SHU_DIMS (6, -1));
  g_autofree char *text = shu_tensor_describe (view);

  g_assert_cmpstr (text, ==, "[6,4] u8");
  g_assert_cmpuint (shu_tensor_bytes (view), ==, 24);
  g_assert_true (view->data == t->data);
  g_assert_cmpuint ((guintptr) t->data % 64, ==, 0);
  g_clear_pointer (&t, shu_tensor_unref);
  memset (view->data, 1, 24); /* still there */
}

static void
count_unref (gpointer data)
{
  (*(int *) data)++;
}

static void
test_foreign_bytes (void)
{
  static const float values[] = {1, 2, 3, 4};
  int freed = 0;
  GBytes *owner =
      g_bytes_new_with_free_func (values, sizeof values, count_unref, &freed);
  ShuTensor *t =
      shu_tensor_new_bytes (SHU_DTYPE_F32, SHU_DIMS (2), owner, values + 1);

  g_bytes_unref (owner);
  g_assert_cmpint (freed, ==, 0);
  g_assert_cmpfloat (((float *) t->data)[1], ==, 3);
  shu_tensor_unref (t);
  g_assert_cmpint (freed, ==, 1);
}

/* [n] of memory that the context counts */
static ShuTensor *
block (ShuCtx *c, gint64 n)
{
  return shu_fill (c, SHU_DIMS (n), 1);
}

static ShuTensor *
nested (ShuCtx *c, int depth)
{
  SHU_SCOPE (c);
  ShuTensor *t = block (c, 1000);

  for (int i = 0; i < 5; i++)
    block (c, 1000);
  return shu_keep (c, depth > 0 ? nested (c, depth - 1) : t);
}

static void
test_scopes (void)
{
  g_autoptr (ShuCtx) c = context_new ();
  gsize before = shu_ctx_live_bytes (c);

  {
    SHU_SCOPE (c);
    ShuTensor *t = nested (c, 10);

    g_assert_cmpuint (shu_ctx_live_bytes (c) - before, ==, 4000);
    g_assert_cmpfloat (((float *) t->data)[999], ==, 1);
  }
  g_assert_cmpuint (shu_ctx_live_bytes (c), ==, before);
  g_assert_cmpuint (shu_ctx_peak_bytes (c), >=, 11 * 6 * 4000);
}

static void
test_views_hold (void)
{
  g_autoptr (ShuCtx) c = context_new ();
  ShuTensor *view;
  SHU_SCOPE (c);

  {
    ShuScope inner = shu_scope_begin (c);

    view = shu_keep (c, shu_reshape (c, block (c, 12), SHU_DIMS (3, 4)));
    shu_scope_end (inner);
  }
  g_assert_cmpuint (shu_ctx_live_bytes (c), ==, 48);
  g_assert_cmpfloat (((float *) view->data)[11], ==, 1);
}

static void
drop_inside (ShuCtx *c, ShuTensor *a, ShuTensor *b)
{
  SHU_SCOPE (c);
  ShuTensor *d = block (c, 500), *view;

  view = shu_reshape (c, d, SHU_DIMS (5, 100));
  shu_drop (c, view);
  g_assert_cmpuint (shu_ctx_live_bytes (c), ==, 4 * (1000 + 10));
  shu_reshape (c, a, SHU_DIMS (10, 100));
  shu_drop (c, a); /* the view here */
  g_assert_cmpuint (shu_ctx_live_bytes (c), ==, 4 * (1000 + 10));
  shu_drop (c, a); /* itself, outside */
  g_assert_cmpuint (shu_ctx_live_bytes (c), ==, 4 * 10);
  shu_drop (c, shu_reshape (c, b, SHU_DIMS (2, 5)));
}

static void
test_drop (void)
{
  g_autoptr (ShuCtx) c = context_new ();
  SHU_SCOPE (c);
  ShuTensor *a = block (c, 1000), *b = block (c, 10);

  drop_inside (c, a, b);
  g_assert_cmpuint (shu_ctx_live_bytes (c), ==, 4 * 10);
  g_assert_cmpfloat (((float *) b->data)[9], ==, 1);
}

static void
test_recycles (void)
{
  g_autoptr (ShuCtx) c = context_new ();
  gpointer first;

  {
    SHU_SCOPE (c);
    first = block (c, 1 << 20)->data;
  }
  {
    SHU_SCOPE (c);
    /* nearly the same size comes from the same block */
    g_assert_true (block (c, (1 << 20) - 999)->data == first);
    g_assert_true (block (c, 1 << 20)->data != first);
  }
}

static void
test_outlives (void)
{
  ShuCtx *c = context_new ();
  ShuTensor *mine;

  {
    SHU_SCOPE (c);
    mine = shu_own (c, block (c, 5000));
  }
  shu_ctx_free (c);
  g_assert_cmpfloat (((float *) mine->data)[4999], ==, 1);
  shu_tensor_unref (mine);
}

static void
test_first_error (void)
{
  g_autoptr (ShuCtx) c = context_new ();
  g_autoptr (GError) error = NULL;
  ShuTensor *nil;

  shu_ctx_fail (c, SHU_ERROR_LIMIT, "the %s", "first");
  shu_ctx_fail (c, SHU_ERROR_INVALID, "the second");
  nil = block (c, 100);
  for (int i = 0; i < SHU_MAX_DIMS; i++)
    g_assert_cmpint (nil->dims[i], ==, 1);
  g_assert_null (shu_own (c, nil));
  nil = shu_silu (c, shu_add (c, nil, nil));
  g_assert_false (shu_to_host (c, nil, NULL));
  g_assert_cmpuint (shu_ctx_live_bytes (c), ==, 0);
  g_assert_false (shu_ctx_finish (c, &error));
  g_assert_error (error, SHU_ERROR, SHU_ERROR_LIMIT);
  g_assert_cmpstr (error->message, ==, "the first");
  /* and then it works again */
  g_assert_true (shu_ctx_finish (c, NULL));
  g_assert_cmpint (block (c, 100)->n, ==, 100);
}

static void
test_no_memory (void)
{
  g_autoptr (ShuCtx) c = context_new ();
  g_autoptr (GError) error = NULL;

  shu_scoped (c, SHU_DTYPE_F32, SHU_DIMS (1 << 30, 1 << 28));
  g_assert_false (shu_ctx_finish (c, &error));
  g_assert_error (error, SHU_ERROR, SHU_ERROR_MEMORY);
  g_clear_error (&error);
  shu_scoped (
      c, SHU_DTYPE_F32, SHU_DIMS (G_MAXINT64 / 2, G_MAXINT64 / 2, 1 << 20));
  g_assert_false (shu_ctx_finish (c, &error));
  g_assert_error (error, SHU_ERROR, SHU_ERROR_LIMIT);
}

static void
test_cancel (void)
{
  g_autoptr (ShuCtx) c = context_new ();
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;

  shu_ctx_set_cancellable (c, cancellable);
  g_assert_cmpint (block (c, 10)->n, ==, 10);
  g_cancellable_cancel (cancellable);
  g_assert_cmpint (block (c, 10)->n, ==, 1);
  g_assert_false (shu_ctx_finish (c, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  shu_ctx_set_cancellable (c, NULL);
  g_assert_cmpint (block (c, 10)->n, ==, 10);
}

static void
on_tap (const char *name, ShuTensor *t, gpointer data)
{
  g_string_append_printf (data, "%s=%d ", name, (int) t->n);
}

static void
test_tap (void)
{
  g_autoptr (ShuCtx) c = context_new ();
  g_autoptr (GString) seen = g_string_new (NULL);
  ShuTensor *t = block (c, 3);

  g_assert_true (shu_tap (c, t, "unheard") == t);
  shu_ctx_set_tap (c, on_tap, seen);
  shu_tap (c, shu_tap (c, t, "blocks.%d.attn", 7), "out");
  g_assert_cmpstr (seen->str, ==, "blocks.7.attn=3 out=3 ");
}

static gpointer
forward (gpointer data)
{
  g_autoptr (ShuCtx) c = context_new ();
  ShuLinear *l = data;
  ShuTensor *x = shu_fill (c, SHU_DIMS (1, 64), 1);
  g_autoptr (GError) error = NULL;
  float sum = 0;

  for (int i = 0; i < 200; i++) {
    SHU_SCOPE (c);
    ShuTensor *y = shu_linear (c, shu_repeat (c, x, 1 + i % 7), l);

    (void) y;
  }
  x = shu_linear (c, x, l);
  shu_ctx_finish (c, &error);
  g_assert_no_error (error);
  for (gsize i = 0; i < x->n; i++)
    sum += ((float *) x->data)[i];
  g_assert_cmpfloat_with_epsilon (sum, 64 * 0.5f * 32, 1e-3);
  return NULL;
}

static void
test_parallel (void)
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

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/tensor/context/unknown_devices", test_devices);
  g_test_add_func ("/tensor/context/auto", test_auto);
  g_test_add_func ("/tensor/context/no_gpu", test_no_gpu);
  g_test_add_func ("/tensor/view/shares_elements", test_view);
  g_test_add_func ("/tensor/bytes/owner_lives", test_foreign_bytes);
  g_test_add_func ("/tensor/scope/nothing_leaks", test_scopes);
  g_test_add_func ("/tensor/scope/views_hold_storage", test_views_hold);
  g_test_add_func ("/tensor/scope/drops_early", test_drop);
  g_test_add_func ("/tensor/pool/recycles", test_recycles);
  g_test_add_func ("/tensor/pool/outlives_context", test_outlives);
  g_test_add_func ("/tensor/error/first_one_stays", test_first_error);
  g_test_add_func ("/tensor/error/no_memory", test_no_memory);
  g_test_add_func ("/tensor/error/cancelled", test_cancel);
  g_test_add_func ("/tensor/tap/names_results", test_tap);
  g_test_add_func ("/tensor/context/several_share_weights", test_parallel);
  return g_test_run ();
}
