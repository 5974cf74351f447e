/* SPDX-License-Identifier: MIT */
/* Many clients at once, for a minute (SHU_LOAD_SECONDS): every job that was
 * taken comes to its end, memory does not grow, and the server stays quick to
 * answer others. */
#include "server_fixture.h"
#include <stdio.h>
#include <string.h>

enum { CLIENTS = 200 };

typedef struct {
  Fixture f;
  GBytes *image;
  gint64 end;
  int open;            /* clients that are not through */
  int done, full, odd; /* answers: 200, 429, others */
} Load;

static void ask (Load *load);

static gboolean
ask_again (gpointer data)
{
  ask (data);
  return G_SOURCE_REMOVE;
}

static void
answered (GObject *object, GAsyncResult *result, gpointer data)
{
  Load *load = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) body =
      soup_session_send_and_read_finish (SOUP_SESSION (object), result, &error);
  SoupMessage *msg =
      soup_session_get_async_result_message (SOUP_SESSION (object), result);
  guint status = soup_message_get_status (msg);

  if (error || (status != 200 && status != 429)) {
    g_test_message ("%u: %s %.*s", status, error ? error->message : "",
        body ? (int) g_bytes_get_size (body) : 0,
        body ? (char *) g_bytes_get_data (body, NULL) : "");
    load->odd++;
  }
  load->done += status == 200;
  load->full += status == 429;
  if (status == 429)
    g_assert_nonnull (soup_message_headers_get_one (
        soup_message_get_response_headers (msg), "Retry-After"));
  if (g_get_monotonic_time () >= load->end)
    load->open--;
  else
    g_timeout_add ((guint) g_random_int_range (100, 500), ask_again, load);
}

static void
ask (Load *load)
{
  g_autoptr (SoupMessage) msg = fixture_form (&load->f, load->image,
      "num_inference_steps=1 num_steps=1 texture_size=256");

  soup_session_send_and_read_async (
      load->f.client, msg, G_PRIORITY_DEFAULT, NULL, answered, load);
}

/* Resident memory, MB */
static double
resident (void)
{
  g_autofree char *text = NULL;
  long pages = 0;

  g_assert_true (g_file_get_contents ("/proc/self/statm", &text, NULL, NULL));
  sscanf (text, "%*d %ld", &pages);
  return (double) pages * 4096 / 1e6;
}

static gboolean
is_past (gpointer data)
{
  return g_get_monotonic_time () >= *(gint64 *) data;
}

static gboolean
tick (gpointer data)
{
  return G_SOURCE_CONTINUE;
}

static void
work_until (gint64 when)
{
  guint source = g_timeout_add (50, tick, NULL);

  while (!is_past (&when))
    g_main_context_iteration (NULL, TRUE);
  g_source_remove (source);
}

static void
test_clients (void)
{
  const char *said = g_getenv ("SHU_LOAD_SECONDS");
  gint64 seconds = said ? atoi (said) : 60;
  gint64 start = g_get_monotonic_time ();
  Load load = {.image = harness_png (90, 130, TRUE)};
  double early, late;

  fixture_start (&load.f, "--queue 16", NULL);
  g_object_unref (load.f.client);
  load.f.client = soup_session_new_with_options ("max-conns", CLIENTS,
      "max-conns-per-host", CLIENTS, "timeout", 600, NULL);
  fixture_wait_ready (&load.f);
  load.end = start + seconds * G_USEC_PER_SEC;
  load.open = CLIENTS;
  for (int i = 0; i < CLIENTS; i++)
    ask (&load);
  work_until (start + seconds * G_USEC_PER_SEC / 3);
  early = resident ();
  for (int i = 5; i <= 12; i++) {
    work_until (start + seconds * G_USEC_PER_SEC * i / 12);
    g_test_message ("after %.0f s: %d jobs, %d times full, %.1f MB",
        (double) seconds * i / 12, load.done, load.full, resident ());
  }
  late = resident ();
  while (load.open > 0)
    g_main_context_iteration (NULL, TRUE);
  g_test_message ("%d jobs done, %d times full; %.1f MB, then %.1f", load.done,
      load.full, early, late);
  g_assert_cmpint (load.odd, ==, 0);
  g_assert_cmpint (load.done, >, 0);
  g_assert_cmpint (load.full, >, 0);
  g_assert_cmpint (queue_running (load.f.server->queue), ==, 0);
  g_assert_cmpint (queue_waiting (load.f.server->queue), ==, 0);
  g_assert_cmpint (metrics_jobs_done (load.f.server->metrics), ==, load.done);
  /* a job that is kept takes some kB; a sanitizer keeps what was freed */
#ifndef __SANITIZE_ADDRESS__
  g_assert_cmpfloat (late - early, <, 6 + 0.05 * load.done);
#endif
  fixture_stop (&load.f);
  g_bytes_unref (load.image);
}

static int
compare (gconstpointer a, gconstpointer b)
{
  gint64 x = *(gint64 *) a, y = *(gint64 *) b;

  return x < y ? -1 : x > y;
}

/* GET /health while a job runs */
static void
test_health (void)
{
  enum { N = 500 };

  Load load = {.image = harness_png (90, 130, TRUE)};
  gint64 us[N];

  fixture_start (&load.f, "", NULL);
  fixture_wait_ready (&load.f);
  load.open = 1;
  load.f.server->settings->retention = 1;
  {
    g_auto (Answer) a = fixture_ask (
        &load.f, fixture_form (&load.f, load.image,
                     "async=true num_inference_steps=1000 num_steps=1000"));

    g_assert_cmpint (a.status, ==, 202);
  }
  for (int i = 0; i < N; i++) {
    gint64 begin = g_get_monotonic_time ();
    g_auto (Answer) a = fixture_get (&load.f, "health");

    us[i] = g_get_monotonic_time () - begin;
    g_assert_cmpint (a.status, ==, 200);
  }
  g_assert_cmpint (queue_running (load.f.server->queue), ==, 1);
  qsort (us, N, sizeof *us, compare);
  g_test_message ("health: median %.2f ms, 99 %% %.2f ms, worst %.2f ms",
      (double) us[N / 2] / 1e3, (double) us[N * 99 / 100] / 1e3,
      (double) us[N - 1] / 1e3);
  /* a machine that does other things, too, is slower now and then: what others
   * take of it is in the 99th percentile before anything else */
  g_assert_cmpint (us[N / 2], <, 20 * 1000);
  g_assert_cmpint (us[N * 99 / 100], <, (g_test_perf () ? 20 : 200) * 1000);
  fixture_stop (&load.f);
  g_bytes_unref (load.image);
}

static void
add_tests (void)
{
  g_test_add_func ("/server_load/health", test_health);
  g_test_add_func ("/server_load/clients", test_clients);
}

int
main (int argc, char **argv)
{
  return fixture_main (argc, argv, add_tests);
}
