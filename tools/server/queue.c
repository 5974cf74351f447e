/* SPDX-License-Identifier: MIT */
#include "queue.h"
#include "../launch.h"
#include "log.h"
#include "web_json.h"
#include <errno.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <string.h>

enum { TIDY_SECONDS = 60 };

/**
 * Slot:
 * @job: what the worker does; (nullable)
 * @limit: source that ends it when its time is over
 * @late: its time is over
 */
typedef struct {
  Queue *queue;
  Host *host;
  ApiJob *job;
  guint limit;
  gboolean late;
} Slot;

struct _Queue {
  const Settings *settings;
  Metrics *metrics;
  char *pipeline; /* text of pipelines/api.pipeline */
  Store *store;   /* all jobs there are */
  GQueue waiting;
  Slot *slots;
  int n_slots;
  guint tidy;
  gboolean draining;
  GSourceFunc drained;
  gpointer drained_data;
};

static void dispatch (Queue *q);

/* ---- the end of a job ---- */

static void
save (ApiJob *job)
{
  g_autoptr (GError) error = NULL;

  if (!api_job_save (job, &error))
    log_line (job->id, "error", "%s", error->message);
}

static void
finish (Queue *q, ApiJob *job, ApiState state)
{
  g_autofree char *upload = api_job_upload (job);

  job->state = state;
  job->finished = g_get_real_time ();
  g_clear_pointer (&job->preview, g_free);
  g_unlink (upload);
  if (state != API_COMPLETED) { /* half of a result is none */
    api_job_remove (job);
    g_mkdir (job->folder, 0700);
  }
  save (job);
  api_job_measure (job);
  metrics_job (q->metrics, job);
  log_line (job->id, state == API_FAILED ? "error" : "info", "%s%s%s",
      api_job_state (job), job->message ? ": " : "",
      job->message ? job->message : "");
  api_job_tell (job, "state");
}

static void
fail (
    Queue *q, ApiJob *job, guint status, const char *cause, const char *message)
{
  job->status = status;
  g_free (job->cause);
  job->cause = g_strdup (cause);
  g_free (job->message);
  job->message = g_strdup (message);
  finish (q, job, API_FAILED);
}

/* The slot is free again.  (transfer full) */
static ApiJob *
leave (Slot *slot)
{
  if (slot->limit)
    g_source_remove (slot->limit);
  slot->limit = 0;
  slot->late = FALSE;
  return g_steal_pointer (&slot->job);
}

static void
after_job (Queue *q)
{
  if (q->draining && queue_running (q) == 0 && q->drained) {
    g_idle_add (q->drained, q->drained_data);
    q->drained = NULL;
  }
  dispatch (q);
}

/* ---- what workers say ---- */

static void
take_done (Slot *slot)
{
  g_autoptr (ApiJob) job = leave (slot);

  finish (slot->queue, job, API_COMPLETED);
  after_job (slot->queue);
}

static void
take_failed (Slot *slot, JsonObject *o)
{
  g_autoptr (ApiJob) job = leave (slot);
  const char *cause = web_get_string (o, "cause", "internal");
  const char *message = web_get_string (o, "message", NULL);
  gboolean full = strcmp (cause, "memory") == 0 || strcmp (cause, "disk") == 0;
  guint status = strcmp (cause, "photo") == 0 ? 422 : full ? 507 : 500;

  log_line (job->id, "error", "%s", web_get_string (o, "detail", "no detail"));
  fail (slot->queue, job, status, cause, message ? message : "It failed.");
  after_job (slot->queue);
}

static void
take_cancelled (Slot *slot)
{
  gboolean late = slot->late;
  g_autoptr (ApiJob) job = leave (slot);

  if (late)
    fail (slot->queue, job, 504, "timeout",
        "The job took longer than this server allows.");
  else
    finish (slot->queue, job, API_CANCELLED);
  after_job (slot->queue);
}

static void
says (Host *h, JsonObject *o, gpointer data)
{
  Slot *slot = data;
  ApiJob *job = slot->job;
  const char *type = web_get_string (o, "type", "");

  if (!job)
    return;
  api_job_hear (job, o);
  if (strcmp (type, "done") == 0)
    take_done (slot);
  else if (strcmp (type, "failed") == 0)
    take_failed (slot, o);
  else if (strcmp (type, "cancelled") == 0)
    take_cancelled (slot);
}

static void
ready (Host *h, gpointer data)
{
  Slot *slot = data;

  dispatch (slot->queue);
}

/* ---- clients that wait in vain ---- */

static const char no_worker[] = "No worker can begin; /ready says why.";

static void
turn_away (Queue *q, ApiJob *job, const char *cause, const char *message)
{
  fail (q, job, 503, cause, message);
  store_remove (q->store, job);
}

