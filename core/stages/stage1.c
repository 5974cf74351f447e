/* SPDX-License-Identifier: MIT */
/* Stage 1: five colour and five normal views together with sparse voxels, by
 * rectified flow with guidance (SyncHuman, arXiv 2510.07723, section 3.2).
 *
 *   body, face -> CLIP -> class labels        [2V,P]
 *              -> VAE  -> image latents       [2V,L,L,4]
 *   condition  -> DINOv2 tokens, normalised   [1,T,K]
 *   noise -> steps of the joint denoiser -> VAE decoder -> views
 *                                        -> structure decoder -> voxels
 *
 * Rows are normal views, then colour views.  In the reference the latents are
 * float16 between steps; here they stay float32. */
#include "stages/stages.h"
#include "base/error.h"
#include "models/clip.h"
#include "models/dinov2.h"
#include "models/joint.h"
#include "models/ss_decoder.h"
#include "models/vae.h"
#include "sampling/flow_euler.h"
#include "sampling/noise.h"
#include "stages/fields_private.h"
#include "stages/model_private.h"
#include "stages/preview_private.h"
#include "stages/vision_private.h"
#include <string.h>

enum { V = 5, FACE = 4, ROWS = 2 * V };

static const double SIGMA_MIN = 1e-5;

/* What the functions below share.  Tensors belong to the context. */
typedef struct {
  ShuModel *model;
  const ShuBundle *subject;
  ShuStage1Params p;
  ShuCtx *c;
  ShuNetUser *nets;
  const ShuProgress *progress;
  int step, total;
  const ShuJoint *joint;
  const ShuVae *vae;
  int L, K;  /* side and channels of the latents */
  int R, K3; /* side and channels of the structure latent */
  const ShuJointPrepared *prepared;
  double *t;              /* of the steps, and 0 */
  ShuTensor *latents;     /* [ROWS,L,L,K] */
  ShuTensor *structure;   /* [1,R,R,R,K3] */
  ShuTensor *estimate;    /* like latents: what they lead to; for the preview */
  ShuTensor *schedule;    /* [steps,3] */
  ShuTensor *counter;     /* I32 [1] */
  int projection;         /* width of the CLIP embeddings */
  ShuLatentColors colors; /* for the preview alone */
} Job;

static gboolean
advance (Job *job, GError **error)
{
  return shu_progress (job->progress, "stage1", ++job->step, job->total, error);
}

static void
fill_params (Job *job, const ShuStage1Params *params)
{
  const ShuModelDefaults *d = shu_model_defaults (job->model);

  job->p = *params;
  if (job->p.seed < 0)
    job->p.seed = shu_bundle_int (job->subject, "seed", 43);
  if (job->p.steps < 0)
    job->p.steps = d->steps;
  if (job->p.guidance < 0)
    job->p.guidance = d->guidance;
}

static gboolean
check_params (const ShuStage1Params *p, GError **error)
{
  if (p->steps < 1 || p->steps > 1000) {
    g_set_error (error, SHU_ERROR, SHU_ERROR_INVALID,
        "stage 1: %d steps, expected 1..1000", p->steps);
    return FALSE;
  }
  if (!(p->guidance >= 0 && p->guidance <= 20)) {
    g_set_error (error, SHU_ERROR, SHU_ERROR_INVALID,
        "stage 1: guidance %g, expected 0..20", p->guidance);
    return FALSE;
  }
  return TRUE;
}

/* ---- what the denoiser is conditioned on ---- */

/* @values [2,...] of body and face as rows of all views: [2V,...]; scoped */
static ShuTensor *
spread (ShuCtx *c, ShuTensor *values)
{
  ShuTensor *body = shu_slice (c, values, 0, 0, 1);
  ShuTensor *face = shu_slice (c, values, 0, 1, 1);

  return shu_tile (c, shu_concat2 (c, 0, shu_repeat (c, body, V - 1), face), 2);
}

/* CLIP embeddings beside the embedding of noise level 0, which is cosines
 * (ones), then sines (zeros): [2V,2P] */
