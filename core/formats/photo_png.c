/* SPDX-License-Identifier: MIT */
/* PNG by libpng: every kind of it becomes 8-bit RGB or RGBA; a wrong checksum
 * anywhere, or a missing end, is an error. */
#include "photo.h"
#include "photo_private.h"
#include "base/bytes.h"
#include "base/error.h"
#include <png.h>

/* All that survives the longjmp lies here, none of it in registers. */
typedef struct {
  ShuCursor cursor;
  png_structp png;
  png_infop info;
  GError *error;
  ShuImage *image;
  png_bytep *rows;
  int orientation;
} PngJob;

static void
on_error (png_structp png, png_const_charp text)
{
  PngJob *job = png_get_error_ptr (png);

  if (!job->error && job->cursor.failed)
    g_set_error_literal (&job->error, SHU_ERROR, SHU_ERROR_TRUNCATED,
        "the PNG picture is cut short: its end is missing");
  else if (!job->error)
    g_set_error (&job->error, SHU_ERROR, SHU_ERROR_INVALID,
        "the PNG picture is damaged: %s", text);
  png_longjmp (png, 1);
}

static void
on_warning (png_structp png, png_const_charp text)
{
  g_debug ("png: %s", text);
}

static void
on_read (png_structp png, png_bytep target, size_t n)
{
  PngJob *job = png_get_io_ptr (png);
  const guint8 *p = shu_cursor_take (&job->cursor, n);

  if (!p)
    png_error (png, "end of data");
  memcpy (target, p, n);
}

/* Of the chunks that a file can do without, only those that change the picture
 * are read.  libpng would unpack the others, compressed texts and profiles of
 * 8 MB each, and keep up to a thousand of them. */
static void
skip_other_chunks (png_structp png)
{
  static const png_byte exif[] = "eXIf";

  png_set_keep_unknown_chunks (png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
  png_set_keep_unknown_chunks (png, PNG_HANDLE_CHUNK_AS_DEFAULT, exif, 1);
}

static void
set_transforms (PngJob *job)
{
  png_set_scale_16 (job->png);
  png_set_expand (job->png); /* palette, 1-2-4 bits, tRNS */
  png_set_gray_to_rgb (job->png);
  png_set_interlace_handling (job->png);
  png_read_update_info (job->png, job->info);
}

static void
find_orientation (PngJob *job)
{
  png_bytep exif = NULL;
  png_uint_32 n = 0;

  if (png_get_eXIf_1 (job->png, job->info, &n, &exif) && exif)
    job->orientation = shu_exif_orientation (exif, n);
}

static gboolean
run (PngJob *job)
{
  png_structp png = job->png;

  if (setjmp (png_jmpbuf (png)))
    return FALSE;
  png_set_crc_action (png, PNG_CRC_ERROR_QUIT, PNG_CRC_ERROR_QUIT);
  /* The limits are checked below, with better words. */
  png_set_user_limits (png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
  skip_other_chunks (png);
  png_set_read_fn (png, job, on_read);
  png_read_info (png, job->info);
  if (!shu_photo_check_size (png_get_image_width (png, job->info),
          png_get_image_height (png, job->info), &job->error))
    return FALSE;
  set_transforms (job);
  job->image = shu_photo_image_new (png_get_image_width (png, job->info),
      png_get_image_height (png, job->info), png_get_channels (png, job->info),
      &job->error);
  if (!job->image)
    return FALSE;
  job->rows = g_new (png_bytep, job->image->height);
  for (int y = 0; y < job->image->height; y++)
    job->rows[y] = job->image->data +
                   (gsize) y * job->image->width * job->image->n_channels;
  png_read_image (png, job->rows);
  png_read_end (png, job->info);
  find_orientation (job);
  return TRUE;
}

ShuImage *
shu_photo_read_png (
    const guint8 *data, gsize size, int *ret_orientation, GError **error)
{
  PngJob job = {.cursor = shu_cursor (data, size), .orientation = 1};
  gboolean ok;

  job.png = png_create_read_struct (
      PNG_LIBPNG_VER_STRING, &job, on_error, on_warning);
  job.info = job.png ? png_create_info_struct (job.png) : NULL;
  if (!job.info) {
    png_destroy_read_struct (&job.png, &job.info, NULL);
    g_set_error_literal (error, SHU_ERROR, SHU_ERROR_MEMORY,
        "not enough memory for the PNG picture");
    return NULL;
  }
  ok = run (&job);
  png_destroy_read_struct (&job.png, &job.info, NULL);
  g_free (job.rows);
  if (!ok) {
    shu_image_free (job.image);
    g_propagate_error (error, job.error);
    return NULL;
  }
  *ret_orientation = job.orientation;
  return job.image;
}
