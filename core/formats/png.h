/* SPDX-License-Identifier: MIT */
/* PNG files: 8-bit grey, RGB or RGBA pictures to and from bytes. */
#pragma once
#include "base/image.h"

G_BEGIN_DECLS

/**
 * shu_png_encode:
 * The same picture gives the same bytes.
 *
 * Returns: (transfer full): a PNG file, or NULL with %SHU_ERROR_MEMORY
 */
GBytes *shu_png_encode (const ShuImage *image, GError **error);

/**
 * shu_png_decode:
 * As shu_photo_decode(), but what is not a PNG file is refused.
 *
 * Returns: (transfer full): RGB, or RGBA where the file has transparency
 */
ShuImage *shu_png_decode (GBytes *data, GError **error);

/**
 * shu_png_read:
 * Returns: (transfer full): the picture in the file @path; errors name it
 */
ShuImage *shu_png_read (const char *path, GError **error);
gboolean shu_png_write (
    const char *path, const ShuImage *image, GError **error);

G_END_DECLS
