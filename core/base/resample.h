/* SPDX-License-Identifier: MIT */
/* Resizing 8-bit pictures bit for bit as Pillow does, since the networks were
 * trained behind it. */
#pragma once
#include "base/image.h"

G_BEGIN_DECLS

/**
 * ShuFilter:
 * Both widen when shrinking, so that nothing aliases.
 *
 * @SHU_FILTER_BICUBIC: Keys' cubic with a = -0.5, support 2
 * @SHU_FILTER_LANCZOS: windowed sinc, support 3
 */
typedef enum {
  SHU_FILTER_BICUBIC,
  SHU_FILTER_LANCZOS,
} ShuFilter;

/**
 * shu_image_resize:
 * @width: pixels, within the limits of shu_image_new()
 *
 * RGBA is resized premultiplied, with 8-bit rounding on the way there and
 * back; where the size stays the same the picture is only copied.
 *
 * Returns: (transfer full):
 */
ShuImage *shu_image_resize (
    const ShuImage *image, int width, int height, ShuFilter filter);

/**
 * ShuTaps:
 * One axis of a resize: output i is the sum over k < count[i] of
 * weight[i * stride + k] * input[first[i] + k], in fixed point, plus one half,
 * cut to a byte.
 */
typedef struct {
  int stride;
  int *first;
  int *count;
  gint32 *weight;
} ShuTaps;

enum { SHU_TAPS_PRECISION = 22 }; /* bits behind the point of a weight */

void shu_taps_init (ShuTaps *t, int n_in, int n_out, ShuFilter filter);
void shu_taps_clear (ShuTaps *t);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (ShuTaps, shu_taps_clear)

/* a * b / 255, rounded, as Pillow does it. */
static inline guint8
shu_mul_div_255 (guint8 a, guint8 b)
{
  guint t = (guint) a * b + 128;

  return ((t >> 8) + t) >> 8;
}

G_END_DECLS
