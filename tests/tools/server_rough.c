/* SPDX-License-Identifier: MIT */
/* What impatient and hostile clients must not do to the server's memory, to
 * its time, and to jobs of others. */
#include "server_fixture.h"
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

/* The same form under a key.  (transfer full) */
static SoupMessage *
keyed (const Fixture *f, const char *key, const char *fields)
{
  g_autoptr (GBytes) image = fixture_photo ();
  SoupMessage *msg = fixture_form (f, image, fields);

  soup_message_headers_append (
      soup_message_get_request_headers (msg), "Idempotency-Key", key);
  return msg;
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
  job = api_job_ref (fixture_job (&f, answer_string (&a, "job_id")));
  fixture_wait (fixture_job_is_running, job);
  worker = child ();
  g_assert_cmpint (worker, >, 0);
  kill (worker, SIGSTOP);
  alarm (30); /* nothing else would end a server that waits */
  for (int i = 0; i < 10000; i++)
    queue_cancel (f.server->queue, job);
  alarm (0);
  kill (worker, SIGCONT);
  fixture_wait (fixture_job_is_over, job);
  g_assert_cmpint (job->state, ==, API_CANCELLED);
  fixture_stop (&f);
}

/* ---- the same request twice ---- */

static void
keep_answer (GObject *object, GAsyncResult *result, gpointer data)
{
  GBytes **ret = data;

  *ret =
      soup_session_send_and_read_finish (SOUP_SESSION (object), result, NULL);
}

static gboolean
both_came (gpointer data)
{
  GBytes **bodies = data;

  return bodies[0] && bodies[1];
}

/* At the same moment, too, they make one job. */
static void
test_key_at_once (void)
{
  enum { N = 2 };

  Fixture f;
  GBytes *bodies[N] = {NULL};
  SoupMessage *msgs[N];
  int accepted = 0;

  fixture_start (&f, "", NULL);
  for (int i = 0; i < N; i++) {
    msgs[i] = keyed (&f, "k", "async=true num_inference_steps=1000");
    soup_session_send_and_read_async (
        f.client, msgs[i], G_PRIORITY_DEFAULT, NULL, keep_answer, bodies + i);
  }
  fixture_wait (both_came, bodies);
  for (int i = 0; i < N; i++) {
    guint status = soup_message_get_status (msgs[i]);

    accepted += status == 202;
    g_assert_true (status == 202 || status == 409);
    g_bytes_unref (bodies[i]);
    g_object_unref (msgs[i]);
  }
  g_test_message ("%d accepted", accepted);
  g_assert_cmpint (accepted, >=, 1);
  g_assert_cmpint (
      queue_running (f.server->queue) + queue_waiting (f.server->queue), ==, 1);
  fixture_stop (&f);
}

/* Sends a request whose client waits, and goes away when the job is there. */
static void
wait_and_go (Fixture *f, SoupMessage *msg, ApiJob *job)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  guint n = job ? job->watches->len : 0;

  soup_session_send_async (
      f->client, msg, G_PRIORITY_DEFAULT, cancellable, NULL, NULL);
  while (job ? job->watches->len == n : queue_running (f->server->queue) == 0)
    g_main_context_iteration (NULL, TRUE);
  g_cancellable_cancel (cancellable);
  while (job ? job->watches->len > n : queue_running (f->server->queue) > 0)
    g_main_context_iteration (NULL, TRUE);
  g_object_unref (msg);
}

