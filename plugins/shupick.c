/* SPDX-License-Identifier: MIT */
/**
 * SECTION:element-shupick
 * @title: shupick
 * @short_description: picks the frames of a video that are worth a model
 *
 * Of every interval of a video the sharpest frame goes on, the others are
 * dropped.  With interval=0 nothing passes until the action signal "pick" asks
 * for the next frame: the button of a photo booth.  A leaky queue behind it
 * keeps a live source going while a model is made:
 *
 * |[
 * gst-launch-1.0 v4l2src ! videoconvert ! shupick interval=2000 ! queue
 * leaky=downstream max-size-buffers=1 ! shumatting ! shupreprocess ! shustage1
 * ! shustage2 ! shumesh ! shutexture ! shuglbmux ! multifilesink
 * location=person-%03d.glb
 * ]|
 *
 * Frames without a time pass all.  In a live pipeline the interval is latency,
 * so that a sink that keeps the time shows what is picked.
 */
#include "props.h"
#include "report.h"
#include "video.h"
#include <gst/base/gstbasetransform.h>

typedef struct {
  GstBaseTransform parent;
  int interval, num_frames;
  gboolean asked; /* under the object lock, as the properties */
  GstVideoInfo info;
  GstBuffer *best;
  double sharpness;   /* of @best */
  GstClockTime since; /* beginning of the interval */
  int n_passed;
} ShuPick;

typedef struct {
  GstBaseTransformClass parent_class;
  void (*pick) (ShuPick *self);
} ShuPickClass;

GType shu_pick_get_type (void);
G_DEFINE_FINAL_TYPE (ShuPick, shu_pick, GST_TYPE_BASE_TRANSFORM)
GST_ELEMENT_REGISTER_DEFINE (
    shupick, "shupick", GST_RANK_NONE, shu_pick_get_type ())

