/* SPDX-License-Identifier: MIT */
/**
 * SECTION:element-shuglbmux
 * @title: shuglbmux
 * @short_description: writes GLB
 *
 * The whole file comes as one buffer, when it is complete.
 *
 * |[
 * gst-launch-1.0 filesrc location=model.safetensors ! shubundledec ! shuglbmux
 * height=1.82 ! shufilesink location=photo.glb
 * ]|
 */
#include "transform.h"

typedef struct {
  ShuTransform parent;
  double height;
} ShuGlbMux;

typedef ShuTransformClass ShuGlbMuxClass;

GType shu_glb_mux_get_type (void);
G_DEFINE_FINAL_TYPE (ShuGlbMux, shu_glb_mux, SHU_TYPE_TRANSFORM)
GST_ELEMENT_REGISTER_DEFINE (
    shuglbmux, "shuglbmux", GST_RANK_NONE, shu_glb_mux_get_type ())

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE ("sink",
    GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS (SHU_BUNDLE_CAPS ("model")));
static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE (
    "src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS ("model/gltf-binary"));

static const ShuProp props[] = {
    SHU_PROP_DOUBLE (ShuGlbMux, height, "height", 0.1, 10, 1.7,
        "Height of the person in the file, metres"),
};

static gboolean
process (ShuTransform *trans, GstBuffer *in, GstBuffer *out,
    const ShuProgress *progress, GError **error)
{
  ShuGlbMux *self = (ShuGlbMux *) trans;
  g_autoptr (ShuBundle) b = shu_buffer_get_bundle (in, error);
  g_autoptr (GBytes) file = NULL;
  ShuGlbParams params = {.name = NULL};

  if (!b)
    return FALSE;
  GST_OBJECT_LOCK (self);
  params.height = self->height;
  GST_OBJECT_UNLOCK (self);
  file = shu_stage_glb (b, &params, error);
  if (!file)
    return FALSE;
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
