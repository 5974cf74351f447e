/* SPDX-License-Identifier: MIT */
/**
 * SECTION:element-shustage2
 * @title: shustage2
 * @short_description: from views and voxels to a surface and Gaussians
 *
 * Stage 2 of SyncHuman (section 3.3): structured latents (TRELLIS, arXiv
 * 2412.01506) from the views and the voxels, decoded to mesh features and
 * Gaussians.
 *
 * |[
 * gst-launch-1.0 filesrc location=views.safetensors ! shubundledec ! shustage2
 * ! shumesh ! shutexture ! shuglbmux ! filesink location=photo.glb
 * ]|
 */
#include "batch.h"

typedef struct {
  ShuBatch parent;
  gint64 seed;
  int steps;
  double cfg_strength, cfg_start, cfg_end;
  int up_size;
} ShuStage2;

typedef ShuBatchClass ShuStage2Class;

GType shu_stage2_get_type (void);
G_DEFINE_FINAL_TYPE (ShuStage2, shu_stage2, SHU_TYPE_BATCH)
GST_ELEMENT_REGISTER_DEFINE (
    shustage2, "shustage2", GST_RANK_NONE, shu_stage2_get_type ())

static GstStaticPadTemplate sink_template =
    GST_STATIC_PAD_TEMPLATE ("sink", GST_PAD_SINK, GST_PAD_ALWAYS,
        GST_STATIC_CAPS (SHU_BUNDLE_CAPS_ANYWHERE ("views")));
static GstStaticPadTemplate src_template =
    GST_STATIC_PAD_TEMPLATE ("src", GST_PAD_SRC, GST_PAD_ALWAYS,
        GST_STATIC_CAPS (SHU_BUNDLE_CAPS_ANYWHERE ("asset")));

static const ShuProp props[] = {
    SHU_PROP_SEED (ShuStage2, seed, "seed", -1,
        "Seed of the noise (-1: the one that came with the views; official "
        "43)"),
    SHU_PROP_MODEL_INT (ShuStage2, steps, "num-steps", 1, 1000,
        "Steps of the flow (-1: the model's; official 25)"),
    SHU_PROP_MODEL_DOUBLE (ShuStage2, cfg_strength, "cfg-strength", 0, 20,
        "Weight of the condition (-1: the model's; official 5.0)"),
    SHU_PROP_MODEL_DOUBLE (ShuStage2, cfg_start, "cfg-interval-start", 0, 1,
        "Time of the flow from which the weight counts (-1: the model's; "
        "official 0.5)"),
    SHU_PROP_MODEL_DOUBLE (ShuStage2, cfg_end, "cfg-interval-end", 0, 1,
        "Time of the flow up to which the weight counts (-1: the model's; "
        "official 1.0)"),
    SHU_PROP_MODEL_INT (ShuStage2, up_size, "up-size", 14, 2044,
        "Side to which the views are scaled to be looked at, pixels, a "
        "multiple "
        "of 14 (-1: the model's; official 896)"),
};

static gboolean
run_batch (ShuBatch *batch, int n, const ShuBundle *const *in,
    const ShuProgress *progress, ShuOutcome *ret, GError **error)
{
  ShuStage2 *self = (ShuStage2 *) batch;
  g_autoptr (ShuModel) model =
      shu_transform_model (SHU_TRANSFORM (batch), error);
  ShuStage2Params params;

  if (!model)
    return FALSE;
  GST_OBJECT_LOCK (self);
  params = (ShuStage2Params){.seed = self->seed,
      .steps = self->steps,
      .cfg_strength = self->cfg_strength,
      .cfg_start = self->cfg_start,
      .cfg_end = self->cfg_end,
      .up_size = self->up_size};
  GST_OBJECT_UNLOCK (self);
  return shu_stage_stage2_batch (model, n, in, &params, progress, ret, error);
}

static void
shu_stage2_class_init (ShuStage2Class *klass)
{
  GstElementClass *element = GST_ELEMENT_CLASS (klass);

  shu_transform_class_use_model (SHU_TRANSFORM_CLASS (klass));
  SHU_PROPS_INSTALL (klass, props);
  klass->run_batch = run_batch;
  gst_element_class_add_static_pad_template (element, &sink_template);
  gst_element_class_add_static_pad_template (element, &src_template);
  gst_element_class_set_static_metadata (element, "SyncHuman stage 2",
      "Filter/Converter",
      "Makes mesh features and Gaussians out of views and voxels",
      "The synchuman authors");
}

static void
shu_stage2_init (ShuStage2 *self)
{
}
