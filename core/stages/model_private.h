/* SPDX-License-Identifier: MIT */
/* What the stages need of a model folder. */
#pragma once
#include "base/progress.h"
#include "stages/model.h"
#include "stages/stages.h"
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

/* Whether @name, of a file or folder, leads out of none. */
gboolean shu_model_is_inside (const char *name);

/* FALSE for the CPU */
gboolean shu_model_device_memory (
    const ShuModel *m, gsize *ret_free, gsize *ret_total);

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
/* The same for what may come down: arrays of the mesh, numbers. */
void shu_fetch_as (
    ShuCtx *c, ShuTrafficKind kind, ShuTensor *t, gsize n, float *ret_values);

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
  /* of the joint denoiser's files, too, but on its own: who computes in FP8
   * shares nothing of it with who does not */
  SHU_NET_JOINT_FP8,
  SHU_N_LOADED,
} ShuNet;

/**
 * shu_model_net:
 * The network, loaded when it is first asked for; later calls share it.
 * Stages use a ShuNetUser.
 *
 * Returns: (transfer none): as long as @m lives; NULL with an error
 */
gconstpointer shu_model_net (ShuModel *m, ShuNet net, GError **error);

/**
 * ShuNetUser:
 * A stage's use of networks.  Where memory is plenty they are all loaded
 * together and stay; else each comes when it is needed and goes afterwards.
 * With a context that is dry (shu_ctx_is_dry()) only their sizes count.
 * @c: set before anything else; outlives the use
 * @low: little memory
 * @together: subjects at a time, of those stages that can have several; 0: 1
 */
typedef struct {
  ShuModel *model;
  ShuCtx *c;
  const ShuProgress *progress;
  gboolean low;
  int together;
  int users[SHU_N_LOADED];
  gboolean brought[SHU_N_LOADED];
} ShuNetUser;

/* Loads the networks of a stage; on a device that is reported as stage "load",
 * in megabytes. */
gboolean shu_nets_begin (
    ShuNetUser *u, int n, const ShuNet *nets, GError **error);
/* (transfer none): until as many calls of shu_nets_give() */
gconstpointer shu_nets_take (ShuNetUser *u, ShuNet net, GError **error);
/* The same, without bringing it to the device: for its sizes */
gconstpointer shu_nets_peek (ShuNetUser *u, ShuNet net, GError **error);
/* A part of the stage is over: its network may go, and memory that its results
 * left behind goes back to the device. */
void shu_nets_give (ShuNetUser *u, ShuNet net);
void shu_nets_clear (ShuNetUser *u);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (ShuNetUser, shu_nets_clear)

/* ---- memory.c ---- */

/**
 * ShuRehearsal:
 * Does what the stage does, for one step each and as many subjects as @u says,
 * with networks of @u and the context of @u, which computes nothing.
 */
typedef gboolean (*ShuRehearsal) (ShuNetUser *u, gpointer data, GError **error);

/**
 * shu_memory_admit:
 * @u: with the model, and the subjects that there are in @together; @low is
 *   set, and @together becomes what fits
 * @stage: for the message
 *
 * Whether the device has the memory that @rehearsal asks for, as the model's
 * memory mode has it.  Nothing is asked of the CPU, which has one subject at a
 * time: several are not faster there.
 *
 * Returns: FALSE with %SHU_ERROR_MEMORY and both figures
 */
gboolean shu_memory_admit (ShuNetUser *u, const char *stage,
    ShuRehearsal rehearsal, gpointer data, GError **error);

/* Bytes that the rehearsal of @n subjects asks for beyond what is there
 * already; 0 with an error */
gsize shu_memory_needed (ShuModel *m, int n, gboolean low,
    ShuRehearsal rehearsal, gpointer data, GError **error);

/* The same of the stages; for Stage 1 @subject counts @n times */
gsize shu_stage1_memory (ShuModel *model, int n, const ShuBundle *subject,
    const ShuStage1Params *params, gboolean low, GError **error);
gsize shu_stage2_memory (ShuModel *model, const ShuBundle *views,
    const ShuStage2Params *params, gboolean low, GError **error);

/**
 * shu_model_prompts:
 * The fixed prompt embeddings of the views: [2V,S,X], normal first.
 *
 * Returns: (transfer none)
 */
ShuTensor *shu_model_prompts (ShuModel *m, GError **error);

/* ---- between model.c and model_nets.c ---- */

typedef gpointer (*ShuNetLoad) (ShuConfig *, ShuWeights *, GError **);

/* Stage 2's folders are named by its pipeline.json, under @key. */
typedef struct {
  const char *path;
  const char *key;
  ShuNetLoad load;
  GDestroyNotify free;
} ShuNetKind;

extern const ShuNetKind shu_nets[SHU_N_LOADED];

typedef struct {
  gpointer net;
  ShuWeights *weights;
  gsize bytes;       /* on the device, 0 for the CPU */
  gboolean is_there; /* on the device */
  gboolean kept;     /* somebody uses it as long as the model lives */
  int users;
  GThread *loader; /* changes all above, without the lock */
} ShuLoaded;

struct _ShuModel {
  gint refs; /* under the registry's lock */
  char *key; /* in the registry */
  char *folder;
  char *device;
  gboolean synthetic;
  ShuSynthetic made; /* of a synthetic one */
  ShuMemory memory;
  ShuModelDefaults defaults;
  char *stage2_paths[SHU_N_NETS];
  GMutex lock;
  GCond loaded_some;
  ShuLoaded loaded[SHU_N_LOADED];
  ShuTensor *prompts;
  float body_size; /* 0: not known yet */
  gsize pretended; /* tests: memory of a device that is not there */
};

/* With the lock held, or nobody else about */
void shu_loaded_clear (ShuModel *m, ShuNet net);
