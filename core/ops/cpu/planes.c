/* SPDX-License-Identifier: MIT */
/* Planes: nearest pixels by lower envelopes, sliding means, and a pyramid. */
#include "ops/cpu/cpu_private.h"
#include "ops/plane_pixels.h"
#include "ops/texture_taps.h"
#include <math.h>
#include <string.h>

enum { STRIP = 64 }; /* columns that one thread takes at a time */

/* ---- nearest pixels ---- */

/* For columns @x0..@x1-1, [S,S]: the row of the set pixel nearest in the same
 * column, the upper one of two; -1: none */
static SHU_SIMD void
nearest_in_columns (gint16 *near, const guint8 *mask, int S, int x0, int x1)
{
  gint16 last[STRIP];
  int n = x1 - x0;

  for (int i = 0; i < n; i++)
    last[i] = -1;
  for (int y = 0; y < S; y++)
    for (int i = 0; i < n; i++) {
      gsize at = (gsize) y * S + x0 + i;
      near[at] = last[i] = mask[at] ? (gint16) y : last[i];
    }
  for (int i = 0; i < n; i++)
    last[i] = -1;
  for (int y = S - 1; y >= 0; y--)
    for (int i = 0; i < n; i++) {
      gsize at = (gsize) y * S + x0 + i;
      gint16 up = near[at], down = last[i] = up == y ? (gint16) y : last[i];
      near[at] = down >= 0 && (up < 0 || down - y < y - up) ? down : up;
    }
}

/**
 * Envelope:
 * Of one row: pixel x is nearest to candidate @column[i], of those that the
 * columns have, for x from @from[i] on.  Square distances are counted in @unit,
 * the number of pixels, and to that of each candidate its own number is added:
 * so no two are equally near, and the lower number wins.
 * @own: [S] what candidates have besides the distance along the row
 */
typedef struct {
  gint64 unit;
  gint64 *own;
  gint32 *column, *from;
} Envelope;

static gint64
measure (const Envelope *e, int column, int x)
{
  return e->unit * (x - column) * (x - column) + e->own[column];
}

/* The last x at which candidate @u is nearer than @w on its right */
static gint64
last_of (const Envelope *e, int u, int w)
{
  gint64 rest =
      e->unit * ((gint64) w * w - (gint64) u * u) + e->own[w] - e->own[u];

  return (rest - 1) / (2 * e->unit * (w - u));
}

/* Two scans (Meijster et al. 2000).  Returns: how many parts there are */
static int
find_envelope (Envelope *e, const gint16 *near, int y, int S)
{
  int n = 0;

  for (int w = 0; w < S; w++) {
    gint64 from = 0, dy = near[w] - y;

    if (near[w] < 0)
      continue;
    e->own[w] = e->unit * dy * dy + (gint64) near[w] * S + w;
    while (n > 0 && measure (e, e->column[n - 1], e->from[n - 1]) >
                        measure (e, w, e->from[n - 1]))
      n--;
    if (n > 0)
      from = last_of (e, e->column[n - 1], w) + 1;
    if (from >= S)
      continue;
    e->column[n] = w;
    e->from[n++] = (gint32) from;
  }
  return n;
}

static void
nearest_in_row (gint32 *index, float *dist, const gint16 *near, int y, int S,
    int limit, Envelope *e)
{
  int n = find_envelope (e, near, y, S);

  for (int x = S - 1; x >= 0; x--) {
    gint64 d = G_MAXINT64;
    int column = 0;

    while (n > 0 && e->from[n - 1] > x)
      n--;
    if (n > 0) {
      column = e->column[n - 1];
      d = (gint64) (x - column) * (x - column) +
          (gint64) (near[column] - y) * (near[column] - y);
    }
    index[x] = d <= limit ? near[column] * S + column : -1;
    if (dist)
      dist[x] = d <= limit ? sqrtf ((float) d) : G_MAXFLOAT;
  }
}

void
shu_cpu_plane_find_nearest (
    ShuCtx *c, ShuTensor *y, ShuTensor *dist, ShuTensor *mask, int limit)
{
  SHU_SCOPE (c);
  int S = (int) mask->dims[0];
  gsize n_room = 4 * (gsize) S; /* floats: two words and a long one a pixel */
  gint16 *near = shu_cpu_scratch (c, mask->n, sizeof *near);
  float *rooms = shu_cpu_rooms (c, n_room);

  if (!near || !rooms)
    return;
#pragma omp parallel for if (mask->n > 4096)
  for (int x = 0; x < S; x += STRIP)
    nearest_in_columns (near, mask->data, S, x, MIN (S, x + STRIP));
#pragma omp parallel if (mask->n > 4096)
  {
    gint64 *room = (gint64 *) shu_cpu_room (rooms, n_room);
    Envelope e = {
        (gint64) S * S, room, (gint32 *) (room + S), (gint32 *) (room + S) + S};

#pragma omp for schedule(dynamic, 16)
    for (int v = 0; v < S; v++)
      nearest_in_row ((gint32 *) y->data + (gsize) v * S,
          dist ? shu_f32 (dist) + (gsize) v * S : NULL, near + (gsize) v * S, v,
          S, limit, &e);
  }
}

/* ---- means ---- */

