/* SPDX-License-Identifier: MIT */
/* Steps of photos: checks and dispatch. */
#include "ops/photo.h"
#include "ops/backend_private.h"
#include <string.h>

/* What a step takes and gives; OPTIONAL: may be NULL */
enum {
  PICTURE = 1 << 0,
  RGB = 1 << 1,
  RGB2 = 1 << 2,
  DEPTH = 1 << 3,
  SHARE = 1 << 4,
  OTHER = 1 << 5,
  FROM = 1 << 6,
  SET = 1 << 7,
  OPTIONAL_SHARE = 1 << 8,
  ANY_SIZE = 1 << 9, /* of rgb2 */
  COLORS = 1 << 10,
  PLANE = 1 << 11,
  MASK = 1 << 12,
  SURE = 1 << 13,
};

static const guint traits[SHU_PHOTO_N_STEPS] = {
    [SHU_PHOTO_COLORS] = PICTURE | COLORS,
    [SHU_PHOTO_SHARES] = PICTURE | PLANE,
    [SHU_PHOTO_BELOW] = PICTURE | MASK,
    [SHU_PHOTO_ABOVE] = DEPTH | MASK,
    [SHU_PHOTO_RAMP] = DEPTH | PLANE,
    [SHU_PHOTO_BLEND] = SHARE | OTHER | PLANE,
    [SHU_PHOTO_SURE] = RGB | DEPTH | SHARE | COLORS | MASK | SURE,
    [SHU_PHOTO_PURE] = RGB | SHARE | FROM | SET | COLORS | MASK,
    [SHU_PHOTO_CUT] = RGB | DEPTH | SHARE | COLORS | MASK,
    [SHU_PHOTO_TRUST] = DEPTH | SHARE | SET | PLANE,
    [SHU_PHOTO_LEAST] = SHARE | OTHER | PLANE,
    [SHU_PHOTO_TAKE] = RGB | FROM | COLORS,
    [SHU_PHOTO_KEEP] = RGB | RGB2 | SET | COLORS,
    [SHU_PHOTO_EDGE] = DEPTH | MASK,
    [SHU_PHOTO_OPEN] = DEPTH | FROM | OPTIONAL_SHARE | PLANE,
    [SHU_PHOTO_LACK] = RGB | RGB2 | ANY_SIZE | COLORS,
};

/* Brings *@x to the device.  Whether it is a plane of @S pixels a side and @C
 * channels, 0: a picture, of 1 or 3; @S 0: it says how many */
static gboolean
is_plane (ShuCtx *c, ShuTensor **x, ShuDType dtype, int C, gint64 *S)
{
  ShuTensor *t = *x = *x ? shu_on_device (c, *x, SHU_TRAFFIC_IMAGE) : c->nil;

  *S = *S ? *S : t->dims[0];
  return t->dtype == dtype && t->n_dims == (C == 1 ? 2 : 3) &&
         t->dims[0] == *S && t->dims[1] == *S && *S >= 1 &&
         *S <= SHU_PLANE_MAX_SIZE &&
         (C ? t->dims[2] == C : t->dims[2] == 1 || t->dims[2] == 3);
}

/* Fields of @job that the step does not take become NULL. */
static gboolean
are_operands (ShuCtx *c, ShuPhotoStep step, ShuPhotoJob *job, gint64 *S)
{
  const struct {
    guint trait;
    ShuTensor **x;
    ShuDType dtype;
    int C;
  } fields[] = {
      {PICTURE, &job->picture, SHU_DTYPE_U8, 0},
      {RGB, &job->rgb, SHU_DTYPE_F32, 3},
      {RGB2, &job->rgb2, SHU_DTYPE_F32, 3},
      {DEPTH, &job->depth, SHU_DTYPE_F32, 1},
      {SHARE, &job->share, SHU_DTYPE_F32, 1},
      {OTHER, &job->other, SHU_DTYPE_F32, 1},
      {FROM, &job->from, SHU_DTYPE_I32, 1},
      {SET, &job->set, SHU_DTYPE_U8, 1},
  };

  guint wanted = traits[step];

  if (wanted & OPTIONAL_SHARE && job->share)
    wanted |= SHARE;
  for (gsize i = 0; i < G_N_ELEMENTS (fields); i++) {
    gint64 any = 0;
    gboolean free_size = fields[i].trait == RGB2 && wanted & ANY_SIZE;

    if (!(wanted & fields[i].trait))
      *fields[i].x = NULL;
    else if (!is_plane (c, fields[i].x, fields[i].dtype, fields[i].C,
                 free_size ? &any : S))
      return FALSE;
  }
  return step == SHU_PHOTO_COLORS   ? job->picture->dims[2] == 3
         : step == SHU_PHOTO_SHARES ? job->picture->dims[2] == 1
                                    : TRUE;
}

