/* SPDX-License-Identifier: MIT */
/* Cuts the person out, once, before everything else (docs/architecture.md,
 * decisions).  Pictures that are cut out already pass. */
#include "stages/stages.h"
#include "base/error.h"
#include "formats/preprocess.h"
#include "formats/subject.h"
#include "models/u2net.h"
#include "stages/body_private.h"
#include "stages/model_private.h"

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

/* What the functions below share. */
typedef struct {
  ShuCtx *c;
  const ShuU2net *net;
  gboolean synthetic;
  int side; /* of the network's input */
  ShuTensor *picture;
} Job;

/* Person or not, 0..1, at the network's size: scoped [1,side,side,1] */
static ShuTensor *
run_network (Job *job, ShuTensor *picture)
{
  ShuCtx *c = job->c;
  SHU_SCOPE (c);
  int side = job->side;
  ShuTensor *p =
      shu_u2net (c, job->net, shu_matting_input (c, picture, side), NULL);

  if (!shu_ctx_failed (c) && p->n != (gsize) side * side)
    shu_ctx_fail (c, SHU_ERROR_INVALID,
        "the matting network gave %zu values where %d x %d are expected", p->n,
        side, side);
  if (job->synthetic) {
    g_autofree float *body = g_new (float, (gsize) side *side);

    set_body (side, body);
    p = shu_from_host (c, SHU_DTYPE_F32, SHU_DIMS (1, side, side, 1), body);
  }
  return shu_keep (c, shu_reshape (c, p, SHU_DIMS (1, side, side, 1)));
}

/* What the network makes of a part of the picture.
 * @box: the part; may reach beyond the picture, whose edges then go on
 * @p: [1,side,side,1], person or not, 0..1
 * @m: of p, within the picture
 * @doubt: how far from 0 and 1 the values are: 0 for a crisp mask; 0.1 to 0.5
 *   for a whole person, more where a body is larger than those of training
 * @agreement: with the mirrored picture: the sum of the smaller over that of
 *   the larger values.  People are found in both (0.7 and more), what only
 *   looks like somebody is found elsewhere (below 0.1) */
typedef struct {
  ShuBox box;
  ShuTensor *p;
  ShuMaskMeasures m;
  double doubt;
  double agreement;
} Look;

/* Measures what @p says of the picture's own pixels, and of its lowest row. */
static void
judge (Job *job, Look *look)
{
  int side = job->side;
  int W = (int) job->picture->dims[1], H = (int) job->picture->dims[0];
  double sx = (double) side / (look->box.x1 - look->box.x0);
  double sy = (double) side / (look->box.y1 - look->box.y0);
  ShuBox own = {(int) (-look->box.x0 * sx), (int) (-look->box.y0 * sy),
      (int) ((W - look->box.x0) * sx), (int) ((H - look->box.y0) * sy)};
  int lowest = (H - 1 - look->box.y0) * side / (look->box.y1 - look->box.y0);

  if (shu_mask_measure (job->c, look->p, NULL, &own, lowest, &look->m))
    look->doubt = look->m.doubt / MAX (look->m.sum, 1);
}

/* The mean of what is found in the square of @zoom times the picture's longer
 * side and in its mirror image */
static gboolean
look_twice (Job *job, int zoom, Look *look)
{
  ShuCtx *c = job->c;
  int W = (int) job->picture->dims[1], H = (int) job->picture->dims[0];
  int S = zoom * MAX (W, H), x = (W - S) / 2, y = (H - S) / 2;
  ShuMaskMeasures both = {.larger = 1};
  ShuTensor *p, *q;

  look->box = (ShuBox){x, y, x + S, y + S};
  p = run_network (
      job, shu_picture_window (c, job->picture, &look->box, FALSE));
  q = run_network (job, shu_picture_window (c, job->picture, &look->box, TRUE));
  shu_mask_measure (c, p, q, &look->box, 0, &both);
  look->agreement = both.smaller / MAX (both.larger, 1);
  look->p = shu_mask_mean (c, p, q);
  judge (job, look);
  return !shu_ctx_failed (c);
}

