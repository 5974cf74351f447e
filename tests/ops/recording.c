/* SPDX-License-Identifier: MIT */
/* What one context asked for, and others ask for again: recorded where a device
 * can, with the same bits.  When that happens is seen with a backend that plays
 * such a device. */
#include "harness.h"
#include "ops/backend_private.h"
#include "ops/record.h"
#include <string.h>

/* ---- a device that records, played by the CPU ---- */

/* Its records are of twice(), and their number. */
static struct {
  ShuBackend backend;
  gboolean on; /* it records */
  gboolean refuses, spoils;
  int n_records, n_replays, n_freed;
  void (*replays) (void); /* called while it does */
} player;

typedef struct {
  int calls;
  gboolean fails;
  gint64 takes; /* while it is recorded, more bytes than anybody gets */
} Net;

/* 2 x + 1 */
static ShuTensor *
twice (ShuCtx *c, gconstpointer data, ShuTensor *x)
{
  SHU_SCOPE (c);
  Net *net = (gpointer) data;

  net->calls++;
  if (player.on && net->takes > 0)
    shu_scoped (c, SHU_DTYPE_U8, SHU_DIMS (net->takes));
  if (net->fails)
    shu_ctx_fail (c, SHU_ERROR_INVALID, "as told");
  return shu_keep (c, shu_affine (c, x, 2, 1));
}

static gboolean
player_begin (ShuCtx *c, gboolean lasts)
{
  g_assert_true (lasts);
  player.on = !player.refuses;
  return player.on;
}

static gpointer
player_end (ShuCtx *c, gboolean *ret_void)
{
  player.on = FALSE;
  *ret_void = player.spoils;
  if (player.spoils)
    shu_ctx_fail (c, SHU_ERROR_INTERNAL, "somebody waited");
  return shu_ctx_failed (c) ? NULL : GINT_TO_POINTER (++player.n_records);
}

static void
player_replay (
    ShuCtx *c, gpointer captured, const ShuMove *before, const ShuMove *after)
{
  const float *x = before->y->data;
  float *y = after->x->data;

  memcpy (before->y->data, before->x->data, shu_tensor_bytes (before->x));
  for (gsize i = 0; i < before->y->n; i++)
    y[i] = 2 * x[i] + 1;
  memcpy (after->y->data, after->x->data, shu_tensor_bytes (after->y));
  player.n_replays++;
  if (player.replays)
    player.replays ();
}

static void
player_free (gpointer captured)
{
  player.n_freed++;
}

static void
player_start (void)
{
  memset (&player, 0, sizeof player);
  player.backend = shu_backend_cpu;
  player.backend.capture_begin = player_begin;
  player.backend.capture_end = player_end;
  player.backend.replay = player_replay;
  player.backend.captured_free = player_free;
}

static ShuCtx *
player_context (void)
{
  ShuCtx *c = shu_ctx_new ("cpu", NULL);

  c->backend = &player.backend;
  return c;
}

/* In @c, of @n values that begin with @first */
static void
ask_in (ShuCtx *c, ShuRecording *r, Net *net, gint64 n, float first)
{
  SHU_SCOPE (c);
  ShuTensor *x = host_tensor (c, SHU_DTYPE_F32, SHU_DIMS (n, 3)), *y;
  g_autoptr (GError) error = NULL;

  for (gsize i = 0; i < x->n; i++)
    ((float *) x->data)[i] = first + (float) i;
  y = shu_recorded (c, r, twice, net, x);
  shu_ctx_finish (c, &error);
  g_assert_no_error (error);
  for (gsize i = 0; i < x->n; i++)
    g_assert_cmpfloat (at (y, i), ==, 2 * at (x, i) + 1);
}

/* In a context of its own */
static void
ask (ShuRecording *r, Net *net, gint64 n, float first)
{
  g_autoptr (ShuCtx) c = player_context ();

  ask_in (c, r, net, n, first);
}

static void
test_second_context_records (void)
{
  ShuRecording *r = shu_recording_new ();
  g_autoptr (ShuCtx) first = NULL;
  Net net = {0};

  player_start ();
  first = player_context ();
  for (int i = 0; i < 3; i++)
    ask_in (first, r, &net, 4, (float) i);
  g_assert_cmpint (net.calls, ==, 3);
  g_assert_cmpint (player.n_records, ==, 0);
  for (int i = 0; i < 3; i++)
    ask (r, &net, 4, 10 * (float) i);
  ask_in (first, r, &net, 4, 7);
  g_assert_cmpint (net.calls, ==, 4);
  g_assert_cmpint (player.n_records, ==, 1);
  g_assert_cmpint (player.n_replays, ==, 4);
  shu_recording_free (r);
  g_assert_cmpint (player.n_freed, ==, 1);
}

