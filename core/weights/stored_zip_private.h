/* SPDX-License-Identifier: MIT */
/* ZIP archives whose members are stored as they are, so that a mapped file
 * already is all of them.  libzip would copy every member through a buffer:
 * that is twice the memory and a second per gigabyte. */
#pragma once
#include <glib.h>

/**
 * shu_stored_zip_read:
 * Checks the directory, the members' own headers, and that no two overlap.
 * The check sums are not compared: that would read the whole file.
 *
 * Returns: (transfer full): name -> GBytes, parts of @bytes; NULL with an error
 */
GHashTable *shu_stored_zip_read (
    GBytes *bytes, const char *label, GError **error);
