/* SPDX-License-Identifier: MIT */
/* Writes binary glTF: a JSON chunk, then one buffer with what glb_pack.c made
 * of the mesh, and the pictures. */
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

/* The pictures of a file in their order. */
typedef struct {
  int n;
  GBytes *file[2];
  ShuPictureType type[2];
  gboolean is_normals[2], any_webp;
  gsize offset[2], end; /* in the buffer */
} PictureSet;

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
add_slot (JsonBuilder *b, const char *name, int texture)
{
  begin_object (b, name);
  set_int (b, "index", texture);
  json_builder_end_object (b);
}

/* Textures have the numbers of their pictures in @set. */
static void
add_material (JsonBuilder *b, const PictureSet *set)
{
  begin_array (b, "materials");
  begin_object (b, NULL);
  set_string (b, "name", "skin");
  begin_object (b, "pbrMetallicRoughness");
  for (int i = 0; i < set->n; i++)
    if (!set->is_normals[i])
      add_slot (b, "baseColorTexture", i);
  set_double (b, "metallicFactor", 0);
  set_double (b, "roughnessFactor", 0.9);
  json_builder_end_object (b);
  for (int i = 0; i < set->n; i++)
    if (set->is_normals[i])
      add_slot (b, "normalTexture", i);
  set_string (b, "alphaMode", "OPAQUE");
  json_builder_set_member_name (b, "doubleSided");
  json_builder_add_boolean_value (b, FALSE);
  json_builder_end_object (b);
  json_builder_end_array (b);
}

static void
add_texture (JsonBuilder *b, int image, ShuPictureType type)
{
  begin_object (b, NULL);
  set_int (b, "sampler", 0);
  if (type == SHU_PICTURE_WEBP) {
    begin_object (b, "extensions");
    begin_object (b, "EXT_texture_webp");
    set_int (b, "source", image);
    json_builder_end_object (b);
    json_builder_end_object (b);
  } else
    set_int (b, "source", image);
  json_builder_end_object (b);
}

