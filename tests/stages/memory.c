/* SPDX-License-Identifier: MIT */
/* What a job will take of a GPU's memory is known before it begins, without
 * one. */
#include "base/error.h"
#include "fixtures.h"
#include "gpu.h"
#include "stages/model_private.h"
#include "stages/stages.h"
#include "tensor/device.h"
#include <string.h>

static const gsize GB = (gsize) 1 << 30;

/* A model that takes itself to be on a GPU; none is asked for by sums. */
static ShuModel *
model_on_device (const char *folder)
{
  g_autoptr (GError) error = NULL;
  ShuModel *m = shu_model_get (folder, "cpu", &error);

  g_assert_no_error (error);
  g_free (m->device);
  m->device = g_strdup ("cuda:0");
  return m;
}

static const ShuStage1Params params1 = {.seed = 1, .steps = -1, .guidance = -1};
static const ShuStage2Params params2 = {.seed = 1,
    .steps = -1,
    .cfg_strength = -1,
    .cfg_start = -1,
    .cfg_end = -1,
    .up_size = -1};

static gsize
stage1_bytes (ShuModel *m, const ShuBundle *subject, gboolean low)
{
  g_autoptr (GError) error = NULL;
  gsize bytes = shu_stage1_memory (m, 1, subject, &params1, low, &error);

  g_assert_no_error (error);
  g_test_message (
      "stage 1%s: %.2f GB", low ? ", low" : "", (double) bytes / (double) GB);
  return bytes;
}

static gsize
stage1_bytes_fp8 (ShuModel *m, const ShuBundle *subject)
{
  ShuStage1Params p = params1;
  g_autoptr (GError) error = NULL;
  gsize bytes;

  p.precision = SHU_PRECISION_FP8;
  bytes = shu_stage1_memory (m, 1, subject, &p, FALSE, &error);
  g_assert_no_error (error);
  g_test_message ("stage 1 in FP8: %.2f GB", (double) bytes / (double) GB);
  return bytes;
}

static gsize
stage2_bytes (ShuModel *m, const ShuBundle *subject, int n, gboolean low)
{
  g_autoptr (ShuBundle) views = gpu_views (m, subject, n);
  g_autoptr (GError) error = NULL;
  gsize bytes = shu_stage2_memory (m, views, &params2, low, &error);

  g_assert_no_error (error);
  g_test_message ("stage 2 of %d voxels%s: %.2f GB", n, low ? ", low" : "",
      (double) bytes / (double) GB);
  return bytes;
}

static void
test_official (void)
{
  g_autoptr (ShuModel) m = model_on_device ("synthetic:701");
  g_autoptr (ShuBundle) subject = gpu_subject (m);
  gsize normal = stage1_bytes (m, subject, FALSE);
  gsize low = stage1_bytes (m, subject, TRUE);
  gsize few = stage2_bytes (m, subject, 6000, FALSE);
  gsize many = stage2_bytes (m, subject, 32768, FALSE);
  gsize many_low = stage2_bytes (m, subject, 32768, TRUE);
  gsize all = normal;

  for (int i = SHU_NET_SLAT_FLOW; i <= SHU_NET_GS_DECODER; i++)
    all += m->loaded[i].bytes;
  /* CUDA has 0.53 GB of an H200 for itself */
  g_assert_cmpuint (all, <, 11 * GB - GB * 6 / 10);
  g_assert_cmpuint (low, <, 6 * GB);
  g_assert_cmpuint (low, <, normal);
  g_assert_cmpuint (few, <, many);
  g_assert_cmpuint (many_low, <, many);
  /* half of the denoiser's convolutions */
  g_assert_cmpuint (stage1_bytes_fp8 (m, subject), <, normal - GB / 2);
  /* the same every time */
  g_assert_cmpuint (stage1_bytes (m, subject, FALSE), ==, normal);
}

/* ---- what is decided, as if a device had so much ---- */

/* 4 GB of networks, or half of that with little memory, and 2 for each */
static gboolean
ask (ShuNetUser *u, gpointer data, GError **error)
{
  shu_ctx_reserve (u->c, (gssize) ((u->low ? 2 : 4) * GB));
  shu_ctx_reserve (u->c, (gssize) (2 * u->together * GB));
  return TRUE;
}

