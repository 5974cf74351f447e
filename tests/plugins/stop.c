/* SPDX-License-Identifier: MIT */
/* Stop, flush, seek and end of stream while a photo is in work: each takes
 * effect within one step, nothing hangs, nothing leaks. */
#include "fixture.h"

#define LONG_JOB                                                               \
  FROM_PHOTO                                                                   \
  "shupreprocess ! shustage1 name=s num-inference-steps=%d ! fakesink"
#define WHOLE_JOB                                                              \
  FROM_PHOTO                                                                   \
  "shupreprocess ! shustage1 num-inference-steps=2 ! shustage2 "               \
  "num-steps=2 ! shumesh ! shutexture texture-size=256 ! tee name=t ! "        \
  "queue ! shuglbmux ! fakesink  t. ! queue ! shusheet ! fakesink"

/* Far more than one step takes on a slow machine beside other work, and far
 * less than the minutes of a thousand. */
enum { PATIENCE = 20 * G_TIME_SPAN_SECOND };

static void
soon (gint64 since)
{
  g_assert_cmpint (g_get_monotonic_time () - since, <, PATIENCE);
}

/* ---- who lives ---- */

static GMutex lock;
static GCond gone;
static int n_alive; /* of the objects that are watched */

static void
count_out (gpointer data, GObject *object)
{
  g_mutex_lock (&lock);
  n_alive--;
  g_cond_signal (&gone);
  g_mutex_unlock (&lock);
}

static void
watch (gpointer object)
{
  g_mutex_lock (&lock);
  n_alive++;
  g_mutex_unlock (&lock);
  g_object_weak_ref (object, count_out, NULL);
}

static gboolean
watch_pad (GstElement *element, GstPad *pad, gpointer data)
{
  watch (pad);
  return TRUE;
}

static void
watch_element (GstElement *element)
{
  watch (element);
  gst_element_foreach_pad (element, watch_pad, NULL);
}

static void
watch_item (const GValue *item, gpointer data)
{
  watch_element (g_value_get_object (item));
}

/* With all that is in it. */
static void
watch_bin (GstElement *bin)
{
  GstIterator *all = gst_bin_iterate_recurse (GST_BIN (bin));

  watch_element (bin);
  g_assert_cmpint (
      gst_iterator_foreach (all, watch_item, NULL), ==, GST_ITERATOR_DONE);
  gst_iterator_free (all);
}

/* Nobody has kept a reference.  One may be let go a moment later: after a
 * preroll a bin goes on to PLAYING in a thread of GStreamer's, which holds the
 * bin until after that change, and so after a stop that waited for it. */
static void
none_alive (void)
{
  gint64 until = g_get_monotonic_time () + PATIENCE;
  gboolean in_time = TRUE;

  g_mutex_lock (&lock);
  while (n_alive > 0 && in_time)
    in_time = g_cond_wait_until (&gone, &lock, until);
  g_assert_cmpint (n_alive, ==, 0);
  g_mutex_unlock (&lock);
}

/* ---- pipelines ---- */

/* Takes over @description. */
static GstElement *
start_job (char *description)
{
  GstElement *pipeline = gst_parse_launch (description, NULL);

  g_free (description);
  g_assert_nonnull (pipeline);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  return pipeline;
}

/* Waits until Stage 1 has done a step or more. */
static void
wait_for_step (GstElement *pipeline)
{
  int step = 0;

  while (step < 1) {
    g_autoptr (GstMessage) m = fixture_wait (pipeline, GST_MESSAGE_ELEMENT);
    const GstStructure *s = gst_message_get_structure (m);

    if (gst_structure_has_name (s, "synchuman-progress") &&
        strcmp (gst_structure_get_string (s, "stage"), "stage1") == 0)
      gst_structure_get_int (s, "step", &step);
  }
}

static void
stop_and_check (GstElement *pipeline)
{
  gint64 before = g_get_monotonic_time ();

  gst_element_set_state (pipeline, GST_STATE_NULL);
  soon (before);
  watch_bin (pipeline);
  gst_object_unref (pipeline);
  none_alive ();
}

