/* SPDX-License-Identifier: MIT */
#include "sink.h"
#include "location.h"
#include "report.h"

G_DEFINE_ABSTRACT_TYPE (ShuSink, shu_sink, GST_TYPE_BASE_SINK)

static gboolean
start (GstBaseSink *sink)
{
  return shu_need_location (sink, ((ShuSink *) sink)->location);
}

static GstFlowReturn
render (GstBaseSink *sink, GstBuffer *buffer)
{
  ShuSink *self = (ShuSink *) sink;
  g_autofree char *location = NULL;
  g_autoptr (GError) error = NULL;

  GST_OBJECT_LOCK (self);
  location = g_strdup (self->location);
  GST_OBJECT_UNLOCK (self);
  if (!SHU_SINK_GET_CLASS (self)->write (location, buffer, &error))
    return shu_report_error (GST_ELEMENT (sink), error);
  return GST_FLOW_OK;
}

static void
finalize (GObject *object)
{
  shu_props_clear (object);
  G_OBJECT_CLASS (shu_sink_parent_class)->finalize (object);
}

static void
shu_sink_class_init (ShuSinkClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = finalize;
  GST_BASE_SINK_CLASS (klass)->start = start;
  GST_BASE_SINK_CLASS (klass)->render = render;
}

static void
shu_sink_init (ShuSink *self)
{
  gst_base_sink_set_sync (GST_BASE_SINK (self), FALSE);
}
