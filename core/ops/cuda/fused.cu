/* SPDX-License-Identifier: MIT */
/* Steps of transformer blocks in one pass over their rows: residual, layer
 * norm, modulation and reordering. */
#include "ops/cuda/kernel_private.h"
#include "ops/cuda/kernels_layers.h"

/* ---- residual and norm ---- */

/* An order with numbers that divide quickly. */
typedef struct {
  unsigned size[4], step[4];
  unsigned first, present;
} Order;

/* What a row adds and where it goes; rows of x that share a vector of gate,
 * scale and shift follow each other. */
typedef struct {
  const __half *h, *rest, *gate, *scale, *shift;
  const float *w, *b;
  Order h_order, y_order;
  unsigned gate_rows, scale_rows;
  unsigned views, side; /* of the blend; 0: none */
  unsigned rows, C;
  float eps;
  int e4m3; /* y */
} Steps;

enum { ABSENT = 0xffffffffu };

/* Up to here a block a row is faster than a warp a row: 132 multiprocessors
 * have room for about so many. */
enum { FEW_ROWS = 2048 };

static __device__ unsigned
place_of (const Order &o, unsigned r, unsigned (&i)[4])
{
#pragma unroll
  for (int k = 3; k > 0; k--) {
    i[k] = r % o.size[k];
    r /= o.size[k];
  }
  i[0] = r;
  /* what is before the first wraps around */
  return i[1] - o.first < o.present
             ? i[0] * o.step[0] + (i[1] - o.first) * o.step[1] +
                   i[2] * o.step[2] + i[3] * o.step[3]
             : ABSENT;
}

/* The row of h that is blended into row i, which lies at @at. */
static __device__ unsigned
blended_with (const Steps &s, const unsigned (&i)[4], unsigned at)
{
  const Order &o = s.h_order;
  unsigned pixel = i[2] * o.size[3] + i[3], third = s.side / 3;
  unsigned y = pixel / s.side, x = pixel % s.side;

  if (i[1] % s.views != 0 || y >= third || x < third || x >= 2 * third)
    return ABSENT;
  return at + (s.views - 1) * o.step[1] +
         ((3 * y + 1) * s.side + 3 * (x - third) + 1 - pixel) * o.step[3];
}

/* v, V channels at @i of x, and h, those of row @at of h, to the sum as it is
 * stored */
template <int V>
static __device__ void
add_run (float (&v)[V], float (&h)[V], const Steps &s, unsigned row,
    unsigned at, unsigned other, unsigned i, __half *sum)
{
  float more[V];

  if (at == ABSENT) {
    if (s.rest)
      shu_load (h, s.rest + i);
    else
#pragma unroll
      for (int k = 0; k < V; k++)
        h[k] = 0;
  } else {
    if (other != ABSENT) {
      shu_load (more, s.h + (size_t) other * s.C + i);
#pragma unroll
      for (int k = 0; k < V; k++)
        h[k] = (h[k] + more[k]) * 0.5f;
    }
    if (s.gate) {
      shu_load (more, s.gate + (size_t) (row / s.gate_rows) * s.C + i);
#pragma unroll
      for (int k = 0; k < V; k++)
        h[k] *= more[k];
    }
  }
#pragma unroll
  for (int k = 0; k < V; k++)
    v[k] = __half2float (__float2half_rn (v[k] + h[k]));
  shu_store (sum + (size_t) row * s.C + i, v);
}

/* V normalised channels at @i, scaled and modulated, to y */
template <int V>
static __device__ void
finish_run (float (&v)[V], const Steps &s, unsigned row, unsigned i, void *y,
    size_t place)
{
  float a[V];

  if (s.w) {
    shu_load (a, s.w + i);
#pragma unroll
    for (int k = 0; k < V; k++)
      v[k] *= a[k];
  }
  if (s.b) {
    shu_load (a, s.b + i);
#pragma unroll
    for (int k = 0; k < V; k++)
      v[k] += a[k];
  }
  if (s.scale) {
    size_t part = (size_t) (row / s.scale_rows) * s.C + i;

    shu_load (a, s.scale + part);
#pragma unroll
    for (int k = 0; k < V; k++)
      v[k] *= 1.f + a[k];
    shu_load (a, s.shift + part);
#pragma unroll
    for (int k = 0; k < V; k++)
      v[k] += a[k];
  }
  shu_store_norm (y, place + i, v, s.e4m3);
}

