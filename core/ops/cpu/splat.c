/* SPDX-License-Identifier: MIT */
/* Gaussians: views side by side where there are enough of them, else the tiles
 * of one; a view is sorted by depth once, and its tiles' lists are filled in
 * that order.  Nothing depends on the number of threads. */
#include "ops/cpu/cpu_private.h"
#include "ops/cpu/kernels_private.h"
#include <omp.h>
#include <string.h>

enum {
  TILE = SHU_SPLAT_TILE,
  PAIRS = 4 << 20, /* of Gaussian and tile, that are listed at a time */
  DIGIT = 11,      /* bits, of the sort */
  DIGITS = 3,      /* a depth is positive: 31 bits */
};

static const gsize most_memory = (gsize) 1 << 30; /* of all views together */

/* What all views have in common */
typedef struct {
  const ShuSplatInput *g;
  const double *cov; /* [n,6] */
  const ShuSplatCamera *cameras;
  const ShuSplats *out;
  int n, size, n_tiles;
} Scene;

/* Room for one view */
typedef struct {
  ShuSplatDot *dots, *found;    /* [n] in front-to-back order; as projected */
  ShuSplatTiles *tiles, *touch; /* [n] the same */
  guint64 *order, *spare;       /* [n] depth and index */
  gint32 *list;                 /* of dots */
  gsize *start;                 /* of each tile in the list */
  gsize capacity;               /* of the list */
} Room;

static gsize
n_lists (const Scene *s)
{
  return (gsize) s->n_tiles * s->n_tiles;
}

/* ---- projection ---- */

static double *
make_covariances (ShuCtx *c, const ShuSplatInput *g, int n)
{
  double *cov = shu_cpu_scratch (c, (gsize) n, 6 * sizeof *cov);
  const float *quat = g->quat->data, *scale = g->scale->data;

  if (!cov)
    return NULL;
#pragma omp parallel for
  for (gsize i = 0; i < (gsize) n; i++)
    shu_splat_covariance (quat + 4 * i, scale + 3 * i, cov + 6 * i);
  return cov;
}

static void
project (const Scene *s, const Room *room, int v)
{
  const float *pos = s->g->pos->data, *opacity = s->g->opacity->data;
  const float *rgb = s->g->rgb->data;

#pragma omp parallel for
  for (gsize i = 0; i < (gsize) s->n; i++) {
    ShuSplatPoint p = shu_splat_project (
        pos + 3 * i, s->cov + 6 * i, opacity[i], s->cameras + v, s->size);
    ShuSplatDot *dot = room->found + i;

    room->touch[i] = shu_splat_dot (&p, rgb + 3 * i, dot)
                         ? shu_splat_tiles (dot, p.radius, s->n_tiles)
                         : (ShuSplatTiles){0};
  }
}

/* ---- order ---- */

/* A digit of the depth */
static guint
digit (guint64 item, int k)
{
  return item >> (32 + k * DIGIT) & ((1 << DIGIT) - 1);
}

/* What is seen, by depth and then by index; returns how many. */
static int
sort (const Scene *s, Room *room)
{
  gsize next[DIGITS][1 << DIGIT] = {{0}};
  int n = 0;

  for (int i = 0; i < s->n; i++) {
    guint32 bits;

    if (room->touch[i].x0 == room->touch[i].x1)
      continue;
    memcpy (&bits, &room->found[i].depth, sizeof bits);
    room->order[n] = (guint64) bits << 32 | (guint32) i;
    for (int k = 0; k < DIGITS; k++)
      next[k][digit (room->order[n], k)]++;
    n++;
  }
  for (int k = 0; k < DIGITS; k++) {
    guint64 *to = room->spare;
    gsize sum = 0;

    for (int d = 0; d < 1 << DIGIT; d++) {
      gsize here = next[k][d];

      next[k][d] = sum;
      sum += here;
    }
    for (int i = 0; i < n; i++)
      to[next[k][digit (room->order[i], k)]++] = room->order[i];
    room->spare = room->order;
    room->order = to;
  }
  for (int i = 0; i < n; i++) {
    room->dots[i] = room->found[(guint32) room->order[i]];
    room->tiles[i] = room->touch[(guint32) room->order[i]];
  }
  return n;
}

/* ---- lists ---- */

static void
count (const Scene *s, const Room *room, int n)
{
  memset (room->start, 0, n_lists (s) * sizeof *room->start);
  for (int i = 0; i < n; i++) {
    const ShuSplatTiles *t = room->tiles + i;

    for (int y = t->y0; y < t->y1; y++)
      for (int x = t->x0; x < t->x1; x++)
        room->start[(gsize) y * s->n_tiles + x] += shu_splat_has (t, x, y);
  }
}

/* Lists of tiles @first..@end-1, whose counts become where they end. */
static void
fill (const Scene *s, const Room *room, int n, gsize first, gsize end)
{
  gsize sum = 0;

  for (gsize tile = first; tile < end; tile++) {
    gsize here = room->start[tile];

    room->start[tile] = sum;
    sum += here;
  }
  for (int i = 0; i < n; i++) {
    const ShuSplatTiles *t = room->tiles + i;
    int y0 = MAX (t->y0, (int) (first / s->n_tiles));
    int y1 = MIN (t->y1, (int) ((end - 1) / s->n_tiles) + 1);

    for (int y = y0; y < y1; y++)
      for (int x = t->x0; x < t->x1; x++) {
        gsize tile = (gsize) y * s->n_tiles + x;

        if (tile >= first && tile < end && shu_splat_has (t, x, y))
          room->list[room->start[tile]++] = i;
      }
  }
}

