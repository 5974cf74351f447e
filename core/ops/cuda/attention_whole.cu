/* SPDX-License-Identifier: MIT */
/* Attention to so few keys that all scores of a query are in registers at
 * once: nothing has to follow the highest of them.  For heads of 80, which lie
 * in shared memory as 64 channels and 16.  Only for sm_90.
 *
 * A block is a warpgroup with 64 queries of a head, so that 257 of 32 heads are
 * as many blocks as there are multiprocessors, nearly.  Up to 16 that are left
 * beside the last 64 of a head are a second warpgroup's, whose warps share the
 * keys out among themselves. */
#include "ops/cuda/kernel_private.h"
#include "ops/cuda/kernels_layers.h"
#include "ops/cuda/mma_private.h"
#include "ops/cuda/wgmma_private.h"
#include <cfloat>

enum {
  HEAD = 80,
  MAIN = 64,
  REST = HEAD - MAIN,
  ROWS = 64, /* queries of a block */
  LEFT = 16, /* more of the last one, at most */
  GROUP = 128,
  WARPS = GROUP / SHU_WARP,
  BLOCK = 2 * GROUP,
  KEYS = 272,  /* at most */
  FIRST = 144, /* of a copy, and of a product; */
  SECOND = KEYS - FIRST,
  MAIN_BYTES = MAIN * sizeof (__half), /* of a row */
  REST_BYTES = REST * sizeof (__half),
  ALIGN = 1024,
  QUERIES = ROWS * HEAD * sizeof (__half),
  PART = 2 * FIRST * HEAD * sizeof (__half), /* keys or values */
  SUMS =
      WARPS * LEFT * HEAD * sizeof (float), /* of the queries that are left */
  WEIGHTS = 2 * WARPS * LEFT * sizeof (float), /* tops and sums of weights */
  ROOM = ALIGN + QUERIES + 2 * PART + SUMS + WEIGHTS + 3 * 8,
};

typedef struct {
  const __half *q;
  __half *y;
  size_t ldq;
  unsigned Tq, Tk, NH;
  unsigned left; /* queries beside the last block's 64 */
  float scale;   /* with log2 e */
} Job;

/* Copies of channels of queries, keys or values */
typedef struct {
  CUtensorMap main, rest;
} Maps;

#if defined(__CUDA_ARCH_FEAT_SM90_ALL)

/* Places in shared memory: those of 64 channels first, then those of 16 */
typedef struct {
  uint32_t q, k, v, q_rest, k_rest, v_rest;
  uint32_t sums, weights;
  uint32_t scores[2], values; /* barriers: what they need is there */
} Room;

static __device__ inline Room
room_of (void)
{
  extern __shared__ uint8_t raw[];
  uint32_t begin = (uint32_t) __cvta_generic_to_shared (raw);
  Room r;

  r.q = (begin + ALIGN - 1) / ALIGN * ALIGN;
  r.k = r.q + ROWS * MAIN_BYTES;
  r.v = r.k + 2 * FIRST * MAIN_BYTES;
  r.q_rest = r.v + 2 * FIRST * MAIN_BYTES;
  r.k_rest = r.q_rest + ROWS * REST_BYTES;
  r.v_rest = r.k_rest + 2 * FIRST * REST_BYTES;
  r.sums = r.v_rest + 2 * FIRST * REST_BYTES;
  r.weights = r.sums + SUMS;
  r.scores[0] = r.weights + WEIGHTS;
  r.scores[1] = r.scores[0] + 8;
  r.values = r.scores[1] + 8;
  return r;
}

/* Keys or values of head @h of sequence @b from the @first on */
static __device__ inline void
copy_half (const Maps &m, uint32_t main, uint32_t rest, unsigned first,
    unsigned h, unsigned b, uint32_t barrier)
{
  int x = (int) (h * HEAD);

  shu_copy_box_of (
      main + first * MAIN_BYTES, &m.main, x, (int) first, (int) b, barrier);
  shu_copy_box_of (rest + first * REST_BYTES, &m.rest, x + MAIN, (int) first,
      (int) b, barrier);
}