/* NV times V channels of a row, V by V from @first on, as they are in memory */
template <int V> struct alignas (2 * V) Part {
  __half half[V];
};

template <int V, int NV> struct Run {
  Part<V> part[NV];
};

template <int V, int NV>
static __device__ inline void
load_run (Run<V, NV> &ret, const __half *x, unsigned first, unsigned step,
    unsigned end)
{
#pragma unroll
  for (int k = 0; k < NV; k++)
    if (first + k * step < end)
      ret.part[k] = *(const Part<V> *) (x + first + k * step);
}

/* @lanes neighbouring threads a row, each NV times V channels of it, which
 * stay in registers.  All is asked for before the first is used. */
template <int V, int NV>
static __global__ void
add_norm (void *y, __half *sum, const __half *x, Steps s, int lanes)
{
  unsigned row = (unsigned) (shu_task () / lanes);
  unsigned first = threadIdx.x % lanes * V, step = lanes * V;
  unsigned end = row < s.rows ? s.C : 0;
  unsigned at = ABSENT, other = ABSENT, to, i[4];
  float v[NV][V], mean = 0, squares = 0, spread;
  Run<V, NV> xs, hs;

  load_run (xs, x + (size_t) row * s.C, first, step, end);
  if (sum && end) {
    at = place_of (s.h_order, row, i);
    if (at != ABSENT)
      load_run (hs, s.h + (size_t) at * s.C, first, step, end);
    if (s.views && at != ABSENT)
      other = blended_with (s, i, at);
  }
#pragma unroll
  for (int k = 0; k < NV; k++)
    if (first + k * step < end)
      shu_load (v[k], xs.part[k].half);
  if (sum)
#pragma unroll
    for (int k = 0; k < NV; k++)
      if (first + k * step < end) {
        float h[V];

        shu_load (h, hs.part[k].half);
        add_run<V> (v[k], h, s, row, at, other, first + k * step, sum);
      }
#pragma unroll
  for (int k = 0; k < NV; k++)
    if (first + k * step < end)
#pragma unroll
      for (int c = 0; c < V; c++)
        mean += v[k][c];
  mean = shu_lanes_sum (mean, lanes) / (float) s.C;
#pragma unroll
  for (int k = 0; k < NV; k++)
    if (first + k * step < end)
#pragma unroll
      for (int c = 0; c < V; c++)
        squares += (v[k][c] - mean) * (v[k][c] - mean);
  spread = shu_lanes_sum (squares, lanes) / (float) s.C + s.eps;
  spread = 1 / sqrtf (spread);
  to = end ? place_of (s.y_order, row, i) : ABSENT;
  if (to == ABSENT)
    return;
#pragma unroll
  for (int k = 0; k < NV; k++)
    if (first + k * step < end) {
#pragma unroll
      for (int c = 0; c < V; c++)
        v[k][c] = (v[k][c] - mean) * spread;
      finish_run<V> (v[k], s, row, first + k * step, y, (size_t) to * s.C);
    }
}

