/* SPDX-License-Identifier: MIT */
/* Planes: checks and dispatch. */
#include "ops/planes.h"
#include "ops/backend_private.h"
#include <math.h>

static gboolean
is_plane (ShuCtx *c, ShuTensor **x, ShuDType dtype, int C)
{
  ShuTensor *t = *x = shu_on_device (c, *x, SHU_TRAFFIC_IMAGE);

  return t->dtype == dtype && t->dims[0] == t->dims[1] && t->dims[0] >= 1 &&
         t->dims[0] <= SHU_PLANE_MAX_SIZE && t->n_dims == (C > 1 ? 3 : 2) &&
         t->dims[2] == C;
}

/* The largest square of a distance within @reach */
static int
square (float reach)
{
  return reach > 0 ? (int) MIN (floorf (reach * reach), 1 << 28) : 0;
}

static ShuTensor *
find_nearest (ShuCtx *c, const ShuBackend *be, ShuTensor *mask, int limit,
    ShuTensor **ret_dist)
{
  ShuTensor *y = shu_scoped (c, SHU_DTYPE_I32, 2, mask->dims), *dist = NULL;

  if (ret_dist)
    dist = *ret_dist = shu_scoped (c, SHU_DTYPE_F32, 2, mask->dims);
  if (!shu_ctx_failed (c))
    be->plane_find_nearest (c, y, dist, mask, limit);
  return y;
}

ShuTensor *
shu_plane_find_nearest (
    ShuCtx *c, ShuTensor *mask, float reach, ShuTensor **ret_dist)
{
  const ShuBackend *be = SHU_BACKEND_FOR (c, plane_find_nearest);

  if (ret_dist)
    *ret_dist = c->nil;
  if (!be)
    return c->nil;
  if (!is_plane (c, &mask, SHU_DTYPE_U8, 1) || !(reach >= 0))
    return shu_op_wrong (
        c, "plane_find_nearest", "u8 [S,S], S up to 8192", mask, NULL);
  return find_nearest (
      c, be, mask, reach > 0 ? square (reach) : G_MAXINT, ret_dist);
}

ShuTensor *
shu_plane_smooth (ShuCtx *c, ShuTensor *x, int radius)
{
  const ShuBackend *be = SHU_BACKEND_FOR (c, plane_smooth);
  ShuTensor *y;

  if (!be)
    return c->nil;
  if ((!is_plane (c, &x, SHU_DTYPE_F32, 1) &&
          !is_plane (c, &x, SHU_DTYPE_F32, 3)) ||
      radius < 0 || radius > SHU_PLANE_MAX_SIZE)
    return shu_op_wrong (c, "plane_smooth",
        "f32 [S,S] or [S,S,3], S up to 8192, a radius up to that", x, NULL);
  if (radius == 0)
    return shu_scoped_ref (c, x);
  y = shu_scoped (c, SHU_DTYPE_F32, x->n_dims, x->dims);
  if (!shu_ctx_failed (c))
    be->plane_smooth (c, y, x, radius);
  return y;
}

ShuTensor *
shu_plane_fill (ShuCtx *c, ShuTensor *x, ShuTensor *mask, float reach)
{
  const ShuBackend *be = SHU_BACKEND_FOR (c, plane_fill);
  ShuTensor *y, *from;

  if (!be)
    return c->nil;
  if (!is_plane (c, &x, SHU_DTYPE_F32, 3) ||
      !is_plane (c, &mask, SHU_DTYPE_U8, 1) || x->dims[0] != mask->dims[0] ||
      !(reach >= 0))
    return shu_op_wrong (c, "plane_fill",
        "f32 [S,S,3] and u8 [S,S], S up to 8192", x, mask, NULL);
  y = shu_scoped (c, SHU_DTYPE_F32, 3, x->dims);
  SHU_SCOPE (c);
  from = find_nearest (c, be, mask, square (reach), NULL);
  if (!shu_ctx_failed (c))
    be->plane_fill (c, y, x, from);
  return y;
}
