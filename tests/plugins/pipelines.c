/* SPDX-License-Identifier: MIT */
/* Whole pipelines on the smallest model: the job, its parts put together
 * again, several frames, errors, and stopping at any moment. */
#include "fixture.h"
#include "../../plugins/model.h"
#include <glib/gstdio.h>

#define HEAD "filesrc location=%s/a.png ! shuphotodec ! shumatting ! "
#define TO_VIEWS HEAD "shupreprocess seed=5 ! shustage1 num-inference-steps=2"
#define TO_GLB                                                                 \
  "shustage2 num-steps=2 ! shumesh ! shutexture texture-size=256 ! shuglbmux"

typedef struct {
  char *folder;
} Fixture;

static void
setup (Fixture *f, gconstpointer data)
{
  g_autofree char *a = NULL;

  f->folder = fixture_folder ();
  a = fixture_png_file (f->folder, "a.png", 90, 120);
}

static void
teardown (Fixture *f, gconstpointer data)
{
  fixture_remove (f->folder);
  g_free (f->folder);
}

static void
runs (const char *description)
{
  g_autofree char *message = fixture_run (description, NULL);

  g_assert_cmpstr (message, ==, NULL);
}

static GBytes *
contents (const Fixture *f, const char *name)
{
  g_autofree char *path = g_build_filename (f->folder, name, NULL);
  char *data = NULL;
  gsize size;

  g_assert_true (g_file_get_contents (path, &data, &size, NULL));
  return g_bytes_new_take (data, size);
}

static gboolean
exists (const Fixture *f, const char *name)
{
  g_autofree char *path = g_build_filename (f->folder, name, NULL);

  return g_file_test (path, G_FILE_TEST_EXISTS);
}

static void
resumed_is_the_same (Fixture *f, gconstpointer data)
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

  runs (whole);
  runs (first);
  runs (second);
  a = contents (f, "whole.glb");
  b = contents (f, "parts.glb");
  g_assert_cmpuint (g_bytes_get_size (a), >, 1000);
  g_assert_true (memcmp (g_bytes_get_data (a, NULL), "glTF", 4) == 0);
  g_assert_true (g_bytes_equal (a, b));
}

static void
views_are_frames (Fixture *f, gconstpointer data)
{
  g_autofree char *d = g_strdup_printf (TO_VIEWS
      " ! tee name=t ! queue ! shuviews ! pngenc ! multifilesink "
      "location=%s/v-%%02d.png  t. ! queue ! shuviewssink location=%s/s1  t. ! "
      "queue ! shunpzenc ! shufilesink location=%s/v.npz",
      f->folder, f->folder, f->folder, f->folder);
  g_autofree char *back = g_strdup_printf (
      "shuviewssrc location=%s/s1 ! " TO_GLB " ! shufilesink location=%s/b.glb",
      f->folder, f->folder);

  runs (d);
  g_assert_true (exists (f, "v-00.png"));
  g_assert_true (exists (f, "v-09.png"));
  g_assert_false (exists (f, "v-10.png"));
  g_assert_true (exists (f, "v.npz"));
  g_assert_true (exists (f, "s1/color_4.png"));
  runs (back);
  g_assert_true (exists (f, "b.glb"));
}

static void
ply_and_sheet (Fixture *f, gconstpointer data)
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

  runs (d);
  gaussians = contents (f, "g.ply");
  mesh = contents (f, "m.ply");
  g_assert_true (exists (f, "s.png"));
  g_assert_true (memcmp (g_bytes_get_data (gaussians, NULL), "ply\n", 4) == 0);
  g_assert_true (memcmp (g_bytes_get_data (mesh, NULL), "ply\n", 4) == 0);
}

static void
several_frames (Fixture *f, gconstpointer data)
{
  g_autofree char *d = g_strdup_printf (
      "multifilesrc location=%s/p-%%d.png stop-index=2 ! shuphotodec ! "
      "shumatting ! shupreprocess ! shustage1 num-inference-steps=2 ! " TO_GLB
      " ! multifilesink location=%s/m-%%d.glb",
      f->folder, f->folder);

  for (int i = 0; i < 3; i++) {
    g_autofree char *name = g_strdup_printf ("p-%d.png", i);
    g_autofree char *path =
        fixture_png_file (f->folder, name, 60 + 17 * i, 110 - 13 * i);
  }
  runs (d);
  g_assert_true (exists (f, "m-0.glb"));
  g_assert_true (exists (f, "m-1.glb"));
  g_assert_true (exists (f, "m-2.glb"));
  g_assert_false (exists (f, "m-3.glb"));
}

