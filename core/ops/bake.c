/* SPDX-License-Identifier: MIT */
/* Colours from pictures onto a surface: checks and dispatch. */
#include "ops/bake.h"
#include "ops/backend_private.h"

/* What an operation is given, as far as it fits */
typedef struct {
  ShuCtx *c;
  ShuTensor *wrong; /* the first that does not fit */
  gboolean lacks;   /* something that is needed */
} Check;

/* The values of @t on the device, of these sizes (-1: any); NULL where it is
 * not there, or does not fit */
static gpointer
find (Check *k, ShuTensor *t, ShuDType dtype, int n_dims, const gint64 *dims)
{
  gboolean fits;

  if (!t)
    return NULL;
  fits = t->dtype == dtype && t->n_dims == n_dims &&
         t->storage->place == k->c->place;
  for (int i = 0; fits && i < n_dims; i++)
    fits = dims[i] < 0 || t->dims[i] == dims[i];
  if (fits)
    return t->data;
  if (!k->wrong)
    k->wrong = t;
  return NULL;
}

static gpointer
need (Check *k, ShuTensor *t, ShuDType dtype, int n_dims, const gint64 *dims)
{
  k->lacks |= t == NULL;
  return find (k, t, dtype, n_dims, dims);
}

/* FALSE with an error */
static gboolean
check (const Check *k, const char *op)
{
  if (k->wrong)
    shu_op_wrong (k->c, op, "tensors on the device as ops/bake.h has them",
        k->wrong, NULL);
  else if (k->lacks)
    shu_op_wrong (k->c, op, "all that it needs", NULL);
  return !shu_ctx_failed (k->c);
}

static ShuBakePlanes
find_photo (Check *k, const ShuBakePhoto *p)
{
  gint64 S = p ? p->size : 0;

  if (!p)
    return (ShuBakePlanes){0};
  return (ShuBakePlanes){.size = p->size,
      .camera = p->camera,
      .rgb = need (k, p->rgb, SHU_DTYPE_F32, SHU_DIMS (S, S, 3)),
      .smooth = need (k, p->smooth, SHU_DTYPE_F32, SHU_DIMS (S, S, 3)),
      .trust = need (k, p->trust, SHU_DTYPE_F32, SHU_DIMS (S, S)),
      .open = need (k, p->open, SHU_DTYPE_F32, SHU_DIMS (S, S)),
      .face = need (k, p->raster.face, SHU_DTYPE_I32, SHU_DIMS (1, S, S)),
      .bary = need (k, p->raster.bary, SHU_DTYPE_F32, SHU_DIMS (1, S, S, 2)),
      .depth = need (k, p->raster.depth, SHU_DTYPE_F32, SHU_DIMS (1, S, S))};
}

/* What is always needed, and what else is there */
static ShuBakeWorld
find_world (Check *k, const ShuBakeScene *s)
{
  gint64 n = s->pos->dims[0];
  ShuBakeWorld w = {.power = s->power};

  w.pos = need (k, s->pos, SHU_DTYPE_F32, SHU_DIMS (n, 3));
  w.normal = need (k, s->normal, SHU_DTYPE_F32, SHU_DIMS (n, 3));
  w.uv = find (k, s->uv, SHU_DTYPE_F32, SHU_DIMS (n, 2));
  w.attr = find (k, s->attr, SHU_DTYPE_F32, SHU_DIMS (n, 6));
  w.faces = find (k, s->faces, SHU_DTYPE_I32, SHU_DIMS (-1, 3));
  w.bridge = find (k, s->bridge, SHU_DTYPE_F32, SHU_DIMS (n, 3));
  for (int v = 0; v < SHU_BAKE_BODY; v++) {
    w.photos[v] = find_photo (k, s->photos[v]);
    w.match[v] = find (k, s->match[v], SHU_DTYPE_F32, SHU_DIMS (n, 3));
  }
  if (s->face) {
    gint64 S = s->face->size;

    w.face = find_photo (k, s->face);
    w.face_shift = need (k, s->face_shift, SHU_DTYPE_F32, SHU_DIMS (S, S, 3));
    k->lacks |= !s->photos[0];
  }
  if (s->under) {
    w.under_size = (int) s->under->dims[0];
    w.under = find (
        k, s->under, SHU_DTYPE_F32, SHU_DIMS (w.under_size, w.under_size, 3));
  }
  return w;
}

