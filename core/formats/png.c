/* SPDX-License-Identifier: MIT */
/* The writer of PNG files; reading is the photo decoder's. */
#include "png.h"
#include "photo.h"
#include "base/error.h"
#include "base/file.h"
#include <png.h>
#include <string.h>

enum { COMPRESSION = 4 }; /* zlib level: half the time of 6, 5 % more bytes */

typedef struct {
  const ShuImage *image;
  GByteArray *out;
  png_structp png;
  png_infop info;
  GError *error;
} PngJob;

static void
on_error (png_structp png, png_const_charp text)
{
  PngJob *job = png_get_error_ptr (png);

  if (!job->error)
    g_set_error (&job->error, SHU_ERROR, SHU_ERROR_MEMORY,
        "the PNG picture could not be written: %s", text);
  png_longjmp (png, 1);
}

static void
on_warning (png_structp png, png_const_charp text)
{
  g_debug ("png: %s", text);
}

static void
on_write (png_structp png, png_bytep data, size_t n)
{
  PngJob *job = png_get_io_ptr (png);

  g_byte_array_append (job->out, data, n);
}

static void
on_flush (png_structp png)
{
}

static gboolean
run (PngJob *job)
{
  const ShuImage *image = job->image;
  gsize stride = (gsize) image->width * image->n_channels;

  if (setjmp (png_jmpbuf (job->png)))
    return FALSE;
  png_set_write_fn (job->png, job, on_write, on_flush);
  png_set_user_limits (job->png, SHU_IMAGE_MAX_SIDE, SHU_IMAGE_MAX_SIDE);
  png_set_IHDR (job->png, job->info, image->width, image->height, 8,
      image->n_channels == 4   ? PNG_COLOR_TYPE_RGB_ALPHA
      : image->n_channels == 3 ? PNG_COLOR_TYPE_RGB
                               : PNG_COLOR_TYPE_GRAY,
      PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
      PNG_FILTER_TYPE_DEFAULT);
  png_set_compression_level (job->png, COMPRESSION);
  png_set_filter (
      job->png, PNG_FILTER_TYPE_BASE, PNG_FILTER_SUB | PNG_FILTER_UP);
  png_write_info (job->png, job->info);
  for (int y = 0; y < image->height; y++)
    png_write_row (job->png, image->data + y * stride);
  png_write_end (job->png, NULL);
  return TRUE;
}

GBytes *
shu_png_encode (const ShuImage *image, GError **error)
{
  PngJob job = {.image = image};
  gboolean ok = FALSE;

  g_return_val_if_fail (image != NULL, NULL);
  job.png = png_create_write_struct (
      PNG_LIBPNG_VER_STRING, &job, on_error, on_warning);
  job.info = job.png ? png_create_info_struct (job.png) : NULL;
  job.out = g_byte_array_new ();
  if (job.info)
    ok = run (&job);
  else
    g_set_error_literal (&job.error, SHU_ERROR, SHU_ERROR_MEMORY,
        "not enough memory for a PNG picture");
  png_destroy_write_struct (&job.png, &job.info);
  if (ok)
    return g_byte_array_free_to_bytes (job.out);
  g_byte_array_unref (job.out);
  g_propagate_error (error, job.error);
  return NULL;
}

ShuImage *
shu_png_decode (GBytes *data, GError **error)
{
  gsize size;
  const guint8 *p = g_bytes_get_data (data, &size);

  if (size < 8 || memcmp (p, "\x89PNG\r\n\x1a\n", 8) != 0) {
    g_set_error_literal (
        error, SHU_ERROR, SHU_ERROR_INVALID, "this is not a PNG file");
    return NULL;
  }
  return shu_photo_decode (data, error);
}

ShuImage *
shu_png_read (const char *path, GError **error)
{
  g_autoptr (GBytes) data = shu_file_map (path, error);
  ShuImage *image;

  if (!data)
    return NULL;
  image = shu_png_decode (data, error);
  if (!image)
    g_prefix_error (error, "%s: ", path);
  return image;
}

gboolean
shu_png_write (const char *path, const ShuImage *image, GError **error)
{
  g_autoptr (GBytes) data = shu_png_encode (image, error);

  return data && shu_file_write (path, g_bytes_get_data (data, NULL),
                     g_bytes_get_size (data), error);
}
