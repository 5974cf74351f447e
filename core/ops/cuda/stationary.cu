/* SPDX-License-Identifier: MIT */
/* Products of many rows with a weight of which a part stays in shared memory:
 * all of K for some columns, while the rows pass by.  For K so small that a
 * library's tiles spend more on their beginning and end than on the sum, and
 * with the end that no library has: GEGLU.  Only for sm_90.
 *
 * A block: one warpgroup copies, two compute, each 64 rows at a time, in turn,
 * so that one's products run while the other finishes its rows. */
#include "ops/cuda/kernel_private.h"
#include "ops/cuda/kernels_layers.h"
#include "ops/cuda/mma_private.h"
#include "ops/cuda/wgmma_private.h"

enum {
  GROUP = 128,       /* threads of a warpgroup */
  BLOCK = 3 * GROUP, /* one copies, two compute */
  ROWS = 64,         /* of a tile */
  STEP = 64,         /* of K */
  ROW_BYTES = STEP * sizeof (__half),
  PIECE = ROWS * ROW_BYTES, /* bytes of a step of a tile's rows */
  PIECES = 8,               /* in flight */
  ALIGN = 1024,
  WARPS = 4, /* of a warpgroup */
};

typedef struct {
  void *y; /* f16 or E4M3 */
  const __half *b, *residual;
  unsigned M, N;  /* of y */
  unsigned steps; /* of K */
  unsigned
      columns;    /* groups of columns, each with gridDim.x / columns blocks */
  unsigned tiles; /* of rows */
} Job;

#if defined(__CUDA_ARCH_FEAT_SM90_ALL)

/* Places in shared memory: the weight's part, pieces of rows, barriers, bias */
typedef struct {
  uint32_t w, x;
  uint32_t w_full, full, empty, turn; /* the last three are arrays */
  float *bias;
} Room;

template <int BN>
static __device__ inline Room
room_of (unsigned steps)
{
  extern __shared__ uint8_t raw[];
  uint32_t base = (uint32_t) __cvta_generic_to_shared (raw);
  uint32_t begin = (base + ALIGN - 1) / ALIGN * ALIGN;
  Room r;

  r.w = begin;
  r.x = r.w + steps * BN * ROW_BYTES;
  r.full = r.x + PIECES * PIECE;
  r.empty = r.full + PIECES * 8;
  r.turn = r.empty + PIECES * 8;
  r.w_full = r.turn + 2 * 8;
  r.bias = (float *) (raw + (r.w_full + 16 - base));
  return r;
}

/* Two neighbouring results of d, from column 8 j + 2 t on, of row @h */
template <int BN, bool GEGLU>
static __device__ inline uint32_t
finish (const float (&d)[BN / 2], const float *bias, int j, int h, unsigned t)
{
  float2 b = *(const float2 *) (bias + j * 8 + t * 2);
  float lo = d[4 * j + 2 * h] + b.x, hi = d[4 * j + 2 * h + 1] + b.y;

  if (GEGLU) {
    int g = j + BN / 16;

    b = *(const float2 *) (bias + g * 8 + t * 2);
    lo *= shu_gelu (d[4 * g + 2 * h] + b.x);
    hi *= shu_gelu (d[4 * g + 2 * h + 1] + b.y);
  }
  return shu_pack (lo, hi);
}

/* Where the lane's part of 32 columns begins: row @h, from the @j-th 8 on */
static __device__ inline size_t
place_of (const Job &p, unsigned row, unsigned column, int j, int h)
{
  unsigned lane = threadIdx.x % SHU_WARP, warp = threadIdx.x % GROUP / SHU_WARP;

  return (size_t) (row + warp * 16 + lane / 4 + 8 * h) * p.N + column +
         (j + lane % 4) * 8;
}

/* Of a tile, a row and 32 columns at a time */
template <int J> struct Residual {
  uint4 part[2][J / 4];
};

/* Asked for before the product, there after it */
template <int J>
static __device__ inline void
load_residual (Residual<J> &ret, const Job &p, unsigned row, unsigned column)
{
  unsigned mine =
      row + threadIdx.x % GROUP / SHU_WARP * 16 + threadIdx.x % SHU_WARP / 4;

#pragma unroll
  for (int h = 0; h < 2; h++)
#pragma unroll
    for (int j = 0; j < J; j += 4)
      ret.part[h][j / 4] =
          mine + 8 * h < p.M
              ? *(const uint4 *) (p.residual + place_of (p, row, column, j, h))
              : make_uint4 (0, 0, 0, 0);
}

