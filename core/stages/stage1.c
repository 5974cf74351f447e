/* SPDX-License-Identifier: MIT */
/* Stage 1: five colour and five normal views together with sparse voxels, by
 * rectified flow with guidance (SyncHuman, arXiv 2510.07723, section 3.2).
 *
 *   subject -> stage1_condition.c -> what the denoiser is conditioned on
 *   noise -> steps of the joint denoiser -> stage1_results.c -> views, voxels
 *
 * Several subjects go through the denoiser together.  Each has the noise of its
 * own seed, so what comes of it does not depend on the others.  In the
 * reference the latents are float16 between steps; here they stay float32. */
#include "stages/stage1_private.h"
#include "base/error.h"
#include "sampling/flow_euler.h"
#include "stages/fields_private.h"
#include <string.h>

enum { V = SHU_STAGE1_V, ROWS = SHU_STAGE1_ROWS };

static const double SIGMA_MIN = 1e-5;

typedef ShuStage1Job Job;
typedef ShuStage1Subject Subject;

gboolean
shu_stage1_advance (Job *job, GError **error)
{
  return shu_progress (job->progress, "stage1", ++job->step, job->total, error);
}

/* ---- preview ---- */

/* Step @i is shown: every so many, and the last. */
static gboolean
is_shown (const Job *job, int i)
{
  int k = MAX (job->p.preview_interval, 1);

  return job->p.preview && ((i + 1) % k == 0 || i + 1 == job->p.steps);
}

/* What the last step took the views to be, downloaded: [2,B,V,L,L,K] */
static float *
take_estimate (Job *job)
{
  gsize n = (gsize) ROWS * job->B * job->L * job->L * job->K;
  float *z = g_new0 (float, n);

  shu_fetch_as (job->c, SHU_TRAFFIC_PREVIEW, job->estimate, n, z);
  return z;
}

/* The views of subject @b, colours first: (transfer full) */
static ShuImage *
draw_subject (const Job *job, int b, const float *estimate)
{
  enum { SIDE = 96 };

  int S = shu_model_defaults (job->model)->view_size;
  gsize n = (gsize) V * job->L * job->L * job->K;
  g_autofree float *z = g_new (float, 2 * n);

  for (int d = 0; d < SHU_DOMAINS; d++)
    memcpy (z + (1 - d) * n, estimate + (d * job->B + b) * n, n * sizeof *z);
  return shu_latent_colors_sheet (
      &job->subjects[b].colors, SHU_DOMAINS, V, MIN (S, SIDE), z);
}

/* Shows what take_estimate() gave, subject above subject. */
static void
show_preview (Job *job, const float *estimate)
{
  g_autoptr (ShuImage) all = NULL;

  for (int b = 0; estimate && b < job->B; b++) {
    g_autoptr (ShuImage) one = draw_subject (job, b, estimate);
    gsize size = (gsize) one->width * one->height * one->n_channels;

    if (!all)
      all = shu_image_new (one->width, job->B * one->height, one->n_channels);
    memcpy (all->data + b * size, one->data, size);
  }
  if (all)
    job->p.preview (all, job->p.preview_data);
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

/* The noise of subject @b, where it belongs in @latents [2,B,V,L,L,K] and
 * @structure [B,R,R,R,K3] */
static void
make_noise (const Job *job, int b, float *latents, float *structure)
{
  gsize area = (gsize) job->L * job->L;
  gsize volume = (gsize) job->R * job->R * job->R;
  gsize n2 = V * area * job->K, n3 = volume * job->K3; /* of a domain */
  g_autofree float *noise2 = g_new (float, SHU_DOMAINS *n2);
  g_autofree float *noise3 = g_new (float, n3);

  shu_noise_stage1 (job->subjects[b].seed, &job->noise,
      (gsize) ROWS * job->projection, noise2, SHU_DOMAINS * n2, noise3, n3);
  for (int d = 0; d < SHU_DOMAINS; d++)
    channels_last (
        noise2 + d * n2, V, job->K, area, latents + (d * job->B + b) * n2);
  channels_last (noise3, 1, job->K3, volume, structure + b * n3);
}

/* The state at the beginning: noise, and the steps' times */
static void
start_sampling (Job *job)
{
  ShuCtx *c = job->c;
  int B = job->B, L = job->L, R = job->R;
  gsize n2 = (gsize) ROWS * B * L * L * job->K;
  gsize n3 = (gsize) B * R * R * R * job->K3;
  g_autofree float *latents = g_new (float, n2);
  g_autofree float *structure = g_new (float, n3);
  g_autofree float *schedule = g_new (float, 3 * job->p.steps);
  const gint32 first = 0;

  for (int b = 0; b < B; b++)
    make_noise (job, b, latents, structure);
  for (int i = 0; i < job->p.steps; i++)
    shu_flow_coefficients (
        job->t[i], job->t[i + 1], SIGMA_MIN, schedule + 3 * i);
  job->latents = shu_state (c, SHU_DIMS (ROWS * B, L, L, job->K), latents);
  job->structure = shu_state (c, SHU_DIMS (B, R, R, R, job->K3), structure);
  if (job->p.preview)
    job->estimate = shu_state (c, SHU_DIMS (ROWS * B, L, L, job->K), latents);
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
      .n_parts = SHU_DOMAINS,
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
    g_clear_pointer (&shown, g_free);
    if (is_shown (job, i))
      shown = take_estimate (job);
    if (!shu_ctx_finish (job->c, error) || !shu_stage1_advance (job, error))
      return FALSE;
  }
  show_preview (job, shown);
  return TRUE;
}

