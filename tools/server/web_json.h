/* SPDX-License-Identifier: MIT */
/* JSON, a member a line. */
#pragma once
#include <json-glib/json-glib.h>

G_BEGIN_DECLS

/* Members of an object under construction; NULL: null */
void web_string (JsonBuilder *b, const char *name, const char *value);
void web_int (JsonBuilder *b, const char *name, gint64 value);
void web_double (JsonBuilder *b, const char *name, double value);
/* < 0: not known, null */
void web_known (JsonBuilder *b, const char *name, double value);
/* The same, to the millisecond */
void web_seconds (JsonBuilder *b, const char *name, double value);
void web_bool (JsonBuilder *b, const char *name, gboolean value);
/* A member that is a string; @fallback where there is none of that kind */
const char *web_get_string (
    JsonObject *o, const char *name, const char *fallback);
/* The text of @b, which is taken over.  (transfer full) */
char *web_json_text (JsonBuilder *b);
/* The shortest text that means @value.  (transfer none) */
const char *web_number (char buffer[G_ASCII_DTOSTR_BUF_SIZE], double value);

G_END_DECLS
