/* SPDX-License-Identifier: MIT */
/* One pixel of the operations of planes.h, and what lies between pixels: for
 * every backend, in the same bits where products and sums are not fused. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#ifdef __CUDACC__
#define SHU_PLANE_FN static __host__ __device__ inline
#else
#define SHU_PLANE_FN static inline
#endif

SHU_PLANE_FN float
shu_plane_clamp (float v, float lo, float hi)
{
  return v < lo ? lo : v > hi ? hi : v;
}

/* Bilinear at (@x, @y) in pixels, whose centres are whole numbers; beyond the
 * border its pixels go on. */
SHU_PLANE_FN void
shu_plane_mix (
    const float *plane, int size, int n_channels, float x, float y, float *ret)
{
  x = shu_plane_clamp (x, 0, (float) (size - 1));
  y = shu_plane_clamp (y, 0, (float) (size - 1));
  int x0 = (int) x, y0 = (int) y;
  int x1 = x0 + 1 < size ? x0 + 1 : x0, y1 = y0 + 1 < size ? y0 + 1 : y0;
  float fx = x - (float) x0, fy = y - (float) y0;
  const float *a = plane + ((size_t) y0 * size + x0) * n_channels;
  const float *b = plane + ((size_t) y0 * size + x1) * n_channels;
  const float *c = plane + ((size_t) y1 * size + x0) * n_channels;
  const float *d = plane + ((size_t) y1 * size + x1) * n_channels;

  for (int k = 0; k < n_channels; k++)
    ret[k] = (1 - fy) * ((1 - fx) * a[k] + fx * b[k]) +
             fy * ((1 - fx) * c[k] + fx * d[k]);
}

/* The same at @uv in sides of the plane */
SHU_PLANE_FN void
shu_plane_sample (
    const float *plane, int size, int n_channels, const float *uv, float *ret)
{
  shu_plane_mix (plane, size, n_channels, uv[0] * (float) size - 0.5f,
      uv[1] * (float) size - 0.5f, ret);
}

/* A value as a multiple of 2^-32, for sums that are exact, so that their order
 * does not matter; |@v| < 2^19, and of 2^20 values at most. */
SHU_PLANE_FN double
shu_plane_exact (float v)
{
  const double shift = 1572864; /* 1.5 * 2^20: its last bit is 2^-32 */

  return ((double) v + shift) - shift;
}

/* Pixel (@x, @y) of a pyramid's level: the mean of those below it, in a level
 * of @side pixels, that are known; whether there are any */
SHU_PLANE_FN int
shu_plane_pull (const float *below, const uint8_t *known, int side, int x,
    int y, float *ret)
{
  float sum[3] = {0, 0, 0};
  int n = 0;

  for (int k = 0; k < 4; k++) {
    int u = 2 * x + (k & 1), v = 2 * y + (k >> 1);
    size_t at = (size_t) v * side + u;

    if (u >= side || v >= side || !known[at])
      continue;
    for (int i = 0; i < 3; i++)
      sum[i] += below[3 * at + i];
    n++;
  }
  for (int i = 0; i < 3; i++)
    ret[i] = n ? sum[i] / (float) n : 0;
  return n > 0;
}

/* Pixel (@x, @y) of a level out of the one above, of @side pixels */
SHU_PLANE_FN void
shu_plane_push (const float *above, int side, int x, int y, float *ret)
{
  shu_plane_mix (
      above, side, 3, 0.5f * (float) x - 0.25f, 0.5f * (float) y - 0.25f, ret);
}
