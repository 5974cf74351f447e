/* SPDX-License-Identifier: MIT */
/* A board on which charts are put as bitmaps: each goes where it fits nearest
 * to the top, in the best of its turns.  All places of a row are tested
 * at once: a run of L cells fits at x when no bit of row[x..x+L-1] is set, and
 * the union of such a window is that of two windows of the next lower power of
 * two. */
#include "geometry/atlas_private.h"
#include <string.h>

enum {
  MAX_WORDS = 1024 / 64,
};

typedef struct {
  int grid;         /* cells a row */
  int rows;         /* rows there are */
  int words;        /* of 64 cells a row; one more that is 0 follows */
  int levels;       /* of windows: the last no wider than a row */
  guint64 *windows; /* [rows, levels, words+1]: unions of 2^k cells from x on */
  int *longest;     /* [rows] free cells in a row, to skip full rows */
} Board;

static guint64 *
window (const Board *b, int row, int level)
{
  return b->windows + ((gsize) row * b->levels + level) * (b->words + 1);
}

/* Word @i of a row moved by so many cells, less than 64 and at least 0, towards
 * its start. */
static inline guint64
shifted (const guint64 *in, int i, int bits)
{
  return in[i] >> bits | in[i + 1] << 1 << (63 - bits);
}

/* out |= in >> shift, over @words of a row; what lies beyond it counts as free.
 */
static inline void
or_shifted (
    const Board *b, guint64 *out, const guint64 *in, int words, int shift)
{
  int skip = shift / 64, n = MIN (words, b->words - skip);

  for (int i = 0; i < n; i++)
    out[i] |= shifted (in + skip, i, shift % 64);
}

static void
set_bits (guint64 *bits, int from, int to)
{
  for (int x = from; x < to; x = (x / 64 + 1) * 64) {
    guint64 word = ~(guint64) 0 << (x % 64);

    if (to / 64 == x / 64)
      word &= ((guint64) 1 << (to % 64)) - 1;
    bits[x / 64] |= word;
  }
}

static inline gboolean
is_full (const guint64 *taken, int words)
{
  guint64 all = ~(guint64) 0;

  for (int j = 0; j < words; j++)
    all &= taken[j];
  return all == ~(guint64) 0;
}

/* taken |= places at which a run of @len cells, @first cells on, meets others
 */
static inline void
test_run (
    const Board *b, int row, int first, int len, int words, guint64 *taken)
{
  int k = g_bit_storage (len) - 1;
  const guint64 *w = window (b, row, k);

  or_shifted (b, taken, w, words, first);
  or_shifted (b, taken, w, words, first + len - (1 << k));
}

/* The longest run of free cells; those beyond the row are taken. */
static int
longest_run (const guint64 *row, int words)
{
  int longest = 0, run = 0;

  for (int i = 0; i < words; i++) {
    guint64 left = row[i];
    int n = 64; /* bits that are left */

    while (left) {
      int n_free = __builtin_ctzll (left), n_taken;

      longest = MAX (longest, run + n_free);
      run = 0;
      left >>= n_free;
      n_taken = ~left ? __builtin_ctzll (~left) : 64;
      left = n_taken < 64 ? left >> n_taken : 0;
      n -= n_free + n_taken;
    }
    run += n;
  }
  return MAX (longest, run);
}

/* Of @levels windows, as no longer runs are asked for any more. */
static void
update_row (Board *b, int row, int levels)
{
  for (int k = 1; k < levels; k++) {
    const guint64 *in = window (b, row, k - 1);
    guint64 *wide = window (b, row, k);
    int shift = 1 << (k - 1), n = b->words - shift / 64;

    memcpy (wide, in, b->words * sizeof *wide);
    or_shifted (b, wide, in, n, shift);
  }
  b->longest[row] = longest_run (window (b, row, 0), b->words);
}

