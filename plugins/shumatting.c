/* SPDX-License-Identifier: MIT */
/**
 * SECTION:element-shumatting
 * @title: shumatting
 * @short_description: cuts the person out of a photo
 *
 * Gives the frame with transparency around the person (U^2-Net), reduced to
 * 1024 pixels on its long side where it is larger.  A frame that is cut out
 * already passes as it is; rounded corners, or alpha that is nearly opaque
 * everywhere, are no cut-out.  Doubtful subjects (half a body, several people)
 * are reported as warnings.
 *
 * |[
 * gst-launch-1.0 filesrc location=photo.jpg ! shuphotodec ! shumatting ! pngenc
 * ! filesink location=cutout.png
 * ]|
 */
#include "transform.h"
#include "video.h"

typedef struct {
  ShuTransform parent;
  GstVideoInfo info; /* of the input */
} ShuMatting;

typedef ShuTransformClass ShuMattingClass;

GType shu_matting_get_type (void);
G_DEFINE_FINAL_TYPE (ShuMatting, shu_matting, SHU_TYPE_TRANSFORM)
GST_ELEMENT_REGISTER_DEFINE (
    shumatting, "shumatting", GST_RANK_NONE, shu_matting_get_type ())

static GstStaticPadTemplate sink_template =
    GST_STATIC_PAD_TEMPLATE ("sink", GST_PAD_SINK, GST_PAD_ALWAYS,
        GST_STATIC_CAPS (
            "video/x-raw, format=(string){ RGB, RGBA }, "
            "width=[1,16384], height=[1,16384], framerate=[0/1,2147483647/1]"));
