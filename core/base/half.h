/* SPDX-License-Identifier: MIT */
/* 16-bit floating point numbers as bits: IEEE binary16 ("f16") and bfloat16.
 * Rounding is to nearest even, subnormals are exact in both directions, a NaN
 * stays a (quiet) NaN.  Plain integer code without branches that matter, so
 * the bulk loops vectorise on every machine. */
#pragma once
#include <glib.h>
#include <string.h>

G_BEGIN_DECLS

static inline guint32
shu_f32_bits (float f)
{
  guint32 u;

  memcpy (&u, &f, sizeof u);
  return u;
}

static inline float
shu_f32_from_bits (guint32 u)
{
  float f;

  memcpy (&f, &u, sizeof f);
  return f;
}

static inline float
shu_f16_to_f32 (guint16 h)
{
  guint32 sign = (guint32) (h & 0x8000) << 16;
  guint32 exp_mant = h & 0x7fff;
  /* exponent bias 15 -> 127; infinity and NaN go the same way once more */
  guint32 normal = (exp_mant << 13) + (112u << 23);
  guint32 special = normal + (112u << 23);
  guint32 tiny = shu_f32_bits ((float) (gint32) exp_mant * 0x1p-24f);
  guint32 u = exp_mant < 0x0400 ? tiny : exp_mant < 0x7c00 ? normal : special;

  return shu_f32_from_bits (sign | u);
}

static inline guint16
shu_f32_to_f16 (float f)
{
  guint32 bits = shu_f32_bits (f);
  guint32 sign = (bits >> 16) & 0x8000;
  guint32 x = bits & 0x7fffffff;
  /* A carry out of the mantissa is right: it ends at infinity. */
  guint32 normal = (x - (112u << 23) + 0xfff + ((x >> 13) & 1)) >> 13;
  /* The last place of 0.5 is the last place of a subnormal f16. */
  guint32 tiny =
      shu_f32_bits (shu_f32_from_bits (x) + 0.5f) - shu_f32_bits (0.5f);
  guint32 special =
      x > 0x7f800000 ? 0x7e00 | ((x >> 13) & 0x1ff) : (guint32) 0x7c00;
  guint32 h = x < 0x38800000 ? tiny : x < 0x47800000 ? normal : special;

  return (guint16) (sign | h);
}

static inline float
shu_bf16_to_f32 (guint16 h)
{
  return shu_f32_from_bits ((guint32) h << 16);
}

static inline guint16
shu_f32_to_bf16 (float f)
{
  guint32 x = shu_f32_bits (f);
  guint32 rounded = (x + 0x7fff + ((x >> 16) & 1)) >> 16;
  guint32 nan = (x >> 16) | 0x40;

  return (guint16) ((x & 0x7fffffff) > 0x7f800000 ? nan : rounded);
}

/* The value that @f has after being stored as f16. */
static inline float
shu_f16_round (float f)
{
  return shu_f16_to_f32 (shu_f32_to_f16 (f));
}

static inline void
shu_f16_to_f32_n (const guint16 *src, float *dst, gsize n)
{
  for (gsize i = 0; i < n; i++)
    dst[i] = shu_f16_to_f32 (src[i]);
}

static inline void
shu_f32_to_f16_n (const float *src, guint16 *dst, gsize n)
{
  for (gsize i = 0; i < n; i++)
    dst[i] = shu_f32_to_f16 (src[i]);
}

static inline void
shu_bf16_to_f32_n (const guint16 *src, float *dst, gsize n)
{
  for (gsize i = 0; i < n; i++)
    dst[i] = shu_bf16_to_f32 (src[i]);
}

static inline void
shu_f32_to_bf16_n (const float *src, guint16 *dst, gsize n)
{
  for (gsize i = 0; i < n; i++)
    dst[i] = shu_f32_to_bf16 (src[i]);
}

G_END_DECLS
