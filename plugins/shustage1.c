/* SPDX-License-Identifier: MIT */
/**
 * SECTION:element-shustage1
 * @title: shustage1
 * @short_description: five views, their normals and the voxels
 *
 * Stage 1 of SyncHuman (arXiv 2510.07723, section 3.2): a diffusion model that
 * makes five colour and five normal views and the sparse voxels of the person
 * in one go.
 *
 * With batch-size=N up to N people go through it together, which a GPU does a
 * little faster than one after the other; they come out in the same order.
 *
 * The pad "preview", on request, shows the ten views while they come about:
 * colours above normals, person above person, a coarse picture every
 * preview-interval steps, ten to a second.  It never delays the work.  A window
 * should show pictures as they come (sync=false), and the file's sink must not
 * make the pipeline wait for the result before it plays (async=false).
 *
 * |[
 * gst-launch-1.0 filesrc location=photo.jpg ! shuphotodec ! shumatting !
 * shupreprocess ! shustage1 num-inference-steps=20 ! shuviews ! pngenc !
 * multifilesink location=view-%02d.png
 * ]|
 * |[
 * gst-launch-1.0 filesrc location=photo.jpg ! shuphotodec ! shumatting !
 * shupreprocess ! shustage1 name=s ! shustage2 ! shumesh ! shutexture !
 * shuglbmux ! filesink location=photo.glb async=false  s.preview !
 * videoconvert ! autovideosink sync=false
 * ]|
 */
#include "batch.h"
#include "previewpad.h"

typedef struct {
  ShuBatch parent;
  gint64 seed;
  int steps;
  double guidance;
  int preview_interval;
  int precision; /* ShuPrecision */
  char *noise_gpu;
  ShuPreviewPad *preview; /* under the object lock; NULL: nobody looks */
} ShuStage1;

typedef ShuBatchClass ShuStage1Class;

GType shu_stage1_get_type (void);
G_DEFINE_FINAL_TYPE (ShuStage1, shu_stage1, SHU_TYPE_BATCH)
GST_ELEMENT_REGISTER_DEFINE (
    shustage1, "shustage1", GST_RANK_NONE, shu_stage1_get_type ())

static GstStaticPadTemplate sink_template =
    GST_STATIC_PAD_TEMPLATE ("sink", GST_PAD_SINK, GST_PAD_ALWAYS,
        GST_STATIC_CAPS (SHU_BUNDLE_CAPS_ANYWHERE ("subject")));
static GstStaticPadTemplate src_template =
    GST_STATIC_PAD_TEMPLATE ("src", GST_PAD_SRC, GST_PAD_ALWAYS,
        GST_STATIC_CAPS (SHU_BUNDLE_CAPS_ANYWHERE ("views")));

static GstStaticPadTemplate preview_template =
    GST_STATIC_PAD_TEMPLATE ("preview", GST_PAD_SRC, GST_PAD_REQUEST,
        GST_STATIC_CAPS (
            "video/x-raw, format=(string)RGB, "
            "width=[1,16384], height=[1,16384], framerate=(fraction)10/1"));

static GType
precision_type (void)
{
  static GType type;
  static const GEnumValue values[] = {
      {SHU_PRECISION_F16, "As the device always does: f16 on a GPU", "f16"},
      {SHU_PRECISION_FP8, "E4M3 where it pays: faster, and less exact", "fp8"},
      {0, NULL, NULL},
  };

  if (g_once_init_enter (&type))
    g_once_init_leave (
        &type, g_enum_register_static ("ShuStage1Precision", values));
  return type;
}

static const ShuProp props[] = {
    SHU_PROP_SEED (ShuStage1, seed, "seed", -1,
        "Seed of the noise (-1: the one that came with the subject; official "
        "43)"),
    SHU_PROP_MODEL_INT (ShuStage1, steps, "num-inference-steps", 1, 1000,
        "Denoising steps (-1: the model's; official 50)"),
    SHU_PROP_MODEL_DOUBLE (ShuStage1, guidance, "guidance-scale", 0, 20,
        "Weight of the condition (-1: the model's; official 3.0)"),
    SHU_PROP_INT (ShuStage1, preview_interval, "preview-interval", 1, 1000, 1,
        "Steps from one picture at the pad \"preview\" to the next"),
    SHU_PROP_ENUM (ShuStage1, precision, "precision", precision_type,
        SHU_PRECISION_F16,
        "What the denoiser computes in; fp8 needs a GPU of compute capability "
        "9.0 (H100, H200)"),
    SHU_PROP_STRING (ShuStage1, noise_gpu, "noise-gpu",
        "The GPU whose noise a seed means, on every device: what PyTorch draws "
        "depends on it.  h100, h200, h800 (the same), a100, rtx4090, a40, or "
        "multiprocessors x threads of each of another, e.g. 82x1536 (unset: "
        "h100, as official)"),
};