static ShuTensor *
class_labels (Job *job, ShuTensor *body, ShuTensor *face, GError **error)
{
  ShuCtx *c = job->c;
  const ShuClip *clip = shu_nets_take (job->nets, SHU_NET_CLIP, error);
  g_autoptr (ShuConfig) config = NULL;
  ShuTensor *pictures[] = {body, face};
  ShuTensor *inputs[2], *embeds, *level;
  double mean[3], std[3];
  int P, side;

  if (!clip)
    return NULL;
  config = shu_model_config (
      job->model, "OneStage/feature_extractor/preprocessor_config.json", error);
  if (!config)
    return NULL;
  if (shu_config_floats (config, "image_mean", 3, mean) != 3 ||
      shu_config_floats (config, "image_std", 3, std) != 3)
    shu_config_fail (config, "\"image_mean\", \"image_std\": 3 numbers");
  if (!shu_config_finish (config, error))
    return NULL;
  side = shu_clip_image_size (clip);
  P = shu_clip_projection_dim (clip);
  for (int i = 0; i < 2; i++) {
    ShuTensor *small =
        shu_picture_resize (c, pictures[i], side, side, SHU_FILTER_BICUBIC);

    inputs[i] = shu_vision_input (c, small, side, mean, std);
  }
  embeds = shu_clip_embed (c, clip, shu_concat (c, 0, 2, inputs)); /* [2,P] */
  level = shu_concat2 (c, 1, shu_fill (c, SHU_DIMS (2, P / 2), 1),
      shu_fill (c, SHU_DIMS (2, P - P / 2), 0));
  job->projection = P;
  shu_nets_give (job->nets, SHU_NET_CLIP);
  return spread (c, shu_concat2 (c, 1, embeds, level));
}

/* The pictures' latents: [2V,L,L,K] */
static ShuTensor *
image_latents (Job *job, ShuTensor *body, ShuTensor *face)
{
  static const double half[] = {0.5, 0.5, 0.5};
  ShuCtx *c = job->c;
  ShuTensor *rows[] = {
      shu_vae_encode_mode (
          c, job->vae, shu_vision_input (c, body, body->dims[1], half, half)),
      shu_vae_encode_mode (
          c, job->vae, shu_vision_input (c, face, face->dims[1], half, half)),
  };

  return spread (c, shu_affine (c, shu_concat (c, 0, 2, rows),
                        shu_vae_scaling_factor (job->vae), 0));
}

static ShuTensor *
context_tokens (Job *job, ShuTensor *condition, GError **error)
{
  const ShuDinov2 *dino = shu_nets_take (job->nets, SHU_NET_DINO, error);
  ShuCtx *c = job->c;
  ShuTensor *tokens;

  if (!dino)
    return NULL;
  tokens = shu_dinov2_condition (c, dino,
      shu_vision_input (c, condition, condition->dims[1], shu_imagenet_mean,
          shu_imagenet_std));
  shu_nets_give (job->nets, SHU_NET_DINO);
  return tokens;
}

/* A square picture of the subject: scoped */
static ShuTensor *
take_square (Job *job, const char *name, int side, GError **error)
{
  ShuTensor *t = shu_bundle_need_anywhere (
      job->subject, name, SHU_DTYPE_U8, SHU_DIMS (-1, -1, 3), error);

  if (!t)
    return NULL;
  if (t->dims[0] == side && t->dims[1] == side)
    return shu_on_device (job->c, t, SHU_TRAFFIC_IMAGE);
  g_set_error (error, SHU_ERROR, SHU_ERROR_INVALID,
      "bundle \"subject\": field \"%s\" has %d x %d pixels, the model needs "
      "%d x %d; preprocess with the sizes of this model folder",
      name, (int) t->dims[1], (int) t->dims[0], side, side);
  return NULL;
}

/* ---- preview ---- */

/* How latents look is learnt from the subject's own: rows [2V] as of
 * spread(), of which the last two of the first half are body and face. */
