/* SPDX-License-Identifier: MIT */
#include "sink.h"
#include "location.h"
#include "report.h"

G_DEFINE_ABSTRACT_TYPE (ShuSink, shu_sink, GST_TYPE_BASE_SINK)

/* (transfer full) (nullable) */
static char *
get_location (ShuSink *self)
{
  char *location;

  GST_OBJECT_LOCK (self);
  location = g_strdup (self->location);
  GST_OBJECT_UNLOCK (self);
  return location;
}

static gboolean
start (GstBaseSink *sink)
{
  ShuSinkClass *klass = SHU_SINK_GET_CLASS (sink);
  g_autofree char *location = get_location ((ShuSink *) sink);
  g_autoptr (GError) error = NULL;

  if (!shu_need_location (sink, location))
    return FALSE;
  if (klass->check && !klass->check (location, &error)) {
    shu_report_error (GST_ELEMENT (sink), error);
    return FALSE;
  }
  return TRUE;
}

static GstFlowReturn
render (GstBaseSink *sink, GstBuffer *buffer)
{
  g_autofree char *location = get_location ((ShuSink *) sink);
  g_autoptr (GError) error = NULL;

  /* it may have been taken away meanwhile */
  if (!shu_need_location (sink, location))
    return GST_FLOW_ERROR;
  if (!SHU_SINK_GET_CLASS (sink)->write (location, buffer, &error))
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
