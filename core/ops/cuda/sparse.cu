/* SPDX-License-Identifier: MIT */
/* Sparse voxels: submanifold convolutions as products of gathered rows on
 * tensor cores, and pooling. */
#include "ops/cuda/kernel_private.h"
#include "ops/cuda/kernels_layers.h"
#include "ops/cuda/mma_private.h"

/* ---- convolution ---- */

enum {
  ROWS = 64,        /* of y in a block */
  STEP = 32,        /* channels of x at a time */
  PITCH = STEP + 8, /* keeps 8 rows in different banks */
  STAGES = 3,       /* steps in flight */
  WARPS = 4,        /* 2 by 2: half of the rows, half of the columns */
  BLOCK = WARPS * SHU_WARP,
  PARENTS = 8, /* that a child sees, itself among their children */
};

/* x [N,Ci], nbr [N,27], w [parities,n_taps,Co,Ci] -> y [N,parities,Co] */
typedef struct {
  const __half *x;
  const int *nbr;
  const __half *w;
  ShuCudaVector b;
  __half *y;
  size_t N;
  int Ci, Co;
  int n_taps;   /* SHU_CUDA_TAPS, or PARENTS after a subdivision */
  int parities; /* 1, or 8 after a subdivision */
  bool vector;  /* rows of x and w can be read 16 bytes at a time */
  bool pairs;   /* rows of y can be written 2 channels at a time */
} Conv;

/* NB: columns of 8 that a warp has */
template <int NB> struct Room {
  __half x[STAGES][ROWS][PITCH];
  __half w[STAGES][16 * NB][PITCH];
  int nbr[SHU_CUDA_TAPS][ROWS]; /* rows of x, -1: absent */
  unsigned present[WARPS];
};

/* What a block makes. */
typedef struct {
  size_t row0;
  int col0;
  int parity;
} Tile;

/* The entry of a neighbourhood that tap @t means: along each axis a child of
 * parity p sees the parents at offsets p - 1 and p. */
static __device__ int
tap_entry (const Conv &c, int parity, int t)
{
  if (c.parities == 1)
    return t;
  return ((parity >> 2) + (t >> 2)) * 9 +
         ((parity >> 1 & 1) + (t >> 1 & 1)) * 3 + (parity & 1) + (t & 1);
}

/* Fills in room->nbr; returns the taps that any row of the tile has, as
 * bits. */
template <int NB>
static __device__ unsigned
find_rows (Room<NB> *room, const Conv &c, const Tile &tile)
{
  unsigned present = 0;

  for (int i = threadIdx.x; i < c.n_taps * ROWS; i += BLOCK) {
    int r = i / c.n_taps, t = i % c.n_taps, row = -1;

    if (tile.row0 + r < c.N)
      row = c.nbr[(tile.row0 + r) * SHU_CUDA_TAPS +
                  tap_entry (c, tile.parity, t)];
    if (row < 0 || (size_t) row >= c.N)
      row = -1;
    else
      present |= 1u << t;
    room->nbr[t][r] = row;
  }
  present = __reduce_or_sync (0xffffffff, present);
  if (threadIdx.x % SHU_WARP == 0)
    room->present[threadIdx.x / SHU_WARP] = present;
  __syncthreads ();
  present = 0;
  for (int i = 0; i < WARPS; i++)
    present |= room->present[i];
  return present;
}

/* 8 channels from @ch on of a row of Ci, zeros where there are none */
static __device__ void
load_piece (const Conv &c, __half *dst, const __half *row, int ch, bool there)
{
  there = there && ch < c.Ci;
  if (c.vector) {
    shu_copy_async (dst, there ? row + ch : c.x, there);
    return;
  }
#pragma unroll
  for (int k = 0; k < 8; k++)
    dst[k] = there && ch + k < c.Ci ? row[ch + k] : __ushort_as_half (0);
}

/* The rows of x that tap @t gathers, and the tap's weights, channels @ch and
 * on, into @stage */