/* A client whose connection broke, which ended its job, tries again. */
static void
test_key_after_loss (void)
{
  static const char fields[] = "num_inference_steps=1 texture_size=256";
  Fixture f;
  g_autofree char *first = NULL;
  g_auto (Answer) a = {0};
  g_auto (Answer) b = {0};

  fixture_start (&f, "", NULL);
  wait_and_go (&f, keyed (&f, "k", fields), NULL);
  first = g_strdup (store_find_key (queue_store (f.server->queue), "k")->id);
  a = fixture_ask (&f, keyed (&f, "k", fields));
  g_assert_cmpint (a.status, ==, 200);
  g_assert_cmpstr (answer_string (&a, "job_id"), !=, first);
  /* the end of the first one does not take the key along */
  store_remove (queue_store (f.server->queue), fixture_job (&f, first));
  b = fixture_ask (&f, keyed (&f, "k", fields));
  g_assert_cmpstr (
      answer_string (&a, "job_id"), ==, answer_string (&b, "job_id"));
  fixture_stop (&f);
}

/* Who waits for a job that was asked for without waiting, and goes, does not
 * end it; and who asks so for one that somebody waits for, keeps it. */
static void
test_key_shared (void)
{
  static const char fields[] = "num_inference_steps=1000";
  Fixture f;
  ApiJob *job;
  g_auto (Answer) a = {0};

  fixture_start (&f, "", NULL);
  a = fixture_ask (&f, keyed (&f, "k", "num_inference_steps=1000 async=true"));
  job = fixture_job (&f, answer_string (&a, "job_id"));
  fixture_wait (fixture_job_is_running, job);
  wait_and_go (&f, keyed (&f, "k", fields), job);
  g_assert_false (job->cancelling);
  g_assert_cmpint (job->state, ==, API_RUNNING);
  /* as if somebody had waited first */
  job->detached = FALSE;
  answer_clear (&a);
  a = fixture_ask (&f, keyed (&f, "k", "num_inference_steps=1000 async=true"));
  g_assert_cmpint (a.status, ==, 202);
  g_assert_true (job->detached);
  fixture_stop (&f);
}

/* ---- what failed ---- */

/* Who waited for a job that failed is told which one, and why. */
static void
test_failure (void)
{
  static const char cut[] = "\xff\xd8\xff\xe0 this is all";
  g_autoptr (GBytes) image = g_bytes_new_static (cut, sizeof cut);
  Fixture f;
  g_auto (Answer) a = {0};

  fixture_start (&f, "", NULL);
  a = fixture_ask (&f, fixture_form (&f, image, ""));
  g_assert_cmpint (a.status, ==, 422);
  g_assert_cmpstr (answer_string (&a, "cause"), ==, "photo");
  g_assert_cmpint (
      fixture_job (&f, answer_string (&a, "job_id"))->state, ==, API_FAILED);
  fixture_stop (&f);
}

/* ---- pages of other places ---- */

static void
test_foreign_page (void)
{
  static const struct {
    const char *options, *site, *origin;
    guint status;
  } rows[] = {
      {"", "cross-site", "https://a.test", 403},
      {"", "same-site", "https://a.test", 403},
      {"", "same-origin", NULL, 422},
      {"", "none", NULL, 422},
      {"--cors-origin https://a.test", "cross-site", "https://a.test", 422},
      {"--cors-origin https://a.test", "cross-site", "https://b.test", 403},
      {"--cors-origin *", "cross-site", "https://b.test", 422},
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    Fixture f;
    SoupMessage *msg;
    SoupMessageHeaders *h;
    g_auto (Answer) a = {0};

    fixture_start (&f, rows[i].options, NULL);
    msg = fixture_form (&f, NULL, "seed=1");
    h = soup_message_get_request_headers (msg);
    soup_message_headers_append (h, "Sec-Fetch-Site", rows[i].site);
    if (rows[i].origin)
      soup_message_headers_append (h, "Origin", rows[i].origin);
    a = fixture_ask (&f, msg);
    g_test_message ("%s, %s: %u", rows[i].options, rows[i].site, a.status);
    g_assert_cmpint (a.status, ==, rows[i].status);
    fixture_stop (&f);
  }
}

/* ---- folders ---- */

