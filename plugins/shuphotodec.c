/* SPDX-License-Identifier: MIT */
/**
 * SECTION:element-shuphotodec
 * @title: shuphotodec
 * @short_description: reads photos strictly
 *
 * JPEG, PNG and WebP to RGB or RGBA frames, turned as EXIF says.  A damaged or
 * truncated file is an error, never half a picture.  From filesrc everything up
 * to the end of the stream is one file; from sources that do not know a size
 * (multifilesrc, pipes) a buffer that begins like a picture starts the next
 * one. A picture is decoded when it is known to be complete: at the next one or
 * at the end.  Sizes may differ from frame to frame.
 *
 * The job runs in the source's thread; where the application ends the stream
 * itself (gst-launch-1.0 -e) put a queue behind the source, so that the two do
 * not wait for each other.
 *
 * |[
 * gst-launch-1.0 filesrc location=photo.jpg ! shuphotodec ! videoconvert !
 * autovideosink
 * ]|
 */
#include "decoder.h"

typedef struct {
  ShuDecoder parent;
} ShuPhotoDec;

typedef ShuDecoderClass ShuPhotoDecClass;

GType shu_photo_dec_get_type (void);
G_DEFINE_FINAL_TYPE (ShuPhotoDec, shu_photo_dec, SHU_TYPE_DECODER)
GST_ELEMENT_REGISTER_DEFINE (
    shuphotodec, "shuphotodec", GST_RANK_NONE, shu_photo_dec_get_type ())

static GstStaticPadTemplate sink_template =
    GST_STATIC_PAD_TEMPLATE ("sink", GST_PAD_SINK, GST_PAD_ALWAYS,
        GST_STATIC_CAPS ("image/jpeg; image/png; image/webp"));
static GstStaticPadTemplate src_template =
    GST_STATIC_PAD_TEMPLATE ("src", GST_PAD_SRC, GST_PAD_ALWAYS,
        GST_STATIC_CAPS (
            "video/x-raw, format=(string){ RGB, RGBA }, "
            "width=[1,16384], height=[1,16384], framerate=[0/1,2147483647/1]"));

static gboolean
begins (const guint8 *data, gsize size)
{
  return (size >= 3 && memcmp (data, "\xff\xd8\xff", 3) == 0) ||
         (size >= 8 && memcmp (data, "\x89PNG\r\n\x1a\n", 8) == 0) ||
         (size >= 12 && memcmp (data, "RIFF", 4) == 0 &&
             memcmp (data + 8, "WEBP", 4) == 0);
}

static GstFlowReturn
decode (ShuDecoder *self, GstBuffer *unit, GError **error)
{
  g_autoptr (GBytes) bytes = shu_buffer_to_bytes (unit, error);
  g_autoptr (ShuImage) image = bytes ? shu_photo_decode (bytes, error) : NULL;

  return image ? shu_decoder_push_image (self, image, GST_CLOCK_TIME_NONE, 0)
               : GST_FLOW_ERROR;
}

static void
shu_photo_dec_class_init (ShuPhotoDecClass *klass)
{
  GstElementClass *element = GST_ELEMENT_CLASS (klass);

  klass->noun = "picture";
  klass->turns = TRUE;
  klass->begins = begins;
  klass->decode = decode;
  gst_element_class_add_static_pad_template (element, &sink_template);
  gst_element_class_add_static_pad_template (element, &src_template);
  gst_element_class_set_static_metadata (element, "Strict photo reader",
      "Codec/Decoder/Image",
      "Decodes JPEG, PNG and WebP photos; a damaged file is an error",
      "The synchuman authors");
}

static void
shu_photo_dec_init (ShuPhotoDec *self)
{
  shu_decoder_add_pads (SHU_DECODER (self));
}
