/* SPDX-License-Identifier: MIT */
/* Packs charts as bitmaps: each, largest first, goes where it fits nearest to
 * the top, in the best of four quarter turns; the scale is the largest found
 * with which all fit.  All places of a row are tested at once: a run of L
 * cells fits at x when no bit of row[x..x+L-1] is set, and the union of such a
 * window is that of two windows of the next lower power of two. */
#include "geometry/atlas_private.h"
#include <math.h>
#include <string.h>

enum {
  N_ANGLES = 24, /* tried for the smallest box, over a quarter turn */
  N_LEVELS = 11, /* windows of 1, 2, .. 1024 cells */
};

/* A chart as cells. */
typedef struct {
  int w, h;
  guint8 *bits; /* [h,w] */
} Mask;

/* Cells first..last of a row. */
typedef struct {
  gint16 row, first, last;
} Span;

typedef struct {
  int grid;
  int words;        /* of 64 cells a row */
  guint64 *windows; /* [grid, N_LEVELS, words]: unions of 2^k cells from x on */
} Board;

static void
box (const float *uv, int n, double cs, double sn, double *lo, double *hi)
{
  lo[0] = lo[1] = G_MAXDOUBLE;
  hi[0] = hi[1] = -G_MAXDOUBLE;
  for (int i = 0; i < n; i++) {
    double p[2] = {cs * uv[2 * i] - sn * uv[2 * i + 1],
        sn * uv[2 * i] + cs * uv[2 * i + 1]};
    for (int d = 0; d < 2; d++) {
      lo[d] = MIN (lo[d], p[d]);
      hi[d] = MAX (hi[d], p[d]);
    }
  }
}

void
shu_chart_align (ShuChart *c)
{
  double best = G_MAXDOUBLE, angle = 0, lo[2], hi[2], cs, sn;

  for (int i = 0; i < N_ANGLES; i++) {
    double a = i * (G_PI / 2) / N_ANGLES;
    box (c->uv, c->n_verts, cos (a), sin (a), lo, hi);
    double size = (hi[0] - lo[0]) * (hi[1] - lo[1]);
    if (size < best * (1 - 1e-6)) {
      best = size;
      angle = a;
    }
  }
  cs = cos (angle), sn = sin (angle);
  box (c->uv, c->n_verts, cs, sn, lo, hi);
  for (int i = 0; i < c->n_verts; i++) {
    double u = c->uv[2 * i], v = c->uv[2 * i + 1];
    c->uv[2 * i] = (float) MAX (0, cs * u - sn * v - lo[0]);
    c->uv[2 * i + 1] = (float) MAX (0, sn * u + cs * v - lo[1]);
  }
}

static void
chart_size (const ShuChart *c, float scale, int *w, int *h)
{
  double lo[2], hi[2];

  box (c->uv, c->n_verts, 1, 0, lo, hi);
  *w = (int) floor (hi[0] * scale * c->density) + 1;
  *h = (int) floor (hi[1] * scale * c->density) + 1;
}

void
shu_chart_place (const ShuChart *c, float scale, const float *uv, float *ret_xy)
{
  float u = uv[0] * scale * c->density, v = uv[1] * scale * c->density;
  int w, h;

  chart_size (c, scale, &w, &h);
  ret_xy[0] = c->cell_x + (c->quarter == 0      ? u
                              : c->quarter == 1 ? h - v
                              : c->quarter == 2 ? w - u
                                                : v);
  ret_xy[1] = c->cell_y + (c->quarter == 0      ? v
                              : c->quarter == 1 ? u
                              : c->quarter == 2 ? h - v
                                                : w - u);
}

/* Whether the triangle touches the cell (x, y): no edge and no side of the
 * cell separates them. */
static gboolean
touches (const float (*p)[2], int x, int y)
{
  for (int k = 0; k < 3; k++) {
    const float *a = p[k], *b = p[(k + 1) % 3];
    float nx = b[1] - a[1], ny = a[0] - b[0];
    /* Corner of the cell that lies deepest on the inner side. */
    float cx = nx > 0 ? x : x + 1, cy = ny > 0 ? y : y + 1;
    if (nx * (cx - a[0]) + ny * (cy - a[1]) > 1e-3f)
      return FALSE;
  }
  return TRUE;
}

