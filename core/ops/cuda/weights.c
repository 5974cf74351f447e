/* SPDX-License-Identifier: MIT */
/* Weights on devices.  Forms of a weight hang at its storage, one for each
 * device and layout, and are shared by all contexts: whoever makes one waits
 * until it is there. */
#include "ops/cuda/cuda_private.h"
#include "base/error.h"
#include "tensor/device.h"

typedef struct {
  int device;
  ShuCudaLayout layout;
  gint64 Co, Ci; /* tell views of other dimensions apart */
  gpointer data;
} Form;

typedef struct {
  GMutex lock;
  GArray *list; /* of Form */
} Forms;

static void
forms_free (gpointer data)
{
  Forms *p = data;

  for (guint i = 0; i < p->list->len; i++) {
    Form *f = &g_array_index (p->list, Form, i);

    shu_device_free (f->device, f->data);
  }
  g_array_unref (p->list);
  g_mutex_clear (&p->lock);
  g_free (p);
}

static Forms *
forms_of (ShuStorage *s)
{
  static GMutex lock;
  Forms *p;

  g_mutex_lock (&lock);
  p = s->forms;
  if (!p) {
    p = g_new0 (Forms, 1);
    g_mutex_init (&p->lock);
    p->list = g_array_new (FALSE, FALSE, sizeof (Form));
    s->forms_free = forms_free;
    s->forms = p;
  }
  g_mutex_unlock (&lock);
  return p;
}

static gpointer
weight_alloc (ShuCtx *c, gsize bytes)
{
  gpointer p = shu_device_alloc (c->place, bytes);

  if (!p) {
    shu_pool_trim (c->pool); /* what results left behind may be enough */
    p = shu_device_alloc (c->place, bytes);
  }
  if (p)
    return p;
  c->wait (c); /* a device that has failed gives no memory either */
  shu_ctx_fail (c, SHU_ERROR_MEMORY,
      "%s: no memory for a weight of %zu MB beside the %zu MB in use",
      c->device, bytes >> 20, shu_ctx_live_bytes (c) >> 20);
  return NULL;
}

/* f16 on the device, in the order of the checkpoint */
static gboolean
halve (ShuCtx *c, ShuCuda *s, gpointer y, ShuTensor *w)
{
  SHU_SCOPE (c);
  float *wide = shu_cuda_scratch (c, w->n * sizeof *wide);

  return wide && shu_cuda_to_device (c, wide, w->data, w->n * sizeof *wide) &&
         shu_cuda_check (
             c, shu_launch_f32_to_f16 (y, wide, w->n, s->stream), "weight");
}

/* [a,b,rest] with @axes -> y */
static cudaError_t
turn (ShuCuda *s, gpointer y, gconstpointer x, gint64 a, gint64 b, gsize n,
    const int *axes)
{
  gint64 dims[3] = {a, b, (gint64) n / (a * b)};

  return shu_launch_permute (y, x, 3, dims, axes, 2, s->stream);
}

static gboolean
make (ShuCtx *c, ShuCuda *s, gpointer y, ShuTensor *w, ShuCudaLayout layout)
{
  SHU_SCOPE (c);
  gint64 Co = w->dims[0], Ci = w->dims[w->n_dims - 1];
  gpointer half, taps;

  if (layout == SHU_CUDA_WEIGHT_SAME)
    return shu_cuda_to_device (c, y, w->data, shu_tensor_bytes (w));
  if (layout == SHU_CUDA_WEIGHT_F16)
    return halve (c, s, y, w);
  half = shu_cuda_scratch (c, w->n * 2);
  if (!half || !halve (c, s, half, w))
    return FALSE;
  if (layout == SHU_CUDA_WEIGHT_KRSC)
    return shu_cuda_check (c,
        turn (s, y, half, Co, w->dims[1], w->n, (const int[]){0, 2, 1}),
        "weight");
  taps = layout == SHU_CUDA_WEIGHT_TAPS ? y : shu_cuda_scratch (c, w->n * 2);
  return taps &&
         shu_cuda_check (c,
             turn (s, taps, half, Co, SHU_CUDA_TAPS, w->n,
                 (const int[]){1, 0, 2}),
             "weight") &&
         (layout == SHU_CUDA_WEIGHT_TAPS ||
             shu_cuda_check (c,
                 shu_launch_sparse_subdivided_weights (
                     y, taps, (int) Ci, (int) Co, s->stream),
                 "weight"));
}

static gsize
form_bytes (const ShuTensor *w, ShuCudaLayout layout)
{
  if (layout == SHU_CUDA_WEIGHT_SAME)
    return shu_tensor_bytes (w);
  return w->n * 2 *
         (layout == SHU_CUDA_WEIGHT_SUBDIVIDED ? 64 : SHU_CUDA_TAPS) /
         SHU_CUDA_TAPS;
}

static gpointer
find (const Forms *p, const Form *wanted)
{
  for (guint i = 0; i < p->list->len; i++) {
    const Form *f = &g_array_index (p->list, Form, i);

    if (f->device == wanted->device && f->layout == wanted->layout &&
        f->Co == wanted->Co && f->Ci == wanted->Ci)
      return f->data;
  }
  return NULL;
}

gconstpointer
shu_cuda_weight (ShuCtx *c, ShuTensor *w, ShuCudaLayout layout)
{
  Form form = {.device = c->place, .layout = layout};
  ShuCuda *s = shu_cuda (c);
  Forms *p = forms_of (w->storage);

  if (!s || shu_ctx_failed (c))
    return NULL;
  if (layout > SHU_CUDA_WEIGHT_F16) {
    form.Co = w->dims[0];
    form.Ci = w->dims[1];
  }
  g_mutex_lock (&p->lock);
  form.data = find (p, &form);
  if (!form.data) {
    form.data = weight_alloc (c, MAX (form_bytes (w, layout), 1));
    if (form.data && make (c, s, form.data, w, layout))
      c->wait (c);
    if (form.data && !shu_ctx_failed (c)) {
      g_array_append_val (p->list, form);
    } else if (form.data) {
      shu_device_free (form.device, form.data);
      form.data = NULL;
    }
  }
  g_mutex_unlock (&p->lock);
  return form.data;
}

/* ---- host tensors as operands ---- */

static void
unref_storage (gpointer s)
{
  shu_storage_unref (s);
}

ShuTensor *
shu_cuda_adopt (ShuCtx *c, ShuTensor *x)
{
  gboolean real = x->dtype == SHU_DTYPE_F32;
  gconstpointer data =
      shu_cuda_weight (c, x, real ? SHU_CUDA_WEIGHT_F16 : SHU_CUDA_WEIGHT_SAME);
  gsize bytes = real ? x->n * 2 : shu_tensor_bytes (x);
  GBytes *owner;
  ShuStorage *storage;

  if (!data)
    return c->nil;
  /* lives with the host's memory */
  owner = g_bytes_new_with_free_func (
      data, bytes, unref_storage, shu_storage_ref (x->storage));
  storage = shu_storage_new_foreign (c->place, owner, (gpointer) data, bytes);
  g_bytes_unref (owner);
  return shu_scoped_take (
      c, shu_tensor_new_storage (
             real ? SHU_DTYPE_F16 : x->dtype, x->n_dims, x->dims, storage));
}
