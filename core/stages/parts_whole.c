/* SPDX-License-Identifier: MIT */
/* Whole stages, from the functions that elements call, over pictures of the
 * built-in body. */
#include "stages/body_private.h"
#include "stages/fields_private.h"
#include "stages/parts_private.h"
#include "stages/stages.h"
#include <string.h>

enum { VIEWS = 5, SEED = 43 };

static ShuStage1Params
stage1_params (const ShuPart *p)
{
  return (ShuStage1Params){
      .seed = -1, .steps = -1, .guidance = -1, .precision = p->precision};
}

static const ShuStage2Params stage2_params = {.seed = -1,
    .steps = -1,
    .cfg_strength = -1,
    .cfg_start = -1,
    .cfg_end = -1,
    .up_size = -1};

/* The body from the front, coloured by place, before white: (transfer full) */
static ShuImage *
picture (int side, int n_channels)
{
  ShuImage *image = shu_image_new (side, side, n_channels);

  for (int y = 0; y < side; y++)
    for (int x = 0; x < side; x++) {
      float at[] = {(x + 0.5f) / side - 0.5f, 0, 0.5f - (y + 0.5f) / side};
      gboolean inside = shu_body_distance (1, at) < 0;
      guint8 rgba[] = {255 * x / side, 255 * y / side, 128, 255};

      if (!inside)
        memset (rgba, 255, 3);
      rgba[3] = inside ? 255 : 0;
      memcpy (
          image->data + n_channels * ((gsize) y * side + x), rgba, n_channels);
    }
  return image;
}

static ShuBundle *
preprocess (ShuPart *p, ShuTensor *cutout, GError **error)
{
  const ShuModelDefaults *d = shu_model_defaults (p->model);

  return shu_stage_preprocess_picture (shu_model_device (p->model), cutout,
      &(ShuPreprocessParams){.seed = SEED,
          .view_size = d->view_size,
          .condition_size = d->condition_size},
      &p->progress, error);
}

static void
take_bundle (ShuPart *p, ShuBundle *b)
{
  p->data = b;
  p->data_free = (GDestroyNotify) shu_bundle_unref;
}

/* ---- stage 1 ---- */

static gboolean
prepare_stage1 (ShuPart *p, GError **error)
{
  const ShuModelDefaults *d = shu_model_defaults (p->model);
  g_autoptr (ShuImage) image = picture (d->view_size, 4);
  g_autoptr (ShuTensor) cutout = shu_tensor_new_image (image);

  p->size = g_strdup_printf ("%d steps", d->steps);
  take_bundle (p, preprocess (p, cutout, error));
  return p->data != NULL;
}

static gboolean
run_stage1 (ShuPart *p, GError **error)
{
  const ShuStage1Params params = stage1_params (p);
  g_autoptr (ShuBundle) views =
      shu_stage_stage1 (p->model, p->data, &params, &p->progress, error);

  return views != NULL;
}

/* ---- stage 2 ---- */

static gboolean
prepare_stage2 (ShuPart *p, GError **error)
{
  const ShuModelDefaults *d = shu_model_defaults (p->model);
  g_autoptr (ShuImage) view = picture (d->view_size, 3);
  g_autoptr (ShuImage) condition = picture (d->condition_size, 3);
  g_autoptr (GArray) voxels = shu_model_body_voxels (p->model);
  ShuTensor *coords =
      shu_tensor_new (SHU_DTYPE_I32, SHU_DIMS (voxels->len / 4, 4));
  ShuImage *views[VIEWS];
  ShuBundle *b = shu_bundle_new ("views");

  for (int v = 0; v < VIEWS; v++)
    views[v] = view;
  shu_bundle_put_images (b, "color", VIEWS, views);
  shu_bundle_put_images (b, "normal", VIEWS, views);
  shu_bundle_put_image (b, "condition", condition);
  memcpy (coords->data, voxels->data, shu_tensor_bytes (coords));
  shu_bundle_take (b, "coords", coords);
  shu_bundle_set_int (b, "seed", SEED);
  take_bundle (p, b);
  p->size = g_strdup_printf ("%u voxels", voxels->len / 4);
  return TRUE;
}

static gboolean
run_stage2 (ShuPart *p, GError **error)
{
  g_autoptr (ShuBundle) asset =
      shu_stage_stage2 (p->model, p->data, &stage2_params, &p->progress, error);

  return asset != NULL;
}

/* ---- both, and what comes before ---- */

static gboolean
prepare_job (ShuPart *p, GError **error)
{
  g_autoptr (ShuImage) photo = picture (1024, 3);

  p->data = shu_tensor_new_image (photo);
  p->data_free = (GDestroyNotify) shu_tensor_unref;
  p->size = g_strdup ("photo decoded to asset");
  return TRUE;
}

static gboolean
run_job (ShuPart *p, GError **error)
{
  g_autoptr (ShuTensor) cutout =
      shu_stage_matting_picture (p->model, p->data, NULL, &p->progress, error);
  g_autoptr (ShuBundle) subject = cutout ? preprocess (p, cutout, error) : NULL;
  g_autoptr (ShuBundle) views = NULL, asset = NULL;
  const ShuStage1Params params = stage1_params (p);

  if (!subject)
    return FALSE;
  views = shu_stage_stage1 (p->model, subject, &params, &p->progress, error);
  if (!views)
    return FALSE;
  asset =
      shu_stage_stage2 (p->model, views, &stage2_params, &p->progress, error);
  return asset != NULL;
}

const ShuPartKind shu_parts_whole[] = {
    {"stage1", SHU_N_NETS, 1 << SHU_PART_STAGE1, prepare_stage1, run_stage1},
    {"stage2", SHU_N_NETS, 1 << SHU_PART_STAGE2, prepare_stage2, run_stage2},
    {"job", SHU_N_NETS,
        1 << SHU_PART_CUT_OUT | 1 << SHU_PART_STAGE1 | 1 << SHU_PART_STAGE2,
        prepare_job, run_job},
    {NULL},
};