/* As the reference: the whole picture, squeezed into a square */
static gboolean
look_once (Job *job, Look *look)
{
  look->box =
      (ShuBox){0, 0, (int) job->picture->dims[1], (int) job->picture->dims[0]};
  look->agreement = 1;
  look->p = run_network (job, job->picture);
  judge (job, look);
  return !shu_ctx_failed (job->c);
}

static gboolean
sees_somebody (const Look *look)
{
  return look->m.most >= 0.5f && look->agreement >= 0.45;
}

/* Whether somebody reaches the lower border of the picture. */
static gboolean
reaches_down (const Job *job, const Look *look)
{
  return look->m.n_row > job->side / 50;
}

/* A body that fills the picture is larger than those the small network was
 * trained on: it finds parts of it, and is unsure.  From twice as far away,
 * the border's pixels repeated around the picture, it finds the body. */
static gboolean
look_around (Job *job, Look *look)
{
  Look far = {.p = NULL};
  gboolean down;

  if (!look_twice (job, 1, look))
    return FALSE;
  if (look->m.most < 0.6f)
    return TRUE; /* nothing at all: from far away it imagines things */
  down = reaches_down (job, look);
  if (sees_somebody (look) && look->doubt < 0.45 && !down)
    return TRUE;
  if (!look_twice (job, 2, &far))
    return FALSE;
  if (sees_somebody (&far) &&
      (!sees_somebody (look) || far.doubt < look->doubt * (down ? 1.2 : 1)))
    *look = far;
  return TRUE;
}

/* The picture with what was seen as its alpha: scoped */
static ShuTensor *
apply (Job *job, const Look *look)
{
  ShuCtx *c = job->c;
  int W = (int) job->picture->dims[1], H = (int) job->picture->dims[0];
  ShuBox box = {
      -look->box.x0, -look->box.y0, W - look->box.x0, H - look->box.y0};
  ShuTensor *mask =
      shu_picture_clean (c, shu_matting_mask (c, look->p, &look->m));
  ShuTensor *window = shu_picture_resize (c, mask, look->box.x1 - look->box.x0,
      look->box.y1 - look->box.y0, SHU_FILTER_LANCZOS);

  return shu_matting_cutout (c, job->picture,
      shu_picture_clean (c, shu_picture_crop (c, window, &box)));
}

/* More than this is doubted of lumps of a cluttered background, of people who
 * lie and of small groups (0.38 to 0.9); of one person who stands, up to 0.33
 */
static const double UNSURE = 0.36;

/* Scoped; failures are @c's.
 * @ret_unsure: (out): whether parts of the person may be missing, or too many
 */
static ShuTensor *
cut_out (ShuModel *model, ShuCtx *c, ShuTensor *photo, gboolean *ret_unsure,
    const ShuProgress *progress)
{
  g_auto (ShuNetUser) nets = {.model = model,
      .c = c,
      .progress = progress,
      .low = model->memory == SHU_MEMORY_LOW};
  Job job = {.c = c, .synthetic = shu_model_is_synthetic (model)};
  Look look = {.p = NULL};
  GError *error = NULL;
  Settings s;

  if (!read_settings (model, &s, &error) ||
      !(job.net = shu_nets_take (&nets, SHU_NET_MATTING, &error)) ||
      !shu_progress (progress, "matting", 0, 1, &error)) {
    shu_ctx_take_error (c, error);
    return photo;
  }
  job.side = s.side;
  job.picture = shu_matting_picture (c, photo);
  if (s.augment ? !look_around (&job, &look) : !look_once (&job, &look))
    return photo;
  /* the mask is stretched to the full range below, so a picture without
   * anybody would give somebody */
  if (!sees_somebody (&look))
    shu_ctx_fail (c, SHU_ERROR_NO_PERSON,
        "no person was found in this picture; use one that shows one whole "
        "person, not too small, or one with a transparent background");
  *ret_unsure = look.doubt > UNSURE;
  return apply (&job, &look);
}

/* Whether the picture's own alpha says who the person is.  Rounded corners and
 * alpha that is nearly opaque everywhere, as some programs write it, do not:
 * that would make a person of the whole picture.
 * @m: (out): of alpha, where it does */
