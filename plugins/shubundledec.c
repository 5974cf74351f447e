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
 *
 * What comes from a file is in host memory, and what follows the networks
 * works where it finds its data.  With a device, pictures, features and
 * Gaussians go there first:
 *
 * |[
 * gst-launch-1.0 filesrc location=asset.safetensors ! shubundledec
 * device=cuda:0 ! shumesh ! shutexture ! shuglbmux ! filesink
 * location=photo.glb
 * ]|
 */
#include "decoder.h"
#include "devicememory.h"

typedef struct {
  ShuDecoder parent;
  char *device;
  ShuTraffic *traffic;
} ShuBundleDec;

typedef ShuDecoderClass ShuBundleDecClass;

GType shu_bundle_dec_get_type (void);
G_DEFINE_FINAL_TYPE (ShuBundleDec, shu_bundle_dec, SHU_TYPE_DECODER)
GST_ELEMENT_REGISTER_DEFINE (
    shubundledec, "shubundledec", GST_RANK_NONE, shu_bundle_dec_get_type ())

static GstStaticPadTemplate sink_template =
    GST_STATIC_PAD_TEMPLATE ("sink", GST_PAD_SINK, GST_PAD_ALWAYS,
        GST_STATIC_CAPS ("application/x-safetensors"));
static GstStaticPadTemplate src_template =
    GST_STATIC_PAD_TEMPLATE ("src", GST_PAD_SRC, GST_PAD_ALWAYS,
        GST_STATIC_CAPS (SHU_BUNDLE_CAPS_ANYWHERE (SHU_BUNDLE_SCHEMAS)));

static const ShuProp props[] = {
    SHU_PROP_TRAFFIC (ShuBundleDec, traffic, "stats",
        "What has been copied between host memory and a device, by kind, as of "
        "other elements"),
    SHU_PROP_STRING (ShuBundleDec, device, "device",
        "Where pictures, features and Gaussians go, if what follows takes them "
        "there: auto, cpu or cuda:N (unset: cpu, host memory)"),
};

/* eight bytes with the length of the header, little endian, then its JSON */
static gboolean
begins (const guint8 *data, gsize size)
{
  return size >= 10 && data[4] == 0 && data[5] == 0 && data[6] == 0 &&
         data[7] == 0 && data[8] == '{' && data[9] == '"';
}

/* The same in memory of @device: (transfer full) */
static GstCaps *
caps_on (const GstCaps *caps, const char *device)
{
  GstCaps *there = gst_caps_copy (caps);

  gst_caps_set_features_simple (
      there, gst_caps_features_new (SHU_CAPS_FEATURE_DEVICE, NULL));
  gst_caps_set_simple (there, "device", G_TYPE_STRING, device, NULL);
  return there;
}

/* Puts *@b on the device that is asked for, and says so in *@caps, where the
 * next element takes it. */
static gboolean
bring (ShuBundleDec *self, ShuBundle **b, GstCaps **caps, GError **error)
{
  g_autofree char *asked = NULL;
  g_autofree char *device = NULL;
  g_autoptr (GstCaps) there = NULL;
  ShuBundle *brought;

  GST_OBJECT_LOCK (self);
  asked = g_strdup (self->device);
  GST_OBJECT_UNLOCK (self);
  if (!asked || !*asked)
    return TRUE;
  device = shu_resolve_device (asked, error);
  if (!device)
    return FALSE;
  there = caps_on (*caps, device);
  if (strcmp (device, "cpu") == 0 ||
      !gst_pad_peer_query_accept_caps (SHU_DECODER (self)->srcpad, there))
    return TRUE;
  brought = shu_bundle_to_device (*b, device, self->traffic, error);
  if (!brought)
    return FALSE;
  shu_bundle_unref (*b);
  *b = brought;
  gst_caps_replace (caps, there);
  return TRUE;
}

static GstFlowReturn
decode (ShuDecoder *decoder, GstBuffer *unit, GError **error)
{
  ShuBundleDec *self = (ShuBundleDec *) decoder;
  g_autoptr (GBytes) bytes = shu_buffer_to_bytes (unit, error);
  g_autoptr (ShuBundle) b = NULL;
  g_autoptr (GstCaps) caps = NULL;
  g_autoptr (GstBuffer) out = gst_buffer_new ();

  if (bytes)
    b = shu_bundle_decode (bytes, "bundle", error);
  if (!b)
    return GST_FLOW_ERROR;
  caps = shu_bundle_to_caps (b);
  if (!bring (self, &b, &caps, error) ||
      !shu_buffer_fill_bundle (out, b, self->traffic, error))
    return GST_FLOW_ERROR;
  return shu_decoder_push (
      decoder, g_steal_pointer (&caps), g_steal_pointer (&out));
}

static void
finalize (GObject *object)
{
  shu_traffic_unref (((ShuBundleDec *) object)->traffic);
  G_OBJECT_CLASS (shu_bundle_dec_parent_class)->finalize (object);
}

static void
shu_bundle_dec_class_init (ShuBundleDecClass *klass)
{
  GstElementClass *element = GST_ELEMENT_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = finalize;
  SHU_PROPS_INSTALL (klass, props);
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
  self->traffic = shu_traffic_new ();
  shu_decoder_add_pads (SHU_DECODER (self));
}
