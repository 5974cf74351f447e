/* SPDX-License-Identifier: MIT */
#include "web.h"
#include <string.h>

enum { MAX_TOKEN = 4096 }; /* bytes of the header Authorization */

/* ---- problems ---- */

gboolean
problem_set (Problem *p, guint status, const char *format, ...)
{
  va_list args;

  if (p->status)
    return FALSE;
  p->status = status;
  va_start (args, format);
  p->detail = g_strdup_vprintf (format, args);
  va_end (args);
  return FALSE;
}

void
problem_clear (Problem *p)
{
  g_clear_pointer (&p->detail, g_free);
  g_clear_pointer (&p->job, g_free);
  g_clear_pointer (&p->cause, g_free);
  p->status = 0;
}

/* ---- answers ---- */

static const char *
phrase (guint status)
{
  return status == STATUS_TOO_MANY_REQUESTS ? "Too Many Requests"
         : status == STATUS_HEADERS_TOO_LARGE
             ? "Request Header Fields Too Large"
             : soup_status_get_phrase (status);
}

void
web_text (
    SoupServerMessage *msg, guint status, const char *type, const char *text)
{
  soup_server_message_set_status (msg, status, phrase (status));
  soup_server_message_set_response (
      msg, type, SOUP_MEMORY_COPY, text, strlen (text));
}

void
web_json (SoupServerMessage *msg, guint status, JsonBuilder *b)
{
  g_autofree char *text = web_json_text (b);

  web_text (msg, status, "application/json", text);
}

/* (transfer full) */
static char *
problem_text (const Problem *p)
{
  JsonBuilder *b = json_builder_new ();

  json_builder_begin_object (b);
  web_string (b, "type", "about:blank");
  web_string (b, "title", phrase (p->status));
  web_int (b, "status", p->status);
  web_string (b, "detail", p->detail);
  if (p->job)
    web_string (b, "job_id", p->job);
  if (p->cause)
    web_string (b, "cause", p->cause);
  json_builder_end_object (b);
  return web_json_text (b);
}

static const char problem_type[] = "application/problem+json";

char *
web_problem_answer (const Problem *p, const Settings *settings)
{
  g_autofree char *text = problem_text (p);
  const char *origin = settings->cors_origin;

  return g_strdup_printf ("HTTP/1.1 %u %s\r\n"
                          "Server: synchuman/" VERSION "\r\n"
                          "Content-Type: %s\r\n"
                          "Content-Length: %" G_GSIZE_FORMAT "\r\n"
                          "X-Content-Type-Options: nosniff\r\n"
                          "Cache-Control: no-store\r\n%s%s%s%s"
                          "Connection: close\r\n\r\n%s",
      p->status, phrase (p->status), problem_type, strlen (text),
      p->status == SOUP_STATUS_SERVICE_UNAVAILABLE ? "Retry-After: 10\r\n" : "",
      origin ? "Access-Control-Allow-Origin: " : "", origin ? origin : "",
      origin ? "\r\n" : "", text);
}

void
web_problem (SoupServerMessage *msg, const Problem *p)
{
  g_autofree char *text = problem_text (p);

  web_text (msg, p->status, problem_type, text);
  if (p->status == SOUP_STATUS_UNAUTHORIZED)
    soup_message_headers_replace (
        soup_server_message_get_response_headers (msg), "WWW-Authenticate",
        "Bearer");
}

void
web_finish_headers (SoupServerMessage *msg, const Settings *settings)
{
  SoupMessageHeaders *h = soup_server_message_get_response_headers (msg);
  const char *vary;

  soup_message_headers_replace (h, "X-Content-Type-Options", "nosniff");
  if (!soup_message_headers_get_one (h, "Cache-Control"))
    soup_message_headers_replace (h, "Cache-Control", "no-store");
  if (!settings->cors_origin)
    return;
  soup_message_headers_replace (
      h, "Access-Control-Allow-Origin", settings->cors_origin);
  soup_message_headers_replace (
      h, "Access-Control-Expose-Headers", "Location, Retry-After");
  vary = soup_message_headers_get_list (h, "Vary");
  if (!vary || !soup_header_contains (vary, "Origin")) {
    g_autofree char *both =
        vary ? g_strconcat (vary, ", Origin", NULL) : g_strdup ("Origin");

    soup_message_headers_replace (h, "Vary", both);
  }
}

gboolean
web_prefers (SoupServerMessage *msg, const char *type)
{
  const char *accept = soup_message_headers_get_list (
      soup_server_message_get_request_headers (msg), "Accept");
  g_autoptr (GSList) list = NULL;
  gboolean found = FALSE;

  /* best first */
  list = accept ? soup_header_parse_quality_list (accept, NULL) : NULL;
  for (GSList *l = list; l && !found; l = l->next) {
    if (g_str_has_prefix (l->data, "application/json"))
      break;
    found = g_ascii_strcasecmp (l->data, type) == 0;
  }
  soup_header_free_list (g_steal_pointer (&list));
  return found;
}

/* ---- requests ---- */

/* Takes as long for a wrong token as for a good one. */
static gboolean
same (const char *a, const char *b)
{
  g_autofree char *digest_a = NULL, *digest_b = NULL;
  guint8 differ = 0;

  digest_a = g_compute_checksum_for_string (G_CHECKSUM_SHA256, a, -1);
  digest_b = g_compute_checksum_for_string (G_CHECKSUM_SHA256, b, -1);
  for (int i = 0; digest_a[i]; i++)
    differ |= (guint8) (digest_a[i] ^ digest_b[i]);
  return differ == 0;
}

static gboolean
check_token (SoupMessageHeaders *h, char **tokens, Problem *p)
{
  const char *given = soup_message_headers_get_one (h, "Authorization");
  gboolean good = FALSE;

  if (!given || strlen (given) > MAX_TOKEN ||
      g_ascii_strncasecmp (given, "Bearer ", 7) != 0)
    return problem_set (p, SOUP_STATUS_UNAUTHORIZED,
        "This server asks for a header \"Authorization: Bearer TOKEN\"");
  for (char **token = tokens; *token; token++)
    good |= same (given + 7, *token);
  return good || problem_set (p, SOUP_STATUS_UNAUTHORIZED,
                     "This is none of the server's tokens");
}

gboolean
web_check (
    SoupServerMessage *msg, const Settings *settings, gboolean open, Problem *p)
{
  SoupMessageHeaders *h = soup_server_message_get_request_headers (msg);

  if (soup_message_headers_get_encoding (h) == SOUP_ENCODING_CONTENT_LENGTH &&
      soup_message_headers_get_content_length (h) > settings->max_upload)
    return problem_set (p, SOUP_STATUS_REQUEST_ENTITY_TOO_LARGE,
        "The request is larger than %" G_GINT64_FORMAT " bytes",
        settings->max_upload);
  return open || !settings->tokens || check_token (h, settings->tokens, p);
}
