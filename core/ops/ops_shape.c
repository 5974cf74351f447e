/* SPDX-License-Identifier: MIT */
/* Moving data, shapes and elementwise operations: checks and dispatch. */
#include "ops/backend_private.h"
#include "base/error.h"
#include <string.h>

/* ---- moving data ---- */

ShuTensor *
shu_from_host_as (ShuCtx *c, ShuTrafficKind kind, ShuDType dtype, int n_dims,
    const gint64 *dims, gconstpointer data)
{
  const ShuBackend *be = SHU_BACKEND_FOR (c, upload);
  ShuTensor *y;

  if (!be)
    return c->nil;
  y = shu_scoped (c, dtype == SHU_DTYPE_F32 ? c->real : dtype, n_dims, dims);
  if (shu_ctx_failed (c) || y->n == 0)
    return y;
  be->upload (c, y, dtype, data);
  if (c->place != SHU_HOST)
    shu_traffic_add_up (c->traffic, kind, y->n * shu_dtype_size (dtype));
  return y;
}

ShuTensor *
shu_from_host (ShuCtx *c, ShuDType dtype, int n_dims, const gint64 *dims,
    gconstpointer data)
{
  return shu_from_host_as (c, SHU_TRAFFIC_TENSOR, dtype, n_dims, dims, data);
}

gboolean
shu_to_host_as (ShuCtx *c, ShuTrafficKind kind, ShuTensor *t, gpointer ret_data)
{
  const ShuBackend *be = SHU_BACKEND_FOR (c, download);

  if (!be)
    return FALSE;
  if (t->storage->place == SHU_HOST)
    t = shu_operand_of_host (c, t);
  if (t->storage->place == SHU_HOST && c->place != SHU_HOST)
    be = &shu_backend_cpu;
  if (t->storage->place != SHU_HOST)
    shu_traffic_add_down (c->traffic, kind, shu_tensor_bytes (t));
  if (t->n > 0)
    be->download (c, ret_data, t);
  return !shu_ctx_failed (c);
}

gboolean
shu_to_host (ShuCtx *c, ShuTensor *t, gpointer ret_data)
{
  return shu_to_host_as (c, SHU_TRAFFIC_TENSOR, t, ret_data);
}

/* From another device of the same kind */
static ShuTensor *
bring (ShuCtx *c, ShuTensor *t, ShuTrafficKind kind)
{
  const ShuBackend *be = SHU_BACKEND_FOR (c, bring);
  ShuTensor *y = shu_scoped (c, t->dtype, t->n_dims, t->dims);

  if (!be || shu_ctx_failed (c) || y->n == 0)
    return y;
  be->bring (c, y, t);
  shu_traffic_add_across (c->traffic, kind, shu_tensor_bytes (y));
  return y;
}

ShuTensor *
shu_on_device (ShuCtx *c, ShuTensor *t, ShuTrafficKind kind)
{
  g_autoptr (ShuTensor) host = NULL;
  GError *error = NULL;
  ShuTensor *y;

  if (!shu_ctx_ready (c))
    return c->nil;
  if (t->storage->place == c->place)
    return shu_scoped_ref (c, t);
  if (c->dry)
    return shu_scoped (c, t->dtype, t->n_dims, t->dims);
  if (c->place >= 0 && t->storage->place >= 0)
    return bring (c, t, kind);
  host = shu_tensor_to_host (t, c->traffic, kind, &error);
  if (!host) {
    shu_ctx_take_error (c, error);
    return c->nil;
  }
  if (c->place == SHU_HOST)
    return shu_scoped_ref (c, host);
  y = shu_scoped (c, t->dtype, t->n_dims, t->dims);
  if (shu_ctx_failed (c) || y->n == 0)
    return y;
  SHU_BACKEND_FOR (c, upload)->upload (c, y, t->dtype, host->data);
  shu_traffic_add_up (c->traffic, kind, shu_tensor_bytes (y));
  return y;
}

ShuTensor *
shu_fill (ShuCtx *c, int n_dims, const gint64 *dims, float value)
{
  const ShuBackend *be = SHU_BACKEND_FOR (c, fill);
  ShuTensor *y;

  if (!be)
    return c->nil;
  y = shu_scoped (c, c->real, n_dims, dims);
  if (!shu_ctx_failed (c) && y->n > 0)
    be->fill (c, y, value);
  return y;
}

