/* SPDX-License-Identifier: MIT */
#include "fetch.h"
#include <string.h>

enum { MAX_REDIRECTS = 3, CHUNK = 1 << 16, MAX_URL = 2048 };

struct _Fetcher {
  const Settings *settings;
  SoupSession *session;
  AddressRules rules;
  gboolean any_port; /* tests: their servers have none of their own */
};

typedef struct {
  Fetcher *fetcher;
  GUri *uri;
  int redirects;
  SoupMessage *msg;
  GInputStream *stream;
  GByteArray *came;
  GCancellable *cancellable, *outer;
  gulong on_outer;
  guint limit;
  gboolean late, refused;
  Fetched done;
  gpointer data;
} Fetch;

static gboolean
allow_public (GInetAddress *address, gpointer data)
{
  return address_is_public (address);
}

Fetcher *
fetcher_new (const Settings *settings, const AddressRules *rules)
{
  Fetcher *f = g_new0 (Fetcher, 1);
  g_autoptr (GResolver) resolver = address_resolver_new (rules);

  f->settings = settings;
  if (rules)
    f->rules = *rules;
  f->any_port = rules != NULL;
  if (!f->rules.allowed)
    f->rules.allowed = allow_public;
  g_resolver_set_default (resolver);
  f->session = soup_session_new_with_options ("proxy-resolver", NULL, "timeout",
      10, "idle-timeout", 1, "user-agent", "synchuman/" VERSION, NULL);
  /* what unpacks to a thousand times its size */
  soup_session_remove_feature_by_type (f->session, SOUP_TYPE_CONTENT_DECODER);
  return f;
}

void
fetcher_free (Fetcher *f)
{
  if (!f)
    return;
  soup_session_abort (f->session);
  g_object_unref (f->session);
  g_free (f);
}

/* ---- which addresses ---- */

/* GLib knows where these are, and asks no resolver (RFC 6761). */
static gboolean
is_localhost (const char *host)
{
  g_autofree char *name = g_ascii_strdown (host, -1);

  if (g_str_has_suffix (name, "."))
    name[strlen (name) - 1] = 0;
  return strcmp (name, "localhost") == 0 ||
         g_str_has_suffix (name, ".localhost");
}

static gboolean
check_uri (const Fetcher *f, GUri *uri, Problem *p)
{
  const char *scheme = g_uri_get_scheme (uri), *host = g_uri_get_host (uri);
  gboolean https = strcmp (scheme, "https") == 0;
  int port = g_uri_get_port (uri);

  if (!https && !(f->settings->allow_http_url && strcmp (scheme, "http") == 0))
    return problem_set (p, SOUP_STATUS_FORBIDDEN,
        "image_url: only %s addresses are asked for",
        f->settings->allow_http_url ? "https and http" : "https");
  if (g_uri_get_userinfo (uri))
    return problem_set (p, SOUP_STATUS_FORBIDDEN,
        "image_url: a user name or password must not be in it");
  if (!host || !*host)
    return problem_set (
        p, SOUP_STATUS_UNPROCESSABLE_ENTITY, "image_url: it names no host");
  if (!f->any_port && port > 0 && port != (https ? 443 : 80))
    return problem_set (
        p, SOUP_STATUS_FORBIDDEN, "image_url: only the usual port is asked");
  if (is_localhost (host))
    return problem_set (p, SOUP_STATUS_FORBIDDEN,
        "image_url: %s is no host of the public internet", host);
  if (g_hostname_is_ip_address (host)) {
    g_autoptr (GInetAddress) address = g_inet_address_new_from_string (host);

    /* what has a zone is one of a link */
    if (!address || !f->rules.allowed (address, f->rules.data))
      return problem_set (p, SOUP_STATUS_FORBIDDEN,
          "image_url: this is no address of the public internet");
  }
  return TRUE;
}

