/* SPDX-License-Identifier: MIT */
/* Whole files: mapped for reading, replaced atomically on writing. */
#pragma once
#include <glib.h>

G_BEGIN_DECLS

/**
 * shu_file_map:
 * Maps @path read-only.
 *
 * Returns: (transfer full): the bytes, or NULL with %SHU_ERROR_MISSING,
 *   %SHU_ERROR_IO or %SHU_ERROR_INVALID (a folder, an empty file)
 */
GBytes *shu_file_map (const char *path, GError **error);

/**
 * shu_file_check:
 * Whether @path can be written, as far as that can be known before: its folder
 * is there and lets files be made, and @path is none yet or an ordinary file.
 */
gboolean shu_file_check (const char *path, GError **error);

/**
 * shu_file_write:
 * Writes @data to a temporary name beside @path, then renames it, so that a
 * failure (disk full, no permission) leaves what was there before and nothing
 * else.  A link stays one: what it leads to is replaced.  What is no ordinary
 * file (a device, a pipe, a folder) is not: %SHU_ERROR_INVALID.
 */
gboolean shu_file_write (
    const char *path, gconstpointer data, gsize size, GError **error);

/**
 * ShuFilePart:
 * Part @i of a file, (transfer full); NULL with an error, and NULL without one
 * behind the last.
 */
typedef GBytes *(*ShuFilePart) (int i, gpointer data, GError **error);

/* The same for what is not all in memory at once. */
gboolean shu_file_write_parts (
    const char *path, ShuFilePart part, gpointer data, GError **error);

G_END_DECLS
