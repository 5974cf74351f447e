/* SPDX-License-Identifier: MIT */
/* An 8-bit picture in memory. */
#pragma once
#include <glib.h>

G_BEGIN_DECLS

enum {
  SHU_IMAGE_MAX_SIDE = 16384, /* pixels */
  SHU_IMAGE_MAX_PIXELS = 128 * 1024 * 1024,
};

/**
 * ShuImage:
 * @width: pixels
 * @height: pixels
 * @n_channels: 1 (grey), 3 (RGB) or 4 (RGBA, straight alpha)
 * @data: @height * @width * @n_channels bytes, row 0 at the top, no padding
 */
typedef struct {
  int width;
  int height;
  int n_channels;
  guint8 *data;
} ShuImage;

/**
 * shu_image_new:
 * The pixels are zero.  Sizes within the limits above are the caller's duty.
 *
 * Returns: (transfer full)
 */
ShuImage *shu_image_new (int width, int height, int n_channels);
ShuImage *shu_image_copy (const ShuImage *image);
void shu_image_free (ShuImage *image);

static inline gsize
shu_image_size (const ShuImage *image)
{
  return (gsize) image->width * image->height * image->n_channels;
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ShuImage, shu_image_free)

G_END_DECLS
