/* SPDX-License-Identifier: MIT */
#include "fixture.h"
#include "formats/png.h"
#include <glib/gstdio.h>
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

/* Head, trunk and two legs: enough for somebody who looks for one person. */
static gboolean
inside (double x, double y)
{
  double hx = x - 0.5, hy = y - 0.15;

  if (hx * hx * 1.4 + hy * hy < 0.006)
    return TRUE;
  if (y > 0.22 && y < 0.55)
    return x > 0.38 && x < 0.62;
  return y >= 0.55 && y < 0.95 &&
         ((x > 0.39 && x < 0.48) || (x > 0.52 && x < 0.61));
}

static ShuImage *
figure (int width, int height)
{
  ShuImage *image = shu_image_new (width, height, 4);

  for (int y = 0; y < height; y++)
    for (int x = 0; x < width; x++) {
      guint8 *p = image->data + 4 * ((gsize) y * width + x);

      p[0] = (guint8) (40 + 150 * y / height);
      p[1] = (guint8) (90 + 100 * x / width);
      p[2] = 120;
      p[3] = inside ((x + 0.5) / width, (y + 0.5) / height) ? 255 : 0;
    }
  return image;
}

GBytes *
fixture_png (int width, int height)
{
  g_autoptr (ShuImage) image = figure (width, height);

  return shu_png_encode (image, NULL);
}

char *
fixture_folder (void)
{
  char *path = g_dir_make_tmp ("shu-test-XXXXXX", NULL);

  g_assert_nonnull (path);
  return path;
}

void
fixture_remove (const char *folder)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name;

  while (dir && (name = g_dir_read_name (dir))) {
    g_autofree char *path = g_build_filename (folder, name, NULL);

    if (g_file_test (path, G_FILE_TEST_IS_DIR))
      fixture_remove (path);
    else
      g_unlink (path);
  }
  g_rmdir (folder);
}

char *
fixture_png_file (const char *folder, const char *name, int width, int height)
{
  g_autoptr (GBytes) png = fixture_png (width, height);
  char *path = g_build_filename (folder, name, NULL);

  g_assert_true (g_file_set_contents (path, g_bytes_get_data (png, NULL),
      (gssize) g_bytes_get_size (png), NULL));
  return path;
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

  g_assert_no_error (error);
  bus = gst_element_get_bus (pipeline);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  m = gst_bus_timed_pop_filtered (
      bus, 60 * GST_SECOND, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
  g_assert_nonnull (m);
  /* what follows the first error arrives while the pipeline stops */
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
    m = gst_bus_timed_pop_filtered (bus, 50 * GST_MSECOND, GST_MESSAGE_ERROR);
  }
  gst_element_set_state (pipeline, GST_STATE_NULL);
  if (ret_n_errors)
    *ret_n_errors = n;
  return text;
}

GstBuffer *
fixture_frame (int width, int height, GstCaps **ret_caps)
{
  g_autoptr (ShuImage) image = figure (width, height);
  gsize size = shu_image_size (image);

  *ret_caps = gst_caps_new_simple ("video/x-raw", "format", G_TYPE_STRING,
      "RGBA", "width", G_TYPE_INT, width, "height", G_TYPE_INT, height,
      "framerate", GST_TYPE_FRACTION, 0, 1, NULL);
  return gst_buffer_new_memdup (image->data, size);
}
