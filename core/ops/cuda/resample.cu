/* SPDX-License-Identifier: MIT */
/* Resampling of feature maps.  A thread makes V channels of one point of y,
 * neighbouring threads neighbouring channels, where a kernel says nothing
 * else. */
#include "ops/cuda/kernel_private.h"
#include "ops/cuda/kernels_layers.h"

/* How many channels at a time */
static int
width_of (size_t C, const void *y, const void *x)
{
  return C % SHU_VECTOR == 0 && shu_aligned (y) && shu_aligned (x) ? SHU_VECTOR
                                                                   : 1;
}

template <int V>
static __device__ void
add_scaled (float (&acc)[V], const __half *x, float w)
{
  float v[V];

  shu_load (v, x);
#pragma unroll
  for (int k = 0; k < V; k++)
    acc[k] += w * v[k];
}

/* ---- bilinear ---- */

/* The first of two inputs that an output lies between, and the second's
 * weight; in the steps of the CPU's arithmetic. */
static __device__ size_t
between (size_t i, size_t n, float scale, float *ret_weight)
{
  float at = __fsub_rn (__fmul_rn ((float) i + 0.5f, scale), 0.5f);
  size_t lo;

  at = at < 0 ? 0 : at;
  lo = min ((size_t) at, n - 1);
  *ret_weight = lo + 1 < n ? at - (float) lo : 0;
  return lo;
}

/* x [B,H,W,C], like [B,h,w,D] -> y [B,h,w,C+D], the first C channels from x */
template <int V>
static __global__ void
resize_bilinear (__half *y, const __half *x, const __half *like, size_t n,
    size_t H, size_t W, size_t h, size_t w, size_t C, size_t D, float scale_h,
    float scale_w)
{
  size_t columns = (C + D) / V;

  shu_let_next_begin ();
  shu_await_grid ();
  for (size_t i = shu_task (); i < n; i += shu_task_step ()) {
    size_t point = shu_div (i, columns), ch = (i - point * columns) * V;
    size_t row = shu_div (point, w), column = point - row * w;
    size_t b = shu_div (row, h);
    float wy, wx, acc[V] = {0};
    size_t top = between (row - b * h, H, scale_h, &wy);
    size_t left = between (column, W, scale_w, &wx);
    const __half *at = x + ((b * H + top) * W + left) * C + ch;

    if (ch >= C)
      shu_load (acc, like + point * D + (ch - C));
    else
      add_scaled (acc, at, (1 - wy) * (1 - wx));
    if (ch < C && wx > 0)
      add_scaled (acc, at + C, (1 - wy) * wx);
    if (ch < C && wy > 0)
      add_scaled (acc, at + W * C, wy * (1 - wx));
    if (ch < C && wx > 0 && wy > 0)
      add_scaled (acc, at + (W + 1) * C, wy * wx);
    shu_store (y + i * V, acc);
  }
}

template <int V>
static cudaError_t
launch_bilinear (void *y, const void *x, const void *like, size_t B, size_t H,
    size_t W, size_t h, size_t w, size_t C, size_t D, cudaStream_t stream)
{
  size_t n = B * h * w * ((C + D) / V);

  return shu_launch_chained (resize_bilinear<V>, dim3 (shu_blocks (n)),
      SHU_THREADS, 0, stream, (__half *) y, (const __half *) x,
      (const __half *) like, n, H, W, h, w, C, D, (float) H / (float) h,
      (float) W / (float) w);
}

extern "C" cudaError_t
shu_launch_resize_concat (void *y, const void *x, const void *like, size_t B,
    size_t H, size_t W, size_t h, size_t w, size_t C, size_t D,
    cudaStream_t stream)
{
  if (B * h * w * (C + D) == 0 || H == 0 || W == 0)
    return cudaSuccess;
  return width_of (C, y, x) == SHU_VECTOR && width_of (D, y, like) == SHU_VECTOR
             ? launch_bilinear<SHU_VECTOR> (
                   y, x, like, B, H, W, h, w, C, D, stream)
             : launch_bilinear<1> (y, x, like, B, H, W, h, w, C, D, stream);
}

