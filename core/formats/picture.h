/* SPDX-License-Identifier: MIT */
/* Pictures as files of several kinds, for what carries pictures in it. */
#pragma once
#include "base/image.h"

G_BEGIN_DECLS

/**
 * ShuPictureType:
 * @SHU_PICTURE_JPEG: as small as the quality says; colours at full resolution,
 *   since what is next to each other in a texture need not belong together
 * @SHU_PICTURE_PNG: exact
 * @SHU_PICTURE_WEBP: smaller than JPEG for the same quality, slower, and not
 *   known everywhere; 100 is exact
 */
typedef enum {
  SHU_PICTURE_JPEG,
  SHU_PICTURE_PNG,
  SHU_PICTURE_WEBP,
  SHU_PICTURE_UNKNOWN,
} ShuPictureType;

/**
 * shu_picture_encode:
 * @image: RGB
 * @quality: 1..100; PNG has none
 *
 * The same picture gives the same bytes.
 *
 * Returns: (transfer full): a file, or NULL with %SHU_ERROR_MEMORY
 */
GBytes *shu_picture_encode (
    const ShuImage *image, ShuPictureType type, int quality, GError **error);

/* What a file is by its first bytes. */
ShuPictureType shu_picture_type (GBytes *file);

/* "image/jpeg", ... */
const char *shu_picture_mime (ShuPictureType type);

G_END_DECLS