static void
prepare_preview (Job *job, ShuTensor *rows, ShuTensor *body, ShuTensor *face)
{
  gsize n = (gsize) job->L * job->L * job->K;
  g_autofree float *values = g_new0 (float, ROWS *n);
  g_autoptr (ShuImage) b = NULL, f = NULL;

  if (!job->p.preview)
    return;
  shu_fetch_as (job->c, SHU_TRAFFIC_PREVIEW, rows, ROWS * n, values);
  b = shu_picture_to_image (job->c, body, SHU_TRAFFIC_PREVIEW);
  f = shu_picture_to_image (job->c, face, SHU_TRAFFIC_PREVIEW);
  if (b && f)
    shu_latent_colors_init (&job->colors, job->L, job->K, 2,
        (const ShuImage *[]){b, f}, values + (FACE - 1) * n);
}

/* What the last step took the views to be, downloaded; NULL without preview. */
static float *
take_estimate (Job *job)
{
  gsize n = (gsize) ROWS * job->L * job->L * job->K;
  float *z = job->p.preview ? g_new0 (float, n) : NULL;

  if (z)
    shu_fetch_as (job->c, SHU_TRAFFIC_PREVIEW, job->estimate, n, z);
  return z;
}

/* Shows what take_estimate() gave; colours go first. */
static void
show_preview (Job *job, const float *estimate)
{
  enum { SIDE = 192 };

  int S = shu_model_defaults (job->model)->view_size;
  gsize n = (gsize) V * job->L * job->L * job->K;
  g_autofree float *z = NULL;
  g_autoptr (ShuImage) sheet = NULL;

  if (!estimate)
    return;
  z = g_new (float, 2 * n);
  memcpy (z, estimate + n, n * sizeof *z);
  memcpy (z + n, estimate, n * sizeof *z);
  sheet = shu_latent_colors_sheet (&job->colors, 2, V, MIN (S, SIDE), z);
  job->p.preview (sheet, job->p.preview_data);
}

/* ---- once, before the steps ---- */

static ShuJointPrepared *
prepare (Job *job, GError **error)
{
  ShuCtx *c = job->c;
  SHU_SCOPE (c);
  ShuTensor *body, *face, *condition;
  g_autoptr (ShuJointPrepared) prepared = NULL;
  const ShuModelDefaults *d = shu_model_defaults (job->model);
  ShuTensor *text = shu_model_prompts (job->model, error);
  g_autofree float *t = g_new (float, 2 * job->p.steps);
  ShuJointCondition in = {.text = text,
      .guided = job->p.guidance != 1,
      .n_steps = job->p.steps,
      .t = t,
      .t3 = t + job->p.steps};

  for (int i = 0; i < job->p.steps; i++) {
    t[i] = shu_flow_timestep (job->t[i]);
    t[job->p.steps + i] = shu_flow_timestep_f16 (job->t[i]);
  }

  if (!text || !(body = take_square (job, "body", d->view_size, error)) ||
      !(face = take_square (job, "face", d->view_size, error)) ||
      !(condition = take_square (job, "condition", d->condition_size, error)))
    return NULL;
  shu_ctx_set_part (c, "clip");
  in.labels = class_labels (job, body, face, error);
  if (!in.labels)
    return NULL;
  shu_ctx_set_part (c, "vae");
  if (!(job->vae = shu_nets_take (job->nets, SHU_NET_VAE, error)))
    return NULL;
  in.images = image_latents (job, body, face);
  shu_nets_give (job->nets, SHU_NET_VAE);
  prepare_preview (job, in.images, body, face);
  shu_ctx_set_part (c, "dinov2");
  in.context = context_tokens (job, condition, error);
  if (!in.context)
    return NULL;
  shu_ctx_set_part (c, "joint");
  if (!(job->joint = shu_nets_take (job->nets, SHU_NET_JOINT, error)))
    return NULL;
  prepared = shu_joint_prepare (c, job->joint, &in);
  if (!shu_ctx_finish (c, error))
    return NULL;
  return g_steal_pointer (&prepared);
}

/* ---- sampling ---- */

/* [rows,C,n] -> [rows,n,C] */
static void
channels_last (const float *from, int rows, int C, gsize n, float *ret_to)
{
  for (int r = 0; r < rows; r++)
    for (int k = 0; k < C; k++)
      for (gsize i = 0; i < n; i++)
        ret_to[(r * n + i) * C + k] = from[(r * (gsize) C + k) * n + i];
}