#define CAPS                                                                   \
  "video/x-raw, format=(string){ RGB, RGBA }, width=[1,16384], "               \
  "height=[1,16384], framerate=[0/1,2147483647/1]"

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE (
    "sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS (CAPS));
static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE (
    "src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS (CAPS));

static const ShuProp props[] = {
    SHU_PROP_INT (ShuPick, interval, "interval", 0, 3600000, 1000,
        "Time of which one frame goes on, milliseconds (0: none but those that "
        "the signal \"pick\" asks for)"),
    SHU_PROP_INT (ShuPick, num_frames, "num-frames", 0, G_MAXINT, 0,
        "Frames that go on before the stream ends (0: no limit)"),
};

/* The action: the next frame goes on. */
static void
pick (ShuPick *self)
{
  GST_OBJECT_LOCK (self);
  self->asked = TRUE;
  GST_OBJECT_UNLOCK (self);
}

static void
forget (ShuPick *self)
{
  gst_clear_buffer (&self->best);
  self->since = GST_CLOCK_TIME_NONE;
}

static gboolean
start (GstBaseTransform *trans)
{
  ShuPick *self = (ShuPick *) trans;
  g_autoptr (GError) error = NULL;

  if (!shu_props_check (trans, &error)) {
    GST_ELEMENT_ERROR (trans, LIBRARY, SETTINGS, ("%s.", error->message),
        ("the element does not start with it"));
    return FALSE;
  }
  forget (self);
  self->n_passed = 0;
  return TRUE;
}

static gboolean
stop (GstBaseTransform *trans)
{
  forget ((ShuPick *) trans);
  return TRUE;
}

static gboolean
set_caps (GstBaseTransform *trans, GstCaps *in, GstCaps *out)
{
  return gst_video_info_from_caps (&((ShuPick *) trans)->info, in);
}

/* Takes over @frame. */
static gboolean
consider (ShuPick *self, GstBuffer *frame, GError **error)
{
  g_autoptr (ShuImage) image = shu_buffer_get_image (frame, &self->info, error);
  double sharpness;

  if (!image) {
    gst_buffer_unref (frame);
    return FALSE;
  }
  sharpness = shu_image_sharpness (image);
  if (self->best && sharpness <= self->sharpness) {
    gst_buffer_unref (frame);
    return TRUE;
  }
  gst_clear_buffer (&self->best);
  self->best = frame;
  self->sharpness = sharpness;
  return TRUE;
}

/* Takes over @frame; (transfer full) (nullable): what goes on instead of it. */
static GstBuffer *
choose (ShuPick *self, GstBuffer *frame, GError **error)
{
  GstClockTime now = GST_BUFFER_PTS (frame), interval;
  GstBuffer *out = NULL;
  gboolean asked;

  GST_OBJECT_LOCK (self);
  interval = self->interval * GST_MSECOND;
  asked = self->asked;
  self->asked = FALSE;
  GST_OBJECT_UNLOCK (self);
  if (asked || (interval > 0 && !GST_CLOCK_TIME_IS_VALID (now))) {
    forget (self);
    return frame;
  }
  if (interval == 0) {
    gst_buffer_unref (frame);
    return NULL;
  }
  /* before: times jump back where a stream starts again */
  if (!GST_CLOCK_TIME_IS_VALID (self->since) || now < self->since ||
      now - self->since >= interval) {
    out = g_steal_pointer (&self->best);
    self->since = now;
  }
  consider (self, frame, error);
  return out;
}

static gboolean
is_done (ShuPick *self)
{
  gboolean done;

  GST_OBJECT_LOCK (self);
  done = self->num_frames > 0 && self->n_passed >= self->num_frames;
  GST_OBJECT_UNLOCK (self);
  return done;
}

static GstFlowReturn
generate_output (GstBaseTransform *trans, GstBuffer **ret_out)
{
  ShuPick *self = (ShuPick *) trans;
  GstBuffer *frame = g_steal_pointer (&trans->queued_buf);
  g_autoptr (GError) error = NULL;

  *ret_out = NULL;
  if (!frame)
    return GST_FLOW_OK;
  if (is_done (self)) {
    gst_buffer_unref (frame);
    return GST_FLOW_EOS;
  }
  *ret_out = choose (self, frame, &error);
  if (error) {
    gst_clear_buffer (ret_out);
    return shu_report_error (GST_ELEMENT (self), error);
  }
  self->n_passed += *ret_out != NULL;
  return GST_FLOW_OK;
}

/* The best of an interval goes on before what ends it. */
static gboolean
sink_event (GstBaseTransform *trans, GstEvent *event)
{
  ShuPick *self = (ShuPick *) trans;
  GstEventType type = GST_EVENT_TYPE (event);

  if ((type == GST_EVENT_EOS || type == GST_EVENT_CAPS ||
          type == GST_EVENT_SEGMENT) &&
      self->best && !is_done (self)) {
    self->n_passed++;
    gst_pad_push (trans->srcpad, g_steal_pointer (&self->best));
  }
  if (type == GST_EVENT_FLUSH_STOP || type == GST_EVENT_EOS)
    forget (self);
  return GST_BASE_TRANSFORM_CLASS (shu_pick_parent_class)
      ->sink_event (trans, event);
}

/* What is on its way may be held back for an interval and, until it is known to
 * be the best of it, a frame. */
static void
add_latency (ShuPick *self, GstQuery *q)
{
  GstClockTime min, max, more;
  gboolean live;

  GST_OBJECT_LOCK (self);
  more = self->interval * GST_MSECOND;
  GST_OBJECT_UNLOCK (self);
  if (more > 0 && GST_VIDEO_INFO_FPS_N (&self->info) > 0)
    more += gst_util_uint64_scale_int (GST_SECOND,
        GST_VIDEO_INFO_FPS_D (&self->info), GST_VIDEO_INFO_FPS_N (&self->info));
  gst_query_parse_latency (q, &live, &min, &max);
  if (max != GST_CLOCK_TIME_NONE)
    max += more;
  gst_query_set_latency (q, live, min + more, max);
}

static gboolean
query (GstBaseTransform *trans, GstPadDirection direction, GstQuery *q)
{
  if (!GST_BASE_TRANSFORM_CLASS (shu_pick_parent_class)
           ->query (trans, direction, q))
    return FALSE;
  if (GST_QUERY_TYPE (q) == GST_QUERY_LATENCY && direction == GST_PAD_SRC)
    add_latency ((ShuPick *) trans, q);
  return TRUE;
}

static void
shu_pick_class_init (ShuPickClass *klass)
{
  GstElementClass *element = GST_ELEMENT_CLASS (klass);
  GstBaseTransformClass *base = GST_BASE_TRANSFORM_CLASS (klass);

  base->start = start;
  base->stop = stop;
  base->set_caps = set_caps;
  base->generate_output = generate_output;
  base->sink_event = sink_event;
  base->query = query;
  base->passthrough_on_same_caps = TRUE;
  klass->pick = pick;
  g_signal_new ("pick", G_TYPE_FROM_CLASS (klass),
      G_SIGNAL_RUN_LAST | G_SIGNAL_ACTION, G_STRUCT_OFFSET (ShuPickClass, pick),
      NULL, NULL, NULL, G_TYPE_NONE, 0);
  SHU_PROPS_INSTALL (klass, props);
  gst_element_class_add_static_pad_template (element, &sink_template);
  gst_element_class_add_static_pad_template (element, &src_template);
  gst_element_class_set_static_metadata (element, "Frame picker",
      "Filter/Video",
      "Lets the sharpest frame of every interval of a video go on",
      "The synchuman authors");
}

static void
shu_pick_init (ShuPick *self)
{
  gst_base_transform_set_qos_enabled (GST_BASE_TRANSFORM (self), FALSE);
}