/* Set on one element, the model reaches those before and behind it. */
static void
model_is_shared (Fixture *f, gconstpointer data)
{
  g_autofree char *d = g_strdup_printf (HEAD
      "shupreprocess ! shustage1 ! shustage2 num-steps=1 model=" TINY
      " ! fakesink",
      f->folder);

  g_setenv ("SHU_MODEL", "/nonexistent", TRUE);
  runs (d);
  g_setenv ("SHU_MODEL", TINY, TRUE);
}

static void
model_from_application (Fixture *f, gconstpointer data)
{
  g_autofree char *d =
      g_strdup_printf (HEAD "shupreprocess ! shustage1 ! fakesink", f->folder);
  g_autoptr (GstElement) pipeline = gst_parse_launch (d, NULL);
  g_autoptr (GstContext) context = gst_context_new (SHU_MODEL_CONTEXT, TRUE);
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);
  g_autoptr (GstMessage) m = NULL;

  g_setenv ("SHU_MODEL", "/nonexistent", TRUE);
  gst_structure_set (gst_context_writable_structure (context), "model",
      G_TYPE_STRING, TINY, NULL);
  gst_element_set_context (pipeline, context);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  m = gst_bus_timed_pop_filtered (
      bus, 60 * GST_SECOND, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
  g_assert_nonnull (m);
  g_assert_cmpint (GST_MESSAGE_TYPE (m), ==, GST_MESSAGE_EOS);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  g_setenv ("SHU_MODEL", TINY, TRUE);
}

static void
errors (Fixture *f, gconstpointer data)
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

  g_autoptr (GBytes) png = contents (f, "a.png");
  g_autofree char *cut = g_build_filename (f->folder, "short.png", NULL);
  g_autofree char *text = g_build_filename (f->folder, "text", NULL);

  g_assert_true (
      g_file_set_contents (cut, g_bytes_get_data (png, NULL), 300, NULL));
  g_assert_true (g_file_set_contents (text, "no more than a text", -1, NULL));
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

/* SHU_TAPS: what matches is written, named after network and result; where it
 * cannot be written the job fails. */
static void
taps (Fixture *f, gconstpointer data)
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
  runs (d);
  g_unsetenv ("SHU_TAPS_DIR");
  g_unsetenv ("SHU_TAPS");
  /* the first was the one that failed; two steps */
  g_assert_false (exists (f, "taps/000001-joint-conv_in.safetensors"));
  g_assert_true (exists (f, "taps/000003-joint-conv_in.safetensors"));
  g_assert_false (exists (f, "taps/000004-joint-conv_in.safetensors"));
  bytes = contents (f, "taps/000002-joint-conv_in.safetensors");
  /* behind the length of the header, which has zeros */
  g_assert_nonnull (
      g_strstr_len ((const char *) g_bytes_get_data (bytes, NULL) + 8, 200,
          "\"joint/conv_in\":{\"dtype\":\"F32\""));
}

/* ---- stopping ---- */

#define LONG_JOB                                                               \
  HEAD "shupreprocess ! shustage1 name=s num-inference-steps=%d ! fakesink"

static GstElement *
start_job (const Fixture *f, int steps)
{
  g_autofree char *d = g_strdup_printf (LONG_JOB, f->folder, steps);
  GstElement *pipeline = gst_parse_launch (d, NULL);

  g_assert_nonnull (pipeline);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  return pipeline;
}

/* Waits until Stage 1 has done a step or more. */
static void
wait_for_step (GstElement *pipeline)
{
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);
  int step = 0;

  while (step < 1) {
    g_autoptr (GstMessage) m =
        gst_bus_timed_pop_filtered (bus, 60 * GST_SECOND, GST_MESSAGE_ELEMENT);
    const GstStructure *s = m ? gst_message_get_structure (m) : NULL;

    g_assert_nonnull (m);
    if (gst_structure_has_name (s, "synchuman-progress") &&
        strcmp (gst_structure_get_string (s, "stage"), "stage1") == 0)
      gst_structure_get_int (s, "step", &step);
  }
}

