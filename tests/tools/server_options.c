/* SPDX-License-Identifier: MIT */
/* What the server's options make of it: tokens, pages of other origins, TLS; a
 * disk that is full; and what a worker may not do. */
#include "server/sandbox.h"
#include "server_fixture.h"
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static void
test_token (void)
{
  g_autofree char *folder = harness_folder ();
  g_autofree char *file = g_build_filename (folder, "tokens", NULL);
  g_autofree char *options = g_strdup_printf ("--token-file %s", file);

  static const struct {
    const char *path, *header;
    guint status;
  } rows[] = {
      {"health", NULL, 200},
      {"info", NULL, 401},
      {"info", "Bearer secret", 200},
      {"info", "Bearer second", 200},
      {"info", "Bearer secre", 401},
      {"info", "Basic secret", 401},
      {"jobs/0123456789abcdef", NULL, 401},
      {"jobs/0123456789abcdef", "Bearer secret", 404},
  };

  Fixture f;

  harness_put (folder, "tokens", "secret\nsecond\n", 14);
  fixture_start (&f, options, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    SoupMessage *msg = fixture_message (&f, "GET", rows[i].path);
    Answer a;

    if (rows[i].header)
      soup_message_headers_append (soup_message_get_request_headers (msg),
          "Authorization", rows[i].header);
    a = fixture_ask (&f, msg);
    g_assert_cmpint (a.status, ==, rows[i].status);
    answer_clear (&a);
  }
  fixture_stop (&f);
  harness_remove (folder);
}

/* As many as may wait are taken, and the rest is told when to come back. */
static void
test_full (void)
{
  g_autoptr (GBytes) image = harness_png (90, 130, TRUE);
  Fixture f;
  int accepted = 0, full = 0;

  fixture_start (&f, "--queue 2", NULL);
  for (int i = 0; i < 6; i++) {
    g_auto (Answer) a = fixture_ask (
        &f, fixture_form (&f, image, "async=true num_inference_steps=100"));

    accepted += a.status == 202;
    full += a.status == 429;
  }
  g_assert_cmpint (accepted, ==, 3);
  g_assert_cmpint (full, ==, 3);
  fixture_stop (&f);
}

/* ---- pages of other origins ---- */

static const char *
header (SoupMessage *msg, const char *name)
{
  return soup_message_headers_get_one (
      soup_message_get_response_headers (msg), name);
}

static void
test_cors (void)
{
  static const char allow[] = "Access-Control-Allow-Origin";
  static const char origin[] = "https://pages.test";
  static const char *const paths[] = {"health", "nothing", "jobs/none", ""};
  g_autofree char *raw = NULL;
  Fixture f;

  for (int on = 0; on < 2; on++) {
    fixture_start (&f, on ? "--cors-origin https://pages.test" : "", NULL);
    for (guint i = 0; i < G_N_ELEMENTS (paths); i++) {
      g_autoptr (SoupMessage) msg =
          g_object_ref (fixture_message (&f, "GET", paths[i]));
      g_auto (Answer) a = fixture_ask (&f, msg);

      g_assert_cmpstr (header (msg, allow), ==, on ? origin : NULL);
      g_assert_cmpint (a.status, ==, i == 0 || i == 3 ? 200 : 404);
      g_assert_cmpstr (header (msg, "Vary"), ==,
          i == 3 ? (on ? "Accept, Origin" : "Accept")
          : on   ? "Origin"
                 : NULL);
    }
    {
      g_autoptr (SoupMessage) msg =
          g_object_ref (fixture_message (&f, "OPTIONS", "generate"));
      g_auto (Answer) a = fixture_ask (&f, msg);

      g_assert_cmpint (a.status, ==, 204);
      g_assert_cmpstr (header (msg, allow), ==, on ? origin : NULL);
      g_assert_cmpint (
          header (msg, "Access-Control-Allow-Methods") != NULL, ==, on);
      if (on) {
        g_assert_nonnull (strstr (
            header (msg, "Access-Control-Allow-Headers"), "Idempotency-Key"));
        g_assert_nonnull (
            strstr (header (msg, "Access-Control-Expose-Headers"), "Location"));
      }
    }
    if (on) { /* what libsoup never sees, too */
      raw = fixture_raw (&f, "GET / HTTP/1.1\r\n\r\n");
      g_assert_nonnull (strstr (raw, " 400 "));
      g_assert_nonnull (strstr (raw, origin));
    }
    fixture_stop (&f);
  }
}

