/* SPDX-License-Identifier: MIT */
/* Half-space rasterisation (Pineda 1988) in fixed point with the top-left
 * rule.  Threads own bands of rows, so each pixel sees the faces in order. */
#include "base/raster_private.h"
#include <math.h>
#include <string.h>

enum {
  SUB = 256,           /* sub-pixels a pixel */
  MAX_COORD = 1 << 20, /* pixels: edge functions then fit in 62 bits */
  SMALL = 32 * SUB,    /* sub-pixels: those of such faces fit in 32 */
  BAND = 32,           /* rows a task */
  MANY_FACES = 4096,   /* beyond them threads share more */
};

static const float near_limit = 0.01f;

ShuRaster *
shu_raster_new (int width, int height, ShuRasterFlags flags)
{
  ShuRaster *r = g_new0 (ShuRaster, 1);
  gsize n = (gsize) width * height;

  g_assert (width > 0 && height > 0);
  r->width = width;
  r->height = height;
  r->face = g_new (gint32, n);
  r->depth = g_new (float, n);
  if (flags & SHU_RASTER_BARY)
    r->bary = g_new (float, 2 * n);
  return r;
}

void
shu_raster_free (ShuRaster *raster)
{
  if (!raster)
    return;
  g_free (raster->face);
  g_free (raster->bary);
  g_free (raster->depth);
  g_free (raster);
}

/* Rounded half up; @v is no larger than MAX_COORD. */
static gint32
to_subpixel (float v)
{
  float at = v * SUB + 0.5f;
  gint32 i = (gint32) at;

  return i - (at < (float) i);
}

void
raster_corners (const ShuTriangles *t, const ShuCamera *camera, int width,
    int height, int from, int to, RasterCorner *ret)
{
  gboolean perspective = camera && camera->perspective;

  for (int i = from; i < to; i++) {
    float uv[2], z = 0, x, y;
    gboolean ok;

    if (camera)
      z = shu_camera_project (camera, t->at + 3 * (gsize) i, uv);
    else
      memcpy (uv, t->at + 2 * (gsize) i, sizeof uv);
    x = uv[0] * width;
    y = uv[1] * height;
    ok = fabsf (x) < MAX_COORD && fabsf (y) < MAX_COORD &&
         fabsf (z) < G_MAXFLOAT && (!perspective || z > near_limit);
    ret[i] = (RasterCorner){ok ? to_subpixel (x) : RASTER_NOWHERE,
        ok ? to_subpixel (y) : RASTER_NOWHERE, z, perspective ? 1 / z : 1};
  }
}

/* First pixel whose centre is at or after sub-pixel @v. */
static int
first_pixel (gint32 v)
{
  return (v + SUB / 2 - 1) >> 8;
}

/* Last pixel whose centre is at or before sub-pixel @v. */
static int
last_pixel (gint32 v)
{
  return (v - SUB / 2) >> 8;
}

/* Whether a point on the edge from @a to @b belongs to the face, of which the
 * inside has positive edge functions and y points down. */
static gboolean
owns_edge (const RasterCorner *a, const RasterCorner *b)
{
  return b->y < a->y || (b->y == a->y && b->x > a->x);
}

/* A face on its way to the screen.  Corners so that the area is positive; edge
 * k lies opposite of corner k. */
typedef struct {
  const RasterScreen *screen;
  const RasterCorner *v[3];
  int face;
  gboolean swap; /* the second and third corner changed places */
  gint64 area;
  double scale; /* 1 / area, once there is a pixel */
  int x0, x1, y0, y1;
  gint32 dx[3], dy[3], bias[3];
  gint64 n_doubles;
} Drawing;

