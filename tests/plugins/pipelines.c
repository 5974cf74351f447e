/* SPDX-License-Identifier: MIT */
/* Whole pipelines on the smallest model: the job, its parts put together
 * again, several frames, several at a time, models, errors, taps. */
#include "fixture.h"
#include "../../plugins/model.h"
#include <glib/gstdio.h>
#include <unistd.h>

#define TO_GLB                                                                 \
  "shustage2 num-steps=2 ! shumesh ! shutexture texture-size=256 ! shuglbmux"

static void
resumed_is_the_same (PhotoFixture *f, gconstpointer data)
{
  g_autofree char *whole = g_strdup_printf (TO_VIEWS
      " ! " TO_GLB " ! filesink location=%s/whole.glb",
      f->folder, f->folder);
  g_autofree char *first = g_strdup_printf (TO_VIEWS
      " ! shubundleenc ! filesink location=%s/v.safetensors",
      f->folder, f->folder);
  g_autofree char *second = g_strdup_printf (
      "filesrc location=%s/v.safetensors ! shubundledec ! " TO_GLB
      " ! shufilesink location=%s/parts.glb",
      f->folder, f->folder);
  g_autoptr (GBytes) a = NULL;
  g_autoptr (GBytes) b = NULL;

  fixture_succeed (whole);
  fixture_succeed (first);
  fixture_succeed (second);
  a = harness_contents (f->folder, "whole.glb");
  b = harness_contents (f->folder, "parts.glb");
  g_assert_cmpuint (g_bytes_get_size (a), >, 1000);
  g_assert_true (memcmp (g_bytes_get_data (a, NULL), "glTF", 4) == 0);
  g_assert_true (g_bytes_equal (a, b));
}

static void
views_are_frames (PhotoFixture *f, gconstpointer data)
{
  g_autofree char *d = g_strdup_printf (TO_VIEWS
      " ! tee name=t ! queue ! shuviews ! pngenc ! multifilesink "
      "location=%s/v-%%02d.png  t. ! queue ! shuviewssink location=%s/s1  t. ! "
      "queue ! shunpzenc ! shufilesink location=%s/v.npz",
      f->folder, f->folder, f->folder, f->folder);
  g_autofree char *back = g_strdup_printf (
      "shuviewssrc location=%s/s1 ! " TO_GLB " ! shufilesink location=%s/b.glb",
      f->folder, f->folder);

  fixture_succeed (d);
  g_assert_true (harness_exists (f->folder, "v-00.png"));
  g_assert_true (harness_exists (f->folder, "v-09.png"));
  g_assert_false (harness_exists (f->folder, "v-10.png"));
  g_assert_true (harness_exists (f->folder, "v.npz"));
  g_assert_true (harness_exists (f->folder, "s1/color_4.png"));
  fixture_succeed (back);
  g_assert_true (harness_exists (f->folder, "b.glb"));
}

static void
ply_and_sheet (PhotoFixture *f, gconstpointer data)
{
  g_autofree char *d = g_strdup_printf (TO_VIEWS
      " ! shustage2 num-steps=2 ! tee name=a ! queue ! shumesh ! shutexture "
      "texture-size=256 ! shusheet ! pngenc ! shufilesink location=%s/s.png  "
      "a. ! queue ! shuplyenc content=gaussians ! shufilesink "
      "location=%s/g.ply  a. ! queue ! shuplyenc ! shufilesink "
      "location=%s/m.ply",
      f->folder, f->folder, f->folder, f->folder);
  g_autoptr (GBytes) gaussians = NULL;
  g_autoptr (GBytes) mesh = NULL;

  fixture_succeed (d);
  gaussians = harness_contents (f->folder, "g.ply");
  mesh = harness_contents (f->folder, "m.ply");
  g_assert_true (harness_exists (f->folder, "s.png"));
  g_assert_true (memcmp (g_bytes_get_data (gaussians, NULL), "ply\n", 4) == 0);
  g_assert_true (memcmp (g_bytes_get_data (mesh, NULL), "ply\n", 4) == 0);
}

