/* SPDX-License-Identifier: MIT */
#include "weights/tensor_file_private.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/file.h"
#include "weights/onnx.h"
#include "weights/safetensors.h"
#include "weights/torch_file.h"
#include <string.h>

typedef struct {
  char *name;
  ShuStored s;
  gsize n;    /* elements */
  gsize size; /* bytes */
} Entry;

struct _ShuTensorFile {
  char *label;
  const char *format;
  ShuSafetensors *safetensors; /* then the rest is empty */
  GArray *entries;             /* Entry */
  GHashTable *index;           /* name -> position + 1 */
  gsize room;
};

static void
entry_clear (gpointer data)
{
  Entry *e = data;

  g_free (e->name);
  g_clear_pointer (&e->s.bytes, g_bytes_unref);
}

ShuTensorFile *
shu_tensor_file_new (const char *label, const char *format, gsize room)
{
  ShuTensorFile *file = g_new0 (ShuTensorFile, 1);

  file->label = g_strdup (label);
  file->format = format;
  file->room = room;
  file->entries = g_array_new (FALSE, TRUE, sizeof (Entry));
  g_array_set_clear_func (file->entries, entry_clear);
  file->index = g_hash_table_new (g_str_hash, g_str_equal);
  return file;
}

void
shu_tensor_file_free (ShuTensorFile *file)
{
  if (!file)
    return;
  g_clear_pointer (&file->safetensors, shu_safetensors_free);
  g_hash_table_unref (file->index);
  g_array_unref (file->entries);
  g_free (file->label);
  g_free (file);
}

/* ---- filling ---- */

/* Elements of @s, bytes of one and the number of elements from its first to
 * its last; FALSE where a number is out of range. */
static gboolean
measure (const ShuStored *s, gsize *ret_n, gsize *ret_elem, gsize *ret_span)
{
  gsize elem = shu_safetensors_type_size (s->dtype), n = 1, span = 1, step;
  gsize bytes;

  g_assert (elem > 0 && s->n_dims >= 0 && s->n_dims <= SHU_MAX_DIMS);
  for (int i = 0; i < s->n_dims; i++)
    if (s->dims[i] < 0 || !shu_mul_size (n, s->dims[i], &n))
      return FALSE;
  for (int i = 0; i < s->n_dims && n > 0 && s->strided; i++)
    if (s->strides[i] < 0 ||
        !shu_mul_size (s->strides[i], s->dims[i] - 1, &step) ||
        !shu_add_size (span, step, &span))
      return FALSE;
  *ret_n = n;
  *ret_elem = elem;
  *ret_span = n == 0 ? 0 : s->strided ? span : n;
  return shu_mul_size (n, elem, &bytes) &&
         shu_mul_size (*ret_span, elem, &bytes);
}

/* Whether no two indices of @s mean one element: each stride is beyond what
 * the smaller ones reach. */
static gboolean
is_distinct (const ShuStored *s)
{
  gint64 reach = 0;
  gboolean done[SHU_MAX_DIMS] = {FALSE};

  for (int k = 0; k < s->n_dims; k++) {
    int best = -1;

    for (int i = 0; i < s->n_dims; i++)
      if (!done[i] && s->dims[i] > 1 &&
          (best < 0 || s->strides[i] < s->strides[best]))
        best = i;
    if (best < 0)
      return TRUE;
    if (s->strides[best] <= reach)
      return FALSE;
    reach += s->strides[best] * (s->dims[best] - 1);
    done[best] = TRUE;
  }
  return TRUE;
}

/* What is wrong with @s, or NULL. */
static const char *
check (ShuTensorFile *file, const ShuStored *s, gsize *ret_n, gsize *ret_size)
{
  gsize elem, span, end;

  if (!measure (s, ret_n, &elem, &span))
    return "its shape is not valid";
  *ret_size = *ret_n * elem;
  if (!shu_add_size (s->offset, span * elem, &end) ||
      end > g_bytes_get_size (s->bytes))
    return "its data lie beyond the end of what is stored";
  if (*ret_size > file->room)
    return "the file names the same data again and again";
  file->room -= *ret_size;
  return NULL;
}

