/* SPDX-License-Identifier: MIT */
/* See source.h. */
#include "tensor/source.h"
#include "base/half.h"
#include "base/splitmix.h"
#include "base/error.h"
#include "tensor/storage.h"
#include <string.h>

enum { RUN = 1 << 16 }; /* values that a thread makes at a time */

void
shu_source_free (ShuSource *s)
{
  if (!s)
    return;
  shu_tensor_unref (s->raw);
  g_free (s->factors);
  g_free (s);
}

const ShuSource *
shu_tensor_source (const ShuTensor *t)
{
  return t->storage->source;
}

static ShuTensor *
new_deferred (int n_dims, const gint64 *dims, const ShuSource *source)
{
  gsize bytes = 0;
  ShuStorage *storage;

  g_assert (shu_tensor_size (SHU_DTYPE_F32, n_dims, dims, &bytes));
  storage = shu_storage_new_source (g_memdup2 (source, sizeof *source), bytes);
  return shu_tensor_new_storage (SHU_DTYPE_F32, n_dims, dims, storage);
}

ShuTensor *
shu_tensor_new_raw (ShuTensor *raw)
{
  ShuSource s = {
      .raw = raw, .n = raw->n, .row = (gint64) raw->n / MAX (raw->dims[0], 1)};

  g_assert (raw->data);
  return new_deferred (raw->n_dims, raw->dims, &s);
}

ShuTensor *
shu_tensor_new_formula (
    int n_dims, const gint64 *dims, guint64 key, float offset, float scale)
{
  ShuSource s = {.key = key, .offset = offset, .scale = scale, .n = 1};

  for (int i = 0; i < n_dims; i++)
    s.n *= (gsize) dims[i];
  s.row = (gint64) s.n / dims[0];
  return new_deferred (n_dims, dims, &s);
}

ShuTensor *
shu_tensor_new_scaled (ShuTensor *w, const double *factors)
{
  const ShuSource *from = shu_tensor_source (w);
  ShuSource s = {
      .raw = w, .n = w->n, .row = (gint64) w->n / MAX (w->dims[0], 1)};

  g_assert (from ? from->n_pieces == 0 && !from->factors : w->data != NULL);
  if (from)
    s = *from;
  if (s.raw)
    shu_tensor_ref (s.raw);
  s.factors = g_memdup2 (factors, (gsize) w->dims[0] * sizeof *factors);
  return new_deferred (w->n_dims, w->dims, &s);
}

/* ---- columns ---- */

/* Bytes @at.. of rows of @pieces of @src, whose rows are @row bytes. */
static void
read_columns (const char *src, gsize row, gsize elem, int n_pieces,
    const ShuColumns *pieces, gsize at, gsize n, char *ret)
{
  gsize width = 0, skip;

  for (int i = 0; i < n_pieces; i++)
    width += (gsize) pieces[i].size * elem;
  src += at / width * row;
  skip = at % width;
  while (n > 0) {
    for (int i = 0; i < n_pieces && n > 0; i++) {
      gsize size = (gsize) pieces[i].size * elem, part;

      if (skip >= size) {
        skip -= size;
        continue;
      }
      part = MIN (size - skip, n);
      memcpy (ret, src + (gsize) pieces[i].from * elem + skip, part);
      ret += part;
      n -= part;
      skip = 0;
    }
    src += row;
  }
}

ShuTensor *
shu_tensor_new_columns (ShuTensor *w, int n, const ShuColumns *pieces)
{
  gint64 H = w->dims[0], K = w->dims[1], width = 0;
  const ShuSource *from = shu_tensor_source (w);
  ShuTensor *t;

  g_assert (w->n_dims == 2 && n >= 1 && n <= SHU_SOURCE_MAX_PIECES);
  for (int i = 0; i < n; i++) {
    g_assert (pieces[i].from >= 0 && pieces[i].size > 0 &&
              pieces[i].from + pieces[i].size <= K);
    width += pieces[i].size;
  }
  if (!w->data && from && from->n_pieces == 0 && !from->factors) {
    ShuSource s = *from;

    if (s.raw)
      shu_tensor_ref (s.raw);
    s.n_pieces = n;
    memcpy (s.pieces, pieces, n * sizeof *pieces);
    return new_deferred (2, (const gint64[]){H, width}, &s);
  }
  g_assert (w->data);
  t = shu_tensor_new (SHU_DTYPE_F32, SHU_DIMS (H, width));
  read_columns (w->data, (gsize) K * sizeof (float), sizeof (float), n, pieces,
      0, shu_tensor_bytes (t), t->data);
  return t;
}

void
shu_source_read (const ShuSource *s, gsize at, gsize n, gpointer ret)
{
  gsize elem = shu_dtype_size (s->raw->dtype);

  if (s->n_pieces == 0)
    memcpy (ret, (const char *) s->raw->data + at, n);
  else
    read_columns (s->raw->data, (gsize) s->row * elem, elem, s->n_pieces,
        s->pieces, at, n, ret);
}

/* ---- values ---- */

static float
formula_value (const ShuSource *s, gsize i)
{
  float v = s->scale * shu_splitmix_value (s->key, i);

  return shu_f16_to_f32 (shu_f32_to_f16 (s->offset + v));
}

static gsize
piece_values (const ShuSource *s, gsize first, gsize n, float *ret)
{
  if (!s->raw)
    for (gsize i = 0; i < n; i++)
      ret[i] = formula_value (s, first + i);
  else if (s->raw->dtype == SHU_DTYPE_F32)
    memcpy (ret, (const float *) s->raw->data + first, n * sizeof (float));
  else if (s->raw->dtype == SHU_DTYPE_F16)
    shu_f16_to_f32_n ((const guint16 *) s->raw->data + first, ret, n);
  else
    shu_bf16_to_f32_n ((const guint16 *) s->raw->data + first, ret, n);
  return n;
}

void
shu_source_values (const ShuSource *s, float *ret)
{
  gsize run = s->n_pieces > 0 || s->factors ? (gsize) s->row : RUN;
  gsize runs = (s->n + run - 1) / run, width = 0;

  for (int i = 0; i < s->n_pieces; i++)
    width += (gsize) s->pieces[i].size;
#pragma omp parallel for if (s->n > 100000)
  for (gsize r = 0; r < runs; r++) {
    gsize first = r * run;
    float *y = ret + r * (s->n_pieces > 0 ? width : run);

    if (s->n_pieces == 0)
      piece_values (s, first, MIN (run, s->n - first), y);
    for (gsize i = 0; s->factors && i < run; i++)
      y[i] = (float) (y[i] * s->factors[r]);
    for (int i = 0; i < s->n_pieces; i++)
      y += piece_values (
          s, first + (gsize) s->pieces[i].from, (gsize) s->pieces[i].size, y);
  }
}

gboolean
shu_tensor_host (ShuTensor *t, GError **error)
{
  static GMutex lock;
  ShuStorage *s = t->storage;
  gboolean ok = TRUE;

  if (s->place != SHU_HOST || g_atomic_pointer_get (&t->data))
    return TRUE;
  g_mutex_lock (&lock);
  if (!s->data) {
    ok = shu_storage_back (s);
    if (ok)
      shu_source_values (s->source, s->data);
    else
      g_set_error (error, SHU_ERROR, SHU_ERROR_MEMORY,
          "no memory for a weight of %zu MB", s->size >> 20);
  }
  if (ok)
    g_atomic_pointer_set (&t->data, s->data);
  g_mutex_unlock (&lock);
  return ok;
}
