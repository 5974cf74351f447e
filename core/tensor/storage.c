/* SPDX-License-Identifier: MIT */
/* Storage and its pool.  Free blocks wait in buckets, four to a power of two,
 * so at most a fifth of a block is wasted; the pool itself lives until the last
 * block that came from it is gone, so a tensor may outlive its context.
 *
 * Of a device, whose memory is scarce, blocks come from a heap instead, where
 * the device has what that needs. */
#include "tensor/storage.h"
#include "tensor/device.h"
#include "tensor/heap.h"
#include "base/error.h"
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
  MIN_SHIFT = 6,
  STEPS = 4, /* buckets to a power of two */
  N_BUCKETS = (48 - MIN_SHIFT) * STEPS,
};

/* Blocks of this size and above sit on huge pages where the system has them. */
static const gsize HUGE_BLOCK = (gsize) 4 << 20;
static const gsize HUGE_PAGE = (gsize) 2 << 20;

struct _ShuPool {
  gatomicrefcount refs;
  int place;
  GMutex lock;
  GPtrArray *free[N_BUCKETS];
  gsize live;
  gsize peak;
  gsize held; /* taken from the system, without what the heap has */
  gsize held_peak;
  ShuHeap *heap; /* of a device; made with the first block */
  gboolean no_heap;
  ShuPool *outer; /* (nullable) */
  gsize told;     /* bytes that count as taken there, too */
};

/* The smallest bucket that holds @size; its size in @ret_size. */
static int
bucket_of (gsize size, gsize *ret_size)
{
  int shift = MIN_SHIFT;
  gsize step;
  gsize k;

  if (size <= ((gsize) 1 << MIN_SHIFT)) {
    *ret_size = (gsize) 1 << MIN_SHIFT;
    return 0;
  }
  while (((gsize) 2 << shift) < size)
    shift++;
  /* 2^shift < size <= 2^(shift+1) */
  step = ((gsize) 1 << shift) / STEPS;
  k = (size - ((gsize) 1 << shift) + step - 1) / step; /* 1..STEPS */
  *ret_size = ((gsize) 1 << shift) + k * step;
  return (shift - MIN_SHIFT) * STEPS + (int) k;
}

/* What a block of the bucket takes; drivers of devices give whole pages to
 * large ones. */
