/* SPDX-License-Identifier: MIT */
#include "geometry/splat.h"
#include <math.h>
#include <string.h>

enum {
  TILE = 16,
};

static const float nearest = 0.2f;
static const float filter = 0.1f; /* pixels^2 added to each axis */
static const float max_alpha = 0.99f;
static const float min_alpha = 1.0f / 255;
static const float min_through = 1e-4f;

/* Tiles x0 <= x < x1, y0 <= y < y1 that a Gaussian acts on. */
typedef struct {
  int x0, x1, y0, y1;
} Tiles;

/* The Gaussians in front-to-back order, tile by tile. */
typedef struct {
  const ShuGaussians *g;
  ShuSplatPoint *points;
  int n_tiles; /* a side */
  gsize *start;
  gint32 *list;
} Frame;

/* R diag (s^2) R^T of a unit quaternion (w,x,y,z), as xx xy xz yy yz zz. */
static void
covariance (const float *q, const float *s, double *ret)
{
  double w = q[0], x = q[1], y = q[2], z = q[3];
  double r[3][3] = {
      {1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)},
      {2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)},
      {2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)}};
  int n = 0;

  for (int i = 0; i < 3; i++)
    for (int j = i; j < 3; j++, n++) {
      ret[n] = 0;
      for (int k = 0; k < 3; k++)
        ret[n] += r[i][k] * r[j][k] * (double) s[k] * s[k];
    }
}

/* a^T C b */
static double
form (const double *c, const double *a, const double *b)
{
  return a[0] * (c[0] * b[0] + c[1] * b[1] + c[2] * b[2]) +
         a[1] * (c[1] * b[0] + c[3] * b[1] + c[4] * b[2]) +
         a[2] * (c[2] * b[0] + c[4] * b[1] + c[5] * b[2]);
}

/* Ellipse on the image: J W C W^T J^T, J the Jacobian of the projection with
 * the direction clamped to 1.3 times the field of view. */
static void
project_covariance (const double *c, const ShuCamera *camera, int size,
    const float *p, double *ret)
{
  const float *m = camera->view;
  double z = p[2], limit = 1.3 * 0.5 / camera->focal;
  double f = (double) size * camera->focal;
  double x = CLAMP (p[0] / z, -limit, limit) * z;
  double y = CLAMP (p[1] / z, -limit, limit) * z;
  double u[3], v[3];

  for (int k = 0; k < 3; k++) {
    u[k] = f / z * m[k] - f * x / (z * z) * m[8 + k];
    v[k] = f / z * m[4 + k] - f * y / (z * z) * m[8 + k];
  }
  ret[0] = form (c, u, u);
  ret[1] = form (c, u, v);
  ret[2] = form (c, v, v);
}

ShuSplatPoint
shu_splat_project (
    const ShuGaussians *g, int i, const ShuCamera *camera, int size)
{
  const float *m = camera->view, *pos = g->pos + 3 * (gsize) i;
  ShuSplatPoint point = {.radius = 0};
  double world[6], c[3], det0, det1, coef, mid;
  float p[3];

  for (int k = 0; k < 3; k++)
    p[k] = m[4 * k] * pos[0] + m[4 * k + 1] * pos[1] + m[4 * k + 2] * pos[2] +
           m[4 * k + 3];
  /* Written so that NaN is left out, too. */
  if (!(p[2] > nearest) || !isfinite (p[0]) || !isfinite (p[1]) ||
      !isfinite (p[2]))
    return point;
  covariance (g->quat + 4 * (gsize) i, g->scale + 3 * (gsize) i, world);
  project_covariance (world, camera, size, p, c);
  det0 = MAX (1e-6, c[0] * c[2] - c[1] * c[1]);
  c[0] += filter;
  c[2] += filter;
  double det = c[0] * c[2] - c[1] * c[1];
  det1 = MAX (1e-6, det);
  coef = det0 <= 1e-6 || det1 <= 1e-6 ? 0 : sqrt (det0 / (det1 + 1e-6) + 1e-6);
  if (!(det > 0) || !isfinite (det))
    return point;
  mid = 0.5 * (c[0] + c[2]);
  double radius = ceil (3 * sqrt (mid + sqrt (MAX (0.1, mid * mid - det))));
  double scale = 2.0 * camera->focal / (p[2] + 1e-7);
  for (int k = 0; k < 2; k++)
    point.mean[k] = (float) (((scale * p[k] + 1) * size - 1) / 2);
  point.cov[0] = (float) c[0];
  point.cov[1] = (float) c[1];
  point.cov[2] = (float) c[2];
  point.conic[0] = (float) (c[2] / det);
  point.conic[1] = (float) (-c[1] / det);
  point.conic[2] = (float) (c[0] / det);
  point.alpha = (float) (g->opacity[i] * coef);
  point.depth = p[2];
  if (fabsf (point.mean[0]) < 1e6f && fabsf (point.mean[1]) < 1e6f)
    point.radius = (int) MIN (radius, 1e6);
  return point;
}

static int
tile_of (float v, int n_tiles)
{
  return (int) CLAMP (truncf (v / TILE), 0.0f, (float) n_tiles);
}

static Tiles
tiles_of (const ShuSplatPoint *p, int n_tiles)
{
  float r = p->radius;

  if (!p->radius)
    return (Tiles){0, 0, 0, 0};
  return (Tiles){tile_of (p->mean[0] - r, n_tiles),
      tile_of (p->mean[0] + r + TILE - 1, n_tiles),
      tile_of (p->mean[1] - r, n_tiles),
      tile_of (p->mean[1] + r + TILE - 1, n_tiles)};
}

