/* SPDX-License-Identifier: MIT */
/* The writers of JPEG and WebP; that of PNG is in png.c, the readers are the
 * photo decoder's. */
#include "formats/picture.h"
#include "base/error.h"
#include "formats/png.h"
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <jpeglib.h>
#include <webp/encode.h>

/* libwebp's effort 0..6, its default: a half more time than 3 for 2 % */
enum { WEBP_METHOD = 4 };

typedef struct {
  struct jpeg_error_mgr errors; /* first: libjpeg hands it back */
  jmp_buf escape;
  struct jpeg_compress_struct cinfo;
  unsigned char *out;
  unsigned long size;
  char text[JMSG_LENGTH_MAX];
} JpegJob;

static void
on_error (j_common_ptr cinfo)
{
  JpegJob *job = (JpegJob *) cinfo->err;

  cinfo->err->format_message (cinfo, job->text);
  longjmp (job->escape, 1);
}

static void
on_message (j_common_ptr cinfo, int level)
{
}

static gboolean
run_jpeg (JpegJob *job, const ShuImage *image, int quality)
{
  struct jpeg_compress_struct *cinfo = &job->cinfo;

  if (setjmp (job->escape))
    return FALSE;
  jpeg_create_compress (cinfo);
  jpeg_mem_dest (cinfo, &job->out, &job->size);
  cinfo->image_width = image->width;
  cinfo->image_height = image->height;
  cinfo->input_components = 3;
  cinfo->in_color_space = JCS_RGB;
  jpeg_set_defaults (cinfo);
  jpeg_set_quality (cinfo, quality, TRUE);
  cinfo->dct_method = JDCT_ISLOW;
  cinfo->optimize_coding = TRUE;
  cinfo->comp_info[0].h_samp_factor = cinfo->comp_info[0].v_samp_factor = 1;
  jpeg_start_compress (cinfo, TRUE);
  while (cinfo->next_scanline < cinfo->image_height) {
    JSAMPROW row =
        image->data + 3 * (gsize) cinfo->next_scanline * image->width;

    jpeg_write_scanlines (cinfo, &row, 1);
  }
  jpeg_finish_compress (cinfo);
  return TRUE;
}

static GBytes *
encode_jpeg (const ShuImage *image, int quality, GError **error)
{
  g_autofree JpegJob *job = g_new0 (JpegJob, 1);
  GBytes *out = NULL;

  job->cinfo.err = jpeg_std_error (&job->errors);
  job->errors.error_exit = on_error;
  job->errors.emit_message = on_message;
  if (run_jpeg (job, image, quality))
    out = g_bytes_new (job->out, job->size);
  else
    g_set_error (error, SHU_ERROR, SHU_ERROR_MEMORY,
        "the JPEG picture could not be written: %s", job->text);
  jpeg_destroy_compress (&job->cinfo);
  free (job->out); /* libjpeg's, by malloc() */
  return out;
}

static GBytes *
encode_webp (const ShuImage *image, int quality, GError **error)
{
  WebPConfig config;
  WebPPicture picture;
  WebPMemoryWriter writer;
  GBytes *out = NULL;

  if (!WebPConfigInit (&config) || !WebPPictureInit (&picture)) {
    g_set_error_literal (error, SHU_ERROR, SHU_ERROR_INTERNAL,
        "libwebp is of another version than its headers");
    return NULL;
  }
  config.quality = quality;
  config.method = WEBP_METHOD;
  if (quality == 100)
    WebPConfigLosslessPreset (&config, WEBP_METHOD);
  picture.width = image->width;
  picture.height = image->height;
  picture.use_argb = config.lossless;
  picture.writer = WebPMemoryWrite;
  picture.custom_ptr = &writer;
  WebPMemoryWriterInit (&writer);
  if (WebPPictureImportRGB (&picture, image->data, 3 * image->width) &&
      WebPEncode (&config, &picture))
    out = g_bytes_new (writer.mem, writer.size);
  else
    g_set_error (error, SHU_ERROR, SHU_ERROR_MEMORY,
        "the WebP picture could not be written (libwebp error %d)",
        (int) picture.error_code);
  WebPMemoryWriterClear (&writer);
  WebPPictureFree (&picture);
  return out;
}

GBytes *
shu_picture_encode (
    const ShuImage *image, ShuPictureType type, int quality, GError **error)
{
  g_return_val_if_fail (image->n_channels == 3, NULL);
  g_return_val_if_fail (type < SHU_PICTURE_UNKNOWN, NULL);
  switch (type) {
  case SHU_PICTURE_JPEG:
    return encode_jpeg (image, quality, error);
  case SHU_PICTURE_WEBP:
    return encode_webp (image, quality, error);
  default:
    return shu_png_encode (image, error);
  }
}

ShuPictureType
shu_picture_type (GBytes *file)
{
  gsize size;
  const guint8 *p = g_bytes_get_data (file, &size);

  if (size >= 8 && !memcmp (p, "\x89PNG\r\n\x1a\n", 8))
    return SHU_PICTURE_PNG;
  if (size >= 3 && !memcmp (p, "\xff\xd8\xff", 3))
    return SHU_PICTURE_JPEG;
  if (size >= 12 && !memcmp (p, "RIFF", 4) && !memcmp (p + 8, "WEBP", 4))
    return SHU_PICTURE_WEBP;
  return SHU_PICTURE_UNKNOWN;
}

const char *
shu_picture_mime (ShuPictureType type)
{
  static const char *const names[] = {[SHU_PICTURE_JPEG] = "image/jpeg",
      [SHU_PICTURE_PNG] = "image/png",
      [SHU_PICTURE_WEBP] = "image/webp",
      [SHU_PICTURE_UNKNOWN] = "application/octet-stream"};

  return names[type];
}