static void
smooth_row (float *y, const float *x, int S, int C, int radius, double *exact)
{
  float scale = 1.0f / (float) (2 * radius + 1);
  double sum[3] = {0};

  for (int i = 0; i < S * C; i++)
    exact[i] = shu_plane_exact (x[i]);
  for (int i = -radius; i <= radius; i++)
    for (int k = 0; k < C; k++)
      sum[k] += exact[CLAMP (i, 0, S - 1) * C + k];
  for (int i = 0; i < S; i++)
    for (int k = 0; k < C; k++) {
      y[i * C + k] = (float) sum[k] * scale;
      sum[k] += exact[MIN (S - 1, i + radius + 1) * C + k] -
                exact[MAX (0, i - radius) * C + k];
    }
}

/* @n values side by side, in rows that are @pitch apart */
static SHU_SIMD void
smooth_columns (float *restrict y, const float *restrict x, int S, gsize pitch,
    int n, int radius)
{
  float scale = 1.0f / (float) (2 * radius + 1);
  double sum[STRIP] = {0};

  for (int j = -radius; j <= radius; j++)
    for (int i = 0; i < n; i++)
      sum[i] += shu_plane_exact (x[CLAMP (j, 0, S - 1) * pitch + i]);
  for (int j = 0; j < S; j++) {
    const float *in = x + MIN (S - 1, j + radius + 1) * pitch;
    const float *out = x + MAX (0, j - radius) * pitch;

    for (int i = 0; i < n; i++) {
      y[j * pitch + i] = (float) sum[i] * scale;
      sum[i] += shu_plane_exact (in[i]) - shu_plane_exact (out[i]);
    }
  }
}

void
shu_cpu_plane_smooth (ShuCtx *c, ShuTensor *y, ShuTensor *x, int radius)
{
  SHU_SCOPE (c);
  int S = (int) x->dims[0], C = (int) x->dims[2], pitch = S * C;
  float *other = shu_cpu_scratch (c, x->n, sizeof *other);
  float *rooms = shu_cpu_rooms (c, 2 * (gsize) pitch);

  if (!other || !rooms)
    return;
  for (int pass = 0; pass < 3; pass++) {
    const float *from = pass ? shu_f32 (y) : shu_f32 (x);

#pragma omp parallel for if (x->n > 4096)
    for (int v = 0; v < S; v++)
      smooth_row (other + (gsize) v * pitch, from + (gsize) v * pitch, S, C,
          radius, (double *) shu_cpu_room (rooms, 2 * (gsize) pitch));
#pragma omp parallel for if (x->n > 4096)
    for (int u = 0; u < pitch; u += STRIP)
      smooth_columns (
          shu_f32 (y) + u, other + u, S, pitch, MIN (STRIP, pitch - u), radius);
  }
}

/* ---- filling ---- */

/* Level @l of @rgb and @known, whose first one is the plane itself, out of the
 * one below it */
static void
pull_level (
    const ShuTexturePyramid *p, int l, float *const *rgb, guint8 *const *known)
{
  int side = p->side[l];

#pragma omp parallel for if (side > 64)
  for (int y = 0; y < side; y++)
    for (int x = 0; x < side; x++) {
      gsize at = (gsize) y * side + x;
      known[l][at] = (guint8) shu_plane_pull (
          rgb[l - 1], known[l - 1], p->side[l - 1], x, y, rgb[l] + 3 * at);
    }
}

static void
push_level (
    const ShuTexturePyramid *p, int l, float *const *rgb, guint8 *const *known)
{
  int side = p->side[l];

#pragma omp parallel for if (side > 64)
  for (int y = 0; y < side; y++)
    for (int x = 0; x < side; x++) {
      gsize at = (gsize) y * side + x;
      if (!known[l][at])
        shu_plane_push (rgb[l + 1], p->side[l + 1], x, y, rgb[l] + 3 * at);
    }
}

static gboolean
is_full (const guint8 *known, int side)
{
  return !memchr (known, 0, (gsize) side * side);
}

void
shu_cpu_plane_fill (ShuCtx *c, ShuTensor *y, ShuTensor *x, ShuTensor *from)
{
  SHU_SCOPE (c);
  ShuTexturePyramid p = shu_texture_pyramid ((int) x->dims[0]);
  gsize n = x->n / 3, total = p.start[p.n_levels];
  float *room = shu_cpu_scratch (c, MAX (1, 3 * (total - n)), sizeof *room);
  guint8 *masks = shu_cpu_scratch (c, total, 1);
  float *rgb[SHU_TEXTURE_MAX_LEVELS];
  guint8 *known[SHU_TEXTURE_MAX_LEVELS];
  int top = 0;

  if (!room || !masks)
    return;
  for (int l = 0; l < p.n_levels; l++) {
    rgb[l] = l ? room + 3 * (p.start[l] - n) : shu_f32 (y);
    known[l] = masks + p.start[l];
  }
#pragma omp parallel for if (n > 4096)
  for (gsize i = 0; i < n; i++) {
    gint32 at = shu_i32 (from)[i];

    known[0][i] = at >= 0;
    for (int k = 0; k < 3; k++)
      rgb[0][3 * i + k] = at >= 0 ? shu_f32 (x)[3 * (gsize) at + k] : 0;
  }
  while (top + 1 < p.n_levels && !is_full (known[top], p.side[top]))
    pull_level (&p, ++top, rgb, known);
  for (int l = top - 1; l >= 0; l--)
    push_level (&p, l, rgb, known);
}
