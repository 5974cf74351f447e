/* SPDX-License-Identifier: MIT */
/* What a job will take of a GPU's memory is known before it begins, without
 * one. */
#include "base/error.h"
#include "fixtures.h"
#include "stages/model_private.h"
#include "stages/stages.h"
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

static ShuBundle *
make_subject (const ShuModel *m)
{
  const ShuModelDefaults *d = shu_model_defaults (m);
  ShuPreprocessParams p = {.seed = 1,
      .view_size = d->view_size,
      .condition_size = d->condition_size};
  g_autoptr (ShuImage) cutout = shu_image_new (200, 300, 4);
  g_autoptr (GError) error = NULL;
  ShuBundle *subject;

  memset (cutout->data, 0, (gsize) 200 * 300 * 4);
  for (int y = 40; y < 260; y++)
    memset (cutout->data + 4 * (y * 200 + 60), 255, 4 * 80);
  subject = shu_stage_preprocess (cutout, &p, NULL, &error);
  g_assert_no_error (error);
  return subject;
}

/* Bundle "views" with @n voxels */
static ShuBundle *
make_views (const ShuModel *m, const ShuBundle *subject, int n)
{
  static const char *const carried[] = {"condition", "cutout", NULL};
  const ShuModelDefaults *d = shu_model_defaults (m);
  int S = d->view_size, R = d->voxel_res;
  ShuBundle *views = shu_bundle_new ("views");
  ShuTensor *pictures = shu_tensor_new (SHU_DTYPE_U8, SHU_DIMS (5, S, S, 3));
  ShuTensor *coords = shu_tensor_new (SHU_DTYPE_I32, SHU_DIMS (n, 4));
  gint32 *c = coords->data;

  memset (pictures->data, 100, pictures->n);
  for (int i = 0; i < n; i++, c += 4) {
    c[0] = 0;
    c[1] = i / (R * R);
    c[2] = i / R % R;
    c[3] = i % R;
  }
  shu_bundle_carry (views, subject, carried);
  shu_bundle_set (views, "color", pictures);
  shu_bundle_take (views, "normal", pictures);
  shu_bundle_take (views, "coords", coords);
  return views;
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
  gsize bytes = shu_stage1_memory (m, subject, &params1, low, &error);

  g_assert_no_error (error);
  g_test_message (
      "stage 1%s: %.2f GB", low ? ", low" : "", (double) bytes / (double) GB);
  return bytes;
}

static gsize
stage2_bytes (ShuModel *m, const ShuBundle *subject, int n, gboolean low)
{
  g_autoptr (ShuBundle) views = make_views (m, subject, n);
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
  g_autoptr (ShuBundle) subject = make_subject (m);
  gsize normal = stage1_bytes (m, subject, FALSE);
  gsize low = stage1_bytes (m, subject, TRUE);
  gsize few = stage2_bytes (m, subject, 6000, FALSE);
  gsize many = stage2_bytes (m, subject, 32768, FALSE);
  gsize many_low = stage2_bytes (m, subject, 32768, TRUE);

  /* half a gigabyte is CUDA's own; the other stage's weights are there, too */
  g_assert_cmpuint (normal, <, 15 * GB);
  g_assert_cmpuint (low, <, 13 * GB);
  g_assert_cmpuint (low, <, normal);
  g_assert_cmpuint (few, <, many);
  g_assert_cmpuint (many_low, <, many);
  /* the same every time */
  g_assert_cmpuint (stage1_bytes (m, subject, FALSE), ==, normal);
}

static void
test_faults (void)
{
  g_autoptr (ShuModel) m = model_on_device ("synthetic-tiny:1");
  g_autoptr (ShuBundle) subject = make_subject (m);
  g_autoptr (GError) error = NULL;
  ShuStage1Params bad = {.seed = 1, .steps = 5000, .guidance = -1};

  g_assert_cmpuint (shu_stage1_memory (m, subject, &bad, FALSE, &error), ==, 0);
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
  return g_test_run ();
}
