/* SPDX-License-Identifier: MIT */
/* Still WebP pictures, lossy or lossless, with or without alpha. */
#include "photo.h"
#include "photo_private.h"
#include "base/bytes.h"
#include "base/error.h"
#include <webp/decode.h>

/* Walks the chunks of the RIFF container: each must be there whole.  Sets
 * @ret_orientation from the EXIF chunk. */
static gboolean
check_container (
    const guint8 *data, gsize size, int *ret_orientation, GError **error)
{
  ShuCursor c = shu_cursor (data, size);
  gsize riff_size;

  shu_cursor_take (&c, 4);
  riff_size = shu_cursor_uint (&c, 4);
  if (riff_size < 4 || riff_size > size - 8)
    c.failed = TRUE;
  else
    c.size = riff_size + 8;
  shu_cursor_take (&c, 4);
  while (!c.failed && c.size - c.pos >= 8) {
    const guint8 *tag = shu_cursor_take (&c, 4);
    gsize length = shu_cursor_uint (&c, 4);
    const guint8 *body = shu_cursor_take (&c, length);

    if (body && memcmp (tag, "EXIF", 4) == 0)
      *ret_orientation = shu_exif_orientation (body, length);
    if (length % 2 && c.pos < c.size)
      shu_cursor_take (&c, 1);
  }
  if (c.failed)
    g_set_error_literal (error, SHU_ERROR, SHU_ERROR_TRUNCATED,
        "the WebP picture is cut short: its end is missing");
  return !c.failed;
}

static gboolean
check_status (VP8StatusCode status, GError **error)
{
  switch (status) {
  case VP8_STATUS_OK:
    return TRUE;
  case VP8_STATUS_SUSPENDED:
  case VP8_STATUS_NOT_ENOUGH_DATA:
    g_set_error_literal (error, SHU_ERROR, SHU_ERROR_TRUNCATED,
        "the WebP picture is cut short: data are missing");
    return FALSE;
  case VP8_STATUS_OUT_OF_MEMORY:
    g_set_error_literal (error, SHU_ERROR, SHU_ERROR_MEMORY,
        "not enough memory for the WebP picture");
    return FALSE;
  default:
    g_set_error (error, SHU_ERROR, SHU_ERROR_INVALID,
        "the WebP picture is damaged (libwebp status %d)", (int) status);
    return FALSE;
  }
}

ShuImage *
shu_photo_read_webp (
    const guint8 *data, gsize size, int *ret_orientation, GError **error)
{
  g_autoptr (ShuImage) image = NULL;
  WebPDecoderConfig config;
  gboolean ok;

  if (!WebPInitDecoderConfig (&config)) {
    g_set_error_literal (error, SHU_ERROR, SHU_ERROR_INTERNAL,
        "libwebp is of another version than its headers");
    return NULL;
  }
  if (!check_container (data, size, ret_orientation, error) ||
      !check_status (WebPGetFeatures (data, size, &config.input), error))
    return NULL;
  if (config.input.has_animation) {
    g_set_error_literal (error, SHU_ERROR, SHU_ERROR_UNSUPPORTED,
        "an animated WebP is not supported; convert one of its pictures to "
        "JPEG or PNG");
    return NULL;
  }
  image = shu_photo_image_new (config.input.width, config.input.height,
      config.input.has_alpha ? 4 : 3, error);
  if (!image)
    return NULL;
  config.output.colorspace = config.input.has_alpha ? MODE_RGBA : MODE_RGB;
  config.output.is_external_memory = 1;
  config.output.u.RGBA.rgba = image->data;
  config.output.u.RGBA.stride = image->width * image->n_channels;
  config.output.u.RGBA.size = shu_image_size (image);
  ok = check_status (WebPDecode (data, size, &config), error);
  WebPFreeDecBuffer (&config.output);
  return ok ? g_steal_pointer (&image) : NULL;
}
