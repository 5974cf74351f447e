/* SPDX-License-Identifier: MIT */
/* The parser behind this takes more than JSON: comments, strings in single
 * quotes, assignments.  What hides in those would hide its depth, so nothing
 * but JSON's own characters passes. */
#include "weights/json_check.h"
#include "base/error.h"
#include <string.h>

static gboolean
fail_at (const char *what, gsize pos, GError **error)
{
  g_set_error (error, SHU_ERROR, SHU_ERROR_INVALID, "not JSON: %s at byte %zu",
      what, pos);
  return FALSE;
}

/* The number behind "\u" at @p, or -1. */
static int
get_hex (const char *p, const char *end)
{
  int value = 0;

  if (end - p < 6 || p[0] != '\\' || p[1] != 'u')
    return -1;
  for (int i = 2; i < 6; i++) {
    if (!g_ascii_isxdigit (p[i]))
      return -1;
    value = 16 * value + g_ascii_xdigit_value (p[i]);
  }
  return value;
}

/* Length of the escape at @p: 2, 6 or, for a pair of surrogates, 12; 0 where it
 * is not valid.  A NUL would end a name early, so it is not. */
static int
escape_length (const char *p, const char *end)
{
  int high;

  if (end - p < 2 || !p[1] || !strchr ("\"\\/bfnrtu", p[1]))
    return 0;
  if (p[1] != 'u')
    return 2;
  high = get_hex (p, end);
  if (high >= 0xd800 && high < 0xdc00) {
    int low = get_hex (p + 6, end);

    return low >= 0xdc00 && low < 0xe000 ? 12 : 0;
  }
  return high > 0 && (high < 0xd800 || high >= 0xe000) ? 6 : 0;
}

/* The end of the string that begins at @p, or NULL with @ret_bad. */
static const char *
skip_string (const char *p, const char *end, const char **ret_bad)
{
  for (p++; p < end && *p != '"';) {
    int n = *p == '\\' ? escape_length (p, end) : (guint8) *p >= 0x20;

    if (n == 0) {
      *ret_bad = p;
      return NULL;
    }
    p += n;
  }
  *ret_bad = p;
  return p < end ? p + 1 : NULL;
}

static gboolean
is_space (char ch)
{
  return ch == ' ' || ch == '\t' || ch == '\r' || ch == '\n';
}

static gboolean
is_token (char ch)
{
  return g_ascii_isalnum (ch) || is_space (ch) || (ch && strchr (",:+-.", ch));
}

gboolean
shu_json_check (
    const char *text, gsize size, int max_depth, gsize max_size, GError **error)
{
  const char *p = text, *end = text + size, *bad;
  int depth = 0;
  gboolean closed = FALSE; /* the outermost bracket */

  if (size == 0) {
    g_set_error_literal (
        error, SHU_ERROR, SHU_ERROR_INVALID, "no JSON, but nothing");
    return FALSE;
  }
  if (max_size > 0 && size > max_size) {
    g_set_error (error, SHU_ERROR, SHU_ERROR_LIMIT,
        "%zu bytes of JSON (at most %zu)", size, max_size);
    return FALSE;
  }
  if (!g_utf8_validate_len (text, size, NULL)) {
    g_set_error_literal (
        error, SHU_ERROR, SHU_ERROR_INVALID, "the JSON is not UTF-8 text");
    return FALSE;
  }
  while (p < end) {
    if (closed && !is_space (*p))
      return fail_at ("more text behind the end", p - text, error);
    if (*p == '"') {
      p = skip_string (p, end, &bad);
      if (!p)
        return fail_at ("a string that is not valid", bad - text, error);
      continue;
    }
    if (*p == '{' || *p == '[')
      depth++;
    else if (*p == '}' || *p == ']')
      depth--;
    else if (!is_token (*p))
      return fail_at ("an unexpected character", p - text, error);
    if (depth < 0)
      return fail_at ("an unexpected bracket", p - text, error);
    if (depth > max_depth) {
      g_set_error (error, SHU_ERROR, SHU_ERROR_LIMIT,
          "JSON nested more than %d deep", max_depth);
      return FALSE;
    }
    closed = closed || ((*p == '}' || *p == ']') && depth == 0);
    p++;
  }
  return TRUE;
}
