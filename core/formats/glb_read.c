/* SPDX-License-Identifier: MIT */
/* Reads binary glTF from anywhere: nothing in the file is believed before it
 * is checked against the bytes that are there. */
#include "formats/glb.h"
#include "base/bytes.h"
#include "base/error.h"
#include "weights/json_check.h"
#include <json-glib/json-glib.h>
#include <math.h>
#include <string.h>

enum {
  MAGIC = 0x46546C67,
  CHUNK_JSON = 0x4E4F534A,
  CHUNK_BIN = 0x004E4942,
  I8 = 5120,
  U8 = 5121,
  I16 = 5122,
  U16 = 5123,
  U32 = 5125,
  F32 = 5126,
  TRIANGLES = 4,
  MAX_JSON = 16 << 20, /* bytes */
  MAX_DEPTH = 64,      /* of nested arrays and objects */
  MAX_ITEMS = 1 << 26, /* vertices, indices */
};

/* What is being read: the parsed JSON and the binary chunk. */
typedef struct {
  GBytes *file;
  JsonObject *root;
  const guint8 *bin;
  gsize bin_size;
  gsize bin_offset; /* of the chunk's data in the file */
} Reader;

/* An accessor, proven to lie within the binary chunk. */
typedef struct {
  const guint8 *data;
  gsize stride, count;
  int type, width; /* component type, components */
} Items;

void
shu_glb_free (ShuGlb *glb)
{
  if (!glb)
    return;
  shu_mesh_free (glb->mesh);
  g_free (glb->normals);
  g_clear_pointer (&glb->texture, g_bytes_unref);
  g_free (glb->generator);
  g_free (glb);
}

static gboolean
fail (GError **error, int code, const char *format, ...)
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
static gboolean
get_size (
    JsonObject *o, const char *name, gsize fallback, gsize *ret, GError **error)
{
  JsonNode *node = json_object_get_member (o, name);

  *ret = fallback;
  if (!node)
    return TRUE;
  if (!JSON_NODE_HOLDS_VALUE (node) ||
      (json_node_get_value_type (node) != G_TYPE_INT64 &&
          json_node_get_value_type (node) != G_TYPE_DOUBLE))
    return fail (error, SHU_ERROR_INVALID, "%s is not a number", name);
  double v = json_node_get_double (node);
  if (!(v >= 0 && v <= (double) G_MAXUINT32) || v != floor (v))
    return fail (error, SHU_ERROR_INVALID,
        "%s is %g; a whole number from 0 to 2^32 - 1 is expected", name, v);
  *ret = (gsize) v;
  return TRUE;
}

static const char *
get_string (JsonObject *o, const char *name)
{
  JsonNode *node = json_object_get_member (o, name);

  if (!node || !JSON_NODE_HOLDS_VALUE (node) ||
      json_node_get_value_type (node) != G_TYPE_STRING)
    return NULL;
  return json_node_get_string (node);
}

static JsonObject *
get_object (JsonObject *o, const char *name)
{
  JsonNode *node = o ? json_object_get_member (o, name) : NULL;

  return node && JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node)
                                               : NULL;
}

/* Element @index of the array @name, where it is an object. */
static JsonObject *
get_element (JsonObject *o, const char *name, gsize index)
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

static gboolean
open_view (const Reader *r, gsize index, gsize *ret_offset, gsize *ret_size,
    gsize *ret_stride, GError **error)
{
  JsonObject *v = get_element (r->root, "bufferViews", index);
  JsonObject *buffer;
  gsize which, end;

  if (!v)
    return fail (error, SHU_ERROR_INVALID, "there is no bufferView %zu", index);
  if (!get_size (v, "buffer", 0, &which, error) ||
      !get_size (v, "byteOffset", 0, ret_offset, error) ||
      !get_size (v, "byteLength", 0, ret_size, error) ||
      !get_size (v, "byteStride", 0, ret_stride, error))
    return FALSE;
  buffer = get_element (r->root, "buffers", which);
  if (!buffer)
    return fail (error, SHU_ERROR_INVALID, "there is no buffer %zu", which);
  if (which != 0 || json_object_has_member (buffer, "uri"))
    return fail (error, SHU_ERROR_UNSUPPORTED,
        "buffer %zu lies outside of the file", which);
  if (!shu_add_size (*ret_offset, *ret_size, &end) || end > r->bin_size)
    return fail (error, SHU_ERROR_TRUNCATED,
        "bufferView %zu: bytes %zu to %zu of a buffer of %zu", index,
        *ret_offset, end, r->bin_size);
  return TRUE;
}

static int
component_size (gsize type)
{
  switch (type) {
  case I8:
  case U8:
    return 1;
  case I16:
  case U16:
    return 2;
  case U32:
  case F32:
    return 4;
  default:
    return 0;
  }
}

