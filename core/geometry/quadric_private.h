/* SPDX-License-Identifier: MIT */
/* Squared distances from planes, and from what colours should be, summed up
 * (Garland and Heckbert 1997; Hoppe, "New Quadric Metric for Simplifying Meshes
 * with Appearance Attributes", 1999). */
#pragma once
#include "geometry/vec3_private.h"

enum { QUADRIC_COLORS = 3 };

/* x' A x + 2 b x + c, and for colours s: w s^2 - 2 s (g x + d). */
typedef struct {
  double xx, xy, xz, yy, yz, zz;
  Vec3 b;
  double c;
  double w;
  Vec3 g[QUADRIC_COLORS];
  double d[QUADRIC_COLORS];
} Quadric;

static inline void
quadric_add (Quadric *q, const Quadric *o)
{
  q->xx += o->xx;
  q->xy += o->xy;
  q->xz += o->xz;
  q->yy += o->yy;
  q->yz += o->yz;
  q->zz += o->zz;
  q->b = vec3_add (q->b, o->b);
  q->c += o->c;
  q->w += o->w;
  for (int k = 0; k < QUADRIC_COLORS; k++) {
    q->g[k] = vec3_add (q->g[k], o->g[k]);
    q->d[k] += o->d[k];
  }
}

/* Adds @weight (n x + d)^2. */
static inline void
quadric_add_square (Quadric *q, Vec3 n, double d, double weight)
{
  q->xx += weight * n.x * n.x;
  q->xy += weight * n.x * n.y;
  q->xz += weight * n.x * n.z;
  q->yy += weight * n.y * n.y;
  q->yz += weight * n.y * n.z;
  q->zz += weight * n.z * n.z;
  q->b = vec3_add (q->b, vec3_scale (n, weight * d));
  q->c += weight * d * d;
}

/* @weight times the squared distance from the plane through @p. */
static inline void
quadric_add_plane (Quadric *q, Vec3 n, Vec3 p, double weight)
{
  quadric_add_square (q, n, -vec3_dot (n, p), weight);
}

/* @weight times the squared distance from @p. */
static inline void
quadric_add_point (Quadric *q, Vec3 p, double weight)
{
  q->xx += weight;
  q->yy += weight;
  q->zz += weight;
  q->b = vec3_sub (q->b, vec3_scale (p, weight));
  q->c += weight * vec3_dot (p, p);
}

/* @weight times the square of what colour @k lacks of @gradient x + @offset. */
static inline void
quadric_add_color (
    Quadric *q, int k, Vec3 gradient, double offset, double weight)
{
  quadric_add_square (q, gradient, offset, weight);
  q->g[k] = vec3_add (q->g[k], vec3_scale (gradient, weight));
  q->d[k] += weight * offset;
}

/* What is left with the best colours at each place. */
static inline void
quadric_settle_colors (Quadric *q)
{
  for (int k = 0; k < QUADRIC_COLORS && q->w > 0; k++)
    quadric_add_square (
        q, q->g[k], q->d[k], -1 / q->w); /* (g x + d)^2 / w less */
}

/* The best colour at @x; @q before its colours were settled. */
static inline double
quadric_color (const Quadric *q, int k, Vec3 x)
{
  return (vec3_dot (q->g[k], x) + q->d[k]) / q->w;
}

static inline Vec3
quadric_times (const Quadric *q, Vec3 v)
{
  return (Vec3){q->xx * v.x + q->xy * v.y + q->xz * v.z,
      q->xy * v.x + q->yy * v.y + q->yz * v.z,
      q->xz * v.x + q->yz * v.y + q->zz * v.z};
}

static inline double
quadric_eval (const Quadric *q, Vec3 v)
{
  return vec3_dot (v, quadric_times (q, v)) + 2 * vec3_dot (q->b, v) + q->c;
}

/* The minimum.  Returns: whether it is well defined. */
static inline int
quadric_solve (const Quadric *q, Vec3 *ret)
{
  Vec3 r0 = {q->xx, q->xy, q->xz}, r1 = {q->xy, q->yy, q->yz};
  Vec3 r2 = {q->xz, q->yz, q->zz};
  double norm = sqrt (
      fmax (vec3_dot (r0, r0), fmax (vec3_dot (r1, r1), vec3_dot (r2, r2))));
  Vec3 c12 = vec3_cross (r1, r2);
  double det = vec3_dot (r0, c12);

  if (!(fabs (det) > 1e-10 * norm * norm * norm))
    return 0;
  /* A is symmetric, so its inverse has these columns. */
  *ret = vec3_scale (vec3_add (vec3_scale (c12, q->b.x),
                         vec3_add (vec3_scale (vec3_cross (r2, r0), q->b.y),
                             vec3_scale (vec3_cross (r0, r1), q->b.z))),
      -1 / det);
  return 1;
}
