/* SPDX-License-Identifier: MIT */
#include "server_fixture.h"
#include "launch.h"
#include "server/worker.h"
#include <gst/gst.h>
#include <string.h>

int
fixture_main (int argc, char **argv, void (*add_tests) (void))
{
  if (argc > 1 && strcmp (argv[1], "--worker") == 0)
    return worker_main (argc, argv);
  g_test_init (&argc, &argv, NULL);
  gst_init (&argc, &argv);
  g_assert_true (launch_load_plugin (NULL));
  add_tests ();
  return g_test_run ();
}

void
fixture_start (Fixture *f, const char *options, const AddressRules *rules)
{
  g_autofree char *line = NULL;
  g_auto (GStrv) argv = NULL;
  g_autofree char **args = NULL;
  g_autoptr (GError) error = NULL;
  Settings *settings;
  int argc;

  memset (f, 0, sizeof *f);
  f->root = harness_folder ();
  line = g_strdup_printf (
      "server --port 0 --devices cpu --model synthetic-tiny:7 --root %s %s",
      f->root, options);
  argv = g_strsplit (g_strstrip (line), " ", -1);
  argc = (int) g_strv_length (argv);
  args = g_memdup2 (argv, sizeof *argv * ((gsize) argc + 1));
  settings = settings_parse (&argc, &args, &error);
  g_assert_no_error (error);
  f->server = server_new (settings, rules, &error);
  g_assert_no_error (error);
  f->url = server_url (f->server);
  f->client = soup_session_new ();
}

void
fixture_stop (Fixture *f)
{
  soup_session_abort (f->client);
  g_clear_object (&f->client);
  server_free (f->server);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  harness_remove (f->root);
  g_free (f->root);
  g_free (f->url);
}

static gboolean
late (gpointer data)
{
  g_error ("nothing came within a minute");
  return G_SOURCE_REMOVE;
}

void
fixture_wait (gboolean (*condition) (gpointer data), gpointer data)
{
  guint limit = g_timeout_add_seconds (60, late, NULL);

  while (!condition (data))
    g_main_context_iteration (NULL, TRUE);
  g_source_remove (limit);
}

static gboolean
is_ready (gpointer data)
{
  const Fixture *f = data;

  return queue_is_ready (f->server->queue);
}

void
fixture_wait_ready (Fixture *f)
{
  fixture_wait (is_ready, f);
}

/* ---- asking ---- */

SoupMessage *
fixture_message (const Fixture *f, const char *method, const char *path)
{
  g_autofree char *url = g_strconcat (f->url, path, NULL);

  return soup_message_new (method, url);
}

SoupMessage *
fixture_form (const Fixture *f, GBytes *image, const char *fields)
{
  g_autofree char *url = g_strconcat (f->url, "generate", NULL);
  g_autoptr (SoupMultipart) form = soup_multipart_new ("multipart/form-data");
  g_auto (GStrv) words = g_strsplit (fields, " ", -1);

  if (image)
    soup_multipart_append_form_file (
        form, "image", "photo.png", "image/png", image);
  for (char **w = words; *w; w++) {
    char *value = strchr (*w, '=');

    if (!value)
      continue;
    *value++ = 0;
    soup_multipart_append_form_string (form, *w, value);
  }
  return soup_message_new_from_multipart (url, form);
}

typedef struct {
  GAsyncResult *result;
} Done;

static void
done (GObject *object, GAsyncResult *result, gpointer data)
{
  Done *d = data;

  d->result = g_object_ref (result);
}

static gboolean
has_result (gpointer data)
{
  return ((Done *) data)->result != NULL;
}

