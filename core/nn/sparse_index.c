/* SPDX-License-Identifier: MIT */
/* Coordinates become 64-bit keys whose order is that of (batch,x,y,z); groups
 * come from a stable sort of the keys, neighbours from a hash table. */
#include "nn/sparse_index.h"
#include "base/error.h"
#include <stdlib.h>
#include <string.h>

enum { KEY_BITS = 16 };

/* 1 is added so that a neighbour at -1 has a key of its own, of no voxel. */
static inline guint64
make_key (gint64 b, gint64 x, gint64 y, gint64 z)
{
  return ((guint64) b << 3 * KEY_BITS) | ((guint64) (x + 1) << 2 * KEY_BITS) |
         ((guint64) (y + 1) << KEY_BITS) | (guint64) (z + 1);
}

static inline const gint32 *
xyz_of (const ShuVoxels *v, int i)
{
  return v->coords + (gsize) i * v->stride + (v->stride - 3);
}

static inline gint32
batch_of (const ShuVoxels *v, int i)
{
  return v->stride == 4 ? v->coords[(gsize) i * 4] : 0;
}

/* ---- groups of rows with the same key ---- */

typedef struct {
  guint64 key;
  gint32 row;
} Entry;

static int
compare_entries (const void *a, const void *b)
{
  const Entry *p = a, *q = b;

  if (p->key != q->key)
    return p->key < q->key ? -1 : 1;
  return p->row < q->row ? -1 : p->row > q->row;
}

/* Rows sorted by the key of (coords + shift) / divisor, then by row. */
static Entry *
sort_rows (const ShuVoxels *v, int divisor, int shift)
{
  Entry *entries = g_new (Entry, v->n);

  for (int i = 0; i < v->n; i++) {
    const gint32 *p = xyz_of (v, i);

    entries[i].key = make_key (batch_of (v, i), (p[0] + shift) / divisor,
        (p[1] + shift) / divisor, (p[2] + shift) / divisor);
    entries[i].row = i;
  }
  qsort (entries, v->n, sizeof *entries, compare_entries);
  return entries;
}

gboolean
shu_voxels_check (const ShuVoxels *v, int resolution, GError **error)
{
  g_autofree Entry *entries = NULL;

  g_return_val_if_fail (v->stride == 3 || v->stride == 4, FALSE);
  if (v->n < 1 || v->n > SHU_VOXELS_MAX || resolution > SHU_VOXELS_MAX_SIDE) {
    g_set_error (error, SHU_ERROR,
        v->n < 1 ? SHU_ERROR_INVALID : SHU_ERROR_LIMIT,
        "voxels: expected 1 to %d at a resolution up to %d, got %d at %d",
        SHU_VOXELS_MAX, SHU_VOXELS_MAX_SIDE, v->n, resolution);
    return FALSE;
  }
  for (int i = 0; i < v->n; i++) {
    const gint32 *p = xyz_of (v, i);
    gint32 b = batch_of (v, i);

    if (b >= 0 && b < 1 << 15 && MIN (p[0], MIN (p[1], p[2])) >= 0 &&
        MAX (p[0], MAX (p[1], p[2])) < resolution)
      continue;
    g_set_error (error, SHU_ERROR, SHU_ERROR_INVALID,
        "voxels: row %d is (%d,%d,%d) of object %d, expected coordinates from "
        "0 to %d",
        i, p[0], p[1], p[2], b, resolution - 1);
    return FALSE;
  }
  entries = sort_rows (v, 1, 0);
  for (int i = 1; i < v->n; i++)
    if (entries[i].key == entries[i - 1].key) {
      const gint32 *p = xyz_of (v, entries[i].row);

      g_set_error (error, SHU_ERROR, SHU_ERROR_INVALID,
          "voxels: (%d,%d,%d) appears twice, in rows %d and %d", p[0], p[1],
          p[2], entries[i - 1].row, entries[i].row);
      return FALSE;
    }
  return TRUE;
}

int
shu_voxels_downsample (
    const ShuVoxels *v, int factor, gint32 *ret_coords, gint32 *ret_index)
{
  g_autofree Entry *entries = sort_rows (v, factor, 0);
  int n = 0;

  for (int i = 0; i < v->n; i++) {
    int row = entries[i].row;

    if (i == 0 || entries[i].key != entries[i - 1].key) {
      gint32 *p = ret_coords + (gsize) n++ * v->stride;

      if (v->stride == 4)
        *p++ = batch_of (v, row);
      for (int k = 0; k < 3; k++)
        p[k] = xyz_of (v, row)[k] / factor;
    }
    ret_index[row] = n - 1;
  }
  return n;
}

int
shu_voxels_windows (const ShuVoxels *v, int window, int shift,
    gint32 *ret_order, gint32 *ret_start)
{
  g_autofree Entry *entries = sort_rows (v, window, shift);
  int n = 0;

  for (int i = 0; i < v->n; i++) {
    if (i == 0 || entries[i].key != entries[i - 1].key)
      ret_start[n++] = i;
    ret_order[i] = entries[i].row;
  }
  ret_start[n] = v->n;
  return n;
}

