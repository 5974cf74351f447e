/* SPDX-License-Identifier: MIT */
/* One root per model file, which keeps the sources, the tensors handed out so
 * far and the first failure; parts of it are views with a prefix. */
#include "weights/weights_private.h"
#include "base/error.h"
#include "base/file.h"
#include "tensor/source.h"
#include "weights/config.h"
#include "weights/safetensors.h"
#include <string.h>

static void
view_free (ShuWeights *w)
{
  g_free (w->prefix);
  g_free (w);
}

static ShuWeights *
root_new (const char *label)
{
  ShuWeightsRoot *root = g_new0 (ShuWeightsRoot, 1);
  ShuWeights *w = g_new0 (ShuWeights, 1);

  g_atomic_ref_count_init (&root->refs);
  g_mutex_init (&root->lock);
  root->label = g_strdup (label);
  root->files =
      g_ptr_array_new_with_free_func ((GDestroyNotify) shu_tensor_file_free);
  root->where = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  root->loaded = g_hash_table_new_full (
      g_str_hash, g_str_equal, g_free, (GDestroyNotify) shu_tensor_unref);
  root->views = g_hash_table_new_full (
      g_str_hash, g_str_equal, NULL, (GDestroyNotify) view_free);
  root->uses = g_hash_table_new_full (
      NULL, NULL, (GDestroyNotify) shu_tensor_unref, g_free);
  root->nil = shu_tensor_new (SHU_DTYPE_F32, SHU_DIMS (1));
  *(float *) root->nil->data = 0;
  w->root = root;
  w->prefix = g_strdup ("");
  g_hash_table_insert (root->views, w->prefix, w);
  return w;
}

ShuWeights *
shu_weights_ref (ShuWeights *w)
{
  g_atomic_ref_count_inc (&w->root->refs);
  return w;
}

void
shu_weights_unref (ShuWeights *w)
{
  ShuWeightsRoot *root = w ? w->root : NULL;

  if (!root || !g_atomic_ref_count_dec (&root->refs))
    return;
  if (root->data_free)
    root->data_free (root->data);
  g_hash_table_unref (root->uses);
  g_hash_table_unref (root->where);
  g_hash_table_unref (root->loaded);
  g_hash_table_unref (root->views);
  g_ptr_array_unref (root->files);
  shu_tensor_unref (root->nil);
  shu_probe_free (root->probe);
  g_clear_error (&root->error);
  g_mutex_clear (&root->lock);
  g_free (root->label);
  g_free (root);
}

/* ---- sources ---- */

ShuWeights *
shu_weights_new (void)
{
  return root_new ("weights");
}

ShuWeights *
shu_weights_new_formula (ShuFormula formula,
    gboolean (*exists) (const char *name, gpointer data), gpointer data,
    GDestroyNotify data_free)
{
  ShuWeights *w = root_new ("formula weights");

  w->root->formula = formula;
  w->root->exists = exists;
  w->root->data = data;
  w->root->data_free = data_free;
  return w;
}

ShuWeights *
shu_weights_new_made (ShuMake make,
    gboolean (*exists) (const char *name, gpointer data), gpointer data,
    GDestroyNotify data_free)
{
  ShuWeights *w = shu_weights_new_formula (NULL, exists, data, data_free);

  w->root->make = make;
  return w;
}

void
shu_weights_defer (ShuWeights *w)
{
  w->root->deferred = TRUE;
}

static gboolean
add_file (ShuWeightsRoot *root, const char *path, GError **error)
{
  ShuTensorFile *file = shu_tensor_file_open (path, error);

  if (!file)
    return FALSE;
  g_ptr_array_add (root->files, file);
  for (int i = 0; i < shu_tensor_file_n (file); i++) {
    const char *name = shu_tensor_file_name (file, i);
    gpointer other;

    if (g_hash_table_lookup_extended (root->where, name, NULL, &other)) {
      const ShuTensorFile *first =
          g_ptr_array_index (root->files, GPOINTER_TO_INT (other));

      g_set_error (error, SHU_ERROR, SHU_ERROR_INVALID,
          "%s: the tensor \"%.200s\" is in %s, too; get the files again", path,
          name, shu_tensor_file_label (first));
      return FALSE;
    }
    g_hash_table_insert (
        root->where, g_strdup (name), GINT_TO_POINTER (root->files->len - 1));
  }
  return TRUE;
}

