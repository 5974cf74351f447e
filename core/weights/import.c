/* SPDX-License-Identifier: MIT */
#include "weights/import.h"
#include "base/error.h"
#include "base/file.h"
#include "weights/safetensors.h"
#include "weights/tensor_file.h"
#include <string.h>

typedef struct {
  const ShuTensorFile *file;
  GBytes *header;
} Job;

/* One tensor at a time, so that no more than that is in memory. */
static GBytes *
part (int i, gpointer data, GError **error)
{
  const Job *job = data;

  if (i == 0)
    return g_bytes_ref (job->header);
  if (i > shu_tensor_file_n (job->file))
    return NULL;
  return shu_tensor_file_bytes (job->file, i - 1, error);
}

static GBytes *
make_header (const ShuTensorFile *file, const char *path)
{
  g_autoptr (GHashTable) metadata = g_hash_table_new (g_str_hash, g_str_equal);
  int n = shu_tensor_file_n (file);
  g_autofree ShuSafetensorsEntry *entries = g_new0 (ShuSafetensorsEntry, n + 1);
  g_autofree gint64 *dims = g_new0 (gint64, (gsize) (n + 1) * SHU_MAX_DIMS);
  g_autofree char *base = g_path_get_basename (path);
  g_autofree char *name = g_utf8_make_valid (base, -1);

  for (int i = 0; i < n; i++) {
    ShuSafetensorsEntry *e = &entries[i];
    gint64 *d = dims + (gsize) i * SHU_MAX_DIMS;

    shu_tensor_file_shape (file, i, &e->dtype, &e->n_dims, d);
    e->name = shu_tensor_file_name (file, i);
    e->dims = d;
    e->size = shu_safetensors_type_size (e->dtype);
    for (int k = 0; k < e->n_dims; k++)
      e->size *= (gsize) d[k];
  }
  g_hash_table_insert (metadata, "imported-from", name);
  return shu_safetensors_header (n, entries, metadata);
}

gboolean
shu_weights_import (
    const char *path, const char *to, int *ret_n, GError **error)
{
  g_autoptr (ShuTensorFile) file = shu_tensor_file_open (path, error);
  g_autoptr (GBytes) header = NULL;
  Job job;

  if (!file)
    return FALSE;
  if (strcmp (shu_tensor_file_format (file), "safetensors") == 0) {
    g_set_error (error, SHU_ERROR, SHU_ERROR_INVALID,
        "%s: it is a safetensors file already", path);
    return FALSE;
  }
  header = make_header (file, path);
  job = (Job){file, header};
  if (!shu_file_write_parts (to, part, &job, error))
    return FALSE;
  if (ret_n)
    *ret_n = shu_tensor_file_n (file);
  return TRUE;
}
