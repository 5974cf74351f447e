/* SPDX-License-Identifier: MIT */
#include "decoder.h"
#include "video.h"

G_DEFINE_ABSTRACT_TYPE (ShuDecoder, shu_decoder, GST_TYPE_ELEMENT)

/* Larger files are refused while they come in, bytes. */
static const gsize max_file = (gsize) 8 << 30;

/* What begins() needs to see, bytes. */
enum { HEAD = 64 };

/* Reported here: it is where one sees what did not fit. */
static GstFlowReturn
refused (ShuDecoder *self)
{
  g_autoptr (GstCaps) caps = gst_pad_get_current_caps (self->srcpad);
  g_autofree char *text = gst_caps_to_string (caps);

  GST_ELEMENT_ERROR (self, CORE, NEGOTIATION,
      ("What follows does not take what this %s holds: %s.",
          SHU_DECODER_GET_CLASS (self)->noun, text),
      ("caps refused downstream"));
  return GST_FLOW_ERROR;
}

GstFlowReturn
shu_decoder_push (ShuDecoder *self, GstCaps *caps, GstBuffer *out)
{
  g_autoptr (GstCaps) now = gst_pad_get_current_caps (self->srcpad);
  GstFlowReturn ret;

  /* pushing the buffer tells what became of the events */
  if (!now || !gst_caps_is_equal (now, caps))
    gst_pad_push_event (self->srcpad, gst_event_new_caps (caps));
  gst_caps_unref (caps);
  if (self->need_segment) {
    gst_pad_push_event (self->srcpad, gst_event_new_segment (&self->segment));
    self->need_segment = FALSE;
  }
  if (!GST_BUFFER_PTS_IS_VALID (out))
    GST_BUFFER_PTS (out) = self->pts;
  ret = gst_pad_push (self->srcpad, out);
  return ret == GST_FLOW_NOT_NEGOTIATED ? refused (self) : ret;
}

GstFlowReturn
shu_decoder_push_image (
    ShuDecoder *self, const ShuImage *image, GstClockTime pts, int ms)
{
  GstBuffer *out = gst_buffer_new ();

  shu_buffer_fill_image (out, image);
  GST_BUFFER_PTS (out) = pts;
  if (ms > 0)
    GST_BUFFER_DURATION (out) = ms * GST_MSECOND;
  return shu_decoder_push (self, shu_image_to_caps (image, ms), out);
}

/* Takes over @unit. */
static GstFlowReturn
decode (ShuDecoder *self, GstBuffer *unit)
{
  g_autoptr (GError) error = NULL;
  GstFlowReturn ret;

  self->n_units++;
  ret = SHU_DECODER_GET_CLASS (self)->decode (self, unit, &error);
  gst_buffer_unref (unit);
  return error ? shu_report_error (GST_ELEMENT (self), error) : ret;
}

static GstFlowReturn
decode_collected (ShuDecoder *self)
{
  gsize n = gst_adapter_available (self->adapter);

  return n > 0 ? decode (self, gst_adapter_take_buffer (self->adapter, n))
               : GST_FLOW_OK;
}

static gboolean
begins (ShuDecoder *self, GstBuffer *buffer)
{
  guint8 head[HEAD];
  gsize n = gst_buffer_extract (buffer, 0, head, HEAD);

  return SHU_DECODER_GET_CLASS (self)->begins (head, n);
}

