/* SPDX-License-Identifier: MIT */
/* Attention to few keys, heads of 64 channels: keys and values of a head stay
 * in shared memory while queries pass by, 16 a warp.  What a library's kernel
 * for long sequences spends on its start is most of the work here. */
#include "ops/cuda/kernel_private.h"
#include "ops/cuda/kernels_layers.h"
#include "ops/cuda/mma_private.h"

enum {
  HEAD = 64,
  CHUNKS = HEAD / 8, /* of 16 bytes */
  ROWS = 16,         /* queries of a warp */
  WARPS = 6,
  BLOCK = WARPS * SHU_WARP,
  KEYS = 384, /* up to which it is faster than cuDNN */
};

typedef struct {
  const __half *q, *k, *v;
  __half *y;
  unsigned Tq, Tk, Tkp; /* keys, rounded up */
  unsigned NH;
  size_t ldq, ldk, ldv;
  unsigned tiles; /* of a warp */
  float scale;    /* with log2 e */
} Job;

/* Where a chunk of a row lies: rows of 128 bytes, chunks swapped so that 8 rows
 * of a matrix are in different banks. */
static __device__ inline unsigned
place (unsigned row, unsigned chunk)
{
  return row * HEAD + ((chunk ^ (row & 7)) * 8);
}

/* The warp's queries from @first on; zeros beyond the last. */
static __device__ void
load_queries (__half *room, const __half *q, unsigned first, const Job &p)
{
  unsigned lane = threadIdx.x % SHU_WARP;

#pragma unroll
  for (int i = 0; i < ROWS * CHUNKS / SHU_WARP; i++) {
    unsigned row = i * (SHU_WARP / CHUNKS) + lane / CHUNKS;
    bool there = first + row < p.Tq;

    shu_copy_async (room + place (row, lane % CHUNKS),
        q + (there ? (first + row) * p.ldq : 0) + lane % CHUNKS * 8, there);
  }
  shu_copy_commit ();
}

static __device__ void
load_keys (__half *room, const __half *x, size_t ld, const Job &p)
{
  for (unsigned i = threadIdx.x; i < p.Tkp * CHUNKS; i += BLOCK) {
    unsigned row = i / CHUNKS, chunk = i % CHUNKS;
    bool there = row < p.Tk;

    shu_copy_async (room + place (row, chunk),
        x + (there ? row * ld : 0) + chunk * 8, there);
  }
}

/* s [16,KB] = q keys */
template <int KB>
static __device__ inline void
scores (float (&s)[KB / 8][4], const uint32_t (&q)[HEAD / 16][4],
    const __half *keys, unsigned first, unsigned lane)
{
  unsigned key = first + lane % 8 + lane / 16 * 8, chunk = lane / 8 % 2;

#pragma unroll
  for (int j = 0; j < KB / 8; j += 2) {
#pragma unroll
    for (int i = 0; i < 4; i++)
      s[j][i] = s[j + 1][i] = 0;
#pragma unroll
    for (int c = 0; c < HEAD / 16; c++) {
      uint32_t b[4];

      shu_ldmatrix (b, keys + place (key + j * 8, c * 2 + chunk));
      shu_mma (s[j], q[c], b[0], b[1]);
      shu_mma (s[j + 1], q[c], b[2], b[3]);
    }
  }
}

/* o [16,HEAD] += s values */
template <int KB>
static __device__ inline void
add_values (float (&o)[HEAD / 8][4], const float (&s)[KB / 8][4],
    const __half *values, unsigned first, unsigned lane)
{
  unsigned key = first + lane % 16, chunk = lane / 16;

#pragma unroll
  for (int j = 0; j < KB / 16; j++) {
    const float (&lo)[4] = s[2 * j], (&hi)[4] = s[2 * j + 1];
    const uint32_t a[4] = {shu_pack (lo[0], lo[1]), shu_pack (lo[2], lo[3]),
        shu_pack (hi[0], hi[1]), shu_pack (hi[2], hi[3])};

#pragma unroll
    for (int c = 0; c < HEAD / 8; c += 2) {
      uint32_t b[4];

      shu_ldmatrix_trans (b, values + place (key + j * 16, c + chunk));
      shu_mma (o[c], a, b[0], b[1]);
      shu_mma (o[c + 1], a, b[2], b[3]);
    }
  }
}

