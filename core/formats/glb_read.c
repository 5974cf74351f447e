/* SPDX-License-Identifier: MIT */
/* Reads binary glTF from anywhere: nothing in the file is believed before it
 * is checked against the bytes that are there. */
#include "base/bytes.h"
#include "base/error.h"
#include "formats/glb_json_private.h"
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
  g_free (glb->tangents);
  g_clear_pointer (&glb->texture, g_bytes_unref);
  g_clear_pointer (&glb->normal_map, g_bytes_unref);
  g_free (glb->generator);
  g_free (glb);
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
open_accessor (const GlbReader *r, gsize index, Items *ret, GError **error)
{
  JsonObject *a = shu_glb_get_element (r->root, "accessors", index);
  gsize view, offset, type, count, start, size, stride, span, item;

  if (!a)
    return shu_glb_fail (
        error, SHU_ERROR_INVALID, "there is no accessor %zu", index);
  if (json_object_has_member (a, "sparse") ||
      !json_object_has_member (a, "bufferView"))
    return shu_glb_fail (error, SHU_ERROR_UNSUPPORTED,
        "accessor %zu is sparse or compressed", index);
  if (!shu_glb_get_size (a, "bufferView", 0, &view, error) ||
      !shu_glb_get_size (a, "byteOffset", 0, &offset, error) ||
      !shu_glb_get_size (a, "componentType", 0, &type, error) ||
      !shu_glb_get_size (a, "count", 0, &count, error) ||
      !shu_glb_open_view (r, view, &start, &size, &stride, error))
    return FALSE;
  ret->type = (int) type;
  ret->normalized = shu_glb_get_true (a, "normalized");
  ret->width = shape_width (shu_glb_get_string (a, "type"));
  item = (gsize) component_size (type) * ret->width;
  if (!item)
    return shu_glb_fail (error, SHU_ERROR_INVALID,
        "accessor %zu: component type %zu, type \"%s\"", index, type,
        shu_glb_get_string (a, "type") ? shu_glb_get_string (a, "type") : "");
  if (count < 1 || count > MAX_ITEMS)
    return shu_glb_fail (error, SHU_ERROR_LIMIT,
        "accessor %zu: %zu items; 1 to %d are accepted", index, count,
        MAX_ITEMS);
  if (!stride)
    stride = item;
  if (stride < item || stride > 4096)
    return shu_glb_fail (error, SHU_ERROR_INVALID,
        "accessor %zu: items of %zu bytes every %zu", index, item, stride);
  if (!shu_mul_size (stride, count - 1, &span) ||
      !shu_add_size (span, item, &span) ||
      !shu_add_size (span, offset, &span) || span > size)
    return shu_glb_fail (error, SHU_ERROR_TRUNCATED,
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
    shu_glb_fail (error, SHU_ERROR_UNSUPPORTED,
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
        shu_glb_fail (
            error, SHU_ERROR_INVALID, "%s: item %zu is not finite", name, i);
        return NULL;
      }
      out[width * i + k] = v;
    }
  return g_steal_pointer (&out);
}

/* The optional attribute @name: FALSE only when it is there and wrong. */
static gboolean
read_attribute (const GlbReader *r, JsonObject *attributes, const char *name,
    int width, gsize count, float **ret, GError **error)
{
  gsize index;
  Items items;

  *ret = NULL;
  if (!json_object_has_member (attributes, name))
    return TRUE;
  if (!shu_glb_get_size (attributes, name, 0, &index, error) ||
      !open_accessor (r, index, &items, error))
    return FALSE;
  if (items.count != count)
    return shu_glb_fail (error, SHU_ERROR_INVALID,
        "%s: %zu items for %zu vertices", name, items.count, count);
  *ret = read_floats (&items, width, name, error);
  return *ret != NULL;
}

