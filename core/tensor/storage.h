/* SPDX-License-Identifier: MIT */
/* Blocks of memory behind tensors, and the pool that recycles them: a network
 * asks for the same sizes again and again, and fresh pages from the kernel cost
 * more than many of the operations on them. */
#pragma once
#include "tensor/source.h"

G_BEGIN_DECLS

typedef struct _ShuPool ShuPool;

/* Every block starts at a multiple of this. */
enum { SHU_ALIGN = 64 };

/* Where memory is: here, nowhere (it is only counted), on the device that the
 * CPU plays for tests, or on the CUDA device of that number. */
enum { SHU_HOST = -1, SHU_NOWHERE = -2, SHU_MOCK = -3 };

/* Whether the CPU computes there. */
static inline gboolean
shu_place_is_cpu (int place)
{
  return place == SHU_HOST || place == SHU_MOCK;
}

/* "cpu", "cuda:N" or "mock": (transfer full) */
char *shu_place_name (int place);

struct _ShuStorage {
  gatomicrefcount refs;
  int place;
  void *data;
  gsize size;    /* bytes asked for */
  ShuPool *pool; /* where the block goes back to; NULL: free() or @owner */
  struct _ShuHeapBlock *block; /* of the pool's heap; NULL: of its buckets */
  GBytes *owner;               /* keeps foreign memory alive */
  ShuSource *source; /* of a weight; @data is NULL until the host wants it */
  gpointer forms;    /* of a weight on devices, made and freed by ops/ */
  GDestroyNotify forms_free;
  ShuStorage *host; /* of a device's: its copy here, once one was needed */
};

ShuPool *shu_pool_new (int place);
/* One whose blocks are for nobody else and stay until it is gone; what it has
 * counts for @outer, too. */
ShuPool *shu_pool_new_inner (ShuPool *outer);
ShuPool *shu_pool_ref (ShuPool *pool);
void shu_pool_unref (ShuPool *pool);

/* A block from the pool, or NULL where there is no memory. */
ShuStorage *shu_storage_new_pool (ShuPool *pool, gsize size);
/* A block of its own: the process ends, or NULL, where there is no memory. */
ShuStorage *shu_storage_new (gsize size);
ShuStorage *shu_storage_try_new (gsize size);
ShuStorage *shu_storage_new_bytes (
    GBytes *owner, gconstpointer data, gsize size);
/* Memory at @place that belongs to @owner. */
ShuStorage *shu_storage_new_foreign (
    int place, GBytes *owner, gpointer data, gsize size);
/* Without data as yet; takes @source over. */
ShuStorage *shu_storage_new_source (ShuSource *source, gsize size);
/* Gives it a block, not initialised; FALSE where there is no memory. */
gboolean shu_storage_back (ShuStorage *s);
/* What a device's @s holds, copied once: (transfer none), NULL with an error */
ShuStorage *shu_storage_host (
    ShuStorage *s, ShuTraffic *traffic, ShuTrafficKind kind, GError **error);
ShuStorage *shu_storage_ref (ShuStorage *s);
void shu_storage_unref (ShuStorage *s);

/* Bytes asked for by storages that live now, and the most there ever were. */
gsize shu_pool_live (ShuPool *pool);
gsize shu_pool_peak (ShuPool *pool);
/* Gives unused blocks back to the system. */
void shu_pool_trim (ShuPool *pool);
/* The most bytes that were ever taken from the system at once, with what lies
 * unused and what was reserved. */
gsize shu_pool_held_peak (ShuPool *pool);
/* Counts @bytes (negative: no longer) as if they were taken, too. */
void shu_pool_reserve (ShuPool *pool, gssize bytes);

/* Takes the caller's reference to @storage, which must hold @dims. */
ShuTensor *shu_tensor_new_storage (
    ShuDType dtype, int n_dims, const gint64 *dims, ShuStorage *storage);

/* Bytes that a tensor needs; FALSE on overflow, a size below 0 or a wrong
 * number of dimensions. */
gboolean shu_tensor_size (
    ShuDType dtype, int n_dims, const gint64 *dims, gsize *ret_bytes);

G_END_DECLS