static void
stops_at_any_moment (PhotoFixture *f, gconstpointer data)
{
  GstElement *pipeline;

  for (int ms = 0; ms < 120; ms += 15) {
    pipeline = start_job (g_strdup_printf (LONG_JOB, f->folder, 1000));
    g_usleep (ms * 1000);
    stop_and_check (pipeline);
  }
  for (int ms = 30; ms < 900; ms += 73) {
    pipeline = start_job (g_strdup_printf (WHOLE_JOB, f->folder));
    g_usleep (ms * 1000);
    stop_and_check (pipeline);
  }
  for (int i = 0; i < 4; i++) {
    pipeline =
        start_job (g_strdup_printf (LONG_JOB " async=%s s.preview ! fakesink",
            f->folder, 1000, i % 2 ? "true" : "false"));
    if (i < 2)
      g_usleep (60 * 1000);
    else
      wait_for_step (pipeline);
    stop_and_check (pipeline);
  }
  pipeline = start_job (g_strdup_printf (LONG_JOB, f->folder, 1000));
  wait_for_step (pipeline);
  stop_and_check (pipeline);
}

/* A flushing seek while Stage 1 works: it starts again and gets to the end. */
static void
seeks_in_the_middle (PhotoFixture *f, gconstpointer data)
{
  GstElement *pipeline =
      start_job (g_strdup_printf (LONG_JOB, f->folder, 1000));
  g_autoptr (GstElement) stage1 = gst_bin_get_by_name (GST_BIN (pipeline), "s");
  g_autoptr (GstPad) pad = gst_element_get_static_pad (stage1, "sink");

  wait_for_step (pipeline);
  g_object_set (stage1, "num-inference-steps", 2, NULL);
  g_assert_true (gst_pad_push_event (
      pad, gst_event_new_seek (1, GST_FORMAT_BYTES, GST_SEEK_FLAG_FLUSH,
               GST_SEEK_TYPE_SET, 0, GST_SEEK_TYPE_NONE, -1)));
  fixture_wait_for_end (pipeline);
  g_clear_object (&stage1);
  g_clear_object (&pad);
  stop_and_check (pipeline);
}

/* The preview starts again with the job. */
static void
seeks_with_preview (PhotoFixture *f, gconstpointer data)
{
  GstElement *pipeline = start_job (g_strdup_printf (
      LONG_JOB " async=false s.preview ! fakesink name=p", f->folder, 1000));
  g_autoptr (GstElement) stage1 = gst_bin_get_by_name (GST_BIN (pipeline), "s");
  g_autoptr (GstElement) sink = gst_bin_get_by_name (GST_BIN (pipeline), "p");
  g_autoptr (GstPad) pad = gst_element_get_static_pad (stage1, "sink");
  g_autoptr (GstSample) last = NULL;

  wait_for_step (pipeline);
  g_object_set (stage1, "num-inference-steps", 2, NULL);
  g_assert_true (gst_pad_push_event (
      pad, gst_event_new_seek (1, GST_FORMAT_BYTES, GST_SEEK_FLAG_FLUSH,
               GST_SEEK_TYPE_SET, 0, GST_SEEK_TYPE_NONE, -1)));
  fixture_wait_for_end (pipeline);
  g_object_get (sink, "last-sample", &last, NULL);
  g_assert_nonnull (last);
  g_clear_pointer (&last, gst_sample_unref);
  g_clear_object (&stage1);
  g_clear_object (&sink);
  g_clear_object (&pad);
  stop_and_check (pipeline);
}

static GstPadProbeReturn
hold (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  return GST_PAD_PROBE_OK;
}

/* The end of the stream, asked for while a photo is in work, comes after it.
 * The queue gives the source a thread of its own: gst_element_send_event()
 * waits for the source's thread, and where that one prerolls a sink at the end
 * of the job, both would wait for ever. */
static void
ends_after_the_photo (PhotoFixture *f, gconstpointer data)
{
  GstElement *pipeline = start_job (g_strdup_printf (
      "filesrc location=%s/a.png ! queue ! shuphotodec ! shumatting ! "
      "shupreprocess ! shustage1 name=s num-inference-steps=5 ! shubundleenc "
      "! "
      "shufilesink location=%s/v.safetensors",
      f->folder, f->folder));
  g_autoptr (GstElement) stage1 = gst_bin_get_by_name (GST_BIN (pipeline), "s");
  g_autoptr (GstPad) pad = gst_element_get_static_pad (stage1, "src");
  gulong probe = gst_pad_add_probe (pad,
      GST_PAD_PROBE_TYPE_BLOCK | GST_PAD_PROBE_TYPE_BUFFER, hold, NULL, NULL);

  wait_for_step (pipeline);
  g_assert_false (harness_exists (f->folder, "v.safetensors"));
  gst_element_send_event (pipeline, gst_event_new_eos ());
  gst_pad_remove_probe (pad, probe);
  fixture_wait_for_end (pipeline);
  g_assert_true (harness_exists (f->folder, "v.safetensors"));
  g_clear_object (&stage1);
  g_clear_object (&pad);
  stop_and_check (pipeline);
}

