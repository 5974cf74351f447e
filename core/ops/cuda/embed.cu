/* SPDX-License-Identifier: MIT */
/* Sine and cosine embeddings of times and of voxel coordinates, with angles in
 * f32 as in the reference, which is why products must not be contracted and
 * frequencies are rounded from double; patches and tokens of pictures. */
#include "ops/cuda/kernel_private.h"

/* y [n,2*half] = cosines, sines; a thread an angle */
static __global__ void
timestep_embedding (__half *y, const float *values, size_t n, size_t half)
{
  for (size_t i = shu_task (); i < n * half; i += shu_task_step ()) {
    size_t row = i / half, k = i % half;
    float power = __fdiv_rn (
        __fmul_rn (-9.21034037f, (float) k), (float) half); /* ln 10000 */
    float angle = __fmul_rn (values[row], (float) exp ((double) power));

    y[row * 2 * half + k] = __float2half_rn ((float) cos ((double) angle));
    y[row * 2 * half + half + k] =
        __float2half_rn ((float) sin ((double) angle));
  }
}

extern "C" cudaError_t
shu_launch_timestep_embedding (
    void *y, const float *values, size_t n, size_t dim, cudaStream_t stream)
{
  if (dim % 2 != 0)
    return cudaErrorInvalidValue;
  if (n == 0 || dim == 0)
    return cudaSuccess;
  timestep_embedding<<<shu_blocks (n * (dim / 2)), SHU_THREADS, 0, stream>>> (
      (__half *) y, values, n, dim / 2);
  return cudaGetLastError ();
}

/* coords [N,3] -> y [N,C]: for each axis d sines, d cosines; zeros from 6 d on.
 * A thread has one column of every gridDim.y-th row. */
static __global__ void
position_embedding (__half *y, const int *coords, size_t N, size_t C)
{
  size_t column = shu_task (), d = C / 6;
  bool used = column < 6 * d;
  size_t part = used ? column / d : 0, k = used ? column % d : 0;
  float w = 0;

  if (column >= C)
    return;
  if (used)
    w = (float) (1 / pow (10000., (double) ((float) k / (float) d)));
  for (size_t i = blockIdx.y; i < N; i += gridDim.y) {
    float angle = __fmul_rn ((float) coords[3 * i + part / 2], w);
    float v = part % 2 == 0 ? sinf (angle) : cosf (angle);

    y[i * C + column] = __float2half_rn (used ? v : 0);
  }
}

extern "C" cudaError_t
shu_launch_position_embedding (
    void *y, const int *coords, size_t N, size_t C, cudaStream_t stream)
{
  const size_t rows = 32; /* of a thread, where there are enough */
  const size_t most = 65535;
  size_t blocks = shu_div_up (C, SHU_THREADS), parts = shu_div_up (N, rows);

  if (N == 0 || C == 0)
    return cudaSuccess;
  if (shu_too_many (blocks))
    return cudaErrorInvalidValue;
  position_embedding<<<dim3 ((unsigned) blocks,
                           (unsigned) (parts < most ? parts : most)),
      SHU_THREADS, 0, stream>>> ((__half *) y, coords, N, C);
  return cudaGetLastError ();
}

/* ---- patches ---- */

/* x [rows*P,w*P,C] -> y [rows*w,row], order (c,i,j); a block a patch */
static __global__ void
patches (__half *y, unsigned row, const __half *x, unsigned w, unsigned C,
    unsigned P)
{
  size_t first = (size_t) (blockIdx.x / w) * P * w + blockIdx.x % w;

  y += (size_t) blockIdx.x * row;
  x += first * P * C;
  shu_let_next_begin ();
  shu_await_grid ();
  for (unsigned k = threadIdx.x; k < row; k += blockDim.x) {
    unsigned j = k % P, i = k / P % P, c = k / (P * P);

    y[k] = c < C ? x[((size_t) i * w * P + j) * C + c] : __half (0);
  }
}

extern "C" cudaError_t
shu_launch_patches (void *y, size_t row, const void *x, size_t B, size_t H,
    size_t W, size_t C, int P, cudaStream_t stream)
{
  size_t n, most = 1u << 20;

  if (P < 1 || H % P != 0 || W % P != 0 || W > most || C > most || row > most ||
      (size_t) P * P * C > row)
    return cudaErrorInvalidValue;
  n = B * (H / P) * (W / P);
  if (n == 0 || row == 0)
    return cudaSuccess;
  if (shu_too_many (n))
    return cudaErrorInvalidValue;
  return shu_launch_chained (patches, dim3 ((unsigned) n), SHU_THREADS, 0,
      stream, (__half *) y, (unsigned) row, (const __half *) x,
      (unsigned) (W / P), (unsigned) C, (unsigned) P);
}

/* ---- tokens ---- */

typedef struct {
  const __half *x, *first, *registers, *positions;
  unsigned N, R, C;
  ShuCudaNorm before, norm;
  int has_before;
  float eps;
} Tokens;

/* Where token @t of item @item is, and its position, or NULL */
static __device__ inline const __half *
token_of (
    const Tokens &p, unsigned item, unsigned t, const __half **ret_position)
{
  unsigned patch = t - 1 - p.R;

  *ret_position = p.positions;
  if (t == 0)
    return p.first;
  if (t <= p.R) {
    *ret_position = NULL;
    return p.registers + (size_t) (t - 1) * p.C;
  }
  *ret_position += (size_t) (patch + 1) * p.C;
  return p.x + ((size_t) item * p.N + patch) * p.C;
}

