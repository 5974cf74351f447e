/* SPDX-License-Identifier: MIT */
/* Contexts: scopes, the first error, taps.  What computes is behind ops/. */
#include "tensor/context.h"
#include "tensor/context_backend.h"
#include "tensor/device.h"
#include "base/error.h"
#include <string.h>

static GPtrArray *
scope_new (void)
{
  return g_ptr_array_new_with_free_func ((GDestroyNotify) shu_tensor_unref);
}

/* "cuda" or "cuda:N" */
static gboolean
is_cuda (const char *device, int *ret_number)
{
  guint64 number = 0;

  if (strcmp (device, "cuda") != 0 &&
      !(g_str_has_prefix (device, "cuda:") &&
          g_ascii_string_to_unsigned (
              device + strlen ("cuda:"), 10, 0, 1023, &number, NULL)))
    return FALSE;
  *ret_number = (int) number;
  return TRUE;
}

/* Who has a GPU wants to know; once. */
static void
say_why_cpu (const GError *why)
{
  static gint said;

  if (why->code == SHU_ERROR_UNSUPPORTED &&
      g_atomic_int_compare_and_exchange (&said, FALSE, TRUE))
    g_message ("device auto: the CPU, because %s", why->message);
  else
    g_info ("device auto: the CPU, because %s", why->message);
}

/* The first GPU that can be used; SHU_HOST: none */
static int
find_gpu (void)
{
  g_autoptr (GError) why = NULL;
  int i = 0;

  do {
    if (shu_device_usable (i, why ? NULL : &why))
      return i;
  } while (++i < shu_device_count ());
  say_why_cpu (why);
  return SHU_HOST;
}

static gboolean
find_place (const char *device, int *ret_place, GError **error)
{
  g_autoptr (GError) why = NULL;

  *ret_place = SHU_HOST;
  if (strcmp (device, "cpu") == 0)
    return TRUE;
  if (strcmp (device, "mock") == 0) {
    *ret_place = SHU_MOCK;
    return TRUE;
  }
  if (strcmp (device, "auto") == 0) {
    *ret_place = find_gpu ();
    return TRUE;
  }
  if (!is_cuda (device, ret_place)) {
    g_set_error (error, SHU_ERROR, SHU_ERROR_UNSUPPORTED,
        "device %s: expected auto, cpu or cuda:N", device);
    return FALSE;
  }
  if (shu_device_usable (*ret_place, &why))
    return TRUE;
  g_set_error (error, SHU_ERROR, SHU_ERROR_UNSUPPORTED,
      "device %s: %s; use cpu or auto", device, why->message);
  return FALSE;
}

static ShuCtx *
ctx_new (int place, char *device)
{
  static gint n_made;
  ShuCtx *c = g_new0 (ShuCtx, 1);

  c->serial = g_atomic_int_add (&n_made, 1) + 1;
  c->place = place;
  c->device = device;
  c->real = shu_place_is_cpu (place) ? SHU_DTYPE_F32 : SHU_DTYPE_F16;
  c->pool = shu_pool_new (place);
  c->scopes =
      g_ptr_array_new_with_free_func ((GDestroyNotify) g_ptr_array_unref);
  g_ptr_array_add (c->scopes, scope_new ());
  c->depth = 1;
  c->nil = shu_tensor_new (SHU_DTYPE_F32, SHU_DIMS (1, 1, 1, 1, 1));
  memset (c->nil->data, 0, SHU_ALIGN);
  return c;
}

ShuCtx *
shu_ctx_new (const char *device, GError **error)
{
  int place;

  g_return_val_if_fail (device, NULL);
  if (!find_place (device, &place, error))
    return NULL;
  return ctx_new (place, shu_place_name (place));
}

ShuCtx *
shu_ctx_new_measure (void)
{
  return ctx_new (SHU_NOWHERE, g_strdup ("nowhere"));
}