static void
several_frames (PhotoFixture *f, gconstpointer data)
{
  g_autofree char *d = g_strdup_printf (
      "multifilesrc location=%s/p-%%d.png stop-index=2 ! shuphotodec ! "
      "shumatting ! shupreprocess ! shustage1 num-inference-steps=2 ! " TO_GLB
      " ! multifilesink location=%s/m-%%d.glb",
      f->folder, f->folder);

  for (int i = 0; i < 3; i++) {
    g_autofree char *name = g_strdup_printf ("p-%d.png", i);

    harness_put_png (f->folder, name, 60 + 17 * i, 110 - 13 * i);
  }
  fixture_succeed (d);
  g_assert_true (harness_exists (f->folder, "m-0.glb"));
  g_assert_true (harness_exists (f->folder, "m-1.glb"));
  g_assert_true (harness_exists (f->folder, "m-2.glb"));
  g_assert_false (harness_exists (f->folder, "m-3.glb"));
}

/* Several frames in flight, and several pipelines at a time on one model: every
 * file is that of a job of its own. */
static void
together_is_the_same (PhotoFixture *f, gconstpointer data)
{
  static const char *const job =
      "multifilesrc location=%s/%s.png loop=true num-buffers=2 ! "
      "shuphotodec ! shumatting ! shupreprocess seed=%d ! shustage1 "
      "num-inference-steps=2 %s ! shustage2 num-steps=2 %s ! shumesh %s ! "
      "shutexture texture-size=256 ! shuglbmux ! multifilesink "
      "location=%s/%s-%%d.glb";
  const char *q = "! queue max-size-buffers=1";
  GstElement *pipelines[2];

  harness_put_png (f->folder, "b.png", 77, 140);
  for (int i = 0; i < 2; i++) {
    g_autofree char *alone = g_strdup_printf (job, f->folder, i ? "b" : "a",
        5 + i, "", "", "", f->folder, i ? "alone-b" : "alone-a");

    fixture_succeed (alone);
  }
  for (int i = 0; i < 2; i++) {
    g_autofree char *d = g_strdup_printf (job, f->folder, i ? "b" : "a", 5 + i,
        q, q, q, f->folder, i ? "b" : "a");

    pipelines[i] = gst_parse_launch (d, NULL);
    gst_element_set_state (pipelines[i], GST_STATE_PLAYING);
  }
  for (int i = 0; i < 2; i++) {
    fixture_wait_for_end (pipelines[i]);
    gst_element_set_state (pipelines[i], GST_STATE_NULL);
    gst_object_unref (pipelines[i]);
  }
  for (int i = 0; i < 4; i++) {
    g_autofree char *x = g_strdup_printf ("%c-%d.glb", "ab"[i / 2], i % 2);
    g_autofree char *y = g_strdup_printf ("alone-%s", x);
    g_autoptr (GBytes) together = harness_contents (f->folder, x);
    g_autoptr (GBytes) alone = harness_contents (f->folder, y);

    g_assert_true (g_bytes_equal (together, alone));
  }
}

typedef struct {
  GMutex lock;
  GCond cond;
  int n_stage1; /* subjects that Stage 1 has begun */
  gboolean held, together;
} Overlap;

