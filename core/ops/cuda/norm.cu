/* SPDX-License-Identifier: MIT */
/* Norms.  Statistics in f32: the mean first, or distances from a
 * nearby value, so that a large mean does not eat a small spread.  Sums are
 * trees of a fixed shape. */
#include "ops/cuda/kernel_private.h"
#include "ops/cuda/kernels_layers.h"

/* ---- group norm ---- */

/* How x [B,T,C] is cut: a block has one chunk of rows and one tile of columns;
 * its thread (tx,ty) has V channels of every TY-th row. */
typedef struct {
  size_t T, C;
  size_t chunks; /* of an item */
  size_t rows;   /* of a chunk; the last may have fewer */
  int tiles;
  int TX, TY;
} Cut;

/* Enough blocks for the largest cards, few enough to add up quickly. */
enum {
  MANY_BLOCKS = 1024,
  ROWS_OF_THREAD = 8,
  AT_ONCE = 2,
  MAX_SCALE_THREADS = 1024,
};

static Cut
cut_of (size_t B, size_t T, size_t C, int V)
{
  size_t columns = C / V, most;
  Cut cut;

  cut.T = T;
  cut.C = C;
  cut.tiles = (int) shu_div_up (columns, SHU_THREADS);
  cut.TX = (int) shu_div_up (columns, cut.tiles);
  cut.TY = SHU_THREADS / cut.TX;
  most = MANY_BLOCKS / (B * cut.tiles);
  cut.chunks = shu_div_up (T, (size_t) cut.TY * ROWS_OF_THREAD);
  if (cut.chunks > most)
    cut.chunks = most > 1 ? most : 1;
  cut.rows = shu_div_up (T, cut.chunks);
  cut.chunks = shu_div_up (T, cut.rows);
  return cut;
}

/* What a block has of x; @block: its number. */
typedef struct {
  size_t item, chunk;
  size_t first; /* row of the item */
  size_t rows;
  size_t ch0; /* first channel of the tile */
} Part;

static __device__ Part
part_of (const Cut &cut, int V, unsigned block)
{
  size_t rest = block / cut.tiles;
  Part p;

  p.item = rest / cut.chunks;
  p.chunk = rest % cut.chunks;
  p.first = p.chunk * cut.rows;
  p.rows = min (cut.rows, cut.T - p.first);
  p.ch0 = (size_t) (block % cut.tiles) * cut.TX * V;
  return p;
}

/* How many of @rows rows thread row @ty has. */
static __device__ size_t
rows_of (size_t rows, int ty, int TY)
{
  return (size_t) ty < rows ? (rows - ty - 1) / TY + 1 : 0;
}

/* Of each channel of a chunk the mean, and the squared distances from it:
 * x [B,T,C] -> parts [B,chunks,2,C].  A thread measures from the first value
 * that it sees. */
