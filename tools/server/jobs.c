/* SPDX-License-Identifier: MIT */
/* GET and DELETE of what lies below /jobs/. */
#include "archive.h"
#include "server.h"
#include <string.h>

void
serve_status (Server *s, SoupServerMessage *msg, guint status, ApiJob *job)
{
  const HostInfo *info = queue_info (s->queue);
  JsonBuilder *b = json_builder_new ();
  int position = queue_position (s->queue, job);

  json_builder_begin_object (b);
  api_job_write (job, b, s->root_name, info ? &info->defaults : NULL);
  if (position > 0)
    web_int (b, "position", position);
  json_builder_end_object (b);
  web_json (msg, status, b);
}

/* Answers name no files that a request made up: @path is one of ours. */
void
serve_file (SoupServerMessage *msg, const char *path, const char *type,
    const char *name)
{
  g_autoptr (GMappedFile) map = g_mapped_file_new (path, FALSE, NULL);
  g_autoptr (GBytes) bytes = map ? g_mapped_file_get_bytes (map) : NULL;
  SoupMessageHeaders *h = soup_server_message_get_response_headers (msg);
  g_autofree char *disposition =
      g_strdup_printf ("attachment; filename=\"%s\"", name);
  g_auto (Problem) p = {0};

  if (!bytes) {
    problem_set (&p, SOUP_STATUS_NOT_FOUND, "%s is not there", name);
    web_problem (msg, &p);
    return;
  }
  soup_server_message_set_status (msg, SOUP_STATUS_OK, NULL);
  soup_message_headers_set_content_type (h, type, NULL);
  soup_message_headers_replace (h, "Content-Disposition", disposition);
  soup_message_body_append_bytes (
      soup_server_message_get_response_body (msg), bytes);
  soup_message_body_complete (soup_server_message_get_response_body (msg));
}

void
serve_failure (Server *s, Problem *p, const GError *error)
{
  gboolean full = g_error_matches (error, G_IO_ERROR, G_IO_ERROR_NO_SPACE) ||
                  g_error_matches (error, G_FILE_ERROR, G_FILE_ERROR_NOSPC);

  problem_set (p,
      full ? SOUP_STATUS_INSUFFICIENT_STORAGE
           : SOUP_STATUS_INTERNAL_SERVER_ERROR,
      "%s", error->message);
  metrics_failed (s->metrics, full ? "disk" : "internal");
}

/* ---- the ZIP ---- */

typedef struct {
  Server *server;
  GCancellable *ended; /* the server's */
  SoupServerMessage *msg;
  ApiJob *job;
} Waiting;

static void
waiting_free (Waiting *w)
{
  g_object_unref (w->msg);
  g_object_unref (w->ended);
  api_job_unref (w->job);
  g_free (w);
}

static void
archived (GObject *object, GAsyncResult *result, gpointer data)
{
  Waiting *w = data;
  g_autoptr (GError) error = NULL;
  g_autofree char *path = archive_write_finish (result, &error);
  g_auto (Problem) p = {0};

  if (g_cancellable_is_cancelled (w->ended)) {
    waiting_free (w);
    return;
  }
  if (store_find (queue_store (w->server->queue), w->job->id) != w->job) {
    /* removed meanwhile, and what was written then is still there */
    api_job_remove (w->job);
    problem_set (&p, SOUP_STATUS_NOT_FOUND, "The job is no longer kept");
    web_problem (w->msg, &p);
  } else if (path) {
    api_job_measure (w->job); /* the ZIP counts, too */
    serve_file (w->msg, path, "application/zip", "result.zip");
  } else {
    serve_failure (w->server, &p, error);
    web_problem (w->msg, &p);
  }
  web_finish_headers (w->msg, w->server->settings);
  soup_server_message_unpause (w->msg);
  waiting_free (w);
}

void
serve_archive (Server *s, SoupServerMessage *msg, ApiJob *job)
{
  Waiting *w = g_new (Waiting, 1);

  *w = (Waiting){
      s, g_object_ref (s->ended), g_object_ref (msg), api_job_ref (job)};
  archive_write_async (job, archived, w);
}

/* ---- one job ---- */

static void
serve_delete (Server *s, SoupServerMessage *msg, ApiJob *job)
{
  g_autoptr (ApiJob) hold = api_job_ref (job);

  if (api_job_is_over (job)) {
    store_remove (queue_store (s->queue), job);
    soup_server_message_set_status (msg, SOUP_STATUS_NO_CONTENT, NULL);
    return;
  }
  queue_cancel (s->queue, job);
  serve_status (s, msg, SOUP_STATUS_ACCEPTED, job);
}

static gboolean
must_be_complete (const ApiJob *job, Problem *p)
{
  return job->state == API_COMPLETED ||
         problem_set (p, SOUP_STATUS_CONFLICT,
             "The job is %s: it has no results", api_job_state (job));
}

static void
serve_result (ApiJob *job, SoupServerMessage *msg, const char *name, Problem *p)
{
  const char *type;
  g_autofree char *path = api_job_file (job, name, &type);
  g_autofree char *base = path ? g_path_get_basename (path) : NULL;

  if (!path)
    problem_set (p, SOUP_STATUS_NOT_FOUND,
        "There is no result of this name; \"files\" of the job lists them");
  else if (must_be_complete (job, p))
    serve_file (msg, path, type, base);
}

void
serve_job (Server *s, SoupServerMessage *msg, const char *id, const char *rest)
{
  static const char files[] = "/files/";
  const char *method = soup_server_message_get_method (msg);
  gboolean get = strcmp (method, "GET") == 0 || strcmp (method, "HEAD") == 0;
  ApiJob *job =
      api_job_is_id (id) ? store_find (queue_store (s->queue), id) : NULL;
  g_auto (Problem) p = {0};

  if (!job)
    problem_set (&p, SOUP_STATUS_NOT_FOUND,
        "There is no such job, or it is no longer kept");
  else if (strcmp (method, "DELETE") == 0 && !*rest)
    serve_delete (s, msg, job);
  else if (!get)
    problem_set (&p, SOUP_STATUS_METHOD_NOT_ALLOWED,
        "This path does not take %s", method);
  else if (!*rest)
    serve_status (s, msg, SOUP_STATUS_OK, job);
  else if (strcmp (rest, "/events") == 0)
    serve_events (s, msg, job);
  else if (strcmp (rest, "/result.zip") == 0) {
    if (must_be_complete (job, &p)) {
      web_hold (msg, NULL, NULL);
      serve_archive (s, msg, job);
    }
  } else if (g_str_has_prefix (rest, files))
    serve_result (job, msg, rest + strlen (files), &p);
  else
    problem_set (&p, SOUP_STATUS_NOT_FOUND,
        "A job has /events, /files/NAME and /result.zip");
  if (p.status)
    serve_problem (s, msg, &p);
}
