/* SPDX-License-Identifier: MIT */
/* A Gaussian on the image plane, for every device: the projection of a
 * mip-splatting renderer (Kerbl et al. 2023, Yu et al. 2024) in double
 * precision, and the tiles of the image that it can change. */
#pragma once
#include <float.h>
#include <math.h>
#include <stdint.h>

#ifdef __CUDACC__
#define SHU_SPLAT_FUNC static __host__ __device__ inline
#else
#define SHU_SPLAT_FUNC static inline
#endif

enum { SHU_SPLAT_TILE = 16 }; /* pixels a side */

#define SHU_SPLAT_MAX_ALPHA 0.99f
#define SHU_SPLAT_MIN_ALPHA (1.0f / 255)
#define SHU_SPLAT_MIN_THROUGH 1e-4f

/**
 * ShuSplatCamera:
 * @view: world to camera, the first three rows of the matrix; x right, y down,
 *   z forward
 * @focal: image sides per unit of x / z; the axis meets the image in its middle
 */
typedef struct {
  float view[12];
  float focal;
} ShuSplatCamera;

/**
 * ShuSplatPoint:
 * @mean: centre in pixels; pixel i has its centre at i
 * @cov: xx, xy, yy of the filtered ellipse, pixels^2
 * @conic: xx, xy, yy of its inverse
 * @alpha: opacity in the centre, corrected for the filter
 * @depth: along the camera's axis
 * @radius: pixels, three deviations along the longer axis; 0 where the Gaussian
 *   is not seen
 */
typedef struct {
  float mean[2];
  float cov[3];
  float conic[3];
  float alpha;
  float depth;
  int radius;
} ShuSplatPoint;

/**
 * ShuSplatDot:
 * @reach: of the conic's form; beyond it alpha is below 1/255
 * @half: half the sides of the box around what is within @reach
 *
 * What blending needs of a point.
 */
typedef struct {
  float mean[2];
  float conic[3];
  float alpha;
  float depth;
  float reach;
  float half[2];
  float rgb[3];
} ShuSplatDot;

/**
 * ShuSplatTiles:
 * @mask: of them, row by row, where they are 64 or less; else all are meant
 * @x0: tiles x0 <= x < x1, y0 <= y < y1; none: x0 = x1
 *
 * Tiles that a dot may touch: found once, so that whoever counts them and
 * whoever lists them agree.
 */
typedef struct {
  uint64_t mask;
  uint16_t x0, x1, y0, y1;
} ShuSplatTiles;

SHU_SPLAT_FUNC double
shu_splat_min (double a, double b)
{
  return a < b ? a : b;
}

SHU_SPLAT_FUNC double
shu_splat_max (double a, double b)
{
  return a > b ? a : b;
}

SHU_SPLAT_FUNC double
shu_splat_clamp (double v, double lo, double hi)
{
  return v < lo ? lo : v > hi ? hi : v;
}

/* NaN is not. */
SHU_SPLAT_FUNC int
shu_splat_is_finite (double v)
{
  return fabs (v) <= FLT_MAX;
}

/* R diag (scale^2) R^T of the quaternion (w,x,y,z) made unit, as xx xy xz yy yz
 * zz; not a number where there is no rotation in it. */
SHU_SPLAT_FUNC void
shu_splat_covariance (const float *quat, const float *scale, double *ret)
{
  double w = quat[0], x = quat[1], y = quat[2], z = quat[3];
  double norm = w * w + x * x + y * y + z * z;
  double t = norm > 1e-12 ? 2 / norm : NAN;
  double r[3][3] = {
      {1 - t * (y * y + z * z), t * (x * y - w * z), t * (x * z + w * y)},
      {t * (x * y + w * z), 1 - t * (x * x + z * z), t * (y * z - w * x)},
      {t * (x * z - w * y), t * (y * z + w * x), 1 - t * (x * x + y * y)}};
  int n = 0;

  for (int i = 0; i < 3; i++)
    for (int j = i; j < 3; j++, n++) {
      ret[n] = 0;
      for (int k = 0; k < 3; k++)
        ret[n] += r[i][k] * r[j][k] * ((double) scale[k] * scale[k]);
    }
}

/* a^T C b */
SHU_SPLAT_FUNC double
shu_splat_form (const double *c, const double *a, const double *b)
{
  return a[0] * (c[0] * b[0] + c[1] * b[1] + c[2] * b[2]) +
         a[1] * (c[1] * b[0] + c[3] * b[1] + c[4] * b[2]) +
         a[2] * (c[2] * b[0] + c[4] * b[1] + c[5] * b[2]);
}