static void
stop_and_check (GstElement *pipeline)
{
  gint64 before = g_get_monotonic_time ();
  gpointer watched = pipeline;

  gst_element_set_state (pipeline, GST_STATE_NULL);
  /* a thousand steps would take many times that */
  g_assert_cmpint (g_get_monotonic_time () - before, <, 3 * G_TIME_SPAN_SECOND);
  g_object_add_weak_pointer (G_OBJECT (pipeline), &watched);
  gst_object_unref (pipeline);
  g_assert_null (watched);
}

static void
stops_at_any_moment (Fixture *f, gconstpointer data)
{
  GstElement *pipeline;

  for (int ms = 0; ms < 120; ms += 15) {
    pipeline = start_job (f, 1000);
    g_usleep (ms * 1000);
    stop_and_check (pipeline);
  }
  pipeline = start_job (f, 1000);
  wait_for_step (pipeline);
  stop_and_check (pipeline);
}

/* A flushing seek while Stage 1 works: it starts again and gets to the end. */
static void
seeks_in_the_middle (Fixture *f, gconstpointer data)
{
  GstElement *pipeline = start_job (f, 1000);
  g_autoptr (GstElement) stage1 = gst_bin_get_by_name (GST_BIN (pipeline), "s");
  g_autoptr (GstPad) pad = gst_element_get_static_pad (stage1, "sink");
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);
  g_autoptr (GstMessage) m = NULL;

  wait_for_step (pipeline);
  g_object_set (stage1, "num-inference-steps", 2, NULL);
  g_assert_true (gst_pad_push_event (
      pad, gst_event_new_seek (1, GST_FORMAT_BYTES, GST_SEEK_FLAG_FLUSH,
               GST_SEEK_TYPE_SET, 0, GST_SEEK_TYPE_NONE, -1)));
  m = gst_bus_timed_pop_filtered (
      bus, 60 * GST_SECOND, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
  g_assert_nonnull (m);
  g_assert_cmpint (GST_MESSAGE_TYPE (m), ==, GST_MESSAGE_EOS);
  g_clear_object (&stage1);
  g_clear_object (&pad);
  g_clear_pointer (&m, gst_message_unref); /* it refers to the pipeline */
  stop_and_check (pipeline);
}

static gpointer
push_frame (gpointer data)
{
  GstHarness *h = data;
  g_autoptr (GstCaps) caps = NULL;
  GstBuffer *frame = fixture_frame (90, 120, &caps);

  return GINT_TO_POINTER (gst_harness_push (h, frame));
}

/* A flush from another thread gives the pushing one back its control. */
static void
flush_interrupts (Fixture *f, gconstpointer data)
{
  GstHarness *h = gst_harness_new_parse (
      "shupreprocess ! shustage1 num-inference-steps=1000");
  g_autoptr (GstCaps) caps = NULL;
  gint64 before;
  GThread *thread;

  gst_buffer_unref (fixture_frame (90, 120, &caps));
  gst_harness_set_src_caps (h, gst_caps_ref (caps));
  thread = g_thread_new ("pusher", push_frame, h);
  g_usleep (100 * 1000);
  before = g_get_monotonic_time ();
  gst_harness_push_event (h, gst_event_new_flush_start ());
  g_assert_cmpint (
      GPOINTER_TO_INT (g_thread_join (thread)), ==, GST_FLOW_FLUSHING);
  g_assert_cmpint (g_get_monotonic_time () - before, <, 3 * G_TIME_SPAN_SECOND);
  gst_harness_teardown (h);
}

#define ADD(path, func)                                                        \
  g_test_add ("/plugins/" path, Fixture, NULL, setup, func, teardown)

int
main (int argc, char **argv)
{
  fixture_init (&argc, &argv);
  ADD ("job/resumed_is_the_same", resumed_is_the_same);
  ADD ("job/views_are_frames", views_are_frames);
  ADD ("job/ply_and_sheet", ply_and_sheet);
  ADD ("job/several_frames", several_frames);
  ADD ("model/is_shared", model_is_shared);
  ADD ("model/from_application", model_from_application);
  ADD ("errors/exactly_one", errors);
  ADD ("taps", taps);
  ADD ("stop/at_any_moment", stops_at_any_moment);
  ADD ("stop/seek", seeks_in_the_middle);
  ADD ("stop/flush", flush_interrupts);
  return g_test_run ();
}