/* Colours of vertices, which are linear in the file. */
static gboolean
read_colors (
    const GlbReader *r, JsonObject *attributes, ShuMesh *mesh, GError **error)
{
  g_autofree float *rgb = NULL;
  gsize n = mesh->n_verts, index;
  Items items;

  if (!json_object_has_member (attributes, "COLOR_0"))
    return TRUE;
  if (!shu_glb_get_size (attributes, "COLOR_0", 0, &index, error) ||
      !open_accessor (r, index, &items, error))
    return FALSE;
  if (items.type == GLB_I8 || items.type == GLB_I16)
    return shu_glb_fail (error, SHU_ERROR_INVALID,
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
    if (!shu_glb_get_doubles (node, "matrix", 16, whole, error))
      return FALSE;
    for (int i = 0; i < 12; i++)
      m[i] = whole[i / 3 * 4 + i % 3];
    return TRUE;
  }
  if (!shu_glb_get_doubles (node, "translation", 3, t, error) ||
      !shu_glb_get_doubles (node, "rotation", 4, q, error) ||
      !shu_glb_get_doubles (node, "scale", 3, s, error))
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

/* @v = @m @v for a matrix by columns, of unit length again where it has any */
static void
turn (const double m[9], float *v)
{
  double out[3], length = 0;

  for (int k = 0; k < 3; k++) {
    out[k] = m[k] * v[0] + m[3 + k] * v[1] + m[6 + k] * v[2];
    length += out[k] * out[k];
  }
  for (int k = 0; k < 3 && length > 0; k++)
    v[k] = (float) (out[k] / sqrt (length));
}

/* Puts positions, normals and tangents where the matrix says.  Normals go by
 * the cofactors: at right angles to the surface under any scale. */
static gboolean
place (ShuGlb *glb, const double m[12], GError **error)
{
  double c[9], det = 0;

  for (int i = 0; i < 3; i++)
    for (int k = 0; k < 3; k++)
      c[3 * i + k] =
          m[(i + 1) % 3 * 3 + (k + 1) % 3] * m[(i + 2) % 3 * 3 + (k + 2) % 3] -
          m[(i + 1) % 3 * 3 + (k + 2) % 3] * m[(i + 2) % 3 * 3 + (k + 1) % 3];
  for (int k = 0; k < 3; k++)
    det += m[k] * c[k];
  for (gsize v = 0; v < (gsize) glb->mesh->n_verts; v++) {
    float *p = glb->mesh->pos + 3 * v;
    double a[3] = {p[0], p[1], p[2]};

    for (int k = 0; k < 3; k++) {
      p[k] =
          (float) (m[k] * a[0] + m[3 + k] * a[1] + m[6 + k] * a[2] + m[9 + k]);
      if (!isfinite (p[k]))
        return shu_glb_fail (error, SHU_ERROR_INVALID,
            "the node's matrix puts vertex %zu beyond all numbers", v);
    }
    if (glb->normals)
      turn (c, glb->normals + 3 * v);
    if (glb->tangents) {
      turn (m, glb->tangents + 4 * v);
      glb->tangents[4 * v + 3] *= det < 0 ? -1 : 1;
    }
  }
  return TRUE;
}

/* As the first node with mesh 0 says, where there is one. */
static gboolean
apply_node (const GlbReader *r, ShuGlb *glb, GError **error)
{
  JsonObject *node;

  for (gsize i = 0; (node = shu_glb_get_element (r->root, "nodes", i)); i++) {
    gsize mesh;
    double m[12];

    if (!shu_glb_get_size (node, "mesh", G_MAXUINT32, &mesh, error))
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
read_faces (const GlbReader *r, JsonObject *primitive, gsize n_verts,
    gsize *ret_n_idx, GError **error)
{
  gboolean indexed = json_object_has_member (primitive, "indices");
  g_autofree gint32 *out = NULL;
  gsize index, n = n_verts;
  Items items = {0};

  if (indexed) {
    if (!shu_glb_get_size (primitive, "indices", 0, &index, error) ||
        !open_accessor (r, index, &items, error))
      return NULL;
    n = items.count;
    if (items.width != 1 || (items.type != GLB_U8 && items.type != GLB_U16 &&
                                items.type != GLB_U32)) {
      shu_glb_fail (error, SHU_ERROR_INVALID,
          "indices: %d components of type %d", items.width, items.type);
      return NULL;
    }
  }
  if (n % 3) {
    shu_glb_fail (error, SHU_ERROR_INVALID, "%zu indices are no triangles", n);
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
      shu_glb_fail (error, SHU_ERROR_INVALID, "index %zu is vertex %zu of %zu",
          i, v, n_verts);
      return NULL;
    }
    out[i] = (gint32) v;
  }
  *ret_n_idx = n;
  return g_steal_pointer (&out);
}

static gboolean
read_primitive (const GlbReader *r, ShuGlb *glb, JsonObject *p, GError **error)
{
  JsonObject *attributes = shu_glb_get_object (p, "attributes");
  gsize mode, index, n_idx = 0;
  Items items;

  if (!shu_glb_get_size (p, "mode", TRIANGLES, &mode, error))
    return FALSE;
  if (mode != TRIANGLES)
    return shu_glb_fail (error, SHU_ERROR_UNSUPPORTED,
        "primitives of mode %zu; only triangles are read", mode);
  if (!attributes || !json_object_has_member (attributes, "POSITION"))
    return shu_glb_fail (error, SHU_ERROR_INVALID, "the mesh has no positions");
  if (!shu_glb_get_size (attributes, "POSITION", 0, &index, error) ||
      !open_accessor (r, index, &items, error))
    return FALSE;
  glb->mesh = g_new0 (ShuMesh, 1);
  glb->mesh->n_verts = (int) items.count;
  glb->mesh->pos = read_floats (&items, 3, "POSITION", error);
  if (!glb->mesh->pos ||
      !read_attribute (
          r, attributes, "NORMAL", 3, items.count, &glb->normals, error) ||
      !read_attribute (
          r, attributes, "TANGENT", 4, items.count, &glb->tangents, error) ||
      !read_attribute (
          r, attributes, "TEXCOORD_0", 2, items.count, &glb->mesh->uv, error) ||
      !read_colors (r, attributes, glb->mesh, error))
    return FALSE;
  glb->mesh->faces = read_faces (r, p, items.count, &n_idx, error);
  glb->mesh->n_faces = (int) (n_idx / 3);
  return glb->mesh->faces != NULL;
}

/* The picture that a material's @slot (nullable) names, where it is in the
 * file. */
static gboolean
read_picture (
    const GlbReader *r, JsonObject *slot, GBytes **ret, GError **error)
{
  JsonObject *o, *webp;
  gsize index, offset, size, stride;

  if (!slot)
    return TRUE;
  if (!shu_glb_get_size (slot, "index", G_MAXUINT32, &index, error))
    return FALSE;
  o = shu_glb_get_element (r->root, "textures", index);
  if (!o)
    return shu_glb_fail (
        error, SHU_ERROR_INVALID, "there is no texture %zu", index);
  webp = shu_glb_get_object (
      shu_glb_get_object (o, "extensions"), "EXT_texture_webp");
  if (!shu_glb_get_size (webp ? webp : o, "source", G_MAXUINT32, &index, error))
    return FALSE;
  o = shu_glb_get_element (r->root, "images", index);
  if (!o)
    return shu_glb_fail (
        error, SHU_ERROR_INVALID, "there is no image %zu", index);
  if (!json_object_has_member (o, "bufferView"))
    return shu_glb_fail (error, SHU_ERROR_UNSUPPORTED,
        "image %zu lies outside of the file", index);
  if (!shu_glb_get_size (o, "bufferView", 0, &index, error) ||
      !shu_glb_open_view (r, index, &offset, &size, &stride, error))
    return FALSE;
  *ret = g_bytes_new_from_bytes (r->file, r->bin_offset + offset, size);
  return TRUE;
}

/* The pictures of base colour and normals. */
static gboolean
read_material (
    const GlbReader *r, ShuGlb *glb, JsonObject *primitive, GError **error)
{
  JsonObject *material, *base;
  gsize index;

  if (!json_object_has_member (primitive, "material"))
    return TRUE;
  if (!shu_glb_get_size (primitive, "material", 0, &index, error))
    return FALSE;
  material = shu_glb_get_element (r->root, "materials", index);
  if (!material)
    return shu_glb_fail (
        error, SHU_ERROR_INVALID, "there is no material %zu", index);
  base = shu_glb_get_object (material, "pbrMetallicRoughness");
  return read_picture (r, shu_glb_get_object (base, "baseColorTexture"),
             &glb->texture, error) &&
         read_picture (r, shu_glb_get_object (material, "normalTexture"),
             &glb->normal_map, error);
}

/* Finds the two chunks. */
static gboolean
read_chunks (
    GlbReader *r, const guint8 **ret_json, gsize *ret_json_size, GError **error)
{
  gsize size;
  const guint8 *data = g_bytes_get_data (r->file, &size);
  ShuCursor c = shu_cursor (data, size);
  guint64 magic = shu_cursor_uint (&c, 4), version = shu_cursor_uint (&c, 4);
  guint64 total = shu_cursor_uint (&c, 4);
  g_autoptr (GError) cause = NULL;

  if (c.failed || magic != GLB_MAGIC)
    return shu_glb_fail (error, SHU_ERROR_INVALID, "not a binary glTF file");
  if (version != 2)
    return shu_glb_fail (error, SHU_ERROR_UNSUPPORTED,
        "version %u; 2 is expected", (guint) version);
  if (total > size)
    return shu_glb_fail (error, SHU_ERROR_TRUNCATED,
        "%" G_GUINT64_FORMAT " bytes announced, %zu there", total, size);
  if (total < 20)
    return shu_glb_fail (
        error, SHU_ERROR_INVALID, "a length of %u", (guint) total);
  c.size = total;
  *ret_json = NULL;
  while (c.pos < c.size) {
    guint64 n = shu_cursor_uint (&c, 4), type = shu_cursor_uint (&c, 4);
    const guint8 *p = shu_cursor_take (&c, n);
    if (c.failed)
      return shu_glb_fail (
          error, SHU_ERROR_TRUNCATED, "a chunk ends beyond the file");
    if (!*ret_json && type != GLB_CHUNK_JSON)
      return shu_glb_fail (
          error, SHU_ERROR_INVALID, "the first chunk is not JSON");
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
  return shu_glb_fail (error, cause->code, "%s", cause->message);
}

ShuGlb *
shu_glb_decode (GBytes *data, GError **error)
{
  g_autoptr (JsonParser) parser = json_parser_new_immutable ();
  g_autoptr (ShuGlb) glb = g_new0 (ShuGlb, 1);
  g_autoptr (GError) detail = NULL;
  GlbReader r = {.file = data};
  const guint8 *json = NULL;
  gsize json_size = 0;
  JsonObject *o;

  if (!read_chunks (&r, &json, &json_size, error))
    return NULL;
  if (!json_parser_load_from_data (
          parser, (const char *) json, (gssize) json_size, &detail) ||
      !json_parser_get_root (parser) ||
      !JSON_NODE_HOLDS_OBJECT (json_parser_get_root (parser))) {
    shu_glb_fail (error, SHU_ERROR_INVALID, "its JSON cannot be read: %s",
        detail ? detail->message : "not an object");
    return NULL;
  }
  r.root = json_node_get_object (json_parser_get_root (parser));
  o = shu_glb_get_object (r.root, "asset");
  glb->generator = g_strdup (o ? shu_glb_get_string (o, "generator") : NULL);
  o = shu_glb_get_element (r.root, "meshes", 0);
  o = o ? shu_glb_get_element (o, "primitives", 0) : NULL;
  if (!o) {
    shu_glb_fail (error, SHU_ERROR_INVALID, "there is no mesh in it");
    return NULL;
  }
  if (!read_primitive (&r, glb, o, error) ||
      !read_material (&r, glb, o, error) || !apply_node (&r, glb, error))
    return NULL;
  return g_steal_pointer (&glb);
}
