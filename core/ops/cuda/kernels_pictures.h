/* SPDX-License-Identifier: MIT */
/* Launchers of work on pictures, masks and planes of floats (kernels.h says
 * what all have in common). */
#pragma once
#include "ops/cuda/kernels.h"
#include "ops/photo_pixels.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- pictures.cu: bytes, channels last, C of 1, 3 or 4 ---- */

/* Of one axis, as ShuTaps, in device memory */
typedef struct {
  int stride;
  const int *first;
  const int *count;
  const int32_t *weight;
} ShuCudaTaps;

/* y [H,n_out,C] from x [H,W,C] */
cudaError_t shu_launch_picture_columns (uint8_t *y, const uint8_t *x, size_t H,
    size_t W, size_t n_out, int C, const ShuCudaTaps *taps,
    cudaStream_t stream);
/* y [n_out,row] from x [H,row]: row bytes */
cudaError_t shu_launch_picture_rows (uint8_t *y, const uint8_t *x, size_t row,
    size_t n_out, const ShuCudaTaps *taps, cudaStream_t stream);
/* n pixels RGBA; y may be x */
cudaError_t shu_launch_picture_premultiply (
    uint8_t *y, const uint8_t *x, size_t n, cudaStream_t stream);
cudaError_t shu_launch_picture_unpremultiply (
    uint8_t *y, const uint8_t *x, size_t n, cudaStream_t stream);
/* y [h,w,C]: x [H,W,C] from (left, top) on, zeros outside */
cudaError_t shu_launch_picture_crop (uint8_t *y, const uint8_t *x, int h, int w,
    int H, int W, int C, int left, int top, cudaStream_t stream);
/* n pixels RGBA -> RGB */
cudaError_t shu_launch_picture_flatten (uint8_t *y, const uint8_t *x, size_t n,
    float background, int saved, cudaStream_t stream);
/* x, face [S,S,3] */
cudaError_t shu_launch_picture_paste_face (uint8_t *y, const uint8_t *x,
    const uint8_t *face, int S, cudaStream_t stream);
/* n pixels RGB -> f16 (v / scale - mean) / std; mean, std: 3 each, host */
cudaError_t shu_launch_picture_normalize (void *y, const uint8_t *x, size_t n,
    double scale, const double *mean, const double *std, cudaStream_t stream);
/* n values f16, -1..1 -> bytes */
cudaError_t shu_launch_picture_from_view (
    uint8_t *y, const void *x, size_t n, cudaStream_t stream);

/* ShuPictureMeasures in device memory */
typedef struct {
  unsigned long long sum;
  int x0, y0, x1, y1;
  int min, max;
} ShuCudaMeasures;

/* @ret holds the values to start from */
cudaError_t shu_launch_picture_measure (ShuCudaMeasures *ret, const uint8_t *x,
    int H, int W, int C, int threshold, cudaStream_t stream);

/* y [h,w,C]: x [H,W,C] from (left, top) on, its border beyond it; mirrored */
cudaError_t shu_launch_picture_window (uint8_t *y, const uint8_t *x, int h,
    int w, int H, int W, int C, int left, int top, int mirror,
    cudaStream_t stream);
/* sums [ceil (H / step), ceil (W / step)] of the last channel; *n += how many
 * are 128 and more */
cudaError_t shu_launch_picture_cells (uint32_t *sums, uint32_t *n,
    const uint8_t *x, int H, int W, int C, int step, cudaStream_t stream);

/* n [2]: pixels of x [count,4] that are opaque, and those that differ from y
 * [count,3] */
cudaError_t shu_launch_picture_compare (uint32_t *n, const uint8_t *x,
    const uint8_t *y, size_t count, int opaque, int tolerance,
    cudaStream_t stream);

/* ---- masks.cu: f16 [S,S], or bytes [H,W] ---- */

cudaError_t shu_launch_mask_mean (
    void *y, const void *p, const void *q, int S, cudaStream_t stream);
cudaError_t shu_launch_mask_to_picture (uint8_t *y, const void *p, size_t n,
    float lo, float hi, cudaStream_t stream);

/* ShuMaskMeasures in device memory */
typedef struct {
  double sum, doubt, smaller, larger;
  float lo, hi, most;
  int finite, n_row;
} ShuCudaMaskMeasures;

/* of p and the mirrored q; x0 <= u < x1, y0 <= v < y1 is the box */
cudaError_t shu_launch_mask_measure (ShuCudaMaskMeasures *ret, const void *p,
    const void *q, int S, int x0, int y0, int x1, int y1, int row,
    cudaStream_t stream);

/* y without what is below @faint, and without the four-connected pieces whose
 * sum times @share is below the largest; label [H,W], sums [H,W + 1]: scratch
 */
cudaError_t shu_launch_mask_clean (uint8_t *y, const uint8_t *x, int H, int W,
    int faint, int share, int *label, unsigned long long *sums,
    cudaStream_t stream);

/* ---- planes.cu: core/ops/planes.h ---- */

/* near [S,S]: scratch; dist may be NULL */
cudaError_t shu_launch_plane_nearest (int *index, float *dist,
    const uint8_t *mask, int S, int limit, short *near, cudaStream_t stream);
/* room: like x */
cudaError_t shu_launch_plane_smooth (float *y, const float *x, float *room,
    int S, int C, int radius, cudaStream_t stream);
/* levels: [total - S S,3] of the pyramid above the plane; known: [total] */
cudaError_t shu_launch_plane_fill (float *y, const float *x, const int *from,
    int S, float *levels, uint8_t *known, cudaStream_t stream);

/* ---- photo.cu: core/ops/photo.h ---- */

cudaError_t shu_launch_photo_step (
    int step, const ShuPhotoPixels *p, cudaStream_t stream);
/* room: 257 + 3 S ceil (S / 32) */
cudaError_t shu_launch_photo_background (uint8_t *y, const float *rgb,
    const uint8_t *person, int S, int reach, uint32_t *room,
    cudaStream_t stream);
/* count [n_depths,n_levels]; planes of n pixels */
cudaError_t shu_launch_photo_count_shares (uint32_t *count, const float *rgb,
    const float *depth, const int *from, size_t n, int n_depths, int n_levels,
    cudaStream_t stream);

#ifdef __cplusplus
}
#endif
