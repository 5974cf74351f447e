/* SPDX-License-Identifier: MIT */
#include "worker.h"
#include "../estimate.h"
#include "../launch.h"
#include "lines.h"
#include "model_print.h"
#include "sandbox.h"
#include "shu.h"
#include "web_json.h"
#include <errno.h>
#include <gst/gst.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { MAX_PREVIEW = 1 << 20 };

/**
 * Worker:
 * @pipeline: of the job; NULL: there is none
 * @work: what the job is, for the estimate
 */
typedef struct {
  GMainLoop *loop;
  Lines *orders;
  ShuModel *model;
  GMutex lock; /* of standard output: previews come from another thread */
  int status;
  GstElement *pipeline;
  guint watch;
  Work work;
  Job job;
  char *stage;
  gint64 started, stage_started;
} Worker;

/* ---- what is said ---- */

static JsonBuilder *
begin (const char *type)
{
  JsonBuilder *b = json_builder_new ();

  json_builder_begin_object (b);
  web_string (b, "type", type);
  return b;
}

static void
say (Worker *w, JsonBuilder *b)
{
  g_autofree char *text = NULL;
  g_autofree char *line = NULL;
  gsize left, done = 0;

  json_builder_end_object (b);
  text = web_json_text (b);
  line = g_strconcat (text, "\n", NULL);
  left = strlen (line);
  g_mutex_lock (&w->lock);
  while (left > 0) {
    gssize n = write (STDOUT_FILENO, line + done, left);

    if (n < 0 && errno != EINTR)
      _exit (1); /* nobody listens any more */
    done += MAX (n, 0);
    left -= MAX (n, 0);
  }
  g_mutex_unlock (&w->lock);
}

/* What is left of a GPU's memory, this process's model and job taken off */
static void
say_memory (Worker *w, JsonBuilder *b)
{
  gsize n_free, total;
  g_autofree char *gpu = shu_model_gpu (w->model, &n_free, &total);

  if (gpu)
    web_int (b, "gpu_free", (gint64) n_free);
}

static void
say_defaults (JsonBuilder *b, const ShuModelDefaults *d)
{
  json_builder_set_member_name (b, "defaults");
  json_builder_begin_object (b);
  web_int (b, "view_size", d->view_size);
  web_int (b, "num_inference_steps", d->steps);
  web_double (b, "guidance_scale", d->guidance);
  web_int (b, "num_steps", d->slat_steps);
  web_double (b, "cfg_strength", d->cfg_strength);
  web_double (b, "cfg_start", d->cfg_interval[0]);
  web_double (b, "cfg_end", d->cfg_interval[1]);
  web_int (b, "up_size", d->up_size);
  json_builder_end_object (b);
}

static void
say_ready (Worker *w)
{
  const ShuModelDefaults *d = shu_model_defaults (w->model);
  Work work = {w->model, d->steps, d->slat_steps};
  gsize n_free, memory = 0;
  g_autofree char *gpu = shu_model_gpu (w->model, &n_free, &memory);
  g_autofree char *hash = model_print (shu_model_folder (w->model));
  JsonBuilder *b = begin ("ready");
  gboolean guess;
  double seconds = estimate_seconds (&work, &guess);

  web_string (b, "folder", shu_model_folder (w->model));
  web_string (b, "device", shu_model_device (w->model));
  web_string (b, "hash", hash);
  web_string (b, "gpu", gpu);
  web_int (b, "memory", (gint64) memory);
  say_defaults (b, d);
  web_known (b, "estimate", guess ? -1 : seconds);
  say_memory (w, b);
  say (w, b);
}

/* ---- the end of a job ---- */

static void
end_job (Worker *w)
{
  gst_element_set_state (w->pipeline, GST_STATE_NULL);
  if (w->watch)
    g_source_remove (w->watch);
  w->watch = 0;
  gst_clear_object (&w->pipeline);
  g_clear_pointer (&w->stage, g_free);
  g_clear_pointer (&w->job.stage_seconds, g_hash_table_unref);
}

static void
say_done (Worker *w)
{
  JsonBuilder *b = begin ("done");
  GHashTableIter iter;
  gpointer name, seconds;

  w->job.seconds =
      (double) (g_get_monotonic_time () - w->started) / G_USEC_PER_SEC;
  estimate_remember (&w->work, &w->job);
  web_double (b, "seconds", w->job.seconds);
  json_builder_set_member_name (b, "stages");
  json_builder_begin_object (b);
  g_hash_table_iter_init (&iter, w->job.stage_seconds);
  while (g_hash_table_iter_next (&iter, &name, &seconds))
    web_double (b, name, *(double *) seconds);
  json_builder_end_object (b);
  say_memory (w, b); /* with all that the job held */
  end_job (w);
  say (w, b);
}