static void
test_other_shapes (void)
{
  g_autoptr (ShuRecording) r = shu_recording_new ();
  Net net = {0};

  player_start ();
  ask (r, &net, 4, 0);
  ask (r, &net, 5, 0); /* what was asked for last counts */
  ask (r, &net, 4, 0);
  ask (r, &net, 4, 1);
  g_assert_cmpint (net.calls, ==, 4);
  g_assert_cmpint (player.n_replays, ==, 1);
  ask (r, &net, 5, 0); /* and a record stays what it is */
  ask (r, &net, 5, 0);
  ask (r, &net, 4, 2);
  g_assert_cmpint (net.calls, ==, 6);
  g_assert_cmpint (player.n_replays, ==, 2);
  g_assert_cmpint (player.n_records, ==, 1);
}

static void
count_tap (const char *name, ShuTensor *t, gpointer data)
{
}

static void
test_listeners (void)
{
  g_autoptr (ShuRecording) r = shu_recording_new ();
  Net net = {0};

  player_start ();
  for (int i = 0; i < 3; i++) {
    g_autoptr (ShuCtx) c = player_context ();

    shu_ctx_set_tap (c, count_tap, NULL);
    ask_in (c, r, &net, 4, 0);
  }
  g_assert_cmpint (net.calls, ==, 3);
  for (int i = 0; i < 2; i++)
    ask (r, &net, 4, 0);
  g_assert_cmpint (player.n_replays, ==, 1);
  {
    g_autoptr (ShuCtx) c = player_context ();
    g_autoptr (ShuRecord) record = shu_record_new (c, SHU_RECORD_WORK);

    ask_in (c, r, &net, 4, 0);
    g_assert_cmpuint (shu_record_total (record).calls, ==, 1);
  }
  g_assert_cmpint (player.n_replays, ==, 1);
}

/* ---- who asks at the same time ---- */

static struct {
  ShuRecording *r;
  Net net;
} beside;

static void
ask_beside (void)
{
  player.replays = NULL;
  ask (beside.r, &beside.net, 4, 100);
}

static void
test_busy (void)
{
  g_autoptr (ShuRecording) r = shu_recording_new ();
  Net net = {0};

  player_start ();
  memset (&beside, 0, sizeof beside);
  beside.r = r;
  ask (r, &net, 4, 0);
  player.replays = ask_beside;
  ask (r, &net, 4, 1);
  g_assert_cmpint (beside.net.calls, ==, 1);
  g_assert_cmpint (player.n_replays, ==, 1);
}

/* ---- what goes wrong ---- */

static void
test_spoilt (void)
{
  g_autoptr (ShuRecording) r = shu_recording_new ();
  Net net = {0};

  player_start ();
  player.spoils = TRUE;
  ask (r, &net, 4, 0);
  ask (r, &net, 4, 1);
  g_assert_cmpint (net.calls, ==, 3);
  player.spoils = FALSE;
  ask (r, &net, 4, 2);
  ask (r, &net, 4, 3);
  g_assert_cmpint (net.calls, ==, 4);
  g_assert_cmpint (player.n_replays, ==, 2);
}

/* So a job is none the worse for it, and at last nobody tries any more. */
static void
test_no_memory (void)
{
  g_autoptr (ShuRecording) r = shu_recording_new ();
  Net net = {.takes = (gint64) 1 << 50};

  player_start ();
  for (int i = 0; i < 6; i++)
    ask (r, &net, 4, (float) i);
  g_assert_cmpint (net.calls, ==, 6 + 3);
  g_assert_cmpint (player.n_records, ==, 0);
}

static void
test_cannot (void)
{
  g_autoptr (ShuRecording) r = shu_recording_new ();
  Net net = {0};

  player_start ();
  player.refuses = TRUE;
  for (int i = 0; i < 6; i++)
    ask (r, &net, 4, (float) i);
  g_assert_cmpint (net.calls, ==, 6);
  player.backend.capture_begin = NULL;
  ask (r, &net, 4, 0);
  g_assert_cmpint (net.calls, ==, 7);
}

