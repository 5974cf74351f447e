/* SPDX-License-Identifier: MIT */
/* What is known of each request beside what libsoup knows. */
#include "gate.h"

enum {
  ANSWER_SECONDS = 600, /* to take a file */
  MAX_BODIES = 32,      /* of the largest size, that come at the same time */
};

/**
 * Guard:
 * Of one request, from the moment when the first byte of it may come.
 * @gate: (nullable): its connection
 * @settings: (nullable): where @body is wanted
 * @body: of the request; libsoup would keep it in pieces as small as they come,
 *   with much beside each
 * @came, @went: bytes of the bodies
 * @stream: the answer has no end of its own
 * @asked: a whole head has come
 * @answering: the request has come, the answer has not gone
 */
typedef struct {
  SoupServerMessage *msg; /* not owned: this lies at it */
  Gate *gate;
  const Settings *settings;
  GByteArray *body;
  gint64 came, went;
  gboolean stream, asked, answering;
  WebGone gone;
  gpointer gone_data;
} Guard;

static const char key[] = "guard";
static int n_answers;
static gint64 n_kept; /* bytes of all bodies */

static void
set_answering (Guard *g, gboolean answering)
{
  n_answers += answering - g->answering;
  g->answering = answering;
}

/* (transfer full) */
static GBytes *
take_body (Guard *g)
{
  GByteArray *body = g->body;

  n_kept -= body->len;
  g->body = g_byte_array_new ();
  return g_byte_array_free_to_bytes (body);
}

static void
guard_free (gpointer data)
{
  Guard *g = data;

  set_answering (g, FALSE);
  g_bytes_unref (take_body (g));
  g_clear_object (&g->gate);
  g_byte_array_unref (g->body);
  g_free (g);
}

static void
got_headers (SoupServerMessage *msg, gpointer data)
{
  Guard *g = data;

  g->asked = TRUE;
  soup_message_body_set_accumulate (
      soup_server_message_get_request_body (msg), FALSE);
}

static void
got_chunk (SoupServerMessage *msg, GBytes *chunk, gpointer data)
{
  Guard *g = data;
  gsize size;
  const guint8 *bytes = g_bytes_get_data (chunk, &size);
  g_auto (Problem) p = {0};

  g->came += (gint64) size;
  if (!g->settings)
    return;
  if (g->gate &&
      n_kept + (gint64) size > MAX_BODIES * g->settings->max_upload) {
    problem_set (&p, SOUP_STATUS_SERVICE_UNAVAILABLE,
        "Too many photos are being sent; try again later");
    gate_refuse_problem (g->gate, &p);
    return;
  }
  n_kept += (gint64) size;
  g_byte_array_append (g->body, bytes, (guint) size);
}

static void
got_body (SoupServerMessage *msg, gpointer data)
{
  set_answering (data, TRUE);
}

static void
finished (SoupServerMessage *msg, gpointer data)
{
  Guard *g = data;

  set_answering (g, FALSE);
  web_unhold (msg);
  if (g->gate)
    gate_rest (g->gate);
}

static void
wrote_headers (SoupServerMessage *msg, gpointer data)
{
  Guard *g = data;

  web_unhold (msg);
  if (g->gate)
    gate_set_deadline (g->gate, g->stream ? 0 : ANSWER_SECONDS);
}

static void
wrote_data (SoupServerMessage *msg, guint size, gpointer data)
{
  Guard *g = data;

  g->went += size;
}

static void
started (SoupServer *server, SoupServerMessage *msg, gpointer data)
{
  Gate *gate = gate_of_message (msg);
  Guard *g = g_new0 (Guard, 1);

  g->msg = msg;
  g->body = g_byte_array_new ();
  g->gate = gate ? g_object_ref (gate) : NULL;
  g_object_set_data_full (G_OBJECT (msg), key, g, guard_free);
  g_signal_connect (msg, "got-headers", G_CALLBACK (got_headers), g);
  g_signal_connect (msg, "got-chunk", G_CALLBACK (got_chunk), g);
  g_signal_connect (msg, "got-body", G_CALLBACK (got_body), g);
  g_signal_connect (msg, "finished", G_CALLBACK (finished), g);
  g_signal_connect (msg, "wrote-headers", G_CALLBACK (wrote_headers), g);
  g_signal_connect (msg, "wrote-body-data", G_CALLBACK (wrote_data), g);
}

void
web_guard (SoupServer *server)
{
  g_signal_connect (server, "request-started", G_CALLBACK (started), NULL);
}

static Guard *
guard_of (SoupServerMessage *msg)
{
  return g_object_get_data (G_OBJECT (msg), key);
}

guint
web_status (SoupServerMessage *msg)
{
  const Guard *g = guard_of (msg);
  guint refused = g && g->gate ? gate_refused (g->gate) : 0;

  return refused         ? refused
         : g && g->asked ? soup_server_message_get_status (msg)
                         : 0;
}

void
web_want_body (SoupServerMessage *msg, const Settings *settings)
{
  Guard *g = guard_of (msg);

  if (g)
    g->settings = settings;
}

GBytes *
web_take_body (SoupServerMessage *msg)
{
  return take_body (guard_of (msg));
}

gint64
web_bytes_in (SoupServerMessage *msg)
{
  return guard_of (msg) ? guard_of (msg)->came : 0;
}

gint64
web_bytes_out (SoupServerMessage *msg)
{
  return guard_of (msg) ? guard_of (msg)->went : 0;
}

int
web_answers (void)
{
  return n_answers;
}

void
web_guard_stream (SoupServerMessage *msg)
{
  if (guard_of (msg))
    guard_of (msg)->stream = TRUE;
}

/* ---- clients that wait ---- */

static void
looks_gone (gpointer data)
{
  Guard *g = data;

  g->gone (g->msg, g->gone_data);
}

void
web_hold (SoupServerMessage *msg, WebGone gone, gpointer data)
{
  Guard *g = guard_of (msg);

  soup_server_message_pause (msg);
  if (!g || !g->gate || !gone)
    return;
  g->gone = gone;
  g->gone_data = data;
  gate_watch (g->gate, looks_gone, g);
}

void
web_unhold (SoupServerMessage *msg)
{
  const Guard *g = guard_of (msg);

  if (g && g->gate)
    gate_watch (g->gate, NULL, NULL);
}