/* What finish_run() takes, early: weights, and what comes from other kernels */
template <int V> struct End {
  float gain[V], offset[V], scale[V], shift[V];

  __device__ void load_weights (const Steps &s, unsigned i)
  {
#pragma unroll
    for (int k = 0; k < V; k++) {
      gain[k] = 1;
      offset[k] = scale[k] = shift[k] = 0;
    }
    if (s.w)
      shu_load (gain, s.w + i);
    if (s.b)
      shu_load (offset, s.b + i);
  }

  __device__ void load (const Steps &s, unsigned row, unsigned i)
  {
    if (s.scale) {
      size_t part = (size_t) (row / s.scale_rows) * s.C + i;

      shu_load (scale, s.scale + part);
      shu_load (shift, s.shift + part);
    }
  }

  __device__ void apply (float (&v)[V]) const
  {
#pragma unroll
    for (int k = 0; k < V; k++)
      v[k] = (v[k] * gain[k] + offset[k]) * (1.f + scale[k]) + shift[k];
  }
};

/* The sum of a block of whole warps, at most SHU_WARP; @room: its own. */
static __device__ float
row_sum (float v, float *room)
{
  int lane = threadIdx.x % SHU_WARP;

  v = shu_lanes_sum (v, SHU_WARP);
  if (lane == 0)
    room[threadIdx.x / SHU_WARP] = v;
  __syncthreads ();
  v = lane < (int) blockDim.x / SHU_WARP ? room[lane] : 0;
  return shu_lanes_sum (v, SHU_WARP);
}

/* Of the row of a block its norm; all call, @v is 0 where it ends before */
template <int V>
static __device__ inline void
norm_row (float (&v)[V], bool here, const Steps &s)
{
  __shared__ float room[2][SHU_WARP];
  float mean = 0, squares = 0, spread;

#pragma unroll
  for (int k = 0; k < V; k++)
    mean += v[k];
  mean = row_sum (mean, room[0]) / (float) s.C;
#pragma unroll
  for (int k = 0; k < V; k++) {
    v[k] -= mean;
    squares += here ? v[k] * v[k] : 0;
  }
  spread = row_sum (squares, room[1]) / (float) s.C + s.eps;
  spread = 1 / sqrtf (spread);
#pragma unroll
  for (int k = 0; k < V; k++)
    v[k] *= spread;
}

/* A block a row, V channels a thread: for few rows, of which every
 * multiprocessor should have some.  What the end needs is asked for before the
 * sums. */
template <int V>
static __global__ void
add_norm_few (void *y, __half *sum, const __half *x, Steps s)
{
  unsigned row = blockIdx.x, c = threadIdx.x * V;
  bool here = c < s.C;
  unsigned at = ABSENT, other = ABSENT, to, i[4];
  float v[V] = {0};
  End<V> end;

  if (here)
    end.load_weights (s, c);
  shu_let_next_begin ();
  shu_await_grid ();
  if (here) {
    shu_load (v, x + (size_t) row * s.C + c);
    end.load (s, row, c);
  }
  if (sum) {
    at = place_of (s.h_order, row, i);
    if (s.views && at != ABSENT)
      other = blended_with (s, i, at);
    if (here) {
      float h[V] = {0};

      if (at != ABSENT)
        shu_load (h, s.h + (size_t) at * s.C + c);
      add_run<V> (v, h, s, row, at, other, c, sum);
    }
  }
  norm_row (v, here, s);
  to = place_of (s.y_order, row, i);
  if (to == ABSENT || !here)
    return;
  end.apply (v);
  shu_store_norm (y, (size_t) to * s.C + c, v, s.e4m3);
}

/* The same where h is in PARTS parts, which with @bias make it; without
 * orders, rest and modulation, so that more blocks find registers.  All is
 * asked for before the first is used. */
template <int V, int PARTS>
static __global__ void
add_norm_parts (__half *y, __half *sum, const __half *x, const __half *bias,
    size_t step, Steps s)
{
  unsigned row = blockIdx.x, c = threadIdx.x * V;
  size_t at = (size_t) row * s.C + c;
  bool here = c < s.C;
  float v[V] = {0}, h[V] = {0};
  End<V> end;

  if (here) {
    end.load_weights (s, c);
    if (bias)
      shu_load (h, bias + c);
  }
  shu_let_next_begin ();
  shu_await_grid ();
  if (here) {
    Part<V> part[PARTS];

    shu_load (v, x + at);
#pragma unroll
    for (int n = 0; n < PARTS; n++)
      part[n] = *(const Part<V> *) (s.h + n * step + at);
#pragma unroll
    for (int n = 0; n < PARTS; n++) {
      float more[V];

      shu_load (more, part[n].half);
#pragma unroll
      for (int k = 0; k < V; k++)
        h[k] += more[k];
    }
    add_run<V> (v, h, s, row, 0, ABSENT, c, sum);
  }
  norm_row (v, here, s);
  if (!here)
    return;
  end.apply (v);
  shu_store (y + at, v);
}