static void
test_failure (void)
{
  g_autoptr (ShuRecording) r = shu_recording_new ();
  Net net = {0};

  player_start ();
  ask (r, &net, 4, 0);
  net.fails = TRUE;
  for (int i = 0; i < 2; i++) {
    g_autoptr (ShuCtx) c = player_context ();
    ShuTensor *x = host_tensor (c, SHU_DTYPE_F32, SHU_DIMS (4, 3));

    memset (x->data, 0, shu_tensor_bytes (x));
    shu_recorded (c, r, twice, &net, x);
    CHECK_FAILS (c, SHU_ERROR_INVALID, "as told");
  }
  net.fails = FALSE;
  ask (r, &net, 4, 0);
  g_assert_cmpint (player.n_replays, ==, 1);
}

/* ---- what it takes is told before ---- */

/* Bytes of a rehearsal that asks @times */
static gsize
rehearse (ShuRecording *r, Net *net, int times)
{
  g_autoptr (ShuCtx) c = shu_ctx_new_measure ();
  g_autoptr (ShuRecord) record = shu_record_new (c, SHU_RECORD_DRY);

  for (int i = 0; i < times; i++) {
    SHU_SCOPE (c);

    shu_recorded (c, r, twice, net, shu_scoped (c, c->real, SHU_DIMS (4, 3)));
  }
  g_assert_false (shu_ctx_failed (c));
  return shu_ctx_held_peak_bytes (c);
}

static void
test_rehearsed (void)
{
  g_autoptr (ShuRecording) r = shu_recording_new ();
  Net net = {0};
  gsize none, some;

  player_start ();
  none = rehearse (r, &net, 2);
  ask (r, &net, 4, 0);
  some = rehearse (r, &net, 1);
  g_assert_cmpuint (some, ==, 2 * none);
  g_assert_cmpuint (rehearse (r, &net, 3), ==, some);
  ask (r, &net, 4, 0); /* from now on it is there */
  g_assert_cmpint (player.n_records, ==, 1);
  g_assert_cmpuint (rehearse (r, &net, 2), ==, none);
}

/* ---- a network of each device, for good ---- */

enum { ROWS = 6 * 8, C = 40, MAX_TIMES = 32 };

typedef struct {
  ShuCtx *owner; /* of the weights */
  ShuConv conv;
  ShuLinear in, out;
  ShuNorm norm;
  ShuRecording *r;
  int calls;
} Layers;

static void
layers_init (Layers *l)
{
  ShuCtx *c = shu_ctx_new ("cpu", NULL);

  random_seed (5);
  *l = (Layers){.owner = c,
      .conv = {random_tensor (c, SHU_DIMS (C, C, 3, 3)),
          random_tensor (c, SHU_DIMS (C))},
      .in = {random_tensor (c, SHU_DIMS (2 * C, C)),
          random_tensor (c, SHU_DIMS (2 * C))},
      .out = {random_tensor (c, SHU_DIMS (C, 2 * C)), NULL},
      .norm = {random_tensor (c, SHU_DIMS (C)),
          random_tensor (c, SHU_DIMS (C))},
      .r = shu_recording_new ()};
}

static void
layers_clear (Layers *l)
{
  shu_recording_free (l->r);
  shu_ctx_free (l->owner);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Layers, layers_clear)

static ShuTensor *
layers (ShuCtx *c, gconstpointer data, ShuTensor *x)
{
  SHU_SCOPE (c);
  Layers *l = (gpointer) data;
  ShuTensor *h = shu_conv2d_same (c, x, &l->conv);

  g_atomic_int_inc (&l->calls);
  h = shu_silu (c, shu_layer_norm (c, h, &l->norm, 1e-5f));
  h = shu_linear_act (c, h, &l->in, SHU_ACT_GELU);
  return shu_keep (c, shu_add (c, x, shu_linear (c, h, &l->out)));
}

/* (transfer full): what comes of input @i, in a context of its own; @direct:
 * beside the recording */
static GBytes *
result (Layers *l, int i, int n, gboolean direct)
{
  g_autoptr (ShuCtx) c = context_new ();
  ShuTensor *x = host_tensor (c, SHU_DTYPE_F32, SHU_DIMS (n, 6, 8, C)), *y;
  g_autoptr (GError) error = NULL;

  for (gsize k = 0; k < x->n; k++)
    ((float *) x->data)[k] = (float) ((k * 37 + (gsize) i * 101) % 64) / 32 - 1;
  shu_fill (c, SHU_DIMS (ROWS, C), 77); /* others work in between */
  y = direct ? layers (c, l, x) : shu_recorded (c, l->r, layers, l, x);
  shu_fill (c, SHU_DIMS (ROWS, C), 78);
  y = to_host (c, y);
  shu_ctx_finish (c, &error);
  g_assert_no_error (error);
  return g_bytes_new (y->data, shu_tensor_bytes (y));
}

