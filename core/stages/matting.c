/* SPDX-License-Identifier: MIT */
/* Cuts the person out, once, before everything else (docs/architecture.md,
 * decisions).  Pictures with transparency of their own pass. */
#include "stages/stages.h"
#include "base/error.h"
#include "formats/preprocess.h"
#include "base/resample.h"
#include "formats/subject.h"
#include "models/u2net.h"
#include "stages/body_private.h"
#include "stages/model_private.h"
#include <math.h>
#include <string.h>

/* Formula weights see nobody: the built-in body's front stands in. */
static void
set_body (int side, float *p)
{
  for (int y = 0; y < side; y++)
    for (int x = 0; x < side; x++) {
      float point[] = {(x + 0.5f) / side - 0.5f, 0, 0.5f - (y + 0.5f) / side};

      p[y * side + x] = shu_body_distance (1, point) < 0;
    }
}

typedef struct {
  int side;         /* of the network's input */
  gboolean augment; /* look twice, as below */
} Settings;

static gboolean
read_settings (ShuModel *model, Settings *s, GError **error)
{
  g_autoptr (ShuConfig) config =
      shu_model_config (model, "OneStage/matting/config.json", error);

  if (!config)
    return FALSE;
  s->side = shu_config_int (config, "sample_size", 32, 1024, 320);
  s->augment = shu_config_bool (config, "test_time_augmentation", FALSE);
  return shu_config_finish (config, error);
}

