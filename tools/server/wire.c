/* SPDX-License-Identifier: MIT */
#include "wire.h"
#include <string.h>

#define BAD(p, ...) problem_set (p, SOUP_STATUS_BAD_REQUEST, __VA_ARGS__)

/* ---- the head ---- */

/* Empty lines before a request are let pass (RFC 9112, 2.2). */
static gsize
begin_of (const guint8 *data, gsize size)
{
  gsize at = 0;

  while (at + 1 < size && at < 8 && data[at] == '\r' && data[at + 1] == '\n')
    at += 2;
  return at;
}

gsize
wire_head_end (const guint8 *data, gsize size)
{
  gsize at = begin_of (data, size);
  const guint8 *end =
      at < size ? memmem (data + at, size - at, "\r\n\r\n", 4) : NULL;

  return end ? (gsize) (end - data) + 4 : 0;
}

gboolean
wire_check_begin (const guint8 *data, gsize size, gsize from, Problem *p)
{
  gsize at = begin_of (data, size);
  const guint8 *line = at < size ? memchr (data + at, '\n', size - at) : NULL;

  if ((line ? (gsize) (line - data) : size) > at + WIRE_MAX_LINE)
    return problem_set (p, SOUP_STATUS_REQUEST_URI_TOO_LONG,
        "The first line is longer than %d bytes", WIRE_MAX_LINE);
  if (size > WIRE_MAX_HEAD)
    return problem_set (p, STATUS_HEADERS_TOO_LARGE,
        "The header fields are larger than %d bytes", WIRE_MAX_HEAD);
  /* once more the last one: what follows a CR counts */
  for (gsize i = MAX (at, from > 0 ? from - 1 : 0); i < size; i++)
    if ((data[i] < ' ' || data[i] == 0x7f) && data[i] != '\t' &&
        !(data[i] == '\r' && (i + 1 == size || data[i + 1] == '\n')) &&
        !(data[i] == '\n' && i > at && data[i - 1] == '\r'))
      return BAD (p, "A control character is in the header, or a line that "
                     "does not end with CR and LF");
  return TRUE;
}

static gboolean
is_token (const char *text, gsize size)
{
  for (gsize i = 0; i < size; i++)
    if (!g_ascii_isalnum (text[i]) && !strchr ("!#$%&'*+-.^_`|~", text[i]))
      return FALSE;
  return size > 0;
}

/* @ret_minor: 1 for HTTP/1.1 */
static gboolean
check_first_line (
    char *line, const char **ret_target, int *ret_minor, Problem *p)
{
  char *target = strchr (line, ' '), *version = strrchr (line, ' ');

  if (!target || target == version || !is_token (line, target - line))
    return BAD (p, "This is no HTTP request");
  *target++ = 0;
  *version++ = 0;
  if (!g_str_has_prefix (version, "HTTP/") || !*target || strchr (target, ' '))
    return BAD (p, "This is no HTTP request");
  if (strcmp (version, "HTTP/1.1") != 0 && strcmp (version, "HTTP/1.0") != 0)
    return problem_set (p, SOUP_STATUS_HTTP_VERSION_NOT_SUPPORTED,
        "Only HTTP/1.1 and HTTP/1.0 are spoken here");
  if (strcmp (line, "CONNECT") == 0 || strcmp (line, "TRACE") == 0)
    return problem_set (
        p, SOUP_STATUS_METHOD_NOT_ALLOWED, "Nothing here takes %s", line);
  *ret_target = target;
  *ret_minor = version[7] - '0';
  return TRUE;
}

typedef struct {
  int n;
  const char *host, *length, *coding;
} Fields;

static gboolean
once (const char **field, const char *value, const char *name, Problem *p)
{
  if (*field)
    return BAD (p, "%s comes twice", name);
  *field = value;
  return TRUE;
}

static gboolean
take_line (char *line, Fields *f, Problem *p)
{
  char *colon = strchr (line, ':');
  const char *value;

  if (!colon || !is_token (line, colon - line))
    return BAD (p, "A header field has no name, or is folded");
  *colon = 0;
  value = g_strstrip (colon + 1);
  if (++f->n > WIRE_MAX_FIELDS)
    return problem_set (p, STATUS_HEADERS_TOO_LARGE,
        "More than %d header fields", WIRE_MAX_FIELDS);
  if (g_ascii_strcasecmp (line, "Host") == 0)
    return once (&f->host, value, "Host", p);
  if (g_ascii_strcasecmp (line, "Content-Length") == 0)
    return once (&f->length, value, "Content-Length", p);
  if (g_ascii_strcasecmp (line, "Transfer-Encoding") == 0)
    return once (&f->coding, value, "Transfer-Encoding", p);
  return TRUE;
}