/* ---- shape ---- */

ShuTensor *
shu_reshape (ShuCtx *c, ShuTensor *x, int n_dims, const gint64 *dims)
{
  gint64 shape[SHU_MAX_DIMS];
  gint64 known = 1;
  int hole = -1;
  gboolean fits = n_dims >= 1 && n_dims <= SHU_MAX_DIMS;

  if (!shu_ctx_ready (c))
    return c->nil;
  for (int i = 0; fits && i < n_dims; i++) {
    shape[i] = dims[i];
    if (dims[i] == -1 && hole < 0)
      hole = i;
    else if (dims[i] < 0 || __builtin_mul_overflow (known, dims[i], &known))
      fits = FALSE;
  }
  if (fits && hole >= 0) {
    fits = known > 0 && (gint64) x->n % known == 0;
    shape[hole] = fits ? (gint64) x->n / known : 0;
  } else if (fits) {
    fits = known == (gint64) x->n;
  }
  if (!fits) {
    g_autoptr (GString) s = g_string_new ("as many elements as in [");

    for (int i = 0; i < n_dims; i++)
      g_string_append_printf (s, "%s%" G_GINT64_FORMAT, i ? "," : "", dims[i]);
    g_string_append_c (s, ']');
    return shu_op_wrong (c, "reshape", s->str, x, NULL);
  }
  return shu_scoped_take (c, shu_tensor_view (x, n_dims, shape));
}

ShuTensor *
shu_reshape_like (ShuCtx *c, ShuTensor *x, ShuTensor *like)
{
  return shu_reshape (c, x, like->n_dims, like->dims);
}

ShuTensor *
shu_permute (ShuCtx *c, ShuTensor *x, const int *axes)
{
  const ShuBackend *be = SHU_BACKEND_FOR (c, permute);
  gint64 dims[SHU_MAX_DIMS];
  guint seen = 0;
  ShuTensor *y;

  if (!be)
    return c->nil;
  x = shu_operand (c, x);
  for (int i = 0; i < x->n_dims; i++) {
    if (axes[i] < 0 || axes[i] >= x->n_dims)
      return shu_op_wrong (c, "permute", "axes of x", x, NULL);
    seen |= 1u << axes[i];
    dims[i] = x->dims[axes[i]];
  }
  if (seen != (1u << x->n_dims) - 1)
    return shu_op_wrong (c, "permute", "each axis of x once", x, NULL);
  y = shu_scoped (c, x->dtype, x->n_dims, dims);
  if (!shu_ctx_failed (c) && y->n > 0)
    be->permute (c, y, x, axes);
  return y;
}

/* Bytes of everything behind dimension @axis, and how often it occurs. */
static gsize
inner_bytes (const ShuTensor *x, int axis, gsize *ret_outer)
{
  gsize inner = shu_dtype_size (x->dtype);
  gsize outer = 1;

  for (int i = 0; i < axis; i++)
    outer *= (gsize) x->dims[i];
  for (int i = axis + 1; i < x->n_dims; i++)
    inner *= (gsize) x->dims[i];
  *ret_outer = outer;
  return inner;
}

/* What begins @offset bytes into @x, as a view */
static ShuTensor *
run_of (ShuCtx *c, ShuTensor *x, const gint64 *dims, gsize offset)
{
  ShuTensor *y = shu_tensor_new_storage (
      x->dtype, x->n_dims, dims, shu_storage_ref (x->storage));

  y->data = (char *) x->data + offset;
  return shu_scoped_take (c, y);
}