static int
depth_digit (const Frame *frame, gint32 i, int shift)
{
  guint32 bits;

  memcpy (&bits, &frame->points[i].depth, sizeof bits);
  return bits >> shift & 255;
}

/* Indices of the visible Gaussians by depth, then by index: radix sort on the
 * bits of the depth, which is positive. */
static gint32 *
sort_by_depth (const Frame *frame, int *ret_n)
{
  int n = 0;
  gint32 *a = g_new (gint32, MAX (1, frame->g->n));
  g_autofree gint32 *b = g_new (gint32, MAX (1, frame->g->n));

  for (int i = 0; i < frame->g->n; i++)
    if (frame->points[i].radius)
      a[n++] = i;
  for (int shift = 0; shift < 32; shift += 8) {
    int next[257] = {0};
    for (int i = 0; i < n; i++)
      next[depth_digit (frame, a[i], shift) + 1]++;
    for (int d = 0; d < 256; d++)
      next[d + 1] += next[d];
    for (int i = 0; i < n; i++)
      b[next[depth_digit (frame, a[i], shift)]++] = a[i];
    memcpy (a, b, n * sizeof (gint32));
  }
  *ret_n = n;
  return a;
}

static void
fill_tiles (Frame *f)
{
  gsize n_lists = (gsize) f->n_tiles * f->n_tiles;
  int n;
  g_autofree gint32 *order = sort_by_depth (f, &n);

  f->start = g_new0 (gsize, n_lists + 1);
  for (int i = 0; i < n; i++) {
    Tiles t = tiles_of (f->points + order[i], f->n_tiles);
    for (int y = t.y0; y < t.y1; y++)
      for (int x = t.x0; x < t.x1; x++)
        f->start[(gsize) y * f->n_tiles + x + 1]++;
  }
  for (gsize i = 0; i < n_lists; i++)
    f->start[i + 1] += f->start[i];
  f->list = g_new (gint32, MAX (1, f->start[n_lists]));
  g_autofree gsize *next = g_memdup2 (f->start, n_lists * sizeof (gsize));
  for (int i = 0; i < n; i++) {
    Tiles t = tiles_of (f->points + order[i], f->n_tiles);
    for (int y = t.y0; y < t.y1; y++)
      for (int x = t.x0; x < t.x1; x++)
        f->list[next[(gsize) y * f->n_tiles + x]++] = order[i];
  }
}

static void
blend_pixel (const Frame *f, gsize tile, int x, int y, ShuSplat *out)
{
  gsize at = (gsize) y * out->size + x;
  float through = 1, rgb[3] = {0}, depth = 0;

  for (gsize j = f->start[tile]; j < f->start[tile + 1]; j++) {
    gint32 i = f->list[j];
    const ShuSplatPoint *p = f->points + i;
    float dx = p->mean[0] - x, dy = p->mean[1] - y;
    float e = -0.5f * (p->conic[0] * dx * dx + p->conic[2] * dy * dy) -
              p->conic[1] * dx * dy;
    if (e > 0)
      continue;
    float alpha = MIN (max_alpha, p->alpha * expf (e));
    if (!(alpha >= min_alpha))
      continue;
    if (through * (1 - alpha) < min_through)
      break;
    for (int c = 0; c < 3; c++)
      rgb[c] += f->g->rgb[3 * (gsize) i + c] * alpha * through;
    depth += p->depth * alpha * through;
    through *= 1 - alpha;
  }
  memcpy (out->rgb + 3 * at, rgb, sizeof rgb);
  out->through[at] = through;
  if (out->depth)
    out->depth[at] = through < 1 ? depth / (1 - through) : 0;
}

ShuSplat *
shu_splat (const ShuGaussians *g, const ShuCamera *camera, int size,
    gboolean with_depth)
{
  Frame f = {.g = g, .n_tiles = (size + TILE - 1) / TILE};
  gsize n = (gsize) size * size;
  ShuSplat *out;

  g_return_val_if_fail (camera->perspective, NULL);
  g_return_val_if_fail (size >= 1 && size <= 8192, NULL);
  out = g_new0 (ShuSplat, 1);
  out->size = size;
  out->rgb = g_new (float, 3 * n);
  out->through = g_new (float, n);
  out->depth = with_depth ? g_new (float, n) : NULL;
  f.points = g_new (ShuSplatPoint, MAX (1, g->n));
#pragma omp parallel for
  for (int i = 0; i < g->n; i++)
    f.points[i] = shu_splat_project (g, i, camera, size);
  fill_tiles (&f);
#pragma omp parallel for schedule(dynamic, 4)
  for (int tile = 0; tile < f.n_tiles * f.n_tiles; tile++) {
    int x0 = tile % f.n_tiles * TILE, y0 = tile / f.n_tiles * TILE;
    for (int y = y0; y < MIN (size, y0 + TILE); y++)
      for (int x = x0; x < MIN (size, x0 + TILE); x++)
        blend_pixel (&f, tile, x, y, out);
  }
  g_free (f.points);
  g_free (f.start);
  g_free (f.list);
  return out;
}

void
shu_splat_free (ShuSplat *splat)
{
  if (!splat)
    return;
  g_free (splat->rgb);
  g_free (splat->through);
  g_free (splat->depth);
  g_free (splat);
}
