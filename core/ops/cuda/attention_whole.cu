/* SPDX-License-Identifier: MIT */
/* Attention to so few keys that all scores of a query are in registers at
 * once: nothing has to follow the highest of them.  For heads of 80, which lie
 * in shared memory as 64 channels and 16.  Only for sm_90.
 *
 * A block has two warpgroups, each with 64 queries of a head, or fewer, so that
 * all have as many. */
#include "ops/cuda/kernel_private.h"
#include "ops/cuda/kernels_layers.h"
#include "ops/cuda/mma_private.h"
#include "ops/cuda/wgmma_private.h"

enum {
  HEAD = 80,
  MAIN = 64,
  REST = HEAD - MAIN,
  ROWS = 64, /* queries of a warpgroup */
  GROUP = 128,
  GROUPS = 2,
  BLOCK = GROUPS * GROUP,
  KEYS = 272,  /* at most */
  FIRST = 144, /* of a product; */
  SECOND = KEYS - FIRST,
  HALF = KEYS / 2,                     /* of a copy */
  MAIN_BYTES = MAIN * sizeof (__half), /* of a row */
  REST_BYTES = REST * sizeof (__half),
  ALIGN = 1024,
  QUERIES = GROUPS * ROWS * HEAD * sizeof (__half),
  PART = KEYS * HEAD * sizeof (__half), /* keys or values */
  ROOM = ALIGN + QUERIES + 2 * PART + 2 * 8,
};

typedef struct {
  __half *y;
  unsigned Tq, Tk, NH;
  unsigned rows; /* of a warpgroup */
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
  uint32_t scores, values; /* barriers: what they need is there */
} Room;

static __device__ inline Room
room_of (void)
{
  extern __shared__ uint8_t raw[];
  uint32_t begin = (uint32_t) __cvta_generic_to_shared (raw);
  Room r;

  r.q = (begin + ALIGN - 1) / ALIGN * ALIGN;
  r.k = r.q + GROUPS * ROWS * MAIN_BYTES;
  r.v = r.k + KEYS * MAIN_BYTES;
  r.q_rest = r.v + KEYS * MAIN_BYTES;
  r.k_rest = r.q_rest + GROUPS * ROWS * REST_BYTES;
  r.v_rest = r.k_rest + KEYS * REST_BYTES;
  r.scores = r.v_rest + KEYS * REST_BYTES;
  r.values = r.scores + 8;
  return r;
}

/* Keys or values of head @h of sequence @b */
static __device__ inline void
copy_part (const Maps &m, uint32_t main, uint32_t rest, unsigned h, unsigned b,
    uint32_t barrier)
{
  int x = (int) (h * HEAD);

#pragma unroll
  for (int i = 0; i < KEYS; i += HALF) {
    shu_copy_box_of (main + i * MAIN_BYTES, &m.main, x, i, (int) b, barrier);
    shu_copy_box_of (
        rest + i * REST_BYTES, &m.rest, x + MAIN, i, (int) b, barrier);
  }
}

/* One thread; @row: the first query, @step: to that of the next warpgroup */
static __device__ inline void
copy_all (const Maps &mq, const Maps &mk, const Maps &mv, const Room &r,
    unsigned h, unsigned b, unsigned row, unsigned step)
{
  int x = (int) (h * HEAD);

  shu_barrier_expect (r.scores, QUERIES + PART);
#pragma unroll
  for (int i = 0; i < GROUPS; i++, row += step) {
    shu_copy_box_of (
        r.q + i * ROWS * MAIN_BYTES, &mq.main, x, (int) row, (int) b, r.scores);
    shu_copy_box_of (r.q_rest + i * ROWS * REST_BYTES, &mq.rest, x + MAIN,
        (int) row, (int) b, r.scores);
  }
  copy_part (mk, r.k, r.k_rest, h, b, r.scores);
  shu_barrier_expect (r.values, PART);
  copy_part (mv, r.v, r.v_rest, h, b, r.values);
}

