/* SPDX-License-Identifier: MIT */
/* Attention with heads of up to 64 channels, to any number of keys, which is
 * best for many: only for sm_90.  Smaller heads are copied with zeros beyond
 * them.
 *
 * At this size of a head the tensor cores and the unit for exponentials need
 * the same time for a score, and what else there is to do must hide behind
 * them.  A block has one warpgroup that copies keys and values, and three that
 * take 64 queries each; these ask for products in turn, for the next scores and
 * behind them for the sum of the last values, and turn scores into weights
 * while the others' products run.  Queries are asked for two tiles ahead.
 * Where all of a head's keys fit, they stay while its tiles are taken.
 *
 * Weights are exact only relative to each other, so the top that is taken off
 * the scores need not be the highest: that of the first block of keys stays
 * while no row's weights of a block add up to 2^15, and nothing has to look for
 * a top, nor to follow one.  Where they do, a warp multiplies the block's
 * scores again, and the top moves. */
#include "ops/cuda/attention_tiles_private.h"
#include "ops/cuda/kernels_layers.h"
#include "ops/cuda/mma_private.h"
#include "ops/cuda/wgmma_private.h"

enum {
  HEAD = 64,   /* at most */
  GROUP = 128, /* threads of a warpgroup */
  BLOCK = (GROUPS + 1) * GROUP,
  WARPS = GROUP / SHU_WARP,
  ROW_BYTES = HEAD * sizeof (__half),
  TILE = ROWS * ROW_BYTES,
  ALIGN = 1024,
  QUEUE = 3, /* tiles of queries that a warpgroup has asked for, at most */
};

/* Of KEYS keys and as many values each */
template <int KEYS> struct Stages {
  static constexpr int part = KEYS * ROW_BYTES, bytes = 2 * part;
  static constexpr int n = 144 * 1024 / bytes;
  static constexpr int room = ALIGN + n * bytes + QUEUE * GROUPS * TILE +
                              (2 * n + (QUEUE + 1) * GROUPS) * 8;
};

#if defined(__CUDA_ARCH_FEAT_SM90_ALL)

/* Of a block's weights in a lane; none is beyond f16 then */
static constexpr float MOST = 32768;

/* Places in shared memory; the barriers are arrays */
typedef struct {
  uint32_t stages, queries, full, empty, q_full, turn;
} Room;

template <int KEYS>
static __device__ inline Room
room_of (void)
{
  using S = Stages<KEYS>;
  extern __shared__ uint8_t raw[];
  uint32_t begin = (uint32_t) __cvta_generic_to_shared (raw);
  Room r;

  r.stages = (begin + ALIGN - 1) / ALIGN * ALIGN;
  r.queries = r.stages + S::n * S::bytes;
  r.full = r.queries + QUEUE * GROUPS * TILE;
  r.empty = r.full + S::n * 8;
  r.q_full = r.empty + S::n * 8;
  r.turn = r.q_full + QUEUE * GROUPS * 8;
  return r;
}

template <int KEYS>
static __device__ inline void
init_barriers (const Room &r)
{
  for (int i = 0; i < Stages<KEYS>::n; i++) {
    shu_barrier_init (r.full + i * 8, 1);
    shu_barrier_init (r.empty + i * 8, GROUPS * WARPS);
  }
  for (int i = 0; i < QUEUE * GROUPS; i++)
    shu_barrier_init (r.q_full + i * 8, 1);
  for (int i = 0; i < GROUPS; i++)
    shu_barrier_init (r.turn + i * 8, WARPS);
  asm volatile("fence.mbarrier_init.release.cluster;" : : : "memory");
  asm volatile("fence.proxy.async;" : : : "memory");
}

/* A stage, and how often all of them were passed, odd or even */
typedef struct {
  unsigned at, parity;
} Place;

template <int KEYS>
static __device__ inline void
step (Place &p)
{
  if (++p.at == Stages<KEYS>::n) {
    p.at = 0;
    p.parity ^= 1;
  }
}

