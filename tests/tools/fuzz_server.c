/* SPDX-License-Identifier: MIT */
/* Requests, forms, addresses and workers' lines as strangers could send them:
 * whatever comes, it is taken or refused with a problem, and nothing else
 * happens. */
#include "mutate.h"
#include "launch.h"
#include "base/error.h"
#include "server/fetch.h"
#include "server/lines.h"
#include "server/upload.h"
#include "server/wire.h"
#include <gst/gst.h>
#include <string.h>
#include <unistd.h>

static const char form[] =
    "--x\r\nContent-Disposition: form-data; name=\"image\"; "
    "filename=\"a.png\"\r\nContent-Type: image/png\r\n\r\n"
    "\x89PNG\r\n\x1a\n....\r\n--x\r\nContent-Disposition: form-data; "
    "name=\"seed\"\r\n\r\n43\r\n--x\r\nContent-Disposition: form-data; "
    "name=\"cfg_interval\"\r\n\r\n[0.5,1.0]\r\n--x\r\n"
    "Content-Disposition: form-data; name=\"download\"\r\n\r\ntrue\r\n"
    "--x--\r\n";

static gboolean
as_error (const Problem *p, GError **error)
{
  if (!p->status)
    return TRUE;
  g_assert_cmpint (p->status, >=, 400);
  g_assert_nonnull (p->detail);
  g_set_error_literal (error, SHU_ERROR, SHU_ERROR_INVALID, p->detail);
  return FALSE;
}

static gboolean
read_form (GBytes *bytes, gpointer data, GError **error)
{
  g_auto (Upload) upload = {NULL};
  g_auto (Problem) p = {0};

  if (upload_parse_body (
          "multipart/form-data; boundary=x", bytes, &upload, &p)) {
    g_autofree char *print = upload_print (&upload);

    g_assert_true (!upload.photo != !upload.url);
    g_assert_nonnull (print);
  } else
    g_assert_cmpint (p.status, !=, 0);
  return as_error (&p, error);
}

/* What is taken ends where it says, and names one host and one path. */
static gboolean
read_head (GBytes *bytes, gpointer data, GError **error)
{
  gsize size;
  const guint8 *d = g_bytes_get_data (bytes, &size);
  gsize end = wire_head_end (d, size);
  g_auto (Problem) p = {0};
  WireHead head = {-1, FALSE};

  g_assert_cmpint (end, <=, size);
  for (gsize n = 0; n < size; n += 7)
    if (!wire_check_begin (d, n, n / 2, &p))
      break;
  if (end > 0 && wire_check_head (d, end, &head, &p)) {
    g_assert_true (p.status || head.length >= 0);
    g_assert_null (memchr (d, 0, end));
    g_assert_true (!head.chunked || head.length == 0);
  } else if (!p.status)
    problem_set (&p, 400, "no end");
  return as_error (&p, error);
}

/* In one go or byte by byte: it is the same. */
static gboolean
read_chunks (GBytes *bytes, gpointer data, GError **error)
{
  gsize size;
  const guint8 *d = g_bytes_get_data (bytes, &size);
  WireChunks whole = {0}, parts = {0};
  gssize n = wire_chunks (&whole, d, size), k = 0, one = 1;

  while (k < (gssize) size && one == 1 && !parts.done) {
    one = wire_chunks (&parts, d + k, 1);
    k += one;
  }
  g_assert_true ((n < 0) == (one < 0));
  g_assert_cmpint (whole.done, ==, parts.done);
  if (n >= 0) {
    g_assert_cmpint (n, ==, k);
    g_assert_cmpint (whole.data, ==, parts.data);
    g_assert_cmpint (whole.data + whole.around, ==, n);
  }
  if (whole.done)
    return TRUE;
  g_set_error_literal (error, SHU_ERROR, SHU_ERROR_INVALID, "no whole body");
  return FALSE;
}

static gboolean
read_url (GBytes *bytes, gpointer fetcher, GError **error)
{
  g_autofree char *url =
      g_strndup (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes));
  g_auto (Problem) p = {0};
  gboolean good = fetch_check_url (fetcher, url, &p);

  g_assert_true (good == (p.status == 0));
  /* none of these may ever pass */
  if (good) {
    g_assert_null (strstr (url, "//127."));
    g_assert_true (g_ascii_strncasecmp (url, "https:", 6) == 0);
  }
  return as_error (&p, error);
}

