/* SPDX-License-Identifier: MIT */
/* The metadata "synchuman.bundle" holds schema and version; the other metadata
 * is the bundle's own. */
#include "formats/bundle_file.h"
#include "base/error.h"
#include "weights/safetensors.h"
#include <string.h>

#define KEY "synchuman.bundle"

enum { VERSION = 1, MAX_FIELDS = 256 };

static const char *const schemas[] = {
    "subject", "views", "asset", "mesh", "model", NULL};

GBytes *
shu_bundle_encode (const ShuBundle *b)
{
  int n = shu_bundle_n (b);
  g_autofree const char **names = g_new (const char *, n);
  g_autofree ShuTensor **tensors = g_new (ShuTensor *, n);
  g_autoptr (GHashTable) metadata =
      g_hash_table_new_full (g_str_hash, g_str_equal, NULL, NULL);
  g_autofree char *version =
      g_strdup_printf ("%s/%d", shu_bundle_schema (b), VERSION);
  GHashTableIter iter;
  gpointer key, value;

  for (int i = 0; i < n; i++) {
    names[i] = shu_bundle_name (b, i);
    tensors[i] = shu_bundle_nth (b, i);
    g_return_val_if_fail (shu_tensor_is_host (tensors[i]), NULL);
  }
  g_hash_table_iter_init (&iter, shu_bundle_metadata (b));
  while (g_hash_table_iter_next (&iter, &key, &value))
    g_hash_table_insert (metadata, key, value);
  g_hash_table_insert (metadata, (gpointer) KEY, version);
  return shu_safetensors_write (n, names, tensors, metadata);
}

static char *
parse_version (const char *text, const char *name, GError **error)
{
  g_auto (GStrv) parts = text ? g_strsplit (text, "/", 3) : NULL;
  guint64 version;

  if (!text) {
    g_set_error (error, SHU_ERROR, SHU_ERROR_INVALID,
        "%s: not a bundle of synchuman (no \"" KEY "\" in its metadata)", name);
    return NULL;
  }
  if (g_strv_length (parts) != 2 || !g_strv_contains (schemas, parts[0]) ||
      !g_ascii_string_to_unsigned (
          parts[1], 10, VERSION, VERSION, &version, NULL)) {
    g_set_error (error, SHU_ERROR, SHU_ERROR_UNSUPPORTED,
        "%s: bundle \"%.80s\"; this program reads version %d of the bundles "
        "subject, views, asset, mesh and model",
        name, text, VERSION);
    return NULL;
  }
  return g_strdup (parts[0]);
}

ShuBundle *
shu_bundle_decode (GBytes *bytes, const char *name, GError **error)
{
  g_autoptr (ShuSafetensors) st = shu_safetensors_parse (bytes, name, error);
  g_autoptr (ShuBundle) b = NULL;
  g_autofree char *schema = NULL;
  GHashTableIter iter;
  gpointer key, value;

  if (!st)
    return NULL;
  schema = parse_version (shu_safetensors_metadata (st, KEY), name, error);
  if (!schema)
    return NULL;
  if (shu_safetensors_n (st) > MAX_FIELDS) {
    g_set_error (error, SHU_ERROR, SHU_ERROR_LIMIT,
        "%s: a bundle of %d fields (at most %d)", name, shu_safetensors_n (st),
        MAX_FIELDS);
    return NULL;
  }
  b = shu_bundle_new (schema);
  g_hash_table_iter_init (&iter, shu_safetensors_all_metadata (st));
  while (g_hash_table_iter_next (&iter, &key, &value))
    if (strcmp (key, KEY) != 0)
      shu_bundle_set_string (b, key, value);
  for (int i = 0; i < shu_safetensors_n (st); i++) {
    ShuTensor *t = shu_safetensors_tensor (st, i, error);

    if (!t)
      return NULL;
    shu_bundle_take (b, shu_safetensors_name (st, i), t);
  }
  return g_steal_pointer (&b);
}
