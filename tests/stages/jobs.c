/* SPDX-License-Identifier: MIT */
/* Running the stages: the same result however it is run, an end within one
 * step when asked, and refusals of what they cannot work on. */
#include "base/error.h"
#include "fixtures.h"
#include "formats/bundle_file.h"
#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

static GBytes *
run_stage2 (const ShuBundle *views)
{
  g_autoptr (ShuModel) m = fixture_model ();
  g_autoptr (GError) error = NULL;
  g_autoptr (ShuBundle) asset =
      shu_stage_stage2 (m, views, &fixture_stage2, NULL, &error);

  g_assert_no_error (error);
  return shu_bundle_encode (asset);
}

static void
test_resumes (void)
{
  g_autoptr (ShuBundle) views = fixture_views ();
  g_autoptr (GBytes) saved = shu_bundle_encode (views);
  g_autoptr (ShuBundle) read = shu_bundle_decode (saved, "f", NULL);
  g_autoptr (GBytes) straight = run_stage2 (views);
  g_autoptr (GBytes) resumed = run_stage2 (read);

  g_assert_true (g_bytes_equal (straight, resumed));
}

static void
test_threads (void)
{
  int before = omp_get_max_threads ();
  GBytes *views[2], *assets[2];

  for (int k = 0; k < 2; k++) {
    g_autoptr (ShuBundle) b = NULL;

    omp_set_num_threads (k + 1);
    b = fixture_views ();
    views[k] = shu_bundle_encode (b);
    assets[k] = run_stage2 (b);
  }
  omp_set_num_threads (before);
  g_assert_true (g_bytes_equal (views[0], views[1]));
  g_assert_true (g_bytes_equal (assets[0], assets[1]));
  for (int k = 0; k < 2; k++) {
    g_bytes_unref (views[k]);
    g_bytes_unref (assets[k]);
  }
}

/* Subject to GLB, all stages. */
static gpointer
whole_job (gpointer data)
{
  ShuModel *m = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (ShuBundle) subject = fixture_subject ();
  g_autoptr (ShuBundle) views =
      shu_stage_stage1 (m, subject, &fixture_stage1, NULL, &error);
  g_autoptr (ShuBundle) asset = NULL, mesh = NULL, model = NULL;
  GBytes *glb;

  g_assert_no_error (error);
  asset = shu_stage_stage2 (m, views, &fixture_stage2, NULL, &error);
  g_assert_no_error (error);
  mesh =
      shu_stage_mesh (asset, &(ShuMeshParams){.simplify = 0.9}, NULL, &error);
  g_assert_no_error (error);
  model = shu_stage_texture (mesh, &(ShuTextureParams){256}, NULL, &error);
  g_assert_no_error (error);
  glb = shu_stage_glb (model, &(ShuGlbParams){.height = 1.7f}, &error);
  g_assert_no_error (error);
  return glb;
}

/* Networks are loaded and weights packed by whoever comes first: @m is fresh,
 * and both ask for everything. */
static void
test_two_at_a_time (void)
{
  enum { JOBS = 2 };

  g_autoptr (GBytes) alone = NULL;
  GThread *threads[JOBS];

  {
    g_autoptr (ShuModel) m = fixture_model ();

    alone = whole_job (m);
  }
  {
    g_autoptr (ShuModel) m = fixture_model ();

    for (int i = 0; i < JOBS; i++)
      threads[i] = g_thread_new ("job", whole_job, m);
    for (int i = 0; i < JOBS; i++) {
      g_autoptr (GBytes) glb = g_thread_join (threads[i]);

      g_assert_true (g_bytes_equal (glb, alone));
    }
  }
}

/* Resident kilobytes, or 0 where the system does not say. */
static long
resident (void)
{
  g_autofree char *text = NULL;
  const char *line;

  if (!g_file_get_contents ("/proc/self/status", &text, NULL, NULL))
    return 0;
  line = strstr (text, "VmRSS:");
  return line ? strtol (line + 6, NULL, 10) : 0;
}

/* One after the other with one model: the same bytes, and what the first few
 * have taken is enough for all. */
static void
test_many_in_one_run (void)
{
  enum { WARM = 3, JOBS = 8, MARGIN = 8 << 10 /* kilobytes */ };

  g_autoptr (ShuModel) m = fixture_model ();
  g_autoptr (GBytes) first = whole_job (m);
  long before = 0;

  for (int i = 1; i < JOBS; i++) {
    g_autoptr (GBytes) glb = whole_job (m);

    g_assert_true (g_bytes_equal (glb, first));
    if (i == WARM)
      before = resident ();
  }
#ifndef __SANITIZE_ADDRESS__ /* which holds back what is freed */
  g_assert_cmpint (resident (), <, before + MARGIN);
#endif
  g_test_message ("%ld kB after %d jobs, %ld kB after %d", before, WARM + 1,
      resident (), JOBS);
}

