/* SPDX-License-Identifier: MIT */
/**
 * SECTION:element-shupreprocess
 * @title: shupreprocess
 * @short_description: crops and scales the person for the networks
 *
 * Makes the inputs of #shustage1 out of a cut-out: body, face and condition
 * image, in the sizes that the caps of the element behind ask for (fields
 * view-size and condition-size), else in those of the model.
 *
 * |[
 * gst-launch-1.0 filesrc location=cutout.png ! shuphotodec ! shumatting !
 * shupreprocess seed=7 ! shubundleenc ! filesink location=subject.safetensors
 * ]|
 */
#include "transform.h"
#include "video.h"

typedef struct {
  ShuTransform parent;
  GstVideoInfo info;
  int view_size, condition_size;
  gint64 seed;
} ShuPreprocess;

typedef ShuTransformClass ShuPreprocessClass;

GType shu_preprocess_get_type (void);
G_DEFINE_FINAL_TYPE (ShuPreprocess, shu_preprocess, SHU_TYPE_TRANSFORM)
GST_ELEMENT_REGISTER_DEFINE (
    shupreprocess, "shupreprocess", GST_RANK_NONE, shu_preprocess_get_type ())

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE (
    "sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS (SHU_CUTOUT_CAPS));
static GstStaticPadTemplate src_template =
    GST_STATIC_PAD_TEMPLATE ("src", GST_PAD_SRC, GST_PAD_ALWAYS,
        GST_STATIC_CAPS (SHU_BUNDLE_CAPS_ANYWHERE (
            "subject, view-size=[24,4096], condition-size=[14,4096]")));

static const ShuProp props[] = {
    SHU_PROP_SEED (ShuPreprocess, seed, "seed", 43,
        "Seed of all noise that the later stages draw, unless they have their "
        "own (official 43; -1: 43)"),
};

/* Sizes that the next element leaves open are the model's. */
static GstCaps *
fixate_caps (GstBaseTransform *trans, GstPadDirection direction, GstCaps *caps,
    GstCaps *other)
{
  g_autoptr (ShuModel) model = NULL;
  GstStructure *s;

  if (direction == GST_PAD_SRC)
    return gst_caps_fixate (other);
  other = gst_caps_make_writable (gst_caps_truncate (other));
  s = gst_caps_get_structure (other, 0);
  /* without a model the elements that need one say so when data comes */
  if (gst_structure_get_field_type (s, "view-size") != G_TYPE_INT ||
      gst_structure_get_field_type (s, "condition-size") != G_TYPE_INT)
    model = shu_transform_model (SHU_TRANSFORM (trans), NULL);
  if (model) {
    const ShuModelDefaults *d = shu_model_defaults (model);

    gst_structure_fixate_field_nearest_int (s, "view-size", d->view_size);
    gst_structure_fixate_field_nearest_int (
        s, "condition-size", d->condition_size);
  }
  return gst_caps_fixate (other);
}

static gboolean
set_caps (GstBaseTransform *trans, GstCaps *in, GstCaps *out)
{
  ShuPreprocess *self = (ShuPreprocess *) trans;
  const GstStructure *s = gst_caps_get_structure (out, 0);

  return gst_video_info_from_caps (&self->info, in) &&
         gst_structure_get_int (s, "view-size", &self->view_size) &&
         gst_structure_get_int (s, "condition-size", &self->condition_size);
}

static gboolean
process (ShuTransform *trans, GstBuffer *in, GstBuffer *out,
    const ShuProgress *progress, GError **error)
{
  ShuPreprocess *self = (ShuPreprocess *) trans;
  g_autofree char *here = shu_transform_device (trans);
  g_autoptr (ShuTensor) cutout =
      shu_buffer_get_picture (in, &self->info, here, trans->traffic, error);
  g_autofree char *device = shu_transform_out_device (trans);
  g_autoptr (ShuBundle) subject = NULL;
  ShuPreprocessParams params = {
      .view_size = self->view_size, .condition_size = self->condition_size};

  if (!cutout)
    return FALSE;
  GST_OBJECT_LOCK (self);
  params.seed = self->seed < 0 ? 43 : self->seed;
  GST_OBJECT_UNLOCK (self);
  subject =
      shu_stage_preprocess_picture (device, cutout, &params, progress, error);
  if (!subject || !shu_transform_fill_bundle (trans, out, subject, error))
    return FALSE;
  gst_element_post_message (GST_ELEMENT (self),
      gst_message_new_element (GST_OBJECT (self),
          gst_structure_new ("synchuman-subject", "alpha-coverage",
              G_TYPE_DOUBLE, shu_bundle_double (subject, "alpha-coverage", 0),
              NULL)));
  return TRUE;
}

static void
shu_preprocess_class_init (ShuPreprocessClass *klass)
{
  GstElementClass *element = GST_ELEMENT_CLASS (klass);

  shu_transform_class_use_model (klass);
  SHU_PROPS_INSTALL (klass, props);
  klass->process = process;
  GST_BASE_TRANSFORM_CLASS (klass)->fixate_caps = fixate_caps;
  GST_BASE_TRANSFORM_CLASS (klass)->set_caps = set_caps;
  shu_element_class_add_frames (element, &sink_template);
  gst_element_class_add_static_pad_template (element, &src_template);
  gst_element_class_set_static_metadata (element, "Person framing",
      "Filter/Converter/Video",
      "Crops and scales a cut-out person into the inputs of shustage1",
      "The synchuman authors");
}

static void
shu_preprocess_init (ShuPreprocess *self)
{
}
