/* SPDX-License-Identifier: MIT */
/* Stage 2: features of the views, structured latents by rectified flow, and
 * the two decoders (SyncHuman, arXiv 2510.07723, section 3.3). */
#include "stages/stages.h"
#include "base/error.h"
#include "formats/preprocess.h"
#include "models/dinov2.h"
#include "models/gs_decoder.h"
#include "models/mesh_decoder.h"
#include "models/slat_flow.h"
#include "sampling/flow_euler.h"
#include "sampling/noise.h"
#include "stages/body_private.h"
#include "stages/fields_private.h"
#include "stages/model_private.h"
#include "stages/vision_private.h"
#include <string.h>

enum {
  LATENT_CHANNELS_MAX = 64,
  BODY_VIEWS = 4,
  MAX_VOXELS = 64 * 64 * 64, /* their features take 7 GB */
};

/* What the functions below share. */
typedef struct {
  ShuModel *model;
  const ShuBundle *views;
  ShuStage2Params p;
  ShuCtx *c;
  ShuNetUser *nets;
  const ShuProgress *progress;
  int step, total; /* of the whole stage, for progress */
  ShuVoxels voxels;
} Job;

static gboolean
advance (Job *job, GError **error)
{
  return shu_progress (job->progress, "stage2", ++job->step, job->total, error);
}

static void
fill_params (Job *job, const ShuStage2Params *params)
{
  const ShuModelDefaults *d = shu_model_defaults (job->model);
  ShuStage2Params *p = &job->p;

  *p = *params;
  if (p->seed < 0)
    p->seed = shu_bundle_int (job->views, "seed", 43);
  if (p->steps < 0)
    p->steps = d->slat_steps;
  if (p->cfg_strength < 0)
    p->cfg_strength = d->cfg_strength;
  if (p->cfg_start < 0)
    p->cfg_start = d->cfg_interval[0];
  if (p->cfg_end < 0)
    p->cfg_end = d->cfg_interval[1];
  if (p->up_size < 0)
    p->up_size = d->up_size;
}

static gboolean
check_params (const Job *job, GError **error)
{
  const ShuStage2Params *p = &job->p;
  int up_min = 14 * shu_model_defaults (job->model)->voxel_res;

  if (p->steps < 1 || p->steps > 1000) {
    g_set_error (error, SHU_ERROR, SHU_ERROR_INVALID,
        "stage 2: %d steps, expected 1..1000", p->steps);
    return FALSE;
  }
  if (!(p->cfg_strength >= 0 && p->cfg_strength <= 20) ||
      !(p->cfg_start >= 0 && p->cfg_start <= p->cfg_end && p->cfg_end <= 1)) {
    g_set_error (error, SHU_ERROR, SHU_ERROR_INVALID,
        "stage 2: guidance %g in the interval %g..%g, expected 0..20 in 0..1",
        p->cfg_strength, p->cfg_start, p->cfg_end);
    return FALSE;
  }
  if (p->up_size < up_min || p->up_size > 4096 || p->up_size % 14 != 0) {
    g_set_error (error, SHU_ERROR, SHU_ERROR_INVALID,
        "stage 2: up-size %d, expected a multiple of 14 in %d..4096",
        p->up_size, up_min);
    return FALSE;
  }
  return TRUE;
}

/* The condition image: stored, or, where that is of another model's size, made
 * of the cut-out as Stage 1 does: scoped, NULL with an error */
static ShuTensor *
condition_image (const Job *job, GError **error)
{
  int side = shu_model_defaults (job->model)->condition_size;
  ShuTensor *cutout, *stored;

  if (shu_bundle_get (job->views, "condition")) {
    stored = shu_bundle_picture (job->c, job->views, "condition", 3, error);
    if (!stored || (stored->dims[0] == side && stored->dims[1] == side))
      return stored;
  }
  cutout = shu_bundle_picture (job->c, job->views, "cutout", 4, error);
  return cutout ? shu_condition_image (job->c, cutout, side, NULL) : NULL;
}

