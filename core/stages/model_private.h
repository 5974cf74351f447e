/* SPDX-License-Identifier: MIT */
/* What the stages need of a model folder. */
#pragma once
#include "base/progress.h"
#include "stages/model.h"
#include "weights/config.h"
#include "weights/weights.h"

/**
 * shu_model_config:
 * @path: of a JSON file inside the folder, e.g. "OneStage/vae/config.json"
 *
 * Returns: (transfer full)
 */
ShuConfig *shu_model_config (
    const ShuModel *m, const char *path, GError **error);

/**
 * shu_model_weights:
 * @path: folder or file inside the model folder
 * @set: which of the formula's sets stands for it where the model is synthetic
 *
 * Returns: (transfer full)
 */
ShuWeights *shu_model_weights (
    const ShuModel *m, const char *path, int set, GError **error);

/* Absolute path of something in the folder; (transfer full) */
char *shu_model_path (const ShuModel *m, const char *path);

/* Made from a formula: no person comes of it, so a body is put in its place. */
gboolean shu_model_is_synthetic (const ShuModel *m);
/* That body, of a synthetic model: its size, and its voxels as of
 * shu_body_voxels(), (transfer full) */
float shu_model_body_size (ShuModel *m);
GArray *shu_model_body_voxels (ShuModel *m);

/* A context for the model's device that stops on @progress's cancellable;
 * (transfer full) */
ShuCtx *shu_model_context (
    const ShuModel *m, const ShuProgress *progress, GError **error);

/**
 * shu_fetch:
 * @t: f32 with @n elements; anything else is a failure of @c, so that a folder
 *   whose parts do not fit each other writes nowhere
 */
void shu_fetch (ShuCtx *c, ShuTensor *t, gsize n, float *ret_values);

/* ---- synthetic.c ---- */

/* @n_voxels: 0: as many as the body has by nature */
typedef struct {
  gboolean tiny;
  guint64 seed;
  int n_voxels;
} ShuSynthetic;

/**
 * shu_synthetic_parse:
 * @text: (nullable): "synthetic:SEED" or "synthetic-tiny:SEED", with
 *   "?voxels=N" behind it or not
 *
 * Returns: FALSE where it is the name of a folder, or, with @error set, of
 *   neither
 */
gboolean shu_synthetic_parse (
    const char *text, ShuSynthetic *ret, GError **error);
/* FALSE with @error where so many voxels do not fit a grid of @R^3. */
gboolean shu_synthetic_check (
    const ShuSynthetic *s, const char *text, int R, GError **error);

/* The JSON text that stands for @path in a synthetic folder, or NULL. */
const char *shu_synthetic_config (gboolean tiny, const char *path);

/* ---- networks ---- */

/* The order is that of the formula's sets. */
typedef enum {
  SHU_NET_JOINT,
  SHU_NET_VAE,
  SHU_NET_CLIP,
  SHU_NET_DINO,
  SHU_NET_SS_DECODER,
  SHU_NET_SLAT_FLOW,
  SHU_NET_MESH_DECODER,
  SHU_NET_GS_DECODER,
  SHU_NET_MATTING,
  SHU_N_NETS,
} ShuNet;

/**
 * shu_model_net:
 * The network, loaded when it is first asked for; later calls share it.
 *
 * Returns: (transfer none): as long as @m lives; NULL with an error
 */
gconstpointer shu_model_net (ShuModel *m, ShuNet net, GError **error);

/**
 * shu_model_prompts:
 * The fixed prompt embeddings of the views: [2V,S,X], normal first.
 *
 * Returns: (transfer none)
 */
ShuTensor *shu_model_prompts (ShuModel *m, GError **error);
