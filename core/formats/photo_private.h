/* SPDX-License-Identifier: MIT */
/* What photo.c and its decoders, one for each format, share. */
#pragma once
#include "base/image.h"

G_BEGIN_DECLS

/* Each gives RGB or RGBA as stored and the EXIF orientation beside it. */
ShuImage *shu_photo_read_jpeg (
    const guint8 *data, gsize size, int *ret_orientation, GError **error);
ShuImage *shu_photo_read_png (
    const guint8 *data, gsize size, int *ret_orientation, GError **error);
ShuImage *shu_photo_read_webp (
    const guint8 *data, gsize size, int *ret_orientation, GError **error);

/* FALSE with an error where the size is zero or beyond the limits. */
gboolean shu_photo_check_size (guint64 width, guint64 height, GError **error);

/* As shu_image_new(), for sizes that a file asks for: checks the limits and
 * reports a lack of memory. */
ShuImage *shu_photo_image_new (
    guint64 width, guint64 height, int n_channels, GError **error);

G_END_DECLS
