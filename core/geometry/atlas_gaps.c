/* SPDX-License-Identifier: MIT */
/* What lies between packed charts, on a grid of cells: as bits, of which a word
 * holds 64 of a row. */
#include "geometry/atlas_private.h"
#include <math.h>
#include <string.h>

enum { BAND = 32 /* rows a task */ };

/* Two cells of different charts come too near: how strongly what is between
 * them spreads, a power of what is missing. */
static const float push = 3;

ShuGaps *
shu_gaps_new (int side, int gutter)
{
  ShuGaps *g = g_new0 (ShuGaps, 1);
  gsize n;

  g->side = side;
  g->words = (side + 63) / 64;
  g->gutter = gutter;
  n = (gsize) side * g->words;
  g->chart = g_new (gint32, (gsize) side * side);
  g->taken = g_new0 (guint64, n);
  g->rim = g_new0 (guint64, n);
  g->dense = g_new0 (float, (gsize) side *side);
  return g;
}

void
shu_gaps_free (ShuGaps *g)
{
  g_free (g->chart);
  g_free (g->taken);
  g_free (g->rim);
  g_free (g->dense);
  g_free (g);
}

static guint64 *
row (const ShuGaps *g, guint64 *bits, int y)
{
  return bits + (gsize) y * g->words;
}

/* Cells of charts that have a free one above, below or beside them. */
static void
find_rim (const ShuGaps *g, int y)
{
  const guint64 *p = row (g, g->taken, y);
  const guint64 *up = y > 0 ? p - g->words : p;
  const guint64 *down = y + 1 < g->side ? p + g->words : p;
  guint64 *to = row (g, g->rim, y);
  int last = (g->side - 1) % 64;

  for (int i = 0; i < g->words; i++) {
    guint64 left = p[i] << 1, right = p[i] >> 1;

    /* What is beyond the grid counts as taken. */
    left |= i > 0 ? p[i - 1] >> 63 : 1;
    if (i + 1 < g->words)
      right |= p[i + 1] << 63;
    else
      right |= (guint64) 1 << last;
    to[i] = p[i] & ~(left & right & up[i] & down[i]);
  }
}

int
shu_gaps_look (ShuGaps *g, const ShuRaster *r, const ShuMesh *mesh,
    const gint32 *chart_of_vertex)
{
  int side = g->side, n_taken = 0;

  g_assert (r->width == side && r->height == side);
#pragma omp parallel for schedule(static) reduction(+ : n_taken)
  for (int y = 0; y < side; y++) {
    const gint32 *face = r->face + (gsize) y * side;
    gint32 *chart = g->chart + (gsize) y * side;
    guint64 *taken = row (g, g->taken, y);

    memset (taken, 0, g->words * sizeof *taken);
    for (int x = 0; x < side; x++) {
      chart[x] =
          face[x] < 0 ? -1 : chart_of_vertex[mesh->faces[3 * (gsize) face[x]]];
      if (face[x] >= 0) {
        taken[x / 64] |= (guint64) 1 << (x % 64);
        n_taken++;
      }
    }
  }
#pragma omp parallel for schedule(static)
  for (int y = 0; y < side; y++)
    find_rim (g, y);
  return n_taken;
}

/* out |= in, moved by @reach cells and less to both sides. */
static void
widen_row (const ShuGaps *g, const guint64 *in, int reach, guint64 *out)
{
  memcpy (out, in, g->words * sizeof *out);
  for (int s = 1; s <= reach; s++)
    for (int i = 0; i < g->words; i++) {
      out[i] |= in[i] << s | in[i] >> s;
      if (i > 0)
        out[i] |= in[i - 1] >> (64 - s);
      if (i + 1 < g->words)
        out[i] |= in[i + 1] << (64 - s);
    }
}

/* The cells of the grid that a cell of the flow stands for: at least one. */
static void
cell_range (int side, int cell, int *ret_from, int *ret_to)
{
  *ret_from = cell * side / SHU_FLOW_SIDE;
  *ret_to = MAX (*ret_from + 1, (cell + 1) * side / SHU_FLOW_SIDE);
}

void
shu_gaps_spread (const ShuGaps *g, float rest, float *ret_rho)
{
  int side = g->side, reach = MIN (63, (g->gutter + 2) / 2);
  g_autofree guint64 *wide = g_new (guint64, (gsize) side * g->words);

#pragma omp parallel for schedule(static)
  for (int y = 0; y < side; y++)
    widen_row (g, row (g, g->taken, y), reach, row (g, wide, y));
#pragma omp parallel for schedule(static)
  for (int cy = 0; cy < SHU_FLOW_SIDE; cy++) {
    g_autofree int *count = g_new0 (int, SHU_FLOW_SIDE);
    g_autofree guint64 *all = g_new (guint64, g->words);
    int y0, y1, x0, x1;

    cell_range (side, cy, &y0, &y1);
    for (int y = y0; y < y1; y++) {
      memset (all, 0, g->words * sizeof *all);
      for (int v = MAX (0, y - reach); v <= MIN (side - 1, y + reach); v++)
        for (int i = 0; i < g->words; i++)
          all[i] |= row (g, wide, v)[i];
      for (int cx = 0; cx < SHU_FLOW_SIDE; cx++) {
        cell_range (side, cx, &x0, &x1);
        for (int x = x0; x < x1; x++)
          count[cx] += all[x / 64] >> (x % 64) & 1;
      }
    }
    for (int cx = 0; cx < SHU_FLOW_SIDE; cx++) {
      cell_range (side, cx, &x0, &x1);
      ret_rho[cy * SHU_FLOW_SIDE + cx] =
          rest + (1 - rest) * count[cx] / ((x1 - x0) * (y1 - y0));
    }
  }
}