/* Holds Stage 2 of the first subject until Stage 1 of the second one begins. */
static GstBusSyncReply
hold_stage2 (GstBus *bus, GstMessage *m, gpointer data)
{
  Overlap *o = data;
  const GstStructure *s = gst_message_get_structure (m);
  gint64 end = g_get_monotonic_time () + 120 * G_TIME_SPAN_SECOND;
  gboolean waiting = TRUE;
  int step;

  if (GST_MESSAGE_TYPE (m) != GST_MESSAGE_ELEMENT ||
      !gst_structure_has_name (s, "synchuman-progress") ||
      !gst_structure_get_int (s, "step", &step) || step != 0)
    return GST_BUS_PASS;
  g_mutex_lock (&o->lock);
  if (g_str_equal (gst_structure_get_string (s, "stage"), "stage1")) {
    o->n_stage1++;
    g_cond_broadcast (&o->cond);
  }
  if (g_str_equal (gst_structure_get_string (s, "stage"), "stage2") &&
      !o->held) {
    o->held = TRUE;
    while (waiting && o->n_stage1 < 2)
      waiting = g_cond_wait_until (&o->cond, &o->lock, end);
    o->together = o->n_stage1 == 2;
  }
  g_mutex_unlock (&o->lock);
  return GST_BUS_PASS;
}

/* With a queue between them two stages work at the same time. */
static void
subjects_overlap (PhotoFixture *f, gconstpointer data)
{
  g_autofree char *d = g_strdup_printf (
      "multifilesrc location=%s/a.png loop=true num-buffers=2 ! shuphotodec ! "
      "shumatting ! shupreprocess ! shustage1 num-inference-steps=2 ! queue "
      "max-size-buffers=1 ! shustage2 num-steps=2 ! fakesink",
      f->folder);
  g_autoptr (GstElement) pipeline = gst_parse_launch (d, NULL);
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);
  Overlap o = {.n_stage1 = 0};

  g_mutex_init (&o.lock);
  g_cond_init (&o.cond);
  gst_bus_set_sync_handler (bus, hold_stage2, &o, NULL);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  fixture_wait_for_end (pipeline);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_bus_set_sync_handler (bus, NULL, NULL, NULL);
  g_assert_true (o.held);
  g_assert_true (o.together);
  g_cond_clear (&o.cond);
  g_mutex_clear (&o.lock);
}

static GstBusSyncReply
keep_report (GstBus *bus, GstMessage *m, gpointer data)
{
  GstStructure **ret = data;

  if (gst_message_has_name (m, "synchuman-mesh-report")) {
    g_assert_null (*ret);
    *ret = gst_structure_copy (gst_message_get_structure (m));
  }
  return GST_BUS_PASS;
}

/* One message says what became of the extracted faces. */
static void
mesh_report (PhotoFixture *f, gconstpointer data)
{
  g_autofree char *d = g_strdup_printf (TO_VIEWS
      " ! shustage2 num-steps=2 ! shumesh faces=900 ! fakesink",
      f->folder);
  g_autoptr (GstElement) pipeline = gst_parse_launch (d, NULL);
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);
  GstStructure *report = NULL;
  int extracted = 0, outer = 0, faces = 0, left = -1;

  gst_bus_set_sync_handler (bus, keep_report, &report, NULL);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  fixture_wait_for_end (pipeline);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_bus_set_sync_handler (bus, NULL, NULL, NULL);
  g_assert_nonnull (report);
  g_assert_true (gst_structure_get (report, "faces-extracted", G_TYPE_INT,
      &extracted, "faces-outer", G_TYPE_INT, &outer, "faces", G_TYPE_INT,
      &faces, "holes-left", G_TYPE_INT, &left, NULL));
  g_assert_nonnull (gst_structure_get_string (report, "text"));
  g_assert_cmpint (extracted, >, 1000);
  g_assert_cmpint (outer, >, 1000);
  g_assert_cmpint (faces, <=, 900);
  g_assert_cmpint (left, ==, 0);
  gst_structure_free (report);
}

/* Set on one element, the model reaches those before and behind it. */
static void
model_is_shared (PhotoFixture *f, gconstpointer data)
{
  g_autofree char *d = g_strdup_printf (FROM_PHOTO
      "shupreprocess ! shustage1 ! shustage2 num-steps=1 model=" TINY
      " ! fakesink",
      f->folder);

  g_setenv ("SHU_MODEL", "/nonexistent", TRUE);
  fixture_succeed (d);
  g_setenv ("SHU_MODEL", TINY, TRUE);
}