/* ---- features of the views ---- */

/* The pictures "color" or "normal" through DINOv2's taps: owned
 * [4,R,R,taps * width], and where there was room beside what it is made of */
static ShuTensor *
run_dino (Job *job, const char *field, GError **error)
{
  const ShuModelDefaults *d = shu_model_defaults (job->model);
  const ShuDinov2 *dino = shu_nets_take (job->nets, SHU_NET_DINO, error);
  ShuCtx *c = job->c;
  SHU_SCOPE (c);
  ShuTensor *inputs[BODY_VIEWS], *taps[G_N_ELEMENTS (d->dino_taps)], *pictures;
  g_autoptr (ShuTensor) result = NULL;

  if (!dino)
    return NULL;
  pictures = shu_bundle_pictures (c, job->views, field, BODY_VIEWS, error);
  if (!pictures)
    return NULL;
  shu_ctx_set_part (c, "dinov2");
  for (int v = 0; v < BODY_VIEWS; v++) {
    ShuTensor *x = shu_reshape (c, shu_slice (c, pictures, 0, v, 1),
        SHU_DIMS (pictures->dims[1], pictures->dims[2], 3));

    x = shu_picture_resize (
        c, x, d->view_size, d->view_size, SHU_FILTER_BICUBIC);
    inputs[v] = shu_vision_input (c, x, job->p.up_size, shu_imagenet_mean,
        shu_imagenet_std); /* [1,U,U,3] */
  }
  shu_dinov2_taps (c, dino, shu_concat (c, 0, BODY_VIEWS, inputs),
      d->n_dino_taps, d->dino_taps, taps);
  result = shu_own (c, shu_concat (c, 3, d->n_dino_taps, taps));
  if (!shu_ctx_finish (c, error))
    return NULL;
  shu_nets_give (job->nets, SHU_NET_DINO);
  return g_steal_pointer (&result);
}

/* The same, moved to the beginning of what is free then: left in the middle of
 * it, it would take a fifth of the decoders' room from them. */
static ShuTensor *
view_features (Job *job, const char *field, GError **error)
{
  ShuCtx *c = job->c;
  SHU_SCOPE (c);
  g_autoptr (ShuTensor) from = run_dino (job, field, error);
  g_autoptr (ShuTensor) result = NULL;

  if (!from)
    return NULL;
  result = shu_own (c, shu_concat (c, 0, 1, &from));
  return shu_ctx_finish (c, error) ? g_steal_pointer (&result) : NULL;
}

/* ---- structured latents ---- */

/* DINOv2's tokens of the condition image before its last norm, normalised
 * without parameters: owned [1,L,width]. */
static ShuTensor *
condition_tokens (Job *job, GError **error)
{
  const ShuDinov2 *dino = shu_nets_take (job->nets, SHU_NET_DINO, error);
  g_autoptr (ShuTensor) result = NULL;
  ShuCtx *c = job->c;
  SHU_SCOPE (c);
  ShuTensor *picture, *x;

  if (!dino)
    return NULL;
  picture = condition_image (job, error);
  if (!picture)
    return NULL;
  shu_ctx_set_part (c, "dinov2");
  x = shu_vision_input (
      c, picture, picture->dims[1], shu_imagenet_mean, shu_imagenet_std);
  x = shu_dinov2_condition (c, dino, x);
  result = shu_own (c, x);
  if (!shu_ctx_finish (c, error))
    return NULL;
  shu_nets_give (job->nets, SHU_NET_DINO);
  return g_steal_pointer (&result);
}

/* The steps' times, and 0 */
static double *
flow_times (const Job *job)
{
  double *t = g_new (double, job->p.steps + 1);

  shu_flow_times (
      job->p.steps, shu_model_defaults (job->model)->slat_rescale_t, t);
  return t;
}