static void
put_pixel (Drawing *d, int x, int y, double e0, double e1, double e2)
{
  const RasterScreen *s = d->screen;
  gsize i = (gsize) y * s->width + x;

  if (s->flat && s->face[i] >= 0) {
    d->n_doubles++;
    return;
  }
  if (s->flat && !s->bary) {
    s->face[i] = d->face;
    s->depth[i] = 0;
    return;
  }
  const RasterCorner *a = d->v[0], *b = d->v[d->swap ? 2 : 1],
                     *c = d->v[d->swap ? 1 : 2];
  double l0 = e0 * d->scale, l1 = (d->swap ? e2 : e1) * d->scale,
         l2 = (d->swap ? e1 : e2) * d->scale;
  double w0 = l0 * a->w, w1 = l1 * b->w, w2 = l2 * c->w, sum = w0 + w1 + w2;
  float depth = s->perspective ? (float) (1 / sum)
                               : (float) (l0 * a->z + l1 * b->z + l2 * c->z);

  if (s->face[i] >= 0 && depth >= s->depth[i])
    return;
  s->face[i] = d->face;
  s->depth[i] = depth;
  if (s->bary) {
    s->bary[2 * i] = (float) (w1 / sum);
    s->bary[2 * i + 1] = (float) (w2 / sum);
  }
}

/* Faces of which all edge functions fit in 32 bits. */
static gboolean
draw_small (Drawing *d)
{
  gint32 e[3], row[3];
  gboolean covered = FALSE;

  for (int k = 0; k < 3; k++) {
    const RasterCorner *p = d->v[(k + 1) % 3];

    row[k] = d->dx[k] * (d->y0 * SUB + SUB / 2 - p->y) -
             d->dy[k] * (d->x0 * SUB + SUB / 2 - p->x) + d->bias[k];
  }
  for (int y = d->y0; y <= d->y1; y++) {
    memcpy (e, row, sizeof e);
    for (int x = d->x0; x <= d->x1; x++) {
      if ((e[0] | e[1] | e[2]) >= 0) {
        if (!covered)
          d->scale = 1.0 / (double) d->area;
        covered = TRUE;
        put_pixel (
            d, x, y, e[0] - d->bias[0], e[1] - d->bias[1], e[2] - d->bias[2]);
      }
      for (int k = 0; k < 3; k++)
        e[k] -= d->dy[k] * SUB;
    }
    for (int k = 0; k < 3; k++)
      row[k] += d->dx[k] * SUB;
  }
  return covered;
}

/* Where an edge cuts a row: @at whole pixels from the first column and @rest of
 * @step (a pixel's part of its edge function); both are followed from row to
 * row without a division. */
typedef struct {
  gint64 step; /* without sign; 0: the edge is level */
  gint64 at, rest;
  gint64 add_at, add_rest;
} Crossing;

/* @value / @step rounded down, and what is left. */
static void
divide (gint64 value, gint64 step, gint64 *ret_at, gint64 *ret_rest)
{
  *ret_at = value / step;
  *ret_rest = value % step;
  if (*ret_rest < 0) {
    *ret_at -= 1;
    *ret_rest += step;
  }
}

/* @value: of the edge function in the first row and column, @down: what it
 * gains a row, @right: what it loses a pixel */
static Crossing
find_crossing (gint64 value, gint64 down, gint64 right)
{
  Crossing c = {.step = ABS (right), .at = value};

  if (c.step > 0) {
    divide (value, c.step, &c.at, &c.rest);
    divide (down, c.step, &c.add_at, &c.add_rest);
  } else {
    c.add_at = down;
  }
  return c;
}

static void
next_row (Crossing *c)
{
  c->at += c->add_at;
  c->rest += c->add_rest;
  if (c->step > 0 && c->rest >= c->step) {
    c->rest -= c->step;
    c->at++;
  }
}

