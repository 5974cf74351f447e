/* SPDX-License-Identifier: MIT */
#include "transform.h"

G_DEFINE_ABSTRACT_TYPE (ShuTransform, shu_transform, GST_TYPE_BASE_TRANSFORM)

ShuModel *
shu_transform_model (ShuTransform *self, GError **error)
{
  return shu_model_user_get (&self->user, GST_ELEMENT (self), error);
}

gboolean
shu_transform_started (ShuTransform *self)
{
  return g_atomic_int_get (&self->started);
}

static gboolean
start (GstBaseTransform *trans)
{
  ShuTransform *p = SHU_TRANSFORM (trans);
  g_autoptr (GError) error = NULL;

  if (!shu_props_check (trans, &error)) {
    GST_ELEMENT_ERROR (trans, LIBRARY, SETTINGS, ("%s.", error->message),
        ("the element does not start with it"));
    return FALSE;
  }
  shu_model_user_publish (&p->user, GST_ELEMENT (trans));
  g_atomic_int_set (&p->started, TRUE);
  /* others of ours wait for what elements that start later say */
  if (p->user.device)
    shu_cuda_share_start (GST_ELEMENT (trans), p->user.device, &p->cuda);
  return TRUE;
}

static gboolean
stop (GstBaseTransform *trans)
{
  ShuTransform *p = SHU_TRANSFORM (trans);

  g_atomic_int_set (&p->started, FALSE);
  shu_model_user_clear (&p->user, GST_ELEMENT (trans));
  gst_object_replace (&p->cuda, NULL);
  return TRUE;
}

/* Without a model nothing is known of devices; what is wrong with it is said
 * when data comes. */
char *
shu_transform_device (ShuTransform *self)
{
  g_autoptr (ShuModel) model = NULL;

  if (SHU_TRANSFORM_GET_CLASS (self)->uses_model &&
      shu_transform_started (self))
    model = shu_transform_model (self, NULL);
  return g_strdup (model ? shu_model_device (model) : "cpu");
}

/* What is given is on @device; what is taken may be on any other of CUDA's,
 * from which it is copied. */
static void
set_devices (GstStructure *s, const char *device, gboolean taken)
{
  GValue list = G_VALUE_INIT, item = G_VALUE_INIT;
  int number = shu_cuda_device_number (device);
  int n = taken && number >= 0 ? shu_cuda_n_devices () : 0;

  if (n < 2) {
    gst_structure_set (s, "device", G_TYPE_STRING, device, NULL);
    return;
  }
  gst_value_list_init (&list, n);
  g_value_init (&item, G_TYPE_STRING);
  for (int i = 0; i < n; i++) {
    /* its own first */
    g_value_take_string (&item, g_strdup_printf ("cuda:%d", (number + i) % n));
    gst_value_list_append_value (&list, &item);
  }
  g_value_unset (&item);
  gst_structure_take_value (s, "device", &list);
}

/* Without being asked for one, a device is as good as another. */
GstCaps *
shu_transform_caps_of (ShuTransform *self, GstPad *pad)
{
  g_autoptr (GstCaps) templ = gst_pad_get_pad_template_caps (pad);
  g_autofree char *device = shu_transform_device (self);
  GstCaps *caps;

  if (!SHU_TRANSFORM_GET_CLASS (self)->uses_model ||
      !shu_transform_started (self))
    return g_steal_pointer (&templ);
  caps = gst_caps_new_empty ();
  for (guint i = 0; i < gst_caps_get_size (templ); i++) {
    GstCapsFeatures *features = gst_caps_get_features (templ, i);
    gboolean ours =
        gst_caps_features_contains (features, SHU_CAPS_FEATURE_DEVICE);
    gboolean cuda =
        gst_caps_features_contains (features, SHU_CAPS_FEATURE_CUDA);
    GstStructure *s;

    if ((ours && strcmp (device, "cpu") == 0) ||
        (cuda && shu_cuda_device_number (device) < 0))
      continue;
    s = gst_structure_copy (gst_caps_get_structure (templ, i));
    if (ours)
      set_devices (s, device, GST_PAD_IS_SINK (pad));
    gst_caps_append_structure_full (caps, s, gst_caps_features_copy (features));
  }
  return caps;
}

char *
shu_transform_out_device (ShuTransform *self)
{
  g_autoptr (GstCaps) caps =
      gst_pad_get_current_caps (GST_BASE_TRANSFORM_SRC_PAD (self));

  return g_strdup (shu_caps_device (caps));
}

static gboolean
on_device (const GstCaps *caps, guint i)
{
  return gst_caps_features_contains (
      gst_caps_get_features (caps, i), SHU_CAPS_FEATURE_DEVICE);
}

