/* SPDX-License-Identifier: MIT */
/* Tensors: a shape over a storage, reference counted. */
#include "tensor/tensor.h"
#include "tensor/storage.h"
#include "base/bytes.h"
#include "base/error.h"

gsize
shu_dtype_size (ShuDType dtype)
{
  static const gsize sizes[] = {4, 2, 2, 4, 1, 1};

  g_return_val_if_fail ((gsize) dtype < G_N_ELEMENTS (sizes), 0);
  return sizes[dtype];
}

const char *
shu_dtype_name (ShuDType dtype)
{
  static const char *const names[] = {
      "f32", "f16", "bf16", "i32", "u8", "e4m3"};

  g_return_val_if_fail ((gsize) dtype < G_N_ELEMENTS (names), NULL);
  return names[dtype];
}

gboolean
shu_tensor_size (
    ShuDType dtype, int n_dims, const gint64 *dims, gsize *ret_bytes)
{
  gsize bytes = shu_dtype_size (dtype);

  if (n_dims < 1 || n_dims > SHU_MAX_DIMS)
    return FALSE;
  for (int i = 0; i < n_dims; i++)
    if (dims[i] < 0 || !shu_mul_size (bytes, (gsize) dims[i], &bytes))
      return FALSE;
  *ret_bytes = bytes;
  return TRUE;
}

ShuTensor *
shu_tensor_new_storage (
    ShuDType dtype, int n_dims, const gint64 *dims, ShuStorage *storage)
{
  ShuTensor *t = g_new (ShuTensor, 1);

  *t = (ShuTensor){.dtype = dtype, .n_dims = n_dims, .n = 1};
  for (int i = 0; i < SHU_MAX_DIMS; i++) {
    t->dims[i] = i < n_dims ? dims[i] : 1;
    t->n *= (gsize) t->dims[i];
  }
  t->data = storage->data;
  t->storage = storage;
  g_atomic_ref_count_init (&t->refs);
  return t;
}

ShuTensor *
shu_tensor_new (ShuDType dtype, int n_dims, const gint64 *dims)
{
  gsize bytes = 0;

  g_assert (shu_tensor_size (dtype, n_dims, dims, &bytes));
  return shu_tensor_new_storage (dtype, n_dims, dims, shu_storage_new (bytes));
}

ShuTensor *
shu_tensor_try_new (
    ShuDType dtype, int n_dims, const gint64 *dims, GError **error)
{
  ShuStorage *storage;
  gsize bytes = 0;

  if (!shu_tensor_size (dtype, n_dims, dims, &bytes)) {
    g_set_error_literal (
        error, SHU_ERROR, SHU_ERROR_LIMIT, "tensor: sizes are out of range");
    return NULL;
  }
  storage = shu_storage_try_new (bytes);
  if (!storage) {
    g_set_error (error, SHU_ERROR, SHU_ERROR_MEMORY,
        "no memory for a tensor of %zu MB", bytes >> 20);
    return NULL;
  }
  return shu_tensor_new_storage (dtype, n_dims, dims, storage);
}

ShuTensor *
shu_tensor_new_bytes (ShuDType dtype, int n_dims, const gint64 *dims,
    GBytes *owner, gconstpointer data)
{
  gsize bytes = 0;

  g_assert (shu_tensor_size (dtype, n_dims, dims, &bytes));
  return shu_tensor_new_storage (
      dtype, n_dims, dims, shu_storage_new_bytes (owner, data, bytes));
}

ShuTensor *
shu_tensor_ref (ShuTensor *t)
{
  g_return_val_if_fail (t, NULL);
  g_atomic_ref_count_inc (&t->refs);
  return t;
}

void
shu_tensor_unref (ShuTensor *t)
{
  if (!t || !g_atomic_ref_count_dec (&t->refs))
    return;
  if (t->packed && t->packed_free)
    t->packed_free (t->packed);
  shu_storage_unref (t->storage);
  g_free (t);
}

ShuTensor *
shu_tensor_view (ShuTensor *t, int n_dims, const gint64 *dims)
{
  gint64 shape[SHU_MAX_DIMS];
  gint64 known = 1;
  int hole = -1;
  ShuTensor *view;

  g_assert (t && n_dims >= 1 && n_dims <= SHU_MAX_DIMS);
  for (int i = 0; i < n_dims; i++) {
    shape[i] = dims[i];
    if (dims[i] == -1) {
      g_assert (hole < 0);
      hole = i;
    } else {
      known *= dims[i];
    }
  }
  if (hole >= 0) {
    g_assert (known > 0);
    shape[hole] = (gint64) t->n / known;
  }
  view = shu_tensor_new_storage (
      t->dtype, n_dims, shape, shu_storage_ref (t->storage));
  view->data = t->data;
  g_assert (view->n == t->n);
  return view;
}

gsize
shu_tensor_bytes (const ShuTensor *t)
{
  return t->n * shu_dtype_size (t->dtype);
}

gboolean
shu_tensor_is_host (const ShuTensor *t)
{
  return t->storage->place == SHU_HOST;
}

char *
shu_tensor_device (const ShuTensor *t)
{
  return shu_place_name (t->storage->place);
}

ShuTensor *
shu_tensor_to_host (
    ShuTensor *t, ShuTraffic *traffic, ShuTrafficKind kind, GError **error)
{
  ShuStorage *host;
  ShuTensor *copy;

  if (shu_tensor_is_host (t))
    return shu_tensor_host (t, error) ? shu_tensor_ref (t) : NULL;
  host = shu_storage_host (t->storage, traffic, kind, error);
  if (!host)
    return NULL;
  copy = shu_tensor_new_storage (
      t->dtype, t->n_dims, t->dims, shu_storage_ref (host));
  copy->data = (char *) host->data +
               ((const char *) t->data - (const char *) t->storage->data);
  return copy;
}

char *
shu_tensor_describe (const ShuTensor *t)
{
  GString *s;

  if (!t)
    return g_strdup ("(none)");
  s = g_string_new ("[");
  for (int i = 0; i < t->n_dims; i++)
    g_string_append_printf (s, "%s%" G_GINT64_FORMAT, i ? "," : "", t->dims[i]);
  g_string_append_printf (s, "] %s", shu_dtype_name (t->dtype));
  return g_string_free (s, FALSE);
}