static Mask
draw_mask (const ShuChart *c, float scale)
{
  Mask m;

  chart_size (c, scale, &m.w, &m.h);
  m.bits = g_malloc0 ((gsize) m.w * m.h);
  for (int i = 0; i < c->n_faces; i++) {
    float p[3][2], lo[2] = {1e9f, 1e9f}, hi[2] = {-1e9f, -1e9f};

    for (int k = 0; k < 3; k++)
      for (int d = 0; d < 2; d++) {
        p[k][d] = c->uv[2 * c->tris[3 * i + k] + d] * scale * c->density;
        lo[d] = MIN (lo[d], p[k][d]);
        hi[d] = MAX (hi[d], p[k][d]);
      }
    for (int y = (int) lo[1]; y <= MIN (m.h - 1, (int) hi[1]); y++)
      for (int x = (int) lo[0]; x <= MIN (m.w - 1, (int) hi[0]); x++)
        if (!m.bits[y * m.w + x] && touches ((const float (*)[2]) p, x, y))
          m.bits[y * m.w + x] = 1;
  }
  return m;
}

/* (x, y) -> (h - 1 - y, x), as in shu_chart_place(). */
static Mask
turn_mask (const Mask *m)
{
  Mask t = {m->h, m->w, g_malloc ((gsize) m->w * m->h)};

  for (int y = 0; y < m->h; y++)
    for (int x = 0; x < m->w; x++)
      t.bits[x * t.w + m->h - 1 - y] = m->bits[y * m->w + x];
  return t;
}

static GArray *
list_spans (const Mask *m)
{
  GArray *spans = g_array_new (FALSE, FALSE, sizeof (Span));

  for (int y = 0; y < m->h; y++)
    for (int x = 0; x < m->w; x++)
      if (m->bits[y * m->w + x]) {
        Span s = {(gint16) y, (gint16) x, 0};
        while (x + 1 < m->w && m->bits[y * m->w + x + 1])
          x++;
        s.last = (gint16) x;
        g_array_append_val (spans, s);
      }
  return spans;
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
  for (int k = 1; k < N_LEVELS; k++) {
    guint64 *w = window (b, row, k);
    memcpy (w, window (b, row, k - 1), b->words * sizeof (guint64));
    or_shifted (w, window (b, row, k - 1), b->words, 1 << (k - 1));
  }
}

/* First x at which the spans fit with their top at row @y, or -1. */
static int
fit_row (const Board *b, const GArray *spans, int width, int y)
{
  guint64 taken[1024 / 64] = {0};

  for (guint i = 0; i < spans->len; i++) {
    const Span *s = &g_array_index (spans, Span, i);
    int len = s->last - s->first + 1, k = g_bit_storage (len) - 1;
    const guint64 *w = window (b, y + s->row, k);
    guint64 all = ~(guint64) 0;

    or_shifted (taken, w, b->words, s->first);
    or_shifted (taken, w, b->words, s->last + 1 - (1 << k));
    if (i % 8 == 7) {
      for (int j = 0; j < b->words; j++)
        all &= taken[j];
      if (all == ~(guint64) 0)
        return -1;
    }
  }
  for (int j = 0; j < b->words; j++)
    if (taken[j] != ~(guint64) 0) {
      int x = 64 * j + g_bit_nth_lsf (~taken[j], -1);
      return x + width <= b->grid ? x : -1;
    }
  return -1;
}