/* The shards that an index file names; they lie beside it. */
static gboolean
add_shards (ShuWeightsRoot *root, const char *path, GError **error)
{
  g_autoptr (ShuConfig) index = shu_config_open (path, error);
  g_autofree char *folder = g_path_get_dirname (path);
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);
  g_autofree const char **keys = NULL;
  ShuConfig *map;

  if (!index)
    return FALSE;
  map = shu_config_at (index, "weight_map");
  keys = shu_config_keys (map);
  if (!keys[0])
    shu_config_fail (map, "it names no files");
  for (int i = 0; keys[i]; i++) {
    const char *file = shu_config_string (map, keys[i], NULL);
    g_autofree char *shard = g_build_filename (folder, file, NULL);

    if (strchr (file, '/') || *file == 0 || *file == '.')
      shu_config_fail (map, "\"%.200s\": not the name of a file", file);
    if (!shu_config_finish (index, error))
      return FALSE;
    if (g_hash_table_add (seen, (gpointer) file) &&
        !add_file (root, shard, error))
      return FALSE;
  }
  return shu_config_finish (index, error);
}

ShuWeights *
shu_weights_open (const char *path, GError **error)
{
  static const char *const names[] = {"model.safetensors",
      "diffusion_pytorch_model.safetensors",
      "diffusion_pytorch_model.fp16.safetensors",
      "model.safetensors.index.json",
      "diffusion_pytorch_model.safetensors.index.json"};
  g_autoptr (ShuWeights) w = root_new (path);
  g_autofree char *file = g_strdup (path);

  if (g_file_test (path, G_FILE_TEST_IS_DIR)) {
    g_clear_pointer (&file, g_free);
    for (gsize i = 0; !file && i < G_N_ELEMENTS (names); i++) {
      file = g_build_filename (path, names[i], NULL);
      if (!g_file_test (file, G_FILE_TEST_EXISTS))
        g_clear_pointer (&file, g_free);
    }
    if (!file) {
      g_set_error (error, SHU_ERROR, SHU_ERROR_MISSING,
          "%s: no weights here (looked for %s, %s and their indices)", path,
          names[0], names[1]);
      return NULL;
    }
  }
  if (!(g_str_has_suffix (file, ".json") ? add_shards (w->root, file, error)
                                         : add_file (w->root, file, error)))
    return NULL;
  return g_steal_pointer (&w);
}

ShuWeights *
shu_weights_open_files (int n, const char *const *paths, GError **error)
{
  g_autoptr (ShuWeights) w = root_new (n > 0 ? paths[0] : "no files");

  for (int i = 0; i < n; i++)
    if (!add_file (w->root, paths[i], error))
      return NULL;
  return g_steal_pointer (&w);
}

void
shu_weights_set (ShuWeights *w, const char *name, ShuTensor *t)
{
  g_mutex_lock (&w->root->lock);
  g_hash_table_replace (
      w->root->loaded, g_strconcat (w->prefix, name, NULL), shu_tensor_ref (t));
  g_mutex_unlock (&w->root->lock);
}

/* ---- parts ---- */

ShuWeights *
shu_weights_at (ShuWeights *w, const char *format, ...)
{
  g_autofree char *part = NULL;
  g_autofree char *prefix = NULL;
  ShuWeights *view;
  va_list args;

  va_start (args, format);
  part = g_strdup_vprintf (format, args);
  va_end (args);
  prefix = g_strconcat (w->prefix, part, *part ? "." : "", NULL);
  g_mutex_lock (&w->root->lock);
  view = g_hash_table_lookup (w->root->views, prefix);
  if (!view) {
    view = g_new0 (ShuWeights, 1);
    view->root = w->root;
    view->prefix = g_steal_pointer (&prefix);
    g_hash_table_insert (w->root->views, view->prefix, view);
  }
  g_mutex_unlock (&w->root->lock);
  return view;
}