/* What a texture lies on */
static void
need_texture (Check *k, const ShuBakeScene *s)
{
  k->lacks |= !s->uv || !s->faces;
}

static ShuBakeHeld
held_new (ShuCtx *c, gint64 n)
{
  return (ShuBakeHeld){shu_scoped (c, SHU_DTYPE_F32, SHU_DIMS (n, 3)),
      shu_scoped (c, SHU_DTYPE_F32, SHU_DIMS (n))};
}

gboolean
shu_bake_differences (ShuCtx *c, const ShuBakeScene *scene, int view,
    guint refs, ShuBakeHeld *ret)
{
  const ShuBackend *be = SHU_BACKEND_FOR (c, bake_differences);
  Check k = {c};
  ShuBakeWorld w;

  if (!be)
    return FALSE;
  w = find_world (&k, scene);
  k.lacks |= view < 0 || view >= SHU_BAKE_BODY || !scene->photos[view];
  if (!check (&k, "bake_differences"))
    return FALSE;
  *ret = held_new (c, scene->pos->dims[0]);
  if (!shu_ctx_failed (c))
    be->bake_differences (c, ret, &w, view, refs);
  return !shu_ctx_failed (c);
}

gboolean
shu_bake_lacks (ShuCtx *c, const ShuBakeScene *scene, ShuBakeHeld *ret)
{
  const ShuBackend *be = SHU_BACKEND_FOR (c, bake_lacks);
  Check k = {c};
  ShuBakeWorld w;

  if (!be)
    return FALSE;
  w = find_world (&k, scene);
  k.lacks |= !scene->uv;
  if (!check (&k, "bake_lacks"))
    return FALSE;
  *ret = held_new (c, scene->pos->dims[0]);
  if (!shu_ctx_failed (c))
    be->bake_lacks (c, ret, &w);
  return !shu_ctx_failed (c);
}

ShuTensor *
shu_field_spread (ShuCtx *c, const ShuField *field, const ShuBakeHeld *held,
    float decay, int n_steps)
{
  const ShuBackend *be = SHU_BACKEND_FOR (c, field_spread);
  gint64 n = held->value->dims[0];
  Check k = {c};
  ShuTensor *y;

  if (!be)
    return c->nil;
  need (&k, field->first, SHU_DTYPE_I32, SHU_DIMS (n));
  need (&k, field->start, SHU_DTYPE_I32, SHU_DIMS (n + 1));
  need (&k, field->next, SHU_DTYPE_I32, SHU_DIMS (-1));
  need (&k, held->value, SHU_DTYPE_F32, SHU_DIMS (n, 3));
  need (&k, held->weight, SHU_DTYPE_F32, SHU_DIMS (n));
  k.lacks |= n_steps < 1 || !(decay >= 0);
  if (!check (&k, "field_spread"))
    return c->nil;
  y = shu_scoped (c, SHU_DTYPE_F32, SHU_DIMS (n, 3));
  if (!shu_ctx_failed (c) && n > 0)
    be->field_spread (c, y, field, held, decay, n_steps);
  return y;
}

ShuTensor *
shu_bake_texels (ShuCtx *c, const ShuBakeScene *scene, const ShuRastered *plane,
    ShuTensor **ret_charts)
{
  const ShuBackend *be = SHU_BACKEND_FOR (c, bake_texels);
  Check k = {c};
  ShuBakeWorld w;
  ShuTensor *y;
  gint64 S;

  *ret_charts = c->nil;
  if (!be)
    return c->nil;
  w = find_world (&k, scene);
  S = plane->face->dims[1];
  need (&k, plane->face, SHU_DTYPE_I32, SHU_DIMS (1, S, S));
  need (&k, plane->bary, SHU_DTYPE_F32, SHU_DIMS (1, S, S, 2));
  need_texture (&k, scene);
  k.lacks |= !scene->bridge;
  if (!check (&k, "bake_texels"))
    return c->nil;
  y = shu_scoped (c, SHU_DTYPE_F32, SHU_DIMS (S, S, 3));
  *ret_charts = shu_scoped (c, SHU_DTYPE_U8, SHU_DIMS (S, S));
  if (!shu_ctx_failed (c))
    be->bake_texels (c, y, *ret_charts, &w, plane);
  return y;
}

