/* SPDX-License-Identifier: MIT */
/* The stage between the cut-out and the networks: sizes are the model's. */
#include "stages/stages.h"
#include "base/error.h"
#include "formats/preprocess.h"
#include "stages/fields_private.h"

static void
set_box (ShuBundle *b, const char *name, const ShuBox *box)
{
  g_autofree char *text =
      g_strdup_printf ("%d,%d,%d,%d", box->x0, box->y0, box->x1, box->y1);

  shu_bundle_set_string (b, name, text);
}

enum { MAX_SIDE = 4096 };

static gboolean
check_params (const ShuPreprocessParams *p, GError **error)
{
  if (p->view_size < 24 || p->view_size > MAX_SIDE || p->view_size % 24 != 0) {
    g_set_error (error, SHU_ERROR, SHU_ERROR_INVALID,
        "view size %d: expected a multiple of 24 in 24..%d", p->view_size,
        MAX_SIDE);
    return FALSE;
  }
  if (p->condition_size < 14 || p->condition_size > MAX_SIDE) {
    g_set_error (error, SHU_ERROR, SHU_ERROR_INVALID,
        "condition size %d: expected 14..%d", p->condition_size, MAX_SIDE);
    return FALSE;
  }
  return TRUE;
}

/* What shu_preprocess() made, and the cut-out it was made of. */
static ShuBundle *
fill_bundle (ShuCtx *c, const ShuSubject *s, ShuTensor *cutout,
    const ShuPreprocessParams *params)
{
  ShuBundle *b = shu_bundle_new ("subject");

  shu_bundle_set (b, "body", s->body);
  shu_bundle_set (b, "face", s->face);
  shu_bundle_set (b, "front", s->front);
  shu_bundle_set (b, "condition", s->condition);
  shu_bundle_set (b, "cutout", cutout);
  shu_bundle_set_int (b, "seed", params->seed);
  shu_bundle_set_double (b, "alpha-coverage", s->coverage);
  set_box (b, "body-box", &s->body_box);
  set_box (b, "condition-box", &s->condition_box);
  return b;
}

ShuBundle *
shu_stage_preprocess_picture (const char *device, ShuTensor *cutout,
    const ShuPreprocessParams *params, const ShuProgress *progress,
    GError **error)
{
  g_autofree char *here = device ? NULL : shu_tensor_device (cutout);
  g_autoptr (ShuBundle) b = NULL;
  g_autoptr (ShuCtx) c = NULL;

  if (!check_params (params, error) ||
      !shu_progress (progress, "preprocess", 0, 1, error) ||
      !(c = shu_ctx_new (device ? device : here, error)))
    return NULL;
  shu_ctx_set_traffic (c, shu_progress_traffic (progress));
  {
    SHU_SCOPE (c);
    ShuTensor *picture = shu_on_device (c, cutout, SHU_TRAFFIC_IMAGE);
    ShuSubject s;

    if (shu_preprocess (
            c, picture, params->view_size, params->condition_size, &s))
      b = fill_bundle (c, &s, picture, params);
    if (!shu_ctx_finish (c, error))
      return NULL;
  }
  if (!shu_progress (progress, "preprocess", 1, 1, error))
    return NULL;
  return g_steal_pointer (&b);
}

ShuBundle *
shu_stage_preprocess (const ShuImage *cutout, const ShuPreprocessParams *params,
    const ShuProgress *progress, GError **error)
{
  g_autoptr (ShuTensor) t = shu_tensor_new_image (cutout);

  return shu_stage_preprocess_picture ("cpu", t, params, progress, error);
}
