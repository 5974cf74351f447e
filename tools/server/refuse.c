/* SPDX-License-Identifier: MIT */
#include "refuse.h"

/* After the answer what still comes is read and dropped for a while: closing
 * with something unread would take the answer back (RFC 9112, 9.6). */
enum { LINGER_MS = 2000, CHUNK = 1 << 16 };

typedef struct {
  SoupServerMessage *msg;
  GIOStream *stream;
  GCancellable *cancellable;
  GString *text;
  guint limit;
  guint8 chunk[CHUNK];
} Refusal;

static void
refusal_free (Refusal *r)
{
  if (r->limit)
    g_source_remove (r->limit);
  g_io_stream_close_async (r->stream, G_PRIORITY_DEFAULT, NULL, NULL, NULL);
  g_object_unref (r->stream);
  g_object_unref (r->cancellable);
  g_string_free (r->text, TRUE);
  g_object_unref (r->msg);
  g_free (r);
}

static gboolean
long_enough (gpointer data)
{
  Refusal *r = data;

  r->limit = 0;
  g_cancellable_cancel (r->cancellable);
  return G_SOURCE_REMOVE;
}

static void
dropped (GObject *object, GAsyncResult *result, gpointer data)
{
  Refusal *r = data;
  GInputStream *in = g_io_stream_get_input_stream (r->stream);

  if (result && g_input_stream_read_finish (in, result, NULL) <= 0)
    refusal_free (r);
  else
    g_input_stream_read_async (in, r->chunk, sizeof r->chunk,
        G_PRIORITY_DEFAULT, r->cancellable, dropped, r);
}

static void
sent (GObject *object, GAsyncResult *result, gpointer data)
{
  Refusal *r = data;

  if (!g_output_stream_write_all_finish (
          G_OUTPUT_STREAM (object), result, NULL, NULL)) {
    refusal_free (r);
    return;
  }
  if (G_IS_SOCKET_CONNECTION (r->stream))
    g_socket_shutdown (
        g_socket_connection_get_socket (G_SOCKET_CONNECTION (r->stream)), FALSE,
        TRUE, NULL);
  dropped (NULL, NULL, r);
}

static void
add_header (const char *name, const char *value, gpointer data)
{
  g_string_append_printf (data, "%s: %s\r\n", name, value);
}

static GString *
as_text (SoupServerMessage *msg)
{
  g_autoptr (GBytes) body =
      soup_message_body_flatten (soup_server_message_get_response_body (msg));
  SoupMessageHeaders *h = soup_server_message_get_response_headers (msg);
  GString *text = g_string_new (NULL);

  g_string_printf (text, "HTTP/1.1 %u %s\r\n",
      soup_server_message_get_status (msg),
      soup_server_message_get_reason_phrase (msg));
  soup_message_headers_set_content_length (
      h, (goffset) g_bytes_get_size (body));
  soup_message_headers_replace (h, "Connection", "close");
  soup_message_headers_foreach (h, add_header, text);
  g_string_append (text, "\r\n");
  g_string_append_len (
      text, g_bytes_get_data (body, NULL), (gssize) g_bytes_get_size (body));
  return text;
}

/* Not while libsoup is about to read on. */
static gboolean
take_over (gpointer data)
{
  SoupServerMessage *msg = data;
  GString *text = as_text (msg);
  GIOStream *stream = soup_server_message_steal_connection (msg);
  Refusal *r;

  if (!stream) { /* the client is gone */
    g_string_free (text, TRUE);
    g_object_unref (msg);
    return G_SOURCE_REMOVE;
  }
  r = g_new0 (Refusal, 1);
  r->msg = msg;
  r->stream = stream;
  r->cancellable = g_cancellable_new ();
  r->text = text;
  r->limit = g_timeout_add (LINGER_MS, long_enough, r);
  g_output_stream_write_all_async (g_io_stream_get_output_stream (stream),
      text->str, text->len, G_PRIORITY_DEFAULT, r->cancellable, sent, r);
  return G_SOURCE_REMOVE;
}

void
refuse_now (SoupServerMessage *msg)
{
  soup_server_message_pause (msg);
  g_idle_add_full (G_PRIORITY_DEFAULT, take_over, g_object_ref (msg), NULL);
}
