/* SPDX-License-Identifier: MIT */
#include "bench.h"
#include "ops/ops.h"
#include "weights/formula.h"
#include <string.h>

enum { TIMES = 20, ROUNDS = 3, SUSTAINED_ROUNDS = 15 };

/* It takes so long until a card's clock follows its power. */
static const gint64 WARM_UP = 1500 * 1000;

typedef struct {
  ShuCtx *c;
  ShuTensor *x;
  ShuLinear linear;
} Subject;

static void
product (const Subject *s)
{
  shu_linear (s->c, s->x, &s->linear);
}

/* an operation that must move all bytes; a whole slice would be a view */
static void
scaled_copy (const Subject *s)
{
  shu_affine (s->c, s->x, 0.5f, 0);
}

/* Seconds of one call: the best of a few rounds, after a warm-up. */
static gboolean
measure (const Subject *s, void (*call) (const Subject *), int times,
    double *ret_seconds, GError **error)
{
  double best = G_MAXDOUBLE;

  for (int round = 0; round <= ROUNDS; round++) {
    gint64 start = g_get_monotonic_time ();

    for (int i = 0; i < times; i++) {
      SHU_SCOPE (s->c);

      call (s);
    }
    if (!shu_ctx_finish (s->c, error))
      return FALSE;
    if (round > 0)
      best = MIN (best, (double) (g_get_monotonic_time () - start) / times);
  }
  *ret_seconds = best * 1e-6;
  return TRUE;
}

/* Seconds of one call, on average, after a long warm-up. */
static gboolean
measure_sustained (const Subject *s, void (*call) (const Subject *), int times,
    double *ret_seconds, GError **error)
{
  gint64 begin = g_get_monotonic_time (), start = begin;

  for (int round = 0; round < SUSTAINED_ROUNDS; round++) {
    for (int i = 0; i < times; i++) {
      SHU_SCOPE (s->c);

      call (s);
    }
    if (!shu_ctx_finish (s->c, error))
      return FALSE;
    if (g_get_monotonic_time () - begin < WARM_UP) {
      start = g_get_monotonic_time ();
      round = -1;
    }
  }
  *ret_seconds = (double) (g_get_monotonic_time () - start) * 1e-6 /
                 (SUSTAINED_ROUNDS * times);
  return TRUE;
}

gboolean
bench_ceiling (const char *device, BenchCeiling *ret_ceiling, GError **error)
{
  g_autoptr (ShuCtx) c = shu_ctx_new (device, error);
  gboolean gpu = c && strcmp (shu_ctx_device (c), "cpu") != 0;
  gint64 n = gpu ? 8192 : 2048;
  int times = gpu ? TIMES : 2;
  g_autoptr (ShuTensor) w = NULL;
  Subject s = {.c = c};
  double matrix, sustained, scaled;
  gsize bytes;

  if (!c)
    return FALSE;
  w = shu_tensor_new (SHU_DTYPE_F32, SHU_DIMS (n, n));
  shu_formula_values ("ceiling", w->n, w->data);
  s.linear.w = w;
  s.x = shu_from_host (c, SHU_DTYPE_F32, SHU_DIMS (n, n), w->data);
  if (!measure (&s, product, times, &matrix, error))
    return FALSE;
  sustained = matrix;
  if (gpu && !measure_sustained (&s, product, times, &sustained, error))
    return FALSE;
  if (gpu) /* far beyond its caches */
    s.x = shu_fill (c, SHU_DIMS (8 * n, n), 1);
  bytes = shu_tensor_bytes (s.x);
  if (!measure (&s, scaled_copy, times, &scaled, error))
    return FALSE;
  *ret_ceiling = (BenchCeiling){.matrix = 2.0 * n * n * n / matrix,
      .sustained = 2.0 * n * n * n / sustained,
      .copy = 2.0 * (double) bytes / scaled};
  return TRUE;
}

double
bench_least (double flop, double bytes, const BenchCeiling *ceiling)
{
  return MAX (flop / ceiling->matrix, bytes / ceiling->copy);
}