/* ---- failures ---- */

static void
take_error (ShuWeightsRoot *root, GError *error)
{
  if (root->probe) {
    shu_probe_take (root->probe, g_strdup (error->message));
    g_error_free (error);
  } else if (root->error)
    g_error_free (error);
  else
    root->error = error;
}

void
shu_weights_fail (ShuWeights *w, int code, const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list args;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  g_mutex_lock (&w->root->lock);
  take_error (
      w->root, g_error_new (SHU_ERROR, code, "%s: %s", w->root->label, text));
  g_mutex_unlock (&w->root->lock);
}

gboolean
shu_weights_finish (ShuWeights *w, GError **error)
{
  GError *cause;

  g_mutex_lock (&w->root->lock);
  if (w->root->probe)
    cause = g_error_new (SHU_ERROR, SHU_ERROR_INTERNAL,
        "%s: looked at and not loaded", w->root->label);
  else
    cause = w->root->error ? g_error_copy (w->root->error) : NULL;
  g_mutex_unlock (&w->root->lock);
  if (!cause)
    return TRUE;
  g_propagate_error (error, cause);
  return FALSE;
}

/* ---- lookups; all with the lock held ---- */

static const ShuTensorFile *
find (ShuWeightsRoot *root, const char *name, int *ret_i)
{
  const ShuTensorFile *file;
  gpointer at;

  if (!g_hash_table_lookup_extended (root->where, name, NULL, &at))
    return NULL;
  file = g_ptr_array_index (root->files, GPOINTER_TO_INT (at));
  *ret_i = shu_tensor_file_find (file, name);
  return file;
}

static gboolean
has (ShuWeightsRoot *root, const char *name)
{
  int i;

  if (g_hash_table_contains (root->loaded, name) || find (root, name, &i))
    return TRUE;
  return (root->formula || root->make) &&
         (!root->exists || root->exists (name, root->data));
}

/* @t as f32, made now unless @root defers; NULL where there is no memory.
 * Takes @t over. */
static ShuTensor *
settle (ShuWeightsRoot *root, ShuTensor *t, const char *name, GError **error)
{
  if (t->dtype == SHU_DTYPE_F16 || t->dtype == SHU_DTYPE_BF16)
    t = shu_tensor_new_raw (t);
  if (root->deferred || shu_tensor_host (t, error))
    return t;
  g_prefix_error (error, "%s: %s: ", root->label, name);
  shu_tensor_unref (t);
  return NULL;
}

static ShuTensor *
make (ShuWeightsRoot *root, const char *name, int n_dims, const gint64 *dims,
    GError **error)
{
  ShuTensor *t;

  for (int d = 0; d < n_dims; d++)
    if (dims[d] < 1) {
      g_set_error (error, SHU_ERROR, SHU_ERROR_INTERNAL,
          "%s: %s: a formula needs the whole shape", root->label, name);
      return NULL;
    }
  if (root->make)
    return settle (
        root, root->make (name, n_dims, dims, root->data), name, error);
  t = shu_tensor_try_new (SHU_DTYPE_F32, n_dims, dims, error);
  if (t)
    root->formula (name, n_dims, dims, t->n, t->data, root->data);
  else
    g_prefix_error (error, "%s: %s: ", root->label, name);
  return t;
}

static ShuTensor *
load (ShuWeightsRoot *root, const char *name, int n_dims, const gint64 *dims)
{
  ShuTensor *t = g_hash_table_lookup (root->loaded, name);
  GError *error = NULL;
  const ShuTensorFile *file;
  int i;

  if (t)
    return t;
  file = find (root, name, &i);
  if (file) {
    t = shu_tensor_file_tensor (file, i, &error);
    if (t)
      t = settle (root, t, name, &error);
  } else if (has (root, name)) {
    t = make (root, name, n_dims, dims, &error);
  } else {
    error = g_error_new (SHU_ERROR, SHU_ERROR_MISSING,
        "%s: the tensor \"%s\" is missing", root->label, name);
  }
  if (t)
    g_hash_table_insert (root->loaded, g_strdup (name), t);
  else
    take_error (root, error);
  return t;
}

