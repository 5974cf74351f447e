/* SPDX-License-Identifier: MIT */
/* The heap of devices, over memory that is only counted. */
#include "tensor/heap.h"
#include "tensor/storage.h"

static const gsize MB = 1 << 20;

/* Blocks by their addresses */
static GHashTable *blocks_at;

static gpointer
alloc (ShuHeap *h, gsize size)
{
  ShuHeapBlock *b = shu_heap_alloc (h, size);

  g_assert_nonnull (b);
  g_assert_true (g_hash_table_insert (blocks_at, shu_heap_address (h, b), b));
  return shu_heap_address (h, b);
}

static void
let_go (ShuHeap *h, gpointer p)
{
  shu_heap_free (h, g_hash_table_lookup (blocks_at, p));
  g_hash_table_remove (blocks_at, p);
}

static void
test_reuses_holes (void)
{
  ShuHeap *h = shu_heap_new (SHU_NOWHERE);
  gpointer a = alloc (h, 40 * MB), b = alloc (h, 8 * MB), c;
  gsize held = shu_heap_held (h);

  g_assert_cmpuint (held, ==, 48 * MB);
  let_go (h, a);
  c = alloc (h, 30 * MB);
  g_assert_true (c == a);
  g_assert_true (alloc (h, 10 * MB) == (char *) c + 30 * MB);
  g_assert_cmpuint (shu_heap_held (h), ==, held);
  let_go (h, b);
  shu_heap_destroy (h);
  g_hash_table_remove_all (blocks_at);
}

/* Two holes of a size apart, then side by side */
static void
test_joins_neighbours (void)
{
  ShuHeap *h = shu_heap_new (SHU_NOWHERE);
  gpointer p[4];
  gsize held;

  for (int i = 0; i < 4; i++)
    p[i] = alloc (h, 16 * MB);
  held = shu_heap_held (h);
  let_go (h, p[0]);
  let_go (h, p[2]);
  let_go (h, p[1]);
  g_assert_true (alloc (h, 48 * MB) == p[0]);
  g_assert_cmpuint (shu_heap_held (h), ==, held);
  shu_heap_destroy (h);
  g_hash_table_remove_all (blocks_at);
}

static void
test_takes_the_best (void)
{
  ShuHeap *h = shu_heap_new (SHU_NOWHERE);
  gpointer p[5];

  for (int i = 0; i < 5; i++)
    p[i] = alloc (h, (i == 1 ? 9 : i == 3 ? 7 : 1) * MB);
  let_go (h, p[1]);
  let_go (h, p[3]);
  g_assert_true (alloc (h, 7 * MB) == p[3]);
  g_assert_true (alloc (h, 8 * MB) == p[1]);
  shu_heap_destroy (h);
  g_hash_table_remove_all (blocks_at);
}

static void
test_trim (void)
{
  ShuHeap *h = shu_heap_new (SHU_NOWHERE);
  gpointer a = alloc (h, 100 * MB), b = alloc (h, MB);

  let_go (h, a);
  g_assert_cmpuint (shu_heap_held (h), ==, 104 * MB);
  shu_heap_trim (h);
  g_assert_cmpuint (shu_heap_held (h), ==, 8 * MB); /* what b lies in */
  a = alloc (h, 60 * MB);
  g_assert_cmpuint (shu_heap_held (h), >=, 64 * MB);
  let_go (h, a);
  let_go (h, b);
  shu_heap_trim (h);
  g_assert_cmpuint (shu_heap_held (h), ==, 0);
  shu_heap_destroy (h);
  g_hash_table_remove_all (blocks_at);
}

/* Whatever is asked for, blocks do not overlap, and what is held is not much
 * more than what was in use. */
static void
test_random (void)
{
  enum { N = 200 };

  ShuHeap *h = shu_heap_new (SHU_NOWHERE);

  struct {
    char *p;
    gsize size;
  } blocks[N] = {{NULL, 0}};

  gsize live = 0, peak = 0;

  for (int round = 0; round < 20000; round++) {
    int i = g_test_rand_int_range (0, N);

    if (blocks[i].p) {
      let_go (h, blocks[i].p);
      live -= blocks[i].size;
      blocks[i].p = NULL;
      continue;
    }
    blocks[i].size = (gsize) 1 << g_test_rand_int_range (8, 25);
    blocks[i].size += (gsize) g_test_rand_int_range (0, 1 << 16);
    blocks[i].p = alloc (h, blocks[i].size);
    live += blocks[i].size;
    peak = MAX (peak, live);
    for (int k = 0; k < N; k++)
      g_assert_true (k == i || !blocks[k].p ||
                     blocks[k].p + blocks[k].size <= blocks[i].p ||
                     blocks[i].p + blocks[i].size <= blocks[k].p);
  }
  g_assert_cmpuint (shu_heap_held (h), <, 2 * peak);
  for (int i = 0; i < N; i++)
    if (blocks[i].p)
      let_go (h, blocks[i].p);
  shu_heap_destroy (h);
  g_hash_table_remove_all (blocks_at);
}

int
main (int argc, char **argv)
{
  int ret;

  g_test_init (&argc, &argv, NULL);
  blocks_at = g_hash_table_new (NULL, NULL);
  g_test_add_func ("/tensor/heap/reuses_holes", test_reuses_holes);
  g_test_add_func ("/tensor/heap/joins_neighbours", test_joins_neighbours);
  g_test_add_func ("/tensor/heap/takes_the_best", test_takes_the_best);
  g_test_add_func ("/tensor/heap/trim", test_trim);
  g_test_add_func ("/tensor/heap/random", test_random);
  ret = g_test_run ();
  g_hash_table_unref (blocks_at);
  return ret;
}
