/* SPDX-License-Identifier: MIT */
/* Elementwise operations: f16 in memory, f32 in between. */
#include "ops/cuda/kernel_private.h"

/* ---- of one array ---- */

typedef enum { AFFINE, ACT, CLAMP } Unary;

template <int OP>
static __device__ float
unary_of (float x, float a, float b, int act)
{
  float lower;

  if (OP == AFFINE)
    return x * a + b;
  if (OP == ACT)
    return shu_act_of (x, act);
  lower = x < a ? a : x;
  return lower > b ? b : lower;
}

/* y[i] = op (x[i]); a thread takes V elements at a time, the last few one by
 * one. */
template <int OP, int V>
static __global__ void
unary (__half *y, const __half *x, size_t n, float a, float b, int act)
{
  for (size_t i = shu_task () * V; i < n; i += shu_task_step () * V) {
    float v[V], one[1];

    if (i + V <= n) {
      shu_load (v, x + i);
#pragma unroll
      for (int k = 0; k < V; k++)
        v[k] = unary_of<OP> (v[k], a, b, act);
      shu_store (y + i, v);
      continue;
    }
    for (size_t k = i; k < n; k++) {
      shu_load (one, x + k);
      one[0] = unary_of<OP> (one[0], a, b, act);
      shu_store (y + k, one);
    }
  }
}

template <int OP>
static cudaError_t
launch_unary (void *y, const void *x, size_t n, float a, float b, int act,
    cudaStream_t stream)
{
  if (n == 0)
    return cudaSuccess;
  if (shu_aligned (y) && shu_aligned (x))
    unary<OP, SHU_VECTOR>
        <<<shu_blocks (shu_div_up (n, SHU_VECTOR)), SHU_THREADS, 0, stream>>> (
            (__half *) y, (const __half *) x, n, a, b, act);
  else
    unary<OP, 1><<<shu_blocks (n), SHU_THREADS, 0, stream>>> (
        (__half *) y, (const __half *) x, n, a, b, act);
  return cudaGetLastError ();
}

extern "C" cudaError_t
shu_launch_affine (void *y, const void *x, size_t n, float scale, float shift,
    cudaStream_t stream)
{
  return launch_unary<AFFINE> (y, x, n, scale, shift, 0, stream);
}

extern "C" cudaError_t
shu_launch_act (void *y, const void *x, size_t n, int act, cudaStream_t stream)
{
  return launch_unary<ACT> (y, x, n, 0, 0, act, stream);
}

extern "C" cudaError_t
shu_launch_clamp (
    void *y, const void *x, size_t n, float lo, float hi, cudaStream_t stream)
{
  return launch_unary<CLAMP> (y, x, n, lo, hi, 0, stream);
}

/* ---- with broadcasting ---- */

typedef enum { ADD, SUB, MUL, MODULATE, ADD_GATED } Broadcast;

/* Loops over x, outermost first, at the end of the arrays: sizes, and for both
 * other operands the step of each loop in elements (0 where it broadcasts),
 * neighbours merged where they move alike.  Steps of the innermost loop, the
 * row, are 0 or 1. */
typedef struct {
  size_t size[SHU_CUDA_MAX_DIMS];
  size_t b[SHU_CUDA_MAX_DIMS];
  size_t d[SHU_CUDA_MAX_DIMS];
} Loops;

enum { ROW = SHU_CUDA_MAX_DIMS - 1 };

template <int OP>
static __device__ float
broadcast_of (float x, float b, float d)
{
  switch (OP) {
  case ADD:
    return x + b;
  case SUB:
    return x - b;
  case MUL:
    return x * b;
  case MODULATE:
    return x * (1.f + b) + d;
  default:
    return x + b * d;
  }
}

/* V neighbours of an operand, or the same one V times. */
template <int V>
static __device__ void
load_operand (float (&ret)[V], ShuCudaVector v, size_t at, size_t step)
{
  float one[1];

  if (step == 1) {
    shu_load (ret, v, at);
    return;
  }
  shu_load (one, v, at);
#pragma unroll
  for (int k = 0; k < V; k++)
    ret[k] = one[0];
}

/* V elements of one row */
template <int OP, int V>
static __device__ void
broadcast_run (__half *y, const __half *x, ShuCudaVector b, size_t b_at,
    ShuCudaVector d, size_t d_at, const Loops &p)
{
  float xv[V], bv[V], dv[V] = {0};

  shu_load (xv, x);
  load_operand (bv, b, b_at, p.b[ROW]);
  if (OP >= MODULATE)
    load_operand (dv, d, d_at, p.d[ROW]);
#pragma unroll
  for (int k = 0; k < V; k++)
    xv[k] = broadcast_of<OP> (xv[k], bv[k], dv[k]);
  shu_store (y, xv);
}

/* A thread takes V elements of a row, @pieces of which make the row; the last
 * may be shorter where there is one row only.  n pieces in all. */