/* Whether a file could not be written for want of room: of the disk, of what
 * its owner may take of it, or of what a process may write. */
static gboolean
says_full (const char *debug)
{
  static const int codes[] = {ENOSPC, EDQUOT, EFBIG};

  for (guint i = 0; i < G_N_ELEMENTS (codes); i++)
    if (debug && strstr (debug, g_strerror (codes[i])))
      return TRUE;
  return FALSE;
}

/* Whose fault it is: who looked at the photo says so by its kind of error. */
static const char *
cause_of (const GError *error, const char *debug)
{
  if (says_full (debug))
    return "disk";
  if (g_error_matches (
          error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NO_SPACE_LEFT))
    return "memory";
  if (debug && strstr (debug, "(shu-error-quark, "))
    return error->domain == GST_STREAM_ERROR ? "photo" : "internal";
  return "internal";
}

static void
say_failed (Worker *w, const char *cause, const char *text, const char *detail)
{
  JsonBuilder *b = begin ("failed");

  web_string (b, "cause", cause);
  web_string (b, "message", text);
  web_string (b, "detail", detail);
  if (w->pipeline)
    end_job (w);
  say (w, b);
}

static void
fail_by_message (Worker *w, GstMessage *message)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *debug = NULL;

  gst_message_parse_error (message, &error, &debug);
  say_failed (w, cause_of (error, debug), error->message, debug);
}

/* ---- what happens in a job ---- */

static void
progress (Worker *w, const GstStructure *s)
{
  const char *stage = gst_structure_get_string (s, "stage");
  gint64 now = g_get_monotonic_time ();
  double remaining = -1;
  double *seconds;
  JsonBuilder *b;
  int step, total;

  if (!stage || !gst_structure_get_int (s, "step", &step) ||
      !gst_structure_get_int (s, "total", &total) || total < 1)
    return;
  gst_structure_get_double (s, "remaining", &remaining);
  if (g_strcmp0 (w->stage, stage) != 0) {
    g_free (w->stage);
    w->stage = g_strdup (stage);
    w->stage_started = now;
  }
  seconds = g_new (double, 1);
  *seconds = (double) (now - w->stage_started) / G_USEC_PER_SEC;
  g_hash_table_replace (w->job.stage_seconds, g_strdup (stage), seconds);
  b = begin ("progress");
  web_string (b, "stage", stage);
  web_int (b, "step", step);
  web_int (b, "total", total);
  web_known (b, "remaining", remaining);
  say (w, b);
}

static void
warn (Worker *w, GstMessage *message)
{
  g_autoptr (GError) error = NULL;
  JsonBuilder *b = begin ("warning");

  gst_message_parse_warning (message, &error, NULL);
  web_string (b, "message", error->message);
  say (w, b);
}

static void
subject (Worker *w, const GstStructure *s)
{
  JsonBuilder *b;
  double coverage;

  if (!gst_structure_get_double (s, "alpha-coverage", &coverage))
    return;
  b = begin ("subject");
  web_double (b, "alpha_coverage", coverage);
  say (w, b);
}

static gboolean
on_message (GstBus *bus, GstMessage *message, gpointer data)
{
  Worker *w = data;

  switch (GST_MESSAGE_TYPE (message)) {
  case GST_MESSAGE_EOS:
    say_done (w);
    return G_SOURCE_REMOVE;
  case GST_MESSAGE_ERROR:
    fail_by_message (w, message);
    return G_SOURCE_REMOVE;
  case GST_MESSAGE_WARNING:
    warn (w, message);
    break;
  case GST_MESSAGE_ELEMENT:
    if (gst_message_has_name (message, "synchuman-progress"))
      progress (w, gst_message_get_structure (message));
    if (gst_message_has_name (message, "synchuman-subject"))
      subject (w, gst_message_get_structure (message));
    break;
  default:
    break;
  }
  return G_SOURCE_CONTINUE;
}

