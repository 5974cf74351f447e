/* SPDX-License-Identifier: MIT */
/* What interrupts an element's work: a flush, until it ends, and leaving
 * PAUSED, until the element starts again. */
#pragma once
#include <gio/gio.h>
#include <gst/gst.h>

G_BEGIN_DECLS

typedef struct {
  GCancellable *cancellable;
  gboolean stopping; /* under the object lock: cancelled for good */
} ShuStop;

static inline void
shu_stop_set (ShuStop *s, GstElement *element, gboolean stopping)
{
  GST_OBJECT_LOCK (element);
  s->stopping = stopping;
  GST_OBJECT_UNLOCK (element);
  if (stopping)
    g_cancellable_cancel (s->cancellable);
  else
    g_cancellable_reset (s->cancellable);
}

/* Call it before the base class changes the state. */
static inline void
shu_stop_change_state (ShuStop *s, GstElement *element, GstStateChange change)
{
  if (change == GST_STATE_CHANGE_READY_TO_PAUSED)
    shu_stop_set (s, element, FALSE);
  if (change == GST_STATE_CHANGE_PAUSED_TO_READY)
    shu_stop_set (s, element, TRUE);
}

/* Call it with every event of the sink pad.  The end of a flush that comes
 * while the element stops changes nothing. */
static inline void
shu_stop_event (ShuStop *s, GstElement *element, GstEvent *event)
{
  if (GST_EVENT_TYPE (event) == GST_EVENT_FLUSH_START)
    g_cancellable_cancel (s->cancellable);
  if (GST_EVENT_TYPE (event) != GST_EVENT_FLUSH_STOP)
    return;
  GST_OBJECT_LOCK (element);
  if (!s->stopping)
    g_cancellable_reset (s->cancellable);
  GST_OBJECT_UNLOCK (element);
}

G_END_DECLS