/* Tells shupreprocess which sizes the model wants. */
static GstCaps *
transform_caps (GstBaseTransform *trans, GstPadDirection direction,
    GstCaps *caps, GstCaps *filter)
{
  GstPad *other = direction == GST_PAD_SINK ? trans->srcpad : trans->sinkpad;
  g_autoptr (GstCaps) all =
      shu_transform_caps_of (SHU_TRANSFORM (trans), other);
  g_autoptr (ShuModel) model = NULL;

  if (direction == GST_PAD_SRC && shu_transform_started (SHU_TRANSFORM (trans)))
    model = shu_transform_model (SHU_TRANSFORM (trans), NULL);
  if (model) {
    const ShuModelDefaults *d = shu_model_defaults (model);

    all = gst_caps_make_writable (g_steal_pointer (&all));
    gst_caps_set_simple (all, "view-size", G_TYPE_INT, d->view_size,
        "condition-size", G_TYPE_INT, d->condition_size, NULL);
  }
  return filter
             ? gst_caps_intersect_full (filter, all, GST_CAPS_INTERSECT_FIRST)
             : g_steal_pointer (&all);
}

/* ---- preview ---- */

/* (transfer full) (nullable) */
static ShuPreviewPad *
ref_preview (ShuStage1 *self)
{
  ShuPreviewPad *pad;

  GST_OBJECT_LOCK (self);
  pad = self->preview ? g_object_ref (self->preview) : NULL;
  GST_OBJECT_UNLOCK (self);
  return pad;
}

static GstPad *
request_new_pad (GstElement *element, GstPadTemplate *templ, const char *name,
    const GstCaps *caps)
{
  ShuStage1 *self = (ShuStage1 *) element;
  ShuPreviewPad *pad = shu_preview_pad_new (templ, "preview");

  if (!gst_element_add_pad (element, GST_PAD (pad)))
    return NULL; /* there is one; it has said so */
  GST_OBJECT_LOCK (self);
  self->preview = pad;
  GST_OBJECT_UNLOCK (self);
  return GST_PAD (pad);
}

static void
release_pad (GstElement *element, GstPad *pad)
{
  ShuStage1 *self = (ShuStage1 *) element;

  GST_OBJECT_LOCK (self);
  self->preview = NULL;
  GST_OBJECT_UNLOCK (self);
  gst_pad_set_active (pad, FALSE);
  gst_element_remove_pad (element, pad);
}

/* The preview ends after the last subjects, and before the stream: a sink that
 * has seen its end may wait for the other one. */
static gboolean
sink_event (GstBaseTransform *trans, GstEvent *event)
{
  g_autoptr (ShuPreviewPad) preview = ref_preview ((ShuStage1 *) trans);

  if (GST_EVENT_TYPE (event) == GST_EVENT_EOS &&
      shu_batch_drain (SHU_BATCH (trans)) == GST_FLOW_ERROR) {
    gst_event_unref (event);
    return FALSE;
  }
  if (preview)
    shu_preview_pad_event (preview, GST_EVENT_TYPE (event));
  return GST_BASE_TRANSFORM_CLASS (shu_stage1_parent_class)
      ->sink_event (trans, event);
}

static void
show (const ShuImage *picture, gpointer preview)
{
  shu_preview_pad_show (preview, picture);
}

static gboolean
run_batch (ShuBatch *batch, int n, const ShuBundle *const *in,
    const ShuProgress *progress, ShuOutcome *ret, GError **error)
{
  ShuStage1 *self = (ShuStage1 *) batch;
  g_autoptr (ShuModel) model =
      shu_transform_model (SHU_TRANSFORM (batch), error);
  g_autoptr (ShuPreviewPad) preview = ref_preview (self);
  g_autofree char *noise_gpu = NULL;
  ShuStage1Params params;

  if (!model)
    return FALSE;
  GST_OBJECT_LOCK (self);
  noise_gpu = g_strdup (self->noise_gpu);
  params = (ShuStage1Params){.seed = self->seed,
      .steps = self->steps,
      .guidance = self->guidance,
      .precision = (ShuPrecision) self->precision,
      .preview = preview ? show : NULL,
      .preview_data = preview,
      .preview_interval = self->preview_interval,
      .noise_gpu = noise_gpu};
  GST_OBJECT_UNLOCK (self);
  return shu_stage_stage1_batch (model, n, in, &params, progress, ret, error);
}

static void
shu_stage1_class_init (ShuStage1Class *klass)
{
  GstElementClass *element = GST_ELEMENT_CLASS (klass);

  shu_transform_class_use_model (SHU_TRANSFORM_CLASS (klass));
  SHU_PROPS_INSTALL (klass, props);
  klass->run_batch = run_batch;
  element->request_new_pad = request_new_pad;
  element->release_pad = release_pad;
  GST_BASE_TRANSFORM_CLASS (klass)->transform_caps = transform_caps;
  GST_BASE_TRANSFORM_CLASS (klass)->sink_event = sink_event;
  gst_element_class_add_static_pad_template (element, &sink_template);
  gst_element_class_add_static_pad_template (element, &src_template);
  gst_element_class_add_static_pad_template (element, &preview_template);
  gst_element_class_set_static_metadata (element, "SyncHuman stage 1",
      "Filter/Converter",
      "Makes five colour and normal views and the voxels of a person",
      "The synchuman authors");
}

static void
shu_stage1_init (ShuStage1 *self)
{
}