/* In the thread of the preview's queue */
static void
show_preview (GstElement *sink, GstBuffer *buffer, GstPad *pad, gpointer data)
{
  g_autofree char *text = NULL;
  GstMapInfo map;
  JsonBuilder *b;

  if (gst_buffer_get_size (buffer) > MAX_PREVIEW ||
      !gst_buffer_map (buffer, &map, GST_MAP_READ))
    return;
  text = g_base64_encode (map.data, map.size);
  gst_buffer_unmap (buffer, &map);
  b = begin ("preview");
  web_string (b, "jpeg", text);
  say (data, b);
}

/* ---- orders ---- */

static void
start_job (Worker *w, const char *description)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GstElement) preview = NULL;
  g_autoptr (GstBus) bus = NULL;
  JsonBuilder *b;
  gboolean guess;

  w->pipeline = gst_parse_launch_full (
      description, NULL, GST_PARSE_FLAG_FATAL_ERRORS, &error);
  if (!w->pipeline || !GST_IS_PIPELINE (w->pipeline)) {
    gst_clear_object (&w->pipeline);
    say_failed (w, "internal", "The pipeline cannot be built.",
        error ? error->message : description);
    return;
  }
  w->job.stage_seconds =
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  w->started = g_get_monotonic_time ();
  b = begin ("started");
  web_known (b, "estimate", estimate_seconds (&w->work, &guess));
  web_bool (b, "guess", guess);
  say (w, b);
  preview = gst_bin_get_by_name (GST_BIN (w->pipeline), "preview");
  if (preview)
    g_signal_connect (preview, "handoff", G_CALLBACK (show_preview), w);
  bus = gst_element_get_bus (w->pipeline);
  w->watch = gst_bus_add_watch (bus, on_message, w);
  /* a failure has its message on the bus */
  gst_element_set_state (w->pipeline, GST_STATE_PLAYING);
}

static int
steps_of (JsonObject *order, const char *name, int fallback)
{
  gint64 n = json_object_get_int_member_with_default (order, name, -1);

  return n > 0 && n <= G_MAXINT ? (int) n : fallback;
}

static void
obey (JsonObject *order, gpointer data)
{
  Worker *w = data;
  const ShuModelDefaults *d = shu_model_defaults (w->model);
  const char *run = web_get_string (order, "run", NULL);

  if (run && !w->pipeline) {
    w->work = (Work){w->model, steps_of (order, "steps", d->steps),
        steps_of (order, "steps2", d->slat_steps)};
    start_job (w, run);
  } else if (w->pipeline && json_object_has_member (order, "cancel")) {
    end_job (w);
    say (w, begin ("cancelled"));
  }
}

static void
hung_up (const char *why, gpointer data)
{
  Worker *w = data;

  g_main_loop_quit (w->loop);
}

/* ---- the process ---- */

static gboolean
open_model (Worker *w, const char *precision, GError **error)
{
  ShuPrecision wanted;

  if (!shu_precision_parse (precision, &wanted, error) ||
      !launch_load_plugin (error))
    return FALSE;
  w->model = shu_model_get (NULL, NULL, error);
  return w->model && shu_model_load (w->model, wanted, NULL, error);
}

int
worker_main (int argc, char **argv)
{
  Worker w = {.loop = NULL};
  g_autoptr (GError) error = NULL;

  if (argc > 2 && strcmp (argv[2], "count") == 0) {
    printf ("%d\n", shu_cuda_n_devices ());
    return 0;
  }
  w.loop = g_main_loop_new (NULL, FALSE);
  prctl (PR_SET_PDEATHSIG, SIGKILL);
  /* for the server, which lets a job come to its end: a Ctrl-C on a terminal,
   * and what ends a whole group or service */
  signal (SIGINT, SIG_IGN);
  signal (SIGTERM, SIG_IGN);
  gst_init (NULL, NULL);
  g_mutex_init (&w.lock);
  if (!open_model (&w, argc > 2 ? argv[2] : NULL, &error) ||
      !sandbox_enter (&error)) {
    say_failed (&w, "internal", error->message, NULL);
    w.status = 1;
  } else {
    w.orders = lines_new (STDIN_FILENO, obey, hung_up, &w);
    say_ready (&w);
    g_main_loop_run (w.loop);
    if (w.pipeline)
      end_job (&w);
  }
  g_clear_pointer (&w.orders, lines_free);
  g_clear_pointer (&w.model, shu_model_unref);
  g_main_loop_unref (w.loop);
  g_mutex_clear (&w.lock);
  return w.status;
}
