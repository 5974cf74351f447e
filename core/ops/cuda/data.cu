/* SPDX-License-Identifier: MIT */
/* Moving data: conversions, runs of bytes, permutations, rows by index.  What
 * only moves is moved in the largest words that addresses, sizes and steps
 * allow. */
#include "ops/cuda/kernel_private.h"

/* ---- conversion, filling ---- */

struct Bf16 {
  uint16_t bits;
};

static __device__ inline void
shu_load (float (&ret)[1], const Bf16 *x)
{
  ret[0] = __uint_as_float ((uint32_t) x->bits << 16);
}

static __device__ inline void
shu_load (float (&ret)[8], const Bf16 *x)
{
  uint4 words = *(const uint4 *) x;
  const Bf16 *v = (const Bf16 *) &words;

#pragma unroll
  for (int i = 0; i < 8; i++)
    ret[i] = __uint_as_float ((uint32_t) v[i].bits << 16);
}

/* y[i] = x[i], rounded to nearest even where y is f16.  A thread takes V
 * elements at a time; the last few one by one. */
template <int V, class Y, class X>
static __global__ void
convert (Y *y, const X *x, size_t n)
{
  for (size_t i = shu_task () * V; i < n; i += shu_task_step () * V) {
    float v[V], one[1];

    if (i + V <= n) {
      shu_load (v, x + i);
      shu_store (y + i, v);
      continue;
    }
    for (size_t k = i; k < n; k++) {
      shu_load (one, x + k);
      shu_store (y + k, one);
    }
  }
}

template <class Y, class X>
static cudaError_t
launch_convert (Y *y, const X *x, size_t n, cudaStream_t stream)
{
  if (n == 0)
    return cudaSuccess;
  if (shu_aligned (y) && shu_aligned (x))
    convert<SHU_VECTOR>
        <<<shu_blocks (shu_div_up (n, SHU_VECTOR)), SHU_THREADS, 0, stream>>> (
            y, x, n);
  else
    convert<1><<<shu_blocks (n), SHU_THREADS, 0, stream>>> (y, x, n);
  return cudaGetLastError ();
}

extern "C" cudaError_t
shu_launch_f32_to_f16 (void *y, const float *x, size_t n, cudaStream_t stream)
{
  return launch_convert ((__half *) y, x, n, stream);
}

extern "C" cudaError_t
shu_launch_f16_to_f32 (float *y, const void *x, size_t n, cudaStream_t stream)
{
  return launch_convert (y, (const __half *) x, n, stream);
}

extern "C" cudaError_t
shu_launch_bf16_to_f16 (void *y, const void *x, size_t n, cudaStream_t stream)
{
  return launch_convert ((__half *) y, (const Bf16 *) x, n, stream);
}

extern "C" cudaError_t
shu_launch_bf16_to_f32 (float *y, const void *x, size_t n, cudaStream_t stream)
{
  return launch_convert (y, (const Bf16 *) x, n, stream);
}

/* y [rows,row] f16 = x times scale [rows]; a thread an element */
template <class X>
static __global__ void
scale_rows (__half *y, const X *x, const float *scale, size_t row, size_t n)
{
  for (size_t i = shu_task (); i < n; i += shu_task_step ()) {
    float v[1];

    shu_load (v, x + i);
    y[i] = __float2half_rn (v[0] * scale[shu_div (i, row)]);
  }
}

extern "C" cudaError_t
shu_launch_scale_rows (void *y, const void *x, int x_type, const float *scale,
    size_t rows, size_t row, cudaStream_t stream)
{
  size_t n = rows * row;
  unsigned blocks = shu_blocks (n);

  if (n == 0)
    return cudaSuccess;
  if (x_type == SHU_CUDA_F32)
    scale_rows<<<blocks, SHU_THREADS, 0, stream>>> (
        (__half *) y, (const float *) x, scale, row, n);
  else if (x_type == SHU_CUDA_BF16)
    scale_rows<<<blocks, SHU_THREADS, 0, stream>>> (
        (__half *) y, (const Bf16 *) x, scale, row, n);
  else
    scale_rows<<<blocks, SHU_THREADS, 0, stream>>> (
        (__half *) y, (const __half *) x, scale, row, n);
  return cudaGetLastError ();
}

