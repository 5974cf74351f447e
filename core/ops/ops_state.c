/* SPDX-License-Identifier: MIT */
/* What a sampler keeps. */
#include "ops/backend_private.h"
#include "base/error.h"

static gboolean
is_state (ShuCtx *c, const ShuTensor *x)
{
  return x->dtype == SHU_DTYPE_F32 && x->storage->place == c->place;
}

ShuTensor *
shu_state (ShuCtx *c, int n_dims, const gint64 *dims, const float *values)
{
  const ShuBackend *be = SHU_BACKEND_FOR (c, upload);
  ShuTensor *y;

  if (!be)
    return c->nil;
  y = shu_scoped (c, SHU_DTYPE_F32, n_dims, dims);
  if (!shu_ctx_failed (c) && y->n > 0)
    be->upload (c, y, SHU_DTYPE_F32, values);
  return y;
}

static ShuTensor *
state_value (ShuCtx *c, ShuTensor *x, ShuTensor *scale, ShuTensor *shift)
{
  const ShuBackend *be = SHU_BACKEND_FOR (c, state_value);
  gint64 K = x->dims[x->n_dims - 1];
  ShuTensor *y;

  if (!be)
    return c->nil;
  if (!is_state (c, x))
    return shu_op_wrong (c, "state_value", "a state", x, NULL);
  if (scale && (!is_state (c, scale) || !is_state (c, shift) ||
                   scale->n != (gsize) K || shift->n != (gsize) K))
    return shu_op_wrong (c, "state_affine",
        "states [...,K], and [K] to scale and shift", x, scale, shift, NULL);
  y = shu_scoped (c, c->real, x->n_dims, x->dims);
  if (!shu_ctx_failed (c) && y->n > 0)
    be->state_value (c, y, x, scale, shift);
  return y;
}

ShuTensor *
shu_state_value (ShuCtx *c, ShuTensor *x)
{
  return state_value (c, x, NULL, NULL);
}

ShuTensor *
shu_state_affine (ShuCtx *c, ShuTensor *x, ShuTensor *scale, ShuTensor *shift)
{
  return state_value (c, x, scale, shift);
}

static gboolean
is_counter (ShuCtx *c, const ShuTensor *step)
{
  return step->dtype == SHU_DTYPE_I32 && step->n == 1 &&
         step->storage->place == c->place;
}

void
shu_flow_advance (ShuCtx *c, ShuTensor *x, ShuTensor *v, const ShuFlowStep *p,
    ShuTensor *estimate)
{
  const ShuBackend *be = SHU_BACKEND_FOR (c, flow_advance);

  if (!be)
    return;
  v = shu_operand (c, v);
  if (shu_ctx_failed (c))
    return;
  if (!is_state (c, x) ||
      (estimate && (!is_state (c, estimate) || estimate->n != x->n)) ||
      v->dtype != c->real || p->n_parts < 1 || x->n % (gsize) p->n_parts != 0 ||
      v->n != (p->guided ? 2 : 1) * x->n || !is_state (c, p->schedule) ||
      p->schedule->n_dims != 2 || p->schedule->dims[1] != 3 ||
      !is_counter (c, p->step)) {
    shu_op_wrong (c, "flow_advance",
        "a state of P parts, v of as many or twice that, a schedule [n,3] and "
        "a step [1]",
        x, v, p->schedule, p->step, NULL);
    return;
  }
  if (x->n > 0)
    be->flow_advance (c, x, v, p, estimate);
}

void
shu_count (ShuCtx *c, ShuTensor *step)
{
  const ShuBackend *be = SHU_BACKEND_FOR (c, count);

  if (!be)
    return;
  if (is_counter (c, step))
    be->count (c, step);
  else
    shu_op_wrong (c, "count", "I32 [1]", step, NULL);
}
