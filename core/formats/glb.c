/* SPDX-License-Identifier: MIT */
/* Writes binary glTF: a JSON chunk, then one buffer with indices, positions,
 * normals, texture coordinates and the picture, each padded to 4 bytes. */
#include "formats/glb.h"
#include "base/error.h"
#include "formats/version_private.h"
#include "geometry/weld.h"
#include <json-glib/json-glib.h>
#include <math.h>
#include <string.h>

enum {
  MAGIC = 0x46546C67, /* "glTF" */
  CHUNK_JSON = 0x4E4F534A,
  CHUNK_BIN = 0x004E4942,
  U16 = 5123,
  U32 = 5125,
  F32 = 5126,
  ARRAY_BUFFER = 34962,
  ELEMENT_ARRAY_BUFFER = 34963,
  LINEAR = 9729,
  LINEAR_MIPMAP_LINEAR = 9987,
  CLAMP_TO_EDGE = 33071,
};

static const float default_height = 1.7f;

gboolean
shu_mesh_to_y_up (
    const ShuMesh *mesh, float height, float *ret_pos, GError **error)
{
  float lo = G_MAXFLOAT, hi = -G_MAXFLOAT;

  for (gsize i = 0; i < (gsize) mesh->n_verts; i++) {
    lo = MIN (lo, mesh->pos[3 * i + 2]);
    hi = MAX (hi, mesh->pos[3 * i + 2]);
  }
  if (!(hi - lo > 1e-6f) || !(hi - lo < 1e6f)) {
    g_set_error (error, SHU_ERROR, SHU_ERROR_INVALID,
        "the mesh has no height to scale to %g m", height);
    return FALSE;
  }
  float s = height / (hi - lo);
  for (gsize i = 0; i < (gsize) mesh->n_verts; i++) {
    const float *p = mesh->pos + 3 * i;
    ret_pos[3 * i] = s * p[0];
    ret_pos[3 * i + 1] = s * (p[2] - lo);
    /* 0 -, so that no -0 gets into the file */
    ret_pos[3 * i + 2] = 0 - s * p[1];
  }
  return TRUE;
}

/* One part of the binary buffer. */
typedef struct {
  gsize offset, size;
} View;

static View
append (GByteArray *bin, gconstpointer data, gsize size)
{
  View v = {bin->len, size};
  static const guint8 zero[4] = {0};

  g_byte_array_append (bin, data, (guint) size);
  g_byte_array_append (bin, zero, (guint) (-size & 3));
  return v;
}

static void
set_int (JsonBuilder *b, const char *name, gint64 value)
{
  json_builder_set_member_name (b, name);
  json_builder_add_int_value (b, value);
}

static void
set_double (JsonBuilder *b, const char *name, double value)
{
  json_builder_set_member_name (b, name);
  json_builder_add_double_value (b, value);
}

static void
set_string (JsonBuilder *b, const char *name, const char *value)
{
  json_builder_set_member_name (b, name);
  json_builder_add_string_value (b, value);
}

static void
begin_object (JsonBuilder *b, const char *name)
{
  if (name)
    json_builder_set_member_name (b, name);
  json_builder_begin_object (b);
}

static void
begin_array (JsonBuilder *b, const char *name)
{
  json_builder_set_member_name (b, name);
  json_builder_begin_array (b);
}

static void
add_view (JsonBuilder *b, View v, int target)
{
  begin_object (b, NULL);
  set_int (b, "buffer", 0);
  set_int (b, "byteOffset", v.offset);
  set_int (b, "byteLength", v.size);
  if (target)
    set_int (b, "target", target);
  json_builder_end_object (b);
}

static void
add_accessor (
    JsonBuilder *b, int view, int type, gint64 count, const char *shape)
{
  begin_object (b, NULL);
  set_int (b, "bufferView", view);
  set_int (b, "componentType", type);
  set_int (b, "count", count);
  set_string (b, "type", shape);
}

static void
add_bounds (JsonBuilder *b, const float *pos, gsize n)
{
  float lo[3] = {G_MAXFLOAT, G_MAXFLOAT, G_MAXFLOAT};
  float hi[3] = {-G_MAXFLOAT, -G_MAXFLOAT, -G_MAXFLOAT};

  for (gsize i = 0; i < 3 * n; i++) {
    lo[i % 3] = MIN (lo[i % 3], pos[i]);
    hi[i % 3] = MAX (hi[i % 3], pos[i]);
  }
  for (int side = 0; side < 2; side++) {
    begin_array (b, side ? "max" : "min");
    for (int k = 0; k < 3; k++)
      json_builder_add_double_value (b, side ? hi[k] : lo[k]);
    json_builder_end_array (b);
  }
}

