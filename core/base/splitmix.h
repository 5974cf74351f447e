/* SPDX-License-Identifier: MIT */
/* Numbers in [-1,1), exact in float, by place in a sequence that a key names
 * (splitmix64).  Formula weights are made of them. */
#pragma once
#include <glib.h>

static inline float
shu_splitmix_value (guint64 key, gsize i)
{
  guint64 z = key + (i + 1) * 0x9E3779B97F4A7C15u;

  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  z ^= z >> 31;
  return (float) ((int) (z >> 40) - 8388608) * 0x1p-23f;
}