/* Rows from @row on, columns from @column on */
template <int BN, bool GEGLU, bool E4M3, int J>
static __device__ inline void
write_tile (const float (&d)[BN / 2], const Job &p, const float *bias,
    const Residual<J> *residual, unsigned row, unsigned column)
{
  unsigned lane = threadIdx.x % SHU_WARP;
  unsigned mine = row + threadIdx.x % GROUP / SHU_WARP * 16 + lane / 4;

#pragma unroll
  for (int h = 0; h < 2; h++)
#pragma unroll
    for (int j = 0; j < J; j += 4) {
      uint32_t w[4];

#pragma unroll
      for (int i = 0; i < 4; i++)
        w[i] = finish<BN, GEGLU> (d, bias, j + i, h, lane % 4);
      shu_turn_words (w, lane);
      if (residual) {
        w[0] = shu_add_halves (w[0], residual->part[h][j / 4].x);
        w[1] = shu_add_halves (w[1], residual->part[h][j / 4].y);
        w[2] = shu_add_halves (w[2], residual->part[h][j / 4].z);
        w[3] = shu_add_halves (w[3], residual->part[h][j / 4].w);
      }
      if (mine + 8 * h >= p.M)
        continue;
      if constexpr (E4M3)
        *(uint2 *) ((uint8_t *) p.y + place_of (p, row, column, j, h)) =
            make_uint2 (shu_pack_e4m3 (w[0], w[1]), shu_pack_e4m3 (w[2], w[3]));
      else
        *(uint4 *) ((__half *) p.y + place_of (p, row, column, j, h)) =
            make_uint4 (w[0], w[1], w[2], w[3]);
    }
}

/* One thread: the weight's part, then rows for as long as there are. */
template <int BN, bool GEGLU>
static __device__ inline void
copy_all (const CUtensorMap *mx, const CUtensorMap *mw, const Job &p,
    const Room &r, unsigned column, unsigned first, unsigned step)
{
  constexpr int part = GEGLU ? BN / 2 : BN;
  unsigned n = 0;

  shu_barrier_expect (r.w_full, p.steps * BN * ROW_BYTES);
  for (unsigned k = 0; k < p.steps; k++) {
    uint32_t to = r.w + k * BN * ROW_BYTES;

    shu_copy_box (to, mw, k * STEP, column, r.w_full);
    if (GEGLU)
      shu_copy_box (
          to + part * ROW_BYTES, mw, k * STEP, p.N + column, r.w_full);
  }
  for (unsigned tile = first; tile < p.tiles; tile += step)
    for (unsigned k = 0; k < p.steps; k++, n++) {
      unsigned at = n % PIECES;

      shu_barrier_wait (r.empty + at * 8, (n / PIECES + 1) & 1);
      shu_barrier_expect (r.full + at * 8, PIECE);
      shu_copy_box (
          r.x + at * PIECE, mx, k * STEP, tile * ROWS, r.full + at * 8);
    }
}

/* d [64,BN] = the tile's rows, whose first piece is the @n-th of all, times the
 * weight; the other warpgroup has its turn once all is asked for. */
template <int BN>
static __device__ inline void
multiply (float (&d)[BN / 2], const Job &p, const Room &r, unsigned n,
    unsigned turn, unsigned parity)
{
  bool speaks = threadIdx.x % SHU_WARP == 0;

  shu_barrier_wait (r.turn + turn * 8, parity);
  for (unsigned k = 0; k < p.steps; k++, n++) {
    unsigned at = n % PIECES;
    uint64_t a = shu_wgmma_operand (r.x + at * PIECE);
    uint64_t b = shu_wgmma_operand (r.w + k * BN * ROW_BYTES);

    shu_barrier_wait (r.full + at * 8, n / PIECES & 1);
    shu_wgmma_fence ();
#pragma unroll
    for (int i = 0; i < STEP / 16; i++)
      shu_wgmma (d, a + 2 * i, b + 2 * i, k > 0 || i > 0);
    shu_wgmma_commit ();
    if (k > 0) {
      shu_wgmma_wait<1> ();
      if (speaks)
        shu_barrier_arrive (r.empty + (n - 1) % PIECES * 8);
    }
  }
  if (speaks)
    shu_barrier_arrive (r.turn + (1 - turn) * 8);
  shu_wgmma_wait<0> ();
  if (speaks)
    shu_barrier_arrive (r.empty + (n - 1) % PIECES * 8);
}

#endif

