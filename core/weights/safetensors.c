/* SPDX-License-Identifier: MIT */
/* safetensors: 8 bytes of header length (little endian), a JSON object name ->
 * {dtype, shape, data_offsets}, then the data.  Everything is checked at parse
 * time, so later accesses need no checks. */
#include "weights/safetensors.h"
#include "base/bytes.h"
#include "base/error.h"
#include "weights/json_check.h"
#include "weights/safetensors_header_private.h"
#include <json-glib/json-glib.h>
#include <string.h>

enum { MAX_DEPTH = 8 }; /* of the header */

typedef struct {
  const char *name;  /* of the strings */
  const char *dtype; /* likewise */
  int n_dims;
  gint64 dims[SHU_MAX_DIMS];
  gsize begin, end; /* bytes from the start of the data */
} Entry;

struct _ShuSafetensors {
  GBytes *bytes;
  char *label;
  GStringChunk *strings;
  const guint8 *data;
  gsize data_size;
  GArray *entries;   /* Entry, by offset */
  GHashTable *index; /* name -> position + 1 */
  GHashTable *metadata;
};

/* All that the format has: a file may hold what nobody asks for. */
static const struct {
  const char *name;
  gsize bits;
  int dtype; /* ShuDType, or -1: no tensor type of ours */
} types[] = {
    {"F32", 32, SHU_DTYPE_F32},
    {"F16", 16, SHU_DTYPE_F16},
    {"BF16", 16, SHU_DTYPE_BF16},
    {"I32", 32, SHU_DTYPE_I32},
    {"U8", 8, SHU_DTYPE_U8},
    {"BOOL", 8, SHU_DTYPE_U8},
    {"I8", 8, -1},
    {"I16", 16, -1},
    {"U16", 16, -1},
    {"U32", 32, -1},
    {"F64", 64, -1},
    {"I64", 64, -1},
    {"U64", 64, -1},
    {"C64", 64, -1},
    {"F8_E5M2", 8, -1},
    {"F8_E4M3", 8, -1},
    {"F8_E5M2FNUZ", 8, -1},
    {"F8_E4M3FNUZ", 8, -1},
    {"F8_E8M0", 8, -1},
    {"F6_E2M3", 6, -1},
    {"F6_E3M2", 6, -1},
    {"F4", 4, -1},
};

static int
find_type (const char *name)
{
  for (gsize i = 0; i < G_N_ELEMENTS (types); i++)
    if (strcmp (types[i].name, name) == 0)
      return i;
  return -1;
}

gsize
shu_safetensors_type_size (const char *dtype)
{
  int i = find_type (dtype);

  return i < 0 ? 0 : types[i].bits / 8;
}

int
shu_safetensors_type (const char *dtype)
{
  int i = find_type (dtype);

  return i < 0 ? -1 : types[i].dtype;
}

void
shu_safetensors_free (ShuSafetensors *st)
{
  if (!st)
    return;
  g_clear_pointer (&st->bytes, g_bytes_unref);
  g_clear_pointer (&st->strings, g_string_chunk_free);
  g_clear_pointer (&st->entries, g_array_unref);
  g_clear_pointer (&st->index, g_hash_table_unref);
  g_clear_pointer (&st->metadata, g_hash_table_unref);
  g_free (st->label);
  g_free (st);
}

/* @e of what is @said, or what is wrong with it.  Nothing that we read has more
 * than SHU_MAX_DIMS dimensions. */
static const char *
parse_entry (const ShuStHeaderEntry *said, gsize data_size, Entry *e)
{
  gsize size;
  int type;

  if (!said->dtype || !said->has_shape || !said->has_offsets)
    return "dtype, shape or data_offsets is missing";
  e->dtype = said->dtype;
  type = find_type (e->dtype);
  if (type < 0)
    return "its dtype is unknown";
  if (said->n_dims > SHU_MAX_DIMS)
    return "it has more than 5 dimensions";
  if (!said->is_shape_valid)
    return "its shape is not valid";
  size = types[type].bits;
  e->n_dims = (int) said->n_dims;
  for (int i = 0; i < e->n_dims; i++) {
    e->dims[i] = said->dims[i];
    if (!shu_mul_size (size, e->dims[i], &size))
      return "its shape is not valid";
  }
  if (size % 8 != 0)
    return "its elements are no whole number of bytes";
  if (!said->is_offsets_valid || said->begin > said->end)
    return "its data_offsets are not valid";
  if ((guint64) said->end > data_size)
    return "its data lie beyond the end of the file; copy the file again";
  if ((gsize) (said->end - said->begin) != size / 8)
    return "its shape and its data_offsets do not agree";
  if (e->n_dims == 0) { /* a scalar */
    e->n_dims = 1;
    e->dims[0] = 1;
  }
  e->begin = (gsize) said->begin;
  e->end = (gsize) said->end;
  return NULL;
}

static int
by_offset (gconstpointer a, gconstpointer b)
{
  const Entry *x = a, *y = b;

  if (x->begin != y->begin)
    return x->begin < y->begin ? -1 : 1;
  if (x->end != y->end)
    return x->end < y->end ? -1 : 1;
  return strcmp (x->name, y->name);
}

