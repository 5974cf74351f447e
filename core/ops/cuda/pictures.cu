/* SPDX-License-Identifier: MIT */
/* Pictures of bytes.  Products and sums are rounded one by one, as the CPU
 * does, so that the bytes are the same. */
#include "ops/cuda/kernel_private.h"
#include "ops/cuda/kernels_pictures.h"

/* ---- resizing ---- */

static __device__ inline uint8_t
clamp_byte (int32_t sum)
{
  int v = sum >> 22;

  return (uint8_t) (v < 0 ? 0 : v > 255 ? 255 : v);
}

/* y [H,n_out,C]; a thread a pixel */
template <int C>
static __global__ void
columns (uint8_t *y, const uint8_t *x, size_t H, size_t W, size_t n_out,
    ShuCudaTaps t)
{
  for (size_t i = shu_task (); i < H * n_out; i += shu_task_step ()) {
    size_t u = i % n_out;
    const int32_t *w = t.weight + u * t.stride;
    const uint8_t *p = x + (i / n_out * W + t.first[u]) * C;
    int32_t sum[C];

    for (int c = 0; c < C; c++)
      sum[c] = 1 << 21;
    for (int k = 0; k < t.count[u]; k++)
      for (int c = 0; c < C; c++)
        sum[c] += w[k] * p[k * C + c];
    for (int c = 0; c < C; c++)
      y[i * C + c] = clamp_byte (sum[c]);
  }
}

extern "C" cudaError_t
shu_launch_picture_columns (uint8_t *y, const uint8_t *x, size_t H, size_t W,
    size_t n_out, int C, const ShuCudaTaps *taps, cudaStream_t stream)
{
  unsigned blocks = shu_blocks (H * n_out);

  if (C == 4)
    columns<4><<<blocks, SHU_THREADS, 0, stream>>> (y, x, H, W, n_out, *taps);
  else if (C == 3)
    columns<3><<<blocks, SHU_THREADS, 0, stream>>> (y, x, H, W, n_out, *taps);
  else if (C == 1)
    columns<1><<<blocks, SHU_THREADS, 0, stream>>> (y, x, H, W, n_out, *taps);
  else
    return cudaErrorInvalidValue;
  return cudaGetLastError ();
}

/* y [n_out,row]; a thread a byte */
static __global__ void
rows (uint8_t *y, const uint8_t *x, size_t row, size_t n_out, ShuCudaTaps t)
{
  for (size_t i = shu_task (); i < n_out * row; i += shu_task_step ()) {
    size_t v = i / row;
    const int32_t *w = t.weight + v * t.stride;
    const uint8_t *p = x + t.first[v] * row + i % row;
    int32_t sum = 1 << 21;

    for (int k = 0; k < t.count[v]; k++)
      sum += w[k] * p[k * row];
    y[i] = clamp_byte (sum);
  }
}

extern "C" cudaError_t
shu_launch_picture_rows (uint8_t *y, const uint8_t *x, size_t row, size_t n_out,
    const ShuCudaTaps *taps, cudaStream_t stream)
{
  rows<<<shu_blocks (n_out * row), SHU_THREADS, 0, stream>>> (
      y, x, row, n_out, *taps);
  return cudaGetLastError ();
}

/* ---- alpha; a thread a pixel ---- */

/* a * b / 255, rounded as Pillow does it */
static __device__ inline uint8_t
mul_div_255 (unsigned a, unsigned b)
{
  unsigned t = a * b + 128;

  return (uint8_t) (((t >> 8) + t) >> 8);
}

static __global__ void
premultiply (uint8_t *y, const uint8_t *x, size_t n)
{
  for (size_t i = shu_task (); i < n; i += shu_task_step ()) {
    uint8_t alpha = x[4 * i + 3];

    for (int c = 0; c < 3; c++)
      y[4 * i + c] = mul_div_255 (x[4 * i + c], alpha);
    y[4 * i + 3] = alpha;
  }
}

extern "C" cudaError_t
shu_launch_picture_premultiply (
    uint8_t *y, const uint8_t *x, size_t n, cudaStream_t stream)
{
  premultiply<<<shu_blocks (n), SHU_THREADS, 0, stream>>> (y, x, n);
  return cudaGetLastError ();
}