/* Marks the mask, grown by the gutter, as taken. */
static void
occupy (Board *b, const GArray *spans, int x, int y, int gutter)
{
  for (guint i = 0; i < spans->len; i++) {
    const Span *s = &g_array_index (spans, Span, i);
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

/* Where a chart goes: nearest to the top, then to the left. */
typedef struct {
  int x, y;
  int quarter;
  int bottom;
} Place;

static gboolean
find_place (const Board *b, GArray *const *spans, const Mask *masks, int margin,
    Place *ret)
{
  *ret = (Place){.bottom = G_MAXINT};
  for (int q = 0; q < 4; q++) {
    int limit = MIN (b->grid - margin, ret->bottom);
    for (int y = margin; y + masks[q].h <= limit; y++) {
      int x = fit_row (b, spans[q], masks[q].w + margin, y);
      if (x < 0)
        continue;
      if (y + masks[q].h < ret->bottom ||
          (y + masks[q].h == ret->bottom && x < ret->x))
        *ret = (Place){x, y, q, y + masks[q].h};
      break;
    }
  }
  return ret->bottom < G_MAXINT;
}

static gboolean
place_chart (Board *b, ShuChart *c, float scale, int gutter)
{
  Mask masks[4];
  GArray *spans[4];
  Place place;
  gboolean ok = FALSE;
  int w, h, margin = gutter / 2;

  chart_size (c, scale, &w, &h);
  if (MAX (w, h) + 2 * margin > b->grid)
    return FALSE;
  for (int q = 0; q < 4; q++) {
    masks[q] = q ? turn_mask (masks + q - 1) : draw_mask (c, scale);
    spans[q] = list_spans (masks + q);
  }
  if (find_place (b, spans, masks, margin, &place)) {
    c->cell_x = place.x;
    c->cell_y = place.y;
    c->quarter = place.quarter;
    occupy (b, spans[place.quarter], place.x, place.y, gutter);
    for (int y = MAX (0, place.y - gutter);
         y < MIN (b->grid, place.bottom + gutter); y++)
      update_row (b, y);
    ok = TRUE;
  }
  for (int q = 0; q < 4; q++) {
    g_free (masks[q].bits);
    g_array_unref (spans[q]);
  }
  return ok;
}

static gboolean
pack_at (GPtrArray *charts, int grid, int gutter, float scale)
{
  int words = (grid + 63) / 64;
  g_autofree guint64 *windows =
      g_new0 (guint64, (gsize) grid * N_LEVELS * words);
  Board b = {grid, words, windows};
  int margin = gutter / 2;

  /* The left margin, and what the last word has beyond the grid. */
  for (int y = 0; y < grid; y++) {
    for (int x = 0; x < margin; x++)
      window (&b, y, 0)[0] |= (guint64) 1 << x;
    for (int x = grid; x < 64 * words; x++)
      window (&b, y, 0)[x / 64] |= (guint64) 1 << (x % 64);
    update_row (&b, y);
  }
  for (guint i = 0; i < charts->len; i++)
    if (!place_chart (&b, charts->pdata[i], scale, gutter))
      return FALSE;
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

/* Large boxes first; faces decide between equals. */
static int
compare_charts (gconstpointer a, gconstpointer b)
{
  const ShuChart *p = *(ShuChart *const *) a, *q = *(ShuChart *const *) b;
  double lo[2], hi[2], size[2];

  for (int i = 0; i < 2; i++) {
    const ShuChart *c = i ? q : p;
    box (c->uv, c->n_verts, 1, 0, lo, hi);
    size[i] = c->density * (MAX (hi[0], hi[1]) + 0.5 * MIN (hi[0], hi[1]));
  }
  if (size[0] != size[1])
    return size[0] > size[1] ? -1 : 1;
  return (p->faces[0] > q->faces[0]) - (p->faces[0] < q->faces[0]);
}

float
shu_charts_pack (GPtrArray *charts, int grid, int gutter)
{
  double area = 0;
  float lo = 0, hi = 0, scale, best = 0;

  g_assert (grid <= 1024);
  for (guint i = 0; i < charts->len; i++)
    area += chart_area (charts->pdata[i]);
  if (!(area > 0))
    return 0;
  g_ptr_array_sort (charts, compare_charts);
  scale = (float) (grid * sqrt (0.68 / area));
  for (int i = 0; i < 40; i++) {
    if (pack_at (charts, grid, gutter, scale)) {
      lo = best = scale;
      if (hi > 0 && hi < lo * 1.012f)
        break;
      scale = hi > 0 ? sqrtf (lo * hi) : lo * 1.04f;
    } else {
      hi = scale;
      if (lo > 0 && hi < lo * 1.012f)
        break;
      scale = lo > 0 ? sqrtf (lo * hi) : hi * (i < 4 ? 0.96f : 0.8f);
    }
  }
  /* The last attempt may not have been the best one. */
  if (best > 0 && !pack_at (charts, grid, gutter, best))
    return 0;
  return best;
}