/* One thread: keys and values of all tiles that this block takes. */
template <int KEYS>
static __device__ inline void
copy_all (
    const CUtensorMap *mk, const CUtensorMap *mv, const Job &p, const Room &r)
{
  using S = Stages<KEYS>;
  Place place = {0, 1};
  Order o = order_of (p);

  for (unsigned i = o.begin; i < o.end; i += o.step) {
    Tile t = tile_of (p, o, i);

    if (t.n == 0 || !t.first)
      continue;
    for (unsigned k = 0; k < p.blocks; k++, step<KEYS> (place)) {
      uint32_t to = r.stages + place.at * S::bytes;
      uint32_t full = r.full + place.at * 8;
      int row = (int) (k * KEYS);

      shu_barrier_wait (r.empty + place.at * 8, place.parity);
      shu_barrier_expect (full, S::bytes);
      shu_copy_box (to, mk, 0, row, t.head, t.b, full);
      shu_copy_box (to + S::part, mv, 0, row, t.head, t.b, full);
    }
  }
}

/* ---- weights ---- */

/* Scores to weights; sums of the lane's part of its two rows.  @top: with the
 * scale */
template <int KEYS>
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
template <int KEYS>
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
template <int KEYS>
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

template <int KEYS>
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
template <int KEYS>
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
template <int KEYS>
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
template <int KEYS>
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
  bool frees;  /* stages, for its warp, once it is through with them */
  unsigned asked, taken; /* tiles of queries; they take turns in QUEUE places */
  unsigned turn_parity;
  Place place;
  uint32_t queries; /* of the current tile */
  uint32_t keys;    /* of the current stage, as an operand */
} Side;

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

/* Of a tile that comes QUEUE - 1 after the current one: the place is that of
 * the one before it, with which all of the warpgroup are through at the barrier
 */
static __device__ inline void
ask_queries (const CUtensorMap *mq, const Tile &t, const Room &r, Side &me)
{
  unsigned at = QUEUE * me.group + me.asked % QUEUE;
  uint32_t full = r.q_full + at * 8;

  if (me.group >= t.n)
    return;
  asm volatile("barrier.cta.sync %0, 128;" : : "r"(me.group + 1) : "memory");
  if (threadIdx.x % GROUP == 0) {
    shu_barrier_expect (full, TILE);
    shu_copy_box (r.queries + at * TILE, mq, 0, (int) (t.row + me.group * ROWS),
        t.head, t.b, full);
  }
  me.asked++;
}

static __device__ inline void
take_queries (const Room &r, Side &me)
{
  unsigned at = QUEUE * me.group + me.taken % QUEUE;

  me.queries = same_of (r.queries + at * TILE);
  shu_barrier_wait (r.q_full + at * 8, me.taken / QUEUE % 2);
  me.taken++;
}

/* Until the stage is there and it is this warpgroup's turn */
template <int KEYS>
static __device__ inline void
await (Side &me, const Room &r)
{
  me.keys = same_of (shu_wgmma_low (r.stages) +
                     me.place.at * (unsigned) (Stages<KEYS>::bytes >> 4));
  shu_barrier_wait (r.full + me.place.at * 8, me.place.parity);
  shu_barrier_wait (r.turn + me.group * 8, me.turn_parity);
  me.turn_parity ^= 1;
}

static __device__ inline void
free_stage (unsigned at, const Room &r, const Side &me)
{
  if (me.frees)
    shu_barrier_arrive (r.empty + at * 8);
}

/* The first block of keys: w of it, top and sum */
template <int KEYS>
static __device__ inline void
attend_first (uint32_t (&w)[KEYS / 16][4], float (&top)[2], float (&sum)[2],
    float (&o)[HEAD / 2], const Job &p, const Room &r, Side &me)
{
  float s[KEYS / 2];

  await<KEYS> (me, r);
  ask_scores<KEYS> (s, shu_wgmma_low (me.queries), me.keys);
  pass_turn (r, me);
  shu_wgmma_wait<0> ();
  shu_wgmma_settle (s);
  mask<KEYS> (s, (int) p.Tk, me.lane);
  move_top<KEYS> (s, top, sum, o, p.scale);
  weigh<KEYS> (s, top, sum, p.scale);
  pack<KEYS> (w, s);
}

