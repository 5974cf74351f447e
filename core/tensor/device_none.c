/* SPDX-License-Identifier: MIT */
/* A build without CUDA. */
#include "tensor/device.h"
#include "base/error.h"

gboolean
shu_device_usable (int device, GError **error)
{
  g_set_error_literal (
      error, SHU_ERROR, SHU_ERROR_MISSING, "this build has no CUDA backend");
  return FALSE;
}

gboolean
shu_device_lost (int device)
{
  return FALSE;
}

gpointer
shu_device_alloc (int device, gsize size)
{
  return NULL;
}

void
shu_device_free (int device, gpointer p)
{
}

gboolean
shu_device_memory (int device, gsize *ret_free, gsize *ret_total)
{
  return FALSE;
}

char *
shu_device_name (int device)
{
  return g_strdup_printf ("cuda:%d", device);
}

gpointer
shu_device_reserve (int device, gsize granule, gsize *ret_span)
{
  return NULL;
}

void
shu_device_unreserve (int device, gpointer base, gsize span)
{
}

gpointer
shu_device_map (int device, gpointer at, gsize size)
{
  return NULL;
}

void
shu_device_unmap (gpointer mapped, gpointer at, gsize size)
{
}

gboolean
shu_device_wait (int device)
{
  return FALSE;
}

void
shu_device_records (gboolean on)
{
}

gboolean
shu_device_to_host (
    int device, gpointer dst, gconstpointer src, gsize size, GError **error)
{
  return shu_device_usable (device, error);
}

int
shu_device_count (void)
{
  return 0;
}

gpointer
shu_device_context (int device)
{
  return NULL;
}

gboolean
shu_device_take_rows (
    int device, gpointer dst, const ShuDeviceRows *rows, GError **error)
{
  return shu_device_usable (device, error);
}