static void
test_seeds (void)
{
  g_autoptr (ShuModel) m = fixture_model ();
  g_autoptr (ShuBundle) subject = fixture_subject ();
  ShuStage1Params params = fixture_stage1;
  GBytes *bytes[3];

  for (int k = 0; k < 3; k++) { /* the bundle's, the same by name, another */
    g_autoptr (ShuBundle) b = NULL;

    params.seed = k == 0 ? -1 : 10 + k;
    b = shu_stage_stage1 (m, subject, &params, NULL, NULL);
    bytes[k] = shu_bundle_encode (b);
  }
  g_assert_true (g_bytes_equal (bytes[0], bytes[1]));
  g_assert_false (g_bytes_equal (bytes[0], bytes[2]));
  for (int k = 0; k < 3; k++)
    g_bytes_unref (bytes[k]);
}

/* A seed means what a GPU of PyTorch's draws, an H100 where none is named. */
static void
test_noise_gpu (void)
{
  static const char *const names[] = {NULL, "132x2048", "1x256"};
  g_autoptr (ShuModel) m = fixture_model ();
  g_autoptr (ShuBundle) subject = fixture_subject ();
  g_autoptr (GError) error = NULL;
  ShuStage1Params params = fixture_stage1;
  GBytes *bytes[3];

  for (int k = 0; k < 3; k++) {
    g_autoptr (ShuBundle) b = NULL;

    params.noise_gpu = names[k];
    b = shu_stage_stage1 (m, subject, &params, NULL, &error);
    g_assert_no_error (error);
    bytes[k] = shu_bundle_encode (b);
  }
  g_assert_true (g_bytes_equal (bytes[0], bytes[1]));
  g_assert_false (g_bytes_equal (bytes[0], bytes[2]));
  for (int k = 0; k < 3; k++)
    g_bytes_unref (bytes[k]);
  params.noise_gpu = "abacus";
  g_assert_null (shu_stage_stage1 (m, subject, &params, NULL, &error));
  fixture_expect (&error, SHU_ERROR_INVALID, "stage 1: noise GPU \"abacus\"");
}

/* ---- progress and interruption ---- */

typedef struct {
  int cancel_at; /* -1: never */
  int last, total, n_calls;
  GCancellable *cancellable;
} Watch;

static void
watch (const char *stage, int step, int total, gpointer data)
{
  Watch *w = data;

  g_assert_cmpint (step, ==, w->n_calls); /* 0, 1, 2, ... */
  w->n_calls++;
  w->last = step;
  w->total = total;
  if (step == w->cancel_at)
    g_cancellable_cancel (w->cancellable);
}

/* Stage 1 or 2 with @w watching. */
static ShuBundle *
run_watched (int stage, const ShuBundle *in, Watch *w, GError **error)
{
  g_autoptr (ShuModel) m = fixture_model ();
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  ShuProgress progress = {watch, w, cancellable};

  w->cancellable = cancellable;
  return stage == 1
             ? shu_stage_stage1 (m, in, &fixture_stage1, &progress, error)
             : shu_stage_stage2 (m, in, &fixture_stage2, &progress, error);
}

static void
test_cancel (gconstpointer data)
{
  int stage = GPOINTER_TO_INT (data);
  g_autoptr (ShuBundle) in = stage == 1 ? fixture_subject () : fixture_views ();
  Watch whole = {.cancel_at = -1};
  g_autoptr (GError) error = NULL;
  g_autoptr (ShuBundle) out = run_watched (stage, in, &whole, &error);

  g_assert_no_error (error);
  g_assert_nonnull (out);
  g_assert_cmpint (whole.last, ==, whole.total);
  for (int k = 0; k < whole.total; k++) {
    Watch w = {.cancel_at = k};

    g_assert_null (run_watched (stage, in, &w, &error));
    g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
    g_assert_cmpint (w.last, ==, k); /* no step more */
    g_clear_error (&error);
  }
}

static gpointer
cancel_later (gpointer data)
{
  g_usleep (20000);
  g_cancellable_cancel (data);
  return NULL;
}

