/* SPDX-License-Identifier: MIT */
/* Models are kept in a registry by folder and device, so that elements that
 * need the same one share its networks. */
#include "stages/model_private.h"
#include "base/error.h"
#include "stages/body_private.h"
#include "stages/model_folder_private.h"
#include "stages/model_files_private.h"
#include "stages/taps_private.h"
#include "tensor/device.h"
#include "tensor/source.h"
#include "weights/formula.h"
#include <stdio.h>
#include <string.h>

static GMutex registry_lock;
static GHashTable *registry; /* key -> ShuModel, not owned */

/* ---- files ---- */

char *
shu_model_path (const ShuModel *m, const char *path)
{
  return g_build_filename (m->folder, path, NULL);
}

gboolean
shu_model_is_synthetic (const ShuModel *m)
{
  return m->synthetic;
}

float
shu_model_body_size (ShuModel *m)
{
  float size;

  g_mutex_lock (&m->lock);
  if (m->body_size <= 0)
    m->body_size = shu_body_size (m->defaults.voxel_res, m->made.n_voxels);
  size = m->body_size;
  g_mutex_unlock (&m->lock);
  return size;
}

GArray *
shu_model_body_voxels (ShuModel *m)
{
  return shu_body_voxels (
      shu_model_body_size (m), m->defaults.voxel_res, m->made.n_voxels);
}

ShuConfig *
shu_model_config (const ShuModel *m, const char *path, GError **error)
{
  g_autofree char *part = g_path_get_dirname (path);
  g_autofree char *file = NULL;

  if (m->synthetic) {
    const char *text = shu_synthetic_config (m->made.tiny, path);

    g_assert (text);
    return shu_config_parse (text, -1, path, error);
  }
  if (g_str_has_suffix (path, "/config.json")) {
    g_auto (ShuPartFiles) files = {0};

    return shu_part_find (m->folder, part, &files, error)
               ? shu_part_config (&files, error)
               : NULL;
  }
  file = shu_model_path (m, path);
  return shu_config_open (file, error);
}

/* What a formula would otherwise say is there: tensors of older checkpoints,
 * and of encodings that no configuration here asks for. */
static gboolean
synthetic_exists (const char *name, gpointer data)
{
  return !g_str_has_suffix (name, "pos_emb") &&
         !g_str_has_suffix (name, "offset_perturbation") &&
         !strstr (name, "_color_face") && !strstr (name, ".query.") &&
         !strstr (name, ".proj_attn.");
}

ShuWeights *
shu_model_weights (const ShuModel *m, const char *path, int set, GError **error)
{
  g_auto (ShuPartFiles) files = {0};

  if (m->synthetic)
    return shu_weights_new_synthetic (m->made.seed + set, synthetic_exists);
  return shu_part_find (m->folder, path, &files, error)
             ? shu_part_weights (&files, error)
             : NULL;
}

/* ---- opening ---- */

enum { MAX_VOXEL_RES = 256 };

static void
read_stage1 (ShuModel *m, GError **error)
{
  g_autoptr (ShuConfig) pipeline =
      shu_model_config (m, "OneStage/pipeline_config.json", error);
  g_autoptr (ShuConfig) joint = NULL, vae = NULL, decoder = NULL;
  ShuModelDefaults *d = &m->defaults;
  int widths[16], n_levels, n_up, resolution, latent, side;

  if (!pipeline)
    return;
  joint = shu_model_config (
      m, "OneStage/SyncHuman_2D3DCrossSpaceDiffusion/config.json", error);
  if (!joint)
    return;
  vae = shu_model_config (m, "OneStage/vae/config.json", error);
  if (!vae)
    return;
  decoder = shu_model_config (
      m, "OneStage/sparse_structure_decoder/config.json", error);
  if (!decoder)
    return;
  latent = shu_config_int (joint, "sample_size", 12, 512, -1);
  resolution = shu_config_int (joint, "resolution", 2, 64, -1);
  n_levels = shu_config_ints (vae, "block_out_channels", 1, 65536, 8, widths);
  n_up = shu_config_ints (
      shu_config_at (decoder, "args"), "channels", 1, 65536, 8, widths);
  if (n_levels == 0)
    shu_config_fail (vae, "\"block_out_channels\" is missing");
  if (n_up == 0)
    shu_config_fail (decoder, "\"channels\" is missing");
  else if (resolution << (n_up - 1) > MAX_VOXEL_RES)
    shu_config_fail (decoder, "voxels at %d: at most %d are supported",
        resolution << (n_up - 1), MAX_VOXEL_RES);
  if (!shu_config_finish (joint, error) || !shu_config_finish (vae, error) ||
      !shu_config_finish (decoder, error))
    return;
  d->voxel_res = resolution << (n_up - 1);
  side = latent << (n_levels - 1);
  d->view_size = shu_config_int (pipeline, "view_size", 1, G_MAXINT, side);
  if (d->view_size != side || side % 24 != 0 || side > 4096)
    shu_config_fail (pipeline,
        "views of %d pixels; the latent side %d and the VAE's %d levels make "
        "%d, which must be a multiple of 24 up to 4096",
        d->view_size, latent, n_levels, side);
  d->condition_size =
      shu_config_int (pipeline, "condition_size", 14, 4096, 518);
  d->steps = shu_config_int (pipeline, "steps", 1, 1000, 50);
  d->guidance = shu_config_float (pipeline, "guidance", 0, 20, 3);
  d->rescale_t = shu_config_float (pipeline, "rescale_t", 1, 100, 3);
  shu_config_finish (pipeline, error);
}

