/* SPDX-License-Identifier: MIT */
/* Memory of CUDA contexts that are not the library's: of decoders and filters
 * in the same process.  The library works in the primary context of a device,
 * and copies once what lies in another. */
#pragma once
#include "tensor/tensor.h"

G_BEGIN_DECLS

/* How many CUDA devices there are; 0 without CUDA. */
int shu_cuda_n_devices (void);

/* N of "cuda:N"; -1 where @device is NULL or none of CUDA. */
int shu_cuda_device_number (const char *device);

/**
 * shu_cuda_context:
 * @device: "cuda:N"
 *
 * Returns: (transfer none): the CUcontext in which the library works there,
 *   its primary one; NULL with an error where the device cannot be used
 */
gpointer shu_cuda_context (const char *device, GError **error);

/**
 * ShuCudaPicture:
 * @context: the CUcontext that @data belongs to, on any device
 * @data: device memory, which nobody writes to any more
 * @stride: bytes from one row to the next
 */
typedef struct {
  gpointer context;
  gconstpointer data;
  gsize stride;
  int height, width, n_channels;
} ShuCudaPicture;

/**
 * shu_tensor_new_cuda_picture:
 * @device: "cuda:N", where the copy will be
 * @traffic: (nullable): counts it
 *
 * Returns: (transfer full): u8 [H,W,C]; NULL with an error
 */
ShuTensor *shu_tensor_new_cuda_picture (const char *device,
    const ShuCudaPicture *picture, ShuTraffic *traffic, GError **error);

G_END_DECLS
