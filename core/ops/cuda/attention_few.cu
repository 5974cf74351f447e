/* SPDX-License-Identifier: MIT */
/* Attention to few keys, as attention_short.cu has it, with the products of
 * whole warpgroups: only for sm_90.  Heads of up to 64 channels; smaller ones
 * are copied with zeros beyond them.
 *
 * A block: one head of one sequence, whose keys and values stay in shared
 * memory, and some tiles of 64 queries, one for each warpgroup at a time.  Four
 * warpgroups of two blocks are on a multiprocessor: while one's weights are
 * computed, another's products run. */
#include "ops/cuda/kernel_private.h"
#include "ops/cuda/kernels_layers.h"
#include "ops/cuda/mma_private.h"
#include "ops/cuda/wgmma_private.h"

enum {
  HEAD = 64, /* at most */
  KEYS = 384,
  GROUP = 128, /* threads of a warpgroup */
  GROUPS = 2,
  BLOCK = GROUPS * GROUP,
  ROWS = 64, /* queries of a tile */
  ROW_BYTES = HEAD * sizeof (__half),
  TILE = ROWS * ROW_BYTES,
};

typedef struct {
  __half *y;
  unsigned Tq, Tk, NH, HD;
  unsigned steps; /* of keys */
  unsigned tiles; /* of a block */
  float scale;    /* with log2 e */
} Job;

#if defined(__CUDA_ARCH_FEAT_SM90_ALL)

/* All of a warpgroup */
static __device__ inline void
meet (unsigned group)
{
  asm volatile("bar.sync %0, 128;" : : "r"(group + 1) : "memory");
}

/* Scores of which @left keys exist to weights; o and sum follow a new top. */
template <int KB>
static __device__ inline void
weigh (float (&s)[KB / 2], float (&o)[HEAD / 2], float (&top)[2],
    float (&sum)[2], int left, float scale, unsigned lane)
{
  if (left < KB)
#pragma unroll
    for (int i = 0; i < KB / 2; i++)
      if (i / 4 * 8 + (int) (lane % 4 * 2) + i % 2 >= left)
        s[i] = -INFINITY;
#pragma unroll
  for (int h = 0; h < 2; h++) {
    float high = top[h], old, here = 0, shift;

#pragma unroll
    for (int i = 0; i < KB / 2; i += 4)
      high = fmaxf (high, fmaxf (s[i + 2 * h], s[i + 2 * h + 1]));
    high = shu_lanes_max (high, 4);
    shift = high * scale;
    old = shu_exp2 (top[h] * scale - shift);
    top[h] = high;
#pragma unroll
    for (int i = 0; i < KB / 2; i += 4)
#pragma unroll
      for (int k = 2 * h; k < 2 * h + 2; k++) {
        s[i + k] = shu_exp2 (fmaf (s[i + k], scale, -shift));
        here += s[i + k];
      }
    sum[h] = sum[h] * old + here;
#pragma unroll
    for (int i = 0; i < HEAD / 2; i += 4) {
      o[i + 2 * h] *= old;
      o[i + 2 * h + 1] *= old;
    }
  }
}

/* o += s values */
template <int KB>
static __device__ inline void
add_values (float (&o)[HEAD / 2], const float (&s)[KB / 2], uint32_t values)
{
  uint32_t a[KB / 16][4];

#pragma unroll
  for (int k = 0; k < KB / 16; k++)
#pragma unroll
    for (int i = 0; i < 4; i++)
      a[k][i] = shu_pack (s[8 * k + 2 * i], s[8 * k + 2 * i + 1]);
  shu_wgmma_fence ();
#pragma unroll
  for (int k = 0; k < KB / 16; k++)
    shu_wgmma_rows (o, a[k], shu_wgmma_operand (values + k * 16 * ROW_BYTES));
  shu_wgmma_commit ();
  shu_wgmma_wait<0> ();
}

#endif

