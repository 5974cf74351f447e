/* SPDX-License-Identifier: MIT */
/* A sampler's state, and functions that run again and again. */
#include "harness.h"
#include <math.h>
#include <string.h>

static const double LIMIT = 1e-12;

static double *
as_reference (const ShuTensor *t)
{
  double *ref = reference_new (t);

  for (gsize i = 0; i < t->n; i++)
    ref[i] = at (t, i);
  return ref;
}

static ShuTensor *
state_of (ShuCtx *c, ShuTensor *t)
{
  return shu_state (c, t->n_dims, t->dims, t->data);
}

static void
test_advance (void)
{
  g_autoptr (ShuCtx) c = context_new ();

  /* not at all, from the unconditional, from the conditional on */
  for (int guided = 0; guided < 3; guided++) {
    SHU_SCOPE (c);

    enum { P = 3, N = 37 };

    ShuTensor *start = random_tensor (c, SHU_DIMS (P, N));
    ShuTensor *v = random_tensor (c, SHU_DIMS (P, guided ? 2 : 1, N));
    ShuTensor *x = state_of (c, start), *estimate = state_of (c, start);
    const float rows[] = {9, 9, 9, 0.25f, 1.5f, 0.75f, 9, 9, 9};
    const gint32 first = 1;
    ShuTensor *step = shu_from_host (c, SHU_DTYPE_I32, SHU_DIMS (1), &first);
    ShuFlowStep p = {.step = step,
        .schedule = shu_state (c, SHU_DIMS (3, 3), rows),
        .n_parts = P,
        .guided = guided > 0,
        .guidance = 3,
        .extra = guided > 1};
    double *ref = as_reference (start), *guess = as_reference (start);

    for (gsize i = 0; i < P * N; i++) {
      gsize k = guided ? i / N * 2 * N + i % N : i;
      double d = at (v, k);

      if (guided == 1)
        d += 3 * (at (v, k + N) - d);
      else if (guided == 2)
        d = 4 * d - 3 * at (v, k + N);
      guess[i] = 1.5 * ref[i] - 0.75 * d;
      ref[i] -= 0.25 * d;
    }
    shu_flow_advance (c, x, v, &p, estimate);
    check_nmse (c, "state", x, ref, LIMIT);
    check_nmse (c, "estimate", estimate, guess, LIMIT);
    check_nmse (c, "value", shu_state_value (c, x),
        as_reference (to_host (c, x)), LIMIT);
  }
}

static void
test_affine (void)
{
  g_autoptr (ShuCtx) c = context_new ();
  ShuTensor *x = random_tensor (c, SHU_DIMS (3, 11, 8));
  ShuTensor *scale = random_tensor (c, SHU_DIMS (8));
  ShuTensor *shift = random_tensor (c, SHU_DIMS (8));
  ShuTensor *start = state_of (c, x), *short_shift;
  double *ref = as_reference (x);

  for (gsize i = 0; i < x->n; i++)
    ref[i] = ref[i] * at (scale, i % 8) + at (shift, i % 8);
  check_nmse (c, "affine",
      shu_state_affine (c, start, state_of (c, scale), state_of (c, shift)),
      ref, LIMIT);
  short_shift = state_of (c, random_tensor (c, SHU_DIMS (7)));
  shu_state_affine (c, start, state_of (c, scale), short_shift);
  CHECK_FAILS (c, SHU_ERROR_INVALID, "state_affine", "[3,11,8]");
}

/* Beyond the last step nothing happens. */
static void
test_end (void)
{
  g_autoptr (ShuCtx) c = context_new ();
  ShuTensor *start = random_tensor (c, SHU_DIMS (5)), *x = state_of (c, start);
  const float rows[] = {1, 1, 1};
  const gint32 first = 0;
  ShuTensor *step = shu_from_host (c, SHU_DTYPE_I32, SHU_DIMS (1), &first);
  ShuFlowStep p = {.step = step,
      .schedule = shu_state (c, SHU_DIMS (1, 3), rows),
      .n_parts = 1};

  shu_count (c, step);
  shu_flow_advance (c, x, start, &p, NULL);
  check_nmse (c, "state", x, as_reference (start), 0);
  g_assert_cmpint (index_at (to_host (c, step), 0), ==, 1);
}