typedef struct {
  int objects;
  gboolean over;
} Heard;

static void
heard (JsonObject *o, gpointer data)
{
  Heard *h = data;

  /* whatever a worker puts there, it is a string */
  g_assert_nonnull (web_get_string (o, "type", ""));
  g_assert_nonnull (web_get_string (o, "step", "none"));
  h->objects++;
}

static void
ended (const char *why, gpointer data)
{
  Heard *h = data;

  h->over = TRUE;
}

static gboolean
read_lines (GBytes *bytes, gpointer data, GError **error)
{
  Heard h = {0, FALSE};
  int ends[2];
  Lines *l;

  g_assert_cmpint (pipe (ends), ==, 0);
  /* less than what a pipe holds */
  g_assert_cmpint (write (ends[1], g_bytes_get_data (bytes, NULL),
                       MIN (g_bytes_get_size (bytes), 4096)),
      >=, 0);
  close (ends[1]);
  l = lines_new (ends[0], heard, ended, &h);
  while (!h.over)
    g_main_context_iteration (NULL, TRUE);
  lines_free (l);
  close (ends[0]);
  if (h.objects > 0)
    return TRUE;
  g_set_error_literal (error, SHU_ERROR, SHU_ERROR_INVALID, "no object");
  return FALSE;
}

static void
test_form (void)
{
  g_autoptr (GBytes) valid = g_bytes_new_static (form, sizeof form - 1);
  const MutateTarget t = {.name = "form",
      .valid = valid,
      .read = read_form,
      .kind = MUTATE_TEXT,
      .count = 4000};

  mutate_run (&t);
}

static void
test_wire (void)
{
  static const char head[] =
      "POST /generate?a=b%20c HTTP/1.1\r\nHost: localhost:8000\r\n"
      "Content-Length: 12\r\nContent-Type: text/plain\r\nX: y\r\n\r\n";
  static const char chunks[] = "5;a=b\r\nhello\r\n1f\r\n"
                               "0123456789012345678901234567890\r\n0\r\n\r\n";
  g_autoptr (GBytes) valid_head = g_bytes_new_static (head, sizeof head - 1);
  g_autoptr (GBytes) valid_chunks =
      g_bytes_new_static (chunks, sizeof chunks - 1);
  const MutateTarget targets[] = {{.name = "head",
                                      .valid = valid_head,
                                      .read = read_head,
                                      .kind = MUTATE_TEXT,
                                      .count = 20000},
      {.name = "chunks",
          .valid = valid_chunks,
          .read = read_chunks,
          .kind = MUTATE_TEXT,
          .count = 20000}};

  mutate_run (&targets[0]);
  mutate_run (&targets[1]);
}

static void
test_url (void)
{
  static const char url[] = "https://example.com:443/a/b.png?c=d#e";
  g_autoptr (GBytes) valid = g_bytes_new_static (url, sizeof url - 1);
  Settings settings = {.allow_url = TRUE, .max_upload = 1000};
  Fetcher *fetcher = fetcher_new (&settings, NULL);
  const MutateTarget t = {.name = "url",
      .valid = valid,
      .read = read_url,
      .kind = MUTATE_TEXT,
      .count = 20000,
      .data = fetcher};

  mutate_run (&t);
  fetcher_free (fetcher);
}

static void
test_lines (void)
{
  static const char text[] =
      "{\"type\":\"progress\",\"step\":1}\n{\"type\":7}\n{\"type\":\"done\"}\n";
  g_autoptr (GBytes) valid = g_bytes_new_static (text, sizeof text - 1);
  const MutateTarget t = {.name = "lines",
      .valid = valid,
      .read = read_lines,
      .kind = MUTATE_TEXT,
      .count = 4000};

  mutate_run (&t);
}

int
main (int argc, char **argv)
{
  mutate_init (&argc, argv);
  g_test_init (&argc, &argv, NULL);
  gst_init (&argc, &argv);
  g_assert_true (launch_load_plugin (NULL));
  g_test_add_func ("/fuzz_server/form", test_form);
  g_test_add_func ("/fuzz_server/wire", test_wire);
  g_test_add_func ("/fuzz_server/url", test_url);
  g_test_add_func ("/fuzz_server/lines", test_lines);
  return g_test_run ();
}