/* (transfer full) (nullable) */
static GUri *
parse (const Fetcher *f, const char *url, Problem *p)
{
  g_autoptr (GUri) uri =
      strlen (url) <= MAX_URL
          ? g_uri_parse (
                url, SOUP_HTTP_URI_FLAGS & ~G_URI_FLAGS_PARSE_RELAXED, NULL)
          : NULL;

  if (!uri || strpbrk (url, " \t\r\n\\")) {
    problem_set (p, SOUP_STATUS_UNPROCESSABLE_ENTITY,
        "image_url: this is no address of a photo");
    return NULL;
  }
  return check_uri (f, uri, p) ? g_steal_pointer (&uri) : NULL;
}

gboolean
fetch_check_url (const Fetcher *f, const char *url, Problem *p)
{
  g_autoptr (GUri) uri = parse (f, url, p);

  return uri != NULL;
}

/* ---- one fetch ---- */

static void
finish (Fetch *t, Problem *p)
{
  g_autoptr (GBytes) photo = NULL;

  if (!p->status)
    photo = g_byte_array_free_to_bytes (g_steal_pointer (&t->came));
  t->done (photo, p, t->data);
  if (t->limit)
    g_source_remove (t->limit);
  if (t->on_outer)
    g_cancellable_disconnect (t->outer, t->on_outer);
  g_clear_object (&t->outer);
  if (t->msg)
    g_signal_handlers_disconnect_by_data (t->msg, t);
  g_clear_object (&t->msg);
  g_clear_object (&t->stream);
  g_clear_object (&t->cancellable);
  g_clear_pointer (&t->came, g_byte_array_unref);
  g_uri_unref (t->uri);
  g_free (t);
}

static void
fail (Fetch *t, guint status, const char *text)
{
  g_auto (Problem) p = {0};

  problem_set (&p, status, "image_url: %s", text);
  finish (t, &p);
}

static void
fail_by (Fetch *t, const GError *error)
{
  if (t->refused)
    fail (t, SOUP_STATUS_FORBIDDEN, "this is no host of the public internet");
  else if (t->late)
    fail (t, SOUP_STATUS_GATEWAY_TIMEOUT, "the host takes too long");
  else if (error->domain == G_RESOLVER_ERROR)
    fail (t, SOUP_STATUS_FORBIDDEN, error->message);
  else
    fail (t, SOUP_STATUS_BAD_GATEWAY, error->message);
}

static void ask (Fetch *t);

static void
read_some (GObject *object, GAsyncResult *result, gpointer data)
{
  Fetch *t = data;
  g_autoptr (GError) error = NULL;
  g_auto (Problem) none = {0};
  g_autoptr (GBytes) chunk = NULL;

  if (result) {
    chunk = g_input_stream_read_bytes_finish (t->stream, result, &error);
    if (!chunk) {
      fail_by (t, error);
      return;
    }
    if (g_bytes_get_size (chunk) == 0) {
      finish (t, &none);
      return;
    }
    g_byte_array_append (t->came, g_bytes_get_data (chunk, NULL),
        (guint) g_bytes_get_size (chunk));
  }
  if ((gint64) t->came->len > t->fetcher->settings->max_upload) {
    fail (t, SOUP_STATUS_REQUEST_ENTITY_TOO_LARGE, "the photo is too large");
    return;
  }
  g_input_stream_read_bytes_async (
      t->stream, CHUNK, G_PRIORITY_DEFAULT, t->cancellable, read_some, t);
}

static void
redirect (Fetch *t)
{
  const char *to = soup_message_headers_get_one (
      soup_message_get_response_headers (t->msg), "Location");
  g_autoptr (GUri) uri =
      to ? g_uri_parse_relative (t->uri, to,
               SOUP_HTTP_URI_FLAGS & ~G_URI_FLAGS_PARSE_RELAXED, NULL)
         : NULL;
  g_auto (Problem) p = {0};

  if (!uri || ++t->redirects > MAX_REDIRECTS) {
    fail (t, SOUP_STATUS_BAD_GATEWAY,
        uri ? "the host redirects too often" : "the host redirects nowhere");
    return;
  }
  if (!check_uri (t->fetcher, uri, &p)) {
    finish (t, &p);
    return;
  }
  g_uri_unref (t->uri);
  t->uri = g_steal_pointer (&uri);
  ask (t);
}

