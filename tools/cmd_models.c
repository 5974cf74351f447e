/* SPDX-License-Identifier: MIT */
/* synchuman models check|import: looks after checkpoints. */
#include "commands.h"
#include "job.h"
#include "output.h"
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

static void
complain (const GError *error)
{
  g_autofree char *text = output_printable (error->message);

  fprintf (stderr, "synchuman: %s\n", text);
}

/* ---- check ---- */

static void
print_list (const GPtrArray *list, const char *mark)
{
  for (guint i = 0; i < MIN (list->len, MAX_SHOWN); i++) {
    g_autofree char *all = output_printable (list->pdata[i]);
    g_auto (GStrv) lines = g_strsplit (all, "\n", -1);
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
    complain (error);
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
typedef struct {
  char *path, *to;
  gboolean must;
} Import;

static void
import_clear (gpointer data)
{
  Import *i = data;

  g_free (i->path);
  g_free (i->to);
}

/* Whether what there is of it already stays. */
static gboolean
is_kept (const Import *i, gboolean force)
{
  return !force && g_file_test (i->to, G_FILE_TEST_EXISTS) &&
         g_file_test (i->path, G_FILE_TEST_EXISTS);
}

static gboolean
import_file (const Import *i, gboolean force)
{
  g_autoptr (GError) error = NULL;
  int n;

  if (is_kept (i, force)) {
    fprintf (i->must ? stderr : stdout, "%s%s is there already%s\n",
        i->must ? "synchuman: " : "", i->to,
        i->must ? "; --force replaces it" : ", kept");
    return !i->must;
  }
  if (!shu_weights_import (i->path, i->to, &n, &error)) {
    complain (error);
    return FALSE;
  }
  printf ("%s: %d tensor%s\n", i->to, n, n == 1 ? "" : "s");
  return TRUE;
}

static int
by_name (gconstpointer a, gconstpointer b)
{
  return strcmp (*(char *const *) a, *(char *const *) b);
}

static void
add_import (GArray *imports, const char *path, gboolean must)
{
  Import new = {g_strdup (path), target_of (path), must};

  g_array_append_val (imports, new);
}

/* What @path, a file or a folder, says is to be imported */
static void
list_imports (const char *path, GArray *imports)
{
  g_autoptr (GPtrArray) files = g_ptr_array_new_with_free_func (g_free);

  if (!g_file_test (path, G_FILE_TEST_IS_DIR)) {
    add_import (imports, path, TRUE);
    return;
  }
  find_files (path, 0, files);
  g_ptr_array_sort (files, by_name);
  if (files->len == 0)
    printf ("%s: no .pth, .pt or .onnx files\n", path);
  for (guint i = 0; i < files->len; i++)
    add_import (imports, g_ptr_array_index (files, i), FALSE);
}

/* Another one that would become the same file, or NULL */
static const Import *
rival_of (const GArray *imports, guint at)
{
  const Import *one = &g_array_index (imports, Import, at);

  for (guint i = 0; i < imports->len; i++) {
    const Import *other = &g_array_index (imports, Import, i);

    if (strcmp (one->to, other->to) == 0 && strcmp (one->path, other->path))
      return other;
  }
  return NULL;
}

static gboolean
import (const GPtrArray *paths, gboolean force)
{
  g_autoptr (GArray) imports = g_array_new (FALSE, FALSE, sizeof (Import));
  gboolean ok = TRUE;

  g_array_set_clear_func (imports, import_clear);
  for (guint i = 0; i < paths->len; i++)
    list_imports (g_ptr_array_index (paths, i), imports);
  for (guint i = 0; i < imports->len; i++) {
    const Import *one = &g_array_index (imports, Import, i);
    const Import *rival = is_kept (one, force) ? NULL : rival_of (imports, i);

    if (rival)
      fprintf (stderr,
          "synchuman: %s: %s would become the same file; name the one that "
          "you mean\n",
          one->path, rival->path);
    ok = !rival && import_file (one, force) && ok;
  }
  return ok;
}

int
cmd_models (int argc, char **argv)
{
  g_autoptr (GPtrArray) paths = g_ptr_array_new ();
  gboolean is_check = argc > 1 && strcmp (argv[1], "check") == 0;
  gboolean is_import = argc > 1 && strcmp (argv[1], "import") == 0;
  const char *option = is_check ? "--json" : "--force";
  gboolean set = FALSE;

  for (int i = 1; i < argc; i++)
    if (wants_help (argv[i])) {
      fputs (usage, stdout);
      return STATUS_OK;
    }
  for (int i = 2; i < argc; i++)
    if (strcmp (argv[i], option) == 0)
      set = TRUE;
    else if (argv[i][0] == '-') {
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
  return import (paths, set) ? STATUS_OK : STATUS_FAILED;
}
