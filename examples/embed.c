/* SPDX-License-Identifier: MIT */
/* The job inside a program that has the photo in memory and wants the model in
 * memory: a pipeline between appsrc and appsink.
 *   embed PHOTO OUT.glb [MODEL] */
#include <gst/app/gstappsink.h>
#include <gst/app/gstappsrc.h>
#include <stdio.h>

static void
show (GstMessage *message)
{
  const GstStructure *s = gst_message_get_structure (message);
  int step, total;

  if (gst_message_has_name (message, "synchuman-progress") &&
      gst_structure_get (
          s, "step", G_TYPE_INT, &step, "total", G_TYPE_INT, &total, NULL))
    fprintf (stderr, "\r%-10s %d/%d   ", gst_structure_get_string (s, "stage"),
        step, total);
}

/* Until the end of the stream: FALSE after an error, which is printed. */
static gboolean
wait_for_end (GstElement *pipeline)
{
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);

  for (;;) {
    g_autoptr (GstMessage) m = gst_bus_timed_pop (bus, GST_CLOCK_TIME_NONE);
    g_autoptr (GError) error = NULL;

    switch (GST_MESSAGE_TYPE (m)) {
    case GST_MESSAGE_EOS:
      return TRUE;
    case GST_MESSAGE_ERROR:
      gst_message_parse_error (m, &error, NULL);
      fprintf (stderr, "\n%s\n", error->message);
      return FALSE;
    case GST_MESSAGE_ELEMENT:
      show (m);
      break;
    default:
      break;
    }
  }
}

static gboolean
run (GstElement *pipeline, GBytes *photo, const char *out)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GstElement) src = gst_bin_get_by_name (GST_BIN (pipeline), "in");
  g_autoptr (GstElement) sink = gst_bin_get_by_name (GST_BIN (pipeline), "out");
  g_autoptr (GstSample) sample = NULL;
  GstMapInfo map;
  gboolean ok;

  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  gst_app_src_push_buffer (
      GST_APP_SRC (src), gst_buffer_new_wrapped_bytes (photo));
  gst_app_src_end_of_stream (GST_APP_SRC (src));
  if (!wait_for_end (pipeline))
    return FALSE;
  sample = gst_app_sink_pull_sample (GST_APP_SINK (sink));
  gst_buffer_map (gst_sample_get_buffer (sample), &map, GST_MAP_READ);
  ok = g_file_set_contents (out, (char *) map.data, (gssize) map.size, &error);
  if (!ok)
    fprintf (stderr, "\n%s\n", error->message);
  gst_buffer_unmap (gst_sample_get_buffer (sample), &map);
  return ok;
}

int
main (int argc, char **argv)
{
  g_autoptr (GstElement) pipeline = NULL;
  g_autoptr (GMappedFile) file = NULL;
  g_autoptr (GBytes) photo = NULL;
  gboolean ok;

  gst_init (NULL, NULL);
  if (argc > 3) /* what every element falls back to */
    g_setenv ("SHU_MODEL", argv[3], TRUE);
  pipeline = gst_parse_launch ("appsrc name=in ! shuphotodec ! shumatting ! "
                               "shupreprocess ! shustage1 ! shustage2 ! shumesh"
                               " ! shutexture ! shuglbmux ! appsink name=out "
                               "sync=false wait-on-eos=false",
      NULL);
  file = argc > 2 ? g_mapped_file_new (argv[1], FALSE, NULL) : NULL;
  if (!pipeline || !file) {
    fprintf (stderr, "Usage: embed PHOTO OUT.glb [MODEL]\n");
    return 2;
  }
  photo = g_mapped_file_get_bytes (file);
  ok = run (pipeline, photo, argv[2]);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  return ok ? 0 : 1;
}
