/* SPDX-License-Identifier: MIT */
/* Forms as browsers and curl send them (multipart/form-data, RFC 7578), taken
 * apart without a copy. */
#pragma once
#include "web.h"

G_BEGIN_DECLS

/**
 * FormPart:
 * @name: UTF-8, of 1 to 64 bytes
 * @body: what it holds: a view of the form
 */
typedef struct {
  char *name;
  GBytes *body;
} FormPart;

/**
 * form_parse:
 * @type: the header Content-Type
 *
 * Returns: (transfer full): the parts, FormPart; %NULL with a problem where it
 *   cannot be taken apart, has too many parts, or two of one name
 */
GPtrArray *form_parse (const char *type, GBytes *body, Problem *p);

G_END_DECLS