ShuTensor *
shu_slice (ShuCtx *c, ShuTensor *x, int axis, gint64 start, gint64 size)
{
  const ShuBackend *be = SHU_BACKEND_FOR (c, copy);
  gint64 dims[SHU_MAX_DIMS];
  gsize outer, inner;
  ShuTensor *y;

  if (!be)
    return c->nil;
  if (axis < 0 || axis >= x->n_dims || start < 0 || size < 0 ||
      start > x->dims[axis] || size > x->dims[axis] - start) {
    g_autofree char *what = g_strdup_printf (
        "[%" G_GINT64_FORMAT ",%" G_GINT64_FORMAT ") inside of axis %d", start,
        start + size, axis);

    return shu_op_wrong (c, "slice", what, x, NULL);
  }
  memcpy (dims, x->dims, sizeof dims);
  dims[axis] = size;
  x = shu_operand (c, x);
  if (shu_ctx_failed (c))
    return c->nil;
  inner = inner_bytes (x, axis, &outer);
  if (outer == 1 && inner * (gsize) start % SHU_ALIGN == 0)
    return run_of (c, x, dims, inner * (gsize) start);
  y = shu_scoped (c, x->dtype, x->n_dims, dims);
  if (shu_ctx_failed (c) || y->n == 0)
    return y;
  be->copy (c, y, x,
      &(ShuCopy){.n_rows = outer,
          .bytes = inner * size,
          .y_step = inner * size,
          .x_offset = inner * start,
          .x_step = inner * x->dims[axis]});
  return y;
}

ShuTensor *
shu_concat (ShuCtx *c, int axis, int n, ShuTensor *const *parts)
{
  const ShuBackend *be = SHU_BACKEND_FOR (c, copy);
  g_autofree ShuTensor **x = g_new (ShuTensor *, MAX (n, 1));
  gint64 dims[SHU_MAX_DIMS];
  gsize outer, inner, offset = 0;
  ShuTensor *y;

  g_return_val_if_fail (n > 0, c->nil);
  if (!be)
    return c->nil;
  memcpy (dims, parts[0]->dims, sizeof dims);
  for (int i = 0; i < n; i++) {
    gboolean fits;

    x[i] = shu_operand (c, parts[i]);
    fits = x[i]->n_dims == x[0]->n_dims && x[i]->dtype == x[0]->dtype &&
           axis >= 0 && axis < x[0]->n_dims;
    for (int d = 0; fits && d < x[0]->n_dims; d++)
      fits = d == axis || x[i]->dims[d] == dims[d];
    if (!fits)
      return shu_op_wrong (c, "concat",
          "the same shapes but for the axis of concatenation", x[0], x[i],
          NULL);
    if (i > 0)
      dims[axis] += x[i]->dims[axis];
  }
  y = shu_scoped (c, x[0]->dtype, x[0]->n_dims, dims);
  if (shu_ctx_failed (c) || y->n == 0)
    return y;
  inner = inner_bytes (y, axis, &outer);
  for (int i = 0; i < n; i++) {
    gsize bytes = inner * (gsize) x[i]->dims[axis];

    if (bytes > 0)
      be->copy (c, y, x[i],
          &(ShuCopy){.n_rows = outer,
              .bytes = bytes,
              .y_offset = offset,
              .y_step = inner * (gsize) dims[axis],
              .x_step = bytes});
    offset += bytes;
  }
  return y;
}

static ShuTensor *
multiply (ShuCtx *c, ShuTensor *x, int times, gboolean in_a_row)
{
  const ShuBackend *be = SHU_BACKEND_FOR (c, repeat);
  gint64 dims[SHU_MAX_DIMS];
  ShuTensor *y;

  g_return_val_if_fail (times > 0, c->nil);
  if (!be)
    return c->nil;
  x = shu_operand (c, x);
  memcpy (dims, x->dims, sizeof dims);
  dims[0] *= times;
  y = shu_scoped (c, x->dtype, x->n_dims, dims);
  if (!shu_ctx_failed (c) && y->n > 0)
    be->repeat (c, y, x, times, in_a_row);
  return y;
}

ShuTensor *
shu_repeat (ShuCtx *c, ShuTensor *x, int times)
{
  return multiply (c, x, times, TRUE);
}

ShuTensor *
shu_tile (ShuCtx *c, ShuTensor *x, int times)
{
  return multiply (c, x, times, FALSE);
}

ShuTensor *
shu_gather (ShuCtx *c, ShuTensor *x, ShuTensor *index)
{
  const ShuBackend *be = SHU_BACKEND_FOR (c, gather);
  ShuTensor *y;

  if (!be)
    return c->nil;
  x = shu_operand (c, x);
  index = shu_operand (c, index);
  if (x->dtype != c->real || x->n_dims != 2 || index->dtype != SHU_DTYPE_I32 ||
      index->n_dims != 1)
    return shu_op_wrong (c, "gather", "x [N,C], index [M] i32", x, index, NULL);
  y = shu_scoped (c, c->real, SHU_DIMS (index->dims[0], x->dims[1]));
  if (!shu_ctx_failed (c) && y->n > 0)
    be->gather (c, y, x, index);
  return y;
}