static gboolean
is_cutout (ShuCtx *c, ShuTensor *photo, ShuPictureMeasures *m)
{
  guint64 n = (guint64) photo->dims[0] * photo->dims[1];

  return photo->dims[2] == 4 && shu_picture_measure (c, photo, 1, m) &&
         m->min < 128 && m->sum * 50 < n * 255 * 49;
}

/* Other programs' cut-outs can have alpha of one or two far from the person,
 * which nobody sees, and which would be part of the person's box.  Where the
 * box of the person is so much smaller, what is faint goes; other cut-outs stay
 * as they are.
 * @m: of alpha of one and more
 * Returns: scoped */
static ShuTensor *
drop_faint (ShuCtx *c, ShuTensor *photo, const ShuPictureMeasures *m)
{
  ShuPictureMeasures seen;
  const ShuBox *all = &m->box, *b = &seen.box;
  int room;

  if (!shu_picture_measure (c, photo, SHU_CLEAN_FAINT, &seen) || b->x1 < 0)
    return photo;
  room = MAX (b->x1 - b->x0, b->y1 - b->y0) / 20 + 1;
  if (b->x0 - all->x0 <= room && b->y0 - all->y0 <= room &&
      all->x1 - b->x1 <= room && all->y1 - b->y1 <= room)
    return photo;
  return shu_matting_cutout (c, shu_slice (c, photo, 2, 0, 3),
      shu_picture_clean (c, shu_slice (c, photo, 2, 3, 1)));
}

/* (transfer full) (nullable): what to tell of the cut-out, @subject (transfer
 * full, nullable) among it */
static char *
describe (gboolean unsure, char *subject)
{
  g_autofree char *rest = subject;

  if (!unsure)
    return g_steal_pointer (&rest);
  return g_strconcat (
      "The person hardly stands out from the background, so the cut-out may be "
      "wrong; use a photo in front of a plain background.",
      rest ? " " : NULL, rest, NULL);
}

void
shu_stage_matting_size (int *width, int *height)
{
  shu_matting_size (width, height);
}

gboolean
shu_stage_matting_reduces_to (int width, int height)
{
  /* one less for some sizes: shu_matting_size() */
  return MAX (width, height) >= SHU_MATTING_SIDE - 1;
}

ShuTensor *
shu_stage_matting_picture (ShuModel *model, ShuTensor *photo,
    char **ret_warning, const ShuProgress *progress, GError **error)
{
  g_autoptr (ShuCtx) c = NULL;
  g_autoptr (ShuTensor) cutout = NULL;
  g_autofree char *text = NULL;
  gboolean unsure = FALSE;

  c = shu_model_context (model, progress, error);
  if (!c)
    return NULL;
  {
    SHU_SCOPE (c);
    ShuTensor *picture = shu_on_device (c, photo, SHU_TRAFFIC_IMAGE);
    ShuPictureMeasures m;

    if (!shu_ctx_failed (c))
      picture = is_cutout (c, picture, &m)
                    ? drop_faint (c, picture, &m)
                    : cut_out (model, c, picture, &unsure, progress);
    cutout = shu_own (c, picture);
    if (!shu_ctx_finish (c, error))
      return NULL;
    if (!shu_subject_check (c, cutout, NULL, &text, error))
      return NULL;
  }
  if (!shu_progress (progress, "matting", 1, 1, error))
    return NULL;
  if (ret_warning)
    *ret_warning = describe (unsure, g_steal_pointer (&text));
  return g_steal_pointer (&cutout);
}

ShuImage *
shu_stage_matting (ShuModel *model, const ShuImage *photo, char **ret_warning,
    const ShuProgress *progress, GError **error)
{
  g_autoptr (ShuTensor) t = shu_tensor_new_image (photo);
  g_autoptr (ShuTensor) cutout =
      shu_stage_matting_picture (model, t, ret_warning, progress, error);

  return cutout ? shu_tensor_to_image (
                      cutout, shu_progress_traffic (progress), error)
                : NULL;
}
