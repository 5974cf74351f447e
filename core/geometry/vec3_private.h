/* SPDX-License-Identifier: MIT */
/* Points and vectors in double precision for the mesh algorithms. */
#pragma once
#include <math.h>

typedef struct {
  double x, y, z;
} Vec3;

static inline Vec3
vec3_load (const float *p)
{
  return (Vec3){p[0], p[1], p[2]};
}

static inline void
vec3_store (Vec3 a, float *ret)
{
  ret[0] = a.x;
  ret[1] = a.y;
  ret[2] = a.z;
}

static inline Vec3
vec3_add (Vec3 a, Vec3 b)
{
  return (Vec3){a.x + b.x, a.y + b.y, a.z + b.z};
}

static inline Vec3
vec3_sub (Vec3 a, Vec3 b)
{
  return (Vec3){a.x - b.x, a.y - b.y, a.z - b.z};
}

static inline Vec3
vec3_scale (Vec3 a, double s)
{
  return (Vec3){a.x * s, a.y * s, a.z * s};
}

static inline double
vec3_dot (Vec3 a, Vec3 b)
{
  return a.x * b.x + a.y * b.y + a.z * b.z;
}

static inline Vec3
vec3_cross (Vec3 a, Vec3 b)
{
  return (Vec3){
      a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x};
}

static inline double
vec3_length (Vec3 a)
{
  return sqrt (vec3_dot (a, a));
}

/* Zero stays zero. */
static inline Vec3
vec3_unit (Vec3 a)
{
  double length = vec3_length (a);

  return length > 0 ? vec3_scale (a, 1 / length) : a;
}

/* Normal of a triangle, as long as twice its area. */
static inline Vec3
vec3_normal (Vec3 a, Vec3 b, Vec3 c)
{
  return vec3_cross (vec3_sub (b, a), vec3_sub (c, a));
}
