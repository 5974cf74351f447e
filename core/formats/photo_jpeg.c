/* SPDX-License-Identifier: MIT */
/* JPEG by libjpeg-turbo, with its tolerance taken away: where the library
 * would warn of missing or damaged data and go on, reading ends. */
#include "photo.h"
#include "photo_private.h"
#include "base/error.h"
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <jpeglib.h>
#include <jerror.h>

/* Each scan goes over the whole picture, however few bytes it has; so many
 * pixels in all.  32 scans of the largest picture. */
static const gint64 MAX_SCAN_PIXELS = 32 * (gint64) SHU_IMAGE_MAX_PIXELS;

enum {
  MAX_SCANS = 200,  /* progressive files have about ten */
  MAX_PADDING = 64, /* bytes that some cameras leave before the end marker */
  EXIF_MARKER = JPEG_APP0 + 1,
};

/* All that survives the longjmp lies here, none of it in registers. */
typedef struct {
  struct jpeg_error_mgr errors; /* first: the library hands this back */
  struct jpeg_progress_mgr progress;
  struct jpeg_source_mgr source;
  struct jpeg_decompress_struct cinfo;
  jmp_buf escape;
  GError *error;
  ShuImage *image;
  guint8 *cmyk; /* one row */
  int orientation;
} JpegJob;

G_GNUC_NORETURN static void
stop (JpegJob *job, ShuError code, const char *what)
{
  if (!job->error)
    g_set_error (&job->error, SHU_ERROR, code, "the JPEG picture %s", what);
  longjmp (job->escape, 1);
}

static ShuError
code_of_message (int message)
{
  switch (message) {
  case JERR_OUT_OF_MEMORY:
    return SHU_ERROR_MEMORY;
  case JERR_BAD_PRECISION:
  case JERR_SOF_UNSUPPORTED:
  case JERR_ARITH_NOTIMPL:
  case JERR_NOT_COMPILED:
  case JERR_CONVERSION_NOTIMPL:
    return SHU_ERROR_UNSUPPORTED;
  default:
    return SHU_ERROR_INVALID;
  }
}

G_GNUC_NORETURN static void
on_error (j_common_ptr cinfo)
{
  JpegJob *job = (JpegJob *) cinfo->err;
  char text[JMSG_LENGTH_MAX];
  ShuError code = code_of_message (cinfo->err->msg_code);

  cinfo->err->format_message (cinfo, text);
  if (!job->error)
    g_set_error (&job->error, SHU_ERROR, code, "the JPEG picture %s: %s",
        code == SHU_ERROR_UNSUPPORTED ? "is of a kind that cannot be read"
                                      : "is damaged",
        text);
  longjmp (job->escape, 1);
}

/* @level -1 is a warning, others are mere talk. */
static void
on_message (j_common_ptr cinfo, int level)
{
  JpegJob *job = (JpegJob *) cinfo->err;

  if (level >= 0)
    return;
  switch (cinfo->err->msg_code) {
  case JWRN_ADOBE_XFORM:
  case JWRN_JFIF_MAJOR:
  case JWRN_BOGUS_ICC:
    return; /* nothing is lost */
  case JWRN_EXTRANEOUS_DATA:
    if (cinfo->err->msg_parm.i[0] <= MAX_PADDING)
      return;
    break;
  case JWRN_JPEG_EOF:
    stop (job, SHU_ERROR_TRUNCATED, "is cut short");
  default:
    break;
  }
  on_error (cinfo);
}

static void
on_progress (j_common_ptr common)
{
  JpegJob *job = (JpegJob *) common->err;
  gint64 n = job->cinfo.input_scan_number;

  if (n > MAX_SCANS ||
      n * job->cinfo.image_width * job->cinfo.image_height > MAX_SCAN_PIXELS)
    stop (job, SHU_ERROR_LIMIT, "has too many scans");
}

static void
source_nothing (j_decompress_ptr cinfo)
{
}

static boolean
source_fill (j_decompress_ptr cinfo)
{
  stop ((JpegJob *) cinfo->err, SHU_ERROR_TRUNCATED,
      "is cut short: its end is missing");
}

