/* SPDX-License-Identifier: MIT */
/* Photos by address: which hosts are asked, and what becomes of their answers.
 * The resolver and the rule for addresses are replaced: no other machine is
 * asked. */
#include "server_fixture.h"
#include <string.h>

/* ---- the rule for addresses ---- */

typedef struct {
  const char *address;
  gboolean is_public;
} Row;

static const Row rows[] = {{"8.8.8.8", TRUE}, {"1.1.1.1", TRUE},
    {"0.0.0.0", FALSE}, {"0.1.2.3", FALSE}, {"10.0.0.1", FALSE},
    {"100.64.0.1", FALSE}, {"100.127.255.255", FALSE}, {"100.128.0.1", TRUE},
    {"127.0.0.1", FALSE}, {"127.255.255.254", FALSE},
    {"169.254.169.254", FALSE}, {"172.15.255.255", TRUE}, {"172.16.0.1", FALSE},
    {"172.31.255.255", FALSE}, {"172.32.0.1", TRUE}, {"192.0.0.8", FALSE},
    {"192.0.2.1", FALSE}, {"192.88.99.1", FALSE}, {"192.168.0.1", FALSE},
    {"192.169.0.1", TRUE}, {"198.18.0.1", FALSE}, {"198.19.255.255", FALSE},
    {"198.20.0.1", TRUE}, {"198.51.100.1", FALSE}, {"203.0.113.1", FALSE},
    {"224.0.0.1", FALSE}, {"240.0.0.1", FALSE}, {"255.255.255.255", FALSE},
    {"::", FALSE}, {"::1", FALSE}, {"::ffff:8.8.8.8", FALSE},
    {"::ffff:127.0.0.1", FALSE}, {"::127.0.0.1", FALSE},
    {"64:ff9b::7f00:1", FALSE}, {"100::1", FALSE}, {"2001::1", FALSE},
    {"2001:db8::1", FALSE}, {"2002:7f00:1::", FALSE}, {"fc00::1", FALSE},
    {"fd00:ec2::254", FALSE}, {"fe80::1", FALSE}, {"fec0::1", FALSE},
    {"ff02::1", FALSE}, {"2606:4700:4700::1111", TRUE}, {"3fff::1", FALSE}};

static void
test_addresses (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (GInetAddress) a =
        g_inet_address_new_from_string (rows[i].address);

    g_test_message ("%s", rows[i].address);
    g_assert_nonnull (a);
    g_assert_cmpint (address_is_public (a), ==, rows[i].is_public);
  }
}

/* ---- a host of photos ---- */

/**
 * World:
 * @n_lookups, @n_requests: so far
 * @turned: "turns.test" was asked for: it is somewhere private from then on,
 *   which is before the first connection to it
 */
typedef struct {
  SoupServer *host;
  int port;
  int n_lookups;
  int n_requests;
  gboolean turned;
} World;

typedef struct {
  const char *name;
  const char *addresses[3];
} Known;

/* 127.0.0.1 stands for a public address (allowed()). What the system's own
 * resolver makes of odd numbers is private. */
static const Known hosts[] = {
    {"photos.test", {"127.0.0.1"}},
    {"inside.test", {"10.1.2.3"}},
    {"meta.test", {"169.254.169.254"}},
    {"mapped.test", {"::ffff:127.0.0.1"}},
    {"mixed.test", {"10.1.2.3", "::1", "127.0.0.1"}},
    {"all-inside.test", {"10.1.2.3", "fc00::1", "0.0.0.0"}},
    {"2130706433", {"127.0.0.2"}},
    {"0x7f000001", {"127.0.0.2"}},
    {"0177.0.0.1", {"127.0.0.2"}},
    {"127.1", {"127.0.0.2"}},
    {"turned", {"10.1.2.3"}},
};

static GList *
lookup (const char *name, gpointer data)
{
  World *w = data;
  GList *found = NULL;

  w->n_lookups++;
  if (strcmp (name, "turns.test") == 0) {
    name = w->turned ? "turned" : "photos.test";
    w->turned = TRUE;
  }
  for (guint i = 0; i < G_N_ELEMENTS (hosts); i++)
    for (int k = 0; k < 3 && strcmp (name, hosts[i].name) == 0; k++)
      if (hosts[i].addresses[k])
        found = g_list_append (
            found, g_inet_address_new_from_string (hosts[i].addresses[k]));
  return found;
}

/* The one address of this machine stands for the public internet. */
static gboolean
allowed (GInetAddress *address, gpointer data)
{
  g_autofree char *text = g_inet_address_to_string (address);

  return strcmp (text, "127.0.0.1") == 0 || address_is_public (address);
}

typedef struct {
  SoupServerMessage *msg; /* this lies at it */
  gsize size;
  guint source;
} Endless;

static gboolean
send_more (gpointer data)
{
  const Endless *e = data;
  g_autofree char *zeros = g_malloc0 (e->size);

  soup_message_body_append (soup_server_message_get_response_body (e->msg),
      SOUP_MEMORY_COPY, zeros, e->size);
  soup_server_message_unpause (e->msg);
  return G_SOURCE_CONTINUE;
}