/* Appends @s, memory of a device, for every one of @caps. */
static void
append_devices (GstCaps *ret, const GstStructure *s, const GstCaps *caps)
{
  for (guint i = 0; i < gst_caps_get_size (caps); i++) {
    const GValue *device =
        gst_structure_get_value (gst_caps_get_structure (caps, i), "device");
    GstStructure *copy;

    if (!on_device (caps, i))
      continue;
    copy = gst_structure_copy (s);
    if (device)
      gst_structure_set_value (copy, "device", device);
    gst_caps_append_structure_full (
        ret, copy, gst_caps_features_new (SHU_CAPS_FEATURE_DEVICE, NULL));
  }
}

/* Of an element without a model, which works where its input is and leaves
 * there what it was given: @all of the other pad with the devices of @caps.
 * Input of a device may be had in host memory, but not the other way round. */
static GstCaps *
keep_devices (GstPadDirection direction, GstCaps *caps, const GstCaps *all)
{
  GstCaps *ret = gst_caps_new_empty ();
  gboolean from_host = gst_caps_is_any (caps);

  for (guint i = 0; i < gst_caps_get_size (caps); i++)
    from_host |= !on_device (caps, i);
  for (guint i = 0; i < gst_caps_get_size (all); i++) {
    const GstStructure *s = gst_caps_get_structure (all, i);
    gboolean ours = on_device (all, i);

    if (direction == GST_PAD_SINK ? !ours : from_host)
      gst_caps_append_structure_full (ret, gst_structure_copy (s),
          gst_caps_features_copy (gst_caps_get_features (all, i)));
    else if (ours)
      append_devices (ret, s, caps);
  }
  return ret;
}

/* What the other pad can be; elements whose pads depend on each other in more
 * than that say so themselves. */
static GstCaps *
transform_caps (GstBaseTransform *trans, GstPadDirection direction,
    GstCaps *caps, GstCaps *filter)
{
  GstPad *other = direction == GST_PAD_SINK ? trans->srcpad : trans->sinkpad;
  g_autoptr (GstCaps) all =
      shu_transform_caps_of (SHU_TRANSFORM (trans), other);

  if (!SHU_TRANSFORM_GET_CLASS (trans)->uses_model) {
    GstCaps *kept = keep_devices (direction, caps, all);

    gst_caps_replace (&all, kept);
    gst_caps_unref (kept);
  }

  return filter
             ? gst_caps_intersect_full (filter, all, GST_CAPS_INTERSECT_FIRST)
             : g_steal_pointer (&all);
}

static gboolean
accept_caps (GstBaseTransform *trans, GstPadDirection direction, GstCaps *caps)
{
  GstPad *pad = direction == GST_PAD_SINK ? trans->sinkpad : trans->srcpad;
  g_autoptr (GstCaps) all = shu_transform_caps_of (SHU_TRANSFORM (trans), pad);

  return gst_caps_can_intersect (caps, all);
}

/* How large the result is turns out when it is there. */
static GstFlowReturn
prepare_output_buffer (
    GstBaseTransform *trans, GstBuffer *in, GstBuffer **ret_out)
{
  *ret_out = gst_buffer_new ();
  gst_buffer_copy_into (
      *ret_out, in, GST_BUFFER_COPY_FLAGS | GST_BUFFER_COPY_TIMESTAMPS, 0, -1);
  return GST_FLOW_OK;
}

static gboolean
decide_allocation (GstBaseTransform *trans, GstQuery *query)
{
  return TRUE;
}

static gboolean
process_bundle (ShuTransform *self, GstBuffer *in, GstBuffer *out,
    const ShuProgress *progress, GError **error)
{
  g_autoptr (ShuBundle) from = shu_buffer_get_bundle (in, error);
  g_autoptr (ShuBundle) to = NULL;

  if (from)
    to = SHU_TRANSFORM_GET_CLASS (self)->run (self, from, progress, error);
  return to && shu_transform_fill_bundle (self, out, to, error);
}

gboolean
shu_transform_fill_bundle (
    ShuTransform *self, GstBuffer *out, const ShuBundle *b, GError **error)
{
  g_autofree char *device = shu_transform_out_device (self);
  g_autoptr (ShuBundle) host = NULL;

  if (!device && !(host = shu_bundle_to_host (b, self->traffic, error)))
    return FALSE;
  return shu_buffer_fill_bundle (out, host ? host : b, self->traffic, error);
}

static GstFlowReturn
transform (GstBaseTransform *trans, GstBuffer *in, GstBuffer *out)
{
  ShuTransform *self = SHU_TRANSFORM (trans);
  ShuProgress progress = {shu_report_progress, &self->report,
      self->stop.cancellable, self->traffic};
  g_autoptr (GError) error = NULL;

  if (!g_cancellable_set_error_if_cancelled (self->stop.cancellable, &error))
    SHU_TRANSFORM_GET_CLASS (self)->process (self, in, out, &progress, &error);
  shu_report_done (&self->report, error);
  return error ? shu_report_error (GST_ELEMENT (self), error) : GST_FLOW_OK;
}

