/* SPDX-License-Identifier: MIT */
/* What contexts need of the devices beside the CPU: whether they can be used,
 * and their memory.  Without CUDA there are none. */
#pragma once
#include <glib.h>

G_BEGIN_DECLS

/**
 * shu_device_usable:
 * @device: number of a CUDA device
 *
 * Returns: FALSE, with %SHU_ERROR_UNSUPPORTED and the reason, where it is not
 *   there or not what the library was made for
 */
gboolean shu_device_usable (int device, GError **error);

/* NULL where there is no memory. */
gpointer shu_device_alloc (int device, gsize size);
void shu_device_free (int device, gpointer p);
/* As its maker calls it; (transfer full) */
char *shu_device_name (int device);
/* Bytes that are free to all, and all of them; FALSE where that cannot be
 * told. */
gboolean shu_device_memory (int device, gsize *ret_free, gsize *ret_total);

G_END_DECLS