gboolean
shu_tensor_file_add (ShuTensorFile *file, const char *name,
    const ShuStored *stored, GError **error)
{
  Entry e = {.s = *stored};
  const char *fault = NULL;

  if (file->entries->len >= SHU_TENSOR_FILE_MAX) {
    g_set_error (error, SHU_ERROR, SHU_ERROR_LIMIT, "%s: more than %d tensors",
        file->label, SHU_TENSOR_FILE_MAX);
    return FALSE;
  }
  if (strlen (name) > SHU_TENSOR_NAME_MAX || !g_utf8_validate (name, -1, NULL))
    g_set_error (error, SHU_ERROR, SHU_ERROR_INVALID,
        "%s: the name of a tensor is not valid text of at most %d bytes",
        file->label, SHU_TENSOR_NAME_MAX);
  else if (strcmp (name, "__metadata__") == 0)
    fault = "safetensors has no tensors of this name";
  else if (g_hash_table_contains (file->index, name))
    fault = "there are two of this name";
  else {
    fault = check (file, stored, &e.n, &e.size);
    if (!fault) {
      if (e.s.n_dims == 0) { /* a scalar */
        e.s.n_dims = 1;
        e.s.dims[0] = 1;
        e.s.strided = FALSE;
      }
      e.name = g_strdup (name);
      g_bytes_ref (e.s.bytes);
      g_array_append_val (file->entries, e);
      g_hash_table_insert (
          file->index, e.name, GUINT_TO_POINTER (file->entries->len));
      return TRUE;
    }
  }
  if (fault)
    g_set_error (error, SHU_ERROR, SHU_ERROR_INVALID,
        "%s: tensor \"%.200s\": %s", file->label, name, fault);
  return FALSE;
}

/* ---- opening ---- */

static gboolean
starts_with (const guint8 *p, gsize size, const char *text)
{
  return size >= strlen (text) && memcmp (p, text, strlen (text)) == 0;
}

ShuTensorFile *
shu_tensor_file_parse (GBytes *bytes, const char *name, GError **error)
{
  gsize size;
  const guint8 *p = g_bytes_get_data (bytes, &size);
  g_autoptr (ShuTensorFile) file = NULL;

  if (starts_with (p, size, "version https://git-lfs")) {
    g_set_error (error, SHU_ERROR, SHU_ERROR_INVALID,
        "%s: a note of Git LFS where the file should be; get the file itself "
        "(\"git lfs pull\")",
        name);
    return NULL;
  }
  if (!g_str_has_suffix (name, ".safetensors")) {
    if (starts_with (p, size, "PK\3\4"))
      return shu_torch_parse_zip (bytes, name, error);
    if (size > 2 && p[0] == 0x80 && p[1] <= 5)
      return shu_torch_parse_legacy (bytes, name, error);
    /* field 1 of a model, its version; or what a header's length begins with
     */
    if (g_str_has_suffix (name, ".onnx") ||
        (size > 8 && p[0] == 0x08 && p[8] != '{'))
      return shu_onnx_parse (bytes, name, error);
    if (g_str_has_suffix (name, ".pth") || g_str_has_suffix (name, ".pt")) {
      g_set_error (error, SHU_ERROR, SHU_ERROR_INVALID,
          "%s: not a file of torch.save()", name);
      return NULL;
    }
  }
  file = shu_tensor_file_new (name, "safetensors", 0);
  file->safetensors = shu_safetensors_parse (bytes, name, error);
  return file->safetensors ? g_steal_pointer (&file) : NULL;
}

ShuTensorFile *
shu_tensor_file_open (const char *path, GError **error)
{
  g_autoptr (GBytes) bytes = shu_file_map (path, error);

  return bytes ? shu_tensor_file_parse (bytes, path, error) : NULL;
}

/* ---- asking ---- */

static const Entry *
entry (const ShuTensorFile *file, int i)
{
  return &g_array_index (file->entries, Entry, i);
}

const char *
shu_tensor_file_label (const ShuTensorFile *file)
{
  return file->label;
}

const char *
shu_tensor_file_format (const ShuTensorFile *file)
{
  return file->format;
}

int
shu_tensor_file_n (const ShuTensorFile *file)
{
  return file->safetensors ? shu_safetensors_n (file->safetensors)
                           : (int) file->entries->len;
}

const char *
shu_tensor_file_name (const ShuTensorFile *file, int i)
{
  return file->safetensors ? shu_safetensors_name (file->safetensors, i)
                           : entry (file, i)->name;
}

