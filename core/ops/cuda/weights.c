/* SPDX-License-Identifier: MIT */
/* Weights on devices.  Forms of a weight hang at its storage, one for each
 * device and layout, and are shared by all contexts: whoever makes one waits
 * until it is there.  A network's are made together when it is loaded; others
 * when an operation first asks. */
#include "ops/cuda/cuda_private.h"
#include "base/error.h"
#include "tensor/device.h"

typedef struct {
  int device;
  ShuCudaLayout layout;
  gint64 Co, Ci; /* tell views of other dimensions apart */
  gpointer data;
  GBytes *block; /* that it lies in, maybe with others */
} Form;

typedef struct {
  GMutex lock;
  GArray *list; /* of Form */
} Forms;

static void
forms_free (gpointer data)
{
  Forms *p = data;

  for (guint i = 0; i < p->list->len; i++)
    g_bytes_unref (g_array_index (p->list, Form, i).block);
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

/* ---- memory of forms ---- */

typedef struct {
  int device;
  gpointer data;
} Block;

static void
block_free (gpointer p)
{
  Block *b = p;

  shu_device_free (b->device, b->data);
  g_free (b);
}

/* (transfer full) */
static GBytes *
block_new (ShuCtx *c, gsize bytes)
{
  gpointer p = shu_device_alloc (c->place, bytes);

  if (!p) {
    shu_pool_trim (c->pool); /* what results left behind may be enough */
    p = shu_device_alloc (c->place, bytes);
  }
  if (p) {
    Block b = {c->place, p};

    return g_bytes_new_with_free_func (
        p, bytes, block_free, g_memdup2 (&b, sizeof b));
  }
  c->wait (c); /* a device that has failed gives no memory either */
  shu_ctx_fail (c, SHU_ERROR_MEMORY,
      "%s: no memory for weights of %zu MB beside the %zu MB in use", c->device,
      bytes >> 20, shu_ctx_live_bytes (c) >> 20);
  return NULL;
}

/* ---- forms ---- */

static Form
form_of (ShuCtx *c, const ShuTensor *w, ShuCudaLayout layout)
{
  Form form = {.device = c->place, .layout = layout};

  if (layout > SHU_CUDA_WEIGHT_F16) {
    form.Co = w->dims[0];
    form.Ci = w->dims[1];
  }
  return form;
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

static gsize
form_bytes (const ShuCudaForm *form)
{
  gsize elem = form->layout == SHU_CUDA_WEIGHT_SAME
                   ? shu_dtype_size (form->w->dtype)
                   : 2;

  return (shu_cuda_form_elements (form) * elem + 511) / 512 * 512;
}

static void
keep (Forms *p, Form form, GBytes *block, gpointer data)
{
  form.data = data;
  form.block = g_bytes_ref (block);
  g_array_append_val (p->list, form);
}

gconstpointer
shu_cuda_weight (ShuCtx *c, ShuTensor *w, ShuCudaLayout layout)
{
  Form form = form_of (c, w, layout);
  ShuCudaForm new = {w, layout, NULL};
  Forms *p = forms_of (w->storage);
  GBytes *block;

  if (!shu_cuda (c) || shu_ctx_failed (c))
    return NULL;
  g_mutex_lock (&p->lock);
  form.data = find (p, &form);
  if (!form.data && (block = block_new (c, form_bytes (&new)))) {
    new.y = (char *) g_bytes_get_data (block, NULL);
    if (shu_cuda_forms_make (c, 1, &new, NULL, NULL))
      c->wait (c);
    if (!shu_ctx_failed (c)) {
      keep (p, form, block, new.y);
      form.data = new.y;
    }
    g_bytes_unref (block);
  }
  g_mutex_unlock (&p->lock);
  return form.data;
}

/* Behind each other; what one leaves beyond its end the next one covers. */
static gboolean
make_joined (ShuCtx *c, int n, ShuTensor *const *w, char *y)
{
  for (int i = 0; i < n; i++) {
    const ShuCudaForm part = {w[i], SHU_CUDA_WEIGHT_F16, y};

    if (!shu_cuda_forms_make (c, 1, &part, NULL, NULL))
      return FALSE;
    y += w[i]->n * 2;
  }
  return TRUE;
}

gconstpointer
shu_cuda_weights_joined (ShuCtx *c, int n, ShuTensor *const *w)
{
  Form form = {.device = c->place,
      .layout = SHU_CUDA_WEIGHT_JOINED,
      .Ci = w[0]->dims[1]};
  Forms *p = forms_of (w[0]->storage);
  gsize bytes = 0;
  GBytes *block;

  if (n == 1)
    return shu_cuda_weight (c, w[0], SHU_CUDA_WEIGHT_F16);
  if (!shu_cuda (c) || shu_ctx_failed (c))
    return NULL;
  for (int i = 0; i < n; i++) {
    ShuCudaForm part = {w[i], SHU_CUDA_WEIGHT_F16, NULL};

    form.Co += w[i]->dims[0];
    bytes += form_bytes (&part);
  }
  g_mutex_lock (&p->lock);
  form.data = find (p, &form);
  if (!form.data && (block = block_new (c, bytes))) {
    char *y = (char *) g_bytes_get_data (block, NULL);

    if (make_joined (c, n, w, y))
      c->wait (c);
    if (!shu_ctx_failed (c)) {
      keep (p, form, block, y);
      form.data = y;
    }
    g_bytes_unref (block);
  }
  g_mutex_unlock (&p->lock);
  return form.data;
}

/* ---- many at once, in one block ---- */

static const ShuCudaLayout layouts[] = {
    [SHU_USE_NORM] = SHU_CUDA_WEIGHT_SAME,
    [SHU_USE_LINEAR] = SHU_CUDA_WEIGHT_F16,
    [SHU_USE_CONV] = SHU_CUDA_WEIGHT_KRSC,
    [SHU_USE_SPARSE_CONV] = SHU_CUDA_WEIGHT_TAPS,
    [SHU_USE_SPARSE_CONV_SUBDIVIDED] = SHU_CUDA_WEIGHT_SUBDIVIDED,
    [SHU_USE_CONV_DOUBLED] = SHU_CUDA_WEIGHT_DOUBLED,
    [SHU_USE_JOINED] = SHU_CUDA_WEIGHT_JOINED,
};

/* Those that are not there yet, each once: (transfer full), of ShuCudaForm */
static GArray *
list_missing (ShuCtx *c, int n, const ShuWeightUse *uses)
{
  GArray *list = g_array_new (FALSE, FALSE, sizeof (ShuCudaForm));
  g_autoptr (GHashTable) seen = g_hash_table_new (NULL, NULL);

  for (int i = 0; i < n; i++) {
    ShuCudaForm new = {uses[i].w, layouts[uses[i].use], NULL};
    Form form = form_of (c, new.w, new.layout);
    Forms *p = forms_of (new.w->storage);
    gboolean there;

    if (uses[i].use == SHU_USE_JOINED)
      continue;
    g_mutex_lock (&p->lock);
    there = find (p, &form) != NULL;
    g_mutex_unlock (&p->lock);
    if (!there && g_hash_table_add (seen, new.w->storage))
      g_array_append_val (list, new);
  }
  shu_cuda_forms_sort ((int) list->len, (ShuCudaForm *) list->data);
  return list;
}

void
shu_cuda_weights (ShuCtx *c, int n, const ShuWeightUse *uses,
    ShuUploadFunc func, gpointer data)
{
  ShuCuda *s = shu_cuda (c);
  g_autoptr (GArray) list = s ? list_missing (c, n, uses) : NULL;
  ShuCudaForm *forms;
  GBytes *block;
  gsize bytes = 0;

  if (!s || list->len == 0)
    return;
  forms = (ShuCudaForm *) list->data;
  for (guint i = 0; i < list->len; i++) {
    forms[i].y = GSIZE_TO_POINTER (bytes);
    bytes += form_bytes (&forms[i]);
  }
  block = block_new (c, bytes);
  if (!block)
    return;
  for (guint i = 0; i < list->len; i++)
    forms[i].y =
        (char *) g_bytes_get_data (block, NULL) + GPOINTER_TO_SIZE (forms[i].y);
  if (shu_cuda_forms_make (c, (int) list->len, forms, func, data))
    c->wait (c);
  for (guint i = 0; i < list->len && !shu_ctx_failed (c); i++) {
    Form form = form_of (c, forms[i].w, forms[i].layout);
    Forms *p = forms_of (forms[i].w->storage);

    g_mutex_lock (&p->lock);
    if (!find (p, &form))
      keep (p, form, block, forms[i].y);
    g_mutex_unlock (&p->lock);
  }
  g_bytes_unref (block);
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
