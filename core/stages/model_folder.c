/* SPDX-License-Identifier: MIT */
/* Where model folders are looked for. */
#include "stages/model_folder_private.h"
#include "base/error.h"
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

/* What makes a folder a model folder. */
#define MARK "OneStage" G_DIR_SEPARATOR_S "pipeline_config.json"

gboolean
shu_is_model_folder (const char *folder)
{
  g_autofree char *mark = g_build_filename (folder, MARK, NULL);

  return g_file_test (mark, G_FILE_TEST_IS_REGULAR);
}

/* Where what was installed, or built, with this library is; NULL where nobody
 * says.
 * @way: from the library's folder */
static char *
beside_library (const char *way)
{
  g_autofree char *folder = NULL;
  Dl_info info;
  char *path;

  if (!dladdr ((const void *) shu_is_model_folder, &info) || !info.dli_fname)
    return NULL;
  path = realpath (info.dli_fname, NULL);
  if (!path)
    return NULL;
  folder = g_path_get_dirname (path);
  free (path);
  return g_canonicalize_filename (way, folder);
}

/* Adds @name in each folder where data of programs are: the user's, what came
 * with this library, the system's. */
static void
add_everywhere (GPtrArray *list, const char *name)
{
  const char *const *system = g_get_system_data_dirs ();
  g_autofree char *moved = beside_library (SHU_MODELS_FROM_LIBRARY);
  g_autofree char *built = beside_library ("../examples/models");

  g_ptr_array_add (list, g_build_filename (g_get_user_data_dir (), "synchuman",
                             "models", name, NULL));
  if (moved)
    g_ptr_array_add (list, g_build_filename (moved, name, NULL));
  if (built)
    g_ptr_array_add (list, g_build_filename (built, name, NULL));
  for (; *system; system++)
    g_ptr_array_add (
        list, g_build_filename (*system, "synchuman", "models", name, NULL));
  g_ptr_array_add (list, g_build_filename (SHU_INSTALLED_MODELS, name, NULL));
}

/* Folders that may be model folders, in the order of preference. */
static GPtrArray *
candidates (void)
{
  GPtrArray *list = g_ptr_array_new_with_free_func (g_free);

  g_ptr_array_add (list, g_strdup ("ckpts"));
  add_everywhere (list, "official");
  add_everywhere (list, "mini");
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
