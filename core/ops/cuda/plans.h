/* SPDX-License-Identifier: MIT */
/* What cuBLASLt and cuDNN decided for shapes seen before, and the checks that
 * all calls into CUDA share.  A table belongs to one context, so to one device
 * and one thread at a time.
 *
 * The first call with new shapes plans: it may compile for a second and load
 * code, so it must not happen while the stream is being captured.  Later calls
 * only enqueue work. */
#pragma once
#include <cuda_runtime_api.h>
#include <glib.h>

G_BEGIN_DECLS

typedef enum {
  SHU_CUDA_PLAN_GEMM,
  SHU_CUDA_PLAN_CONV,
  SHU_CUDA_PLAN_SDPA,
} ShuCudaPlanKind;

/* All that a plan depends on.  Zero-initialised: unused values count too. */
typedef struct {
  ShuCudaPlanKind kind;
  gint32 flags;
  gint64 v[20];
} ShuCudaPlanKey;

GHashTable *shu_cuda_plans_new (void);

/**
 * shu_cuda_plans_lookup:
 * @ret_plan: NULL where it is known that there is none
 *
 * Returns: FALSE where the shapes are new
 */
gboolean shu_cuda_plans_lookup (
    GHashTable *plans, const ShuCudaPlanKey *key, gpointer *ret_plan);

/* @plan: (transfer full) (nullable) */
void shu_cuda_plans_insert (GHashTable *plans, const ShuCudaPlanKey *key,
    gpointer plan, GDestroyNotify plan_free);

/* Whether shapes are what a library does not do, now and later; any other
 * failure may be of this moment, and no plan may come of it. */
gboolean shu_cuda_is_unsupported (const GError *error);

/* FALSE, with @error set, where a CUDA call or a launch failed. */
gboolean shu_cuda_ok (cudaError_t status, const char *what, GError **error);

static inline gboolean
shu_cuda_aligned16 (gconstpointer p)
{
  return (gsize) p % 16 == 0;
}

G_END_DECLS
