/* SPDX-License-Identifier: MIT */
/* CUDA devices.  cudart is linked statically and opens the driver itself, so
 * all this works, and says no, where there is none. */
#include "tensor/device.h"
#include "tensor/gpu_arch.h"
#include "tensor/gpu_archs.h"
#include "tensor/libs_cuda.h"
#include "base/error.h"
#include <cuda_runtime_api.h>

enum { MIN_MAJOR = 8 }; /* compute capability: tensor cores with cp.async */

static gboolean refuse (GError **error, int code, const char *format, ...)
    G_GNUC_PRINTF (3, 4);

static gboolean
refuse (GError **error, int code, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  g_propagate_error (error, g_error_new_valist (SHU_ERROR, code, format, args));
  va_end (args);
  return FALSE;
}

static gboolean
refuse_driver (cudaError_t e, GError **error)
{
  int driver = 0;

  cudaGetLastError ();
  cudaDriverGetVersion (&driver);
  if (driver == 0)
    return refuse (error, SHU_ERROR_MISSING, "there is no NVIDIA driver here");
  if (e == cudaErrorInsufficientDriver)
    return refuse (error, SHU_ERROR_UNSUPPORTED,
        "the NVIDIA driver is for CUDA %d.%d, this build needs one for %d.%d; "
        "update it",
        driver / 1000, driver % 1000 / 10, CUDART_VERSION / 1000,
        CUDART_VERSION % 1000 / 10);
  if (e == cudaErrorNoDevice)
    return refuse (error, SHU_ERROR_MISSING, "there is no NVIDIA GPU here");
  return refuse (error, SHU_ERROR_UNSUPPORTED,
      "CUDA does not start: %s (%s); restart the program, then the computer",
      cudaGetErrorString (e), cudaGetErrorName (e));
}

gboolean
shu_device_usable (int device, GError **error)
{
  int n = 0, major = 0, minor = 0;
  cudaError_t e = cudaGetDeviceCount (&n);

  if (e == cudaSuccess && n == 0)
    e = cudaErrorNoDevice;
  if (e != cudaSuccess)
    return refuse_driver (e, error);
  if (device < 0 || device >= n)
    return refuse (error, SHU_ERROR_UNSUPPORTED,
        "there %s %d here, numbered from 0", n == 1 ? "is" : "are", n);
  e = cudaDeviceGetAttribute (
      &major, cudaDevAttrComputeCapabilityMajor, device);
  if (e == cudaSuccess)
    e = cudaDeviceGetAttribute (
        &minor, cudaDevAttrComputeCapabilityMinor, device);
  if (e != cudaSuccess)
    return refuse_driver (e, error);
  if (major < MIN_MAJOR)
    return refuse (error, SHU_ERROR_UNSUPPORTED,
        "the GPU has compute capability %d.%d, at least %d.0 is needed", major,
        minor, MIN_MAJOR);
  if (!shu_gpu_arch_runs (SHU_GPU_ARCHS, major, minor))
    return refuse (error, SHU_ERROR_UNSUPPORTED,
        "the GPU has compute capability %d.%d, and this build is for others "
        "(gpu_arch: " SHU_GPU_ARCHS "); build it for that one, too",
        major, minor);
  return shu_cuda_libs_load (error);
}

gboolean
shu_device_lost (int device)
{
  cudaError_t e = cudaSetDevice (device);

  if (e == cudaSuccess)
    e = cudaStreamQuery (cudaStreamPerThread);
  cudaGetLastError ();
  return e != cudaSuccess && e != cudaErrorNotReady &&
         e != cudaErrorMemoryAllocation;
}

gpointer
shu_device_alloc (int device, gsize size)
{
  void *p = NULL;

  if (cudaSetDevice (device) == cudaSuccess &&
      cudaMalloc (&p, size) == cudaSuccess)
    return p;
  cudaGetLastError (); /* or the next check of a launch would find it */
  return NULL;
}

void
shu_device_free (int device, gpointer p)
{
  /* waits for work that may still use it */
  if (cudaSetDevice (device) == cudaSuccess)
    cudaFree (p);
}

gboolean
shu_device_memory (int device, gsize *ret_free, gsize *ret_total)
{
  size_t n_free, total;

  if (cudaSetDevice (device) != cudaSuccess ||
      cudaMemGetInfo (&n_free, &total) != cudaSuccess) {
    cudaGetLastError ();
    return FALSE;
  }
  *ret_free = n_free;
  *ret_total = total;
  return TRUE;
}

char *
shu_device_name (int device)
{
  struct cudaDeviceProp prop;

  if (cudaGetDeviceProperties (&prop, device) == cudaSuccess)
    return g_strdup (prop.name);
  cudaGetLastError ();
  return g_strdup_printf ("cuda:%d", device);
}

gboolean
shu_device_to_host (
    int device, gpointer dst, gconstpointer src, gsize size, GError **error)
{
  cudaError_t e = cudaSetDevice (device);

  if (e == cudaSuccess)
    e = cudaMemcpy (dst, src, size, cudaMemcpyDeviceToHost);
  if (e == cudaSuccess)
    return TRUE;
  cudaGetLastError ();
  g_set_error (error, SHU_ERROR, SHU_ERROR_INTERNAL,
      "cuda:%d: copy of %zu bytes: %s", device, size, cudaGetErrorString (e));
  return FALSE;
}
