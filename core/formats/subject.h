/* SPDX-License-Identifier: MIT */
/* Whether a cut-out looks like one whole person. */
#pragma once
#include "ops/pictures.h"

G_BEGIN_DECLS

/**
 * ShuSubjectFlags:
 * What is doubtful; the job can go on.
 *
 * @SHU_SUBJECT_SEVERAL: several people, or one who does not stand
 * @SHU_SUBJECT_CUT_BELOW: the lower edge of the picture cuts through the person
 * @SHU_SUBJECT_CUT_ABOVE: so does the upper edge
 * @SHU_SUBJECT_CUT_ASIDE: so does the left or the right edge
 */
typedef enum {
  SHU_SUBJECT_FINE = 0,
  SHU_SUBJECT_SEVERAL = 1 << 0,
  SHU_SUBJECT_CUT_BELOW = 1 << 1,
  SHU_SUBJECT_CUT_ABOVE = 1 << 2,
  SHU_SUBJECT_CUT_ASIDE = 1 << 3,
} ShuSubjectFlags;

/**
 * shu_subject_check:
 * @cutout: RGBA, in memory of @c
 * @ret_flags: (out) (optional):
 * @ret_text: (out) (optional) (nullable): sentences for the user, NULL where
 *   nothing is doubtful
 *
 * Returns: FALSE with %SHU_ERROR_NO_PERSON where there is nobody, or so small
 *   that nothing can be made of it; %SHU_ERROR_INVALID where @cutout is not
 *   RGBA
 */
gboolean shu_subject_check (ShuCtx *c, ShuTensor *cutout,
    ShuSubjectFlags *ret_flags, char **ret_text, GError **error);

G_END_DECLS