/* Ellipse on the image: J W C W^T J^T, J the Jacobian of the projection with
 * the direction clamped to 1.3 times the field of view. */
SHU_SPLAT_FUNC void
shu_splat_project_covariance (const double *c, const ShuSplatCamera *camera,
    int size, const double *p, double *ret)
{
  const float *m = camera->view;
  double z = p[2], limit = 1.3 * 0.5 / camera->focal;
  double f = (double) size * camera->focal;
  double x = shu_splat_clamp (p[0] / z, -limit, limit) * z;
  double y = shu_splat_clamp (p[1] / z, -limit, limit) * z;
  double u[3], v[3];

  for (int k = 0; k < 3; k++) {
    u[k] = f / z * m[k] - f * x / (z * z) * m[8 + k];
    v[k] = f / z * m[4 + k] - f * y / (z * z) * m[8 + k];
  }
  ret[0] = shu_splat_form (c, u, u);
  ret[1] = shu_splat_form (c, u, v);
  ret[2] = shu_splat_form (c, v, v);
}

/**
 * shu_splat_project:
 * @cov: of shu_splat_covariance()
 * @size: of the image in pixels
 *
 * What is nearer than 0.2, not finite or has no rotation is not seen.
 */
SHU_SPLAT_FUNC ShuSplatPoint
shu_splat_project (const float *pos, const double *cov, float opacity,
    const ShuSplatCamera *camera, int size)
{
  const double nearest = 0.2, filter = 0.1; /* pixels^2 of each axis */
  const float *m = camera->view;
  ShuSplatPoint point = {{0}, {0}, {0}, 0, 0, 0};
  double p[3], c[3], det0, det1, det, coef, mid, radius, scale;

  for (int k = 0; k < 3; k++)
    p[k] = (double) m[4 * k] * pos[0] + (double) m[4 * k + 1] * pos[1] +
           (double) m[4 * k + 2] * pos[2] + m[4 * k + 3];
  if (!(p[2] > nearest) || !shu_splat_is_finite (p[0]) ||
      !shu_splat_is_finite (p[1]) || !shu_splat_is_finite (p[2]) ||
      !shu_splat_is_finite (opacity))
    return point;
  shu_splat_project_covariance (cov, camera, size, p, c);
  det0 = shu_splat_max (1e-6, c[0] * c[2] - c[1] * c[1]);
  c[0] += filter;
  c[2] += filter;
  det = c[0] * c[2] - c[1] * c[1];
  det1 = shu_splat_max (1e-6, det);
  coef = det0 <= 1e-6 || det1 <= 1e-6 ? 0 : sqrt (det0 / (det1 + 1e-6) + 1e-6);
  if (!(det > 0) || !shu_splat_is_finite (det))
    return point;
  mid = 0.5 * (c[0] + c[2]);
  radius = ceil (3 * sqrt (mid + sqrt (shu_splat_max (0.1, mid * mid - det))));
  scale = 2.0 * camera->focal / (p[2] + 1e-7);
  for (int k = 0; k < 2; k++)
    point.mean[k] = (float) (((scale * p[k] + 1) * size - 1) / 2);
  for (int k = 0; k < 3; k++)
    point.cov[k] = (float) c[k];
  point.conic[0] = (float) (c[2] / det);
  point.conic[1] = (float) (-c[1] / det);
  point.conic[2] = (float) (c[0] / det);
  point.alpha = (float) (opacity * coef);
  point.depth = (float) p[2];
  if (fabsf (point.mean[0]) < 1e6f && fabsf (point.mean[1]) < 1e6f)
    point.radius = (int) shu_splat_min (radius, 1e6);
  return point;
}

/* Tiles of one axis that both the square of three deviations, as the reference
 * cuts it, and the box of what is seen have a part of. */
SHU_SPLAT_FUNC void
shu_splat_span (float mean, float half, int radius, int n_tiles,
    uint16_t *ret_first, uint16_t *ret_end)
{
  const float side = SHU_SPLAT_TILE;
  float r = (float) radius;
  double lo =
      shu_splat_max (truncf ((mean - r) / side), floor ((mean - half) / side));
  double hi = shu_splat_min (
      truncf ((mean + r + side - 1) / side), floor ((mean + half) / side) + 1);

  *ret_first = (uint16_t) shu_splat_clamp (lo, 0, n_tiles);
  *ret_end = (uint16_t) shu_splat_clamp (hi, *ret_first, n_tiles);
}