/* x [M,K], w [N,K] or, for GEGLU, [2N,K] -> y [M,N] */
template <int BN, bool GEGLU, bool WITH_RESIDUAL, bool E4M3>
static __global__ void
__launch_bounds__ (BLOCK, 1) stationary (const __grid_constant__ CUtensorMap mx,
    const __grid_constant__ CUtensorMap mw, Job p)
{
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
  constexpr int part = GEGLU ? BN / 2 : BN; /* columns of y */
  Room r = room_of<BN> (p.steps);
  unsigned column = blockIdx.x % p.columns * part;
  unsigned first = blockIdx.x / p.columns, step = gridDim.x / p.columns;
  unsigned group = threadIdx.x / GROUP;

  if (threadIdx.x == 0) {
    shu_barrier_init (r.w_full, 1);
    for (int i = 0; i < PIECES; i++) {
      shu_barrier_init (r.full + i * 8, 1);
      shu_barrier_init (r.empty + i * 8, WARPS);
    }
    shu_barrier_init (r.turn, WARPS);
    shu_barrier_init (r.turn + 8, WARPS);
    asm volatile("fence.mbarrier_init.release.cluster;" : : : "memory");
    asm volatile("fence.proxy.async;" : : : "memory");
  }
  for (unsigned i = threadIdx.x; i < BN; i += BLOCK)
    r.bias[i] = p.b ? __half2float (
                          p.b[i < part ? column + i : p.N + column + i - part])
                    : 0;
  __syncthreads ();
  if (group == 0) {
    asm volatile("setmaxnreg.dec.sync.aligned.u32 40;");
    if (threadIdx.x == 0)
      copy_all<BN, GEGLU> (&mx, &mw, p, r, column, first, step);
    return;
  }
  asm volatile("setmaxnreg.inc.sync.aligned.u32 232;");
  group -= 1;
  if (group == 1 && threadIdx.x % SHU_WARP == 0)
    shu_barrier_arrive (r.turn); /* the first begins */
  shu_barrier_wait (r.w_full, 0);
  for (unsigned i = group; first + i * step < p.tiles; i += 2) {
    unsigned row = (first + i * step) * ROWS;
    float d[BN / 2];

    if constexpr (WITH_RESIDUAL) {
      Residual<part / 8> residual;

      load_residual (residual, p, row, column);
      multiply<BN> (d, p, r, i * p.steps, group, i / 2 & 1);
      write_tile<BN, GEGLU, E4M3> (d, p, r.bias, &residual, row, column);
    } else {
      multiply<BN> (d, p, r, i * p.steps, group, i / 2 & 1);
      write_tile<BN, GEGLU, E4M3, part / 8> (d, p, r.bias, NULL, row, column);
    }
  }
#endif
}

/* ---- launch ---- */

/* Columns of the weight that stay: as many as fit with K, of the widths that
 * there are; 0: none */
static int
width_of (size_t K, size_t N, int geglu)
{
  if (K % STEP != 0 || N % (geglu ? 64 : 160) != 0)
    return 0;
  if (geglu && K <= 320 && N % 128 == 0)
    return 256;
  if (geglu && K <= 640)
    return 128;
  return !geglu && K <= 320 ? 160 : 0;
}

static size_t
room_bytes (int BN, size_t K)
{
  return ALIGN + K * BN * sizeof (__half) + PIECES * PIECE +
         (2 * PIECES + 4) * 8 + BN * sizeof (float);
}

extern "C" int
shu_launch_stationary_fits (size_t M, size_t N, size_t K, int geglu, int sm)
{
#ifdef SHU_SM90A
  return sm == 90 && width_of (K, N, geglu) > 0 && M >= 16384 &&
         !shu_too_many (M * 2);
#else
  return 0;
#endif
}

template <int BN, bool GEGLU, bool WITH_RESIDUAL, bool E4M3>
static cudaError_t
launch (const void *x, const void *w, Job p, size_t K, int n_sm,
    cudaStream_t stream)
{
  constexpr int part = GEGLU ? BN / 2 : BN;
  size_t bytes = room_bytes (BN, K);
  CUtensorMap mx, mw;
  cudaError_t e;

  p.columns = p.N / part;
  if (!shu_box_map (&mx, x, p.M, K, K, ROWS) ||
      !shu_box_map (&mw, w, GEGLU ? 2 * p.N : p.N, K, K, part))
    return cudaErrorNotSupported;
  e = shu_allow_shared<stationary<BN, GEGLU, WITH_RESIDUAL, E4M3>> (bytes);
  if (e != cudaSuccess)
    return e;
  n_sm = n_sm / (int) p.columns > 0 ? n_sm / (int) p.columns : 1;
  stationary<BN, GEGLU, WITH_RESIDUAL, E4M3>
      <<<(unsigned) n_sm * p.columns, BLOCK, bytes, stream>>> (mx, mw, p);
  return cudaGetLastError ();
}

extern "C" cudaError_t
shu_launch_stationary (void *y, const void *x, const void *w, const void *b,
    const void *residual, size_t M, size_t N, size_t K, int geglu, int e4m3,
    int n_sm, cudaStream_t stream)
{
  Job p = {y, (const __half *) b, (const __half *) residual, (unsigned) M,
      (unsigned) N, (unsigned) (K / STEP), 0, (unsigned) shu_div_up (M, ROWS)};

  switch (width_of (K, N, geglu)) {
  case 256:
    return e4m3 ? launch<256, true, false, true> (x, w, p, K, n_sm, stream)
                : launch<256, true, false, false> (x, w, p, K, n_sm, stream);
  case 128:
    return e4m3 ? launch<128, true, false, true> (x, w, p, K, n_sm, stream)
                : launch<128, true, false, false> (x, w, p, K, n_sm, stream);
  case 160:
    return residual
               ? launch<160, false, true, false> (x, w, p, K, n_sm, stream)
               : launch<160, false, false, false> (x, w, p, K, n_sm, stream);
  default:
    return cudaErrorInvalidValue;
  }
}