/* y[i] = value; a thread an element */
static __global__ void
fill (__half *y, float value, size_t n)
{
  for (size_t i = shu_task (); i < n; i += shu_task_step ())
    y[i] = __float2half_rn (value);
}

extern "C" cudaError_t
shu_launch_fill_f16 (void *y, float value, size_t n, cudaStream_t stream)
{
  if (n == 0)
    return cudaSuccess;
  fill<<<shu_blocks (n), SHU_THREADS, 0, stream>>> ((__half *) y, value, n);
  return cudaGetLastError ();
}

/* ---- words ---- */

/* The largest word that divides all that is in @bits. */
static int
word_of (size_t bits)
{
  int word = 16;

  while (bits % word != 0)
    word /= 2;
  return word;
}

/* One word; zeros where x is NULL. */
static __device__ void
move (char *y, const char *x, int word)
{
  switch (word) {
  case 16:
    *(uint4 *) y = x ? *(const uint4 *) x : make_uint4 (0, 0, 0, 0);
    break;
  case 8:
    *(uint2 *) y = x ? *(const uint2 *) x : make_uint2 (0, 0);
    break;
  case 4:
    *(uint32_t *) y = x ? *(const uint32_t *) x : 0;
    break;
  case 2:
    *(uint16_t *) y = x ? *(const uint16_t *) x : 0;
    break;
  default:
    *y = x ? *x : 0;
  }
}

/* ---- runs ---- */

/* n_rows runs of @words words, steps in bytes; a thread a word */
static __global__ void
copy_rows (char *y, const char *x, size_t n_rows, size_t words, int word,
    size_t y_step, size_t x_step)
{
  for (size_t i = shu_task (); i < n_rows * words; i += shu_task_step ()) {
    size_t row = shu_div (i, words), at = (i - row * words) * word;

    move (y + row * y_step + at, x + row * x_step + at, word);
  }
}

extern "C" cudaError_t
shu_launch_copy (void *y, const void *x, size_t n_rows, size_t bytes,
    size_t y_step, size_t x_step, cudaStream_t stream)
{
  int word = word_of ((uintptr_t) y | (uintptr_t) x | bytes | y_step | x_step);

  if (n_rows == 0 || bytes == 0)
    return cudaSuccess;
  if (n_rows == 1 || (y_step == bytes && x_step == bytes))
    return cudaMemcpyAsync (
        y, x, n_rows * bytes, cudaMemcpyDeviceToDevice, stream);
  copy_rows<<<shu_blocks (n_rows * (bytes / word)), SHU_THREADS, 0, stream>>> (
      (char *) y, (const char *) x, n_rows, bytes / word, word, y_step, x_step);
  return cudaGetLastError ();
}

/* y [n_rows*times rows] from x [n_rows rows] of @words words; a thread a word
 * of y */
static __global__ void
repeat_rows (char *y, const char *x, size_t n_rows, size_t words, int word,
    size_t times, int in_a_row)
{
  for (size_t i = shu_task (); i < n_rows * times * words;
       i += shu_task_step ()) {
    size_t row = shu_div (i, words), at = i - row * words;
    size_t from = in_a_row ? row / times : row % n_rows;

    move (y + i * word, x + (from * words + at) * word, word);
  }
}

extern "C" cudaError_t
shu_launch_repeat (void *y, const void *x, size_t n_rows, size_t bytes,
    size_t times, int in_a_row, cudaStream_t stream)
{
  int word = word_of ((uintptr_t) y | (uintptr_t) x | bytes);
  size_t n = n_rows * times * (bytes / word);

  if (n == 0)
    return cudaSuccess;
  repeat_rows<<<shu_blocks (n), SHU_THREADS, 0, stream>>> ((char *) y,
      (const char *) x, n_rows, bytes / word, word, times, in_a_row);
  return cudaGetLastError ();
}

/* ---- permutation ---- */

/* Loops over y, outermost first: sizes, and steps in x in bytes. */
typedef struct {
  size_t size[SHU_CUDA_MAX_DIMS];
  size_t step[SHU_CUDA_MAX_DIMS];
  int word;
} Permutation;

/* A thread a word of y, n of them. */
static __global__ void
permute (char *y, const char *x, Permutation p, size_t n)
{
  for (size_t i = shu_task (); i < n; i += shu_task_step ()) {
    size_t rest = i, at = 0;

#pragma unroll
    for (int k = SHU_CUDA_MAX_DIMS - 1; k >= 0; k--)
      if (p.size[k] > 1) {
        at += rest % p.size[k] * p.step[k];
        rest /= p.size[k];
      }
    move (y + i * p.word, x + at, p.word);
  }
}

