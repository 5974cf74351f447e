/* SPDX-License-Identifier: MIT */
/* Steps by which pictures of a person are made ready to colour a surface:
 * geometry/bake_photo.c says in which order, and why.  Planes are those of
 * planes.h; the same bits on every device.  Results are scoped; a failure is
 * the context's, as in ops.h. */
#pragma once
#include "ops/photo_step.h"
#include "ops/planes.h"

G_BEGIN_DECLS

/**
 * ShuPhotoJob:
 * @picture: U8 [S,S,1] or [S,S,3]
 * @rgb, @rgb2: F32 [S,S,3] 0..255
 * @depth: F32 [S,S] pixels from the outline inwards, or of a surface, as
 *   ShuRastered has it
 * @share, @other: F32 [S,S] 0..1
 * @from: I32 [S,S]
 * @set: U8 [S,S]
 * @colors: (out): F32 [S,S,3]
 * @plane: (out): F32 [S,S]
 * @mask, @sure: (out): U8 [S,S]
 *
 * What a step does not name is not looked at; its results alone are set.
 */
typedef struct {
  ShuTensor *picture, *rgb, *rgb2, *depth, *share, *other, *from, *set;
  float amount, reach;
  int level;
  gboolean mirror;
  ShuTensor *colors, *plane, *mask, *sure;
} ShuPhotoJob;

/* FALSE after a failure */
gboolean shu_photo_step (ShuCtx *c, ShuPhotoStep step, ShuPhotoJob *job);

/**
 * shu_photo_background:
 * @rgb: F32 [S,S,3]
 * @person: U8 [S,S]
 * @reach: pixels
 *
 * -> U8 [S,S] where the person is not: what @person leaves out, and what of it
 * is as white as that and connected with it, within @reach steps.
 */
ShuTensor *shu_photo_background (
    ShuCtx *c, ShuTensor *rgb, ShuTensor *person, int reach);

enum {
  SHU_PHOTO_DEPTHS = 64, /* of half a pixel */
  SHU_PHOTO_LEVELS = 51, /* shares of 0, 1/50, ... 1 */
};

/**
 * shu_photo_count_shares:
 * @depth: F32 [S,S] pixels from the outline inwards
 * @from: I32 [S,S] the nearest pixel that shows the person's own colour
 * @ret: [SHU_PHOTO_DEPTHS,SHU_PHOTO_LEVELS] how many pixels of a depth show so
 *   large a share of that colour, the rest being white
 *
 * Waits.  FALSE after a failure
 */
gboolean shu_photo_count_shares (
    ShuCtx *c, ShuTensor *rgb, ShuTensor *depth, ShuTensor *from, guint32 *ret);

G_END_DECLS
