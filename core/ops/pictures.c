/* SPDX-License-Identifier: MIT */
/* Pictures: checks and dispatch. */
#include "ops/pictures.h"
#include "base/error.h"
#include "ops/backend_private.h"
#include <string.h>

/* Makes *@x an operand; whether it is a picture of @C channels (0: any) */
static gboolean
picture_operand (ShuCtx *c, ShuTensor **x, int C)
{
  ShuTensor *t = *x = shu_on_device (c, *x, SHU_TRAFFIC_IMAGE);
  gint64 H = t->dims[0], W = t->dims[1], n = t->dims[2];

  return t->dtype == SHU_DTYPE_U8 && t->n_dims == 3 && H >= 1 && W >= 1 &&
         H <= SHU_IMAGE_MAX_SIDE && W <= SHU_IMAGE_MAX_SIDE &&
         (C ? n == C : n == 1 || n == 3 || n == 4);
}

static ShuTensor *
picture_new (ShuCtx *c, gint64 H, gint64 W, gint64 C)
{
  return shu_scoped (c, SHU_DTYPE_U8, 3, (const gint64[]){H, W, C});
}

ShuTensor *
shu_picture_from_image (ShuCtx *c, const ShuImage *image)
{
  return shu_from_host_as (c, SHU_TRAFFIC_IMAGE, SHU_DTYPE_U8,
      SHU_DIMS (image->height, image->width, image->n_channels), image->data);
}

ShuImage *
shu_picture_to_image (ShuCtx *c, ShuTensor *x, ShuTrafficKind kind)
{
  g_autoptr (ShuImage) image = NULL;

  if (!shu_ctx_ready (c))
    return NULL;
  if (!picture_operand (c, &x, 0)) {
    shu_op_wrong (c, "picture_to_image", "u8 [H,W,1|3|4]", x, NULL);
    return NULL;
  }
  image = shu_image_new (x->dims[1], x->dims[0], x->dims[2]);
  return shu_to_host_as (c, kind, x, image->data) ? g_steal_pointer (&image)
                                                  : NULL;
}

ShuTensor *
shu_picture_resize (
    ShuCtx *c, ShuTensor *x, int width, int height, ShuFilter filter)
{
  const ShuBackend *be = SHU_BACKEND_FOR (c, picture_resize);
  ShuTensor *y;

  if (!be)
    return c->nil;
  if (!picture_operand (c, &x, 0) || width < 1 || height < 1 ||
      width > SHU_IMAGE_MAX_SIDE || height > SHU_IMAGE_MAX_SIDE)
    return shu_op_wrong (c, "picture_resize", "u8 [H,W,1|3|4]", x, NULL);
  if (x->dims[0] == height && x->dims[1] == width)
    return shu_scoped_ref (c, x);
  y = picture_new (c, height, width, x->dims[2]);
  if (!shu_ctx_failed (c))
    be->picture_resize (c, y, x, filter);
  return y;
}

ShuTensor *
shu_picture_crop (ShuCtx *c, ShuTensor *x, const ShuBox *box)
{
  const ShuBackend *be = SHU_BACKEND_FOR (c, picture_crop);
  int W = box->x1 - box->x0, H = box->y1 - box->y0;
  ShuTensor *y;

  if (!be)
    return c->nil;
  if (!picture_operand (c, &x, 0) || W < 1 || H < 1 || W > SHU_IMAGE_MAX_SIDE ||
      H > SHU_IMAGE_MAX_SIDE)
    return shu_op_wrong (
        c, "picture_crop", "u8 [H,W,1|3|4] and a box", x, NULL);
  y = picture_new (c, H, W, x->dims[2]);
  if (!shu_ctx_failed (c))
    be->picture_crop (c, y, x, box);
  return y;
}

ShuTensor *
shu_picture_window (ShuCtx *c, ShuTensor *x, const ShuBox *box, gboolean mirror)
{
  const ShuBackend *be = SHU_BACKEND_FOR (c, picture_window);
  int W = box->x1 - box->x0, H = box->y1 - box->y0;
  ShuTensor *y;

  if (!be)
    return c->nil;
  if (!picture_operand (c, &x, 0) || W < 1 || H < 1 || W > SHU_IMAGE_MAX_SIDE ||
      H > SHU_IMAGE_MAX_SIDE)
    return shu_op_wrong (
        c, "picture_window", "u8 [H,W,1|3|4] and a box", x, NULL);
  y = picture_new (c, H, W, x->dims[2]);
  if (!shu_ctx_failed (c))
    be->picture_window (c, y, x, box, mirror);
  return y;
}

