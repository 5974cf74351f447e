/* SPDX-License-Identifier: MIT */
/* Vectors of 16 floats in GCC's vector extension, and the few functions that
 * the kernels need on them.  A function marked SHU_SIMD is compiled for several
 * instruction sets; the widest that the machine has is chosen at load time.
 * Lane order is fixed, so results do not depend on that choice. */
#pragma once
#include <glib.h>
#include <string.h>

/* Clang (14) refuses clones that are not inlined: what the build asks for with
 * -march is all that it gets. */
#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__) &&                   \
    !defined(__SANITIZE_THREAD__) && !defined(__clang__)
#define SHU_SIMD                                                               \
  __attribute__ ((target_clones ("arch=x86-64-v4", "arch=x86-64-v3",           \
      "default"))) __attribute__ ((noinline))
#else
#define SHU_SIMD __attribute__ ((noinline))
#endif
#define SHU_INLINE static inline __attribute__ ((always_inline))

enum { LANES = 16 };

typedef float V16 __attribute__ ((vector_size (64), aligned (4)));
typedef gint32 I16 __attribute__ ((vector_size (64), aligned (4)));

SHU_INLINE V16
v_load (const float *p)
{
  V16 v;

  memcpy (&v, p, sizeof v);
  return v;
}

SHU_INLINE void
v_store (float *p, V16 v)
{
  memcpy (p, &v, sizeof v);
}

/* The first @n values, the rest @fill. */
SHU_INLINE V16
v_load_n (const float *p, gsize n, float fill)
{
  V16 v = {};

  v += fill;
  memcpy (&v, p, n * sizeof (float));
  return v;
}

SHU_INLINE V16
v_set (float f)
{
  V16 v = {};

  return v + f;
}

SHU_INLINE V16
v_select (I16 mask, V16 a, V16 b)
{
  return (V16) (((I16) a & mask) | ((I16) b & ~mask));
}

SHU_INLINE V16
v_max (V16 a, V16 b)
{
  return v_select (a > b, a, b);
}

SHU_INLINE V16
v_min (V16 a, V16 b)
{
  return v_select (a < b, a, b);
}

SHU_INLINE V16
v_abs (V16 a)
{
  return (V16) ((I16) a & 0x7fffffff);
}

/* Lanes are added as a tree of halves. */
SHU_INLINE float
v_sum (V16 a)
{
  for (int n = LANES / 2; n > 0; n /= 2)
    for (int i = 0; i < n; i++)
      a[i] += a[i + n];
  return a[0];
}

SHU_INLINE float
v_max_lane (V16 a)
{
  float m = a[0];

  for (int i = 1; i < LANES; i++)
    m = a[i] > m ? a[i] : m;
  return m;
}

/* e^x: 2^n times a polynomial on [-ln 2 / 2, ln 2 / 2]; relative error below
 * 2e-7, 0 below -87, at most e^88. */
SHU_INLINE V16
v_exp (V16 x)
{
  const float ln2_hi = 0.693359375f, ln2_lo = -2.12194440e-4f;
  I16 zero = x < -87.f;
  V16 n, r, p;
  I16 k;

  x = v_min (v_max (x, v_set (-87.f)), v_set (88.f));
  /* round to nearest: adding 1.5 * 2^23 drops the fraction */
  n = x * 1.44269504f + 12582912.f;
  k = (I16) n - 0x4b400000;
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
  p = (V16) ((I16) p + (k << 23));
  return v_select (zero, v_set (0), p);
}

SHU_INLINE V16
v_sigmoid (V16 x)
{
  return 1.f / (1.f + v_exp (-x));
}

/* erf by Abramowitz and Stegun 7.1.26: absolute error below 2e-7. */
SHU_INLINE V16
v_erf (V16 x)
{
  V16 a = v_abs (x);
  V16 t = 1.f / (1.f + 0.3275911f * a);
  V16 p = v_set (1.061405429f);

  p = p * t - 1.453152027f;
  p = p * t + 1.421413741f;
  p = p * t - 0.284496736f;
  p = p * t + 0.254829592f;
  p = 1.f - p * t * v_exp (-a * a);
  return v_select (x < 0.f, -p, p);
}

SHU_INLINE V16
v_gelu (V16 x)
{
  return 0.5f * x * (1.f + v_erf (x * 0.70710678f));
}

/* 0.5 x (1 + tanh (u)) = x sigmoid (2 u) */
SHU_INLINE V16
v_gelu_tanh (V16 x)
{
  return x * v_sigmoid (1.59576912f * (x + 0.044715f * x * x * x));
}

SHU_INLINE V16
v_silu (V16 x)
{
  return x * v_sigmoid (x);
}
