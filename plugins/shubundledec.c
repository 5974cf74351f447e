/* SPDX-License-Identifier: MIT */
/**
 * SECTION:element-shubundledec
 * @title: shubundledec
 * @short_description: reads a bundle that shubundleenc wrote
 *
 * |[
 * gst-launch-1.0 filesrc location=views.safetensors ! shubundledec ! shustage2
 * ! shumesh ! shutexture ! shuglbmux ! filesink location=photo.glb
 * ]|
 */
#include "decoder.h"

typedef struct {
  ShuDecoder parent;
} ShuBundleDec;

typedef ShuDecoderClass ShuBundleDecClass;

GType shu_bundle_dec_get_type (void);
G_DEFINE_FINAL_TYPE (ShuBundleDec, shu_bundle_dec, SHU_TYPE_DECODER)
GST_ELEMENT_REGISTER_DEFINE (
    shubundledec, "shubundledec", GST_RANK_NONE, shu_bundle_dec_get_type ())

static GstStaticPadTemplate sink_template =
    GST_STATIC_PAD_TEMPLATE ("sink", GST_PAD_SINK, GST_PAD_ALWAYS,
        GST_STATIC_CAPS ("application/x-safetensors"));
static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE (
    "src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS (SHU_BUNDLE_CAPS_ANY));

/* eight bytes with the length of the header, little endian, then its JSON */
static gboolean
begins (const guint8 *data, gsize size)
{
  return size >= 10 && data[4] == 0 && data[5] == 0 && data[6] == 0 &&
         data[7] == 0 && data[8] == '{' && data[9] == '"';
}

static GstFlowReturn
decode (ShuDecoder *self, GstBuffer *unit, GError **error)
{
  g_autoptr (GBytes) bytes = shu_buffer_to_bytes (unit, error);
  g_autoptr (ShuBundle) b = NULL;
  GstBuffer *out;

  if (bytes)
    b = shu_bundle_decode (bytes, "bundle", error);
  if (!b)
    return GST_FLOW_ERROR;
  out = gst_buffer_new ();
  if (!shu_buffer_fill_bundle (out, b, NULL, error)) {
    gst_buffer_unref (out);
    return GST_FLOW_ERROR;
  }
  return shu_decoder_push (self, shu_bundle_to_caps (b), out);
}

static void
shu_bundle_dec_class_init (ShuBundleDecClass *klass)
{
  GstElementClass *element = GST_ELEMENT_CLASS (klass);

  klass->noun = "bundle";
  klass->begins = begins;
  klass->decode = decode;
  gst_element_class_add_static_pad_template (element, &sink_template);
  gst_element_class_add_static_pad_template (element, &src_template);
  gst_element_class_set_static_metadata (element, "Bundle reader",
      "Codec/Decoder", "Reads a bundle from a safetensors file",
      "The synchuman authors");
}

static void
shu_bundle_dec_init (ShuBundleDec *self)
{
  shu_decoder_add_pads (SHU_DECODER (self));
}