/* The state at the beginning: noise, and the steps' times */
static void
start_sampling (Job *job)
{
  ShuCtx *c = job->c;
  gsize area = (gsize) job->L * job->L;
  gsize volume = (gsize) job->R * job->R * job->R;
  gsize n2 = ROWS * area * job->K, n3 = volume * job->K3;
  g_autofree float *noise2 = g_new (float, n2), *noise3 = g_new (float, n3);
  g_autofree float *latents = g_new (float, n2);
  g_autofree float *structure = g_new (float, n3);
  g_autofree float *schedule = g_new (float, 3 * job->p.steps);
  const gint32 first = 0;

  shu_noise_stage1 (job->p.seed, NULL, (gsize) ROWS * job->projection, noise2,
      n2, noise3, n3);
  channels_last (noise2, ROWS, job->K, area, latents);
  channels_last (noise3, 1, job->K3, volume, structure);
  for (int i = 0; i < job->p.steps; i++)
    shu_flow_coefficients (
        job->t[i], job->t[i + 1], SIGMA_MIN, schedule + 3 * i);
  job->latents =
      shu_state (c, SHU_DIMS (ROWS, job->L, job->L, job->K), latents);
  job->structure =
      shu_state (c, SHU_DIMS (1, job->R, job->R, job->R, job->K3), structure);
  if (job->p.preview)
    job->estimate =
        shu_state (c, SHU_DIMS (ROWS, job->L, job->L, job->K), latents);
  job->schedule = shu_state (c, SHU_DIMS (job->p.steps, 3), schedule);
  job->counter = shu_from_host (c, SHU_DTYPE_I32, SHU_DIMS (1), &first);
}

/* One step; the same operations every time */
static void
denoise (ShuCtx *c, gpointer data)
{
  Job *job = data;
  ShuJointVelocity v = shu_joint_step (c, job->joint, job->prepared,
      shu_state_value (c, job->latents), shu_state_value (c, job->structure),
      job->counter);
  ShuFlowStep p = {.step = job->counter,
      .schedule = job->schedule,
      .n_parts = 2, /* domains */
      .guided = job->p.guidance != 1,
      .guidance = job->p.guidance};

  shu_flow_advance (c, job->latents, v.views, &p, job->estimate);
  p.n_parts = 1;
  shu_flow_advance (c, job->structure, v.structure, &p, NULL);
  shu_count (c, job->counter);
}

/* All steps, or the first of a rehearsal.  The picture of a step is drawn while
 * the device has the next one. */
static gboolean
run_steps (Job *job, GError **error)
{
  g_autoptr (ShuReplay) step = shu_replay_new (job->c, denoise, job);
  int n = shu_ctx_is_dry (job->c) ? 1 : job->p.steps;
  g_autofree float *shown = NULL;

  for (int i = 0; i < n; i++) {
    shu_replay_run (step);
    show_preview (job, shown);
    g_free (shown);
    shown = take_estimate (job);
    if (!shu_ctx_finish (job->c, error) || !advance (job, error))
      return FALSE;
  }
  show_preview (job, shown);
  return TRUE;
}

/* ---- results ---- */

/* Decoded view of row @row: scoped RGB [S,S,3]; NULL with an error */
static ShuTensor *
decode_row (Job *job, int row, GError **error)
{
  ShuCtx *c = job->c;
  SHU_SCOPE (c);
  int S = shu_model_defaults (job->model)->view_size;
  ShuTensor *z, *view;

  shu_ctx_set_part (c, "vae");
  z = shu_state_value (c, shu_slice (c, job->latents, 0, row, 1));
  z = shu_affine (c, z, 1 / shu_vae_scaling_factor (job->vae), 0);
  view = shu_vae_decode (c, job->vae, z);
  if (!shu_ctx_failed (c) && (view->dims[1] != S || view->dims[2] != S))
    shu_ctx_fail (c, SHU_ERROR_INVALID,
        "the VAE gives views of %d pixels where %d are expected; the parts of "
        "the model folder do not fit each other",
        (int) view->dims[1], S);
  view = shu_keep (c, shu_picture_from_view (c, view));
  if (!shu_ctx_finish (c, error) || !advance (job, error))
    return NULL;
  return view;
}