static __global__ void
unpremultiply (uint8_t *y, const uint8_t *x, size_t n)
{
  for (size_t i = shu_task (); i < n; i += shu_task_step ()) {
    unsigned alpha = x[4 * i + 3];

    for (int c = 0; c < 3; c++) {
      unsigned v = x[4 * i + c];

      if (alpha != 0 && alpha != 255)
        v = min (255 * v / alpha, 255u);
      y[4 * i + c] = (uint8_t) v;
    }
    y[4 * i + 3] = (uint8_t) alpha;
  }
}

extern "C" cudaError_t
shu_launch_picture_unpremultiply (
    uint8_t *y, const uint8_t *x, size_t n, cudaStream_t stream)
{
  unpremultiply<<<shu_blocks (n), SHU_THREADS, 0, stream>>> (y, x, n);
  return cudaGetLastError ();
}

/* 0..1 as a byte as the reference saves it: f16 after every operation */
static __device__ inline uint8_t
saved_byte (float v)
{
  v = __half2float (__float2half_rn (v));
  v = __half2float (__float2half_rn (__fmul_rn (v, 255.0f)));
  v = __half2float (__float2half_rn (__fadd_rn (v, 0.5f)));
  return v >= 255.0f ? 255 : v > 0.0f ? (uint8_t) v : 0;
}

static __global__ void
flatten (uint8_t *y, const uint8_t *x, size_t n, float background, int saved)
{
  for (size_t i = shu_task (); i < n; i += shu_task_step ()) {
    float alpha = __fdiv_rn (x[4 * i + 3], 255.0f);
    float rest = __fmul_rn (background, 1.0f - alpha);

    for (int c = 0; c < 3; c++) {
      float part = __fmul_rn (__fdiv_rn (x[4 * i + c], 255.0f), alpha);
      float v = __fadd_rn (part, rest);

      y[3 * i + c] = saved ? saved_byte (v) : (uint8_t) __fmul_rn (v, 255.0f);
    }
  }
}

extern "C" cudaError_t
shu_launch_picture_flatten (uint8_t *y, const uint8_t *x, size_t n,
    float background, int saved, cudaStream_t stream)
{
  flatten<<<shu_blocks (n), SHU_THREADS, 0, stream>>> (
      y, x, n, background, saved);
  return cudaGetLastError ();
}

/* ---- parts of pictures ---- */

/* A thread a byte of y [h,w,C] */
static __global__ void
crop (uint8_t *y, const uint8_t *x, size_t n, int w, int H, int W, int C,
    int left, int top)
{
  for (size_t i = shu_task (); i < n; i += shu_task_step ()) {
    int v = (int) (i / C / w) + top, u = (int) (i / C % w) + left;
    bool inside = v >= 0 && v < H && u >= 0 && u < W;

    y[i] = inside ? x[((size_t) v * W + u) * C + i % C] : 0;
  }
}

extern "C" cudaError_t
shu_launch_picture_crop (uint8_t *y, const uint8_t *x, int h, int w, int H,
    int W, int C, int left, int top, cudaStream_t stream)
{
  size_t n = (size_t) h * w * C;

  crop<<<shu_blocks (n), SHU_THREADS, 0, stream>>> (
      y, x, n, w, H, W, C, left, top);
  return cudaGetLastError ();
}

/* A thread a byte of y [h,w,C] */
static __global__ void
window (uint8_t *y, const uint8_t *x, size_t n, int w, int H, int W, int C,
    int left, int top, int mirror)
{
  for (size_t i = shu_task (); i < n; i += shu_task_step ()) {
    int u = (int) (i / C % w), v = (int) (i / C / w) + top;

    u = (mirror ? w - 1 - u : u) + left;
    u = min (max (u, 0), W - 1);
    v = min (max (v, 0), H - 1);
    y[i] = x[((size_t) v * W + u) * C + i % C];
  }
}

extern "C" cudaError_t
shu_launch_picture_window (uint8_t *y, const uint8_t *x, int h, int w, int H,
    int W, int C, int left, int top, int mirror, cudaStream_t stream)
{
  size_t n = (size_t) h * w * C;

  window<<<shu_blocks (n), SHU_THREADS, 0, stream>>> (
      y, x, n, w, H, W, C, left, top, mirror);
  return cudaGetLastError ();
}

