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

ShuBundle *
shu_stage_preprocess (const ShuImage *cutout, const ShuPreprocessParams *params,
    const ShuProgress *progress, GError **error)
{
  g_autoptr (ShuSubject) subject = NULL;
  g_autoptr (ShuBundle) b = NULL;

  if (!check_params (params, error) ||
      !shu_progress (progress, "preprocess", 0, 1, error))
    return NULL;
  subject =
      shu_preprocess (cutout, params->view_size, params->condition_size, error);
  if (!subject)
    return NULL;
  b = shu_bundle_new ("subject");
  shu_bundle_put_image (b, "body", subject->body);
  shu_bundle_put_image (b, "face", subject->face);
  shu_bundle_put_image (b, "front", subject->front);
  shu_bundle_put_image (b, "condition", subject->condition);
  shu_bundle_put_image (b, "cutout", cutout);
  shu_bundle_set_int (b, "seed", params->seed);
  shu_bundle_set_double (b, "alpha-coverage", subject->coverage);
  set_box (b, "body-box", &subject->body_box);
  set_box (b, "condition-box", &subject->condition_box);
  if (!shu_progress (progress, "preprocess", 1, 1, error))
    return NULL;
  return g_steal_pointer (&b);
}
