/* SPDX-License-Identifier: MIT */
/* synchuman models check|import: looks after checkpoints. */
#include "commands.h"
#include "job.h"
#include "shu.h"
#include <json-glib/json-glib.h>
#include <stdio.h>
#include <string.h>

enum { MAX_SHOWN = 12, MAX_DEPTH = 8 };

static const char usage[] =
    "Usage: synchuman models check [--json] FOLDER\n"
    "       synchuman models import [--force] FOLDER|FILE…\n"
    "\n"
    "check lists what a model folder holds, what is missing and where it "
    "comes\n"
    "from, and compares every tensor with what the networks ask for. Nothing "
    "is\n"
    "loaded. Exit status 1 where something is missing or does not fit.\n"
    "\n"
    "import writes each PyTorch (.pth, .pt) and ONNX file as safetensors "
    "beside\n"
    "it; --force replaces files that are there.\n";

/* ---- check ---- */

static void
print_list (const GPtrArray *list, const char *mark)
{
  for (guint i = 0; i < MIN (list->len, MAX_SHOWN); i++) {
    g_auto (GStrv) lines = g_strsplit (list->pdata[i], "\n", -1);
    g_autofree char *text = g_strjoinv ("\n      ", lines);

    printf ("    %s%s\n", mark, text);
  }
  if (list->len > MAX_SHOWN)
    printf (
        "    %sand %u more (--json lists all)\n", mark, list->len - MAX_SHOWN);
}

static void
print_part (const ShuPartCheck *p)
{
  const char *state = !p->found              ? "missing"
                      : p->problems->len > 0 ? "does not fit"
                                             : "ok";

  printf ("  %-18s %s", p->name, state);
  if (p->holds) {
    g_autofree char *size = g_format_size (p->n_bytes);

    printf (", %d tensors, %s, %s", p->n_tensors, size, p->holds);
  }
  printf ("\n    %s\n", p->path);
  print_list (p->problems, "! ");
  print_list (p->notes, "");
  if (p->problems->len > 0)
    printf ("    usually from %s\n", p->origin);
}

static void
print_text (const ShuModelCheck *check)
{
  printf ("%s\n", check->folder);
  for (guint i = 0; i < check->parts->len; i++)
    print_part (g_ptr_array_index (check->parts, i));
  if (check->n_problems == 0)
    printf ("Everything is there and fits.\n");
  else
    printf (
        "%d problem%s\n", check->n_problems, check->n_problems > 1 ? "s" : "");
}

static void
build_list (JsonBuilder *b, const char *name, const GPtrArray *list)
{
  json_builder_set_member_name (b, name);
  json_builder_begin_array (b);
  for (guint i = 0; i < list->len; i++) {
    g_autofree char *text = g_utf8_make_valid (list->pdata[i], -1);

    json_builder_add_string_value (b, text);
  }
  json_builder_end_array (b);
}

static void
build_string (JsonBuilder *b, const char *name, const char *value)
{
  g_autofree char *text = g_utf8_make_valid (value, -1);

  json_builder_set_member_name (b, name);
  json_builder_add_string_value (b, text);
}

static void
build_part (JsonBuilder *b, const ShuPartCheck *p)
{
  json_builder_begin_object (b);
  build_string (b, "name", p->name);
  build_string (b, "path", p->path);
  json_builder_set_member_name (b, "found");
  json_builder_add_boolean_value (b, p->found);
  if (p->holds) {
    build_string (b, "holds", p->holds);
    json_builder_set_member_name (b, "tensors");
    json_builder_add_int_value (b, p->n_tensors);
    json_builder_set_member_name (b, "bytes");
    json_builder_add_int_value (b, (gint64) p->n_bytes);
  }
  build_list (b, "problems", p->problems);
  build_list (b, "notes", p->notes);
  build_string (b, "origin", p->origin);
  json_builder_end_object (b);
}

static void
print_json (const ShuModelCheck *check)
{
  g_autoptr (JsonBuilder) b = json_builder_new ();
  g_autoptr (JsonNode) root = NULL;
  g_autofree char *text = NULL;

  json_builder_begin_object (b);
  build_string (b, "folder", check->folder);
  json_builder_set_member_name (b, "ok");
  json_builder_add_boolean_value (b, check->n_problems == 0);
  json_builder_set_member_name (b, "parts");
  json_builder_begin_array (b);
  for (guint i = 0; i < check->parts->len; i++)
    build_part (b, g_ptr_array_index (check->parts, i));
  json_builder_end_array (b);
  json_builder_end_object (b);
  root = json_builder_get_root (b);
  text = json_to_string (root, TRUE);
  printf ("%s\n", text);
}

