/* SPDX-License-Identifier: MIT */
/* Entries of a record for what textures are made from. */
#include "ops/record_private.h"

void
shu_record_texture_pack (
    ShuCtx *c, const ShuTextureRows *rows, ShuTextureRows *ret)
{
  /* as if all of them weighed something */
  if (c->record->flags & SHU_RECORD_DRY)
    *ret = *rows;
  RECORD_ (texture_pack, 0, OPERANDS (rows->place, rows->color, rows->weight),
      rows, ret);
}

void
shu_record_bake_differences (ShuCtx *c, const ShuBakeHeld *y,
    const ShuBakeWorld *w, int view, guint refs)
{
  RECORD_ (
      bake_differences, 0, OPERANDS (y->value, y->weight), y, w, view, refs);
}

void
shu_record_bake_lacks (ShuCtx *c, const ShuBakeHeld *y, const ShuBakeWorld *w)
{
  RECORD_ (bake_lacks, 0, OPERANDS (y->value, y->weight), y, w);
}

void
shu_record_bake_texels (ShuCtx *c, ShuTensor *y, ShuTensor *charts,
    const ShuBakeWorld *w, const ShuRastered *plane)
{
  RECORD_ (bake_texels, 0, OPERANDS (y, charts, plane->face, plane->bary), y,
      charts, w, plane);
}

void
shu_record_bake_photo_rows (ShuCtx *c, const ShuTextureRows *y,
    const ShuBakeWorld *w, gboolean is_face, int view, int size, float widest)
{
  RECORD_ (bake_photo_rows, 0, OPERANDS (y->place, y->color, y->weight), y, w,
      is_face, view, size, widest);
}

void
shu_record_bake_drawing_rows (ShuCtx *c, const ShuTextureRows *y,
    const ShuBakeWorld *w, const ShuBakeDrawings *drawings, int size,
    float widest)
{
  RECORD_ (bake_drawing_rows, 0,
      OPERANDS (y->place, y->color, y->weight, drawings->raster.face,
          drawings->splats.color),
      y, w, drawings, size, widest);
}

void
shu_record_field_spread (ShuCtx *c, ShuTensor *y, const ShuField *field,
    const ShuBakeHeld *held, float decay, int n_steps)
{
  RECORD_ (field_spread, 0,
      OPERANDS (y, held->value, held->weight, field->next), y, field, held,
      decay, n_steps);
}

void
shu_record_bake_picture (ShuCtx *c, ShuTensor *y, ShuTensor *x)
{
  RECORD_ (bake_picture, 0, OPERANDS (y, x), y, x);
}
