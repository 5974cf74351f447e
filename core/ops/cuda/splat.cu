/* SPDX-License-Identifier: MIT */
/* Gaussians to pixels: a thread projects one for one view; pairs of Gaussian
 * and tile are sorted by tile, depth and index; a block blends a tile. */
#include "ops/cuda/kernels_mesh.h"
#include "ops/cuda/scan_private.h"
#include <cub/device/device_radix_sort.cuh>

enum {
  TILE = SHU_SPLAT_TILE,
  PIXELS = TILE * TILE, /* threads of a block that blends */
  PATCH_X = 8,          /* pixels of a warp */
  PATCH_Y = SHU_WARP / PATCH_X,
  ALL = 0xffffffff,
};

static_assert ((int) SHU_CUDA_SPLAT_SCAN == (int) SHU_SCAN_TILE, "scan");

/* ---- projection ---- */

static __global__ void
project (ShuCudaSplat g)
{
  for (size_t i = shu_task (); i < g.V * g.n; i += shu_task_step ()) {
    size_t v = shu_div (i, g.n), k = i - v * g.n;
    ShuSplatTiles tiles = {0, 0, 0, 0, 0};
    ShuSplatDot dot;
    double cov[6];

    shu_splat_covariance (g.quat + 4 * k, g.scale + 3 * k, cov);
    ShuSplatPoint point = shu_splat_project (
        g.pos + 3 * k, cov, g.opacity[k], g.cameras + v, g.size);
    if (shu_splat_dot (&point, g.rgb + 3 * k, &dot)) {
      tiles = shu_splat_tiles (&dot, point.radius, g.side);
      g.dots[i] = dot;
    }
    g.tiles[i] = tiles;
    for (int y = tiles.y0; y < tiles.y1; y++)
      for (int x = tiles.x0; x < tiles.x1; x++)
        if (shu_splat_has (&tiles, x, y))
          atomicAdd (g.counts + (v * g.side + y) * g.side + x, 1u);
  }
}

/* ---- pairs ---- */

/* Calls func (tile) for the tiles of dot @i that are asked for, row by row. */
template <class Func>
static __device__ inline void
for_tiles (const ShuCudaSplat &g, size_t i, Func func)
{
  const ShuSplatTiles tiles = g.tiles[i];
  size_t view = shu_div (i, g.n) * g.side * g.side;

  for (int y = tiles.y0; y < tiles.y1; y++)
    for (int x = tiles.x0; x < tiles.x1; x++) {
      size_t tile = view + (size_t) y * g.side + x;

      if (tile >= g.first && tile < g.end && shu_splat_has (&tiles, x, y))
        func (tile);
    }
}

/* Tiles of the dot so many after @from */
struct TilesOf {
  ShuCudaSplat g;
  size_t from;

  __device__ uint32_t operator() (size_t i) const
  {
    uint32_t n = 0;

    for_tiles (g, from + i, [&] (size_t) { n++; });
    return n;
  }
};

/* Of dots @from..@from+@n-1 */
static __global__ void
write_pairs (ShuCudaSplat g, size_t from, size_t n)
{
  for (size_t k = shu_task (); k < n; k += shu_task_step ()) {
    size_t i = from + k;
    uint32_t at = g.at[k], which = (uint32_t) (i - shu_div (i, g.n) * g.n);

    for_tiles (g, i, [&] (size_t tile) {
      uint64_t depth = __float_as_uint (g.dots[i].depth);

      g.keys[0][at] = (uint64_t) (tile - g.first) << 32 | depth;
      g.which[0][at++] = which;
    });
  }
}

static cudaError_t
sort (void *room, size_t *bytes, const ShuCudaSplat *g, int bits,
    cudaStream_t stream)
{
  return cub::DeviceRadixSort::SortPairs (room, *bytes, g->keys[0], g->keys[1],
      g->which[0], g->which[1], g->n_pairs, 0, bits, stream);
}

/* ---- blending ---- */

/* What of a Gaussian the pixels of a tile look at, in shared memory */
struct Spot {
  float x, y, half_x, half_y;
  float a, b, c, least; /* of the exponent */
  float alpha, depth;
  float rgb[3];
};

struct Pixel {
  float x, y;
  float through, depth;
  float rgb[3];
  bool open;
};

static __device__ inline void
blend (Pixel &p, const Spot &s)
{
  float dx = s.x - p.x, dy = s.y - p.y;
  float e = -0.5f * (s.a * dx * dx + s.c * dy * dy) - s.b * dx * dy;
  float alpha, next, weight;

  if (!p.open || !(e <= 0) || e < s.least)
    return;
  alpha = fminf (s.alpha * expf (e), SHU_SPLAT_MAX_ALPHA);
  if (!(alpha >= SHU_SPLAT_MIN_ALPHA))
    return;
  next = p.through * (1 - alpha);
  if (next < SHU_SPLAT_MIN_THROUGH) {
    p.open = false;
    return;
  }
  weight = alpha * p.through;
#pragma unroll
  for (int c = 0; c < 3; c++)
    p.rgb[c] += s.rgb[c] * weight;
  p.depth += s.depth * weight;
  p.through = next;
}

static __device__ inline Spot
load_spot (const ShuCudaSplat &g, size_t view, uint32_t which)
{
  const ShuSplatDot d = g.dots[view * g.n + which];

  return {d.mean[0], d.mean[1], d.half[0], d.half[1], d.conic[0], d.conic[1],
      d.conic[2], -0.5f * d.reach, d.alpha, d.depth,
      {d.rgb[0], d.rgb[1], d.rgb[2]}};
}

