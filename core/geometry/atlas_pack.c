/* SPDX-License-Identifier: MIT */
/* Packs charts into a square: in which order they are put on the board decides
 * how well they fit.  A coarse board, where a trial takes a millisecond or two,
 * finds good orders by changing the best one at random; the full board then
 * finds the largest scale at which one of these fits. */
#include "geometry/atlas_private.h"
#include <math.h>
#include <string.h>

enum {
  COARSE = 256,      /* cells a side of the coarse board */
  N_BATCH = 16,      /* orders that are tried at a time, whatever the threads */
  N_TRIALS = 16,     /* batches */
  N_ORDERS = 16,     /* of which the full board tries each */
  FEW_CHARTS = 64,   /* beyond them fewer changes are tried */
  MANY_CHARTS = 400, /* beyond them fewer orders, too */
  PATIENCE = 1,      /* scales that may fail before one is the largest */
  MAX_SCALES = 64,   /* that are tried */
};

/* Of scales; of very many charts wide ones first */
static const float fine_step = 1.008f, coarse_step = 1.03f, wide_step = 1.2f;
static const float first_share = 0.72f; /* of the square, to begin with */

void
shu_chart_align (ShuChart *c)
{
  double angle = 0, lo[2], hi[2], cs, sn;
  int n;
  g_autofree float *uv = shu_outer_points (c->uv, c->n_verts, &n);

  shu_smallest_box (uv, n, &angle, NULL);
  cs = cos (angle), sn = sin (angle);
  shu_chart_box (c->uv, c->n_verts, cs, sn, lo, hi);
  for (int i = 0; i < c->n_verts; i++) {
    double u = c->uv[2 * i], v = c->uv[2 * i + 1];
    c->uv[2 * i] = (float) MAX (0, cs * u - sn * v - lo[0]);
    c->uv[2 * i + 1] = (float) MAX (0, sn * u + cs * v - lo[1]);
  }
}

/* Turns the map by quarters as its mask of @w x @h cells was turned. */
static void
turn_chart (ShuChart *c, float scale, int turn, int w, int h)
{
  float x = w / (scale * c->density), y = h / (scale * c->density);

  for (int i = 0; i < c->n_verts; i++) {
    float u = c->uv[2 * i], v = c->uv[2 * i + 1];
    const float to[4][2] = {{u, v}, {y - v, u}, {x - u, y - v}, {v, x - u}};
    c->uv[2 * i] = MAX (0, to[turn][0]);
    c->uv[2 * i + 1] = MAX (0, to[turn][1]);
  }
}

void
shu_chart_place (const ShuChart *c, float scale, const float *uv, float *ret_xy)
{
  ret_xy[0] = c->cell_x + uv[0] * scale * c->density;
  ret_xy[1] = c->cell_y + uv[1] * scale * c->density;
}

static ShuMask
turn_mask (const ShuMask *m, int turn)
{
  ShuMask out = {turn & 1 ? m->h : m->w, turn & 1 ? m->w : m->h};

  out.bits = g_malloc ((gsize) m->w * m->h);
  for (int y = 0; y < m->h; y++)
    for (int x = 0; x < m->w; x++) {
      const int to[4][2] = {{x, y}, {m->h - 1 - y, x},
          {m->w - 1 - x, m->h - 1 - y}, {y, m->w - 1 - x}};
      out.bits[to[turn][1] * out.w + to[turn][0]] = m->bits[y * m->w + x];
    }
  return out;
}

static ShuTurns *
draw_shapes (GPtrArray *charts, float scale, float reach)
{
  ShuTurns *shapes = g_new (ShuTurns, charts->len);

#pragma omp parallel for schedule(dynamic, 4)
  for (guint i = 0; i < charts->len; i++) {
    const ShuChart *c = charts->pdata[i];
    ShuMask m = shu_mask_draw (c, c->uv, scale, reach);

    for (int q = 0; q < SHU_N_TURNS; q++) {
      ShuMask turned = turn_mask (&m, q);
      shapes[i][q] = (ShuShape){turned.w, turned.h, shu_mask_spans (&turned)};
      g_free (turned.bits);
    }
    g_free (m.bits);
  }
  return shapes;
}

