/* SPDX-License-Identifier: MIT */
/* Half-space rasterisation (Pineda 1988) in fixed point with the top-left
 * rule.  Threads own bands of rows, so each pixel sees the faces in order. */
#include "geometry/raster.h"
#include <math.h>
#include <string.h>

enum {
  SUB = 256,           /* sub-pixels a pixel */
  MAX_COORD = 1 << 20, /* pixels: edge functions then fit in 62 bits */
  BAND = 32,           /* rows a task */
  WIDE = 8,            /* pixels; rows of wider faces are cut to size first */
};

static const float near_limit = 0.01f;

/* A vertex on the screen: @x, @y in sub-pixels, @w = 1 / z or 1. */
typedef struct {
  gint64 x, y;
  float z, w;
  gboolean ok;
} Corner;

typedef struct {
  ShuRaster *raster;
  const Corner *corners;
  const gint32 *faces;
  int n_faces;
  ShuRasterFlags flags;
  gboolean perspective;
  gboolean flat; /* no depth: the first face keeps the pixel */
} Job;

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

static void
set_corner (Corner *c, float x, float y, float z, float w)
{
  c->ok = fabsf (x) < MAX_COORD && fabsf (y) < MAX_COORD;
  c->x = c->ok ? (gint64) floorf (x * SUB + 0.5f) : 0;
  c->y = c->ok ? (gint64) floorf (y * SUB + 0.5f) : 0;
  c->z = z;
  c->w = w;
}

/* First pixel whose centre is at or after sub-pixel @v. */
static int
first_pixel (gint64 v)
{
  gint64 p = v - SUB / 2;

  return (int) (p >= 0 ? (p + SUB - 1) / SUB : -((-p) / SUB));
}

/* Whether a point on the edge from @a to @b belongs to the face, of which the
 * inside has positive edge functions and y points down. */
static gboolean
owns_edge (const Corner *a, const Corner *b)
{
  return b->y < a->y || (b->y == a->y && b->x > a->x);
}

static void
put_pixel (const Job *job, gsize i, int face, const double *l,
    const Corner *const *v, int *n_doubles)
{
  ShuRaster *r = job->raster;
  double w0 = l[0] * v[0]->w, w1 = l[1] * v[1]->w, w2 = l[2] * v[2]->w;
  double sum = w0 + w1 + w2;
  float depth =
      job->perspective
          ? (float) (1 / sum)
          : (float) (l[0] * v[0]->z + l[1] * v[1]->z + l[2] * v[2]->z);

  if (job->flat && r->face[i] >= 0)
    (*n_doubles)++;
  if (r->face[i] >= 0 && depth >= r->depth[i])
    return;
  r->face[i] = face;
  r->depth[i] = depth;
  if (r->bary && (job->flags & SHU_RASTER_BARY)) {
    r->bary[2 * i] = (float) (w1 / sum);
    r->bary[2 * i + 1] = (float) (w2 / sum);
  }
}

/* Narrows a row, from pixel @x0 on, to where @value - (x - x0) * @step, an edge
 * function with its bias, is not negative. */
static void
clip_row (gint64 value, gint64 step, int x0, int *from, int *to)
{
  if (step > 0)
    *to = value < 0 ? x0 - 1 : (int) MIN (*to, x0 + value / step);
  else if (step < 0 && value < 0)
    *from = (int) MAX (*from, x0 + (value + step + 1) / step);
  else if (step == 0 && value < 0)
    *to = x0 - 1;
}

/* Draws the part of a face within rows @row0..@row1-1. */
static void
draw_face (const Job *job, int face, int row0, int row1, int *n_doubles)
{
  const ShuRaster *r = job->raster;
  const gint32 *f = job->faces + 3 * (gsize) face;
  const Corner *a = job->corners + f[0], *b = job->corners + f[1],
               *c = job->corners + f[2];
  /* Screen y points down: faces seen from outside run clockwise on screen in
   * world terms, which makes this area negative. */
  gint64 area = (b->x - a->x) * (c->y - a->y) - (b->y - a->y) * (c->x - a->x);
  gboolean swap = area < 0;

  if (!a->ok || !b->ok || !c->ok || area == 0)
    return;
  if ((job->flags & SHU_RASTER_CULL) && !swap)
    return;
  if (swap) {
    const Corner *t = b;
    b = c, c = t;
    area = -area;
  }
  int y0 = MAX (row0, first_pixel (MIN (a->y, MIN (b->y, c->y))));
  int y1 = MIN (row1 - 1, first_pixel (MAX (a->y, MAX (b->y, c->y))));
  int x0 = MAX (0, first_pixel (MIN (a->x, MIN (b->x, c->x))));
  int x1 = MIN (r->width - 1, first_pixel (MAX (a->x, MAX (b->x, c->x))));
  const Corner *v[3] = {a, b, c};
  const Corner *ordered[3] = {a, swap ? c : b, swap ? b : c};
  gint64 dx[3], dy[3], bias[3];

  /* Edge k lies opposite of corner k. */
  for (int k = 0; k < 3; k++) {
    const Corner *p = v[(k + 1) % 3], *q = v[(k + 2) % 3];
    dx[k] = q->x - p->x;
    dy[k] = q->y - p->y;
    bias[k] = owns_edge (p, q) ? 0 : -1;
  }
  for (int y = y0; y <= y1; y++) {
    gint64 py = (gint64) y * SUB + SUB / 2;
    gint64 e[3];
    int from = x0, to = x1;
    for (int k = 0; k < 3; k++) {
      const Corner *p = v[(k + 1) % 3];
      gint64 px = (gint64) x0 * SUB + SUB / 2;
      e[k] = dx[k] * (py - p->y) - dy[k] * (px - p->x);
      if (x1 - x0 > WIDE)
        clip_row (e[k] + bias[k], dy[k] * SUB, x0, &from, &to);
    }
    for (int k = 0; k < 3; k++)
      e[k] -= dy[k] * SUB * (from - x0);
    for (int x = from; x <= to; x++) {
      if (((e[0] + bias[0]) | (e[1] + bias[1]) | (e[2] + bias[2])) >= 0) {
        double s = 1.0 / (double) area;
        double l[3] = {
            e[0] * s, (swap ? e[2] : e[1]) * s, (swap ? e[1] : e[2]) * s};
        put_pixel (job, (gsize) y * r->width + x, face, l, ordered, n_doubles);
      }
      e[0] -= dy[0] * SUB;
      e[1] -= dy[1] * SUB;
      e[2] -= dy[2] * SUB;
    }
  }
}

