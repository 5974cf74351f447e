/* SPDX-License-Identifier: MIT */
/* Textures from pictures: checks and dispatch. */
#include "ops/texture.h"
#include "ops/backend_private.h"

static gboolean
rows_operand (ShuCtx *c, ShuTextureRows *r, const ShuTextureRows *rows)
{
  *r = (ShuTextureRows){shu_on_device (c, rows->place, SHU_TRAFFIC_MESH),
      shu_on_device (c, rows->color, SHU_TRAFFIC_MESH),
      shu_on_device (c, rows->weight, SHU_TRAFFIC_MESH)};
  gint64 n = r->place->dims[0];

  return r->place->dtype == SHU_DTYPE_F32 && r->color->dtype == SHU_DTYPE_F32 &&
         r->weight->dtype == SHU_DTYPE_F32 && r->place->n_dims == 2 &&
         r->place->dims[1] == 3 && r->color->n_dims == 2 &&
         r->color->dims[0] == n && r->color->dims[1] == 3 &&
         r->weight->n_dims == 1 && r->weight->dims[0] == n;
}

ShuTextureRows
shu_texture_rows_new (ShuCtx *c, gint64 n)
{
  return (ShuTextureRows){shu_scoped (c, SHU_DTYPE_F32, SHU_DIMS (n, 3)),
      shu_scoped (c, SHU_DTYPE_F32, SHU_DIMS (n, 3)),
      shu_scoped (c, SHU_DTYPE_F32, SHU_DIMS (n))};
}

gboolean
shu_texture_pack (ShuCtx *c, const ShuTextureRows *rows, ShuTextureRows *ret)
{
  const ShuBackend *be = SHU_BACKEND_FOR (c, texture_pack);
  ShuTextureRows r;

  if (!be)
    return FALSE;
  if (!rows_operand (c, &r, rows) || r.weight->n > G_MAXUINT32)
    shu_op_wrong (c, "texture_pack",
        "places f32 [N,3], colours f32 [N,3], weights f32 [N]", r.place,
        r.color, r.weight, NULL);
  else
    be->texture_pack (c, &r, ret);
  return !shu_ctx_failed (c);
}

static gboolean
is_size (int size)
{
  return size >= 1 && size <= SHU_TEXTURE_MAX_SIZE;
}

static gboolean
is_plane (const ShuTensor *t, int size)
{
  return t->dtype == SHU_DTYPE_F32 && t->n_dims == 3 && t->dims[0] == size &&
         t->dims[1] == size && t->dims[2] == 3;
}

ShuTensor *
shu_texture_gather (ShuCtx *c, const ShuTextureRows *rows, int size, float hold)
{
  const ShuBackend *be = SHU_BACKEND_FOR (c, texture_gather);
  ShuTextureRows r;
  ShuTensor *y;

  if (!be)
    return c->nil;
  if (!rows_operand (c, &r, rows) || !is_size (size) || !(hold > 0))
    return shu_op_wrong (c, "texture_gather",
        "places f32 [N,3], colours f32 [N,3], weights f32 [N]", r.place,
        r.color, r.weight, NULL);
  y = shu_scoped (c, SHU_DTYPE_F32, SHU_DIMS (size, size, 3));
  if (!shu_ctx_failed (c))
    be->texture_gather (c, y, &r, hold);
  return y;
}

ShuTensor *
shu_texture_solve (ShuCtx *c, const ShuTextureRows *rows, ShuTensor *start,
    const ShuTextureSolver *p)
{
  const ShuBackend *be = SHU_BACKEND_FOR (c, texture_solve);
  ShuTextureRows r;
  ShuTensor *y;

  if (!be)
    return c->nil;
  start = shu_on_device (c, start, SHU_TRAFFIC_MESH);
  if (!rows_operand (c, &r, rows) || !is_size (p->size) || p->rounds < 1 ||
      p->steps < 1 || !(p->soft_first > 0) || !(p->soft_last > 0) ||
      !(p->variation >= 0) || !(p->hold >= 0) || !(p->stiffness >= 0) ||
      !is_plane (start, p->size))
    return shu_op_wrong (c, "texture_solve",
        "places f32 [N,3], colours f32 [N,3], weights f32 [N], start f32"
        " [S,S,3]",
        r.place, r.color, r.weight, start, NULL);
  y = shu_scoped (c, SHU_DTYPE_F32, SHU_DIMS (p->size, p->size, 3));
  if (!shu_ctx_failed (c))
    be->texture_solve (c, y, &r, start, p);
  return y;
}
