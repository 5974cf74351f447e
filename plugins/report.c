/* SPDX-License-Identifier: MIT */
#include "report.h"

enum { INTERVAL = 100 * G_TIME_SPAN_MILLISECOND };

static void
post (ShuReport *r, GstProgressType type, const char *text)
{
  gst_element_post_message (r->element,
      gst_message_new_progress (GST_OBJECT (r->element), type, r->stage, text));
}

/* The first step pays for what is made once (loading, warming up), so it does
 * not count where there are others to go by. */
static double
remaining (const ShuReport *r, gint64 now)
{
  if (r->step >= r->total)
    return 0;
  if (r->step >= 2)
    return (double) (now - r->first_step_done) / (r->step - 1) *
           (r->total - r->step) / G_USEC_PER_SEC;
  if (r->step == 1)
    return (double) (now - r->started) * (r->total - 1) / G_USEC_PER_SEC;
  return -1;
}

static void
post_step (ShuReport *r, gint64 now)
{
  g_autofree char *text = g_strdup_printf ("step %d of %d", r->step, r->total);

  post (r, GST_PROGRESS_TYPE_CONTINUE, text);
  gst_element_post_message (r->element,
      gst_message_new_element (GST_OBJECT (r->element),
          gst_structure_new ("synchuman-progress", "stage", G_TYPE_STRING,
              r->stage, "step", G_TYPE_INT, r->step, "total", G_TYPE_INT,
              r->total, "remaining", G_TYPE_DOUBLE, remaining (r, now), NULL)));
  r->posted = now;
}

void
shu_report_progress (const char *stage, int step, int total, gpointer data)
{
  ShuReport *r = data;
  gint64 now = g_get_monotonic_time ();
  gboolean fresh = strcmp (r->stage, stage) != 0 || step < r->step;

  if (fresh) {
    shu_report_done (r, NULL);
    g_strlcpy (r->stage, stage, sizeof r->stage);
    r->started = now;
    r->first_step_done = now;
    post (r, GST_PROGRESS_TYPE_START, "starts");
  }
  if (step == 1)
    r->first_step_done = now;
  r->step = step;
  r->total = total;
  if (fresh || step == total || now - r->posted >= INTERVAL)
    post_step (r, now);
}

void
shu_report_done (ShuReport *r, const GError *error)
{
  if (!r->stage[0])
    return;
  if (!error)
    post (r, GST_PROGRESS_TYPE_COMPLETE, "done");
  else if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    post (r, GST_PROGRESS_TYPE_CANCELED, "stopped");
  else
    post (r, GST_PROGRESS_TYPE_ERROR, error->message);
  r->stage[0] = 0;
  r->step = 0;
}

/* By ShuError: the class of the message, and what a user can do where the
 * library's own text does not say it. */
static const struct {
  gboolean resource; /* GstResourceError, else GstStreamError */
  int code;
  const char *hint;
} kinds[] = {
    [SHU_ERROR_INVALID] = {FALSE, GST_STREAM_ERROR_FORMAT,
        "Check the file or the value named."},
    [SHU_ERROR_TRUNCATED] = {FALSE, GST_STREAM_ERROR_DECODE,
        "The file is incomplete: copy or download it again."},
    [SHU_ERROR_LIMIT] = {FALSE, GST_STREAM_ERROR_FORMAT, NULL},
    [SHU_ERROR_MISSING] = {TRUE, GST_RESOURCE_ERROR_NOT_FOUND,
        "Check the name."},
    [SHU_ERROR_UNSUPPORTED] = {FALSE, GST_STREAM_ERROR_WRONG_TYPE, NULL},
    [SHU_ERROR_NO_PERSON] = {FALSE, GST_STREAM_ERROR_FAILED, NULL},
    [SHU_ERROR_IO] = {TRUE, GST_RESOURCE_ERROR_FAILED,
        "Check permissions and free space."},
    [SHU_ERROR_MEMORY] = {TRUE, GST_RESOURCE_ERROR_NO_SPACE_LEFT,
        "Close other programs or choose smaller sizes."},
    [SHU_ERROR_INTERNAL] = {FALSE, GST_STREAM_ERROR_FAILED,
        "This is a fault of synchuman: please report it."},
};

/* What the library's own texts say where they tell what to do */
static const char *const advice[] = {"lose other programs",
    "choose a smaller size", "start it again", "copy it again",
    "copy the file again", "get the file", "give the folder"};

static char *
as_sentences (const GError *error, const char *hint)
{
  gboolean stop = g_str_has_suffix (error->message, ".");

  if (strstr (error->message, "Looked in:\n")) /* which ends with folders */
    return g_strdup_printf (
        "%s\nPut what is missing into one of these.", error->message);
  for (gsize i = 0; i < G_N_ELEMENTS (advice); i++)
    if (strstr (error->message, advice[i]))
      hint = NULL;

  return g_strdup_printf ("%s%s%s%s", error->message, stop ? "" : ".",
      hint ? " " : "", hint ? hint : "");
}

/* @details: (transfer full) (nullable) */
static void
post_failure (GstElement *element, GstMessageType type, const GError *error,
    GstStructure *details)
{
  gboolean ours = error->domain == SHU_ERROR && error->code >= 0 &&
                  error->code < (int) G_N_ELEMENTS (kinds);
  gboolean resource = ours && kinds[error->code].resource;

  gst_element_message_full_with_details (element, type,
      resource ? GST_RESOURCE_ERROR : GST_STREAM_ERROR,
      ours ? kinds[error->code].code : GST_STREAM_ERROR_FAILED,
      as_sentences (error, ours ? kinds[error->code].hint : NULL),
      g_strdup_printf ("%s (%s, %d)", error->message,
          g_quark_to_string (error->domain), error->code),
      __FILE__, GST_FUNCTION, __LINE__, details);
}

GstFlowReturn
shu_report_error (GstElement *element, const GError *error)
{
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return GST_FLOW_FLUSHING;
  post_failure (element, GST_MESSAGE_ERROR, error, NULL);
  return GST_FLOW_ERROR;
}

void
shu_report_left_out (GstElement *element, const GError *error, GstClockTime pts)
{
  post_failure (element, GST_MESSAGE_WARNING, error,
      gst_structure_new (
          "synchuman-left-out", "pts", GST_TYPE_CLOCK_TIME, pts, NULL));
}

void
shu_report_warning (GstElement *element, const char *text)
{
  GST_ELEMENT_WARNING (element, STREAM, FAILED, ("%s", text), (NULL));
}