/* Asynchronous jobs can wait: for the next server, or a worker. */
static void
turn_waiting_away (Queue *q, const char *cause, const char *message)
{
  GList *next;

  for (GList *l = q->waiting.head; l; l = next) {
    g_autoptr (ApiJob) job = api_job_ref (l->data);

    next = l->next;
    if (job->detached)
      continue;
    g_queue_delete_link (&q->waiting, l);
    api_job_unref (job);
    turn_away (q, job, cause, message);
  }
}

const char *
queue_trouble (const Queue *q)
{
  const char *trouble = NULL;

  for (int i = 0; i < q->n_slots; i++) {
    trouble = q->slots[i].host ? host_trouble (q->slots[i].host) : NULL;
    if (!trouble)
      return NULL;
  }
  return trouble;
}

/* Who was stopped has his answer; any other job gets one more try. */
static void
lost (Host *h, const char *why, gpointer data)
{
  Slot *slot = data;
  Queue *q = slot->queue;
  gboolean late = slot->late;
  g_autoptr (ApiJob) job = slot->job ? leave (slot) : NULL;

  metrics_lost (q->metrics);
  if (queue_trouble (q))
    turn_waiting_away (q, "worker", no_worker);
  if (!job)
    return;
  if (late)
    fail (
        q, job, 504, "timeout", "The job took longer than this server allows.");
  else if (job->cancelling)
    finish (q, job, API_CANCELLED);
  else if (job->tries < API_MAX_TRIES) {
    log_line (job->id, "warning", "its worker is lost, it goes back: %s", why);
    job->state = API_QUEUED;
    job->started = 0;
    save (job);
    g_queue_push_head (&q->waiting, api_job_ref (job));
    api_job_tell (job, "state");
  } else
    fail (q, job, 500, "crash",
        "The process that works on this photo ended twice.");
  after_job (q);
}

/* ---- the begin of a job ---- */

static gboolean
out_of_time (gpointer data)
{
  Slot *slot = data;

  slot->limit = 0;
  slot->late = TRUE;
  host_cancel (slot->host);
  return G_SOURCE_REMOVE;
}

static void
set_path (GHashTable *values, const char *key, const char *folder,
    const char *sub, const char *file)
{
  g_hash_table_replace (
      values, g_strdup (key), g_build_filename (folder, sub, file, NULL));
}

/* The launch description of @job.  (transfer full) (nullable) */
static char *
describe (const Queue *q, const ApiJob *job, GError **error)
{
  g_autoptr (GHashTable) values =
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  GHashTableIter iter;
  gpointer key, value;

  g_hash_table_iter_init (&iter, job->values);
  while (g_hash_table_iter_next (&iter, &key, &value))
    g_hash_table_replace (values, g_strdup (key), g_strdup (value));
  set_path (values, "in", job->folder, "upload", NULL);
  set_path (values, "stage1", job->folder, api_job_stage_folder (1), NULL);
  set_path (values, "glb", job->folder, api_job_stage_folder (2), "output.glb");
  set_path (
      values, "ply", job->folder, api_job_stage_folder (2), "output_mesh.ply");
  if (q->settings->precision)
    g_hash_table_replace (
        values, g_strdup ("precision"), g_strdup (q->settings->precision));
  return launch_expand (q->pipeline, values, error);
}

static int
whole (const ApiJob *job, const char *key)
{
  const char *text = g_hash_table_lookup (job->values, key);

  return text ? atoi (text) : -1;
}

static void
run (Slot *slot, ApiJob *job)
{
  Queue *q = slot->queue;
  g_autoptr (GError) error = NULL;
  g_autofree char *description = describe (q, job, &error);
  g_autofree char *stage2 =
      g_build_filename (job->folder, api_job_stage_folder (2), NULL);

  if (!description || g_mkdir_with_parents (stage2, 0700) != 0) {
    fail (q, job, 500, "internal", error ? error->message : g_strerror (errno));
    api_job_unref (job);
    return;
  }
  slot->job = job;
  slot->limit = g_timeout_add_seconds (
      (guint) q->settings->job_timeout, out_of_time, slot);
  job->state = API_RUNNING;
  job->started = g_get_real_time ();
  job->tries++;
  save (job);
  log_line (job->id, "info", "begins on %s", host_device (slot->host));
  host_run (
      slot->host, description, whole (job, "steps"), whole (job, "steps2"));
  api_job_tell (job, "state");
}

static void
dispatch (Queue *q)
{
  for (int i = 0; i < q->n_slots && !q->draining; i++) {
    Slot *slot = &q->slots[i];

    while (!slot->job && host_is_ready (slot->host) &&
           !g_queue_is_empty (&q->waiting))
      run (slot, g_queue_pop_head (&q->waiting));
  }
  /* all have moved up */
  for (GList *l = q->waiting.head; l; l = l->next)
    api_job_tell (l->data, "state");
}

/* ---- for clients ---- */