/* One thread; @row: the first query */
static __device__ inline void
copy_all (const Maps &mq, const Maps &mk, const Maps &mv, const Room &r,
    unsigned h, unsigned b, unsigned row)
{
  int x = (int) (h * HEAD);

  shu_barrier_expect (r.scores[0], QUERIES + PART / 2);
  shu_copy_box_of (r.q, &mq.main, x, (int) row, (int) b, r.scores[0]);
  shu_copy_box_of (
      r.q_rest, &mq.rest, x + MAIN, (int) row, (int) b, r.scores[0]);
  copy_half (mk, r.k, r.k_rest, 0, h, b, r.scores[0]);
  shu_barrier_expect (r.scores[1], PART / 2);
  copy_half (mk, r.k, r.k_rest, FIRST, h, b, r.scores[1]);
  shu_barrier_expect (r.values, PART);
  copy_half (mv, r.v, r.v_rest, 0, h, b, r.values);
  copy_half (mv, r.v, r.v_rest, FIRST, h, b, r.values);
}

/* Of the keys from the @first on */
template <int N>
static __device__ inline void
ask_scores (float (&s)[N], const Room &r, unsigned first)
{
  uint64_t q = shu_wgmma_operand (r.q);
  uint64_t k = shu_wgmma_operand (r.k + first * MAIN_BYTES);

#pragma unroll
  for (int c = 0; c < MAIN / 16; c++)
    shu_wgmma (s, q + 2 * c, k + 2 * c, c > 0);
  shu_wgmma (s, shu_wgmma_operand_thin (r.q_rest),
      shu_wgmma_operand_thin (r.k_rest + first * REST_BYTES), 1);
  shu_wgmma_commit ();
}

/* Scores of keys that are not there; the @s are those from the @first on.
 * Higher ones of both rows of the lane to @high */
template <int N>
static __device__ inline void
look_through (float (&s)[N], float (&high)[2], int left, unsigned lane)
{
  if (left < 2 * N)
#pragma unroll
    for (int i = 0; i < N; i++)
      if (i / 4 * 8 + (int) (lane % 4 * 2) + i % 2 >= left)
        s[i] = -INFINITY;
#pragma unroll
  for (int i = 0; i < N; i++)
    high[i / 2 % 2] = fmaxf (high[i / 2 % 2], s[i]);
}

/* Scores to weights, @top off them, and their sums */
template <int N>
static __device__ inline void
weigh (float (&s)[N], const float (&top)[2], float (&sum)[2], float scale)
{
#pragma unroll
  for (int i = 0; i < N; i++) {
    s[i] = shu_exp2 (fmaf (s[i], scale, -top[i / 2 % 2]));
    sum[i / 2 % 2] += s[i];
  }
}

/* o += weights times values, of the keys from the @first on */
template <int N>
static __device__ inline void
ask_sum (float (&o)[MAIN / 2], float (&rest)[REST / 2], const float (&s)[N],
    const Room &r, unsigned first)
{
  uint64_t v = shu_wgmma_operand (r.v + first * MAIN_BYTES);
  uint64_t v_rest = shu_wgmma_operand_thin (r.v_rest + first * REST_BYTES);

#pragma unroll
  for (int k = 0; k < N / 8; k++) {
    uint32_t w[4];

#pragma unroll
    for (int i = 0; i < 4; i++)
      w[i] = shu_pack (s[8 * k + 2 * i], s[8 * k + 2 * i + 1]);
    shu_wgmma_rows (o, w, v + k * (16 * MAIN_BYTES / 16));
    shu_wgmma_rows (rest, w, v_rest + k * (16 * REST_BYTES / 16));
  }
  shu_wgmma_commit ();
}

/* The last 16 channels of 16 rows, as shu_write_rows() does the others */
static __device__ inline void
write_rest (__half *y, const float (&o)[REST / 2], const float (&sum)[2],
    int left, size_t ld, unsigned lane)
{
#pragma unroll
  for (int h = 0; h < 2; h++) {
    int row = (int) lane / 4 + 8 * h;
    float weight = 1 / shu_lanes_sum (sum[h], 4);

    if (row < left)
#pragma unroll
      for (int j = 0; j < REST / 8; j++)
        *(uint32_t *) (y + row * ld + j * 8 + lane % 4 * 2) =
            shu_pack (o[4 * j + 2 * h] * weight, o[4 * j + 2 * h + 1] * weight);
  }
}

