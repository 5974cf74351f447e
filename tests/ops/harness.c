/* SPDX-License-Identifier: MIT */
/* See harness.h. */
#include "harness.h"
#include <math.h>
#include <string.h>

ShuCtx *
context_new (void)
{
  g_autoptr (GError) error = NULL;
  ShuCtx *c = shu_ctx_new ("cpu", &error);

  g_assert_no_error (error);
  return c;
}

static guint64 state = 1;

void
random_seed (guint64 seed)
{
  state = seed + 1;
}

/* Numerical Recipes' 64-bit linear congruential generator */
static guint32
next_bits (void)
{
  state = state * 6364136223846793005u + 1442695040888963407u;
  return (guint32) (state >> 33);
}

static float
next_value (void)
{
  return (float) next_bits () * 0x1p-30f - 1.f;
}

ShuTensor *
random_tensor (ShuCtx *c, int n_dims, const gint64 *dims)
{
  ShuTensor *t = shu_scoped (c, SHU_DTYPE_F32, n_dims, dims);

  for (gsize i = 0; i < t->n; i++)
    ((float *) t->data)[i] = next_value ();
  return t;
}

ShuTensor *
random_index (ShuCtx *c, int n_dims, const gint64 *dims, int lo, int hi)
{
  ShuTensor *t = shu_scoped (c, SHU_DTYPE_I32, n_dims, dims);

  for (gsize i = 0; i < t->n; i++)
    ((gint32 *) t->data)[i] =
        lo + (gint32) (next_bits () % (guint32) (hi - lo));
  return t;
}

double *
reference_new (const ShuTensor *t)
{
  return g_new0 (double, t->n + 1);
}

double
act_reference (double x, ShuAct act)
{
  switch (act) {
  case SHU_ACT_SILU:
    return x / (1 + exp (-x));
  case SHU_ACT_GELU:
    return 0.5 * x * (1 + erf (x / sqrt (2)));
  case SHU_ACT_GELU_TANH:
    return 0.5 * x * (1 + tanh (sqrt (2 / G_PI) * (x + 0.044715 * x * x * x)));
  case SHU_ACT_RELU:
    return x > 0 ? x : 0;
  case SHU_ACT_SIGMOID:
    return 1 / (1 + exp (-x));
  case SHU_ACT_NONE:
    break;
  }
  return x;
}

void
check_nmse (
    ShuCtx *c, const char *what, ShuTensor *t, double *expected, double limit)
{
  g_autoptr (GError) error = NULL;
  double err = 0, norm = 0;

  shu_ctx_finish (c, &error);
  g_assert_no_error (error);
  for (gsize i = 0; i < t->n; i++) {
    double d = at (t, i) - expected[i];

    g_assert_true (isfinite (at (t, i)));
    err += d * d;
    norm += expected[i] * expected[i];
  }
  g_free (expected);
  if (err > limit * (norm + 0.01 * (double) t->n))
    g_error ("%s: NMSE %g, limit %g", what, err / (norm + 1e-30), limit);
}

void
check_fails (ShuCtx *c, int code, const char *const *words)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (shu_ctx_finish (c, &error));
  g_assert_error (error, SHU_ERROR, code);
  for (; *words; words++)
    if (!strstr (error->message, *words))
      g_error ("\"%s\" does not say \"%s\"", error->message, *words);
  g_assert_false (shu_ctx_failed (c));
}