/* From another thread, in the middle of a step. */
static void
test_cancel_from_outside (void)
{
  g_autoptr (ShuModel) m = fixture_model ();
  g_autoptr (ShuBundle) subject = fixture_subject ();
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  ShuProgress progress = {.cancellable = cancellable};
  ShuStage1Params params = {.seed = 1, .steps = 1000, .guidance = 3};
  g_autoptr (GError) error = NULL;
  GThread *thread = g_thread_new ("cancel", cancel_later, cancellable);
  ShuBundle *views = shu_stage_stage1 (m, subject, &params, &progress, &error);

  g_thread_join (thread);
  g_assert_null (views);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

/* ---- parameters and sizes ---- */

static void
test_stage1_params (void)
{
  static const struct {
    ShuStage1Params p;
    const char *message;
  } cases[] = {{{-1, 0, 3}, "0 steps"}, {{-1, 1001, 3}, "1001 steps"},
      {{-1, G_MAXINT, 3}, "steps, expected 1..1000"},
      {{-1, 2, 21}, "guidance 21"}, {{-1, 2, NAN}, "guidance"},
      {{-1, 2, INFINITY}, "guidance inf"},
      {{-1, 2, 3, (ShuPrecision) 7}, "precision 7"}};

  g_autoptr (ShuModel) m = fixture_model ();
  g_autoptr (ShuBundle) subject = fixture_subject ();

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GError) error = NULL;

    g_assert_null (shu_stage_stage1 (m, subject, &cases[i].p, NULL, &error));
    fixture_expect (&error, SHU_ERROR_INVALID, cases[i].message);
  }
}

/* The CPU has no FP8, and does not pretend to. */
static void
test_stage1_precision (void)
{
  const ShuStage1Params p = {
      .seed = -1, .steps = 2, .guidance = 3, .precision = SHU_PRECISION_FP8};
  g_autoptr (ShuModel) m = fixture_model ();
  g_autoptr (ShuBundle) subject = fixture_subject ();
  g_autoptr (GError) error = NULL;

  g_assert_null (shu_stage_stage1 (m, subject, &p, NULL, &error));
  fixture_expect (&error, SHU_ERROR_UNSUPPORTED, "fp8 needs an NVIDIA GPU");
}

static void
test_stage2_params (void)
{
  static const struct {
    ShuStage2Params p;
    const char *message;
  } cases[] = {{{-1, 0, 5, 0, 1, -1}, "0 steps"},
      {{-1, G_MAXINT, 5, 0, 1, -1}, "steps, expected"},
      {{-1, 2, 20.5, 0, 1, -1}, "guidance 20.5"},
      {{-1, 2, NAN, 0, 1, -1}, "guidance"},
      {{-1, 2, 5, 0.9, 0.1, -1}, "interval 0.9..0.1"},
      {{-1, 2, 5, 0, 1.5, -1}, "interval 0..1.5"},
      {{-1, 2, 5, 0, 1, 0}, "up-size 0"},
      {{-1, 2, 5, 0, 1, 225}, "up-size 225"},
      {{-1, 2, 5, 0, 1, 210}, "multiple of 14 in 224..4096"},
      {{-1, 2, 5, 0, 1, 14000}, "up-size 14000"}};

  g_autoptr (ShuModel) m = fixture_model ();
  g_autoptr (ShuBundle) views = fixture_views ();

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GError) error = NULL;

    g_assert_null (shu_stage_stage2 (m, views, &cases[i].p, NULL, &error));
    fixture_expect (&error, SHU_ERROR_INVALID, cases[i].message);
  }
}

static void
test_preprocess_params (void)
{
  static const struct {
    ShuPreprocessParams p;
    const char *message;
  } cases[] = {{{0, 0, 42}, "view size 0"}, {{0, 50, 42}, "multiple of 24"},
      {{0, 4104, 42}, "view size 4104"}, {{0, -48, 42}, "view size -48"},
      {{0, 48, 0}, "condition size 0"}, {{0, 48, 5000}, "14..4096"}};

  g_autoptr (ShuImage) cutout = fixture_cutout (60, 90);

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GError) error = NULL;

    g_assert_null (shu_stage_preprocess (cutout, &cases[i].p, NULL, &error));
    fixture_expect (&error, SHU_ERROR_INVALID, cases[i].message);
  }
}

/* A subject for another model is refused before anything is computed. */
static void
test_other_sizes (void)
{
  static const ShuPreprocessParams sizes[] = {{1, 96, 42}, {1, 48, 56}};
  static const char *const messages[] = {
      "\"body\" has 96 x 96 pixels, the model needs 48 x 48",
      "\"condition\" has 56 x 56 pixels, the model needs 42 x 42"};
  g_autoptr (ShuModel) m = fixture_model ();
  g_autoptr (ShuImage) cutout = fixture_cutout (60, 90);

  for (int i = 0; i < 2; i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (ShuBundle) subject =
        shu_stage_preprocess (cutout, &sizes[i], NULL, &error);

    g_assert_no_error (error);
    g_assert_null (
        shu_stage_stage1 (m, subject, &fixture_stage1, NULL, &error));
    fixture_expect (&error, SHU_ERROR_INVALID, messages[i]);
  }
}