static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE (
    "src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS (SHU_CUTOUT_CAPS));

/* The size of the cut-out of a photo.
 * Returns: whether it is another one */
static gboolean
reduce_size (GstStructure *s)
{
  int W, H, width, height;

  if (!gst_structure_get_int (s, "width", &W) ||
      !gst_structure_get_int (s, "height", &H))
    return FALSE;
  width = W;
  height = H;
  shu_stage_matting_size (&width, &height);
  gst_structure_set (
      s, "width", G_TYPE_INT, width, "height", G_TYPE_INT, height, NULL);
  return width != W || height != H;
}

/* Whether larger photos become cut-outs of the size of @s, too. */
static gboolean
is_reduced (const GstStructure *s)
{
  int width, height;

  return gst_structure_get_int (s, "width", &width) &&
         gst_structure_get_int (s, "height", &height) &&
         shu_stage_matting_reduces_to (width, height);
}

static void
append_other (GstCaps *all, const GstStructure *s, const GstCapsFeatures *f,
    gboolean any_size)
{
  GstStructure *copy = gst_structure_copy (s);

  gst_structure_remove_fields (
      copy, "format", "colorimetry", "chroma-site", "device", NULL);
  if (any_size)
    gst_structure_remove_fields (copy, "width", "height", NULL);
  gst_caps_append_structure_full (all, copy, gst_caps_features_copy (f));
}

/* The same times, and the same sizes up to that of a cut-out; format and memory
 * are the other pad's. */
static GstCaps *
transform_caps (GstBaseTransform *trans, GstPadDirection direction,
    GstCaps *caps, GstCaps *filter)
{
  GstPad *other = direction == GST_PAD_SINK ? trans->srcpad : trans->sinkpad;
  g_autoptr (GstCaps) templ =
      shu_transform_caps_of (SHU_TRANSFORM (trans), other);
  g_autoptr (GstCaps) all = gst_caps_new_empty ();
  g_autoptr (GstCaps) both = NULL;

  for (guint i = 0; i < gst_caps_get_size (templ); i++)
    for (guint k = 0; k < gst_caps_get_size (caps); k++) {
      const GstCapsFeatures *features = gst_caps_get_features (templ, i);
      const GstStructure *s = gst_caps_get_structure (caps, k);
      g_autoptr (GstStructure) reduced = gst_structure_copy (s);
      const char *format = gst_structure_get_string (s, "format");
      gboolean less = direction == GST_PAD_SINK && reduce_size (reduced);

      if (less)
        append_other (all, reduced, features, FALSE);
      /* RGBA may pass as it is */
      if (!less || g_strcmp0 (format, "RGB") != 0)
        append_other (all, s, features, FALSE);
      if (direction == GST_PAD_SRC && is_reduced (s))
        append_other (all, s, features, TRUE);
    }
  both = gst_caps_intersect_full (all, templ, GST_CAPS_INTERSECT_FIRST);
  return filter
             ? gst_caps_intersect_full (filter, both, GST_CAPS_INTERSECT_FIRST)
             : g_steal_pointer (&both);
}

static gboolean
set_caps (GstBaseTransform *trans, GstCaps *in, GstCaps *out)
{
  GstVideoInfo *info = &((ShuMatting *) trans)->info;

  if (!gst_video_info_from_caps (info, in))
    return FALSE;
  if (GST_VIDEO_INFO_PAR_N (info) != GST_VIDEO_INFO_PAR_D (info))
    shu_report_warning (GST_ELEMENT (trans),
        "The pixels of these frames are not square, so the person will be too "
        "narrow or too wide: put \"videoscale ! "
        "video/x-raw,pixel-aspect-ratio=1/1\" before.");
  return TRUE;
}

/* @cutout in memory of the device or of the host, whichever was agreed on */
static gboolean
fill (ShuTransform *trans, GstBuffer *out, ShuTensor *cutout, GError **error)
{
  g_autofree char *device = shu_transform_out_device (trans);
  g_autoptr (ShuImage) image = NULL;

  if (device) {
    gst_buffer_append_memory (
        out, shu_device_memory_new (cutout, trans->traffic));
    return TRUE;
  }
  image = shu_tensor_to_image (cutout, trans->traffic, error);
  if (image)
    shu_buffer_fill_image (out, image);
  return image != NULL;
}

/* RGBA that is a cut-out already is not reduced either, which is known when it
 * is there. */
static void
announce_size (ShuTransform *trans, int width, int height)
{
  GstPad *pad = GST_BASE_TRANSFORM_SRC_PAD (trans);
  g_autoptr (GstCaps) now = gst_pad_get_current_caps (pad);
  GstStructure *s;
  int w = 0, h = 0;

  if (now) {
    s = gst_caps_get_structure (now, 0);
    gst_structure_get_int (s, "width", &w);
    gst_structure_get_int (s, "height", &h);
  }
  if (!now || (w == width && h == height))
    return;
  now = gst_caps_make_writable (now);
  gst_caps_set_simple (
      now, "width", G_TYPE_INT, width, "height", G_TYPE_INT, height, NULL);
  gst_pad_push_event (pad, gst_event_new_caps (now));
}

static gboolean
process (ShuTransform *trans, GstBuffer *in, GstBuffer *out,
    const ShuProgress *progress, GError **error)
{
  const GstVideoInfo *info = &((ShuMatting *) trans)->info;
  g_autoptr (ShuModel) model = shu_transform_model (trans, error);
  g_autoptr (ShuTensor) photo = NULL, cutout = NULL;
  g_autofree char *warning = NULL;

  if (!model)
    return FALSE;
  photo = shu_buffer_get_picture (
      in, info, shu_model_device (model), trans->traffic, error);
  if (!photo)
    return FALSE;
  cutout = shu_stage_matting_picture (model, photo, &warning, progress, error);
  if (!cutout)
    return FALSE;
  if (warning)
    shu_report_warning (GST_ELEMENT (trans), warning);
  announce_size (trans, (int) cutout->dims[1], (int) cutout->dims[0]);
  return fill (trans, out, cutout, error);
}

static void
shu_matting_class_init (ShuMattingClass *klass)
{
  GstElementClass *element = GST_ELEMENT_CLASS (klass);

  shu_transform_class_use_model (klass);
  klass->process = process;
  GST_BASE_TRANSFORM_CLASS (klass)->transform_caps = transform_caps;
  GST_BASE_TRANSFORM_CLASS (klass)->set_caps = set_caps;
  shu_element_class_add_frames (element, &sink_template);
  gst_element_class_add_static_pad_template (element, &src_template);
  gst_element_class_set_static_metadata (element, "Person cut-out",
      "Filter/Effect/Video",
      "Cuts the person out of a photo (U^2-Net): RGB in, RGBA out",
      "The synchuman authors");
}

static void
shu_matting_init (ShuMatting *self)
{
}