static gboolean
check_body (const Fields *f, int minor, WireHead *ret, Problem *p)
{
  if (f->coding && f->length)
    return BAD (p, "Content-Length and Transfer-Encoding exclude each other");
  if (f->coding && minor == 0)
    return BAD (p, "Transfer-Encoding: not in HTTP/1.0");
  if (f->coding && g_ascii_strcasecmp (f->coding, "chunked") != 0)
    return problem_set (
        p, SOUP_STATUS_NOT_IMPLEMENTED, "Transfer-Encoding: only \"chunked\"");
  if (f->length &&
      (!*f->length || strspn (f->length, "0123456789") != strlen (f->length) ||
          strlen (f->length) > 18))
    return BAD (p, "Content-Length is no number of bytes");
  ret->chunked = f->coding != NULL;
  ret->length = f->length ? g_ascii_strtoll (f->length, NULL, 10) : 0;
  return TRUE;
}

static gboolean
is_host (const char *host)
{
  gsize n = strlen (host);

  return n > 0 && n < 300 &&
         strspn (host, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                       "0123456789.-_~:[]%") == n;
}

/* As libsoup puts it together.  A path that leads upwards only when it is
 * decoded wants to get past somebody. */
static gboolean
check_target (const char *target, const char *host, Problem *p)
{
  g_autofree char *url =
      *target == '/'
          ? g_strconcat ("http://", host ? host : "localhost", target, NULL)
          : g_strdup (target);
  g_autoptr (GUri) uri = g_uri_parse (url, SOUP_HTTP_URI_FLAGS, NULL);
  g_autofree char *path =
      uri ? g_uri_unescape_string (g_uri_get_path (uri), NULL) : NULL;

  if (strcmp (target, "*") == 0)
    return TRUE;
  return (path && g_str_has_prefix (g_uri_get_scheme (uri), "http") &&
             g_uri_get_host (uri) && *g_uri_get_host (uri) &&
             !strstr (path, "/../") && !g_str_has_suffix (path, "/..") &&
             (!host || is_host (host))) ||
         BAD (p, "The path or the header Host is not well formed");
}

gboolean
wire_check_head (const guint8 *data, gsize size, WireHead *ret, Problem *p)
{
  gsize at = begin_of (data, size);
  g_autofree char *text = NULL;
  g_auto (GStrv) lines = NULL;
  const char *target = NULL;
  Fields f = {0};
  int minor = 1;

  if (!wire_check_begin (data, size, 0, p))
    return FALSE;
  /* without the empty line */
  text = g_strndup ((const char *) data + at, size - at - 4);
  lines = g_strsplit (text, "\r\n", -1);
  if (!lines[0])
    return BAD (p, "This is no HTTP request");
  if (!check_first_line (lines[0], &target, &minor, p))
    return FALSE;
  for (char **line = lines + 1; *line; line++)
    if (!take_line (*line, &f, p))
      return FALSE;
  if (!f.host && minor > 0)
    return BAD (p, "The header Host is missing");
  return check_body (&f, minor, ret, p) && check_target (target, f.host, p);
}

/* ---- a chunked body ---- */

enum { SIZE, EXTENSION, SIZE_LF, DATA, DATA_CR, DATA_LF, END_CR, END_LF };

/* libsoup takes lines of up to 128 bytes */
enum { MAX_DIGITS = 8, MAX_EXTENSION = 100, MAX_AROUND = 1 << 16 };

/* One byte that is not of a chunk's contents; FALSE: it must not be there. */
static gboolean
take_byte (WireChunks *c, guint8 byte)
{
  switch (c->state) {
  case SIZE:
    if (g_ascii_isxdigit (byte)) {
      c->left = c->left * 16 + (guint64) g_ascii_xdigit_value ((char) byte);
      return ++c->line <= MAX_DIGITS;
    }
    c->state = byte == '\r' ? SIZE_LF : EXTENSION;
    return c->line > 0 && (byte == '\r' || byte == ';');
  case EXTENSION:
    if (byte == '\r')
      c->state = SIZE_LF;
    return byte == '\r' || (byte >= ' ' && ++c->line <= MAX_EXTENSION);
  case SIZE_LF:
    c->state = c->left > 0 ? DATA : END_CR;
    c->line = 0;
    return byte == '\n';
  case DATA_CR:
    c->state = DATA_LF;
    return byte == '\r';
  case DATA_LF:
    c->state = SIZE;
    c->line = 0;
    return byte == '\n';
  case END_CR: /* libsoup takes the second of more fields for a request */
    c->state = END_LF;
    return byte == '\r';
  case END_LF:
    c->done = TRUE;
    return byte == '\n';
  default:
    return FALSE;
  }
}

gssize
wire_chunks (WireChunks *c, const guint8 *data, gsize size)
{
  gsize at = 0;

  while (at < size && !c->done) {
    if (c->state == DATA) {
      gsize n = MIN (size - at, c->left);

      at += n;
      c->left -= n;
      c->data += (gint64) n;
      if (c->left == 0)
        c->state = DATA_CR;
    } else if (!take_byte (c, data[at++]) || ++c->around > MAX_AROUND + c->data)
      return -1; /* nobody needs chunks of a byte */
  }
  return (gssize) at;
}
