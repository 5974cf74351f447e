/* SPDX-License-Identifier: MIT */
/* The streaming thread collects, and works when there are enough.  Where no
 * more come, a thread that keeps the time does; it takes the sink pad's stream
 * lock, as whatever goes on through the element. */
#include "batch.h"

G_DEFINE_ABSTRACT_TYPE (ShuBatch, shu_batch, SHU_TYPE_TRANSFORM)

static GstFlowReturn
fail (ShuBatch *self, const GError *error)
{
  shu_report_done (&SHU_TRANSFORM (self)->report, error);
  return shu_report_error (GST_ELEMENT (self), error);
}

/* ---- the time ---- */

/* @deadline 0: nothing waits any more */
static void
set_deadline (ShuBatch *self, gint64 deadline)
{
  g_mutex_lock (&self->lock);
  self->deadline = deadline;
  g_cond_signal (&self->cond);
  g_mutex_unlock (&self->lock);
}

static gboolean
is_late (ShuBatch *self)
{
  gboolean late;

  g_mutex_lock (&self->lock);
  late = self->deadline > 0 && g_get_monotonic_time () >= self->deadline;
  g_mutex_unlock (&self->lock);
  return late;
}

/* The batch may have been filled while this waited for the lock. */
static void
drain_late (ShuBatch *self)
{
  GstPad *pad = GST_BASE_TRANSFORM_SINK_PAD (self);

  GST_PAD_STREAM_LOCK (pad);
  if (is_late (self))
    self->after = shu_batch_drain (self);
  GST_PAD_STREAM_UNLOCK (pad);
}

static gpointer
keep_time (gpointer data)
{
  ShuBatch *self = data;

  g_mutex_lock (&self->lock);
  while (!self->quit) {
    if (self->deadline == 0) {
      g_cond_wait (&self->cond, &self->lock);
    } else if (!g_cond_wait_until (&self->cond, &self->lock, self->deadline)) {
      g_mutex_unlock (&self->lock);
      drain_late (self);
      g_mutex_lock (&self->lock);
    }
  }
  g_mutex_unlock (&self->lock);
  return NULL;
}

/* ---- the work ---- */

/* Bundles of the collected buffers, and where they come from */
typedef struct {
  int n;
  int at[SHU_BATCH_MAX];
  ShuBundle *in[SHU_BATCH_MAX];
  ShuOutcome out[SHU_BATCH_MAX];
} Work;

static void
work_clear (Work *w)
{
  for (int i = 0; i < SHU_BATCH_MAX; i++) {
    g_clear_pointer (&w->in[i], shu_bundle_unref);
    g_clear_pointer (&w->out[i].bundle, shu_bundle_unref);
    g_clear_error (&w->out[i].error);
  }
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Work, work_clear)

static gboolean
run (ShuBatch *self, Work *w, GError **error)
{
  ShuTransform *trans = SHU_TRANSFORM (self);
  ShuProgress progress = {shu_report_progress, &trans->report,
      trans->stop.cancellable, trans->traffic};

  if (g_cancellable_set_error_if_cancelled (trans->stop.cancellable, error))
    return FALSE;
  return w->n == 0 ||
         SHU_BATCH_GET_CLASS (self)->run_batch (self, w->n,
             (const ShuBundle *const *) w->in, &progress, w->out, error);
}

/* @b as the buffer that @in becomes: (transfer full) */
static GstBuffer *
make_output (ShuBatch *self, GstBuffer *in, const ShuBundle *b, GError **error)
{
  GstBaseTransform *trans = GST_BASE_TRANSFORM (self);
  GstBuffer *out;

  GST_BASE_TRANSFORM_GET_CLASS (trans)->prepare_output_buffer (trans, in, &out);
  if (shu_transform_fill_bundle (SHU_TRANSFORM (self), out, b, error))
    return out;
  gst_buffer_unref (out);
  return NULL;
}

/* One that cannot be worked on is the end where it is the only one that there
 * may be; among others it is left out, with a warning. */
static gboolean
leave_out (ShuBatch *self, gboolean alone, GstBuffer *in, const GError *why,
    GError **error)
{
  if (alone) {
    g_propagate_error (error, g_error_copy (why));
    return FALSE;
  }
  shu_report_left_out (GST_ELEMENT (self), why, GST_BUFFER_PTS (in));
  g_clear_error (&self->failed);
  self->failed = g_error_copy (why);
  return TRUE;
}

/* What was collected becomes what is done. */
static gboolean
work_off (ShuBatch *self, gboolean alone, GError **error)
{
  g_auto (Work) w = {0};
  GQueue in = self->collected;
  ShuOutcome of[SHU_BATCH_MAX] = {{NULL}}; /* each buffer's */
  int n = (int) g_queue_get_length (&in);
  gboolean ok;

  g_queue_init (&self->collected);
  for (int i = 0; i < n; i++) {
    w.in[w.n] = shu_buffer_get_bundle (g_queue_peek_nth (&in, i), &of[i].error);
    if (w.in[w.n])
      w.at[w.n++] = i;
  }
  ok = run (self, &w, error);
  for (int k = 0; k < w.n; k++) {
    of[w.at[k]].bundle = g_steal_pointer (&w.out[k].bundle);
    of[w.at[k]].error = g_steal_pointer (&w.out[k].error);
  }
  for (int i = 0; i < n; i++) {
    g_autoptr (GstBuffer) from = g_queue_pop_head (&in);
    g_autoptr (ShuBundle) b = of[i].bundle;
    g_autoptr (GError) why = of[i].error;
    GstBuffer *out = b ? make_output (self, from, b, &why) : NULL;

    if (out)
      g_queue_push_tail (&self->done, out);
    else if (ok && why)
      ok = leave_out (self, alone, from, why, error);
  }
  return ok;
}

