/* SPDX-License-Identifier: MIT */
/* Every route of the HTTP server, what it refuses, and what becomes of jobs
 * whose client, worker or server goes away. */
#include "server/sandbox.h"
#include "server_fixture.h"
#include <errno.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static GBytes *
photo (void)
{
  return harness_png (90, 130, TRUE);
}

/* ---- what it says about itself ---- */

static void
test_about (void)
{
  static const char *const members[] = {
      "status", "service", "version", "stage1", "stage2", "approach"};
  Fixture f;
  Answer health, info, ready, metrics, page, docs, api, json;

  fixture_start (&f, "", NULL);
  health = fixture_get (&f, "health");
  g_assert_cmpint (health.status, ==, 200);
  for (guint i = 0; i < G_N_ELEMENTS (members); i++)
    answer_string (&health, members[i]);
  fixture_wait_ready (&f);
  ready = fixture_get (&f, "ready");
  g_assert_cmpint (ready.status, ==, 200);
  info = fixture_get (&f, "info");
  g_assert_cmpstr (answer_string (&info, "repository"), ==,
      "https://github.com/IGL-HKUST/SyncHuman");
  g_assert_cmpstr (
      answer_string (&info, "paper"), ==, "https://arxiv.org/abs/2510.07723");
  g_assert_cmpint (json_object_get_int_member (
                       json_object_get_object_member (info.json, "stage1"),
                       "num_inference_steps"),
      ==, 2);
  metrics = fixture_get (&f, "metrics");
  g_assert_nonnull (g_strstr_len (g_bytes_get_data (metrics.body, NULL),
      (gssize) g_bytes_get_size (metrics.body),
      "\nsynchuman_workers_ready 1\n"));
  {
    SoupMessage *msg = fixture_message (&f, "GET", "");

    soup_message_headers_append (soup_message_get_request_headers (msg),
        "Accept", "text/html,application/xhtml+xml,*/*;q=0.8");
    page = fixture_ask (&f, msg);
  }
  g_assert_cmpstr (page.type, ==, "text/html");
  json = fixture_get (&f, "");
  g_assert_cmpstr (json.type, ==, "application/json");
  docs = fixture_get (&f, "docs");
  g_assert_cmpstr (docs.type, ==, "text/html");
  api = fixture_get (&f, "openapi.json");
  g_assert_cmpstr (answer_string (&api, "openapi"), ==, "3.1.0");
  for (int i = 0; i < 8; i++)
    answer_clear ((Answer *[]){
        &health, &info, &ready, &metrics, &page, &docs, &api, &json}[i]);
  fixture_stop (&f);
}

/* ---- a job ---- */

static void
check_file (Fixture *f, const char *id, const char *name, const char *begin)
{
  g_autofree char *path = g_strdup_printf ("jobs/%s/files/%s", id, name);
  g_auto (Answer) a = fixture_get (f, path);

  g_assert_cmpint (a.status, ==, 200);
  g_assert_cmpint (g_bytes_get_size (a.body), >, 50);
  g_assert_cmpmem (
      g_bytes_get_data (a.body, NULL), strlen (begin), begin, strlen (begin));
}

static void
check_completed (Fixture *f, const Answer *a, const char *color)
{
  JsonObject *stage1, *stage2, *files;
  g_autofree char *path = NULL;

  g_assert_cmpstr (answer_string (a, "status"), ==, "completed");
  g_assert_cmpfloat (
      json_object_get_double_member (a->json, "alpha_coverage"), >, 0.02);
  stage1 = json_object_get_object_member (a->json, "stage1");
  stage2 = json_object_get_object_member (a->json, "stage2");
  g_assert_cmpstr (
      json_object_get_string_member (stage1, "status"), ==, "completed");
  files = json_object_get_object_member (stage1, "files");
  g_assert_cmpint (json_object_get_size (files), ==, 11);
  path = g_build_filename (
      f->root, "..", json_object_get_string_member (files, color), NULL);
  g_assert_true (g_file_test (path, G_FILE_TEST_EXISTS));
  files = json_object_get_object_member (stage2, "files");
  g_assert_true (json_object_has_member (files, "output.glb"));
  g_assert_true (json_object_has_member (files, "output_mesh.ply"));
}

