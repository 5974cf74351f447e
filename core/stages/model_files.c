/* SPDX-License-Identifier: MIT */
/* A part is looked for as our own checkpoints have it: a folder with a
 * configuration and safetensors; then as files under their own names, in the
 * model folder and where their own tools put them. */
#include "stages/model_files_private.h"
#include "base/error.h"
#include <string.h>

enum { MAX_NAMES = 3, MAX_ENDINGS = 4 }; /* with the NULL behind them */

static const struct {
  const char *part;
  const char *what;
  const char *names[MAX_NAMES];     /* of files, all of them in one place */
  const char *endings[MAX_ENDINGS]; /* the first that is there counts */
} scattered[] = {
    {"OneStage/dinov2", "DINOv2 (dinov2_vitl14_reg, which PyTorch Hub fetches)",
        {"dinov2_vitl14_reg4_pretrain"}, {".safetensors", ".pth"}},
    {"OneStage/matting", "U2-Net (which rembg fetches)", {"u2net"},
        {".safetensors", ".pth", ".onnx"}},
    {"OneStage/prompt_embeds",
        "the prompt embeddings (in SyncHuman's own repository)",
        {"normal_embeds", "clr_embeds"}, {".safetensors", ".pt"}},
};

void
shu_part_files_clear (ShuPartFiles *files)
{
  g_clear_pointer (&files->config, g_free);
  g_clear_pointer (&files->weights, g_strfreev);
}

/* ---- places ---- */

/* The folder that @variable names, where it is set, or @fallback under the one
 * that @base names, or under @home of the user's. */
static char *
place_of (const char *variable, const char *base, const char *home,
    const char *fallback)
{
  const char *value = g_getenv (variable);

  if (value && g_str_has_prefix (value, "~/"))
    return g_build_filename (g_get_home_dir (), value + 2, NULL);
  if (value && *value)
    return g_strdup (value);
  value = g_getenv (base);
  if (value && *value)
    return g_build_filename (value, fallback, NULL);
  return g_build_filename (g_get_home_dir (), home, fallback, NULL);
}

static void
add_place (GPtrArray *places, const char *first, ...)
{
  va_list args;

  va_start (args, first);
  g_ptr_array_add (places, g_build_filename_valist (first, &args));
  va_end (args);
}

static GPtrArray *
places_for (const char *folder, const char *part)
{
  GPtrArray *places = g_ptr_array_new_with_free_func (g_free);
  g_autofree char *parent = g_path_get_dirname (folder);

  add_place (places, folder, part, NULL);
  add_place (places, folder, "OneStage", NULL);
  add_place (places, folder, NULL);
  if (g_str_has_suffix (part, "dinov2")) {
    g_autofree char *torch =
        place_of ("TORCH_HOME", "XDG_CACHE_HOME", ".cache", "torch");

    add_place (places, torch, "hub", "checkpoints", NULL);
  } else if (g_str_has_suffix (part, "matting")) {
    g_autofree char *rembg =
        place_of ("U2NET_HOME", "XDG_DATA_HOME", "", ".u2net");

    add_place (places, rembg, NULL);
    add_place (places, parent, "saved_models", "u2net", NULL);
  } else {
    add_place (places, folder, "fixed_prompt_embeds_7view", NULL);
    add_place (
        places, parent, "SyncHuman", "data", "fixed_prompt_embeds_7view", NULL);
    add_place (places, "SyncHuman", "data", "fixed_prompt_embeds_7view", NULL);
  }
  return places;
}

/* ---- looking ---- */

static gboolean
exists (const char *folder, const char *name)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);

  return g_file_test (path, G_FILE_TEST_EXISTS);
}

/* The paths of @names in @place, with whichever ending; NULL: not all are
 * there. */
static char **
find_files (
    const char *place, const char *const *names, const char *const *endings)
{
  g_autoptr (GStrvBuilder) paths = g_strv_builder_new ();

  for (int i = 0; names[i]; i++) {
    gboolean found = FALSE;

    for (int k = 0; !found && endings[k]; k++) {
      g_autofree char *name = g_strconcat (names[i], endings[k], NULL);
      g_autofree char *path = g_build_filename (place, name, NULL);

      found = g_file_test (path, G_FILE_TEST_IS_REGULAR);
      if (found)
        g_strv_builder_add (paths, path);
    }
    if (!found)
      return NULL;
  }
  return g_strv_builder_end (paths);
}

static gboolean
find_scattered (
    const char *folder, gsize row, ShuPartFiles *ret, GError **error)
{
  const char *const *names = scattered[row].names;
  const char *const *endings = scattered[row].endings;
  g_autoptr (GPtrArray) places = places_for (folder, scattered[row].part);
  g_autofree char *all_names = g_strjoinv (" and ", (char **) names);
  g_autofree char *all_endings = g_strjoinv (", ", (char **) endings);
  g_autoptr (GString) looked = g_string_new (NULL);

  for (guint i = 0; i < places->len; i++) {
    const char *place = g_ptr_array_index (places, i);

    ret->weights = find_files (place, names, endings);
    if (ret->weights)
      return TRUE;
    g_string_append_printf (looked, "\n  %s", place);
  }
  g_set_error (error, SHU_ERROR, SHU_ERROR_MISSING,
      "%s: there is no %s (%s). Looked in:%s", scattered[row].what, all_names,
      all_endings, looked->str);
  return FALSE;
}

gboolean
shu_part_find (const char *folder, const char *part, ShuPartFiles *ret_files,
    GError **error)
{
  g_autofree char *own = g_build_filename (folder, part, NULL);

  *ret_files = (ShuPartFiles){0};
  for (gsize i = 0; i < G_N_ELEMENTS (scattered); i++)
    if (strcmp (part, scattered[i].part) == 0 && !exists (own, "config.json") &&
        !exists (own, "model.safetensors"))
      return find_scattered (folder, i, ret_files, error);
  ret_files->config = g_build_filename (own, "config.json", NULL);
  ret_files->weights = g_new0 (char *, 2);
  ret_files->weights[0] = g_steal_pointer (&own);
  return TRUE;
}

ShuConfig *
shu_part_config (const ShuPartFiles *files, GError **error)
{
  if (files->config)
    return shu_config_open (files->config, error);
  return shu_config_parse ("{}", -1, files->weights[0], error);
}

ShuWeights *
shu_part_weights (const ShuPartFiles *files, GError **error)
{
  if (files->config)
    return shu_weights_open (files->weights[0], error);
  return shu_weights_open_files ((int) g_strv_length (files->weights),
      (const char *const *) files->weights, error);
}