static void
add_material (JsonBuilder *b, gboolean textured)
{
  begin_array (b, "materials");
  begin_object (b, NULL);
  set_string (b, "name", "skin");
  begin_object (b, "pbrMetallicRoughness");
  if (textured) {
    begin_object (b, "baseColorTexture");
    set_int (b, "index", 0);
    json_builder_end_object (b);
  }
  set_double (b, "metallicFactor", 0);
  set_double (b, "roughnessFactor", 0.9);
  json_builder_end_object (b);
  set_string (b, "alphaMode", "OPAQUE");
  json_builder_set_member_name (b, "doubleSided");
  json_builder_add_boolean_value (b, FALSE);
  json_builder_end_object (b);
  json_builder_end_array (b);
}

static void
add_texture (JsonBuilder *b, int view)
{
  begin_array (b, "textures");
  begin_object (b, NULL);
  set_int (b, "sampler", 0);
  set_int (b, "source", 0);
  json_builder_end_object (b);
  json_builder_end_array (b);
  begin_array (b, "images");
  begin_object (b, NULL);
  set_int (b, "bufferView", view);
  set_string (b, "mimeType", "image/png");
  json_builder_end_object (b);
  json_builder_end_array (b);
  begin_array (b, "samplers");
  begin_object (b, NULL);
  set_int (b, "magFilter", LINEAR);
  set_int (b, "minFilter", LINEAR_MIPMAP_LINEAR);
  set_int (b, "wrapS", CLAMP_TO_EDGE);
  set_int (b, "wrapT", CLAMP_TO_EDGE);
  json_builder_end_object (b);
  json_builder_end_array (b);
}

static void
add_scene (JsonBuilder *b, const char *name)
{
  set_int (b, "scene", 0);
  begin_array (b, "scenes");
  begin_object (b, NULL);
  begin_array (b, "nodes");
  json_builder_add_int_value (b, 0);
  json_builder_end_array (b);
  json_builder_end_object (b);
  json_builder_end_array (b);
  begin_array (b, "nodes");
  begin_object (b, NULL);
  set_int (b, "mesh", 0);
  set_string (b, "name", name);
  json_builder_end_object (b);
  json_builder_end_array (b);
}

/* Views and accessors have the same numbers: indices 0, positions 1, normals
 * 2, texture coordinates 3; view 4 is the picture. */
static char *
describe (const ShuMesh *mesh, const float *pos, const View *views,
    gboolean small, gsize bin_size, const char *name, gsize *ret_length)
{
  g_autoptr (JsonBuilder) b = json_builder_new ();
  g_autoptr (JsonGenerator) gen = json_generator_new ();
  g_autoptr (JsonNode) root = NULL;
  gboolean textured = views[4].size > 0;

  json_builder_begin_object (b);
  begin_object (b, "asset");
  set_string (b, "version", "2.0");
  set_string (b, "generator", "synchuman " SHU_VERSION);
  json_builder_end_object (b);
  add_scene (b, name);
  begin_array (b, "meshes");
  begin_object (b, NULL);
  set_string (b, "name", name);
  begin_array (b, "primitives");
  begin_object (b, NULL);
  begin_object (b, "attributes");
  set_int (b, "POSITION", 1);
  set_int (b, "NORMAL", 2);
  if (mesh->uv)
    set_int (b, "TEXCOORD_0", 3);
  json_builder_end_object (b);
  set_int (b, "indices", 0);
  set_int (b, "material", 0);
  json_builder_end_object (b);
  json_builder_end_array (b);
  json_builder_end_object (b);
  json_builder_end_array (b);
  add_material (b, textured);
  if (textured)
    add_texture (b, 4);
  begin_array (b, "accessors");
  add_accessor (b, 0, small ? U16 : U32, 3 * (gint64) mesh->n_faces, "SCALAR");
  json_builder_end_object (b);
  add_accessor (b, 1, F32, mesh->n_verts, "VEC3");
  add_bounds (b, pos, mesh->n_verts);
  json_builder_end_object (b);
  add_accessor (b, 2, F32, mesh->n_verts, "VEC3");
  json_builder_end_object (b);
  if (mesh->uv) {
    add_accessor (b, 3, F32, mesh->n_verts, "VEC2");
    json_builder_end_object (b);
  }
  json_builder_end_array (b);
  begin_array (b, "bufferViews");
  for (int i = 0; i < 5; i++)
    if (views[i].size)
      add_view (b, views[i],
          i == 0  ? ELEMENT_ARRAY_BUFFER
          : i < 4 ? ARRAY_BUFFER
                  : 0);
  json_builder_end_array (b);
  begin_array (b, "buffers");
  begin_object (b, NULL);
  set_int (b, "byteLength", bin_size);
  json_builder_end_object (b);
  json_builder_end_array (b);
  json_builder_end_object (b);
  root = json_builder_get_root (b);
  json_generator_set_root (gen, root);
  return json_generator_to_data (gen, ret_length);
}

