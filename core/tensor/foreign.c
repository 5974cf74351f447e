/* SPDX-License-Identifier: MIT */
#include "tensor/foreign.h"
#include "tensor/context_backend.h"
#include "tensor/device.h"
#include "base/error.h"

int
shu_cuda_n_devices (void)
{
  return shu_device_count ();
}

int
shu_cuda_device_number (const char *device)
{
  guint64 number;

  return device && g_str_has_prefix (device, "cuda:") &&
                 g_ascii_string_to_unsigned (
                     device + strlen ("cuda:"), 10, 0, 1023, &number, NULL)
             ? (int) number
             : -1;
}

gpointer
shu_cuda_context (const char *device, GError **error)
{
  g_autoptr (ShuCtx) c = shu_ctx_new (device, error);
  gpointer context;

  if (!c)
    return NULL;
  context = c->place >= 0 ? shu_device_context (c->place) : NULL;
  if (!context)
    g_set_error (error, SHU_ERROR, SHU_ERROR_UNSUPPORTED,
        "device %s has no CUDA context", device);
  return context;
}

ShuTensor *
shu_tensor_new_cuda_picture (const char *device, const ShuCudaPicture *picture,
    ShuTraffic *traffic, GError **error)
{
  ShuDeviceRows rows = {.context = picture->context,
      .data = picture->data,
      .n = (gsize) picture->height,
      .bytes = (gsize) picture->width * picture->n_channels,
      .stride = picture->stride};
  g_autoptr (ShuCtx) c = shu_ctx_new (device, error);
  g_autoptr (ShuTensor) t = NULL;

  if (!c)
    return NULL;
  {
    SHU_SCOPE (c);
    t = shu_own (c,
        shu_scoped (c, SHU_DTYPE_U8,
            SHU_DIMS (picture->height, picture->width, picture->n_channels)));
  }
  if (!shu_ctx_finish (c, error) ||
      !shu_device_take_rows (c->place, t->data, &rows, error))
    return NULL;
  shu_traffic_add_across (traffic, SHU_TRAFFIC_IMAGE, rows.n * rows.bytes);
  return g_steal_pointer (&t);
}