gboolean
queue_has_room (const Queue *q)
{
  int idle = 0;

  for (int i = 0; i < q->n_slots; i++)
    idle += !q->slots[i].job;
  return queue_waiting (q) < q->settings->queue + idle;
}

gboolean
queue_submit (Queue *q, ApiJob *job, GError **error)
{
  if (!queue_has_room (q)) {
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_BUSY,
        "%d jobs wait already; try again later", queue_waiting (q));
    return FALSE;
  }
  if (!api_job_save (job, error))
    return FALSE;
  store_add (q->store, job);
  g_queue_push_tail (&q->waiting, api_job_ref (job));
  log_line (job->id, "info", "waits at %d", queue_waiting (q));
  dispatch (q);
  return TRUE;
}

int
queue_retry_after (const Queue *q)
{
  double each = metrics_mean_seconds (q->metrics);

  return (int) CLAMP (each / MAX (q->n_slots, 1), 1, 3600);
}

int
queue_position (const Queue *q, const ApiJob *job)
{
  return g_queue_index ((GQueue *) &q->waiting, job) + 1;
}

int
queue_waiting (const Queue *q)
{
  return (int) q->waiting.length;
}

int
queue_running (const Queue *q)
{
  int n = 0;

  for (int i = 0; i < q->n_slots; i++)
    n += q->slots[i].job != NULL;
  return n;
}

void
queue_cancel (Queue *q, ApiJob *job)
{
  g_autoptr (ApiJob) hold = api_job_ref (job);

  if (api_job_is_over (job))
    return;
  if (g_queue_remove (&q->waiting, job)) {
    api_job_unref (job);
    finish (q, job, API_CANCELLED);
    return;
  }
  job->cancelling = TRUE;
  for (int i = 0; i < q->n_slots; i++)
    if (q->slots[i].job == job)
      host_cancel (q->slots[i].host);
}

int
queue_workers (const Queue *q)
{
  return q->n_slots;
}

const Host *
queue_worker (const Queue *q, int i)
{
  return q->slots[i].host;
}

const HostInfo *
queue_info (const Queue *q)
{
  for (int i = 0; i < q->n_slots; i++)
    if (host_info (q->slots[i].host))
      return host_info (q->slots[i].host);
  return NULL;
}

gboolean
queue_is_ready (const Queue *q)
{
  for (int i = 0; i < q->n_slots; i++)
    if (host_is_ready (q->slots[i].host))
      return TRUE;
  return FALSE;
}

/* ---- life ---- */

static gboolean
tidy (gpointer data)
{
  const Queue *q = data;

  store_tidy (q->store);
  return G_SOURCE_CONTINUE;
}

Store *
queue_store (const Queue *q)
{
  return q->store;
}

Queue *
queue_new (const Settings *settings, Metrics *metrics, GError **error)
{
  static const HostEvents events = {ready, says, lost};
  g_autoptr (Queue) q = g_new0 (Queue, 1);
  g_autofree char *path = launch_find ("api", ".pipeline");

  q->settings = settings;
  q->metrics = metrics;
  g_queue_init (&q->waiting);
  if (!path) {
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND,
        "the file pipelines/api.pipeline is missing");
    return NULL;
  }
  if (!g_file_get_contents (path, &q->pipeline, NULL, error) ||
      !(q->store = store_new (settings, &q->waiting, error)))
    return NULL;
  q->n_slots = (int) g_strv_length (settings->devices);
  q->slots = g_new0 (Slot, q->n_slots);
  for (int i = 0; i < q->n_slots; i++) {
    q->slots[i].queue = q;
    q->slots[i].host =
        host_new (settings, settings->devices[i], &events, &q->slots[i]);
  }
  q->tidy = g_timeout_add_seconds (TIDY_SECONDS, tidy, q);
  return g_steal_pointer (&q);
}

void
queue_free (Queue *q)
{
  if (!q)
    return;
  if (q->tidy)
    g_source_remove (q->tidy);
  for (int i = 0; i < q->n_slots; i++) {
    host_free (q->slots[i].host);
    if (q->slots[i].job)
      api_job_unref (leave (&q->slots[i]));
  }
  g_queue_clear_full (&q->waiting, (GDestroyNotify) api_job_unref);
  store_free (q->store);
  g_free (q->slots);
  g_free (q->pipeline);
  g_free (q);
}

static const char ending[] = "The server is about to end; try again later.";

void
queue_give_up (Queue *q)
{
  for (int i = 0; i < q->n_slots; i++)
    if (q->slots[i].job && !q->slots[i].job->detached) {
      g_autoptr (ApiJob) job = leave (&q->slots[i]);

      host_kill (q->slots[i].host); /* nothing more is written */
      turn_away (q, job, "drain", ending);
    }
}

void
queue_drain (Queue *q, GSourceFunc done, gpointer data)
{
  q->draining = TRUE;
  q->drained = done;
  q->drained_data = data;
  turn_waiting_away (q, "drain", ending);
  after_job (q);
}