static void
check_result (Layers *l, int i, int n)
{
  g_autoptr (GBytes) expected = result (l, i, n, TRUE);
  g_autoptr (GBytes) given = result (l, i, n, FALSE);

  g_assert_true (g_bytes_equal (given, expected));
}

static void
test_same_bits (void)
{
  for (int round = 0; round < 2; round++) { /* freed, and made again */
    g_auto (Layers) l = {NULL};

    layers_init (&l);
    for (int i = 0; i < 5; i++)
      check_result (&l, i, 1);
    g_assert_cmpint (l.calls, ==, 5 + (on_gpu () ? 2 : 5));
    check_result (&l, 6, 2); /* of another shape */
    check_result (&l, 7, 1);
    g_assert_cmpint (l.calls, ==, on_gpu () ? 5 + 2 + 2 + 1 : 2 * 7);
  }
}

/* Two contexts that are there at the same time, in turn */
static void
test_in_turn (void)
{
  g_autoptr (ShuCtx) a = context_new (), b = context_new ();
  ShuCtx *both[] = {a, b};
  g_auto (Layers) l = {NULL};
  ShuTensor *x[2], *y[2][8], *expected[2];

  layers_init (&l);
  for (int k = 0; k < 2; k++) {
    x[k] = random_tensor (both[k], SHU_DIMS (1, 6, 8, C));
    expected[k] = to_host (both[k], layers (both[k], &l, x[k]));
  }
  for (int i = 0; i < 8; i++) /* nobody waits in between */
    for (int k = 0; k < 2; k++)
      y[k][i] = shu_recorded (both[k], l.r, layers, &l, x[k]);
  for (int i = 0; i < 8; i++)
    for (int k = 0; k < 2; k++) {
      ShuTensor *t = to_host (both[k], y[k][i]);

      g_assert_cmpmem (t->data, shu_tensor_bytes (t), expected[k]->data,
          shu_tensor_bytes (expected[k]));
    }
}

typedef struct {
  Layers *l;
  GBytes *expected[MAX_TIMES];
} Shared;

static gpointer
ask_again (gpointer data)
{
  Shared *s = data;

  for (int i = 0; i < MAX_TIMES; i++) {
    g_autoptr (GBytes) given = result (s->l, i, 1, FALSE);

    g_assert_true (g_bytes_equal (given, s->expected[i]));
  }
  return NULL;
}

static void
test_threads (void)
{
  g_auto (Layers) l = {NULL};
  Shared s = {&l};
  GThread *threads[3];

  layers_init (&l);
  for (int i = 0; i < MAX_TIMES; i++)
    s.expected[i] = result (&l, i, 1, TRUE);
  for (gsize i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("ask", ask_again, &s);
  for (gsize i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
  g_test_message ("%d of %d runs were direct", l.calls - MAX_TIMES,
      (int) G_N_ELEMENTS (threads) * MAX_TIMES);
  for (int i = 0; i < MAX_TIMES; i++)
    g_bytes_unref (s.expected[i]);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func (
      "/ops/recording/second_context_records", test_second_context_records);
  g_test_add_func ("/ops/recording/other_shapes_run", test_other_shapes);
  g_test_add_func ("/ops/recording/listeners_see_all", test_listeners);
  g_test_add_func ("/ops/recording/nobody_waits", test_busy);
  g_test_add_func ("/ops/recording/spoilt_is_made_again", test_spoilt);
  g_test_add_func ("/ops/recording/no_memory_is_no_failure", test_no_memory);
  g_test_add_func ("/ops/recording/not_everywhere", test_cannot);
  g_test_add_func ("/ops/recording/failures_are_told", test_failure);
  g_test_add_func ("/ops/recording/is_rehearsed", test_rehearsed);
  test_add ("/ops/recording/same_bits_as_directly", test_same_bits);
  test_add ("/ops/recording/contexts_in_turn", test_in_turn);
  test_add ("/ops/recording/threads", test_threads);
  return g_test_run ();
}
