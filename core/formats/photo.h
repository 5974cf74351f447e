/* SPDX-License-Identifier: MIT */
/* Reads photos strictly: what is damaged or cut short is an error, never a
 * picture with grey parts. */
#pragma once
#include "base/image.h"

G_BEGIN_DECLS

/**
 * shu_photo_decode:
 * @data: a whole JPEG, PNG or (still) WebP file; the type is found by content
 *
 * Gives 8 bits a channel, RGB, or RGBA where the file has transparency; the
 * EXIF orientation is applied, grey, palette, CMYK and 16-bit pictures are
 * converted, colour profiles are ignored.  Sizes are checked against
 * %SHU_IMAGE_MAX_SIDE and %SHU_IMAGE_MAX_PIXELS before anything is allocated.
 *
 * Returns: (transfer full): the picture, or NULL with %SHU_ERROR_TRUNCATED,
 *   %SHU_ERROR_INVALID (damaged, or no picture at all), %SHU_ERROR_LIMIT,
 *   %SHU_ERROR_UNSUPPORTED (other formats, animations) or %SHU_ERROR_MEMORY
 */
ShuImage *shu_photo_decode (GBytes *data, GError **error);

/**
 * shu_exif_orientation:
 * @data: an EXIF block, with or without its "Exif" prefix
 *
 * Returns: the orientation 1..8; 1 where there is none or it makes no sense
 */
int shu_exif_orientation (const guint8 *data, gsize size);

/**
 * shu_image_orient:
 * @image: (transfer full):
 * @orientation: of EXIF: 1 leaves the picture alone, 6 turns it by 90 degrees
 *   clockwise, 8 counter-clockwise, 2, 4, 5 and 7 mirror
 *
 * Returns: (transfer full): the picture as it should be seen
 */
ShuImage *shu_image_orient (ShuImage *image, int orientation, GError **error);

G_END_DECLS
