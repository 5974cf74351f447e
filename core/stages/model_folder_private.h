/* SPDX-License-Identifier: MIT */
#pragma once
#include <glib.h>

gboolean shu_is_model_folder (const char *folder);

/* @folder, or what SHU_MODEL and the search path say where it is NULL.
 * Returns: (transfer full): an absolute path */
char *shu_find_model_folder (const char *folder, GError **error);
