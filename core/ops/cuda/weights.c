/* SPDX-License-Identifier: MIT */
/* Weights on devices.  Forms of a weight hang at its storage, one for each
 * device and layout, and are shared by all contexts: whoever makes one waits
 * until it is there.  A network's are made together when it is loaded; others
 * when an operation first asks.  One that is there is found without a lock:
 * forms are only added, to the front of a list, and stay while the storage
 * does. */
#include "ops/cuda/cuda_private.h"
#include "base/error.h"
#include "tensor/device.h"

typedef struct _Form Form;

struct _Form {
  int device;
  ShuCudaLayout layout;
  gint64 Co, Ci; /* tell views of other dimensions apart */
  gpointer data;
  GBytes *block; /* that it lies in, maybe with others */
  Form *next;
};

typedef struct {
  GMutex lock; /* of who adds one */
  Form *list;
} Forms;

static void
forms_free (gpointer data)
{
  Forms *p = data;
  Form *next;

  for (Form *f = p->list; f; f = next) {
    next = f->next;
    g_bytes_unref (f->block);
    g_free (f);
  }
  g_mutex_clear (&p->lock);
  g_free (p);
}

static Forms *
forms_of (ShuStorage *s)
{
  static GMutex lock;
  Forms *p = g_atomic_pointer_get (&s->forms);

  if (p)
    return p;
  g_mutex_lock (&lock);
  p = s->forms;
  if (!p) {
    p = g_new0 (Forms, 1);
    g_mutex_init (&p->lock);
    s->forms_free = forms_free;
    g_atomic_pointer_set (&s->forms, p);
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
      "%s: no memory for weights of %zu MB beside the %zu MB in use; close "
      "other "
      "programs that use the GPU, or set memory=low",
      c->device, bytes >> 20, shu_ctx_live_bytes (c) >> 20);
  return NULL;
}

/* ---- forms ---- */

static Form
form_of (ShuCtx *c, const ShuTensor *w, ShuCudaLayout layout)
{
  Form form = {.device = c->place, .layout = layout};

  if (layout > SHU_CUDA_WEIGHT_F16) {
    form.Co = w->dims[0];
    form.Ci = layout == SHU_CUDA_WEIGHT_PADDED ? (gint64) w->n / w->dims[0]
                                               : w->dims[1];
  }
  return form;
}