/* Scores to weights, as far as keys exist; o and sum follow a new top. */
template <int KB>
static __device__ inline void
weigh (float (&s)[KB / 8][4], float (&o)[HEAD / 8][4], float (&top)[2],
    float (&sum)[2], int left, float scale, unsigned lane)
{
  if (left < KB)
#pragma unroll
    for (int j = 0; j < KB / 8; j++)
#pragma unroll
      for (int i = 0; i < 4; i++)
        if (j * 8 + (int) (lane % 4 * 2) + i % 2 >= left)
          s[j][i] = -INFINITY;
#pragma unroll
  for (int h = 0; h < 2; h++) {
    float high = top[h], old, here = 0;

#pragma unroll
    for (int j = 0; j < KB / 8; j++)
      high = fmaxf (high, fmaxf (s[j][2 * h], s[j][2 * h + 1]));
    high = shu_lanes_max (high, 4);
    old = shu_exp2 ((top[h] - high) * scale);
    top[h] = high;
#pragma unroll
    for (int j = 0; j < KB / 8; j++)
#pragma unroll
      for (int i = 0; i < 2; i++) {
        s[j][2 * h + i] = shu_exp2 (s[j][2 * h + i] * scale - high * scale);
        here += s[j][2 * h + i];
      }
    sum[h] = sum[h] * old + here;
#pragma unroll
    for (int c = 0; c < HEAD / 8; c++) {
      o[c][2 * h] *= old;
      o[c][2 * h + 1] *= old;
    }
  }
}

/* Rows g and g + 8 of the warp's 16; y: the first of them */
static __device__ inline void
write_rows (__half *y, const float (&o)[HEAD / 8][4], const float (&sum)[2],
    unsigned left, size_t ld, unsigned lane)
{
#pragma unroll
  for (int h = 0; h < 2; h++) {
    unsigned row = lane / 4 + 8 * h;
    float weight = 1 / shu_lanes_sum (sum[h], 4);

#pragma unroll
    for (int c = 0; c < HEAD / 8; c += 4) {
      uint32_t w[4];

#pragma unroll
      for (int i = 0; i < 4; i++)
        w[i] =
            shu_pack (o[c + i][2 * h] * weight, o[c + i][2 * h + 1] * weight);
      shu_turn_words (w, lane);
      if (row < left)
        *(uint4 *) (y + row * ld + (c + lane % 4) * 8) =
            make_uint4 (w[0], w[1], w[2], w[3]);
    }
  }
}

/* A block one head of one sequence, and some tiles of its queries. */
template <int KB>
static __global__ void
__launch_bounds__ (BLOCK, 2) attention_short (Job p)
{
  extern __shared__ __align__ (128) __half room[];
  __half *keys = room, *values = keys + p.Tkp * HEAD;
  unsigned lane = threadIdx.x % SHU_WARP, warp = threadIdx.x / SHU_WARP;
  __half *queries = values + p.Tkp * HEAD + warp * ROWS * HEAD;
  size_t item = blockIdx.x / p.NH, head = blockIdx.x % p.NH * HEAD;
  const __half *q = p.q + item * p.Tq * p.ldq + head;
  __half *y = p.y + item * p.Tq * p.NH * HEAD + head;
  unsigned first = (blockIdx.y * p.tiles * WARPS + warp) * ROWS;
  unsigned step = WARPS * ROWS;

  load_keys (keys, p.k + item * p.Tk * p.ldk + head, p.ldk, p);
  load_keys (values, p.v + item * p.Tk * p.ldv + head, p.ldv, p);
  load_queries (queries, q, first, p);
  shu_copy_wait<0> ();
  __syncthreads ();
  for (unsigned i = 0; i < p.tiles && first < p.Tq; i++, first += step) {
    uint32_t qf[HEAD / 16][4];
    float o[HEAD / 8][4] = {{0}}, s[KB / 8][4];
    float top[2] = {-INFINITY, -INFINITY}, sum[2] = {0, 0};

    shu_copy_wait<0> ();
    __syncwarp ();
#pragma unroll
    for (int c = 0; c < HEAD / 16; c++)
      shu_ldmatrix (qf[c], queries + place (lane % 16, c * 2 + lane / 16));
    __syncwarp ();
    if (i + 1 < p.tiles) /* meanwhile the next */
      load_queries (queries, q, first + step, p);
    for (unsigned at = 0; at < p.Tkp; at += KB) {
      scores<KB> (s, qf, keys, at, lane);
      weigh<KB> (s, o, top, sum, (int) (p.Tk - at), p.scale, lane);
      add_values<KB> (o, s, values, at, lane);
    }
    write_rows (
        y + first * p.NH * HEAD, o, sum, p.Tq - first, p.NH * HEAD, lane);
  }
}

