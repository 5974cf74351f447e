/* SPDX-License-Identifier: MIT */
/* POST /generate: from a form to a job, and from the job to an answer. */
#include "log.h"
#include "server.h"
#include "upload.h"
#include <string.h>

enum { MAX_KEY = 128 };

/**
 * Request:
 * A client whose answer is held back: while its photo is fetched and stored,
 * and, unless it asked not to wait, until the job is over.
 * @ended: the server's
 * @key: (nullable): held back for it until its job has it
 * @gone: it went away
 * @watching: it waits for the end of @job
 */
typedef struct {
  Server *server;
  SoupServerMessage *msg;
  Upload upload;
  ApiJob *job;
  GCancellable *cancellable, *ended;
  char *key;
  gboolean gone, watching;
} Request;

static void watch_job (ApiJob *job, const char *event, gpointer data);

/* Unless the server is gone, with its keys. */
static void
let_key_go (Request *r)
{
  if (r->key && !g_cancellable_is_cancelled (r->ended))
    g_hash_table_remove (r->server->keys, r->key);
  g_clear_pointer (&r->key, g_free);
}

static void
request_free (Request *r)
{
  web_unhold (r->msg);
  let_key_go (r);
  if (r->job)
    api_job_unwatch (r->job, watch_job, r);
  g_clear_pointer (&r->job, api_job_unref);
  upload_clear (&r->upload);
  g_object_unref (r->cancellable);
  g_object_unref (r->ended);
  g_object_unref (r->msg);
  g_free (r);
}

/* Sends what was set. */
static void
release (Request *r)
{
  web_finish_headers (r->msg, r->server->settings);
  soup_server_message_unpause (r->msg);
  request_free (r);
}

static void
refuse (Request *r, const Problem *p)
{
  serve_problem (r->server, r->msg, p);
  release (r);
}

/* A job that nobody waits for, and nobody asked for without waiting, ends. */
static void
client_gone (SoupServerMessage *msg, gpointer data)
{
  Request *r = data;
  g_auto (Problem) p = {0};

  r->gone = TRUE;
  g_cancellable_cancel (r->cancellable);
  if (!r->watching)
    return;
  if (!r->job->detached && r->job->watches->len == 1) {
    log_line (r->job->id, "info", "its client is gone");
    queue_cancel (r->server->queue, r->job);
  } else {
    problem_set (&p, SOUP_STATUS_BAD_REQUEST, "The client is gone");
    refuse (r, &p);
  }
}

/* ---- the answer ---- */

static void
answer (Request *r)
{
  ApiJob *job = r->job;
  g_auto (Problem) p = {0};

  if (job->state == API_COMPLETED && r->upload.download) {
    serve_archive (r->server, r->msg, job);
    request_free (r);
  } else if (job->state == API_COMPLETED) {
    serve_status (r->server, r->msg, SOUP_STATUS_OK, job);
    release (r);
  } else {
    problem_set (&p, job->status ? job->status : 409, "%s",
        job->message ? job->message : "The job was cancelled.");
    p.job = g_strdup (job->id);
    p.cause = g_strdup (job->cause);
    refuse (r, &p);
  }
}

static void
watch_job (ApiJob *job, const char *event, gpointer data)
{
  if (api_job_is_over (job))
    answer (data);
}

/* Whoever asked for it first, somebody will come back for it. */
static void
detach (ApiJob *job)
{
  g_autoptr (GError) error = NULL;

  if (job->detached)
    return;
  job->detached = TRUE;
  if (!api_job_save (job, &error))
    log_line (job->id, "error", "%s", error->message);
}

/* The job is there, new or from an earlier request. */
static void
follow (Request *r)
{
  if (r->upload.detached) {
    g_autofree char *location = g_strdup_printf ("/jobs/%s", r->job->id);

    detach (r->job);
    soup_message_headers_replace (
        soup_server_message_get_response_headers (r->msg), "Location",
        location);
    serve_status (r->server, r->msg, SOUP_STATUS_ACCEPTED, r->job);
    release (r);
  } else if (api_job_is_over (r->job))
    answer (r);
  else {
    api_job_watch (r->job, watch_job, r);
    r->watching = TRUE;
    if (r->gone)
      client_gone (r->msg, r);
  }
}

/* ---- the job ---- */

static void
stored (GObject *object, GAsyncResult *result, gpointer data)
{
  Request *r = data;
  g_autoptr (GError) error = NULL;
  g_auto (Problem) p = {0};

  if (g_cancellable_is_cancelled (r->ended)) {
    request_free (r);
    return;
  }
  if (!g_file_replace_contents_finish (G_FILE (object), result, NULL, &error)) {
    g_prefix_error (&error, "The photo cannot be stored: ");
    serve_failure (r->server, &p, error);
  } else if (r->gone && !r->upload.detached)
    problem_set (&p, SOUP_STATUS_BAD_REQUEST, "The client is gone");
  else if (r->server->draining)
    problem_set (
        &p, SOUP_STATUS_SERVICE_UNAVAILABLE, "The server is about to end");
  else if (!queue_submit (r->server->queue, r->job, &error)) {
    if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_BUSY))
      problem_set (&p, STATUS_TOO_MANY_REQUESTS, "%s", error->message);
    else
      serve_failure (r->server, &p, error);
  }
  if (!p.status) {
    let_key_go (r); /* the job has it */
    follow (r);
    return;
  }
  api_job_remove (r->job);
  refuse (r, &p);
}

