/* SPDX-License-Identifier: MIT */
/* What Stage 1's denoiser is conditioned on, computed once before the steps:
 *
 *   body, face -> CLIP -> class labels        [2 B V,P]
 *              -> VAE  -> image latents       [2 B V,L,L,4]
 *   condition  -> DINOv2 tokens, normalised   [B,T,K]
 *
 * The encoders see one subject at a time. */
#include "stages/stage1_private.h"
#include "base/error.h"
#include "models/clip.h"
#include "models/dinov2.h"
#include "models/vae.h"
#include "sampling/flow_euler.h"
#include "stages/fields_private.h"
#include "stages/vision_private.h"

enum { V = SHU_STAGE1_V, ROWS = SHU_STAGE1_ROWS, MAX_B = SHU_BATCH_MAX };

/* ---- pictures ---- */

/* A square picture of the subject as it lies there: (transfer none) */
static ShuTensor *
find_square (
    const ShuStage1Subject *s, const char *name, int side, GError **error)
{
  ShuTensor *t = shu_bundle_need_anywhere (
      s->bundle, name, SHU_DTYPE_U8, SHU_DIMS (-1, -1, 3), error);

  if (!t || (t->dims[0] == side && t->dims[1] == side))
    return t;
  g_set_error (error, SHU_ERROR, SHU_ERROR_INVALID,
      "bundle \"subject\": field \"%s\" has %d x %d pixels, the model needs "
      "%d x %d; preprocess with the sizes of this model folder",
      name, (int) t->dims[1], (int) t->dims[0], side, side);
  return NULL;
}

ShuTensor *
shu_stage1_square (const ShuStage1Job *job, const ShuStage1Subject *s,
    const char *name, int side, GError **error)
{
  ShuTensor *t = find_square (s, name, side, error);

  return t ? shu_on_device (job->c, t, SHU_TRAFFIC_IMAGE) : NULL;
}

gboolean
shu_stage1_check (
    const ShuStage1Job *job, const ShuStage1Subject *s, GError **error)
{
  static const char *const schemas[] = {"subject", NULL};
  const ShuModelDefaults *d = shu_model_defaults (job->model);

  return shu_bundle_check_schema (s->bundle, schemas, error) &&
         find_square (s, "body", d->view_size, error) &&
         find_square (s, "face", d->view_size, error) &&
         find_square (s, "front", d->view_size, error) &&
         find_square (s, "condition", d->condition_size, error);
}

/* What there is of the subjects */
typedef struct {
  ShuTensor *body, *face, *condition;
} Pictures;

static gboolean
take_pictures (ShuStage1Job *job, Pictures *ret, GError **error)
{
  const ShuModelDefaults *d = shu_model_defaults (job->model);

  for (int b = 0; b < job->B; b++) {
    const ShuStage1Subject *s = &job->subjects[b];

    ret[b].body = shu_stage1_square (job, s, "body", d->view_size, error);
    ret[b].face = ret[b].body
                      ? shu_stage1_square (job, s, "face", d->view_size, error)
                      : NULL;
    ret[b].condition = ret[b].face ? shu_stage1_square (job, s, "condition",
                                         d->condition_size, error)
                                   : NULL;
    if (!ret[b].condition)
      return FALSE;
  }
  return TRUE;
}

/* ---- rows ---- */

/* @values [2,...] of body and face as rows of all views: [2V,...]; scoped */
static ShuTensor *
spread (ShuCtx *c, ShuTensor *values)
{
  ShuTensor *body = shu_slice (c, values, 0, 0, 1);
  ShuTensor *face = shu_slice (c, values, 0, 1, 1);

  return shu_tile (c, shu_concat2 (c, 0, shu_repeat (c, body, V - 1), face), 2);
}

/* Rows [2V,...] of each subject as those of all: [2 B V,...] */
static ShuTensor *
by_domain (ShuCtx *c, int B, ShuTensor *const *rows)
{
  ShuTensor *parts[SHU_DOMAINS * MAX_B];

  for (int d = 0; d < SHU_DOMAINS; d++)
    for (int b = 0; b < B; b++)
      parts[d * B + b] = shu_slice (c, rows[b], 0, d * V, V);
  return shu_concat (c, 0, SHU_DOMAINS * B, parts);
}

/* ---- encoders ---- */

static gboolean
read_norm (ShuStage1Job *job, double mean[3], double std[3], GError **error)
{
  g_autoptr (ShuConfig) config = shu_model_config (
      job->model, "OneStage/feature_extractor/preprocessor_config.json", error);

  if (!config)
    return FALSE;
  if (shu_config_floats (config, "image_mean", 3, mean) != 3 ||
      shu_config_floats (config, "image_std", 3, std) != 3)
    shu_config_fail (config, "\"image_mean\", \"image_std\": 3 numbers");
  return shu_config_finish (config, error);
}

/* CLIP embeddings beside the embedding of noise level 0, which is cosines
 * (ones), then sines (zeros): [2 B V,2P] */