/* Neighbours that stay neighbours become one loop; the loops stand at the end
 * of the arrays, in words where the innermost runs through x. */
static Permutation
permutation_of (const void *y, const void *x, int n_dims, const int64_t *dims,
    const int *axes, size_t elem)
{
  Permutation p = {{1, 1, 1, 1, 1}, {0, 0, 0, 0, 0}, (int) elem};
  size_t step[SHU_CUDA_MAX_DIMS], at = elem, bits;
  const int last = SHU_CUDA_MAX_DIMS - 1;
  int k = SHU_CUDA_MAX_DIMS;

  for (int i = n_dims - 1; i >= 0; i--) {
    step[i] = at;
    at *= (size_t) dims[i];
  }
  for (int i = n_dims - 1; i >= 0; i--) {
    size_t s = (size_t) dims[axes[i]], t = step[axes[i]];

    if (s == 1)
      continue;
    if (k <= last && t == p.size[k] * p.step[k]) {
      p.size[k] *= s;
    } else {
      p.size[--k] = s;
      p.step[k] = t;
    }
  }
  if (p.step[last] == elem) {
    bits = (uintptr_t) y | (uintptr_t) x | p.size[last] * elem;
    for (int i = 0; i < last; i++)
      bits |= p.step[i];
    p.word = word_of (bits);
    p.size[last] = p.size[last] * elem / p.word;
    p.step[last] = p.word;
  }
  return p;
}

extern "C" cudaError_t
shu_launch_permute (void *y, const void *x, int n_dims, const int64_t *dims,
    const int *axes, size_t elem, cudaStream_t stream)
{
  Permutation p;
  size_t n = 1;

  if (n_dims < 1 || n_dims > SHU_CUDA_MAX_DIMS ||
      (elem != 1 && elem != 2 && elem != 4))
    return cudaErrorInvalidValue;
  for (int i = 0; i < n_dims; i++)
    if (dims[i] == 0)
      return cudaSuccess;
  p = permutation_of (y, x, n_dims, dims, axes, elem);
  for (int i = 0; i < SHU_CUDA_MAX_DIMS; i++)
    n *= p.size[i];
  permute<<<shu_blocks (n), SHU_THREADS, 0, stream>>> (
      (char *) y, (const char *) x, p, n);
  return cudaGetLastError ();
}

/* ---- rows by index ---- */

/* y [M rows of words] = rows of x [N]; a thread a word of y */
static __global__ void
gather (char *y, const char *x, const int *index, size_t M, size_t N,
    size_t words, int word)
{
  for (size_t i = shu_task (); i < M * words; i += shu_task_step ()) {
    size_t to = shu_div (i, words);
    int row = index[to];
    bool there = row >= 0 && (size_t) row < N;

    move (y + i * word,
        there ? x + ((size_t) row * words + (i - to * words)) * word : NULL,
        word);
  }
}

extern "C" cudaError_t
shu_launch_gather (void *y, const void *x, const int *index, size_t M, size_t N,
    size_t bytes, cudaStream_t stream)
{
  int word = word_of ((uintptr_t) y | (uintptr_t) x | bytes);
  size_t n = M * (bytes / word);

  if (n == 0)
    return cudaSuccess;
  gather<<<shu_blocks (n), SHU_THREADS, 0, stream>>> (
      (char *) y, (const char *) x, index, M, N, bytes / word, word);
  return cudaGetLastError ();
}

/* The smallest position whose index is not in lo..hi-1; a thread an index. */
static __global__ void
check_index (int *first, const int *index, size_t n, int lo, int hi)
{
  for (size_t i = shu_task (); i < n; i += shu_task_step ())
    if (index[i] < lo || index[i] >= hi)
      atomicMin (first, (int) i);
}

extern "C" cudaError_t
shu_launch_check_index (
    int *first, const int *index, size_t n, int lo, int hi, cudaStream_t stream)
{
  if (n == 0)
    return cudaSuccess;
  if (shu_too_many (n))
    return cudaErrorInvalidValue;
  check_index<<<shu_blocks (n), SHU_THREADS, 0, stream>>> (
      first, index, n, lo, hi);
  return cudaGetLastError ();
}