/* The lookup of shu_weights_probe(). */
static void
look (ShuWeightsRoot *root, const char *name, int n_dims, const gint64 *dims)
{
  const char *dtype = NULL;
  gint64 got[SHU_MAX_DIMS];
  int i, n_got = 0;
  const ShuTensorFile *file = find (root, name, &i);

  if (file)
    shu_tensor_file_shape (file, i, &dtype, &n_got, got);
  shu_probe_look (root->probe, name, n_dims, dims, dtype, n_got, got);
}

ShuTensor *
shu_weights_get (
    ShuWeights *w, const char *name, int n_dims, const gint64 *dims)
{
  ShuWeightsRoot *root = w->root;
  g_autofree char *full = g_strconcat (w->prefix, name, NULL);
  gboolean fits;
  ShuTensor *t;

  g_mutex_lock (&root->lock);
  if (root->probe)
    look (root, full, n_dims, dims);
  t = root->error || root->probe ? NULL : load (root, full, n_dims, dims);
  if (t && t->dtype != SHU_DTYPE_F32) {
    take_error (root, g_error_new (SHU_ERROR, SHU_ERROR_INVALID,
                          "%s: %s: expected F32, F16 or BF16, got %s",
                          root->label, full, shu_dtype_name (t->dtype)));
    t = NULL;
  }
  if (t) {
    fits = t->n_dims == n_dims;
    for (int i = 0; fits && i < n_dims; i++)
      fits = dims[i] < 0 || t->dims[i] == dims[i];
    if (!fits) {
      g_autofree char *want = shu_describe_dims (n_dims, dims);
      g_autofree char *got = shu_describe_dims (t->n_dims, t->dims);

      take_error (root,
          g_error_new (SHU_ERROR, SHU_ERROR_INVALID,
              "%s: %s: expected %s, got %s", root->label, full, want, got));
      t = NULL;
    }
  }
  g_mutex_unlock (&root->lock);
  return t ? t : root->nil;
}

const float *
shu_weights_values (ShuWeights *w, ShuTensor *t)
{
  GError *error = NULL;

  if (shu_tensor_host (t, &error))
    return t->data;
  g_mutex_lock (&w->root->lock);
  take_error (w->root, error);
  g_mutex_unlock (&w->root->lock);
  return NULL;
}

void
shu_weights_settle (ShuWeights *w, ShuTensor *t)
{
  if (!w->root->deferred)
    shu_weights_values (w, t);
}

gboolean
shu_weights_has (ShuWeights *w, const char *name)
{
  g_autofree char *full = g_strconcat (w->prefix, name, NULL);
  gboolean result;

  g_mutex_lock (&w->root->lock);
  result = has (w->root, full);
  g_mutex_unlock (&w->root->lock);
  return result;
}

gboolean
shu_weights_dims (
    ShuWeights *w, const char *name, int *ret_n_dims, gint64 *ret_dims)
{
  ShuWeightsRoot *root = w->root;
  g_autofree char *full = g_strconcat (w->prefix, name, NULL);
  const ShuTensorFile *file;
  ShuTensor *t;
  int i, n = 0;

  g_mutex_lock (&root->lock);
  t = g_hash_table_lookup (root->loaded, full);
  file = find (root, full, &i);
  if (t) {
    n = t->n_dims;
    memcpy (ret_dims, t->dims, n * sizeof (gint64));
  } else if (file)
    shu_tensor_file_shape (file, i, NULL, &n, ret_dims);
  g_mutex_unlock (&root->lock);
  if (ret_n_dims && n > 0)
    *ret_n_dims = n;
  return n > 0;
}