static void
store (Request *r, GBytes *photo)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = NULL;
  g_autoptr (GFile) file = NULL;
  g_auto (Problem) p = {0};

  r->job = api_job_new (r->server->settings->root, &error);
  if (!r->job) {
    serve_failure (r->server, &p, error);
    refuse (r, &p);
    return;
  }
  r->job->detached = r->upload.detached;
  r->job->key = g_strdup (r->key);
  r->job->print = r->key ? upload_print (&r->upload) : NULL;
  g_hash_table_unref (r->job->values);
  r->job->values = g_hash_table_ref (r->upload.values);
  path = api_job_upload (r->job);
  file = g_file_new_for_path (path);
  g_file_replace_contents_bytes_async (
      file, photo, NULL, FALSE, G_FILE_CREATE_PRIVATE, NULL, stored, r);
  /* the file has it; not until the job is over */
  g_clear_pointer (&r->upload.photo, g_bytes_unref);
}

static void
fetched (GBytes *photo, Problem *p, gpointer data)
{
  Request *r = data;

  if (g_cancellable_is_cancelled (r->ended))
    request_free (r);
  else if (photo && upload_check_kind (photo, p))
    store (r, photo);
  else
    refuse (r, p);
}

/* Whether another try makes sense: nobody has got a result, and it was not the
 * photo's fault. */
static gboolean
came_to_nothing (const ApiJob *job)
{
  return job->state == API_CANCELLED ||
         (job->cancelling && !api_job_is_over (job)) ||
         (job->state == API_FAILED && job->status >= 500);
}

/* A job of an earlier request with the same key; FALSE with a problem where
 * that asked for something else, or is still on its way. */
static gboolean
find_earlier (Server *s, const char *key, const Upload *upload,
    ApiJob **ret_job, Problem *p)
{
  g_autofree char *print = NULL;
  ApiJob *job;

  if (strlen (key) > MAX_KEY || !*key)
    return problem_set (p, SOUP_STATUS_BAD_REQUEST,
        "Idempotency-Key: expected 1 to %d characters", MAX_KEY);
  if (g_hash_table_contains (s->keys, key))
    return problem_set (p, SOUP_STATUS_CONFLICT,
        "Idempotency-Key: a request with this key is just coming in; try "
        "again in a second");
  job = store_find_key (queue_store (s->queue), key);
  if (!job || came_to_nothing (job))
    return TRUE;
  print = upload_print (upload);
  if (g_strcmp0 (job->print, print) != 0)
    return problem_set (p, SOUP_STATUS_UNPROCESSABLE_ENTITY,
        "Idempotency-Key: an earlier request with this key asked for "
        "something else");
  *ret_job = job;
  return TRUE;
}

void
serve_generate (Server *s, SoupServerMessage *msg)
{
  g_auto (Upload) upload = {NULL};
  const char *key = soup_message_headers_get_one (
      soup_server_message_get_request_headers (msg), "Idempotency-Key");
  const HostInfo *info = queue_info (s->queue);
  g_autoptr (GError) error = NULL;
  g_auto (Problem) p = {0};
  ApiJob *earlier = NULL;
  Request *r;

  if (upload_parse (msg, &upload, &p) && info &&
      !params_check (upload.values, &info->defaults, &error))
    problem_set (&p, SOUP_STATUS_UNPROCESSABLE_ENTITY, "%s", error->message);
  if (!p.status && upload.url && !s->settings->allow_url)
    problem_set (&p, SOUP_STATUS_FORBIDDEN,
        "image_url: this server asks no other hosts; it would have to be "
        "started with --allow-url");
  if (p.status || (key && !find_earlier (s, key, &upload, &earlier, &p))) {
    serve_problem (s, msg, &p);
    return;
  }
  r = g_new0 (Request, 1);
  r->server = s;
  r->msg = g_object_ref (msg);
  r->cancellable = g_cancellable_new ();
  r->ended = g_object_ref (s->ended);
  r->upload = upload;
  upload = (Upload){NULL};
  if (key && !earlier && g_hash_table_add (s->keys, g_strdup (key)))
    r->key = g_strdup (key);
  web_hold (msg, client_gone, r);
  if (earlier) {
    r->job = api_job_ref (earlier);
    follow (r);
  } else if (r->upload.url)
    fetch (s->fetcher, r->upload.url, r->cancellable, fetched, r);
  else
    store (r, r->upload.photo);
}
