/* SPDX-License-Identifier: MIT */
/* Values out of a glTF file's JSON, none of which is believed. */
#include "formats/glb_json_private.h"
#include "base/bytes.h"
#include "base/error.h"
#include <math.h>

gboolean
shu_glb_fail (GError **error, int code, const char *format, ...)
{
  va_list args;
  g_autofree char *text = NULL;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error (error, SHU_ERROR, code, "glb: %s", text);
  return FALSE;
}

/* A whole number that may be absent. */
gboolean
shu_glb_get_size (
    JsonObject *o, const char *name, gsize fallback, gsize *ret, GError **error)
{
  JsonNode *node = json_object_get_member (o, name);

  *ret = fallback;
  if (!node)
    return TRUE;
  if (!JSON_NODE_HOLDS_VALUE (node) ||
      (json_node_get_value_type (node) != G_TYPE_INT64 &&
          json_node_get_value_type (node) != G_TYPE_DOUBLE))
    return shu_glb_fail (error, SHU_ERROR_INVALID, "%s is not a number", name);
  double v = json_node_get_double (node);
  if (!(v >= 0 && v <= (double) G_MAXUINT32) || v != floor (v))
    return shu_glb_fail (error, SHU_ERROR_INVALID,
        "%s is %g; a whole number from 0 to 2^32 - 1 is expected", name, v);
  *ret = (gsize) v;
  return TRUE;
}

const char *
shu_glb_get_string (JsonObject *o, const char *name)
{
  JsonNode *node = json_object_get_member (o, name);

  if (!node || !JSON_NODE_HOLDS_VALUE (node) ||
      json_node_get_value_type (node) != G_TYPE_STRING)
    return NULL;
  return json_node_get_string (node);
}

gboolean
shu_glb_get_true (JsonObject *o, const char *name)
{
  JsonNode *node = json_object_get_member (o, name);

  return node && JSON_NODE_HOLDS_VALUE (node) &&
         json_node_get_value_type (node) == G_TYPE_BOOLEAN &&
         json_node_get_boolean (node);
}

/* @n finite numbers, which may be absent: then @ret stays as it is. */
gboolean
shu_glb_get_doubles (
    JsonObject *o, const char *name, guint n, double *ret, GError **error)
{
  JsonNode *node = json_object_get_member (o, name);
  JsonArray *array;

  if (!node)
    return TRUE;
  array = JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;
  if (!array || json_array_get_length (array) != n)
    return shu_glb_fail (
        error, SHU_ERROR_INVALID, "%s is not %u numbers", name, n);
  for (guint i = 0; i < n; i++) {
    JsonNode *item = json_array_get_element (array, i);
    double v = JSON_NODE_HOLDS_VALUE (item) &&
                       (json_node_get_value_type (item) == G_TYPE_DOUBLE ||
                           json_node_get_value_type (item) == G_TYPE_INT64)
                   ? json_node_get_double (item)
                   : NAN;

    if (!(fabs (v) < 1e9))
      return shu_glb_fail (error, SHU_ERROR_INVALID,
          "%s: number %u is none, or too large", name, i);
    ret[i] = v;
  }
  return TRUE;
}

JsonObject *
shu_glb_get_object (JsonObject *o, const char *name)
{
  JsonNode *node = o ? json_object_get_member (o, name) : NULL;

  return node && JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node)
                                               : NULL;
}

/* Element @index of the array @name, where it is an object. */
JsonObject *
shu_glb_get_element (JsonObject *o, const char *name, gsize index)
{
  JsonNode *node = json_object_get_member (o, name);
  JsonArray *array;

  if (!node || !JSON_NODE_HOLDS_ARRAY (node))
    return NULL;
  array = json_node_get_array (node);
  if (index >= json_array_get_length (array))
    return NULL;
  node = json_array_get_element (array, (guint) index);
  return JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
}

gboolean
shu_glb_open_view (const GlbReader *r, gsize index, gsize *ret_offset,
    gsize *ret_size, gsize *ret_stride, GError **error)
{
  JsonObject *v = shu_glb_get_element (r->root, "bufferViews", index);
  JsonObject *buffer;
  gsize which, end;

  if (!v)
    return shu_glb_fail (
        error, SHU_ERROR_INVALID, "there is no bufferView %zu", index);
  if (!shu_glb_get_size (v, "buffer", 0, &which, error) ||
      !shu_glb_get_size (v, "byteOffset", 0, ret_offset, error) ||
      !shu_glb_get_size (v, "byteLength", 0, ret_size, error) ||
      !shu_glb_get_size (v, "byteStride", 0, ret_stride, error))
    return FALSE;
  buffer = shu_glb_get_element (r->root, "buffers", which);
  if (!buffer)
    return shu_glb_fail (
        error, SHU_ERROR_INVALID, "there is no buffer %zu", which);
  if (which != 0 || json_object_has_member (buffer, "uri"))
    return shu_glb_fail (error, SHU_ERROR_UNSUPPORTED,
        "buffer %zu lies outside of the file", which);
  if (!shu_add_size (*ret_offset, *ret_size, &end) || end > r->bin_size)
    return shu_glb_fail (error, SHU_ERROR_TRUNCATED,
        "bufferView %zu: bytes %zu to %zu of a buffer of %zu", index,
        *ret_offset, end, r->bin_size);
  return TRUE;
}
