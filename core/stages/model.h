/* SPDX-License-Identifier: MIT */
/* Model folders: found, opened lazily, and shared by everything in the process
 * that uses the same folder on the same device. */
#pragma once
#include <gio/gio.h>
#include "base/precision.h"
#include "base/progress.h"

G_BEGIN_DECLS

typedef struct _ShuModel ShuModel;

/**
 * ShuMemory:
 * What to do with the memory of a GPU.
 * @SHU_MEMORY_AUTO: as NORMAL where that is enough, else as LOW
 * @SHU_MEMORY_LOW: networks are there only while they work
 * @SHU_MEMORY_NORMAL: networks are loaded once and stay
 */
typedef enum {
  SHU_MEMORY_AUTO,
  SHU_MEMORY_LOW,
  SHU_MEMORY_NORMAL,
} ShuMemory;

/* "auto", "low", "normal"; NULL or "": the environment's SHU_MEMORY, then
 * auto */
gboolean shu_memory_parse (
    const char *text, ShuMemory *ret_memory, GError **error);

/**
 * shu_model_get:
 * @folder: (nullable): a model folder, "synthetic:SEED" (official sizes),
 *   "synthetic-tiny:SEED" (the smallest that the rules allow), or NULL: the
 *   environment's SHU_MODEL, then the search path (docs/architecture.md).
 *   Synthetic weights make no person, so a built-in body takes its place, by
 *   default of 6,000 voxels at the official sizes; "synthetic:SEED?voxels=N"
 *   makes it of as many as that
 * @device: (nullable): "auto", "cpu" or "cuda:N"; NULL: the environment's
 *   SHU_DEVICE, then "auto"
 *
 * Opens the configuration only; a network is loaded when it is first used.
 * Thread-safe.
 *
 * Returns: (transfer full): NULL with %SHU_ERROR_MISSING (a message that lists
 *   where it was looked for), %SHU_ERROR_INVALID or %SHU_ERROR_UNSUPPORTED
 */
ShuModel *shu_model_get (
    const char *folder, const char *device, GError **error);
/* The same, with another use of a GPU's memory than SHU_MEMORY's or auto.
 * Models are shared by those that ask for the same. */
ShuModel *shu_model_get_with_memory (
    const char *folder, const char *device, ShuMemory memory, GError **error);
/* Where shu_model_get() would work with @device, as contexts name it: "cpu",
 * "cuda:N".  (transfer full) (nullable) */
char *shu_resolve_device (const char *device, GError **error);
ShuModel *shu_model_ref (ShuModel *m);
void shu_model_unref (ShuModel *m);

const char *shu_model_folder (const ShuModel *m);
const char *shu_model_device (const ShuModel *m);
/* The GPU that @m works on, as its maker calls it, how many bytes of memory it
 * has, and how many of these nobody uses; NULL for the CPU.
 * (transfer full) (nullable) */
char *shu_model_gpu (const ShuModel *m, gsize *ret_free, gsize *ret_memory);

/**
 * shu_model_load:
 * @precision: of the joint denoiser that will be asked for
 *
 * Loads all networks of both stages and the matting now instead of when they
 * are first used, and keeps them as long as @m lives.  Where memory is
 * %SHU_MEMORY_LOW it loads nothing, and it is no error that they do not fit
 * where it is %SHU_MEMORY_AUTO.
 */
gboolean shu_model_load (ShuModel *m, ShuPrecision precision,
    const ShuProgress *progress, GError **error);

/**
 * ShuModelDefaults:
 * What the model folder asks for; parameters of -1 mean these.
 * @view_size: side of the views, pixels (official 768)
 * @condition_size: side of the condition image, pixels (official 518)
 * @steps, @guidance, @rescale_t: Stage 1 (official 50, 3.0, 3.0)
 * @slat_steps, @cfg_strength, @cfg_interval, @slat_rescale_t: Stage 2
 *   (official 25, 5.0, [0.5,1.0], 3.0)
 * @dino_taps: blocks whose tokens the decoders see (official 4, 11, 17, 23)
 * @up_size: side at which Stage 2 looks at the views, pixels (896)
 * @voxel_res: resolution of the voxels (64)
 * @mesh_res: resolution of the mesh extraction (256)
 */
typedef struct {
  int view_size;
  int condition_size;
  int steps;
  double guidance;
  double rescale_t;
  int slat_steps;
  double cfg_strength;
  double cfg_interval[2];
  double slat_rescale_t;
  int dino_taps[8];
  int n_dino_taps;
  int up_size;
  int voxel_res;
  int mesh_res;
} ShuModelDefaults;

const ShuModelDefaults *shu_model_defaults (const ShuModel *m);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ShuModel, shu_model_unref)

G_END_DECLS