static void
test_decides (void)
{
  static const struct {
    ShuMemory mode;
    int n, n_free; /* subjects, GB */
    int together;  /* 0: refused */
    gboolean low;
    const char *says;
  } rows[] = {
      {SHU_MEMORY_AUTO, 1, 7, 1, FALSE, NULL},
      {SHU_MEMORY_AUTO, 4, 13, 4, FALSE, NULL},
      {SHU_MEMORY_AUTO, 4, 12, 3, FALSE, "*3 of 4 subjects at a time"},
      {SHU_MEMORY_AUTO, 4, 7, 1, FALSE, "*1 of 4 subjects at a time"},
      {SHU_MEMORY_AUTO, 4, 5, 1, TRUE, "*loaded one after the other; 1 of 4*"},
      {SHU_MEMORY_AUTO, 1, 5, 1, TRUE, "*loaded one after the other"},
      {SHU_MEMORY_AUTO, 4, 4, 0, TRUE, "needs 4.1 GB"},
      {SHU_MEMORY_LOW, 4, 11, 4, TRUE, NULL},
      {SHU_MEMORY_LOW, 4, 7, 2, TRUE, "*2 of 4 subjects at a time"},
      {SHU_MEMORY_LOW, 4, 4, 0, TRUE, "or device=cpu"},
      {SHU_MEMORY_NORMAL, 4, 13, 4, FALSE, NULL},
      {SHU_MEMORY_NORMAL, 4, 12, 0, FALSE, "of 4 subjects needs 12.1 GB"},
      {SHU_MEMORY_NORMAL, 4, 12, 0, FALSE, "batch-size=3"},
      {SHU_MEMORY_NORMAL, 4, 5, 0, FALSE, "memory=low, which needs 4.1 GB"},
      {SHU_MEMORY_NORMAL, 1, 5, 0, FALSE, "stage 1 needs 6.1 GB"},
  };

  g_autoptr (ShuModel) m = model_on_device ("synthetic-tiny:1");
  ShuMemory before = m->memory;

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    ShuNetUser u = {.model = m, .together = rows[i].n};
    g_autoptr (GError) error = NULL;

    m->memory = rows[i].mode;
    m->pretended = rows[i].n_free * GB;
    if (rows[i].says && rows[i].together > 0)
      g_test_expect_message ("synchuman", G_LOG_LEVEL_MESSAGE, rows[i].says);
    if (shu_memory_admit (&u, "stage 1", ask, NULL, &error)) {
      g_assert_cmpint (u.together, ==, rows[i].together);
      g_assert_cmpint (u.low, ==, rows[i].low);
    } else {
      g_assert_cmpint (rows[i].together, ==, 0);
      fixture_expect (&error, SHU_ERROR_MEMORY, rows[i].says);
    }
    g_test_assert_expected_messages ();
  }
  m->memory = before;
  m->pretended = 0;
}

/* ---- on a GPU ---- */

typedef struct {
  gint stop;
  gsize peak;
} Watch;

static gpointer
watch (gpointer data)
{
  Watch *w = data;

  while (!g_atomic_int_get (&w->stop)) {
    gsize now = gpu_used ();

    w->peak = MAX (w->peak, now);
    g_usleep (300);
  }
  return NULL;
}

/* What the sums say, and what the device's driver says */
static void
compare (const char *what, gsize told, gsize measured)
{
  double ratio = (double) told / (double) measured;

  g_test_message ("%s: told %.2f GB, measured %.2f GB: %.3f", what,
      (double) told / (double) GB, (double) measured / (double) GB, ratio);
  g_assert_cmpfloat (ratio, >=, 1);
  g_assert_cmpfloat (ratio, <, 1.1);
}

typedef struct {
  Watch w;
  GThread *thread;
  gint64 start;
} Measure;

static void
measure_begin (Measure *m)
{
  m->w = (Watch){0, 0};
  m->start = g_get_monotonic_time ();
  m->thread = g_thread_new ("watch", watch, &m->w);
}