/* A thread a pixel: of the face the middle one of every 3 x 3 */
static __global__ void
paste_face (uint8_t *y, const uint8_t *x, const uint8_t *face, int S)
{
  size_t n = (size_t) S * S;
  int third = S / 3;

  for (size_t i = shu_task (); i < n; i += shu_task_step ()) {
    int v = (int) (i / S), u = (int) (i % S) - third;
    const uint8_t *from = x + 3 * i;

    if (v < third && u >= 0 && u < third)
      from = face + 3 * ((size_t) (3 * v + 1) * S + 3 * u + 1);
    for (int c = 0; c < 3; c++)
      y[3 * i + c] = from[c];
  }
}

extern "C" cudaError_t
shu_launch_picture_paste_face (uint8_t *y, const uint8_t *x,
    const uint8_t *face, int S, cudaStream_t stream)
{
  paste_face<<<shu_blocks ((size_t) S * S), SHU_THREADS, 0, stream>>> (
      y, x, face, S);
  return cudaGetLastError ();
}

/* ---- to and from activations; a thread a value ---- */

static __global__ void
normalize (__half *y, const uint8_t *x, size_t n, double scale, double3 mean,
    double3 std)
{
  for (size_t i = shu_task (); i < n; i += shu_task_step ()) {
    int c = (int) (i % 3);
    double m = c == 0 ? mean.x : c == 1 ? mean.y : mean.z;
    double s = c == 0 ? std.x : c == 1 ? std.y : std.z;

    y[i] = __float2half_rn ((float) ((x[i] / scale - m) / s));
  }
}

extern "C" cudaError_t
shu_launch_picture_normalize (void *y, const uint8_t *x, size_t n, double scale,
    const double *mean, const double *std, cudaStream_t stream)
{
  double3 m = make_double3 (mean[0], mean[1], mean[2]);
  double3 s = make_double3 (std[0], std[1], std[2]);

  normalize<<<shu_blocks (3 * n), SHU_THREADS, 0, stream>>> (
      (__half *) y, x, 3 * n, scale, m, s);
  return cudaGetLastError ();
}

static __global__ void
from_view (uint8_t *y, const __half *x, size_t n)
{
  for (size_t i = shu_task (); i < n; i += shu_task_step ()) {
    float v = __fadd_rn (__fmul_rn (__half2float (x[i]), 0.5f), 0.5f);

    /* written so that NaN becomes 0 */
    v = __fadd_rn (__fmul_rn (v > 0.0f ? v : 0.0f, 255.0f), 0.5f);
    y[i] = v >= 255.0f ? 255 : (uint8_t) v;
  }
}

extern "C" cudaError_t
shu_launch_picture_from_view (
    uint8_t *y, const void *x, size_t n, cudaStream_t stream)
{
  from_view<<<shu_blocks (n), SHU_THREADS, 0, stream>>> (
      y, (const __half *) x, n);
  return cudaGetLastError ();
}

/* ---- measures ---- */

/* A thread a pixel at a time; whole numbers, so the order does not matter */
static __global__ void
measure (ShuCudaMeasures *ret, const uint8_t *x, size_t n, int W, int C,
    int threshold)
{
  ShuCudaMeasures m = {0, 0x7fffffff, 0x7fffffff, -1, -1, 255, 0};

  for (size_t i = shu_task (); i < n; i += shu_task_step ()) {
    int last = x[i * C + C - 1], u = (int) (i % W), v = (int) (i / W);

    for (int c = 0; c < C; c++)
      m.max = max (m.max, (int) x[i * C + c]);
    m.min = min (m.min, last);
    m.sum += last;
    if (last < threshold)
      continue;
    m.x0 = min (m.x0, u);
    m.x1 = max (m.x1, u);
    m.y0 = min (m.y0, v);
    m.y1 = max (m.y1, v);
  }
  for (int step = SHU_WARP / 2; step > 0; step /= 2) {
    m.sum += __shfl_down_sync (~0u, m.sum, step);
    m.x0 = min (m.x0, __shfl_down_sync (~0u, m.x0, step));
    m.x1 = max (m.x1, __shfl_down_sync (~0u, m.x1, step));
    m.y0 = min (m.y0, __shfl_down_sync (~0u, m.y0, step));
    m.y1 = max (m.y1, __shfl_down_sync (~0u, m.y1, step));
    m.min = min (m.min, __shfl_down_sync (~0u, m.min, step));
    m.max = max (m.max, __shfl_down_sync (~0u, m.max, step));
  }
  if (threadIdx.x % SHU_WARP != 0)
    return;
  atomicAdd (&ret->sum, m.sum);
  atomicMin (&ret->x0, m.x0);
  atomicMax (&ret->x1, m.x1);
  atomicMin (&ret->y0, m.y0);
  atomicMax (&ret->y1, m.y1);
  atomicMin (&ret->min, m.min);
  atomicMax (&ret->max, m.max);
}

