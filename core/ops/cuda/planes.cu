/* SPDX-License-Identifier: MIT */
/* Planes, to the bits of ops/cpu/planes.c: compiled without fused products and
 * sums. */
#include "ops/cuda/kernel_private.h"
#include "ops/cuda/kernels_pictures.h"
#include "ops/plane_pixels.h"
#include "ops/texture_taps.h"
#include <cfloat>
#include <climits>

/* ---- nearest pixels ---- */

enum { MAX_WORDS = 8192 / SHU_WARP };

/* One block a row: for each pixel the column of the set one that is nearest in
 * the row, the left one of two; -1: none */
static __global__ void
nearest_in_rows (short *near, const uint8_t *mask, int S)
{
  __shared__ unsigned words[MAX_WORDS];
  size_t row = (size_t) blockIdx.x * S;
  int n_words = (S + SHU_WARP - 1) / SHU_WARP, lane = threadIdx.x % SHU_WARP;

  for (int x = threadIdx.x; x < n_words * SHU_WARP; x += blockDim.x) {
    unsigned word = __ballot_sync (0xffffffff, x < S && mask[row + x]);
    if (lane == 0)
      words[x / SHU_WARP] = word;
  }
  __syncthreads ();
  for (int x = threadIdx.x; x < S; x += blockDim.x) {
    int own = x / SHU_WARP, left = -1, right = -1;
    unsigned word = words[own] & (0xffffffffu >> (SHU_WARP - 1 - lane));

    for (int w = own; w >= 0 && left < 0; w--) {
      word = w < own ? words[w] : word;
      if (word)
        left = w * SHU_WARP + SHU_WARP - 1 - __clz (word);
    }
    word = words[own] & (0xffffffffu << lane);
    for (int w = own; w < n_words && right < 0; w++) {
      word = w > own ? words[w] : word;
      if (word)
        right = w * SHU_WARP + __ffs (word) - 1;
    }
    near[row + x] =
        (short) (right >= 0 && (left < 0 || right - x < x - left) ? right
                                                                  : left);
  }
}

/* Rows farther and farther away, until none can be nearer */
static __global__ void
nearest_of_rows (int *index, float *dist, const short *near, int S, int limit)
{
  for (size_t i = shu_task (); i < (size_t) S * S; i += shu_task_step ()) {
    int x = (int) shu_mod (i, S), y = (int) shu_div (i, S);
    int best = limit, at = INT_MAX;

    for (int k = 0; k < S && k * k <= best; k++)
      for (int side = 0; side < (k ? 2 : 1); side++) {
        int v = side ? y + k : y - k, u;
        if (v < 0 || v >= S || (u = near[(size_t) v * S + x]) < 0)
          continue;
        int d = (u - x) * (u - x) + k * k, number = v * S + u;
        if (d < best || (d == best && number < at)) {
          best = d;
          at = number;
        }
      }
    index[i] = at < INT_MAX ? at : -1;
    if (dist)
      dist[i] = at < INT_MAX ? sqrtf ((float) best) : FLT_MAX;
  }
}

extern "C" cudaError_t
shu_launch_plane_nearest (int *index, float *dist, const uint8_t *mask, int S,
    int limit, short *near, cudaStream_t stream)
{
  nearest_in_rows<<<S, SHU_THREADS, 0, stream>>> (near, mask, S);
  nearest_of_rows<<<shu_blocks ((size_t) S * S), SHU_THREADS, 0, stream>>> (
      index, dist, near, S, limit);
  return cudaGetLastError ();
}

/* ---- means ---- */

/* Along rows, or @down columns; [S,S,C] */
static __global__ void
smooth (float *y, const float *x, int S, int C, int radius, int down)
{
  float scale = 1.0f / (float) (2 * radius + 1);
  size_t n = (size_t) S * S * C, step = down ? (size_t) S * C : C;

  for (size_t i = shu_task (); i < n; i += shu_task_step ()) {
    int at = (int) (down ? shu_div (i, step) : shu_mod (shu_div (i, C), S));
    const float *line = x + (i - at * step);
    double sum = 0;

    for (int j = at - radius; j <= at + radius; j++)
      sum += shu_plane_exact (line[min (max (j, 0), S - 1) * step]);
    y[i] = (float) sum * scale;
  }
}

extern "C" cudaError_t
shu_launch_plane_smooth (float *y, const float *x, float *room, int S, int C,
    int radius, cudaStream_t stream)
{
  unsigned blocks = shu_blocks ((size_t) S * S * C);

  for (int pass = 0; pass < 3; pass++) {
    smooth<<<blocks, SHU_THREADS, 0, stream>>> (
        room, pass ? y : x, S, C, radius, 0);
    smooth<<<blocks, SHU_THREADS, 0, stream>>> (y, room, S, C, radius, 1);
  }
  return cudaGetLastError ();
}

/* ---- filling ---- */

static __global__ void
take (float *y, uint8_t *known, const float *x, const int *from, size_t n)
{
  for (size_t i = shu_task (); i < n; i += shu_task_step ()) {
    int at = from[i];

    known[i] = at >= 0;
    for (int k = 0; k < 3; k++)
      y[3 * i + k] = at >= 0 ? x[3 * (size_t) at + k] : 0;
  }
}

static __global__ void
pull (float *y, uint8_t *known, int side, const float *below,
    const uint8_t *known_below, int side_below)
{
  for (size_t i = shu_task (); i < (size_t) side * side; i += shu_task_step ())
    known[i] = (uint8_t) shu_plane_pull (below, known_below, side_below,
        (int) shu_mod (i, side), (int) shu_div (i, side), y + 3 * i);
}

static __global__ void
push (float *y, const uint8_t *known, int side, const float *above,
    int side_above)
{
  for (size_t i = shu_task (); i < (size_t) side * side; i += shu_task_step ())
    if (!known[i])
      shu_plane_push (above, side_above, (int) shu_mod (i, side),
          (int) shu_div (i, side), y + 3 * i);
}

extern "C" cudaError_t
shu_launch_plane_fill (float *y, const float *x, const int *from, int S,
    float *levels, uint8_t *known, cudaStream_t stream)
{
  ShuTexturePyramid p = shu_texture_pyramid (S);
  size_t n = p.start[1];
  float *rgb[SHU_TEXTURE_MAX_LEVELS];

  for (int l = 0; l < p.n_levels; l++)
    rgb[l] = l ? levels + 3 * (p.start[l] - n) : y;
  take<<<shu_blocks (n), SHU_THREADS, 0, stream>>> (y, known, x, from, n);
  for (int l = 1; l < p.n_levels; l++)
    pull<<<shu_blocks ((size_t) p.side[l] * p.side[l]), SHU_THREADS, 0,
        stream>>> (rgb[l], known + p.start[l], p.side[l], rgb[l - 1],
        known + p.start[l - 1], p.side[l - 1]);
  for (int l = p.n_levels - 2; l >= 0; l--)
    push<<<shu_blocks ((size_t) p.side[l] * p.side[l]), SHU_THREADS, 0,
        stream>>> (
        rgb[l], known + p.start[l], p.side[l], rgb[l + 1], p.side[l + 1]);
  return cudaGetLastError ();
}