static void
test_generate (void)
{
  g_autoptr (GBytes) image = photo ();
  Fixture f;
  Answer a, zip;
  JsonObject *parameters;
  JsonArray *interval;

  fixture_start (&f, "", NULL);
  /* before a worker is ready, too */
  a = fixture_ask (&f, fixture_form (&f, image,
                           "seed=7 num_inference_steps=1 cfg_interval=[0.25,1] "
                           "texture_size=256"));
  g_assert_cmpint (a.status, ==, 200);
  check_completed (&f, &a, "color_4");
  parameters = json_object_get_object_member (
      json_object_get_object_member (a.json, "stage1"), "parameters");
  g_assert_cmpint (json_object_get_int_member (parameters, "seed"), ==, 7);
  g_assert_cmpint (
      json_object_get_int_member (parameters, "num_inference_steps"), ==, 1);
  g_assert_cmpint (json_object_get_int_member (parameters, "num_views"), ==, 5);
  parameters = json_object_get_object_member (
      json_object_get_object_member (a.json, "stage2"), "parameters");
  interval = json_object_get_array_member (parameters, "cfg_interval");
  g_assert_cmpfloat (json_array_get_double_element (interval, 0), ==, 0.25);
  g_assert_cmpint (
      json_object_get_int_member (parameters, "texture_size"), ==, 256);
  check_file (&f, answer_string (&a, "job_id"), "output.glb", "glTF");
  check_file (&f, answer_string (&a, "job_id"), "color_0", "\x89PNG");
  check_file (&f, answer_string (&a, "job_id"), "output_mesh.ply", "ply\n");
  zip = fixture_ask (&f, fixture_form (&f, image,
                             "download=true num_inference_steps=1 "
                             "texture_size=256"));
  g_assert_cmpint (zip.status, ==, 200);
  g_assert_cmpstr (zip.type, ==, "application/zip");
  g_assert_cmpmem (g_bytes_get_data (zip.body, NULL), 4, "PK\3\4", 4);
  answer_clear (&a);
  answer_clear (&zip);
  fixture_stop (&f);
}

/* Accepted; its id.  (transfer full) */
static char *
submit (Fixture *f, const char *fields)
{
  g_autoptr (GBytes) image = photo ();
  g_autofree char *all = g_strconcat (fields, " async=true", NULL);
  g_auto (Answer) a = fixture_ask (f, fixture_form (f, image, all));

  g_assert_cmpint (a.status, ==, 202);
  return g_strdup (answer_string (&a, "job_id"));
}

