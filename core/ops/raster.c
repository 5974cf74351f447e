/* SPDX-License-Identifier: MIT */
/* Drawing: checks and dispatch. */
#include "ops/render.h"
#include "base/error.h"
#include "ops/backend_private.h"

enum { MAX_SIDE = 16384, MAX_ROWS = G_MAXINT / 8 };

static gboolean
is_table (ShuCtx *c, ShuTensor **x, ShuDType dtype, gint64 n)
{
  ShuTensor *t = *x = shu_on_device (c, *x, SHU_TRAFFIC_MESH);

  return t->dtype == dtype && t->n_dims == 2 && t->dims[0] >= 1 &&
         t->dims[0] <= MAX_ROWS && t->dims[1] == n;
}

gboolean
shu_rasterize (ShuCtx *c, const ShuRasterJob *wanted, ShuRastered *ret)
{
  const ShuBackend *be = SHU_BACKEND_FOR (c, rasterize);
  ShuRasterJob job = *wanted;
  gint64 V = job.n_views, H = job.height, W = job.width;

  *ret = (ShuRastered){NULL};
  if (!be)
    return FALSE;
  if (!is_table (c, &job.at, SHU_DTYPE_F32, job.cameras ? 3 : 2) ||
      !is_table (c, &job.faces, SHU_DTYPE_I32, 3) || V < 1 ||
      (V > 1 && !job.cameras) || H < 1 || W < 1 || H > MAX_SIDE ||
      W > MAX_SIDE) {
    shu_op_wrong (c, "rasterize",
        "F32 [n,3], or [n,2] without cameras, I32 [m,3] and views of "
        "1..16384 pixels",
        job.at, job.faces, NULL);
    return FALSE;
  }
  ret->face = shu_scoped (c, SHU_DTYPE_I32, SHU_DIMS (V, H, W));
  if (job.flags & SHU_RASTER_BARY)
    ret->bary = shu_scoped (c, SHU_DTYPE_F32, SHU_DIMS (V, H, W, 2));
  if (job.flags & SHU_RASTER_DEPTH)
    ret->depth = shu_scoped (c, SHU_DTYPE_F32, SHU_DIMS (V, H, W));
  if (!job.cameras)
    ret->n_doubles = shu_scoped (c, SHU_DTYPE_I32, SHU_DIMS (1));
  if (!shu_ctx_failed (c))
    be->rasterize (c, &job, ret);
  return !shu_ctx_failed (c);
}

void
shu_count_seen (ShuCtx *c, const ShuSeenJob *wanted, ShuTensor *seen)
{
  const ShuBackend *be = SHU_BACKEND_FOR (c, count_seen);
  ShuSeenJob job = *wanted;
  gint64 m;

  if (!be)
    return;
  job.kinds = shu_on_device (c, job.kinds, SHU_TRAFFIC_MESH);
  if (!is_table (c, &job.at, SHU_DTYPE_F32, 3) ||
      !is_table (c, &job.faces, SHU_DTYPE_I32, 3) ||
      (m = job.faces->dims[0], job.kinds->dtype != SHU_DTYPE_U8) ||
      job.kinds->n != (gsize) m || seen->dtype != SHU_DTYPE_I32 ||
      seen->n != (gsize) m || seen->storage->place != c->place ||
      job.size < 1 || job.size > MAX_SIDE || job.n_views < 1)
    shu_op_wrong (c, "count_seen",
        "F32 [n,3], I32 [m,3], U8 [m], views of 1..16384 pixels, and "
        "I32 [m] on the device",
        job.at, job.faces, job.kinds, seen, NULL);
  else
    be->count_seen (c, &job, seen);
}