static const char *
add_entry (const char *name, const ShuStHeaderEntry *said, gpointer data)
{
  ShuSafetensors *st = data;
  Entry e = {.name = name};
  const char *fault = parse_entry (said, st->data_size, &e);

  if (st->entries->len >= SHU_SAFETENSORS_MAX_TENSORS)
    return "there are too many tensors";
  g_array_append_val (st->entries, e);
  return fault;
}

static void
add_metadata_of (const char *key, const char *value, gpointer data)
{
  ShuSafetensors *st = data;

  g_hash_table_replace (st->metadata, g_strdup (key), g_strdup (value));
}

static gboolean
parse_header (ShuSafetensors *st, const char *text, gsize size, GError **error)
{
  const ShuStHeader header = {add_entry, add_metadata_of, st, st->strings};
  const char *name, *fault = shu_st_header_read (&header, text, size, &name);

  if (fault && name)
    g_set_error (error, SHU_ERROR,
        strstr (fault, "beyond") ? SHU_ERROR_TRUNCATED : SHU_ERROR_INVALID,
        "%s: tensor \"%.200s\": %s", st->label, name, fault);
  else if (fault)
    g_set_error (error, SHU_ERROR, SHU_ERROR_INVALID, "%s: header: %s",
        st->label, fault);
  if (fault)
    return FALSE;
  g_array_sort (st->entries, by_offset);
  for (guint i = 0; i < st->entries->len; i++) {
    const Entry *e = &g_array_index (st->entries, Entry, i);

    if (i > 0 && e->begin < (e - 1)->end) {
      g_set_error (error, SHU_ERROR, SHU_ERROR_INVALID,
          "%s: tensors \"%.200s\" and \"%.200s\" overlap", st->label,
          (e - 1)->name, e->name);
      return FALSE;
    }
    g_hash_table_insert (
        st->index, (gpointer) e->name, GUINT_TO_POINTER (i + 1));
  }
  return TRUE;
}

ShuSafetensors *
shu_safetensors_parse (GBytes *bytes, const char *name, GError **error)
{
  gsize size;
  const guint8 *p = g_bytes_get_data (bytes, &size);
  ShuCursor cursor = shu_cursor (p, size);
  guint64 header_size = shu_cursor_uint (&cursor, 8);
  g_autoptr (ShuSafetensors) st = g_new0 (ShuSafetensors, 1);
  g_autoptr (GError) cause = NULL;
  const char *header;

  st->label = g_strdup (name);
  st->bytes = g_bytes_ref (bytes);
  if (!cursor.failed && header_size > SHU_SAFETENSORS_MAX_HEADER) {
    g_set_error (error, SHU_ERROR, SHU_ERROR_LIMIT,
        "%s: a header of %" G_GUINT64_FORMAT
        " bytes (at most %d): not a safetensors file",
        name, header_size, SHU_SAFETENSORS_MAX_HEADER);
    return NULL;
  }
  header = (const char *) shu_cursor_take (&cursor, header_size);
  if (!header || header_size < 2) {
    g_set_error (error, SHU_ERROR, SHU_ERROR_TRUNCATED,
        "%s: %zu bytes, the file ends inside its header; copy it again", name,
        size);
    return NULL;
  }
  st->data = p + cursor.pos;
  st->data_size = size - cursor.pos;
  st->entries = g_array_new (FALSE, TRUE, sizeof (Entry));
  st->index = g_hash_table_new (g_str_hash, g_str_equal);
  st->metadata =
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  st->strings = g_string_chunk_new (4096);
  if (!shu_json_check (header, header_size, MAX_DEPTH, 0, &cause)) {
    g_set_error (error, SHU_ERROR, SHU_ERROR_INVALID, "%s: header: %s", name,
        cause->message);
    return NULL;
  }
  if (!parse_header (st, header, header_size, error))
    return NULL;
  return g_steal_pointer (&st);
}

int
shu_safetensors_n (const ShuSafetensors *st)
{
  return st->entries->len;
}

const char *
shu_safetensors_name (const ShuSafetensors *st, int i)
{
  return g_array_index (st->entries, Entry, i).name;
}

int
shu_safetensors_find (const ShuSafetensors *st, const char *name)
{
  return GPOINTER_TO_INT (g_hash_table_lookup (st->index, name)) - 1;
}

ShuTensor *
shu_safetensors_tensor (const ShuSafetensors *st, int i, GError **error)
{
  const Entry *e = &g_array_index (st->entries, Entry, i);
  int type = find_type (e->dtype);
  const guint8 *data = st->data + e->begin;

  if (type < 0 || types[type].dtype < 0 || e->begin == e->end) {
    g_set_error (error, SHU_ERROR, SHU_ERROR_UNSUPPORTED,
        "%s: tensor \"%.200s\": %s %s", st->label, e->name,
        e->begin == e->end ? "it is empty, of type" : "no use for its type",
        e->dtype);
    return NULL;
  }
  if ((guintptr) data % (types[type].bits / 8) !=
      0) { /* the format does not align */
    ShuTensor *copy =
        shu_tensor_try_new (types[type].dtype, e->n_dims, e->dims, error);

    if (!copy)
      g_prefix_error (error, "%s: tensor \"%.200s\": ", st->label, e->name);
    else
      memcpy (copy->data, data, e->end - e->begin);
    return copy;
  }
  return shu_tensor_new_bytes (
      types[type].dtype, e->n_dims, e->dims, st->bytes, data);
}