static ApiJob *
find (const Fixture *f, const char *id)
{
  ApiJob *job = queue_find (f->server->queue, id);

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

static void
test_events (void)
{
  Fixture f;
  g_autofree char *id = NULL;
  g_autofree char *path = NULL;
  g_autofree char *text = NULL;
  Answer a;

  fixture_start (&f, "", NULL);
  id = submit (&f, "texture_size=256");
  path = g_strdup_printf ("jobs/%s/events", id);
  a = fixture_get (&f, path);
  g_assert_cmpint (a.status, ==, 200);
  g_assert_cmpstr (a.type, ==, "text/event-stream");
  text = g_strndup (g_bytes_get_data (a.body, NULL), g_bytes_get_size (a.body));
  g_assert_true (g_str_has_prefix (text, "event: state\ndata: {"));
  g_assert_nonnull (strstr (text, "\nevent: progress\n"));
  g_assert_nonnull (strstr (text, "\"stage\":\"stage1\""));
  g_assert_nonnull (strstr (text, "\nevent: preview\n"));
  g_assert_nonnull (
      strstr (g_strrstr (text, "event: state"), "\"status\":\"completed\""));
  answer_clear (&a);
  fixture_stop (&f);
}

static void
test_delete (void)
{
  Fixture f;
  g_autofree char *id = NULL;
  g_autofree char *path = NULL;
  g_autoptr (ApiJob) job = NULL;
  Answer a;

  fixture_start (&f, "", NULL);
  id = submit (&f, "num_inference_steps=1000");
  path = g_strdup_printf ("jobs/%s", id);
  job = api_job_ref (find (&f, id));
  fixture_wait (job_is_running, job);
  a = fixture_ask (&f, fixture_message (&f, "DELETE", path));
  g_assert_cmpint (a.status, ==, 202);
  answer_clear (&a);
  fixture_wait (job_is_over, job);
  g_assert_cmpint (job->state, ==, API_CANCELLED);
  a = fixture_ask (&f, fixture_message (&f, "DELETE", path));
  g_assert_cmpint (a.status, ==, 204);
  answer_clear (&a);
  a = fixture_get (&f, path);
  g_assert_cmpint (a.status, ==, 404);
  answer_clear (&a);
  g_assert_false (harness_exists (f.root, id));
  fixture_stop (&f);
}

/* ---- who goes away ---- */

static gboolean
queue_is_empty (gpointer data)
{
  const Fixture *f = data;

  return queue_running (f->server->queue) + queue_waiting (f->server->queue) ==
         0;
}

static gboolean
queue_is_busy (gpointer data)
{
  const Fixture *f = data;

  return queue_running (f->server->queue) == 1;
}

/* A client that waits and hangs up cancels its job. */
static void
test_hangs_up (void)
{
  g_autoptr (GBytes) image = photo ();
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  Fixture f;
  SoupMessage *msg;

  fixture_start (&f, "", NULL);
  msg = fixture_form (&f, image, "num_inference_steps=1000");
  soup_session_send_async (
      f.client, msg, G_PRIORITY_DEFAULT, cancellable, NULL, NULL);
  fixture_wait (queue_is_busy, &f);
  g_cancellable_cancel (cancellable);
  fixture_wait (queue_is_empty, &f);
  g_object_unref (msg);
  fixture_stop (&f);
}

/* The worker dies in the middle: the job is done all the same. */
static void
test_worker_dies (void)
{
  Fixture f;
  g_autofree char *id = NULL;
  ApiJob *job;

  fixture_start (&f, "", NULL);
  id = submit (&f, "texture_size=256");
  job = find (&f, id);
  fixture_wait (job_is_running, job);
  host_kill (queue_worker (f.server->queue, 0));
  fixture_wait (job_is_over, job);
  g_assert_cmpint (job->state, ==, API_COMPLETED);
  g_assert_cmpint (job->tries, ==, 2);
  fixture_stop (&f);
}

/* The server ends: what nobody waited for goes on in the next one. */
static void
test_taken_up (void)
{
  Fixture f, next;
  g_autofree char *id = NULL;
  g_autofree char *options = NULL;
  g_autofree char *root = NULL;
  ApiJob *job;

  fixture_start (&f, "", NULL);
  id = submit (&f, "texture_size=256");
  fixture_wait (job_is_running, find (&f, id));
  root = g_strdup (f.root);
  g_free (f.root);
  f.root = harness_folder ();
  fixture_stop (&f);
  options = g_strdup_printf ("--root %s", root);
  fixture_start (&next, options, NULL);
  job = find (&next, id);
  fixture_wait (job_is_over, job);
  g_assert_cmpint (job->state, ==, API_COMPLETED);
  fixture_stop (&next);
  harness_remove (root);
}

static void
test_timeout (void)
{
  Fixture f;
  g_autofree char *id = NULL;
  ApiJob *job;

  fixture_start (&f, "--job-timeout 1", NULL);
  id = submit (&f, "num_inference_steps=1000");
  job = find (&f, id);
  fixture_wait (job_is_over, job);
  g_assert_cmpint (job->state, ==, API_FAILED);
  g_assert_cmpstr (job->cause, ==, "timeout");
  fixture_stop (&f);
}

/* ---- the same request twice ---- */

static void
test_idempotent (void)
{
  static const char *const fields[] = {
      "seed=1 async=true", "seed=1 async=true", "seed=2 async=true"};
  g_autoptr (GBytes) image = photo ();
  Fixture f;
  Answer a[3];

  fixture_start (&f, "", NULL);
  for (int i = 0; i < 3; i++) {
    SoupMessage *msg = fixture_form (&f, image, fields[i]);

    soup_message_headers_append (
        soup_message_get_request_headers (msg), "Idempotency-Key", "k1");
    a[i] = fixture_ask (&f, msg);
  }
  g_assert_cmpint (a[1].status, ==, 202);
  g_assert_cmpstr (
      answer_string (&a[0], "job_id"), ==, answer_string (&a[1], "job_id"));
  g_assert_cmpint (a[2].status, ==, 422);
  for (int i = 0; i < 3; i++)
    answer_clear (&a[i]);
  fixture_stop (&f);
}

/* ---- what is refused ---- */

typedef struct {
  const char *name;
  const char *image; /* "": the photo, "-": none, else these bytes */
  const char *fields;
  guint status;
  const char *says;
} Refused;

static const Refused refused[] = {
    {"no_image", "-", "seed=1", 422, "image is missing"},
    {"not_a_picture", "hello", "", 415, "no JPEG"},
    {"heic", "....ftypheic", "", 415, "HEIC"},
    {"empty", "empty", "", 415, "no JPEG"},
    {"cut_short", "\xff\xd8\xff\xe0", "", 422, "JPEG"},
    {"negative_seed", "", "seed=-1", 422, "seed"},
    {"seed_is_a_word", "", "seed=many", 422, "seed: this is no whole number"},
    {"not_a_number", "", "guidance_scale=nan", 422, "guidance_scale"},
    {"steps_0", "", "num_inference_steps=0", 422, "out of range"},
    {"texture_255", "", "texture_size=255", 422, "256 to 4096"},
    {"simplify_1", "", "simplify=1", 422, "out of range"},
    {"interval_of_one", "", "cfg_interval=0.5", 422, "two numbers"},
    {"interval_turned", "", "cfg_interval=1,0", 422, "begin <= end"},
    {"up_size_15", "", "up_size=15", 422, "14"},
    {"unknown_field", "", "sed=1", 422, "no field"},
    {"download_perhaps", "", "download=perhaps", 422, "true or false"},
    {"url_is_off", "-", "image_url=https://example.com/a.png", 403,
        "--allow-url"},
};

static void
test_refused (void)
{
  Fixture f;

  fixture_start (&f, "", NULL);
  for (guint i = 0; i < G_N_ELEMENTS (refused); i++) {
    const Refused *r = &refused[i];
    g_autoptr (GBytes) image = strcmp (r->image, "-") == 0 ? NULL
                               : *r->image
                                   ? g_bytes_new (r->image, strlen (r->image))
                                   : photo ();
    g_auto (Answer) a = fixture_ask (&f, fixture_form (&f, image, r->fields));

    g_test_message ("%s: %u %s", r->name, a.status,
        a.json ? answer_string (&a, "detail") : "no JSON");
    g_assert_cmpint (a.status, ==, r->status);
    g_assert_cmpstr (a.type, ==, "application/problem+json");
    g_assert_nonnull (strstr (answer_string (&a, "detail"), r->says));
  }
  fixture_stop (&f);
}

typedef struct {
  const char *name;
  const char *text;
  const char *status; /* "": the connection ends without an answer */
} Rude;

static const Rude rude[] = {
    {"two_hosts", "GET /health HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400"},
    {"two_lengths",
        "POST /generate HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n"
        "Content-Length: 2\r\n\r\nxx",
        "400"},
    {"length_and_chunked",
        "POST /generate HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n"
        "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "400"},
    {"negative_length",
        "POST /generate HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        "400"},
    {"length_of_40_gb",
        "POST /generate HTTP/1.1\r\nHost: a\r\nContent-Length: "
        "40000000000\r\n\r\n",
        "413"},
    {"odd_coding",
        "POST /generate HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
        "501"},
    {"no_sense", "HELLO\r\n\r\n", ""},
    {"traversal", "GET /jobs/../../../etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n",
        "404"},
    {"put", "PUT /generate HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
        "405"},
};

static void
test_rude (void)
{
  Fixture f;

  fixture_start (&f, "", NULL);
  f.server->settings->request_seconds = 1;
  for (guint i = 0; i < G_N_ELEMENTS (rude); i++) {
    g_autofree char *answer = fixture_raw (&f, rude[i].text);
    const char *status = strchr (answer, ' ');

    g_test_message ("%s: %.60s", rude[i].name, answer);
    if (*rude[i].status) {
      g_assert_nonnull (status);
      g_assert_true (g_str_has_prefix (status + 1, rude[i].status));
    } else
      g_assert_null (strstr (answer, " 200 "));
  }
  fixture_stop (&f);
}

static void
test_many_headers (void)
{
  Fixture f;
  GString *text = g_string_new ("GET /health HTTP/1.1\r\nHost: a\r\n");
  g_autofree char *answer = NULL;

  fixture_start (&f, "", NULL);
  f.server->settings->request_seconds = 2;
  for (int i = 0; i < 10000; i++)
    g_string_append_printf (text, "X-%d: 1\r\n", i);
  g_string_append (text, "\r\n");
  answer = fixture_raw (&f, text->str);
  g_assert_null (strstr (answer, " 200 "));
  g_string_free (text, TRUE);
  fixture_stop (&f);
}

/* A client that sends a byte now and then, or nothing at all, is cut off. */
static void
test_slow (void)
{
  Fixture f;
  g_autofree char *silent = NULL;
  g_autofree char *half = NULL;
  gint64 start = g_get_monotonic_time ();

  fixture_start (&f, "", NULL);
  f.server->settings->request_seconds = 1;
  silent = fixture_raw (&f, "");
  half = fixture_raw (&f, "GET /health HTTP/1.1\r\nHo");
  g_assert_cmpstr (silent, ==, "");
  g_assert_null (strstr (half, " 200 "));
  g_assert_cmpint ((g_get_monotonic_time () - start) / G_USEC_PER_SEC, <, 30);
  fixture_stop (&f);
}

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
  g_autoptr (GBytes) image = photo ();
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

/* Finished jobs go when their time is over, or when there is no room. */
static void
test_kept (void)
{
  Fixture f;
  g_autofree char *id = NULL;

  fixture_start (&f, "--retention 1", NULL);
  id = submit (&f, "num_inference_steps=1 texture_size=256");
  fixture_wait (job_is_over, find (&f, id));
  g_usleep (1100 * 1000);
  queue_tidy (f.server->queue);
  g_assert_null (queue_find (f.server->queue, id));
  g_assert_false (harness_exists (f.root, id));
  fixture_stop (&f);
}

/* ---- the worker's sandbox ---- */

static void
test_sandbox (void)
{
  if (g_test_subprocess ()) {
    g_autofree char *folder = harness_folder ();
    char *const argv[] = {"true", NULL};

    g_assert_true (sandbox_enter (NULL));
    g_assert_cmpint (socket (AF_INET, SOCK_STREAM, 0), ==, -1);
    g_assert_cmpint (errno, ==, EPERM);
    g_assert_cmpint (socket (AF_UNIX, SOCK_STREAM, 0), ==, -1);
    g_assert_cmpint (execv ("/bin/true", argv), ==, -1);
    g_assert_cmpint (errno, ==, EPERM);
    g_assert_cmpint (kill (getppid (), 0), ==, -1);
    harness_put (folder, "file", "written", 7); /* what a job does */
    harness_remove (folder);
    return;
  }
  g_test_trap_subprocess (NULL, 0, G_TEST_SUBPROCESS_DEFAULT);
  g_test_trap_assert_passed ();
}

static void
add_tests (void)
{
  g_test_add_func ("/server/about", test_about);
  g_test_add_func ("/server/generate", test_generate);
  g_test_add_func ("/server/events", test_events);
  g_test_add_func ("/server/delete", test_delete);
  g_test_add_func ("/server/hangs_up", test_hangs_up);
  g_test_add_func ("/server/worker_dies", test_worker_dies);
  g_test_add_func ("/server/taken_up", test_taken_up);
  g_test_add_func ("/server/timeout", test_timeout);
  g_test_add_func ("/server/idempotent", test_idempotent);
  g_test_add_func ("/server/refused", test_refused);
  g_test_add_func ("/server/rude", test_rude);
  g_test_add_func ("/server/many_headers", test_many_headers);
  g_test_add_func ("/server/slow", test_slow);
  g_test_add_func ("/server/token", test_token);
  g_test_add_func ("/server/full", test_full);
  g_test_add_func ("/server/kept", test_kept);
  g_test_add_func ("/server/sandbox", test_sandbox);
}

int
main (int argc, char **argv)
{
  return fixture_main (argc, argv, add_tests);
}