/* (transfer full): NULL with an error */
static ShuSlatFlowRun *
prepare_flow (Job *job, const ShuSlatFlow *flow, ShuTensor *cond,
    const double *t, GError **error)
{
  int n = job->p.steps;
  g_autofree float *times = g_new (float, n);

  for (int i = 0; i < n; i++)
    times[i] = 1000 * t[i];
  shu_ctx_set_part (job->c, "slat_flow");
  return shu_slat_flow_run_new (
      flow, job->c, &job->voxels, cond, n, times, error);
}

/* What stays on the device from step to step. */
typedef struct {
  const ShuSlatFlowRun *run;
  ShuTensor *x; /* [N,K] */
  ShuFlowStep p;
} Sampler;

/* The state at the beginning: noise */
static void
start_sampling (Job *job, const double *t, int K, Sampler *s)
{
  int n_steps = job->p.steps;
  gsize n = (gsize) job->voxels.n * K;
  g_autofree ShuNoise *noise = g_new (ShuNoise, 1);
  g_autofree float *x = g_new (float, n);
  g_autofree float *schedule = g_new (float, 3 * n_steps);
  const gint32 first = 0;

  shu_noise_init (noise, job->p.seed, NULL);
  shu_noise_cpu (noise, x, n);
  for (int i = 0; i < n_steps; i++)
    shu_flow_coefficients (t[i], t[i + 1], 0, schedule + 3 * i);
  s->x = shu_state (job->c, SHU_DIMS (job->voxels.n, K), x);
  s->p = (ShuFlowStep){
      .step = shu_from_host (job->c, SHU_DTYPE_I32, SHU_DIMS (1), &first),
      .schedule = shu_state (job->c, SHU_DIMS (n_steps, 3), schedule),
      .n_parts = 1,
      .guidance = job->p.cfg_strength,
      .extra = TRUE};
}

/* One step; the same operations for all that are guided, and for all others */
static void
sample_step (ShuCtx *c, gpointer data)
{
  Sampler *s = data;
  ShuTensor *v = shu_slat_flow_forward (c, s->run, shu_state_value (c, s->x),
      s->p.step, s->p.guided ? SHU_SLAT_BOTH : SHU_SLAT_COND);

  shu_flow_advance (c, s->x, v, &s->p, NULL);
  shu_count (c, s->p.step);
}

/* All steps, or of a rehearsal one, the largest. */
static gboolean
run_steps (Job *job, const double *t, Sampler *s, GError **error)
{
  gboolean dry = shu_ctx_is_dry (job->c);
  int n = dry ? 1 : job->p.steps;
  g_autoptr (ShuReplay) step = NULL;

  for (int i = 0; i < n; i++) {
    gboolean guided =
        job->p.cfg_strength > 0 &&
        (dry || shu_flow_is_guided (t[i], job->p.cfg_start, job->p.cfg_end));

    if (!step || guided != s->p.guided) {
      g_clear_pointer (&step, shu_replay_free);
      s->p.guided = guided;
      step = shu_replay_new (job->c, sample_step, s);
    }
    shu_replay_run (step);
    if (!shu_ctx_finish (job->c, error) || !advance (job, error))
      return FALSE;
  }
  return TRUE;
}

/* @x [N,K] as the decoders want it: scoped, NULL with an error */
static ShuTensor *
denormalized (const Job *job, ShuTensor *x, GError **error)
{
  g_autoptr (ShuConfig) config =
      shu_model_config (job->model, "SecondStage/pipeline.json", error);
  int K = (int) x->dims[1];
  ShuConfig *norm;
  double mean[LATENT_CHANNELS_MAX], std[LATENT_CHANNELS_MAX];
  float scale[LATENT_CHANNELS_MAX], shift[LATENT_CHANNELS_MAX];

  if (!config)
    return NULL;
  norm = shu_config_at (config, "args/slat_normalization");
  if (shu_config_floats (norm, "mean", LATENT_CHANNELS_MAX, mean) != K ||
      shu_config_floats (norm, "std", LATENT_CHANNELS_MAX, std) != K)
    shu_config_fail (norm, "\"mean\", \"std\": expected %d numbers", K);
  if (!shu_config_finish (config, error))
    return NULL;
  for (int i = 0; i < K; i++) {
    scale[i] = (float) std[i];
    shift[i] = (float) mean[i];
  }
  return shu_state_affine (job->c, x, shu_state (job->c, SHU_DIMS (K), scale),
      shu_state (job->c, SHU_DIMS (K), shift));
}