static ShuTensor *
result_new (ShuCtx *c, gboolean wanted, ShuDType dtype, gint64 S, int C)
{
  return wanted
             ? shu_scoped (c, dtype, C == 1 ? 2 : 3, (const gint64[]){S, S, C})
             : NULL;
}

ShuPhotoPixels
shu_photo_pixels (const ShuPhotoJob *job)
{
#define DATA(field) (job->field ? job->field->data : NULL)
  const ShuTensor *any = job->colors  ? job->colors
                         : job->plane ? job->plane
                                      : job->mask;

  return (ShuPhotoPixels){.S = (int) any->dims[0],
      .C = job->picture ? (int) job->picture->dims[2] : 0,
      .picture = DATA (picture),
      .rgb = DATA (rgb),
      .rgb2 = DATA (rgb2),
      .depth = DATA (depth),
      .share = DATA (share),
      .other = DATA (other),
      .from = DATA (from),
      .set = DATA (set),
      .S2 = job->rgb2 ? (int) job->rgb2->dims[0] : 0,
      .amount = job->amount,
      .reach = job->reach,
      .level = job->level,
      .mirror = job->mirror,
      .colors = DATA (colors),
      .plane = DATA (plane),
      .mask = DATA (mask),
      .sure = DATA (sure)};
#undef DATA
}

gboolean
shu_photo_step (ShuCtx *c, ShuPhotoStep step, ShuPhotoJob *job)
{
  const ShuBackend *be = SHU_BACKEND_FOR (c, photo_step);
  ShuPhotoJob j = *job;
  guint gives = traits[step];
  gint64 S = 0;

  job->colors = job->plane = job->mask = job->sure = c->nil;
  if (!be)
    return FALSE;
  if (!are_operands (c, step, &j, &S)) {
    shu_op_wrong (c, "photo_step", "planes of one size, up to 8192 pixels",
        j.picture ? j.picture : c->nil, j.rgb ? j.rgb : c->nil,
        j.depth ? j.depth : c->nil, NULL);
    return FALSE;
  }
  j.colors = result_new (c, gives & COLORS, SHU_DTYPE_F32, S, 3);
  j.plane = result_new (c, gives & PLANE, SHU_DTYPE_F32, S, 1);
  j.mask = result_new (c, gives & MASK, SHU_DTYPE_U8, S, 1);
  j.sure = result_new (c, gives & SURE, SHU_DTYPE_U8, S, 1);
  if (shu_ctx_failed (c))
    return FALSE;
  be->photo_step (c, step, &j);
  job->colors = j.colors;
  job->plane = j.plane;
  job->mask = j.mask;
  job->sure = j.sure;
  return !shu_ctx_failed (c);
}

ShuTensor *
shu_photo_background (ShuCtx *c, ShuTensor *rgb, ShuTensor *person, int reach)
{
  const ShuBackend *be = SHU_BACKEND_FOR (c, photo_background);
  gint64 S = 0;
  ShuTensor *y;

  if (!be)
    return c->nil;
  if (!is_plane (c, &rgb, SHU_DTYPE_F32, 3, &S) ||
      !is_plane (c, &person, SHU_DTYPE_U8, 1, &S) || reach < 0)
    return shu_op_wrong (c, "photo_background",
        "f32 [S,S,3] and u8 [S,S], S up to 8192", rgb, person, NULL);
  y = shu_scoped (c, SHU_DTYPE_U8, 2, person->dims);
  if (!shu_ctx_failed (c))
    be->photo_background (c, y, rgb, person, MIN (reach, 2 * (int) S));
  return y;
}

gboolean
shu_photo_count_shares (
    ShuCtx *c, ShuTensor *rgb, ShuTensor *depth, ShuTensor *from, guint32 *ret)
{
  const ShuBackend *be = SHU_BACKEND_FOR (c, photo_count_shares);
  gsize bytes = SHU_PHOTO_DEPTHS * SHU_PHOTO_LEVELS * sizeof *ret;
  gint64 S = 0;

  memset (ret, 0, bytes);
  if (!be)
    return FALSE;
  if (!is_plane (c, &rgb, SHU_DTYPE_F32, 3, &S) ||
      !is_plane (c, &depth, SHU_DTYPE_F32, 1, &S) ||
      !is_plane (c, &from, SHU_DTYPE_I32, 1, &S)) {
    shu_op_wrong (c, "photo_count_shares",
        "f32 [S,S,3], f32 [S,S] and i32 [S,S], S up to 8192", rgb, depth, from,
        NULL);
    return FALSE;
  }
  be->photo_count_shares (c, rgb, depth, from, ret);
  if (c->place != SHU_HOST)
    shu_traffic_add_down (c->traffic, SHU_TRAFFIC_COUNT, bytes);
  return !shu_ctx_failed (c);
}
