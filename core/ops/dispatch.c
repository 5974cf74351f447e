/* SPDX-License-Identifier: MIT */
/* Picks a context's backend, and says what is wrong with an operation. */
#include "ops/backend_private.h"
#include "base/error.h"

static const ShuBackend *
pick (const ShuCtx *c)
{
#ifdef SHU_HAVE_CUDA
  if (c->place >= 0)
    return &shu_backend_cuda;
#endif
  return &shu_backend_cpu;
}

const ShuBackend *
shu_backend_of (ShuCtx *c)
{
  if (!c->backend)
    c->backend = pick (c);
  return c->backend;
}

const ShuBackend *
shu_backend_get (ShuCtx *c, const char *op, gsize slot)
{
  if (!shu_ctx_ready (c))
    return NULL;
  if (!((const gpointer *) shu_backend_of (c))[slot]) {
    shu_ctx_fail (c, SHU_ERROR_UNSUPPORTED, "%s: no %s", c->backend->name, op);
    return NULL;
  }
  return c->backend;
}

ShuTensor *
shu_operand_of_host (ShuCtx *c, ShuTensor *x)
{
  GError *error = NULL;

  if (c->dry || shu_tensor_host (x, &error))
    return x;
  shu_ctx_take_error (c, error);
  return c->nil;
}

ShuTensor *
shu_operand (ShuCtx *c, ShuTensor *x)
{
  g_autofree char *device = NULL;

  if (x->storage->place == c->place)
    return c->place == SHU_HOST ? shu_operand_of_host (c, x) : x;
  if (x->storage->place == SHU_HOST)
    return shu_place_is_cpu (c->place) ? shu_operand_of_host (c, x)
                                       : shu_backend_of (c)->adopt (c, x);
  device = shu_tensor_device (x);
  shu_ctx_fail (c, SHU_ERROR_INVALID,
      "a tensor of %s is of no use to a context of %s", device, c->device);
  return c->nil;
}

ShuTensor *
shu_op_wrong (ShuCtx *c, const char *op, const char *what, ...)
{
  g_autoptr (GString) shapes = g_string_new (NULL);
  va_list args;
  ShuTensor *t;

  va_start (args, what);
  while ((t = va_arg (args, ShuTensor *))) {
    g_autofree char *shape = shu_tensor_describe (t);

    g_string_append_printf (shapes, "%s%s", shapes->len ? ", " : "", shape);
  }
  va_end (args);
  shu_ctx_fail (c, SHU_ERROR_INVALID, "%s: expected %s, got %s", op, what,
      shapes->len ? shapes->str : "nothing");
  return c->nil;
}