/* All others: of each row only what lies inside. */
static gboolean
draw_large (Drawing *d)
{
  gboolean covered = FALSE;
  Crossing crossing[3];

  d->scale = 1.0 / (double) d->area;
  for (int k = 0; k < 3; k++) {
    const RasterCorner *p = d->v[(k + 1) % 3];
    gint64 value = (gint64) d->dx[k] * (d->y0 * SUB + SUB / 2 - p->y) -
                   (gint64) d->dy[k] * (d->x0 * SUB + SUB / 2 - p->x);

    crossing[k] = find_crossing (
        value + d->bias[k], (gint64) d->dx[k] * SUB, (gint64) d->dy[k] * SUB);
  }
  for (int y = d->y0; y <= d->y1; y++) {
    gint64 from = d->x0, to = d->x1, e[3];

    for (int k = 0; k < 3; k++) {
      Crossing *c = crossing + k;

      if (d->dy[k] > 0)
        to = MIN (to, d->x0 + c->at);
      else if (d->dy[k] < 0)
        from = MAX (from, d->x0 - c->at);
      else if (c->at < 0)
        to = d->x0 - 1;
      next_row (c);
    }
    if (from > to)
      continue;
    for (int k = 0; k < 3; k++) {
      const RasterCorner *p = d->v[(k + 1) % 3];

      e[k] = (gint64) d->dx[k] * (y * SUB + SUB / 2 - p->y) -
             (gint64) d->dy[k] * (from * SUB + SUB / 2 - p->x);
    }
    for (int x = (int) from; x <= to; x++) {
      covered = TRUE;
      put_pixel (d, x, y, e[0], e[1], e[2]);
      for (int k = 0; k < 3; k++)
        e[k] -= (gint64) d->dy[k] * SUB;
    }
  }
  return covered;
}

/* All but the pixels, of which there are some */
static void
set_up (Drawing *d, const RasterScreen *s, int face,
    const RasterCorner *const *v, gint64 area)
{
  d->screen = s;
  d->swap = area < 0;
  d->v[0] = v[0];
  d->v[1] = v[d->swap ? 2 : 1];
  d->v[2] = v[d->swap ? 1 : 2];
  d->face = face;
  d->area = ABS (area);
  d->n_doubles = 0;
  for (int k = 0; k < 3; k++) {
    const RasterCorner *p = d->v[(k + 1) % 3], *q = d->v[(k + 2) % 3];

    d->dx[k] = q->x - p->x;
    d->dy[k] = q->y - p->y;
    d->bias[k] = owns_edge (p, q) ? 0 : -1;
  }
}

RasterFate
raster_face (const RasterScreen *s, int face, gboolean front, int row0,
    int row1, gint64 *n_doubles)
{
  const gint32 *f = s->faces + 3 * (gsize) face;
  const RasterCorner *v[3] = {
      s->corners + f[0], s->corners + f[1], s->corners + f[2]};
  int left = MIN (v[0]->x, MIN (v[1]->x, v[2]->x));
  int right = MAX (v[0]->x, MAX (v[1]->x, v[2]->x));
  int top = MIN (v[0]->y, MIN (v[1]->y, v[2]->y));
  int bottom = MAX (v[0]->y, MAX (v[1]->y, v[2]->y));
  gboolean empty, covered;
  gint64 area;
  Drawing d;

  if (left == RASTER_NOWHERE)
    return front ? RASTER_ABSENT : RASTER_MISSED;
  d.x0 = MAX (0, first_pixel (left));
  d.x1 = MIN (s->width - 1, last_pixel (right));
  d.y0 = MAX (row0, first_pixel (top));
  d.y1 = MIN (row1 - 1, last_pixel (bottom));
  empty = d.x0 > d.x1 || d.y0 > d.y1;
  if (empty && !front)
    return RASTER_MISSED;
  /* Screen y points down: faces seen from outside run clockwise on screen in
   * world terms, which makes the area negative. */
  area = (gint64) (v[1]->x - v[0]->x) * (v[2]->y - v[0]->y) -
         (gint64) (v[1]->y - v[0]->y) * (v[2]->x - v[0]->x);
  if (front && area >= 0)
    return RASTER_ABSENT;
  if (empty || area == 0)
    return RASTER_MISSED;
  set_up (&d, s, face, v, area);
  covered = MAX (right - left, bottom - top) < SMALL ? draw_small (&d)
                                                     : draw_large (&d);
  *n_doubles += d.n_doubles;
  return covered ? RASTER_COVERED : RASTER_MISSED;
}

/* The faces that touch each band of rows, in face order: @ret_start has
 * n_bands + 1 entries. */
