/* SPDX-License-Identifier: MIT */
/* A board on which charts are put as bitmaps: each goes where it fits nearest
 * to the top, in the best of its turns.  All places of a row are tested
 * at once: a run of L cells fits at x when no bit of row[x..x+L-1] is set, and
 * the union of such a window is that of two windows of the next lower power of
 * two. */
#include "geometry/atlas_private.h"
#include <string.h>

enum {
  N_LEVELS = 11, /* windows of 1, 2, .. 1024 cells */
  MAX_WORDS = 1024 / 64,
};

typedef struct {
  int grid;         /* cells a row */
  int rows;         /* rows there are */
  int words;        /* of 64 cells a row */
  guint64 *windows; /* [rows, N_LEVELS, words]: unions of 2^k cells from x on */
  int *longest;     /* [rows] free cells in a row, to skip full rows */
} Board;

static guint64 *
window (const Board *b, int row, int level)
{
  return b->windows + ((gsize) row * N_LEVELS + level) * b->words;
}

/* out |= in >> shift, over a row; what lies beyond counts as free. */
static void
or_shifted (guint64 *out, const guint64 *in, int words, int shift)
{
  int skip = shift / 64, bits = shift % 64;

  for (int i = 0; i + skip < words; i++) {
    guint64 v = in[i + skip] >> bits;
    if (bits && i + skip + 1 < words)
      v |= in[i + skip + 1] << (64 - bits);
    out[i] |= v;
  }
}

static void
update_row (Board *b, int row)
{
  const guint64 *w = window (b, row, 0);
  int run = 0, longest = 0;

  for (int k = 1; k < N_LEVELS; k++) {
    guint64 *wide = window (b, row, k);
    memcpy (wide, window (b, row, k - 1), b->words * sizeof (guint64));
    or_shifted (wide, window (b, row, k - 1), b->words, 1 << (k - 1));
  }
  for (int x = 0; x < b->grid; x++) {
    run = w[x / 64] >> (x % 64) & 1 ? 0 : run + 1;
    longest = MAX (longest, run);
  }
  b->longest[row] = longest;
}

/* First x at which the shape fits with its top at row @y, or -1. */
static int
fit_row (const Board *b, const ShuShape *shape, int margin, int y)
{
  guint64 taken[MAX_WORDS] = {0};
  const ShuSpan *spans = (const ShuSpan *) shape->spans->data;
  int n = shape->spans->len;

  for (int i = 0; i < n; i++)
    if (spans[i].last - spans[i].first >= b->longest[y + spans[i].row])
      return -1;
  for (int i = 0; i < n; i++) {
    const ShuSpan *s = spans + i;
    int len = s->last - s->first + 1, k = g_bit_storage (len) - 1;
    const guint64 *w = window (b, y + s->row, k);

    or_shifted (taken, w, b->words, s->first);
    or_shifted (taken, w, b->words, s->last + 1 - (1 << k));
    if (i % 4 == 3) {
      guint64 all = ~(guint64) 0;
      for (int j = 0; j < b->words; j++)
        all &= taken[j];
      if (all == ~(guint64) 0)
        return -1;
    }
  }
  for (int j = 0; j < b->words; j++)
    if (taken[j] != ~(guint64) 0) {
      int x = 64 * j + g_bit_nth_lsf (~taken[j], -1);
      return x + shape->w + margin <= b->grid ? x : -1;
    }
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
    for (int r = y0; r <= y1; r++) {
      guint64 *w = window (b, r, 0);
      for (int c = x0; c <= x1; c++)
        w[c / 64] |= (guint64) 1 << (c % 64);
    }
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

int
shu_board_pack (const ShuTurns *shapes, const int *order, int n,
    const ShuPackGrid *g, int limit, ShuPlace *ret_places)
{
  int grid = g->side, gutter = g->gutter, bottom = 0;
  int words = (grid + 63) / 64, margin = gutter / 2;
  g_autofree guint64 *windows =
      g_new0 (guint64, (gsize) limit * N_LEVELS * words);
  g_autofree int *longest = g_new (int, limit);
  Board b = {grid, limit, words, windows, longest};

  g_assert (words <= MAX_WORDS);
  /* The left margin, and what the last word has beyond the grid. */
  for (int y = 0; y < limit; y++) {
    for (int x = 0; x < margin; x++)
      window (&b, y, 0)[0] |= (guint64) 1 << x;
    for (int x = grid; x < 64 * words; x++)
      window (&b, y, 0)[x / 64] |= (guint64) 1 << (x % 64);
    update_row (&b, y);
  }
  for (int i = 0; i < n; i++) {
    ShuPlace *p = ret_places + order[i];

    if (!find_place (&b, shapes[order[i]], margin, limit, p))
      return 0;
    bottom = MAX (bottom, p->bottom);
    occupy (&b, shapes[order[i]][p->turn].spans, p->x, p->y, gutter);
    for (int y = MAX (0, p->y - gutter); y < MIN (limit, p->bottom + gutter);
         y++)
      update_row (&b, y);
  }
  return bottom + margin;
}