static ShuTensor *
class_labels (ShuStage1Job *job, const Pictures *pictures, GError **error)
{
  ShuCtx *c = job->c;
  const ShuClip *clip = shu_nets_take (job->nets, SHU_NET_CLIP, error);
  ShuTensor *rows[MAX_B], *level;
  double mean[3], std[3];
  int P, side;

  if (!clip || !read_norm (job, mean, std, error))
    return NULL;
  side = shu_clip_image_size (clip);
  job->projection = P = shu_clip_projection_dim (clip);
  level = shu_concat2 (c, 1, shu_fill (c, SHU_DIMS (2, P / 2), 1),
      shu_fill (c, SHU_DIMS (2, P - P / 2), 0));
  for (int b = 0; b < job->B; b++) {
    ShuTensor *from[] = {pictures[b].body, pictures[b].face};
    ShuTensor *inputs[2], *embeds;

    for (int i = 0; i < 2; i++) {
      ShuTensor *small =
          shu_picture_resize (c, from[i], side, side, SHU_FILTER_BICUBIC);

      inputs[i] = shu_vision_input (c, small, side, mean, std);
    }
    embeds = shu_clip_embed (c, clip, shu_concat (c, 0, 2, inputs)); /* [2,P] */
    rows[b] = spread (c, shu_concat2 (c, 1, embeds, level));
  }
  shu_nets_give (job->nets, SHU_NET_CLIP);
  return by_domain (c, job->B, rows);
}

/* Latents of body and face: [2,L,L,4] */
static ShuTensor *
encode (ShuStage1Job *job, const ShuVae *vae, const Pictures *p)
{
  static const double half[] = {0.5, 0.5, 0.5};
  ShuCtx *c = job->c;
  ShuTensor *from[] = {p->body, p->face}, *rows[2];

  for (int i = 0; i < 2; i++)
    rows[i] = shu_vae_encode_mode (
        c, vae, shu_vision_input (c, from[i], from[i]->dims[1], half, half));
  return shu_affine (
      c, shu_concat (c, 0, 2, rows), shu_vae_scaling_factor (vae), 0);
}

/* How latents look is learnt from the subject's own: @latents [2,L,L,K] of
 * body and face. */
static void
learn_colors (ShuStage1Job *job, ShuStage1Subject *s, const Pictures *p,
    ShuTensor *latents)
{
  gsize n = 2 * (gsize) job->L * job->L * job->K;
  g_autofree float *values = g_new0 (float, n);
  g_autoptr (ShuImage) body = NULL, face = NULL;

  shu_fetch_as (job->c, SHU_TRAFFIC_PREVIEW, latents, n, values);
  body = shu_picture_to_image (job->c, p->body, SHU_TRAFFIC_PREVIEW);
  face = shu_picture_to_image (job->c, p->face, SHU_TRAFFIC_PREVIEW);
  if (body && face)
    shu_latent_colors_init (&s->colors, job->L, job->K, 2,
        (const ShuImage *[]){body, face}, values);
}

/* [2 B V,L,L,4] */
static ShuTensor *
image_latents (ShuStage1Job *job, const Pictures *pictures, GError **error)
{
  const ShuVae *vae = shu_nets_take (job->nets, SHU_NET_VAE, error);
  ShuTensor *rows[MAX_B];

  if (!vae)
    return NULL;
  for (int b = 0; b < job->B; b++) {
    ShuTensor *latents = encode (job, vae, &pictures[b]);

    if (job->p.preview)
      learn_colors (job, &job->subjects[b], &pictures[b], latents);
    rows[b] = spread (job->c, latents);
  }
  shu_nets_give (job->nets, SHU_NET_VAE);
  return by_domain (job->c, job->B, rows);
}

/* [B,T,K] */
static ShuTensor *
context_tokens (ShuStage1Job *job, const Pictures *pictures, GError **error)
{
  const ShuDinov2 *dino = shu_nets_take (job->nets, SHU_NET_DINO, error);
  ShuTensor *rows[MAX_B];

  if (!dino)
    return NULL;
  for (int b = 0; b < job->B; b++) {
    ShuTensor *x = pictures[b].condition;

    rows[b] = shu_dinov2_condition (job->c, dino,
        shu_vision_input (
            job->c, x, x->dims[1], shu_imagenet_mean, shu_imagenet_std));
  }
  shu_nets_give (job->nets, SHU_NET_DINO);
  return shu_concat (job->c, 0, job->B, rows);
}

ShuJointPrepared *
shu_stage1_prepare (ShuStage1Job *job, GError **error)
{
  ShuCtx *c = job->c;
  SHU_SCOPE (c);
  Pictures pictures[MAX_B];
  g_autoptr (ShuJointPrepared) prepared = NULL;
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
  if (!text || !take_pictures (job, pictures, error))
    return NULL;
  shu_ctx_set_part (c, "clip");
  if (!(in.labels = class_labels (job, pictures, error)))
    return NULL;
  shu_ctx_set_part (c, "vae");
  if (!(in.images = image_latents (job, pictures, error)))
    return NULL;
  shu_ctx_set_part (c, "dinov2");
  if (!(in.context = context_tokens (job, pictures, error)))
    return NULL;
  shu_ctx_set_part (c, "joint");
  if (!(job->joint = shu_nets_take (job->nets, job->net, error)))
    return NULL;
  prepared = shu_joint_prepare (c, job->joint, &in);
  if (!shu_ctx_finish (c, error))
    return NULL;
  return g_steal_pointer (&prepared);
}