static void
model_from_application (PhotoFixture *f, gconstpointer data)
{
  g_autofree char *d = g_strdup_printf (
      FROM_PHOTO "shupreprocess ! shustage1 ! fakesink", f->folder);
  g_autoptr (GstElement) pipeline = gst_parse_launch (d, NULL);
  g_autoptr (GstContext) context = gst_context_new (SHU_MODEL_CONTEXT, TRUE);

  g_setenv ("SHU_MODEL", "/nonexistent", TRUE);
  gst_structure_set (gst_context_writable_structure (context), "model",
      G_TYPE_STRING, TINY, NULL);
  gst_element_set_context (pipeline, context);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  fixture_wait_for_end (pipeline);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  g_setenv ("SHU_MODEL", TINY, TRUE);
}

static void
errors (PhotoFixture *f, gconstpointer data)
{
  static const struct {
    const char *description;
    const char *expected;
  } rows[] = {
      {"filesrc location=/dev/null ! shuphotodec ! fakesink", "empty"},
      {"filesrc location=%s/short.png ! shuphotodec ! fakesink", "cut short"},
      {"filesrc location=%s/text ! shuphotodec ! fakesink", "picture"},
      {"filesrc location=%s/text ! shubundledec ! fakesink", "bundle"},
      {"filesrc location=%s/a.png ! shuphotodec ! shumatting model=/nowhere ! "
       "shupreprocess ! shustage1 ! fakesink",
          "/nowhere"},
      {"shuviewssrc location=%s/nothing ! fakesink", "nothing"},
      {"shuviewssrc ! fakesink", "location"},
      {"filesrc location=%s/a.png ! shufilesink location=%s/no/where.png",
          "no/where.png"},
  };

  g_autoptr (GBytes) png = harness_contents (f->folder, "a.png");

  harness_put (f->folder, "short.png", g_bytes_get_data (png, NULL), 300);
  harness_put (f->folder, "text", "no more than a text", 19);
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_auto (GStrv) parts = g_strsplit (rows[i].description, "%s", -1);
    g_autofree char *d = g_strjoinv (f->folder, parts);
    g_autofree char *message = NULL;
    int n = 0;

    g_test_message ("%s", d);
    message = fixture_run (d, &n);
    g_assert_nonnull (message);
    g_assert_nonnull (strstr (message, rows[i].expected));
    g_assert_cmpint (n, ==, 1);
  }
}

/* The model folder @whole without DINOv2, as links: (transfer full) */
static char *
folder_without_dino (const char *root, const char *whole)
{
  g_autofree char *one = g_build_filename (whole, "OneStage", NULL);
  g_autofree char *two = g_build_filename (whole, "SecondStage", NULL);
  g_autofree char *own = g_build_filename (root, "model", "OneStage", NULL);
  g_autofree char *rest = g_build_filename (root, "model", "SecondStage", NULL);
  g_autoptr (GDir) dir = g_dir_open (one, 0, NULL);
  const char *name;

  g_assert_cmpint (g_mkdir_with_parents (own, 0777), ==, 0);
  g_assert_cmpint (symlink (two, rest), ==, 0);
  while ((name = g_dir_read_name (dir))) {
    g_autofree char *from = g_build_filename (one, name, NULL);
    g_autofree char *to = g_build_filename (own, name, NULL);

    if (strcmp (name, "dinov2") != 0)
      g_assert_cmpint (symlink (from, to), ==, 0);
  }
  return g_path_get_dirname (own);
}

