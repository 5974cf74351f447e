/* SPDX-License-Identifier: MIT */
/* Memory of CUDA devices that is put behind reserved addresses.  The driver's
 * functions for that are asked for by name: the library does not link to it. */
#include "tensor/device.h"
#include "tensor/libs_cuda.h"
#include <cuda.h>
#include <cuda_runtime_api.h>

static struct {
  CUresult (*reserve) (
      CUdeviceptr *, size_t, size_t, CUdeviceptr, unsigned long long);
  CUresult (*unreserve) (CUdeviceptr, size_t);
  CUresult (*create) (CUmemGenericAllocationHandle *, size_t,
      const CUmemAllocationProp *, unsigned long long);
  CUresult (*release) (CUmemGenericAllocationHandle);
  CUresult (*map) (CUdeviceptr, size_t, size_t, CUmemGenericAllocationHandle,
      unsigned long long);
  CUresult (*unmap) (CUdeviceptr, size_t);
  CUresult (*access) (CUdeviceptr, size_t, const CUmemAccessDesc *, size_t);
} driver;

gboolean
shu_cuda_driver_find (const char *name, gpointer function)
{
  enum cudaDriverEntryPointQueryResult result;

  if (cudaGetDriverEntryPointByVersion (
          name, function, 10020, cudaEnableDefault, &result) == cudaSuccess &&
      result == cudaDriverEntryPointSuccess)
    return TRUE;
  cudaGetLastError ();
  return FALSE;
}

/* SHU_CUDA_HEAP=0: every result is an allocation of its own, so that tools see
 * where it ends. */
static gboolean
open_driver (void)
{
  static gsize ready;
  static gboolean ok;

  if (g_once_init_enter (&ready)) {
    ok = g_strcmp0 (g_getenv ("SHU_CUDA_HEAP"), "0") != 0 &&
         shu_cuda_driver_find ("cuMemAddressReserve", &driver.reserve) &&
         shu_cuda_driver_find ("cuMemAddressFree", &driver.unreserve) &&
         shu_cuda_driver_find ("cuMemCreate", &driver.create) &&
         shu_cuda_driver_find ("cuMemRelease", &driver.release) &&
         shu_cuda_driver_find ("cuMemMap", &driver.map) &&
         shu_cuda_driver_find ("cuMemUnmap", &driver.unmap) &&
         shu_cuda_driver_find ("cuMemSetAccess", &driver.access);
    g_once_init_leave (&ready, 1);
  }
  return ok;
}

gpointer
shu_device_reserve (int device, gsize granule, gsize *ret_span)
{
  gsize n_free, total;
  CUdeviceptr base;

  if (!open_driver () || !shu_device_memory (device, &n_free, &total))
    return NULL;
  total = (total + granule - 1) / granule * granule;
  if (driver.reserve (&base, total, granule, 0, 0) != CUDA_SUCCESS)
    return NULL;
  *ret_span = total;
  return GSIZE_TO_POINTER (base);
}

void
shu_device_unreserve (int device, gpointer base, gsize span)
{
  driver.unreserve (GPOINTER_TO_SIZE (base), span);
}

gpointer
shu_device_map (int device, gpointer at, gsize size)
{
  CUmemAllocationProp prop = {.type = CU_MEM_ALLOCATION_TYPE_PINNED,
      .location = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = device}};
  CUmemAccessDesc access = {
      .location = prop.location, .flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE};
  CUmemGenericAllocationHandle handle;

  if (cudaSetDevice (device) != cudaSuccess ||
      driver.create (&handle, size, &prop, 0) != CUDA_SUCCESS)
    return NULL;
  if (driver.map (GPOINTER_TO_SIZE (at), size, 0, handle, 0) == CUDA_SUCCESS) {
    if (driver.access (GPOINTER_TO_SIZE (at), size, &access, 1) == CUDA_SUCCESS)
      return GSIZE_TO_POINTER (handle);
    driver.unmap (GPOINTER_TO_SIZE (at), size);
  }
  driver.release (handle);
  return NULL;
}

void
shu_device_unmap (gpointer mapped, gpointer at, gsize size)
{
  driver.unmap (GPOINTER_TO_SIZE (at), size);
  driver.release (GPOINTER_TO_SIZE (mapped));
}

/* ---- to be at rest ---- */

/* A second is many times what a record takes. */
static const gint64 PATIENCE = G_TIME_SPAN_SECOND;

static struct {
  GMutex lock;
  GCond changed;
  int n; /* threads that record */
} records;

static _Thread_local gboolean recording;

void
shu_device_records (gboolean on)
{
  recording = on;
  g_mutex_lock (&records.lock);
  records.n += on ? 1 : -1;
  g_cond_broadcast (&records.changed);
  g_mutex_unlock (&records.lock);
}

gboolean
shu_device_wait (int device)
{
  gint64 end = g_get_monotonic_time () + PATIENCE;
  gboolean ok;

  if (recording)
    return FALSE;
  g_mutex_lock (&records.lock);
  while (
      records.n > 0 && g_cond_wait_until (&records.changed, &records.lock, end))
    ;
  ok = records.n == 0 && cudaSetDevice (device) == cudaSuccess &&
       cudaDeviceSynchronize () == cudaSuccess;
  g_mutex_unlock (&records.lock);
  cudaGetLastError ();
  return ok;
}