static void
read_taps (ShuConfig *pipeline, ShuModelDefaults *d)
{
  static const int official[] = {4, 11, 17, 23};
  int max = G_N_ELEMENTS (d->dino_taps);

  d->n_dino_taps = shu_config_ints (
      shu_config_at (pipeline, "args"), "dino_taps", 0, 255, max, d->dino_taps);
  if (d->n_dino_taps == 0) {
    d->n_dino_taps = G_N_ELEMENTS (official);
    memcpy (d->dino_taps, official, sizeof official);
  }
}

gboolean
shu_model_is_inside (const char *name)
{
  return !strstr (name, "..") && !g_path_is_absolute (name);
}

static void
read_stage2 (ShuModel *m, GError **error)
{
  g_autoptr (ShuConfig) pipeline =
      shu_model_config (m, "SecondStage/pipeline.json", error);
  ShuModelDefaults *d = &m->defaults;
  ShuConfig *models, *sampler;
  int n;

  if (!pipeline)
    return;
  models = shu_config_at (pipeline, "args/models");
  for (int i = 0; i < SHU_N_NETS; i++) {
    const char *name;

    if (!shu_nets[i].key)
      continue;
    name = shu_config_string (models, shu_nets[i].key, NULL);
    if (!shu_model_is_inside (name))
      shu_config_fail (
          models, "\"%s\": must be a folder inside", shu_nets[i].key);
    m->stage2_paths[i] = g_build_filename (shu_nets[i].path, name, NULL);
  }
  sampler = shu_config_at (pipeline, "args/slat_sampler/params");
  d->slat_steps = shu_config_int (sampler, "steps", 1, 1000, 25);
  d->cfg_strength = shu_config_float (sampler, "cfg_strength", 0, 20, 5);
  d->cfg_interval[0] = 0.5;
  d->cfg_interval[1] = 1;
  n = shu_config_floats (sampler, "cfg_interval", 2, d->cfg_interval);
  if (n == 1 || d->cfg_interval[0] < 0 ||
      d->cfg_interval[0] > d->cfg_interval[1] || d->cfg_interval[1] > 1)
    shu_config_fail (
        sampler, "\"cfg_interval\": expected two rising numbers in 0..1");
  d->slat_rescale_t = shu_config_float (sampler, "rescale_t", 1, 100, 3);
  read_taps (pipeline, d);
  d->up_size = 14 * d->voxel_res;
  d->mesh_res = 4 * d->voxel_res;
  shu_config_finish (pipeline, error);
}

static void
model_free (ShuModel *m)
{
  for (int i = 0; i < SHU_N_LOADED; i++)
    shu_loaded_clear (m, (ShuNet) i);
  for (int i = 0; i < SHU_N_NETS; i++)
    g_free (m->stage2_paths[i]);
  g_clear_pointer (&m->prompts, shu_tensor_unref);
  g_mutex_clear (&m->lock);
  g_cond_clear (&m->loaded_some);
  g_free (m->key);
  g_free (m->folder);
  g_free (m->device);
  g_free (m);
}

