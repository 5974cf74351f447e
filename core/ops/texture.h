/* SPDX-License-Identifier: MIT */
/* Operations that find a texture from pictures of the surface that wears it.
 * Results are scoped; a failure is the context's, as in ops.h. */
#pragma once
#include "ops/ops.h"

G_BEGIN_DECLS

enum { SHU_TEXTURE_MAX_SIZE = 8192 };

/**
 * ShuTextureRows:
 * @place: F32 [N,3]: u, v in sides of the texture, which repeats beyond them,
 *   and the level 0.. of the pyramid of 2x2 means between whose pictures the
 *   pixel is interpolated: the logarithm (base 2) of the texels that it covers
 *   along its longer axis
 * @color: F32 [N,3] what the pixel shows
 * @weight: F32 [N] 0..1; what has none does not count
 *
 * Pixels of pictures as they see a texture: as trilinear sampling does.  They
 * are taken where they are needed.
 */
typedef struct {
  ShuTensor *place;
  ShuTensor *color;
  ShuTensor *weight;
} ShuTextureRows;

/**
 * ShuTextureSolver:
 * @size: texels a side, 1..SHU_TEXTURE_MAX_SIZE
 * @rounds: how often the weights of residuals are found anew, at least 1
 * @steps: of conjugate gradients in each round
 * @soft_first: residual, in the unit of the colours, up to which squares are
 *   summed and from which on absolute values, in the first round; > 0
 * @soft_last: the same in the last round; geometric between them
 * @variation: weight of the difference of neighbouring texels, robust in the
 *   same way, against that of a row
 * @hold: how strongly a texel holds to the start, against the rows that act on
 *   it or beside it
 * @stiffness: how smooth the change of the start is, against the rows that act
 *   on two neighbours; where none act nothing changes
 */
typedef struct {
  int size;
  int rounds;
  int steps;
  float soft_first;
  float soft_last;
  float variation;
  float hold;
  float stiffness;
} ShuTextureSolver;

/**
 * shu_texture_pack:
 * Rows without those of no weight, in the same order.  Waits for the device.
 *
 * Returns: FALSE after a failure
 */
gboolean shu_texture_pack (
    ShuCtx *c, const ShuTextureRows *rows, ShuTextureRows *ret);

/**
 * shu_texture_gather:
 * @hold: how much a texel holds to the mean around it, against a row
 *
 * Weighted means of the rows at each texel, in a pyramid: where few rows are,
 * those of a wider neighbourhood; -> F32 [S,S,3]
 */
ShuTensor *shu_texture_gather (
    ShuCtx *c, const ShuTextureRows *rows, int size, float hold);

/**
 * shu_texture_solve:
 * @start: F32 [S,S,3] where to begin
 *
 * Minimises the sum over rows and channels of weight |color - texture (place)|
 * plus that of @variation |difference of neighbours|, by least squares whose
 * weights are found anew (IRLS with Huber's function), each solved by
 * conjugate gradients; -> F32 [S,S,3].  The same from run to run, whatever the
 * threads.
 */
ShuTensor *shu_texture_solve (ShuCtx *c, const ShuTextureRows *rows,
    ShuTensor *start, const ShuTextureSolver *params);

G_END_DECLS
