/* SPDX-License-Identifier: MIT */
/**
 * SECTION:element-shubundleenc
 * @title: shubundleenc
 * @short_description: writes a bundle as a safetensors file
 *
 * What #shubundledec reads back to go on from there, with the same result.
 *
 * |[
 * gst-launch-1.0 filesrc location=photo.jpg ! shuphotodec ! shumatting !
 * shupreprocess ! shustage1 ! shubundleenc ! filesink
 * location=views.safetensors
 * ]|
 */
#include "transform.h"

typedef struct {
  ShuTransform parent;
} ShuBundleEnc;

typedef ShuTransformClass ShuBundleEncClass;

GType shu_bundle_enc_get_type (void);
G_DEFINE_FINAL_TYPE (ShuBundleEnc, shu_bundle_enc, SHU_TYPE_TRANSFORM)
GST_ELEMENT_REGISTER_DEFINE (
    shubundleenc, "shubundleenc", GST_RANK_NONE, shu_bundle_enc_get_type ())

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE ("sink",
    GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS (SHU_BUNDLE_CAPS_ANY));
static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE ("src",
    GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS ("application/x-safetensors"));

static gboolean
process (ShuTransform *trans, GstBuffer *in, GstBuffer *out,
    const ShuProgress *progress, GError **error)
{
  g_autoptr (ShuBundle) b = shu_buffer_get_bundle (in, error);
  g_autoptr (GBytes) file = NULL;

  if (!b)
    return FALSE;
  file = shu_bundle_encode (b);
  shu_buffer_fill_bytes (out, file);
  return TRUE;
}

static void
shu_bundle_enc_class_init (ShuBundleEncClass *klass)
{
  GstElementClass *element = GST_ELEMENT_CLASS (klass);

  klass->process = process;
  gst_element_class_add_static_pad_template (element, &sink_template);
  gst_element_class_add_static_pad_template (element, &src_template);
  gst_element_class_set_static_metadata (element, "Bundle writer",
      "Codec/Encoder", "Writes any bundle as a safetensors file",
      "The synchuman authors");
}

static void
shu_bundle_enc_init (ShuBundleEnc *self)
{
}
