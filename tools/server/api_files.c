/* SPDX-License-Identifier: MIT */
/* A job's folder: its results, and what is kept of it in job.json. */
#include "api_job.h"
#include "web_json.h"
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <string.h>

/* ---- results ---- */

typedef struct {
  int stage;
  const char *name; /* as in the field "files" */
  const char *file;
  const char *type;
} Result;

static const char png[] = "image/png";

static const Result results[] = {
    {1, "color_0", "color_0.png", png},
    {1, "color_1", "color_1.png", png},
    {1, "color_2", "color_2.png", png},
    {1, "color_3", "color_3.png", png},
    {1, "color_4", "color_4.png", png},
    {1, "normal_0", "normal_0.png", png},
    {1, "normal_1", "normal_1.png", png},
    {1, "normal_2", "normal_2.png", png},
    {1, "normal_3", "normal_3.png", png},
    {1, "normal_4", "normal_4.png", png},
    {1, "input", "input.png", png},
    {1, "latent.npz", "latent.npz", "application/octet-stream"},
    {2, "output.glb", "output.glb", "model/gltf-binary"},
    {2, "output_mesh.ply", "output_mesh.ply", "application/octet-stream"},
};

static const char *const folders[] = {"", "stage1_output", "stage2_output"};

gboolean
api_job_result (
    int i, int *ret_stage, const char **ret_name, const char **ret_file)
{
  if (i >= (int) G_N_ELEMENTS (results))
    return FALSE;
  *ret_stage = results[i].stage;
  *ret_name = results[i].name;
  *ret_file = results[i].file;
  return TRUE;
}

const char *
api_job_stage_folder (int stage)
{
  return folders[stage];
}

char *
api_job_file (const ApiJob *job, const char *name, const char **ret_type)
{
  for (guint i = 0; i < G_N_ELEMENTS (results); i++) {
    const Result *r = &results[i];

    if (strcmp (name, r->name) != 0 && strcmp (name, r->file) != 0)
      continue;
    if (ret_type)
      *ret_type = r->type;
    return g_build_filename (job->folder, folders[r->stage], r->file, NULL);
  }
  return NULL;
}

char *
api_job_upload (const ApiJob *job)
{
  return g_build_filename (job->folder, "upload", NULL);
}

static gint64
size_below (GFile *folder)
{
  guint64 bytes = 0;

  g_file_measure_disk_usage (
      folder, G_FILE_MEASURE_NONE, NULL, NULL, NULL, &bytes, NULL, NULL, NULL);
  return (gint64) bytes;
}

void
api_job_measure (ApiJob *job)
{
  g_autoptr (GFile) folder = g_file_new_for_path (job->folder);

  job->bytes = size_below (folder);
}

static void
remove_below (const char *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const char *name;

  while (dir && (name = g_dir_read_name (dir))) {
    g_autofree char *child = g_build_filename (path, name, NULL);

    if (g_file_test (child, G_FILE_TEST_IS_DIR) &&
        !g_file_test (child, G_FILE_TEST_IS_SYMLINK))
      remove_below (child);
    else
      g_unlink (child);
  }
  g_rmdir (path);
}

void
api_job_remove (const ApiJob *job)
{
  remove_below (job->folder);
}

/* ---- job.json ---- */

static const char *const states[] = {
    "queued", "running", "completed", "failed", "cancelled"};

const char *
api_job_state (const ApiJob *job)
{
  return states[job->state];
}

static void
write_table (
    JsonBuilder *b, const char *name, GHashTable *table, gboolean seconds)
{
  GHashTableIter iter;
  gpointer key, value;

  json_builder_set_member_name (b, name);
  json_builder_begin_object (b);
  g_hash_table_iter_init (&iter, table);
  while (g_hash_table_iter_next (&iter, &key, &value))
    if (seconds)
      web_double (b, key, *(double *) value);
    else
      web_string (b, key, value);
  json_builder_end_object (b);
}

gboolean
api_job_save (const ApiJob *job, GError **error)
{
  JsonBuilder *b = json_builder_new ();
  g_autofree char *path = g_build_filename (job->folder, "job.json", NULL);
  g_autofree char *text = NULL;

  json_builder_begin_object (b);
  web_string (b, "state", states[job->state]);
  web_bool (b, "detached", job->detached);
  web_string (b, "key", job->key);
  web_string (b, "print", job->print);
  web_int (b, "created", job->created);
  web_int (b, "started", job->started);
  web_int (b, "finished", job->finished);
  web_int (b, "tries", job->tries);
  web_double (b, "coverage", job->coverage);
  web_double (b, "seconds", job->seconds);
  web_int (b, "status", job->status);
  web_string (b, "cause", job->cause);
  web_string (b, "message", job->message);
  write_table (b, "values", job->values, FALSE);
  write_table (b, "stages", job->stages, TRUE);
  json_builder_end_object (b);
  text = web_json_text (b);
  return g_file_set_contents (path, text, -1, error);
}

static gint64
int_of (JsonObject *o, const char *name)
{
  JsonNode *node = json_object_get_member (o, name);

  return node && JSON_NODE_HOLDS_VALUE (node) ? json_node_get_int (node) : 0;
}

static double
double_of (JsonObject *o, const char *name)
{
  JsonNode *node = json_object_get_member (o, name);

  return node && JSON_NODE_HOLDS_VALUE (node) ? json_node_get_double (node) : 0;
}

