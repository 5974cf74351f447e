/* SPDX-License-Identifier: MIT */
/* Attention to many keys, heads of up to 64 channels: only for sm_90.  Smaller
 * ones are copied with zeros beyond them.
 *
 * At this size of a head the tensor cores and the unit for exponentials need
 * the same time for a score, and what else there is to do must hide behind
 * them.  A block has one warpgroup that copies keys and values, and three that
 * take 64 queries each; these ask for products in turn, for the next scores and
 * behind them for the sum of the last values, and turn scores into weights
 * while the others' products run.
 *
 * Weights are exact only relative to each other, so the top that is taken off
 * the scores need not be the highest: that of the first block of keys stays
 * while no row's weights of a block add up to 2^15, and nothing has to look for
 * a top, nor to follow one.  Where they do, a warp multiplies the block's
 * scores again, and the top moves. */
#include "ops/cuda/kernel_private.h"
#include "ops/cuda/kernels_layers.h"
#include "ops/cuda/mma_private.h"
#include "ops/cuda/wgmma_private.h"

enum {
  HEAD = 64,   /* at most */
  GROUP = 128, /* threads of a warpgroup */
  GROUPS = 3,  /* that compute */
  BLOCK = (GROUPS + 1) * GROUP,
  WARPS = GROUP / SHU_WARP,
  ROWS = 64,  /* queries of a warpgroup */
  KEYS = 128, /* of a stage, and values */
  STAGES = 4,
  ROW_BYTES = HEAD * sizeof (__half),
  TILE = ROWS * ROW_BYTES,
  PART = KEYS * ROW_BYTES, /* keys or values */
  STAGE = 2 * PART,
  ALIGN = 1024,
  ROOM = ALIGN + STAGES * STAGE + GROUPS * TILE + 2 * (STAGES + GROUPS) * 8,
};

typedef struct {
  __half *y;
  unsigned Tq, Tk, NH, HD;
  unsigned blocks; /* of keys */
  unsigned tiles;  /* of queries of a head */
  unsigned whole;  /* tiles of all heads that a block takes as they are */
  unsigned all;    /* with the parts of the others */
  unsigned share;  /* warpgroups that have something to do in a part */
  float scale;     /* with log2 e */
} Job;

#if defined(__CUDA_ARCH_FEAT_SM90_ALL)

/* Of a block's weights in a lane; none is beyond f16 then */
static constexpr float MOST = 32768;

/* Places in shared memory; the barriers are arrays */
typedef struct {
  uint32_t stages, queries, full, empty, q_full, turn;
} Room;

static __device__ inline Room
room_of (void)
{
  extern __shared__ uint8_t raw[];
  uint32_t begin = (uint32_t) __cvta_generic_to_shared (raw);
  Room r;

  r.stages = (begin + ALIGN - 1) / ALIGN * ALIGN;
  r.queries = r.stages + STAGES * STAGE;
  r.full = r.queries + GROUPS * TILE;
  r.empty = r.full + STAGES * 8;
  r.q_full = r.empty + STAGES * 8;
  r.turn = r.q_full + GROUPS * 8;
  return r;
}

static __device__ inline void
init_barriers (const Room &r)
{
  for (int i = 0; i < STAGES; i++) {
    shu_barrier_init (r.full + i * 8, 1);
    shu_barrier_init (r.empty + i * 8, GROUPS * WARPS);
  }
  for (int i = 0; i < GROUPS; i++) {
    shu_barrier_init (r.q_full + i * 8, 1);
    shu_barrier_init (r.turn + i * 8, WARPS);
  }
  asm volatile("fence.mbarrier_init.release.cluster;" : : : "memory");
  asm volatile("fence.proxy.async;" : : : "memory");
}

/* What a block has next: queries of a head, 64 of which are a warpgroup's */
typedef struct {
  int b, head;  /* head of a sequence */
  unsigned row; /* the first warpgroup's first */
  unsigned n;   /* warpgroups with something to do; the others look on */
} Tile;

