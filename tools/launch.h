/* SPDX-License-Identifier: MIT */
/* Launch descriptions as text: placeholders, quoting, where files lie. */
#pragma once
#include <gst/gst.h>

G_BEGIN_DECLS

/**
 * launch_quote:
 * Returns: (transfer full): @value as the right side of a property in a launch
 *   description; whatever it holds, it stays one value
 */
char *launch_quote (const char *value);

/**
 * launch_expand:
 * @values: string to string
 *
 * Replaces ${name} and ${name:-default} in @text by quoted values and drops
 * lines that begin with '#'.
 *
 * Returns: (transfer full): NULL where a placeholder has neither a value nor a
 *   default, or where a value has no placeholder; the message lists those there
 *   are
 */
char *launch_expand (const char *text, GHashTable *values, GError **error);

/* The folder that the program lies in, NULL where nobody says: there is no
 * /proc. (transfer full) */
char *launch_program_folder (void);

/* A file of the folder pipelines/ (the one that SHU_PIPELINES names, else the
 * one that was installed or built with the program) or NULL. (transfer full) */
char *launch_find (const char *name, const char *suffix);
/* Names of the pipelines there are.  (transfer full) */
GStrv launch_list (void);

/* Makes the elements available: those that were installed or built with the
 * program, else any that GStreamer knows. */
gboolean launch_load_plugin (GError **error);

G_END_DECLS