/* The next, of which @left exist; o gets the last one's values. */
template <int KEYS>
static __device__ inline void
attend_next (uint32_t (&w)[KEYS / 16][4], float (&top)[2], float (&sum)[2],
    float (&o)[HEAD / 2], int left, const Job &p, const Room &r, Side &me)
{
  using S = Stages<KEYS>;
  uint32_t values = me.keys + (S::part >> 4);
  unsigned done = me.place.at;
  float s[KEYS / 2], here[2];

  step<KEYS> (me.place);
  await<KEYS> (me, r);
  ask_scores<KEYS> (s, shu_wgmma_low (me.queries), me.keys);
  ask_sum<KEYS> (o, w, values);
  pass_turn (r, me);
  shu_wgmma_wait<1> ();
  shu_wgmma_settle (s);
  mask<KEYS> (s, left, me.lane);
  weigh<KEYS> (s, top, here, p.scale);
  shu_wgmma_wait<0> ();
  shu_wgmma_settle (o);
  free_stage (done, r, me);
  pack<KEYS> (w, s);
  if (__any_sync (0xffffffff, !(here[0] < MOST && here[1] < MOST))) {
    multiply_again<KEYS> (s, me.queries + me.warp * 16 * ROW_BYTES,
        r.stages + me.place.at * S::bytes, me.lane);
    mask<KEYS> (s, left, me.lane);
    move_top<KEYS> (s, top, sum, o, p.scale);
    weigh<KEYS> (s, top, here, p.scale);
    pack<KEYS> (w, s);
  }
  sum[0] += here[0];
  sum[1] += here[1];
}

/* The last one's values */
template <int KEYS>
static __device__ inline void
finish (float (&o)[HEAD / 2], const uint32_t (&w)[KEYS / 16][4], const Room &r,
    Side &me)
{
  ask_sum<KEYS> (o, w, me.keys + (Stages<KEYS>::part >> 4));
  shu_wgmma_wait<0> ();
  shu_wgmma_settle (o);
  free_stage (me.place.at, r, me);
  step<KEYS> (me.place);
}

/* A tile of which this warpgroup has a part */
template <int KEYS>
static __device__ inline void
attend (const Tile &t, const Job &p, const Room &r, Side &me)
{
  unsigned row = t.row + me.group * ROWS + me.warp * 16;
  float o[HEAD / 2] = {0}, top[2] = {-INFINITY, -INFINITY}, sum[2] = {0, 0};
  uint32_t w[KEYS / 16][4];
  size_t ld = p.NH.by * p.HD;

  take_queries (r, me);
  attend_first<KEYS> (w, top, sum, o, p, r, me);
  for (unsigned k = 1; k < p.blocks; k++)
    attend_next<KEYS> (w, top, sum, o, (int) (p.Tk - k * KEYS), p, r, me);
  finish<KEYS> (o, w, r, me);
  if (row < p.Tq)
    shu_write_rows (p.y + ((size_t) t.b * p.Tq + row) * ld + t.head * p.HD, o,
        sum, (int) (p.Tq - row), p.HD, ld, me.lane);
}

/* One of which only others have */
template <int KEYS>
static __device__ inline void
look_on (const Job &p, const Room &r, Side &me)
{
  for (unsigned k = 0; k < p.blocks; k++, step<KEYS> (me.place)) {
    await<KEYS> (me, r);
    pass_turn (r, me);
    free_stage (me.place.at, r, me);
  }
}

template <int KEYS>
static __device__ inline void
attend_all (const CUtensorMap *mq, const Job &p, const Room &r)
{
  Side me = side_of (r);
  Order o = order_of (p);

  for (unsigned k = 0; k < QUEUE - 1; k++)
    ask_queries (mq, tile_of (p, o, o.begin + k * o.step), r, me);
  for (unsigned i = o.begin; i < o.end; i += o.step) {
    Tile t = tile_of (p, o, i);
    Place begin = me.place;

    ask_queries (mq, tile_of (p, o, i + (QUEUE - 1) * o.step), r, me);
    me.frees = me.speaks && t.last;
    if (me.group < t.n)
      attend<KEYS> (t, p, r, me);
    else if (t.n > 0)
      look_on<KEYS> (p, r, me);
    if (!t.last)
      me.place = begin;
  }
}

#endif

