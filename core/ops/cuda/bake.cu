/* SPDX-License-Identifier: MIT */
/* Colours from pictures onto a surface, a thread a place, and fields over the
 * surface by conjugate gradients. */
#include "ops/cuda/gradients_private.h"

/* What all threads read alike stays where the launch put it. */
#define GIVEN const __grid_constant__

/* of sums over vertices: the same on every card */
enum { BLOCKS = SHU_CUDA_FIELD_BLOCKS };

#define PLACES(n) <<<shu_blocks (n, 128), 128, 0, stream>>>

static __global__ void
differences (float *value, float *weight, GIVEN ShuBakeWorld w, int view,
    unsigned refs, int n)
{
  for (size_t i = shu_task (); i < (size_t) n; i += shu_task_step ())
    weight[i] = shu_bake_difference (&w, view, refs, (int) i, value + 3 * i);
}

extern "C" cudaError_t
shu_launch_bake_differences (float *value, float *weight, const ShuBakeWorld *w,
    int view, unsigned refs, int n, cudaStream_t stream)
{
  differences PLACES (n) (value, weight, *w, view, refs, n);
  return cudaGetLastError ();
}

static __global__ void
lacks (float *value, float *weight, GIVEN ShuBakeWorld w, int n)
{
  for (size_t i = shu_task (); i < (size_t) n; i += shu_task_step ())
    weight[i] = shu_bake_lack (&w, (int) i, value + 3 * i);
}

extern "C" cudaError_t
shu_launch_bake_lacks (float *value, float *weight, const ShuBakeWorld *w,
    int n, cudaStream_t stream)
{
  lacks PLACES (n) (value, weight, *w, n);
  return cudaGetLastError ();
}

static __global__ void
texels (float *y, uint8_t *charts, GIVEN ShuBakeWorld w, const int *face,
    const float *bary, size_t n)
{
  for (size_t i = shu_task (); i < n; i += shu_task_step ()) {
    float rgb[3] = {0, 0, 0};

    if (face[i] >= 0)
      shu_bake_texel (&w, face[i], bary + 2 * i, rgb);
    for (int k = 0; k < 3; k++)
      y[3 * i + k] = rgb[k];
    charts[i] = face[i] >= 0;
  }
}

extern "C" cudaError_t
shu_launch_bake_texels (float *y, uint8_t *charts, const ShuBakeWorld *w,
    const int *face, const float *bary, size_t n, cudaStream_t stream)
{
  texels PLACES (n) (y, charts, *w, face, bary, n);
  return cudaGetLastError ();
}

static __global__ void
to_bytes (uint8_t *y, const float *x, size_t n)
{
  for (size_t i = shu_task (); i < n; i += shu_task_step ())
    y[i] = shu_bake_byte (x[i]);
}

extern "C" cudaError_t
shu_launch_bake_picture (
    uint8_t *y, const float *x, size_t n, cudaStream_t stream)
{
  to_bytes<<<shu_blocks (n), SHU_THREADS, 0, stream>>> (y, x, n);
  return cudaGetLastError ();
}

/* ---- rows ---- */

static __device__ void
put_row (const ShuCudaRows &y, size_t i, const ShuBakeRow &row)
{
  for (int k = 0; k < 3; k++) {
    y.place[3 * i + k] = row.place[k];
    y.color[3 * i + k] = row.color[k];
  }
  y.weight[i] = row.weight;
}

static __global__ void
photo_rows (ShuCudaRows y, GIVEN ShuBakeWorld w, int is_face, int view,
    int size, float widest)
{
  for (size_t i = shu_task (); i < y.n; i += shu_task_step ())
    put_row (y, i,
        shu_bake_photo_row (&w, is_face ? &w.face : &w.photos[view], is_face,
            view, i, size, widest));
}

extern "C" cudaError_t
shu_launch_bake_photo_rows (const ShuCudaRows *y, const ShuBakeWorld *w,
    int is_face, int view, int size, float widest, cudaStream_t stream)
{
  photo_rows PLACES (y->n) (*y, *w, is_face, view, size, widest);
  return cudaGetLastError ();
}