static void
test_nobody (void)
{
  static const int sizes[][2] = {{1, 1}, {2, 2}, {64, 64}, {1, 300}};
  g_autoptr (ShuModel) m = fixture_model ();
  ShuPreprocessParams params = {.view_size = 48, .condition_size = 42};

  for (gsize i = 0; i < G_N_ELEMENTS (sizes); i++) {
    /* zeros: transparent everywhere */
    g_autoptr (ShuImage) image = shu_image_new (sizes[i][0], sizes[i][1], 4);
    g_autoptr (GError) error = NULL;
    char *warning = (char *) "untouched";

    g_assert_null (shu_stage_matting (m, image, &warning, NULL, &error));
    g_assert_error (error, SHU_ERROR, SHU_ERROR_NO_PERSON);
    g_assert_cmpstr (warning, ==, "untouched");
    g_clear_error (&error);
    g_assert_null (shu_stage_preprocess (image, &params, NULL, &error));
    g_assert_error (error, SHU_ERROR, SHU_ERROR_NO_PERSON);
  }
}

/* Formula weights: the built-in body goes all the way, in as many voxels as
 * asked for, and its surface has no hole. */
static void
test_body (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ShuModel) m =
      shu_model_get ("synthetic-tiny:7?voxels=500", "cpu", &error);
  g_autoptr (ShuBundle) subject = fixture_subject ();
  g_autoptr (ShuBundle) views = NULL, asset = NULL, mesh = NULL;
  ShuMeshReport report;

  g_assert_no_error (error);
  views = shu_stage_stage1 (m, subject, &fixture_stage1, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpint (shu_bundle_get (views, "coords")->dims[0], ==, 500);
  asset = shu_stage_stage2 (m, views, &fixture_stage2, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpint (
      shu_bundle_get (asset, "mesh_coords")->dims[0], ==, 64 * 500);
  mesh = shu_stage_mesh (asset, &(ShuMeshParams){.simplify = 0}, NULL, &error);
  g_assert_no_error (error);
  g_assert_true (shu_bundle_mesh_report (mesh, &report));
  g_assert_cmpint (report.extracted, >, 1000);
  g_assert_cmpint (report.holes, ==, 0);
  g_assert_cmpint (report.holes_left, ==, 0);
  g_assert_cmpint (report.outer, >, 1000);
  g_assert_cmpint (report.faces, ==, report.outer);
  g_assert_false (shu_bundle_mesh_report (asset, &report));
  g_clear_pointer (&mesh, shu_bundle_unref);
  mesh = shu_stage_mesh (asset, &(ShuMeshParams){.faces = 900}, NULL, &error);
  g_assert_no_error (error);
  g_assert_true (shu_bundle_mesh_report (mesh, &report));
  g_assert_cmpint (report.faces, <=, 900);
  g_assert_cmpint (report.faces, >, 880);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/stages/jobs/resumes_to_same_bytes", test_resumes);
  g_test_add_func ("/stages/jobs/same_with_two_threads", test_threads);
  g_test_add_func ("/stages/jobs/same_with_two_at_a_time", test_two_at_a_time);
  g_test_add_func ("/stages/jobs/many_in_one_run", test_many_in_one_run);
  g_test_add_func ("/stages/jobs/seed_of_bundle", test_seeds);
  g_test_add_func ("/stages/jobs/noise_of_a_gpu", test_noise_gpu);
  g_test_add_data_func ("/stages/jobs/stage1_stops_at_any_step",
      GINT_TO_POINTER (1), test_cancel);
  g_test_add_data_func ("/stages/jobs/stage2_stops_at_any_step",
      GINT_TO_POINTER (2), test_cancel);
  g_test_add_func (
      "/stages/jobs/stops_from_another_thread", test_cancel_from_outside);
  g_test_add_func ("/stages/jobs/refuses_stage1_params", test_stage1_params);
  g_test_add_func ("/stages/jobs/refuses_fp8", test_stage1_precision);
  g_test_add_func ("/stages/jobs/refuses_stage2_params", test_stage2_params);
  g_test_add_func (
      "/stages/jobs/refuses_preprocess_params", test_preprocess_params);
  g_test_add_func ("/stages/jobs/refuses_other_sizes", test_other_sizes);
  g_test_add_func ("/stages/jobs/finds_nobody", test_nobody);
  g_test_add_func ("/stages/jobs/body_of_500_voxels", test_body);
  return g_test_run ();
}