static void
forget (ShuBatch *self)
{
  set_deadline (self, 0);
  g_queue_clear_full (&self->collected, (GDestroyNotify) gst_buffer_unref);
  g_queue_clear_full (&self->done, (GDestroyNotify) gst_buffer_unref);
  g_clear_error (&self->failed);
  self->after = GST_FLOW_OK;
  self->n_done = 0;
}

static int
batch_size (ShuBatch *self)
{
  int size;

  GST_OBJECT_LOCK (self);
  size = self->size;
  GST_OBJECT_UNLOCK (self);
  return size;
}

/* Returns: what is to be said when what is done has gone on */
static GstFlowReturn
work_now (ShuBatch *self)
{
  g_autoptr (GError) error = NULL;

  set_deadline (self, 0);
  if (!work_off (self, batch_size (self) == 1, &error))
    return fail (self, error);
  shu_report_done (&SHU_TRANSFORM (self)->report, NULL);
  return GST_FLOW_OK;
}

GstFlowReturn
shu_batch_drain (ShuBatch *self)
{
  GstFlowReturn flow = GST_FLOW_OK, ret = GST_FLOW_OK;
  GstBuffer *out;

  if (!g_queue_is_empty (&self->collected))
    ret = work_now (self);
  while (flow == GST_FLOW_OK && (out = g_queue_pop_head (&self->done))) {
    self->n_done++;
    flow = gst_pad_push (GST_BASE_TRANSFORM_SRC_PAD (self), out);
  }
  return ret == GST_FLOW_OK ? flow : ret;
}

/* ---- the stream ---- */

/* The first of a batch waits no longer than it may. */
static void
collect (ShuBatch *self, GstBuffer *buffer)
{
  int size;
  gint64 latency;

  GST_OBJECT_LOCK (self);
  size = self->size;
  latency = self->latency * G_TIME_SPAN_MILLISECOND;
  GST_OBJECT_UNLOCK (self);
  g_queue_push_tail (&self->collected, buffer);
  if ((int) g_queue_get_length (&self->collected) >= size) {
    self->after = work_now (self);
  } else if (g_queue_get_length (&self->collected) == 1) {
    set_deadline (self, g_get_monotonic_time () + latency);
    if (!self->keeper)
      self->keeper = g_thread_new ("batch", keep_time, self);
  }
}

/* Called again until nothing comes any more. */
static GstFlowReturn
generate_output (GstBaseTransform *trans, GstBuffer **ret_out)
{
  ShuBatch *self = SHU_BATCH (trans);
  GstBuffer *in = g_steal_pointer (&trans->queued_buf);

  if (in && self->after == GST_FLOW_OK)
    collect (self, in);
  else if (in) /* after a failure */
    gst_buffer_unref (in);
  *ret_out = g_queue_pop_head (&self->done);
  self->n_done += *ret_out != NULL;
  return *ret_out ? GST_FLOW_OK : self->after;
}

/* What was collected goes before what comes after it.  A stream of which
 * nothing came through has failed. */
static gboolean
sink_event (GstBaseTransform *trans, GstEvent *event)
{
  ShuBatch *self = SHU_BATCH (trans);
  GstEventType type = GST_EVENT_TYPE (event);
  GstFlowReturn ret = GST_FLOW_OK;

  if (type == GST_EVENT_FLUSH_STOP)
    forget (self);
  else if (GST_EVENT_IS_SERIALIZED (event))
    ret = shu_batch_drain (self);
  if (type == GST_EVENT_EOS && ret == GST_FLOW_OK && self->failed &&
      self->n_done == 0)
    ret = fail (self, self->failed);
  if (ret == GST_FLOW_ERROR) {
    gst_event_unref (event);
    return FALSE;
  }
  return GST_BASE_TRANSFORM_CLASS (shu_batch_parent_class)
      ->sink_event (trans, event);
}

static gboolean
stop (GstBaseTransform *trans)
{
  ShuBatch *self = SHU_BATCH (trans);

  g_mutex_lock (&self->lock);
  self->quit = TRUE;
  g_cond_signal (&self->cond);
  g_mutex_unlock (&self->lock);
  if (self->keeper)
    g_thread_join (g_steal_pointer (&self->keeper));
  self->quit = FALSE;
  forget (self);
  return GST_BASE_TRANSFORM_CLASS (shu_batch_parent_class)->stop (trans);
}

static void
finalize (GObject *object)
{
  ShuBatch *self = SHU_BATCH (object);

  g_mutex_clear (&self->lock);
  g_cond_clear (&self->cond);
  G_OBJECT_CLASS (shu_batch_parent_class)->finalize (object);
}

static const ShuProp props[] = {
    SHU_PROP_INT (ShuBatch, size, "batch-size", 1, SHU_BATCH_MAX, 1,
        "Subjects that are collected and worked on in one go: by shustage1 on "
        "a GPU together, as far as there is memory for that, else one after "
        "the other.  One that cannot be worked on is left out with a warning "
        "where this is more than 1"),
    SHU_PROP_INT (ShuBatch, latency, "batch-latency", 0, 3600000, 2000,
        "How long the first subject of a batch waits for others, milliseconds"),
};

static void
shu_batch_class_init (ShuBatchClass *klass)
{
  GstBaseTransformClass *base = GST_BASE_TRANSFORM_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = finalize;
  SHU_PROPS_INSTALL (klass, props);
  base->generate_output = generate_output;
  base->sink_event = sink_event;
  base->stop = stop;
}

static void
shu_batch_init (ShuBatch *self)
{
  g_mutex_init (&self->lock);
  g_cond_init (&self->cond);
  g_queue_init (&self->collected);
  g_queue_init (&self->done);
}
