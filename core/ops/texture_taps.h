/* SPDX-License-Identifier: MIT */
/* Where a row of ShuTextureRows reads a texture's pyramid, and what those who
 * solve for one have in common, for every backend. */
#pragma once
#include <math.h>
#include <stddef.h>

#ifdef __CUDACC__
#define SHU_TAPS_FN static __host__ __device__ inline
#else
#define SHU_TAPS_FN static inline
#endif

enum { SHU_TEXTURE_MAX_LEVELS = 14 };

/* Level l is side[l] texels wide and begins at texel start[l]. */
typedef struct {
  int n_levels;
  int side[SHU_TEXTURE_MAX_LEVELS];
  size_t start[SHU_TEXTURE_MAX_LEVELS + 1];
} ShuTexturePyramid;

SHU_TAPS_FN ShuTexturePyramid
shu_texture_pyramid (int size)
{
  ShuTexturePyramid p;

  p.n_levels = 0;
  p.start[0] = 0;
  for (int s = size;; s = (s + 1) / 2) {
    p.side[p.n_levels] = s;
    p.start[p.n_levels + 1] = p.start[p.n_levels] + (size_t) s * s;
    p.n_levels++;
    if (s == 1)
      return p;
  }
}

/**
 * ShuTextureTaps:
 * @x: columns x[0], x[1] of a level, in it
 * @y: row, -1 where the texture repeats; the other one is y + 1
 * @fx, @fy: share of the second column and row
 * @share: of the level in the sample
 */
typedef struct {
  int x[2];
  int y;
  float fx, fy;
  float share;
} ShuTextureTaps;

SHU_TAPS_FN int
shu_texture_wrap (int y, int side)
{
  return y < 0 ? y + side : y >= side ? y - side : y;
}

/* Taps of the row at (@u, @v) in a level of @side texels. */
SHU_TAPS_FN ShuTextureTaps
shu_texture_taps (float u, float v, int side, float share)
{
  ShuTextureTaps t;
  float x = (u - floorf (u)) * (float) side - 0.5f;
  float y = (v - floorf (v)) * (float) side - 0.5f;
  int x0 = (int) floorf (x);

  t.y = (int) floorf (y);
  t.fx = x - (float) x0;
  t.fy = y - (float) t.y;
  t.x[0] = shu_texture_wrap (x0, side);
  t.x[1] = shu_texture_wrap (x0 + 1, side);
  t.share = share;
  return t;
}

/* The finer level of @level, limited to what is there; *@ret: the share of
 * the one above it. */
SHU_TAPS_FN int
shu_texture_level (float level, int n_levels, float *ret)
{
  float most = (float) (n_levels - 1);
  float l = level > 0 ? (level < most ? level : most) : 0;
  int l0 = (int) l;

  *ret = l - (float) l0;
  return l0;
}

/* Share of a square residual that stands for an absolute one. */
SHU_TAPS_FN float
shu_texture_robust (float residual, float soft)
{
  float r = fabsf (residual);

  return r > soft ? soft / r : 1;
}

/* How far, in texels, what acts on one is felt: one that a row barely touches
 * shall not be moved easier than those beside it. */
SHU_TAPS_FN int
shu_texture_reach (int size)
{
  return size >= 512 ? size / 256 : 1;
}

/* Where squares end in round @i of @n. */
SHU_TAPS_FN float
shu_texture_soft (float first, float last, int i, int n)
{
  return n > 1 ? first * powf (last / first, (float) i / (float) (n - 1))
               : last;
}

/* How far to go along a direction of conjugate gradients: @rr: square of the
 * residual, @first: of the first one, @dz: the direction times the matrix times
 * itself.  What is solved as well as floats can be stays: beyond that there is
 * nothing but rounding. */
SHU_TAPS_FN float
shu_gradient_step (double rr, double first, double dz)
{
  return rr > 1e-12 * first && dz > 0 ? (float) (rr / dz) : 0;
}

/**
 * shu_texture_place:
 * @screen: the corners of a face in pixels, and their distance along the
 *   camera's axis
 * @uv: those of the corners
 * @bary: weights of the second and third corner on the surface
 * @size: texels a side
 * @ret: u, v and the level of the pixel
 *
 * The level goes by the longer axis of the ellipse that a pixel covers, as
 * graphics hardware does without anisotropic filtering.
 */
SHU_TAPS_FN void
shu_texture_place (const float (*screen)[3], const float (*uv)[2],
    const float *bary, int perspective, int size, float *ret)
{
  const float b[3] = {1 - bary[0] - bary[1], bary[0], bary[1]};
  float area = (screen[1][0] - screen[0][0]) * (screen[2][1] - screen[0][1]) -
               (screen[2][0] - screen[0][0]) * (screen[1][1] - screen[0][1]);
  float z = 0, xx = 0, yy = 0, xy = 0;

  ret[0] = ret[1] = 0;
  for (int i = 0; i < 3; i++) {
    z += b[i] * screen[i][2];
    ret[0] += b[i] * uv[i][0];
    ret[1] += b[i] * uv[i][1];
  }
  for (int k = 0; k < 2; k++) {
    float dx = 0, dy = 0;
    for (int i = 0; i < 3; i++) {
      const float *p = screen[(i + 1) % 3], *q = screen[(i + 2) % 3];
      float d = (uv[i][k] - ret[k]) * (perspective ? z / screen[i][2] : 1);
      dx += (p[1] - q[1]) * d;
      dy += (q[0] - p[0]) * d;
    }
    dx *= (float) size / area;
    dy *= (float) size / area;
    xx += dx * dx;
    yy += dy * dy;
    xy += dx * dy;
  }
  float half = 0.5f * (xx - yy);
  float major = 0.5f * (xx + yy) + sqrtf (half * half + xy * xy);

  ret[2] = major > 1 ? 0.5f * log2f (major) : 0;
  if (!(ret[2] < (float) SHU_TEXTURE_MAX_LEVELS))
    ret[2] = (float) SHU_TEXTURE_MAX_LEVELS;
}
