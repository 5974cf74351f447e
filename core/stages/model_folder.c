/* SPDX-License-Identifier: MIT */
/* Where model folders are looked for. */
#include "stages/model_folder_private.h"
#include "base/error.h"
#include <string.h>

/* What makes a folder a model folder. */
#define MARK "OneStage" G_DIR_SEPARATOR_S "pipeline_config.json"

gboolean
shu_is_model_folder (const char *folder)
{
  g_autofree char *mark = g_build_filename (folder, MARK, NULL);

  return g_file_test (mark, G_FILE_TEST_IS_REGULAR);
}

/* Folders that hold model folders, in the order of preference. */
static GPtrArray *
candidates (void)
{
  GPtrArray *list = g_ptr_array_new_with_free_func (g_free);
  const char *const *system = g_get_system_data_dirs ();

  g_ptr_array_add (list, g_strdup ("ckpts"));
  g_ptr_array_add (list, g_build_filename (g_get_user_data_dir (), "synchuman",
                             "models", "official", NULL));
  for (; *system; system++)
    g_ptr_array_add (list,
        g_build_filename (*system, "synchuman", "models", "official", NULL));
  g_ptr_array_add (list, g_build_filename (g_get_user_data_dir (), "synchuman",
                             "models", "mini", NULL));
  for (system = g_get_system_data_dirs (); *system; system++)
    g_ptr_array_add (
        list, g_build_filename (*system, "synchuman", "models", "mini", NULL));
  g_ptr_array_add (list, g_strdup (SHU_INSTALLED_MODELS "/mini"));
  g_ptr_array_add (list, g_strdup (SHU_SOURCE_MODELS "/mini"));
  return list;
}

char *
shu_find_model_folder (const char *folder, GError **error)
{
  const char *env = g_getenv ("SHU_MODEL");
  g_autoptr (GPtrArray) list = NULL;
  g_autoptr (GString) looked = g_string_new (NULL);

  if (!folder || !*folder)
    folder = env && *env ? env : NULL;
  if (folder) {
    if (shu_is_model_folder (folder))
      return g_canonicalize_filename (folder, NULL);
    g_set_error (error, SHU_ERROR, SHU_ERROR_MISSING,
        "%s: no model folder (there is no " MARK
        " in it); give the folder that holds OneStage and SecondStage",
        folder);
    return NULL;
  }
  list = candidates ();
  for (guint i = 0; i < list->len; i++) {
    const char *path = g_ptr_array_index (list, i);

    if (shu_is_model_folder (path))
      return g_canonicalize_filename (path, NULL);
    g_string_append_printf (looked, "\n  %s", path);
  }
  g_set_error (error, SHU_ERROR, SHU_ERROR_MISSING,
      "no model folder was found; set SHU_MODEL or the property model. Looked "
      "in:%s",
      looked->str);
  return NULL;
}