/* A cell and the nearest one of another chart, @d away. */
typedef struct {
  gint16 x, y, u, v, d;
} Pair;

/* Bits x0..x0+n-1 of a row, n <= 64; those beyond it are 0. */
static guint64
take_bits (const guint64 *p, int words, int x0, int n)
{
  int i = x0 >> 6, s = x0 & 63;
  guint64 v = i >= 0 && i < words ? p[i] >> s : 0;

  if (s && i + 1 >= 0 && i + 1 < words)
    v |= p[i + 1] << (64 - s);
  return n < 64 ? v & (((guint64) 1 << n) - 1) : v;
}

/* The nearest cell of another chart, within the gutter or just beyond. */
static gboolean
find_other (const ShuGaps *g, int x, int y, Pair *ret)
{
  int most = g->gutter + 2, side = g->side;
  gint32 own = g->chart[(gsize) y * side + x];

  ret->d = (gint16) most;
  for (int v = MAX (0, y - most + 1); v < MIN (side, y + most); v++) {
    guint64 *rim = row (g, g->rim, v);
    int by_row = ABS (v - y);

    for (int x0 = x - ret->d + 1; by_row < ret->d && x0 < x + ret->d;
         x0 += 64) {
      guint64 bits = take_bits (rim, g->words, x0, MIN (64, x + ret->d - x0));

      for (; bits; bits &= bits - 1) {
        int u = x0 + __builtin_ctzll (bits), d = MAX (by_row, ABS (u - x));

        if (d < ret->d && g->chart[(gsize) v * side + u] != own)
          *ret = (Pair){
              (gint16) x, (gint16) y, (gint16) u, (gint16) v, (gint16) d};
      }
    }
  }
  return ret->d < most;
}

static GArray *
find_pairs (const ShuGaps *g, int y0, int y1)
{
  GArray *pairs = g_array_new (FALSE, FALSE, sizeof (Pair));

  for (int y = y0; y < y1; y++)
    for (int i = 0; i < g->words; i++)
      for (guint64 bits = row (g, g->rim, y)[i]; bits; bits &= bits - 1) {
        Pair p;

        if (find_other (g, 64 * i + __builtin_ctzll (bits), y, &p))
          g_array_append_val (pairs, p);
      }
  return pairs;
}

/* What is between the two becomes dense. */
static void
add_path (const ShuGaps *g, const Pair *p, GArray *touched)
{
  float dense = powf ((g->gutter + 3.f) / p->d, push);

  for (int i = 0; i <= p->d; i++) {
    gint32 at = (p->y + (p->v - p->y) * i / p->d) * g->side + p->x +
                (p->u - p->x) * i / p->d;

    if (g->dense[at] == 0)
      g_array_append_val (touched, at);
    g->dense[at] = MAX (g->dense[at], dense);
  }
}

int
shu_gaps_part (const ShuGaps *g, float *ret_rho)
{
  int side = g->side, n_bands = (side + BAND - 1) / BAND, n_close = 0;
  g_autofree GArray **pairs = g_new (GArray *, n_bands);
  g_autoptr (GArray) touched = g_array_new (FALSE, FALSE, sizeof (gint32));

#pragma omp parallel for schedule(dynamic, 1)
  for (int b = 0; b < n_bands; b++)
    pairs[b] = find_pairs (g, b * BAND, MIN (side, (b + 1) * BAND));
  for (int i = 0; i < SHU_FLOW_SIDE * SHU_FLOW_SIDE; i++)
    ret_rho[i] = 1;
  for (int b = 0; b < n_bands; b++) {
    for (guint i = 0; i < pairs[b]->len; i++) {
      const Pair *p = &g_array_index (pairs[b], Pair, i);
      n_close += p->d <= g->gutter;
      add_path (g, p, touched);
    }
    g_array_unref (pairs[b]);
  }
  /* Cells of the flow that are smaller than one of the grid share it. */
  for (guint i = 0; i < touched->len; i++) {
    gint32 at = g_array_index (touched, gint32, i);
    int x = at % side, y = at / side;

    for (int cy = y * SHU_FLOW_SIDE / side;
         cy <= ((y + 1) * SHU_FLOW_SIDE - 1) / side; cy++)
      for (int cx = x * SHU_FLOW_SIDE / side;
           cx <= ((x + 1) * SHU_FLOW_SIDE - 1) / side; cx++) {
        int x0, x1, y0, y1;

        cell_range (side, cx, &x0, &x1);
        cell_range (side, cy, &y0, &y1);
        if (x >= x0 && x < x1 && y >= y0 && y < y1)
          ret_rho[cy * SHU_FLOW_SIDE + cx] +=
              (g->dense[at] - 1) / ((x1 - x0) * (y1 - y0));
      }
    g->dense[at] = 0;
  }
  return n_close;
}