static void
append_u32 (GByteArray *out, guint32 v)
{
  guint8 b[4] = {v & 255, v >> 8 & 255, v >> 16 & 255, v >> 24};

  g_byte_array_append (out, b, 4);
}

static gboolean
check_arguments (const ShuMesh *mesh, GBytes *png, GError **error)
{
  static const guint8 signature[8] = {137, 80, 78, 71, 13, 10, 26, 10};
  gsize size = 0;
  const guint8 *data = png ? g_bytes_get_data (png, &size) : NULL;

  if (mesh->n_faces < 1 || mesh->n_verts < 3) {
    g_set_error (error, SHU_ERROR, SHU_ERROR_INVALID,
        "a model needs at least one face; this one has %d faces, %d vertices",
        mesh->n_faces, mesh->n_verts);
    return FALSE;
  }
  if (png && (size < 8 || memcmp (data, signature, 8) || !mesh->uv)) {
    g_set_error (error, SHU_ERROR, SHU_ERROR_INVALID,
        mesh->uv ? "the texture is not a PNG file"
                 : "a texture needs a mesh with texture coordinates");
    return FALSE;
  }
  gsize limit = (gsize) G_MAXINT32 - (1 << 20);
  if (size > limit ||
      44 * (gsize) mesh->n_verts + 12 * (gsize) mesh->n_faces > limit - size) {
    g_set_error (error, SHU_ERROR, SHU_ERROR_LIMIT,
        "a model of %d vertices, %d faces is too large for one file",
        mesh->n_verts, mesh->n_faces);
    return FALSE;
  }
  return shu_mesh_check (mesh, error);
}

GBytes *
shu_glb_encode (const ShuMesh *mesh, GBytes *png, const ShuGlbParams *params,
    GError **error)
{
  float height = params && params->height > 0 ? params->height : default_height;
  const char *name = params && params->name ? params->name : "person";
  gsize n = mesh->n_verts, n_idx = 3 * (gsize) mesh->n_faces, json_size, size;
  View views[5] = {{0}};

  if (!check_arguments (mesh, png, error))
    return NULL;
  g_autofree float *pos = g_new (float, 3 * n);
  g_autofree float *normals = g_new (float, 3 * n);
  if (!shu_mesh_to_y_up (mesh, height, pos, error))
    return NULL;
  ShuMesh turned = *mesh;
  turned.pos = pos;
  g_autofree gint32 *first = g_new (gint32, n);
  shu_mesh_weld (&turned, first);
  shu_mesh_normals_welded (&turned, first, normals);

  g_autoptr (GByteArray) bin = g_byte_array_new ();
  gboolean small = n < 65535;
  if (small) {
    g_autofree guint16 *idx = g_new (guint16, n_idx);
    for (gsize i = 0; i < n_idx; i++)
      idx[i] = (guint16) mesh->faces[i];
    views[0] = append (bin, idx, n_idx * sizeof (guint16));
  } else {
    views[0] = append (bin, mesh->faces, n_idx * sizeof (gint32));
  }
  views[1] = append (bin, pos, 3 * n * sizeof (float));
  views[2] = append (bin, normals, 3 * n * sizeof (float));
  if (mesh->uv)
    views[3] = append (bin, mesh->uv, 2 * n * sizeof (float));
  if (png)
    views[4] =
        append (bin, g_bytes_get_data (png, NULL), g_bytes_get_size (png));

  g_autofree char *json =
      describe (mesh, pos, views, small, bin->len, name, &json_size);
  gsize pad = -json_size & 3;
  size = 12 + 8 + json_size + pad + 8 + bin->len;
  GByteArray *out = g_byte_array_sized_new ((guint) size);
  append_u32 (out, MAGIC);
  append_u32 (out, 2);
  append_u32 (out, (guint32) size);
  append_u32 (out, (guint32) (json_size + pad));
  append_u32 (out, CHUNK_JSON);
  g_byte_array_append (out, (const guint8 *) json, (guint) json_size);
  g_byte_array_append (out, (const guint8 *) "   ", (guint) pad);
  append_u32 (out, bin->len);
  append_u32 (out, CHUNK_BIN);
  g_byte_array_append (out, bin->data, bin->len);
  return g_byte_array_free_to_bytes (out);
}