/* The latents, which stay on the device: owned [N,K] */
static ShuTensor *
sample (Job *job, GError **error)
{
  SHU_SCOPE (job->c);
  const ShuSlatFlow *flow;
  g_autofree double *t = flow_times (job);
  g_autoptr (ShuTensor) cond = condition_tokens (job, error);
  g_autoptr (ShuSlatFlowRun) run = NULL;
  Sampler s = {NULL};
  ShuTensor *x;

  if (!cond)
    return NULL;
  flow = shu_nets_take (job->nets, SHU_NET_SLAT_FLOW, error);
  if (!flow)
    return NULL;
  s.run = run = prepare_flow (job, flow, cond, t, error);
  if (!run)
    return NULL;
  start_sampling (job, t, shu_slat_flow_in_channels (flow), &s);
  if (!run_steps (job, t, &s, error))
    return NULL;
  x = denormalized (job, s.x, error);
  if (!x || !shu_ctx_finish (job->c, error))
    return NULL;
  return shu_tensor_ref (x);
}

/* ---- decoding ---- */

/* They stay where they are, as what is drawn there. */
static void
put_gaussians (Job *job, const ShuGaussianFields *g, ShuBundle *asset)
{
  const struct {
    const char *name;
    ShuTensor *t;
  } fields[] = {{"gs_pos", g->pos}, {"gs_scale", g->scale},
      {"gs_quat", g->quat}, {"gs_opacity", g->opacity}, {"gs_rgb", g->rgb}};

  for (gsize i = 0; i < G_N_ELEMENTS (fields); i++)
    shu_bundle_take (asset, fields[i].name, shu_own (job->c, fields[i].t));
}

static gboolean
decode_gaussians (Job *job, ShuTensor *slat, const ShuSlatViews *features,
    ShuBundle *asset, GError **error)
{
  const ShuGsDecoder *decoder =
      shu_nets_take (job->nets, SHU_NET_GS_DECODER, error);
  ShuCtx *c = job->c;

  if (!decoder)
    return FALSE;
  shu_ctx_set_part (c, "gs_decoder");
  {
    SHU_SCOPE (c);
    ShuTensor *y =
        shu_gs_decoder_forward (c, decoder, &job->voxels, slat, features);
    ShuGaussianFields g;

    if (shu_gs_decoder_gaussians (c, decoder, &job->voxels, y, &g))
      put_gaussians (job, &g, asset);
  }
  if (!shu_ctx_finish (c, error))
    return FALSE;
  shu_nets_give (job->nets, SHU_NET_GS_DECODER);
  return advance (job, error);
}

/* The features @y of grandchildren at @coords, with distances of the built-in
 * body in place of those that a formula's weights give; scoped */
static ShuTensor *
with_body (Job *job, ShuTensor *y, int R, const gint32 *coords)
{
  enum { N = SHU_SURFACE_PLAIN };

  ShuCtx *c = job->c;
  gint64 rows = y->dims[0];
  g_autofree float *body = NULL; /* a rehearsal has no use for values */
  ShuTensor *plain;

  if (!shu_ctx_is_dry (c)) {
    body = g_new (float, rows *N);
    shu_body_set_distances (
        shu_model_body_size (job->model), R, rows, coords, N, body);
  }
  plain = shu_from_host_as (
      c, SHU_TRAFFIC_MESH, SHU_DTYPE_F32, SHU_DIMS (rows, N), body);
  return y->dims[1] > N
             ? shu_concat2 (c, 1, plain, shu_slice (c, y, 1, N, y->dims[1] - N))
             : plain;
}