void
shu_ctx_free (ShuCtx *c)
{
  if (!c)
    return;
  if (c->backend_state && c->backend_state_free)
    c->backend_state_free (c->backend_state);
  /* innermost first */
  while (c->scopes->len > 0)
    g_ptr_array_remove_index (c->scopes, c->scopes->len - 1);
  g_ptr_array_unref (c->scopes);
  shu_tensor_unref (c->nil);
  g_clear_error (&c->error);
  g_clear_object (&c->cancellable);
  g_clear_pointer (&c->traffic, shu_traffic_unref);
  shu_pool_trim (c->pool);
  shu_pool_unref (c->pool);
  g_free (c->device);
  g_free (c);
}

const char *
shu_ctx_device (ShuCtx *c)
{
  return c->device;
}

gboolean
shu_ctx_on_gpu (ShuCtx *c)
{
  return c->place >= 0;
}

void
shu_ctx_set_cancellable (ShuCtx *c, GCancellable *cancellable)
{
  g_set_object (&c->cancellable, cancellable);
}

void
shu_ctx_set_traffic (ShuCtx *c, ShuTraffic *traffic)
{
  if (traffic)
    shu_traffic_ref (traffic);
  g_clear_pointer (&c->traffic, shu_traffic_unref);
  c->traffic = traffic;
}

void
shu_ctx_fail (ShuCtx *c, int code, const char *format, ...)
{
  va_list args;

  if (c->error)
    return;
  va_start (args, format);
  c->error = g_error_new_valist (SHU_ERROR, code, format, args);
  va_end (args);
}

void
shu_ctx_take_error (ShuCtx *c, GError *error)
{
  g_return_if_fail (error);
  if (c->error)
    g_error_free (error);
  else
    c->error = error;
}

gboolean
shu_ctx_failed (ShuCtx *c)
{
  return c->error != NULL;
}

gboolean
shu_ctx_ready (ShuCtx *c)
{
  GError *error = NULL;

  if (c->error)
    return FALSE;
  if (g_cancellable_set_error_if_cancelled (c->cancellable, &error)) {
    shu_ctx_take_error (c, error);
    return FALSE;
  }
  return TRUE;
}

gboolean
shu_ctx_finish (ShuCtx *c, GError **error)
{
  if (c->wait)
    c->wait (c);
  if (!c->error)
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&c->error));
  return FALSE;
}

gsize
shu_ctx_live_bytes (ShuCtx *c)
{
  return shu_pool_live (c->pool);
}

gsize
shu_ctx_peak_bytes (ShuCtx *c)
{
  return shu_pool_peak (c->pool);
}

char *
shu_ctx_device_name (ShuCtx *c)
{
  return c->place < 0 ? g_strdup (c->device) : shu_device_name (c->place);
}

gboolean
shu_ctx_is_dry (ShuCtx *c)
{
  return c->dry;
}

gsize
shu_ctx_held_peak_bytes (ShuCtx *c)
{
  return shu_pool_held_peak (c->pool);
}

void
shu_ctx_reserve (ShuCtx *c, gssize bytes)
{
  shu_pool_reserve (c->pool, bytes);
}

void
shu_ctx_trim (ShuCtx *c)
{
  shu_pool_trim (c->pool);
}

gsize
shu_ctx_device_bytes (ShuCtx *c)
{
  gsize n_free, total;

  return c->place >= 0 && shu_device_memory (c->place, &n_free, &total)
             ? total - n_free
             : 0;
}

/* ---- scopes ---- */

ShuScope
shu_scope_begin (ShuCtx *c)
{
  if (c->depth == c->scopes->len)
    g_ptr_array_add (c->scopes, scope_new ());
  c->depth++;
  return (ShuScope){c};
}

void
shu_scope_end (ShuScope scope)
{
  ShuCtx *c = scope.c;

  g_return_if_fail (c->depth > 1);
  g_ptr_array_set_size (c->scopes->pdata[--c->depth], 0);
}

static GPtrArray *
scope_at (ShuCtx *c, guint depth)
{
  return g_ptr_array_index (
      c->scopes, c->depth - 1 - MIN (depth, c->depth - 1));
}