/* Of the keys from the @first on */
template <int N>
static __device__ inline void
ask_scores (float (&s)[N], const Room &r, unsigned group, unsigned first)
{
  uint64_t q = shu_wgmma_operand (r.q + group * ROWS * MAIN_BYTES);
  uint64_t k = shu_wgmma_operand (r.k + first * MAIN_BYTES);

#pragma unroll
  for (int c = 0; c < MAIN / 16; c++)
    shu_wgmma (s, q + 2 * c, k + 2 * c, c > 0);
  shu_wgmma (s, shu_wgmma_operand_thin (r.q_rest + group * ROWS * REST_BYTES),
      shu_wgmma_operand_thin (r.k_rest + first * REST_BYTES), 1);
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
attend (const Job &p, const Room &r, unsigned h, unsigned b, unsigned row,
    unsigned group)
{
  unsigned lane = threadIdx.x % SHU_WARP;
  unsigned mine = threadIdx.x % GROUP / SHU_WARP * 16;
  float s[FIRST / 2], s2[SECOND / 2], o[MAIN / 2] = {}, rest[REST / 2] = {};
  float top[2] = {-INFINITY, -INFINITY}, sum[2] = {};
  size_t ld = p.NH * HEAD;
  __half *y = p.y + ((size_t) b * p.Tq + row + mine) * ld + h * HEAD;
  int left = (int) min (p.rows, p.Tq - row) - (int) mine;

  shu_barrier_wait (r.scores, 0);
  shu_wgmma_fence ();
  ask_scores (s, r, group, 0);
  ask_scores (s2, r, group, FIRST);
  shu_wgmma_commit ();
  shu_wgmma_wait<0> ();
  shu_wgmma_settle (s);
  shu_wgmma_settle (s2);
  look_through (s, top, (int) p.Tk, lane);
  look_through (s2, top, (int) p.Tk - FIRST, lane);
#pragma unroll
  for (int i = 0; i < 2; i++)
    top[i] = shu_lanes_max (top[i], 4) * p.scale;
  weigh (s, top, sum, p.scale);
  weigh (s2, top, sum, p.scale);
  shu_barrier_wait (r.values, 0);
  shu_wgmma_fence ();
  ask_sum (o, rest, s, r, 0);
  ask_sum (o, rest, s2, r, FIRST);
  shu_wgmma_commit ();
  shu_wgmma_wait<0> ();
  shu_wgmma_settle (o);
  shu_wgmma_settle (rest);
  shu_write_rows (y, o, sum, left, MAIN, ld, lane);
  write_rest (y + MAIN, rest, sum, left, ld, lane);
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
  unsigned group = __shfl_sync (0xffffffff, threadIdx.x / GROUP, 0);
  unsigned row = blockIdx.x * GROUPS * p.rows;

  if (threadIdx.x == 0) {
    shu_prefetch_map (&mq.main);
    shu_prefetch_map (&mq.rest);
    shu_prefetch_map (&mk.main);
    shu_prefetch_map (&mk.rest);
    shu_prefetch_map (&mv.main);
    shu_prefetch_map (&mv.rest);
    shu_barrier_init (r.scores, 1);
    shu_barrier_init (r.values, 1);
    asm volatile("fence.mbarrier_init.release.cluster;" : : : "memory");
    asm volatile("fence.proxy.async;" : : : "memory");
  }
  __syncthreads ();
  shu_let_next_begin ();
  shu_await_grid ();
  if (threadIdx.x == 0)
    copy_all (mq, mk, mv, r, h, b, row, p.rows);
  row += group * p.rows;
  if (row < p.Tq)
    attend (p, r, h, b, row, group);
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
  size_t parts = shu_div_up (h->Tq, GROUPS * ROWS);
  Job p = {(__half *) h->y, (unsigned) h->Tq, (unsigned) h->Tk,
      (unsigned) h->NH, 0, 1.44269504f / sqrtf ((float) HEAD)};
  Maps mq, mk, mv;
  cudaError_t e;

  if (h->B * h->NH * h->Tq == 0)
    return cudaSuccess;
  p.rows = (unsigned) shu_div_up (h->Tq, GROUPS * parts);
  if (!map_of (&mq, *h, h->q, h->Tq, h->ldq, ROWS) ||
      !map_of (&mk, *h, h->k, h->Tk, h->ldk, HALF) ||
      !map_of (&mv, *h, h->v, h->Tk, h->ldv, HALF))
    return cudaErrorNotSupported;
  e = shu_allow_shared<attention_whole> (ROOM);
  if (e != cudaSuccess)
    return e;
  return shu_launch_chained (attention_whole,
      dim3 ((unsigned) parts, (unsigned) (h->B * h->NH)), BLOCK, ROOM, stream,
      mq, mk, mv, p);
}
