/* SPDX-License-Identifier: MIT */
/**
 * SECTION:element-shuviews
 * @title: shuviews
 * @short_description: the views as video frames
 *
 * Ten frames a bundle: colour and normal of each view in turn, as the official
 * code names its files: color_0, normal_0, color_1, ...
 *
 * |[
 * gst-launch-1.0 filesrc location=views.safetensors ! shubundledec ! shuviews !
 * pngenc ! multifilesink location=view-%02d.png
 * ]|
 */
#include "decoder.h"

typedef struct {
  ShuDecoder parent;
  int frame_duration;
} ShuViews;

typedef ShuDecoderClass ShuViewsClass;

GType shu_views_get_type (void);
G_DEFINE_FINAL_TYPE (ShuViews, shu_views, SHU_TYPE_DECODER)
GST_ELEMENT_REGISTER_DEFINE (
    shuviews, "shuviews", GST_RANK_NONE, shu_views_get_type ())

static GstStaticPadTemplate sink_template =
    GST_STATIC_PAD_TEMPLATE ("sink", GST_PAD_SINK, GST_PAD_ALWAYS,
        GST_STATIC_CAPS (SHU_BUNDLE_CAPS ("{ views, asset, mesh, model }")));
static GstStaticPadTemplate src_template =
    GST_STATIC_PAD_TEMPLATE ("src", GST_PAD_SRC, GST_PAD_ALWAYS,
        GST_STATIC_CAPS (
            "video/x-raw, format=(string)RGB, "
            "width=[1,16384], height=[1,16384], framerate=[0/1,2147483647/1]"));

enum { N_FRAMES = 10 };

static const ShuProp props[] = {
    SHU_PROP_INT (ShuViews, frame_duration, "frame-duration", 1, 60000, 500,
        "Time that a frame is shown, milliseconds"),
};

static GstFlowReturn
decode (ShuDecoder *decoder, GstBuffer *unit, GError **error)
{
  ShuViews *self = (ShuViews *) decoder;
  g_autoptr (ShuBundle) views = shu_buffer_get_bundle (unit, error);
  GstFlowReturn ret = views ? GST_FLOW_OK : GST_FLOW_ERROR;
  GstClockTime start;
  int ms;

  GST_OBJECT_LOCK (self);
  ms = self->frame_duration;
  GST_OBJECT_UNLOCK (self);
  start = GST_BUFFER_PTS_IS_VALID (unit)
              ? GST_BUFFER_PTS (unit)
              : (decoder->n_units - 1) * N_FRAMES * ms * GST_MSECOND;
  for (int i = 0; ret == GST_FLOW_OK && i < N_FRAMES; i++) {
    g_autoptr (ShuImage) image = shu_views_frame (views, i, error);

    ret = image ? shu_decoder_push_image (
                      decoder, image, start + i * ms * GST_MSECOND, ms)
                : GST_FLOW_ERROR;
  }
  return ret;
}

static void
shu_views_class_init (ShuViewsClass *klass)
{
  GstElementClass *element = GST_ELEMENT_CLASS (klass);

  klass->noun = "bundle";
  klass->decode = decode;
  SHU_PROPS_INSTALL (klass, props);
  gst_element_class_add_static_pad_template (element, &sink_template);
  gst_element_class_add_static_pad_template (element, &src_template);
  gst_element_class_set_static_metadata (element, "Views as video",
      "Codec/Decoder/Image",
      "Gives the colour and normal views of a bundle as video frames",
      "The synchuman authors");
}

static void
shu_views_init (ShuViews *self)
{
  shu_decoder_add_pads (SHU_DECODER (self));
}