static __global__ void
drawing_rows (ShuCudaRows y, GIVEN ShuBakeWorld w, GIVEN ShuBakeDrawing d,
    int size, float widest)
{
  for (size_t i = shu_task (); i < y.n; i += shu_task_step ())
    put_row (y, i, shu_bake_drawing_row (&w, &d, i, size, widest));
}

extern "C" cudaError_t
shu_launch_bake_drawing_rows (const ShuCudaRows *y, const ShuBakeWorld *w,
    const ShuBakeDrawing *d, int size, float widest, cudaStream_t stream)
{
  drawing_rows PLACES (y->n) (*y, *w, *d, size, widest);
  return cudaGetLastError ();
}

/* ---- fields ---- */

typedef ShuCudaField Field;

static __global__ void
begin (Field f)
{
  double sum[3] = {0, 0, 0};

  for (size_t i = shu_task (); i < (size_t) f.n; i += shu_task_step ()) {
    shu_field_residual (&f.s, (int) i, f.s.held, f.r + 3 * i, sum);
    for (int k = 0; k < 3; k++) {
      f.x[3 * i + k] = f.s.held[3 * i + k];
      f.d[3 * i + k] = 0;
    }
  }
  shu_gradients_put (f.sums, sum);
}

static __global__ void
turn (Field f)
{
  for (size_t i = shu_task (); i < (size_t) f.n; i += shu_task_step ()) {
    float over = shu_field_over (&f.s, (int) i);

    for (int k = 0; k < 3; k++)
      f.d[3 * i + k] = over * f.r[3 * i + k] +
                       (float) f.sums.scalars[BACK + k] * f.d[3 * i + k];
  }
}

static __global__ void
multiply (Field f)
{
  double sum[3] = {0, 0, 0};

  for (size_t i = shu_task (); i < (size_t) f.n; i += shu_task_step ()) {
    float z[3];

    shu_field_product (&f.s, (int) i, f.d, z);
    for (int k = 0; k < 3; k++) {
      f.z[3 * i + k] = z[k];
      sum[k] += (double) f.d[3 * i + k] * z[k];
    }
  }
  shu_gradients_put (f.sums, sum);
}

static __global__ void
advance (Field f)
{
  double sum[3] = {0, 0, 0};
  float step[3];

  shu_gradients_step (f.sums, step);
  for (size_t i = shu_task (); i < (size_t) f.n; i += shu_task_step ()) {
    float over = shu_field_over (&f.s, (int) i);

    for (int k = 0; k < 3; k++) {
      float r = f.r[3 * i + k] - step[k] * f.z[3 * i + k];

      f.x[3 * i + k] += step[k] * f.d[3 * i + k];
      f.r[3 * i + k] = r;
      sum[k] += (double) over * r * r;
    }
  }
  shu_gradients_put (f.sums, sum);
}

static __global__ void
hand_out (Field f)
{
  for (size_t i = shu_task (); i < (size_t) f.n; i += shu_task_step ())
    for (int k = 0; k < 3; k++)
      f.y[3 * i + k] = f.x[3 * (size_t) f.s.first[i] + k];
}

#define VERTICES <<<BLOCKS, SHU_THREADS, 0, stream>>>

extern "C" cudaError_t
shu_launch_field_spread (
    const ShuCudaField *field, int n_steps, cudaStream_t stream)
{
  Field f = *field;

  begin VERTICES (f);
  shu_gradients_sum (f.sums, BLOCKS, RR, 1, stream);
  for (int i = 0; i < n_steps; i++) {
    turn VERTICES (f);
    multiply VERTICES (f);
    shu_gradients_sum (f.sums, BLOCKS, DZ, 0, stream);
    advance VERTICES (f);
    shu_gradients_sum (f.sums, BLOCKS, RR, 0, stream);
  }
  hand_out VERTICES (f);
  return cudaGetLastError ();
}