extern "C" cudaError_t
shu_launch_picture_measure (ShuCudaMeasures *ret, const uint8_t *x, int H,
    int W, int C, int threshold, cudaStream_t stream)
{
  size_t n = (size_t) H * W;
  unsigned blocks = shu_blocks (n);

  if (blocks > 1024)
    blocks = 1024;
  measure<<<blocks, SHU_THREADS, 0, stream>>> (ret, x, n, W, C, threshold);
  return cudaGetLastError ();
}

/* A warp a cell; the order of whole numbers does not matter */
static __global__ void
cells (uint32_t *sums, uint32_t *n, const uint8_t *x, int H, int W, int C,
    int step, int columns, size_t n_cells)
{
  int lane = threadIdx.x % SHU_WARP;

  for (size_t i = shu_task () / SHU_WARP; i < n_cells;
       i += shu_task_step () / SHU_WARP) {
    int v0 = (int) (i / columns) * step, u0 = (int) (i % columns) * step;
    int h = min (step, H - v0), w = min (step, W - u0);
    uint32_t sum = 0, over = 0;

    for (int k = lane; k < h * w; k += SHU_WARP) {
      size_t at = (size_t) (v0 + k / w) * W + u0 + k % w;
      uint8_t a = x[at * C + C - 1];

      sum += a;
      over += a >= 128;
    }
    for (int k = SHU_WARP / 2; k > 0; k /= 2) {
      sum += __shfl_down_sync (~0u, sum, k);
      over += __shfl_down_sync (~0u, over, k);
    }
    if (lane == 0) {
      sums[i] = sum;
      atomicAdd (n, over);
    }
  }
}

extern "C" cudaError_t
shu_launch_picture_cells (uint32_t *sums, uint32_t *n, const uint8_t *x, int H,
    int W, int C, int step, cudaStream_t stream)
{
  int columns = (W + step - 1) / step, lines = (H + step - 1) / step;
  size_t n_cells = (size_t) columns * lines;

  cells<<<shu_blocks (n_cells * SHU_WARP), SHU_THREADS, 0, stream>>> (
      sums, n, x, H, W, C, step, columns, n_cells);
  return cudaGetLastError ();
}

static __global__ void
compare (uint32_t *n, const uint8_t *x, const uint8_t *y, size_t count,
    int opaque, int tolerance)
{
  for (size_t first = shu_task () / SHU_WARP * SHU_WARP; first < count;
       first += shu_task_step ()) {
    size_t i = first + threadIdx.x % SHU_WARP;
    bool is_opaque = i < count && x[4 * i + 3] >= opaque, differs = false;

    for (int k = 0; is_opaque && k < 3; k++)
      differs |= abs (x[4 * i + k] - y[3 * i + k]) > tolerance;
    unsigned a = __ballot_sync (~0u, is_opaque),
             b = __ballot_sync (~0u, differs);
    if (threadIdx.x % SHU_WARP == 0 && a)
      atomicAdd (n, __popc (a));
    if (threadIdx.x % SHU_WARP == 0 && b)
      atomicAdd (n + 1, __popc (b));
  }
}

extern "C" cudaError_t
shu_launch_picture_compare (uint32_t *n, const uint8_t *x, const uint8_t *y,
    size_t count, int opaque, int tolerance, cudaStream_t stream)
{
  cudaMemsetAsync (n, 0, 2 * sizeof *n, stream);
  compare<<<shu_blocks (count), SHU_THREADS, 0, stream>>> (
      n, x, y, count, opaque, tolerance);
  return cudaGetLastError ();
}