/* ---- TLS ---- */

/* A key and its certificate, made for this test; FALSE: it cannot be. */
static gboolean
make_certificate (const char *folder)
{
  g_autofree char *key = g_build_filename (folder, "key.pem", NULL);
  g_autofree char *certificate = g_build_filename (folder, "cert.pem", NULL);
  const char *argv[] = {"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
      "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key, "-out",
      certificate, "-days", "2", "-subj", "/CN=localhost", NULL};
  int status;

  return g_spawn_sync (NULL, (char **) argv, NULL,
             G_SPAWN_SEARCH_PATH | G_SPAWN_STDERR_TO_DEV_NULL |
                 G_SPAWN_STDOUT_TO_DEV_NULL,
             NULL, NULL, NULL, NULL, &status, NULL) &&
         g_spawn_check_wait_status (status, NULL);
}

static gboolean
accept_any (SoupMessage *msg, GTlsCertificate *certificate,
    GTlsCertificateFlags errors, gpointer data)
{
  return TRUE;
}

static SoupMessage *
trusting (SoupMessage *msg)
{
  g_signal_connect (msg, "accept-certificate", G_CALLBACK (accept_any), NULL);
  return msg;
}

static gboolean
is_busy (gpointer data)
{
  const Fixture *f = data;

  return queue_running (f->server->queue) == 1;
}

static gboolean
is_idle (gpointer data)
{
  return !is_busy (data);
}

static gboolean
nobody_is_there (gpointer data)
{
  return door_clients (data) == 0;
}

static void
test_tls (void)
{
  g_autofree char *folder = harness_folder ();
  g_autofree char *options = g_strdup_printf (
      "--tls-certificate %s/cert.pem --tls-key %s/key.pem", folder, folder);
  g_autoptr (GBytes) image = harness_png (90, 130, TRUE);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (SoupMessage) msg = NULL;
  g_autofree char *plain = NULL;
  g_autofree char *silent = NULL;
  Fixture f;
  Answer a;

  if (!g_tls_backend_supports_tls (g_tls_backend_get_default ()) ||
      !make_certificate (folder)) {
    harness_remove (folder);
    g_test_skip ("no TLS here (glib-networking), or no openssl program");
    return;
  }
  fixture_start (&f, options, NULL);
  g_assert_true (g_str_has_prefix (f.url, "https://127.0.0.1:"));
  a = fixture_ask (&f, trusting (fixture_message (&f, "GET", "health")));
  g_assert_cmpint (a.status, ==, 200);
  answer_clear (&a);
  a = fixture_ask (&f, trusting (fixture_form (&f, image,
                           "num_inference_steps=1 texture_size=256")));
  g_assert_cmpint (a.status, ==, 200);
  g_assert_cmpstr (answer_string (&a, "status"), ==, "completed");
  answer_clear (&a);
  /* refused before the body, through TLS */
  a = fixture_ask (&f, trusting (fixture_message (&f, "PUT", "generate")));
  g_assert_cmpint (a.status, ==, 405);
  answer_clear (&a);
  /* who does not speak TLS, or nothing, is let go */
  f.server->settings->request_seconds = 1;
  plain = fixture_raw (&f, "GET /health HTTP/1.1\r\nHost: a\r\n\r\n");
  g_assert_null (strstr (plain, " 200 "));
  silent = fixture_raw (&f, "");
  /* who waits and hangs up cancels the job, here as well */
  f.server->settings->request_seconds = 20;
  msg = trusting (fixture_form (&f, image, "num_inference_steps=1000"));
  soup_session_send_async (
      f.client, msg, G_PRIORITY_DEFAULT, cancellable, NULL, NULL);
  fixture_wait (is_busy, &f);
  g_cancellable_cancel (cancellable);
  fixture_wait (is_idle, &f);
  soup_session_abort (f.client);
  fixture_wait (nobody_is_there, f.server->door);
  fixture_stop (&f);
  harness_remove (folder);
}

