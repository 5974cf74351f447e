/* SPDX-License-Identifier: MIT */
#include "previewpad.h"
#include "video.h"

enum { MS = 100, KEPT = 16 };

struct _ShuPreviewPad {
  GstPad parent;
  GMutex lock;
  GCond cond;
  /* under the lock */
  GQueue frames;  /* of GstSample */
  guint n_frames; /* shown so far */
  gboolean ended;
  gboolean flushing;
  gboolean active;
  /* of the pad's thread */
  gboolean started;
};

G_DEFINE_FINAL_TYPE (ShuPreviewPad, shu_preview_pad, GST_TYPE_PAD)

static void
drop_frames (ShuPreviewPad *self)
{
  g_queue_clear_full (&self->frames, (GDestroyNotify) gst_sample_unref);
}

static void
push_first_events (ShuPreviewPad *self)
{
  GstPad *pad = GST_PAD (self);
  g_autoptr (GstElement) element = gst_pad_get_parent_element (pad);
  g_autofree char *id =
      element ? gst_pad_create_stream_id (pad, element, "preview") : NULL;

  gst_pad_push_event (pad, gst_event_new_stream_start (id ? id : "preview"));
  self->started = TRUE;
}

static void
push_sample (ShuPreviewPad *self, GstSample *sample)
{
  GstPad *pad = GST_PAD (self);
  g_autoptr (GstCaps) now = gst_pad_get_current_caps (pad);
  GstCaps *caps = gst_sample_get_caps (sample);
  g_autoptr (GstEvent) segment =
      gst_pad_get_sticky_event (pad, GST_EVENT_SEGMENT, 0);

  if (!now || !gst_caps_is_equal (now, caps))
    gst_pad_push_event (pad, gst_event_new_caps (caps));
  if (!segment)
    gst_pad_push_event (
        pad, gst_event_new_segment (gst_sample_get_segment (sample)));
  /* that nobody looks, or does not like what he sees, is no error of the job */
  gst_pad_push (pad, gst_buffer_ref (gst_sample_get_buffer (sample)));
}

static void
loop (gpointer data)
{
  ShuPreviewPad *self = data;
  GstSample *sample = NULL;
  gboolean flushing, ended;

  g_mutex_lock (&self->lock);
  while (!self->flushing && !self->ended && g_queue_is_empty (&self->frames))
    g_cond_wait (&self->cond, &self->lock);
  flushing = self->flushing;
  ended = self->ended;
  if (!flushing)
    sample = g_queue_pop_head (&self->frames);
  g_mutex_unlock (&self->lock);

  if (!flushing && !self->started)
    push_first_events (self);
  if (sample) {
    push_sample (self, sample);
    gst_sample_unref (sample);
    return;
  }
  if (ended && !flushing)
    gst_pad_push_event (GST_PAD (self), gst_event_new_eos ());
  gst_pad_pause_task (GST_PAD (self));
}

/* With the lock. */
static void
set_flushing (ShuPreviewPad *self, gboolean flushing)
{
  self->flushing = flushing;
  self->ended = FALSE;
  drop_frames (self);
  g_cond_signal (&self->cond);
}

static void
set_active (ShuPreviewPad *self, gboolean active)
{
  g_mutex_lock (&self->lock);
  self->active = active;
  set_flushing (self, !active);
  g_mutex_unlock (&self->lock);
}

static void
begin_flush (ShuPreviewPad *self)
{
  g_mutex_lock (&self->lock);
  set_flushing (self, TRUE);
  g_mutex_unlock (&self->lock);
}

/* Starts no thread that nobody would end: under the lock, since the pad may be
 * deactivated meanwhile. */
static void
end_flush (ShuPreviewPad *self)
{
  g_mutex_lock (&self->lock);
  if (self->active) {
    set_flushing (self, FALSE);
    gst_pad_start_task (GST_PAD (self), loop, self, NULL);
  }
  g_mutex_unlock (&self->lock);
}

static gboolean
activate_mode (GstPad *pad, GstObject *parent, GstPadMode mode, gboolean active)
{
  ShuPreviewPad *self = SHU_PREVIEW_PAD (pad);

  if (mode != GST_PAD_MODE_PUSH)
    return FALSE;
  set_active (self, active);
  if (!active)
    return gst_pad_stop_task (pad);
  self->started = FALSE;
  self->n_frames = 0;
  return gst_pad_start_task (pad, loop, self, NULL);
}

void
shu_preview_pad_show (ShuPreviewPad *self, const ShuImage *picture)
{
  g_autoptr (GstCaps) caps = shu_image_to_caps (picture, MS);
  GstBuffer *buffer = gst_buffer_new ();
  GstSegment segment;

  gst_segment_init (&segment, GST_FORMAT_TIME);
  shu_buffer_fill_image (buffer, picture);
  GST_BUFFER_DURATION (buffer) = MS * GST_MSECOND;
  g_mutex_lock (&self->lock);
  GST_BUFFER_PTS (buffer) = self->n_frames++ * (MS * GST_MSECOND);
  if (!self->flushing) {
    if (g_queue_get_length (&self->frames) == KEPT)
      gst_sample_unref (g_queue_pop_head (&self->frames));
    g_queue_push_tail (
        &self->frames, gst_sample_new (buffer, caps, &segment, NULL));
    g_cond_signal (&self->cond);
  }
  g_mutex_unlock (&self->lock);
  gst_buffer_unref (buffer);
}

void
shu_preview_pad_event (ShuPreviewPad *self, GstEventType type)
{
  GstPad *pad = GST_PAD (self);

  switch (type) {
  case GST_EVENT_EOS:
    g_mutex_lock (&self->lock);
    self->ended = TRUE;
    g_cond_signal (&self->cond);
    g_mutex_unlock (&self->lock);
    break;
  case GST_EVENT_FLUSH_START:
    gst_pad_push_event (pad, gst_event_new_flush_start ());
    begin_flush (self);
    gst_pad_pause_task (pad);
    break;
  case GST_EVENT_FLUSH_STOP:
    gst_pad_push_event (pad, gst_event_new_flush_stop (TRUE));
    end_flush (self);
    break;
  default:
    break;
  }
}

static void
finalize (GObject *object)
{
  ShuPreviewPad *self = SHU_PREVIEW_PAD (object);

  drop_frames (self);
  g_mutex_clear (&self->lock);
  g_cond_clear (&self->cond);
  G_OBJECT_CLASS (shu_preview_pad_parent_class)->finalize (object);
}

static void
shu_preview_pad_class_init (ShuPreviewPadClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = finalize;
}

static void
shu_preview_pad_init (ShuPreviewPad *self)
{
  g_mutex_init (&self->lock);
  g_cond_init (&self->cond);
  g_queue_init (&self->frames);
  self->flushing = TRUE;
}

ShuPreviewPad *
shu_preview_pad_new (GstPadTemplate *templ, const char *name)
{
  ShuPreviewPad *self = g_object_new (SHU_TYPE_PREVIEW_PAD, "name", name,
      "template", templ, "direction", GST_PAD_SRC, NULL);

  gst_pad_set_activatemode_function (GST_PAD (self), activate_mode);
  gst_pad_use_fixed_caps (GST_PAD (self));
  return self;
}