static gint32 *
sort_by_band (const RasterScreen *s, int n_faces, int n_bands, int *ret_start)
{
  g_autofree int *range = g_new (int, 2 * (gsize) MAX (1, n_faces));
  gint32 *list;
  int total = 0;

  memset (ret_start, 0, (n_bands + 1) * sizeof (int));
#pragma omp parallel for schedule(static) if (n_faces >= MANY_FACES)
  for (int f = 0; f < n_faces; f++) {
    const gint32 *v = s->faces + 3 * (gsize) f;
    gint32 y[3] = {s->corners[v[0]].y, s->corners[v[1]].y, s->corners[v[2]].y};
    int lo = first_pixel (MIN (y[0], MIN (y[1], y[2])));
    int hi = last_pixel (MAX (y[0], MAX (y[1], y[2])));

    if (y[0] == RASTER_NOWHERE || y[1] == RASTER_NOWHERE ||
        y[2] == RASTER_NOWHERE)
      hi = -1;
    range[2 * f] = MAX (0, lo) / BAND;
    range[2 * f + 1] = hi < 0 ? -1 : MIN (n_bands - 1, hi / BAND);
  }
  for (int f = 0; f < n_faces; f++)
    for (int b = range[2 * f]; b <= range[2 * f + 1]; b++)
      ret_start[b + 1]++;
  for (int b = 0; b < n_bands; b++)
    total = ret_start[b + 1] += ret_start[b];
  list = g_new (gint32, MAX (1, total));
  g_autofree int *next = g_memdup2 (ret_start, (n_bands + 1) * sizeof (int));
  for (int f = 0; f < n_faces; f++)
    for (int b = range[2 * f]; b <= range[2 * f + 1]; b++)
      list[next[b]++] = f;
  return list;
}

static void
clear_band (ShuRaster *r, int row0)
{
  gsize from = (gsize) row0 * r->width;
  gsize to = (gsize) MIN (r->height, row0 + BAND) * r->width;

  for (gsize i = from; i < to; i++) {
    r->face[i] = -1;
    r->depth[i] = G_MAXFLOAT;
  }
  if (r->bary)
    memset (r->bary + 2 * from, 0, 2 * (to - from) * sizeof (float));
}

static void
draw_band (const RasterScreen *s, const gint32 *list, int n, int row0,
    gboolean cull, gint64 *n_doubles)
{
  for (int i = 0; i < n; i++)
    raster_face (
        s, list[i], cull, row0, MIN (s->height, row0 + BAND), n_doubles);
}

void
shu_raster_draw (ShuRaster *r, const ShuTriangles *t, const ShuCamera *camera,
    ShuRasterFlags flags, gint64 *ret_n_doubles)
{
  enum { CHUNK = 4096 };

  g_autofree RasterCorner *corners = g_new (RasterCorner, MAX (1, t->n_verts));
  RasterScreen s = {.corners = corners,
      .faces = t->faces,
      .width = r->width,
      .height = r->height,
      .face = r->face,
      .depth = r->depth,
      .bary = flags & SHU_RASTER_BARY ? r->bary : NULL,
      .perspective = camera && camera->perspective,
      .flat = !camera};
  int n_bands = (r->height + BAND - 1) / BAND;
  g_autofree int *start = g_new (int, n_bands + 1);
  g_autofree gint32 *list = NULL;
  gint64 n_doubles = 0;

#pragma omp parallel for
  for (int i = 0; i < t->n_verts; i += CHUNK)
    raster_corners (t, camera, r->width, r->height, i,
        MIN (t->n_verts, i + CHUNK), corners);
  list = sort_by_band (&s, t->n_faces, n_bands, start);
#pragma omp parallel for schedule(dynamic, 1) reduction(+ : n_doubles)
  for (int band = 0; band < n_bands; band++) {
    clear_band (r, band * BAND);
    draw_band (&s, list + start[band], start[band + 1] - start[band],
        band * BAND, (flags & SHU_RASTER_CULL) != 0, &n_doubles);
  }
  if (ret_n_doubles)
    *ret_n_doubles = n_doubles;
}