static void
answered (GObject *object, GAsyncResult *result, gpointer data)
{
  Fetch *t = data;
  g_autoptr (GError) error = NULL;
  guint status;

  g_clear_object (&t->stream);
  t->stream = soup_session_send_finish (SOUP_SESSION (object), result, &error);
  if (!t->stream) {
    fail_by (t, error);
    return;
  }
  status = soup_message_get_status (t->msg);
  if (SOUP_STATUS_IS_REDIRECTION (status)) {
    redirect (t);
    return;
  }
  if (status != SOUP_STATUS_OK) {
    g_autofree char *text =
        g_strdup_printf ("the host answers with status %u", status);

    fail (t, SOUP_STATUS_BAD_GATEWAY, text);
    return;
  }
  if (soup_message_headers_get_content_length (
          soup_message_get_response_headers (t->msg)) >
      t->fetcher->settings->max_upload) {
    fail (t, SOUP_STATUS_REQUEST_ENTITY_TOO_LARGE, "the photo is too large");
    return;
  }
  read_some (NULL, NULL, t);
}

/* Whatever led here: this is the address that is about to be connected to. */
static void
connecting (SoupMessage *msg, GSocketClientEvent event, GIOStream *connection,
    gpointer data)
{
  Fetch *t = data;
  const AddressRules *rules = &t->fetcher->rules;
  g_autoptr (GSocketAddress) to = NULL;

  if (event != G_SOCKET_CLIENT_CONNECTING)
    return;
  to = g_socket_connection_get_remote_address (
      G_SOCKET_CONNECTION (connection), NULL);
  if (G_IS_INET_SOCKET_ADDRESS (to) &&
      rules->allowed (
          g_inet_socket_address_get_address (G_INET_SOCKET_ADDRESS (to)),
          rules->data))
    return;
  t->refused = TRUE;
  g_cancellable_cancel (t->cancellable);
}

static void
ask (Fetch *t)
{
  if (t->msg)
    g_signal_handlers_disconnect_by_data (t->msg, t);
  g_clear_object (&t->msg);
  t->msg = soup_message_new_from_uri (SOUP_METHOD_GET, t->uri);
  soup_message_add_flags (t->msg, SOUP_MESSAGE_NO_REDIRECT);
  g_signal_connect (t->msg, "network-event", G_CALLBACK (connecting), t);
  soup_session_send_async (t->fetcher->session, t->msg, G_PRIORITY_DEFAULT,
      t->cancellable, answered, t);
}

static gboolean
too_late (gpointer data)
{
  Fetch *t = data;

  t->limit = 0;
  t->late = TRUE;
  g_cancellable_cancel (t->cancellable);
  return G_SOURCE_REMOVE;
}

static void
outer_cancelled (GCancellable *outer, gpointer data)
{
  g_cancellable_cancel (data);
}

void
fetch (Fetcher *f, const char *url, GCancellable *cancellable, Fetched done,
    gpointer data)
{
  g_auto (Problem) p = {0};
  GUri *uri = parse (f, url, &p);
  Fetch *t;

  if (!uri) {
    done (NULL, &p, data);
    return;
  }
  t = g_new0 (Fetch, 1);
  t->fetcher = f;
  t->uri = uri;
  t->done = done;
  t->data = data;
  t->came = g_byte_array_new ();
  t->cancellable = g_cancellable_new ();
  t->limit =
      g_timeout_add_seconds ((guint) f->settings->fetch_seconds, too_late, t);
  if (cancellable) {
    t->outer = g_object_ref (cancellable);
    t->on_outer =
        g_cancellable_connect (cancellable, G_CALLBACK (outer_cancelled),
            g_object_ref (t->cancellable), g_object_unref);
  }
  ask (t);
}
