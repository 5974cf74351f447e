/* SPDX-License-Identifier: MIT */
/* Rows of a table of calls into the CUDA backend.  A row is run three times,
 * the last time out of a captured graph: all must give the same bits, nothing
 * may be written beyond the result, and a sample of it must be right.  With
 * "-m perf" times are printed, too. */
#pragma once
#include "harness.h"
#include "base/half.h"
#include "ops/cuda/cuda_private.h"

extern ShuCuda *cuda; /* set by main */

void must (cudaError_t e);

/* f16 in host and device memory */
typedef struct {
  gsize n;
  guint16 *host;
  guint16 *device;
} Array;

void array_new (Array *a, gsize n);
/* Values in [-scale,scale). */
void array_random (Array *a, gsize n, float scale);
void array_clear (Array *a);

static inline double
value (const Array *a, gsize i)
{
  return shu_f16_to_f32 (a->host[i]);
}

typedef enum { NO_BIAS, BIAS_F16, BIAS_F32 } Bias;

typedef struct {
  Array a;
  float *wide; /* the same in f32, on the device */
  ShuCudaVector v;
} Vector;

void vector_random (Vector *v, Bias bias, gsize n);
void vector_clear (Vector *v);

static inline double
vector_value (const Vector *v, gsize i)
{
  return v->a.n ? value (&v->a, i) : 0;
}

/* @flops: of a run; @work: of one @expect */
typedef struct {
  const char *name;
  gboolean (*run) (gpointer job, GError **error);
  double (*expect) (gpointer job, gsize i); /* result @i */
  gpointer job;
  double flops, work;
} Row;

/* Prints a line; marks the test as failed where something is wrong.  Rows whose
 * names do not match the pattern in SHU_ROWS, if there is one, are left out;
 * with "2/6" all but every sixth from the third on are. */
void check_row (const Row *row, Array *y);
