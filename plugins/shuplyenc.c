/* SPDX-License-Identifier: MIT */
/**
 * SECTION:element-shuplyenc
 * @title: shuplyenc
 * @short_description: writes PLY: the mesh or the Gaussians
 *
 * The mesh of a bundle "asset" is what is extracted, with the colours that the
 * decoder gave its vertices; that of "mesh" is cleaned and simplified, that of
 * "model" has the colours of the texture.
 *
 * |[
 * gst-launch-1.0 filesrc location=asset.safetensors ! shubundledec ! shuplyenc
 * content=gaussians ! filesink location=gaussians.ply
 * ]|
 */
#include "transform.h"

typedef struct {
  ShuTransform parent;
  int content;
  double height;
} ShuPlyEnc;

typedef ShuTransformClass ShuPlyEncClass;

GType shu_ply_enc_get_type (void);
G_DEFINE_FINAL_TYPE (ShuPlyEnc, shu_ply_enc, SHU_TYPE_TRANSFORM)
GST_ELEMENT_REGISTER_DEFINE (
    shuplyenc, "shuplyenc", GST_RANK_NONE, shu_ply_enc_get_type ())

static GstStaticPadTemplate sink_template =
    GST_STATIC_PAD_TEMPLATE ("sink", GST_PAD_SINK, GST_PAD_ALWAYS,
        GST_STATIC_CAPS (SHU_BUNDLE_CAPS_ANYWHERE ("{ asset, mesh, model }")));
static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE (
    "src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS ("application/x-ply"));

enum { MESH, GAUSSIANS };

static GType
content_type (void)
{
  static GType type;
  static const GEnumValue values[] = {
      {MESH, "The mesh, y up, in the frame of the GLB file", "mesh"},
      {GAUSSIANS, "The Gaussians, as splat viewers read them", "gaussians"},
      {0, NULL, NULL},
  };

  if (g_once_init_enter (&type))
    g_once_init_leave (&type, g_enum_register_static ("ShuPlyContent", values));
  return type;
}

static const ShuProp props[] = {
    SHU_PROP_ENUM (
        ShuPlyEnc, content, "content", content_type, MESH, "What to write"),
    SHU_PROP_DOUBLE (ShuPlyEnc, height, "height", 0.1, 10, 1.7,
        "Height of the person in the file, metres"),
};

static gboolean
process (ShuTransform *trans, GstBuffer *in, GstBuffer *out,
    const ShuProgress *progress, GError **error)
{
  ShuPlyEnc *self = (ShuPlyEnc *) trans;
  g_autoptr (ShuBundle) b = shu_buffer_get_bundle (in, error);
  g_autoptr (GBytes) file = NULL;
  ShuGlbParams params = {.name = NULL};
  int content;

  if (!b)
    return FALSE;
  GST_OBJECT_LOCK (self);
  params.height = self->height;
  content = self->content;
  GST_OBJECT_UNLOCK (self);
  file = content == MESH ? shu_stage_mesh_ply (b, &params, progress, error)
                         : shu_stage_gaussian_ply (b, progress, error);
  if (!file)
    return FALSE;
  shu_buffer_fill_bytes (out, file);
  return TRUE;
}

static void
shu_ply_enc_class_init (ShuPlyEncClass *klass)
{
  GstElementClass *element = GST_ELEMENT_CLASS (klass);

  SHU_PROPS_INSTALL (klass, props);
  klass->process = process;
  gst_element_class_add_static_pad_template (element, &sink_template);
  gst_element_class_add_static_pad_template (element, &src_template);
  gst_element_class_set_static_metadata (element, "PLY writer", "Codec/Encoder",
      "Writes the mesh or the Gaussians of a person as a PLY file",
      "The synchuman authors");
}

static void
shu_ply_enc_init (ShuPlyEnc *self)
{
}