static GstFlowReturn
chain (GstPad *pad, GstObject *parent, GstBuffer *buffer)
{
  ShuDecoder *self = SHU_DECODER (parent);
  GstFlowReturn ret = GST_FLOW_OK;
  gsize n = gst_adapter_available (self->adapter);
  gint64 size;

  if (!SHU_DECODER_GET_CLASS (self)->begins) {
    self->pts = GST_BUFFER_PTS (buffer);
    return decode (self, buffer);
  }
  if (n == 0 && self->n_units == 0)
    self->one_file =
        gst_pad_peer_query_duration (pad, GST_FORMAT_BYTES, &size) && size > 0;
  if (n > 0 && !self->one_file && begins (self, buffer)) {
    ret = decode_collected (self);
    n = 0;
  }
  if (ret == GST_FLOW_OK && gst_buffer_get_size (buffer) > max_file - n) {
    g_autoptr (GError) error =
        g_error_new (SHU_ERROR, SHU_ERROR_LIMIT, "a %s of more than %d GiB",
            SHU_DECODER_GET_CLASS (self)->noun, (int) (max_file >> 30));

    ret = shu_report_error (GST_ELEMENT (self), error);
  }
  if (ret != GST_FLOW_OK) {
    gst_buffer_unref (buffer);
    return ret;
  }
  if (n == 0)
    self->pts =
        self->upstream_time ? GST_BUFFER_PTS (buffer) : GST_CLOCK_TIME_NONE;
  gst_adapter_push (self->adapter, buffer);
  return GST_FLOW_OK;
}

/* Nobody upstream learns what became of the last unit, so what it says must
 * be said here. */
static gboolean
finish (ShuDecoder *self)
{
  GstFlowReturn ret = decode_collected (self);

  if (ret == GST_FLOW_NOT_LINKED)
    GST_ELEMENT_FLOW_ERROR (self, ret);
  if (ret == GST_FLOW_OK && self->n_units == 0) {
    GST_ELEMENT_ERROR (self, STREAM, WRONG_TYPE,
        ("There is no %s: the input is empty.",
            SHU_DECODER_GET_CLASS (self)->noun),
        ("end of stream before any data"));
    ret = GST_FLOW_ERROR;
  }
  return ret == GST_FLOW_OK || ret == GST_FLOW_EOS;
}

static void
forget (ShuDecoder *self)
{
  gst_adapter_clear (self->adapter);
  self->need_segment = TRUE;
  self->n_units = 0;
  gst_segment_init (&self->segment, GST_FORMAT_TIME);
  self->pts = GST_CLOCK_TIME_NONE;
}

/* Takes over @event.
 * Returns: (transfer full) (nullable): without how to turn what is upright */
static GstEvent *
upright_tags (GstEvent *event)
{
  g_autoptr (GstTagList) rest = NULL;
  GstTagList *tags;

  gst_event_parse_tag (event, &tags);
  if (gst_tag_list_get_tag_size (tags, GST_TAG_IMAGE_ORIENTATION) == 0)
    return event;
  rest = gst_tag_list_copy (tags);
  gst_tag_list_remove_tag (rest, GST_TAG_IMAGE_ORIENTATION);
  gst_event_unref (event);
  return gst_tag_list_is_empty (rest)
             ? NULL
             : gst_event_new_tag (g_steal_pointer (&rest));
}

static gboolean
sink_event (GstPad *pad, GstObject *parent, GstEvent *event)
{
  ShuDecoder *self = SHU_DECODER (parent);
  const GstSegment *segment;

  shu_stop_event (&self->stop, GST_ELEMENT (self), event);
  switch (GST_EVENT_TYPE (event)) {
  case GST_EVENT_CAPS: /* the output has caps of its own */
    gst_event_unref (event);
    return TRUE;
  case GST_EVENT_SEGMENT:
    gst_event_parse_segment (event, &segment);
    self->upstream_time = segment->format == GST_FORMAT_TIME;
    if (self->upstream_time)
      self->segment = *segment;
    else
      gst_segment_init (&self->segment, GST_FORMAT_TIME);
    self->need_segment = TRUE;
    gst_event_unref (event);
    return TRUE;
  case GST_EVENT_TAG:
    if (SHU_DECODER_GET_CLASS (self)->turns && !(event = upright_tags (event)))
      return TRUE;
    break;
  case GST_EVENT_FLUSH_STOP:
    forget (self);
    break;
  case GST_EVENT_EOS:
    if (!finish (self)) {
      gst_event_unref (event);
      return FALSE;
    }
    break;
  default:
    break;
  }
  return gst_pad_event_default (pad, parent, event);
}

