/* SPDX-License-Identifier: MIT */
/* The pad of shustage1 that shows the views while they come about. */
#include "fixture.h"

/* The preview gives a frame a step, changes nothing and delays nothing: not
 * even where its sink holds the first frame until the job is done. */
static void
every_step (PhotoFixture *f, gconstpointer data)
{
  static const char *const sinks[] = {
      "", "s.preview ! fakesink", "s.preview ! pngenc ! fakesink"};
  g_autofree char *live = g_strdup_printf (FROM_PHOTO
      "shupreprocess ! shustage1 name=s num-inference-steps=5 ! fakesink "
      "async=false s.preview ! pngenc ! multifilesink location=%s/p%%d.png",
      f->folder, f->folder);
  g_autoptr (GBytes) first = NULL;
  g_autoptr (GBytes) last = NULL;
  g_autoptr (ShuImage) picture = NULL;

  for (int i = 0; i < 3; i++) {
    g_autofree char *d = g_strdup_printf (TO_VIEWS
        " name=s ! shubundleenc ! shufilesink location=%s/v%d %s",
        f->folder, f->folder, i, sinks[i]);

    fixture_succeed (d);
  }
  for (int i = 1; i < 3; i++) {
    g_autofree char *name = g_strdup_printf ("v%d", i);
    g_autoptr (GBytes) with = harness_contents (f->folder, name);
    g_autoptr (GBytes) without = harness_contents (f->folder, "v0");

    g_assert_true (g_bytes_equal (with, without));
  }
  fixture_succeed (live);
  g_assert_true (harness_exists (f->folder, "p4.png"));
  g_assert_false (harness_exists (f->folder, "p5.png"));
  first = harness_contents (f->folder, "p0.png");
  last = harness_contents (f->folder, "p4.png");
  g_assert_false (g_bytes_equal (first, last));
  picture = shu_photo_decode (last, NULL);
  g_assert_nonnull (picture);
  g_assert_cmpint (picture->width * 2, ==, picture->height * 5);
}

/* As many as asked for; also where the end of the stream begins the work. */
static void
every_few_steps (PhotoFixture *f, gconstpointer data)
{
  static const struct {
    const char *properties;
    int n_frames;
  } rows[] = {{"preview-interval=2", 3}, {"preview-interval=9", 1},
      {"batch-size=2 batch-latency=600000 preview-interval=5", 1}};

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree char *d = g_strdup_printf (FROM_PHOTO
        "shupreprocess ! shustage1 name=s num-inference-steps=5 %s ! fakesink "
        "async=false s.preview ! pngenc ! multifilesink "
        "location=%s/%zu-%%d.png",
        f->folder, rows[i].properties, f->folder, i);
    g_autofree char *last =
        g_strdup_printf ("%zu-%d.png", i, rows[i].n_frames - 1);
    g_autofree char *none = g_strdup_printf ("%zu-%d.png", i, rows[i].n_frames);

    fixture_succeed (d);
    g_assert_true (harness_exists (f->folder, last));
    g_assert_false (harness_exists (f->folder, none));
  }
}

/* Who looks at the preview, and holds the first frame until the views came out
 */
typedef struct {
  GMutex lock;
  GCond cond;
  gboolean done;
  guint n_frames;
  GstClockTime last;
} Looker;

static void
views_came (GstElement *sink, GstBuffer *buffer, GstPad *pad, gpointer data)
{
  Looker *l = data;

  g_mutex_lock (&l->lock);
  l->done = TRUE;
  g_cond_signal (&l->cond);
  g_mutex_unlock (&l->lock);
}

static void
frame_came (GstElement *sink, GstBuffer *buffer, GstPad *pad, gpointer data)
{
  Looker *l = data;

  g_mutex_lock (&l->lock);
  while (!l->done)
    g_cond_wait (&l->cond, &l->lock);
  l->n_frames++;
  l->last = GST_BUFFER_PTS (buffer);
  g_mutex_unlock (&l->lock);
}

/* Of what nobody has taken the last frames are kept. */
static void
keeps_the_last (PhotoFixture *f, gconstpointer data)
{
  enum { STEPS = 40, KEPT = 16 };

  g_autofree char *d = g_strdup_printf (FROM_PHOTO
      "shupreprocess ! shustage1 name=s num-inference-steps=%d ! fakesink "
      "name=views async=false signal-handoffs=true s.preview ! fakesink "
      "name=look async=false sync=false signal-handoffs=true",
      f->folder, STEPS);
  g_autoptr (GstElement) pipeline = gst_parse_launch (d, NULL);
  g_autoptr (GstElement) views =
      gst_bin_get_by_name (GST_BIN (pipeline), "views");
  g_autoptr (GstElement) look =
      gst_bin_get_by_name (GST_BIN (pipeline), "look");
  Looker l = {.n_frames = 0};

  g_signal_connect (views, "handoff", G_CALLBACK (views_came), &l);
  g_signal_connect (look, "handoff", G_CALLBACK (frame_came), &l);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  fixture_wait_for_end (pipeline);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  g_assert_cmpuint (l.n_frames, >=, KEPT);
  g_assert_cmpuint (l.n_frames, <=, KEPT + 1);
  g_assert_cmpuint (l.last, ==, (STEPS - 1) * 100 * GST_MSECOND);
}

int
main (int argc, char **argv)
{
  fixture_init (&argc, &argv);
#define ADD(name)                                                              \
  g_test_add ("/plugins/preview/" #name, PhotoFixture, NULL,                   \
      photo_fixture_setup, name, photo_fixture_teardown)
  ADD (every_step);
  ADD (every_few_steps);
  ADD (keeps_the_last);
  return g_test_run ();
}
