/* SPDX-License-Identifier: MIT */
/* See plans.h. */
#include "ops/cuda/plans.h"
#include "base/error.h"
#include <string.h>

typedef struct {
  ShuCudaPlanKey key;
  gpointer plan;
  GDestroyNotify plan_free;
} Entry;

/* FNV-1a over the key, 8 bytes at a time */
static guint
key_hash (gconstpointer data)
{
  const ShuCudaPlanKey *key = data;
  guint64 hash = 14695981039346656037u;
  guint64 head = (guint64) key->kind << 32 | (guint32) key->flags;

  hash = (hash ^ head) * 1099511628211u;
  for (gsize i = 0; i < G_N_ELEMENTS (key->v); i++)
    hash = (hash ^ (guint64) key->v[i]) * 1099511628211u;
  return (guint) (hash ^ hash >> 32);
}

static gboolean
key_equal (gconstpointer a, gconstpointer b)
{
  const ShuCudaPlanKey *x = a, *y = b;

  return x->kind == y->kind && x->flags == y->flags &&
         memcmp (x->v, y->v, sizeof x->v) == 0;
}

static void
entry_free (gpointer data)
{
  Entry *e = data;

  if (e->plan)
    e->plan_free (e->plan);
  g_free (e);
}

GHashTable *
shu_cuda_plans_new (void)
{
  return g_hash_table_new_full (key_hash, key_equal, NULL, entry_free);
}

gboolean
shu_cuda_plans_lookup (
    GHashTable *plans, const ShuCudaPlanKey *key, gpointer *ret_plan)
{
  Entry *e = g_hash_table_lookup (plans, key);

  if (!e)
    return FALSE;
  *ret_plan = e->plan;
  return TRUE;
}

void
shu_cuda_plans_insert (GHashTable *plans, const ShuCudaPlanKey *key,
    gpointer plan, GDestroyNotify plan_free)
{
  Entry *e = g_new0 (Entry, 1);

  *e = (Entry){.key = *key, .plan = plan, .plan_free = plan_free};
  g_hash_table_replace (plans, &e->key, e);
}

gboolean
shu_cuda_is_unsupported (const GError *error)
{
  return g_error_matches (error, SHU_ERROR, SHU_ERROR_UNSUPPORTED);
}

gboolean
shu_cuda_ok (cudaError_t status, const char *what, GError **error)
{
  if (status == cudaSuccess)
    return TRUE;
  g_set_error (error, SHU_ERROR,
      status == cudaErrorMemoryAllocation ? SHU_ERROR_MEMORY
                                          : SHU_ERROR_INTERNAL,
      "%s: %s: %s", what, cudaGetErrorName (status),
      cudaGetErrorString (status));
  return FALSE;
}
