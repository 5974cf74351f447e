/* SPDX-License-Identifier: MIT */
#include "estimate.h"
#include <glib/gstdio.h>

/* Seconds on one core for a step at official sizes, from the counted
 * operations (70.9 TFLOP a step of Stage 1) at 30 GFLOP/s; both stages are
 * taken to grow with the weights, and with the pixels of a view or the voxels
 * of a side squared. */
static const double official_bytes = 3.4e9; /* of the joint denoiser, fp16 */
static const double guess_step1 = 2400;
static const double guess_step2 = 400;
static const double guess_rest = 20;

static char *
times_path (void)
{
  return g_build_filename (
      g_get_user_cache_dir (), "synchuman", "times.ini", NULL);
}

/* Weights of the joint denoiser over those of the official one. */
static double
weight_share (const ShuModel *model)
{
  g_autofree char *folder = g_build_filename (shu_model_folder (model),
      "OneStage", "SyncHuman_2D3DCrossSpaceDiffusion", NULL);
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  double bytes = 0;
  const char *name;

  while (dir && (name = g_dir_read_name (dir))) {
    g_autofree char *path = g_build_filename (folder, name, NULL);
    GStatBuf st;

    if (g_str_has_suffix (name, ".safetensors") && g_stat (path, &st) == 0)
      bytes += st.st_size;
  }
  /* no files: formula weights, of which only the tiny ones run on a CPU */
  return bytes > 0 ? bytes / official_bytes : 1e-3;
}

/* '[' and ']' cannot be in a group's name. */
static char *
group_name (const ShuModel *model)
{
  char *name = g_strdup_printf (
      "%s on %s", shu_model_folder (model), shu_model_device (model));

  return g_strdelimit (name, "[]\n\r\t", '_');
}

static double
get (GKeyFile *file, const char *group, const char *key, double fallback,
    gboolean *guess)
{
  g_autoptr (GError) error = NULL;
  double value = g_key_file_get_double (file, group, key, &error);

  if (!error && value >= 0 && value < 1e9)
    return value;
  *guess = TRUE;
  return fallback;
}

double
estimate_seconds (const Work *work, gboolean *ret_guess)
{
  const ShuModelDefaults *d = shu_model_defaults (work->model);
  double pixels = (double) d->view_size * d->view_size / (768. * 768);
  double voxels = (double) d->voxel_res * d->voxel_res / (64. * 64);
  double weights = weight_share (work->model);
  int cores = (int) g_get_num_processors ();
  g_autoptr (GKeyFile) file = g_key_file_new ();
  g_autofree char *path = times_path ();
  g_autofree char *group = group_name (work->model);
  gboolean guess = FALSE;
  double seconds;

  g_key_file_load_from_file (file, path, G_KEY_FILE_NONE, NULL);
  seconds = get (file, group, "rest", guess_rest * pixels, &guess);
  if (work->steps1 > 0)
    seconds +=
        work->steps1 * get (file, group, "stage1",
                           guess_step1 * pixels * weights / cores, &guess);
  if (work->steps2 > 0)
    seconds +=
        work->steps2 * get (file, group, "stage2",
                           guess_step2 * voxels * weights / cores, &guess);
  *ret_guess = guess;
  return seconds;
}

/* Returns: what the stage took in all */
static double
remember_stage (GKeyFile *file, const char *group, const char *stage, int steps,
    const Job *job)
{
  const double *seconds = g_hash_table_lookup (job->stage_seconds, stage);

  if (!seconds || steps < 1)
    return 0;
  g_key_file_set_double (file, group, stage, *seconds / steps);
  return *seconds;
}

void
estimate_remember (const Work *work, const Job *job)
{
  g_autoptr (GKeyFile) file = g_key_file_new ();
  g_autofree char *path = times_path ();
  g_autofree char *folder = g_path_get_dirname (path);
  g_autofree char *group = group_name (work->model);
  double rest = job->seconds;

  g_key_file_load_from_file (file, path, G_KEY_FILE_NONE, NULL);
  rest -= remember_stage (file, group, "stage1", work->steps1, job);
  rest -= remember_stage (file, group, "stage2", work->steps2, job);
  g_key_file_set_double (file, group, "rest", MAX (rest, 0));
  if (g_mkdir_with_parents (folder, 0700) == 0)
    g_key_file_save_to_file (file, path, NULL);
}
