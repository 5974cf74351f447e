/* SPDX-License-Identifier: MIT */
/* Copies: host transfers, runs of bytes, permutations, rows by index. */
#include "ops/cpu/cpu_private.h"
#include "base/error.h"
#include "base/half.h"
#include <string.h>

/* Bytes that one thread copies at a time. */
static const gsize CHUNK = 256 << 10;

static void
copy_bytes (char *dst, const char *src, gsize bytes)
{
  gint64 n = (gint64) ((bytes + CHUNK - 1) / CHUNK);

#pragma omp parallel for if (n > 1)
  for (gint64 i = 0; i < n; i++) {
    gsize at = (gsize) i * CHUNK;

    memcpy (dst + at, src + at, MIN (CHUNK, bytes - at));
  }
}

void
shu_cpu_upload (ShuCtx *c, ShuTensor *y, ShuDType dtype, gconstpointer data)
{
  copy_bytes (y->data, data, shu_tensor_bytes (y));
}

void
shu_cpu_download (ShuCtx *c, gpointer data, ShuTensor *x)
{
  switch (x->dtype) {
  case SHU_DTYPE_F32:
  case SHU_DTYPE_I32:
  case SHU_DTYPE_U8:
  case SHU_DTYPE_E4M3:
    copy_bytes (data, x->data, shu_tensor_bytes (x));
    break;
  case SHU_DTYPE_F16:
    shu_f16_to_f32_n (x->data, data, x->n);
    break;
  case SHU_DTYPE_BF16:
    shu_bf16_to_f32_n (x->data, data, x->n);
    break;
  }
}

void
shu_cpu_fill (ShuCtx *c, ShuTensor *y, float value)
{
  float *p = shu_f32 (y);

  for (gsize i = 0; i < y->n; i++)
    p[i] = value;
}

void
shu_cpu_copy (ShuCtx *c, ShuTensor *y, ShuTensor *x, const ShuCopy *k)
{
  char *dst = (char *) y->data + k->y_offset;
  const char *src = (const char *) x->data + k->x_offset;
  gsize total = k->n_rows * k->bytes;

  if (k->n_rows == 1) {
    copy_bytes (dst, src, k->bytes);
    return;
  }
#pragma omp parallel for if (total > CHUNK)
  for (gint64 i = 0; i < (gint64) k->n_rows; i++)
    memcpy (dst + (gsize) i * k->y_step, src + (gsize) i * k->x_step, k->bytes);
}

void
shu_cpu_repeat (
    ShuCtx *c, ShuTensor *y, ShuTensor *x, int times, gboolean in_a_row)
{
  gsize all = shu_tensor_bytes (x);
  gsize item = in_a_row ? all / (gsize) x->dims[0] : all;

  for (gsize i = 0; i < (gsize) times; i++)
    shu_cpu_copy (c, y, x,
        &(ShuCopy){.n_rows = all / item,
            .bytes = item,
            .y_offset = item * i,
            .y_step = item * (gsize) times,
            .x_step = item});
}

/* A permutation as loops over y: sizes and, for each, the step in x, both in
 * elements, neighbours that stay neighbours merged. */
static int
permute_plan (ShuTensor *x, const int *axes, gsize *size, gsize *step)
{
  gsize x_step[SHU_MAX_DIMS];
  gsize at = 1;
  int n = 0;

  for (int i = x->n_dims - 1; i >= 0; i--) {
    x_step[i] = at;
    at *= (gsize) x->dims[i];
  }
  for (int i = 0; i < x->n_dims; i++) {
    gsize s = (gsize) x->dims[axes[i]];
    gsize t = x_step[axes[i]];

    if (s == 1)
      continue;
    if (n > 0 && step[n - 1] == s * t) {
      size[n - 1] *= s;
      step[n - 1] = t;
    } else {
      size[n] = s;
      step[n++] = t;
    }
  }
  return n;
}

static void
gather_strided (char *dst, const char *src, gsize n, gsize step, gsize elem)
{
  switch (elem) {
  case 4:
    for (gsize i = 0; i < n; i++)
      ((guint32 *) dst)[i] = ((const guint32 *) src)[i * step];
    break;
  case 2:
    for (gsize i = 0; i < n; i++)
      ((guint16 *) dst)[i] = ((const guint16 *) src)[i * step];
    break;
  default:
    for (gsize i = 0; i < n; i++)
      dst[i] = src[i * step];
  }
}

void
shu_cpu_permute (ShuCtx *c, ShuTensor *y, ShuTensor *x, const int *axes)
{
  gsize size[SHU_MAX_DIMS], step[SHU_MAX_DIMS];
  gsize elem = shu_dtype_size (x->dtype);
  int n = permute_plan (x, axes, size, step);
  gsize row, rows;

  if (n == 0) {
    memcpy (y->data, x->data, elem);
    return;
  }
  row = size[n - 1];
  rows = y->n / row;
#pragma omp parallel for if (y->n > 65536)
  for (gint64 r = 0; r < (gint64) rows; r++) {
    gsize rest = (gsize) r, at = 0;
    char *dst = (char *) y->data + (gsize) r * row * elem;

    for (int i = n - 2; i >= 0; i--) {
      at += rest % size[i] * step[i];
      rest /= size[i];
    }
    if (step[n - 1] == 1)
      memcpy (dst, (const char *) x->data + at * elem, row * elem);
    else
      gather_strided (
          dst, (const char *) x->data + at * elem, row, step[n - 1], elem);
  }
}

void
shu_cpu_gather (ShuCtx *c, ShuTensor *y, ShuTensor *x, ShuTensor *index)
{
  gsize C = (gsize) x->dims[1];
  const gint32 *rows = shu_i32 (index);

  for (gsize i = 0; i < index->n; i++)
    if (rows[i] >= x->dims[0]) {
      shu_ctx_fail (c, SHU_ERROR_INVALID,
          "gather: expected rows below %" G_GINT64_FORMAT ", got %d",
          x->dims[0], rows[i]);
      return;
    }
#pragma omp parallel for if (y->n > 65536)
  for (gint64 i = 0; i < (gint64) index->n; i++) {
    float *dst = shu_f32 (y) + (gsize) i * C;

    if (rows[i] < 0)
      memset (dst, 0, C * sizeof (float));
    else
      memcpy (dst, shu_f32 (x) + (gsize) rows[i] * C, C * sizeof (float));
  }
}