/* Where one buffer takes many pictures. */
static void
stops_between_pictures (PhotoFixture *f, gconstpointer data)
{
  enum { N = 200 };

  g_autoptr (GBytes) glb = harness_glb ();
  GstElement *pipeline;
  g_autoptr (GstBus) bus = NULL;
  GstMessage *m;
  int step = 0;

  harness_put (f->folder, "box.glb", g_bytes_get_data (glb, NULL),
      g_bytes_get_size (glb));
  pipeline = start_job (g_strdup_printf (
      "filesrc location=%s/box.glb ! shuturntable num-frames=%d columns=20 "
      "width=512 height=512 ! fakesink",
      f->folder, N));
  bus = gst_element_get_bus (pipeline);
  gst_message_unref (fixture_wait (pipeline, GST_MESSAGE_ELEMENT));
  gst_element_set_state (pipeline, GST_STATE_READY);
  while ((m = gst_bus_pop_filtered (bus, GST_MESSAGE_ELEMENT))) {
    gst_structure_get_int (gst_message_get_structure (m), "step", &step);
    gst_message_unref (m);
  }
  g_assert_cmpint (step, <, N);
  g_clear_object (&bus);
  stop_and_check (pipeline);
}

/* ---- single elements ---- */

static const struct {
  const char *name;
  const char *slow, *quick; /* settings */
} stages[] = {
    {"shumatting", "", ""},
    {"shupreprocess", "", ""},
    {"shustage1", "num-inference-steps=1000", "num-inference-steps=2"},
    {"shustage2", "num-steps=1000", "num-steps=2"},
    {"shumesh", "", ""},
    {"shutexture", "texture-size=1024", "texture-size=256"},
    {"shusheet", "", ""},
};

typedef struct {
  GstHarness *h;
  GstBuffer *buffer;
} Push;

static gpointer
push (gpointer data)
{
  Push *p = data;

  return GINT_TO_POINTER (gst_harness_push (p->h, gst_buffer_ref (p->buffer)));
}

static GstHarness *
stage_harness (int i, const char *settings, GstCaps *caps)
{
  g_autofree char *d = g_strdup_printf ("%s %s", stages[i].name, settings);
  GstHarness *h = gst_harness_new_parse (d);

  gst_harness_set_src_caps (h, gst_caps_ref (caps));
  return h;
}

/* Flush after @ms, from another thread; then the element works again. */
static void
flush_one (int i, int ms, GstCaps *caps, GstBuffer *buffer)
{
  GstHarness *h = stage_harness (i, stages[i].slow, caps);
  Push p = {h, buffer};
  GThread *thread = g_thread_new ("pusher", push, &p);
  GstElement *bin = gst_object_ref (h->element);
  GstSegment segment;
  GstFlowReturn ret;
  gint64 before;

  g_usleep (ms * 1000);
  before = g_get_monotonic_time ();
  gst_harness_push_event (h, gst_event_new_flush_start ());
  ret = GPOINTER_TO_INT (g_thread_join (thread));
  soon (before);
  g_test_message (
      "%s after %d ms: %s", stages[i].name, ms, gst_flow_get_name (ret));
  if (strstr (stages[i].slow, "1000"))
    g_assert_cmpint (ret, ==, GST_FLOW_FLUSHING);
  gst_harness_push_event (h, gst_event_new_flush_stop (TRUE));
  gst_segment_init (&segment, GST_FORMAT_TIME);
  gst_harness_push_event (h, gst_event_new_segment (&segment));
  if (!strstr (stages[i].slow, "steps"))
    g_assert_cmpint (
        gst_harness_push (h, gst_buffer_ref (buffer)), ==, GST_FLOW_OK);
  gst_harness_teardown (h);
  watch_bin (bin);
  gst_object_unref (bin);
  none_alive ();
}