static void
source_skip (j_decompress_ptr cinfo, long n)
{
  if (n <= 0)
    return;
  if ((gsize) n > cinfo->src->bytes_in_buffer)
    source_fill (cinfo);
  cinfo->src->next_input_byte += n;
  cinfo->src->bytes_in_buffer -= n;
}

static void
find_orientation (JpegJob *job)
{
  for (jpeg_saved_marker_ptr m = job->cinfo.marker_list; m; m = m->next)
    if (m->marker == EXIF_MARKER && m->data_length >= 6 &&
        memcmp (m->data, "Exif\0\0", 6) == 0) {
      job->orientation = shu_exif_orientation (m->data, m->data_length);
      return;
    }
}

/* Adobe writes ink as 255 - ink, and says so with its marker. */
static void
cmyk_to_rgb (const guint8 *src, guint8 *dst, int width, gboolean inverted)
{
  int flip = inverted ? 0 : 255;

  for (int x = 0; x < width; x++, src += 4, dst += 3)
    for (int c = 0; c < 3; c++) {
      int t = (src[c] ^ flip) * (src[3] ^ flip) + 128;

      dst[c] = ((t >> 8) + t) >> 8;
    }
}

static void
read_rows (JpegJob *job)
{
  struct jpeg_decompress_struct *cinfo = &job->cinfo;
  gsize stride = (gsize) job->image->width * 3;

  while (cinfo->output_scanline < cinfo->output_height) {
    guint8 *row = job->image->data + cinfo->output_scanline * stride;
    JSAMPROW target = job->cmyk ? job->cmyk : row;

    jpeg_read_scanlines (cinfo, &target, 1);
    if (job->cmyk)
      cmyk_to_rgb (job->cmyk, row, job->image->width, cinfo->saw_Adobe_marker);
  }
}

static gboolean
run (JpegJob *job)
{
  struct jpeg_decompress_struct *cinfo = &job->cinfo;

  if (setjmp (job->escape))
    return FALSE;
  jpeg_create_decompress (cinfo);
  cinfo->src = &job->source;
  cinfo->progress = &job->progress;
  jpeg_save_markers (cinfo, EXIF_MARKER, 0xffff);
  jpeg_read_header (cinfo, TRUE);
  if (!shu_photo_check_size (
          cinfo->image_width, cinfo->image_height, &job->error))
    return FALSE;
  find_orientation (job);
  if (cinfo->num_components == 4) {
    cinfo->out_color_space = JCS_CMYK;
    job->cmyk = g_malloc ((gsize) cinfo->image_width * 4);
  } else
    cinfo->out_color_space = JCS_RGB;
  job->image = shu_photo_image_new (
      cinfo->image_width, cinfo->image_height, 3, &job->error);
  if (!job->image)
    return FALSE;
  jpeg_start_decompress (cinfo);
  read_rows (job);
  jpeg_finish_decompress (cinfo); /* reads on to the end marker */
  return TRUE;
}

ShuImage *
shu_photo_read_jpeg (
    const guint8 *data, gsize size, int *ret_orientation, GError **error)
{
  g_autofree JpegJob *job = g_new0 (JpegJob, 1);
  gboolean ok;

  job->cinfo.err = jpeg_std_error (&job->errors);
  job->errors.error_exit = on_error;
  job->errors.emit_message = on_message;
  job->progress.progress_monitor = on_progress;
  job->source = (struct jpeg_source_mgr){
      .next_input_byte = data,
      .bytes_in_buffer = size,
      .init_source = source_nothing,
      .fill_input_buffer = source_fill,
      .skip_input_data = source_skip,
      .resync_to_restart = jpeg_resync_to_restart,
      .term_source = source_nothing,
  };
  job->orientation = 1;
  ok = run (job);
  jpeg_destroy_decompress (&job->cinfo);
  g_free (job->cmyk);
  if (!ok) {
    shu_image_free (job->image);
    g_propagate_error (error, job->error);
    return NULL;
  }
  *ret_orientation = job->orientation;
  return job->image;
}
