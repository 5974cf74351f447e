/* SPDX-License-Identifier: MIT */
/* Vectors of floats in GCC's vector extension, as wide as the instruction set
 * that a file is compiled for, and the few functions that the kernels need on
 * them.  Wider ones would be taken apart through memory. */
#pragma once
#include <glib.h>
#include <string.h>

#define SHU_INLINE static inline __attribute__ ((always_inline))

#if defined(__AVX512F__)
enum { VECTOR_BYTES = 64 };
#elif defined(__AVX2__)
enum { VECTOR_BYTES = 32 };
#else
enum { VECTOR_BYTES = 16 };
#endif
enum { LANES = VECTOR_BYTES / 4 };

typedef float Vec
    __attribute__ ((vector_size (VECTOR_BYTES), aligned (4), may_alias));
typedef gint32 IVec __attribute__ ((vector_size (VECTOR_BYTES), aligned (4)));
typedef guint32 UVec __attribute__ ((vector_size (VECTOR_BYTES), aligned (4)));

/* Through a pointer: memcpy() goes by halves and over the stack. */
SHU_INLINE Vec
v_load (const float *p)
{
  return *(const Vec *) p;
}

SHU_INLINE void
v_store (float *p, Vec v)
{
  *(Vec *) p = v;
}

/* The first @n values, the rest @fill. */
SHU_INLINE Vec
v_load_n (const float *p, gsize n, float fill)
{
  Vec v = {};

  v += fill;
  memcpy (&v, p, n * sizeof (float));
  return v;
}

SHU_INLINE Vec
v_set (float f)
{
  Vec v = {};

  return v + f;
}

SHU_INLINE Vec
v_select (IVec mask, Vec a, Vec b)
{
  return (Vec) (((IVec) a & mask) | ((IVec) b & ~mask));
}

SHU_INLINE Vec
v_max (Vec a, Vec b)
{
  return v_select (a > b, a, b);
}

SHU_INLINE Vec
v_min (Vec a, Vec b)
{
  return v_select (a < b, a, b);
}

SHU_INLINE Vec
v_abs (Vec a)
{
  return (Vec) ((IVec) a & 0x7fffffff);
}

/* Lanes are added as a tree of halves. */
SHU_INLINE float
v_sum (Vec a)
{
  for (int n = LANES / 2; n > 0; n /= 2)
    for (int i = 0; i < n; i++)
      a[i] += a[i + n];
  return a[0];
}

SHU_INLINE float
v_max_lane (Vec a)
{
  float m = a[0];

  for (int i = 1; i < LANES; i++)
    m = a[i] > m ? a[i] : m;
  return m;
}

/* e^x: 2^n times a polynomial on [-ln 2 / 2, ln 2 / 2]; relative error below
 * 2e-7, 0 below -87, at most e^88. */
SHU_INLINE Vec
v_exp (Vec x)
{
  const float ln2_hi = 0.693359375f, ln2_lo = -2.12194440e-4f;
  IVec zero = x < -87.f;
  Vec n, r, p;
  IVec k;

  x = v_min (v_max (x, v_set (-87.f)), v_set (88.f));
  /* round to nearest: adding 1.5 * 2^23 drops the fraction */
  n = x * 1.44269504f + 12582912.f;
  k = (IVec) n - 0x4b400000;
  n = n - 12582912.f;
  r = x - n * ln2_hi;
  r = r - n * ln2_lo;
  /* Taylor to r^7: the remainder is below 5e-9 */
  p = v_set (1.f / 5040);
  p = p * r + 1.f / 720;
  p = p * r + 1.f / 120;
  p = p * r + 1.f / 24;
  p = p * r + 1.f / 6;
  p = p * r + 0.5f;
  p = p * r + 1.f;
  p = p * r + 1.f;
  p = (Vec) ((IVec) p + (k << 23));
  return v_select (zero, v_set (0), p);
}

SHU_INLINE Vec
v_sigmoid (Vec x)
{
  return 1.f / (1.f + v_exp (-x));
}

/* erf by Abramowitz and Stegun 7.1.26: absolute error below 2e-7. */
SHU_INLINE Vec
v_erf (Vec x)
{
  Vec a = v_abs (x);
  Vec t = 1.f / (1.f + 0.3275911f * a);
  Vec p = v_set (1.061405429f);

  p = p * t - 1.453152027f;
  p = p * t + 1.421413741f;
  p = p * t - 0.284496736f;
  p = p * t + 0.254829592f;
  p = 1.f - p * t * v_exp (-a * a);
  return v_select (x < 0.f, -p, p);
}

SHU_INLINE Vec
v_gelu (Vec x)
{
  return 0.5f * x * (1.f + v_erf (x * 0.70710678f));
}

/* 0.5 x (1 + tanh (u)) = x sigmoid (2 u) */
SHU_INLINE Vec
v_gelu_tanh (Vec x)
{
  return x * v_sigmoid (1.59576912f * (x + 0.044715f * x * x * x));
}

SHU_INLINE Vec
v_silu (Vec x)
{
  return x * v_sigmoid (x);
}
