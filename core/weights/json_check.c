/* SPDX-License-Identifier: MIT */
#include "weights/json_check_private.h"
#include "base/error.h"

gboolean
shu_json_check (
    const char *text, gsize size, int max_depth, gsize max_size, GError **error)
{
  int depth = 0;
  gboolean in_string = FALSE;

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
  for (gsize i = 0; i < size; i++) {
    char ch = text[i];

    if (in_string && ch == '\\')
      i++;
    else if (ch == '"')
      in_string = !in_string;
    else if (!in_string && (ch == '{' || ch == '[') && ++depth > max_depth) {
      g_set_error (error, SHU_ERROR, SHU_ERROR_LIMIT,
          "JSON nested more than %d deep", max_depth);
      return FALSE;
    } else if (!in_string && (ch == '}' || ch == ']'))
      depth--;
  }
  return TRUE;
}