template <int NB>
static __device__ void
load_step (
    Room<NB> *room, const Conv &c, const Tile &tile, int stage, int t, int ch)
{
  const __half *w = c.w + ((size_t) tile.parity * c.n_taps + t) * c.Co * c.Ci;
  int at = threadIdx.x % 4 * 8;

#pragma unroll
  for (int r = threadIdx.x / 4; r < ROWS; r += BLOCK / 4) {
    int row = room->nbr[t][r];

    load_piece (c, &room->x[stage][r][at],
        c.x + (size_t) (row < 0 ? 0 : row) * c.Ci, ch + at, row >= 0);
  }
#pragma unroll
  for (int n = threadIdx.x / 4; n < 16 * NB; n += BLOCK / 4) {
    int col = tile.col0 + n;

    load_piece (c, &room->w[stage][n][at],
        w + (size_t) (col < c.Co ? col : 0) * c.Ci, ch + at, col < c.Co);
  }
}

/* acc [32,8*NB] += the warp's part of a stage's product */
template <int NB>
static __device__ void
multiply (float (&acc)[2][NB][4], const Room<NB> &room, int stage)
{
  int lane = threadIdx.x % SHU_WARP, warp = threadIdx.x / SHU_WARP;

#pragma unroll
  for (int k = 0; k < STEP; k += 16) {
    uint32_t a[2][4];

#pragma unroll
    for (int m = 0; m < 2; m++)
      shu_ldmatrix (a[m], &room.x[stage][warp / 2 * 32 + m * 16 + lane % 16]
                                 [k + lane / 16 * 8]);
#pragma unroll
    for (int j = 0; j < NB; j += 2) {
      int col = (warp % 2 * NB + j) * 8 + lane % 8 + lane / 16 * 8;
      uint32_t b[4];

      shu_ldmatrix (b, &room.w[stage][col][k + lane / 8 % 2 * 8]);
#pragma unroll
      for (int m = 0; m < 2; m++) {
        shu_mma (acc[m][j], a[m], b[0], b[1]);
        shu_mma (acc[m][j + 1], a[m], b[2], b[3]);
      }
    }
  }
}

template <int NB>
static __device__ void
write_tile (const float (&acc)[2][NB][4], const Conv &c, const Tile &tile)
{
  int lane = threadIdx.x % SHU_WARP, warp = threadIdx.x / SHU_WARP;
  int col0 = tile.col0 + warp % 2 * NB * 8 + lane % 4 * 2;

#pragma unroll
  for (int j = 0; j < NB; j++) {
    int col = col0 + j * 8;
    float b[2][1] = {{0}, {0}};

    for (int i = 0; i < 2 && c.b.data && col + i < c.Co; i++)
      shu_load (b[i], c.b, col + i);
#pragma unroll
    for (int h = 0; h < 4; h++) { /* rows g, g + 8, g + 16, g + 24 */
      size_t row = tile.row0 + warp / 2 * 32 + h * 8 + lane / 4;
      __half *to = c.y + (row * c.parities + tile.parity) * c.Co + col;
      float lo = acc[h / 2][j][h % 2 * 2] + b[0][0];
      float hi = acc[h / 2][j][h % 2 * 2 + 1] + b[1][0];

      if (row >= c.N)
        continue;
      if (c.pairs && col < c.Co) {
        *(__half2 *) to = __floats2half2_rn (lo, hi);
        continue;
      }
      if (col < c.Co)
        to[0] = __float2half_rn (lo);
      if (col + 1 < c.Co)
        to[1] = __float2half_rn (hi);
    }
  }
}

/* A block makes ROWS rows (of one parity) by 16 NB columns of y; tiles of
 * columns of the same rows are neighbours.  Steps are the taps that any row
 * has, times Ci / STEP. */