int
shu_tensor_file_find (const ShuTensorFile *file, const char *name)
{
  if (file->safetensors)
    return shu_safetensors_find (file->safetensors, name);
  return GPOINTER_TO_INT (g_hash_table_lookup (file->index, name)) - 1;
}

void
shu_tensor_file_shape (const ShuTensorFile *file, int i, const char **ret_dtype,
    int *ret_n_dims, gint64 *ret_dims)
{
  const Entry *e;

  if (file->safetensors) {
    shu_safetensors_shape (
        file->safetensors, i, ret_dtype, ret_n_dims, ret_dims);
    return;
  }
  e = entry (file, i);
  if (ret_dtype)
    *ret_dtype = e->s.dtype;
  if (ret_n_dims)
    *ret_n_dims = e->s.n_dims;
  if (ret_dims)
    memcpy (ret_dims, e->s.dims, e->s.n_dims * sizeof (gint64));
}

/* ---- data ---- */

/* The elements of a strided tensor, one behind the other. */
static void
gather (const Entry *e, gsize elem, guint8 *to)
{
  const guint8 *from =
      (const guint8 *) g_bytes_get_data (e->s.bytes, NULL) + e->s.offset;
  gint64 at[SHU_MAX_DIMS] = {0};
  gsize pos = 0;

  for (gsize k = 0; k < e->n; k++) {
    memcpy (to + k * elem, from + pos * elem, elem);
    for (int d = e->s.n_dims - 1; d >= 0; d--) {
      pos += e->s.strides[d];
      if (++at[d] < e->s.dims[d])
        break;
      pos -= e->s.strides[d] * e->s.dims[d];
      at[d] = 0;
    }
  }
}

static gboolean
unsupported (
    const ShuTensorFile *file, const Entry *e, const char *why, GError **error)
{
  g_set_error (error, SHU_ERROR, SHU_ERROR_UNSUPPORTED,
      "%s: tensor \"%.200s\": %s %s", file->label, e->name, why, e->s.dtype);
  return FALSE;
}

/* A block of the elements, where the file's own will not do. */
static gpointer
copy (const ShuTensorFile *file, const Entry *e, GError **error)
{
  guint8 *block;

  if (e->s.strided && e->n > 0 && !is_distinct (&e->s)) {
    unsupported (file, e, "its elements overlap, of type", error);
    return NULL;
  }
  block = g_try_malloc (MAX (e->size, 1));
  if (!block)
    g_set_error (error, SHU_ERROR, SHU_ERROR_MEMORY,
        "%s: tensor \"%.200s\": no memory for %zu MB", file->label, e->name,
        e->size >> 20);
  else if (e->s.strided)
    gather (e, e->size / MAX (e->n, 1), block);
  else if (e->size > 0)
    memcpy (block,
        (const guint8 *) g_bytes_get_data (e->s.bytes, NULL) + e->s.offset,
        e->size);
  return block;
}

GBytes *
shu_tensor_file_bytes (const ShuTensorFile *file, int i, GError **error)
{
  const Entry *e;
  gpointer block;

  g_assert (!file->safetensors);
  e = entry (file, i);
  if (!e->s.strided)
    return g_bytes_new_from_bytes (e->s.bytes, e->s.offset, e->size);
  block = copy (file, e, error);
  return block ? g_bytes_new_take (block, e->size) : NULL;
}

ShuTensor *
shu_tensor_file_tensor (const ShuTensorFile *file, int i, GError **error)
{
  g_autoptr (GBytes) bytes = NULL;
  const guint8 *data;
  const Entry *e;
  gpointer block;
  int type;

  if (file->safetensors)
    return shu_safetensors_tensor (file->safetensors, i, error);
  e = entry (file, i);
  type = shu_safetensors_type (e->s.dtype);
  if (type < 0 || e->n == 0) {
    unsupported (file, e,
        e->n == 0 ? "it is empty, of type" : "no use for its type", error);
    return NULL;
  }
  data = (const guint8 *) g_bytes_get_data (e->s.bytes, NULL) + e->s.offset;
  if (!e->s.strided && (guintptr) data % (e->size / e->n) == 0)
    return shu_tensor_new_bytes (
        type, e->s.n_dims, e->s.dims, e->s.bytes, data);
  block = copy (file, e, error);
  if (!block)
    return NULL;
  bytes = g_bytes_new_take (block, e->size);
  return shu_tensor_new_bytes (type, e->s.n_dims, e->s.dims, bytes, block);
}