static void
endless_free (gpointer data)
{
  Endless *e = data;

  g_source_remove (e->source);
  g_free (e);
}

static void
had_enough (SoupServerMessage *msg, gpointer data)
{
  g_object_set_data (G_OBJECT (msg), "endless", NULL);
}

/* @size bytes now and then, for ever */
static void
send_endless (SoupServerMessage *msg, gsize size)
{
  Endless *e = g_new (Endless, 1);

  *e = (Endless){msg, size, g_timeout_add (20, send_more, e)};
  g_object_set_data_full (G_OBJECT (msg), "endless", e, endless_free);
  soup_server_message_set_status (msg, 200, NULL);
  soup_message_headers_set_encoding (
      soup_server_message_get_response_headers (msg), SOUP_ENCODING_CHUNKED);
  soup_message_body_set_accumulate (
      soup_server_message_get_response_body (msg), FALSE);
  g_signal_connect (msg, "finished", G_CALLBACK (had_enough), NULL);
  g_signal_connect (msg, "disconnected", G_CALLBACK (had_enough), NULL);
}

static void
answer (SoupServer *host, SoupServerMessage *msg, const char *path,
    GHashTable *query, gpointer data)
{
  World *w = data;
  SoupMessageHeaders *h = soup_server_message_get_response_headers (msg);
  g_autoptr (GBytes) image = harness_png (90, 130, TRUE);
  g_autofree char *to = NULL;

  w->n_requests++;
  if (strcmp (path, "/a.png") == 0 || strcmp (path, "/zipped.png") == 0) {
    soup_server_message_set_status (msg, 200, NULL);
    if (path[1] == 'z')
      soup_message_headers_append (h, "Content-Encoding", "gzip");
    soup_message_body_append_bytes (
        soup_server_message_get_response_body (msg), image);
  } else if (g_str_has_prefix (path, "/hop/")) {
    int left = atoi (path + 5);

    to = left ? g_strdup_printf ("/hop/%d", left - 1) : g_strdup ("/a.png");
    soup_server_message_set_redirect (msg, 302, to);
  } else if (strcmp (path, "/in") == 0)
    soup_server_message_set_redirect (msg, 302, "http://inside.test/a.png");
  else if (strcmp (path, "/in-literal") == 0)
    soup_server_message_set_redirect (msg, 302, "http://10.0.0.1/a.png");
  else if (strcmp (path, "/file") == 0)
    soup_server_message_set_redirect (msg, 302, "file:///etc/passwd");
  else if (strcmp (path, "/again") == 0) {
    to = g_strdup_printf ("http://turns.test:%d/a.png", w->port);
    soup_server_message_set_redirect (msg, 302, to);
    soup_message_headers_append (h, "Connection", "close");
  } else if (strcmp (path, "/endless") == 0 || strcmp (path, "/slow") == 0)
    send_endless (msg, path[1] == 'e' ? 100000 : 1);
  else if (strcmp (path, "/large") == 0) {
    g_autofree char *zeros = g_malloc0 (3000000);

    soup_server_message_set_status (msg, 200, NULL);
    soup_message_headers_set_encoding (h, SOUP_ENCODING_CHUNKED);
    soup_message_body_append (soup_server_message_get_response_body (msg),
        SOUP_MEMORY_COPY, zeros, 3000000);
  } else if (strcmp (path, "/text") == 0)
    soup_server_message_set_response (
        msg, "image/png", SOUP_MEMORY_STATIC, "no picture", 10);
  else
    soup_server_message_set_status (msg, 404, NULL);
  if (strcmp (path, "/text") == 0)
    soup_server_message_set_status (msg, 200, NULL);
}

static void
start (Fixture *f, World *w, const char *options)
{
  const AddressRules rules = {lookup, allowed, w};
  g_autoptr (GError) error = NULL;
  GSList *uris;

  memset (w, 0, sizeof *w);
  w->host = soup_server_new (NULL, NULL);
  soup_server_add_handler (w->host, NULL, answer, w, NULL);
  soup_server_listen_local (w->host, 0, SOUP_SERVER_LISTEN_IPV4_ONLY, &error);
  g_assert_no_error (error);
  uris = soup_server_get_uris (w->host);
  w->port = g_uri_get_port (uris->data);
  g_slist_free_full (uris, (GDestroyNotify) g_uri_unref);
  fixture_start (f, options, &rules);
}

static void
stop (Fixture *f, World *w)
{
  fixture_stop (f);
  soup_server_disconnect (w->host);
  g_object_unref (w->host);
}

/* "PORT" in @url stands for the host's. */
static Answer
ask (Fixture *f, const World *w, const char *url)
{
  g_autofree char *port = g_strdup_printf ("%d", w->port);
  g_auto (GStrv) parts = g_strsplit (url, "PORT", -1);
  g_autofree char *full = g_strjoinv (port, parts);
  g_autofree char *fields = g_strdup_printf (
      "image_url=%s num_inference_steps=1 texture_size=256", full);

  return fixture_ask (f, fixture_form (f, NULL, fields));
}

