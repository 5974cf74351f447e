/* SPDX-License-Identifier: MIT */
/**
 * SECTION:element-shuturntable
 * @title: shuturntable
 * @short_description: a model from all sides as video frames
 *
 * Frames of a GLB file that is turned, or of Gaussians in a PLY file, or one
 * frame with all of them.
 *
 * |[
 * gst-launch-1.0 filesrc location=photo.glb ! shuturntable ! videoconvert !
 * vp9enc ! webmmux ! filesink location=turn.webm
 *
 * gst-launch-1.0 filesrc location=photo.glb ! shuturntable num-frames=8
 * columns=4 ! pngenc ! shufilesink location=sheet.png
 * ]|
 */
#include "decoder.h"

typedef struct {
  ShuDecoder parent;
  int width, height, n_frames, columns, background, frame_duration;
  double degrees;
} ShuTurntableElement;

typedef ShuDecoderClass ShuTurntableElementClass;

GType shu_turntable_element_get_type (void);
G_DEFINE_FINAL_TYPE (
    ShuTurntableElement, shu_turntable_element, SHU_TYPE_DECODER)
GST_ELEMENT_REGISTER_DEFINE (shuturntable, "shuturntable", GST_RANK_NONE,
    shu_turntable_element_get_type ())

static GstStaticPadTemplate sink_template =
    GST_STATIC_PAD_TEMPLATE ("sink", GST_PAD_SINK, GST_PAD_ALWAYS,
        GST_STATIC_CAPS ("model/gltf-binary; application/x-ply"));
static GstStaticPadTemplate src_template =
    GST_STATIC_PAD_TEMPLATE ("src", GST_PAD_SRC, GST_PAD_ALWAYS,
        GST_STATIC_CAPS (
            "video/x-raw, format=(string){ RGB, RGBA }, "
            "width=[1,16384], height=[1,16384], framerate=[0/1,2147483647/1]"));

static const ShuProp props[] = {
    SHU_PROP_INT (ShuTurntableElement, width, "width", 16, 4096, 512,
        "Width of a picture, pixels"),
    SHU_PROP_INT (ShuTurntableElement, height, "height", 16, 4096, 512,
        "Height of a picture, pixels"),
    SHU_PROP_INT (ShuTurntableElement, n_frames, "num-frames", 1, 3600, 72,
        "Pictures of a model"),
    SHU_PROP_DOUBLE (ShuTurntableElement, degrees, "degrees", -36000, 36000,
        360, "How far the model is turned over all pictures"),
    SHU_PROP_INT (ShuTurntableElement, columns, "columns", 0, 1024, 0,
        "Pictures in a row of one sheet that holds them all (0: each is a "
        "frame)"),
    SHU_PROP_INT (ShuTurntableElement, background, "background", -1, 0xffffff,
        0xffffff, "Colour behind the model, 0xRRGGBB (-1: transparent)"),
    SHU_PROP_INT (ShuTurntableElement, frame_duration, "frame-duration", 1,
        60000, 40, "Time that a frame is shown, milliseconds"),
};

static gboolean
begins (const guint8 *data, gsize size)
{
  return size >= 4 &&
         (memcmp (data, "glTF", 4) == 0 || memcmp (data, "ply\n", 4) == 0 ||
             memcmp (data, "ply\r", 4) == 0);
}

static GstFlowReturn
push_sheet (ShuDecoder *decoder, const ShuTurntable *table, int columns,
    const ShuProgress *progress, GError **error)
{
  g_autoptr (ShuImage) sheet =
      shu_turntable_sheet (table, columns, progress, error);

  return sheet ? shu_decoder_push_image (decoder, sheet, GST_CLOCK_TIME_NONE, 0)
               : GST_FLOW_ERROR;
}

static GstFlowReturn
push_frames (ShuDecoder *decoder, const ShuTurntable *table, int n,
    GstClockTime start, int ms, const ShuProgress *progress, GError **error)
{
  GstFlowReturn ret = GST_FLOW_OK;

  for (int i = 0; ret == GST_FLOW_OK && i < n; i++) {
    g_autoptr (ShuImage) frame = shu_turntable_frame (table, i);

    if (!shu_progress (progress, "render", i + 1, n, error))
      return GST_FLOW_ERROR;
    ret = shu_decoder_push_image (
        decoder, frame, start + (GstClockTime) i * ms * GST_MSECOND, ms);
  }
  return ret;
}

static GstFlowReturn
decode (ShuDecoder *decoder, GstBuffer *unit, GError **error)
{
  ShuTurntableElement *self = (ShuTurntableElement *) decoder;
  ShuReport report = {.element = GST_ELEMENT (self)};
  ShuProgress progress = {.func = shu_report_progress,
      .data = &report,
      .cancellable = decoder->stop.cancellable};
  g_autoptr (GBytes) file = shu_buffer_to_bytes (unit, error);
  g_autoptr (ShuTurntable) table = NULL;
  ShuTurntableParams p;
  GstClockTime start;
  GstFlowReturn ret;
  int ms, columns;

  GST_OBJECT_LOCK (self);
  p = (ShuTurntableParams){self->width, self->height, self->n_frames,
      self->degrees, self->background};
  ms = self->frame_duration;
  columns = self->columns;
  GST_OBJECT_UNLOCK (self);
  table = file ? shu_turntable_new (file, &p, error) : NULL;
  if (!table)
    return GST_FLOW_ERROR;
  start = GST_CLOCK_TIME_IS_VALID (decoder->pts)
              ? decoder->pts
              : (GstClockTime) (decoder->n_units - 1) * p.n_frames * ms *
                    GST_MSECOND;
  ret = columns > 0 ? push_sheet (decoder, table, columns, &progress, error)
                    : push_frames (decoder, table, p.n_frames, start, ms,
                          &progress, error);
  shu_report_done (&report, *error);
  return ret;
}

static void
shu_turntable_element_class_init (ShuTurntableElementClass *klass)
{
  GstElementClass *element = GST_ELEMENT_CLASS (klass);

  klass->noun = "model";
  klass->begins = begins;
  klass->decode = decode;
  SHU_PROPS_INSTALL (klass, props);
  gst_element_class_add_static_pad_template (element, &sink_template);
  gst_element_class_add_static_pad_template (element, &src_template);
  gst_element_class_set_static_metadata (element, "Turntable",
      "Codec/Decoder/Image",
      "Draws a GLB file, or Gaussians of a PLY file, from all sides",
      "The synchuman authors");
}

static void
shu_turntable_element_init (ShuTurntableElement *self)
{
  shu_decoder_add_pads (SHU_DECODER (self));
}
