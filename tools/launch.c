/* SPDX-License-Identifier: MIT */
#include "launch.h"
#include <string.h>

#define FAIL(error, ...)                                                       \
  g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, __VA_ARGS__)

char *
launch_quote (const char *value)
{
  g_autofree char *wrapped = NULL;
  GString *s = g_string_new ("\"");

  /* GStreamer's own quoting, for what it would take for a quoted string */
  if (value[0] == '"') {
    g_auto (GValue) v = G_VALUE_INIT;

    g_value_init (&v, G_TYPE_STRING);
    g_value_set_string (&v, value);
    wrapped = gst_value_serialize (&v);
  }
  for (const char *p = wrapped ? wrapped : value; *p; p++) {
    if (*p == '"' || *p == '\\')
      g_string_append_c (s, '\\');
    g_string_append_c (s, *p);
  }
  g_string_append_c (s, '"');
  return g_string_free (s, FALSE);
}

static char *
drop_comments (const char *text)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  GString *s = g_string_new (NULL);

  for (char **line = lines; *line; line++)
    if (!g_str_has_prefix (*line, "#"))
      g_string_append_printf (s, "%s\n", *line);
  return g_string_free (s, FALSE);
}

/* The value of one placeholder's inside, "name" or "name:-default". */
static char *
expand_one (
    const char *inside, GHashTable *values, GHashTable *known, GError **error)
{
  const char *sep = strstr (inside, ":-");
  char *name = sep ? g_strndup (inside, sep - inside) : g_strdup (inside);
  const char *value = g_hash_table_lookup (values, name);

  g_hash_table_add (known, name);
  if (!value && sep)
    value = sep + 2;
  if (!value) {
    FAIL (error, "say %s=VALUE: the pipeline has no default for it", name);
    return NULL;
  }
  return launch_quote (value);
}

static gboolean
check_known (GHashTable *values, GHashTable *known, GError **error)
{
  GHashTableIter iter;
  gpointer key;

  g_hash_table_iter_init (&iter, values);
  while (g_hash_table_iter_next (&iter, &key, NULL))
    if (!g_hash_table_contains (known, key)) {
      g_autofree gpointer *names = g_hash_table_get_keys_as_array (known, NULL);
      g_autofree char *list = g_strjoinv (", ", (char **) names);

      FAIL (
          error, "the pipeline has no \"%s\"; it has: %s", (char *) key, list);
      return FALSE;
    }
  return TRUE;
}

char *
launch_expand (const char *text, GHashTable *values, GError **error)
{
  g_autofree char *plain = drop_comments (text);
  g_autoptr (GHashTable) known =
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr (GString) out = g_string_new (NULL);
  const char *p = plain;
  const char *begin;

  while ((begin = strstr (p, "${"))) {
    const char *end = strchr (begin, '}');
    g_autofree char *inside = NULL;
    g_autofree char *value = NULL;

    if (!end) {
      FAIL (error, "\"${\" without \"}\" in the pipeline");
      return NULL;
    }
    inside = g_strndup (begin + 2, end - begin - 2);
    value = expand_one (inside, values, known, error);
    if (!value)
      return NULL;
    g_string_append_len (out, p, begin - p);
    g_string_append (out, value);
    p = end + 1;
  }
  g_string_append (out, p);
  if (!check_known (values, known, error))
    return NULL;
  return g_strdup (g_strstrip (out->str));
}

char *
launch_program_folder (void)
{
  g_autofree char *exe = g_file_read_link ("/proc/self/exe", NULL);

  return exe ? g_path_get_dirname (exe) : NULL;
}

/* What was installed with the program, or built with it; else, and where nobody
 * says where the program lies, what was @installed where it was meant to be.
 * @moved, @built: from the program's folder */
static char *
find_beside (const char *moved, const char *built, const char *installed)
{
  g_autofree char *here = launch_program_folder ();
  const char *ways[] = {moved, built};

  for (int i = 0; here && i < 2; i++) {
    g_autofree char *path = g_canonicalize_filename (ways[i], here);

    if (g_file_test (path, G_FILE_TEST_EXISTS))
      return g_steal_pointer (&path);
  }
  return g_strdup (installed);
}

static char *
pipelines_folder (void)
{
  const char *said = g_getenv ("SHU_PIPELINES");

  if (said && *said && g_file_test (said, G_FILE_TEST_IS_DIR))
    return g_strdup (said);
  return find_beside (SHU_DATA_FROM_PROGRAM "/pipelines", "../pipelines",
      SHU_DATA_DIR "/pipelines");
}

char *
launch_find (const char *name, const char *suffix)
{
  g_autofree char *folder = pipelines_folder ();
  g_autofree char *file = g_strconcat (name, suffix, NULL);
  char *path = g_build_filename (folder, file, NULL);

  if (!strchr (name, '/') && g_file_test (path, G_FILE_TEST_IS_REGULAR))
    return path;
  g_free (path);
  return NULL;
}

static int
compare (gconstpointer a, gconstpointer b)
{
  return strcmp (*(char *const *) a, *(char *const *) b);
}

GStrv
launch_list (void)
{
  g_autofree char *folder = pipelines_folder ();
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  GPtrArray *names = g_ptr_array_new ();
  const char *file;

  while (dir && (file = g_dir_read_name (dir)))
    if (g_str_has_suffix (file, ".pipeline"))
      g_ptr_array_add (
          names, g_strndup (file, strlen (file) - strlen (".pipeline")));
  g_ptr_array_sort (names, compare);
  g_ptr_array_add (names, NULL);
  return (GStrv) g_ptr_array_free (names, FALSE);
}

gboolean
launch_load_plugin (GError **error)
{
  g_autofree char *path =
      find_beside (SHU_PLUGIN_FROM_PROGRAM "/libgstsynchuman.so",
          "../plugins/libgstsynchuman.so", "");
  g_autoptr (GstElementFactory) found = NULL;
  g_autoptr (GstPlugin) plugin = NULL;

  if (!*path) {
    found = gst_element_factory_find ("shustage1");
    if (found)
      return TRUE;
  }
  plugin = gst_plugin_load_file (
      *path ? path : SHU_PLUGIN_DIR "/libgstsynchuman.so", error);
  return plugin != NULL;
}