/* Person or not, 0..1, at the network's size: (transfer full) [side,side] */
static float *
run_network (ShuModel *model, const ShuImage *picture, int side,
    const ShuProgress *progress, GError **error)
{
  g_autoptr (ShuCtx) c = shu_model_context (model, progress, error);
  g_auto (ShuNetUser) nets = {.model = model,
      .c = c,
      .progress = progress,
      .low = model->memory == SHU_MEMORY_LOW};
  g_autofree float *in = NULL, *p = NULL;
  const ShuU2net *net;

  if (!c || !(net = shu_nets_take (&nets, SHU_NET_MATTING, error)))
    return NULL;
  in = g_new (float, (gsize) 3 * side * side);
  p = g_new (float, (gsize) side *side);
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

/* What the network makes of a part of the picture.
 * @box: the part; may reach beyond the picture, whose edges then go on
 * @p: [side,side], person or not, 0..1
 * @most: the largest of @p; infinite where something is not a number
 * @doubt: how far from 0 and 1 the values are: 0 for a crisp mask; 0.1 to 0.5
 *   for a whole person, more where a body is larger than those of training
 * @agreement: with the mirrored picture: the sum of the smaller over that of
 *   the larger values.  People are found in both (0.7 and more), what only
 *   looks like somebody is found elsewhere (below 0.1) */
typedef struct {
  ShuBox box;
  float *p;
  float most;
  double doubt;
  double agreement;
} Look;

static void
look_clear (Look *look)
{
  g_clear_pointer (&look->p, g_free);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Look, look_clear)

/* The pixels of @box; those of the border stand for what lies beyond it. */
static ShuImage *
cut_window (const ShuImage *picture, const ShuBox *box)
{
  int W = box->x1 - box->x0, H = box->y1 - box->y0;
  ShuImage *window = shu_image_new (W, H, 3);

  for (int y = 0; y < H; y++) {
    int v = CLAMP (box->y0 + y, 0, picture->height - 1);
    const guint8 *row = picture->data + 3 * (gsize) v * picture->width;

    for (int x = 0; x < W; x++) {
      int u = CLAMP (box->x0 + x, 0, picture->width - 1);

      memcpy (window->data + 3 * ((gsize) y * W + x), row + 3 * u, 3);
    }
  }
  return window;
}

static void
mirror (ShuImage *image)
{
  int W = image->width;

  for (int y = 0; y < image->height; y++) {
    guint8 *row = image->data + 3 * (gsize) y * W;

    for (int x = 0; x < W / 2; x++)
      for (int k = 0; k < 3; k++) {
        guint8 t = row[3 * x + k];

        row[3 * x + k] = row[3 * (W - 1 - x) + k];
        row[3 * (W - 1 - x) + k] = t;
      }
  }
}

/* Fills in what @p says of the picture's own pixels. */
static void
judge (Look *look, const ShuImage *picture, int side)
{
  double sx = (double) side / (look->box.x1 - look->box.x0);
  double sy = (double) side / (look->box.y1 - look->box.y0);
  int x0 = (int) (-look->box.x0 * sx), y0 = (int) (-look->box.y0 * sy);
  int x1 = (int) ((picture->width - look->box.x0) * sx);
  int y1 = (int) ((picture->height - look->box.y0) * sy);
  double doubt = 0, sum = 0;

  look->most = 0;
  for (int y = y0; y < y1; y++)
    for (int x = x0; x < x1; x++) {
      double p = look->p[y * side + x];

      look->most = isnan (p) ? INFINITY : MAX (look->most, p);
      doubt += 4 * p * (1 - p);
      sum += p;
    }
  look->doubt = doubt / MAX (sum, 1);
}

/* The mean of what is found in the square of @zoom times the picture's longer
 * side and in its mirror image */
static gboolean
look_twice (ShuModel *model, const ShuImage *picture, int zoom, int side,
    Look *look, const ShuProgress *progress, GError **error)
{
  int S = zoom * MAX (picture->width, picture->height);
  int x = (picture->width - S) / 2, y = (picture->height - S) / 2;
  g_autoptr (ShuImage) window = NULL;
  g_autofree float *q = NULL;
  double smaller = 0, larger = 0;

  look->box = (ShuBox){x, y, x + S, y + S};
  window = cut_window (picture, &look->box);
  look->p = run_network (model, window, side, progress, error);
  if (!look->p)
    return FALSE;
  mirror (window);
  q = run_network (model, window, side, progress, error);
  if (!q)
    return FALSE;
  for (int v = 0; v < side; v++)
    for (int u = 0; u < side; u++) {
      float *a = look->p + v * side + u, b = q[v * side + side - 1 - u];

      smaller += MIN (*a, b);
      larger += MAX (*a, b);
      *a = (*a + b) / 2;
    }
  look->agreement = smaller / MAX (larger, 1);
  judge (look, picture, side);
  return TRUE;
}

/* As the reference: the whole picture, squeezed into a square */
static gboolean
look_once (ShuModel *model, const ShuImage *picture, int side, Look *look,
    const ShuProgress *progress, GError **error)
{
  look->box = (ShuBox){0, 0, picture->width, picture->height};
  look->agreement = 1;
  look->p = run_network (model, picture, side, progress, error);
  if (look->p)
    judge (look, picture, side);
  return look->p != NULL;
}

static gboolean
sees_somebody (const Look *look)
{
  return look->most >= 0.5f && look->agreement >= 0.45;
}

/* Whether somebody reaches the lower border of the picture. */
static gboolean
reaches_down (const Look *look, const ShuImage *picture, int side)
{
  int S = look->box.y1 - look->box.y0;
  int y = (picture->height - 1 - look->box.y0) * side / S;
  int n = 0;

  for (int x = 0; x < side; x++)
    n += look->p[y * side + x] > 0.5f;
  return n > side / 50;
}

/* A body that fills the picture is larger than those the small network was
 * trained on: it finds parts of it, and is unsure.  From twice as far away,
 * the border's pixels repeated around the picture, it finds the body. */
static gboolean
look_around (ShuModel *model, const ShuImage *picture, int side, Look *look,
    const ShuProgress *progress, GError **error)
{
  g_auto (Look) far = {.p = NULL};
  gboolean down;

  if (!look_twice (model, picture, 1, side, look, progress, error))
    return FALSE;
  if (look->most < 0.6f)
    return TRUE; /* nothing at all: from far away it imagines things */
  down = reaches_down (look, picture, side);
  if (sees_somebody (look) && look->doubt < 0.45 && !down)
    return TRUE;
  if (!look_twice (model, picture, 2, side, &far, progress, error))
    return FALSE;
  if (sees_somebody (&far) &&
      (!sees_somebody (look) || far.doubt < look->doubt * (down ? 1.2 : 1))) {
    Look near = *look;

    *look = far;
    far = near;
  }
  return TRUE;
}

static ShuImage *
cut_out (ShuModel *model, const ShuImage *photo, const ShuProgress *progress,
    GError **error)
{
  g_autoptr (ShuImage) picture = shu_matting_picture (photo);
  g_autoptr (ShuImage) mask = NULL, window = NULL, alpha = NULL;
  g_auto (Look) look = {.p = NULL};
  Settings s;
  ShuBox box;

  if (!read_settings (model, &s, error))
    return NULL;
  if (s.augment ? !look_around (model, picture, s.side, &look, progress, error)
                : !look_once (model, picture, s.side, &look, progress, error))
    return NULL;
  /* the mask is stretched to the full range below, so a picture without
   * anybody would give somebody */
  if (!sees_somebody (&look)) {
    g_set_error_literal (error, SHU_ERROR, SHU_ERROR_NO_PERSON,
        "no person was found in this picture; use one that shows one whole "
        "person, or one with a transparent background");
    return NULL;
  }
  mask = shu_matting_mask (look.p, s.side, error);
  if (!mask)
    return NULL;
  shu_matting_clean (mask);
  window = shu_image_resize (mask, look.box.x1 - look.box.x0,
      look.box.y1 - look.box.y0, SHU_FILTER_LANCZOS);
  box = (ShuBox){-look.box.x0, -look.box.y0, picture->width - look.box.x0,
      picture->height - look.box.y0};
  alpha = shu_image_crop (window, &box);
  shu_matting_clean (alpha);
  return shu_matting_cutout (picture, alpha, TRUE);
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
