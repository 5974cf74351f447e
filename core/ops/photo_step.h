/* SPDX-License-Identifier: MIT */
/* The steps of photo.h. */
#pragma once

/**
 * ShuPhotoStep:
 * @SHU_PHOTO_COLORS: @picture RGB -> @colors
 * @SHU_PHOTO_SHARES: @picture of one channel -> @plane, 255 becoming 1
 * @SHU_PHOTO_BELOW: @picture -> @mask: a channel is below @level
 * @SHU_PHOTO_ABOVE: @depth -> @mask: it is above @amount
 * @SHU_PHOTO_RAMP: @depth -> @plane: 0 at @amount, 1 from a pixel farther on
 * @SHU_PHOTO_BLEND: @share, @other -> @plane: @amount of the other, 0..1
 * @SHU_PHOTO_SURE: @rgb, @depth, @share of the person -> @mask: what may show
 *   nothing but the person; @sure: what does: the inside, and the middle line
 *   of what is thin, out of which the white is taken; @colors
 * @SHU_PHOTO_PURE: @rgb, @share, @from (the nearest sure pixels) and @set (the
 *   @mask of that) -> @colors, with the white taken out down to that of sure
 *   ones, not below: where the edge is sharper than most, dark specks would
 *   take the place of light ones; @mask: what shows the person alone then
 * @SHU_PHOTO_CUT: @rgb, @depth, @share of a cut-out -> @colors, with the white
 *   taken out; @mask: @amount or more inside
 * @SHU_PHOTO_TRUST: @depth, @share, @set (what is pure) -> @plane: full from
 *   @amount pixels farther in than the outermost
 * @SHU_PHOTO_LEAST: @share, @other -> @plane: the smaller of the two
 * @SHU_PHOTO_TAKE: @rgb, @from -> @colors of those pixels, or their own
 * @SHU_PHOTO_KEEP: @rgb where @set, else @rgb2 -> @colors
 * @SHU_PHOTO_EDGE: @depth of a surface -> @mask: a neighbour is farther by
 *   @amount; where that is negative, nearer
 * @SHU_PHOTO_OPEN: @depth, @from (the nearest of that mask) and (nullable)
 *   @share -> @plane: 1, or @share if that is less, or less within @reach
 *   pixels of an edge, on its side
 * @SHU_PHOTO_LACK: @rgb of a face, @rgb2 of the front (of any size) -> @colors:
 *   what the face lacks against the front
 *
 * A picture is what stage 1 has; @mirror: left and right change places.
 */
typedef enum {
  SHU_PHOTO_COLORS,
  SHU_PHOTO_SHARES,
  SHU_PHOTO_BELOW,
  SHU_PHOTO_ABOVE,
  SHU_PHOTO_RAMP,
  SHU_PHOTO_BLEND,
  SHU_PHOTO_SURE,
  SHU_PHOTO_PURE,
  SHU_PHOTO_CUT,
  SHU_PHOTO_TRUST,
  SHU_PHOTO_LEAST,
  SHU_PHOTO_TAKE,
  SHU_PHOTO_KEEP,
  SHU_PHOTO_EDGE,
  SHU_PHOTO_OPEN,
  SHU_PHOTO_LACK,
  SHU_PHOTO_N_STEPS
} ShuPhotoStep;

/* Each step and its pixel in photo_pixels.h */
#define SHU_PHOTO_EACH_STEP(X)                                                 \
  X (SHU_PHOTO_COLORS, shu_photo_colors)                                       \
  X (SHU_PHOTO_SHARES, shu_photo_shares)                                       \
  X (SHU_PHOTO_BELOW, shu_photo_below)                                         \
  X (SHU_PHOTO_ABOVE, shu_photo_above)                                         \
  X (SHU_PHOTO_RAMP, shu_photo_ramp)                                           \
  X (SHU_PHOTO_BLEND, shu_photo_blend)                                         \
  X (SHU_PHOTO_SURE, shu_photo_sure)                                           \
  X (SHU_PHOTO_PURE, shu_photo_pure)                                           \
  X (SHU_PHOTO_CUT, shu_photo_cut)                                             \
  X (SHU_PHOTO_TRUST, shu_photo_trust)                                         \
  X (SHU_PHOTO_LEAST, shu_photo_least)                                         \
  X (SHU_PHOTO_TAKE, shu_photo_take)                                           \
  X (SHU_PHOTO_KEEP, shu_photo_keep)                                           \
  X (SHU_PHOTO_EDGE, shu_photo_edge)                                           \
  X (SHU_PHOTO_OPEN, shu_photo_open)                                           \
  X (SHU_PHOTO_LACK, shu_photo_lack)
