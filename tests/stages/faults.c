/* SPDX-License-Identifier: MIT */
/* What goes wrong on a GPU while a job is under way, and that there is an end
 * with one clear error.  All of it needs a GPU. */
#include "base/error.h"
#include "fixtures.h"
#include "gpu.h"
#include "plant.h"
#include "stages/model_private.h"
#include "tensor/device.h"
#include <string.h>

static const gsize GB = (gsize) 1 << 30;

enum { N_VOXELS = 6000 };

/* Stage 1 or 2 for @steps steps */
static ShuBundle *
run (ShuModel *m, int stage, const ShuBundle *in, int steps,
    const ShuProgress *progress, GError **error)
{
  ShuStage1Params p1 = fixture_stage1;
  ShuStage2Params p2 = fixture_stage2;

  p1.steps = p2.steps = steps;
  return stage == 1 ? shu_stage_stage1 (m, in, &p1, progress, error)
                    : shu_stage_stage2 (m, in, &p2, progress, error);
}

static ShuBundle *
input_of (ShuModel *m, int stage)
{
  g_autoptr (ShuBundle) subject = gpu_subject (m);

  return stage == 1 ? shu_bundle_ref (subject)
                    : gpu_views (m, subject, N_VOXELS);
}

/* What happens when the stage has done step 1 */
typedef struct {
  const char *stage;
  gpointer others; /* memory that somebody else has taken */
  GCancellable *cancellable;
  gint64 asked; /* when a cancel was */
  gboolean planted;
} Event;

static gboolean
is_time (const Event *e, const char *stage, int step)
{
  return strcmp (stage, e->stage) == 0 && step == 1;
}

static const char *const stages[] = {NULL, "stage1", "stage2"};

/* ---- memory ---- */

static void
test_too_little (void)
{
  g_autoptr (ShuModel) m = gpu_model ("synthetic:701", SHU_MEMORY_NORMAL);
  g_autoptr (ShuBundle) subject = NULL, views = NULL;
  g_autoptr (GError) error = NULL;
  gpointer others;

  if (!m)
    return;
  subject = gpu_subject (m);
  others = gpu_occupy (3 * GB);
  g_assert_null (run (m, 1, subject, 1, NULL, &error));
  g_test_message ("%s", error->message);
  fixture_expect (&error, SHU_ERROR_MEMORY, "set memory=low");
  shu_device_free (0, others);
  views = run (m, 1, subject, 1, NULL, &error);
  g_assert_no_error (error);
}

/* Memory that was there when the stage began goes to somebody else. */
static void
steal (const char *stage, int step, int total, gpointer data)
{
  Event *e = data;

  if (is_time (e, stage, step) && !e->others)
    e->others = gpu_occupy (16 << 20);
}

static void
test_goes_on (gconstpointer data)
{
  int stage = GPOINTER_TO_INT (data);
  g_autoptr (ShuModel) m = gpu_model ("synthetic:701", SHU_MEMORY_AUTO);
  g_autoptr (ShuBundle) in = NULL, out = NULL;
  g_autoptr (GError) error = NULL;
  Event thief = {.stage = stages[stage]};
  ShuProgress progress = {.func = steal, .data = &thief};

  if (!m)
    return;
  in = input_of (m, stage);
  g_assert_null (run (m, stage, in, 3, &progress, &error));
  g_test_message ("%s", error->message);
  fixture_expect (&error, SHU_ERROR_MEMORY, "memory=low");
  shu_device_free (0, thief.others);
  out = run (m, stage, in, 3, NULL, &error);
  g_assert_no_error (error);
}

/* ---- an end when asked ---- */

static gpointer
cancel_soon (gpointer data)
{
  Event *e = data;

  g_usleep (30000); /* in the middle of a step */
  e->asked = g_get_monotonic_time ();
  g_cancellable_cancel (e->cancellable);
  return NULL;
}

static void
cancel_later (const char *stage, int step, int total, gpointer data)
{
  Event *e = data;

  if (is_time (e, stage, step))
    g_thread_unref (g_thread_new ("cancel", cancel_soon, e));
}

static void
test_stops (gconstpointer data)
{
  enum { STEPS = 4 };

  int stage = GPOINTER_TO_INT (data);
  g_autoptr (ShuModel) m = gpu_model ("synthetic:701", SHU_MEMORY_NORMAL);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (ShuBundle) in = NULL, out = NULL;
  g_autoptr (GError) error = NULL;
  Event e = {.stage = stages[stage], .cancellable = cancellable};
  ShuProgress progress = {
      .func = cancel_later, .data = &e, .cancellable = cancellable};
  gint64 start, few, many, stopped;
  gsize before;

  if (!m)
    return;
  in = input_of (m, stage);
  out = run (m, stage, in, STEPS, NULL, &error); /* plans, weights */
  g_assert_no_error (error);
  start = g_get_monotonic_time ();
  g_clear_pointer (&out, shu_bundle_unref);
  out = run (m, stage, in, STEPS, NULL, &error);
  few = g_get_monotonic_time () - start;
  g_clear_pointer (&out, shu_bundle_unref);
  out = run (m, stage, in, 3 * STEPS, NULL, &error);
  many = g_get_monotonic_time () - start - few;
  g_clear_pointer (&out, shu_bundle_unref);
  before = gpu_used ();
  g_assert_null (run (m, stage, in, 1000, &progress, &error));
  stopped = g_get_monotonic_time () - e.asked;
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_test_message ("%s: a step takes %.1f ms, the end %.1f ms; %.1f MB more in "
                  "use than before",
      e.stage, (double) (many - few) / (2 * STEPS) * 1e-3,
      (double) stopped * 1e-3, ((double) gpu_used () - (double) before) / 1e6);
  /* one step, and what it takes to give the memory back */
  g_assert_cmpint (stopped, <, (many - few) / (2 * STEPS) * 3 / 2 + 50000);
  g_assert_cmpuint (gpu_used (), <=, before + (8 << 20));
}

