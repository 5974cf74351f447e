/* SPDX-License-Identifier: MIT */
/* See heap.h.  Not thread-safe: a pool holds its lock. */
#include "tensor/heap.h"
#include "tensor/device.h"
#include "tensor/storage.h"

enum { ALIGN = 512 };

/* Memory comes and goes in granules. */
static const gsize GRANULE = (gsize) 8 << 20;
/* Addresses where nothing is behind them */
static const gsize NOWHERE_BASE = (gsize) 1 << 40,
                   NOWHERE_SPAN = (gsize) 1 << 40;

/* All blocks, used or not, in the order of their addresses. */
typedef ShuHeapBlock Block;

struct _ShuHeapBlock {
  gsize at, size;
  gboolean used;
  Block *prev, *next;
};

struct _ShuHeap {
  int place;
  char *base;
  gsize span;
  Block *first;
  Block *spare;       /* for the next blocks, by their next */
  gpointer *granules; /* [span / GRANULE]: what is mapped there, or NULL */
  gsize n_granules, n_held;
};

static Block *
block_new (ShuHeap *h, gsize at, gsize size)
{
  Block *b = h->spare;

  if (b)
    h->spare = b->next;
  else
    b = g_new (Block, 1);
  *b = (Block){.at = at, .size = size};
  return b;
}

ShuHeap *
shu_heap_new (int place)
{
  ShuHeap *h = g_new0 (ShuHeap, 1);

  h->place = place;
  h->span = NOWHERE_SPAN;
  h->base = GSIZE_TO_POINTER (NOWHERE_BASE);
  if (place != SHU_NOWHERE)
    h->base = shu_device_reserve (place, GRANULE, &h->span);
  if (!h->base) {
    g_free (h);
    return NULL;
  }
  h->n_granules = h->span / GRANULE;
  h->granules = g_new0 (gpointer, h->n_granules);
  h->first = block_new (h, 0, h->span);
  return h;
}

/* ---- memory behind addresses ---- */

static gboolean
give (ShuHeap *h, gsize i)
{
  if (h->granules[i])
    return TRUE;
  h->granules[i] =
      h->place == SHU_NOWHERE
          ? h
          : shu_device_map (h->place, h->base + i * GRANULE, GRANULE);
  if (!h->granules[i])
    return FALSE;
  h->n_held++;
  return TRUE;
}

static void
take (ShuHeap *h, gsize i)
{
  if (!h->granules[i])
    return;
  if (h->place != SHU_NOWHERE)
    shu_device_unmap (h->granules[i], h->base + i * GRANULE, GRANULE);
  h->granules[i] = NULL;
  h->n_held--;
}

/* Granules without memory under @size bytes at @at */
static gsize
missing (const ShuHeap *h, gsize at, gsize size)
{
  gsize n = 0;

  for (gsize i = at / GRANULE; i <= (at + size - 1) / GRANULE; i++)
    n += h->granules[i] == NULL;
  return n;
}

static void
free_all (Block *b)
{
  Block *next;

  for (; b; b = next) {
    next = b->next;
    g_free (b);
  }
}

void
shu_heap_destroy (ShuHeap *h)
{
  if (!h)
    return;
  for (gsize i = 0; i < h->n_granules && h->n_held > 0; i++)
    take (h, i);
  if (h->place != SHU_NOWHERE)
    shu_device_unreserve (h->place, h->base, h->span);
  free_all (h->first);
  free_all (h->spare);
  g_free (h->granules);
  g_free (h);
}

/* ---- blocks ---- */

/* The hole that needs the least new memory, then the smallest */
static Block *
choose (const ShuHeap *h, gsize size)
{
  Block *best = NULL;
  gsize best_missing = 0;

  for (Block *b = h->first; b; b = b->next) {
    gsize n;

    if (b->used || b->size < size)
      continue;
    n = missing (h, b->at, size);
    if (best &&
        (n > best_missing || (n == best_missing && b->size >= best->size)))
      continue;
    best = b;
    best_missing = n;
  }
  return best;
}

ShuHeapBlock *
shu_heap_alloc (ShuHeap *h, gsize size)
{
  Block *b, *rest;

  if (size > h->span)
    return NULL;
  size = (MAX (size, 1) + ALIGN - 1) / ALIGN * ALIGN;
  b = choose (h, size);
  if (!b)
    return NULL;
  for (gsize i = b->at / GRANULE; i <= (b->at + size - 1) / GRANULE; i++)
    if (!give (h, i))
      return NULL; /* what was given before serves others */
  if (b->size > size) {
    rest = block_new (h, b->at + size, b->size - size);
    rest->prev = b;
    rest->next = b->next;
    if (rest->next)
      rest->next->prev = rest;
    b->next = rest;
    b->size = size;
  }
  b->used = TRUE;
  return b;
}

gpointer
shu_heap_address (const ShuHeap *h, const ShuHeapBlock *b)
{
  return h->base + b->at;
}

/* @b and the block behind it, both free, become one. */
static void
join (ShuHeap *h, Block *b)
{
  Block *next = b->next;

  b->size += next->size;
  b->next = next->next;
  if (b->next)
    b->next->prev = b;
  next->next = h->spare;
  h->spare = next;
}

void
shu_heap_free (ShuHeap *h, ShuHeapBlock *b)
{
  g_return_if_fail (b->used);
  b->used = FALSE;
  if (b->next && !b->next->used)
    join (h, b);
  if (b->prev && !b->prev->used)
    join (h, b->prev);
}

void
shu_heap_trim (ShuHeap *h)
{
  if (h->n_held > 0 && h->place != SHU_NOWHERE && !shu_device_wait (h->place))
    return;
  for (Block *b = h->first; b; b = b->next)
    if (!b->used)
      for (gsize i = (b->at + GRANULE - 1) / GRANULE;
           (i + 1) * GRANULE <= b->at + b->size; i++)
        take (h, i);
}

gsize
shu_heap_held (const ShuHeap *h)
{
  return h->n_held * GRANULE;
}
