/* SPDX-License-Identifier: MIT */
/* From decoded views to the bytes that are saved. */
#pragma once
#include "base/image.h"

G_BEGIN_DECLS

/**
 * shu_view_denormalize:
 * @v: (inout): @n values as the VAE gives them, -1..1; becomes 0..1, clamped
 */
void shu_view_denormalize (float *v, gsize n);

/**
 * shu_view_paste_face:
 * @front: (inout): [S,S,3], normals of the front view
 * @face: [S,S,3], normals of the face view; S is a multiple of 3
 *
 * The face, a third as large, takes the top centre third of @front.
 */
void shu_view_paste_face (float *front, const float *face, int S);

/* 0..1 as a byte; @half as below. */
guint8 shu_view_byte (float v, gboolean half);

/**
 * shu_view_to_image:
 * @v: [H,W,3] in 0..1
 * @half: TRUE rounds the value, its product with 255 and the sum with 0.5 to
 *   float16 as the reference on a GPU does; FALSE works in float32
 *
 * Returns: (transfer full): RGB
 */
ShuImage *shu_view_to_image (
    const float *v, int width, int height, gboolean half);

/**
 * shu_images_side_by_side:
 * Returns: (transfer full): RGB pictures of the same size in one row
 */
ShuImage *shu_images_side_by_side (ShuImage *const *images, int n);

G_END_DECLS
