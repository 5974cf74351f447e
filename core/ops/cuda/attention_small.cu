/* SPDX-License-Identifier: MIT */
/* Attention that is too small or too scattered for a library: one query
 * against few keys, and tokens in groups. */
#include "ops/cuda/kernel_private.h"
#include "ops/cuda/kernels_layers.h"
#include "ops/cuda/mma_private.h"

/* ---- one query against few keys ---- */

/* q, y [N,NH*HD], k, v [M,NH*HD], index [N,K].  @lanes neighbouring threads
 * have one head of one query, each NV times V channels of it; keys pass by
 * one after the other. */
template <int V, int NV>
static __global__ void
attention_gather (__half *y, const __half *q, const __half *k, const __half *v,
    const int *index, size_t N, size_t M, int K, int NH, int HD, int lanes,
    float scale)
{
  size_t task = shu_task () / lanes, n = task / NH;
  int lane = threadIdx.x % lanes;
  bool there = n < N;
  size_t C = (size_t) NH * HD, head = task % NH * HD;
  float qv[NV][V], acc[NV][V] = {{0}}, row[V];
  float top = -INFINITY, sum = 0;

#pragma unroll
  for (int i = 0; i < NV; i++)
    if (there && (i * lanes + lane) * V < HD)
      shu_load (qv[i], q + n * C + head + (i * lanes + lane) * V);
  for (int j = 0; j < K; j++) {
    int r = there ? index[n * K + j] : -1;
    bool use = r >= 0 && (size_t) r < M;
    size_t at = use ? (size_t) r * C + head : 0;
    float score = 0, higher, old, weight;

#pragma unroll
    for (int i = 0; i < NV; i++)
      if (use && (i * lanes + lane) * V < HD) {
        shu_load (row, k + at + (i * lanes + lane) * V);
#pragma unroll
        for (int c = 0; c < V; c++)
          score += qv[i][c] * row[c];
      }
    score = shu_lanes_sum (score, lanes) * scale; /* whole warps come here */
    if (!use)
      continue;
    higher = fmaxf (top, score);
    old = __expf (top - higher);
    weight = __expf (score - higher);
    top = higher;
    sum = sum * old + weight;
#pragma unroll
    for (int i = 0; i < NV; i++)
      if ((i * lanes + lane) * V < HD) {
        shu_load (row, v + at + (i * lanes + lane) * V);
#pragma unroll
        for (int c = 0; c < V; c++)
          acc[i][c] = acc[i][c] * old + weight * row[c];
      }
  }
#pragma unroll
  for (int i = 0; i < NV; i++)
    if (there && (i * lanes + lane) * V < HD) {
#pragma unroll
      for (int c = 0; c < V; c++)
        acc[i][c] = sum > 0 ? acc[i][c] / sum : 0;
      shu_store (y + n * C + head + (i * lanes + lane) * V, acc[i]);
    }
}

extern "C" cudaError_t
shu_launch_attention_gather (void *y, const void *q, const void *k,
    const void *v, const int *index, size_t N, size_t M, int K, int NH, int HD,
    cudaStream_t stream)
{
  bool vector = HD % SHU_VECTOR == 0 && shu_aligned (y) && shu_aligned (q) &&
                shu_aligned (k) && shu_aligned (v);
  int lanes = SHU_WARP;
  float scale = 1.f / sqrtf ((float) HD);
  size_t blocks;

  if (HD < 1 || HD > SHU_CUDA_MAX_HEAD_GATHER || NH < 1)
    return cudaErrorInvalidValue;
  if (N == 0)
    return cudaSuccess;
  while (vector && lanes > 1 && lanes / 2 * SHU_VECTOR >= HD)
    lanes /= 2;
  blocks = shu_div_up (N * NH * lanes, SHU_THREADS);
  if (shu_too_many (blocks))
    return cudaErrorInvalidValue;
  if (vector)
    attention_gather<8, SHU_CUDA_MAX_HEAD_GATHER / SHU_WARP / 8>
        <<<(unsigned) blocks, SHU_THREADS, 0, stream>>> ((__half *) y,
            (const __half *) q, (const __half *) k, (const __half *) v, index,
            N, M, K, NH, HD, lanes, scale);
  else
    attention_gather<1, SHU_CUDA_MAX_HEAD_GATHER / SHU_WARP>
        <<<(unsigned) blocks, SHU_THREADS, 0, stream>>> ((__half *) y,
            (const __half *) q, (const __half *) k, (const __half *) v, index,
            N, M, K, NH, HD, lanes, scale);
  return cudaGetLastError ();
}

/* ---- groups of tokens ---- */

enum {
  TILE = 64, /* queries of a block, and keys at a time */
  WARPS = 4, /* each has 16 of the queries */
  BLOCK = WARPS * SHU_WARP,
};

/* One head's channels of tokens, as rows of HDP channels in shared memory with
 * 8 to spare, which keeps 8 rows in different banks. */
template <int HDP> struct Room {
  __half row[TILE][HDP + 8];
};