static void
free_shapes (ShuTurns *shapes, int n)
{
  for (int i = 0; i < n; i++)
    for (int q = 0; q < SHU_N_TURNS; q++)
      g_array_unref (shapes[i][q].spans);
  g_free (shapes);
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

/* Large first: by the box (@kind 0) or by the area. */
static void
make_order (GPtrArray *charts, int kind, int *ret_order)
{
  guint n = charts->len;
  g_autofree Rank *ranks = g_new (Rank, n);

  for (guint i = 0; i < n; i++) {
    const ShuChart *c = charts->pdata[i];
    double lo[2], hi[2];
    shu_chart_box (c->uv, c->n_verts, 1, 0, lo, hi);
    ranks[i] = (Rank){
        kind ? chart_area (c)
             : c->density * (MAX (hi[0], hi[1]) + 0.5 * MIN (hi[0], hi[1])),
        i};
  }
  qsort (ranks, n, sizeof (Rank), compare_ranks);
  for (guint i = 0; i < n; i++)
    ret_order[i] = ranks[i].chart;
}

/* A number below @n that looks random. */
static guint
draw_lot (guint32 *state, guint n)
{
  guint32 h = *state += 0x9e3779b9u;

  h = (h ^ h >> 16) * 0x85ebca6bu;
  h = (h ^ h >> 13) * 0xc2b2ae35u;
  return (h ^ h >> 16) % n;
}

/* Moves a few charts to other places of the order. */
static void
change_order (int *order, int n, guint32 seed)
{
  guint32 state = seed * 2654435761u;
  int n_moves = 1 + draw_lot (&state, 3);

  for (int m = 0; m < n_moves && n > 1; m++) {
    int from = draw_lot (&state, n);
    int by = (int) draw_lot (&state, 17) - 8;
    int to = CLAMP (from + by, 0, n - 1), chart = order[from];

    if (to < from)
      memmove (order + to + 1, order + to, (from - to) * sizeof (int));
    else
      memmove (order + from, order + from + 1, (to - from) * sizeof (int));
    order[to] = chart;
  }
}

/* How much of the board an order takes, in rows, and the less the better its
 * charts lie at the top. */
static double
rate_order (const ShuTurns *shapes, const int *order, int n,
    const ShuPackGrid *g, ShuPlace *places)
{
  int limit = 2 * g->side, height;
  double sum = 0;

  height = shu_board_pack (shapes, order, n, g, limit, places);
  if (!height)
    return G_MAXDOUBLE;
  for (int i = 0; i < n; i++)
    sum += places[i].bottom;
  return height + sum / n / limit;
}

/* Improves orders on a coarse board.  @ret_orders: [N_ORDERS, n], the best
 * first.  Returns: the scale at which the best should fit into the square of
 * that board */
static float
search_orders (GPtrArray *charts, const ShuPackGrid *g, float scale,
    int n_trials, int *ret_orders)
{
  int n = charts->len, n_batch = n <= MANY_CHARTS ? N_BATCH : 2;
  ShuTurns *shapes = draw_shapes (charts, scale, g->reach);
  g_autofree int *orders = g_new (int, (gsize) N_BATCH *n);
  double best[N_ORDERS];

  for (int k = 0; k < N_ORDERS; k++) {
    best[k] = G_MAXDOUBLE;
    make_order (charts, k & 1, ret_orders + (gsize) k * n);
  }
  for (int trial = 0; trial < n_trials && !shu_progress_stops (g->progress);
       trial++) {
    double rate[N_BATCH];

    for (int k = 0; k < n_batch; k++) {
      int *order = orders + (gsize) k * n;
      memcpy (
          order, ret_orders + (trial == 0 && k == 1 ? n : 0), n * sizeof (int));
      if (trial > 0 || k > 1)
        change_order (order, n, trial * N_BATCH + k);
    }
#pragma omp parallel for schedule(dynamic, 1)
    for (int k = 0; k < n_batch; k++) {
      g_autofree ShuPlace *places = g_new (ShuPlace, n);
      rate[k] = rate_order (shapes, orders + (gsize) k * n, n, g, places);
    }
    for (int k = 0; k < n_batch; k++) {
      int at = N_ORDERS;

      while (at > 0 && rate[k] < best[at - 1])
        at--;
      if (at == N_ORDERS || (at > 0 && rate[k] == best[at - 1]))
        continue;
      memmove (best + at + 1, best + at, (N_ORDERS - 1 - at) * sizeof (double));
      memmove (ret_orders + (gsize) (at + 1) * n, ret_orders + (gsize) at * n,
          (gsize) (N_ORDERS - 1 - at) * n * sizeof (int));
      best[at] = rate[k];
      memcpy (ret_orders + (gsize) at * n, orders + (gsize) k * n,
          n * sizeof (int));
    }
  }
  free_shapes (shapes, n);
  if (best[0] == G_MAXDOUBLE)
    return 0;
  return (float) (scale * sqrt (g->side / best[0]));
}

/* Tries the orders at one scale.  Returns: whether one of them fits; the
 * charts lie as the first of these says */
static gboolean
pack_at (GPtrArray *charts, const int *orders, int n_orders,
    const ShuPackGrid *g, float scale)
{
  int n = charts->len, found = -1;
  g_autofree ShuPlace *places = g_new (ShuPlace, (gsize) n_orders * n);
  int height[N_ORDERS] = {0};
  ShuTurns *shapes;

  shapes = draw_shapes (charts, scale, g->reach);
#pragma omp parallel for schedule(dynamic, 1)
  for (int k = 0; k < n_orders; k++)
    height[k] = shu_board_pack (
        shapes, orders + (gsize) k * n, n, g, g->side, places + (gsize) k * n);
  for (int k = n_orders - 1; k >= 0; k--)
    if (height[k] && (found < 0 || height[k] <= height[found]))
      found = k;
  for (int i = 0; found >= 0 && i < n; i++) {
    const ShuPlace *p = places + (gsize) found * n + i;
    ShuChart *c = charts->pdata[i];
    c->cell_x = p->x;
    c->cell_y = p->y;
    c->turn = p->turn;
    c->cell_w = shapes[i][0].w;
    c->cell_h = shapes[i][0].h;
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
  gboolean many = charts->len > MANY_CHARTS;
  float last_step = many ? coarse_step : fine_step;
  float step = many ? wide_step : fine_step;
  float best = 0;
  int n_failed = 0;

  for (int i = 0; i < MAX_SCALES && !shu_progress_stops (g->progress); i++) {
    if (pack_at (charts, orders, n_orders, g, scale)) {
      best = scale;
      n_failed = 0;
      scale *= step;
    } else if (best > 0 && step > last_step) {
      step = last_step;
      scale = best * step;
    } else if (best > 0) {
      if (++n_failed == PATIENCE)
        break;
      scale *= step;
    } else {
      step = last_step;
      scale *= i < 8 && !many ? 1 / (step * step) : 0.85f;
    }
  }
  return best;
}

/* The scale at which the longest chart is as long as the square. */
static float
largest_scale (GPtrArray *charts, int side)
{
  double longest = 0;

  for (guint i = 0; i < charts->len; i++) {
    const ShuChart *c = charts->pdata[i];
    double lo[2], hi[2];

    shu_chart_box (c->uv, c->n_verts, 1, 0, lo, hi);
    longest = MAX (longest, c->density * MAX (hi[0], hi[1]));
  }
  return (float) (side / MAX (longest, 1e-30));
}

/* A scale to begin with: the charts take their share of the board; if they are
 * many, with half of the gutters around their boxes all of it. */
static float
first_scale (GPtrArray *charts, double area, const ShuPackGrid *g)
{
  float scale = (float) sqrt (first_share / area) * g->side;
  double boxes = 0, sides = 0, rest;

  if (charts->len <= MANY_CHARTS)
    return scale;
  for (guint i = 0; i < charts->len; i++) {
    const ShuChart *c = charts->pdata[i];
    double lo[2], hi[2];

    shu_chart_box (c->uv, c->n_verts, 1, 0, lo, hi);
    boxes += c->density * c->density * hi[0] * hi[1];
    sides += c->density * (hi[0] + hi[1]) * g->gutter / 2;
  }
  rest = (double) g->side * g->side -
         (double) charts->len * g->gutter * g->gutter / 4;
  if (!(rest > 0) || !(boxes > 0))
    return scale;
  return MIN (
      scale, (float) ((sqrt (sides * sides + boxes * rest) - sides) / boxes));
}

int
shu_most_charts (const ShuPackGrid *g)
{
  int a_row = (g->side + g->gutter) / (1 + g->gutter);

  return a_row * a_row;
}

float
shu_charts_pack (GPtrArray *charts, const ShuPackGrid *g)
{
  int n = charts->len,
      n_trials = MAX (1, N_TRIALS * FEW_CHARTS / MAX (n, FEW_CHARTS));
  g_autofree int *orders = g_new0 (int, (gsize) N_ORDERS *MAX (1, n));
  int n_orders = n <= MANY_CHARTS ? N_ORDERS : 2;
  float share = (float) MIN (COARSE, g->side) / g->side, scale, found;
  ShuPackGrid coarse = {MIN (COARSE, g->side),
      MAX (1, (int) ceilf (g->gutter * share)), g->reach, g->progress};
  double area = 0;

  g_assert (g->side <= 1024);
  if (n > shu_most_charts (g))
    return 0;
  for (int i = 0; i < n; i++)
    area += chart_area (charts->pdata[i]);
  if (!(area > 0))
    return 0;
  scale = MIN (
      first_scale (charts, area, &coarse), largest_scale (charts, coarse.side));
  found = search_orders (charts, &coarse, scale, n_trials, orders);
  scale = found > 0 ? found : scale / 4;
  scale = find_scale (charts, orders, n_orders, g, scale / share);
  for (int i = 0; scale > 0 && i < n; i++) {
    ShuChart *c = charts->pdata[i];
    turn_chart (c, scale, c->turn, c->cell_w, c->cell_h);
    c->turn = 0;
  }
  return scale;
}