/* Returns: the most that was in use */
static gsize
measure_end (Measure *m, const char *what, const GError *error)
{
  g_assert_no_error (error);
  g_atomic_int_set (&m->w.stop, 1);
  g_thread_join (m->thread);
  g_test_message ("%s: %.2f GB, %.2f s", what, (double) m->w.peak / (double) GB,
      (double) (g_get_monotonic_time () - m->start) * 1e-6);
  return m->w.peak;
}

static ShuBundle *
stage2_measured (ShuModel *m, const ShuBundle *subject, int n, gboolean low)
{
  g_autoptr (ShuBundle) views = gpu_views (m, subject, n);
  g_autoptr (GError) error = NULL;
  ShuStage2Params p = params2;
  ShuBundle *asset;
  Measure measure;
  gsize told;

  p.steps = 3;
  told = shu_stage2_memory (m, views, &p, low, &error) + gpu_used ();
  g_assert_no_error (error);
  measure_begin (&measure);
  asset = shu_stage_stage2 (m, views, &p, NULL, &error);
  compare ("stage 2", told, measure_end (&measure, "stage 2", error));
  return asset;
}

/* What is left of a stage beside its networks */
static void
say_kept (const ShuModel *m, const char *what, gsize begin)
{
  gsize nets = 0;

  for (int i = 0; i < SHU_N_NETS; i++)
    nets += m->loaded[i].is_there ? m->loaded[i].bytes : 0;
  g_test_message ("%s keeps %.1f MB of networks and %.1f beside them", what,
      (double) nets / 1e6,
      ((double) gpu_used () - (double) (begin + nets)) / 1e6);
}

static void
measure_stages (ShuModel *m, gboolean low)
{
  g_autoptr (ShuBundle) subject = gpu_subject (m);
  g_autoptr (ShuBundle) views = NULL, asset = NULL, large = NULL, again = NULL;
  g_autoptr (GError) error = NULL;
  ShuStage1Params p = params1;
  Measure measure;
  gsize told, all, begin = gpu_used ();

  p.steps = 3;
  told = stage1_bytes (m, subject, low) + begin;
  measure_begin (&measure);
  views = shu_stage_stage1 (m, subject, &p, NULL, &error);
  compare ("stage 1", told, measure_end (&measure, "stage 1", error));
  say_kept (m, "stage 1", begin);
  asset = stage2_measured (m, subject, 6000, low);
  say_kept (m, "stage 2", begin);
  /* with the networks of both */
  measure_begin (&measure);
  again = shu_stage_stage1 (m, subject, &p, NULL, &error);
  all = measure_end (&measure, "stage 1 again", error);
  g_assert_cmpuint (all, <=, (low ? 8 : 11) * GB);
  large = stage2_measured (m, subject, 32768, low);
}

static void
test_as_measured (gconstpointer data)
{
  gboolean low = GPOINTER_TO_INT (data);
  g_autoptr (ShuModel) m =
      gpu_model ("synthetic:701", low ? SHU_MEMORY_LOW : SHU_MEMORY_NORMAL);
  gsize begin;

  if (!m)
    return;
  {
    /* so that the libraries are there in the first place */
    g_autoptr (ShuModel) tiny = gpu_model ("synthetic-tiny:1", 0);
    g_autoptr (ShuBundle) subject = gpu_subject (tiny), views = NULL;

    views = shu_stage_stage1 (tiny, subject, &params1, NULL, NULL);
    g_assert_nonnull (views);
  }
  begin = gpu_used ();
  measure_stages (m, low);
  g_clear_pointer (&m, shu_model_unref);
  g_test_message ("left behind: %.3f GB",
      ((double) gpu_used () - (double) begin) / (double) GB);
  g_assert_cmpuint (gpu_used (), <, begin + GB / 4);
}

/* ---- networks that come and go; on the CPU as well ---- */

static int
count_loaded (const ShuModel *m)
{
  int n = 0;

  for (int i = 0; i < SHU_N_NETS; i++)
    n += m->loaded[i].net != NULL;
  return n;
}

