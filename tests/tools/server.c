/* SPDX-License-Identifier: MIT */
/* Every route of the HTTP server, and what becomes of jobs whose client, worker
 * or server goes away. */
#include "server_fixture.h"
#include <glib/gstdio.h>
#include <string.h>

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
  g_autoptr (GBytes) image = fixture_photo ();
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
  g_autoptr (GBytes) image = fixture_photo ();
  g_autofree char *all = g_strconcat (fields, " async=true", NULL);
  g_auto (Answer) a = fixture_ask (f, fixture_form (f, image, all));

  g_assert_cmpint (a.status, ==, 202);
  return g_strdup (answer_string (&a, "job_id"));
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

/* Stage 1, which has a thousand steps here, is at one of them. */
static gboolean
job_steps (gpointer data)
{
  const ApiJob *job = data;

  return g_strcmp0 (job->stage, "stage1") == 0 && job->step > 1;
}

static void
test_delete (void)
{
  Fixture f;
  gint64 start;
  int step;
  g_autofree char *id = NULL;
  g_autofree char *path = NULL;
  g_autoptr (ApiJob) job = NULL;
  Answer a;

  fixture_start (&f, "", NULL);
  id = submit (&f, "num_inference_steps=1000");
  path = g_strdup_printf ("jobs/%s", id);
  job = api_job_ref (fixture_job (&f, id));
  fixture_wait (job_steps, job);
  start = g_get_monotonic_time ();
  a = fixture_ask (&f, fixture_message (&f, "DELETE", path));
  g_assert_cmpint (a.status, ==, 202);
  answer_clear (&a);
  step = job->step;
  fixture_wait (fixture_job_is_over, job);
  g_assert_cmpint (job->state, ==, API_CANCELLED);
  g_test_message ("cancelled after %.0f ms and %d steps",
      (double) (g_get_monotonic_time () - start) / 1e3, job->step - step);
  /* within the step it is at; one more may have been said before */
  g_assert_cmpint (job->step - step, <=, 2);
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
  g_autoptr (GBytes) image = fixture_photo ();
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

static void
forget (GObject *object, GAsyncResult *result, gpointer data)
{
  int *n = data;
  g_autoptr (GBytes) body =
      soup_session_send_and_read_finish (SOUP_SESSION (object), result, NULL);

  --*n;
}

static gboolean
is_zero (gpointer data)
{
  return *(int *) data == 0;
}

/* Asks for a ZIP, and goes after so many turns of the main loop. */
static void
ask_and_go (Fixture *f, SoupMessage *msg, int turns)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  int open = 1;

  soup_session_send_and_read_async (
      f->client, msg, G_PRIORITY_DEFAULT, cancellable, forget, &open);
  for (int k = 0; k < turns; k++)
    g_main_context_iteration (NULL, k % 4 == 0);
  g_cancellable_cancel (cancellable);
  fixture_wait (is_zero, &open);
}

/* A client hangs up while its ZIP is made, sooner or later; the next one gets
 * it all the same. And the server itself may end just then. */
static void
test_zip_hangs_up (void)
{
  static const char fields[] =
      "seed=1 num_inference_steps=1 texture_size=256 download=true";
  g_autoptr (GBytes) image = fixture_photo ();
  Fixture f;
  g_autofree char *path = NULL;
  g_autofree char *zip = NULL;

  fixture_start (&f, "", NULL);
  for (int i = 0; i < 24; i++) {
    g_autoptr (SoupMessage) msg = fixture_form (&f, image, fields);

    soup_message_headers_append (
        soup_message_get_request_headers (msg), "Idempotency-Key", "zip");
    if (i == 0) { /* who makes it */
      g_auto (Answer) a = fixture_ask (&f, g_object_ref (msg));
      ApiJob *job = store_find_key (queue_store (f.server->queue), "zip");

      g_assert_cmpint (a.status, ==, 200);
      zip = g_build_filename (job->folder, "result.zip", NULL);
      path = g_strdup_printf ("jobs/%s/result.zip", job->id);
      continue;
    }
    g_unlink (zip);
    ask_and_go (&f, msg, 2 * i);
  }
  g_unlink (zip);
  {
    g_auto (Answer) a = fixture_get (&f, path);
    g_autoptr (SoupMessage) msg = fixture_message (&f, "GET", path);

    g_assert_cmpint (a.status, ==, 200);
    g_assert_cmpmem (g_bytes_get_data (a.body, NULL), 4, "PK\3\4", 4);
    g_unlink (zip);
    ask_and_go (&f, msg, 8);
  }
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
  job = fixture_job (&f, id);
  fixture_wait (fixture_job_is_running, job);
  host_kill (queue_worker (f.server->queue, 0));
  fixture_wait (fixture_job_is_over, job);
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
  fixture_wait (fixture_job_is_running, fixture_job (&f, id));
  root = g_strdup (f.root);
  g_free (f.root);
  f.root = harness_folder ();
  fixture_stop (&f);
  options = g_strdup_printf ("--root %s", root);
  fixture_start (&next, options, NULL);
  job = fixture_job (&next, id);
  fixture_wait (fixture_job_is_over, job);
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
  job = fixture_job (&f, id);
  fixture_wait (fixture_job_is_over, job);
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
  g_autoptr (GBytes) image = fixture_photo ();
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

/* Finished jobs go when their time is over, or when there is no room. */
static void
test_kept (void)
{
  Fixture f;
  g_autofree char *id = NULL;

  fixture_start (&f, "--retention 1", NULL);
  id = submit (&f, "num_inference_steps=1 texture_size=256");
  fixture_wait (fixture_job_is_over, fixture_job (&f, id));
  g_usleep (1100 * 1000);
  store_tidy (queue_store (f.server->queue));
  g_assert_null (store_find (queue_store (f.server->queue), id));
  g_assert_false (harness_exists (f.root, id));
  fixture_stop (&f);
}

static void
add_tests (void)
{
  g_test_add_func ("/server/about", test_about);
  g_test_add_func ("/server/generate", test_generate);
  g_test_add_func ("/server/events", test_events);
  g_test_add_func ("/server/delete", test_delete);
  g_test_add_func ("/server/hangs_up", test_hangs_up);
  g_test_add_func ("/server/zip_hangs_up", test_zip_hangs_up);
  g_test_add_func ("/server/worker_dies", test_worker_dies);
  g_test_add_func ("/server/taken_up", test_taken_up);
  g_test_add_func ("/server/timeout", test_timeout);
  g_test_add_func ("/server/idempotent", test_idempotent);
  g_test_add_func ("/server/kept", test_kept);
}

int
main (int argc, char **argv)
{
  return fixture_main (argc, argv, add_tests);
}
