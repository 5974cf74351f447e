/* SPDX-License-Identifier: MIT */
/* GET /jobs/ID/events: Server-Sent Events (HTML standard, 9.2). */
#include "server.h"
#include <string.h>

enum {
  HEARTBEAT = 15,  /* seconds: proxies close what is silent */
  MAX_UNSENT = 32, /* chunks; who reads more slowly misses pictures */
};

typedef struct {
  Server *server;
  SoupServerMessage *msg;
  ApiJob *job;
  guint heartbeat;
  int unsent;
} Stream;

static void
send (Stream *t, const char *text)
{
  SoupMessageBody *body = soup_server_message_get_response_body (t->msg);

  soup_message_body_append (body, SOUP_MEMORY_COPY, text, strlen (text));
  t->unsent++;
  soup_server_message_unpause (t->msg);
}

/* Takes over @b. */
static void
send_event (Stream *t, const char *event, JsonBuilder *b)
{
  g_autofree char *json = web_json_text (b);
  g_autofree char *text =
      g_strdup_printf ("event: %s\ndata: %s\n\n", event, json);

  send (t, text);
}

static void
send_state (Stream *t, const char *event)
{
  const HostInfo *info = queue_info (t->server->queue);
  JsonBuilder *b = json_builder_new ();
  int position = queue_position (t->server->queue, t->job);

  json_builder_begin_object (b);
  api_job_write (
      t->job, b, t->server->root_name, info ? &info->defaults : NULL);
  if (position > 0)
    web_int (b, "position", position);
  json_builder_end_object (b);
  send_event (t, event, b);
}

static void
send_preview (Stream *t)
{
  JsonBuilder *b = json_builder_new ();

  json_builder_begin_object (b);
  web_string (b, "type", "image/jpeg");
  web_string (b, "base64", t->job->preview);
  json_builder_end_object (b);
  send_event (t, "preview", b);
}

static void
end_stream (Stream *t)
{
  soup_message_body_complete (soup_server_message_get_response_body (t->msg));
  soup_server_message_unpause (t->msg);
}

static void
happened (ApiJob *job, const char *event, gpointer data)
{
  Stream *t = data;
  gboolean state = strcmp (event, "state") == 0;

  if (!state && t->unsent >= MAX_UNSENT)
    return;
  if (strcmp (event, "preview") == 0)
    send_preview (t);
  else
    send_state (t, event);
  if (state && api_job_is_over (job)) {
    api_job_unwatch (job, happened, t);
    end_stream (t);
  }
}

static gboolean
beat (gpointer data)
{
  send (data, ":\n\n");
  return G_SOURCE_CONTINUE;
}

static void
wrote_chunk (SoupServerMessage *msg, gpointer data)
{
  Stream *t = data;

  t->unsent = MAX (0, t->unsent - 1);
}

static void
stream_free (gpointer data)
{
  Stream *t = data;

  if (t->heartbeat)
    g_source_remove (t->heartbeat);
  api_job_unwatch (t->job, happened, t);
  api_job_unref (t->job);
  g_free (t);
}

/* The message may live on for a while after its end. */
static void
over (SoupServerMessage *msg, gpointer data)
{
  Stream *t = data;

  if (t->heartbeat)
    g_source_remove (t->heartbeat);
  t->heartbeat = 0;
  api_job_unwatch (t->job, happened, t);
}

void
serve_events (Server *s, SoupServerMessage *msg, ApiJob *job)
{
  SoupMessageHeaders *h = soup_server_message_get_response_headers (msg);
  Stream *t = g_new0 (Stream, 1);

  t->server = s;
  t->msg = msg;
  t->job = api_job_ref (job);
  /* freed with the message */
  g_object_set_data_full (G_OBJECT (msg), "stream", t, stream_free);
  web_guard_stream (msg);
  soup_server_message_set_status (msg, SOUP_STATUS_OK, NULL);
  soup_message_headers_set_content_type (h, "text/event-stream", NULL);
  soup_message_headers_set_encoding (h, SOUP_ENCODING_CHUNKED);
  soup_message_headers_replace (h, "X-Accel-Buffering", "no");
  soup_message_body_set_accumulate (
      soup_server_message_get_response_body (msg), FALSE);
  g_signal_connect (msg, "wrote-chunk", G_CALLBACK (wrote_chunk), t);
  g_signal_connect (msg, "finished", G_CALLBACK (over), t);
  g_signal_connect (msg, "disconnected", G_CALLBACK (over), t);
  if (strcmp (soup_server_message_get_method (msg), "HEAD") == 0) {
    soup_message_body_complete (soup_server_message_get_response_body (msg));
    return;
  }
  send_state (t, "state");
  if (api_job_is_over (job)) {
    end_stream (t);
    return;
  }
  api_job_watch (job, happened, t);
  t->heartbeat = g_timeout_add_seconds (HEARTBEAT, beat, t);
}
