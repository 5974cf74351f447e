/* SPDX-License-Identifier: MIT */
/* See bundle.h.  Nothing is trusted: a buffer from somewhere else, a region of
 * one or a shortened one is refused, not read beyond its end. */
#include "bundle.h"

static void
clear_meta (ShuBundleMeta *m)
{
  for (guint i = 0; i < m->n_fields; i++)
    g_free (m->fields[i].name);
  g_clear_pointer (&m->fields, g_free);
  g_clear_pointer (&m->schema, g_free);
  g_clear_pointer (&m->metadata, g_hash_table_unref);
  m->n_fields = 0;
}

static gboolean
meta_init (GstMeta *meta, gpointer params, GstBuffer *buffer)
{
  ShuBundleMeta *m = (ShuBundleMeta *) meta;

  m->schema = NULL;
  m->n_fields = 0;
  m->fields = NULL;
  m->metadata = NULL;
  return TRUE;
}

static void
meta_free (GstMeta *meta, GstBuffer *buffer)
{
  clear_meta ((ShuBundleMeta *) meta);
}

/* A copy of the whole buffer takes the meta along; a part of it is none. */
static gboolean
meta_transform (GstBuffer *dest, GstMeta *meta, GstBuffer *buffer, GQuark type,
    gpointer data)
{
  const ShuBundleMeta *from = (ShuBundleMeta *) meta;
  ShuBundleMeta *to;

  if (!GST_META_TRANSFORM_IS_COPY (type) ||
      ((GstMetaTransformCopy *) data)->region)
    return FALSE;
  to = (ShuBundleMeta *) gst_buffer_add_meta (
      dest, shu_bundle_meta_get_info (), NULL);
  to->schema = g_strdup (from->schema);
  to->n_fields = from->n_fields;
  to->fields = g_new (ShuBundleField, from->n_fields);
  for (guint i = 0; i < from->n_fields; i++) {
    to->fields[i] = from->fields[i];
    to->fields[i].name = g_strdup (from->fields[i].name);
  }
  to->metadata = from->metadata ? g_hash_table_ref (from->metadata) : NULL;
  return TRUE;
}

GType
shu_bundle_meta_api_get_type (void)
{
  static GType type;
  /* what belongs to the memory is not copied to another buffer's contents */
  static const char *tags[] = {GST_META_TAG_MEMORY_STR, NULL};

  /* a program that links this file has it beside the plugin's copy */
  if (g_once_init_enter (&type)) {
    GType there = g_type_from_name ("ShuBundleMetaAPI");

    g_once_init_leave (&type,
        there ? there : gst_meta_api_type_register ("ShuBundleMetaAPI", tags));
  }
  return type;
}

const GstMetaInfo *
shu_bundle_meta_get_info (void)
{
  static const GstMetaInfo *info;

  if (g_once_init_enter (&info)) {
    const GstMetaInfo *there = gst_meta_get_info ("ShuBundleMeta");

    g_once_init_leave (
        &info, there ? there
                     : gst_meta_register (shu_bundle_meta_api_get_type (),
                           "ShuBundleMeta", sizeof (ShuBundleMeta), meta_init,
                           meta_free, meta_transform));
  }
  return info;
}

static GstMemory *
wrap_tensor (ShuTensor *t, ShuTraffic *traffic)
{
  gsize size = shu_tensor_bytes (t);

  if (!shu_tensor_is_host (t))
    return shu_device_memory_new (t, traffic);
  return gst_memory_new_wrapped (GST_MEMORY_FLAG_READONLY, t->data, size, 0,
      size, shu_tensor_ref (t), (GDestroyNotify) shu_tensor_unref);
}

/* Those from @first on, one behind the other. */
static GstMemory *
gather_tensors (
    const ShuBundle *b, int first, ShuTraffic *traffic, GError **error)
{
  gsize size = 0, at = 0;
  g_autofree guint8 *data = NULL;
  guint8 *bytes;

  for (int i = first; i < shu_bundle_n (b); i++)
    size += shu_tensor_bytes (shu_bundle_nth (b, i));
  data = g_malloc (size);
  for (int i = first; i < shu_bundle_n (b); i++) {
    ShuTensor *t = shu_bundle_nth (b, i);
    g_autoptr (ShuTensor) host = shu_tensor_to_host (t, traffic,
        t->dtype == SHU_DTYPE_U8 ? SHU_TRAFFIC_IMAGE : SHU_TRAFFIC_MESH, error);

    if (!host)
      return NULL;
    memcpy (data + at, host->data, shu_tensor_bytes (t));
    at += shu_tensor_bytes (t);
  }
  bytes = g_steal_pointer (&data);
  return gst_memory_new_wrapped (
      GST_MEMORY_FLAG_READONLY, bytes, size, 0, size, bytes, g_free);
}

