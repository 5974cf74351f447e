/* SPDX-License-Identifier: MIT */
/* The networks of Stage 1, and matting. */
#include "models/clip.h"
#include "models/dinov2.h"
#include "models/joint.h"
#include "models/ss_decoder.h"
#include "models/u2net.h"
#include "models/vae.h"
#include "stages/parts_private.h"

enum { VIEWS = 5 };

static void
set_square (ShuPart *p, int side)
{
  p->size = g_strdup_printf ("%d x %d", side, side);
}

/* ---- matting ---- */

static gboolean
prepare_matting (ShuPart *p, GError **error)
{
  g_autoptr (ShuConfig) config =
      shu_model_config (p->model, "OneStage/matting/config.json", error);
  int S;

  if (!config)
    return FALSE;
  S = shu_config_int (config, "sample_size", 32, 1024, 320);
  p->runs[SHU_PART_CUT_OUT] = 1;
  set_square (p, S);
  p->x = shu_part_input (p, "picture", SHU_DIMS (1, S, S, 3));
  return shu_config_finish (config, error);
}

static gboolean
run_matting (ShuPart *p, GError **error)
{
  shu_u2net (p->c, p->net, p->x, NULL);
  return TRUE;
}

/* ---- CLIP ---- */

static gboolean
prepare_clip (ShuPart *p, GError **error)
{
  int S = shu_clip_image_size (p->net);

  p->runs[SHU_PART_STAGE1] = 1;
  p->size = g_strdup_printf ("2 of %d x %d", S, S);
  p->x = shu_part_input (p, "pixel_values", SHU_DIMS (2, S, S, 3));
  return TRUE;
}

static gboolean
run_clip (ShuPart *p, GError **error)
{
  shu_clip_embed (p->c, p->net, p->x);
  return TRUE;
}

/* ---- VAE ---- */

static gboolean
prepare_vae_encode (ShuPart *p, GError **error)
{
  int S = shu_model_defaults (p->model)->view_size;

  p->runs[SHU_PART_STAGE1] = 2;
  set_square (p, S);
  p->x = shu_part_input (p, "image", SHU_DIMS (1, S, S, 3));
  return TRUE;
}

static gboolean
run_vae_encode (ShuPart *p, GError **error)
{
  shu_vae_encode_mode (p->c, p->net, p->x);
  return TRUE;
}

static gboolean
prepare_vae_decode (ShuPart *p, GError **error)
{
  int S = shu_model_defaults (p->model)->view_size;
  int L = S / shu_vae_factor (p->net);

  p->runs[SHU_PART_STAGE1] = 2 * VIEWS - 1; /* the front is the photo */
  set_square (p, S);
  p->x = shu_part_input (
      p, "latent", SHU_DIMS (1, L, L, shu_vae_latent_channels (p->net)));
  return TRUE;
}

static gboolean
run_vae_decode (ShuPart *p, GError **error)
{
  shu_vae_decode (p->c, p->net, p->x);
  return TRUE;
}

/* ---- DINOv2 on the condition image ---- */

static gboolean
prepare_dino (ShuPart *p, GError **error)
{
  int S = shu_model_defaults (p->model)->condition_size;

  p->runs[SHU_PART_STAGE1] = p->runs[SHU_PART_STAGE2] = 1;
  set_square (p, S);
  p->x = shu_part_input (p, "image", SHU_DIMS (1, S, S, 3));
  return TRUE;
}

static gboolean
run_dino (ShuPart *p, GError **error)
{
  shu_dinov2_condition (p->c, p->net, p->x);
  return TRUE;
}

/* ---- the joint denoiser ---- */

/* A step of @B subjects together */
static gboolean
prepare_joint_of (ShuPart *p, int B, GError **error)
{
  enum { BEFORE_PATCHES = 1 + 4 }; /* class token, registers */

  SHU_SCOPE (p->c);
  const ShuModelDefaults *d = shu_model_defaults (p->model);
  const ShuUnetSizes *u = shu_joint_unet_sizes (p->net);
  const ShuSsSizes *s = shu_joint_ss_sizes (p->net);
  gint64 R = 2 * B * u->V, L = u->side, r = s->res;
  gint64 n = d->condition_size / 14;
  const float t = 513.15789f, t3 = 513; /* step 37 of 50 */
  ShuJointCondition in = {.text = shu_model_prompts (p->model, error),
      .guided = TRUE,
      .n_steps = 1,
      .t = &t,
      .t3 = &t3};

  if (!in.text)
    return FALSE;
  p->size = g_strdup_printf ("%d views of %d x %d, %d^3, guided", 2 * B * u->V,
      u->side, u->side, s->res);
  in.labels = shu_part_input (p, "class_labels", SHU_DIMS (R, u->P));
  in.images =
      shu_part_input (p, "image_latents", SHU_DIMS (R, L, L, u->Ci - u->Co));
  in.context = shu_part_input (
      p, "trellis_cond", SHU_DIMS (B, BEFORE_PATCHES + n * n, s->K));
  p->x = shu_part_input (p, "latents", SHU_DIMS (R, L, L, u->Co));
  p->x2 = shu_part_input (p, "trellis", SHU_DIMS (B, r, r, r, s->Ci));
  if (!shu_ctx_finish (p->c, error))
    return FALSE;
  p->data = shu_joint_prepare (p->c, p->net, &in);
  p->data_free = (GDestroyNotify) shu_joint_prepared_free;
  return TRUE;
}

static gboolean
prepare_joint (ShuPart *p, GError **error)
{
  p->runs[SHU_PART_STAGE1] = shu_model_defaults (p->model)->steps;
  return prepare_joint_of (p, 1, error);
}

static gboolean
prepare_joint_x4 (ShuPart *p, GError **error)
{
  return prepare_joint_of (p, 4, error);
}

static gboolean
run_joint (ShuPart *p, GError **error)
{
  static const gint32 first = 0;

  shu_joint_step (p->c, p->net, p->data, p->x, p->x2,
      shu_from_host (p->c, SHU_DTYPE_I32, SHU_DIMS (1), &first));
  return TRUE;
}

/* ---- structure ---- */

static gboolean
prepare_ss_decoder (ShuPart *p, GError **error)
{
  int R = shu_model_defaults (p->model)->voxel_res;
  int r = R / shu_ss_decoder_factor (p->net);
  int Z = shu_ss_decoder_latent_channels (p->net);

  p->runs[SHU_PART_STAGE1] = 1;
  p->size = g_strdup_printf ("%d^3 to %d^3", r, R);
  p->x = shu_part_input (p, "latent", SHU_DIMS (1, r, r, r, Z));
  return TRUE;
}

static gboolean
run_ss_decoder (ShuPart *p, GError **error)
{
  shu_ss_decoder (p->c, p->net, p->x);
  return TRUE;
}

const ShuPartKind shu_parts_stage1[] = {
    {"matting", SHU_NET_MATTING, 0, prepare_matting, run_matting},
    {"clip", SHU_NET_CLIP, 0, prepare_clip, run_clip},
    {"vae-encode", SHU_NET_VAE, 0, prepare_vae_encode, run_vae_encode},
    {"dino", SHU_NET_DINO, 0, prepare_dino, run_dino},
    {"joint", SHU_NET_JOINT, 0, prepare_joint, run_joint},
    {"joint-x4", SHU_NET_JOINT, 0, prepare_joint_x4, run_joint},
    {"ss-decoder", SHU_NET_SS_DECODER, 0, prepare_ss_decoder, run_ss_decoder},
    {"vae-decode", SHU_NET_VAE, 0, prepare_vae_decode, run_vae_decode},
    {NULL},
};
