/* SPDX-License-Identifier: MIT */
/* Convolutions of E4M3 maps, and linear layers, which are those of one row of
 * pixels without neighbours: a product whose K is taps times channels.  The
 * copies by descriptor take a box of pixels, moved by a tap, and fill in zeros
 * beyond the map, so nothing is laid out before.  Only for sm_90.
 *
 * A block: one warpgroup copies, two compute 128 pixels each, of the same
 * channels; it goes from tile to tile. */
#include "ops/cuda/kernel_private.h"
#include "ops/cuda/kernels_layers.h"
#include "ops/cuda/mma_private.h"
#include "ops/cuda/wgmma_private.h"

enum {
  GROUP = 128,       /* threads of a warpgroup */
  BLOCK = 3 * GROUP, /* one copies, two compute */
  PIXELS = 256,      /* of a box */
  WIDE = 160,        /* channels at a time; */
  NARROW = 128,      /* the second half of them GEGLU's gates */
  ROOM = 212992,     /* for pieces; as many as fit */
  ALIGN = 1024,
  WARPS = 8, /* that compute */
  MAX_PIECES = 8,
};

/* What follows the sums and biases.  Known when compiled: an end with a choice
 * in it, eighty times, is more than the cache of instructions holds. */
enum Ending {
  PLAIN,
  RESIDUAL,
  GELU_TANH,
  GELU_TANH_E4M3, /* of y, too */
  GEGLU,
  GEGLU_E4M3,
};

static constexpr __host__ __device__ bool
is_geglu (Ending end)
{
  return end == GEGLU || end == GEGLU_E4M3;
}

/* Sizes of a box of pixels, and how many there are along each dimension */
typedef struct {
  unsigned size[3], n[3]; /* images, rows, columns */
} Boxes;

typedef struct {
  void *y;
  const __half *b, *residual;
  const float *scale;       /* of x and w together */
  unsigned size[3];         /* images, rows, columns of x */
  unsigned step, offset[2]; /* of y's rows and columns */
  unsigned Ci, Co;
  unsigned steps, chunks; /* of K: all, and for each tap */
  unsigned taps_across;
  int before[2]; /* rows and columns of zeros */
  Boxes boxes;
  unsigned columns, tiles; /* groups of channels, and of boxes times those */
} Job;

#if defined(__CUDA_ARCH_FEAT_SM90_ALL)

/* Bytes of a step: @K of pixels, then of @N channels */
template <int K, int N> struct Piece {
  static constexpr int pixels = PIXELS * K, weight = N * K,
                       all = pixels + weight,
                       n = ROOM / all < MAX_PIECES ? ROOM / all : MAX_PIECES;
};

/* Places in shared memory: pieces, barriers (arrays), biases of each warp */
typedef struct {
  uint32_t pieces, full, empty;
  float *bias;
} Room;

static __device__ inline Room
room_of (void)
{
  extern __shared__ uint8_t raw[];
  uint32_t base = (uint32_t) __cvta_generic_to_shared (raw);
  Room r;

  r.pieces = (base + ALIGN - 1) / ALIGN * ALIGN;
  r.full = r.pieces + ROOM;
  r.empty = r.full + MAX_PIECES * 8;
  r.bias = (float *) (raw + (r.empty + MAX_PIECES * 8 - base));
  return r;
}

/* First image, row and column of a box */
static __device__ inline void
corner_of (const Job &p, unsigned tile, int (&ret)[3])
{
  const Boxes &b = p.boxes;

  tile /= p.columns;
#pragma unroll
  for (int i = 2; i >= 0; i--) {
    ret[i] = (int) (tile % b.n[i] * b.size[i]);
    tile /= b.n[i];
  }
}