void
shu_safetensors_shape (const ShuSafetensors *st, int i, const char **ret_dtype,
    int *ret_n_dims, gint64 *ret_dims)
{
  const Entry *e = &g_array_index (st->entries, Entry, i);

  if (ret_dtype)
    *ret_dtype = e->dtype;
  if (ret_n_dims)
    *ret_n_dims = e->n_dims;
  if (ret_dims)
    memcpy (ret_dims, e->dims, e->n_dims * sizeof (gint64));
}

const char *
shu_safetensors_metadata (const ShuSafetensors *st, const char *key)
{
  return g_hash_table_lookup (st->metadata, key);
}

GHashTable *
shu_safetensors_all_metadata (const ShuSafetensors *st)
{
  return st->metadata;
}

/* ---- writing ---- */

static const char *
type_name (ShuDType dtype)
{
  for (gsize i = 0; i < G_N_ELEMENTS (types); i++)
    if (types[i].dtype == (int) dtype)
      return types[i].name;
  g_return_val_if_reached ("U8");
}

static void
add_string (JsonBuilder *b, const char *key, const char *value)
{
  json_builder_set_member_name (b, key);
  json_builder_add_string_value (b, value);
}

static void
add_metadata (JsonBuilder *b, GHashTable *metadata)
{
  g_autoptr (GList) keys =
      g_list_sort (g_hash_table_get_keys (metadata), (GCompareFunc) strcmp);

  json_builder_set_member_name (b, "__metadata__");
  json_builder_begin_object (b);
  for (GList *k = keys; k; k = k->next)
    add_string (b, k->data, g_hash_table_lookup (metadata, k->data));
  json_builder_end_object (b);
}

static char *
make_json (int n, const ShuSafetensorsEntry *entries, GHashTable *metadata)
{
  g_autoptr (JsonBuilder) b = json_builder_new ();
  g_autoptr (JsonNode) root = NULL;
  gsize pos = 0;

  json_builder_begin_object (b);
  if (metadata && g_hash_table_size (metadata) > 0)
    add_metadata (b, metadata);
  for (int i = 0; i < n; i++) {
    const ShuSafetensorsEntry *e = &entries[i];

    json_builder_set_member_name (b, e->name);
    json_builder_begin_object (b);
    add_string (b, "dtype", e->dtype);
    json_builder_set_member_name (b, "shape");
    json_builder_begin_array (b);
    for (int d = 0; d < e->n_dims; d++)
      json_builder_add_int_value (b, e->dims[d]);
    json_builder_end_array (b);
    json_builder_set_member_name (b, "data_offsets");
    json_builder_begin_array (b);
    json_builder_add_int_value (b, pos);
    pos += e->size;
    json_builder_add_int_value (b, pos);
    json_builder_end_array (b);
    json_builder_end_object (b);
  }
  json_builder_end_object (b);
  root = json_builder_get_root (b);
  return json_to_string (root, FALSE);
}

GBytes *
shu_safetensors_header (
    int n, const ShuSafetensorsEntry *entries, GHashTable *metadata)
{
  g_autofree char *json = make_json (n, entries, metadata);
  gsize length = strlen (json), padded = (length + 7) / 8 * 8;
  guint64 le = GUINT64_TO_LE (padded);
  guint8 *out = g_malloc (8 + padded);

  memcpy (out, &le, 8);
  memcpy (out + 8, json, length);
  memset (out + 8 + length, ' ', padded - length);
  return g_bytes_new_take (out, 8 + padded);
}

GBytes *
shu_safetensors_write (int n, const char *const *names,
    ShuTensor *const *tensors, GHashTable *metadata)
{
  g_autofree ShuSafetensorsEntry *entries = g_new0 (ShuSafetensorsEntry, n + 1);
  g_autoptr (GBytes) header = NULL;
  gsize size, pos;
  guint8 *out;

  for (int i = 0; i < n; i++) {
    const ShuTensor *t = tensors[i];

    entries[i] = (ShuSafetensorsEntry){names[i], type_name (t->dtype),
        t->n_dims, t->dims, shu_tensor_bytes (t)};
  }
  header = shu_safetensors_header (n, entries, metadata);
  size = pos = g_bytes_get_size (header);
  for (int i = 0; i < n; i++)
    size += entries[i].size;
  out = g_malloc (size);
  memcpy (out, g_bytes_get_data (header, NULL), pos);
  for (int i = 0; i < n; i++) {
    memcpy (out + pos, tensors[i]->data, entries[i].size);
    pos += entries[i].size;
  }
  return g_bytes_new_take (out, size);
}