static void
test_photo (void)
{
  static const char *const good[] = {"http://photos.test:PORT/a.png",
      "http://127.0.0.1:PORT/a.png", "http://photos.test:PORT/hop/2",
      "http://mixed.test:PORT/a.png"};
  Fixture f;
  World w;

  start (&f, &w, "--allow-http-url");
  for (guint i = 0; i < G_N_ELEMENTS (good); i++) {
    g_auto (Answer) a = ask (&f, &w, good[i]);

    g_assert_cmpint (a.status, ==, 200);
    g_assert_cmpstr (answer_string (&a, "status"), ==, "completed");
  }
  stop (&f, &w);
}

typedef struct {
  const char *url;
  guint status;
  int n_requests; /* that reach the host */
} Refused;

static const Refused refused[] = {
    {"http://inside.test:PORT/a.png", 403, 0},
    {"http://meta.test/latest/meta-data", 403, 0},
    {"http://2130706433:PORT/a.png", 403, 0},
    {"http://0x7f000001:PORT/a.png", 403, 0},
    {"http://0177.0.0.1:PORT/a.png", 403, 0},
    {"http://127.1:PORT/a.png", 403, 0},
    {"http://localhost:PORT/a.png", 403, 0},
    {"http://LOCALHOST.:PORT/a.png", 403, 0},
    {"http://a.localhost:PORT/a.png", 403, 0},
    {"http://mapped.test:PORT/a.png", 403, 0},
    {"http://all-inside.test:PORT/a.png", 403, 0},
    {"http://[::ffff:127.0.0.1]:PORT/a.png", 403, 0},
    {"http://[::127.0.0.1]:PORT/a.png", 403, 0},
    {"http://169.254.169.254/latest/meta-data", 403, 0},
    {"http://127.0.0.1.:PORT/a.png", 403, 0},
    {"http://photos.test:PORT\\@inside.test/a.png", 422, 0},
    {"http://inside.test:PORT#@photos.test/a.png", 403, 0},
    {"http://10.0.0.1/a.png", 403, 0},
    {"http://[::1]:PORT/a.png", 403, 0},
    {"http://[fe80::1%25lo]/a.png", 403, 0},
    {"http://0.0.0.0:PORT/a.png", 403, 0},
    {"http://name:word@photos.test:PORT/a.png", 403, 0},
    {"ftp://photos.test/a.png", 403, 0},
    {"file:///etc/passwd", 403, 0},
    {"gopher://photos.test/", 403, 0},
    {"photos.test/a.png", 422, 0},
    {"http://", 422, 0},
    {"http://nobody.test/a.png", 403, 0},
    {"http://photos.test:PORT/in", 403, 1},
    {"http://photos.test:PORT/in-literal", 403, 1},
    {"http://photos.test:PORT/file", 403, 1},
    {"http://photos.test:PORT/hop/3", 502, 4},
    {"http://photos.test:PORT/missing", 502, 1},
    {"http://photos.test:PORT/again", 403, 1},
    {"http://photos.test:PORT/endless", 413, 1},
    {"http://photos.test:PORT/slow", 504, 1},
    {"http://photos.test:PORT/large", 413, 1},
    {"http://photos.test:PORT/text", 415, 1},
};

static void
test_refused (void)
{
  Fixture f;
  World w;

  start (&f, &w, "--allow-http-url --max-upload 1");
  f.server->settings->fetch_seconds = 1;
  for (guint i = 0; i < G_N_ELEMENTS (refused); i++) {
    int before = w.n_requests;
    g_auto (Answer) a = ask (&f, &w, refused[i].url);

    g_test_message ("%s: %u %s, %d requests", refused[i].url, a.status,
        a.status >= 400 && a.json ? answer_string (&a, "detail") : "",
        w.n_requests - before);
    g_assert_cmpint (a.status, ==, refused[i].status);
    g_assert_cmpint (w.n_requests - before, ==, refused[i].n_requests);
  }
  stop (&f, &w);
}

/* Without --allow-http-url only https is asked, on its port. */
static void
test_https_only (void)
{
  Fixture f;
  World w;

  start (&f, &w, "--allow-url");
  {
    g_auto (Answer) a = ask (&f, &w, "http://photos.test:PORT/a.png");

    g_assert_cmpint (a.status, ==, 403);
    g_assert_cmpint (w.n_requests, ==, 0);
  }
  stop (&f, &w);
}

static void
add_tests (void)
{
  g_test_add_func ("/server_url/addresses", test_addresses);
  g_test_add_func ("/server_url/photo", test_photo);
  g_test_add_func ("/server_url/refused", test_refused);
  g_test_add_func ("/server_url/https_only", test_https_only);
}

int
main (int argc, char **argv)
{
  return fixture_main (argc, argv, add_tests);
}
