/* SPDX-License-Identifier: MIT */
/**
 * SECTION:element-shusheet
 * @title: shusheet
 * @short_description: contact sheet of a finished model
 *
 * One frame: photo, cut-out, views and the model from eight sides.
 *
 * |[
 * gst-launch-1.0 filesrc location=model.safetensors ! shubundledec ! shusheet
 * photo=photo.jpg ! pngenc ! filesink location=sheet.png
 * ]|
 */
#include "decoder.h"

typedef struct {
  ShuDecoder parent;
  char *photo;
} ShuSheet;

typedef ShuDecoderClass ShuSheetClass;

GType shu_sheet_get_type (void);
G_DEFINE_FINAL_TYPE (ShuSheet, shu_sheet, SHU_TYPE_DECODER)
GST_ELEMENT_REGISTER_DEFINE (
    shusheet, "shusheet", GST_RANK_NONE, shu_sheet_get_type ())

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE ("sink",
    GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS (SHU_BUNDLE_CAPS ("model")));
static GstStaticPadTemplate src_template =
    GST_STATIC_PAD_TEMPLATE ("src", GST_PAD_SRC, GST_PAD_ALWAYS,
        GST_STATIC_CAPS (
            "video/x-raw, format=(string)RGB, "
            "width=[1,16384], height=[1,16384], framerate=[0/1,2147483647/1]"));

static const ShuProp props[] = {
    SHU_PROP_STRING (ShuSheet, photo, "photo",
        "The photo to show beside the model, a file (unset: none)"),
};

static ShuImage *
read_photo (const char *path, GError **error)
{
  g_autoptr (GBytes) bytes = shu_file_map (path, error);

  return bytes ? shu_photo_decode (bytes, error) : NULL;
}

static GstFlowReturn
decode (ShuDecoder *decoder, GstBuffer *unit, GError **error)
{
  ShuSheet *self = (ShuSheet *) decoder;
  ShuReport report = {.element = GST_ELEMENT (self)};
  ShuProgress progress = {.func = shu_report_progress,
      .data = &report,
      .cancellable = decoder->stop.cancellable};
  g_autoptr (ShuBundle) model = shu_buffer_get_bundle (unit, error);
  g_autoptr (ShuImage) photo = NULL;
  g_autoptr (ShuImage) sheet = NULL;
  g_autofree char *path = NULL;

  if (!model)
    return GST_FLOW_ERROR;
  GST_OBJECT_LOCK (self);
  path = g_strdup (self->photo);
  GST_OBJECT_UNLOCK (self);
  if (path && !(photo = read_photo (path, error)))
    return GST_FLOW_ERROR;
  sheet = shu_contact_sheet (photo, model, &progress, error);
  shu_report_done (&report, *error);
  return sheet ? shu_decoder_push_image (decoder, sheet, GST_CLOCK_TIME_NONE, 0)
               : GST_FLOW_ERROR;
}

static void
shu_sheet_class_init (ShuSheetClass *klass)
{
  GstElementClass *element = GST_ELEMENT_CLASS (klass);

  klass->noun = "bundle";
  klass->decode = decode;
  SHU_PROPS_INSTALL (klass, props);
  gst_element_class_add_static_pad_template (element, &sink_template);
  gst_element_class_add_static_pad_template (element, &src_template);
  gst_element_class_set_static_metadata (element, "Contact sheet",
      "Codec/Decoder/Image",
      "Draws photo, cut-out, views and model on one sheet",
      "The synchuman authors");
}

static void
shu_sheet_init (ShuSheet *self)
{
  shu_decoder_add_pads (SHU_DECODER (self));
}