template <int V>
static __global__ void
group_parts (float *parts, const __half *x, const __half *add, Cut cut)
{
  extern __shared__ float room[]; /* means [TY,TX*V], squares likewise */
  int width = blockDim.x * V, plane = blockDim.y * width;
  int tx = threadIdx.x, ty = threadIdx.y;
  Part p = part_of (cut, V, blockIdx.x);
  size_t n = rows_of (p.rows, ty, blockDim.y), ch = p.ch0 + tx * V;

  if (n > 0 && ch < cut.C) {
    const __half *at = x + (p.item * cut.T + p.first + ty) * cut.C + ch;
    float from[V], sum[V] = {0}, squares[V] = {0}, v[V], more[V] = {0};

    if (add)
      shu_load (more, add + p.item * cut.C + ch);
    shu_load (from, at);
#pragma unroll 4
    for (size_t r = 0; r < n; r++) {
      shu_load (v, at + r * blockDim.y * cut.C);
#pragma unroll
      for (int k = 0; k < V; k++) {
        float d = v[k] - from[k];

        sum[k] += d;
        squares[k] += d * d;
      }
    }
#pragma unroll
    for (int k = 0; k < V; k++) {
      float *cell = room + ty * width + tx * V + k;

      cell[0] = from[k] + more[k] + sum[k] / (float) n;
      cell[plane] = fmaxf (squares[k] - sum[k] * (sum[k] / (float) n), 0);
    }
  }
  __syncthreads ();
  for (int i = ty * blockDim.x + tx; i < width; i += blockDim.x * blockDim.y) {
    float mean = 0, squares = 0;
    float *to = parts + (p.item * cut.chunks + p.chunk) * 2 * cut.C;

    if (p.ch0 + i >= cut.C)
      break;
    for (int k = 0; k < (int) blockDim.y; k++)
      if ((size_t) k < p.rows)
        mean += (float) rows_of (p.rows, k, blockDim.y) * room[k * width + i];
    mean /= (float) p.rows;
    for (int k = 0; k < (int) blockDim.y; k++)
      if ((size_t) k < p.rows) {
        float d = room[k * width + i] - mean;

        squares += room[plane + k * width + i] +
                   (float) rows_of (p.rows, k, blockDim.y) * d * d;
      }
    to[p.ch0 + i] = mean;
    to[cut.C + p.ch0 + i] = squares;
  }
}

static __device__ double
rows_in (const Cut &cut, uint32_t chunk)
{
  return (double) min (cut.rows, cut.T - chunk * cut.rows);
}

/* The parts of a group added up: scale [3,B,C] = m, a, b of y = (x - m) a + b.
 * m is the mean in f32, b corrects what that lost.  A block a group. */
static __global__ void
group_scale (float *scale, const float *parts, const float *w, const float *b,
    Cut cut, size_t B, int n_groups, float eps)
{
  __shared__ double room[SHU_WARP];
  uint32_t size = (uint32_t) (cut.C / n_groups);
  uint32_t n = (uint32_t) cut.chunks * size; /* below MANY_BLOCKS 2^20 */
  size_t item = blockIdx.x / n_groups;
  size_t ch0 = blockIdx.x % n_groups * size, plane = B * cut.C;
  double count = (double) cut.T * (double) size, sum = 0, mean;

  parts += item * cut.chunks * 2 * cut.C + ch0;
  for (uint32_t i = threadIdx.x; i < n; i += blockDim.x) {
    uint32_t chunk = i / size;

    sum += rows_in (cut, chunk) * parts[chunk * 2 * cut.C + i % size];
  }
  mean = shu_block_sum (sum, room) / count;
  sum = 0;
  for (uint32_t i = threadIdx.x; i < n; i += blockDim.x) {
    uint32_t chunk = i / size;
    const float *at = parts + chunk * 2 * cut.C + i % size;
    double d = at[0] - mean;

    sum += at[cut.C] + rows_in (cut, chunk) * d * d;
  }
  sum = shu_block_sum (sum, room);
  scale += item * cut.C;
  for (size_t ch = ch0 + threadIdx.x; ch < ch0 + size; ch += blockDim.x) {
    double a = (w ? w[ch] : 1.) / sqrt (sum / count + eps);
    float m = (float) mean;

    scale[ch] = m;
    scale[plane + ch] = (float) a;
    scale[2 * plane + ch] = (float) ((b ? b[ch] : 0.) - (mean - m) * a);
  }
}

/* y = act ((x - m) a + b), cut up as for the parts, but from the end: what was
 * read last is still in the cache */