static int
shape_width (const char *shape)
{
  static const char *const shapes[] = {"SCALAR", "VEC2", "VEC3", "VEC4"};

  for (int i = 0; shape && i < 4; i++)
    if (g_str_equal (shape, shapes[i]))
      return i + 1;
  return 0;
}

static gboolean
open_accessor (const Reader *r, gsize index, Items *ret, GError **error)
{
  JsonObject *a = get_element (r->root, "accessors", index);
  gsize view, offset, type, count, start, size, stride, span, item;

  if (!a)
    return fail (error, SHU_ERROR_INVALID, "there is no accessor %zu", index);
  if (json_object_has_member (a, "sparse") ||
      !json_object_has_member (a, "bufferView"))
    return fail (error, SHU_ERROR_UNSUPPORTED,
        "accessor %zu is sparse or compressed", index);
  if (!get_size (a, "bufferView", 0, &view, error) ||
      !get_size (a, "byteOffset", 0, &offset, error) ||
      !get_size (a, "componentType", 0, &type, error) ||
      !get_size (a, "count", 0, &count, error) ||
      !open_view (r, view, &start, &size, &stride, error))
    return FALSE;
  ret->type = (int) type;
  ret->width = shape_width (get_string (a, "type"));
  item = (gsize) component_size (type) * ret->width;
  if (!item)
    return fail (error, SHU_ERROR_INVALID,
        "accessor %zu: component type %zu, type \"%s\"", index, type,
        get_string (a, "type") ? get_string (a, "type") : "");
  if (count < 1 || count > MAX_ITEMS)
    return fail (error, SHU_ERROR_LIMIT,
        "accessor %zu: %zu items; 1 to %d are accepted", index, count,
        MAX_ITEMS);
  if (!stride)
    stride = item;
  if (stride < item || stride > 4096)
    return fail (error, SHU_ERROR_INVALID,
        "accessor %zu: items of %zu bytes every %zu", index, item, stride);
  if (!shu_mul_size (stride, count - 1, &span) ||
      !shu_add_size (span, item, &span) ||
      !shu_add_size (span, offset, &span) || span > size)
    return fail (error, SHU_ERROR_TRUNCATED,
        "accessor %zu: %zu items do not fit into %zu bytes", index, count,
        size);
  ret->data = r->bin + start + offset;
  ret->stride = stride;
  ret->count = count;
  return TRUE;
}

static float *
read_floats (const Items *items, int width, const char *name, GError **error)
{
  if (items->type != F32 || items->width != width) {
    fail (error, SHU_ERROR_UNSUPPORTED,
        "%s: %d components of type %d; %d floats are expected", name,
        items->width, items->type, width);
    return NULL;
  }
  g_autofree float *out = g_new (float, width * items->count);
  for (gsize i = 0; i < items->count; i++)
    memcpy (out + width * i, items->data + items->stride * i,
        width * sizeof (float));
  for (gsize i = 0; i < width * items->count; i++)
    if (!isfinite (out[i])) {
      fail (error, SHU_ERROR_INVALID, "%s: item %zu is not finite", name,
          i / width);
      return NULL;
    }
  return g_steal_pointer (&out);
}

/* The optional attribute @name: FALSE only when it is there and wrong. */
static gboolean
read_attribute (const Reader *r, JsonObject *attributes, const char *name,
    int width, gsize count, float **ret, GError **error)
{
  gsize index;
  Items items;

  *ret = NULL;
  if (!json_object_has_member (attributes, name))
    return TRUE;
  if (!get_size (attributes, name, 0, &index, error) ||
      !open_accessor (r, index, &items, error))
    return FALSE;
  if (items.count != count)
    return fail (error, SHU_ERROR_INVALID, "%s: %zu items for %zu vertices",
        name, items.count, count);
  *ret = read_floats (&items, width, name, error);
  return *ret != NULL;
}

/* Component @k of item @i, a float or a share of the largest number. */
static float
read_share (const Items *items, gsize i, int k)
{
  const guint8 *p = items->data + items->stride * i +
                    (gsize) component_size (items->type) * k;
  float v;

  if (items->type == U8)
    return p[0] / 255.0f;
  if (items->type == U16)
    return (p[0] | p[1] << 8) / 65535.0f;
  memcpy (&v, p, sizeof v);
  return v;
}

/* Of the sRGB curve */
static float
encode_srgb (float linear)
{
  return linear <= 0.0031308f ? 12.92f * linear
                              : 1.055f * powf (linear, 1 / 2.4f) - 0.055f;
}

