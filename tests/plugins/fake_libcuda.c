/* SPDX-License-Identifier: MIT */
/* A driver of two devices without any behind it, for GStreamer's CUDA library:
 * contexts are numbers, memory is the host's.  What that library only looks for
 * is there, and does nothing. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { N_DEVICES = 2, PITCH = 512, ANY_ATTRIBUTE = 9 };

#define NOTHING(name)                                                          \
  int name (void);                                                             \
                                                                               \
  int name (void)                                                              \
  {                                                                            \
    return 0;                                                                  \
  }
/* clang-format off */
NOTHING (cuInit) NOTHING (cuCtxDestroy_v2) NOTHING (cuCtxPushCurrent_v2)
NOTHING (cuCtxPopCurrent_v2) NOTHING (cuCtxEnablePeerAccess)
NOTHING (cuCtxDisablePeerAccess) NOTHING (cuGraphicsMapResources)
NOTHING (cuGraphicsUnmapResources) NOTHING (cuGraphicsUnregisterResource)
NOTHING (cuGraphicsResourceSetMapFlags_v2)
NOTHING (cuGraphicsSubResourceGetMappedArray)
NOTHING (cuGraphicsResourceGetMappedPointer_v2) NOTHING (cuMemcpy2D_v2)
NOTHING (cuMemcpy2DAsync_v2) NOTHING (cuStreamCreate) NOTHING (cuStreamDestroy)
NOTHING (cuStreamDestroy_v2) NOTHING (cuStreamSynchronize)
NOTHING (cuDriverGetVersion) NOTHING (cuModuleLoadData) NOTHING (cuModuleUnload)
NOTHING (cuModuleGetFunction) NOTHING (cuTexObjectCreate)
NOTHING (cuTexObjectDestroy) NOTHING (cuLaunchKernel)
NOTHING (cuGraphicsGLRegisterImage) NOTHING (cuGraphicsGLRegisterBuffer)
NOTHING (cuGLGetDevices_v2)
/* clang-format on */

#define DECLARED(name, ...)                                                    \
  int name (__VA_ARGS__);                                                      \
                                                                               \
  int name (__VA_ARGS__)

                                                DECLARED (cuGetErrorName,
                                                    int error, const char **ret)
{
  *ret = "CUDA_ERROR";
  return 0;
}

DECLARED (cuGetErrorString, int error, const char **ret)
{
  *ret = "what went wrong";
  return 0;
}

DECLARED (cuCtxCreate_v2, void **ret, unsigned int flags, int device)
{
  static uintptr_t last = 0x1000;

  *ret = (void *) ++last;
  return 0;
}

DECLARED (cuDeviceGetCount, int *ret)
{
  *ret = N_DEVICES;
  return 0;
}

DECLARED (cuDeviceGet, int *ret, int number)
{
  *ret = number;
  return number >= N_DEVICES;
}

DECLARED (cuDeviceGetName, char *ret, int size, int device)
{
  snprintf (ret, (size_t) size, "fake");
  return 0;
}

DECLARED (cuDeviceGetAttribute, int *ret, int what, int device)
{
  *ret = ANY_ATTRIBUTE;
  return 0;
}

DECLARED (cuDeviceCanAccessPeer, int *ret, int device, int peer)
{
  *ret = 0;
  return 0;
}

DECLARED (cuMemAlloc_v2, void **ret, size_t size)
{
  *ret = calloc (1, size);
  return !*ret;
}

DECLARED (cuMemAllocPitch_v2, void **ret, size_t *ret_pitch, size_t width,
    size_t height, unsigned int element)
{
  *ret_pitch = (width + PITCH - 1) / PITCH * PITCH;
  *ret = calloc (height, *ret_pitch);
  return !*ret;
}

DECLARED (cuMemAllocHost_v2, void **ret, size_t size)
{
  return cuMemAlloc_v2 (ret, size);
}

DECLARED (cuMemFree_v2, void *p)
{
  free (p);
  return 0;
}

DECLARED (cuMemFreeHost, void *p)
{
  free (p);
  return 0;
}
