/* SPDX-License-Identifier: MIT */
#include "model_print.h"
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>

enum { HEAD = 1 << 16, MAX_DEPTH = 4, MAX_FILES = 4096 };

static void
collect (const char *folder, int depth, GPtrArray *paths)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name;

  while (dir && (name = g_dir_read_name (dir)) && paths->len < MAX_FILES) {
    char *path = g_build_filename (folder, name, NULL);

    if (g_file_test (path, G_FILE_TEST_IS_REGULAR)) {
      g_ptr_array_add (paths, path);
      continue;
    }
    if (depth < MAX_DEPTH && g_file_test (path, G_FILE_TEST_IS_DIR))
      collect (path, depth + 1, paths);
    g_free (path);
  }
}

static int
compare (gconstpointer a, gconstpointer b)
{
  return strcmp (*(char *const *) a, *(char *const *) b);
}

static void
add_file (GChecksum *sum, const char *folder, const char *path)
{
  g_autofree char *about = NULL;
  guint8 head[HEAD];
  FILE *file = fopen (path, "rb");
  GStatBuf st;
  gsize n = 0;

  if (!file)
    return;
  if (g_stat (path, &st) == 0)
    n = fread (head, 1, sizeof head, file);
  about = g_strdup_printf (
      "%s %" G_GINT64_FORMAT "\n", path + strlen (folder), (gint64) st.st_size);
  g_checksum_update (sum, (const guchar *) about, -1);
  g_checksum_update (sum, head, (gssize) n);
  fclose (file);
}

char *
model_print (const char *folder)
{
  g_autoptr (GChecksum) sum = g_checksum_new (G_CHECKSUM_SHA256);
  g_autoptr (GPtrArray) paths = g_ptr_array_new_with_free_func (g_free);

  collect (folder, 0, paths);
  g_ptr_array_sort (paths, compare);
  if (paths->len == 0) /* made by a formula */
    g_checksum_update (sum, (const guchar *) folder, -1);
  for (guint i = 0; i < paths->len; i++)
    add_file (sum, folder, paths->pdata[i]);
  return g_strdup (g_checksum_get_string (sum));
}