static __device__ inline void
attend (const Job &p, const Room &r, unsigned h, unsigned b, unsigned row)
{
  unsigned lane = threadIdx.x % SHU_WARP;
  float s[FIRST / 2], s2[SECOND / 2], o[MAIN / 2] = {}, rest[REST / 2] = {};
  float top[2] = {-INFINITY, -INFINITY}, sum[2] = {};
  size_t ld = p.NH * HEAD;
  __half *y;
  int left;

  shu_barrier_wait (r.scores[0], 0);
  shu_wgmma_fence ();
  ask_scores (s, r, 0);
  shu_barrier_wait (r.scores[1], 0);
  ask_scores (s2, r, FIRST);
  shu_wgmma_wait<1> ();
  shu_wgmma_settle (s);
  look_through (s, top, (int) p.Tk, lane);
  shu_wgmma_wait<0> ();
  shu_wgmma_settle (s2);
  look_through (s2, top, (int) p.Tk - FIRST, lane);
#pragma unroll
  for (int i = 0; i < 2; i++)
    top[i] = shu_lanes_max (top[i], 4) * p.scale;
  weigh (s, top, sum, p.scale);
  shu_barrier_wait (r.values, 0);
  shu_wgmma_fence ();
  ask_sum (o, rest, s, r, 0);
  weigh (s2, top, sum, p.scale);
  ask_sum (o, rest, s2, r, FIRST);
  shu_wgmma_wait<0> ();
  shu_wgmma_settle (o);
  shu_wgmma_settle (rest);
  row += threadIdx.x / SHU_WARP * 16;
  y = p.y + ((size_t) b * p.Tq + row) * ld + h * HEAD;
  left = (int) p.Tq - (int) row;
  shu_write_rows (y, o, sum, left, MAIN, ld, lane);
  write_rest (y + MAIN, rest, sum, left, ld, lane);
}

/* ---- the queries that are left ---- */

enum {
  STEPS = KEYS / 16,                        /* of keys */
  WARP_STEPS = (STEPS + WARPS - 1) / WARPS, /* of a warp's keys, at most */
};

/* A warp's keys: @n steps from the @first on; it has all queries */
typedef struct {
  unsigned lane, warp, first, n;
} Share;

static __device__ inline Share
share_of (void)
{
  Share me;

  me.lane = threadIdx.x % SHU_WARP;
  me.warp = threadIdx.x % GROUP / SHU_WARP;
  me.first = STEPS * me.warp / WARPS;
  me.n = STEPS * (me.warp + 1) / WARPS - me.first;
  return me;
}

/* Channels 8 @x on of a key or its values, where the copies have put them */
static __device__ inline uint32_t
place_of (uint32_t main, uint32_t rest, unsigned key, unsigned x)
{
  return x < MAIN / 8
             ? main + key * MAIN_BYTES + (x ^ key % 8) * 16
             : rest + key * REST_BYTES + (x - MAIN / 8 ^ key / 4 % 2) * 16;
}

/* Scores of the @left queries from @q on, as fragments of 8 keys */
static __device__ inline void
multiply_left (float (&s)[2 * WARP_STEPS][4], const __half *q, size_t ld,
    unsigned left, const Room &r, const Share &me)
{
  unsigned g = me.lane / 4, t = me.lane % 4;

#pragma unroll
  for (unsigned c = 0; c < HEAD / 16; c++) {
    uint32_t a[4];

#pragma unroll
    for (unsigned i = 0; i < 4; i++) {
      unsigned row = g + i % 2 * 8, x = 16 * c + i / 2 * 8 + 2 * t;

      a[i] = row < left ? *(const uint32_t *) (q + row * ld + x) : 0;
    }
#pragma unroll
    for (unsigned j = 0; j < WARP_STEPS; j++) {
      unsigned key = 16 * (me.first + j) + me.lane / 16 * 8 + me.lane % 8;
      uint32_t k[4];

      if (j >= me.n)
        break;
      shu_ldmatrix_at (
          k, place_of (r.k, r.k_rest, key, 2 * c + me.lane / 8 % 2));
      shu_mma (s[2 * j], a, k[0], k[1]);
      shu_mma (s[2 * j + 1], a, k[2], k[3]);
    }
  }
}