gboolean
shu_bake_photo_rows (ShuCtx *c, const ShuBakeScene *scene,
    const ShuBakePhoto *photo, int view, int size, float widest,
    ShuTextureRows *ret)
{
  const ShuBackend *be = SHU_BACKEND_FOR (c, bake_photo_rows);
  Check k = {c};
  ShuBakeWorld w;

  if (!be)
    return FALSE;
  w = find_world (&k, scene);
  need_texture (&k, scene);
  k.lacks |= view < 0 || view >= SHU_BAKE_BODY || !photo ||
             (photo != scene->face && photo != scene->photos[view]);
  if (!check (&k, "bake_photo_rows"))
    return FALSE;
  *ret = shu_texture_rows_new (c, (gint64) photo->size * photo->size);
  if (!shu_ctx_failed (c))
    be->bake_photo_rows (c, ret, &w, photo == scene->face, view, size, widest);
  return !shu_ctx_failed (c);
}

ShuBakeDrawing
shu_bake_drawing_of (const ShuBakeDrawings *d, int v)
{
  gint64 S = d->raster.face->dims[1];
  gsize first = (gsize) v * (gsize) (S * S);

  return (ShuBakeDrawing){.camera = d->cameras[v],
      .size = (int) S,
      .color = (float *) d->splats.color->data + 3 * first,
      .through = (float *) d->splats.through->data + first,
      .depth = (float *) d->splats.depth->data + first,
      .face = (int *) d->raster.face->data + first,
      .bary = (float *) d->raster.bary->data + 2 * first,
      .face_depth = (float *) d->raster.depth->data + first};
}

gboolean
shu_bake_drawing_rows (ShuCtx *c, const ShuBakeScene *scene,
    const ShuBakeDrawings *d, int size, float widest, ShuTextureRows *ret)
{
  const ShuBackend *be = SHU_BACKEND_FOR (c, bake_drawing_rows);
  Check k = {c};
  ShuBakeWorld w;
  gint64 V, S;

  if (!be)
    return FALSE;
  w = find_world (&k, scene);
  V = d->raster.face->dims[0];
  S = d->raster.face->dims[1];
  need (&k, d->raster.face, SHU_DTYPE_I32, SHU_DIMS (V, S, S));
  need (&k, d->raster.bary, SHU_DTYPE_F32, SHU_DIMS (V, S, S, 2));
  need (&k, d->raster.depth, SHU_DTYPE_F32, SHU_DIMS (V, S, S));
  need (&k, d->splats.color, SHU_DTYPE_F32, SHU_DIMS (V, S, S, 3));
  need (&k, d->splats.through, SHU_DTYPE_F32, SHU_DIMS (V, S, S));
  need (&k, d->splats.depth, SHU_DTYPE_F32, SHU_DIMS (V, S, S));
  need_texture (&k, scene);
  if (!check (&k, "bake_drawing_rows"))
    return FALSE;
  *ret = shu_texture_rows_new (c, V * S * S);
  if (!shu_ctx_failed (c))
    be->bake_drawing_rows (c, ret, &w, d, size, widest);
  return !shu_ctx_failed (c);
}

ShuTensor *
shu_bake_picture (ShuCtx *c, ShuTensor *x)
{
  const ShuBackend *be = SHU_BACKEND_FOR (c, bake_picture);
  Check k = {c};
  ShuTensor *y;

  if (!be)
    return c->nil;
  need (&k, x, SHU_DTYPE_F32, SHU_DIMS (-1, -1, 3));
  if (!check (&k, "bake_picture"))
    return c->nil;
  y = shu_scoped (c, SHU_DTYPE_U8, 3, x->dims);
  if (!shu_ctx_failed (c) && y->n > 0)
    be->bake_picture (c, y, x);
  return y;
}