template <int V>
static __global__ void
group_apply (void *y, const __half *x, const __half *add, const float *scale,
    Cut cut, size_t B, int act, int e4m3)
{
  Part p = part_of (cut, V, gridDim.x - 1 - blockIdx.x);
  size_t n = rows_of (p.rows, threadIdx.y, blockDim.y);
  size_t ch = p.ch0 + threadIdx.x * V;
  size_t at = (p.item * cut.T + p.first + threadIdx.y) * cut.C + ch;
  size_t step = blockDim.y * cut.C;
  float m[V], a[V], b[V], v[AT_ONCE][V];

  if (n == 0 || ch >= cut.C)
    return;
  scale += p.item * cut.C + ch;
  shu_load (m, scale);
  shu_load (a, scale + B * cut.C);
  shu_load (b, scale + 2 * B * cut.C);
  if (add) { /* as if the mean were less */
    shu_load (v[0], add + p.item * cut.C + ch);
#pragma unroll
    for (int k = 0; k < V; k++)
      m[k] -= v[0][k];
  }
  for (size_t r = 0; r < n; r += AT_ONCE) {
#pragma unroll
    for (int i = 0; i < AT_ONCE; i++)
      if (r + i < n)
        shu_load (v[i], x + at + (r + i) * step);
#pragma unroll
    for (int i = 0; i < AT_ONCE; i++) {
#pragma unroll
      for (int k = 0; k < V; k++)
        v[i][k] = shu_act_of ((v[i][k] - m[k]) * a[k] + b[k], act);
      if (r + i < n)
        shu_store_norm (y, at + (r + i) * step, v[i], e4m3);
    }
  }
}

/* A few of its numbers for each thread: they come one after the other. */
static unsigned
scale_threads (const Cut &cut, int n_groups)
{
  size_t n = cut.chunks * (cut.C / n_groups);
  unsigned threads = SHU_WARP;

  while (threads < MAX_SCALE_THREADS && threads * 4 < n)
    threads *= 2;
  return threads;
}

/* Room for the most chunks that there can be, whatever the width of a thread:
 * scale [3,B,C], parts [B,chunks,2,C]. */
extern "C" size_t
shu_launch_group_norm_scratch (size_t B, size_t T, size_t C)
{
  size_t most = MANY_BLOCKS / (B > 0 ? B : 1);
  size_t chunks = shu_div_up (T, ROWS_OF_THREAD);

  if (chunks > most)
    chunks = most > 1 ? most : 1;
  return (3 + 2 * chunks) * B * C * sizeof (float);
}

template <int V>
static cudaError_t
launch_group_norm (void *y, const void *x, const void *add, const float *w,
    const float *b, size_t B, size_t T, size_t C, int n_groups, float eps,
    int act, int e4m3, float *scratch, cudaStream_t stream)
{
  Cut cut = cut_of (B, T, C, V);
  float *parts = scratch + 3 * B * C;
  dim3 block (cut.TX, cut.TY);
  size_t room = 2 * sizeof (float) * V * cut.TX * cut.TY;
  size_t blocks = B * cut.chunks * cut.tiles;

  if (shu_too_many (blocks) || shu_too_many (B * n_groups))
    return cudaErrorInvalidValue;
  group_parts<V><<<(unsigned) blocks, block, room, stream>>> (
      parts, (const __half *) x, (const __half *) add, cut);
  group_scale<<<(unsigned) (B * n_groups), scale_threads (cut, n_groups), 0,
      stream>>> (scratch, parts, w, b, cut, B, n_groups, eps);
  group_apply<V><<<(unsigned) blocks, block, 0, stream>>> (
      y, (const __half *) x, (const __half *) add, scratch, cut, B, act, e4m3);
  return cudaGetLastError ();
}

extern "C" cudaError_t
shu_launch_group_norm (void *y, const void *x, const void *add, const float *w,
    const float *b, size_t B, size_t T, size_t C, int n_groups, float eps,
    int act, int e4m3, void *scratch, cudaStream_t stream)
{
  if (n_groups < 1 || C % n_groups != 0)
    return cudaErrorInvalidValue;
  if (B == 0 || T == 0 || C == 0)
    return cudaSuccess;
  if (C % SHU_VECTOR == 0 && shu_aligned (y) && shu_aligned (x) &&
      shu_aligned (add) && shu_aligned (scratch))
    return launch_group_norm<SHU_VECTOR> (y, x, add, w, b, B, T, C, n_groups,
        eps, act, e4m3, (float *) scratch, stream);
  if (e4m3)
    return cudaErrorInvalidValue;
  return launch_group_norm<1> (y, x, add, w, b, B, T, C, n_groups, eps, act, 0,
      (float *) scratch, stream);
}