static GHashTable *
copy_metadata (GHashTable *from)
{
  GHashTable *to =
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  GHashTableIter iter;
  gpointer key, value;

  g_hash_table_iter_init (&iter, from);
  while (g_hash_table_iter_next (&iter, &key, &value))
    g_hash_table_insert (to, g_strdup (key), g_strdup (value));
  return to;
}

gboolean
shu_buffer_fill_bundle (
    GstBuffer *buffer, const ShuBundle *b, ShuTraffic *traffic, GError **error)
{
  int max = (int) gst_buffer_get_max_memory ();
  int n = shu_bundle_n (b);
  int n_wrapped = n <= max ? n : max - 1;
  gsize offset = 0;
  GstMemory *rest = NULL;
  ShuBundleMeta *m;

  if (n_wrapped < n && !(rest = gather_tensors (b, n_wrapped, traffic, error)))
    return FALSE;
  m = (ShuBundleMeta *) gst_buffer_add_meta (
      buffer, shu_bundle_meta_get_info (), NULL);
  m->schema = g_strdup (shu_bundle_schema (b));
  m->metadata = copy_metadata (shu_bundle_metadata (b));
  m->n_fields = n;
  m->fields = g_new0 (ShuBundleField, n);
  for (int i = 0; i < n; i++) {
    ShuTensor *t = shu_bundle_nth (b, i);
    ShuBundleField *f = &m->fields[i];

    f->name = g_strdup (shu_bundle_name (b, i));
    f->dtype = t->dtype;
    f->n_dims = t->n_dims;
    memcpy (f->dims, t->dims, sizeof f->dims);
    f->offset = offset;
    f->size = shu_tensor_bytes (t);
    offset += f->size;
    if (i < n_wrapped && f->size > 0)
      gst_buffer_append_memory (buffer, wrap_tensor (t, traffic));
  }
  if (rest)
    gst_buffer_append_memory (buffer, rest);
  return TRUE;
}

typedef struct {
  GstMemory *memory;
  GstMapInfo map;
} Mapping;

static void
unmap (gpointer data)
{
  Mapping *mapping = data;

  gst_memory_unmap (mapping->memory, &mapping->map);
  gst_memory_unref (mapping->memory);
  g_free (mapping);
}

/* Takes over @memory. */
static GBytes *
map_memory (GstMemory *memory)
{
  Mapping *mapping = g_new0 (Mapping, 1);

  mapping->memory = memory;
  if (!gst_memory_map (memory, &mapping->map, GST_MAP_READ)) {
    gst_memory_unref (memory);
    g_free (mapping);
    return NULL;
  }
  return g_bytes_new_with_free_func (
      mapping->map.data, mapping->map.size, unmap, mapping);
}

/* The field @f where it is all of @memory, on a device: (transfer full) */
static ShuTensor *
get_device_tensor (GstMemory *memory, gsize skip, const ShuBundleField *f)
{
  ShuTensor *t = shu_device_memory_tensor (memory);

  return t && skip == 0 && memory->offset == 0 && memory->size == f->size &&
                 t->dtype == f->dtype && shu_tensor_bytes (t) == f->size
             ? shu_tensor_view (t, f->n_dims, f->dims)
             : NULL;
}

/* Bytes @offset.. of the buffer: as they lie where they lie in one memory and
 * fit the type's alignment, else copied. */
static ShuTensor *
get_tensor (GstBuffer *buffer, const ShuBundleField *f)
{
  gsize align = shu_dtype_size (f->dtype);
  guint index, length;
  gsize skip;
  ShuTensor *t;
  gboolean alone = f->size > 0 &&
                   gst_buffer_find_memory (
                       buffer, f->offset, f->size, &index, &length, &skip) &&
                   length == 1;

  t = alone
          ? get_device_tensor (gst_buffer_peek_memory (buffer, index), skip, f)
          : NULL;
  if (t)
    return t;
  if (alone) {
    g_autoptr (GBytes) bytes =
        map_memory (gst_buffer_get_memory (buffer, index));
    const guint8 *data = bytes ? g_bytes_get_data (bytes, NULL) : NULL;

    if (!data)
      return NULL;
    if ((guintptr) (data + skip) % align == 0)
      return shu_tensor_new_bytes (
          f->dtype, f->n_dims, f->dims, bytes, data + skip);
  }
  t = shu_tensor_new (f->dtype, f->n_dims, f->dims);
  gst_buffer_extract (buffer, f->offset, t->data, f->size);
  return t;
}

