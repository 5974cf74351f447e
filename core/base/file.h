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
 * shu_file_write:
 * Writes @data to a temporary name beside @path, then renames it, so that a
 * failure (disk full, no permission) leaves what was there before and nothing
 * else.
 */
gboolean shu_file_write (
    const char *path, gconstpointer data, gsize size, GError **error);

G_END_DECLS