static __device__ inline Tile
tile_of (const Job &p, unsigned i)
{
  unsigned first = 0, n = GROUPS, head, left;
  Tile t;

  if (i >= p.whole) {
    unsigned parts = (GROUPS + p.share - 1) / p.share, part = i - p.whole;

    i = p.whole + part / parts;
    first = part % parts * p.share;
    n = p.share < GROUPS - first ? p.share : GROUPS - first;
  }
  head = i / p.tiles;
  t.b = (int) (head / p.NH);
  t.head = (int) (head % p.NH);
  t.row = (i % p.tiles * GROUPS + first) * ROWS;
  left = t.row < p.Tq ? (p.Tq - t.row + ROWS - 1) / ROWS : 0;
  t.n = n < left ? n : left;
  return t;
}

/* A stage, and how often all of them were passed, odd or even */
typedef struct {
  unsigned at, parity;
} Place;

static __device__ inline void
step (Place &p)
{
  if (++p.at == STAGES) {
    p.at = 0;
    p.parity ^= 1;
  }
}

/* One thread: keys and values of all tiles that this block takes. */
static __device__ inline void
copy_all (
    const CUtensorMap *mk, const CUtensorMap *mv, const Job &p, const Room &r)
{
  Place place = {0, 1};

  for (unsigned i = blockIdx.x; i < p.all; i += gridDim.x) {
    Tile t = tile_of (p, i);

    for (unsigned k = 0; t.n > 0 && k < p.blocks; k++, step (place)) {
      uint32_t to = r.stages + place.at * STAGE, full = r.full + place.at * 8;
      int row = (int) (k * KEYS);

      shu_barrier_wait (r.empty + place.at * 8, place.parity);
      shu_barrier_expect (full, STAGE);
      shu_copy_box (to, mk, 0, t.head, row, t.b, full);
      shu_copy_box (to + PART, mv, 0, t.head, row, t.b, full);
    }
  }
}

/* ---- weights ---- */

/* Scores to weights; sums of the lane's part of its two rows.  @top: with the
 * scale */
static __device__ inline void
weigh (
    float (&s)[KEYS / 2], const float (&top)[2], float (&ret)[2], float scale)
{
  float sum[2][2] = {};

#pragma unroll
  for (int i = 0; i < KEYS / 2; i++) {
    s[i] = shu_exp2 (fmaf (s[i], scale, -top[i / 2 % 2]));
    sum[i / 2 % 2][i % 2] += s[i];
  }
  ret[0] = sum[0][0] + sum[0][1];
  ret[1] = sum[1][0] + sum[1][1];
}

/* Only @left of a block's keys exist. */
static __device__ inline void
mask (float (&s)[KEYS / 2], int left, unsigned lane)
{
  if (left < KEYS)
#pragma unroll
    for (int i = 0; i < KEYS / 2; i++)
      if (i / 4 * 8 + (int) (lane % 4 * 2) + i % 2 >= left)
        s[i] = -INFINITY;
}

/* The top moves to the highest score so far; sum and o follow. */
static __device__ inline void
move_top (const float (&s)[KEYS / 2], float (&top)[2], float (&sum)[2],
    float (&o)[HEAD / 2], float scale)
{
#pragma unroll
  for (int h = 0; h < 2; h++) {
    float high = -INFINITY, old;

#pragma unroll
    for (int i = 2 * h; i < KEYS / 2; i += 4)
      high = fmaxf (high, fmaxf (s[i], s[i + 1]));
    high = fmaxf (top[h], shu_lanes_max (high, 4) * scale);
    old = shu_exp2 (top[h] - high);
    top[h] = high;
    sum[h] *= old;
#pragma unroll
    for (int i = 2 * h; i < HEAD / 2; i += 4) {
      o[i] *= old;
      o[i + 1] *= old;
    }
  }
}

static __device__ inline void
pack (uint32_t (&w)[KEYS / 16][4], const float (&s)[KEYS / 2])
{
#pragma unroll
  for (int i = 0; i < KEYS / 4; i++)
    w[i / 4][i % 4] = shu_pack (s[2 * i], s[2 * i + 1]);
}

/* Two halves of row @row from the @x-th 16 bytes on, where a copy has put them
 */