static void
test_wrong (void)
{
  g_autoptr (ShuCtx) c = context_new ();
  ShuTensor *t = random_tensor (c, SHU_DIMS (2, 3)), *x = state_of (c, t);
  const gint32 first = 0;
  ShuFlowStep p = {
      .step = shu_from_host (c, SHU_DTYPE_I32, SHU_DIMS (1), &first),
      .schedule = x,
      .n_parts = 2,
      .guided = TRUE};

  shu_flow_advance (c, x, t, &p, NULL);
  CHECK_FAILS (c, SHU_ERROR_INVALID, "flow_advance", "[2,3]");
  shu_count (c, x);
  CHECK_FAILS (c, SHU_ERROR_INVALID, "count", "[2,3]");
}

/* ---- again and again ---- */

typedef struct {
  ShuTensor *x, *table;
  ShuLinear l;
  ShuFlowStep p;
  int calls;
} Job;

static void
one_step (ShuCtx *c, gpointer data)
{
  Job *job = data;
  ShuTensor *h = shu_linear (c, shu_state_value (c, job->x), &job->l);

  h = shu_add (c, h, shu_gather (c, job->table, job->p.step));
  shu_flow_advance (c, job->x, shu_silu (c, h), &job->p, NULL);
  shu_count (c, job->p.step);
  job->calls++;
}

enum { STEPS = 6, ROWS = 12, C = 40 };

static void
run_steps (ShuCtx *c, Job *job, ShuReplayFunc step, gboolean replay)
{
  g_autoptr (ShuReplay) r = shu_replay_new (c, step, job);
  const gint32 first = 0;
  float rows[3 * STEPS];

  random_seed (5);
  for (int i = 0; i < 3 * STEPS; i++)
    rows[i] = 0.1f * (float) (i + 1);
  job->l = (ShuLinear){
      random_tensor (c, SHU_DIMS (C, C)), random_tensor (c, SHU_DIMS (C))};
  job->table = random_tensor (c, SHU_DIMS (STEPS, C));
  job->x = state_of (c, random_tensor (c, SHU_DIMS (ROWS, C)));
  job->p = (ShuFlowStep){
      .step = shu_from_host (c, SHU_DTYPE_I32, SHU_DIMS (1), &first),
      .schedule = shu_state (c, SHU_DIMS (STEPS, 3), rows),
      .n_parts = 1};
  for (int i = 0; i < STEPS; i++) {
    SHU_SCOPE (c);

    /* others work in between, and what they make changes nothing */
    shu_fill (c, SHU_DIMS (ROWS, C), 77);
    if (replay)
      shu_replay_run (r);
    else
      step (c, job);
    shu_fill (c, SHU_DIMS (ROWS, C), 78);
  }
}

static void
test_replay (void)
{
  g_autoptr (ShuCtx) c = context_new ();
  Job a = {NULL}, b = {NULL};
  ShuTensor *x, *y;

  run_steps (c, &a, one_step, FALSE);
  run_steps (c, &b, one_step, TRUE);
  x = to_host (c, a.x);
  y = to_host (c, b.x);
  g_assert_cmpmem (
      x->data, shu_tensor_bytes (x), y->data, shu_tensor_bytes (y));
  g_assert_cmpint (a.calls, ==, STEPS);
  g_assert_cmpint (b.calls, ==, on_gpu () ? 2 : STEPS);
  check_nmse (c, "values", x, as_reference (y), 0);
}

static void
fail_late (ShuCtx *c, gpointer data)
{
  int *calls = data;

  if (++*calls == 2)
    shu_ctx_fail (c, SHU_ERROR_INVALID, "enough");
}

