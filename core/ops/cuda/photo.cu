/* SPDX-License-Identifier: MIT */
/* Steps of photos, to the bits of ops/cpu/photo.c: compiled without fused
 * products and sums. */
#include "ops/cuda/kernel_private.h"
#include "ops/cuda/kernels_pictures.h"
#include "ops/photo_pixels.h"

enum { LEVELS = 256 }; /* of a channel */

typedef void (*Step) (const ShuPhotoPixels *p, size_t i, int x, int y);

template <Step STEP>
static __global__ void
step_pixels (ShuPhotoPixels p)
{
  for (size_t i = shu_task (); i < (size_t) p.S * p.S; i += shu_task_step ())
    STEP (&p, i, (int) shu_mod (i, p.S), (int) shu_div (i, p.S));
}

extern "C" cudaError_t
shu_launch_photo_step (int step, const ShuPhotoPixels *p, cudaStream_t stream)
{
  unsigned blocks = shu_blocks ((size_t) p->S * p->S);

  switch (step) {
#define STEP(name, func)                                                       \
  case name:                                                                   \
    step_pixels<func><<<blocks, SHU_THREADS, 0, stream>>> (*p);                \
    break;
    SHU_PHOTO_EACH_STEP (STEP)
#undef STEP
  }
  return cudaGetLastError ();
}

/* Of blocks that begin and end with a table of their own */
static unsigned
few_blocks (size_t n)
{
  return shu_blocks (n) < 256 ? shu_blocks (n) : 256;
}

/* ---- background ---- */

static __global__ void
count_darkest (
    uint32_t *count, const float *rgb, const uint8_t *person, size_t n)
{
  __shared__ uint32_t own[LEVELS];

  for (int i = threadIdx.x; i < LEVELS; i += blockDim.x)
    own[i] = 0;
  __syncthreads ();
  for (size_t i = shu_task (); i < n; i += shu_task_step ())
    if (!person[i])
      atomicAdd (own + min (max (shu_photo_darkest (rgb + 3 * i), 0), 255), 1);
  __syncthreads ();
  for (int i = threadIdx.x; i < LEVELS; i += blockDim.x)
    if (own[i])
      atomicAdd (count + i, own[i]);
}

/* count[LEVELS]: the level of white */
static __global__ void
find_white (uint32_t *count)
{
  count[LEVELS] = (uint32_t) shu_photo_white (count);
}

/* Bits of a row from the right; a thread a pixel of whole words.  @open: what
 * of the person is as white as the background; @now: the background */
static __global__ void
pack (uint32_t *open, uint32_t *now, const uint32_t *white, const float *rgb,
    const uint8_t *person, int S, int words)
{
  size_t width = (size_t) words * SHU_WARP;

  for (size_t i = shu_task (); i < width * S; i += shu_task_step ()) {
    int x = (int) shu_mod (i, width);
    size_t at = shu_div (i, width) * S + x;
    bool is_open = false, is_now = false;

    if (x < S) {
      is_now = !person[at];
      is_open = !is_now && shu_photo_darkest (rgb + 3 * at) >= (int) *white;
    }
    unsigned a = __ballot_sync (0xffffffff, is_open);
    unsigned b = __ballot_sync (0xffffffff, is_now);
    if (i % SHU_WARP == 0) {
      open[i / SHU_WARP] = a;
      now[i / SHU_WARP] = b;
    }
  }
}

/* One step to the four neighbours, where it is open */
static __global__ void
flood (
    uint32_t *next, const uint32_t *now, const uint32_t *open, int S, int words)
{
  for (size_t i = shu_task (); i < (size_t) S * words; i += shu_task_step ()) {
    int w = (int) shu_mod (i, words), y = (int) shu_div (i, words);
    uint32_t word = now[i], around = word << 1 | word >> 1;

    if (w > 0)
      around |= now[i - 1] >> (SHU_WARP - 1);
    if (w + 1 < words)
      around |= now[i + 1] << (SHU_WARP - 1);
    if (y > 0)
      around |= now[i - words];
    if (y + 1 < S)
      around |= now[i + words];
    next[i] = word | (around & open[i]);
  }
}

static __global__ void
unpack (uint8_t *y, const uint32_t *now, int S, int words)
{
  for (size_t i = shu_task (); i < (size_t) S * S; i += shu_task_step ()) {
    int x = (int) shu_mod (i, S);

    y[i] = now[shu_div (i, S) * words + x / SHU_WARP] >> x % SHU_WARP & 1;
  }
}

extern "C" cudaError_t
shu_launch_photo_background (uint8_t *y, const float *rgb,
    const uint8_t *person, int S, int reach, uint32_t *room,
    cudaStream_t stream)
{
  int words = (S + SHU_WARP - 1) / SHU_WARP;
  size_t n = (size_t) S * words, pixels = (size_t) S * S;
  uint32_t *count = room, *open = room + LEVELS + 1;
  uint32_t *now = open + n, *next = now + n;

  cudaMemsetAsync (count, 0, LEVELS * sizeof *count, stream);
  count_darkest<<<few_blocks (pixels), SHU_THREADS, 0, stream>>> (
      count, rgb, person, pixels);
  find_white<<<1, 1, 0, stream>>> (count);
  pack<<<shu_blocks (n * SHU_WARP), SHU_THREADS, 0, stream>>> (
      open, now, count + LEVELS, rgb, person, S, words);
  for (int i = 0; i < reach; i++) {
    uint32_t *swap = now;

    flood<<<shu_blocks (n), SHU_THREADS, 0, stream>>> (
        next, now, open, S, words);
    now = next;
    next = swap;
  }
  unpack<<<shu_blocks (pixels), SHU_THREADS, 0, stream>>> (y, now, S, words);
  return cudaGetLastError ();
}

/* ---- shares ---- */

/* Most pixels are in few bins: blocks count on their own first. */
static __global__ void
count_shares (uint32_t *count, const float *rgb, const float *depth,
    const int *from, size_t n, int n_depths, int n_levels)
{
  extern __shared__ uint32_t bins[];

  for (int i = threadIdx.x; i < n_depths * n_levels; i += blockDim.x)
    bins[i] = 0;
  __syncthreads ();
  for (size_t i = shu_task (); i < n; i += shu_task_step ()) {
    int bin = shu_photo_bin (rgb, depth, from, i, n_depths, n_levels);

    if (bin >= 0)
      atomicAdd (bins + bin, 1);
  }
  __syncthreads ();
  for (int i = threadIdx.x; i < n_depths * n_levels; i += blockDim.x)
    if (bins[i])
      atomicAdd (count + i, bins[i]);
}

extern "C" cudaError_t
shu_launch_photo_count_shares (uint32_t *count, const float *rgb,
    const float *depth, const int *from, size_t n, int n_depths, int n_levels,
    cudaStream_t stream)
{
  size_t bytes = (size_t) n_depths * n_levels * sizeof *count;

  cudaMemsetAsync (count, 0, bytes, stream);
  count_shares<<<few_blocks (n), SHU_THREADS, bytes, stream>>> (
      count, rgb, depth, from, n, n_depths, n_levels);
  return cudaGetLastError ();
}