/**
 * shu_splat_dot:
 * @ret: with some room in @reach and @half for what float32 makes of the form
 *
 * Returns: whether a pixel may take anything from it: alpha of 1/255, and a
 *   colour that is finite
 */
SHU_SPLAT_FUNC int
shu_splat_dot (const ShuSplatPoint *p, const float *rgb, ShuSplatDot *ret)
{
  double reach;

  if (!p->radius || !(p->alpha >= SHU_SPLAT_MIN_ALPHA))
    return 0;
  reach = 2 * log (255.0 * p->alpha) * 1.0001 + 1e-3;
  for (int k = 0; k < 3; k++) {
    if (!shu_splat_is_finite (rgb[k]))
      return 0;
    ret->rgb[k] = rgb[k];
    ret->conic[k] = p->conic[k];
  }
  for (int k = 0; k < 2; k++) {
    ret->mean[k] = p->mean[k];
    ret->half[k] = (float) (sqrt (reach * p->cov[2 * k]) * 1.001 + 1e-3);
  }
  ret->alpha = p->alpha;
  ret->depth = p->depth;
  ret->reach = (float) reach;
  return 1;
}

/* Least value of the form along a side of the tile: at distance @d of the
 * centre, from @lo to @hi of it; @a is the form's factor across, @c along. */
SHU_SPLAT_FUNC float
shu_splat_side (float a, float b, float c, float d, float lo, float hi)
{
  float along = -b * d / c;

  along = along < lo ? lo : along > hi ? hi : along;
  return a * d * d + 2 * b * d * along + c * along * along;
}

/* Whether pixels of tile (@x, @y) may take something from @dot: whether its
 * ellipse comes that far. */
SHU_SPLAT_FUNC int
shu_splat_touches (const ShuSplatDot *dot, int x, int y)
{
  const float last = SHU_SPLAT_TILE - 1;
  float x0 = (float) (x * SHU_SPLAT_TILE) - dot->mean[0], x1 = x0 + last;
  float y0 = (float) (y * SHU_SPLAT_TILE) - dot->mean[1], y1 = y0 + last;
  float dx = x0 > 0 ? x0 : x1 < 0 ? x1 : 0, dy = y0 > 0 ? y0 : y1 < 0 ? y1 : 0;
  float far_x = x1 > -x0 ? x1 : -x0, far_y = y1 > -y0 ? y1 : -y0;
  float a = dot->conic[0], b = dot->conic[1], c = dot->conic[2];
  float least = FLT_MAX, room;

  if (dx == 0 && dy == 0)
    return 1;
  if (dx != 0)
    least = shu_splat_side (a, b, c, dx, y0, y1);
  if (dy != 0) {
    float other = shu_splat_side (c, b, a, dy, x0, x1);

    least = other < least ? other : least;
  }
  /* The form is a difference of its terms, which may be large. */
  room = 2e-6f * (a * far_x * far_x + c * far_y * far_y);
  return !(least > dot->reach + room);
}

/* @radius: of the point; @n_tiles: of the image's side */
SHU_SPLAT_FUNC ShuSplatTiles
shu_splat_tiles (const ShuSplatDot *dot, int radius, int n_tiles)
{
  ShuSplatTiles t = {0, 0, 0, 0, 0};
  int bit = 0;

  shu_splat_span (dot->mean[0], dot->half[0], radius, n_tiles, &t.x0, &t.x1);
  shu_splat_span (dot->mean[1], dot->half[1], radius, n_tiles, &t.y0, &t.y1);
  if (t.y0 == t.y1)
    t.x1 = t.x0;
  if ((t.x1 - t.x0) * (t.y1 - t.y0) > 64)
    return t;
  for (int y = t.y0; y < t.y1; y++)
    for (int x = t.x0; x < t.x1; x++, bit++)
      t.mask |= (uint64_t) shu_splat_touches (dot, x, y) << bit;
  if (!t.mask)
    t.x1 = t.x0;
  return t;
}

/* Whether tile (@x, @y), within the box of @t, is one of them. */
SHU_SPLAT_FUNC int
shu_splat_has (const ShuSplatTiles *t, int x, int y)
{
  int w = t->x1 - t->x0;

  return w * (t->y1 - t->y0) > 64 ||
         (t->mask >> ((y - t->y0) * w + x - t->x0) & 1);
}