/* ---- photos that are none, or too much ---- */

static guint32
crc (const guint8 *data, gsize size)
{
  guint32 sum = 0xffffffff;

  for (gsize i = 0; i < size; i++) {
    sum ^= data[i];
    for (int k = 0; k < 8; k++)
      sum = sum >> 1 ^ (sum & 1 ? 0xedb88320 : 0);
  }
  return ~sum;
}

/* A PNG file that says it is of @side x @side pixels, and is small. */
static GBytes *
bomb (guint32 side)
{
  enum { IHDR = 12, WIDTH = 16, HEIGHT = 20, SUM = 29 };

  GByteArray *all = g_bytes_unref_to_array (harness_png (90, 130, TRUE));
  guint32 big = GUINT32_TO_BE (side), sum;

  memcpy (all->data + WIDTH, &big, 4);
  memcpy (all->data + HEIGHT, &big, 4);
  sum = GUINT32_TO_BE (crc (all->data + IHDR, SUM - IHDR));
  memcpy (all->data + SUM, &sum, 4);
  return g_byte_array_free_to_bytes (all);
}

static void
test_photos (void)
{
  static const struct {
    const char *name, *begin, *says;
    guint status;
  } rows[] = {
      {"gif", "GIF89a\1\1", "no JPEG", 415},
      {"svg", "<svg xmlns='http://www.w3.org/2000/svg'/>", "no JPEG", 415},
      {"heic", "....ftypheic", "HEIC", 415},
      {"avif", "....ftypavif", "HEIC", 415},
      {"tiff", "II*.", "no JPEG", 415},
      {"jpeg_of_nothing", "\xff\xd8\xff\xe0", "JPEG", 422},
      {"webp_of_nothing", "RIFF....WEBPVP8 ", "WebP", 422},
      {"png_of_nothing", "\x89PNG\r\n\x1a\n", "PNG", 422},
      {"png_of_30000_pixels", NULL, "30000 x 30000", 422},
      {"half_a_png", "-", "PNG", 422},
  };

  Fixture f;

  fixture_start (&f, "", NULL);
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (GBytes) whole = harness_png (90, 130, TRUE);
    const char *begin = rows[i].begin;
    g_autoptr (GBytes) image =
        !begin ? bomb (30000)
        : *begin == '-'
            ? g_bytes_new_from_bytes (whole, 0, g_bytes_get_size (whole) / 2)
            : g_bytes_new (begin, strlen (begin));
    g_auto (Answer) a = fixture_ask (&f, fixture_form (&f, image, ""));

    g_test_message ("%s: %u %s", rows[i].name, a.status,
        answer_string (&a, a.status >= 400 ? "detail" : "status"));
    g_assert_cmpint (a.status, ==, rows[i].status);
    g_assert_cmpstr (a.type, ==, "application/problem+json");
    g_assert_nonnull (strstr (answer_string (&a, "detail"), rows[i].says));
  }
  fixture_stop (&f);
}

/* ---- no room ---- */

static gboolean
has_failed (gpointer data)
{
  return ((ApiJob *) data)->state == API_FAILED;
}

/* A process that may write no more is as good as a disk that is full, which
 * server_full.sh has. */
