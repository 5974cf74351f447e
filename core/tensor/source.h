/* SPDX-License-Identifier: MIT */
/* Weights whose values nobody has needed here yet.  Such a tensor is f32 in
 * host memory to all who look at it, but has no data; a device makes its own
 * form straight from the source, and a host that wants the values calls
 * shu_tensor_host(). */
#pragma once
#include "tensor/tensor.h"

G_BEGIN_DECLS

enum { SHU_SOURCE_MAX_PIECES = 8 };

/* Columns @from..@from+@size-1 */
typedef struct {
  gint64 from, size;
} ShuColumns;

/**
 * ShuSource:
 * @raw: F16, BF16 or F32 in host memory; NULL: a formula
 * @key, @offset, @scale: of a formula, offset + scale * shu_splitmix_value(),
 *   one rounding each, then rounded to f16
 * @n: elements of what is described above
 * @row: elements of a row of it
 * @pieces: which columns of each row are meant, in their order; @n_pieces 0:
 *   all
 * @factors: (nullable): [n/row]: what the values of a row are multiplied with;
 *   then there are no pieces
 */
typedef struct {
  ShuTensor *raw;
  guint64 key;
  float offset, scale;
  gsize n;
  gint64 row;
  int n_pieces;
  ShuColumns pieces[SHU_SOURCE_MAX_PIECES];
  double *factors;
} ShuSource;

/* (transfer full): f32 of the shape of @raw (F16 or BF16), which is taken
 * over */
ShuTensor *shu_tensor_new_raw (ShuTensor *raw);
ShuTensor *shu_tensor_new_formula (
    int n_dims, const gint64 *dims, guint64 key, float offset, float scale);

/**
 * shu_tensor_new_columns:
 * @w: [H,K], f32
 * @pieces: @n of them, at most SHU_SOURCE_MAX_PIECES, within 0..K-1
 *
 * Returns: (transfer full): [H,sum of sizes]; without data as long as @w has
 *   none
 */
ShuTensor *shu_tensor_new_columns (
    ShuTensor *w, int n, const ShuColumns *pieces);

/**
 * shu_tensor_new_scaled:
 * @w: f32, not scaled nor of columns
 * @factors: one for each of its dims[0] rows
 *
 * Returns: (transfer full): without data
 */
ShuTensor *shu_tensor_new_scaled (ShuTensor *w, const double *factors);

/* NULL where @t has had data from the beginning */
const ShuSource *shu_tensor_source (const ShuTensor *t);

/**
 * shu_tensor_host:
 * Sees to it that @t, in host memory, has data.  Thread-safe.
 *
 * Returns: FALSE with %SHU_ERROR_MEMORY
 */
gboolean shu_tensor_host (ShuTensor *t, GError **error);

/* Bytes @at..@at+@n-1 of what the source describes, as raw holds them; there
 * is a raw. */
void shu_source_read (const ShuSource *s, gsize at, gsize n, gpointer ret);
/* f32, whatever the source: all of it */
void shu_source_values (const ShuSource *s, float *ret);

void shu_source_free (ShuSource *s);

G_END_DECLS