static void
test_comes_and_goes (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ShuModel) plenty = shu_model_get_with_memory (
      "synthetic-tiny:3", "cpu", SHU_MEMORY_NORMAL, &error);
  g_autoptr (ShuModel) little = shu_model_get_with_memory (
      "synthetic-tiny:3", "cpu", SHU_MEMORY_LOW, &error);
  g_autoptr (ShuBundle) subject = gpu_subject (plenty);
  g_autoptr (ShuBundle) a = NULL, b = NULL;
  const ShuTensor *x, *y;

  g_assert_true (plenty != little);
  a = shu_stage_stage1 (plenty, subject, &params1, NULL, &error);
  g_assert_no_error (error);
  b = shu_stage_stage1 (little, subject, &params1, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpint (count_loaded (plenty), ==, 5);
  g_assert_cmpint (count_loaded (little), ==, 0);
  x = shu_bundle_get (a, "normal");
  y = shu_bundle_get (b, "normal");
  g_assert_cmpmem (
      x->data, shu_tensor_bytes (x), y->data, shu_tensor_bytes (y));
  g_clear_pointer (&b, shu_bundle_unref);
  b = shu_stage_stage2 (little, a, &params2, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpint (count_loaded (little), ==, 0);
}

/* What another stage uses stays, whoever is done with it. */
static void
test_users_share (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ShuModel) m = shu_model_get_with_memory (
      "synthetic-tiny:3", "cpu", SHU_MEMORY_LOW, &error);
  g_autoptr (ShuCtx) c = shu_ctx_new ("cpu", &error);
  g_auto (ShuNetUser) first = {.model = m, .c = c, .low = TRUE};
  g_auto (ShuNetUser) second = {.model = m, .c = c, .low = TRUE};
  gconstpointer net = shu_nets_take (&first, SHU_NET_CLIP, &error);

  g_assert_true (shu_nets_take (&second, SHU_NET_CLIP, &error) == net);
  shu_nets_give (&first, SHU_NET_CLIP);
  g_assert_cmpint (count_loaded (m), ==, 1);
  shu_nets_give (&first, SHU_NET_CLIP); /* which has none */
  g_assert_cmpint (count_loaded (m), ==, 1);
  shu_nets_give (&second, SHU_NET_CLIP);
  g_assert_cmpint (count_loaded (m), ==, 0);
}

static void
test_faults (void)
{
  g_autoptr (ShuModel) m = model_on_device ("synthetic-tiny:1");
  g_autoptr (ShuBundle) subject = gpu_subject (m);
  g_autoptr (GError) error = NULL;
  ShuStage1Params bad = {.seed = 1, .steps = 5000, .guidance = -1};

  g_assert_cmpuint (
      shu_stage1_memory (m, 1, subject, &bad, FALSE, &error), ==, 0);
  fixture_expect (&error, SHU_ERROR_INVALID, "5000 steps");
}

static void
test_words (void)
{
  ShuMemory mode = SHU_MEMORY_NORMAL;
  g_autoptr (GError) error = NULL;

  g_unsetenv ("SHU_MEMORY");
  g_assert_true (shu_memory_parse (NULL, &mode, NULL));
  g_assert_cmpint (mode, ==, SHU_MEMORY_AUTO);
  g_assert_true (shu_memory_parse ("low", &mode, NULL));
  g_assert_cmpint (mode, ==, SHU_MEMORY_LOW);
  g_setenv ("SHU_MEMORY", "normal", TRUE);
  g_assert_true (shu_memory_parse ("", &mode, NULL));
  g_assert_cmpint (mode, ==, SHU_MEMORY_NORMAL);
  g_unsetenv ("SHU_MEMORY");
  g_assert_false (shu_memory_parse ("much", &mode, &error));
  fixture_expect (&error, SHU_ERROR_INVALID, "\"much\": expected auto");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/stages/memory/official_sizes_fit", test_official);
  g_test_add_func ("/stages/memory/faults_are_found", test_faults);
  g_test_add_func ("/stages/memory/modes", test_words);
  g_test_add_func ("/stages/memory/decides", test_decides);
  g_test_add_func ("/stages/memory/comes_and_goes", test_comes_and_goes);
  g_test_add_func ("/stages/memory/users_share", test_users_share);
  g_test_add_data_func (
      "/stages/memory/as_measured", GINT_TO_POINTER (FALSE), test_as_measured);
  g_test_add_data_func ("/stages/memory/as_measured_low",
      GINT_TO_POINTER (TRUE), test_as_measured);
  return g_test_run ();
}
