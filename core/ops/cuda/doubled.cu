/* SPDX-License-Identifier: MIT */
/* A 3x3 convolution of a map that was doubled by repetition: for each of the
 * four parities of row and column a 2x2 convolution of the map itself, whose
 * taps are sums, with less than half of the arithmetic. */
#include "ops/cuda/kernel_private.h"
#include "ops/cuda/kernels_layers.h"

/* Along one axis: of the three taps those that fall on tap @k of the two, for
 * even (w0 | w1 + w2) and odd places (w0 + w1 | w2) */
static __device__ inline int
first_tap (int odd, int k)
{
  return k == 0 ? 0 : odd ? 2 : 1;
}

static __device__ inline int
end_tap (int odd, int k)
{
  return k == 1 ? 3 : odd ? 2 : 1;
}

/* w [Co,3,3,Ci] -> y [2,2,Co,2,2,Ci]; a thread an element of y */
static __global__ void
doubled_weights (__half *y, const __half *w, size_t Co, size_t Ci)
{
  size_t n = 16 * Co * Ci;

  for (size_t i = shu_task (); i < n; i += shu_task_step ()) {
    size_t rest = i / Ci, o = rest / 4 % Co;
    int s = (int) (rest % 2), r = (int) (rest / 2 % 2);
    int b = (int) (rest / 4 / Co % 2), a = (int) (rest / 8 / Co);
    float sum = 0;

    for (int ky = first_tap (a, r); ky < end_tap (a, r); ky++)
      for (int kx = first_tap (b, s); kx < end_tap (b, s); kx++)
        sum += __half2float (w[((o * 3 + ky) * 3 + kx) * Ci + i % Ci]);
    y[i] = __float2half_rn (sum);
  }
}

extern "C" cudaError_t
shu_launch_doubled_weights (
    void *y, const void *w, size_t Co, size_t Ci, cudaStream_t stream)
{
  if (Co * Ci == 0)
    return cudaSuccess;
  doubled_weights<<<shu_blocks (16 * Co * Ci), SHU_THREADS, 0, stream>>> (
      (__half *) y, (const __half *) w, Co, Ci);
  return cudaGetLastError ();
}

/* x [2,2,B,H,W,C] -> y [B,2H,2W,C]; a thread V channels of y */
template <int V>
static __global__ void
interleave (__half *y, const __half *x, size_t B, size_t H, size_t W, size_t C)
{
  size_t columns = C / V, n = B * 4 * H * W * columns;

  for (size_t i = shu_task (); i < n; i += shu_task_step ()) {
    size_t point = i / columns, col = point % (2 * W);
    size_t row = point / (2 * W) % (2 * H), item = point / (4 * H * W);
    size_t from = (row % 2 * 2 + col % 2) * B + item;
    float v[V];

    shu_load (
        v, x + ((from * H + row / 2) * W + col / 2) * C + i % columns * V);
    shu_store (y + i * V, v);
  }
}

extern "C" cudaError_t
shu_launch_interleave (void *y, const void *x, size_t B, size_t H, size_t W,
    size_t C, cudaStream_t stream)
{
  size_t n = B * 4 * H * W * C;

  if (n == 0)
    return cudaSuccess;
  if (C % SHU_VECTOR == 0 && shu_aligned (y) && shu_aligned (x))
    interleave<SHU_VECTOR>
        <<<shu_blocks (n / SHU_VECTOR), SHU_THREADS, 0, stream>>> (
            (__half *) y, (const __half *) x, B, H, W, C);
  else
    interleave<1><<<shu_blocks (n), SHU_THREADS, 0, stream>>> (
        (__half *) y, (const __half *) x, B, H, W, C);
  return cudaGetLastError ();
}
