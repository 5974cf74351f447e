/* SPDX-License-Identifier: MIT */
/* What the tests of operations share: a context, random tensors, and the
 * comparison with a reference. */
#pragma once
#include "ops/ops.h"
#include "base/error.h"

/* Starts the sequence of values anew; it begins at seed 0. */
void random_seed (guint64 seed);
/* Values in [-1,1). */
ShuTensor *random_tensor (ShuCtx *c, int n_dims, const gint64 *dims);
/* I32 in lo..hi-1 */
ShuTensor *random_index (
    ShuCtx *c, int n_dims, const gint64 *dims, int lo, int hi);

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

/* Aborts unless the squared error of @t over the squares of @expected is
 * below @limit (values that cancel to nothing count as 0.1); frees @expected.
 */
void check_nmse (
    ShuCtx *c, const char *what, ShuTensor *t, double *expected, double limit);

/* Aborts unless the context failed with @code and all of @words in the
 * message; clears the failure. */
void check_fails (ShuCtx *c, int code, const char *const *words);
#define CHECK_FAILS(c, code, ...)                                              \
  check_fails (c, code, (const char *const[]){__VA_ARGS__, NULL})

ShuCtx *context_new (void);