/* One thread */
template <int K, int N, Ending END>
static __device__ inline void
copy_all (
    const CUtensorMap *mx, const CUtensorMap *mw, const Job &p, const Room &r)
{
  using P = Piece<K, N>;
  unsigned n = 0;
  int at[3];

  for (unsigned tile = blockIdx.x; tile < p.tiles; tile += gridDim.x) {
    int column = (int) (tile % p.columns) * (is_geglu (END) ? N / 2 : N);
    int second = column + (is_geglu (END) ? (int) p.Co : N / 2);

    corner_of (p, tile, at);
    for (unsigned k = 0; k < p.steps; k++, n++) {
      unsigned tap = k / p.chunks, place = n % P::n;
      uint32_t to = r.pieces + place * P::all, full = r.full + place * 8;
      int channel = (int) (k % p.chunks) * K;
      int of_weight = (int) (tap * p.Ci) + channel;
      int row = at[1] + (int) (tap / p.taps_across) - p.before[0];
      int across = at[2] + (int) (tap % p.taps_across) - p.before[1];

      shu_barrier_wait (r.empty + place * 8, (n / P::n + 1) & 1);
      shu_barrier_expect (full, P::all);
      /* channels beyond Ci are zeros of x, whatever w has there */
      shu_copy_box (to, mx, channel, across, row, at[0], full);
      shu_copy_box (to + P::pixels, mw, of_weight, column, full);
      shu_copy_box (
          to + P::pixels + P::weight / 2, mw, of_weight, second, full);
    }
  }
}

/* d = the sums of 128 pixels, whose first piece is the @n-th of all */
template <int K, int N>
static __device__ inline void
multiply (float (&d)[2][N / 2], const Job &p, const Room &r, unsigned n,
    unsigned half)
{
  using P = Piece<K, N>;
  constexpr unsigned rows_64 = 64 * K / 16; /* as operands count */
  bool speaks = threadIdx.x % SHU_WARP == 0;

  for (unsigned k = 0; k < p.steps; k++, n++) {
    uint32_t piece = r.pieces + n % P::n * P::all;
    uint32_t mine = piece + half * (P::pixels / 2);
    uint64_t a =
        K == 128 ? shu_wgmma_operand (mine) : shu_wgmma_operand_narrow (mine);
    uint64_t b = K == 128 ? shu_wgmma_operand (piece + P::pixels)
                          : shu_wgmma_operand_narrow (piece + P::pixels);

    shu_barrier_wait (r.full + n % P::n * 8, n / P::n & 1);
    shu_wgmma_fence ();
#pragma unroll
    for (int i = 0; i < K / 32; i++) {
      shu_wgmma_e4m3 (d[0], a + 2 * i, b + 2 * i, k > 0 || i > 0);
      shu_wgmma_e4m3 (d[1], a + rows_64 + 2 * i, b + 2 * i, k > 0 || i > 0);
    }
    shu_wgmma_commit ();
    if (k > 0) {
      shu_wgmma_wait<1> ();
      if (speaks)
        shu_barrier_arrive (r.empty + (n - 1) % P::n * 8);
    }
  }
  shu_wgmma_wait<0> ();
  if (speaks)
    shu_barrier_arrive (r.empty + (n - 1) % P::n * 8);
}

/* Where in y the pixel of a box is that comes @i-th; SIZE_MAX beyond the map */
static __device__ inline size_t
place_of (const Job &p, const int (&at)[3], unsigned i)
{
  const Boxes &b = p.boxes;
  unsigned across = (unsigned) at[2] + i % b.size[2];
  unsigned row = (unsigned) at[1] + i / b.size[2] % b.size[1];
  unsigned image = (unsigned) at[0] + i / (b.size[2] * b.size[1]);

  if (image >= p.size[0] || row >= p.size[1] || across >= p.size[2])
    return SIZE_MAX;
  row = row * p.step + p.offset[0];
  across = across * p.step + p.offset[1];
  return (((size_t) image * p.size[1] * p.step + row) * p.size[2] * p.step +
             across) *
         p.Co;
}

/* A warp's own copy of the biases of its N columns, GEGLU's gates' behind the
 * others' */
template <int N, Ending END>
static __device__ inline void
load_bias (float *ret, const Job &p, unsigned column)
{
  constexpr unsigned part = is_geglu (END) ? N / 2 : N;

  __syncwarp ();
  for (unsigned i = threadIdx.x % SHU_WARP; i < N; i += SHU_WARP) {
    unsigned at = column + i % part;

    ret[i] = p.b && at < p.Co ? __half2float (p.b[at + i / part * p.Co]) : 0;
  }
  __syncwarp ();
}

/* Both forms of GELU to what E4M3 can tell apart */
static __device__ inline float
gelu_near (float x)
{
  float t;

  asm("tanh.approx.f32 %0, %1;"
      : "=f"(t)
      : "f"(x * fmaf (0.0356774081f * x, x, 0.7978845608f)));
  return fmaf (0.5f * x, t, 0.5f * x);
}