/* ---- norms of rows ---- */

/* The fewest lanes, a power of two, that hold C channels V at a time; at most
 * a warp. */
static int
lanes_for (size_t C, int V)
{
  int lanes = SHU_WARP;

  while (lanes > 1 && (size_t) lanes / 2 * V >= C)
    lanes /= 2;
  return lanes;
}

/* x, y [M,C]; @lanes neighbouring threads a row, each V channels at a time */
template <int V>
static __global__ void
layer_norm (__half *y, const __half *x, const float *w, const float *b,
    size_t M, size_t C, int lanes, float eps)
{
  size_t row = shu_task () / lanes, first = threadIdx.x % lanes * V;
  size_t end = row < M ? C : 0, step = lanes * V;
  float v[V], gain[V], bias[V];
  float mean = 0, squares = 0, s;

  x += row * C;
  y += row * C;
  for (size_t i = first; i < end; i += step) {
    shu_load (v, x + i);
#pragma unroll
    for (int k = 0; k < V; k++)
      mean += v[k];
  }
  mean = shu_lanes_sum (mean, lanes) / (float) C;
  for (size_t i = first; i < end; i += step) {
    shu_load (v, x + i);
#pragma unroll
    for (int k = 0; k < V; k++)
      squares += (v[k] - mean) * (v[k] - mean);
  }
  s = 1 / sqrtf (shu_lanes_sum (squares, lanes) / (float) C + eps);
  for (size_t i = first; i < end; i += step) {
    shu_load (v, x + i);
#pragma unroll
    for (int k = 0; k < V; k++)
      v[k] = (v[k] - mean) * s;
    if (w) {
      shu_load (gain, w + i);
#pragma unroll
      for (int k = 0; k < V; k++)
        v[k] *= gain[k];
    }
    if (b) {
      shu_load (bias, b + i);
#pragma unroll
      for (int k = 0; k < V; k++)
        v[k] += bias[k];
    }
    shu_store (y + i, v);
  }
}

/* Up to here, a block has a row (add_norm_few). */
enum { FEW_ROWS = 2048 };

extern "C" cudaError_t
shu_launch_layer_norm (void *y, const void *x, const float *w, const float *b,
    size_t M, size_t C, float eps, cudaStream_t stream)
{
  bool vector = C % SHU_VECTOR == 0 && shu_aligned (y) && shu_aligned (x) &&
                shu_aligned (w) && shu_aligned (b);
  int lanes = lanes_for (C, vector ? SHU_VECTOR : 1);
  size_t blocks = shu_div_up (M * lanes, SHU_THREADS);

  if (M == 0 || C == 0)
    return cudaSuccess;
  if (shu_too_many (blocks))
    return cudaErrorInvalidValue;
  if (vector && M <= FEW_ROWS && C >= SHU_WARP * SHU_VECTOR) {
    const ShuCudaOrder same = {{1, 1, 1, (int64_t) M}, {0, 0, 0, 1}, 0, 1};
    ShuCudaAddNorm only = {};

    only.w = w;
    only.b = b;
    only.h_order = only.y_order = same;
    only.eps = eps;
    return shu_launch_add_norm (y, NULL, x, &only, M, C, stream);
  }
  if (vector)
    layer_norm<SHU_VECTOR><<<(unsigned) blocks, SHU_THREADS, 0, stream>>> (
        (__half *) y, (const __half *) x, w, b, M, C, lanes, eps);
  else
    layer_norm<1><<<(unsigned) blocks, SHU_THREADS, 0, stream>>> (
        (__half *) y, (const __half *) x, w, b, M, C, lanes, eps);
  return cudaGetLastError ();
}

