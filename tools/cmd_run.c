/* SPDX-License-Identifier: MIT */
/* synchuman run NAME|FILE KEY=VALUE...: a pipeline from a text file. */
#include "commands.h"
#include "job.h"
#include "launch.h"
#include <stdio.h>
#include <string.h>

/* The first line of a file, without its '#'. */
static char *
title_of (const char *text)
{
  const char *end = strchrnul (text, '\n');

  while (text < end && (*text == '#' || *text == ' '))
    text++;
  return g_strndup (text, end - text);
}

static int
list_all (FILE *to)
{
  g_auto (GStrv) names = launch_list ();

  fputs ("Usage: synchuman run NAME|FILE [KEY=VALUE]… [-v] [--json]\n\n", to);
  for (char **name = names; *name; name++) {
    g_autofree char *path = launch_find (*name, ".pipeline");
    g_autofree char *text = NULL;
    g_autofree char *title = NULL;

    if (path && g_file_get_contents (path, &text, NULL, NULL)) {
      title = title_of (text);
      fprintf (to, "  %-14s %s\n", *name, title);
    }
  }
  return to == stdout ? STATUS_OK : STATUS_USAGE;
}

static char *
read_text (const char *name, GError **error)
{
  g_autofree char *path = launch_find (name, ".pipeline");
  char *text = NULL;

  if (!g_file_get_contents (path ? path : name, &text, NULL, error))
    return NULL;
  if (!g_utf8_validate (text, -1, NULL)) {
    g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL,
        "%s: is no text (UTF-8)", path ? path : name);
    g_clear_pointer (&text, g_free);
  }
  return text;
}

static GHashTable *
parse_values (int argc, char **argv, gboolean *ret_json, gboolean *ret_verbose,
    GError **error)
{
  g_autoptr (GHashTable) values =
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);

  for (int i = 2; i < argc; i++) {
    const char *eq = strchr (argv[i], '=');

    if (strcmp (argv[i], "--json") == 0) {
      *ret_json = TRUE;
      continue;
    }
    if (strcmp (argv[i], "-v") == 0 || strcmp (argv[i], "--verbose") == 0) {
      *ret_verbose = TRUE;
      continue;
    }
    if (!eq || eq == argv[i]) {
      g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
          "\"%s\": expected KEY=VALUE", argv[i]);
      return NULL;
    }
    g_hash_table_replace (
        values, g_strndup (argv[i], eq - argv[i]), g_strdup (eq + 1));
  }
  return g_steal_pointer (&values);
}

static int
run (const char *name, const char *description, gboolean json, gboolean verbose)
{
  Job job = {.input = name, .estimate = -1};
  g_autoptr (GError) error = NULL;
  Output output;
  int status = STATUS_FAILED;

  gst_init (NULL, NULL);
  output_init (&output, json);
  output.verbose = verbose;
  if (!launch_load_plugin (&error))
    output_error (&output, NULL, error->message, NULL);
  else
    status = job_run (&job, description, &output);
  if (status == STATUS_OK)
    output_result (&output, name, NULL, 0, job.seconds);
  job_clear (&job);
  output_clear (&output);
  return status;
}

int
cmd_run (int argc, char **argv)
{
  g_autoptr (GHashTable) values = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;
  g_autofree char *description = NULL;
  gboolean json = FALSE, verbose = FALSE;

  if (argc < 2)
    return list_all (stderr);
  for (int i = 1; i < argc; i++)
    if (wants_help (argv[i]))
      return list_all (stdout);
  values = parse_values (argc, argv, &json, &verbose, &error);
  if (values)
    text = read_text (argv[1], &error);
  if (text)
    description = launch_expand (text, values, &error);
  if (!description) {
    fprintf (stderr, "synchuman: %s: %s\n", argv[1], error->message);
    return STATUS_USAGE;
  }
  return run (argv[1], description, json, verbose);
}