/* COLOR_0 without its alpha; there need be none. */
static gboolean
read_colors (const Reader *r, ShuMesh *mesh, JsonObject *attributes,
    gsize count, GError **error)
{
  gsize index;
  Items items;

  if (!json_object_has_member (attributes, "COLOR_0"))
    return TRUE;
  if (!get_size (attributes, "COLOR_0", 0, &index, error) ||
      !open_accessor (r, index, &items, error))
    return FALSE;
  if (items.count != count || items.width < 3 ||
      (items.type != F32 && items.type != U8 && items.type != U16))
    return fail (error, SHU_ERROR_INVALID,
        "COLOR_0: %zu items of %d components of type %d for %zu vertices",
        items.count, items.width, items.type, count);
  mesh->attr = g_new (float, 6 * count);
  for (gsize i = 0; i < 3 * count; i++) {
    float v = read_share (&items, i / 3, i % 3);

    if (!isfinite (v))
      return fail (
          error, SHU_ERROR_INVALID, "COLOR_0: item %zu is not finite", i / 3);
    mesh->attr[i / 3 * 6 + i % 3] = encode_srgb (CLAMP (v, 0, 1));
    mesh->attr[i / 3 * 6 + 3 + i % 3] = 0.5f;
  }
  return TRUE;
}

static gint32 *
read_faces (const Reader *r, JsonObject *primitive, gsize n_verts,
    gsize *ret_n_idx, GError **error)
{
  gboolean indexed = json_object_has_member (primitive, "indices");
  g_autofree gint32 *out = NULL;
  gsize index, n = n_verts;
  Items items = {0};

  if (indexed) {
    if (!get_size (primitive, "indices", 0, &index, error) ||
        !open_accessor (r, index, &items, error))
      return NULL;
    n = items.count;
    if (items.width != 1 ||
        (items.type != U8 && items.type != U16 && items.type != U32)) {
      fail (error, SHU_ERROR_INVALID, "indices: %d components of type %d",
          items.width, items.type);
      return NULL;
    }
  }
  if (n % 3) {
    fail (error, SHU_ERROR_INVALID, "%zu indices are no triangles", n);
    return NULL;
  }
  out = g_new (gint32, n);
  for (gsize i = 0; i < n; i++) {
    gsize v = i;
    if (indexed) {
      const guint8 *p = items.data + items.stride * i;
      v = p[0];
      if (items.type != U8)
        v |= (gsize) p[1] << 8;
      if (items.type == U32)
        v |= (gsize) p[2] << 16 | (gsize) p[3] << 24;
    }
    if (v >= n_verts) {
      fail (error, SHU_ERROR_INVALID, "index %zu is vertex %zu of %zu", i, v,
          n_verts);
      return NULL;
    }
    out[i] = (gint32) v;
  }
  *ret_n_idx = n;
  return g_steal_pointer (&out);
}

static gboolean
read_primitive (const Reader *r, ShuGlb *glb, JsonObject *p, GError **error)
{
  JsonObject *attributes = get_object (p, "attributes");
  gsize mode, index, n_idx = 0;
  Items items;

  if (!get_size (p, "mode", TRIANGLES, &mode, error))
    return FALSE;
  if (mode != TRIANGLES)
    return fail (error, SHU_ERROR_UNSUPPORTED,
        "primitives of mode %zu; only triangles are read", mode);
  if (!attributes || !json_object_has_member (attributes, "POSITION"))
    return fail (error, SHU_ERROR_INVALID, "the mesh has no positions");
  if (!get_size (attributes, "POSITION", 0, &index, error) ||
      !open_accessor (r, index, &items, error))
    return FALSE;
  glb->mesh = g_new0 (ShuMesh, 1);
  glb->mesh->n_verts = (int) items.count;
  glb->mesh->pos = read_floats (&items, 3, "POSITION", error);
  if (!glb->mesh->pos ||
      !read_attribute (
          r, attributes, "NORMAL", 3, items.count, &glb->normals, error) ||
      !read_attribute (
          r, attributes, "TEXCOORD_0", 2, items.count, &glb->mesh->uv, error) ||
      !read_colors (r, glb->mesh, attributes, items.count, error))
    return FALSE;
  glb->mesh->faces = read_faces (r, p, items.count, &n_idx, error);
  glb->mesh->n_faces = (int) (n_idx / 3);
  return glb->mesh->faces != NULL;
}

