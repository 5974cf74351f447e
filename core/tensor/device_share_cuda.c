/* SPDX-License-Identifier: MIT */
/* Contexts of the driver that others of the process work in, beside the primary
 * one of the device, which is the library's: a pointer of one means nothing to
 * a kernel of another, but copies go between them, and between devices. */
#include "tensor/device.h"
#include "tensor/libs_cuda.h"
#include "base/error.h"
#include <cuda.h>
#include <cuda_runtime_api.h>

int
shu_device_count (void)
{
  int n = 0;

  if (cudaGetDeviceCount (&n) == cudaSuccess)
    return n;
  cudaGetLastError ();
  return 0;
}

gpointer
shu_device_context (int device)
{
  CUresult (*current) (CUcontext *);
  CUcontext context = NULL;

  if (cudaSetDevice (device) == cudaSuccess &&
      shu_cuda_driver_find ("cuCtxGetCurrent", &current) &&
      current (&context) == CUDA_SUCCESS)
    return context;
  cudaGetLastError ();
  return NULL;
}

gboolean
shu_device_take_rows (
    int device, gpointer dst, const ShuDeviceRows *rows, GError **error)
{
  CUDA_MEMCPY3D_PEER copy = {.srcMemoryType = CU_MEMORYTYPE_DEVICE,
      .srcDevice = GPOINTER_TO_SIZE (rows->data),
      .srcContext = rows->context,
      .srcPitch = rows->stride,
      .srcHeight = rows->n,
      .dstMemoryType = CU_MEMORYTYPE_DEVICE,
      .dstDevice = GPOINTER_TO_SIZE (dst),
      .dstContext = shu_device_context (device),
      .dstPitch = rows->bytes,
      .dstHeight = rows->n,
      .WidthInBytes = rows->bytes,
      .Height = rows->n,
      .Depth = 1};
  CUresult (*start) (const CUDA_MEMCPY3D_PEER *, CUstream);
  CUresult e;

  if (!copy.dstContext ||
      !shu_cuda_driver_find ("cuMemcpy3DPeerAsync", &start)) {
    g_set_error (error, SHU_ERROR, SHU_ERROR_UNSUPPORTED,
        "cuda:%d: the driver has no copies between contexts; update it",
        device);
    return FALSE;
  }
  /* of this thread alone: it waits for nobody else's work */
  e = start (&copy, cudaStreamPerThread);
  if (e == CUDA_SUCCESS &&
      cudaStreamSynchronize (cudaStreamPerThread) == cudaSuccess)
    return TRUE;
  cudaGetLastError ();
  g_set_error (error, SHU_ERROR, SHU_ERROR_INTERNAL,
      "cuda:%d: a frame of %zu bytes of another CUDA context cannot be copied "
      "(error %d)",
      device, rows->n * rows->bytes, e);
  return FALSE;
}
