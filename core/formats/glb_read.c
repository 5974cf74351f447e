/* SPDX-License-Identifier: MIT */
/* Reads binary glTF from anywhere: nothing in the file is believed before it
 * is checked against the bytes that are there. */
#include "base/bytes.h"
#include "base/error.h"
#include "formats/glb_private.h"
#include "weights/json_check.h"
#include <json-glib/json-glib.h>
#include <math.h>
#include <string.h>

enum {
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
  gboolean normalized;
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

static gboolean
get_true (JsonObject *o, const char *name)
{
  JsonNode *node = json_object_get_member (o, name);

  return node && JSON_NODE_HOLDS_VALUE (node) &&
         json_node_get_value_type (node) == G_TYPE_BOOLEAN &&
         json_node_get_boolean (node);
}

/* @n finite numbers, which may be absent: then @ret stays as it is. */
static gboolean
get_doubles (
    JsonObject *o, const char *name, guint n, double *ret, GError **error)
{
  JsonNode *node = json_object_get_member (o, name);
  JsonArray *array;

  if (!node)
    return TRUE;
  array = JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;
  if (!array || json_array_get_length (array) != n)
    return fail (error, SHU_ERROR_INVALID, "%s is not %u numbers", name, n);
  for (guint i = 0; i < n; i++) {
    JsonNode *item = json_array_get_element (array, i);
    double v = JSON_NODE_HOLDS_VALUE (item) &&
                       (json_node_get_value_type (item) == G_TYPE_DOUBLE ||
                           json_node_get_value_type (item) == G_TYPE_INT64)
                   ? json_node_get_double (item)
                   : NAN;

    if (!(fabs (v) < 1e9))
      return fail (error, SHU_ERROR_INVALID,
          "%s: number %u is none, or too large", name, i);
    ret[i] = v;
  }
  return TRUE;
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
  case GLB_I8:
  case GLB_U8:
    return 1;
  case GLB_I16:
  case GLB_U16:
    return 2;
  case GLB_U32:
  case GLB_F32:
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
  ret->normalized = get_true (a, "normalized");
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

/* One component; whole numbers, normalized or not, as KHR_mesh_quantization
 * has them. */
static float
read_component (const guint8 *p, int type, gboolean normalized)
{
  guint16 wide =
      (guint16) (p[0] | (type == GLB_U16 || type == GLB_I16 ? p[1] << 8 : 0));
  float v;

  switch (type) {
  case GLB_I8:
    v = (gint8) p[0];
    return normalized ? MAX (v / 127, -1) : v;
  case GLB_U8:
    return normalized ? p[0] / 255.0f : p[0];
  case GLB_I16:
    v = (gint16) wide;
    return normalized ? MAX (v / 32767, -1) : v;
  case GLB_U16:
    return normalized ? wide / 65535.0f : wide;
  default:
    memcpy (&v, p, sizeof v);
    return v;
  }
}

/* The first @width components of each item. */
static float *
read_floats (const Items *items, int width, const char *name, GError **error)
{
  int size = component_size (items->type);

  if (items->type == GLB_U32 || items->width < width) {
    fail (error, SHU_ERROR_UNSUPPORTED,
        "%s: %d components of type %d; %d floats, bytes or shorts are expected",
        name, items->width, items->type, width);
    return NULL;
  }
  g_autofree float *out = g_new (float, width * items->count);
  for (gsize i = 0; i < items->count; i++)
    for (int k = 0; k < width; k++) {
      float v = read_component (items->data + items->stride * i + k * size,
          items->type, items->normalized);

      if (!isfinite (v)) {
        fail (error, SHU_ERROR_INVALID, "%s: item %zu is not finite", name, i);
        return NULL;
      }
      out[width * i + k] = v;
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

/* Colours of vertices, which are linear in the file. */
static gboolean
read_colors (
    const Reader *r, JsonObject *attributes, ShuMesh *mesh, GError **error)
{
  g_autofree float *rgb = NULL;
  gsize n = mesh->n_verts, index;
  Items items;

  if (!json_object_has_member (attributes, "COLOR_0"))
    return TRUE;
  if (!get_size (attributes, "COLOR_0", 0, &index, error) ||
      !open_accessor (r, index, &items, error))
    return FALSE;
  if (items.type == GLB_I8 || items.type == GLB_I16)
    return fail (error, SHU_ERROR_INVALID,
        "COLOR_0: components of type %d, which may be negative", items.type);
  if (!read_attribute (r, attributes, "COLOR_0", 3, n, &rgb, error))
    return FALSE;
  mesh->attr = g_new (float, 6 * n);
  for (gsize i = 0; i < n; i++)
    for (int k = 0; k < 3; k++) {
      mesh->attr[6 * i + k] =
          shu_linear_to_srgb (CLAMP (rgb[3 * i + k], 0.0f, 1.0f));
      mesh->attr[6 * i + 3 + k] = 0.5f;
    }
  return TRUE;
}

/* The matrix of @node by columns, 4 x 3 of it. */
static gboolean
read_matrix (JsonObject *node, double m[12], GError **error)
{
  double whole[16], t[3] = {0}, q[4] = {0, 0, 0, 1}, s[3] = {1, 1, 1};

  if (json_object_has_member (node, "matrix")) {
    if (!get_doubles (node, "matrix", 16, whole, error))
      return FALSE;
    for (int i = 0; i < 12; i++)
      m[i] = whole[i / 3 * 4 + i % 3];
    return TRUE;
  }
  if (!get_doubles (node, "translation", 3, t, error) ||
      !get_doubles (node, "rotation", 4, q, error) ||
      !get_doubles (node, "scale", 3, s, error))
    return FALSE;
  double x = q[0], y = q[1], z = q[2], w = q[3];
  double turn[9] = {1 - 2 * (y * y + z * z), 2 * (x * y + z * w),
      2 * (x * z - y * w), 2 * (x * y - z * w), 1 - 2 * (x * x + z * z),
      2 * (y * z + x * w), 2 * (x * z + y * w), 2 * (y * z - x * w),
      1 - 2 * (x * x + y * y)};
  for (int i = 0; i < 9; i++)
    m[i] = turn[i] * s[i / 3];
  memcpy (m + 9, t, sizeof t);
  return TRUE;
}

/* Puts positions and normals where the matrix says.  Normals go by the
 * cofactors: at right angles to the surface under any scale. */
static gboolean
place (ShuGlb *glb, const double m[12], GError **error)
{
  double c[9];

  for (int i = 0; i < 3; i++)
    for (int k = 0; k < 3; k++)
      c[3 * i + k] =
          m[(i + 1) % 3 * 3 + (k + 1) % 3] * m[(i + 2) % 3 * 3 + (k + 2) % 3] -
          m[(i + 1) % 3 * 3 + (k + 2) % 3] * m[(i + 2) % 3 * 3 + (k + 1) % 3];
  for (gsize v = 0; v < (gsize) glb->mesh->n_verts; v++) {
    float *p = glb->mesh->pos + 3 * v;
    float *n = glb->normals ? glb->normals + 3 * v : NULL;
    double a[3] = {p[0], p[1], p[2]}, b[3] = {0}, turned[3], length = 0;

    for (int k = 0; k < 3 && n; k++)
      b[k] = n[k];
    for (int k = 0; k < 3; k++) {
      p[k] =
          (float) (m[k] * a[0] + m[3 + k] * a[1] + m[6 + k] * a[2] + m[9 + k]);
      turned[k] = c[k] * b[0] + c[3 + k] * b[1] + c[6 + k] * b[2];
      length += turned[k] * turned[k];
      if (!isfinite (p[k]))
        return fail (error, SHU_ERROR_INVALID,
            "the node's matrix puts vertex %zu beyond all numbers", v);
    }
    for (int k = 0; k < 3 && n && length > 0; k++)
      n[k] = (float) (turned[k] / sqrt (length));
  }
  return TRUE;
}

/* As the first node with mesh 0 says, where there is one. */
static gboolean
apply_node (const Reader *r, ShuGlb *glb, GError **error)
{
  JsonObject *node;

  for (gsize i = 0; (node = get_element (r->root, "nodes", i)); i++) {
    gsize mesh;
    double m[12];

    if (!get_size (node, "mesh", G_MAXUINT32, &mesh, error))
      return FALSE;
    if (mesh != 0)
      continue;
    if (!json_object_has_member (node, "matrix") &&
        !json_object_has_member (node, "translation") &&
        !json_object_has_member (node, "rotation") &&
        !json_object_has_member (node, "scale"))
      return TRUE;
    return read_matrix (node, m, error) && place (glb, m, error);
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
    if (items.width != 1 || (items.type != GLB_U8 && items.type != GLB_U16 &&
                                items.type != GLB_U32)) {
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
      if (items.type != GLB_U8)
        v |= (gsize) p[1] << 8;
      if (items.type == GLB_U32)
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
      !read_colors (r, attributes, glb->mesh, error))
    return FALSE;
  glb->mesh->faces = read_faces (r, p, items.count, &n_idx, error);
  glb->mesh->n_faces = (int) (n_idx / 3);
  return glb->mesh->faces != NULL;
}

/* The picture behind the base colour, where there is one in the file. */
static gboolean
read_texture (const Reader *r, ShuGlb *glb, JsonObject *p, GError **error)
{
  JsonObject *o, *webp;
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
  if (!o)
    return fail (error, SHU_ERROR_INVALID, "there is no texture %zu", index);
  webp = get_object (get_object (o, "extensions"), "EXT_texture_webp");
  if (!get_size (webp ? webp : o, "source", G_MAXUINT32, &index, error))
    return FALSE;
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

  if (c.failed || magic != GLB_MAGIC)
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
    if (!*ret_json && type != GLB_CHUNK_JSON)
      return fail (error, SHU_ERROR_INVALID, "the first chunk is not JSON");
    if (!*ret_json) {
      *ret_json = p;
      *ret_json_size = n;
    } else if (type == GLB_CHUNK_BIN && !r->bin) {
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
  if (!read_primitive (&r, glb, o, error) ||
      !read_texture (&r, glb, o, error) || !apply_node (&r, glb, error))
    return NULL;
  return g_steal_pointer (&glb);
}