/* The picture behind the base colour, where there is one in the file. */
static gboolean
read_texture (const Reader *r, ShuGlb *glb, JsonObject *p, GError **error)
{
  JsonObject *o;
  gsize index, offset, size, stride;

  if (!json_object_has_member (p, "material"))
    return TRUE;
  if (!get_size (p, "material", 0, &index, error))
    return FALSE;
  o = get_element (r->root, "materials", index);
  if (!o)
    return fail (error, SHU_ERROR_INVALID, "there is no material %zu", index);
  o = get_object (get_object (o, "pbrMetallicRoughness"), "baseColorTexture");
  if (!o)
    return TRUE;
  if (!get_size (o, "index", G_MAXUINT32, &index, error))
    return FALSE;
  o = get_element (r->root, "textures", index);
  if (!o || !get_size (o, "source", G_MAXUINT32, &index, error))
    return o ? FALSE
             : fail (
                   error, SHU_ERROR_INVALID, "there is no texture %zu", index);
  o = get_element (r->root, "images", index);
  if (!o)
    return fail (error, SHU_ERROR_INVALID, "there is no image %zu", index);
  if (!json_object_has_member (o, "bufferView"))
    return fail (error, SHU_ERROR_UNSUPPORTED,
        "image %zu lies outside of the file", index);
  if (!get_size (o, "bufferView", 0, &index, error) ||
      !open_view (r, index, &offset, &size, &stride, error))
    return FALSE;
  glb->texture = g_bytes_new_from_bytes (r->file, r->bin_offset + offset, size);
  return TRUE;
}

/* Finds the two chunks. */
static gboolean
read_chunks (
    Reader *r, const guint8 **ret_json, gsize *ret_json_size, GError **error)
{
  gsize size;
  const guint8 *data = g_bytes_get_data (r->file, &size);
  ShuCursor c = shu_cursor (data, size);
  guint64 magic = shu_cursor_uint (&c, 4), version = shu_cursor_uint (&c, 4);
  guint64 total = shu_cursor_uint (&c, 4);
  g_autoptr (GError) cause = NULL;

  if (c.failed || magic != MAGIC)
    return fail (error, SHU_ERROR_INVALID, "not a binary glTF file");
  if (version != 2)
    return fail (error, SHU_ERROR_UNSUPPORTED, "version %u; 2 is expected",
        (guint) version);
  if (total > size)
    return fail (error, SHU_ERROR_TRUNCATED,
        "%" G_GUINT64_FORMAT " bytes announced, %zu there", total, size);
  if (total < 20)
    return fail (error, SHU_ERROR_INVALID, "a length of %u", (guint) total);
  c.size = total;
  *ret_json = NULL;
  while (c.pos < c.size) {
    guint64 n = shu_cursor_uint (&c, 4), type = shu_cursor_uint (&c, 4);
    const guint8 *p = shu_cursor_take (&c, n);
    if (c.failed)
      return fail (error, SHU_ERROR_TRUNCATED, "a chunk ends beyond the file");
    if (!*ret_json && type != CHUNK_JSON)
      return fail (error, SHU_ERROR_INVALID, "the first chunk is not JSON");
    if (!*ret_json) {
      *ret_json = p;
      *ret_json_size = n;
    } else if (type == CHUNK_BIN && !r->bin) {
      r->bin = p;
      r->bin_size = n;
      r->bin_offset = p - data;
    }
  }
  if (shu_json_check ((const char *) *ret_json, *ret_json_size, MAX_DEPTH,
          MAX_JSON, &cause))
    return TRUE;
  return fail (error, cause->code, "%s", cause->message);
}

ShuGlb *
shu_glb_decode (GBytes *data, GError **error)
{
  g_autoptr (JsonParser) parser = json_parser_new_immutable ();
  g_autoptr (ShuGlb) glb = g_new0 (ShuGlb, 1);
  g_autoptr (GError) detail = NULL;
  Reader r = {.file = data};
  const guint8 *json = NULL;
  gsize json_size = 0;
  JsonObject *o;

  if (!read_chunks (&r, &json, &json_size, error))
    return NULL;
  if (!json_parser_load_from_data (
          parser, (const char *) json, (gssize) json_size, &detail) ||
      !json_parser_get_root (parser) ||
      !JSON_NODE_HOLDS_OBJECT (json_parser_get_root (parser))) {
    fail (error, SHU_ERROR_INVALID, "its JSON cannot be read: %s",
        detail ? detail->message : "not an object");
    return NULL;
  }
  r.root = json_node_get_object (json_parser_get_root (parser));
  o = get_object (r.root, "asset");
  glb->generator = g_strdup (o ? get_string (o, "generator") : NULL);
  o = get_element (r.root, "meshes", 0);
  o = o ? get_element (o, "primitives", 0) : NULL;
  if (!o) {
    fail (error, SHU_ERROR_INVALID, "there is no mesh in it");
    return NULL;
  }
  if (!read_primitive (&r, glb, o, error) || !read_texture (&r, glb, o, error))
    return NULL;
  return g_steal_pointer (&glb);
}
