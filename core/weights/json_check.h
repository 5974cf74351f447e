/* SPDX-License-Identifier: MIT */
/* What must hold before text from outside may go to the JSON parser, which is
 * recursive and trusts its input's depth. */
#pragma once
#include <glib.h>

/**
 * shu_json_check:
 * @max_depth: of nested objects and arrays
 * @max_size: bytes; 0: any
 *
 * Checks size, UTF-8, characters, escapes and nesting of @text; knows strings
 * and brackets, nothing else of JSON.
 */
gboolean shu_json_check (const char *text, gsize size, int max_depth,
    gsize max_size, GError **error);
