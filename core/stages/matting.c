/* SPDX-License-Identifier: MIT */
/* Cuts the person out, once, before everything else (docs/architecture.md,
 * decisions).  Pictures with transparency of their own pass. */
#include "stages/stages.h"
#include "base/error.h"
#include "formats/preprocess.h"
#include "formats/subject.h"
#include "models/u2net.h"
#include "stages/body_private.h"
#include "stages/model_private.h"
#include <math.h>

/* Formula weights see nobody: the built-in body's front stands in. */
static void
set_body (int side, float *p)
{
  for (int y = 0; y < side; y++)
    for (int x = 0; x < side; x++) {
      float point[] = {(x + 0.5f) / side - 0.5f, 0, 0.5f - (y + 0.5f) / side};

      p[y * side + x] = shu_body_distance (point) < 0;
    }
}

static int
input_side (ShuModel *model, GError **error)
{
  g_autoptr (ShuConfig) config =
      shu_model_config (model, "OneStage/matting/config.json", error);
  int side = config ? shu_config_int (config, "sample_size", 32, 1024, 320) : 0;

  return config && shu_config_finish (config, error) ? side : 0;
}

/* Person or not, 0..1, at the network's size: (transfer full) [side,side] */
static float *
run_network (ShuModel *model, const ShuImage *picture, int side,
    const ShuProgress *progress, GError **error)
{
  const ShuU2net *net = shu_model_net (model, SHU_NET_MATTING, error);
  g_autoptr (ShuCtx) c = NULL;
  g_autofree float *in = NULL, *p = NULL;

  if (!net)
    return NULL;
  c = shu_model_context (model, progress, error);
  if (!c)
    return NULL;
  in = g_new (float, (gsize) 3 * side * side);
  p = g_new (float, (gsize) side *side);
  shu_ctx_set_part (c, "u2net");
  shu_matting_input (picture, side, in);
  {
    SHU_SCOPE (c);
    ShuTensor *x =
        shu_from_host (c, SHU_DTYPE_F32, SHU_DIMS (1, side, side, 3), in);

    shu_fetch (c, shu_u2net (c, net, x, NULL), (gsize) side * side, p);
  }
  if (!shu_ctx_finish (c, error))
    return NULL;
  if (shu_model_is_synthetic (model))
    set_body (side, p);
  return g_steal_pointer (&p);
}

static ShuImage *
cut_out (ShuModel *model, const ShuImage *photo, const ShuProgress *progress,
    GError **error)
{
  g_autoptr (ShuImage) picture = shu_matting_picture (photo);
  g_autoptr (ShuImage) mask = NULL;
  g_autofree float *p = NULL;
  float most = 0;
  int side = input_side (model, error);

  if (side)
    p = run_network (model, picture, side, progress, error);
  if (!p)
    return NULL;
  /* the mask is stretched to the full range below, so a picture without
   * anybody would give somebody */
  for (int i = 0; i < side * side; i++)
    most = isnan (p[i]) ? INFINITY : MAX (most, p[i]);
  if (most < 0.5f) {
    g_set_error (error, SHU_ERROR, SHU_ERROR_NO_PERSON,
        "no person was found in this picture (at best %.0f %% sure); use one "
        "that shows a whole person, or one with a transparent background",
        100 * most);
    return NULL;
  }
  mask = shu_matting_mask (p, side, error);
  return mask ? shu_matting_cutout (picture, mask, TRUE) : NULL;
}

ShuImage *
shu_stage_matting (ShuModel *model, const ShuImage *photo, char **ret_warning,
    const ShuProgress *progress, GError **error)
{
  g_autoptr (ShuImage) cutout = NULL;
  g_autofree char *text = NULL;

  if (!shu_progress (progress, "matting", 0, 1, error))
    return NULL;
  cutout = photo->n_channels == 4 && shu_image_has_alpha (photo)
               ? shu_image_copy (photo)
               : cut_out (model, photo, progress, error);
  if (!cutout || !shu_subject_check (cutout, NULL, &text, error) ||
      !shu_progress (progress, "matting", 1, 1, error))
    return NULL;
  if (ret_warning)
    *ret_warning = g_steal_pointer (&text);
  return g_steal_pointer (&cutout);
}