/* @pictures [S,S,3] as the field @name [V,S,S,3] */
static gboolean
put_views (Job *job, const char *name, ShuTensor **pictures, ShuBundle *views,
    GError **error)
{
  ShuCtx *c = job->c;
  int S = shu_model_defaults (job->model)->view_size;
  ShuTensor *all =
      shu_reshape (c, shu_concat (c, 0, V, pictures), SHU_DIMS (V, S, S, 3));
  g_autoptr (ShuTensor) own = shu_own (c, all);

  if (!shu_ctx_finish (c, error))
    return FALSE;
  shu_bundle_set (views, name, own);
  return TRUE;
}

/* Normal views; the front one gets the face's, which are sharper. */
static gboolean
decode_normals (Job *job, ShuBundle *views, GError **error)
{
  SHU_SCOPE (job->c);
  ShuTensor *pictures[V];

  for (int v = 0; v < V; v++) {
    pictures[v] = decode_row (job, v, error);
    if (!pictures[v])
      return FALSE;
  }
  pictures[0] = shu_picture_paste_face (job->c, pictures[0], pictures[FACE]);
  return put_views (job, "normal", pictures, views, error);
}

/* Colour views; the front one is the photo. */
static gboolean
decode_colors (Job *job, ShuBundle *views, GError **error)
{
  SHU_SCOPE (job->c);
  ShuTensor *pictures[V] = {take_square (
      job, "front", shu_model_defaults (job->model)->view_size, error)};

  for (int v = 0; v < V; v++) {
    if (v > 0)
      pictures[v] = decode_row (job, V + v, error);
    if (!pictures[v])
      return FALSE;
  }
  return put_views (job, "color", pictures, views, error);
}

/* Rows (0,x,y,z) of the voxels: (transfer full) */
static GArray *
decode_voxels (Job *job, GError **error)
{
  ShuCtx *c = job->c;
  const ShuSsDecoder *decoder =
      shu_nets_take (job->nets, SHU_NET_SS_DECODER, error);
  int R = shu_model_defaults (job->model)->voxel_res;
  gsize n = (gsize) R * R * R;
  g_autofree float *logits = g_new (float, n);
  g_autoptr (GArray) rows = NULL;

  if (!decoder)
    return NULL;
  shu_ctx_set_part (c, "ss_decoder");
  {
    SHU_SCOPE (c);
    ShuTensor *z = shu_state_value (c, job->structure);

    shu_fetch_as (
        c, SHU_TRAFFIC_MESH, shu_ss_decoder (c, decoder, z), n, logits);
  }
  if (!shu_ctx_finish (c, error))
    return NULL;
  shu_nets_give (job->nets, SHU_NET_SS_DECODER);
  if (shu_ctx_is_dry (c))
    return g_array_new (FALSE, FALSE, sizeof (gint32));
  if (shu_model_is_synthetic (job->model))
    return shu_model_body_voxels (job->model);
  rows = shu_ss_occupied (logits, 1, R, R, R);
  if (rows->len == 0) {
    g_set_error_literal (error, SHU_ERROR, SHU_ERROR_NO_PERSON,
        "no shape came out of this picture; use one that shows a whole person "
        "from the front, or another seed");
    return NULL;
  }
  return g_steal_pointer (&rows);
}

static gboolean
sample (Job *job, GError **error)
{
  int n = job->p.steps;
  g_autofree double *t = job->t = g_new (double, n + 1);
  g_autoptr (ShuJointPrepared) prepared = NULL;

  shu_flow_times (n, shu_model_defaults (job->model)->rescale_t, t);
  job->prepared = prepared = prepare (job, error);
  if (!prepared || !advance (job, error))
    return FALSE;
  start_sampling (job);
  return run_steps (job, error);
}