ShuTensor *
shu_scoped_take (ShuCtx *c, ShuTensor *t)
{
  g_ptr_array_add (scope_at (c, 0), t);
  return t;
}

ShuTensor *
shu_scoped_ref (ShuCtx *c, ShuTensor *t)
{
  g_return_val_if_fail (t, c->nil);
  return shu_scoped_take (c, shu_tensor_ref (t));
}

ShuTensor *
shu_keep (ShuCtx *c, ShuTensor *t)
{
  g_return_val_if_fail (t, c->nil);
  /* The scope outside takes a reference of its own; the one that the innermost
   * scope may hold goes with that scope. */
  g_ptr_array_add (scope_at (c, 1), shu_tensor_ref (t));
  return t;
}

void
shu_drop (ShuCtx *c, ShuTensor *t)
{
  ShuStorage *storage = t->storage;
  gboolean found = t == c->nil;

  for (guint depth = 0; !found && depth < c->depth; depth++) {
    GPtrArray *scope = scope_at (c, depth);

    for (guint i = scope->len; i > 0; i--) {
      ShuTensor *other = scope->pdata[i - 1];

      if (other != t && (depth > 0 || other->storage != storage))
        continue;
      found = TRUE;
      g_ptr_array_remove_index_fast (scope, i - 1);
    }
  }
}

ShuTensor *
shu_own (ShuCtx *c, ShuTensor *t)
{
  return c->error || !t ? NULL : shu_tensor_ref (t);
}

/* Rounded up: a little is not nothing. */
static gsize
megabytes (gsize bytes)
{
  return (bytes >> 20) + (bytes % (1 << 20) != 0);
}

static void
fail_memory (ShuCtx *c, gsize bytes)
{
  if (c->place >= 0 && shu_device_lost (c->place))
    shu_ctx_fail (c, SHU_ERROR_INTERNAL,
        "%s: the GPU is lost to this process, start it again", c->device);
  else
    shu_ctx_fail (c, SHU_ERROR_MEMORY,
        "%s: no memory for %" G_GSIZE_FORMAT " MB beside the %" G_GSIZE_FORMAT
        " MB in use; %s",
        c->device, megabytes (bytes), megabytes (shu_ctx_live_bytes (c)),
        c->place < 0 ? "choose a smaller size"
                     : "close other programs that use the GPU, or set "
                       "memory=low");
}

ShuTensor *
shu_scoped (ShuCtx *c, ShuDType dtype, int n_dims, const gint64 *dims)
{
  ShuStorage *storage;
  gsize bytes;

  if (c->error)
    return c->nil;
  if (!shu_tensor_size (dtype, n_dims, dims, &bytes)) {
    shu_ctx_fail (c, SHU_ERROR_LIMIT, "tensor: sizes are out of range");
    return c->nil;
  }
  storage = shu_storage_new_pool (c->pool, MAX (bytes, 1));
  if (!storage) {
    if (c->wait)
      c->wait (c); /* a device that has failed gives no memory either */
    fail_memory (c, bytes);
    return c->nil;
  }
  return shu_scoped_take (
      c, shu_tensor_new_storage (dtype, n_dims, dims, storage));
}

/* ---- taps ---- */

void
shu_ctx_set_tap (ShuCtx *c, ShuTapFunc func, gpointer data)
{
  c->tap = func;
  c->tap_data = data;
}

void
shu_ctx_set_part (ShuCtx *c, const char *part)
{
  c->part = part;
}

const char *
shu_ctx_part (ShuCtx *c)
{
  return c->part ? c->part : "";
}

gboolean
shu_tapped (ShuCtx *c)
{
  return c->tap && !c->error;
}

ShuTensor *
shu_tap (ShuCtx *c, ShuTensor *t, const char *format, ...)
{
  g_autofree char *name = NULL;
  va_list args;

  if (!shu_tapped (c))
    return t;
  va_start (args, format);
  name = g_strdup_vprintf (format, args);
  va_end (args);
  c->tap (name, t, c->tap_data);
  return t;
}