/* What is one head of q, k or v. */
typedef struct {
  size_t N, C;
  int HD;
  bool vector; /* rows can be read 16 bytes at a time */
} Tokens;

/* The first @count of tokens @rows of x; zeros where there is no token, and in
 * channels from HD on.  A thread 8 channels at a time. */
template <int HDP>
static __device__ void
load_tile (Room<HDP> *room, const __half *x, const int *rows, int count,
    const Tokens &t)
{
  for (int i = threadIdx.x; i < TILE * HDP / 8; i += BLOCK) {
    int r = i / (HDP / 8), ch = i % (HDP / 8) * 8;
    int token = r < count ? rows[r] : -1;
    const __half *from = x + (size_t) (token < 0 ? 0 : token) * t.C + ch;

    union {
      uint4 word;
      uint16_t half[8];
    } v = {{0, 0, 0, 0}};

    if (token >= 0 && (size_t) token < t.N && ch < t.HD) {
      if (t.vector)
        v.word = *(const uint4 *) from;
      else
#pragma unroll
        for (int k = 0; k < 8; k++)
          v.half[k] = ch + k < t.HD ? ((const uint16_t *) from)[k] : 0;
    }
    *(uint4 *) &room->row[r][ch] = v.word;
  }
}

/* s [16,TILE] = 16 queries q of this warp times the keys */
template <int HDP>
static __device__ void
scores (float (&s)[TILE / 8][4], const uint32_t (&q)[HDP / 16][4],
    const Room<HDP> &keys, int lane)
{
  /* matrices of 8 keys by 8 channels: two along the channels, then the next 8
   * keys */
  int key = lane % 8 + lane / 16 * 8, ch = lane / 8 % 2 * 8;

#pragma unroll
  for (int j = 0; j < TILE / 8; j += 2) {
#pragma unroll
    for (int i = 0; i < 4; i++)
      s[j][i] = s[j + 1][i] = 0;
#pragma unroll
    for (int c = 0; c < HDP / 16; c++) {
      uint32_t b[4];

      shu_ldmatrix (b, &keys.row[j * 8 + key][c * 16 + ch]);
      shu_mma (s[j], q[c], b[0], b[1]);
      shu_mma (s[j + 1], q[c], b[2], b[3]);
    }
  }
}

/* o [16,HDP] += p [16,TILE] v; p's registers are those of the scores */
template <int HDP>
static __device__ void
add_values (float (&o)[HDP / 8][4], const float (&p)[TILE / 8][4],
    const Room<HDP> &values, int lane)
{
  /* matrices of 8 keys by 8 channels: two along the keys, then the next 8
   * channels; read transposed */
  int key = lane % 16, ch = lane / 16 * 8;

#pragma unroll
  for (int j = 0; j < TILE / 16; j++) {
    const float (&lo)[4] = p[2 * j], (&hi)[4] = p[2 * j + 1];
    const uint32_t a[4] = {shu_pack (lo[0], lo[1]), shu_pack (lo[2], lo[3]),
        shu_pack (hi[0], hi[1]), shu_pack (hi[2], hi[3])};

#pragma unroll
    for (int c = 0; c < HDP / 8; c += 2) {
      uint32_t b[4];

      shu_ldmatrix_trans (b, &values.row[j * 16 + key][c * 8 + ch]);
      shu_mma (o[c], a, b[0], b[1]);
      shu_mma (o[c + 1], a, b[2], b[3]);
    }
  }
}

/* Scores to weights e^(scale (s - top)), where top is the highest so far of
 * each of the lane's two rows; o and sum follow a new top.  @left: keys of the
 * tile that exist, at least 1; scale includes log2 e. */
template <int HDP>
static __device__ void
weigh (float (&s)[TILE / 8][4], float (&o)[HDP / 8][4], float (&top)[2],
    float (&sum)[2], int left, float scale, int lane)
{
#pragma unroll
  for (int h = 0; h < 2; h++) {
    float high = top[h], old, here = 0;

#pragma unroll
    for (int j = 0; j < TILE / 8; j++)
#pragma unroll
      for (int i = 0; i < 2; i++) {
        if (j * 8 + lane % 4 * 2 + i >= left)
          s[j][2 * h + i] = -INFINITY;
        high = fmaxf (high, s[j][2 * h + i]);
      }
    high = shu_lanes_max (high, 4);
    old = exp2f ((top[h] - high) * scale);
    top[h] = high;
#pragma unroll
    for (int j = 0; j < TILE / 8; j++)
#pragma unroll
      for (int i = 0; i < 2; i++) {
        s[j][2 * h + i] = exp2f ((s[j][2 * h + i] - high) * scale);
        here += s[j][2 * h + i];
      }
    sum[h] = sum[h] * old + here;
#pragma unroll
    for (int c = 0; c < HDP / 8; c++) {
      o[c][2 * h] *= old;
      o[c][2 * h + 1] *= old;
    }
  }
}

/* The lane's part of rows g and g + 8 of the warp's 16, from token @first of
 * the group on. */