static __device__ inline uint32_t
load_word (uint32_t rows, unsigned row, unsigned x, unsigned lane)
{
  uint32_t at = rows + row * ROW_BYTES + (x ^ row % 8) * 16 + lane % 4 * 4, w;

  asm volatile("ld.shared.b32 %0, [%1];" : "=r"(w) : "r"(at) : "memory");
  return w;
}

/* The scores of the 16 rows of queries at @queries, by a warp for itself */
static __device__ inline void
multiply_again (
    float (&s)[KEYS / 2], uint32_t queries, uint32_t keys, unsigned lane)
{
  asm volatile("" : "+r"(lane)); /* no address of these is made before */
#pragma unroll
  for (int i = 0; i < KEYS / 2; i++)
    s[i] = 0;
#pragma unroll 1
  for (unsigned c = 0; c < HEAD / 16; c++) {
    uint32_t a[4];

#pragma unroll
    for (unsigned i = 0; i < 4; i++)
      a[i] = load_word (queries, lane / 4 + i % 2 * 8, 2 * c + i / 2, lane);
#pragma unroll
    for (unsigned j = 0; j < KEYS / 8; j++) {
      unsigned row = j * 8 + lane / 4;
      float d[4] = {s[4 * j], s[4 * j + 1], s[4 * j + 2], s[4 * j + 3]};

      shu_mma (d, a, load_word (keys, row, 2 * c, lane),
          load_word (keys, row, 2 * c + 1, lane));
#pragma unroll
      for (int i = 0; i < 4; i++)
        s[4 * j + i] = d[i];
    }
  }
}

/* ---- products ---- */

/* The same in all lanes, as is known from here on: descriptors of such are
 * made apart from the lanes' registers. */
static __device__ inline uint32_t
same_of (uint32_t x)
{
  return __shfl_sync (0xffffffff, x, 0);
}

/* @queries, @keys: of shu_wgmma_low() */
static __device__ inline void
ask_scores (float (&s)[KEYS / 2], uint32_t queries, uint32_t keys)
{
  shu_wgmma_fence ();
#pragma unroll
  for (int c = 0; c < HEAD / 16; c++)
    shu_wgmma (s, shu_wgmma_whole (queries + 2 * c),
        shu_wgmma_whole (keys + 2 * c), c > 0);
  shu_wgmma_commit ();
}

/* o += w values */
static __device__ inline void
ask_sum (
    float (&o)[HEAD / 2], const uint32_t (&w)[KEYS / 16][4], uint32_t values)
{
  shu_wgmma_fence ();
#pragma unroll
  for (int k = 0; k < KEYS / 16; k++)
    shu_wgmma_rows (o, w[k], shu_wgmma_whole (values + k * ROW_BYTES));
  shu_wgmma_commit ();
}

/* ---- a warpgroup's part ---- */

typedef struct {
  unsigned group, lane, warp;
  bool speaks; /* for its warp */
  unsigned q_parity, turn_parity;
  Place place;
  uint32_t keys; /* of the current stage, as an operand */
} Side;

static __device__ inline uint32_t
queries_of (const Room &r, const Side &me)
{
  return r.queries + me.group * TILE;
}

static __device__ inline void
pass_turn (const Room &r, const Side &me)
{
  unsigned next = me.group + 1 == GROUPS ? 0 : me.group + 1;

  if (me.speaks)
    shu_barrier_arrive (r.turn + next * 8);
}

static __device__ inline Side
side_of (const Room &r)
{
  Side me = {};

  me.group = same_of (threadIdx.x / GROUP);
  me.lane = threadIdx.x % SHU_WARP;
  me.warp = same_of (threadIdx.x % GROUP / SHU_WARP);
  me.speaks = me.lane == 0;
  if (me.group == GROUPS - 1)
    pass_turn (r, me); /* the first begins */
  return me;
}

/* For the next tile of this warpgroup, whose products before are all done */
static __device__ inline void
fetch_queries (
    const CUtensorMap *mq, const Room &r, Side &me, int head, int row, int b)
{
  uint32_t full = r.q_full + me.group * 8;

  asm volatile("barrier.cta.sync %0, 128;" : : "r"(me.group + 1) : "memory");
  if (threadIdx.x % GROUP == 0) {
    shu_barrier_expect (full, TILE);
    shu_copy_box (queries_of (r, me), mq, 0, head, row, b, full);
  }
  shu_barrier_wait (full, me.q_parity);
  me.q_parity ^= 1;
}