/* First x at which the shape fits with its top at row @y, or -1. */
static int
fit_row (const Board *b, const ShuShape *shape, int margin, int y)
{
  guint64 taken[MAX_WORDS];
  const ShuSpan *spans = (const ShuSpan *) shape->spans->data;
  int n = shape->spans->len, places = b->grid - margin - shape->w + 1;
  int words = (places + 63) / 64; /* that hold places */

  if (places <= 0)
    return -1;
  memset (taken, 0, words * sizeof *taken);
  set_bits (taken, places, 64 * words);
  for (int i = 0; i < n; i++) {
    const ShuSpan *s = spans + i;
    int len = s->last - s->first + 1;

    if (len > b->longest[y + s->row])
      return -1;
    test_run (b, y + s->row, s->first, len, words, taken);
    if (is_full (taken, words))
      return -1;
  }
  for (int j = 0; j < words; j++)
    if (taken[j] != ~(guint64) 0)
      return 64 * j + __builtin_ctzll (~taken[j]);
  return -1;
}

/* Marks the mask, grown by the gutter, as taken. */
static void
occupy (Board *b, const GArray *spans, int x, int y, int gutter)
{
  for (guint i = 0; i < spans->len; i++) {
    const ShuSpan *s = &g_array_index (spans, ShuSpan, i);
    int x0 = MAX (0, x + s->first - gutter);
    int x1 = MIN (b->grid - 1, x + s->last + gutter);
    int y0 = MAX (0, y + s->row - gutter);
    int y1 = MIN (b->rows - 1, y + s->row + gutter);
    for (int r = y0; r <= y1; r++)
      set_bits (window (b, r, 0), x0, x1 + 1);
  }
}

/* Returns: whether there is one that ends above @limit */
static gboolean
find_place (
    const Board *b, const ShuShape *turns, int margin, int limit, ShuPlace *ret)
{
  *ret = (ShuPlace){.bottom = G_MAXINT};
  for (int q = 0; q < SHU_N_TURNS; q++) {
    int end = MIN (limit - margin, ret->bottom);
    for (int y = margin; y + turns[q].h <= end; y++) {
      int x = fit_row (b, turns + q, margin, y);
      if (x < 0)
        continue;
      if (y + turns[q].h < ret->bottom ||
          (y + turns[q].h == ret->bottom && x < ret->x))
        *ret = (ShuPlace){x, y, q, y + turns[q].h};
      break;
    }
  }
  return ret->bottom < G_MAXINT;
}

/* Windows that the charts from the @i-th on may ask for. */
static void
count_levels (const ShuTurns *shapes, const int *order, int n, int *ret_levels)
{
  int longest = 1;

  for (int i = n - 1; i >= 0; i--) {
    const ShuShape *s = shapes[order[i]];

    longest = MAX (longest, MAX (s->w, s->h));
    ret_levels[i] = g_bit_storage (longest);
  }
}

int
shu_board_pack (const ShuTurns *shapes, const int *order, int n,
    const ShuPackGrid *g, int limit, ShuPlace *ret_places)
{
  int grid = g->side, gutter = g->gutter, bottom = 0;
  int words = (grid + 63) / 64, margin = gutter / 2;
  int levels = g_bit_storage (grid);
  gsize a_row = (gsize) levels * (words + 1);
  g_autofree guint64 *windows = g_new0 (guint64, limit * a_row);
  g_autofree int *longest = g_new (int, limit);
  g_autofree int *needed = g_new (int, n + 1);
  Board b = {grid, limit, words, levels, windows, longest};

  g_assert (words <= MAX_WORDS);
  count_levels (shapes, order, n, needed);
  /* The left margin, and what the last word has beyond the grid. */
  set_bits (window (&b, 0, 0), 0, margin);
  set_bits (window (&b, 0, 0), grid, 64 * words);
  update_row (&b, 0, levels);
  for (int y = 1; y < limit; y++) {
    memcpy (window (&b, y, 0), windows, a_row * sizeof *windows);
    longest[y] = longest[0];
  }
  for (int i = 0; i < n; i++) {
    ShuPlace *p = ret_places + order[i];

    if (shu_progress_stops (g->progress) ||
        !find_place (&b, shapes[order[i]], margin, limit, p))
      return 0;
    bottom = MAX (bottom, p->bottom);
    if (i + 1 == n)
      break;
    occupy (&b, shapes[order[i]][p->turn].spans, p->x, p->y, gutter);
    for (int y = MAX (0, p->y - gutter); y < MIN (limit, p->bottom + gutter);
         y++)
      update_row (&b, y, MIN (levels, needed[i + 1]));
  }
  return bottom + margin;
}