/* The faces that touch each band of rows, in face order: @ret_start has
 * n_bands + 1 entries. */
static gint32 *
sort_by_band (const Job *job, int n_bands, int *ret_start)
{
  g_autofree int *range = g_new (int, 2 * (gsize) MAX (1, job->n_faces));
  gint32 *list;
  int total = 0;

  memset (ret_start, 0, (n_bands + 1) * sizeof (int));
  for (int f = 0; f < job->n_faces; f++) {
    const gint32 *v = job->faces + 3 * (gsize) f;
    gint64 y[3] = {
        job->corners[v[0]].y, job->corners[v[1]].y, job->corners[v[2]].y};
    int lo = first_pixel (MIN (y[0], MIN (y[1], y[2])));
    int hi = first_pixel (MAX (y[0], MAX (y[1], y[2])));
    lo = MAX (0, lo) / BAND;
    hi = hi < 0 ? -1 : MIN (n_bands - 1, hi / BAND);
    range[2 * f] = lo;
    range[2 * f + 1] = hi;
    for (int b = lo; b <= hi; b++)
      ret_start[b + 1]++;
  }
  for (int b = 0; b < n_bands; b++)
    total = ret_start[b + 1] += ret_start[b];
  list = g_new (gint32, MAX (1, total));
  g_autofree int *next = g_memdup2 (ret_start, (n_bands + 1) * sizeof (int));
  for (int f = 0; f < job->n_faces; f++)
    for (int b = range[2 * f]; b <= range[2 * f + 1]; b++)
      list[next[b]++] = f;
  return list;
}

static void
draw (const Job *job, int *ret_n_doubles)
{
  ShuRaster *r = job->raster;
  gsize n = (gsize) r->width * r->height;
  int n_bands = (r->height + BAND - 1) / BAND;
  g_autofree int *start = g_new (int, n_bands + 1);
  g_autofree gint32 *list = sort_by_band (job, n_bands, start);
  int n_doubles = 0;

  for (gsize i = 0; i < n; i++) {
    r->face[i] = -1;
    r->depth[i] = G_MAXFLOAT;
  }
  if (r->bary)
    memset (r->bary, 0, 2 * n * sizeof (float));
#pragma omp parallel for schedule(dynamic, 1) reduction(+ : n_doubles)
  for (int band = 0; band < n_bands; band++)
    for (int i = start[band]; i < start[band + 1]; i++)
      draw_face (job, list[i], band * BAND, MIN (r->height, (band + 1) * BAND),
          &n_doubles);
  if (ret_n_doubles)
    *ret_n_doubles = n_doubles;
}

void
shu_raster_mesh (ShuRaster *raster, const ShuMesh *mesh,
    const ShuCamera *camera, ShuRasterFlags flags)
{
  g_autofree Corner *corners = g_new (Corner, MAX (1, mesh->n_verts));
  Job job = {raster, corners, mesh->faces, mesh->n_faces, flags,
      camera->perspective, FALSE};

#pragma omp parallel for
  for (int i = 0; i < mesh->n_verts; i++) {
    float uv[2];
    float z = shu_camera_project (camera, mesh->pos + 3 * (gsize) i, uv);
    set_corner (corners + i, uv[0] * raster->width, uv[1] * raster->height, z,
        camera->perspective ? 1 / z : 1);
    if (camera->perspective && !(z > near_limit))
      corners[i].ok = FALSE;
  }
  draw (&job, NULL);
}

void
shu_raster_uv (ShuRaster *raster, const ShuMesh *mesh, ShuRasterFlags flags,
    int *ret_n_doubles)
{
  g_autofree Corner *corners = g_new (Corner, MAX (1, mesh->n_verts));
  Job job = {raster, corners, mesh->faces, mesh->n_faces, flags, FALSE, TRUE};

  g_assert (mesh->uv);
  for (int i = 0; i < mesh->n_verts; i++)
    set_corner (corners + i, mesh->uv[2 * (gsize) i] * raster->width,
        mesh->uv[2 * (gsize) i + 1] * raster->height, 0, 1);
  draw (&job, ret_n_doubles);
}
