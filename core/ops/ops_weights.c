/* SPDX-License-Identifier: MIT */
/* Weights on their way to a device, and what they may become there. */
#include "ops/backend_private.h"
#include "base/error.h"

gboolean
shu_has_fp8 (ShuCtx *c)
{
  return !shu_ctx_failed (c) && shu_backend_of (c)->has_fp8 &&
         shu_backend_of (c)->has_fp8 (c);
}

ShuDType
shu_result_dtype (ShuCtx *c, ShuPrecision precision, gint64 rows, gint64 C)
{
  enum { MIN_ROWS = 256, UNIT = 16 }; /* of products in FP8 */

  return precision == SHU_PRECISION_FP8 && rows >= MIN_ROWS && C % UNIT == 0 &&
                 shu_has_fp8 (c)
             ? SHU_DTYPE_E4M3
             : c->real;
}

gsize
shu_weight_bytes (const ShuWeightUse *use)
{
  gsize n = use->w->n;

  if (use->use == SHU_USE_NONE)
    return 0;
  if (use->use == SHU_USE_NORM)
    return n * sizeof (float);
  if (use->use == SHU_USE_CONV_DOUBLED)
    return n * 2 / 9 * 16;
  if (use->use == SHU_USE_CONV_DOUBLED_FP8)
    return n / 9 * 16;
  if (use->use == SHU_USE_PATCHES)
    return (n / (gsize) use->w->dims[0] + 7) / 8 * 8 * (gsize) use->w->dims[0] *
           2;
  if (use->use == SHU_USE_FP8 || use->use == SHU_USE_JOINED_FP8)
    return n;
  /* 27 taps, or for each of 8 children those of its 8 parents */
  return use->use == SHU_USE_SPARSE_CONV_SUBDIVIDED ? n * 2 / 27 * 64 : n * 2;
}

void
shu_upload_weights (ShuCtx *c, int n, const ShuWeightSet *sets,
    ShuUploadFunc func, gpointer data)
{
  const ShuBackend *be;

  if (shu_place_is_cpu (c->place) || n == 0)
    return;
  be = SHU_BACKEND_FOR (c, weights);
  if (be)
    be->weights (c, n, sets, func, data);
}