/* Two neighbouring results: of the sums @v and, for GEGLU, their gates' @g */
template <int N, Ending END>
static __device__ inline uint32_t
finish (const float *v, const float *g, const float *bias, float scale)
{
  float2 b = *(const float2 *) bias;
  float lo = v[0] * scale + b.x, hi = v[1] * scale + b.y;

  if (is_geglu (END)) {
    b = *(const float2 *) (bias + N / 2);
    float gates[] = {g[0] * scale + b.x, g[1] * scale + b.y};

    lo *= END == GEGLU ? shu_gelu (gates[0]) : gelu_near (gates[0]);
    hi *= END == GEGLU ? shu_gelu (gates[1]) : gelu_near (gates[1]);
  }
  if (END == GELU_TANH) {
    lo = shu_act_of (lo, SHU_CUDA_ACT_GELU_TANH);
    hi = shu_act_of (hi, SHU_CUDA_ACT_GELU_TANH);
  }
  if (END == GELU_TANH_E4M3) {
    lo = gelu_near (lo);
    hi = gelu_near (hi);
  }
  return shu_pack (lo, hi);
}

/* ---- results ---- */

static constexpr __host__ __device__ bool
is_e4m3 (Ending end)
{
  return end == GELU_TANH_E4M3 || end == GEGLU_E4M3;
}

static __device__ inline uint32_t
sum_of (uint32_t a, uint32_t b)
{
  float2 x = __half22float2 (*(__half2 *) &a);
  float2 y = __half22float2 (*(__half2 *) &b);

  return shu_pack (x.x + y.x, x.y + y.y);
}

/* The lane's part of 32 channels, @at of all */
template <Ending END>
static __device__ inline void
store (const Job &p, size_t at, const uint32_t (&w)[4], const uint4 &residual)
{
  if constexpr (is_e4m3 (END))
    *(uint2 *) ((uint8_t *) p.y + at) =
        make_uint2 (shu_pack_e4m3 (w[0], w[1]), shu_pack_e4m3 (w[2], w[3]));
  else if constexpr (END == RESIDUAL)
    *(uint4 *) ((__half *) p.y + at) =
        make_uint4 (sum_of (w[0], residual.x), sum_of (w[1], residual.y),
            sum_of (w[2], residual.z), sum_of (w[3], residual.w));
  else
    *(uint4 *) ((__half *) p.y + at) = make_uint4 (w[0], w[1], w[2], w[3]);
}

/* 64 pixels from the box's @first on */
template <int N, Ending END>
static __device__ inline void
write (const float (&d)[N / 2], const Job &p, const float *bias, float scale,
    const int (&at)[3], unsigned first, unsigned column)
{
  constexpr int width = is_geglu (END) ? N / 2 : N;
  unsigned lane = threadIdx.x % SHU_WARP;
  unsigned mine = first + threadIdx.x % GROUP / SHU_WARP * 16 + lane / 4;

#pragma unroll
  for (int h = 0; h < 2; h++) {
    size_t place = place_of (p, at, mine + 8 * h);
    uint4 residual[width / 32];

    if constexpr (END == RESIDUAL) {
#pragma unroll
      for (int j = 0; j < width / 8; j += 4) {
        unsigned to = column + (j + lane % 4) * 8;

        residual[j / 4] = place != SIZE_MAX && to < p.Co
                              ? *(const uint4 *) (p.residual + place + to)
                              : make_uint4 (0, 0, 0, 0);
      }
    }
#pragma unroll
    for (int j = 0; j < width / 8; j += 4) {
      unsigned to = column + (j + lane % 4) * 8;
      uint32_t w[4];

#pragma unroll
      for (int i = 0; i < 4; i++) {
        const float *v = &d[4 * (j + i) + 2 * h];

        w[i] = finish<N, END> (v, v + (is_geglu (END) ? N / 4 : 0),
            bias + (j + i) * 8 + lane % 4 * 2, scale);
      }
      shu_turn_words (w, lane);
      if (place != SIZE_MAX && to < p.Co)
        store<END> (p, place + to, w, residual[j / 4]);
    }
  }
}

#endif

/* x [B,H,W,Ci], w [Co,kH,kW,Ci] or, for GEGLU, twice as many rows -> y; K
 * channels of x and N of w at a time */
