/* SPDX-License-Identifier: MIT */
/* Connections that would never end.  libsoup itself waits for ever. */
#include "web.h"
#include <errno.h>
#include <sys/socket.h>

enum {
  BODY_SECONDS = 120,
  ANSWER_SECONDS = 600, /* to take a file */
  MAX_CONNECTIONS = 512,
};

/**
 * Guard:
 * Of one request, from the moment when the first byte of it may come.
 * @deadline: source that closes the connection; 0: none
 * @came, @went: bytes of the bodies
 * @stream: the answer has no end of its own
 * @answering: the request has come, the answer has not gone
 * @held: source that sees the client go away
 */
typedef struct {
  const Settings *settings;
  SoupServerMessage *msg; /* not owned: this lies at it */
  guint deadline;
  gint64 came, went;
  gboolean cut, stream, answering;
  GSource *held;
  WebGone gone;
  gpointer gone_data;
} Guard;

static const char key[] = "guard";
static int n_connections, n_answers;

static gboolean
hang_up (gpointer data)
{
  Guard *g = data;
  GSocket *socket = soup_server_message_get_socket (g->msg);

  g->deadline = 0;
  if (socket)
    g_socket_shutdown (socket, TRUE, TRUE, NULL);
  return G_SOURCE_REMOVE;
}

static void
set_deadline (Guard *g, guint seconds)
{
  if (g->deadline)
    g_source_remove (g->deadline);
  g->deadline = seconds ? g_timeout_add_seconds (seconds, hang_up, g) : 0;
}

static void
stop_holding (Guard *g)
{
  if (g->held)
    g_source_destroy (g->held);
  g_clear_pointer (&g->held, g_source_unref);
}

static void
set_answering (Guard *g, gboolean answering)
{
  n_answers += answering - g->answering;
  g->answering = answering;
}

static void
guard_free (gpointer data)
{
  Guard *g = data;

  set_deadline (g, 0);
  stop_holding (g);
  set_answering (g, FALSE);
  n_connections--;
  g_free (g);
}

static void
got_headers (SoupServerMessage *msg, gpointer data)
{
  set_deadline (data, BODY_SECONDS);
}

/* Beyond the limit nothing is kept any more, and the rest is not waited for
 * for long: who goes on sending is cut off. */
static void
got_chunk (SoupServerMessage *msg, GBytes *chunk, gpointer data)
{
  Guard *g = data;
  SoupMessageBody *body = soup_server_message_get_request_body (msg);
  GSocket *socket = soup_server_message_get_socket (msg);

  g->came += (gint64) g_bytes_get_size (chunk);
  if (g->came <= g->settings->max_upload)
    return;
  g->cut = TRUE;
  soup_message_body_set_accumulate (body, FALSE);
  soup_message_body_truncate (body);
  if (g->came > 2 * g->settings->max_upload && socket)
    g_socket_shutdown (socket, TRUE, TRUE, NULL);
}

static void
got_body (SoupServerMessage *msg, gpointer data)
{
  set_deadline (data, 0);
  set_answering (data, TRUE);
}

static void
finished (SoupServerMessage *msg, gpointer data)
{
  set_answering (data, FALSE);
}

static void
wrote_headers (SoupServerMessage *msg, gpointer data)
{
  Guard *g = data;

  stop_holding (g);
  set_deadline (g, g->stream ? 0 : ANSWER_SECONDS);
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
  GSocket *socket = soup_server_message_get_socket (msg);
  Guard *g = g_new0 (Guard, 1);

  g->settings = data;
  g->msg = msg;
  g_object_set_data_full (G_OBJECT (msg), key, g, guard_free);
  if (++n_connections > MAX_CONNECTIONS && socket) {
    g_socket_shutdown (socket, TRUE, TRUE, NULL);
    return;
  }
  /* also for a connection on which nothing comes */
  set_deadline (g, (guint) g->settings->request_seconds);
  g_signal_connect (msg, "got-headers", G_CALLBACK (got_headers), g);
  g_signal_connect (msg, "got-chunk", G_CALLBACK (got_chunk), g);
  g_signal_connect (msg, "got-body", G_CALLBACK (got_body), g);
  g_signal_connect (msg, "finished", G_CALLBACK (finished), g);
  g_signal_connect (msg, "wrote-headers", G_CALLBACK (wrote_headers), g);
  g_signal_connect (msg, "wrote-body-data", G_CALLBACK (wrote_data), g);
}

void
web_guard (SoupServer *server, const Settings *settings)
{
  g_signal_connect (
      server, "request-started", G_CALLBACK (started), (gpointer) settings);
}

static Guard *
guard_of (SoupServerMessage *msg)
{
  return g_object_get_data (G_OBJECT (msg), key);
}

gboolean
web_is_cut (SoupServerMessage *msg)
{
  return guard_of (msg) && guard_of (msg)->cut;
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

/* While an answer is held back nobody reads from the connection, so nobody
 * would see that it has ended. */
static gboolean
looks_gone (GSocket *socket, GIOCondition condition, gpointer data)
{
  Guard *g = data;
  char byte;

  if (recv (g_socket_get_fd (socket), &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0) {
    stop_holding (g); /* the next request: somebody is there */
    return G_SOURCE_REMOVE;
  }
  if (errno == EAGAIN || errno == EINTR)
    return G_SOURCE_CONTINUE;
  stop_holding (g);
  g->gone (g->msg, g->gone_data);
  return G_SOURCE_REMOVE;
}

void
web_hold (SoupServerMessage *msg, WebGone gone, gpointer data)
{
  GSocket *socket = soup_server_message_get_socket (msg);
  Guard *g = guard_of (msg);

  soup_server_message_pause (msg);
  if (!g || !socket || !gone)
    return;
  g->gone = gone;
  g->gone_data = data;
  g->held = g_socket_create_source (socket, G_IO_IN | G_IO_HUP, NULL);
  g_source_set_callback (g->held, G_SOURCE_FUNC (looks_gone), g, NULL);
  g_source_attach (g->held, NULL);
}

void
web_unhold (SoupServerMessage *msg)
{
  if (guard_of (msg))
    stop_holding (guard_of (msg));
}
