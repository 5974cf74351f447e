/* SPDX-License-Identifier: MIT */
/* 8-bit floating point numbers as bits, E4M3 as GPUs have it: a sign, 4 bits
 * of exponent (bias 7), 3 of mantissa, no infinity, one NaN of each sign.  From
 * 2^-9, the smallest subnormal, to 448; rounding is to nearest even, and what
 * is too large becomes the largest.
 *
 * Values are stored times a power of two, which costs nothing: 1 in 16 of a
 * value is the least that can be told apart whatever its size. */
#pragma once
#include "base/half.h"
#include <math.h>

G_BEGIN_DECLS

static inline float
shu_e4m3_to_f32 (guint8 h)
{
  guint32 sign = (guint32) (h & 0x80) << 24;
  guint32 exp_mant = h & 0x7f;
  guint32 normal = (exp_mant << 20) + (120u << 23); /* bias 7 -> 127 */
  guint32 tiny = shu_f32_bits ((float) (gint32) exp_mant * 0x1p-9f);
  guint32 u = exp_mant < 0x08 ? tiny : exp_mant < 0x7f ? normal : 0x7fc00000;

  return shu_f32_from_bits (sign | u);
}

static inline guint8
shu_f32_to_e4m3 (float f)
{
  guint32 bits = shu_f32_bits (f);
  guint32 sign = (bits >> 24) & 0x80;
  guint32 x = bits & 0x7fffffff;
  guint32 normal = (x - (120u << 23) + 0x7ffff + ((x >> 20) & 1)) >> 20;
  /* The last place of 2^14 is the last place of a subnormal. */
  guint32 tiny =
      shu_f32_bits (shu_f32_from_bits (x) + 0x1p14f) - shu_f32_bits (0x1p14f);
  guint32 large = x > 0x7f800000 ? 0x7f : 0x7e;
  guint32 h = x < 0x3c800000 ? tiny : x < 0x43e00000 ? normal : large;

  return (guint8) (sign | h);
}

/* The power of two that brings numbers up to @top into E4M3's range, as far up
 * as it goes; 1 where there is nothing to bring. */
static inline float
shu_e4m3_scale (float top)
{
  int e;

  if (!(top > 0) || isinf (top))
    return 1;
  /* top = m 2^e, m in [1/2,1); 448 = 0.875 * 2^9 */
  return ldexpf (1, (frexpf (top, &e) <= 0.875f ? 9 : 8) - e);
}

G_END_DECLS