template <int K, int N, Ending END>
static __global__ void
__launch_bounds__ (BLOCK, 1)
    product_fp8 (const __grid_constant__ CUtensorMap mx,
        const __grid_constant__ CUtensorMap mw, Job p)
{
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
  Room r = room_of ();
  unsigned group = threadIdx.x / GROUP, n = 0;

  if (threadIdx.x == 0) {
    for (int i = 0; i < Piece<K, N>::n; i++) {
      shu_barrier_init (r.full + i * 8, 1);
      shu_barrier_init (r.empty + i * 8, WARPS);
    }
    asm volatile("fence.mbarrier_init.release.cluster;" : : : "memory");
    asm volatile("fence.proxy.async;" : : : "memory");
  }
  __syncthreads ();
  if (group == 0) {
    asm volatile("setmaxnreg.dec.sync.aligned.u32 40;");
    if (threadIdx.x == 0)
      copy_all<K, N, END> (&mx, &mw, p, r);
    return;
  }
  asm volatile("setmaxnreg.inc.sync.aligned.u32 232;");
  group -= 1;
  for (unsigned tile = blockIdx.x; tile < p.tiles;
       tile += gridDim.x, n += p.steps) {
    unsigned column = tile % p.columns * (is_geglu (END) ? N / 2 : N);
    float d[2][N / 2], scale = *p.scale;
    float *bias = r.bias + threadIdx.x / SHU_WARP % WARPS * N;
    int at[3];

    load_bias<N, END> (bias, p, column);
    multiply<K, N> (d, p, r, n, group);
    corner_of (p, tile, at);
    write<N, END> (d[0], p, bias, scale, at, group * 128, column);
    write<N, END> (d[1], p, bias, scale, at, group * 128 + 64, column);
  }
#endif
}

/* ---- launch ---- */

/* The boxes that cover @size with the fewest; wide ones first */
static Boxes
boxes_of (const unsigned (&size)[3])
{
  Boxes best = {};
  size_t fewest = SIZE_MAX;

  for (unsigned across = PIXELS; across >= 1; across /= 2)
    for (unsigned rows = PIXELS / across; rows >= 1; rows /= 2) {
      Boxes b = {{PIXELS / across / rows, rows, across}, {0, 0, 0}};
      size_t n = 1;

      for (int i = 0; i < 3; i++) {
        b.n[i] = (unsigned) shu_div_up (size[i], b.size[i]);
        n *= b.n[i];
      }
      if (n < fewest) {
        fewest = n;
        best = b;
      }
    }
  return best;
}

extern "C" int
shu_launch_has_fp8 (int sm)
{
#ifdef SHU_SM90A
  return sm == 90;
#else
  return 0;
#endif
}

extern "C" int
shu_launch_product_fp8_fits (const ShuCudaProductFp8 *c, int sm)
{
  size_t pixels = (size_t) c->x[0] * c->x[1] * c->x[2];

  return shu_launch_has_fp8 (sm) && c->Ci % 16 == 0 && c->Co % 8 == 0 &&
         (!c->geglu || c->Co % (NARROW / 2) == 0) &&
         (c->act == SHU_CUDA_ACT_NONE ||
             (c->act == SHU_CUDA_ACT_GELU_TANH && !c->geglu)) &&
         (!c->residual || (c->act == SHU_CUDA_ACT_NONE && !c->geglu &&
                              !c->spread && !c->e4m3)) &&
         (!c->e4m3 || ((c->geglu || c->act == SHU_CUDA_ACT_GELU_TANH) &&
                          c->Co % 16 == 0)) &&
         pixels >= PIXELS && !shu_too_many (pixels);
}

/* Bytes of @n dimensions, innermost first, in boxes of @box */
static bool
map_of (CUtensorMap *ret, const void *data, int n, const cuuint64_t *dims,
    const cuuint32_t *box)
{
  ShuEncode encode = shu_box_encode ();
  const cuuint32_t ones[] = {1, 1, 1, 1};
  cuuint64_t steps[3], step = 1;

  for (int i = 0; i + 1 < n; i++)
    steps[i] = step *= dims[i];
  return encode && encode (ret, CU_TENSOR_MAP_DATA_TYPE_UINT8, (cuuint32_t) n,
                       (void *) data, dims, steps, box, ones,
                       CU_TENSOR_MAP_INTERLEAVE_NONE,
                       box[0] == 128 ? CU_TENSOR_MAP_SWIZZLE_128B
                                     : CU_TENSOR_MAP_SWIZZLE_64B,
                       CU_TENSOR_MAP_L2_PROMOTION_L2_256B,
                       CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE) == CUDA_SUCCESS;
}