template <int OP, int V>
static __global__ void
broadcast (__half *y, const __half *x, ShuCudaVector b, ShuCudaVector d,
    Loops p, size_t pieces, size_t n)
{
  for (size_t i = shu_task (); i < n; i += shu_task_step ()) {
    size_t rest = shu_div (i, pieces), at = (i - rest * pieces) * V;
    size_t x_at = rest * p.size[ROW] + at;
    size_t b_at = at * p.b[ROW], d_at = at * p.d[ROW];

#pragma unroll
    for (int k = ROW - 1; k >= 0; k--)
      if (p.size[k] > 1) {
        size_t up = shu_div (rest, p.size[k]), index = rest - up * p.size[k];

        b_at += index * p.b[k];
        d_at += index * p.d[k];
        rest = up;
      }
    if (at + V <= p.size[ROW])
      broadcast_run<OP, V> (y + x_at, x + x_at, b, b_at, d, d_at, p);
    else
      for (size_t k = 0; k < p.size[ROW] - at; k++)
        broadcast_run<OP, 1> (y + x_at + k, x + x_at + k, b,
            b_at + k * p.b[ROW], d, d_at + k * p.d[ROW], p);
  }
}

/* The step of each dimension of x in @v; false where it does not broadcast. */
static bool
operand_steps (
    int n_dims, const int64_t *dims, const ShuCudaOperand *v, size_t *ret_step)
{
  int lead = n_dims - v->n_dims;
  size_t at = 1;

  if (lead < 0 || v->n_dims < 1)
    return false;
  for (int i = n_dims - 1; i >= 0; i--) {
    int64_t size = i >= lead ? v->dims[i - lead] : 1;

    if (size != 1 && size != dims[i])
      return false;
    ret_step[i] = size == 1 ? 0 : at;
    at *= (size_t) size;
  }
  return true;
}

static bool
loops_of (Loops *p, int n_dims, const int64_t *dims, const ShuCudaOperand *b,
    const ShuCudaOperand *d)
{
  size_t sb[SHU_CUDA_MAX_DIMS], sd[SHU_CUDA_MAX_DIMS];
  int k = SHU_CUDA_MAX_DIMS;

  if (n_dims < 1 || n_dims > SHU_CUDA_MAX_DIMS ||
      !operand_steps (n_dims, dims, b, sb) ||
      !operand_steps (n_dims, dims, d, sd))
    return false;
  *p = {{1, 1, 1, 1, 1}, {0, 0, 0, 0, 0}, {0, 0, 0, 0, 0}};
  for (int i = n_dims - 1; i >= 0; i--) {
    size_t size = (size_t) dims[i];

    if (size == 1)
      continue;
    if (k <= ROW && sb[i] == p->b[k] * p->size[k] &&
        sd[i] == p->d[k] * p->size[k]) {
      p->size[k] *= size;
    } else {
      p->size[--k] = size;
      p->b[k] = sb[i];
      p->d[k] = sd[i];
    }
  }
  return true;
}

/* Whether runs of the row may be read 16 bytes at a time. */
static bool
runs_aligned (const void *y, const void *x, const ShuCudaVector &b,
    const ShuCudaVector &d, const Loops &p, size_t rows)
{
  return shu_aligned (y) && shu_aligned (x) &&
         (p.b[ROW] == 0 || shu_aligned (b.data)) &&
         (p.d[ROW] == 0 || shu_aligned (d.data)) &&
         (rows == 1 || p.size[ROW] % SHU_VECTOR == 0);
}

template <int OP>
static cudaError_t
launch_broadcast (void *y, const void *x, int n_dims, const int64_t *dims,
    const ShuCudaOperand *b, const ShuCudaOperand *d, cudaStream_t stream)
{
  size_t rows = 1, pieces;
  Loops p;

  if (!loops_of (&p, n_dims, dims, b, d))
    return cudaErrorInvalidValue;
  for (int k = 0; k < ROW; k++)
    rows *= p.size[k];
  if (rows * p.size[ROW] == 0)
    return cudaSuccess;
  if (runs_aligned (y, x, b->v, d->v, p, rows)) {
    pieces = shu_div_up (p.size[ROW], SHU_VECTOR);
    broadcast<OP, SHU_VECTOR>
        <<<shu_blocks (rows * pieces), SHU_THREADS, 0, stream>>> ((__half *) y,
            (const __half *) x, b->v, d->v, p, pieces, rows * pieces);
  } else {
    pieces = p.size[ROW];
    broadcast<OP, 1><<<shu_blocks (rows * pieces), SHU_THREADS, 0, stream>>> (
        (__half *) y, (const __half *) x, b->v, d->v, p, pieces, rows * pieces);
  }
  return cudaGetLastError ();
}