static gboolean
sample (Job *job, GError **error)
{
  int n = job->p.steps;
  g_autofree double *t = job->t = g_new (double, n + 1);
  g_autoptr (ShuJointPrepared) prepared = NULL;

  shu_flow_times (n, shu_model_defaults (job->model)->rescale_t, t);
  job->prepared = prepared = shu_stage1_prepare (job, error);
  if (!prepared || !shu_stage1_advance (job, error))
    return FALSE;
  start_sampling (job);
  return run_steps (job, error);
}

/* ---- the stage ---- */

/* The work on @job's subjects, with the networks and the context of @nets */
static gboolean
work (Job *job, ShuNetUser *nets, GError **error)
{
  const ShuNet all[] = {
      SHU_NET_CLIP, SHU_NET_VAE, SHU_NET_DINO, job->net, SHU_NET_SS_DECODER};
  const ShuJoint *joint;

  job->nets = nets;
  job->c = nets->c;
  if (!shu_nets_begin (nets, G_N_ELEMENTS (all), all, error) ||
      !(joint = shu_nets_peek (nets, job->net, error)))
    return FALSE;
  job->L = shu_joint_unet_sizes (joint)->side;
  job->K = shu_joint_unet_sizes (joint)->Co;
  job->R = shu_joint_ss_sizes (joint)->res;
  job->K3 = shu_joint_ss_sizes (joint)->Ci;
  shu_nets_give (nets, job->net);
  if (job->step == 0 &&
      !shu_progress (job->progress, "stage1", 0, job->total, error))
    return FALSE;
  if (!sample (job, error))
    return FALSE;
  shu_nets_give (nets, job->net);
  return shu_stage1_results (job, error);
}

static gboolean
rehearse (ShuNetUser *nets, gpointer data, GError **error)
{
  Job job = *(const Job *) data;
  Subject subjects[SHU_BATCH_MAX];

  for (int b = 0; b < nets->together; b++)
    subjects[b] = (Subject){.bundle = job.subjects[b].bundle};
  job.B = nets->together;
  job.subjects = subjects;
  job.progress = NULL;
  job.p.preview = NULL;
  return work (&job, nets, error);
}

static gboolean
fill_params (Job *job, const ShuStage1Params *params, GError **error)
{
  const ShuModelDefaults *d = shu_model_defaults (job->model);
  ShuStage1Params *p = &job->p;

  *p = *params;
  if (p->steps < 0)
    p->steps = d->steps;
  if (p->guidance < 0)
    p->guidance = d->guidance;
  job->net = SHU_NET_JOINT;
  if (p->precision == SHU_PRECISION_FP8) {
    job->net = SHU_NET_JOINT_FP8;
  } else if (p->precision != SHU_PRECISION_F16) {
    g_set_error (error, SHU_ERROR, SHU_ERROR_INVALID,
        "stage 1: precision %d, expected f16 or fp8", (int) p->precision);
    return FALSE;
  }
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
  if (!shu_noise_device_parse (p->noise_gpu, &job->noise, error)) {
    g_prefix_error (error, "stage 1: ");
    return FALSE;
  }
  return TRUE;
}

