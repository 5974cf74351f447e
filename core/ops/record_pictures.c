/* SPDX-License-Identifier: MIT */
/* Entries of a record for pictures and masks. */
#include "ops/record_private.h"
#include <string.h>

void
shu_record_picture_resize (
    ShuCtx *c, ShuTensor *y, ShuTensor *x, ShuFilter filter)
{
  RECORD_ (picture_resize, 0, OPERANDS (y, x), y, x, filter);
}

void
shu_record_picture_crop (
    ShuCtx *c, ShuTensor *y, ShuTensor *x, const ShuBox *box)
{
  RECORD_ (picture_crop, 0, OPERANDS (y, x), y, x, box);
}

void
shu_record_picture_flatten (
    ShuCtx *c, ShuTensor *y, ShuTensor *x, float background, gboolean saved)
{
  RECORD_ (picture_flatten, 0, OPERANDS (y, x), y, x, background, saved);
}

void
shu_record_picture_paste_face (
    ShuCtx *c, ShuTensor *y, ShuTensor *x, ShuTensor *face)
{
  RECORD_ (picture_paste_face, 0, OPERANDS (y, x, face), y, x, face);
}

void
shu_record_picture_normalize (ShuCtx *c, ShuTensor *y, ShuTensor *x,
    double scale, const double mean[3], const double std[3])
{
  RECORD_ (picture_normalize, 0, OPERANDS (y, x), y, x, scale, mean, std);
}

void
shu_record_picture_from_view (ShuCtx *c, ShuTensor *y, ShuTensor *x)
{
  RECORD_ (picture_from_view, 0, OPERANDS (y, x), y, x);
}

void
shu_record_picture_measure (
    ShuCtx *c, ShuTensor *x, int threshold, ShuPictureMeasures *ret)
{
  /* as if something were everywhere */
  if (c->record->flags & SHU_RECORD_DRY)
    *ret = (ShuPictureMeasures){
        .box = {0, 0, (int) x->dims[1] - 1, (int) x->dims[0] - 1}, .max = 255};
  RECORD_ (picture_measure, 0, OPERANDS (x), x, threshold, ret);
}

void
shu_record_picture_window (
    ShuCtx *c, ShuTensor *y, ShuTensor *x, const ShuBox *box, gboolean mirror)
{
  RECORD_ (picture_window, 0, OPERANDS (y, x), y, x, box, mirror);
}

void
shu_record_picture_clean (ShuCtx *c, ShuTensor *y, ShuTensor *x)
{
  RECORD_ (picture_clean, 0, OPERANDS (y, x), y, x);
}

void
shu_record_picture_cells (
    ShuCtx *c, ShuTensor *x, int step, guint32 *ret_sums, guint32 *ret_n)
{
  gsize rows = (gsize) (x->dims[0] + step - 1) / step;
  gsize columns = (gsize) (x->dims[1] + step - 1) / step;

  if (c->record->flags & SHU_RECORD_DRY)
    memset (ret_sums, 0, rows * columns * sizeof *ret_sums);
  RECORD_ (picture_cells, 0, OPERANDS (x), x, step, ret_sums, ret_n);
}

void
shu_record_picture_compare (ShuCtx *c, ShuTensor *x, ShuTensor *y, int opaque,
    int tolerance, guint32 *ret)
{
  RECORD_ (picture_compare, 0, OPERANDS (x, y), x, y, opaque, tolerance, ret);
}

void
shu_record_mask_mean (ShuCtx *c, ShuTensor *y, ShuTensor *p, ShuTensor *q)
{
  RECORD_ (mask_mean, 0, OPERANDS (y, p, q), y, p, q);
}

void
shu_record_mask_to_picture (
    ShuCtx *c, ShuTensor *y, ShuTensor *p, float lo, float hi)
{
  RECORD_ (mask_to_picture, 0, OPERANDS (y, p), y, p, lo, hi);
}

void
shu_record_mask_measure (ShuCtx *c, ShuTensor *p, ShuTensor *q,
    const ShuBox *box, int row, ShuMaskMeasures *ret)
{
  if (c->record->flags & SHU_RECORD_DRY)
    *ret = (ShuMaskMeasures){.finite = TRUE, .hi = 1, .most = 1};
  RECORD_ (mask_measure, 0, OPERANDS (p, q), p, q, box, row, ret);
}
