/* SPDX-License-Identifier: MIT */
/* Charts as cells of a grid. */
#include "geometry/atlas_private.h"
#include <math.h>

enum { WIDE = 8 /* cells: of wider faces rows are narrowed first */ };

static void
map_size (
    const ShuChart *c, const float *uv, float scale, int *ret_w, int *ret_h)
{
  double lo[2], hi[2];

  shu_chart_box (uv, c->n_verts, 1, 0, lo, hi);
  /* A chart that was turned ends where a cell does. */
  *ret_w = MAX (1, (int) ceil (hi[0] * scale * c->density - 1e-3));
  *ret_h = MAX (1, (int) ceil (hi[1] * scale * c->density - 1e-3));
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

/* Narrows cells *from..*to of row @y to those that the triangle may touch.
 * @inverse: of how far each edge goes down */
static void
narrow_row (const float (*p)[2], const float *inverse, int y, float reach,
    int *from, int *to)
{
  for (int k = 0; k < 3; k++) {
    const float *a = p[k], *b = p[(k + 1) % 3];
    float nx = b[1] - a[1], ny = a[0] - b[0];
    float cy = y + 0.5f + (ny > 0 ? -reach : reach);
    float x; /* the edge's, there, with the reach of a cell */

    if (fabsf (nx) < 1e-3f)
      continue;
    x = a[0] - (ny * (cy - a[1]) - 1e-3f) * inverse[k];
    if (nx > 0 && x + reach < *to)
      *to = (int) MAX (-1, floorf (x + reach) + 1);
    else if (nx < 0 && x - reach - 1 > *from)
      *from = (int) MIN (G_MAXINT16, floorf (x - reach) - 1);
  }
}

ShuMask
shu_mask_draw (const ShuChart *c, const float *uv, float scale, float reach)
{
  ShuMask m;

  map_size (c, uv, scale, &m.w, &m.h);
  m.bits = g_malloc0 ((gsize) m.w * m.h);
  for (int i = 0; i < c->n_faces; i++) {
    float p[3][2], inverse[3], lo[2] = {1e9f, 1e9f}, hi[2] = {-1e9f, -1e9f};

    for (int k = 0; k < 3; k++)
      for (int d = 0; d < 2; d++) {
        p[k][d] = uv[2 * c->tris[3 * i + k] + d] * scale * c->density;
        lo[d] = MIN (lo[d], p[k][d]);
        hi[d] = MAX (hi[d], p[k][d]);
      }
    for (int k = 0; k < 3; k++)
      inverse[k] = 1 / (p[(k + 1) % 3][1] - p[k][1]); /* used where finite */
    for (int y = (int) lo[1]; y <= MIN (m.h - 1, (int) hi[1]); y++) {
      int from = (int) lo[0], to = MIN (m.w - 1, (int) hi[0]);

      if (to - from > WIDE)
        narrow_row ((const float (*)[2]) p, inverse, y, reach, &from, &to);
      for (int x = from; x <= to; x++)
        if (!m.bits[y * m.w + x] &&
            touches ((const float (*)[2]) p, x, y, reach))
          m.bits[y * m.w + x] = 1;
    }
  }
  return m;
}

/* The row as a fraction with its bits turned round: rows next to each other
 * come far apart. */
static guint32
turn_round (guint32 row)
{
  guint32 r = 0;

  for (int i = 0; i < 16; i++)
    r |= (row >> i & 1) << (15 - i);
  return r;
}

static int
compare_spans (gconstpointer a, gconstpointer b)
{
  const ShuSpan *p = a, *q = b;
  guint32 u = turn_round (p->row), v = turn_round (q->row);

  return u != v ? (u < v ? -1 : 1) : p->first - q->first;
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