static gpointer
find (Forms *p, const Form *wanted)
{
  for (const Form *f = g_atomic_pointer_get (&p->list); f; f = f->next)
    if (f->device == wanted->device && f->layout == wanted->layout &&
        f->Co == wanted->Co && f->Ci == wanted->Ci)
      return f->data;
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

/* With the lock */
static void
keep (Forms *p, Form form, GBytes *block, gpointer data)
{
  form.data = data;
  form.block = g_bytes_ref (block);
  form.next = p->list;
  g_atomic_pointer_set (&p->list, g_memdup2 (&form, sizeof form));
}

gconstpointer
shu_cuda_weight (ShuCtx *c, ShuTensor *w, ShuCudaLayout layout)
{
  Form form = form_of (c, w, layout);
  ShuCudaForm new = {w, layout, NULL};
  Forms *p = forms_of (w->storage);
  GBytes *block;

  if (shu_ctx_failed (c))
    return NULL;
  form.data = find (p, &form);
  if (form.data || !shu_cuda (c))
    return form.data;
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

static gsize
joined_bytes (int n, ShuTensor *const *w)
{
  gsize bytes = 0;

  for (int i = 0; i < n; i++) {
    const ShuCudaForm part = {w[i], SHU_CUDA_WEIGHT_F16, NULL};

    bytes += form_bytes (&part);
  }
  return bytes;
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

/* The same as a ShuCudaFp8, of @elements */
static gboolean
make_joined_fp8 (
    ShuCtx *c, int n, ShuTensor *const *w, gsize elements, ShuCudaFp8 *y)
{
  SHU_SCOPE (c);
  char *x = shu_cuda_scratch (c, joined_bytes (n, w));

  return x && make_joined (c, n, w, x) &&
         shu_cuda_check (c,
             shu_launch_to_e4m3 (y->values, &y->scale, x, NULL, 1, elements,
                 elements, shu_cuda (c)->stream),
             "weights");
}

gconstpointer
shu_cuda_weights_joined (
    ShuCtx *c, int n, ShuTensor *const *w, ShuPrecision precision)
{
  gboolean fp8 = precision == SHU_PRECISION_FP8;
  Form form = {.device = c->place,
      .layout = fp8 ? SHU_CUDA_WEIGHT_JOINED_FP8 : SHU_CUDA_WEIGHT_JOINED,
      .Ci = w[0]->dims[1]};
  Forms *p = forms_of (w[0]->storage);
  gsize bytes, elements = 0;
  GBytes *block;

  if (n == 1)
    return shu_cuda_weight (
        c, w[0], fp8 ? SHU_CUDA_WEIGHT_FP8 : SHU_CUDA_WEIGHT_F16);
  if (shu_ctx_failed (c))
    return NULL;
  for (int i = 0; i < n; i++) {
    form.Co += w[i]->dims[0];
    elements += w[i]->n;
  }
  form.data = find (p, &form);
  if (form.data || !shu_cuda (c))
    return form.data;
  bytes = fp8 ? sizeof (ShuCudaFp8) + elements : joined_bytes (n, w);
  g_mutex_lock (&p->lock);
  form.data = find (p, &form);
  if (!form.data && (block = block_new (c, bytes))) {
    char *y = (char *) g_bytes_get_data (block, NULL);

    if (fp8 ? make_joined_fp8 (c, n, w, elements, (ShuCudaFp8 *) (gpointer) y)
            : make_joined (c, n, w, y))
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
    [SHU_USE_FP8] = SHU_CUDA_WEIGHT_FP8,
    [SHU_USE_CONV_DOUBLED_FP8] = SHU_CUDA_WEIGHT_DOUBLED_FP8,
    [SHU_USE_PATCHES] = SHU_CUDA_WEIGHT_PADDED,
    [SHU_USE_JOINED] = SHU_CUDA_WEIGHT_JOINED,
    [SHU_USE_JOINED_FP8] = SHU_CUDA_WEIGHT_JOINED_FP8,
};

/* Forms that are to lie in one block. */
typedef struct {
  int first, n;
  GHashTable *rows; /* count_rows() */
  GBytes *block;
} Set;

/* Of joined weights, by the first of them: rows of all; 0: they cannot lie one
 * behind the other, so they are made when they are asked for */
static GHashTable *
count_rows (const ShuWeightSet *uses)
{
  GHashTable *rows = g_hash_table_new (NULL, NULL);
  g_autoptr (GPtrArray) ragged = g_ptr_array_new ();

  for (int i = 0; i < uses->n; i++) {
    const ShuWeightUse *u = &uses->uses[i];
    gsize n;

    if (u->use != SHU_USE_JOINED)
      continue;
    n = GPOINTER_TO_SIZE (g_hash_table_lookup (rows, u->lead));
    g_hash_table_insert (
        rows, u->lead, GSIZE_TO_POINTER (n + (gsize) u->w->dims[0]));
    if (!shu_cuda_form_is_whole (u->w))
      g_ptr_array_add (ragged, u->lead);
  }
  for (guint i = 0; i < ragged->len; i++)
    g_hash_table_remove (rows, ragged->pdata[i]);
  return rows;
}

/* Where @form is kept, and as what */
static Form
key_of (ShuCtx *c, const ShuCudaForm *form, GHashTable *rows, Forms **ret_forms)
{
  ShuTensor *w = form->lead ? form->lead : form->w;
  Form key = form_of (c, w, form->layout);

  if (form->lead)
    key.Co = (gint64) GPOINTER_TO_SIZE (g_hash_table_lookup (rows, w));
  *ret_forms = forms_of (w->storage);
  return key;
}

/* Adds those of @uses that are not there yet, each once. */
static void
list_missing (
    ShuCtx *c, const ShuWeightSet *uses, GHashTable *rows, GArray *forms)
{
  g_autoptr (GHashTable) seen = g_hash_table_new (NULL, NULL);
  guint before = forms->len;

  for (int i = 0; i < uses->n; i++) {
    const ShuWeightUse *u = &uses->uses[i];
    ShuCudaForm new = {u->w, layouts[u->use], NULL, u->lead, u->place};
    Forms *p;
    Form key = key_of (c, &new, rows, &p);
    gboolean there;

    if ((u->lead && key.Co == 0) || u->use == SHU_USE_JOINED_FP8)
      continue;
    there = find (p, &key) != NULL;
    if (!there && g_hash_table_add (seen, new.w->storage))
      g_array_append_val (forms, new);
  }
  shu_cuda_forms_sort (
      (int) (forms->len - before), (ShuCudaForm *) forms->data + before);
}

/* Gives the @n forms their places, one behind the other: (transfer full). */
static GBytes *
place (ShuCtx *c, int n, ShuCudaForm *forms)
{
  gsize bytes = 0;
  GBytes *block;
  char *y;

  for (int i = 0; i < n; i++)
    bytes += form_bytes (&forms[i]);
  block = block_new (c, MAX (bytes, 1));
  if (!block)
    return NULL;
  y = (char *) g_bytes_get_data (block, NULL);
  for (int i = 0; i < n; i++) {
    forms[i].y = y;
    y += form_bytes (&forms[i]);
  }
  return block;
}

/* Others may have made the same form meanwhile. */
static void
publish (ShuCtx *c, const ShuCudaForm *made, const Set *set)
{
  Forms *p;
  Form key = key_of (c, made, set->rows, &p);

  if (made->place > 0)
    return;
  g_mutex_lock (&p->lock);
  if (!find (p, &key))
    keep (p, key, set->block, made->y);
  g_mutex_unlock (&p->lock);
}

static gboolean
make_sets (
    ShuCtx *c, GArray *forms, GArray *sets, ShuUploadFunc func, gpointer data)
{
  for (guint i = 0; i < sets->len; i++) {
    Set *set = &g_array_index (sets, Set, i);

    set->block =
        place (c, set->n, &g_array_index (forms, ShuCudaForm, set->first));
    if (!set->block)
      return FALSE;
  }
  if (!shu_cuda_forms_make (
          c, (int) forms->len, (ShuCudaForm *) forms->data, func, data))
    return FALSE;
  c->wait (c);
  return !shu_ctx_failed (c);
}

static void
set_clear (gpointer data)
{
  Set *set = data;

  g_clear_pointer (&set->rows, g_hash_table_unref);
  g_clear_pointer (&set->block, g_bytes_unref);
}

void
shu_cuda_weights (ShuCtx *c, int n, const ShuWeightSet *uses,
    ShuUploadFunc func, gpointer data)
{
  g_autoptr (GArray) forms = g_array_new (FALSE, FALSE, sizeof (ShuCudaForm));
  g_autoptr (GArray) sets = g_array_new (FALSE, FALSE, sizeof (Set));

  g_array_set_clear_func (sets, set_clear);
  if (!shu_cuda (c))
    return;
  for (int i = 0; i < n; i++) {
    Set set = {.first = (int) forms->len, .rows = count_rows (&uses[i])};

    list_missing (c, &uses[i], set.rows, forms);
    set.n = (int) forms->len - set.first;
    if (set.n > 0)
      g_array_append_val (sets, set);
    else
      set_clear (&set);
  }
  if (!make_sets (c, forms, sets, func, data)) {
    c->wait (c); /* what is under way goes where the blocks are */
    return;
  }
  for (guint i = 0; i < sets->len; i++) {
    const Set *set = &g_array_index (sets, Set, i);

    for (int k = 0; k < set->n; k++)
      publish (c, &g_array_index (forms, ShuCudaForm, set->first + k), set);
  }
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