static int
check (const char *folder, gboolean json)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ShuModelCheck) result = shu_model_check (folder, &error);

  if (!result) {
    fprintf (stderr, "synchuman: %s\n", error->message);
    return STATUS_FAILED;
  }
  if (json)
    print_json (result);
  else
    print_text (result);
  return result->n_problems == 0 ? STATUS_OK : STATUS_FAILED;
}

/* ---- import ---- */

static gboolean
is_foreign (const char *name)
{
  return g_str_has_suffix (name, ".pth") || g_str_has_suffix (name, ".pt") ||
         g_str_has_suffix (name, ".onnx");
}

/* Files to import in @folder and below, sorted by the caller. */
static void
find_files (const char *folder, int depth, GPtrArray *files)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name;

  while (dir && (name = g_dir_read_name (dir))) {
    g_autofree char *path = g_build_filename (folder, name, NULL);

    if (g_file_test (path, G_FILE_TEST_IS_DIR)) {
      if (depth < MAX_DEPTH && *name != '.' &&
          !g_file_test (path, G_FILE_TEST_IS_SYMLINK))
        find_files (path, depth + 1, files);
    } else if (is_foreign (name))
      g_ptr_array_add (files, g_steal_pointer (&path));
  }
}

/* The same name with the other ending. */
static char *
target_of (const char *path)
{
  const char *base = strrchr (path, G_DIR_SEPARATOR);
  const char *dot = strrchr (base ? base : path, '.');
  g_autofree char *stem = dot ? g_strndup (path, dot - path) : g_strdup (path);

  return g_strconcat (stem, ".safetensors", NULL);
}

/* @must: that it is there already is a failure */
static gboolean
import_file (const char *path, gboolean force, gboolean must)
{
  g_autofree char *to = target_of (path);
  g_autoptr (GError) error = NULL;
  int n;

  if (!force && g_file_test (to, G_FILE_TEST_EXISTS) &&
      g_file_test (path, G_FILE_TEST_EXISTS)) {
    fprintf (must ? stderr : stdout, "%s%s is there already%s\n",
        must ? "synchuman: " : "", to,
        must ? "; --force replaces it" : ", kept");
    return !must;
  }
  if (!shu_weights_import (path, to, &n, &error)) {
    fprintf (stderr, "synchuman: %s\n", error->message);
    return FALSE;
  }
  printf ("%s: %d tensor%s\n", to, n, n == 1 ? "" : "s");
  return TRUE;
}

static int
by_name (gconstpointer a, gconstpointer b)
{
  return strcmp (*(char *const *) a, *(char *const *) b);
}

static gboolean
import (const char *path, gboolean force)
{
  g_autoptr (GPtrArray) files = g_ptr_array_new_with_free_func (g_free);
  gboolean ok = TRUE;

  if (!g_file_test (path, G_FILE_TEST_IS_DIR))
    return import_file (path, force, TRUE);
  find_files (path, 0, files);
  g_ptr_array_sort (files, by_name);
  if (files->len == 0)
    printf ("%s: no .pth, .pt or .onnx files\n", path);
  for (guint i = 0; i < files->len; i++)
    ok = import_file (g_ptr_array_index (files, i), force, FALSE) && ok;
  return ok;
}

int
cmd_models (int argc, char **argv)
{
  g_autoptr (GPtrArray) paths = g_ptr_array_new ();
  gboolean is_check = argc > 1 && strcmp (argv[1], "check") == 0;
  gboolean is_import = argc > 1 && strcmp (argv[1], "import") == 0;
  const char *option = is_check ? "--json" : "--force";
  gboolean set = FALSE, ok = TRUE;

  for (int i = 1; i < argc; i++)
    if (strcmp (argv[i], "--help") == 0) {
      fputs (usage, stdout);
      return STATUS_OK;
    }
  for (int i = 2; i < argc; i++)
    if (strcmp (argv[i], option) == 0)
      set = TRUE;
    else if (g_str_has_prefix (argv[i], "--")) {
      fprintf (stderr, "synchuman: models: unknown option %s\n", argv[i]);
      return STATUS_USAGE;
    } else
      g_ptr_array_add (paths, argv[i]);
  if ((!is_check && !is_import) || paths->len == 0 ||
      (is_check && paths->len > 1)) {
    fputs (usage, stderr);
    return STATUS_USAGE;
  }
  if (is_check)
    return check (g_ptr_array_index (paths, 0), set);
  for (guint i = 0; i < paths->len; i++)
    ok = import (g_ptr_array_index (paths, i), set) && ok;
  return ok ? STATUS_OK : STATUS_FAILED;
}
