/* SPDX-License-Identifier: MIT */
/* Packs charts as bitmaps: each, in some order, goes where it fits nearest to
 * the top, in the best of several turns.  All places of a row are tested
 * at once: a run of L cells fits at x when no bit of row[x..x+L-1] is set, and
 * the union of such a window is that of two windows of the next lower power of
 * two.  Several orders are tried at a scale, and the scale grows as long as
 * any of them fits. */
#include "geometry/atlas_private.h"
#include <math.h>
#include <string.h>

enum {
  N_ANGLES = 24, /* tried for the smallest box, over a quarter turn */
  N_LEVELS = 11, /* windows of 1, 2, .. 1024 cells */
  N_TURNS = 4,
  N_ORDERS = 4,
  N_FINE_ORDERS = 2,
  FINE_GRID = 1024,
  MANY_CHARTS = 400, /* beyond them fewer orders are tried */
  PATIENCE = 2,      /* scales that may fail before one is the largest */
  MAX_SCALES = 64,   /* that are tried */
};

static const float scale_step = 1.007f;
static const float first_share = 0.66f; /* of the square, to begin with */

/* A chart in one of its turns. */
typedef struct {
  int w, h;
  GArray *spans; /* of ShuSpan, longest first */
} Shape;

typedef Shape Turns[N_TURNS];

typedef struct {
  int grid;
  int words;        /* of 64 cells a row */
  guint64 *windows; /* [grid, N_LEVELS, words]: unions of 2^k cells from x on */
  int *longest;     /* [grid] free cells in a row, to skip full rows */
} Board;

/* Where a chart goes: nearest to the top, then to the left. */
typedef struct {
  int x, y;
  int turn;
  int bottom;
} Place;

double
shu_chart_smallest_box (const ShuChart *c, double *ret_angle, float *ret_side)
{
  double best = G_MAXDOUBLE, lo[2], hi[2];

  for (int i = 0; i < N_ANGLES; i++) {
    double a = i * (G_PI / 2) / N_ANGLES;
    shu_chart_box (c->uv, c->n_verts, cos (a), sin (a), lo, hi);
    double size = (hi[0] - lo[0]) * (hi[1] - lo[1]);
    if (size >= best * (1 - 1e-6))
      continue;
    best = size;
    if (ret_angle)
      *ret_angle = a;
    if (ret_side)
      *ret_side = (float) MAX (hi[0] - lo[0], hi[1] - lo[1]);
  }
  return best;
}

void
shu_chart_align (ShuChart *c)
{
  double angle = 0, lo[2], hi[2], cs, sn;

  shu_chart_smallest_box (c, &angle, NULL);
  cs = cos (angle), sn = sin (angle);
  shu_chart_box (c->uv, c->n_verts, cs, sn, lo, hi);
  for (int i = 0; i < c->n_verts; i++) {
    double u = c->uv[2 * i], v = c->uv[2 * i + 1];
    c->uv[2 * i] = (float) MAX (0, cs * u - sn * v - lo[0]);
    c->uv[2 * i + 1] = (float) MAX (0, sn * u + cs * v - lo[1]);
  }
}

/* The map turned by @turn, its corner at (0,0). */
static float *
turned_uv (const ShuChart *c, int turn)
{
  double a = turn * (2 * G_PI / N_TURNS), cs = cos (a), sn = sin (a);
  double lo[2], hi[2];
  float *uv = g_new (float, 2 * (gsize) c->n_verts);

  shu_chart_box (c->uv, c->n_verts, cs, sn, lo, hi);
  for (int i = 0; i < c->n_verts; i++) {
    double u = c->uv[2 * i], v = c->uv[2 * i + 1];
    uv[2 * i] = (float) MAX (0, cs * u - sn * v - lo[0]);
    uv[2 * i + 1] = (float) MAX (0, sn * u + cs * v - lo[1]);
  }
  return uv;
}

void
shu_chart_place (const ShuChart *c, float scale, const float *uv, float *ret_xy)
{
  ret_xy[0] = c->cell_x + uv[0] * scale * c->density;
  ret_xy[1] = c->cell_y + uv[1] * scale * c->density;
}

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
fit_row (const Board *b, const Shape *shape, int margin, int y)
{
  guint64 taken[1024 / 64] = {0};
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
    int y1 = MIN (b->grid - 1, y + s->row + gutter);
    for (int r = y0; r <= y1; r++) {
      guint64 *w = window (b, r, 0);
      for (int c = x0; c <= x1; c++)
        w[c / 64] |= (guint64) 1 << (c % 64);
    }
  }
}