static gboolean
run (Job *job, ShuBundle *views, GError **error)
{
  g_autoptr (GArray) voxels = NULL;
  ShuTensor *coords;

  if (!sample (job, error))
    return FALSE;
  shu_nets_give (job->nets, SHU_NET_JOINT);
  voxels = decode_voxels (job, error);
  if (!voxels || !(job->vae = shu_nets_take (job->nets, SHU_NET_VAE, error)))
    return FALSE;
  if (shu_ctx_is_dry (job->c)) /* one view takes what the others take */
    return decode_row (job, 0, error) != NULL;
  if (!decode_normals (job, views, error) || !decode_colors (job, views, error))
    return FALSE;
  coords = shu_tensor_new (SHU_DTYPE_I32, SHU_DIMS (voxels->len / 4, 4));
  memcpy (coords->data, voxels->data, shu_tensor_bytes (coords));
  shu_bundle_take (views, "coords", coords);
  shu_bundle_set_int (views, "seed", job->p.seed);
  shu_bundle_set_int (
      views, "voxel-resolution", shu_model_defaults (job->model)->voxel_res);
  return TRUE;
}

/* @from's work with the networks and the context of @nets */
static gboolean
work (const Job *from, ShuNetUser *nets, ShuBundle *views, GError **error)
{
  static const ShuNet all[] = {SHU_NET_CLIP, SHU_NET_VAE, SHU_NET_DINO,
      SHU_NET_JOINT, SHU_NET_SS_DECODER};
  Job job = *from;
  const ShuJoint *joint;
  gboolean ok;

  job.nets = nets;
  job.c = nets->c;
  if (!shu_nets_begin (nets, G_N_ELEMENTS (all), all, error) ||
      !(joint = shu_nets_peek (nets, SHU_NET_JOINT, error)))
    return FALSE;
  job.L = shu_joint_unet_sizes (joint)->side;
  job.K = shu_joint_unet_sizes (joint)->Co;
  job.R = shu_joint_ss_sizes (joint)->res;
  job.K3 = shu_joint_ss_sizes (joint)->Ci;
  shu_nets_give (nets, SHU_NET_JOINT);
  ok = shu_progress (job.progress, "stage1", 0, job.total, error) &&
       run (&job, views, error);
  shu_latent_colors_clear (&job.colors);
  return ok;
}

static gboolean
rehearse (ShuNetUser *nets, gpointer data, GError **error)
{
  g_autoptr (ShuBundle) views = shu_bundle_new ("views");
  Job job = *(const Job *) data;

  job.progress = NULL;
  job.p.preview = NULL;
  return work (&job, nets, views, error);
}

static gboolean
begin (Job *job, const ShuStage1Params *params, GError **error)
{
  static const char *const schemas[] = {"subject", NULL};

  if (!shu_bundle_check_schema (job->subject, schemas, error))
    return FALSE;
  fill_params (job, params);
  job->total = 1 + job->p.steps + ROWS - 1;
  return check_params (&job->p, error);
}

gsize
shu_stage1_memory (ShuModel *model, const ShuBundle *subject,
    const ShuStage1Params *params, gboolean low, GError **error)
{
  Job job = {.model = model, .subject = subject};

  return begin (&job, params, error)
             ? shu_memory_needed (model, low, rehearse, &job, error)
             : 0;
}

ShuBundle *
shu_stage_stage1 (ShuModel *model, const ShuBundle *subject,
    const ShuStage1Params *params, const ShuProgress *progress, GError **error)
{
  static const char *const carried[] = {"condition", "cutout", NULL};
  Job job = {.model = model, .subject = subject, .progress = progress};
  g_autoptr (ShuCtx) c = NULL;
  g_autoptr (ShuBundle) views = NULL;
  g_auto (ShuNetUser) nets = {.model = model, .progress = progress};

  if (!begin (&job, params, error) ||
      !shu_memory_admit (&nets, "stage 1", rehearse, &job, error))
    return NULL;
  c = nets.c = shu_model_context (model, progress, error);
  if (!c)
    return NULL;
  views = shu_bundle_new ("views");
  shu_bundle_carry (views, subject, carried);
  return work (&job, &nets, views, error) ? g_steal_pointer (&views) : NULL;
}
