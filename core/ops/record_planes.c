/* SPDX-License-Identifier: MIT */
/* Entries of a record for planes and photos. */
#include "ops/record_private.h"

void
shu_record_plane_find_nearest (
    ShuCtx *c, ShuTensor *y, ShuTensor *dist, ShuTensor *mask, int limit)
{
  RECORD_ (
      plane_find_nearest, 0, OPERANDS (y, dist, mask), y, dist, mask, limit);
}

void
shu_record_plane_smooth (ShuCtx *c, ShuTensor *y, ShuTensor *x, int radius)
{
  RECORD_ (plane_smooth, 0, OPERANDS (y, x), y, x, radius);
}

void
shu_record_plane_fill (ShuCtx *c, ShuTensor *y, ShuTensor *x, ShuTensor *from)
{
  RECORD_ (plane_fill, 0, OPERANDS (y, x, from), y, x, from);
}

void
shu_record_photo_step (ShuCtx *c, ShuPhotoStep step, const ShuPhotoJob *job)
{
  RECORD_ (photo_step, 0,
      OPERANDS (job->colors, job->plane, job->mask, job->sure, job->picture,
          job->rgb, job->rgb2, job->depth, job->share, job->other, job->from,
          job->set),
      step, job);
}

void
shu_record_photo_background (
    ShuCtx *c, ShuTensor *y, ShuTensor *rgb, ShuTensor *person, int reach)
{
  RECORD_ (
      photo_background, 0, OPERANDS (y, rgb, person), y, rgb, person, reach);
}

void
shu_record_photo_count_shares (
    ShuCtx *c, ShuTensor *rgb, ShuTensor *depth, ShuTensor *from, guint32 *ret)
{
  RECORD_ (photo_count_shares, 0, OPERANDS (rgb, depth, from), rgb, depth, from,
      ret);
}
