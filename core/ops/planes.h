/* SPDX-License-Identifier: MIT */
/* Operations on square planes: masks U8 [S,S], in which what is not 0 is set,
 * values F32 [S,S] or [S,S,3], |v| < 2^19, and pixels by their numbers y S + x.
 * The same bits on every device.  Results are scoped; a failure is the
 * context's, as in ops.h. */
#pragma once
#include "ops/ops.h"

G_BEGIN_DECLS

enum { SHU_PLANE_MAX_SIZE = 8192 };

/**
 * shu_plane_find_nearest:
 * @reach: pixels; what lies farther away is not found; 0: no limit
 * @ret_dist: (out) (optional): F32 [S,S] how far away it is, G_MAXFLOAT where
 *   there is none
 *
 * -> I32 [S,S]: the pixel of @mask that is set and nearest, the one with the
 * lower number where two are as near; -1 where there is none.  Exact.
 */
ShuTensor *shu_plane_find_nearest (
    ShuCtx *c, ShuTensor *mask, float reach, ShuTensor **ret_dist);

/* Means over squares of 2 @radius + 1 pixels, three times: nearly a Gaussian of
 * variance @radius (@radius + 1).  Beyond the border its pixels go on.  0: x */
ShuTensor *shu_plane_smooth (ShuCtx *c, ShuTensor *x, int radius);

/**
 * shu_plane_fill:
 * @x: F32 [S,S,3], good where @mask is set
 * @reach: pixels, at least 0
 *
 * -> like x; elsewhere, within @reach, the nearest good pixel; farther away
 * smooth means of them, by a pyramid (Gortler et al. 1996, push-pull); 0 where
 * there are none at all.
 */
ShuTensor *shu_plane_fill (
    ShuCtx *c, ShuTensor *x, ShuTensor *mask, float reach);

G_END_DECLS
