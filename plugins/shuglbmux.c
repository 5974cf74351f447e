/* SPDX-License-Identifier: MIT */
/**
 * SECTION:element-shuglbmux
 * @title: shuglbmux
 * @short_description: writes GLB
 *
 * The whole file comes as one buffer, when it is complete.
 *
 * A file that would be larger than max-bytes gets pictures of less quality (by
 * 10, down to 60), then of half the size and the quality asked for, and so on
 * down to 256 pixels, then no normal map, with a warning that says so.  The
 * mesh is never changed for that: where it alone is too large, that is an
 * error.  Without max-bytes the same holds for 10 MB, except that such a mesh
 * is written with a warning.
 *
 * |[
 * gst-launch-1.0 filesrc location=model.safetensors ! shubundledec ! shuglbmux
 * height=1.82 ! shufilesink location=photo.glb
 * ]|
 *
 * |[
 * gst-launch-1.0 filesrc location=model.safetensors ! shubundledec ! shuglbmux
 * quantize=true texture-format=webp max-bytes=1000000 ! shufilesink
 * location=small.glb
 * ]|
 */
#include "transform.h"

typedef struct {
  ShuTransform parent;
  double height;
  int texture_format, texture_quality, normal_map, max_bytes, quantize;
} ShuGlbMux;

typedef ShuTransformClass ShuGlbMuxClass;

GType shu_glb_mux_get_type (void);
G_DEFINE_FINAL_TYPE (ShuGlbMux, shu_glb_mux, SHU_TYPE_TRANSFORM)
GST_ELEMENT_REGISTER_DEFINE (
    shuglbmux, "shuglbmux", GST_RANK_NONE, shu_glb_mux_get_type ())

static GstStaticPadTemplate sink_template =
    GST_STATIC_PAD_TEMPLATE ("sink", GST_PAD_SINK, GST_PAD_ALWAYS,
        GST_STATIC_CAPS (SHU_BUNDLE_CAPS_ANYWHERE ("model")));
static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE (
    "src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS ("model/gltf-binary"));

static GType
texture_format_type (void)
{
  static GType type;
  static const GEnumValue values[] = {
      {SHU_TEXTURE_JPEG, "JPEG, which every program reads", "jpeg"},
      {SHU_TEXTURE_PNG, "PNG, exact: about four times the bytes", "png"},
      {SHU_TEXTURE_WEBP,
          "WebP (EXT_texture_webp), smaller than JPEG, not read "
          "everywhere",
          "webp"},
      {SHU_TEXTURE_VERTICES,
          "No picture but a colour at each vertex, for "
          "programs that show no textures",
          "vertices"},
      {0, NULL, NULL},
  };

  if (g_once_init_enter (&type))
    g_once_init_leave (
        &type, g_enum_register_static ("ShuTextureFormat", values));
  return type;
}

static GType
normal_format_type (void)
{
  static GType type;
  static const GEnumValue values[] = {
      {SHU_NORMALS_JPEG, "JPEG, half a degree from the exact one", "jpeg"},
      {SHU_NORMALS_PNG, "PNG, exact: about five times the bytes", "png"},
      {SHU_NORMALS_WEBP,
          "WebP (EXT_texture_webp), smaller than JPEG, not read "
          "everywhere",
          "webp"},
      {SHU_NORMALS_NONE, "None in the file", "none"},
      {0, NULL, NULL},
  };

  if (g_once_init_enter (&type))
    g_once_init_leave (
        &type, g_enum_register_static ("ShuNormalFormat", values));
  return type;
}

static const ShuProp props[] = {
    SHU_PROP_DOUBLE (ShuGlbMux, height, "height", 0.1, 10, 1.7,
        "Height of the person in the file, metres"),
    SHU_PROP_ENUM (ShuGlbMux, texture_format, "texture-format",
        texture_format_type, SHU_TEXTURE_JPEG, "What the texture is stored as"),
    SHU_PROP_INT (ShuGlbMux, texture_quality, "texture-quality", 0, 100, 0,
        "Quality of JPEG and WebP, 1 to 100; WebP is exact with 100 (0: 90)"),
    SHU_PROP_ENUM (ShuGlbMux, normal_map, "normal-map", normal_format_type,
        SHU_NORMALS_JPEG,
        "What the normal map is stored as, where shutexture has made one"),
    SHU_PROP_BOOL (ShuGlbMux, quantize, "quantize", FALSE,
        "Numbers of 16 and 8 bits (KHR_mesh_quantization): half the bytes "
        "of a vertex, for programs that know the extension"),
    SHU_PROP_INT (ShuGlbMux, max_bytes, "max-bytes", 0, G_MAXINT, 0,
        "Largest size of the file: quality, then size of the texture are "
        "lowered to keep to it (0: 10000000 where the mesh allows for it)"),
};

static gboolean
process (ShuTransform *trans, GstBuffer *in, GstBuffer *out,
    const ShuProgress *progress, GError **error)
{
  ShuGlbMux *self = (ShuGlbMux *) trans;
  g_autoptr (ShuBundle) b = shu_buffer_get_bundle (in, error);
  g_autoptr (GBytes) file = NULL;
  g_autofree char *text = NULL;
  ShuGlbParams params = {.name = NULL};
  ShuGlbReport report;

  if (!b)
    return FALSE;
  GST_OBJECT_LOCK (self);
  params.height = self->height;
  params.texture_format = self->texture_format;
  params.texture_quality = self->texture_quality;
  params.normal_format = self->normal_map;
  params.quantize = self->quantize;
  params.max_bytes = self->max_bytes;
  GST_OBJECT_UNLOCK (self);
  file = shu_stage_glb_with_report (b, &params, progress, &report, error);
  if (!file)
    return FALSE;
  text = shu_glb_report_text (&report);
  if (text)
    shu_report_warning (GST_ELEMENT (self), text);
  shu_buffer_fill_bytes (out, file);
  return TRUE;
}

static void
shu_glb_mux_class_init (ShuGlbMuxClass *klass)
{
  GstElementClass *element = GST_ELEMENT_CLASS (klass);

  SHU_PROPS_INSTALL (klass, props);
  klass->process = process;
  gst_element_class_add_static_pad_template (element, &sink_template);
  gst_element_class_add_static_pad_template (element, &src_template);
  gst_element_class_set_static_metadata (element, "GLB writer", "Codec/Encoder",
      "Writes a textured model as a GLB file", "The synchuman authors");
}

static void
shu_glb_mux_init (ShuGlbMux *self)
{
}
