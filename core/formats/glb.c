/* SPDX-License-Identifier: MIT */
/* Writes binary glTF: a JSON chunk, then one buffer with what glb_pack.c made
 * of the mesh, and the picture. */
#include "formats/glb.h"
#include "base/error.h"
#include "formats/glb_private.h"
#include "formats/picture.h"
#include "formats/version_private.h"
#include <json-glib/json-glib.h>
#include <string.h>

enum {
  LINEAR = 9729,
  LINEAR_MIPMAP_LINEAR = 9987,
  CLAMP_TO_EDGE = 33071,
};

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
set_true (JsonBuilder *b, const char *name)
{
  json_builder_set_member_name (b, name);
  json_builder_add_boolean_value (b, TRUE);
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
set_doubles (JsonBuilder *b, const char *name, const double *values, int n)
{
  begin_array (b, name);
  for (int i = 0; i < n; i++)
    json_builder_add_double_value (b, values[i]);
  json_builder_end_array (b);
}

static void
set_extensions (
    JsonBuilder *b, const char *name, gboolean quantized, gboolean webp)
{
  if (!quantized && !webp)
    return;
  begin_array (b, name);
  if (quantized)
    json_builder_add_string_value (b, "KHR_mesh_quantization");
  if (webp)
    json_builder_add_string_value (b, "EXT_texture_webp");
  json_builder_end_array (b);
}

static void
add_accessor (JsonBuilder *b, int view, const GlbItems *items)
{
  begin_object (b, NULL);
  set_int (b, "bufferView", view);
  set_int (b, "componentType", items->type);
  set_int (b, "count", (gint64) items->count);
  set_string (b, "type", items->shape);
  if (items->normalized)
    set_true (b, "normalized");
  if (items->bounded) {
    set_doubles (b, "min", items->lo, 3);
    set_doubles (b, "max", items->hi, 3);
  }
  json_builder_end_object (b);
}

static void
add_view (JsonBuilder *b, gsize offset, gsize size, int stride, int target)
{
  begin_object (b, NULL);
  set_int (b, "buffer", 0);
  set_int (b, "byteOffset", (gint64) offset);
  set_int (b, "byteLength", (gint64) size);
  if (stride)
    set_int (b, "byteStride", stride);
  if (target)
    set_int (b, "target", target);
  json_builder_end_object (b);
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
add_texture (JsonBuilder *b, int view, ShuPictureType type)
{
  begin_array (b, "textures");
  begin_object (b, NULL);
  set_int (b, "sampler", 0);
  if (type == SHU_PICTURE_WEBP) {
    begin_object (b, "extensions");
    begin_object (b, "EXT_texture_webp");
    set_int (b, "source", 0);
    json_builder_end_object (b);
    json_builder_end_object (b);
  } else
    set_int (b, "source", 0);
  json_builder_end_object (b);
  json_builder_end_array (b);
  begin_array (b, "images");
  begin_object (b, NULL);
  set_int (b, "bufferView", view);
  set_string (b, "mimeType", shu_picture_mime (type));
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
add_scene (JsonBuilder *b, const char *name, const GlbPack *pack)
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
  if (pack->quantized) {
    set_doubles (b, "translation", pack->origin, 3);
    set_doubles (
        b, "scale", (double[]){pack->scale, pack->scale, pack->scale}, 3);
  }
  json_builder_end_object (b);
  json_builder_end_array (b);
}

static void
add_mesh (JsonBuilder *b, const char *name, const GlbPack *pack)
{
  begin_array (b, "meshes");
  begin_object (b, NULL);
  set_string (b, "name", name);
  begin_array (b, "primitives");
  begin_object (b, NULL);
  begin_object (b, "attributes");
  for (int i = 1; i < pack->n_items; i++)
    set_int (b, pack->items[i].name, i);
  json_builder_end_object (b);
  set_int (b, "indices", 0);
  set_int (b, "material", 0);
  json_builder_end_object (b);
  json_builder_end_array (b);
  json_builder_end_object (b);
  json_builder_end_array (b);
}

/* Views and accessors have the same numbers; the last view is the picture's. */
static char *
describe (const GlbPack *pack, gsize picture_size, ShuPictureType type,
    const char *name, gsize *ret_length)
{
  g_autoptr (JsonBuilder) b = json_builder_new ();
  g_autoptr (JsonGenerator) gen = json_generator_new ();
  g_autoptr (JsonNode) root = NULL;
  gsize size = pack->bin->len;

  json_builder_begin_object (b);
  begin_object (b, "asset");
  set_string (b, "version", "2.0");
  set_string (b, "generator", "synchuman " SHU_VERSION);
  json_builder_end_object (b);
  set_extensions (
      b, "extensionsUsed", pack->quantized, type == SHU_PICTURE_WEBP);
  set_extensions (
      b, "extensionsRequired", pack->quantized, type == SHU_PICTURE_WEBP);
  add_scene (b, name, pack);
  add_mesh (b, name, pack);
  add_material (b, picture_size > 0);
  if (picture_size)
    add_texture (b, pack->n_items, type);
  begin_array (b, "accessors");
  for (int i = 0; i < pack->n_items; i++)
    add_accessor (b, i, &pack->items[i]);
  json_builder_end_array (b);
  begin_array (b, "bufferViews");
  for (int i = 0; i < pack->n_items; i++)
    add_view (b, pack->items[i].offset, pack->items[i].size,
        pack->items[i].stride,
        i == 0 ? GLB_ELEMENT_ARRAY_BUFFER : GLB_ARRAY_BUFFER);
  if (picture_size)
    add_view (b, size, picture_size, 0, 0);
  json_builder_end_array (b);
  begin_array (b, "buffers");
  begin_object (b, NULL);
  set_int (b, "byteLength", (gint64) (size + picture_size));
  json_builder_end_object (b);
  json_builder_end_array (b);
  json_builder_end_object (b);
  root = json_builder_get_root (b);
  json_generator_set_root (gen, root);
  return json_generator_to_data (gen, ret_length);
}

static void
append_u32 (GByteArray *out, gsize v)
{
  guint8 b[4] = {v & 255, v >> 8 & 255, v >> 16 & 255, v >> 24 & 255};

  g_byte_array_append (out, b, 4);
}

static gboolean
check_picture (const ShuMesh *mesh, GBytes *picture, GError **error)
{
  if (!picture ||
      (shu_picture_type (picture) != SHU_PICTURE_UNKNOWN && mesh->uv))
    return TRUE;
  g_set_error (error, SHU_ERROR, SHU_ERROR_INVALID,
      mesh->uv ? "the texture is no PNG, JPEG or WebP file"
               : "a texture needs a mesh with texture coordinates");
  return FALSE;
}

GBytes *
shu_glb_join (
    const GlbPack *pack, GBytes *picture, const char *name, GError **error)
{
  ShuPictureType type =
      picture ? shu_picture_type (picture) : SHU_PICTURE_UNKNOWN;
  gsize picture_size = picture ? g_bytes_get_size (picture) : 0, json_size;
  g_autofree char *json = NULL;
  GByteArray *out;

  if (picture_size > GLB_MAX_BYTES - pack->bin->len) {
    g_set_error (error, SHU_ERROR, SHU_ERROR_LIMIT,
        "a mesh of %u and a picture of %zu bytes are too much for one file",
        pack->bin->len, picture_size);
    return NULL;
  }
  json =
      describe (pack, picture_size, type, name ? name : "person", &json_size);
  gsize pad = -json_size & 3, picture_pad = -picture_size & 3;
  gsize bin_size = pack->bin->len + picture_size + picture_pad;
  gsize size = 12 + 8 + json_size + pad + 8 + bin_size;
  out = g_byte_array_sized_new ((guint) size);
  append_u32 (out, GLB_MAGIC);
  append_u32 (out, 2);
  append_u32 (out, size);
  append_u32 (out, json_size + pad);
  append_u32 (out, GLB_CHUNK_JSON);
  g_byte_array_append (out, (const guint8 *) json, (guint) json_size);
  g_byte_array_append (out, (const guint8 *) "   ", (guint) pad);
  append_u32 (out, bin_size);
  append_u32 (out, GLB_CHUNK_BIN);
  g_byte_array_append (out, pack->bin->data, pack->bin->len);
  if (picture)
    g_byte_array_append (
        out, g_bytes_get_data (picture, NULL), (guint) picture_size);
  g_byte_array_append (out, (const guint8 *) "\0\0\0", (guint) picture_pad);
  return g_byte_array_free_to_bytes (out);
}

GBytes *
shu_glb_encode (const ShuMesh *mesh, GBytes *picture,
    const ShuGlbParams *params, GError **error)
{
  static const ShuGlbParams defaults = {.height = 0};
  g_autoptr (GlbPack) pack = NULL;

  if (!params)
    params = &defaults;
  if (!check_picture (mesh, picture, error))
    return NULL;
  pack = shu_glb_pack_new (mesh, params, error);
  return pack ? shu_glb_join (pack, picture, params->name, error) : NULL;
}