static gboolean
field_fits (const ShuBundleField *f, gsize buffer_size)
{
  gsize size = shu_dtype_size (f->dtype);

  if (f->n_dims < 1 || f->n_dims > SHU_MAX_DIMS)
    return FALSE;
  for (int i = 0; i < f->n_dims; i++)
    if (f->dims[i] < 0 || !shu_mul_size (size, (gsize) f->dims[i], &size))
      return FALSE;
  return size == f->size && f->size <= buffer_size &&
         f->offset <= buffer_size - f->size;
}

ShuBundle *
shu_buffer_get_bundle (GstBuffer *buffer, GError **error)
{
  ShuBundleMeta *m = (ShuBundleMeta *) gst_buffer_get_meta (
      buffer, shu_bundle_meta_api_get_type ());
  gsize size = gst_buffer_get_size (buffer);
  g_autoptr (ShuBundle) b = NULL;
  GHashTableIter iter;
  gpointer key, value;

  if (!m || !m->schema) {
    g_set_error (error, SHU_ERROR, SHU_ERROR_INVALID,
        "a buffer of %" G_GSIZE_FORMAT " bytes that holds no bundle", size);
    return NULL;
  }
  b = shu_bundle_new (m->schema);
  for (guint i = 0; i < m->n_fields; i++) {
    const ShuBundleField *f = &m->fields[i];
    ShuTensor *t = field_fits (f, size) ? get_tensor (buffer, f) : NULL;

    if (!t) {
      g_set_error (error, SHU_ERROR, SHU_ERROR_INVALID,
          "bundle \"%s\": the memory of the field \"%s\" is gone", m->schema,
          f->name);
      return NULL;
    }
    shu_bundle_take (b, f->name, t);
  }
  if (m->metadata) {
    g_hash_table_iter_init (&iter, m->metadata);
    while (g_hash_table_iter_next (&iter, &key, &value))
      shu_bundle_set_string (b, key, value);
  }
  return g_steal_pointer (&b);
}

GstCaps *
shu_bundle_to_caps (const ShuBundle *b)
{
  GstCaps *caps = gst_caps_new_simple (SHU_BUNDLE_MEDIA_TYPE, "schema",
      G_TYPE_STRING, shu_bundle_schema (b), "version", G_TYPE_INT, 1, NULL);
  const ShuTensor *body = shu_bundle_get (b, "body");
  const ShuTensor *condition = shu_bundle_get (b, "condition");

  if (strcmp (shu_bundle_schema (b), "subject") != 0)
    return caps;
  /* [...,S,S,3] */
  if (body && body->n_dims >= 3)
    gst_caps_set_simple (caps, "view-size", G_TYPE_INT,
        (int) body->dims[body->n_dims - 2], NULL);
  if (condition && condition->n_dims >= 3)
    gst_caps_set_simple (caps, "condition-size", G_TYPE_INT,
        (int) condition->dims[condition->n_dims - 2], NULL);
  return caps;
}

void
shu_buffer_fill_bytes (GstBuffer *buffer, GBytes *bytes)
{
  gsize size;
  gpointer data = (gpointer) g_bytes_get_data (bytes, &size);

  gst_buffer_append_memory (
      buffer, gst_memory_new_wrapped (GST_MEMORY_FLAG_READONLY, data, size, 0,
                  size, g_bytes_ref (bytes), (GDestroyNotify) g_bytes_unref));
}

typedef struct {
  GstBuffer *buffer;
  GstMapInfo map;
} WholeMapping;

static void
unmap_whole (gpointer data)
{
  WholeMapping *mapping = data;

  gst_buffer_unmap (mapping->buffer, &mapping->map);
  gst_buffer_unref (mapping->buffer);
  g_free (mapping);
}

GBytes *
shu_buffer_to_bytes (GstBuffer *buffer, GError **error)
{
  WholeMapping *mapping = g_new0 (WholeMapping, 1);

  mapping->buffer = gst_buffer_ref (buffer);
  if (!gst_buffer_map (buffer, &mapping->map, GST_MAP_READ)) {
    gst_buffer_unref (buffer);
    g_free (mapping);
    g_set_error (error, SHU_ERROR, SHU_ERROR_IO, "memory cannot be read");
    return NULL;
  }
  return g_bytes_new_with_free_func (
      mapping->map.data, mapping->map.size, unmap_whole, mapping);
}