/* KB keys at a time */
template <int KB>
static __global__ void
__launch_bounds__ (BLOCK, 2)
    attention_few (const __grid_constant__ CUtensorMap mq,
        const __grid_constant__ CUtensorMap mk,
        const __grid_constant__ CUtensorMap mv, Job p)
{
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
  extern __shared__ __align__ (1024) uint8_t room[];
  uint32_t keys = (uint32_t) __cvta_generic_to_shared (room);
  uint32_t values = keys + p.steps * KB * ROW_BYTES;
  uint32_t queries = values + p.steps * KB * ROW_BYTES;
  uint32_t kv_full = queries + GROUPS * TILE, q_full = kv_full + 8;
  unsigned group = threadIdx.x / GROUP, lane = threadIdx.x % SHU_WARP;
  unsigned warp = threadIdx.x % GROUP / SHU_WARP;
  unsigned item = blockIdx.x / p.NH, head = blockIdx.x % p.NH;
  unsigned n = (p.Tq + ROWS - 1) / ROWS, end = (blockIdx.y + 1) * p.tiles;
  unsigned tile = blockIdx.y * p.tiles + group;
  bool speaks = threadIdx.x % GROUP == 0;

  queries += group * TILE;
  q_full += group * 8;
  if (threadIdx.x == 0) {
    shu_barrier_init (kv_full, 1);
    for (int i = 0; i < GROUPS; i++)
      shu_barrier_init (kv_full + 8 + i * 8, 1);
    asm volatile("fence.mbarrier_init.release.cluster;" : : : "memory");
    asm volatile("fence.proxy.async;" : : : "memory");
  }
  __syncthreads ();
  if (end > n)
    end = n;
  if (speaks && tile < end) {
    shu_barrier_expect (q_full, TILE);
    shu_copy_box (queries, &mq, 0, head, tile * ROWS, item, q_full);
  }
  if (threadIdx.x == 0) {
    shu_barrier_expect (kv_full, 2 * p.steps * KB * ROW_BYTES);
    for (unsigned k = 0; k < p.steps; k++)
      shu_copy_box (
          keys + k * KB * ROW_BYTES, &mk, 0, head, k * KB, item, kv_full);
    for (unsigned k = 0; k < p.steps; k++)
      shu_copy_box (
          values + k * KB * ROW_BYTES, &mv, 0, head, k * KB, item, kv_full);
  }
  shu_barrier_wait (kv_full, 0);
  for (unsigned i = 0; tile < end; tile += GROUPS, i++) {
    float o[HEAD / 2] = {0}, top[2] = {-INFINITY, -INFINITY}, sum[2] = {0, 0};
    size_t row = (size_t) tile * ROWS + warp * 16, ld = p.NH * p.HD;

    shu_barrier_wait (q_full, i & 1);
    for (unsigned k = 0; k < p.steps; k++) {
      uint64_t a = shu_wgmma_operand (queries);
      uint64_t b = shu_wgmma_operand (keys + k * KB * ROW_BYTES);
      float s[KB / 2];

      shu_wgmma_fence ();
#pragma unroll
      for (int c = 0; c < HEAD / 16; c++)
        shu_wgmma (s, a + 2 * c, b + 2 * c, c > 0);
      shu_wgmma_commit ();
      shu_wgmma_wait<0> ();
      if (k + 1 == p.steps && tile + GROUPS < end) { /* the next tile's */
        meet (group);
        if (speaks) {
          shu_barrier_expect (q_full, TILE);
          shu_copy_box (
              queries, &mq, 0, head, (tile + GROUPS) * ROWS, item, q_full);
        }
      }
      weigh<KB> (s, o, top, sum, (int) (p.Tk - k * KB), p.scale, lane);
      add_values<KB> (o, s, values + k * KB * ROW_BYTES);
    }
    shu_write_rows (p.y + (item * (size_t) p.Tq + row) * ld + head * p.HD, o,
        sum, (int) p.Tq - (int) row, p.HD, ld, lane);
  }
#endif
}

/* ---- launch ---- */

/* The number of keys at a time that wastes the least. */
static unsigned
best_step (size_t Tk)
{
  static const unsigned steps[] = {96, 80, 48};
  unsigned best = steps[0];

  for (unsigned KB : steps)
    if (shu_div_up (Tk, KB) * KB < shu_div_up (Tk, best) * best)
      best = KB;
  return best;
}

static size_t
room_bytes (size_t Tk)
{
  unsigned KB = best_step (Tk);

  return 2 * shu_div_up (Tk, KB) * KB * ROW_BYTES + GROUPS * TILE +
         (1 + GROUPS) * 8;
}

template <int KB>
static cudaError_t
launch (const CUtensorMap (&maps)[3], const Job &p, dim3 grid, size_t bytes,
    cudaStream_t stream)
{
  cudaError_t e = cudaFuncSetAttribute (attention_few<KB>,
      cudaFuncAttributeMaxDynamicSharedMemorySize, (int) bytes);

  if (e != cudaSuccess)
    return e;
  attention_few<KB>
      <<<grid, BLOCK, bytes, stream>>> (maps[0], maps[1], maps[2], p);
  return cudaGetLastError ();
}

extern "C" int
shu_launch_attention_few_fits (const ShuCudaHeads *h, int sm)
{
#ifdef SHU_SM90A
  return sm == 90 && h->HD <= HEAD && h->Tk > 0 && h->Tk <= KEYS &&
         !shu_too_many (h->B * h->NH) && !shu_too_many (h->Tq + ROWS);
#else
  return 0;
#endif
}

extern "C" cudaError_t
shu_launch_attention_few (
    const ShuCudaHeads *h, int /* n_sm */, cudaStream_t stream)
{
  enum { MANY_BLOCKS = 2048 };

  unsigned KB = best_step (h->Tk);
  size_t passes = shu_div_up (h->Tq, GROUPS * ROWS), parts;
  size_t blocks = h->B * h->NH;
  Job p = {(__half *) h->y, (unsigned) h->Tq, (unsigned) h->Tk,
      (unsigned) h->NH, (unsigned) h->HD, (unsigned) shu_div_up (h->Tk, KB), 0,
      1.44269504f / sqrtf ((float) h->HD)};
  CUtensorMap maps[3];
  dim3 grid;

  if (blocks == 0 || h->Tq == 0)
    return cudaSuccess;
  if (!shu_box_map_of_heads (
          &maps[0], h->q, h->B, h->Tq, h->NH, h->HD, h->ldq, ROWS) ||
      !shu_box_map_of_heads (
          &maps[1], h->k, h->B, h->Tk, h->NH, h->HD, h->ldk, (int) KB) ||
      !shu_box_map_of_heads (
          &maps[2], h->v, h->B, h->Tk, h->NH, h->HD, h->ldv, (int) KB))
    return cudaErrorNotSupported;
  /* blocks that keep their keys for as long as there are enough of them */
  parts = shu_div_up (MANY_BLOCKS, blocks);
  p.tiles =
      GROUPS * (unsigned) shu_div_up (passes, parts < passes ? parts : passes);
  grid = dim3 ((unsigned) blocks,
      (unsigned) shu_div_up (shu_div_up (h->Tq, ROWS), p.tiles));
  if (grid.y > 65535)
    return cudaErrorInvalidValue;
  switch (KB) {
  case 96:
    return launch<96> (maps, p, grid, room_bytes (h->Tk), stream);
  case 80:
    return launch<80> (maps, p, grid, room_bytes (h->Tk), stream);
  default:
    return launch<48> (maps, p, grid, room_bytes (h->Tk), stream);
  }
}