/* KEYS keys at a time */
template <int KEYS>
static __global__ void
__launch_bounds__ (BLOCK, 1)
    attention_many (const __grid_constant__ CUtensorMap mq,
        const __grid_constant__ CUtensorMap mk,
        const __grid_constant__ CUtensorMap mv, Job p)
{
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
  Room r = room_of<KEYS> ();

  if (threadIdx.x == 0)
    init_barriers<KEYS> (r);
  __syncthreads ();
  shu_let_next_begin ();
  shu_await_grid ();
  if (threadIdx.x / GROUP == GROUPS) {
    asm volatile("setmaxnreg.dec.sync.aligned.u32 32;");
    if (threadIdx.x == GROUPS * GROUP)
      copy_all<KEYS> (&mk, &mv, p, r);
    return;
  }
  asm volatile("setmaxnreg.inc.sync.aligned.u32 160;");
  attend_all<KEYS> (&mq, p, r);
#endif
}

/* ---- launch ---- */

enum { MOST_KEYS = 128 };

extern "C" int
shu_launch_attention_many_fits (const ShuCudaHeads *h, int sm)
{
#ifdef SHU_SM90A
  return sm == 90 && h->HD <= HEAD && h->Tk > 0 && h->Tq > 0 &&
         !shu_too_many (h->Tk + MOST_KEYS) &&
         !shu_too_many (h->B * h->NH * (h->Tq + GROUPS * ROWS));
#else
  return 0;
#endif
}

/* The number of keys at a time that wastes the least. */
static unsigned
best_keys (size_t Tk)
{
  static const unsigned keys[] = {MOST_KEYS, 96, 80};
  unsigned best = keys[0];

  for (unsigned n : keys)
    if (shu_div_up (Tk, n) * n < shu_div_up (Tk, best) * best)
      best = n;
  return best;
}

template <int KEYS>
static cudaError_t
launch (const ShuCudaHeads &h, Job &p, int n_sm, cudaStream_t stream)
{
  enum { PASSES = 8 }; /* of all blocks, from where on one tile is little */

  using S = Stages<KEYS>;
  size_t tiles = p.tiles.by * h.B * h.NH;
  CUtensorMap mq, mk, mv;
  unsigned grid;
  cudaError_t e;

  p.blocks = (unsigned) shu_div_up (h.Tk, KEYS);
  p.stays =
      p.blocks <= S::n && p.tiles.by > 1 && tiles >= PASSES * (size_t) n_sm;
  if (p.stays)
    p.all = p.whole = (unsigned) tiles;
  else
    share_out (p, tiles, (unsigned) n_sm);
  if (!shu_box_map_of_heads (&mq, h.q, h.B, h.Tq, h.NH, h.HD, h.ldq, ROWS) ||
      !shu_box_map_of_heads (&mk, h.k, h.B, h.Tk, h.NH, h.HD, h.ldk, KEYS) ||
      !shu_box_map_of_heads (&mv, h.v, h.B, h.Tk, h.NH, h.HD, h.ldv, KEYS))
    return cudaErrorNotSupported;
  e = shu_allow_shared<attention_many<KEYS>> (S::room);
  if (e != cudaSuccess)
    return e;
  grid = p.all < (unsigned) n_sm ? p.all : (unsigned) n_sm;
  return shu_launch_chained (
      attention_many<KEYS>, dim3 (grid), BLOCK, S::room, stream, mq, mk, mv, p);
}

extern "C" cudaError_t
shu_launch_attention_many (const ShuCudaHeads *h, int n_sm, cudaStream_t stream)
{
  Job p = {};

  if (h->B * h->NH == 0)
    return cudaSuccess;
  p.y = (__half *) h->y;
  p.Tq = (unsigned) h->Tq;
  p.Tk = (unsigned) h->Tk;
  p.NH = divisor_of (h->NH);
  p.HD = (unsigned) h->HD;
  p.tiles = divisor_of (shu_div_up (h->Tq, GROUPS * ROWS));
  p.scale = 1.44269504f / sqrtf ((float) h->HD);
  switch (best_keys (h->Tk)) {
  case 96:
    return launch<96> (*h, p, n_sm, stream);
  case 80:
    return launch<80> (*h, p, n_sm, stream);
  default:
    return launch<MOST_KEYS> (*h, p, n_sm, stream);
  }
}