gsize
shu_stage1_memory (ShuModel *model, int n, const ShuBundle *subject,
    const ShuStage1Params *params, gboolean low, GError **error)
{
  Subject subjects[SHU_BATCH_MAX];
  Job job = {.model = model, .B = n, .subjects = subjects};

  g_return_val_if_fail (n >= 1 && n <= SHU_BATCH_MAX, 0);
  for (int b = 0; b < n; b++)
    subjects[b] = (Subject){.bundle = subject};
  return fill_params (&job, params, error) &&
                 shu_stage1_check (&job, &subjects[0], error)
             ? shu_memory_needed (model, n, low, rehearse, &job, error)
             : 0;
}

/* Nobody gets another precision than asked for without a word. */
static gboolean
check_device (const Job *job, ShuCtx *c, GError **error)
{
  if (job->p.precision == SHU_PRECISION_F16 || shu_has_fp8 (c))
    return TRUE;
  g_set_error (error, SHU_ERROR, SHU_ERROR_UNSUPPORTED,
      "stage 1: precision fp8 needs an NVIDIA GPU of compute capability 9.0 "
      "(H100, H200), and %s is none; leave precision at f16",
      shu_model_device (job->model));
  return FALSE;
}

/* As many of @job's subjects together as @nets has room for, then the next, in
 * turns of the same size. */
static gboolean
work_in_turns (Job *job, ShuNetUser *nets, GError **error)
{
  static const char *const carried[] = {"condition", "cutout", NULL};
  int n = job->B, turns = (n + nets->together - 1) / nets->together;
  int k = (n + turns - 1) / turns;

  job->total = turns * (1 + job->p.steps) + n * (ROWS - 1);
  for (; n > 0; job->subjects += job->B, n -= job->B) {
    gboolean ok;

    job->B = MIN (n, k);
    for (int b = 0; b < job->B; b++) {
      job->subjects[b].views = shu_bundle_new ("views");
      shu_bundle_carry (
          job->subjects[b].views, job->subjects[b].bundle, carried);
    }
    ok = work (job, nets, error);
    shu_nets_clear (nets);
    for (int b = 0; b < job->B; b++) {
      job->subjects[b].done = ok;
      shu_latent_colors_clear (&job->subjects[b].colors);
    }
    if (!ok)
      return FALSE;
  }
  return TRUE;
}

/* What goes wrong is not of one subject. */
static gboolean
run (const Job *from, GError **error)
{
  Job job = *from;
  g_autoptr (ShuCtx) c = NULL;
  g_auto (ShuNetUser)
      nets = {.model = job.model, .progress = job.progress, .together = job.B};

  if (!shu_memory_admit (&nets, "stage 1", rehearse, &job, error))
    return FALSE;
  c = nets.c = shu_model_context (job.model, job.progress, error);
  return c && check_device (&job, c, error) &&
         work_in_turns (&job, &nets, error);
}

gboolean
shu_stage_stage1_batch (ShuModel *model, int n,
    const ShuBundle *const *subjects, const ShuStage1Params *params,
    const ShuProgress *progress, ShuOutcome *ret, GError **error)
{
  Subject good[SHU_BATCH_MAX] = {{NULL}};
  int at[SHU_BATCH_MAX]; /* of the good ones in @ret */
  Job job = {.model = model, .subjects = good, .progress = progress};
  gboolean ok;

  g_return_val_if_fail (n >= 1 && n <= SHU_BATCH_MAX, FALSE);
  memset (ret, 0, n * sizeof *ret);
  if (!fill_params (&job, params, error))
    return FALSE;
  for (int i = 0; i < n; i++) {
    Subject s = {.bundle = subjects[i], .seed = params->seed};

    if (!shu_stage1_check (&job, &s, &ret[i].error))
      continue;
    if (s.seed < 0)
      s.seed = shu_bundle_int (s.bundle, "seed", 43);
    at[job.B] = i;
    good[job.B++] = s;
  }
  ok = job.B == 0 || run (&job, error);
  for (int b = 0; b < job.B; b++) {
    ShuOutcome *o = &ret[at[b]];

    o->error = g_steal_pointer (&good[b].error);
    if (!o->error && good[b].done)
      o->bundle = g_steal_pointer (&good[b].views);
    g_clear_pointer (&good[b].views, shu_bundle_unref);
  }
  return ok;
}

ShuBundle *
shu_stage_stage1 (ShuModel *model, const ShuBundle *subject,
    const ShuStage1Params *params, const ShuProgress *progress, GError **error)
{
  ShuOutcome o = {NULL};

  if (shu_stage_stage1_batch (
          model, 1, &subject, params, progress, &o, error) &&
      o.error)
    g_propagate_error (error, o.error);
  return o.bundle;
}