static GstStateChangeReturn
change_state (GstElement *element, GstStateChange change)
{
  ShuDecoder *self = SHU_DECODER (element);
  g_autoptr (GError) error = NULL;
  GstStateChangeReturn ret;

  if (change == GST_STATE_CHANGE_READY_TO_PAUSED &&
      !shu_props_check (self, &error)) {
    GST_ELEMENT_ERROR (self, LIBRARY, SETTINGS, ("%s.", error->message),
        ("the element does not start with it"));
    return GST_STATE_CHANGE_FAILURE;
  }
  if (change == GST_STATE_CHANGE_READY_TO_PAUSED)
    forget (self);
  shu_stop_change_state (&self->stop, element, change);
  ret = GST_ELEMENT_CLASS (shu_decoder_parent_class)
            ->change_state (element, change);
  if (change == GST_STATE_CHANGE_PAUSED_TO_READY)
    forget (self);
  return ret;
}

/* No more sizes or formats than the template says: what comes out depends on
 * what goes in, not on what is wanted. */
static gboolean
src_query (GstPad *pad, GstObject *parent, GstQuery *query)
{
  g_autoptr (GstCaps) caps = NULL;
  g_autoptr (GstCaps) answer = NULL;
  GstCaps *filter;

  if (GST_QUERY_TYPE (query) != GST_QUERY_CAPS)
    return gst_pad_query_default (pad, parent, query);
  gst_query_parse_caps (query, &filter);
  caps = gst_pad_get_pad_template_caps (pad);
  answer =
      filter ? gst_caps_intersect_full (filter, caps, GST_CAPS_INTERSECT_FIRST)
             : gst_caps_ref (caps);
  gst_query_set_caps_result (query, answer);
  return TRUE;
}

static gboolean
sink_query (GstPad *pad, GstObject *parent, GstQuery *query)
{
  g_autoptr (GstCaps) templ = NULL;
  g_autoptr (GstCaps) answer = NULL;
  GstCaps *caps;

  switch (GST_QUERY_TYPE (query)) {
  case GST_QUERY_CAPS:
    gst_query_parse_caps (query, &caps);
    templ = gst_pad_get_pad_template_caps (pad);
    answer =
        caps ? gst_caps_intersect_full (caps, templ, GST_CAPS_INTERSECT_FIRST)
             : gst_caps_ref (templ);
    gst_query_set_caps_result (query, answer);
    return TRUE;
  case GST_QUERY_ALLOCATION: /* about the input; nothing to propose */
    return FALSE;
  default:
    return gst_pad_query_default (pad, parent, query);
  }
}

static void
finalize (GObject *object)
{
  shu_props_clear (object);
  g_object_unref (SHU_DECODER (object)->adapter);
  g_object_unref (SHU_DECODER (object)->stop.cancellable);
  G_OBJECT_CLASS (shu_decoder_parent_class)->finalize (object);
}

static void
shu_decoder_class_init (ShuDecoderClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = finalize;
  GST_ELEMENT_CLASS (klass)->change_state = change_state;
}

static GstPad *
add_pad (ShuDecoder *self, const char *name)
{
  GstPadTemplate *templ =
      gst_element_get_pad_template (GST_ELEMENT (self), name);
  GstPad *pad = gst_pad_new_from_template (templ, name);

  gst_element_add_pad (GST_ELEMENT (self), pad);
  return pad;
}

/* The subclass's class has the templates, so the pads are made once the
 * instance is of that class. */
static void
shu_decoder_init (ShuDecoder *self)
{
  self->adapter = gst_adapter_new ();
  self->stop.cancellable = g_cancellable_new ();
  forget (self);
}

void
shu_decoder_add_pads (ShuDecoder *self)
{
  self->sinkpad = add_pad (self, "sink");
  gst_pad_set_chain_function (self->sinkpad, chain);
  gst_pad_set_event_function (self->sinkpad, sink_event);
  gst_pad_set_query_function (self->sinkpad, sink_query);
  self->srcpad = add_pad (self, "src");
  gst_pad_set_query_function (self->srcpad, src_query);
  gst_pad_use_fixed_caps (self->srcpad);
}
