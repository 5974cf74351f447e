/* SPDX-License-Identifier: MIT */
/* From a photo to what the networks look at: the picture for matting and the
 * cut-out it gives, body and face for the multi-view network, the conditioning
 * picture for the 3D networks.  Byte for byte as the reference does it. */
#pragma once
#include "ops/pictures.h"

G_BEGIN_DECLS

/**
 * ShuSubject:
 * @body: RGB [S,S], the person on white, of the canvas height
 * @face: RGB [S,S], top centre third of @body, three times as large
 * @front: RGB [S,S], @body rounded as the reference does where it saves it as
 *   its front view (color_0.png); @body itself is truncated
 * @condition: RGB [C,C], the person on black with a margin
 * @coverage: sum of alpha / 255 over the number of pixels of the cut-out
 * @body_box: part of the cut-out shown in @body
 * @condition_box: part of the cut-out shown in @condition
 *
 * The pictures are scoped.
 */
typedef struct {
  ShuTensor *body;
  ShuTensor *face;
  ShuTensor *front;
  ShuTensor *condition;
  double coverage;
  ShuBox body_box;
  ShuBox condition_box;
} ShuSubject;

/**
 * shu_preprocess:
 * @cutout: RGBA, the person on transparent ground
 * @side: side S of the multi-view canvas, a multiple of 3; official 768
 * @condition_side: side C of the conditioning picture; official 518
 *
 * Returns: FALSE where @c has failed: with %SHU_ERROR_NO_PERSON where the
 *   cut-out shows nothing usable, %SHU_ERROR_INVALID where it is not RGBA
 */
gboolean shu_preprocess (ShuCtx *c, ShuTensor *cutout, int side,
    int condition_side, ShuSubject *ret);

/**
 * shu_body_canvas:
 * Crops to alpha != 0 (the last row and column are lost, as in the reference),
 * scales to the canvas (bicubic) and centres.
 *
 * Returns: scoped RGBA [side,side]
 */
ShuTensor *shu_body_canvas (
    ShuCtx *c, ShuTensor *cutout, int side, ShuBox *ret_box);

/* Scoped RGBA of the size of @canvas: its top centre third */
ShuTensor *shu_face_canvas (ShuCtx *c, ShuTensor *canvas);

/**
 * shu_condition_image:
 * The square around alpha >= 205 with a margin of a fifth, on black, Lanczos.
 *
 * Returns: scoped RGB [side,side]
 */
ShuTensor *shu_condition_image (
    ShuCtx *c, ShuTensor *cutout, int side, ShuBox *ret_box);

/**
 * shu_matting_size:
 * @width, @height: (inout): of a photo; become those of its cut-out, at most
 *   %SHU_MATTING_SIDE on the long side; one less for some sizes, as in the
 *   reference
 */
void shu_matting_size (int *width, int *height);

/**
 * shu_matting_picture:
 * Returns: scoped: @photo as RGB, reduced (Lanczos) to shu_matting_size()
 */
ShuTensor *shu_matting_picture (ShuCtx *c, ShuTensor *photo);

/**
 * shu_matting_input:
 * @picture: RGB, any size
 * @side: of the network's input, 320
 *
 * Returns: scoped [1,side,side,3]; each value over the largest byte, then
 *   ImageNet's mean and deviation
 */
ShuTensor *shu_matting_input (ShuCtx *c, ShuTensor *picture, int side);

/**
 * shu_matting_mask:
 * @p: [1,side,side,1], output of the network, any range
 * @m: what was measured of it
 *
 * Returns: scoped grey [side,side], stretched to 0..255; @c fails with
 *   %SHU_ERROR_NO_PERSON where @p is constant
 */
ShuTensor *shu_matting_mask (ShuCtx *c, ShuTensor *p, const ShuMaskMeasures *m);

/**
 * shu_matting_cutout:
 * @picture: RGB
 * @mask: grey, any size; resized (Lanczos) to that of @picture
 *
 * The reference multiplies the colours by alpha once more; here they stay what
 * they are.
 *
 * Returns: scoped RGBA of the size of @picture
 */
ShuTensor *shu_matting_cutout (ShuCtx *c, ShuTensor *picture, ShuTensor *mask);

G_END_DECLS