template <int K, int N, Ending END>
static cudaError_t
launch (const ShuCudaProductFp8 &c, Job p, const void *x, const void *w,
    int n_sm, cudaStream_t stream)
{
  const cuuint64_t x_dims[] = {c.Ci, c.x[2], c.x[1], c.x[0]};
  const cuuint64_t w_dims[] = {
      (cuuint64_t) c.Ci * c.k[0] * c.k[1], (cuuint64_t) c.Co << is_geglu (END)};
  const cuuint32_t x_box[] = {
      K, p.boxes.size[2], p.boxes.size[1], p.boxes.size[0]};
  const cuuint32_t w_box[] = {K, N / 2};
  size_t bytes = ALIGN + ROOM + 2 * MAX_PIECES * 8 + WARPS * N * sizeof (float);
  unsigned blocks;
  CUtensorMap mx, mw;
  cudaError_t e;

  p.chunks = (unsigned) shu_div_up (c.Ci, K);
  p.steps = p.chunks * c.k[0] * c.k[1];
  p.columns = (unsigned) shu_div_up (c.Co, is_geglu (END) ? N / 2 : N);
  p.tiles *= p.columns;
  blocks = p.tiles < (unsigned) n_sm ? p.tiles : (unsigned) n_sm;
  if (!map_of (&mx, x, 4, x_dims, x_box) || !map_of (&mw, w, 2, w_dims, w_box))
    return cudaErrorNotSupported;
  e = shu_allow_shared<product_fp8<K, N, END>> (bytes);
  if (e != cudaSuccess)
    return e;
  product_fp8<K, N, END><<<blocks, BLOCK, bytes, stream>>> (mx, mw, p);
  return cudaGetLastError ();
}

template <int N, Ending END>
static cudaError_t
launch_any (const ShuCudaProductFp8 &c, const Job &p, const void *x,
    const void *w, int n_sm, cudaStream_t stream)
{
  return c.Ci % 128 == 0 ? launch<128, N, END> (c, p, x, w, n_sm, stream)
                         : launch<64, N, END> (c, p, x, w, n_sm, stream);
}

template <Ending END>
static cudaError_t
launch_wide (const ShuCudaProductFp8 &c, const Job &p, const void *x,
    const void *w, int n_sm, cudaStream_t stream)
{
  return c.Co % WIDE != 0 && c.Co % NARROW == 0
             ? launch_any<NARROW, END> (c, p, x, w, n_sm, stream)
             : launch_any<WIDE, END> (c, p, x, w, n_sm, stream);
}

extern "C" cudaError_t
shu_launch_product_fp8 (const ShuCudaProductFp8 *c, void *y, const void *x,
    const void *w, const void *b, const float *scale, int n_sm,
    cudaStream_t stream)
{
  Job p = {};

  p.y = y;
  p.b = (const __half *) b;
  p.scale = scale;
  p.residual = (const __half *) c->residual;
  for (int i = 0; i < 3; i++)
    p.size[i] = c->x[i];
  p.step = c->spread ? 2 : 1;
  p.offset[0] = c->spread ? (unsigned) (c->spread - 1) / 2 : 0;
  p.offset[1] = c->spread ? (unsigned) (c->spread - 1) % 2 : 0;
  p.Ci = c->Ci;
  p.Co = c->Co;
  p.taps_across = c->k[1];
  p.before[0] = c->before[0];
  p.before[1] = c->before[1];
  p.boxes = boxes_of (p.size);
  p.tiles = p.boxes.n[0] * p.boxes.n[1] * p.boxes.n[2];
  if (c->geglu)
    return c->e4m3 ? launch_any<NARROW, GEGLU_E4M3> (*c, p, x, w, n_sm, stream)
                   : launch_any<NARROW, GEGLU> (*c, p, x, w, n_sm, stream);
  if (c->act == SHU_CUDA_ACT_GELU_TANH)
    return c->e4m3
               ? launch_any<NARROW, GELU_TANH_E4M3> (*c, p, x, w, n_sm, stream)
               : launch_any<NARROW, GELU_TANH> (*c, p, x, w, n_sm, stream);
  if (c->residual)
    return launch_wide<RESIDUAL> (*c, p, x, w, n_sm, stream);
  return launch_wide<PLAIN> (*c, p, x, w, n_sm, stream);
}
