/* SPDX-License-Identifier: MIT */
/* JSON objects, one a line, from a pipe. */
#pragma once
#include <json-glib/json-glib.h>

G_BEGIN_DECLS

typedef struct _Lines Lines;

typedef void (*LinesObject) (JsonObject *object, gpointer data);
/* The pipe has ended, or what came is no JSON object, or too long a one. */
typedef void (*LinesEnd) (const char *why, gpointer data);

/**
 * lines_new:
 * @fd: stays the caller's
 *
 * Calls from the main loop; after @end nothing more comes.  Both may free the
 * Lines.
 */
Lines *lines_new (int fd, LinesObject object, LinesEnd end, gpointer data);
void lines_free (Lines *l);

G_END_DECLS
