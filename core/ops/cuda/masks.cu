/* SPDX-License-Identifier: MIT */
/* What matting does with what its network says, and the connected pieces of a
 * mask by hooking the roots of neighbours to each other (union-find; Komura
 * 2015, Playne and Hawick 2018). */
#include "ops/cuda/kernel_private.h"
#include "ops/cuda/kernels_pictures.h"

/* A thread a value: the mean of p and the mirrored q */
static __global__ void
mean (__half *y, const __half *p, const __half *q, int S)
{
  size_t n = (size_t) S * S;

  for (size_t i = shu_task (); i < n; i += shu_task_step ()) {
    size_t u = i % S;
    float b = __half2float (q[i - u + S - 1 - u]);

    y[i] = __float2half_rn ((__half2float (p[i]) + b) / 2);
  }
}

extern "C" cudaError_t
shu_launch_mask_mean (
    void *y, const void *p, const void *q, int S, cudaStream_t stream)
{
  mean<<<shu_blocks ((size_t) S * S), SHU_THREADS, 0, stream>>> (
      (__half *) y, (const __half *) p, (const __half *) q, S);
  return cudaGetLastError ();
}

static __global__ void
to_picture (uint8_t *y, const __half *p, size_t n, float lo, float hi)
{
  for (size_t i = shu_task (); i < n; i += shu_task_step ()) {
    float v = __fdiv_rn (__half2float (p[i]) - lo, hi - lo);

    v = fminf (fmaxf (v, 0.0f), 1.0f);
    y[i] = (uint8_t) __fmul_rn (v, 255.0f);
  }
}

extern "C" cudaError_t
shu_launch_mask_to_picture (uint8_t *y, const void *p, size_t n, float lo,
    float hi, cudaStream_t stream)
{
  to_picture<<<shu_blocks (n), SHU_THREADS, 0, stream>>> (
      y, (const __half *) p, n, lo, hi);
  return cudaGetLastError ();
}

/* ---- measures ---- */

static const int MEASURE_THREADS = 512;

static __device__ ShuCudaMaskMeasures
join (ShuCudaMaskMeasures a, ShuCudaMaskMeasures b)
{
  a.sum += b.sum;
  a.doubt += b.doubt;
  a.smaller += b.smaller;
  a.larger += b.larger;
  a.lo = fminf (a.lo, b.lo);
  a.hi = fmaxf (a.hi, b.hi);
  a.most = fmaxf (a.most, b.most);
  a.finite &= b.finite;
  a.n_row += b.n_row;
  return a;
}

/* One block, so that sums are added in one order */
static __global__ void
measure (ShuCudaMaskMeasures *ret, const __half *p, const __half *q, int S,
    int x0, int y0, int x1, int y1, int row)
{
  __shared__ ShuCudaMaskMeasures of[MEASURE_THREADS];
  ShuCudaMaskMeasures m = {0, 0, 0, 0, INFINITY, -INFINITY, 0, 1, 0};

  for (int i = threadIdx.x; i < S * S; i += MEASURE_THREADS) {
    int u = i % S, v = i / S;
    float a = __half2float (p[i]), b = __half2float (q[v * S + S - 1 - u]);
    ShuCudaMaskMeasures one = {0, 0, fminf (a, b), fmaxf (a, b), a, a, 0,
        isfinite (a) ? 1 : 0, v == row && a > 0.5f ? 1 : 0};

    if (v >= y0 && v < y1 && u >= x0 && u < x1) {
      one.sum = a;
      one.doubt = 4 * (double) a * (1 - (double) a);
      one.most = isnan (a) ? INFINITY : a;
    }
    m = join (m, one);
  }
  of[threadIdx.x] = m;
  for (int step = MEASURE_THREADS / 2; step > 0; step /= 2) {
    __syncthreads ();
    if ((int) threadIdx.x < step)
      of[threadIdx.x] = join (of[threadIdx.x], of[threadIdx.x + step]);
  }
  if (threadIdx.x == 0)
    *ret = of[0];
}

extern "C" cudaError_t
shu_launch_mask_measure (ShuCudaMaskMeasures *ret, const void *p, const void *q,
    int S, int x0, int y0, int x1, int y1, int row, cudaStream_t stream)
{
  measure<<<1, MEASURE_THREADS, 0, stream>>> (
      ret, (const __half *) p, (const __half *) q, S, x0, y0, x1, y1, row);
  return cudaGetLastError ();
}

/* ---- pieces ---- */

/* Every pixel that counts is a root of its own. */
static __global__ void
begin (
    int *label, unsigned long long *sums, const uint8_t *x, size_t n, int faint)
{
  for (size_t i = shu_task (); i <= n; i += shu_task_step ()) {
    sums[i] = 0;
    if (i < n)
      label[i] = x[i] >= faint ? (int) i : -1;
  }
}

static __device__ int
root_of (const int *label, int i)
{
  int next;

  while ((next = *(const volatile int *) (label + i)) != i)
    i = next;
  return i;
}

/* Hooks the larger root to the smaller one; whoever came between is hooked
 * in turn. */
static __device__ void
unite (int *label, int a, int b)
{
  for (;;) {
    a = root_of (label, a);
    b = root_of (label, b);
    if (a == b)
      return;
    int high = max (a, b), low = min (a, b);
    int old = atomicMin (label + high, low);

    if (old == high)
      return;
    a = old;
    b = low;
  }
}

static __global__ void
connect (int *label, size_t n, int W)
{
  for (size_t i = shu_task (); i < n; i += shu_task_step ()) {
    if (label[i] < 0)
      continue;
    if (i % W > 0 && label[i - 1] >= 0)
      unite (label, (int) i, (int) i - 1);
    if (i >= (size_t) W && label[i - W] >= 0)
      unite (label, (int) i, (int) i - W);
  }
}

static __global__ void
add_up (unsigned long long *sums, const int *label, const uint8_t *x, size_t n)
{
  for (size_t i = shu_task (); i < n; i += shu_task_step ())
    if (label[i] >= 0)
      atomicAdd (sums + root_of (label, (int) i), (unsigned long long) x[i]);
}

/* sums[n]: the largest */
static __global__ void
find_largest (unsigned long long *sums, size_t n)
{
  for (size_t i = shu_task (); i < n; i += shu_task_step ())
    if (sums[i] > 0)
      atomicMax (sums + n, sums[i]);
}

static __global__ void
keep (uint8_t *y, const uint8_t *x, const int *label,
    const unsigned long long *sums, size_t n, int share)
{
  for (size_t i = shu_task (); i < n; i += shu_task_step ())
    y[i] = label[i] >= 0 && sums[root_of (label, (int) i)] * share >= sums[n]
               ? x[i]
               : 0;
}

extern "C" cudaError_t
shu_launch_mask_clean (uint8_t *y, const uint8_t *x, int H, int W, int faint,
    int share, int *label, unsigned long long *sums, cudaStream_t stream)
{
  size_t n = (size_t) H * W;
  unsigned blocks = shu_blocks (n + 1);

  begin<<<blocks, SHU_THREADS, 0, stream>>> (label, sums, x, n, faint);
  connect<<<blocks, SHU_THREADS, 0, stream>>> (label, n, W);
  add_up<<<blocks, SHU_THREADS, 0, stream>>> (sums, label, x, n);
  find_largest<<<blocks, SHU_THREADS, 0, stream>>> (sums, n);
  keep<<<blocks, SHU_THREADS, 0, stream>>> (y, x, label, sums, n, share);
  return cudaGetLastError ();
}