/* @view: of the first picture */
static void
add_textures (JsonBuilder *b, const PictureSet *set, int view)
{
  if (!set->n)
    return;
  begin_array (b, "textures");
  for (int i = 0; i < set->n; i++)
    add_texture (b, i, set->type[i]);
  json_builder_end_array (b);
  begin_array (b, "images");
  for (int i = 0; i < set->n; i++) {
    begin_object (b, NULL);
    set_int (b, "bufferView", view + i);
    set_string (b, "mimeType", shu_picture_mime (set->type[i]));
    json_builder_end_object (b);
  }
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

/* Views and accessors have the same numbers; the last views are the pictures'.
 */
static char *
describe (const GlbPack *pack, const PictureSet *set, const char *name,
    gsize *ret_length)
{
  g_autoptr (JsonBuilder) b = json_builder_new ();
  g_autoptr (JsonGenerator) gen = json_generator_new ();
  g_autoptr (JsonNode) root = NULL;

  json_builder_begin_object (b);
  begin_object (b, "asset");
  set_string (b, "version", "2.0");
  set_string (b, "generator", "synchuman " SHU_VERSION);
  json_builder_end_object (b);
  set_extensions (b, "extensionsUsed", pack->quantized, set->any_webp);
  set_extensions (b, "extensionsRequired", pack->quantized, set->any_webp);
  add_scene (b, name, pack);
  add_mesh (b, name, pack);
  add_material (b, set);
  add_textures (b, set, pack->n_items);
  begin_array (b, "accessors");
  for (int i = 0; i < pack->n_items; i++)
    add_accessor (b, i, &pack->items[i]);
  json_builder_end_array (b);
  begin_array (b, "bufferViews");
  for (int i = 0; i < pack->n_items; i++)
    add_view (b, pack->items[i].offset, pack->items[i].size,
        pack->items[i].stride,
        i == 0 ? GLB_ELEMENT_ARRAY_BUFFER : GLB_ARRAY_BUFFER);
  for (int i = 0; i < set->n; i++)
    add_view (b, set->offset[i], g_bytes_get_size (set->file[i]), 0, 0);
  json_builder_end_array (b);
  begin_array (b, "buffers");
  begin_object (b, NULL);
  set_int (b, "byteLength", (gint64) set->end);
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
check_picture (
    const ShuMesh *mesh, GBytes *picture, const char *what, GError **error)
{
  if (!picture ||
      (shu_picture_type (picture) != SHU_PICTURE_UNKNOWN && mesh->uv))
    return TRUE;
  g_set_error (error, SHU_ERROR, SHU_ERROR_INVALID,
      mesh->uv ? "the %s is no PNG, JPEG or WebP file"
               : "a %s needs a mesh with texture coordinates",
      what);
  return FALSE;
}

static void
add_picture (PictureSet *set, GBytes *file, gboolean is_normals)
{
  int i = set->n;

  if (!file)
    return;
  set->n++;
  set->file[i] = file;
  set->is_normals[i] = is_normals;
  set->type[i] = shu_picture_type (file);
  set->any_webp = set->any_webp || set->type[i] == SHU_PICTURE_WEBP;
  set->offset[i] = set->end;
  set->end += (g_bytes_get_size (file) + 3) / 4 * 4;
}

static void
append_padded (GByteArray *out, gconstpointer data, gsize size, const char *pad)
{
  g_byte_array_append (out, data, (guint) size);
  g_byte_array_append (out, (const guint8 *) pad, (guint) (-size & 3));
}

GBytes *
shu_glb_join (const GlbPack *pack, const GlbPictures *pictures,
    const char *name, GError **error)
{
  PictureSet set = {.end = pack->bin->len};
  g_autofree char *json = NULL;
  gsize json_size, size;
  GByteArray *out;

  add_picture (&set, pictures->color, FALSE);
  add_picture (&set, pictures->normals, TRUE);
  if (set.end > GLB_MAX_BYTES) {
    g_set_error (error, SHU_ERROR, SHU_ERROR_LIMIT,
        "a mesh of %u and pictures of %zu bytes are too much for one file",
        pack->bin->len, set.end - pack->bin->len);
    return NULL;
  }
  json = describe (pack, &set, name ? name : "person", &json_size);
  size = 12 + 8 + (json_size + 3) / 4 * 4 + 8 + set.end;
  out = g_byte_array_sized_new ((guint) size);
  append_u32 (out, GLB_MAGIC);
  append_u32 (out, 2);
  append_u32 (out, size);
  append_u32 (out, (json_size + 3) / 4 * 4);
  append_u32 (out, GLB_CHUNK_JSON);
  append_padded (out, json, json_size, "   ");
  append_u32 (out, set.end);
  append_u32 (out, GLB_CHUNK_BIN);
  g_byte_array_append (out, pack->bin->data, pack->bin->len);
  for (int i = 0; i < set.n; i++)
    append_padded (out, g_bytes_get_data (set.file[i], NULL),
        g_bytes_get_size (set.file[i]), "\0\0\0");
  return g_byte_array_free_to_bytes (out);
}

GBytes *
shu_glb_encode (const ShuMesh *mesh, GBytes *picture, GBytes *normal_map,
    const ShuGlbParams *params, GError **error)
{
  static const ShuGlbParams defaults = {.height = 0};
  const GlbPictures pictures = {picture, normal_map};
  g_autoptr (GlbPack) pack = NULL;

  if (!params)
    params = &defaults;
  if (!check_picture (mesh, picture, "texture", error) ||
      !check_picture (mesh, normal_map, "normal map", error))
    return NULL;
  pack = shu_glb_pack_new (mesh, normal_map != NULL, params, error);
  return pack ? shu_glb_join (pack, &pictures, params->name, error) : NULL;
}
