/* SPDX-License-Identifier: MIT */
/* Inputs are values of weights/formula.h, scaled as in the reference data of
 * the official sizes: uniform in [-1.75,1.75). */
#include "stages/parts.h"
#include "base/error.h"
#include "models/clip.h"
#include "models/dinov2.h"
#include "models/joint.h"
#include "models/ss_decoder.h"
#include "models/vae.h"
#include "ops/ops.h"
#include "stages/model_private.h"
#include "weights/formula.h"
#include <string.h>

enum { BODY_VIEWS = 4, VIEWS = 5, REGISTERS = 4 };

typedef struct {
  const char *name;
  ShuNet net;
  gboolean (*prepare) (ShuPart *p, GError **error);
  void (*run) (ShuPart *p); /* in a scope of its own */
} Kind;

struct _ShuPart {
  const Kind *kind;
  ShuModel *model;
  ShuCtx *c;
  gconstpointer net;
  int runs;
  char *size;
  GPtrArray *owned; /* tensors that outlive a run */
  ShuTensor *x, *x2;
  ShuJointPrepared *prepared;
};

/* On the device, kept as long as @p */
static ShuTensor *
input (ShuPart *p, const char *name, int n_dims, const gint64 *dims)
{
  SHU_SCOPE (p->c);
  g_autofree char *key = g_strdup_printf ("%s/in.%s", p->kind->name, name);
  g_autoptr (ShuTensor) host = shu_tensor_new (SHU_DTYPE_F32, n_dims, dims);
  float *values = host->data;
  ShuTensor *t;

  shu_formula_values (key, host->n, values);
  for (gsize i = 0; i < host->n; i++)
    values[i] *= 1.75f;
  t = shu_own (p->c, shu_from_host (p->c, SHU_DTYPE_F32, n_dims, dims, values));
  if (!t)
    return NULL;
  g_ptr_array_add (p->owned, t);
  return t;
}

/* ---- joint ---- */

static gboolean
prepare_joint (ShuPart *p, GError **error)
{
  const ShuModelDefaults *d = shu_model_defaults (p->model);
  const ShuUnetSizes *u = shu_joint_unet_sizes (p->net);
  const ShuSsSizes *s = shu_joint_ss_sizes (p->net);
  gint64 R = 2 * u->V, side = d->condition_size / 14;
  ShuJointCondition in = {
      .text = shu_model_prompts (p->model, error), .guided = TRUE};

  if (!in.text)
    return FALSE;
  p->runs = d->steps;
  p->size = g_strdup_printf ("%d views of %d x %d and %d^3, guided", 2 * u->V,
      u->side, u->side, s->res);
  in.labels = input (p, "class_labels", SHU_DIMS (R, u->P));
  in.images =
      input (p, "image_latents", SHU_DIMS (R, u->side, u->side, u->Ci - u->Co));
  in.context = input (
      p, "trellis_cond", SHU_DIMS (1, 1 + REGISTERS + side * side, s->K));
  p->x = input (p, "latents", SHU_DIMS (R, u->side, u->side, u->Co));
  p->x2 = input (p, "trellis", SHU_DIMS (1, s->res, s->res, s->res, s->Ci));
  if (p->x2) {
    SHU_SCOPE (p->c);

    p->prepared = shu_joint_prepare (p->c, p->net, &in);
  }
  return shu_ctx_finish (p->c, error);
}

static void
run_joint (ShuPart *p)
{
  /* step 37 of 50 */
  shu_joint_step (p->c, p->net, p->prepared, p->x, p->x2, 513.15789f, 513);
}

/* ---- VAE ---- */

static gboolean
prepare_vae_encode (ShuPart *p, GError **error)
{
  int S = shu_model_defaults (p->model)->view_size;

  p->runs = 2;
  p->size = g_strdup_printf ("%d x %d", S, S);
  p->x = input (p, "image", SHU_DIMS (1, S, S, 3));
  return shu_ctx_finish (p->c, error);
}

static void
run_vae_encode (ShuPart *p)
{
  shu_vae_encode_mode (p->c, p->net, p->x);
}

static gboolean
prepare_vae_decode (ShuPart *p, GError **error)
{
  int S = shu_model_defaults (p->model)->view_size;
  int L = S / shu_vae_factor (p->net);

  p->runs = 2 * VIEWS - 1;
  p->size = g_strdup_printf ("%d x %d", S, S);
  p->x =
      input (p, "latent", SHU_DIMS (1, L, L, shu_vae_latent_channels (p->net)));
  return shu_ctx_finish (p->c, error);
}

static void
run_vae_decode (ShuPart *p)
{
  shu_vae_decode (p->c, p->net, p->x);
}

/* ---- image encoders ---- */

static gboolean
prepare_clip (ShuPart *p, GError **error)
{
  int S = shu_clip_image_size (p->net);

  p->runs = 2;
  p->size = g_strdup_printf ("%d x %d", S, S);
  p->x = input (p, "pixel_values", SHU_DIMS (1, S, S, 3));
  return shu_ctx_finish (p->c, error);
}

