/* SPDX-License-Identifier: MIT */
#include "door.h"
#include "gate.h"
#include "log.h"
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
  BACKLOG = 512,
  MAX_CLIENTS = 512,
  MAX_TURNED_AWAY = 64, /* who are told so at the same time */
  PAUSE_MS = 200,       /* where no connection can be taken */
};

struct _Door {
  const Settings *settings;
  SoupServer *server;
  GSocket *socket;
  int silent; /* the other end of what libsoup listens at */
  GSource *source;
  guint pause;
  int clients;
  GCancellable *cancellable;
  gatomicrefcount refs; /* clients outlive it */
};

static void
unref (gpointer data)
{
  Door *door = data;

  if (!g_atomic_ref_count_dec (&door->refs))
    return;
  g_object_unref (door->cancellable);
  g_free (door);
}

static void
left (gpointer data, GObject *gate)
{
  Door *door = data;

  door->clients--;
  unref (door);
}

/* ---- one client ---- */

/* Hands a connection to libsoup, which reads at once. */
static void
let_in (Door *door, GIOStream *stream, GSocket *socket)
{
  g_autoptr (GSocketAddress) here = g_socket_get_local_address (socket, NULL);
  g_autoptr (Gate) gate = gate_new (door->settings, stream, socket);
  g_auto (Problem) p = {0};

  g_atomic_ref_count_inc (&door->refs);
  g_object_weak_ref (G_OBJECT (gate), left, door);
  door->clients++;
  if (!here || door->clients > MAX_CLIENTS + MAX_TURNED_AWAY)
    return;
  if (door->clients > MAX_CLIENTS) {
    problem_set (&p, SOUP_STATUS_SERVICE_UNAVAILABLE,
        "Too many clients are connected; try again later");
    gate_refuse_problem (gate, &p);
  }
  soup_server_accept_iostream (
      door->server, G_IO_STREAM (gate), here, gate_address (gate), NULL);
}

/**
 * Greeting:
 * A client whose TLS is about to begin.
 * @limit: source that ends it
 */
typedef struct {
  Door *door;
  GSocket *socket;
  GIOStream *stream;
  GCancellable *cancellable;
  gulong outer;
  guint limit;
} Greeting;

static void
greeted (GObject *object, GAsyncResult *result, gpointer data)
{
  Greeting *g = data;
  gboolean cancelled = g_cancellable_is_cancelled (g->door->cancellable);

  if (g->limit)
    g_source_remove (g->limit);
  g_cancellable_disconnect (g->door->cancellable, g->outer);
  g->door->clients--;
  if (g_tls_connection_handshake_finish (
          G_TLS_CONNECTION (object), result, NULL) &&
      !cancelled)
    let_in (g->door, g->stream, g->socket);
  else
    g_socket_close (g->socket, NULL);
  g_object_unref (g->stream);
  g_object_unref (g->socket);
  g_object_unref (g->cancellable);
  unref (g->door);
  g_free (g);
}

static gboolean
too_slow (gpointer data)
{
  Greeting *g = data;

  g->limit = 0;
  g_cancellable_cancel (g->cancellable);
  return G_SOURCE_REMOVE;
}

static void
cancel (GCancellable *outer, gpointer data)
{
  g_cancellable_cancel (data);
}

static void
greet (Door *door, GIOStream *plain, GSocket *socket)
{
  static const char *const protocols[] = {"http/1.1", "http/1.0", NULL};
  g_autoptr (GIOStream) tls =
      g_tls_server_connection_new (plain, door->settings->certificate, NULL);
  Greeting *g;

  if (!tls || door->clients >= MAX_CLIENTS)
    return;
  g_tls_connection_set_require_close_notify (G_TLS_CONNECTION (tls), FALSE);
  g_tls_connection_set_advertised_protocols (
      G_TLS_CONNECTION (tls), (const char *const *) protocols);
  g = g_new0 (Greeting, 1);
  g->door = door;
  g_atomic_ref_count_inc (&door->refs);
  door->clients++;
  g->socket = g_object_ref (socket);
  g->stream = g_object_ref (tls);
  g->cancellable = g_cancellable_new ();
  g->outer = g_cancellable_connect (
      door->cancellable, G_CALLBACK (cancel), g->cancellable, NULL);
  g->limit = g_timeout_add_seconds (
      (guint) door->settings->request_seconds, too_slow, g);
  g_tls_connection_handshake_async (
      G_TLS_CONNECTION (tls), G_PRIORITY_DEFAULT, g->cancellable, greeted, g);
}

/* ---- all of them ---- */

static void watch (Door *door);

static gboolean
watch_again (gpointer data)
{
  Door *door = data;

  door->pause = 0;
  watch (door);
  return G_SOURCE_REMOVE;
}