/* Where the grandchildren of the voxels are: (transfer full) [64N,3] */
static ShuTensor *
grandchildren (const Job *job)
{
  gint64 rows = (gint64) SHU_MESH_DECODER_GRANDCHILDREN * job->voxels.n;
  ShuTensor *coords = shu_tensor_new (SHU_DTYPE_I32, SHU_DIMS (rows, 3));
  g_autofree gint32 *with_batch = g_new (gint32, 4 * rows);

  shu_mesh_decoder_coords (&job->voxels, with_batch);
  for (gint64 i = 0; i < rows; i++)
    memcpy ((gint32 *) coords->data + 3 * i, with_batch + 4 * i + 1,
        3 * sizeof (gint32));
  return coords;
}

/* The features stay where they are: what extracts the surface goes there. */
static gboolean
decode_mesh (Job *job, ShuTensor *slat, const ShuSlatViews *features,
    ShuBundle *asset, GError **error)
{
  const ShuMeshDecoder *decoder =
      shu_nets_take (job->nets, SHU_NET_MESH_DECODER, error);
  gint64 rows = (gint64) SHU_MESH_DECODER_GRANDCHILDREN * job->voxels.n;
  g_autoptr (ShuTensor) feats = NULL;
  g_autoptr (ShuTensor) coords = NULL;
  ShuCtx *c = job->c;
  int R, K;

  if (!decoder)
    return FALSE;
  R = shu_mesh_decoder_resolution (decoder);
  K = shu_mesh_decoder_out_channels (decoder);
  coords = grandchildren (job);
  shu_ctx_set_part (c, "mesh_decoder");
  {
    SHU_SCOPE (c);
    ShuTensor *y =
        shu_mesh_decoder_forward (c, decoder, &job->voxels, slat, features);

    if (!shu_ctx_failed (c) && (y->dims[0] != rows || y->dims[1] != K))
      shu_ctx_fail (c, SHU_ERROR_INTERNAL, "mesh_decoder: wrong sizes");
    if (shu_model_is_synthetic (job->model) && !shu_ctx_failed (c))
      y = with_body (job, y, R, coords->data);
    feats = shu_own (c, y);
  }
  if (!shu_ctx_finish (c, error))
    return FALSE;
  shu_nets_give (job->nets, SHU_NET_MESH_DECODER);
  if (shu_ctx_is_dry (c))
    return TRUE;
  shu_bundle_set (asset, "mesh_coords", coords);
  shu_bundle_set (asset, "mesh_feats", feats);
  shu_bundle_set_int (asset, "mesh-resolution", R);
  return advance (job, error);
}

static gboolean
run (Job *job, ShuBundle *asset, GError **error)
{
  g_autoptr (ShuTensor) color = NULL, normal = NULL, slat = NULL;
  ShuSlatViews features;

  slat = sample (job, error);
  if (!slat)
    return FALSE;
  shu_nets_give (job->nets, SHU_NET_SLAT_FLOW);
  color = view_features (job, "color", error);
  if (!color || !advance (job, error))
    return FALSE;
  normal = view_features (job, "normal", error);
  if (!normal || !advance (job, error))
    return FALSE;
  features = (ShuSlatViews){.color = color, .normal = normal};
  return decode_gaussians (job, slat, &features, asset, error) &&
         decode_mesh (job, slat, &features, asset, error);
}

/* @from's work with the networks and the context of @nets */
static gboolean
work (const Job *from, ShuNetUser *nets, ShuBundle *asset, GError **error)
{
  static const ShuNet all[] = {SHU_NET_DINO, SHU_NET_SLAT_FLOW,
      SHU_NET_GS_DECODER, SHU_NET_MESH_DECODER};
  Job job = *from;

  job.nets = nets;
  job.c = nets->c;
  return shu_nets_begin (nets, G_N_ELEMENTS (all), all, error) &&
         shu_progress (job.progress, "stage2", 0, job.total, error) &&
         run (&job, asset, error);
}

