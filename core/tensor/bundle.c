/* SPDX-License-Identifier: MIT */
/* A named set of tensors.  Small sets: plain arrays, searched in order. */
#include "tensor/bundle.h"
#include "base/error.h"
#include <string.h>

struct _ShuBundle {
  gatomicrefcount refs;
  char *schema;
  GPtrArray *names;   /* char * */
  GPtrArray *tensors; /* ShuTensor *, as many */
  GHashTable *metadata;
};

ShuBundle *
shu_bundle_new (const char *schema)
{
  ShuBundle *b = g_new0 (ShuBundle, 1);

  g_atomic_ref_count_init (&b->refs);
  b->schema = g_strdup (schema);
  b->names = g_ptr_array_new_with_free_func (g_free);
  b->tensors =
      g_ptr_array_new_with_free_func ((GDestroyNotify) shu_tensor_unref);
  b->metadata = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  return b;
}

ShuBundle *
shu_bundle_ref (ShuBundle *b)
{
  g_atomic_ref_count_inc (&b->refs);
  return b;
}

void
shu_bundle_unref (ShuBundle *b)
{
  if (!b || !g_atomic_ref_count_dec (&b->refs))
    return;
  g_free (b->schema);
  g_ptr_array_unref (b->names);
  g_ptr_array_unref (b->tensors);
  g_hash_table_unref (b->metadata);
  g_free (b);
}

const char *
shu_bundle_schema (const ShuBundle *b)
{
  return b->schema;
}

static int
find (const ShuBundle *b, const char *name)
{
  for (guint i = 0; i < b->names->len; i++)
    if (strcmp (g_ptr_array_index (b->names, i), name) == 0)
      return i;
  return -1;
}

void
shu_bundle_take (ShuBundle *b, const char *name, ShuTensor *t)
{
  int i = find (b, name);

  if (i >= 0) {
    shu_tensor_unref (g_ptr_array_index (b->tensors, i));
    g_ptr_array_index (b->tensors, i) = t;
    return;
  }
  g_ptr_array_add (b->names, g_strdup (name));
  g_ptr_array_add (b->tensors, t);
}

void
shu_bundle_set (ShuBundle *b, const char *name, ShuTensor *t)
{
  shu_bundle_take (b, name, shu_tensor_ref (t));
}

int
shu_bundle_n (const ShuBundle *b)
{
  return b->names->len;
}

const char *
shu_bundle_name (const ShuBundle *b, int i)
{
  return g_ptr_array_index (b->names, i);
}

ShuTensor *
shu_bundle_nth (const ShuBundle *b, int i)
{
  return g_ptr_array_index (b->tensors, i);
}

ShuTensor *
shu_bundle_get (const ShuBundle *b, const char *name)
{
  int i = find (b, name);

  return i < 0 ? NULL : g_ptr_array_index (b->tensors, i);
}

static char *
describe_dims (int n_dims, const gint64 *dims)
{
  GString *s = g_string_new ("[");

  for (int i = 0; i < n_dims; i++) {
    if (i > 0)
      g_string_append_c (s, ',');
    if (dims[i] < 0)
      g_string_append (s, "any");
    else
      g_string_append_printf (s, "%" G_GINT64_FORMAT, dims[i]);
  }
  g_string_append_c (s, ']');
  return g_string_free (s, FALSE);
}

ShuTensor *
shu_bundle_need_anywhere (const ShuBundle *b, const char *name, ShuDType dtype,
    int n_dims, const gint64 *dims, GError **error)
{
  ShuTensor *t = shu_bundle_get (b, name);
  gboolean fits;

  if (!t) {
    g_set_error (error, SHU_ERROR, SHU_ERROR_MISSING,
        "bundle \"%s\": the field \"%s\" is missing", b->schema, name);
    return NULL;
  }
  fits = t->dtype == dtype && t->n_dims == n_dims;
  for (int i = 0; fits && i < n_dims; i++)
    fits = dims[i] < 0 ? t->dims[i] >= 1 : t->dims[i] == dims[i];
  if (!fits) {
    g_autofree char *got = shu_tensor_describe (t);
    g_autofree char *want = describe_dims (n_dims, dims);

    g_set_error (error, SHU_ERROR, SHU_ERROR_INVALID,
        "bundle \"%s\": field \"%s\": expected %s %s, got %s", b->schema, name,
        want, shu_dtype_name (dtype), got);
    return NULL;
  }
  return t;
}