/* Scores to weights, the highest of the warp's keys off them, and their sums */
static __device__ inline void
weigh_left (float (&s)[2 * WARP_STEPS][4], float (&top)[2], float (&sum)[2],
    const Job &p, const Share &me)
{
#pragma unroll
  for (unsigned j = 0; j < 2 * WARP_STEPS; j++)
#pragma unroll
    for (unsigned i = 0; i < 4; i++) {
      unsigned key = 16 * me.first + 8 * j + me.lane % 4 * 2 + i % 2;

      if (j >= 2 * me.n || key >= p.Tk)
        s[j][i] = -INFINITY;
      top[i / 2] = fmaxf (top[i / 2], s[j][i]);
    }
#pragma unroll
  for (int i = 0; i < 2; i++)
    top[i] = shu_lanes_max (top[i], 4) * p.scale;
#pragma unroll
  for (unsigned j = 0; j < 2 * WARP_STEPS; j++)
#pragma unroll
    for (unsigned i = 0; i < 4; i++) {
      s[j][i] = shu_exp2 (fmaf (s[j][i], p.scale, -top[i / 2]));
      sum[i / 2] += s[j][i];
    }
}

/* o += weights times values, as fragments of 8 channels */
static __device__ inline void
sum_left (float (&o)[HEAD / 8][4], const float (&s)[2 * WARP_STEPS][4],
    const Room &r, const Share &me)
{
#pragma unroll
  for (unsigned j = 0; j < WARP_STEPS; j++) {
    const float (&a)[4] = s[2 * j], (&b)[4] = s[2 * j + 1];
    uint32_t w[4] = {shu_pack (a[0], a[1]), shu_pack (a[2], a[3]),
        shu_pack (b[0], b[1]), shu_pack (b[2], b[3])};
    unsigned key = 16 * (me.first + j) + me.lane % 16;

    if (j >= me.n)
      break;
#pragma unroll
    for (unsigned x = 0; x < HEAD / 8; x += 2) {
      uint32_t v[4];

      shu_ldmatrix_trans_at (
          v, place_of (r.v, r.v_rest, key, x + me.lane / 16));
      shu_mma (o[x], w, v[0], v[1]);
      shu_mma (o[x + 1], w, v[2], v[3]);
    }
  }
}

/* What the warps have: sums [WARPS,LEFT,HEAD], tops and weights [WARPS,LEFT] */
typedef struct {
  float *sums, *tops, *weights;
} Parts;

static __device__ inline void
note_left (const Parts &parts, const float (&o)[HEAD / 8][4],
    const float (&top)[2], const float (&sum)[2], const Share &me)
{
  unsigned g = me.lane / 4, t = me.lane % 4;

#pragma unroll
  for (unsigned i = 0; i < 2; i++) {
    unsigned at = me.warp * LEFT + g + 8 * i;
    float weight = shu_lanes_sum (sum[i], 4);

    if (t == 0) {
      parts.tops[at] = top[i];
      parts.weights[at] = weight;
    }
#pragma unroll
    for (unsigned x = 0; x < HEAD / 8; x++)
      *(float2 *) (parts.sums + at * HEAD + 8 * x + 2 * t) =
          make_float2 (o[x][2 * i], o[x][2 * i + 1]);
  }
}

/* Two channels of query @q from the @x-th on, of all keys */
static __device__ inline uint32_t
join_left (const Parts &parts, unsigned q, unsigned x)
{
  float top = -FLT_MAX, weight = 0;
  float2 y = {};

#pragma unroll
  for (unsigned at = q; at < WARPS * LEFT; at += LEFT)
    top = fmaxf (top, parts.tops[at]);
#pragma unroll
  for (unsigned at = q; at < WARPS * LEFT; at += LEFT) {
    float factor = shu_exp2 (parts.tops[at] - top);
    float2 part = *(const float2 *) (parts.sums + at * HEAD + x);

    weight += factor * parts.weights[at];
    y.x += factor * part.x;
    y.y += factor * part.y;
  }
  return shu_pack (y.x / weight, y.y / weight);
}

static __device__ inline void
attend_left (const Job &p, const Room &r, unsigned h, unsigned b)
{
  const Share me = share_of ();
  const size_t row = (size_t) b * p.Tq + p.Tq - p.left, ld = p.NH * HEAD;
  float s[2 * WARP_STEPS][4] = {}, o[HEAD / 8][4] = {};
  float top[2] = {-FLT_MAX, -FLT_MAX}, sum[2] = {};
  Parts parts;

  parts.sums = (float *) __cvta_shared_to_generic (r.sums);
  parts.tops = (float *) __cvta_shared_to_generic (r.weights);
  parts.weights = parts.tops + WARPS * LEFT;
  for (int i = 0; i < 2; i++)
    shu_barrier_wait (r.scores[i], 0);
  multiply_left (s, p.q + row * p.ldq + h * HEAD, p.ldq, p.left, r, me);
  weigh_left (s, top, sum, p, me);
  shu_barrier_wait (r.values, 0);
  sum_left (o, s, r, me);
  note_left (parts, o, top, sum, me);
  asm volatile("barrier.cta.sync 1, 128;" : : : "memory");
  for (unsigned i = threadIdx.x % GROUP; i < p.left * (HEAD / 2); i += GROUP) {
    unsigned q = i / (HEAD / 2), x = 2 * (i % (HEAD / 2));

    *(uint32_t *) (p.y + (row + q) * ld + h * HEAD + x) =
        join_left (parts, q, x);
  }
}

