/* SPDX-License-Identifier: MIT */
/* What is there, without loading it. */
#include "weights/safetensors.h"
#include "weights/weights_private.h"
#include <string.h>

static int
compare_names (gconstpointer a, gconstpointer b)
{
  return strcmp (*(char *const *) a, *(char *const *) b);
}

char **
shu_weights_names (ShuWeights *w)
{
  GPtrArray *names = g_ptr_array_new ();
  g_autoptr (GHashTable) all = g_hash_table_new (g_str_hash, g_str_equal);
  GHashTable *tables[] = {w->root->where, w->root->loaded};
  gsize skip = strlen (w->prefix);
  GHashTableIter iter;
  gpointer key;

  g_mutex_lock (&w->root->lock);
  for (int k = 0; k < 2; k++) {
    g_hash_table_iter_init (&iter, tables[k]);
    while (g_hash_table_iter_next (&iter, &key, NULL))
      if (g_str_has_prefix (key, w->prefix) && g_hash_table_add (all, key))
        g_ptr_array_add (names, g_strdup ((char *) key + skip));
  }
  g_mutex_unlock (&w->root->lock);
  g_ptr_array_sort (names, compare_names);
  g_ptr_array_add (names, NULL);
  return (char **) g_ptr_array_free (names, FALSE);
}

void
shu_weights_probe (ShuWeights *w)
{
  g_mutex_lock (&w->root->lock);
  if (!w->root->probe)
    w->root->probe = shu_probe_new ();
  g_mutex_unlock (&w->root->lock);
}

GPtrArray *
shu_weights_problems (ShuWeights *w)
{
  g_return_val_if_fail (w->root->probe, NULL);
  return shu_probe_problems (w->root->probe);
}

char **
shu_weights_unused (ShuWeights *w)
{
  g_auto (GStrv) all = shu_weights_names (w);
  g_autoptr (GStrvBuilder) unused = g_strv_builder_new ();

  g_return_val_if_fail (w->root->probe, NULL);
  for (char **name = all; *name; name++)
    if (!shu_probe_has_seen (w->root->probe, *name))
      g_strv_builder_add (unused, *name);
  return g_strv_builder_end (unused);
}

void
shu_weights_count (ShuWeights *w, int *ret_n, guint64 *ret_bytes)
{
  *ret_n = 0;
  *ret_bytes = 0;
  for (guint f = 0; f < w->root->files->len; f++) {
    const ShuTensorFile *file = g_ptr_array_index (w->root->files, f);

    for (int i = 0; i < shu_tensor_file_n (file); i++) {
      const char *dtype;
      gint64 dims[SHU_MAX_DIMS];
      int n_dims;
      guint64 n = 1;

      shu_tensor_file_shape (file, i, &dtype, &n_dims, dims);
      for (int d = 0; d < n_dims; d++)
        n *= (guint64) dims[d];
      *ret_n += 1;
      *ret_bytes += n * shu_safetensors_type_size (dtype);
    }
  }
}

static void
add_once (GPtrArray *list, const char *text)
{
  if (!g_ptr_array_find_with_equal_func (list, text, g_str_equal, NULL))
    g_ptr_array_add (list, (gpointer) text);
}

char *
shu_weights_describe (ShuWeights *w)
{
  g_autoptr (GPtrArray) list = g_ptr_array_new ();

  for (guint f = 0; f < w->root->files->len; f++)
    add_once (
        list, shu_tensor_file_format (g_ptr_array_index (w->root->files, f)));
  for (guint f = 0; f < w->root->files->len; f++) {
    const ShuTensorFile *file = g_ptr_array_index (w->root->files, f);

    for (int i = 0; i < shu_tensor_file_n (file); i++) {
      const char *dtype;

      shu_tensor_file_shape (file, i, &dtype, NULL, NULL);
      add_once (list, dtype);
    }
  }
  g_ptr_array_add (list, NULL);
  return g_strjoinv (", ", (char **) list->pdata);
}