/* ---- neighbours ---- */

typedef struct {
  Entry *slots; /* row -1: free */
  guint32 mask;
} Hash;

static inline guint32
hash_key (guint64 key, guint32 mask)
{
  key *= G_GUINT64_CONSTANT (0x9E3779B97F4A7C15);
  return (guint32) (key >> 32) & mask;
}

static Hash
hash_new (const ShuVoxels *v)
{
  guint32 size = 16;
  Hash h;

  while (size < 2u * v->n)
    size *= 2;
  h.mask = size - 1;
  h.slots = g_new (Entry, size);
  for (guint32 i = 0; i < size; i++)
    h.slots[i].row = -1;
  for (int row = 0; row < v->n; row++) {
    const gint32 *p = xyz_of (v, row);
    guint64 key = make_key (batch_of (v, row), p[0], p[1], p[2]);
    guint32 i = hash_key (key, h.mask);

    while (h.slots[i].row >= 0)
      i = (i + 1) & h.mask;
    h.slots[i] = (Entry){key, row};
  }
  return h;
}

static inline gint32
hash_find (const Hash *h, guint64 key)
{
  guint32 i = hash_key (key, h->mask);

  while (h->slots[i].row >= 0 && h->slots[i].key != key)
    i = (i + 1) & h->mask;
  return h->slots[i].row;
}

void
shu_voxels_neighbours (const ShuVoxels *v, gint32 *ret_nbr)
{
  Hash h = hash_new (v);

#pragma omp parallel for schedule(static)
  for (int i = 0; i < v->n; i++) {
    const gint32 *p = xyz_of (v, i);
    gint32 *nbr = ret_nbr + (gsize) i * SHU_VOXEL_TAPS;

    for (int k = 0; k < SHU_VOXEL_TAPS; k++)
      nbr[k] = hash_find (&h, make_key (batch_of (v, i), p[0] + k / 9 - 1,
                                  p[1] + k / 3 % 3 - 1, p[2] + k % 3 - 1));
  }
  g_free (h.slots);
}

/* ---- subdivision ---- */

void
shu_voxels_subdivide (const ShuVoxels *v, gint32 *ret_coords)
{
  for (int i = 0; i < v->n; i++)
    for (int child = 0; child < SHU_VOXEL_CHILDREN; child++) {
      const gint32 *p = xyz_of (v, i);

      if (v->stride == 4)
        *ret_coords++ = batch_of (v, i);
      *ret_coords++ = 2 * p[0] + (child >> 2 & 1);
      *ret_coords++ = 2 * p[1] + (child >> 1 & 1);
      *ret_coords++ = 2 * p[2] + (child & 1);
    }
}

/* Along one axis: from parity 0 or 1, a step of -1, 0 or 1 ends at a parent
 * offset (as a tap 0..2) and a parity. */
static inline void
child_step (int parity, int tap, int *ret_parent_tap, int *ret_parity)
{
  int to = parity + tap + 1; /* 2 more than the step's end, so never < 0 */

  *ret_parent_tap = to / 2;
  *ret_parity = to % 2;
}

void
shu_neighbours_subdivide (int n, const gint32 *nbr, gint32 *ret_nbr)
{
  guint8 parent_tap[SHU_VOXEL_CHILDREN][SHU_VOXEL_TAPS];
  guint8 other_child[SHU_VOXEL_CHILDREN][SHU_VOXEL_TAPS];

  for (int child = 0; child < SHU_VOXEL_CHILDREN; child++)
    for (int k = 0; k < SHU_VOXEL_TAPS; k++) {
      int tx, ty, tz, px, py, pz;

      child_step (child >> 2 & 1, k / 9, &tx, &px);
      child_step (child >> 1 & 1, k / 3 % 3, &ty, &py);
      child_step (child & 1, k % 3, &tz, &pz);
      parent_tap[child][k] = (tx * 3 + ty) * 3 + tz;
      other_child[child][k] = 4 * px + 2 * py + pz;
    }
#pragma omp parallel for schedule(static)
  for (int i = 0; i < n; i++) {
    const gint32 *from = nbr + (gsize) i * SHU_VOXEL_TAPS;
    gint32 *to = ret_nbr + (gsize) i * SHU_VOXEL_CHILDREN * SHU_VOXEL_TAPS;

    for (int child = 0; child < SHU_VOXEL_CHILDREN; child++)
      for (int k = 0; k < SHU_VOXEL_TAPS; k++) {
        gint32 parent = from[parent_tap[child][k]];

        *to++ = parent < 0
                    ? -1
                    : parent * SHU_VOXEL_CHILDREN + other_child[child][k];
      }
  }
}
