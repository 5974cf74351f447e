/* SPDX-License-Identifier: MIT */
/* Entries of a record for drawings, and for what textures are made from. */
#include "ops/record_private.h"

void
shu_record_splat (ShuCtx *c, const ShuSplatInput *g, int V,
    const ShuSplatCamera *cameras, int size, const ShuSplats *ret)
{
  RECORD_ (splat, 0,
      OPERANDS (ret->rgb, ret->mask, ret->color, ret->through, ret->depth,
          g->pos, g->scale, g->quat, g->opacity, g->rgb),
      g, V, cameras, size, ret);
}

void
shu_record_texture_gather (
    ShuCtx *c, ShuTensor *y, const ShuTextureRows *rows, float hold)
{
  RECORD_ (texture_gather, 0,
      OPERANDS (y, rows->place, rows->color, rows->weight), y, rows, hold);
}

void
shu_record_texture_solve (ShuCtx *c, ShuTensor *y, const ShuTextureRows *rows,
    ShuTensor *start, const ShuTextureSolver *p)
{
  RECORD_ (texture_solve, 0,
      OPERANDS (y, rows->place, rows->color, rows->weight, start), y, rows,
      start, p);
}

void
shu_record_rasterize (ShuCtx *c, const ShuRasterJob *job, ShuRastered *y)
{
  RECORD_ (rasterize, 0, OPERANDS (y->face, job->at, job->faces), job, y);
}

void
shu_record_count_seen (ShuCtx *c, const ShuSeenJob *job, ShuTensor *seen)
{
  RECORD_ (count_seen, 0, OPERANDS (seen, job->at, job->faces, job->kinds), job,
      seen);
}

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