/* V channels to shared memory; shu_store() is for global memory */
template <int V>
static __device__ inline void
keep (__half *row, const float (&v)[V])
{
  if constexpr (V == 1)
    *row = __float2half_rn (v[0]);
  else
#pragma unroll
    for (int k = 0; k < V; k += 2)
      *(uint32_t *) (row + k) = shu_pack (v[k], v[k + 1]);
}

/* Mean, and 1 / spread */
template <int V>
static __device__ inline float2
statistics_of (const __half *row, unsigned C, float eps, float *room)
{
  unsigned first = threadIdx.x * V, step = blockDim.x * V;
  float v[V], mean = 0, squares = 0;

  for (unsigned i = first; i < C; i += step) {
    shu_load (v, row + i);
#pragma unroll
    for (int k = 0; k < V; k++)
      mean += v[k];
  }
  mean = shu_block_sum (mean, room) / (float) C;
  for (unsigned i = first; i < C; i += step) {
    shu_load (v, row + i);
#pragma unroll
    for (int k = 0; k < V; k++)
      squares += (v[k] - mean) * (v[k] - mean);
  }
  squares = shu_block_sum (squares, room) / (float) C;
  return make_float2 (mean, 1 / sqrtf (squares + eps));
}

/* v, channels from @i on, normalised */
template <int V>
static __device__ inline void
normalise (
    float (&v)[V], float2 statistics, const ShuCudaNorm &norm, unsigned i)
{
  float a[V];

#pragma unroll
  for (int k = 0; k < V; k++)
    v[k] = (v[k] - statistics.x) * statistics.y;
  if (norm.w) {
    shu_load (a, norm.w + i);
#pragma unroll
    for (int k = 0; k < V; k++)
      v[k] *= a[k];
  }
  if (norm.b) {
    shu_load (a, norm.b + i);
#pragma unroll
    for (int k = 0; k < V; k++)
      v[k] += a[k];
  }
}

/* A block a token, which stays in shared memory; a thread has the same channels
 * all the time */
template <int V>
static __global__ void
tokens (__half *y, __half *ret, Tokens p)
{
  extern __shared__ __align__ (16) __half row[]; /* [C] */
  __shared__ float room[SHU_WARP];
  unsigned T = 1 + p.R + p.N, first = threadIdx.x * V, step = blockDim.x * V;
  size_t at = (size_t) blockIdx.x * p.C;
  const __half *position, *x;
  float v[V];
  float2 statistics;

  x = token_of (p, blockIdx.x / T, blockIdx.x % T, &position);
  shu_let_next_begin ();
  shu_await_grid ();
  for (unsigned i = first; i < p.C; i += step) {
    float more[V] = {0};

    shu_load (v, x + i);
    if (position)
      shu_load (more, position + i);
#pragma unroll
    for (int k = 0; k < V; k++)
      v[k] += more[k];
    keep (row + i, v);
  }
  if (p.has_before)
    statistics = statistics_of<V> (row, p.C, p.eps, room);
  for (unsigned i = first; i < p.C; i += step) {
    shu_load (v, row + i);
    if (p.has_before) {
      normalise (v, statistics, p.before, i);
      keep (row + i, v);
    }
    shu_store (ret + at + i, v);
  }
  statistics = statistics_of<V> (row, p.C, p.eps, room);
  for (unsigned i = first; i < p.C; i += step) {
    shu_load (v, row + i);
    normalise (v, statistics, p.norm, i);
    shu_store (y + at + i, v);
  }
}

/* As many threads as V channels each take, or so many that they go round */
static unsigned
threads_for (size_t C, int V)
{
  size_t threads = shu_div_up (shu_div_up (C, V), SHU_WARP) * SHU_WARP;

  return threads < (size_t) SHU_THREADS ? (unsigned) threads
                                        : (unsigned) SHU_THREADS;
}

template <int V>
static cudaError_t
launch_tokens (
    void *y, void *ret, const Tokens &p, size_t B, cudaStream_t stream)
{
  return shu_launch_chained (tokens<V>, dim3 ((unsigned) (B * (1 + p.R + p.N))),
      threads_for (p.C, V), p.C * sizeof (__half), stream, (__half *) y,
      (__half *) ret, p);
}

extern "C" cudaError_t
shu_launch_tokens (void *y, void *ret, const ShuCudaTokens *p, size_t B,
    size_t C, cudaStream_t stream)
{
  Tokens t = {(const __half *) p->x, (const __half *) p->first,
      (const __half *) p->registers, (const __half *) p->positions,
      (unsigned) p->N, (unsigned) p->R, (unsigned) C, p->before, p->norm,
      p->has_before, p->eps};

  if (B == 0 || C == 0)
    return cudaSuccess;
  if (C > 1u << 14 || shu_too_many (p->N) || shu_too_many (p->R) ||
      shu_too_many (B * (1 + p->R + p->N)))
    return cudaErrorInvalidValue;
  if (C % SHU_VECTOR == 0 && shu_aligned (y) && shu_aligned (ret) &&
      shu_aligned (t.x) && shu_aligned (t.first) && shu_aligned (t.registers) &&
      shu_aligned (t.positions) && shu_aligned (t.before.w) &&
      shu_aligned (t.before.b) && shu_aligned (t.norm.w) &&
      shu_aligned (t.norm.b))
    return launch_tokens<SHU_VECTOR> (y, ret, t, B, stream);
  return launch_tokens<1> (y, ret, t, B, stream);
}