static ShuModel *
model_open (const char *folder, const char *device, GError **error)
{
  ShuModel *m = g_new0 (ShuModel, 1);
  const char *env = g_getenv ("SHU_MODEL");
  g_autoptr (GError) cause = NULL;

  m->refs = 1;
  g_mutex_init (&m->lock);
  g_cond_init (&m->loaded_some);
  m->device = g_strdup (device);
  if (!folder || !*folder)
    folder = env && *env ? env : NULL;
  m->synthetic = shu_synthetic_parse (folder, &m->made, &cause);
  if (m->synthetic)
    m->folder = g_strdup (folder);
  else if (!cause)
    m->folder = shu_find_model_folder (folder, &cause);
  if (!cause)
    read_stage1 (m, &cause);
  if (!cause)
    read_stage2 (m, &cause);
  if (!cause && m->synthetic)
    shu_synthetic_check (&m->made, folder, m->defaults.voxel_res, &cause);
  if (!cause)
    return m;
  g_propagate_error (error, g_steal_pointer (&cause));
  model_free (m);
  return NULL;
}

char *
shu_resolve_device (const char *device, GError **error)
{
  const char *env = g_getenv ("SHU_DEVICE");
  g_autoptr (ShuCtx) c = NULL;

  if (!device || !*device)
    device = env && *env ? env : "auto";
  c = shu_ctx_new (device, error);
  return c ? g_strdup (shu_ctx_device (c)) : NULL;
}

/* The official sizes take hours on a CPU, so that must be meant. */
static gboolean
is_explicit_cpu (const char *device)
{
  const char *env = g_getenv ("SHU_DEVICE");

  if (device && *device)
    return strcmp (device, "cpu") == 0;
  return env && strcmp (env, "cpu") == 0;
}

gboolean
shu_memory_parse (const char *text, ShuMemory *ret_memory, GError **error)
{
  static const char *const words[] = {
      [SHU_MEMORY_AUTO] = "auto",
      [SHU_MEMORY_LOW] = "low",
      [SHU_MEMORY_NORMAL] = "normal",
  };

  if (!text || !*text)
    text = g_getenv ("SHU_MEMORY");
  if (!text || !*text)
    text = words[SHU_MEMORY_AUTO];
  for (gsize i = 0; i < G_N_ELEMENTS (words); i++)
    if (strcmp (text, words[i]) == 0) {
      *ret_memory = (ShuMemory) i;
      return TRUE;
    }
  g_set_error (error, SHU_ERROR, SHU_ERROR_INVALID,
      "memory \"%.40s\": expected auto, low or normal", text);
  return FALSE;
}

ShuModel *
shu_model_get (const char *folder, const char *device, GError **error)
{
  ShuMemory memory;

  if (!shu_memory_parse (NULL, &memory, error))
    return NULL;
  return shu_model_get_with_memory (folder, device, memory, error);
}

ShuModel *
shu_model_get_with_memory (
    const char *folder, const char *device, ShuMemory memory, GError **error)
{
  g_autofree char *resolved = shu_resolve_device (device, error);
  g_autofree char *key = NULL;
  ShuModel *m;

  if (!resolved)
    return NULL;
  m = model_open (folder, resolved, error);
  if (!m)
    return NULL;
  if (strcmp (resolved, "cpu") == 0 && m->defaults.view_size > 384 &&
      !is_explicit_cpu (device)) {
    g_set_error (error, SHU_ERROR, SHU_ERROR_UNSUPPORTED,
        "%s makes views of %d pixels, which takes hours without a GPU; set "
        "device=cpu if you mean it, or use a smaller model folder",
        m->folder, m->defaults.view_size);
    model_free (m);
    return NULL;
  }
  m->memory = memory;
  key = g_strdup_printf ("%s\n%d\n%s", resolved, memory, m->folder);
  g_mutex_lock (&registry_lock);
  if (!registry)
    registry = g_hash_table_new (g_str_hash, g_str_equal);
  if (g_hash_table_contains (registry, key)) {
    model_free (m);
    m = g_hash_table_lookup (registry, key);
    m->refs++;
  } else {
    m->key = g_steal_pointer (&key);
    g_hash_table_insert (registry, m->key, m);
  }
  g_mutex_unlock (&registry_lock);
  return m;
}

ShuModel *
shu_model_ref (ShuModel *m)
{
  g_mutex_lock (&registry_lock);
  m->refs++;
  g_mutex_unlock (&registry_lock);
  return m;
}

void
shu_model_unref (ShuModel *m)
{
  gboolean last;

  if (!m)
    return;
  g_mutex_lock (&registry_lock);
  last = --m->refs == 0;
  if (last)
    g_hash_table_remove (registry, m->key);
  g_mutex_unlock (&registry_lock);
  if (last)
    model_free (m);
}

const char *
shu_model_folder (const ShuModel *m)
{
  return m->folder;
}