template <int HDP>
static __device__ void
write_rows (__half *y, const float (&o)[HDP / 8][4], const float (&sum)[2],
    const int *rows, int first, int n, const Tokens &t, int lane)
{
#pragma unroll
  for (int h = 0; h < 2; h++) {
    int r = first + lane / 4 + 8 * h, token = r < n ? rows[r] : -1;
    float weight = 1 / shu_lanes_sum (sum[h], 4);
    __half *to = y + (size_t) (token < 0 ? 0 : token) * t.C;

    if (token < 0 || (size_t) token >= t.N)
      continue;
#pragma unroll
    for (int c = 0; c < HDP / 8; c++) {
      int ch = c * 8 + lane % 4 * 2;
      float a = o[c][2 * h] * weight, b = o[c][2 * h + 1] * weight;

      if (t.vector && ch < t.HD) {
        *(__half2 *) (to + ch) = __floats2half2_rn (a, b);
        continue;
      }
      if (ch < t.HD)
        to[ch] = __float2half_rn (a);
      if (ch + 1 < t.HD)
        to[ch + 1] = __float2half_rn (b);
    }
  }
}

/* q, k, v, y [N,NH*HD]; order [N], start [G+1].  Block (group and head, i) has
 * the i-th TILE of the group's queries, and every gridDim.y-th after it. */
template <int HDP>
static __global__ void
__launch_bounds__ (BLOCK) attention_groups (__half *y, const __half *q,
    const __half *k, const __half *v, const int *order, const int *start,
    int NH, Tokens t, float scale)
{
  __shared__ __align__ (16) Room<HDP> keys, values;
  int lane = threadIdx.x % SHU_WARP, warp = threadIdx.x / SHU_WARP;
  int begin = start[blockIdx.x / NH], n = start[blockIdx.x / NH + 1] - begin;
  size_t head = (size_t) (blockIdx.x % NH) * t.HD;
  const int *rows = order + begin;

  if (begin < 0 || n < 1 || (size_t) begin + n > t.N)
    return;
  for (int first = blockIdx.y * TILE; first < n; first += gridDim.y * TILE) {
    uint32_t qf[HDP / 16][4];
    float o[HDP / 8][4] = {{0}}, s[TILE / 8][4];
    float top[2] = {-INFINITY, -INFINITY}, sum[2] = {0, 0};

    __syncthreads (); /* the last tile's keys have been used */
    load_tile (&keys, q + head, rows + first, n - first, t);
    __syncthreads ();
#pragma unroll
    for (int c = 0; c < HDP / 16; c++)
      shu_ldmatrix (
          qf[c], &keys.row[warp * 16 + lane % 16][c * 16 + lane / 16 * 8]);
    for (int at = 0; at < n; at += TILE) {
      __syncthreads ();
      load_tile (&keys, k + head, rows + at, n - at, t);
      load_tile (&values, v + head, rows + at, n - at, t);
      __syncthreads ();
      scores<HDP> (s, qf, keys, lane);
      weigh<HDP> (s, o, top, sum, n - at, scale, lane);
      add_values<HDP> (o, s, values, lane);
    }
    write_rows<HDP> (y + head, o, sum, rows, first + warp * 16, n, t, lane);
  }
}

extern "C" cudaError_t
shu_launch_attention_groups (void *y, const void *q, const void *k,
    const void *v, const int *order, const int *start, size_t N, size_t G,
    int NH, int HD, cudaStream_t stream)
{
  const float log2e = 1.44269504f;
  Tokens t = {N, (size_t) NH * HD, HD,
      HD % SHU_VECTOR == 0 && shu_aligned (y) && shu_aligned (q) &&
          shu_aligned (k) && shu_aligned (v)};
  float scale = log2e / sqrtf ((float) HD);
  cudaError_t status;
  size_t tiles;
  dim3 grid;

  if (HD < 1 || HD > SHU_CUDA_MAX_HEAD_GROUPS || NH < 1 || shu_too_many (N) ||
      shu_too_many (G * NH))
    return cudaErrorInvalidValue;
  if (N == 0)
    return cudaSuccess;
  status = cudaMemsetAsync (y, 0, N * t.C * sizeof (__half), stream);
  if (status != cudaSuccess || G == 0)
    return status;
  /* as many blocks for each group as one of average size needs */
  tiles = shu_div_up (shu_div_up (N, G), TILE);
  grid = dim3 ((unsigned) (G * NH), (unsigned) (tiles < 65535 ? tiles : 65535));
#define LAUNCH(HDP)                                                            \
  attention_groups<HDP><<<grid, BLOCK, 0, stream>>> ((__half *) y,             \
      (const __half *) q, (const __half *) k, (const __half *) v, order,       \
      start, NH, t, scale)
  if (HD <= 16)
    LAUNCH (16);
  else if (HD <= 32)
    LAUNCH (32);
  else if (HD <= 64)
    LAUNCH (64);
  else
    LAUNCH (128);
#undef LAUNCH
  return cudaGetLastError ();
}
