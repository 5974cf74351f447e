/* SPDX-License-Identifier: MIT */
/* Linear layers: oneDNN matrix products of blocks of rows and columns, weights
 * packed once. */
#include "ops/cpu/onednn_private.h"
#include <string.h>

/* A part has at least so many rows, columns, operations and bytes of weights,
 * where there are any more. */
enum {
  ROWS = 96,
  COLUMNS = 64,
  MAX_COLUMNS = 384, /* rows of weights that lie far apart are slow */
  OPERATIONS = 8000000,
  WEIGHT_BYTES = 1 << 19,
  MAX_ROW_PARTS = 64,
  ENOUGH_PARTS = 8,
};

static ShuDnnOp *
matmul_new (ShuCtx *c, const ShuDnnKey *key)
{
  gint64 M = key->x[0], Ci = key->x[1], Co = key->w[0];
  dnnl_memory_desc_t x, w, b, y;
  dnnl_matmul_desc_t desc;

  dnnl_memory_desc_init_by_tag (&x, 2, (dnnl_dims_t){M, Ci}, dnnl_f32, dnnl_ab);
  dnnl_memory_desc_init_by_tag (
      &w, 2, (dnnl_dims_t){Ci, Co}, dnnl_f32, dnnl_format_tag_any);
  dnnl_memory_desc_init_by_tag (&b, 2, (dnnl_dims_t){1, Co}, dnnl_f32, dnnl_ab);
  dnnl_memory_desc_init_by_strides (
      &y, 2, (dnnl_dims_t){M, Co}, dnnl_f32, (dnnl_dims_t){key->ldy, 1});
  if (!shu_dnn_check (c,
          dnnl_matmul_desc_init (
              &desc, &x, &w, key->flags & SHU_DNN_BIAS ? &b : NULL, &y),
          "linear"))
    return NULL;
  return shu_dnn_create (c, key, &desc, &x, &y);
}

/* The product of @rows rows with rows @first.. of the weight, @columns of
 * them. */
static gboolean
find_part (ShuCtx *c, ShuDnnPart *part, const ShuLinear *l, ShuDnnKey *key,
    gint64 rows, gint64 first, gint64 columns)
{
  gint64 Ci = l->w->dims[1];
  dnnl_memory_desc_t plain;

  key->x[0] = rows;
  key->w[0] = columns;
  part->op = shu_dnn_lookup (c, key);
  if (!part->op)
    part->op = matmul_new (c, key);
  if (!part->op)
    return FALSE;
  dnnl_memory_desc_init_by_tag (
      &plain, 2, (dnnl_dims_t){Ci, columns}, dnnl_f32, dnnl_ba);
  part->w =
      shu_dnn_weight (c, l->w, (gsize) (first * Ci), &plain, &part->op->w_desc);
  part->b = l->b ? shu_f32 (l->b) + first : NULL;
  return part->w != NULL;
}

/* @n in at most @parts pieces: the size of one, a multiple of @step. */
static gint64
piece_of (gint64 n, gint64 parts, gint64 step)
{
  gint64 size = (n + parts - 1) / parts;

  return MIN ((size + step - 1) / step * step, n);
}

void
shu_cpu_linear_rows (ShuCtx *c, float *y, const float *x, gsize n_rows,
    const ShuLinear *l, ShuAct act, gboolean sum)
{
  SHU_SCOPE (c);
  gint64 M = (gint64) n_rows, Co = l->w->dims[0], Ci = l->w->dims[1];
  double operations = 2. * (double) M * (double) Ci * (double) Co;
  gint64 parts =
      (gint64) CLAMP (operations / OPERATIONS, 1, (double) MAX_ROW_PARTS);
  gint64 rows = piece_of (M, MIN (parts, MAX (M / ROWS, 1)), 16);
  gint64 row_parts = (M + rows - 1) / rows;
  gint64 bytes = Ci * Co * (gint64) sizeof (float);
  gint64 columns, n = 0;
  ShuDnnPart *list;
  ShuDnnKey key = {
      .kind = SHU_DNN_LINEAR,
      .act = (gint32) act,
      .flags = (l->b ? SHU_DNN_BIAS : 0) | (sum ? SHU_DNN_SUM : 0),
      .ldy = Co,
      .x = {0, Ci},
      .w = {0, Ci},
  };

  parts = MIN (ENOUGH_PARTS / row_parts, bytes / WEIGHT_BYTES);
  parts = CLAMP (parts, 1, MAX (Co / COLUMNS, 1));
  if (M >= ROWS)
    parts = MAX (parts, (Co + MAX_COLUMNS - 1) / MAX_COLUMNS);
  columns = piece_of (Co, parts, 16);
  list = shu_cpu_scratch (
      c, (gsize) (row_parts * ((Co + columns - 1) / columns)), sizeof *list);
  if (!list)
    return;
  for (gint64 column = 0; column < Co; column += columns)
    for (gint64 row = 0; row < M; row += rows, n++) {
      if (!find_part (c, &list[n], l, &key, MIN (rows, M - row), column,
              MIN (columns, Co - column)))
        return;
      list[n].x = x + row * Ci;
      list[n].y = y + row * Co + column;
    }
  shu_dnn_run (c, list, (gsize) n);
}

void
shu_cpu_linear (ShuCtx *c, ShuTensor *y, ShuTensor *x, const ShuLinear *l,
    ShuAct act, ShuTensor *residual)
{
  if (residual)
    shu_cpu_upload (c, y, y->dtype, residual->data);
  shu_cpu_linear_rows (c, shu_f32 (y), shu_f32 (x),
      x->n / (gsize) l->w->dims[1], l, act, residual != NULL);
}

void
shu_cpu_linear_geglu (ShuCtx *c, ShuTensor *y, ShuTensor *x, const ShuLinear *l)
{
  SHU_SCOPE (c);
  gsize rows = x->n / (gsize) l->w->dims[1];
  ShuTensor *both =
      shu_scoped (c, SHU_DTYPE_F32, SHU_DIMS ((gint64) rows, l->w->dims[0]));

  if (shu_ctx_failed (c))
    return;
  shu_cpu_linear_rows (
      c, shu_f32 (both), shu_f32 (x), rows, l, SHU_ACT_NONE, FALSE);
  shu_cpu_geglu_rows (
      shu_f32 (y), shu_f32 (both), rows, (gsize) l->w->dims[0] / 2);
}