extern "C" cudaError_t
shu_launch_resize_bilinear (void *y, const void *x, size_t B, size_t H,
    size_t W, size_t h, size_t w, size_t C, cudaStream_t stream)
{
  return shu_launch_resize_concat (y, x, NULL, B, H, W, h, w, C, 0, stream);
}

/* ---- bicubic ---- */

static __device__ double
cubic (double x)
{
  const double a = -0.5;

  x = fabs (x);
  if (x < 1)
    return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

/* The inputs [lo,lo+count) that output i of m over n sees, and their weights,
 * which sum up to 1. */
static __device__ void
cubic_taps (size_t i, size_t n, size_t m, int *ret_lo, int *ret_count,
    float *ret_weight)
{
  double scale = (double) n / (double) m, stretch = scale > 1 ? scale : 1;
  double centre = ((double) i + 0.5) * scale, support = 2 * stretch, sum = 0;
  long long from = (long long) (centre - support + 0.5);
  long long to = (long long) (centre + support + 0.5);
  int lo = (int) (from > 0 ? from : 0);
  int hi = (int) (to < (long long) n ? to : (long long) n);

  for (int k = lo; k < hi; k++)
    sum += cubic ((k - centre + 0.5) / stretch);
  for (int k = lo; k < hi; k++)
    ret_weight[k - lo] = (float) (cubic ((k - centre + 0.5) / stretch) / sum);
  *ret_lo = lo;
  *ret_count = hi - lo;
}

/* The most taps of an output */
static size_t
cubic_room (size_t n, size_t m)
{
  double scale = (double) n / (double) m;

  return (size_t) ceil (2 * (scale > 1 ? scale : 1)) * 2 + 1;
}

/* x [B,H,W,C] -> y [B,h,w,C]; a block a point, whose weights its first two
 * warps find; then a thread V channels */
template <int V>
static __global__ void
resize_bicubic_aa (__half *y, const __half *x, size_t H, size_t W, size_t h,
    size_t w, size_t C, size_t room_h)
{
  extern __shared__ float weights[]; /* [room_h], [room_w] */
  __shared__ int first[2], count[2];
  const float *wh = weights, *ww = weights + room_h;
  size_t b = blockIdx.x / w / h;

  if (threadIdx.x == 0)
    cubic_taps (blockIdx.x / w % h, H, h, &first[0], &count[0], weights);
  if (threadIdx.x == SHU_WARP)
    cubic_taps (blockIdx.x % w, W, w, &first[1], &count[1], weights + room_h);
  __syncthreads ();
  for (size_t ch = threadIdx.x * V; ch < C; ch += blockDim.x * V) {
    float acc[V] = {0};

    for (int i = 0; i < count[0]; i++) {
      const __half *at = x + ((b * H + first[0] + i) * W + first[1]) * C + ch;
      float row[V] = {0};

      for (int j = 0; j < count[1]; j++)
        add_scaled (row, at + j * C, ww[j]);
#pragma unroll
      for (int k = 0; k < V; k++)
        acc[k] += wh[i] * row[k];
    }
    shu_store (y + blockIdx.x * C + ch, acc);
  }
}

extern "C" cudaError_t
shu_launch_resize_bicubic_aa (void *y, const void *x, size_t B, size_t H,
    size_t W, size_t h, size_t w, size_t C, cudaStream_t stream)
{
  const size_t most = 48 << 10; /* what every device has, without asking */
  size_t n = B * h * w, room, room_h;

  if (n == 0 || H == 0 || W == 0 || C == 0)
    return cudaSuccess;
  room_h = cubic_room (H, h);
  room = (room_h + cubic_room (W, w)) * sizeof (float);
  if (shu_too_many (n) || shu_too_many (H) || shu_too_many (W) ||
      room + 64 > most)
    return cudaErrorInvalidValue;
  if (width_of (C, y, x) == SHU_VECTOR)
    resize_bicubic_aa<SHU_VECTOR>
        <<<(unsigned) n, SHU_THREADS / 2, room, stream>>> (
            (__half *) y, (const __half *) x, H, W, h, w, C, room_h);
  else
    resize_bicubic_aa<1><<<(unsigned) n, SHU_THREADS / 2, room, stream>>> (
        (__half *) y, (const __half *) x, H, W, h, w, C, room_h);
  return cudaGetLastError ();
}

/* ---- nearest, pooling ---- */

/* x [B,H,W,C] -> y [B,F*H,F*W,C] */
template <int V>
static __global__ void
upsample_nearest (
    __half *y, const __half *x, size_t rows, size_t W, size_t C, size_t F)
{
  size_t columns = C / V;

  for (size_t i = shu_task (); i < rows * F * W * F * columns;
       i += shu_task_step ()) {
    size_t point = i / columns, row = point / (W * F) / F;
    float v[V];

    shu_load (v, x + (row * W + point % (W * F) / F) * C + i % columns * V);
    shu_store (y + i * V, v);
  }
}

extern "C" cudaError_t
shu_launch_upsample_nearest (void *y, const void *x, size_t B, size_t H,
    size_t W, size_t C, int factor, cudaStream_t stream)
{
  int V = width_of (C, y, x);
  size_t F = (size_t) factor, n = B * H * F * W * F * (C / V);

  if (factor < 1)
    return cudaErrorInvalidValue;
  if (n == 0)
    return cudaSuccess;
  if (V == SHU_VECTOR)
    upsample_nearest<SHU_VECTOR><<<shu_blocks (n), SHU_THREADS, 0, stream>>> (
        (__half *) y, (const __half *) x, B * H, W, C, F);
  else
    upsample_nearest<1><<<shu_blocks (n), SHU_THREADS, 0, stream>>> (
        (__half *) y, (const __half *) x, B * H, W, C, F);
  return cudaGetLastError ();
}

/* x [B,H,W,C] -> y [B,h,w,C], halves rounded up */
template <int V>
static __global__ void
max_pool2 (__half *y, const __half *x, size_t B, size_t H, size_t W, size_t C)
{
  size_t columns = C / V, h = (H + 1) / 2, w = (W + 1) / 2;

  for (size_t i = shu_task (); i < B * h * w * columns; i += shu_task_step ()) {
    size_t point = i / columns, b = point / w / h;
    size_t top = point / w % h * 2, left = point % w * 2;
    const __half *at = x + ((b * H + top) * W + left) * C + i % columns * V;
    float best[V], v[V];

    shu_load (best, at);
    for (int k = 1; k < 4; k++) {
      if (top + k / 2 >= H || left + k % 2 >= W)
        continue;
      shu_load (v, at + (k / 2 * W + k % 2) * C);
#pragma unroll
      for (int c = 0; c < V; c++)
        best[c] = v[c] > best[c] ? v[c] : best[c];
    }
    shu_store (y + i * V, best);
  }
}

extern "C" cudaError_t
shu_launch_max_pool2 (void *y, const void *x, size_t B, size_t H, size_t W,
    size_t C, cudaStream_t stream)
{
  int V = width_of (C, y, x);
  size_t n = B * ((H + 1) / 2) * ((W + 1) / 2) * (C / V);

  if (n == 0)
    return cudaSuccess;
  if (V == SHU_VECTOR)
    max_pool2<SHU_VECTOR><<<shu_blocks (n), SHU_THREADS, 0, stream>>> (
        (__half *) y, (const __half *) x, B, H, W, C);
  else
    max_pool2<1><<<shu_blocks (n), SHU_THREADS, 0, stream>>> (
        (__half *) y, (const __half *) x, B, H, W, C);
  return cudaGetLastError ();
}

typedef struct {
  size_t from[3]; /* D, H, W */
  size_t to[3];   /* d, h, w */
} Sides;

/* Window of output i along one axis: [floor (i n / m), ceil ((i+1) n / m)) */
static __device__ size_t
window (size_t i, const Sides &s, int axis, size_t *ret_end)
{
  *ret_end = ((i + 1) * s.from[axis] + s.to[axis] - 1) / s.to[axis];
  return i * s.from[axis] / s.to[axis];
}

/* x [B,D,H,W,C] -> y [B,d,h,w,C], n tasks */
template <int V>
static __global__ void
adaptive_pool (__half *y, const __half *x, Sides s, size_t C, size_t n)
{
  size_t columns = C / V, H = s.from[1], W = s.from[2];

  for (size_t i = shu_task (); i < n; i += shu_task_step ()) {
    size_t point = i / columns, row = point / s.to[2];
    size_t b = row / s.to[1] / s.to[0], z1, y1, x1;
    size_t z0 = window (row / s.to[1] % s.to[0], s, 0, &z1);
    size_t y0 = window (row % s.to[1], s, 1, &y1);
    size_t x0 = window (point % s.to[2], s, 2, &x1);
    float count = (float) ((z1 - z0) * (y1 - y0) * (x1 - x0)), acc[V] = {0};

    x0 += b * s.from[0] * H * W;
    x1 += b * s.from[0] * H * W;
    for (size_t zi = z0; zi < z1; zi++)
      for (size_t yi = y0; yi < y1; yi++)
        for (size_t xi = x0; xi < x1; xi++)
          add_scaled (
              acc, x + ((zi * H + yi) * W + xi) * C + i % columns * V, 1);
#pragma unroll
    for (int k = 0; k < V; k++)
      acc[k] /= count;
    shu_store (y + i * V, acc);
  }
}

extern "C" cudaError_t
shu_launch_adaptive_pool (void *y, const void *x, size_t B,
    const int64_t from[3], const int64_t to[3], size_t C, cudaStream_t stream)
{
  int V = width_of (C, y, x);
  size_t n = B * (C / V);
  Sides s;

  for (int i = 0; i < 3; i++) {
    if (from[i] < 1)
      return cudaErrorInvalidValue;
    s.from[i] = (size_t) from[i];
    s.to[i] = (size_t) to[i];
    n *= s.to[i];
  }
  if (n == 0)
    return cudaSuccess;
  if (V == SHU_VECTOR)
    adaptive_pool<SHU_VECTOR><<<shu_blocks (n), SHU_THREADS, 0, stream>>> (
        (__half *) y, (const __half *) x, s, C, n);
  else
    adaptive_pool<1><<<shu_blocks (n), SHU_THREADS, 0, stream>>> (
        (__half *) y, (const __half *) x, s, C, n);
  return cudaGetLastError ();
}

/* ---- between channels and space ---- */

/* x [B,D,H,W,8C] -> y [B,2D,2H,2W,C]; a thread the 8 values that one channel
 * has in a point of x; rows: B D H */
static __global__ void
pixel_shuffle3d (__half *y, const __half *x, size_t rows, size_t H, size_t W,
    size_t C, bool vector)
{
  for (size_t i = shu_task (); i < rows * W * C; i += shu_task_step ()) {
    size_t point = i / C, bd = point / W / H; /* b * D + d */
    size_t hi = point / W % H, wi = point % W;
    float v[8], one[1];

    if (vector)
      shu_load (v, x + i * 8);
    else
#pragma unroll
      for (int k = 0; k < 8; k++) {
        shu_load (one, x + i * 8 + k);
        v[k] = one[0];
      }
#pragma unroll
    for (int k = 0; k < 8; k++) {
      size_t row = (bd * 2 + k / 4) * 2 * H + 2 * hi + k / 2 % 2;

      y[(row * 2 * W + 2 * wi + k % 2) * C + i % C] = __float2half_rn (v[k]);
    }
  }
}

extern "C" cudaError_t
shu_launch_pixel_shuffle3d (void *y, const void *x, size_t B, size_t D,
    size_t H, size_t W, size_t C, cudaStream_t stream)
{
  size_t n = B * D * H * W * C;

  if (n == 0)
    return cudaSuccess;
  pixel_shuffle3d<<<shu_blocks (n), SHU_THREADS, 0, stream>>> (
      (__half *) y, (const __half *) x, B * D * H, H, W, C, shu_aligned (x));
  return cudaGetLastError ();
}