/* ---- launch ---- */

static size_t
keys_rounded (size_t Tk, int KB)
{
  return shu_div_up (Tk, KB) * KB;
}

/* The number of keys at a time that wastes the least. */
static int
best_step (size_t Tk)
{
  static const int steps[] = {80, 64, 48};
  int best = steps[0];

  for (int KB : steps)
    if (keys_rounded (Tk, KB) < keys_rounded (Tk, best))
      best = KB;
  return best;
}

static size_t
room_bytes (size_t Tk)
{
  return (2 * keys_rounded (Tk, best_step (Tk)) + WARPS * ROWS) * HEAD *
         sizeof (__half);
}

extern "C" int
shu_launch_attention_short_fits (const ShuCudaHeads *h, size_t room)
{
  return h->HD == HEAD && h->Tk > 0 && h->Tk <= KEYS &&
         room_bytes (h->Tk) <= room && !shu_too_many (h->B * h->NH) &&
         !shu_too_many (h->Tq * 2);
}

template <int KB>
static cudaError_t
launch (const Job &p, dim3 grid, size_t bytes, cudaStream_t stream)
{
  cudaError_t e = shu_allow_shared<attention_short<KB>> (bytes);

  if (e != cudaSuccess)
    return e;
  attention_short<KB><<<grid, BLOCK, bytes, stream>>> (p);
  return cudaGetLastError ();
}

extern "C" cudaError_t
shu_launch_attention_short (
    const ShuCudaHeads *h, int /* n_sm */, cudaStream_t stream)
{
  enum { MANY_BLOCKS = 2048 };

  int KB = best_step (h->Tk);
  size_t bytes = room_bytes (h->Tk), blocks = h->B * h->NH;
  size_t passes = shu_div_up (h->Tq, WARPS * ROWS), parts;
  Job p = {(const __half *) h->q, (const __half *) h->k, (const __half *) h->v,
      (__half *) h->y, (unsigned) h->Tq, (unsigned) h->Tk,
      (unsigned) keys_rounded (h->Tk, KB), (unsigned) h->NH, h->ldq, h->ldk,
      h->ldv, 1, 1.44269504f / 8};
  dim3 grid;

  if (blocks == 0 || h->Tq == 0)
    return cudaSuccess;
  /* blocks that keep their keys for as long as there are enough of them */
  parts = shu_div_up (MANY_BLOCKS, blocks);
  p.tiles = (unsigned) shu_div_up (passes, parts < passes ? parts : passes);
  grid = dim3 ((unsigned) blocks, (unsigned) shu_div_up (passes, p.tiles));
  if (grid.y > 65535)
    return cudaErrorInvalidValue;
  switch (KB) {
  case 80:
    return launch<80> (p, grid, bytes, stream);
  case 64:
    return launch<64> (p, grid, bytes, stream);
  default:
    return launch<48> (p, grid, bytes, stream);
  }
}
