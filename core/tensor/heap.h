/* SPDX-License-Identifier: MIT */
/* Memory of a device for results that come and go: one range of addresses,
 * which is given memory where it is used.  Blocks are cut from the hole that
 * fits best, and holes grow together, so that what is held is little more than
 * what is in use at once. */
#pragma once
#include <glib.h>

G_BEGIN_DECLS

typedef struct _ShuHeap ShuHeap;
typedef struct _ShuHeapBlock ShuHeapBlock;

/* @place: as that of a pool; NULL where the device has no such memory */
ShuHeap *shu_heap_new (int place);
/* The device is at rest. */
void shu_heap_destroy (ShuHeap *heap);

/* NULL where there is no memory. */
ShuHeapBlock *shu_heap_alloc (ShuHeap *heap, gsize size);
gpointer shu_heap_address (const ShuHeap *heap, const ShuHeapBlock *block);
void shu_heap_free (ShuHeap *heap, ShuHeapBlock *block);
/* Gives the device what lies under no block; waits for it, and gives nothing
 * where that cannot be. */
void shu_heap_trim (ShuHeap *heap);
/* Bytes that the device has given. */
gsize shu_heap_held (const ShuHeap *heap);

G_END_DECLS