template <int NB>
static __global__ void
__launch_bounds__ (BLOCK) sparse_conv (Conv c, int tiles)
{
  __shared__ __align__ (16) Room<NB> room;
  Tile tile;
  unsigned rest = blockIdx.x / tiles, left;
  float acc[2][NB][4] = {{{0}}};
  int steps, ch = 0;

  tile.col0 = blockIdx.x % tiles * 16 * NB;
  tile.parity = rest % c.parities;
  tile.row0 = (size_t) (rest / c.parities) * ROWS;
  left = find_rows (&room, c, tile);
  steps = __popc (left) * ((c.Ci + STEP - 1) / STEP);
  for (int i = 0; i < steps + STAGES - 1; i++) {
    int now = i - (STAGES - 1); /* the step to multiply */

    if (now >= 0) {
      shu_copy_wait<STAGES - 2> ();
      __syncthreads (); /* the stage has arrived; the last one is free */
    }
    if (left != 0) {
      load_step (&room, c, tile, i % STAGES, __ffs (left) - 1, ch);
      ch += STEP;
      if (ch >= c.Ci) {
        ch = 0;
        left &= left - 1;
      }
    }
    shu_copy_commit (); /* an empty group counts too */
    if (now >= 0)
      multiply (acc, room, now % STAGES);
  }
  write_tile (acc, c, tile);
}

static cudaError_t
launch_conv (Conv c, cudaStream_t stream)
{
  /* 96 columns where they waste no more than 64 */
  bool wide = (c.Co + 95) / 96 * 96 <= (c.Co + 63) / 64 * 64;
  size_t tiles = shu_div_up (c.Co, wide ? 96 : 64);
  size_t blocks = shu_div_up (c.N, ROWS) * c.parities * tiles;

  if (c.Ci < 1 || c.Co < 1 || c.Ci > 1 << 24 || c.Co > 1 << 24 ||
      shu_too_many (c.N) || shu_too_many (blocks))
    return cudaErrorInvalidValue;
  if (blocks == 0)
    return cudaSuccess;
  c.vector = c.Ci % SHU_VECTOR == 0 && shu_aligned (c.x) && shu_aligned (c.w);
  c.pairs = c.Co % 2 == 0 && (uintptr_t) c.y % 4 == 0;
  if (wide)
    sparse_conv<6><<<(unsigned) blocks, BLOCK, 0, stream>>> (c, (int) tiles);
  else
    sparse_conv<4><<<(unsigned) blocks, BLOCK, 0, stream>>> (c, (int) tiles);
  return cudaGetLastError ();
}

extern "C" cudaError_t
shu_launch_sparse_conv (void *y, const void *x, const int *nbr, const void *w,
    ShuCudaVector b, size_t N, int Ci, int Co, cudaStream_t stream)
{
  Conv c = {(const __half *) x, nbr, (const __half *) w, b, (__half *) y, N, Ci,
      Co, SHU_CUDA_TAPS, 1, false, false};

  return launch_conv (c, stream);
}

extern "C" cudaError_t
shu_launch_sparse_conv_subdivided (void *y, const void *x, const int *nbr,
    const void *w, ShuCudaVector b, size_t N, int Ci, int Co,
    cudaStream_t stream)
{
  Conv c = {(const __half *) x, nbr, (const __half *) w, b, (__half *) y, N, Ci,
      Co, PARENTS, 8, false, false};

  return launch_conv (c, stream);
}

/* ---- weights after a subdivision ---- */

/* Whether, along one axis, kernel tap k of a child of parity p falls on the
 * parent at offset p - 1 + s: floor ((p + k - 1) / 2) is that offset. */
static __device__ bool
falls_on (int p, int s, int k)
{
  return (p + k + 1) / 2 == p + s;
}

/* w [27,n] -> y [8 parities,8 parents,n], n = Co Ci; a thread an element */
static __global__ void
subdivided_weights (__half *y, const __half *w, size_t n)
{
  for (size_t i = shu_task (); i < 64 * n; i += shu_task_step ()) {
    int parity = (int) (i / n / 8), slot = (int) (i / n % 8);
    float sum = 0;

    for (int t = 0; t < SHU_CUDA_TAPS; t++)
      if (falls_on (parity >> 2, slot >> 2, t / 9) &&
          falls_on (parity >> 1 & 1, slot >> 1 & 1, t / 3 % 3) &&
          falls_on (parity & 1, slot & 1, t % 3))
        sum += __half2float (w[t * n + i % n]);
    y[i] = __float2half_rn (sum);
  }
}

