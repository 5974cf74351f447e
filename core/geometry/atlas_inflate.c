/* SPDX-License-Identifier: MIT */
/* Charts as cells of a grid, and what is done with the room that packing
 * leaves: charts grow into it. */
#include "geometry/atlas_private.h"
#include <math.h>
#include <string.h>

enum {
  N_GROWTH = 14,  /* steps that a chart may grow where there is room */
  MAX_SHIFT = 16, /* cells that it may move for that */
};

static const float growth_step = 1.02f;

void
shu_chart_box (
    const float *uv, int n, double cs, double sn, double *lo, double *hi)
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

static void
map_size (
    const ShuChart *c, const float *uv, float scale, int *ret_w, int *ret_h)
{
  double lo[2], hi[2];

  shu_chart_box (uv, c->n_verts, 1, 0, lo, hi);
  *ret_w = (int) floor (hi[0] * scale * c->density) + 1;
  *ret_h = (int) floor (hi[1] * scale * c->density) + 1;
}

/* Whether the triangle touches the core of the cell (x, y), all that is within
 * @reach of its centre: no edge and no side of the core separates them. */
static gboolean
touches (const float (*p)[2], int x, int y, float reach)
{
  for (int k = 0; k < 3; k++) {
    const float *a = p[k], *b = p[(k + 1) % 3];
    float nx = b[1] - a[1], ny = a[0] - b[0];
    /* Corner of the core that lies deepest on the inner side. */
    float cx = x + 0.5f + (nx > 0 ? -reach : reach);
    float cy = y + 0.5f + (ny > 0 ? -reach : reach);
    if (nx * (cx - a[0]) + ny * (cy - a[1]) > 1e-3f)
      return FALSE;
  }
  return TRUE;
}

ShuMask
shu_mask_draw (const ShuChart *c, const float *uv, float scale, float reach)
{
  ShuMask m;

  map_size (c, uv, scale, &m.w, &m.h);
  m.bits = g_malloc0 ((gsize) m.w * m.h);
  for (int i = 0; i < c->n_faces; i++) {
    float p[3][2], lo[2] = {1e9f, 1e9f}, hi[2] = {-1e9f, -1e9f};

    for (int k = 0; k < 3; k++)
      for (int d = 0; d < 2; d++) {
        p[k][d] = uv[2 * c->tris[3 * i + k] + d] * scale * c->density;
        lo[d] = MIN (lo[d], p[k][d]);
        hi[d] = MAX (hi[d], p[k][d]);
      }
    for (int y = (int) lo[1]; y <= MIN (m.h - 1, (int) hi[1]); y++)
      for (int x = (int) lo[0]; x <= MIN (m.w - 1, (int) hi[0]); x++)
        if (!m.bits[y * m.w + x] &&
            touches ((const float (*)[2]) p, x, y, reach))
          m.bits[y * m.w + x] = 1;
  }
  return m;
}

static int
compare_spans (gconstpointer a, gconstpointer b)
{
  const ShuSpan *p = a, *q = b;
  int by_length = (q->last - q->first) - (p->last - p->first);

  return by_length          ? by_length
         : p->row != q->row ? p->row - q->row
                            : p->first - q->first;
}

GArray *
shu_mask_spans (const ShuMask *m)
{
  GArray *spans = g_array_new (FALSE, FALSE, sizeof (ShuSpan));

  for (int y = 0; y < m->h; y++)
    for (int x = 0; x < m->w; x++)
      if (m->bits[y * m->w + x]) {
        ShuSpan s = {(gint16) y, (gint16) x, 0};
        while (x + 1 < m->w && m->bits[y * m->w + x + 1])
          x++;
        s.last = (gint16) x;
        g_array_append_val (spans, s);
      }
  g_array_sort (spans, compare_spans);
  return spans;
}