static void
read_member (
    JsonObject *o, const char *name, JsonNode *node, gpointer table_and_kind)
{
  gpointer *args = table_and_kind;

  if (!JSON_NODE_HOLDS_VALUE (node))
    return;
  if (args[1]) {
    double *seconds = g_new (double, 1);

    *seconds = json_node_get_double (node);
    g_hash_table_replace (args[0], g_strdup (name), seconds);
  } else if (json_node_get_value_type (node) == G_TYPE_STRING)
    g_hash_table_replace (
        args[0], g_strdup (name), g_strdup (json_node_get_string (node)));
}

static void
read_table (
    JsonObject *o, const char *name, GHashTable *table, gboolean seconds)
{
  JsonNode *node = json_object_get_member (o, name);
  gpointer args[] = {table, GINT_TO_POINTER (seconds)};

  if (node && JSON_NODE_HOLDS_OBJECT (node))
    json_object_foreach_member (json_node_get_object (node), read_member, args);
}

ApiJob *
api_job_open (const char *root, const char *id)
{
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autoptr (ApiJob) job = api_job_alloc (root, id);
  g_autofree char *path = g_build_filename (job->folder, "job.json", NULL);
  const char *state;
  JsonNode *node;
  JsonObject *o;

  if (!json_parser_load_from_file (parser, path, NULL) ||
      !(node = json_parser_get_root (parser)) || !JSON_NODE_HOLDS_OBJECT (node))
    return NULL;
  o = json_node_get_object (node);
  state = web_get_string (o, "state", NULL);
  for (guint i = 0; i < G_N_ELEMENTS (states); i++)
    if (g_strcmp0 (state, states[i]) == 0)
      job->state = (ApiState) i;
  job->detached = int_of (o, "detached") != 0;
  job->key = g_strdup (web_get_string (o, "key", NULL));
  job->print = g_strdup (web_get_string (o, "print", NULL));
  job->created = int_of (o, "created");
  job->started = int_of (o, "started");
  job->finished = int_of (o, "finished");
  job->tries = (int) int_of (o, "tries");
  job->coverage = double_of (o, "coverage");
  job->seconds = double_of (o, "seconds");
  job->status = (guint) int_of (o, "status");
  job->cause = g_strdup (web_get_string (o, "cause", NULL));
  job->message = g_strdup (web_get_string (o, "message", NULL));
  read_table (o, "values", job->values, FALSE);
  read_table (o, "stages", job->stages, TRUE);
  return g_steal_pointer (&job);
}

/* ---- as an answer ---- */

static void
write_files (const ApiJob *job, JsonBuilder *b, int stage, const char *shown)
{
  int of;
  const char *name, *file;

  json_builder_set_member_name (b, "files");
  json_builder_begin_object (b);
  for (int i = 0; api_job_result (i, &of, &name, &file); i++) {
    g_autofree char *path =
        g_build_filename (job->folder, folders[stage], file, NULL);
    g_autofree char *as_shown =
        g_build_filename (shown, job->id, folders[stage], file, NULL);

    /* those that the field is known for */
    if (of == stage && strcmp (name, "latent.npz") != 0 &&
        g_file_test (path, G_FILE_TEST_EXISTS))
      web_string (b, name, as_shown);
  }
  json_builder_end_object (b);
}

static void
write_stage (const ApiJob *job, JsonBuilder *b, int stage, const char *shown,
    const Defaults *defaults)
{
  g_autofree char *folder =
      g_build_filename (shown, job->id, folders[stage], NULL);

  json_builder_set_member_name (b, stage == 1 ? "stage1" : "stage2");
  json_builder_begin_object (b);
  web_string (b, "status", states[job->state]);
  json_builder_set_member_name (b, "parameters");
  json_builder_begin_object (b);
  params_write (b, stage, job->values, defaults);
  json_builder_end_object (b);
  web_string (b, "output_dir", folder);
  write_files (job, b, stage, shown);
  json_builder_end_object (b);
}

static void
write_time (JsonBuilder *b, const char *name, gint64 us)
{
  g_autoptr (GDateTime) when = g_date_time_new_from_unix_utc (us / 1000000);
  g_autofree char *text = us ? g_date_time_format_iso8601 (when) : NULL;

  web_string (b, name, text);
}

static void
write_progress (const ApiJob *job, JsonBuilder *b)
{
  if (job->state != API_RUNNING)
    return;
  web_string (b, "stage", job->stage);
  web_int (b, "step", job->step);
  web_int (b, "total", job->total);
  web_seconds (b, "seconds_left", api_job_seconds_left (job));
}

void
api_job_write (const ApiJob *job, JsonBuilder *b, const char *root_name,
    const Defaults *defaults)
{
  web_string (b, "job_id", job->id);
  web_string (b, "approach", API_APPROACH);
  web_string (b, "status", states[job->state]);
  web_known (b, "alpha_coverage", job->coverage);
  write_time (b, "created", job->created);
  write_time (b, "started", job->started);
  write_time (b, "finished", job->finished);
  write_progress (job, b);
  json_builder_set_member_name (b, "warnings");
  json_builder_begin_array (b);
  for (guint i = 0; i < job->warnings->len; i++)
    json_builder_add_string_value (b, job->warnings->pdata[i]);
  json_builder_end_array (b);
  if (job->state == API_FAILED) {
    web_string (b, "cause", job->cause);
    web_string (b, "error", job->message);
  }
  if (job->state != API_COMPLETED)
    return;
  web_seconds (b, "seconds", job->seconds);
  if (defaults) {
    write_stage (job, b, 1, root_name, defaults);
    write_stage (job, b, 2, root_name, defaults);
  }
}
