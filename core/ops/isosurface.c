/* SPDX-License-Identifier: MIT */
#include "ops/backend_private.h"
#include "base/error.h"

enum { MAX_RESOLUTION = 512 };

static gboolean
fits (ShuCtx *c, const ShuSurfaceCells *k)
{
  const ShuTensor *x = k->coords, *f = k->feats, *cases = k->cases;

  return k->resolution >= 1 && k->resolution <= MAX_RESOLUTION &&
         x->dtype == SHU_DTYPE_I32 && x->n_dims == 2 && x->dims[0] >= 1 &&
         x->dims[0] <= G_MAXINT / 8 && x->dims[1] == 3 && f->dtype == c->real &&
         f->n_dims == 2 && f->dims[0] == x->dims[0] &&
         (f->dims[1] == SHU_SURFACE_PLAIN ||
             f->dims[1] == SHU_SURFACE_COLORED) &&
         cases->dtype == SHU_DTYPE_U8 &&
         cases->n == SHU_SURFACE_CASES * SHU_SURFACE_CASE;
}

gboolean
shu_isosurface (ShuCtx *c, const ShuSurfaceCells *cells, ShuSurface *ret)
{
  const ShuBackend *be = SHU_BACKEND_FOR (c, isosurface);

  *ret = (ShuSurface){NULL, NULL, NULL};
  if (!be)
    return FALSE;
  if (!fits (c, cells)) {
    shu_op_wrong (c, "isosurface",
        "expected cells I32 [n,3], 53 or 101 features"
        " of each, of the device's type, and the table of cases, in a grid of "
        "side 1..512",
        cells->coords, cells->feats, cells->cases, NULL);
    return FALSE;
  }
  if (cells->coords->storage->place != c->place ||
      cells->feats->storage->place != c->place ||
      cells->cases->storage->place != c->place) {
    shu_ctx_fail (
        c, SHU_ERROR_INVALID, "isosurface: the cells are not on %s", c->device);
    return FALSE;
  }
  be->isosurface (c, cells, ret);
  return !shu_ctx_failed (c);
}