static gsize
held_size (int place, int bucket)
{
  int shift = MIN_SHIFT + bucket / STEPS;
  gsize size = ((gsize) 1 << shift) +
               (gsize) (bucket % STEPS) * (((gsize) 1 << shift) / STEPS);

  if (shu_place_is_cpu (place) || size < HUGE_PAGE / 2)
    return size;
  return (size + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
}

static void *
block_alloc (int place, gsize size)
{
  static char nothing;
  void *p = NULL;
  gsize align = size >= HUGE_BLOCK ? HUGE_PAGE : SHU_ALIGN;

  if (place == SHU_NOWHERE)
    return &nothing;
  if (place >= 0)
    return shu_device_alloc (place, size);
  if (posix_memalign (&p, align, size) != 0)
    return NULL;
  if (size >= HUGE_BLOCK)
    madvise (p, size & ~(HUGE_PAGE - 1), MADV_HUGEPAGE);
  return p;
}

static void
block_free (int place, void *p)
{
  if (place == SHU_NOWHERE)
    return;
  if (place >= 0)
    shu_device_free (place, p);
  else
    free (p);
}

char *
shu_place_name (int place)
{
  if (place == SHU_MOCK)
    return g_strdup ("mock");
  return place == SHU_HOST ? g_strdup ("cpu")
                           : g_strdup_printf ("cuda:%d", place);
}

ShuPool *
shu_pool_new (int place)
{
  ShuPool *pool = g_new0 (ShuPool, 1);

  g_atomic_ref_count_init (&pool->refs);
  g_mutex_init (&pool->lock);
  pool->place = place;
  return pool;
}

ShuPool *
shu_pool_new_inner (ShuPool *outer)
{
  ShuPool *pool = shu_pool_new (outer->place);

  pool->outer = shu_pool_ref (outer);
  return pool;
}

/* With the lock held */
static ShuHeap *
heap_of (ShuPool *pool)
{
  if (!pool->heap && !pool->no_heap && !shu_place_is_cpu (pool->place)) {
    pool->heap = shu_heap_new (pool->place);
    pool->no_heap = !pool->heap;
  }
  return pool->heap;
}

ShuPool *
shu_pool_ref (ShuPool *pool)
{
  g_atomic_ref_count_inc (&pool->refs);
  return pool;
}

/* With the lock held */
static void
hold (ShuPool *pool, gssize bytes)
{
  gsize heap = pool->heap ? shu_heap_held (pool->heap) : 0;

  pool->held += (gsize) bytes;
  pool->held_peak = MAX (pool->held_peak, pool->held + heap);
}

/* @live bytes more, or less, are in use, and what is taken may have changed.
 * Without the lock. */
static void
tell_outer (ShuPool *pool, gssize live)
{
  ShuPool *outer = pool->outer;
  gsize now;

  if (!outer)
    return;
  g_mutex_lock (&pool->lock);
  now = pool->held + (pool->heap ? shu_heap_held (pool->heap) : 0);
  g_mutex_lock (&outer->lock);
  hold (outer, (gssize) (now - pool->told));
  outer->live += (gsize) live;
  outer->peak = MAX (outer->peak, outer->live);
  g_mutex_unlock (&outer->lock);
  pool->told = now;
  g_mutex_unlock (&pool->lock);
}

/* Unused blocks to the system */
static void
give_back (ShuPool *pool)
{
  g_mutex_lock (&pool->lock);
  if (pool->heap)
    shu_heap_trim (pool->heap);
  for (int i = 0; i < N_BUCKETS; i++) {
    for (guint k = 0; pool->free[i] && k < pool->free[i]->len; k++) {
      block_free (pool->place, g_ptr_array_index (pool->free[i], k));
      pool->held -= held_size (pool->place, i);
    }
    g_clear_pointer (&pool->free[i], g_ptr_array_unref);
  }
  g_mutex_unlock (&pool->lock);
}

void
shu_pool_unref (ShuPool *pool)
{
  if (!g_atomic_ref_count_dec (&pool->refs))
    return;
  give_back (pool);
  shu_heap_destroy (pool->heap);
  pool->heap = NULL;
  tell_outer (pool, 0);
  g_clear_pointer (&pool->outer, shu_pool_unref);
  g_mutex_clear (&pool->lock);
  g_free (pool);
}

void
shu_pool_trim (ShuPool *pool)
{
  give_back (pool->outer ? pool->outer : pool);
}

gsize
shu_pool_live (ShuPool *pool)
{
  gsize n;

  g_mutex_lock (&pool->lock);
  n = pool->live;
  g_mutex_unlock (&pool->lock);
  return n;
}

gsize
shu_pool_peak (ShuPool *pool)
{
  gsize n;

  g_mutex_lock (&pool->lock);
  n = pool->peak;
  g_mutex_unlock (&pool->lock);
  return n;
}

gsize
shu_pool_held_peak (ShuPool *pool)
{
  gsize n;

  g_mutex_lock (&pool->lock);
  n = pool->held_peak;
  g_mutex_unlock (&pool->lock);
  return n;
}

void
shu_pool_reserve (ShuPool *pool, gssize bytes)
{
  g_mutex_lock (&pool->lock);
  hold (pool, bytes);
  g_mutex_unlock (&pool->lock);
}

static ShuStorage *
storage_new (int place, void *data, gsize size, ShuPool *pool, GBytes *owner)
{
  ShuStorage *s = g_new (ShuStorage, 1);

  *s = (ShuStorage){.place = place,
      .data = data,
      .size = size,
      .pool = pool ? shu_pool_ref (pool) : NULL,
      .owner = owner ? g_bytes_ref (owner) : NULL};
  g_atomic_ref_count_init (&s->refs);
  return s;
}

/* NULL where there is no memory, or where @ret_in_heap says that no heap is
 * there to be asked. */
static ShuStorage *
heap_storage (ShuPool *pool, gsize size, gboolean *ret_in_heap)
{
  ShuHeapBlock *p = NULL;
  ShuStorage *s;
  ShuHeap *heap;

  g_mutex_lock (&pool->lock);
  heap = heap_of (pool);
  *ret_in_heap = heap != NULL;
  if (heap)
    p = shu_heap_alloc (heap, size);
  if (heap && !p) {
    if (pool->outer)
      shu_pool_trim (pool->outer);
    else
      shu_heap_trim (heap); /* memory under one hole may serve another */
    p = shu_heap_alloc (heap, size);
  }
  if (p) {
    pool->live += size;
    pool->peak = MAX (pool->peak, pool->live);
    hold (pool, 0);
  }
  g_mutex_unlock (&pool->lock);
  if (!p)
    return NULL;
  tell_outer (pool, (gssize) size);
  s = storage_new (pool->place, shu_heap_address (heap, p), size, pool, NULL);
  s->block = p;
  return s;
}

ShuStorage *
shu_storage_new_pool (ShuPool *pool, gsize size)
{
  void *p = NULL;
  ShuStorage *s;
  gsize block;
  gboolean fresh, in_heap;
  int bucket;

  if (size > (gsize) 1 << 46)
    return NULL;
  s = heap_storage (pool, size, &in_heap);
  if (in_heap)
    return s;
  bucket = bucket_of (size, &block);
  g_mutex_lock (&pool->lock);
  if (pool->free[bucket] && pool->free[bucket]->len > 0)
    p = g_ptr_array_steal_index_fast (
        pool->free[bucket], pool->free[bucket]->len - 1);
  g_mutex_unlock (&pool->lock);

  fresh = !p;
  if (!p)
    p = block_alloc (pool->place, block);
  if (!p) {
    /* What waits in other buckets may be enough. */
    shu_pool_trim (pool);
    p = block_alloc (pool->place, block);
  }
  if (!p)
    return NULL;

  g_mutex_lock (&pool->lock);
  pool->live += size;
  pool->peak = MAX (pool->peak, pool->live);
  if (fresh)
    hold (pool, (gssize) held_size (pool->place, bucket));
  g_mutex_unlock (&pool->lock);
  tell_outer (pool, (gssize) size);
  return storage_new (pool->place, p, size, pool, NULL);
}

static void
pool_put (ShuPool *pool, const ShuStorage *s)
{
  gsize size;
  int bucket = s->block ? 0 : bucket_of (s->size, &size);

  g_mutex_lock (&pool->lock);
  if (s->block) {
    shu_heap_free (pool->heap, s->block);
  } else {
    if (!pool->free[bucket])
      pool->free[bucket] = g_ptr_array_new ();
    g_ptr_array_add (pool->free[bucket], s->data);
  }
  pool->live -= s->size;
  g_mutex_unlock (&pool->lock);
  tell_outer (pool, -(gssize) s->size);
}

ShuStorage *
shu_storage_try_new (gsize size)
{
  gsize block;
  void *p;

  bucket_of (MAX (size, 1), &block);
  p = block_alloc (SHU_HOST, block);
  return p ? storage_new (SHU_HOST, p, size, NULL, NULL) : NULL;
}

ShuStorage *
shu_storage_new (gsize size)
{
  ShuStorage *s = shu_storage_try_new (size);

  if (!s)
    g_error ("no memory for %" G_GSIZE_FORMAT " bytes", size);
  return s;
}

ShuStorage *
shu_storage_new_bytes (GBytes *owner, gconstpointer data, gsize size)
{
  return storage_new (SHU_HOST, (void *) data, size, NULL, owner);
}

ShuStorage *
shu_storage_new_foreign (int place, GBytes *owner, gpointer data, gsize size)
{
  return storage_new (place, data, size, NULL, owner);
}

static gboolean
copy_to_host (const ShuStorage *s, gpointer dst, GError **error)
{
  if (s->place >= 0)
    return shu_device_to_host (s->place, dst, s->data, s->size, error);
  memcpy (dst, s->data, s->size);
  return TRUE;
}

ShuStorage *
shu_storage_host (
    ShuStorage *s, ShuTraffic *traffic, ShuTrafficKind kind, GError **error)
{
  static GMutex lock; /* whoever asks at the same time waits for the copy */
  ShuStorage *host;

  g_mutex_lock (&lock);
  host = s->host;
  if (!host) {
    host = shu_storage_try_new (s->size);
    if (!host)
      g_set_error (error, SHU_ERROR, SHU_ERROR_MEMORY,
          "no memory for a copy of %zu MB of a GPU's", s->size >> 20);
    else if (copy_to_host (s, host->data, error)) {
      shu_traffic_add_down (traffic, kind, s->size);
      s->host = host;
    } else
      g_clear_pointer (&host, shu_storage_unref);
  }
  g_mutex_unlock (&lock);
  return host;
}

ShuStorage *
shu_storage_new_source (ShuSource *source, gsize size)
{
  ShuStorage *s = storage_new (SHU_HOST, NULL, size, NULL, NULL);

  s->source = source;
  return s;
}

gboolean
shu_storage_back (ShuStorage *s)
{
  gsize block;

  bucket_of (MAX (s->size, 1), &block);
  s->data = block_alloc (SHU_HOST, block);
  return s->data != NULL;
}

ShuStorage *
shu_storage_ref (ShuStorage *s)
{
  g_atomic_ref_count_inc (&s->refs);
  return s;
}

void
shu_storage_unref (ShuStorage *s)
{
  if (!g_atomic_ref_count_dec (&s->refs))
    return;
  if (s->forms)
    s->forms_free (s->forms);
  if (s->host)
    shu_storage_unref (s->host);
  if (s->owner)
    g_bytes_unref (s->owner);
  else if (s->pool)
    pool_put (s->pool, s);
  else
    free (s->data);
  shu_source_free (s->source);
  if (s->pool)
    shu_pool_unref (s->pool);
  g_free (s);
}