/* ---- tiles ---- */

static guint8
to_byte (float v)
{
  return (guint8) CLAMP (v * 255, 0.f, 255.f);
}

static void
write_pixel (const ShuSplats *out, const ShuSplatPixels *p, int from, gsize at)
{
  float through = p->through[from];
  guint8 rgb[3];

  for (int k = 0; k < 3; k++)
    rgb[k] = to_byte (p->rgb[k][from]);
  if (out->rgb)
    memcpy ((guint8 *) out->rgb->data + 3 * at, rgb, 3);
  if (out->mask)
    ((guint8 *) out->mask->data)[at] = rgb[0] | rgb[1] | rgb[2] ? 255 : 0;
  for (int k = 0; out->color && k < 3; k++)
    shu_f32 (out->color)[3 * at + k] = p->rgb[k][from];
  if (out->through)
    shu_f32 (out->through)[at] = through;
  if (out->depth)
    shu_f32 (out->depth)[at] = through < 1 ? p->depth[from] / (1 - through) : 0;
}

static void
draw_tile (const Scene *s, const Room *room, int v, gsize tile, gsize first)
{
  int x0 = (int) (tile % s->n_tiles) * TILE;
  int y0 = (int) (tile / s->n_tiles) * TILE;
  gsize from = tile > first ? room->start[tile - 1] : 0;
  ShuSplatPixels p;

  shu_kernels ()->splat_tile (
      &p, x0, y0, room->dots, room->list + from, room->start[tile] - from);
  for (int y = 0; y < MIN (TILE, s->size - y0); y++)
    for (int x = 0; x < MIN (TILE, s->size - x0); x++)
      write_pixel (s->out, &p, y * TILE + x,
          ((gsize) v * s->size + y0 + y) * s->size + x0 + x);
}

/* Tiles from @first on until the list is full. */
static gsize
end_of_lists (const Scene *s, const Room *room, gsize first)
{
  gsize sum = 0, tile = first;

  while (tile < n_lists (s) &&
         (tile == first || sum + room->start[tile] <= room->capacity))
    sum += room->start[tile++];
  return tile;
}

static void
draw_view (const Scene *s, Room *room, int v)
{
  int n;

  project (s, room, v);
  n = sort (s, room);
  count (s, room, n);
  for (gsize first = 0, end; first < n_lists (s); first = end) {
    end = end_of_lists (s, room, first);
    fill (s, room, n, first, end);
#pragma omp parallel for schedule(dynamic, 4)
    for (gsize tile = first; tile < end; tile++)
      draw_tile (s, room, v, tile, first);
  }
}

/* ---- rooms ---- */

static gsize
room_bytes (const Scene *s, gsize capacity)
{
  return (gsize) s->n * 2 *
             (sizeof (ShuSplatDot) + sizeof (ShuSplatTiles) +
                 sizeof (guint64)) +
         n_lists (s) * sizeof (gsize) + capacity * sizeof (gint32);
}

static gboolean
room_init (ShuCtx *c, const Scene *s, Room *room, gsize capacity)
{
  *room = (Room){.dots = shu_cpu_scratch (c, s->n, sizeof *room->dots),
      .found = shu_cpu_scratch (c, s->n, sizeof *room->found),
      .tiles = shu_cpu_scratch (c, s->n, sizeof *room->tiles),
      .touch = shu_cpu_scratch (c, s->n, sizeof *room->touch),
      .order = shu_cpu_scratch (c, s->n, sizeof *room->order),
      .spare = shu_cpu_scratch (c, s->n, sizeof *room->spare),
      .list = shu_cpu_scratch (c, capacity, sizeof *room->list),
      .start = shu_cpu_scratch (c, n_lists (s), sizeof *room->start),
      .capacity = capacity};
  return !shu_ctx_failed (c);
}

void
shu_cpu_splat (ShuCtx *c, const ShuSplatInput *g, int V,
    const ShuSplatCamera *cameras, int size, const ShuSplats *ret)
{
  SHU_SCOPE (c);
  Scene s = {.g = g,
      .cameras = cameras,
      .out = ret,
      .n = (int) g->pos->dims[0],
      .size = size,
      .n_tiles = (size + TILE - 1) / TILE};
  /* A tile's list fits always. */
  gsize capacity = MAX ((gsize) s.n, MIN ((gsize) s.n * n_lists (&s), PAIRS));
  int n_threads = omp_get_max_threads (), n_rooms = 1;
  g_autofree Room *rooms = NULL;

  s.cov = make_covariances (c, g, s.n);
  if (!s.cov)
    return;
  if (V >= n_threads)
    n_rooms = (int) CLAMP (
        most_memory / (room_bytes (&s, capacity) + 1), 1, (gsize) n_threads);
  rooms = g_new (Room, n_rooms);
  for (int i = 0; i < n_rooms; i++)
    if (!room_init (c, &s, rooms + i, capacity))
      return;
#pragma omp parallel for num_threads(n_rooms)                                  \
    schedule(dynamic, 1) if (n_rooms > 1)
  for (int v = 0; v < V; v++)
    draw_view (&s, rooms + omp_get_thread_num (), v);
}