static void
run_clip (ShuPart *p)
{
  shu_clip_embed (p->c, p->net, p->x);
}

static gboolean
prepare_dino (ShuPart *p, GError **error)
{
  int S = shu_model_defaults (p->model)->condition_size;

  p->runs = 2;
  p->size = g_strdup_printf ("%d x %d", S, S);
  p->x = input (p, "image", SHU_DIMS (1, S, S, 3));
  return shu_ctx_finish (p->c, error);
}

static void
run_dino (ShuPart *p)
{
  shu_dinov2_condition (p->c, p->net, p->x);
}

static gboolean
prepare_dino_views (ShuPart *p, GError **error)
{
  int S = shu_model_defaults (p->model)->up_size;

  p->runs = 2 * BODY_VIEWS;
  p->size = g_strdup_printf ("%d x %d", S, S);
  p->x = input (p, "image", SHU_DIMS (1, S, S, 3));
  return shu_ctx_finish (p->c, error);
}

static void
run_dino_views (ShuPart *p)
{
  const ShuModelDefaults *d = shu_model_defaults (p->model);
  ShuTensor *taps[G_N_ELEMENTS (d->dino_taps)];

  shu_dinov2_taps (p->c, p->net, p->x, d->n_dino_taps, d->dino_taps, taps);
}

/* ---- structure ---- */

static gboolean
prepare_ss_decoder (ShuPart *p, GError **error)
{
  int R = shu_model_defaults (p->model)->voxel_res;
  int r = R / shu_ss_decoder_factor (p->net);
  int Z = shu_ss_decoder_latent_channels (p->net);

  p->runs = 1;
  p->size = g_strdup_printf ("%d^3 to %d^3", r, R);
  p->x = input (p, "latent", SHU_DIMS (1, r, r, r, Z));
  return shu_ctx_finish (p->c, error);
}

static void
run_ss_decoder (ShuPart *p)
{
  shu_ss_decoder (p->c, p->net, p->x);
}

/* ---- all of them ---- */

static const Kind kinds[] = {
    {"clip", SHU_NET_CLIP, prepare_clip, run_clip},
    {"vae-encode", SHU_NET_VAE, prepare_vae_encode, run_vae_encode},
    {"dino", SHU_NET_DINO, prepare_dino, run_dino},
    {"joint", SHU_NET_JOINT, prepare_joint, run_joint},
    {"ss-decoder", SHU_NET_SS_DECODER, prepare_ss_decoder, run_ss_decoder},
    {"vae-decode", SHU_NET_VAE, prepare_vae_decode, run_vae_decode},
    {"dino-views", SHU_NET_DINO, prepare_dino_views, run_dino_views},
};

const char *const *
shu_part_names (void)
{
  static const char *names[G_N_ELEMENTS (kinds) + 1];
  static gsize ready;

  if (g_once_init_enter (&ready)) {
    for (gsize i = 0; i < G_N_ELEMENTS (kinds); i++)
      names[i] = kinds[i].name;
    g_once_init_leave (&ready, 1);
  }
  return names;
}

ShuPart *
shu_part_new (ShuModel *model, const char *name, GError **error)
{
  g_autoptr (ShuPart) p = g_new0 (ShuPart, 1);

  p->model = shu_model_ref (model);
  p->owned = g_ptr_array_new_with_free_func ((GDestroyNotify) shu_tensor_unref);
  for (gsize i = 0; i < G_N_ELEMENTS (kinds); i++)
    if (strcmp (kinds[i].name, name) == 0)
      p->kind = &kinds[i];
  if (!p->kind) {
    g_autofree char *list = g_strjoinv (", ", (char **) shu_part_names ());

    g_set_error (error, SHU_ERROR, SHU_ERROR_INVALID,
        "there is no part \"%s\"; the parts are %s", name, list);
    return NULL;
  }
  p->net = shu_model_net (model, p->kind->net, error);
  if (!p->net || !(p->c = shu_model_context (model, NULL, error)))
    return NULL;
  shu_ctx_set_part (p->c, p->kind->name);
  return p->kind->prepare (p, error) ? g_steal_pointer (&p) : NULL;
}

void
shu_part_free (ShuPart *p)
{
  if (!p)
    return;
  shu_joint_prepared_free (p->prepared);
  g_ptr_array_unref (p->owned);
  shu_ctx_free (p->c);
  shu_model_unref (p->model);
  g_free (p->size);
  g_free (p);
}

ShuCtx *
shu_part_context (ShuPart *p)
{
  return p->c;
}

int
shu_part_runs (const ShuPart *p)
{
  return p->runs;
}

const char *
shu_part_size (const ShuPart *p)
{
  return p->size;
}

gboolean
shu_part_run (ShuPart *p, GError **error)
{
  {
    SHU_SCOPE (p->c);

    p->kind->run (p);
  }
  return shu_ctx_finish (p->c, error);
}
