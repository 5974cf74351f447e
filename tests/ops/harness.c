/* SPDX-License-Identifier: MIT */
/* See harness.h. */
#include "harness.h"
#include "base/half.h"
#include <math.h>
#include <string.h>

/* NMSE of f16 results; below COPY nothing is rounded */
static const double HALF = 1e-6, COPY = 1e-13;

static const char *device = "cpu";

static void
run_on_gpu (gconstpointer func)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ShuCtx) c = shu_ctx_new ("cuda", &error);

  if (!c) {
    g_autofree char *why =
        g_strdup_printf ("no CUDA device: %s", error->message);

    g_test_skip (why);
    return;
  }
  device = "cuda";
  random_seed (0);
  ((GTestFunc) func) ();
  device = "cpu";
}

void
test_add_cuda (const char *path, GTestFunc func)
{
  g_autofree char *cuda = g_strconcat (path, "/cuda", NULL);

  g_test_set_nonfatal_assertions (); /* all that is wrong, in one run */
  g_test_add_data_func (cuda, func, run_on_gpu);
}

void
test_add (const char *path, GTestFunc func)
{
  g_autofree char *cpu = g_strconcat (path, "/cpu", NULL);

  g_test_add_func (cpu, func);
  test_add_cuda (path, func);
}

gboolean
on_gpu (void)
{
  return strcmp (device, "cpu") != 0;
}

ShuCtx *
context_new (void)
{
  g_autoptr (GError) error = NULL;
  ShuCtx *c = shu_ctx_new (device, &error);

  g_assert_no_error (error);
  return c;
}

ShuTensor *
host_tensor (ShuCtx *c, ShuDType dtype, int n_dims, const gint64 *dims)
{
  g_autoptr (ShuTensor) t = shu_tensor_new (dtype, n_dims, dims);

  return shu_scoped_ref (c, t);
}

ShuTensor *
to_host (ShuCtx *c, ShuTensor *t)
{
  g_autoptr (GError) error = NULL;
  ShuTensor *h;

  if (!on_gpu ())
    return t;
  h = host_tensor (c,
      t->dtype == SHU_DTYPE_I32 || t->dtype == SHU_DTYPE_U8 ? t->dtype
                                                            : SHU_DTYPE_F32,
      t->n_dims, t->dims);
  if (shu_to_host (c, t, h->data))
    return h;
  shu_ctx_finish (c, &error);
  g_assert_no_error (error);
  return h;
}

double
epsilon (double limit)
{
  return on_gpu () ? MAX (limit, 1e-3) : limit;
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
  ShuTensor *t = host_tensor (c, SHU_DTYPE_F32, n_dims, dims);
  float *v = t->data;

  for (gsize i = 0; i < t->n; i++)
    v[i] = on_gpu () ? shu_f16_round (next_value ()) : next_value ();
  return t;
}

ShuTensor *
random_index (ShuCtx *c, int n_dims, const gint64 *dims, int lo, int hi)
{
  ShuTensor *t = host_tensor (c, SHU_DTYPE_I32, n_dims, dims);

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
  g_autofree double *owned = expected;
  g_autoptr (GError) error = NULL;
  double err = 0, norm = 0;

  if (!shu_ctx_finish (c, &error)) {
    g_test_fail_printf ("%s: %s", what, error->message);
    return;
  }
  t = to_host (c, t);
  if (on_gpu () && limit > COPY)
    limit = MAX (limit, HALF);
  for (gsize i = 0; i < t->n; i++) {
    double d = at (t, i) - expected[i];

    err += d * d;
    norm += expected[i] * expected[i];
  }
  if (!(err <= limit * (norm + 0.01 * (double) t->n)))
    g_test_fail_printf (
        "%s: NMSE %g, limit %g", what, err / (norm + 1e-30), limit);
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