static void
test_no_room (void)
{
  const struct rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY};
  g_autoptr (GBytes) image = harness_png (90, 130, TRUE);
  g_autofree char *id = NULL;
  struct rlimit limit;
  Fixture f;
  Answer a;
  ApiJob *job;

  signal (SIGXFSZ, SIG_IGN);
  g_assert_cmpint (getrlimit (RLIMIT_FSIZE, &limit), ==, 0);
  if (limit.rlim_cur != unlimited.rlim_cur) {
    g_test_skip ("files are limited already");
    return;
  }
  limit.rlim_cur = 50 * 1000; /* a photo, a record, and no model */
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &limit), ==, 0);
  fixture_start (&f, "", NULL);
  fixture_wait_ready (&f);
  limit.rlim_cur = limit.rlim_max;
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &limit), ==, 0);
  a = fixture_ask (&f, fixture_form (&f, image, "async=true"));
  g_assert_cmpint (a.status, ==, 202);
  id = g_strdup (answer_string (&a, "job_id"));
  answer_clear (&a);
  job = store_find (queue_store (f.server->queue), id);
  fixture_wait (has_failed, job);
  g_assert_cmpint (job->status, ==, 507);
  g_assert_cmpstr (job->cause, ==, "disk");
  g_assert_false (harness_exists (job->folder, "stage1_output"));
  g_assert_false (harness_exists (job->folder, "stage2_output"));
  a = fixture_ask (&f, fixture_form (&f, image, ""));
  g_assert_cmpint (a.status, ==, 507);
  g_assert_cmpstr (a.type, ==, "application/problem+json");
  answer_clear (&a);
  a = fixture_get (&f, "metrics");
  g_assert_nonnull (g_strstr_len (g_bytes_get_data (a.body, NULL),
      (gssize) g_bytes_get_size (a.body),
      "\nsynchuman_jobs_failed_total{cause=\"disk\"} 2\n"));
  answer_clear (&a);
  fixture_stop (&f);
}

/* ---- the worker's sandbox ---- */

static void
test_sandbox (void)
{
  if (g_test_subprocess ()) {
    g_autofree char *folder = harness_folder ();
    char *const argv[] = {"true", NULL};
    struct rlimit core;

    g_assert_true (sandbox_enter (NULL));
    g_assert_cmpint (socket (AF_INET, SOCK_STREAM, 0), ==, -1);
    g_assert_cmpint (errno, ==, EPERM);
    g_assert_cmpint (socket (AF_UNIX, SOCK_STREAM, 0), ==, -1);
    g_assert_cmpint (execv ("/bin/true", argv), ==, -1);
    g_assert_cmpint (errno, ==, EPERM);
    g_assert_cmpint (kill (getppid (), 0), ==, -1);
    g_assert_cmpint (tgkill (getppid (), getppid (), 0), ==, -1);
    g_assert_cmpint (errno, ==, EPERM);
    g_assert_cmpint (tgkill (getpid (), gettid (), 0), ==, 0);
    g_assert_cmpint (prlimit (getppid (), RLIMIT_CORE, NULL, &core), ==, -1);
    g_assert_cmpint (errno, ==, EPERM);
    harness_put (folder, "file", "written", 7); /* what a job does */
    harness_remove (folder);
    _exit (0); /* what looks for leaks wants to trace the process */
  }
  g_test_trap_subprocess (NULL, 0, G_TEST_SUBPROCESS_DEFAULT);
  g_test_trap_assert_passed ();
}

static void
add_tests (void)
{
  g_test_add_func ("/server_options/token", test_token);
  g_test_add_func ("/server_options/full", test_full);
  g_test_add_func ("/server_options/cors", test_cors);
  g_test_add_func ("/server_options/tls", test_tls);
  g_test_add_func ("/server_options/photos", test_photos);
  g_test_add_func ("/server_options/no_room", test_no_room);
  g_test_add_func ("/server_options/sandbox", test_sandbox);
}

int
main (int argc, char **argv)
{
  return fixture_main (argc, argv, add_tests);
}
