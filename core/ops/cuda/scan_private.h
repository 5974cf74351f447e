/* SPDX-License-Identifier: MIT */
/* Prefix sums, and sets of small integers as bit masks with a prefix count:
 * membership and the position among the members, in ascending order, in
 * constant time.  Integers alone, so the order of additions does not matter. */
#pragma once
#include "ops/cuda/kernel_private.h"

enum {
  SHU_SCAN_ITEMS = 8, /* of a thread, neighbours */
  SHU_SCAN_TILE = SHU_THREADS * SHU_SCAN_ITEMS,
  SHU_SCAN_TOP = 1024, /* threads of the block that adds up tiles */
};

/* ---- prefix sums ---- */

/* Sum of what the threads before this one of the block have; @ret_total: of
 * all.  @room: SHU_WARP words. */
static __device__ inline uint32_t
shu_block_before (uint32_t v, uint32_t *room, uint32_t *ret_total)
{
  int lane = threadIdx.x % SHU_WARP, warp = threadIdx.x / SHU_WARP;
  int n_warps = blockDim.x / SHU_WARP;
  uint32_t sum = v, top;

  for (int i = 1; i < SHU_WARP; i *= 2) {
    uint32_t other = __shfl_up_sync (0xffffffff, sum, i);

    sum += lane >= i ? other : 0;
  }
  __syncthreads (); /* the last call's values have been read */
  if (lane == SHU_WARP - 1)
    room[warp] = sum;
  __syncthreads ();
  top = lane < n_warps ? room[lane] : 0;
  for (int i = 1; i < SHU_WARP; i *= 2) {
    uint32_t other = __shfl_up_sync (0xffffffff, top, i);

    top += lane >= i ? other : 0;
  }
  *ret_total = __shfl_sync (0xffffffff, top, n_warps - 1);
  top = __shfl_sync (0xffffffff, top, warp > 0 ? warp - 1 : 0);
  return sum - v + (warp > 0 ? top : 0);
}

/* sums [tiles]: of each tile of in (0..n-1) */
template <class In>
static __global__ void
shu_scan_tiles (uint32_t *sums, In in, size_t n)
{
  __shared__ uint32_t room[SHU_WARP];
  size_t first =
      (size_t) blockIdx.x * SHU_SCAN_TILE + threadIdx.x * SHU_SCAN_ITEMS;
  uint32_t sum = 0, total;

  for (int i = 0; i < SHU_SCAN_ITEMS; i++)
    sum += first + i < n ? in (first + i) : 0;
  shu_block_before (sum, room, &total);
  if (threadIdx.x == 0)
    sums[blockIdx.x] = total;
}

/* sums to sums of all before; the sum of all to *total.  One block. */
static __global__ void
shu_scan_sums (uint32_t *sums, uint32_t *total, size_t tiles)
{
  __shared__ uint32_t room[SHU_WARP];
  uint32_t carry = 0;

  for (size_t at = 0; at < tiles; at += blockDim.x) {
    size_t i = at + threadIdx.x;
    uint32_t all;
    uint32_t before = shu_block_before (i < tiles ? sums[i] : 0, room, &all);

    if (i < tiles)
      sums[i] = carry + before;
    carry += all;
  }
  if (threadIdx.x == 0)
    *total = carry;
}

/* y [n]: the sum of in (0..i-1) */
template <class In>
static __global__ void
shu_scan_apply (uint32_t *y, const uint32_t *sums, In in, size_t n)
{
  __shared__ uint32_t room[SHU_WARP];
  size_t first =
      (size_t) blockIdx.x * SHU_SCAN_TILE + threadIdx.x * SHU_SCAN_ITEMS;
  uint32_t v[SHU_SCAN_ITEMS], sum = 0, total, before;

  for (int i = 0; i < SHU_SCAN_ITEMS; i++) {
    v[i] = first + i < n ? in (first + i) : 0;
    sum += v[i];
  }
  before = sums[blockIdx.x] + shu_block_before (sum, room, &total);
  for (int i = 0; i < SHU_SCAN_ITEMS; i++) {
    if (first + i < n)
      y[first + i] = before;
    before += v[i];
  }
}

/* @sums: a word for each SHU_SCAN_TILE of n; n up to 2^40 */
template <class In>
static void
shu_scan (uint32_t *y, uint32_t *total, uint32_t *sums, In in, size_t n,
    cudaStream_t stream)
{
  size_t tiles = shu_div_up (n, SHU_SCAN_TILE);

  if (tiles > 0)
    shu_scan_tiles<<<(unsigned) tiles, SHU_THREADS, 0, stream>>> (sums, in, n);
  shu_scan_sums<<<1, SHU_SCAN_TOP, 0, stream>>> (sums, total, tiles);
  if (tiles > 0)
    shu_scan_apply<<<(unsigned) tiles, SHU_THREADS, 0, stream>>> (
        y, sums, in, n);
}

/* ---- sets ---- */

static __device__ inline void
shu_set_add (const ShuCudaSet &s, uint32_t i)
{
  uint32_t bit = 1u << i % 32;

  if (!(s.bits[i / 32] & bit)) /* a late answer costs time alone */
    atomicOr (&s.bits[i / 32], bit);
}

/* Position of @i among the members, or -1. */
static __device__ inline int
shu_set_rank (const ShuCudaSet &s, uint32_t i)
{
  uint32_t word = s.bits[i / 32], bit = 1u << i % 32;

  return word & bit ? (int) (s.before[i / 32] + __popc (word & (bit - 1))) : -1;
}

struct ShuBits {
  const uint32_t *bits;

  __device__ uint32_t operator() (size_t i) const
  {
    return __popc (bits[i]);
  }
};

/* Counts; after the last change and before the first rank. */
static inline void
shu_set_seal (
    const ShuCudaSet &s, uint32_t *total, uint32_t *sums, cudaStream_t stream)
{
  const ShuBits in = {s.bits};

  shu_scan (s.before, total, sums, in, s.words, stream);
}

/* ids: all members, ascending; a thread a word */
static __global__ void
shu_set_list (uint32_t *ids, ShuCudaSet s)
{
  for (size_t w = shu_task (); w < s.words; w += shu_task_step ()) {
    uint32_t *to = ids + s.before[w];

    for (uint32_t word = s.bits[w]; word; word &= word - 1)
      *to++ = (uint32_t) w * 32 + __ffs (word) - 1;
  }
}