ShuTensor *
shu_picture_clean (ShuCtx *c, ShuTensor *x)
{
  const ShuBackend *be = SHU_BACKEND_FOR (c, picture_clean);
  ShuTensor *y;

  if (!be)
    return c->nil;
  if (!picture_operand (c, &x, 1))
    return shu_op_wrong (c, "picture_clean", "u8 [H,W,1]", x, NULL);
  y = picture_new (c, x->dims[0], x->dims[1], 1);
  if (!shu_ctx_failed (c))
    be->picture_clean (c, y, x);
  return y;
}

ShuTensor *
shu_picture_flatten (ShuCtx *c, ShuTensor *x, float background, gboolean saved)
{
  const ShuBackend *be = SHU_BACKEND_FOR (c, picture_flatten);
  ShuTensor *y;

  if (!be)
    return c->nil;
  if (!picture_operand (c, &x, 4))
    return shu_op_wrong (c, "picture_flatten", "u8 [H,W,4]", x, NULL);
  y = picture_new (c, x->dims[0], x->dims[1], 3);
  if (!shu_ctx_failed (c))
    be->picture_flatten (c, y, x, background, saved);
  return y;
}

ShuTensor *
shu_picture_paste_face (ShuCtx *c, ShuTensor *x, ShuTensor *face)
{
  const ShuBackend *be = SHU_BACKEND_FOR (c, picture_paste_face);
  ShuTensor *y;

  if (!be)
    return c->nil;
  if (!picture_operand (c, &x, 3) || !picture_operand (c, &face, 3) ||
      x->dims[0] != x->dims[1] || x->dims[0] % 3 != 0 ||
      memcmp (x->dims, face->dims, sizeof x->dims) != 0)
    return shu_op_wrong (c, "picture_paste_face",
        "two of u8 [S,S,3], S a multiple of 3", x, face, NULL);
  y = picture_new (c, x->dims[0], x->dims[1], 3);
  if (!shu_ctx_failed (c))
    be->picture_paste_face (c, y, x, face);
  return y;
}

ShuTensor *
shu_picture_normalize (ShuCtx *c, ShuTensor *x, double scale,
    const double mean[3], const double std[3])
{
  const ShuBackend *be = SHU_BACKEND_FOR (c, picture_normalize);
  ShuTensor *y;

  if (!be)
    return c->nil;
  if (!picture_operand (c, &x, 3))
    return shu_op_wrong (c, "picture_normalize", "u8 [H,W,3]", x, NULL);
  y = shu_scoped (c, c->real, SHU_DIMS (1, x->dims[0], x->dims[1], 3));
  if (!shu_ctx_failed (c))
    be->picture_normalize (c, y, x, scale, mean, std);
  return y;
}

ShuTensor *
shu_picture_from_view (ShuCtx *c, ShuTensor *x)
{
  const ShuBackend *be = SHU_BACKEND_FOR (c, picture_from_view);
  ShuTensor *y;

  if (!be)
    return c->nil;
  x = shu_operand (c, x);
  if (x->dtype != c->real || x->n_dims != 4 || x->dims[0] != 1 ||
      x->dims[3] != 3)
    return shu_op_wrong (
        c, "picture_from_view", "activations [1,H,W,3]", x, NULL);
  y = picture_new (c, x->dims[1], x->dims[2], 3);
  if (!shu_ctx_failed (c) && y->n > 0)
    be->picture_from_view (c, y, x);
  return y;
}

gboolean
shu_picture_measure (
    ShuCtx *c, ShuTensor *x, int threshold, ShuPictureMeasures *ret)
{
  const ShuBackend *be = SHU_BACKEND_FOR (c, picture_measure);

  if (!be)
    return FALSE;
  if (!picture_operand (c, &x, 0)) {
    shu_op_wrong (c, "picture_measure", "u8 [H,W,1|3|4]", x, NULL);
    return FALSE;
  }
  be->picture_measure (c, x, threshold, ret);
  if (c->place != SHU_HOST)
    shu_traffic_add_down (c->traffic, SHU_TRAFFIC_COUNT, sizeof *ret);
  return !shu_ctx_failed (c);
}