#endif

/* Blocks: parts of the queries, then heads of all sequences */
static __global__ void
__launch_bounds__ (BLOCK, 1) attention_whole (const __grid_constant__ Maps mq,
    const __grid_constant__ Maps mk, const __grid_constant__ Maps mv, Job p)
{
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
  Room r = room_of ();
  unsigned h = blockIdx.y % p.NH, b = blockIdx.y / p.NH;
  unsigned row = blockIdx.x * ROWS;

  if (threadIdx.x == 0) {
    shu_prefetch_map (&mq.main);
    shu_prefetch_map (&mq.rest);
    shu_prefetch_map (&mk.main);
    shu_prefetch_map (&mk.rest);
    shu_prefetch_map (&mv.main);
    shu_prefetch_map (&mv.rest);
    shu_barrier_init (r.scores[0], 1);
    shu_barrier_init (r.scores[1], 1);
    shu_barrier_init (r.values, 1);
    asm volatile("fence.mbarrier_init.release.cluster;" : : : "memory");
    asm volatile("fence.proxy.async;" : : : "memory");
  }
  __syncthreads ();
  shu_let_next_begin ();
  shu_await_grid ();
  if (threadIdx.x == 0)
    copy_all (mq, mk, mv, r, h, b, row);
  __syncwarp ();
  if (threadIdx.x < GROUP)
    attend (p, r, h, b, row);
  else if (p.left > 0 && blockIdx.x + 1 == gridDim.x)
    attend_left (p, r, h, b);
#endif
}

/* ---- launch ---- */

extern "C" int
shu_launch_attention_whole_fits (const ShuCudaHeads *h, int sm)
{
#ifdef SHU_SM90A
  return sm == 90 && h->HD == HEAD && h->Tk > 0 && h->Tk <= KEYS &&
         h->B * h->NH <= 65535 && !shu_too_many (h->Tq);
#else
  return 0;
#endif
}

static bool
map_of (Maps *ret, const ShuCudaHeads &h, const void *data, size_t T, size_t ld,
    int box)
{
  size_t C = h.NH * HEAD;

  return shu_box_map_of (&ret->main, data, h.B, T, C, ld, box) &&
         shu_box_map_of (&ret->rest, data, h.B, T, C, ld, box, REST);
}

extern "C" cudaError_t
shu_launch_attention_whole (
    const ShuCudaHeads *h, int /* n_sm */, cudaStream_t stream)
{
  size_t left = h->Tq % ROWS, parts = h->Tq / ROWS;
  Job p = {(const __half *) h->q, (__half *) h->y, h->ldq, (unsigned) h->Tq,
      (unsigned) h->Tk, (unsigned) h->NH, 0,
      1.44269504f / sqrtf ((float) HEAD)};
  Maps mq, mk, mv;
  cudaError_t e;

  if (h->B * h->NH * h->Tq == 0)
    return cudaSuccess;
  if (parts > 0 && left <= LEFT)
    p.left = (unsigned) left;
  else
    parts = shu_div_up (h->Tq, ROWS);
  if (!map_of (&mq, *h, h->q, h->Tq, h->ldq, ROWS) ||
      !map_of (&mk, *h, h->k, h->Tk, h->ldk, FIRST) ||
      !map_of (&mv, *h, h->v, h->Tk, h->ldv, FIRST))
    return cudaErrorNotSupported;
  e = shu_allow_shared<attention_whole> (ROOM);
  if (e != cudaSuccess)
    return e;
  return shu_launch_chained (attention_whole,
      dim3 ((unsigned) parts, (unsigned) (h->B * h->NH)), BLOCK, ROOM, stream,
      mq, mk, mv, p);
}
