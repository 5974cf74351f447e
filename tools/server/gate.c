/* SPDX-License-Identifier: MIT */
#include "gate_private.h"
#include <string.h>

enum { LINGER_SECONDS = 2, CHUNK = 1 << 14 };

G_DEFINE_FINAL_TYPE (Gate, gate, G_TYPE_IO_STREAM)

static const char key[] = "gate";

/* ---- its end ---- */

static void
stop (GSource **source)
{
  if (*source)
    g_source_destroy (*source);
  g_clear_pointer (source, g_source_unref);
}

static void
end (Gate *gate)
{
  GateDone done = gate->done;

  gate->state = GATE_OVER;
  gate->done = NULL;
  gate_set_deadline (gate, 0);
  stop (&gate->drain);
  stop (&gate->watch);
  g_cancellable_cancel (gate->cancellable); /* whose sources wake */
  if (done)
    done (gate->done_data);
}

static void
hang_up (Gate *gate)
{
  g_socket_shutdown (gate->socket, TRUE, TRUE, NULL);
  end (gate);
}

static gboolean
out_of_time (gpointer data)
{
  g_autoptr (Gate) gate = g_object_ref (data);
  gboolean in_request = !gate->answering &&
                        (gate->state != GATE_HEAD || gate_rest_size (gate) > 0);
  g_auto (Problem) p = {0};

  gate->deadline = 0;
  if (gate->state < GATE_REFUSED && in_request) {
    problem_set (&p, SOUP_STATUS_REQUEST_TIMEOUT,
        "The rest of the request did not come in time");
    gate_refuse_problem (gate, &p);
  } else
    hang_up (gate);
  return G_SOURCE_REMOVE;
}

void
gate_set_deadline (Gate *gate, int seconds)
{
  if (gate->deadline)
    g_source_remove (gate->deadline);
  gate->deadline =
      seconds > 0 ? g_timeout_add_seconds ((guint) seconds, out_of_time, gate)
                  : 0;
}

void
gate_rest (Gate *gate)
{
  gate->answering = FALSE;
  if (gate->state < GATE_REFUSED)
    gate_set_deadline (gate, gate->settings->request_seconds);
}

/* ---- refusals ---- */

static gboolean
drained (GObject *pollable, gpointer data)
{
  Gate *gate = data;
  guint8 chunk[CHUNK];
  g_autoptr (GError) error = NULL;
  gssize n = g_pollable_input_stream_read_nonblocking (
      G_POLLABLE_INPUT_STREAM (gate->base_in), chunk, sizeof chunk, NULL,
      &error);

  if (n > 0 || g_error_matches (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK))
    return G_SOURCE_CONTINUE;
  hang_up (gate);
  return G_SOURCE_REMOVE;
}

static void
sent (GObject *object, GAsyncResult *result, gpointer data)
{
  g_autoptr (Gate) gate = data;

  if (!g_output_stream_write_all_finish (
          G_OUTPUT_STREAM (object), result, NULL, NULL)) {
    if (gate->state == GATE_REFUSED)
      hang_up (gate);
    return;
  }
  if (gate->state != GATE_REFUSED)
    return;
  if (!G_IS_TLS_CONNECTION (gate->base))
    g_socket_shutdown (gate->socket, FALSE, TRUE, NULL);
  gate->drain = g_pollable_input_stream_create_source (
      G_POLLABLE_INPUT_STREAM (gate->base_in), NULL);
  g_source_set_callback (gate->drain, G_SOURCE_FUNC (drained), gate, NULL);
  g_source_attach (gate->drain, NULL);
}

void
gate_refuse (Gate *gate, guint status, char *text, GateDone done, gpointer data)
{
  GOutputStream *out = g_io_stream_get_output_stream (gate->base);

  if (gate->state >= GATE_REFUSED) {
    g_free (text);
    if (done)
      done (data);
    return;
  }
  gate->state = GATE_REFUSED;
  gate->refused = status;
  gate->done = done;
  gate->done_data = data;
  g_byte_array_set_size (gate->came, 0);
  gate->at = gate->seen = 0;
  gate_set_deadline (gate, LINGER_SECONDS);
  g_object_set_data_full (G_OBJECT (gate), "answer", text, g_free);
  g_output_stream_write_all_async (out, text, strlen (text), G_PRIORITY_DEFAULT,
      gate->cancellable, sent, g_object_ref (gate));
}