extern "C" cudaError_t
shu_launch_sparse_subdivided_weights (
    void *y, const void *w, int Ci, int Co, cudaStream_t stream)
{
  size_t n = (size_t) Ci * Co;

  if (n == 0)
    return cudaSuccess;
  subdivided_weights<<<shu_blocks (64 * n), SHU_THREADS, 0, stream>>> (
      (__half *) y, (const __half *) w, n);
  return cudaGetLastError ();
}

/* ---- pooling ---- */

enum { POOL_ROWS = 8 };

/* x [N,C], index [N] -> y [M,C].  Block (i,j) has POOL_ROWS rows of y and BLOCK
 * channels, a thread one of them; all indices pass by, and members are added in
 * their order. */
static __global__ void
__launch_bounds__ (BLOCK) sparse_pool (
    __half *y, const __half *x, const int *index, size_t N, size_t M, size_t C)
{
  __shared__ float sum[POOL_ROWS][BLOCK]; /* a thread its own column */
  __shared__ int hits[BLOCK];             /* POOL_ROWS * position + row */
  __shared__ int hits_of[WARPS];
  int me = threadIdx.x, warp = me / SHU_WARP, count[POOL_ROWS];
  size_t row0 = (size_t) blockIdx.x * POOL_ROWS;
  size_t ch = (size_t) blockIdx.y * BLOCK + me;

#pragma unroll
  for (int r = 0; r < POOL_ROWS; r++) {
    sum[r][me] = 0;
    count[r] = 0;
  }
  for (size_t at = 0; at < N; at += BLOCK) {
    long long r = at + me < N ? index[at + me] - (long long) row0 : -1;
    bool hit = r >= 0 && r < POOL_ROWS && row0 + r < M;
    unsigned vote = __ballot_sync (0xffffffff, hit);
    int before = __popc (vote & ((1u << me % SHU_WARP) - 1)), n = 0;

    if (!__syncthreads_or (hit)) /* the last hits have been used, too */
      continue;
    if (me % SHU_WARP == 0)
      hits_of[warp] = __popc (vote);
    __syncthreads ();
    for (int i = 0; i < WARPS; i++) {
      before += i < warp ? hits_of[i] : 0;
      n += hits_of[i];
    }
    if (hit)
      hits[before] = me * POOL_ROWS + (int) r;
    __syncthreads ();
    for (int i = 0; i < n; i++) {
      int to = hits[i] % POOL_ROWS;

#pragma unroll
      for (int k = 0; k < POOL_ROWS; k++)
        count[k] += k == to;
      if (ch < C)
        sum[to][me] += __half2float (x[(at + hits[i] / POOL_ROWS) * C + ch]);
    }
  }
  /* Not the mean: the reference's scatter keeps the zero that it starts from
   * as a member. */
#pragma unroll
  for (int r = 0; r < POOL_ROWS; r++)
    if (row0 + r < M && ch < C)
      y[(row0 + r) * C + ch] =
          __float2half_rn (sum[r][me] / (float) (count[r] + 1));
}

extern "C" cudaError_t
shu_launch_sparse_pool (void *y, const void *x, const int *index, size_t N,
    size_t M, size_t C, cudaStream_t stream)
{
  size_t rows = shu_div_up (M, POOL_ROWS), columns = shu_div_up (C, BLOCK);

  if (M == 0 || C == 0)
    return cudaSuccess;
  if (shu_too_many (rows) || columns > 65535)
    return cudaErrorInvalidValue;
  sparse_pool<<<dim3 ((unsigned) rows, (unsigned) columns), BLOCK, 0,
      stream>>> ((__half *) y, (const __half *) x, index, N, M, C);
  return cudaGetLastError ();
}