extern "C" cudaError_t
shu_launch_binary (void *y, const void *x, int n_dims, const int64_t *dims,
    const ShuCudaOperand *b, int op, cudaStream_t stream)
{
  switch (op) {
  case SHU_CUDA_ADD:
    return launch_broadcast<ADD> (y, x, n_dims, dims, b, b, stream);
  case SHU_CUDA_SUB:
    return launch_broadcast<SUB> (y, x, n_dims, dims, b, b, stream);
  case SHU_CUDA_MUL:
    return launch_broadcast<MUL> (y, x, n_dims, dims, b, b, stream);
  default:
    return cudaErrorInvalidValue;
  }
}

extern "C" cudaError_t
shu_launch_ternary (void *y, const void *x, int n_dims, const int64_t *dims,
    const ShuCudaOperand *b, const ShuCudaOperand *d, int op,
    cudaStream_t stream)
{
  switch (op) {
  case SHU_CUDA_MODULATE:
    return launch_broadcast<MODULATE> (y, x, n_dims, dims, b, d, stream);
  case SHU_CUDA_ADD_GATED:
    return launch_broadcast<ADD_GATED> (y, x, n_dims, dims, b, d, stream);
  default:
    return cudaErrorInvalidValue;
  }
}

/* ---- after a product ---- */

/* y [M,N] = act (x + b) + residual; a thread V columns of a row */
template <int V>
static __global__ void
bias_act (__half *y, const __half *x, ShuCudaVector b, const __half *residual,
    size_t M, size_t N, int act)
{
  size_t columns = N / V;

  for (size_t i = shu_task (); i < M * columns; i += shu_task_step ()) {
    float v[V], other[V];

    shu_load (v, x + i * V);
    if (b.data) {
      shu_load (other, b, shu_mod (i, columns) * V);
#pragma unroll
      for (int k = 0; k < V; k++)
        v[k] += other[k];
    }
#pragma unroll
    for (int k = 0; k < V; k++)
      v[k] = shu_act_of (v[k], act);
    if (residual) {
      shu_load (other, residual + i * V);
#pragma unroll
      for (int k = 0; k < V; k++)
        v[k] += other[k];
    }
    shu_store (y + i * V, v);
  }
}

extern "C" cudaError_t
shu_launch_bias_act (void *y, const void *x, ShuCudaVector b,
    const void *residual, size_t M, size_t N, int act, cudaStream_t stream)
{
  bool vector = N % SHU_VECTOR == 0 && shu_aligned (y) && shu_aligned (x) &&
                shu_aligned (b.data) && shu_aligned (residual);

  if (M == 0 || N == 0)
    return cudaSuccess;
  if (vector)
    bias_act<SHU_VECTOR>
        <<<shu_blocks (M * (N / SHU_VECTOR)), SHU_THREADS, 0, stream>>> (
            (__half *) y, (const __half *) x, b, (const __half *) residual, M,
            N, act);
  else
    bias_act<1><<<shu_blocks (M * N), SHU_THREADS, 0, stream>>> ((__half *) y,
        (const __half *) x, b, (const __half *) residual, M, N, act);
  return cudaGetLastError ();
}

/* x [M,2C] -> y [M,C]; a thread V columns of y */
template <int V>
static __global__ void
geglu (__half *y, const __half *x, ShuCudaVector b, size_t M, size_t C)
{
  size_t columns = C / V;

  for (size_t i = shu_task (); i < M * columns; i += shu_task_step ()) {
    size_t row = shu_div (i, columns), at = (i - row * columns) * V;
    float v[V], gate[V], other[V];

    shu_load (v, x + row * 2 * C + at);
    shu_load (gate, x + row * 2 * C + C + at);
    if (b.data) {
      shu_load (other, b, at);
#pragma unroll
      for (int k = 0; k < V; k++)
        v[k] += other[k];
      shu_load (other, b, C + at);
#pragma unroll
      for (int k = 0; k < V; k++)
        gate[k] += other[k];
    }
#pragma unroll
    for (int k = 0; k < V; k++)
      v[k] *= shu_gelu (gate[k]);
    shu_store (y + i * V, v);
  }
}

extern "C" cudaError_t
shu_launch_geglu (void *y, const void *x, ShuCudaVector b, size_t M, size_t C,
    cudaStream_t stream)
{
  bool vector = C % SHU_VECTOR == 0 && shu_aligned (y) && shu_aligned (x) &&
                shu_aligned (b.data);

  if (M == 0 || C == 0)
    return cudaSuccess;
  if (vector)
    geglu<SHU_VECTOR>
        <<<shu_blocks (M * (C / SHU_VECTOR)), SHU_THREADS, 0, stream>>> (
            (__half *) y, (const __half *) x, b, M, C);
  else
    geglu<1><<<shu_blocks (M * C), SHU_THREADS, 0, stream>>> (
        (__half *) y, (const __half *) x, b, M, C);
  return cudaGetLastError ();
}