void
gate_refuse_problem (Gate *gate, const Problem *p)
{
  gate_refuse (
      gate, p->status, web_problem_answer (p, gate->settings), NULL, NULL);
}

guint
gate_refused (const Gate *gate)
{
  return gate->refused;
}

/* ---- clients that wait ---- */

/* While an answer is held back nobody reads, so nobody would see that the
 * connection has ended.  What comes meanwhile is the next request. */
static gboolean
looks_gone (GObject *pollable, gpointer data)
{
  Gate *gate = data;
  g_autoptr (GError) error = NULL;
  gssize n = gate_fill (gate, &error);
  GateDone gone = gate->gone;

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK) ||
      (n > 0 && gate_rest_size (gate) < WIRE_MAX_HEAD))
    return G_SOURCE_CONTINUE;
  stop (&gate->watch);
  gate->gone = NULL;
  if (n <= 0)
    gone (gate->gone_data);
  return G_SOURCE_REMOVE;
}

void
gate_watch (Gate *gate, GateDone gone, gpointer data)
{
  stop (&gate->watch);
  gate->gone = gone;
  gate->gone_data = data;
  if (!gone || gate->state >= GATE_REFUSED)
    return;
  gate->watch = g_pollable_input_stream_create_source (
      G_POLLABLE_INPUT_STREAM (gate->base_in), NULL);
  g_source_set_callback (gate->watch, G_SOURCE_FUNC (looks_gone), gate, NULL);
  g_source_attach (gate->watch, NULL);
}

/* ---- the connection ---- */

static GInputStream *
get_input (GIOStream *stream)
{
  return GATE_GATE (stream)->in;
}

static GOutputStream *
get_output (GIOStream *stream)
{
  return g_io_stream_get_output_stream (GATE_GATE (stream)->base);
}

/* The end of TLS is said to who takes it at once: nobody is waited for. */
static gboolean
close_base (GIOStream *stream, GCancellable *cancellable, GError **error)
{
  Gate *gate = GATE_GATE (stream);

  if (!(g_socket_condition_check (gate->socket, G_IO_OUT) & G_IO_OUT))
    g_socket_shutdown (gate->socket, TRUE, TRUE, NULL);
  end (gate);
  return g_io_stream_close (gate->base, NULL, error);
}

static void
gate_dispose (GObject *object)
{
  Gate *gate = GATE_GATE (object);

  if (gate->address)
    g_object_set_data (G_OBJECT (gate->address), key, NULL);
  G_OBJECT_CLASS (gate_parent_class)->dispose (object); /* closes it */
  end (gate);
}

static void
gate_finalize (GObject *object)
{
  Gate *gate = GATE_GATE (object);

  g_object_unref (gate->in);
  g_object_unref (gate->base);
  g_object_unref (gate->socket);
  g_clear_object (&gate->address);
  g_object_unref (gate->cancellable);
  g_byte_array_unref (gate->came);
  G_OBJECT_CLASS (gate_parent_class)->finalize (object);
}

static void
gate_class_init (GateClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = gate_dispose;
  G_OBJECT_CLASS (klass)->finalize = gate_finalize;
  G_IO_STREAM_CLASS (klass)->get_input_stream = get_input;
  G_IO_STREAM_CLASS (klass)->get_output_stream = get_output;
  G_IO_STREAM_CLASS (klass)->close_fn = close_base;
}

static void
gate_init (Gate *gate)
{
  gate->came = g_byte_array_new ();
  gate->cancellable = g_cancellable_new ();
}

Gate *
gate_new (const Settings *settings, GIOStream *base, GSocket *socket)
{
  Gate *gate = g_object_new (TYPE_GATE, NULL);

  gate->in = gate_input_new (gate);
  gate->settings = settings;
  gate->between = TRUE;
  gate->base = g_object_ref (base);
  gate->base_in = g_io_stream_get_input_stream (base);
  gate->socket = g_object_ref (socket);
  gate->address = g_socket_get_remote_address (socket, NULL);
  if (!gate->address) /* who is gone already has none */
    gate->address = g_inet_socket_address_new_from_string ("0.0.0.0", 0);
  g_object_set_data (G_OBJECT (gate->address), key, gate);
  gate_rest (gate);
  return gate;
}

Gate *
gate_of_message (SoupServerMessage *msg)
{
  GSocketAddress *address = soup_server_message_get_remote_address (msg);

  return address ? g_object_get_data (G_OBJECT (address), key) : NULL;
}

GSocketAddress *
gate_address (const Gate *gate)
{
  return gate->address;
}