/* The cells within @gutter of a mask. */
static ShuMask
grow_mask (const ShuMask *m, int gutter)
{
  ShuMask out = {m->w + 2 * gutter, m->h + 2 * gutter, NULL};

  out.bits = g_malloc0 ((gsize) out.w * out.h);
  for (int y = 0; y < m->h; y++)
    for (int x = 0; x < m->w; x++)
      if (m->bits[y * m->w + x])
        for (int v = y; v <= y + 2 * gutter; v++)
          memset (out.bits + v * out.w + x, 1, 2 * gutter + 1);
  return out;
}

static void
set_cells (
    guint8 *taken, int grid, const ShuMask *m, int x, int y, guint8 value)
{
  for (int v = 0; v < m->h; v++)
    for (int u = 0; u < m->w; u++)
      if (m->bits[v * m->w + u])
        taken[(y + v) * grid + x + u] = value;
}

/* Whether the cells at all of @spans, shifted, are free or beyond the grid. */
static gboolean
is_free (const guint8 *taken, int grid, const GArray *spans, int x, int y)
{
  for (guint i = 0; i < spans->len; i++) {
    const ShuSpan *s = &g_array_index (spans, ShuSpan, i);
    int from = MAX (0, x + s->first), to = MIN (grid - 1, x + s->last);

    if (y + s->row >= 0 && y + s->row < grid && from <= to &&
        memchr (taken + (y + s->row) * grid + from, 1, to - from + 1))
      return FALSE;
  }
  return TRUE;
}

/* Makes a chart a step larger where it is or near it.  Returns: whether there
 * is room */
static gboolean
inflate_chart (ShuChart *c, guint8 *taken, const ShuPackGrid *g, float scale,
    ShuMask *mask)
{
  float density = c->density;
  int grid = g->side, gutter = g->gutter, margin = gutter / 2;
  gboolean ok = FALSE;
  ShuMask larger, grown;

  c->density *= growth_step;
  larger = shu_mask_draw (c, c->uv, scale, g->reach);
  grown = grow_mask (&larger, gutter);
  g_autoptr (GArray) spans = shu_mask_spans (&grown);
  int x0 = c->cell_x - (larger.w - mask->w) / 2;
  int y0 = c->cell_y - (larger.h - mask->h) / 2;
  set_cells (taken, grid, mask, c->cell_x, c->cell_y, 0);
  /* Rings around the old place. */
  for (int ring = 0; ring <= MAX_SHIFT && !ok; ring++)
    for (int dy = -ring; dy <= ring && !ok; dy++)
      for (int dx = -ring; dx <= ring && !ok;
           dx += ABS (dy) == ring || ring == 0 ? 1 : 2 * ring) {
        int x = x0 + dx, y = y0 + dy;
        if (x < margin || y < margin || x + larger.w + margin > grid ||
            y + larger.h + margin > grid ||
            !is_free (taken, grid, spans, x - gutter, y - gutter))
          continue;
        c->cell_x = x;
        c->cell_y = y;
        ok = TRUE;
      }
  if (ok) {
    g_free (mask->bits);
    *mask = larger;
  } else {
    c->density = density;
    g_free (larger.bits);
  }
  set_cells (taken, grid, mask, c->cell_x, c->cell_y, 1);
  g_free (grown.bits);
  return ok;
}

/* Uses the room that is left between packed charts: each in turn grows by a
 * step as long as it can. */
void
shu_charts_inflate (GPtrArray *charts, const ShuPackGrid *g, float scale)
{
  int n = charts->len, n_grown = 1, grid = g->side;
  g_autofree guint8 *taken = g_malloc0 ((gsize) grid * grid);
  g_autofree ShuMask *masks = g_new (ShuMask, n);

  for (int i = 0; i < n; i++) {
    ShuChart *c = charts->pdata[i];
    masks[i] = shu_mask_draw (c, c->uv, scale, g->reach);
    set_cells (taken, grid, masks + i, c->cell_x, c->cell_y, 1);
  }
  for (int step = 0; step < N_GROWTH && n_grown > 0; step++) {
    n_grown = 0;
    for (int i = 0; i < n; i++)
      n_grown += inflate_chart (charts->pdata[i], taken, g, scale, masks + i);
  }
  for (int i = 0; i < n; i++)
    g_free (masks[i].bits);
}