gboolean
shu_picture_cells (
    ShuCtx *c, ShuTensor *x, int step, guint32 *ret_sums, gsize *ret_n)
{
  const ShuBackend *be = SHU_BACKEND_FOR (c, picture_cells);
  gsize n_cells;
  guint32 n = 0;

  if (!be)
    return FALSE;
  if (!picture_operand (c, &x, 0) || step < 1) {
    shu_op_wrong (c, "picture_cells", "u8 [H,W,1|3|4]", x, NULL);
    return FALSE;
  }
  n_cells = (gsize) ((x->dims[0] + step - 1) / step) *
            (gsize) ((x->dims[1] + step - 1) / step);
  be->picture_cells (c, x, step, ret_sums, &n);
  if (c->place != SHU_HOST)
    shu_traffic_add_down (
        c->traffic, SHU_TRAFFIC_COUNT, (n_cells + 1) * sizeof n);
  *ret_n = n;
  return !shu_ctx_failed (c);
}

gboolean
shu_picture_compare (ShuCtx *c, ShuTensor *x, ShuTensor *y, int opaque,
    int tolerance, gsize *ret_n, gsize *ret_n_other)
{
  const ShuBackend *be = SHU_BACKEND_FOR (c, picture_compare);
  guint32 n[2] = {0};

  *ret_n = *ret_n_other = 0;
  if (!be)
    return FALSE;
  if (!picture_operand (c, &x, 4) || !picture_operand (c, &y, 3) ||
      x->dims[0] != y->dims[0] || x->dims[1] != y->dims[1]) {
    shu_op_wrong (c, "picture_compare", "u8 [H,W,4] and [H,W,3]", x, y, NULL);
    return FALSE;
  }
  be->picture_compare (c, x, y, opaque, tolerance, n);
  if (c->place != SHU_HOST)
    shu_traffic_add_down (c->traffic, SHU_TRAFFIC_COUNT, sizeof n);
  *ret_n = n[0];
  *ret_n_other = n[1];
  return !shu_ctx_failed (c);
}

/* ---- masks ---- */

static gboolean
mask_operand (ShuCtx *c, ShuTensor **p)
{
  *p = shu_operand (c, *p);
  return (*p)->dtype == c->real && (*p)->n_dims == 4 && (*p)->dims[0] == 1 &&
         (*p)->dims[1] == (*p)->dims[2] && (*p)->dims[3] == 1 && (*p)->n > 0;
}

ShuTensor *
shu_mask_mean (ShuCtx *c, ShuTensor *p, ShuTensor *q)
{
  const ShuBackend *be = SHU_BACKEND_FOR (c, mask_mean);
  ShuTensor *y;

  if (!be)
    return c->nil;
  if (!mask_operand (c, &p) || !mask_operand (c, &q) || p->n != q->n)
    return shu_op_wrong (c, "mask_mean", "two of [1,S,S,1]", p, q, NULL);
  y = shu_scoped (c, c->real, 4, p->dims);
  if (!shu_ctx_failed (c))
    be->mask_mean (c, y, p, q);
  return y;
}

ShuTensor *
shu_mask_to_picture (ShuCtx *c, ShuTensor *p, float lo, float hi)
{
  const ShuBackend *be = SHU_BACKEND_FOR (c, mask_to_picture);
  ShuTensor *y;

  if (!be)
    return c->nil;
  if (!mask_operand (c, &p) || !(hi > lo))
    return shu_op_wrong (
        c, "mask_to_picture", "[1,S,S,1] and a range", p, NULL);
  y = picture_new (c, p->dims[1], p->dims[2], 1);
  if (!shu_ctx_failed (c))
    be->mask_to_picture (c, y, p, lo, hi);
  return y;
}

gboolean
shu_mask_measure (ShuCtx *c, ShuTensor *p, ShuTensor *q, const ShuBox *box,
    int row, ShuMaskMeasures *ret)
{
  const ShuBackend *be = SHU_BACKEND_FOR (c, mask_measure);
  ShuBox inside;
  int S;

  if (!be)
    return FALSE;
  q = q ? q : p;
  if (!mask_operand (c, &p) || !mask_operand (c, &q) || p->n != q->n) {
    shu_op_wrong (c, "mask_measure", "two of [1,S,S,1]", p, q, NULL);
    return FALSE;
  }
  S = (int) p->dims[1];
  inside = (ShuBox){CLAMP (box->x0, 0, S), CLAMP (box->y0, 0, S),
      CLAMP (box->x1, 0, S), CLAMP (box->y1, 0, S)};
  be->mask_measure (c, p, q, &inside, CLAMP (row, 0, S - 1), ret);
  if (c->place != SHU_HOST)
    shu_traffic_add_down (c->traffic, SHU_TRAFFIC_COUNT, sizeof *ret);
  return !shu_ctx_failed (c);
}
