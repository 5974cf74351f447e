/* SPDX-License-Identifier: MIT */
#pragma once
#include "base/image.h"

G_BEGIN_DECLS

/**
 * shu_image_sharpness:
 * @image: RGB or RGBA; of sides below 3 nothing can be said
 *
 * Mean square of the Laplacian of the luma (Pech-Pacheco et al., ICPR 2000):
 * of pictures of one scene, that which is in focus and not blurred by motion
 * has the largest.  Large pictures are looked at in every n-th pixel.
 *
 * Returns: >= 0, of 8-bit values squared
 */
double shu_image_sharpness (const ShuImage *image);

G_END_DECLS