static void
test_replay_failure (void)
{
  g_autoptr (ShuCtx) c = context_new ();
  int calls = 0;
  g_autoptr (ShuReplay) r = shu_replay_new (c, fail_late, &calls);

  for (int i = 0; i < 4; i++)
    shu_replay_run (r);
  g_assert_cmpint (calls, ==, 2);
  CHECK_FAILS (c, SHU_ERROR_INVALID, "enough");
}

/* ---- beside other threads ---- */

/* What gives memory back waits for the whole device. */
static gpointer
trim_again (gpointer stop)
{
  g_autoptr (ShuCtx) c = context_new ();

  while (!g_atomic_int_get ((gint *) stop)) {
    {
      SHU_SCOPE (c);

      shu_fill (c, SHU_DIMS (1 << 20), 1);
    }
    shu_ctx_trim (c);
  }
  g_assert_false (shu_ctx_failed (c));
  return NULL;
}

/* No record is spoilt. */
static void
test_beside_trims (void)
{
  g_autoptr (ShuCtx) c = context_new ();
  Job a = {NULL};
  ShuTensor *x, *y;
  gint stop = 0;
  GThread *thread;

  run_steps (c, &a, one_step, FALSE);
  x = to_host (c, a.x);
  thread = g_thread_new ("other", trim_again, &stop);
  for (int i = 0; i < 20; i++) {
    Job b = {NULL};

    run_steps (c, &b, one_step, TRUE);
    y = to_host (c, b.x);
    g_assert_cmpmem (
        x->data, shu_tensor_bytes (x), y->data, shu_tensor_bytes (y));
    if (on_gpu ())
      g_assert_cmpint (b.calls, ==, 2);
  }
  g_atomic_int_set (&stop, 1);
  g_thread_join (thread);
  check_nmse (c, "values", x, as_reference (y), 0);
}

/* ---- spoilt ---- */

static int n_waits; /* calls after the first that wait */

/* Waiting while a record is made spoils it, as it does when another thread
 * waits for the whole device; in which cuCtxSynchronize() of driver 580 crashes
 * where there are two streams, so no test does that. */
static void
wait_and_step (ShuCtx *c, gpointer data)
{
  Job *job = data;

  if (job->calls >= 1 && job->calls <= n_waits)
    shu_ctx_finish (c, NULL);
  one_step (c, data);
}

/* What was spoilt is done directly; then recorded again, or no more */
static void
test_spoilt (void)
{
  /* one directly and one recorded; two more for every record that is spoilt,
   * which are three at most: then two steps of six are left */
  const int calls[] = {2, 4, 4, 6, 6, 9, 9};
  g_autoptr (ShuCtx) c = context_new ();
  Job a = {NULL};
  ShuTensor *x;

  run_steps (c, &a, one_step, FALSE);
  x = to_host (c, a.x);
  for (n_waits = 0; n_waits < (int) G_N_ELEMENTS (calls); n_waits++) {
    Job b = {NULL};
    ShuTensor *y;

    run_steps (c, &b, wait_and_step, TRUE);
    y = to_host (c, b.x);
    g_assert_cmpmem (
        x->data, shu_tensor_bytes (x), y->data, shu_tensor_bytes (y));
    g_assert_cmpint (b.calls, ==, on_gpu () ? calls[n_waits] : STEPS);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  test_add ("/ops/state/guided_or_not", test_advance);
  test_add ("/ops/state/affine", test_affine);
  test_add ("/ops/state/no_step_beyond_the_last", test_end);
  test_add ("/ops/state/wrong_shapes_fail", test_wrong);
  test_add ("/ops/replay/same_bits_as_directly", test_replay);
  test_add ("/ops/replay/failure_stops_it", test_replay_failure);
  test_add ("/ops/replay/beside_trims", test_beside_trims);
  test_add ("/ops/replay/spoilt", test_spoilt);
  return g_test_run ();
}
