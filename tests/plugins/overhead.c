/* SPDX-License-Identifier: MIT */
/* What the elements add to the calls of the library that they make: the same
 * photo several times in turn through both, and their times side by side.
 *   overhead PLUGIN.so [MODEL [ROUNDS]]
 * Fails where the two do not give the same bytes. */
#include "fixture.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static int
compare (gconstpointer a, gconstpointer b)
{
  double x = *(const double *) a, y = *(const double *) b;

  return (x > y) - (x < y);
}

/* Seconds of this process on all cores: other programs do not count. */
static double
cpu_seconds (void)
{
  struct timespec t;

  clock_gettime (CLOCK_PROCESS_CPUTIME_ID, &t);
  return t.tv_sec + 1e-9 * t.tv_nsec;
}

static GBytes *
by_calls (ShuModel *model, const ShuImage *photo)
{
  const ShuModelDefaults *d = shu_model_defaults (model);
  ShuPreprocessParams sizes = {43, d->view_size, d->condition_size};
  g_autoptr (GError) error = NULL;
  g_autoptr (ShuImage) cutout =
      shu_stage_matting (model, photo, NULL, NULL, &error);
  g_autoptr (ShuBundle) subject = NULL, views = NULL, asset = NULL;
  g_autoptr (ShuBundle) mesh = NULL, person = NULL;
  GBytes *glb;

  g_assert_no_error (error);
  subject = shu_stage_preprocess (cutout, &sizes, NULL, &error);
  g_assert_no_error (error);
  views = shu_stage_stage1 (
      model, subject, &(ShuStage1Params){-1, -1, -1}, NULL, &error);
  g_assert_no_error (error);
  asset = shu_stage_stage2 (
      model, views, &(ShuStage2Params){-1, -1, -1, -1, -1, -1}, NULL, &error);
  g_assert_no_error (error);
  mesh = shu_stage_mesh (asset, &(ShuMeshParams){.simplify = -1}, NULL, &error);
  g_assert_no_error (error);
  person = shu_stage_texture (mesh, &(ShuTextureParams){-1}, NULL, &error);
  g_assert_no_error (error);
  glb = shu_stage_glb (person, &(ShuGlbParams){.height = 1.7}, &error);
  g_assert_no_error (error);
  return glb;
}

static GBytes *
by_elements (GstHarness *h, GstBuffer *frame)
{
  g_autoptr (GstBuffer) out = NULL;
  gpointer data;
  gsize size;

  g_assert_cmpint (
      gst_harness_push (h, gst_buffer_ref (frame)), ==, GST_FLOW_OK);
  out = gst_harness_pull (h);
  gst_buffer_extract_dup (out, 0, -1, &data, &size);
  return g_bytes_new_take (data, size);
}

int
main (int argc, char **argv)
{
  const char *name = argc > 2 ? argv[2] : TINY;
  int rounds = argc > 3 ? CLAMP (atoi (argv[3]), 1, 100) : 7;
  g_autofree double *calls = g_new (double, rounds);
  g_autofree double *elements = g_new (double, rounds);
  g_autoptr (GstCaps) caps = NULL;
  GstBuffer *frame;
  g_autoptr (ShuImage) photo = harness_figure (300, 400, TRUE);
  g_autoptr (ShuModel) model = NULL;
  g_autoptr (GError) error = NULL;
  GstHarness *h;
  double a, b;

  argc = 2;
  fixture_init (&argc, &argv);
  frame = fixture_frame (300, 400, &caps);
  g_setenv ("SHU_MODEL", name, TRUE);
  model = shu_model_get (name, NULL, &error);
  g_assert_no_error (error);
  h = gst_harness_new_parse ("shumatting ! shupreprocess ! shustage1 ! "
                             "shustage2 ! shumesh ! shutexture ! shuglbmux");
  gst_harness_set_src_caps (h, gst_caps_ref (caps));
  /* the first round loads the model and does not count */
  for (int i = -1; i < rounds; i++) {
    double t0 = cpu_seconds (), t1;
    g_autoptr (GBytes) x = by_calls (model, photo);
    g_autoptr (GBytes) y = NULL;

    t1 = cpu_seconds ();
    y = by_elements (h, frame);
    if (i >= 0) {
      calls[i] = t1 - t0;
      elements[i] = cpu_seconds () - t1;
    }
    g_assert_true (g_bytes_equal (x, y));
  }
  qsort (calls, rounds, sizeof *calls, compare);
  qsort (elements, rounds, sizeof *elements, compare);
  a = calls[rounds / 2];
  b = elements[rounds / 2];
  printf ("%s, median of %d rounds: library %.4f s, elements %.4f s "
          "(%+.2f %%); fastest %.4f s, %.4f s (%+.2f %%)\n",
      name, rounds, a, b, 100 * (b / a - 1), calls[0], elements[0],
      100 * (elements[0] / calls[0] - 1));
  gst_harness_teardown (h);
  gst_buffer_unref (frame);
  return 0;
}