static gboolean
find_place (const Board *b, const Shape *turns, int margin, Place *ret)
{
  *ret = (Place){.bottom = G_MAXINT};
  for (int q = 0; q < N_TURNS; q++) {
    int limit = MIN (b->grid - margin, ret->bottom);
    for (int y = margin; y + turns[q].h <= limit; y++) {
      int x = fit_row (b, turns + q, margin, y);
      if (x < 0)
        continue;
      if (y + turns[q].h < ret->bottom ||
          (y + turns[q].h == ret->bottom && x < ret->x))
        *ret = (Place){x, y, q, y + turns[q].h};
      break;
    }
  }
  return ret->bottom < G_MAXINT;
}

static Turns *
draw_shapes (GPtrArray *charts, float scale, float reach)
{
  Turns *shapes = g_new (Turns, charts->len);

#pragma omp parallel for schedule(dynamic, 4)
  for (guint i = 0; i < charts->len * N_TURNS; i++) {
    const ShuChart *c = charts->pdata[i / N_TURNS];
    g_autofree float *uv = turned_uv (c, i % N_TURNS);
    ShuMask m = shu_mask_draw (c, uv, scale, reach);

    shapes[i / N_TURNS][i % N_TURNS] = (Shape){m.w, m.h, shu_mask_spans (&m)};
    g_free (m.bits);
  }
  return shapes;
}

static void
free_shapes (Turns *shapes, int n)
{
  for (int i = 0; i < n; i++)
    for (int q = 0; q < N_TURNS; q++)
      g_array_unref (shapes[i][q].spans);
  g_free (shapes);
}

/* Packs all in the order given.  Returns: FALSE where one does not fit */
static gboolean
pack_in_order (Turns *shapes, const int *order, int n, const ShuPackGrid *g,
    Place *ret_places)
{
  int grid = g->side, gutter = g->gutter;
  int words = (grid + 63) / 64, margin = gutter / 2;
  g_autofree guint64 *windows =
      g_new0 (guint64, (gsize) grid * N_LEVELS * words);
  g_autofree int *longest = g_new (int, grid);
  Board b = {grid, words, windows, longest};

  /* The left margin, and what the last word has beyond the grid. */
  for (int y = 0; y < grid; y++) {
    for (int x = 0; x < margin; x++)
      window (&b, y, 0)[0] |= (guint64) 1 << x;
    for (int x = grid; x < 64 * words; x++)
      window (&b, y, 0)[x / 64] |= (guint64) 1 << (x % 64);
    update_row (&b, y);
  }
  for (int i = 0; i < n; i++) {
    Place *p = ret_places + order[i];

    if (!find_place (&b, shapes[order[i]], margin, p))
      return FALSE;
    occupy (&b, shapes[order[i]][p->turn].spans, p->x, p->y, gutter);
    for (int y = MAX (0, p->y - gutter); y < MIN (grid, p->bottom + gutter);
         y++)
      update_row (&b, y);
  }
  return TRUE;
}

static double
chart_area (const ShuChart *c)
{
  double area = 0;

  for (int i = 0; i < c->n_faces; i++) {
    const float *p = c->uv + 2 * c->tris[3 * i];
    const float *q = c->uv + 2 * c->tris[3 * i + 1];
    const float *r = c->uv + 2 * c->tris[3 * i + 2];
    area += 0.5 * (((double) q[0] - p[0]) * ((double) r[1] - p[1]) -
                      ((double) q[1] - p[1]) * ((double) r[0] - p[0]));
  }
  return area * c->density * c->density;
}

typedef struct {
  double size;
  int chart;
} Rank;

static int
compare_ranks (gconstpointer a, gconstpointer b)
{
  const Rank *p = a, *q = b;

  if (p->size != q->size)
    return p->size > q->size ? -1 : 1;
  return p->chart - q->chart;
}

/* A number in 0..1 that looks random. */
static double
shuffle (guint a, guint b)
{
  guint32 h = (a + 1) * 2654435761u ^ (b + 1) * 2246822519u;

  h = (h ^ h >> 15) * 2246822519u;
  h = (h ^ h >> 13) * 3266489917u;
  return (h ^ h >> 16) / 4294967296.0;
}

/* Orders to pack in: large first, where large is measured by the box, the
 * area, or the box with a little chance in it. */
