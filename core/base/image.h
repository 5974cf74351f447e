/* SPDX-License-Identifier: MIT */
/* An 8-bit picture in memory. */
#pragma once
#include <glib.h>

G_BEGIN_DECLS

enum {
  SHU_IMAGE_MAX_SIDE = 16384, /* pixels */
  SHU_IMAGE_MAX_PIXELS = 128 * 1024 * 1024,
  SHU_MATTING_SIDE = 1024, /* of a cut-out, at most, but for ready ones */
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

/**
 * ShuBox:
 * Pixels x0 <= x < x1, y0 <= y < y1; may reach beyond the picture.
 */
typedef struct {
  int x0, y0, x1, y1;
} ShuBox;

static inline gsize
shu_image_size (const ShuImage *image)
{
  return (gsize) image->width * image->height * image->n_channels;
}

/**
 * shu_composite:
 * @rgba: straight alpha
 * @background: grey level, 1 is white
 * @ret: (out caller-allocates): [H,W,3] in 0..1; float32 rounding after the
 *   product, the background's share and the sum
 */
void shu_composite (const ShuImage *rgba, float background, float *ret);

/**
 * shu_image_flatten:
 * Returns: (transfer full): RGB, shu_composite() times 255 and truncated: what
 *   CLIP, the VAE and DINOv2 see
 */
ShuImage *shu_image_flatten (const ShuImage *rgba, float background);

/**
 * shu_image_crop:
 * Returns: (transfer full): the pixels of @box; zeros outside the picture
 */
ShuImage *shu_image_crop (const ShuImage *image, const ShuBox *box);

/**
 * shu_image_has_alpha:
 * Returns: TRUE where some pixel is not opaque.  Such a picture needs no
 *   matting: its own alpha says who the person is.
 */
gboolean shu_image_has_alpha (const ShuImage *image);

/**
 * shu_image_coverage:
 * Returns: the mean of alpha / 255; 1 for pictures without alpha
 */
double shu_image_coverage (const ShuImage *image);

/**
 * shu_image_clean:
 * @mask: grey, changed in place
 *
 * Makes fully transparent what is nearly so, and the pieces that are small
 * beside the largest one.  The reference does nothing of the kind; it needs the
 * box of alpha >= 205 only, while the body canvas is the box of alpha != 0.
 */
void shu_image_clean (ShuImage *mask);

enum {
  SHU_CLEAN_FAINT = 26,      /* below this alpha there is nothing: a tenth */
  SHU_CLEAN_SMALL_SHARE = 25 /* pieces of less than one in so many of the
                                largest go */
};

/* RGB from grey, RGB or RGBA (whose alpha is dropped, not blended). */
ShuImage *shu_image_to_rgb (const ShuImage *image);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ShuImage, shu_image_free)

G_END_DECLS
