/* SPDX-License-Identifier: MIT */
#include "fixture.h"
#include <gst/video/video.h>

void
fixture_init (int *argc, char ***argv)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GstPlugin) plugin = NULL;

  g_test_init (argc, argv, NULL);
  gst_init (argc, argv);
  g_assert_cmpint (*argc, ==, 2);
  plugin = gst_plugin_load_file ((*argv)[1], &error);
  g_assert_no_error (error);
  g_setenv ("SHU_MODEL", TINY, TRUE);
}

GstMessage *
fixture_wait (GstElement *pipeline, GstMessageType types)
{
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);
  GstMessage *m = gst_bus_timed_pop_filtered (bus, 600 * GST_SECOND, types);

  g_assert_nonnull (m);
  return m;
}

void
fixture_wait_for_end (GstElement *pipeline)
{
  g_autoptr (GstMessage) m =
      fixture_wait (pipeline, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);

  g_assert_cmpint (GST_MESSAGE_TYPE (m), ==, GST_MESSAGE_EOS);
}

char *
fixture_run (const char *description, int *ret_n_errors)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GstElement) pipeline = gst_parse_launch_full (
      description, NULL, GST_PARSE_FLAG_FATAL_ERRORS, &error);
  g_autoptr (GstBus) bus = NULL;
  char *text = NULL;
  GstMessage *m;
  int n = 0;
  gboolean started;

  g_assert_no_error (error);
  bus = gst_element_get_bus (pipeline);
  started = gst_element_set_state (pipeline, GST_STATE_PLAYING) !=
            GST_STATE_CHANGE_FAILURE;
  m = fixture_wait (pipeline, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
  /* what follows the first error has arrived when the threads have stopped;
   * the step after this one would empty the bus.  What did not start would
   * only be tried again */
  if (started)
    gst_element_set_state (pipeline, GST_STATE_READY);
  while (m) {
    if (GST_MESSAGE_TYPE (m) == GST_MESSAGE_ERROR) {
      g_autoptr (GError) e = NULL;

      gst_message_parse_error (m, &e, NULL);
      if (!text)
        text = g_strdup (e->message);
      /* the base class of sources adds one of its own when start() fails */
      if (g_str_has_prefix (G_OBJECT_TYPE_NAME (m->src), "Shu") &&
          e->domain != GST_CORE_ERROR)
        n++;
    }
    gst_message_unref (m);
    m = gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR);
  }
  gst_element_set_state (pipeline, GST_STATE_NULL);
  if (ret_n_errors)
    *ret_n_errors = n;
  return text;
}

GstBuffer *
fixture_frame (int width, int height, GstCaps **ret_caps)
{
  g_autoptr (ShuImage) image = harness_figure (width, height, TRUE);
  gsize size = shu_image_size (image);

  *ret_caps = gst_caps_new_simple ("video/x-raw", "format", G_TYPE_STRING,
      "RGBA", "width", G_TYPE_INT, width, "height", G_TYPE_INT, height,
      "framerate", GST_TYPE_FRACTION, 0, 1, NULL);
  return gst_buffer_new_memdup (image->data, size);
}

void
fixture_succeed (const char *description)
{
  g_autofree char *message = fixture_run (description, NULL);

  g_assert_cmpstr (message, ==, NULL);
}

void
photo_fixture_setup (PhotoFixture *f, gconstpointer data)
{
  f->folder = harness_folder ();
  harness_put_png (f->folder, "a.png", 90, 120);
}

void
photo_fixture_teardown (PhotoFixture *f, gconstpointer data)
{
  harness_remove (f->folder);
  g_free (f->folder);
}