/* Until the stage is there and it is this warpgroup's turn */
static __device__ inline void
await (Side &me, const Room &r)
{
  me.keys = same_of (
      shu_wgmma_low (r.stages) + me.place.at * (unsigned) (STAGE >> 4));
  shu_barrier_wait (r.full + me.place.at * 8, me.place.parity);
  shu_barrier_wait (r.turn + me.group * 8, me.turn_parity);
  me.turn_parity ^= 1;
}

/* The first block of keys: w of it, top and sum */
static __device__ inline void
attend_first (uint32_t (&w)[KEYS / 16][4], float (&top)[2], float (&sum)[2],
    float (&o)[HEAD / 2], const Job &p, const Room &r, Side &me)
{
  float s[KEYS / 2];

  await (me, r);
  ask_scores (s, shu_wgmma_low (queries_of (r, me)), me.keys);
  pass_turn (r, me);
  shu_wgmma_wait<0> ();
  shu_wgmma_settle (s);
  mask (s, (int) p.Tk, me.lane);
  move_top (s, top, sum, o, p.scale);
  weigh (s, top, sum, p.scale);
  pack (w, s);
}

/* The next, of which @left exist; o gets the last one's values. */
static __device__ inline void
attend_next (uint32_t (&w)[KEYS / 16][4], float (&top)[2], float (&sum)[2],
    float (&o)[HEAD / 2], int left, const Job &p, const Room &r, Side &me)
{
  uint32_t values = me.keys + (PART >> 4);
  uint32_t done = r.empty + me.place.at * 8;
  float s[KEYS / 2], here[2];

  step (me.place);
  await (me, r);
  ask_scores (s, shu_wgmma_low (queries_of (r, me)), me.keys);
  ask_sum (o, w, values);
  pass_turn (r, me);
  shu_wgmma_wait<1> ();
  shu_wgmma_settle (s);
  mask (s, left, me.lane);
  weigh (s, top, here, p.scale);
  shu_wgmma_wait<0> ();
  shu_wgmma_settle (o);
  if (me.speaks)
    shu_barrier_arrive (done);
  pack (w, s);
  if (__any_sync (0xffffffff, !(here[0] < MOST && here[1] < MOST))) {
    multiply_again (s, queries_of (r, me) + me.warp * 16 * ROW_BYTES,
        r.stages + me.place.at * STAGE, me.lane);
    mask (s, left, me.lane);
    move_top (s, top, sum, o, p.scale);
    weigh (s, top, here, p.scale);
    pack (w, s);
  }
  sum[0] += here[0];
  sum[1] += here[1];
}

/* The last one's values */
static __device__ inline void
finish (float (&o)[HEAD / 2], const uint32_t (&w)[KEYS / 16][4], const Room &r,
    Side &me)
{
  ask_sum (o, w, me.keys + (PART >> 4));
  shu_wgmma_wait<0> ();
  shu_wgmma_settle (o);
  if (me.speaks)
    shu_barrier_arrive (r.empty + me.place.at * 8);
  step (me.place);
}

/* A tile of which this warpgroup has a part */
static __device__ inline void
attend (
    const CUtensorMap *mq, const Tile &t, const Job &p, const Room &r, Side &me)
{
  unsigned row = t.row + me.group * ROWS;
  float o[HEAD / 2] = {0}, top[2] = {-INFINITY, -INFINITY}, sum[2] = {0, 0};
  uint32_t w[KEYS / 16][4];
  size_t ld = p.NH * p.HD;

  fetch_queries (mq, r, me, t.head, (int) row, t.b);
  attend_first (w, top, sum, o, p, r, me);
  for (unsigned k = 1; k < p.blocks; k++)
    attend_next (w, top, sum, o, (int) (p.Tk - k * KEYS), p, r, me);
  finish (o, w, r, me);
  row += me.warp * 16;
  if (row < p.Tq)
    shu_write_rows (p.y + ((size_t) t.b * p.Tq + row) * ld + t.head * p.HD, o,
        sum, (int) (p.Tq - row), p.HD, ld, me.lane);
}