ShuTensor *
shu_bundle_need (const ShuBundle *b, const char *name, ShuDType dtype,
    int n_dims, const gint64 *dims, GError **error)
{
  ShuTensor *t = shu_bundle_need_anywhere (b, name, dtype, n_dims, dims, error);
  g_autofree char *device = NULL;

  if (!t || shu_tensor_is_host (t))
    return t;
  device = shu_tensor_device (t);
  g_set_error (error, SHU_ERROR, SHU_ERROR_INVALID,
      "bundle \"%s\": field \"%s\" is on %s and is needed in host memory: "
      "shu_bundle_to_host() brings it",
      b->schema, name, device);
  return NULL;
}

void
shu_bundle_set_string (ShuBundle *b, const char *key, const char *value)
{
  g_hash_table_replace (b->metadata, g_strdup (key), g_strdup (value));
}

void
shu_bundle_set_int (ShuBundle *b, const char *key, gint64 value)
{
  g_hash_table_replace (b->metadata, g_strdup (key),
      g_strdup_printf ("%" G_GINT64_FORMAT, value));
}

void
shu_bundle_set_double (ShuBundle *b, const char *key, double value)
{
  char text[G_ASCII_DTOSTR_BUF_SIZE];

  shu_bundle_set_string (b, key, g_ascii_dtostr (text, sizeof text, value));
}

const char *
shu_bundle_string (const ShuBundle *b, const char *key)
{
  return g_hash_table_lookup (b->metadata, key);
}

gint64
shu_bundle_int (const ShuBundle *b, const char *key, gint64 fallback)
{
  const char *text = shu_bundle_string (b, key);
  gint64 value;

  if (!text || !g_ascii_string_to_signed (
                   text, 10, G_MININT64, G_MAXINT64, &value, NULL))
    return fallback;
  return value;
}

double
shu_bundle_double (const ShuBundle *b, const char *key, double fallback)
{
  const char *text = shu_bundle_string (b, key);
  char *end = NULL;
  double value = text ? g_ascii_strtod (text, &end) : 0;

  return text && end != text && *end == 0 ? value : fallback;
}

GHashTable *
shu_bundle_metadata (const ShuBundle *b)
{
  return b->metadata;
}

void
shu_bundle_carry (ShuBundle *b, const ShuBundle *from, const char *const *names)
{
  GHashTableIter iter;
  gpointer key, value;

  g_hash_table_iter_init (&iter, from->metadata);
  while (g_hash_table_iter_next (&iter, &key, &value))
    shu_bundle_set_string (b, key, value);
  for (; names && *names; names++) {
    ShuTensor *t = shu_bundle_get (from, *names);

    if (t)
      shu_bundle_set (b, *names, t);
  }
}

ShuBundle *
shu_bundle_to_host (const ShuBundle *b, ShuTraffic *traffic, GError **error)
{
  g_autoptr (ShuBundle) host = NULL;
  gboolean all_here = TRUE;

  for (guint i = 0; i < b->tensors->len; i++)
    all_here &= shu_tensor_is_host (g_ptr_array_index (b->tensors, i));
  if (all_here)
    return shu_bundle_ref ((ShuBundle *) b);
  host = shu_bundle_new (b->schema);
  shu_bundle_carry (host, b, NULL);
  for (guint i = 0; i < b->tensors->len; i++) {
    ShuTensor *t = g_ptr_array_index (b->tensors, i);
    ShuTensor *copy = shu_tensor_to_host (t, traffic,
        t->dtype == SHU_DTYPE_U8 ? SHU_TRAFFIC_IMAGE : SHU_TRAFFIC_MESH, error);

    if (!copy)
      return NULL;
    shu_bundle_take (host, g_ptr_array_index (b->names, i), copy);
  }
  return g_steal_pointer (&host);
}

gsize
shu_bundle_bytes (const ShuBundle *b)
{
  gsize sum = 0;

  for (guint i = 0; i < b->tensors->len; i++)
    sum += shu_tensor_bytes (g_ptr_array_index (b->tensors, i));
  return sum;
}