/* What to do is said once: by the library, or behind what it says. */
static void
errors_advise_once (PhotoFixture *f, gconstpointer data)
{
  g_autofree char *missing = NULL, *cut = NULL, *model = NULL, *whole = NULL;
  g_autofree char *first = NULL, *second = NULL;
  g_autoptr (GBytes) views = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (ShuModel) mini = NULL;

  g_unsetenv ("SHU_MODEL");
  mini = shu_model_get (NULL, "cpu", &error);
  g_assert_no_error (error);
  g_setenv ("TORCH_HOME", f->folder, TRUE);
  model = folder_without_dino (f->folder, shu_model_folder (mini));
  missing = g_strdup_printf (FROM_PHOTO
      "shupreprocess ! shustage1 model=%s device=cpu num-inference-steps=1 ! "
      "fakesink",
      f->folder, model);
  first = fixture_run (missing, NULL);
  g_unsetenv ("TORCH_HOME");
  g_setenv ("SHU_MODEL", TINY, TRUE);
  g_assert_nonnull (strstr (first, "there is no dinov2_vitl14_reg4_pretrain"));
  g_assert_true (g_str_has_suffix (
      first, "/hub/checkpoints\nPut what is missing into one of these."));

  whole =
      g_strdup_printf (TO_VIEWS " ! shubundleenc ! shufilesink location=%s/v",
          f->folder, f->folder);
  fixture_succeed (whole);
  views = harness_contents (f->folder, "v");
  harness_put (f->folder, "cut", g_bytes_get_data (views, NULL),
      g_bytes_get_size (views) - 100);
  cut = g_strdup_printf (
      "filesrc location=%s/cut ! shubundledec ! fakesink", f->folder);
  second = fixture_run (cut, NULL);
  g_assert_true (g_str_has_suffix (second, "; copy the file again."));
}

/* SHU_TAPS: what matches is written, named after network and result; where it
 * cannot be written the job fails. */
static void
taps (PhotoFixture *f, gconstpointer data)
{
  g_autofree char *d = g_strdup_printf (TO_VIEWS " ! fakesink", f->folder);
  g_autofree char *folder = g_build_filename (f->folder, "taps", NULL);
  g_autofree char *message = NULL;
  g_autoptr (GBytes) bytes = NULL;

  g_setenv ("SHU_TAPS", "joint/conv_i?,no/such", TRUE);
  g_setenv ("SHU_TAPS_DIR", folder, TRUE);
  message = fixture_run (d, NULL);
  g_assert_nonnull (message);
  g_assert_nonnull (strstr (message, "joint-conv_in"));
  g_mkdir (folder, 0777);
  fixture_succeed (d);
  g_unsetenv ("SHU_TAPS_DIR");
  g_unsetenv ("SHU_TAPS");
  /* the first was the one that failed; two steps */
  g_assert_false (
      harness_exists (f->folder, "taps/000001-joint-conv_in.safetensors"));
  g_assert_true (
      harness_exists (f->folder, "taps/000003-joint-conv_in.safetensors"));
  g_assert_false (
      harness_exists (f->folder, "taps/000004-joint-conv_in.safetensors"));
  bytes = harness_contents (f->folder, "taps/000002-joint-conv_in.safetensors");
  /* behind the length of the header, which has zeros */
  g_assert_nonnull (
      g_strstr_len ((const char *) g_bytes_get_data (bytes, NULL) + 8, 200,
          "\"joint/conv_in\":{\"dtype\":\"F32\""));
}

#define ADD(path, func)                                                        \
  g_test_add ("/plugins/" path, PhotoFixture, NULL, photo_fixture_setup, func, \
      photo_fixture_teardown)

int
main (int argc, char **argv)
{
  fixture_init (&argc, &argv);
  ADD ("job/resumed_is_the_same", resumed_is_the_same);
  ADD ("job/views_are_frames", views_are_frames);
  ADD ("job/ply_and_sheet", ply_and_sheet);
  ADD ("job/several_frames", several_frames);
  ADD ("job/together_is_the_same", together_is_the_same);
  ADD ("job/subjects_overlap", subjects_overlap);
  ADD ("job/mesh_report", mesh_report);
  ADD ("model/is_shared", model_is_shared);
  ADD ("model/from_application", model_from_application);
  ADD ("errors/exactly_one", errors);
  ADD ("errors/advise_once", errors_advise_once);
  ADD ("taps", taps);
  return g_test_run ();
}