/* One of which only others have */
static __device__ inline void
look_on (const Job &p, const Room &r, Side &me)
{
  for (unsigned k = 0; k < p.blocks; k++, step (me.place)) {
    await (me, r);
    pass_turn (r, me);
    if (me.speaks)
      shu_barrier_arrive (r.empty + me.place.at * 8);
  }
}

#endif

static __global__ void
__launch_bounds__ (BLOCK, 1)
    attention_many (const __grid_constant__ CUtensorMap mq,
        const __grid_constant__ CUtensorMap mk,
        const __grid_constant__ CUtensorMap mv, Job p)
{
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
  Room r = room_of ();

  if (threadIdx.x == 0)
    init_barriers (r);
  __syncthreads ();
  shu_let_next_begin ();
  shu_await_grid ();
  if (threadIdx.x / GROUP == GROUPS) {
    asm volatile("setmaxnreg.dec.sync.aligned.u32 32;");
    if (threadIdx.x == GROUPS * GROUP)
      copy_all (&mk, &mv, p, r);
    return;
  }
  asm volatile("setmaxnreg.inc.sync.aligned.u32 160;");

  Side me = side_of (r);

  for (unsigned i = blockIdx.x; i < p.all; i += gridDim.x) {
    Tile t = tile_of (p, i);

    if (me.group < t.n)
      attend (&mq, t, p, r, me);
    else if (t.n > 0)
      look_on (p, r, me);
  }
#endif
}

/* ---- launch ---- */

extern "C" int
shu_launch_attention_many_fits (const ShuCudaHeads *h, int sm)
{
#ifdef SHU_SM90A
  return sm == 90 && h->HD <= HEAD && h->Tk > 0 && h->Tq > 0 &&
         !shu_too_many (h->Tk + KEYS) &&
         !shu_too_many (h->B * h->NH * (h->Tq + GROUPS * ROWS));
#else
  return 0;
#endif
}

/* Tiles that are left when all blocks have had as many are taken in parts, as
 * small ones as there are blocks for. */
static void
divide (Job &p, size_t tiles, unsigned n_sm)
{
  unsigned all = (unsigned) tiles, rest = all % n_sm;

  p.whole = all - rest;
  for (p.share = 1; p.share < GROUPS; p.share++)
    if (rest * shu_div_up (GROUPS, p.share) <= n_sm)
      break;
  p.all = p.whole + rest * (unsigned) shu_div_up (GROUPS, p.share);
}

extern "C" cudaError_t
shu_launch_attention_many (const ShuCudaHeads *h, int n_sm, cudaStream_t stream)
{
  Job p = {(__half *) h->y, (unsigned) h->Tq, (unsigned) h->Tk,
      (unsigned) h->NH, (unsigned) h->HD, (unsigned) shu_div_up (h->Tk, KEYS),
      (unsigned) shu_div_up (h->Tq, GROUPS * ROWS), 0, 0, 0,
      1.44269504f / sqrtf ((float) h->HD)};
  CUtensorMap mq, mk, mv;
  unsigned grid;
  cudaError_t e;

  if (h->B * h->NH == 0)
    return cudaSuccess;
  divide (p, p.tiles * h->B * h->NH, (unsigned) n_sm);
  if (!shu_box_map_of_heads (
          &mq, h->q, h->B, h->Tq, h->NH, h->HD, h->ldq, ROWS) ||
      !shu_box_map_of_heads (
          &mk, h->k, h->B, h->Tk, h->NH, h->HD, h->ldk, KEYS) ||
      !shu_box_map_of_heads (
          &mv, h->v, h->B, h->Tk, h->NH, h->HD, h->ldv, KEYS))
    return cudaErrorNotSupported;
  e = cudaFuncSetAttribute (
      attention_many, cudaFuncAttributeMaxDynamicSharedMemorySize, ROOM);
  if (e != cudaSuccess)
    return e;
  grid = p.all < (unsigned) n_sm ? p.all : (unsigned) n_sm;
  return shu_launch_chained (
      attention_many, dim3 (grid), BLOCK, ROOM, stream, mq, mk, mv, p);
}