static gboolean
somebody (GSocket *listening, GIOCondition condition, gpointer data)
{
  Door *door = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GSocket) socket = g_socket_accept (listening, NULL, &error);
  g_autoptr (GSocketConnection) connection = NULL;

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK) ||
      g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CONNECTION_CLOSED))
    return G_SOURCE_CONTINUE;
  if (!socket) { /* no descriptor is left: later there will be one */
    log_line (NULL, "error", "no client can be taken: %s", error->message);
    g_clear_pointer (&door->source, g_source_unref);
    door->pause = g_timeout_add (PAUSE_MS, watch_again, door);
    return G_SOURCE_REMOVE;
  }
  g_socket_set_blocking (socket, FALSE);
  g_socket_set_option (socket, IPPROTO_TCP, TCP_NODELAY, TRUE, NULL);
  connection = g_socket_connection_factory_create_connection (socket);
  if (door->settings->certificate)
    greet (door, G_IO_STREAM (connection), socket);
  else
    let_in (door, G_IO_STREAM (connection), socket);
  return G_SOURCE_CONTINUE;
}

static void
watch (Door *door)
{
  door->source = g_socket_create_source (door->socket, G_IO_IN, NULL);
  g_source_set_callback (door->source, G_SOURCE_FUNC (somebody), door, NULL);
  g_source_attach (door->source, NULL);
}

static GSocket *
open_socket (const Settings *settings, GError **error)
{
  g_autoptr (GSocketAddress) address = g_inet_socket_address_new_from_string (
      settings->address, (guint) settings->port);
  g_autoptr (GSocket) socket = NULL;

  if (!address) {
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
        "--address %s: expected an IP address, e.g. 127.0.0.1 or 0.0.0.0",
        settings->address);
    return NULL;
  }
  socket = g_socket_new (g_socket_address_get_family (address),
      G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, error);
  if (!socket)
    return NULL;
  g_socket_set_blocking (socket, FALSE);
  g_socket_set_listen_backlog (socket, BACKLOG);
  if (!g_socket_bind (socket, address, TRUE, error) ||
      !g_socket_listen (socket, error)) {
    g_prefix_error (error, "%s, port %d: ", settings->address, settings->port);
    return NULL;
  }
  return g_steal_pointer (&socket);
}

/* libsoup closes every connection after its first answer, unless it listens
 * somewhere itself: at a socket from which nothing ever comes. */
static gboolean
let_listen (SoupServer *server, int *ret_silent, GError **error)
{
  g_autoptr (GSocket) socket = NULL;
  int ends[2];

  if (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    g_set_error (error, G_IO_ERROR, g_io_error_from_errno (errno),
        "no pair of sockets: %s", g_strerror (errno));
    return FALSE;
  }
  *ret_silent = ends[1];
  socket = g_socket_new_from_fd (ends[0], error);
  return socket && soup_server_listen_socket (server, socket, 0, error);
}

Door *
door_new (const Settings *settings, SoupServer *server, GError **error)
{
  g_autoptr (GSocket) socket = open_socket (settings, error);
  int silent;
  Door *door;

  if (!socket || !let_listen (server, &silent, error))
    return NULL;
  door = g_new0 (Door, 1);
  g_atomic_ref_count_init (&door->refs);
  door->settings = settings;
  door->server = server;
  door->socket = g_steal_pointer (&socket);
  door->silent = silent;
  door->cancellable = g_cancellable_new ();
  watch (door);
  return door;
}

void
door_free (Door *door)
{
  if (!door)
    return;
  if (door->pause)
    g_source_remove (door->pause);
  if (door->source)
    g_source_destroy (door->source);
  g_clear_pointer (&door->source, g_source_unref);
  g_socket_close (door->socket, NULL);
  g_clear_object (&door->socket);
  close (door->silent);
  g_cancellable_cancel (door->cancellable);
  unref (door);
}

char *
door_url (const Door *door)
{
  g_autoptr (GSocketAddress) address =
      g_socket_get_local_address (door->socket, NULL);
  GInetSocketAddress *inet = G_INET_SOCKET_ADDRESS (address);
  g_autofree char *host =
      g_inet_address_to_string (g_inet_socket_address_get_address (inet));
  gboolean v6 = g_socket_address_get_family (address) == G_SOCKET_FAMILY_IPV6;

  return g_strdup_printf ("%s://%s%s%s:%d/",
      door->settings->certificate ? "https" : "http", v6 ? "[" : "", host,
      v6 ? "]" : "", g_inet_socket_address_get_port (inet));
}

int
door_clients (const Door *door)
{
  return door->clients;
}