/* A warp a row of any length, which it reads again; the sum is where it is
 * read from. */
static __global__ void
add_norm_any (void *y, __half *sum, const __half *x, Steps s)
{
  unsigned row = (unsigned) (shu_task () / SHU_WARP);
  unsigned lane = threadIdx.x % SHU_WARP;
  unsigned end = row < s.rows ? s.C : 0;
  unsigned at = ABSENT, other = ABSENT, to, i[4];
  float v[1], mean = 0, squares = 0, spread;

  if (sum && end) {
    at = place_of (s.h_order, row, i);
    if (s.views && at != ABSENT)
      other = blended_with (s, i, at);
  }
  for (unsigned k = lane; k < end; k += SHU_WARP) {
    shu_load (v, x + (size_t) row * s.C + k);
    if (sum) {
      float h[1] = {0};

      if (at != ABSENT)
        shu_load (h, s.h + (size_t) at * s.C + k);
      add_run<1> (v, h, s, row, at, other, k, sum);
    }
    mean += v[0];
  }
  if (sum)
    x = sum;
  mean = shu_lanes_sum (mean, SHU_WARP) / (float) s.C;
  for (unsigned k = lane; k < end; k += SHU_WARP) {
    shu_load (v, x + (size_t) row * s.C + k);
    squares += (v[0] - mean) * (v[0] - mean);
  }
  spread = shu_lanes_sum (squares, SHU_WARP) / (float) s.C + s.eps;
  spread = 1 / sqrtf (spread);
  to = end ? place_of (s.y_order, row, i) : ABSENT;
  if (to == ABSENT)
    return;
  for (unsigned k = lane; k < end; k += SHU_WARP) {
    shu_load (v, x + (size_t) row * s.C + k);
    v[0] = (v[0] - mean) * spread;
    finish_run<1> (v, s, row, k, y, (size_t) to * s.C);
  }
}

static Order
order_of (const ShuCudaOrder &o)
{
  Order ret;

  for (int i = 0; i < 4; i++) {
    ret.size[i] = (unsigned) o.size[i];
    ret.step[i] = (unsigned) o.step[i];
  }
  ret.first = (unsigned) o.first;
  ret.present = (unsigned) o.present;
  return ret;
}

static unsigned
root_of (int64_t n)
{
  unsigned side = 1;

  while ((int64_t) side * side < n)
    side++;
  return side;
}

/* Whether all that is read and written is at multiples of 16 bytes. */
static bool
all_aligned (const void *y, const void *sum, const void *x, const Steps &s)
{
  return s.C % SHU_VECTOR == 0 && shu_aligned (y) && shu_aligned (sum) &&
         shu_aligned (x) && shu_aligned (s.h) && shu_aligned (s.rest) &&
         shu_aligned (s.gate) && shu_aligned (s.scale) &&
         shu_aligned (s.shift) && shu_aligned (s.w) && shu_aligned (s.b);
}

template <int NV>
static void
launch_rows (void *y, void *sum, const void *x, const Steps &s, int lanes,
    cudaStream_t stream)
{
  size_t blocks = shu_div_up ((size_t) s.rows * lanes, SHU_THREADS);

  add_norm<SHU_VECTOR, NV><<<(unsigned) blocks, SHU_THREADS, 0, stream>>> (
      y, (__half *) sum, (const __half *) x, s, lanes);
}