Answer
fixture_ask (Fixture *f, SoupMessage *msg)
{
  g_autoptr (GError) error = NULL;
  Done d = {NULL};
  Answer a = {0};
  JsonNode *root;

  soup_session_send_and_read_async (
      f->client, msg, G_PRIORITY_DEFAULT, NULL, done, &d);
  fixture_wait (has_result, &d);
  a.body = soup_session_send_and_read_finish (f->client, d.result, &error);
  g_assert_no_error (error);
  a.status = soup_message_get_status (msg);
  a.type = g_strdup (soup_message_headers_get_content_type (
      soup_message_get_response_headers (msg), NULL));
  a.parser = json_parser_new ();
  if (g_bytes_get_size (a.body) > 0 &&
      json_parser_load_from_data (a.parser, g_bytes_get_data (a.body, NULL),
          (gssize) g_bytes_get_size (a.body), NULL) &&
      (root = json_parser_get_root (a.parser)) && JSON_NODE_HOLDS_OBJECT (root))
    a.json = json_node_get_object (root);
  g_object_unref (d.result);
  g_object_unref (msg);
  return a;
}

Answer
fixture_get (Fixture *f, const char *path)
{
  return fixture_ask (f, fixture_message (f, "GET", path));
}

const char *
answer_string (const Answer *a, const char *name)
{
  g_assert_nonnull (a->json);
  g_assert_true (json_object_has_member (a->json, name));
  return json_object_get_string_member (a->json, name);
}

void
answer_clear (Answer *a)
{
  g_free (a->type);
  g_clear_pointer (&a->body, g_bytes_unref);
  g_clear_object (&a->parser);
}

/* ---- a connection without a client's manners ---- */

typedef struct {
  GSocketConnection *connection;
  GString *came;
  char chunk[4096];
  gboolean sent, over;
} Raw;

/* Who is refused need not be heard out. */
static void
sent (GObject *object, GAsyncResult *result, gpointer data)
{
  ((Raw *) data)->sent = TRUE;
}

static void
read_more (GObject *object, GAsyncResult *result, gpointer data)
{
  Raw *r = data;
  GInputStream *in = g_io_stream_get_input_stream (G_IO_STREAM (r->connection));
  gssize n = result ? g_input_stream_read_finish (in, result, NULL) : 1;

  if (n <= 0) {
    r->over = TRUE;
    return;
  }
  if (result)
    g_string_append_len (r->came, r->chunk, n);
  g_input_stream_read_async (
      in, r->chunk, sizeof r->chunk, G_PRIORITY_DEFAULT, NULL, read_more, r);
}

static gboolean
is_over (gpointer data)
{
  return ((Raw *) data)->over && ((Raw *) data)->sent;
}

static void
raw_begin (Raw *r, const Fixture *f, const char *text)
{
  g_autoptr (GSocketClient) client = g_socket_client_new ();
  g_autoptr (GUri) uri = g_uri_parse (f->url, G_URI_FLAGS_NONE, NULL);

  *r = (Raw){.came = g_string_new (NULL)};
  r->connection = g_socket_client_connect_to_host (
      client, "127.0.0.1", (guint16) g_uri_get_port (uri), NULL, NULL);
  g_assert_nonnull (r->connection);
  g_output_stream_write_all_async (
      g_io_stream_get_output_stream (G_IO_STREAM (r->connection)), text,
      strlen (text), G_PRIORITY_DEFAULT, NULL, sent, r);
  read_more (NULL, NULL, r);
}

static char *
raw_end (Raw *r)
{
  fixture_wait (is_over, r);
  g_object_unref (r->connection);
  return g_string_free (r->came, FALSE);
}

char *
fixture_raw (Fixture *f, const char *text)
{
  char *answer;

  fixture_raw_together (f, 1, &text, &answer);
  return answer;
}

void
fixture_raw_together (Fixture *f, guint n, const char *const *texts, char **ret)
{
  g_autofree Raw *all = g_new (Raw, n);

  for (guint i = 0; i < n; i++)
    raw_begin (all + i, f, texts[i]);
  for (guint i = 0; i < n; i++)
    ret[i] = raw_end (all + i);
}

/* ---- jobs ---- */

GBytes *
fixture_photo (void)
{
  return harness_png (90, 130, TRUE);
}

ApiJob *
fixture_job (const Fixture *f, const char *id)
{
  ApiJob *job = store_find (queue_store (f->server->queue), id);

  g_assert_nonnull (job);
  return job;
}

gboolean
fixture_job_is_over (gpointer job)
{
  return api_job_is_over (job);
}

gboolean
fixture_job_is_running (gpointer job)
{
  return ((ApiJob *) job)->state == API_RUNNING;
}