static gboolean
rehearse (ShuNetUser *nets, gpointer data, GError **error)
{
  g_autoptr (ShuBundle) asset = shu_bundle_new ("asset");
  Job job = *(const Job *) data;

  job.progress = NULL;
  return work (&job, nets, asset, error);
}

static gboolean
take_voxels (Job *job, GError **error)
{
  ShuTensor *coords = shu_bundle_need (
      job->views, "coords", SHU_DTYPE_I32, SHU_DIMS (-1, 4), error);

  if (!coords)
    return FALSE;
  if (coords->dims[0] > MAX_VOXELS) {
    g_set_error (error, SHU_ERROR, SHU_ERROR_LIMIT,
        "bundle \"views\": %" G_GINT64_FORMAT " voxels, at most %d",
        coords->dims[0], MAX_VOXELS);
    return FALSE;
  }
  job->voxels =
      (ShuVoxels){.n = coords->dims[0], .stride = 4, .coords = coords->data};
  return shu_voxels_check (
      &job->voxels, shu_model_defaults (job->model)->voxel_res, error);
}

/* Whether these are views of such a model, with its pictures. */
static gboolean
take_views (Job *job, GError **error)
{
  static const char *const schemas[] = {"views", NULL};
  const ShuBundle *b = job->views;
  gboolean stored = shu_bundle_get (b, "condition") != NULL;

  return shu_bundle_check_schema (b, schemas, error) &&
         take_voxels (job, error) &&
         shu_bundle_find_pictures (b, "color", BODY_VIEWS, error) &&
         shu_bundle_find_pictures (b, "normal", BODY_VIEWS, error) &&
         (stored ? shu_bundle_find_picture (b, "condition", 3, error)
                 : shu_bundle_find_picture (b, "cutout", 4, error));
}

static gboolean
take_params (Job *job, const ShuStage2Params *params, GError **error)
{
  fill_params (job, params);
  if (!check_params (job, error))
    return FALSE;
  job->total = job->p.steps + 4;
  return TRUE;
}

gsize
shu_stage2_memory (ShuModel *model, const ShuBundle *views,
    const ShuStage2Params *params, gboolean low, GError **error)
{
  Job job = {.model = model, .views = views};

  return take_views (&job, error) && take_params (&job, params, error)
             ? shu_memory_needed (model, 1, low, rehearse, &job, error)
             : 0;
}

/* (transfer full) */
static ShuBundle *
make_asset (Job *job, GError **error)
{
  g_autoptr (ShuCtx) c = NULL;
  g_autoptr (ShuBundle) asset = NULL;
  g_auto (ShuNetUser) nets = {.model = job->model, .progress = job->progress};

  if (!shu_memory_admit (&nets, "stage 2", rehearse, job, error))
    return NULL;
  c = nets.c = shu_model_context (job->model, job->progress, error);
  if (!c)
    return NULL;
  asset = shu_bundle_new ("asset");
  shu_bundle_carry (asset, job->views, shu_carried_fields);
  return work (job, &nets, asset, error) ? g_steal_pointer (&asset) : NULL;
}

gboolean
shu_stage_stage2_batch (ShuModel *model, int n, const ShuBundle *const *views,
    const ShuStage2Params *params, const ShuProgress *progress, ShuOutcome *ret,
    GError **error)
{
  memset (ret, 0, n * sizeof *ret);
  for (int i = 0; i < n; i++) {
    Job job = {.model = model, .views = views[i], .progress = progress};

    if (!take_views (&job, &ret[i].error))
      continue;
    if (!take_params (&job, params, error) ||
        !(ret[i].bundle = make_asset (&job, error)))
      return FALSE;
  }
  return TRUE;
}

ShuBundle *
shu_stage_stage2 (ShuModel *model, const ShuBundle *views,
    const ShuStage2Params *params, const ShuProgress *progress, GError **error)
{
  ShuOutcome o = {NULL};

  if (shu_stage_stage2_batch (model, 1, &views, params, progress, &o, error) &&
      o.error)
    g_propagate_error (error, o.error);
  return o.bundle;
}
