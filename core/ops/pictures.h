/* SPDX-License-Identifier: MIT */
/* Operations on pictures: u8 [H,W,C] with C of 1 (grey), 3 (RGB) or 4 (RGBA,
 * straight alpha), the same bytes on every device.  Results are scoped; a
 * failure is the context's, as in ops.h. */
#pragma once
#include "base/image.h"
#include "base/resample.h"
#include "base/traffic.h"
#include "ops/ops.h"

G_BEGIN_DECLS

/* ---- between pictures in host memory and those of a context ---- */

ShuTensor *shu_picture_from_image (ShuCtx *c, const ShuImage *image);
/* (transfer full): NULL after a failure */
ShuImage *shu_picture_to_image (ShuCtx *c, ShuTensor *x, ShuTrafficKind kind);

/* ---- picture to picture ---- */

/* As shu_image_resize() */
ShuTensor *shu_picture_resize (
    ShuCtx *c, ShuTensor *x, int width, int height, ShuFilter filter);
/* The pixels of @box; what lies outside @x is zero */
ShuTensor *shu_picture_crop (ShuCtx *c, ShuTensor *x, const ShuBox *box);
/* The same, but the pixels of the border stand for what lies outside; @mirror:
 * left and right change places */
ShuTensor *shu_picture_window (
    ShuCtx *c, ShuTensor *x, const ShuBox *box, gboolean mirror);
/* RGBA -> RGB as shu_image_flatten(); @saved: rounded as the reference does
 * where it saves a picture, through float16, instead of truncated */
ShuTensor *shu_picture_flatten (
    ShuCtx *c, ShuTensor *x, float background, gboolean saved);
/* RGB [S,S,3] with @face [S,S,3] in its top centre third, of which every third
 * pixel is taken */
ShuTensor *shu_picture_paste_face (ShuCtx *c, ShuTensor *x, ShuTensor *face);

/* Grey, as shu_image_clean() */
ShuTensor *shu_picture_clean (ShuCtx *c, ShuTensor *x);

/* ---- between pictures and what networks see ---- */

/* RGB -> activations [1,H,W,3]: (v / @scale - @mean) / @std */
ShuTensor *shu_picture_normalize (ShuCtx *c, ShuTensor *x, double scale,
    const double mean[3], const double std[3]);
/* activations [1,H,W,3], -1..1, of the VAE -> RGB [H,W,3] */
ShuTensor *shu_picture_from_view (ShuCtx *c, ShuTensor *x);

/* ---- masks: activations [1,S,S,1] ---- */

/* The mean of @p and the mirrored @q */
ShuTensor *shu_mask_mean (ShuCtx *c, ShuTensor *p, ShuTensor *q);
/* Grey [S,S,1]: @lo..@hi becomes 0..255 */
ShuTensor *shu_mask_to_picture (ShuCtx *c, ShuTensor *p, float lo, float hi);

/**
 * ShuMaskMeasures:
 * @finite: whether all values are
 * @lo, @hi: the smallest and the largest value
 * @most: the largest within the box; infinite where something is not a number
 * @sum: within the box
 * @doubt: the sum of 4 p (1 - p) within the box
 * @n_row: values above 0.5 in the row
 * @smaller, @larger: sums of the smaller and of the larger values of p and the
 *   mirrored q, which is p where there is none
 */
typedef struct {
  gboolean finite;
  float lo, hi, most;
  double sum, doubt;
  int n_row;
  double smaller, larger;
} ShuMaskMeasures;

/* Waits.  FALSE after a failure.  @box (its part inside of p) and @row say
 * where; @q may be NULL. */
gboolean shu_mask_measure (ShuCtx *c, ShuTensor *p, ShuTensor *q,
    const ShuBox *box, int row, ShuMaskMeasures *ret);

/* ---- numbers of pictures ---- */

/**
 * ShuPictureMeasures:
 * @box: of the pixels whose last channel is at least the threshold: smallest
 *   and largest coordinates, both inclusive; x1 is -1 where there are none
 * @sum: of the last channel
 * @min: of the last channel
 * @max: of all channels
 */
typedef struct {
  ShuBox box;
  guint64 sum;
  int min, max;
} ShuPictureMeasures;

/* Waits.  FALSE after a failure */
gboolean shu_picture_measure (
    ShuCtx *c, ShuTensor *x, int threshold, ShuPictureMeasures *ret);

/* Sums of the last channel over squares of @step pixels, from the upper left
 * on: [ceil (H / step), ceil (W / step)]; @ret_n: pixels of 128 and more.
 * Waits. */
gboolean shu_picture_cells (
    ShuCtx *c, ShuTensor *x, int step, guint32 *ret_sums, gsize *ret_n);

/* Of the pixels of @x, RGBA, with an alpha of @opaque and more: how many there
 * are, and in how many of these a channel is farther than @tolerance from that
 * of @y, RGB of the same size.  Waits. */
gboolean shu_picture_compare (ShuCtx *c, ShuTensor *x, ShuTensor *y, int opaque,
    int tolerance, gsize *ret_n, gsize *ret_n_other);

G_END_DECLS