/* Up to a warp of spots: each lane looks whether one comes near the warp's
 * patch, then all blend those that do, in their order. */
static __device__ inline void
blend_some (Pixel &p, const Spot *spots, int n, float patch_x, float patch_y)
{
  int lane = threadIdx.x % SHU_WARP;
  const float mid_x = (PATCH_X - 1) / 2.f, mid_y = (PATCH_Y - 1) / 2.f;
  bool near = false;
  unsigned hits;

  if (lane < n) {
    const Spot &s = spots[lane];

    near = fabsf (s.x - patch_x - mid_x) <= s.half_x + mid_x &&
           fabsf (s.y - patch_y - mid_y) <= s.half_y + mid_y;
  }
  for (hits = __ballot_sync (ALL, near); hits; hits &= hits - 1)
    blend (p, spots[__ffs (hits) - 1]);
}

static __device__ inline uint8_t
to_byte (float v)
{
  return (uint8_t) fminf (fmaxf (v * 255, 0.f), 255.f);
}

static __device__ inline void
write_pixel (const ShuCudaSplat &g, const Pixel &p, size_t at)
{
  uint8_t rgb[3];

  for (int c = 0; c < 3; c++)
    rgb[c] = to_byte (p.rgb[c]);
  for (int c = 0; g.out_rgb && c < 3; c++)
    g.out_rgb[3 * at + c] = rgb[c];
  if (g.out_mask)
    g.out_mask[at] = rgb[0] | rgb[1] | rgb[2] ? 255 : 0;
  for (int c = 0; g.out_color && c < 3; c++)
    g.out_color[3 * at + c] = p.rgb[c];
  if (g.out_through)
    g.out_through[at] = p.through;
  if (g.out_depth)
    g.out_depth[at] = p.through < 1 ? p.depth / (1 - p.through) : 0;
}

/* A block a tile */
static __global__ void
__launch_bounds__ (PIXELS) blend_tiles (ShuCudaSplat g)
{
  __shared__ Spot spots[PIXELS];
  size_t tile = g.first + blockIdx.x, per_view = (size_t) g.side * g.side;
  size_t view = tile / per_view, in_view = tile - view * per_view;
  int lane = threadIdx.x % SHU_WARP, warp = threadIdx.x / SHU_WARP;
  int patch_x = (int) (in_view % g.side) * TILE + warp % 2 * PATCH_X;
  int patch_y = (int) (in_view / g.side) * TILE + warp / 2 * PATCH_Y;
  int x = patch_x + lane % PATCH_X, y = patch_y + lane / PATCH_X;
  uint32_t from = g.starts[tile], n = g.counts[tile];
  Pixel p = {(float) x, (float) y, 1, 0, {0, 0, 0}, x < g.size && y < g.size};

  for (uint32_t at = 0; at < n && __syncthreads_or (p.open); at += PIXELS) {
    int n_here = (int) min (n - at, (uint32_t) PIXELS);

    if ((int) threadIdx.x < n_here)
      spots[threadIdx.x] =
          load_spot (g, view, g.which[1][from + at + threadIdx.x]);
    __syncthreads ();
    for (int i = 0; i < n_here && __any_sync (ALL, p.open); i += SHU_WARP)
      blend_some (p, spots + i, n_here - i, (float) patch_x, (float) patch_y);
  }
  if (x < g.size && y < g.size)
    write_pixel (g, p, (view * g.size + y) * g.size + x);
}

extern "C" {

cudaError_t
shu_launch_splat_project (const ShuCudaSplat *g, cudaStream_t stream)
{
  if (g->V * g->n > 0)
    project<<<shu_blocks (g->V * g->n), SHU_THREADS, 0, stream>>> (*g);
  return cudaGetLastError ();
}

cudaError_t
shu_launch_splat_sort_room (size_t n_pairs, size_t *ret_bytes)
{
  ShuCudaSplat g = {};

  g.n_pairs = n_pairs;
  *ret_bytes = 0;
  return sort (NULL, ret_bytes, &g, 64, NULL);
}

cudaError_t
shu_launch_splat_sort (const ShuCudaSplat *g, cudaStream_t stream)
{
  size_t bytes = g->room_bytes, per_view = (size_t) g->side * g->side;
  size_t from = g->first / per_view * g->n;
  size_t n = shu_div_up (g->end, per_view) * g->n - from;
  const TilesOf in = {*g, from};
  int bits = 32;

  if (g->n_pairs == 0)
    return cudaSuccess;
  while (bits < 64 && (g->end - g->first - 1) >> (bits - 32))
    bits++;
  shu_scan (g->at, g->total, g->sums, in, n, stream);
  write_pairs<<<shu_blocks (n), SHU_THREADS, 0, stream>>> (*g, from, n);
  return sort (g->room, &bytes, g, bits, stream);
}

cudaError_t
shu_launch_splat_blend (const ShuCudaSplat *g, cudaStream_t stream)
{
  if (shu_too_many (g->end - g->first))
    return cudaErrorInvalidValue;
  if (g->end > g->first)
    blend_tiles<<<(unsigned) (g->end - g->first), PIXELS, 0, stream>>> (*g);
  return cudaGetLastError ();
}

} /* extern "C" */
