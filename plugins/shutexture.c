/* SPDX-License-Identifier: MIT */
/**
 * SECTION:element-shutexture
 * @title: shutexture
 * @short_description: unwraps the surface and paints its texture
 *
 * |[
 * gst-launch-1.0 filesrc location=mesh.safetensors ! shubundledec ! shutexture
 * texture-size=2048 ! shuglbmux ! filesink location=photo.glb
 * ]|
 */
#include "transform.h"

typedef struct {
  ShuTransform parent;
  int texture_size;
  double face_detail;
  int normal_map;
} ShuTexturing;

typedef ShuTransformClass ShuTexturingClass;

GType shu_texturing_get_type (void);
G_DEFINE_FINAL_TYPE (ShuTexturing, shu_texturing, SHU_TYPE_TRANSFORM)
GST_ELEMENT_REGISTER_DEFINE (
    shutexture, "shutexture", GST_RANK_NONE, shu_texturing_get_type ())

static GstStaticPadTemplate sink_template =
    GST_STATIC_PAD_TEMPLATE ("sink", GST_PAD_SINK, GST_PAD_ALWAYS,
        GST_STATIC_CAPS (SHU_BUNDLE_CAPS_ANYWHERE ("mesh")));
static GstStaticPadTemplate src_template =
    GST_STATIC_PAD_TEMPLATE ("src", GST_PAD_SRC, GST_PAD_ALWAYS,
        GST_STATIC_CAPS (SHU_BUNDLE_CAPS_ANYWHERE ("model")));

static const ShuProp props[] = {
    SHU_PROP_MODEL_INT (ShuTexturing, texture_size, "texture-size", 256, 4096,
        "Side of the texture, pixels, 256 or more (-1: 1024, as official)"),
    SHU_PROP_MODEL_DOUBLE (ShuTexturing, face_detail, "face-detail", 0.5, 4,
        "Pixels per length on the front of the head against those elsewhere, "
        "0.5 or more (-1: 1.5)"),
    SHU_PROP_BOOL (ShuTexturing, normal_map, "normal-map", FALSE,
        "Also bake the normals of the surface before simplification, for "
        "light to fall on"),
};

static ShuBundle *
run (ShuTransform *trans, const ShuBundle *in, const ShuProgress *progress,
    GError **error)
{
  ShuTexturing *self = (ShuTexturing *) trans;
  ShuTextureParams params;

  GST_OBJECT_LOCK (self);
  params.texture_size = self->texture_size;
  params.face_detail = self->face_detail;
  params.normal_map = self->normal_map;
  GST_OBJECT_UNLOCK (self);
  return shu_stage_texture (in, &params, progress, error);
}

static void
shu_texturing_class_init (ShuTexturingClass *klass)
{
  GstElementClass *element = GST_ELEMENT_CLASS (klass);

  SHU_PROPS_INSTALL (klass, props);
  klass->run = run;
  gst_element_class_add_static_pad_template (element, &sink_template);
  gst_element_class_add_static_pad_template (element, &src_template);
  gst_element_class_set_static_metadata (element, "Texture baking",
      "Filter/Converter", "Unwraps a surface and bakes its texture",
      "The synchuman authors");
}

static void
shu_texturing_init (ShuTexturing *self)
{
}