static void
make_orders (GPtrArray *charts, int *ret_orders)
{
  guint n = charts->len;
  g_autofree Rank *ranks = g_new (Rank, n);

  for (int k = 0; k < N_ORDERS; k++) {
    for (guint i = 0; i < n; i++) {
      const ShuChart *c = charts->pdata[i];
      double lo[2], hi[2], size;
      shu_chart_box (c->uv, c->n_verts, 1, 0, lo, hi);
      size = c->density * (MAX (hi[0], hi[1]) + 0.5 * MIN (hi[0], hi[1]));
      if (k == 1)
        size = chart_area (c);
      else if (k > 1)
        size *= 1 + 0.08 * k * (shuffle (k, i) - 0.5);
      ranks[i] = (Rank){size, i};
    }
    qsort (ranks, n, sizeof (Rank), compare_ranks);
    for (guint i = 0; i < n; i++)
      ret_orders[k * n + i] = ranks[i].chart;
  }
}

/* Tries the orders at one scale.  Returns: whether one of them fits; the
 * charts lie as the first of these says */
static gboolean
pack_at (GPtrArray *charts, const int *orders, int n_orders,
    const ShuPackGrid *g, float scale)
{
  int n = charts->len, found = -1;
  g_autofree Place *places = g_new (Place, (gsize) n_orders * n);
  gboolean ok[N_ORDERS] = {FALSE};
  Turns *shapes;

  for (int i = 0; i < n; i++) {
    const ShuChart *c = charts->pdata[i];
    double lo[2], hi[2];
    shu_chart_box (c->uv, c->n_verts, 1, 0, lo, hi);
    if (MAX (hi[0], hi[1]) * scale * c->density > 2 * g->side)
      return FALSE;
  }
  shapes = draw_shapes (charts, scale, g->reach);
#pragma omp parallel for schedule(dynamic, 1)
  for (int k = 0; k < n_orders; k++)
    ok[k] = pack_in_order (
        shapes, orders + (gsize) k * n, n, g, places + (gsize) k * n);
  for (int k = n_orders - 1; k >= 0; k--)
    if (ok[k])
      found = k;
  for (int i = 0; found >= 0 && i < n; i++) {
    const Place *p = places + (gsize) found * n + i;
    ShuChart *c = charts->pdata[i];
    c->cell_x = p->x;
    c->cell_y = p->y;
    c->turn = p->turn;
  }
  free_shapes (shapes, n);
  return found >= 0;
}

/* The largest scale at which an order fits, from @scale on: down until it
 * does, up until it does not; 0 where nothing does. */
static float
find_scale (GPtrArray *charts, const int *orders, int n_orders,
    const ShuPackGrid *g, float scale)
{
  float best = 0;
  int n_failed = 0;

  for (int i = 0; i < MAX_SCALES; i++) {
    if (pack_at (charts, orders, n_orders, g, scale)) {
      best = scale;
      n_failed = 0;
      scale *= scale_step;
    } else if (best > 0) {
      if (++n_failed == PATIENCE)
        break;
      scale *= scale_step;
    } else {
      scale *= i < 8 ? 1 / (scale_step * scale_step) : 0.85f;
    }
  }
  return best;
}

float
shu_charts_pack (GPtrArray *charts, const ShuPackGrid *g)
{
  int n = charts->len, n_orders = n <= MANY_CHARTS ? N_ORDERS : 2;
  g_autofree int *orders = g_new (int, (gsize) N_ORDERS *MAX (1, n));
  double area = 0;
  float scale;

  g_assert (g->side <= 1024);
  for (int i = 0; i < n; i++)
    area += chart_area (charts->pdata[i]);
  if (!(area > 0))
    return 0;
  make_orders (charts, orders);
  scale = (float) (sqrt (first_share / area) * g->side);
  if (g->side < FINE_GRID || n > MANY_CHARTS) {
    scale = find_scale (charts, orders, n_orders, g, scale);
  } else {
    /* On half the grid first, which is many times as fast. */
    ShuPackGrid half = {g->side / 2, (g->gutter + 1) / 2, g->reach};
    scale = find_scale (charts, orders, n_orders, &half, scale / 2);
    scale = find_scale (
        charts, orders, N_FINE_ORDERS, g, 2 * scale * scale_step * scale_step);
  }
  for (int i = 0; i < n; i++) {
    ShuChart *c = charts->pdata[i];
    float *uv = turned_uv (c, c->turn);
    g_free (c->uv);
    c->uv = uv;
    c->turn = 0;
  }
  if (scale > 0 && n <= MANY_CHARTS)
    shu_charts_inflate (charts, g, scale);
  return scale;
}
