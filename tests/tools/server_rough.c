/* SPDX-License-Identifier: MIT */
/* What impatient and hostile clients must not do to the server's memory, to
 * its time, and to jobs of others. */
#include "server_fixture.h"
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static GBytes *
photo (void)
{
  return harness_png (90, 130, TRUE);
}

/* The same form under a key.  (transfer full) */
static SoupMessage *
keyed (const Fixture *f, const char *key, const char *fields)
{
  g_autoptr (GBytes) image = photo ();
  SoupMessage *msg = fixture_form (f, image, fields);

  soup_message_headers_append (
      soup_message_get_request_headers (msg), "Idempotency-Key", key);
  return msg;
}

static ApiJob *
find (const Fixture *f, const char *id)
{
  ApiJob *job = store_find (queue_store (f->server->queue), id);

  g_assert_nonnull (job);
  return job;
}

static gboolean
job_is_over (gpointer data)
{
  return api_job_is_over (data);
}

static gboolean
job_is_running (gpointer data)
{
  return ((ApiJob *) data)->state == API_RUNNING;
}

/* ---- bodies ---- */

/* Of a body that says how large it is */
static char *
with_body (const char *first_line, gsize length, gsize sent)
{
  g_autofree char *head =
      g_strdup_printf ("%s HTTP/1.1\r\nHost: a\r\n"
                       "Connection: close\r\n"
                       "Content-Length: %" G_GSIZE_FORMAT "\r\n\r\n",
          first_line, length);
  gsize n = strlen (head);
  char *text = g_malloc (n + sent + 1);

  memcpy (text, head, n);
  memset (text + n, 'a', sent);
  text[n + sent] = 0;
  return text;
}

/* What asks for nothing that has a body may not bring a large one, either. */
static void
test_question_with_body (void)
{
  g_autofree char *text = with_body ("OPTIONS /generate", 3000000000u, 0);
  Fixture f;
  g_autofree char *answer = NULL;

  fixture_start (&f, "", NULL);
  answer = fixture_raw (&f, text);
  g_assert_true (g_str_has_prefix (answer, "HTTP/1.1 413"));
  fixture_stop (&f);
}

/* Photos that come at the same time do not fill the memory: who is too much is
 * told to come back.  Other requests' bodies are not kept. */
static void
test_many_bodies (void)
{
  enum { N = 40, LIMIT = 32, SIZE = 990 * 1000 };

  Fixture f;
  char *texts[N], *answers[N];
  int later = 0;

  fixture_start (&f, "--max-upload 1", NULL);
  f.server->settings->body_seconds = 2;
  for (int i = 0; i < N; i++)
    texts[i] = with_body ("POST /generate", SIZE + 1, SIZE);
  fixture_raw_together (&f, N, (const char *const *) texts, answers);
  for (int i = 0; i < N; i++) {
    gboolean is_later = g_str_has_prefix (answers[i], "HTTP/1.1 503");

    later += is_later;
    g_assert_true (is_later ? strstr (answers[i], "Retry-After: ") != NULL
                            : g_str_has_prefix (answers[i], "HTTP/1.1 408"));
    g_free (answers[i]);
    g_free (texts[i]);
  }
  g_test_message ("%d of %d told to come back", later, N);
  g_assert_cmpint (later, >=, N - LIMIT - 1);
  for (int i = 0; i < N; i++)
    texts[i] = with_body ("GET /health", SIZE, SIZE);
  fixture_raw_together (&f, N, (const char *const *) texts, answers);
  for (int i = 0; i < N; i++) {
    g_assert_true (g_str_has_prefix (answers[i], "HTTP/1.1 200"));
    g_free (answers[i]);
    g_free (texts[i]);
  }
  fixture_stop (&f);
}

/* A part of a file is sent; many parts of it, the same ones over and over, are
 * the file. */
static void
test_ranges (void)
{
  static const struct {
    const char *range;
    guint status;
  } rows[] = {
      {"bytes=0-3", 206},
      {"bytes=-4", 206},
      {"bytes=0-,0-,0-,0-", 200},
      {"bytes=0-3,5-8", 200},
  };

  Fixture f;

  fixture_start (&f, "", NULL);
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    SoupMessage *msg = fixture_message (&f, "GET", "openapi.json");
    g_auto (Answer) a = {0};

    soup_message_headers_append (
        soup_message_get_request_headers (msg), "Range", rows[i].range);
    a = fixture_ask (&f, msg);
    g_test_message ("%s: %u", rows[i].range, a.status);
    g_assert_cmpint (a.status, ==, rows[i].status);
    g_assert_true ((g_bytes_get_size (a.body) == 4) == (a.status == 206));
  }
  fixture_stop (&f);
}

/* ---- a worker that does not listen ---- */

/* This process's child; 0: there is none, or it cannot be found */
static pid_t
child (void)
{
  g_autoptr (GDir) dir = g_dir_open ("/proc", 0, NULL);
  const char *name;

  while (dir && (name = g_dir_read_name (dir))) {
    g_autofree char *path = g_build_filename ("/proc", name, "stat", NULL);
    g_autofree char *text = NULL;
    int parent = 0;

    if (g_ascii_isdigit (*name) &&
        g_file_get_contents (path, &text, NULL, NULL) && strrchr (text, ')') &&
        sscanf (strrchr (text, ')') + 1, " %*c %d", &parent) == 1 &&
        parent == getpid ())
      return (pid_t) atoi (name);
  }
  return 0;
}

/* However often a job is cancelled whose worker hangs: the server goes on, and
 * ends it. */
static void
test_many_cancels (void)
{
  Fixture f;
  pid_t worker;
  g_autoptr (ApiJob) job = NULL;
  g_auto (Answer) a = {0};

  fixture_start (&f, "", NULL);
  fixture_wait_ready (&f);
  a = fixture_ask (&f, keyed (&f, "k", "async=true num_inference_steps=1000"));
  job = api_job_ref (find (&f, answer_string (&a, "job_id")));
  fixture_wait (job_is_running, job);
  worker = child ();
  g_assert_cmpint (worker, >, 0);
  kill (worker, SIGSTOP);
  alarm (30); /* nothing else would end a server that waits */
  for (int i = 0; i < 10000; i++)
    queue_cancel (f.server->queue, job);
  alarm (0);
  kill (worker, SIGCONT);
  fixture_wait (job_is_over, job);
  g_assert_cmpint (job->state, ==, API_CANCELLED);
  fixture_stop (&f);
}

static void
add_tests (void)
{
  g_test_add_func ("/server_rough/question_with_body", test_question_with_body);
  g_test_add_func ("/server_rough/many_bodies", test_many_bodies);
  g_test_add_func ("/server_rough/ranges", test_ranges);
  g_test_add_func ("/server_rough/many_cancels", test_many_cancels);
}

int
main (int argc, char **argv)
{
  return fixture_main (argc, argv, add_tests);
}