const char *
shu_model_device (const ShuModel *m)
{
  return m->device;
}

char *
shu_model_gpu (const ShuModel *m, gsize *ret_free, gsize *ret_memory)
{
  int device;

  if (sscanf (m->device, "cuda:%d", &device) != 1 ||
      !shu_device_memory (device, ret_free, ret_memory))
    return NULL;
  return shu_device_name (device);
}

const ShuModelDefaults *
shu_model_defaults (const ShuModel *m)
{
  return &m->defaults;
}

gboolean
shu_model_device_memory (const ShuModel *m, gsize *ret_free, gsize *ret_total)
{
  int device;

  if (m->pretended > 0) {
    *ret_free = *ret_total = m->pretended;
    return TRUE;
  }
  if (sscanf (m->device, "cuda:%d", &device) != 1)
    return FALSE;
  return shu_device_memory (device, ret_free, ret_total);
}

ShuCtx *
shu_model_context (
    const ShuModel *m, const ShuProgress *progress, GError **error)
{
  ShuCtx *c = shu_ctx_new (m->device, error);

  if (c && progress && progress->cancellable)
    shu_ctx_set_cancellable (c, progress->cancellable);
  if (c)
    shu_ctx_set_traffic (c, shu_progress_traffic (progress));
  if (c)
    shu_taps_install (c);
  return c;
}

void
shu_fetch_as (
    ShuCtx *c, ShuTrafficKind kind, ShuTensor *t, gsize n, float *ret_values)
{
  if (shu_ctx_failed (c))
    return;
  if (t->dtype != SHU_DTYPE_I32 && t->n == n) {
    shu_to_host_as (c, kind, t, ret_values);
    return;
  }
  shu_ctx_fail (c, SHU_ERROR_INVALID,
      "a network gave %zu values where %zu are expected; the parts of the "
      "model folder do not fit each other",
      t->n, n);
}

void
shu_fetch (ShuCtx *c, ShuTensor *t, gsize n, float *ret_values)
{
  shu_fetch_as (c, SHU_TRAFFIC_TENSOR, t, n, ret_values);
}

/* ---- prompts ---- */

/* Rows of the official files, which hold seven views. */
static const int official_rows[] = {0, 2, 3, 4, 6};

/* One file's worth, [V,S,X], into @ret [V,S,X]; @t is [V,S,X] or [7,S,X]. */
static void
pick_rows (const ShuTensor *t, int V, float *ret)
{
  gsize size = t->n / t->dims[0];

  for (int v = 0; v < V; v++)
    memcpy (ret + v * size,
        (const float *) t->data +
            (t->dims[0] == V ? v : official_rows[v]) * size,
        size * sizeof (float));
}

static ShuTensor *
load_prompts (const ShuModel *m, GError **error)
{
  enum { V = 5 };

  const char *path = "OneStage/prompt_embeds";
  g_autoptr (ShuWeights) w = shu_model_weights (m, path, SHU_N_NETS, error);
  gint64 dims[SHU_MAX_DIMS] = {V, 4, 32};
  ShuTensor *normal, *color, *result;

  if (!w)
    return NULL;
  if (m->synthetic && !m->made.tiny) {
    dims[1] = 77;
    dims[2] = 1024;
  }
  if (!m->synthetic)
    for (int i = 0; i < 3; i++)
      dims[i] = -1;
  normal = shu_weights_get (w, "normal_embeds", 3, dims);
  color = shu_weights_get (w, "clr_embeds", 3, normal->dims);
  if (!shu_weights_finish (w, error) || !shu_tensor_host (normal, error) ||
      !shu_tensor_host (color, error))
    return NULL;
  if (normal->dims[0] != V && normal->dims[0] != 7) {
    g_set_error (error, SHU_ERROR, SHU_ERROR_INVALID,
        "%s: %s: embeddings of %" G_GINT64_FORMAT " views, expected %d or 7",
        m->folder, path, normal->dims[0], V);
    return NULL;
  }
  result = shu_tensor_new (
      SHU_DTYPE_F32, SHU_DIMS (2 * V, normal->dims[1], normal->dims[2]));
  pick_rows (normal, V, result->data);
  pick_rows (color, V, (float *) result->data + result->n / 2);
  return result;
}

ShuTensor *
shu_model_prompts (ShuModel *m, GError **error)
{
  ShuTensor *result;

  g_mutex_lock (&m->lock);
  if (!m->prompts)
    m->prompts = load_prompts (m, error);
  result = m->prompts;
  g_mutex_unlock (&m->lock);
  return result;
}
