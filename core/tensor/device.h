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
 * Returns: FALSE, with the reason, where it is not what the library was made
 *   for (%SHU_ERROR_UNSUPPORTED), or where there is no GPU at all
 *   (%SHU_ERROR_MISSING)
 */
gboolean shu_device_usable (int device, GError **error);

/* Whether it answers this process with nothing but errors from now on. */
gboolean shu_device_lost (int device);

/* NULL where there is no memory, or the device is lost. */
gpointer shu_device_alloc (int device, gsize size);
void shu_device_free (int device, gpointer p);
/* Addresses for all the memory of a device, @granule aligned, without any
 * behind them; NULL where it cannot do so. */
gpointer shu_device_reserve (int device, gsize granule, gsize *ret_span);
void shu_device_unreserve (int device, gpointer base, gsize span);
/* Memory at reserved addresses; NULL where there is none.  What is returned
 * goes to shu_device_unmap(), when the device is at rest. */
gpointer shu_device_map (int device, gpointer at, gsize size);
void shu_device_unmap (gpointer mapped, gpointer at, gsize size);
/* Waits until the device is at rest; FALSE where that cannot be. */
gboolean shu_device_wait (int device);
/* Between @on and its end this thread records operations of a stream, which a
 * wait for the whole device would spoil, so that waits for the end of it. */
void shu_device_records (gboolean on);
/* As its maker calls it; (transfer full) */
char *shu_device_name (int device);
/* Bytes that are free to all, and all of them; FALSE where that cannot be
 * told. */
gboolean shu_device_memory (int device, gsize *ret_free, gsize *ret_total);

/* Waits for the copy; whoever made the data has waited for it. */
gboolean shu_device_to_host (
    int device, gpointer dst, gconstpointer src, gsize size, GError **error);

/* How many CUDA devices there are: 0 where that cannot be told. */
int shu_device_count (void);

/* The driver's context that the library works in on @device, its primary one;
 * NULL where there is none. */
gpointer shu_device_context (int device);

/**
 * ShuDeviceRows:
 * @context: the driver's context that @data belongs to, on any device
 * @data: first of @n rows of @bytes, @stride bytes apart, which nobody writes
 *   to any more
 */
typedef struct {
  gpointer context;
  gconstpointer data;
  gsize n, bytes, stride;
} ShuDeviceRows;

/* Copies @rows to @dst of @device, one behind the other, and waits for it. */
gboolean shu_device_take_rows (
    int device, gpointer dst, const ShuDeviceRows *rows, GError **error);

G_END_DECLS
