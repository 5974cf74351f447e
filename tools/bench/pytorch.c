/* SPDX-License-Identifier: MIT */
/* The same parts in PyTorch: pytorch.py, in a child. */
#include "bench.h"
#include "base/error.h"
#include <gio/gio.h>
#include <string.h>

static void
time_free (gpointer data)
{
  BenchPytorch *t = data;

  g_free (t->why);
  g_free (t);
}

/* The last line of @text that says something, as a failure. */
static void
fail (const char *text, GError **error)
{
  g_auto (GStrv) lines = g_strsplit (text ? text : "", "\n", -1);
  const char *last = "it says nothing";

  for (char **line = lines; *line; line++)
    if (*g_strstrip (*line))
      last = *line;
  g_set_error (error, SHU_ERROR, SHU_ERROR_UNSUPPORTED, "PyTorch: %s", last);
}

/* "PART MEDIAN MIN" and "PART - WHY" */
static GHashTable *
parse (const char *text)
{
  GHashTable *times =
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, time_free);
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);

  for (char **line = lines; *line; line++) {
    g_auto (GStrv) words = g_strsplit (*line, " ", 3);
    BenchPytorch *t;

    if (g_strv_length (words) != 3)
      continue;
    t = g_new0 (BenchPytorch, 1);
    if (strcmp (words[1], "-") == 0) {
      t->why = g_strdup (words[2]);
    } else {
      t->median = g_ascii_strtod (words[1], NULL) * 1e-3;
      t->min = g_ascii_strtod (words[2], NULL) * 1e-3;
    }
    g_hash_table_insert (times, g_strdup (words[0]), t);
  }
  return times;
}

GHashTable *
bench_pytorch (const char *path, const char *const *parts, GError **error)
{
  g_autoptr (GPtrArray) argv = g_ptr_array_new ();
  g_autoptr (GBytes) script =
      g_resources_lookup_data ("/bench/pytorch.py", 0, error);
  g_autoptr (GSubprocess) child = NULL;
  g_autofree char *out = NULL, *messages = NULL;

  if (!script)
    return NULL;
  g_ptr_array_add (argv, (gpointer) "python3");
  g_ptr_array_add (argv, (gpointer) "-");
  g_ptr_array_add (argv, (gpointer) path);
  for (; *parts; parts++)
    g_ptr_array_add (argv, (gpointer) *parts);
  g_ptr_array_add (argv, NULL);
  child = g_subprocess_newv ((const char *const *) argv->pdata,
      G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE |
          G_SUBPROCESS_FLAGS_STDERR_PIPE,
      error);
  if (!child ||
      !g_subprocess_communicate_utf8 (child, g_bytes_get_data (script, NULL),
          NULL, &out, &messages, error)) {
    g_prefix_error (error, "PyTorch: ");
    return NULL;
  }
  if (!g_subprocess_get_successful (child)) {
    fail (messages, error);
    return NULL;
  }
  return parse (out);
}