/* ---- asked again by who is told ---- */

typedef struct {
  ShuModel *model;
  int n_calls;
} Curious;

static void
ask (const char *stage, int step, int total, gpointer data)
{
  Curious *c = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (ShuModel) same = NULL;

  if (strcmp (stage, "load") != 0 || c->n_calls++ > 0)
    return;
  same = shu_model_get (shu_model_folder (c->model), "cuda", &error);
  g_assert_no_error (error);
  g_assert_nonnull (shu_model_prompts (c->model, &error));
  g_assert_nonnull (shu_model_net (c->model, SHU_NET_MATTING, &error));
  g_assert_null (shu_model_net (c->model, SHU_NET_JOINT, &error));
  fixture_expect (&error, SHU_ERROR_INVALID, "while it is loaded");
}

static void
test_asks_while_loading (void)
{
  g_autoptr (ShuModel) m = gpu_model ("synthetic-tiny:5", SHU_MEMORY_NORMAL);
  g_autoptr (ShuBundle) subject = NULL, views = NULL;
  g_autoptr (GError) error = NULL;
  Curious c = {m, 0};
  ShuProgress progress = {.func = ask, .data = &c};

  if (!m)
    return;
  subject = gpu_subject (m);
  views = run (m, 1, subject, 1, &progress, &error);
  g_assert_no_error (error);
  g_assert_cmpint (c.n_calls, >, 1);
}

/* ---- a lost device ---- */

static void
plant (const char *stage, int step, int total, gpointer data)
{
  Event *e = data;

  if (is_time (e, stage, step))
    e->planted = plant_fault ();
}

/* In a process of its own, which has no GPU afterwards */
static void
test_lost_inside (void)
{
  g_autoptr (ShuModel) m = gpu_model ("synthetic-tiny:1", SHU_MEMORY_NORMAL);
  g_autoptr (ShuModel) other = NULL;
  g_autoptr (ShuBundle) subject = NULL;
  g_autoptr (GError) error = NULL;
  Event e = {.stage = stages[1]};
  ShuProgress progress = {.func = plant, .data = &e};

  g_assert_nonnull (m);
  subject = gpu_subject (m);
  g_assert_null (run (m, 1, subject, 2, &progress, &error));
  g_assert_true (e.planted);
  g_printerr ("first: %s\n", error->message);
  fixture_expect (&error, SHU_ERROR_INTERNAL, "start it again");
  for (int k = 0; k < 2; k++) {
    g_assert_null (run (m, 1, subject, 2, NULL, &error));
    g_printerr ("next: %s\n", error->message);
    fixture_expect (&error, SHU_ERROR_INTERNAL, "start it again");
  }
  other = shu_model_get ("synthetic-tiny:2", "cuda", &error);
  if (other)
    g_assert_null (shu_model_net (other, SHU_NET_CLIP, &error));
  g_printerr ("another: %s\n", error->message);
  g_assert_nonnull (strstr (error->message, "start it again"));
}

static void
test_lost (void)
{
  g_autoptr (ShuModel) m = gpu_model ("synthetic-tiny:1", SHU_MEMORY_NORMAL);

  if (!m)
    return;
  g_test_trap_subprocess (
      "/stages/faults/lost/subprocess/inside", 0, G_TEST_SUBPROCESS_DEFAULT);
  g_test_trap_assert_passed ();
  g_test_trap_assert_stderr (
      "*first: *start it again*next: *next: *another: *");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/stages/faults/too_little_is_said", test_too_little);
  g_test_add_data_func ("/stages/faults/next_job_after_no_memory_stage1",
      GINT_TO_POINTER (1), test_goes_on);
  g_test_add_data_func ("/stages/faults/next_job_after_no_memory_stage2",
      GINT_TO_POINTER (2), test_goes_on);
  g_test_add_data_func (
      "/stages/faults/stops_stage1", GINT_TO_POINTER (1), test_stops);
  g_test_add_data_func (
      "/stages/faults/stops_stage2", GINT_TO_POINTER (2), test_stops);
  g_test_add_func (
      "/stages/faults/asks_while_loading", test_asks_while_loading);
  g_test_add_func ("/stages/faults/lost", test_lost);
  g_test_add_func ("/stages/faults/lost/subprocess/inside", test_lost_inside);
  return g_test_run ();
}
