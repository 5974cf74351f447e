/* SPDX-License-Identifier: MIT */
/* A sampler's state. */
#include "ops/cpu/cpu_private.h"
#include <string.h>

void
shu_cpu_state_value (
    ShuCtx *c, ShuTensor *y, ShuTensor *x, ShuTensor *scale, ShuTensor *shift)
{
  const float *from = shu_f32 (x);
  float *to = shu_f32 (y);

  if (!scale) {
    memcpy (to, from, shu_tensor_bytes (x));
    return;
  }
  for (gsize i = 0; i < x->n; i++)
    to[i] =
        from[i] * shu_f32 (scale)[i % scale->n] + shu_f32 (shift)[i % shift->n];
}

/* v [2,n] -> what it comes to */
static float
guided (const ShuFlowStep *p, const float *v, gsize n)
{
  return p->extra ? (1 + p->guidance) * v[0] - p->guidance * v[n]
                  : v[0] + p->guidance * (v[n] - v[0]);
}

void
shu_cpu_flow_advance (ShuCtx *c, ShuTensor *x, ShuTensor *v,
    const ShuFlowStep *p, ShuTensor *estimate)
{
  gint32 step = shu_i32 (p->step)[0];
  gsize n = x->n / (gsize) p->n_parts;
  const float *row;

  if (step < 0 || step >= p->schedule->dims[0])
    return;
  row = shu_f32 (p->schedule) + 3 * step;
#pragma omp parallel for if (x->n > 32768)
  for (gint64 i = 0; i < (gint64) x->n; i++) {
    gsize part = (gsize) i / n, at = (gsize) i % n;
    const float *u = shu_f32 (v) + (p->guided ? 2 * part : part) * n + at;
    float now = shu_f32 (x)[i];
    float d = p->guided ? guided (p, u, n) : u[0];

    if (estimate)
      shu_f32 (estimate)[i] = row[1] * now - row[2] * d;
    shu_f32 (x)[i] = now - row[0] * d;
  }
}

void
shu_cpu_count (ShuCtx *c, ShuTensor *step)
{
  ((gint32 *) step->data)[0]++;
}