/* Not serialised with the data: this is how a flush gets through while
 * transform() works. */
static gboolean
sink_event (GstBaseTransform *trans, GstEvent *event)
{
  ShuTransform *p = SHU_TRANSFORM (trans);

  shu_stop_event (&p->stop, GST_ELEMENT (trans), event);
  return GST_BASE_TRANSFORM_CLASS (shu_transform_parent_class)
      ->sink_event (trans, event);
}

static GstStateChangeReturn
change_state (GstElement *element, GstStateChange change)
{
  ShuTransform *p = SHU_TRANSFORM (element);

  shu_stop_change_state (&p->stop, element, change);
  return GST_ELEMENT_CLASS (shu_transform_parent_class)
      ->change_state (element, change);
}

static gboolean
answer (ShuTransform *self, GstQuery *q)
{
  g_autofree char *device = NULL;

  if (!shu_cuda_share_is_query (q))
    return shu_model_user_query (GST_ELEMENT (self), q);
  if (!SHU_TRANSFORM_GET_CLASS (self)->uses_model ||
      !shu_transform_started (self))
    return FALSE;
  device = shu_model_user_device (&self->user, GST_ELEMENT (self));
  return shu_cuda_share_query (GST_ELEMENT (self), device, &self->cuda, q);
}

static gboolean
query (GstBaseTransform *trans, GstPadDirection direction, GstQuery *q)
{
  return answer (SHU_TRANSFORM (trans), q) ||
         GST_BASE_TRANSFORM_CLASS (shu_transform_parent_class)
             ->query (trans, direction, q);
}

static void
finalize (GObject *object)
{
  ShuTransform *p = SHU_TRANSFORM (object);

  shu_props_clear (object);
  g_free (p->user.model);
  g_free (p->user.device);
  g_free (p->user.memory);
  g_object_unref (p->stop.cancellable);
  shu_traffic_unref (p->traffic);
  G_OBJECT_CLASS (shu_transform_parent_class)->finalize (object);
}

static const ShuProp props[] = {
    SHU_PROP_TRAFFIC (ShuTransform, traffic, "stats",
        "What has been copied between host memory and a device, and across "
        "from another device, by kind (tensor, image, mesh, count, preview): "
        "KIND-up, KIND-down, KIND-across in bytes, KIND-n-up, KIND-n-down, "
        "KIND-n-across copies"),
};

static void
shu_transform_class_init (ShuTransformClass *klass)
{
  GstBaseTransformClass *base = GST_BASE_TRANSFORM_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = finalize;
  GST_ELEMENT_CLASS (klass)->change_state = change_state;
  base->start = start;
  base->stop = stop;
  base->transform_caps = transform_caps;
  base->accept_caps = accept_caps;
  base->prepare_output_buffer = prepare_output_buffer;
  base->decide_allocation = decide_allocation;
  base->transform = transform;
  base->sink_event = sink_event;
  base->query = query;
  klass->process = process_bundle;
  SHU_PROPS_INSTALL (klass, props);
}

static void
shu_transform_init (ShuTransform *self)
{
  self->stop.cancellable = g_cancellable_new ();
  self->traffic = shu_traffic_new ();
  self->report.element = GST_ELEMENT (self);
  gst_base_transform_set_qos_enabled (GST_BASE_TRANSFORM (self), FALSE);
}

static const ShuProp model_props[] = {
    SHU_PROP_SETTLED_STRING (ShuTransform, user.model, "model",
        "Model folder, or synthetic:SEED for weights from a formula and a "
        "body of 6000 voxels, synthetic:SEED?voxels=N for another (unset: "
        "that of another element of the pipeline, else the environment's "
        "SHU_MODEL, else the first folder found)"),
    SHU_PROP_SETTLED_STRING (ShuTransform, user.device, "device",
        "Where to compute: auto, cpu or cuda:N (unset: that of another element "
        "of the "
        "pipeline, else the environment's SHU_DEVICE, else auto)"),
    SHU_PROP_SETTLED_STRING (ShuTransform, user.memory, "memory",
        "Of a GPU: normal keeps all networks there, low only those that work, "
        "auto does the one where it fits and else the other (unset: that of "
        "another element of the pipeline, else the environment's SHU_MEMORY, "
        "else auto)"),
};

void
shu_transform_class_use_model (ShuTransformClass *klass)
{
  klass->uses_model = TRUE;
  SHU_PROPS_INSTALL (klass, model_props);
}