/* Each stage in turn gets what the one before it made. */
static void
flush_interrupts (PhotoFixture *f, gconstpointer data)
{
  g_autoptr (GstCaps) caps = NULL;
  GstBuffer *buffer = fixture_frame (90, 120, &caps);

  for (guint i = 0; i < G_N_ELEMENTS (stages); i++) {
    GstHarness *h;
    GstBuffer *next;

    for (int ms = 0; ms <= 60; ms += 20)
      flush_one (i, ms, caps, buffer);
    /* nobody has kept a reference */
    g_assert_cmpint (GST_MINI_OBJECT_REFCOUNT_VALUE (buffer), ==, 1);
    h = stage_harness (i, stages[i].quick, caps);
    g_assert_cmpint (gst_harness_push (h, buffer), ==, GST_FLOW_OK);
    next = gst_harness_pull (h);
    g_assert_nonnull (next);
    gst_caps_unref (caps);
    caps = gst_pad_get_current_caps (h->sinkpad);
    gst_harness_teardown (h);
    buffer = next;
  }
  gst_buffer_unref (buffer);
}

/* ---- flush and stop at once ---- */

typedef struct {
  GstHarness *h;
  GstBuffer *buffer;
  int quit;
} Storm;

/* Ends every flush and works on until the next. */
static gpointer
work_on (gpointer data)
{
  Storm *s = data;
  GstSegment segment;

  gst_segment_init (&segment, GST_FORMAT_TIME);
  while (!g_atomic_int_get (&s->quit)) {
    gst_harness_push (s->h, gst_buffer_ref (s->buffer));
    gst_harness_push_event (s->h, gst_event_new_flush_stop (TRUE));
    gst_harness_push_event (s->h, gst_event_new_segment (&segment));
  }
  return NULL;
}

static gpointer
flush_on (gpointer data)
{
  Storm *s = data;

  while (!g_atomic_int_get (&s->quit)) {
    gst_harness_push_event (s->h, gst_event_new_flush_start ());
    g_usleep (200);
  }
  return NULL;
}

static void
stop_in_storm (int ms, GstCaps *caps, GstBuffer *buffer)
{
  Storm s = {gst_harness_new ("shustage1"), buffer, FALSE};
  GstElement *element = gst_object_ref (s.h->element);
  GThread *threads[2];
  gint64 before;

  g_object_set (element, "num-inference-steps", 1000, NULL);
  gst_object_unref (gst_element_request_pad_simple (element, "preview"));
  gst_harness_set_src_caps (s.h, gst_caps_ref (caps));
  threads[0] = g_thread_new ("work", work_on, &s);
  threads[1] = g_thread_new ("flush", flush_on, &s);
  g_usleep (ms * 1000);
  before = g_get_monotonic_time ();
  gst_element_set_state (element, GST_STATE_NULL);
  soon (before);
  g_atomic_int_set (&s.quit, TRUE);
  g_thread_join (threads[0]);
  g_thread_join (threads[1]);
  gst_harness_teardown (s.h);
  watch_element (element);
  gst_object_unref (element);
  none_alive ();
}

static void
flush_does_not_restart (PhotoFixture *f, gconstpointer data)
{
  g_autoptr (GstCaps) caps = NULL;
  g_autoptr (GstCaps) frame_caps = NULL;
  g_autoptr (GstBuffer) subject = NULL;
  GstBuffer *frame = fixture_frame (90, 120, &frame_caps);
  GstHarness *h = gst_harness_new ("shupreprocess");

  gst_harness_set_src_caps (h, gst_caps_ref (frame_caps));
  subject = gst_harness_push_and_pull (h, frame);
  g_assert_nonnull (subject);
  caps = gst_pad_get_current_caps (h->sinkpad);
  gst_harness_teardown (h);
  for (int ms = 0; ms < 16; ms++)
    stop_in_storm (ms, caps, subject);
}

#define ADD(path, func)                                                        \
  g_test_add ("/plugins/stop/" path, PhotoFixture, NULL, photo_fixture_setup,  \
      func, photo_fixture_teardown)

int
main (int argc, char **argv)
{
  fixture_init (&argc, &argv);
  ADD ("between_pictures", stops_between_pictures);
  ADD ("at_any_moment", stops_at_any_moment);
  ADD ("seek", seeks_in_the_middle);
  ADD ("seek_with_preview", seeks_with_preview);
  ADD ("end_of_stream", ends_after_the_photo);
  ADD ("flush", flush_interrupts);
  ADD ("flush_and_stop", flush_does_not_restart);
  return g_test_run ();
}
