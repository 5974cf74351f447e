/* SPDX-License-Identifier: MIT */
#include "fixtures.h"
#include "base/error.h"
#include "formats/png.h"
#include <glib/gstdio.h>
#include <string.h>

static void
test_round_trip (void)
{
  for (int n = 3; n <= 4; n++)
    for (int size = 1; size < 70; size += 17) {
      g_autoptr (GError) error = NULL;
      g_autoptr (ShuImage) image = fixture_noise (size, 71 - size, n, size);
      g_autoptr (GBytes) file = shu_png_encode (image, &error);
      g_autoptr (GBytes) again = shu_png_encode (image, &error);
      g_autoptr (ShuImage) got = shu_png_decode (file, &error);

      g_assert_no_error (error);
      g_assert_true (g_bytes_equal (file, again));
      g_assert_cmpint (got->n_channels, ==, n);
      g_assert_cmpmem (
          image->data, shu_image_size (image), got->data, shu_image_size (got));
    }
}

static void
test_grey (void)
{
  g_autoptr (ShuImage) image = fixture_noise (19, 7, 1, 4);
  g_autoptr (GBytes) file = shu_png_encode (image, NULL);
  g_autoptr (ShuImage) got = shu_png_decode (file, NULL);

  g_assert_cmpint (got->n_channels, ==, 3);
  for (int i = 0; i < 19 * 7 * 3; i++)
    g_assert_cmpint (got->data[i], ==, image->data[i / 3]);
}

static void
test_jpeg_is_refused (void)
{
  g_autoptr (ShuImage) image = fixture_ramp (8, 8);
  g_autoptr (GBytes) file = fixture_jpeg (image, (JpegOptions){0});
  g_autoptr (GError) error = NULL;

  g_assert_null (shu_png_decode (file, &error));
  g_assert_error (error, SHU_ERROR, SHU_ERROR_INVALID);
}

static void
test_files (void)
{
  g_autofree char *folder = g_dir_make_tmp ("shu-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (folder, "a.png", NULL);
  g_autofree char *none = g_build_filename (folder, "none", "b.png", NULL);
  g_autoptr (ShuImage) image = fixture_ramp (8, 8);
  g_autoptr (GError) error = NULL;
  g_autoptr (ShuImage) got = NULL;

  g_assert_true (shu_png_write (path, image, &error));
  got = shu_png_read (path, &error);
  g_assert_no_error (error);
  g_assert_cmpint (got->width, ==, 8);
  g_assert_false (shu_png_write (none, image, &error));
  g_assert_error (error, SHU_ERROR, SHU_ERROR_IO);
  g_clear_error (&error);
  g_assert_null (shu_png_read (none, &error));
  g_assert_error (error, SHU_ERROR, SHU_ERROR_MISSING);
  g_clear_error (&error);
  g_assert_true (g_file_set_contents (path, "GIF89a", 6, NULL));
  g_assert_null (shu_png_read (path, &error));
  g_assert_nonnull (strstr (error->message, path));
  g_unlink (path);
  g_assert_cmpint (g_rmdir (folder), ==, 0); /* nothing else was left */
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/formats/png/round_trip", test_round_trip);
  g_test_add_func ("/formats/png/grey_becomes_rgb", test_grey);
  g_test_add_func ("/formats/png/jpeg_is_refused", test_jpeg_is_refused);
  g_test_add_func ("/formats/png/files", test_files);
  return g_test_run ();
}