/* ---- norms of heads ---- */

/* Each row has @kinds times NH heads, its end @row_step from the last one's. */
typedef struct {
  const float *gamma[2]; /* [NH,HD] of a kind; NULL: leave these heads */
  size_t M, row_step;
  unsigned kinds, NH, HD;
} Heads;

/* @lanes neighbouring threads a head, each V channels at a time; y may be x */
template <int V>
static __global__ void
rms_norm_heads (__half *y, const __half *x, Heads h, int lanes)
{
  size_t heads = h.kinds * h.NH, task = shu_task () / lanes;
  size_t row = shu_div (task, heads);
  unsigned head = (unsigned) (task - row * heads);
  unsigned first = threadIdx.x % lanes * V, step = lanes * V;
  const float *gamma = head < h.NH ? h.gamma[0] : h.gamma[1];
  unsigned end = row < h.M && gamma ? h.HD : 0;
  float v[V], gain[V], squares = 0, s;

  x += row * h.row_step + (size_t) head * h.HD;
  y += row * h.row_step + (size_t) head * h.HD;
  gamma += (size_t) (head % h.NH) * h.HD;
  for (unsigned i = first; i < end; i += step) {
    shu_load (v, x + i);
#pragma unroll
    for (int k = 0; k < V; k++)
      squares += v[k] * v[k];
  }
  squares = shu_lanes_sum (squares, lanes);
  s = sqrtf ((float) h.HD) / fmaxf (sqrtf (squares), 1e-12f);
  for (unsigned i = first; i < end; i += step) {
    shu_load (v, x + i);
    shu_load (gain, gamma + i);
#pragma unroll
    for (int k = 0; k < V; k++)
      v[k] *= s * gain[k];
    shu_store (y + i, v);
  }
}

static cudaError_t
launch_heads (void *y, const void *x, const Heads &h, cudaStream_t stream)
{
  bool vector = h.HD % SHU_VECTOR == 0 && shu_aligned (y) && shu_aligned (x) &&
                shu_aligned (h.gamma[0]) && shu_aligned (h.gamma[1]);
  int lanes = lanes_for (h.HD, vector ? SHU_VECTOR : 1);
  size_t blocks = shu_div_up (h.M * h.kinds * h.NH * lanes, SHU_THREADS);

  if (h.M == 0 || h.NH == 0 || h.HD == 0 || (!h.gamma[0] && !h.gamma[1]))
    return cudaSuccess;
  if (shu_too_many (blocks))
    return cudaErrorInvalidValue;
  if (vector)
    rms_norm_heads<SHU_VECTOR><<<(unsigned) blocks, SHU_THREADS, 0, stream>>> (
        (__half *) y, (const __half *) x, h, lanes);
  else
    rms_norm_heads<1><<<(unsigned) blocks, SHU_THREADS, 0, stream>>> (
        (__half *) y, (const __half *) x, h, lanes);
  return cudaGetLastError ();
}

extern "C" cudaError_t
shu_launch_rms_norm_heads (void *y, const void *x, const float *gamma, size_t M,
    size_t NH, size_t HD, cudaStream_t stream)
{
  return launch_heads (y, x,
      {{gamma, NULL}, M, NH * HD, 1, (unsigned) NH, (unsigned) HD}, stream);
}

extern "C" cudaError_t
shu_launch_norm_packed (void *x, const float *q_gamma, const float *k_gamma,
    size_t M, size_t NH, size_t HD, cudaStream_t stream)
{
  return launch_heads (x, x,
      {{q_gamma, k_gamma}, M, 3 * NH * HD, 2, (unsigned) NH, (unsigned) HD},
      stream);
}