/* A second server does not take the first one's jobs. */
static void
test_root_is_taken (void)
{
  g_autoptr (GError) error = NULL;
  GQueue waiting = G_QUEUE_INIT;
  Fixture f;

  fixture_start (&f, "", NULL);
  g_assert_null (store_new (f.server->settings, &waiting, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_BUSY);
  g_assert_nonnull (strstr (error->message, "--root"));
  fixture_stop (&f);
}

/* The ZIP counts where room is measured, and one that is made of a job that is
 * being removed does not stay behind. */
static void
test_zip (void)
{
  Fixture f;

  fixture_start (&f, "", NULL);
  for (int i = 0; i < 6; i++) {
    g_autofree char *path = NULL;
    g_autoptr (ApiJob) job = NULL;
    g_autoptr (SoupMessage) msg = NULL;
    GBytes *bodies[2] = {NULL, (GBytes *) &f};
    g_auto (Answer) a = fixture_ask (
        &f, keyed (&f, "k", "num_inference_steps=1 texture_size=256"));
    gint64 bytes;

    job = api_job_ref (fixture_job (&f, answer_string (&a, "job_id")));
    bytes = job->bytes;
    path = g_strdup_printf ("jobs/%s/result.zip", job->id);
    msg = fixture_message (&f, "GET", path);
    soup_session_send_and_read_async (
        f.client, msg, G_PRIORITY_DEFAULT, NULL, keep_answer, bodies);
    while (web_answers () == 0)
      g_main_context_iteration (NULL, TRUE);
    if (i > 0) {
      g_usleep (500 * (gulong) i);
      store_remove (queue_store (f.server->queue), job);
    }
    fixture_wait (both_came, bodies);
    g_bytes_unref (bodies[0]);
    g_assert_cmpint (soup_message_get_status (msg), ==, i == 0 ? 200 : 404);
    if (i == 0)
      g_assert_cmpint (job->bytes, >, bytes);
    else
      g_assert_false (g_file_test (job->folder, G_FILE_TEST_EXISTS));
  }
  fixture_stop (&f);
}

/* ---- options ---- */

/* What no worker would take is refused at the start. */
static void
test_words (void)
{
  static const char *const lines[] = {"--devices foo", "--devices cpu,",
      "--devices cuda:", "--devices cuda:-1", "--memory huge",
      "--precision fp9"};

  for (guint i = 0; i < G_N_ELEMENTS (lines); i++) {
    g_autofree char *line = g_strconcat ("server ", lines[i], NULL);
    g_auto (GStrv) words = g_strsplit (line, " ", -1);
    g_autofree char **args = g_memdup2 (words, sizeof *words * 4);
    g_autoptr (GError) error = NULL;
    int n = 3;

    g_assert_null (settings_parse (&n, &args, &error));
    g_test_message ("%s", error->message);
    g_assert_true (g_str_has_prefix (error->message, "--"));
  }
}

/* ---- a model that is not there ---- */

/* Nobody waits for a worker that never begins: who came before that was known,
 * and who comes after. */
static void
test_no_model (void)
{
  g_autoptr (GBytes) image = fixture_photo ();
  Fixture f;

  fixture_start (&f, "--model /nowhere", NULL);
  for (int i = 0; i < 2; i++) {
    g_auto (Answer) a =
        fixture_ask (&f, fixture_form (&f, image, "num_inference_steps=1"));

    g_assert_cmpint (a.status, ==, 503);
    g_assert_nonnull (strstr (answer_string (&a, "detail"), "/ready"));
  }
  g_assert_cmpint (queue_waiting (f.server->queue), ==, 0);
  fixture_stop (&f);
}

/* ---- the server's end ---- */

static gboolean
nothing (gpointer data)
{
  return G_SOURCE_REMOVE;
}

static gboolean
one_waits (gpointer data)
{
  const Fixture *f = data;

  return queue_waiting (f->server->queue) == 1;
}

/* Who waits is answered: at once where the job has not begun. */
static void
test_drain (void)
{
  Fixture f;
  GBytes *bodies[2] = {NULL};
  SoupMessage *msgs[2];

  fixture_start (&f, "", NULL);
  fixture_wait_ready (&f);
  for (int i = 0; i < 2; i++) {
    msgs[i] = keyed (&f, i ? "b" : "a", "num_inference_steps=1000");
    soup_session_send_and_read_async (
        f.client, msgs[i], G_PRIORITY_DEFAULT, NULL, keep_answer, bodies + i);
  }
  fixture_wait (one_waits, &f);
  queue_drain (f.server->queue, nothing, NULL);
  while (!bodies[0] && !bodies[1])
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpint (queue_running (f.server->queue), ==, 1);
  queue_give_up (f.server->queue);
  fixture_wait (both_came, bodies);
  for (int i = 0; i < 2; i++) {
    g_assert_cmpint (soup_message_get_status (msgs[i]), ==, 503);
    g_assert_nonnull (soup_message_headers_get_one (
        soup_message_get_response_headers (msgs[i]), "Retry-After"));
    g_bytes_unref (bodies[i]);
    g_object_unref (msgs[i]);
  }
  fixture_stop (&f);
}

/* ---- numbers ---- */

/* As everybody reads them, also where a pipeline would not. */
static void
test_numbers (void)
{
  static const struct {
    const char *name, *text, *key, *value;
  } rows[] = {
      {"seed", "010", "seed", "10"},
      {"seed", "09", "seed", "9"},
      {"seed", "+5", "seed", "5"},
      {"seed", "9007199254740991", "seed", "9007199254740991"},
      {"texture_size", "0256", "texture-size", "256"},
      {"simplify", "-0", "simplify", "0"},
      {"simplify", ".70", "simplify", "0.7"},
      {"cfg_interval", "[00.5,1.]", "cfg-start", "0.5"},
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (GHashTable) values =
        g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
    g_autoptr (GError) error = NULL;

    params_set (values, rows[i].name, rows[i].text, &error);
    g_assert_no_error (error);
    g_assert_cmpstr (
        g_hash_table_lookup (values, rows[i].key), ==, rows[i].value);
  }
}

/* What the model cannot do is said before anything is done. */
static void
test_up_size (void)
{
  g_autoptr (GBytes) image = fixture_photo ();
  Fixture f;
  g_auto (Answer) a = {0};

  fixture_start (&f, "", NULL);
  fixture_wait_ready (&f);
  a = fixture_ask (&f, fixture_form (&f, image, "up_size=14"));
  g_assert_cmpint (a.status, ==, 422);
  g_assert_true (g_str_has_prefix (answer_string (&a, "detail"), "up_size: "));
  g_assert_false (json_object_has_member (a.json, "job_id"));
  fixture_stop (&f);
}

static void
add_tests (void)
{
  g_test_add_func ("/server_rough/question_with_body", test_question_with_body);
  g_test_add_func ("/server_rough/many_bodies", test_many_bodies);
  g_test_add_func ("/server_rough/ranges", test_ranges);
  g_test_add_func ("/server_rough/many_cancels", test_many_cancels);
  g_test_add_func ("/server_rough/key_at_once", test_key_at_once);
  g_test_add_func ("/server_rough/key_after_loss", test_key_after_loss);
  g_test_add_func ("/server_rough/key_shared", test_key_shared);
  g_test_add_func ("/server_rough/failure", test_failure);
  g_test_add_func ("/server_rough/up_size", test_up_size);
  g_test_add_func ("/server_rough/foreign_page", test_foreign_page);
  g_test_add_func ("/server_rough/root_is_taken", test_root_is_taken);
  g_test_add_func ("/server_rough/zip", test_zip);
  g_test_add_func ("/server_rough/words", test_words);
  g_test_add_func ("/server_rough/no_model", test_no_model);
  g_test_add_func ("/server_rough/drain", test_drain);
  g_test_add_func ("/server_rough/numbers", test_numbers);
}

int
main (int argc, char **argv)
{
  return fixture_main (argc, argv, add_tests);
}
