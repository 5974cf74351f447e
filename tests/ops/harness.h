/* SPDX-License-Identifier: MIT */
/* What the tests of operations share: a run on each backend, random tensors,
 * and the comparison with a reference.
 *
 * Operands are in host memory, where a reference reads them; on a GPU their
 * values are f16 numbers, so that only arithmetic differs. */
#pragma once
#include "ops/ops.h"
#include "base/error.h"

/* Adds @func twice: as PATH/cpu and as PATH/cuda, which is skipped where there
 * is no GPU. */
void test_add (const char *path, GTestFunc func);
/* As PATH/cuda alone. */
void test_add_cuda (const char *path, GTestFunc func);
/* Whether the test runs on a GPU: context_new() then gives one of that. */
gboolean on_gpu (void);
ShuCtx *context_new (void);

/* Starts the sequence of values anew; it begins at seed 0. */
void random_seed (guint64 seed);
/* Values in [-1,1). */
ShuTensor *random_tensor (ShuCtx *c, int n_dims, const gint64 *dims);
/* I32 in lo..hi-1 */
ShuTensor *random_index (
    ShuCtx *c, int n_dims, const gint64 *dims, int lo, int hi);

/* In host memory, not initialised */
ShuTensor *host_tensor (
    ShuCtx *c, ShuDType dtype, int n_dims, const gint64 *dims);
/* @t in host memory, f32, i32 or u8: itself or a copy */
ShuTensor *to_host (ShuCtx *c, ShuTensor *t);

/* A result-shaped array of doubles to fill in. */
double *reference_new (const ShuTensor *t);

static inline double
at (const ShuTensor *t, gsize i)
{
  return ((const float *) t->data)[i];
}

static inline gint32
index_at (const ShuTensor *t, gsize i)
{
  return ((const gint32 *) t->data)[i];
}

double act_reference (double x, ShuAct act);

/* What may be wrong where the CPU's f32 is wrong by @limit */
double epsilon (double limit);

/* Fails unless the squared error of @t over the squares of @expected is
 * below @limit (values that cancel to nothing count as 0.1); frees @expected.
 * f16 may be wrong by a thousandth, unless @limit says that t is a copy. */
void check_nmse (
    ShuCtx *c, const char *what, ShuTensor *t, double *expected, double limit);

/* Fails unless the context failed with @code and all of @words in the
 * message; clears the failure. */
void check_fails (ShuCtx *c, int code, const char *const *words);
#define CHECK_FAILS(c, code, ...)                                              \
  check_fails (c, code, (const char *const[]){__VA_ARGS__, NULL})