/* ---- elementwise ---- */

static gboolean
broadcasts (ShuCtx *c, const ShuTensor *x, const ShuTensor *b)
{
  int lead = x->n_dims - b->n_dims;

  if (b->dtype != c->real || lead < 0)
    return FALSE;
  for (int i = 0; i < b->n_dims; i++)
    if (b->dims[i] != 1 && b->dims[i] != x->dims[lead + i])
      return FALSE;
  return TRUE;
}

static ShuTensor *
like (ShuCtx *c, ShuTensor *x)
{
  return shu_scoped (c, c->real, x->n_dims, x->dims);
}

static ShuTensor *
binary (ShuCtx *c, const char *op, ShuTensor *x, ShuTensor *b, ShuBinary kind)
{
  const ShuBackend *be = SHU_BACKEND_FOR (c, binary);
  ShuTensor *y;

  if (!be)
    return c->nil;
  x = shu_operand (c, x);
  b = shu_operand (c, b);
  if (x->dtype != c->real || !broadcasts (c, x, b))
    return shu_op_wrong (c, op, "x and b that broadcasts to it", x, b, NULL);
  y = like (c, x);
  if (!shu_ctx_failed (c) && y->n > 0)
    be->binary (c, y, x, b, kind);
  return y;
}

ShuTensor *
shu_add (ShuCtx *c, ShuTensor *x, ShuTensor *b)
{
  return binary (c, "add", x, b, SHU_BINARY_ADD);
}

ShuTensor *
shu_sub (ShuCtx *c, ShuTensor *x, ShuTensor *b)
{
  return binary (c, "sub", x, b, SHU_BINARY_SUB);
}

ShuTensor *
shu_mul (ShuCtx *c, ShuTensor *x, ShuTensor *b)
{
  return binary (c, "mul", x, b, SHU_BINARY_MUL);
}

static ShuTensor *
ternary (ShuCtx *c, const char *op, ShuTensor *x, ShuTensor *b, ShuTensor *d,
    ShuTernary kind)
{
  const ShuBackend *be = SHU_BACKEND_FOR (c, ternary);
  ShuTensor *y;

  if (!be)
    return c->nil;
  x = shu_operand (c, x);
  b = shu_operand (c, b);
  d = shu_operand (c, d);
  if (x->dtype != c->real || !broadcasts (c, x, b) || !broadcasts (c, x, d))
    return shu_op_wrong (
        c, op, "x and two that broadcast to it", x, b, d, NULL);
  y = like (c, x);
  if (!shu_ctx_failed (c) && y->n > 0)
    be->ternary (c, y, x, b, d, kind);
  return y;
}

ShuTensor *
shu_modulate (ShuCtx *c, ShuTensor *x, ShuTensor *shift, ShuTensor *scale)
{
  return ternary (c, "modulate", x, scale, shift, SHU_TERNARY_MODULATE);
}

ShuTensor *
shu_add_gated (ShuCtx *c, ShuTensor *x, ShuTensor *h, ShuTensor *gate)
{
  return ternary (c, "add_gated", x, gate, h, SHU_TERNARY_ADD_GATED);
}

#define UNARY(op, ...)                                                         \
  const ShuBackend *be = SHU_BACKEND_FOR (c, op);                              \
  ShuTensor *y;                                                                \
                                                                               \
  if (!be)                                                                     \
    return c->nil;                                                             \
  x = shu_operand (c, x);                                                      \
  if (x->dtype != c->real)                                                     \
    return shu_op_wrong (c, #op, "an activation", x, NULL);                    \
  y = like (c, x);                                                             \
  if (!shu_ctx_failed (c) && y->n > 0)                                         \
    be->op (c, y, x, __VA_ARGS__);                                             \
  return y;

ShuTensor *
shu_affine (ShuCtx *c, ShuTensor *x, float scale, float shift){
    UNARY (affine, scale, shift)}

ShuTensor *shu_act (ShuCtx *c, ShuTensor *x, ShuAct act){UNARY (act, act)}

ShuTensor *shu_clamp (ShuCtx *c, ShuTensor *x, float lo, float hi)
{
  UNARY (clamp, lo, hi)
}
