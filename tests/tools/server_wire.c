/* SPDX-License-Identifier: MIT */
/* What strangers send: requests that are none, that never end, that say two
 * things at once, forms that cannot be meant. Each gets the right status and a
 * JSON problem, and takes nothing from others. */
#include "server/wire.h"
#include "server_fixture.h"
#include <string.h>

/* ---- requests ---- */

#define GET "GET /health HTTP/1.1\r\nHost: a\r\n"
#define POST "POST /generate HTTP/1.1\r\nHost: a\r\n"
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"
#define PATH(path)                                                             \
  "GET " path " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
#define JOB "/jobs/0123456789abcdef"

typedef struct {
  const char *name;
  const char *text;
  guint status;
} Rude;

static const Rude rude[] = {
    {"two_hosts", GET "Host: b\r\n\r\n", 400},
    {"no_host", "GET /health HTTP/1.1\r\n\r\n", 400},
    {"empty_host", "GET /health HTTP/1.1\r\nHost:\r\n\r\n", 400},
    {"odd_host", "GET /health HTTP/1.1\r\nHost: a b\r\n\r\n", 400},
    {"two_lengths", POST "Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
        400},
    {"the_same_length_twice",
        POST "Content-Length: 2\r\nContent-Length: 2\r\n\r\nxx", 400},
    {"two_lengths_in_one", POST "Content-Length: 2, 2\r\n\r\nxx", 400},
    {"length_with_sign", POST "Content-Length: +2\r\n\r\nxx", 400},
    {"negative_length", POST "Content-Length: -1\r\n\r\n", 400},
    {"hexadecimal_length", POST "Content-Length: 0x2\r\n\r\nxx", 400},
    {"length_of_40_gb", POST "Content-Length: 40000000000\r\n\r\n", 413},
    {"length_beyond_64_bits",
        POST "Content-Length: 40000000000000000000\r\n\r\n", 400},
    {"expects_to_go_on",
        POST "Content-Length: 33000000\r\nExpect: 100-continue\r\n\r\n", 413},
    {"length_and_chunked",
        POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400},
    {"chunked_twice",
        POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
        400},
    {"odd_coding", POST "Transfer-Encoding: gzip, chunked\r\n\r\n", 501},
    {"chunked_in_1_0",
        "POST /generate HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
    {"space_before_colon", GET "Content-Length : 2\r\n\r\n", 400},
    {"folded", GET "X: a\r\n b\r\n\r\n", 400},
    {"no_colon", GET "nonsense\r\n\r\n", 400},
    {"lines_end_with_lf", "GET /health HTTP/1.1\nHost: a\n\n", 400},
    {"cr_alone", GET "X: a\rb\r\n\r\n", 400},
    {"control_character", GET "X: a\1b\r\n\r\n", 400},
    {"no_sense", "HELLO\r\n\r\n", 400},
    {"tls_without_tls", "\x16\x03\x01\x02\x01\x01\x01\xfc", 400},
    {"http_2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
    {"http_0_9", "GET /\r\n\r\n", 400},
    {"connect", "CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", 405},
    {"trace", "TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", 405},
    {"file_url", "GET file:///etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"no_slash", "GET health HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"chunk_of_64_gb", CHUNKED "fffffffff\r\n", 400},
    {"chunk_without_size", CHUNKED "\r\nhello\r\n", 400},
    {"chunk_of_no_number", CHUNKED "xyz\r\n", 400},
    {"negative_chunk", CHUNKED "-1\r\n", 400},
    {"chunk_0x5", CHUNKED "0x5\r\nhello\r\n0\r\n\r\n", 400},
    {"chunk_without_end", CHUNKED "5\r\nhelloworld\r\n0\r\n\r\n", 400},
    {"fields_behind_chunks",
        CHUNKED "0\r\nX: y\r\nGET /health HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"chunks", CHUNKED "5;a=b\r\nhello\r\n0\r\n\r\n", 415},
    {"no_form", POST "Content-Length: 2\r\n\r\n{}", 415},
    {"no_body", POST "\r\n", 415},
    {"form_without_boundary",
        POST "Content-Type: multipart/form-data\r\nContent-Length: 2\r\n\r\n{}",
        400},
    {"up", PATH ("/../etc/passwd"), 404},
    {"up_encoded", PATH ("/%2e%2e/etc/passwd"), 404},
    {"up_encoded_twice", PATH ("/%252e%252e/etc/passwd"), 404},
    {"up_from_jobs", PATH ("/jobs/../../../etc/passwd"), 404},
    {"up_from_jobs_encoded", PATH ("/jobs/%2e%2e%2f%2e%2e%2fpasswd"), 400},
    {"up_from_files", PATH (JOB "/files/../../../../etc/passwd"), 404},
    {"up_from_files_encoded", PATH (JOB "/files/..%2f..%2fetc%2fpasswd"), 400},
    {"up_from_files_encoded_twice", PATH (JOB "/files/%252e%252e%252fa"), 404},
    {"absolute_file", PATH (JOB "/files//etc/passwd"), 404},
    {"nul_encoded", PATH (JOB "/files/output.glb%00.png"), 400},
    {"half_a_percent", PATH ("/%zz"), 400},
    {"no_utf_8", PATH ("/%ff%fe"), 404},
    {"job_of_capitals", PATH ("/jobs/0123456789ABCDEF"), 404},
    {"slash_behind_job", PATH (JOB "/"), 404},
    {"the_record_of_a_job", PATH (JOB "/job.json"), 404},
    {"the_upload_of_a_job", PATH (JOB "/upload"), 404},
};

/* The status, and that there is a JSON problem that says so */
static void
check_problem (const char *name, const char *answer, guint status)
{
  const char *body = strstr (answer, "\r\n\r\n");
  g_autoptr (JsonParser) parser = json_parser_new ();
  JsonObject *o;

  g_test_message ("%s: %.40s", name, answer);
  g_assert_true (g_str_has_prefix (answer, "HTTP/1.1 "));
  g_assert_cmpint (atoi (answer + strlen ("HTTP/1.1 ")), ==, status);
  g_assert_nonnull (strstr (answer, "application/problem+json"));
  g_assert_true (json_parser_load_from_data (parser, body, -1, NULL));
  o = json_node_get_object (json_parser_get_root (parser));
  g_assert_cmpint (json_object_get_int_member (o, "status"), ==, status);
  g_assert_cmpstr (json_object_get_string_member (o, "detail"), !=, "");
}

static void
test_rude (void)
{
  enum { N = G_N_ELEMENTS (rude) };

  Fixture f;
  const char *texts[N];
  char *answers[N];

  for (guint i = 0; i < N; i++)
    texts[i] = rude[i].text;
  fixture_start (&f, "", NULL);
  f.server->settings->request_seconds = 1;
  fixture_raw_together (&f, N, texts, answers);
  for (guint i = 0; i < N; i++) {
    check_problem (rude[i].name, answers[i], rude[i].status);
    g_free (answers[i]);
  }
  fixture_stop (&f);
}

/* No route takes a method that it is not for. */
static void
test_methods (void)
{
  static const char *const paths[] = {"/", "/health", "/ready", "/info",
      "/metrics", "/docs", "/openapi.json", "/app.js", "/docs.js", "/viewer.js",
      "/generate", JOB, JOB "/events", JOB "/files/output.glb",
      JOB "/result.zip"};
  static const char *const methods[] = {"PUT", "PATCH", "DELETE", "FOO"};
  Fixture f;

  fixture_start (&f, "", NULL);
  for (guint i = 0; i < G_N_ELEMENTS (paths); i++) {
    gboolean job = g_str_has_prefix (paths[i], "/jobs/");

    for (guint k = 0; k < G_N_ELEMENTS (methods); k++) {
      g_autofree char *text =
          g_strdup_printf ("%s %s HTTP/1.1\r\nHost: a\r\nConnection: "
                           "close\r\nContent-Length: 0\r\n\r\n",
              methods[k], paths[i]);
      g_autofree char *answer = fixture_raw (&f, text);

      check_problem (paths[i], answer, job ? 404 : 405);
      g_assert_true (job || strstr (answer, strcmp (paths[i], "/generate") == 0
                                                ? "\r\nAllow: POST\r\n"
                                                : "\r\nAllow: GET, HEAD\r\n"));
    }
    {
      g_auto (Answer) head =
          fixture_ask (&f, fixture_message (&f, "HEAD", paths[i] + 1));
      g_auto (Answer) options =
          fixture_ask (&f, fixture_message (&f, "OPTIONS", paths[i] + 1));

      g_assert_cmpint (g_bytes_get_size (head.body), ==, 0);
      g_assert_cmpint (head.status, ==,
          job                                   ? 404
          : strcmp (paths[i], "/generate") == 0 ? 405
          : strcmp (paths[i], "/ready") == 0    ? head.status
                                                : 200);
      g_assert_cmpint (options.status, ==, 204);
    }
  }
  fixture_stop (&f);
}

typedef struct {
  const char *name;
  const char *begin, *again, *end;
  int n;
  guint status;
} Long;

static const Long longs[] = {
    {"10000_headers", GET, "X: 1\r\n", "\r\n", 10000, 431},
    {"101_headers", GET, "X: 1\r\n", "\r\n", 100, 431},
    {"header_of_100_kb", GET "X: ", "aaaaaaaaaa", "\r\n\r\n", 10000, 431},
    {"path_of_5_kb", "GET /", "aaaaa", " HTTP/1.1\r\nHost: a\r\n\r\n", 1000,
        414},
    {"path_of_10_mb", "GET /", "aaaaaaaaaa", " HTTP/1.1\r\nHost: a\r\n\r\n",
        1000000, 414},
    {"chunks_of_one", CHUNKED, "1\r\na\r\n", "0\r\n\r\n", 20000, 400},
    {"small_chunks", CHUNKED, "10\r\naaaaaaaaaaaaaaaa\r\n", "0\r\n\r\n", 20000,
        415},
    {"chunks_of_40_mb", CHUNKED,
        "40\r\naaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
        "\r\n",
        "0\r\n\r\n", 700000, 413},
    {"chunk_with_a_tail", CHUNKED "5;", "aaaaa", "\r\nhello\r\n0\r\n\r\n", 1000,
        400},
    {"body_beyond_the_limit", POST "Content-Length: 33000000\r\n\r\n",
        "aaaaaaaaaa", "", 3300000, 413},
};

static char *
text_of (const Long *l)
{
  GString *text = g_string_new (l->begin);

  for (int k = 0; k < l->n; k++)
    g_string_append (text, l->again);
  g_string_append (text, l->end);
  return g_string_free (text, FALSE);
}

static void
test_long (void)
{
  enum { N = G_N_ELEMENTS (longs) };

  Fixture f;
  char *texts[N], *answers[N];

  for (guint i = 0; i < N; i++)
    texts[i] = text_of (longs + i);
  fixture_start (&f, "", NULL);
  f.server->settings->request_seconds = 1;
  fixture_raw_together (&f, N, (const char *const *) texts, answers);
  for (guint i = 0; i < N; i++) {
    check_problem (longs[i].name, answers[i], longs[i].status);
    g_free (answers[i]);
    g_free (texts[i]);
  }
  fixture_stop (&f);
}

/* Requests behind each other on one connection are told apart, whatever their
 * bodies. */
static void
test_pipelined (void)
{
  static const char text[] = CHUNKED "5\r\nhello\r\n0\r\n\r\n" POST
                                     "Content-Length: 3\r\n\r\nabc\r\n" GET
                                     "\r\n" GET "Connection: close\r\n\r\n";
  Fixture f;
  g_autofree char *answer = NULL;
  g_auto (GStrv) parts = NULL;

  fixture_start (&f, "", NULL);
  answer = fixture_raw (&f, text);
  parts = g_strsplit (answer, "HTTP/1.1 ", -1);
  g_assert_cmpint (g_strv_length (parts), ==, 5);
  for (int i = 0; i < 4; i++)
    g_assert_cmpint (atoi (parts[i + 1]), ==, i < 2 ? 415 : 200);
  fixture_stop (&f);
}

/* A client that says nothing, or stops in the middle, is cut off. */
static void
test_slow (void)
{
  enum { SILENT, HEAD, BODY, CHUNKS, IDLE, N };

  static const char *const texts[N] = {
      [SILENT] = "",
      [HEAD] = "GET /health HTTP/1.1\r\nHo",
      [BODY] = POST "Content-Length: 10\r\n\r\nhello",
      [CHUNKS] = CHUNKED "5\r\nhel",
      [IDLE] = GET "\r\n" /* and no second request */
  };

  Fixture f;
  gint64 start = g_get_monotonic_time ();
  char *answers[N];

  fixture_start (&f, "", NULL);
  f.server->settings->request_seconds = 1;
  f.server->settings->body_seconds = 1;
  fixture_raw_together (&f, N, texts, answers);
  g_assert_cmpstr (answers[SILENT], ==, "");
  check_problem ("head", answers[HEAD], 408);
  check_problem ("body", answers[BODY], 408);
  check_problem ("chunks", answers[CHUNKS], 408);
  g_assert_true (g_str_has_prefix (answers[IDLE], "HTTP/1.1 200"));
  g_assert_null (strstr (answers[IDLE], "408"));
  g_assert_cmpint ((g_get_monotonic_time () - start) / G_USEC_PER_SEC, <, 60);
  for (int i = 0; i < N; i++)
    g_free (answers[i]);
  fixture_stop (&f);
}

/* ---- clients ---- */

static gboolean
nobody_is_there (gpointer data)
{
  return door_clients (data) == 0;
}

/* Beyond a number, clients are told to come later, and others can come when
 * they are gone. */
static void
test_crowd (void)
{
  enum { N = 520 };

  g_autoptr (GPtrArray) crowd = g_ptr_array_new_with_free_func (g_object_unref);
  g_autoptr (GSocketClient) client = g_socket_client_new ();
  g_autofree char *answer = NULL;
  Fixture f;
  int port;

  fixture_start (&f, "", NULL);
  port = atoi (strrchr (f.url, ':') + 1);
  for (int i = 0; i < N; i++) {
    GSocketConnection *c = g_socket_client_connect_to_host (
        client, "127.0.0.1", (guint16) port, NULL, NULL);

    g_assert_nonnull (c);
    g_ptr_array_add (crowd, c);
    while (g_main_context_iteration (NULL, FALSE))
      ;
  }
  answer = fixture_raw (&f, "");
  check_problem ("crowd", answer, 503);
  g_assert_nonnull (strstr (answer, "Retry-After: "));
  g_ptr_array_set_size (crowd, 0);
  fixture_wait (nobody_is_there, f.server->door);
  {
    g_auto (Answer) a = fixture_get (&f, "health");

    g_assert_cmpint (a.status, ==, 200);
  }
  fixture_stop (&f);
}

/* Who keeps the connection and goes, or stays and says nothing more, leaves
 * nothing behind. */
static void
test_kept (void)
{
  enum { N = 4 };

  static const char *const texts[N] = {
      GET "\r\n", GET "\r\n", GET "\r\n", GET "\r\n"};
  Fixture f;
  char *quiet[N];

  fixture_start (&f, "", NULL);
  f.server->settings->request_seconds = 1;
  for (int i = 0; i < N; i++) {
    g_auto (Answer) a = fixture_get (&f, "health");

    g_assert_cmpint (a.status, ==, 200);
    soup_session_abort (f.client);
  }
  fixture_raw_together (&f, N, texts, quiet);
  for (int i = 0; i < N; i++) {
    g_assert_true (g_str_has_prefix (quiet[i], "HTTP/1.1 200"));
    g_free (quiet[i]);
  }
  fixture_wait (nobody_is_there, f.server->door);
  fixture_stop (&f);
}

/* Memory stays the same, however many clients come and go. */
static void
test_many (void)
{
  enum { WARM = 500, N = 3000 };

  Fixture f;
  gint64 before = 0, after;

  fixture_start (&f, "", NULL);
  for (int i = 0; i < WARM + N; i++) {
    g_autofree char *answer = fixture_raw (&f, GET "Connection: close\r\n\r\n");

    g_assert_true (g_str_has_prefix (answer, "HTTP/1.1 200"));
    if (i == WARM)
      before = resident_memory ("self");
  }
  after = resident_memory ("self");
  g_test_message (
      "%d clients: %.2f MB more", N, (double) (after - before) / 1e6);
  /* libsoup 3.2's own listener would lose a socket object with each: 1 MB; a
   * sanitizer keeps all that was freed for a while */
#ifndef __SANITIZE_ADDRESS__
  g_assert_cmpint (after - before, <, 500 * 1000);
#endif
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
                                   : harness_png (90, 130, TRUE);
    g_auto (Answer) a = fixture_ask (&f, fixture_form (&f, image, r->fields));

    g_test_message ("%s: %u %s", r->name, a.status,
        a.json ? answer_string (&a, "detail") : "no JSON");
    g_assert_cmpint (a.status, ==, r->status);
    g_assert_cmpstr (a.type, ==, "application/problem+json");
    g_assert_nonnull (strstr (answer_string (&a, "detail"), r->says));
  }
  fixture_stop (&f);
}

/* ---- forms ---- */

#define PART(name, value)                                                      \
  "--x\r\nContent-Disposition: form-data; name=\"" name "\"\r\n\r\n" value     \
  "\r\n"
#define PHOTO PART ("image", "\x89PNG\r\n\x1a\n....")
#define END "--x--\r\n"

static const Long forms[] = {
    {"empty", "", "", END, 0, 422},
    {"no_end", PHOTO, "", "", 0, 400},
    {"nested",
        "--x\r\nContent-Disposition: form-data; name=\"image\"\r\n"
        "Content-Type: multipart/mixed; boundary=y\r\n\r\n",
        "--y\r\n\r\na\r\n", "--y--\r\n" END, 1000, 415},
    {"100000_empty_parts", "", "--x\r\n\r\n\r\n", END, 100000, 400},
    {"100000_parts", "", PART ("seed", "1"), END, 100000, 422},
    {"part_header_of_1_mb",
        "--x\r\nContent-Disposition: form-data; name=\"seed\"; x=\"",
        "aaaaaaaaaa", "\"\r\n\r\n1\r\n" END, 100000, 400},
    {"10000_part_headers",
        "--x\r\nContent-Disposition: form-data; name=\"seed\"\r\n", "X: y\r\n",
        "\r\n1\r\n" END, 10000, 400},
    {"name_of_1_kb", PHOTO "--x\r\nContent-Disposition: form-data; name=\"",
        "aaaaaaaaaa", "\"\r\n\r\n1\r\n" END, 100, 422},
    {"no_name", "--x\r\nContent-Disposition: form-data\r\n\r\na\r\n", "", END,
        0, 400},
    {"two_photos", PHOTO PHOTO, "", END, 0, 422},
    {"two_seeds", PHOTO PART ("seed", "1") PART ("seed", "2"), "", END, 0, 422},
    {"no_utf_8", PHOTO PART ("seed", "\xff\xfe"), "", END, 0, 422},
    {"value_of_1_mb",
        PHOTO "--x\r\nContent-Disposition: form-data; name=\"seed\"\r\n\r\n",
        "1111111111", "\r\n" END, 100000, 422},
};

static void
test_forms (void)
{
  Fixture f;

  fixture_start (&f, "", NULL);
  for (guint i = 0; i < G_N_ELEMENTS (forms); i++) {
    g_autofree char *body = text_of (forms + i);
    g_autofree char *text = NULL;
    g_autofree char *answer = NULL;

    text =
        g_strdup_printf (POST "Connection: close\r\nContent-Type: "
                              "multipart/form-data; boundary=x\r\n"
                              "Content-Length: %" G_GSIZE_FORMAT "\r\n\r\n%s",
            strlen (body), body);
    answer = fixture_raw (&f, text);
    check_problem (forms[i].name, answer, forms[i].status);
  }
  fixture_stop (&f);
}

static void
add_tests (void)
{
  g_test_add_func ("/server_wire/rude", test_rude);
  g_test_add_func ("/server_wire/methods", test_methods);
  g_test_add_func ("/server_wire/long", test_long);
  g_test_add_func ("/server_wire/pipelined", test_pipelined);
  g_test_add_func ("/server_wire/slow", test_slow);
  g_test_add_func ("/server_wire/crowd", test_crowd);
  g_test_add_func ("/server_wire/kept", test_kept);
  g_test_add_func ("/server_wire/many", test_many);
  g_test_add_func ("/server_wire/refused", test_refused);
  g_test_add_func ("/server_wire/forms", test_forms);
}

int
main (int argc, char **argv)
{
  return fixture_main (argc, argv, add_tests);
}