/* Whether a block has a row, which is aligned. */
static bool
are_few (size_t rows, size_t C)
{
  return rows <= FEW_ROWS && C % SHU_VECTOR == 0 &&
         C / SHU_VECTOR <= 8 * SHU_WARP;
}

static unsigned
threads_of (size_t C)
{
  return (unsigned) shu_div_up (C / SHU_VECTOR, SHU_WARP) * SHU_WARP;
}

extern "C" cudaError_t
shu_launch_add_norm (void *y, void *sum, const void *x, const ShuCudaAddNorm *p,
    size_t rows, size_t C, cudaStream_t stream)
{
  Steps s = {(const __half *) p->h, (const __half *) p->rest,
      (const __half *) p->gate, (const __half *) p->scale,
      (const __half *) p->shift, p->w, p->b, order_of (p->h_order),
      order_of (p->y_order), (unsigned) p->gate_rows, (unsigned) p->scale_rows,
      (unsigned) p->blend, 0, (unsigned) rows, (unsigned) C, p->eps, p->e4m3};
  unsigned columns = (unsigned) (C / SHU_VECTOR), lanes = SHU_WARP;

  if (rows == 0 || C == 0)
    return cudaSuccess;
  if (shu_too_many (rows * SHU_WARP) || shu_too_many (C))
    return cudaErrorInvalidValue;
  s.side = root_of (p->h_order.size[2] * p->h_order.size[3]);
  if (!all_aligned (y, sum, x, s) || columns > 8 * SHU_WARP) {
    if (s.e4m3)
      return cudaErrorInvalidValue;
    add_norm_any<<<(unsigned) shu_div_up (rows * SHU_WARP, SHU_THREADS),
        SHU_THREADS, 0, stream>>> (y, (__half *) sum, (const __half *) x, s);
    return cudaGetLastError ();
  }
  if (are_few (rows, C))
    return shu_launch_chained (add_norm_few<SHU_VECTOR>, dim3 ((unsigned) rows),
        threads_of (C), 0, stream, y, (__half *) sum, (const __half *) x, s);
  /* the fewest lanes that have at most 5 pieces each: widths of 5 2^k and 4
   * 2^k leave none idle */
  while (lanes > 1 && columns <= lanes / 2 * 5)
    lanes /= 2;
  if (columns <= lanes * 4)
    launch_rows<4> (y, sum, x, s, (int) lanes, stream);
  else if (columns <= lanes * 5)
    launch_rows<5> (y, sum, x, s, (int) lanes, stream);
  else
    launch_rows<8> (y, sum, x, s, (int) lanes, stream);
  return cudaGetLastError ();
}

extern "C" int
shu_launch_add_norm_parts_fits (size_t rows, size_t C)
{
  return are_few (rows, C);
}

extern "C" cudaError_t
shu_launch_add_norm_parts (void *y, void *sum, const void *x,
    const ShuCudaAddNorm *p, const void *bias, unsigned n_parts, size_t rows,
    size_t C, cudaStream_t stream)
{
  auto kernel = n_parts == 2   ? add_norm_parts<SHU_VECTOR, 2>
                : n_parts == 3 ? add_norm_parts<SHU_VECTOR, 3>
                               : add_norm_parts<SHU_VECTOR, 4>;
  Steps s = {};

  s.h = (const __half *) p->h;
  s.gate = (const __half *) p->gate;
  s.gate_rows = (unsigned) p->gate_rows;
  s.w = p->w;
  s.b = p->b;
  s.C = (unsigned) C;
  s.eps = p->eps;
  if (n_parts < 2 || n_parts > 4 || !are_few (rows, C) || !shu_aligned (bias) ||
      !all_aligned (y, sum, x, s))
    return cudaErrorInvalidValue;
  return shu_launch_chained (kernel, dim3 ((unsigned) rows), threads_of (C), 0,
      stream, (__half *) y, (__half *) sum, (const __half *) x,
      (const __half *) bias, rows * C, s);
}
