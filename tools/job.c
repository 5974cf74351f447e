/* SPDX-License-Identifier: MIT */
#include "job.h"
#include <glib-unix.h>
#include <gst/gst.h>
#include <string.h>
#include <unistd.h>

/* A stage stops within one step; where a step is longer than people wait, the
 * process ends.  Nothing is lost: files appear by rename only. */
enum { PATIENCE_MS = 800 };

typedef struct {
  Job *job;
  Output *output;
  GMainLoop *loop;
  int status;
  gint64 started;
  char *stage;
  gint64 stage_started;
} Run;

static gpointer
lose_patience (gpointer data)
{
  g_usleep (PATIENCE_MS * 1000);
  _exit (STATUS_STOPPED);
  return NULL;
}

static gboolean
interrupted (gpointer data)
{
  Run *run = data;

  run->status = STATUS_STOPPED;
  g_thread_unref (g_thread_new ("patience", lose_patience, NULL));
  g_main_loop_quit (run->loop);
  return G_SOURCE_CONTINUE;
}

static void
progress (Run *run, const GstStructure *s)
{
  const char *stage = gst_structure_get_string (s, "stage");
  gint64 now = g_get_monotonic_time ();
  double remaining = -1, left;
  int step, total;

  if (!stage || !gst_structure_get_int (s, "step", &step) ||
      !gst_structure_get_int (s, "total", &total) || total < 1)
    return;
  gst_structure_get_double (s, "remaining", &remaining);
  if (g_strcmp0 (run->stage, stage) != 0) {
    g_free (run->stage);
    run->stage = g_strdup (stage);
    run->stage_started = now;
  }
  if (step >= 1) {
    double *seconds = g_new (double, 1);

    *seconds = (double) (now - run->stage_started) / G_USEC_PER_SEC;
    g_hash_table_replace (run->job->stage_seconds, g_strdup (stage), seconds);
  }
  /* of the whole job, where that is known, else of this stage */
  left = run->job->estimate - (double) (now - run->started) / G_USEC_PER_SEC;
  if (run->job->estimate < 0 || left < remaining)
    left = remaining;
  output_progress (run->output, stage, step, total, left);
}

static gboolean
add_count (GQuark name, const GValue *value, gpointer data)
{
  OutputCount count = {g_quark_to_string (name), 0};

  if (!G_VALUE_HOLDS_INT (value))
    return TRUE;
  count.value = g_value_get_int (value);
  g_array_append_val (data, count);
  return TRUE;
}

static void
report (Run *run, const GstStructure *s)
{
  g_autoptr (GArray) counts = g_array_new (FALSE, FALSE, sizeof (OutputCount));
  const char *text = gst_structure_get_string (s, "text");

  gst_structure_foreach (s, add_count, counts);
  if (text)
    output_report (run->output, run->job->input, text,
        (const OutputCount *) counts->data, (int) counts->len);
}

static void
report_error (Run *run, GstMessage *message)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *debug = NULL;
  g_autofree char *text = NULL;

  gst_message_parse_error (message, &error, &debug);
  /* GStreamer's own elements name the file in the last line of the rest */
  if (debug && strchr (debug, '\n') &&
      !g_str_has_prefix (G_OBJECT_TYPE_NAME (GST_MESSAGE_SRC (message)), "Shu"))
    text =
        g_strdup_printf ("%s (%s)", error->message, strrchr (debug, '\n') + 1);
  output_error (
      run->output, run->job->input, text ? text : error->message, debug);
}

static gboolean
on_message (GstBus *bus, GstMessage *message, gpointer data)
{
  Run *run = data;
  g_autoptr (GError) error = NULL;

  switch (GST_MESSAGE_TYPE (message)) {
  case GST_MESSAGE_EOS:
    g_main_loop_quit (run->loop);
    break;
  case GST_MESSAGE_ERROR: /* those that follow the first are its echo */
    if (run->status == STATUS_OK)
      report_error (run, message);
    run->status = run->status == STATUS_OK ? STATUS_FAILED : run->status;
    g_main_loop_quit (run->loop);
    break;
  case GST_MESSAGE_WARNING:
    gst_message_parse_warning (message, &error, NULL);
    output_warning (run->output, run->job->input, error->message);
    break;
  case GST_MESSAGE_ELEMENT:
    if (gst_message_has_name (message, "synchuman-progress"))
      progress (run, gst_message_get_structure (message));
    if (gst_message_has_name (message, "synchuman-mesh-report"))
      report (run, gst_message_get_structure (message));
    break;
  default:
    break;
  }
  return G_SOURCE_CONTINUE;
}

static void
run_loop (Run *run, GstElement *pipeline)
{
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);
  guint sigint = g_unix_signal_add (SIGINT, interrupted, run);
  guint sigterm = g_unix_signal_add (SIGTERM, interrupted, run);
  GstMessage *message;

  gst_bus_add_watch (bus, on_message, run);
  /* a failure has its message on the bus */
  if (gst_element_set_state (pipeline, GST_STATE_PLAYING) ==
      GST_STATE_CHANGE_FAILURE) {
    while (run->status == STATUS_OK &&
           (message = gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR))) {
      on_message (bus, message, run);
      gst_message_unref (message);
    }
    if (run->status == STATUS_OK) {
      output_error (
          run->output, run->job->input, "The pipeline does not start.", NULL);
      run->status = STATUS_FAILED;
    }
  } else
    g_main_loop_run (run->loop);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_bus_remove_watch (bus);
  g_source_remove (sigint);
  g_source_remove (sigterm);
}

int
job_run (Job *job, const char *description, Output *output)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GstElement) pipeline = gst_parse_launch_full (
      description, NULL, GST_PARSE_FLAG_FATAL_ERRORS, &error);
  Run run = {.job = job, .output = output};

  if (!pipeline || !GST_IS_PIPELINE (pipeline)) {
    output_error (output, job->input,
        error ? error->message : "This is one element, not a pipeline.",
        description);
    return STATUS_FAILED;
  }
  job->stage_seconds =
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  run.loop = g_main_loop_new (NULL, FALSE);
  run.started = g_get_monotonic_time ();
  run_loop (&run, pipeline);
  job->seconds =
      (double) (g_get_monotonic_time () - run.started) / G_USEC_PER_SEC;
  output_end_bar (output);
  g_main_loop_unref (run.loop);
  g_free (run.stage);
  return run.status;
}

void
job_clear (Job *job)
{
  g_clear_pointer (&job->stage_seconds, g_hash_table_unref);
}
