/* SPDX-License-Identifier: MIT */
/* Makes forms of weights from where they come from: a file's own bytes go up
 * as they are, formulas are worked out on the device.
 *
 * Weights of one kind and layout are made in batches.  In a batch they lie one
 * behind the other, each at a multiple of STEP elements, in staging memory, in
 * scratch memory and, where the checkpoint's order is also the form's, in the
 * form: so one copy brings, and one kernel converts, hundreds of them. */
#include "ops/cuda/cuda_private.h"
#include "tensor/source.h"
#include <string.h>

enum {
  STEP = 256,
  BATCH = 128 << 20,         /* elements, unless one weight has more */
  BATCH_LAID_OUT = 32 << 20, /* that pass through scratch memory */
};

typedef enum {
  KIND_SAME, /* what the host has is what is wanted */
  KIND_F32,
  KIND_F16,
  KIND_BF16,
  KIND_FORMULA,
} Kind;

static gsize
padded (gsize n)
{
  return (n + STEP - 1) / STEP * STEP;
}

gsize
shu_cuda_form_elements (const ShuCudaForm *form)
{
  gsize n = form->w->n;

  if (form->layout == SHU_CUDA_WEIGHT_SUBDIVIDED)
    n = n / SHU_CUDA_TAPS * 64;
  if (form->layout == SHU_CUDA_WEIGHT_DOUBLED)
    n = n / 9 * 16;
  return padded (MAX (n, 1));
}

static Kind
kind_of (const ShuCudaForm *f)
{
  const ShuSource *s = shu_tensor_source (f->w);

  if (!s)
    return f->layout == SHU_CUDA_WEIGHT_SAME ? KIND_SAME : KIND_F32;
  if (!s->raw)
    return KIND_FORMULA;
  return s->raw->dtype == SHU_DTYPE_F16 ? KIND_F16 : KIND_BF16;
}

static gconstpointer
address_of (const ShuCudaForm *f)
{
  const ShuSource *s = shu_tensor_source (f->w);

  return s && s->raw ? s->raw->data : f->w->data;
}

static int
compare (gconstpointer a, gconstpointer b)
{
  const ShuCudaForm *x = a, *y = b;
  guintptr from = (guintptr) address_of (x), to = (guintptr) address_of (y);

  if (kind_of (x) != kind_of (y))
    return kind_of (x) < kind_of (y) ? -1 : 1;
  if (x->layout != y->layout)
    return x->layout < y->layout ? -1 : 1;
  return (from > to) - (from < to);
}

void
shu_cuda_forms_sort (int n, ShuCudaForm *forms)
{
  qsort (forms, (gsize) n, sizeof *forms, compare);
}

/* ---- a batch ---- */

typedef struct {
  int n;
  const ShuCudaForm *forms;
  Kind kind;
  ShuCudaLayout layout;
  gsize *at; /* [n+1], elements */
  gsize raw; /* bytes of an element in the source */
} Batch;

/* Bytes of all the sources, one behind the other. */
static void
read_batch (gpointer data, gsize at, gsize n, char *ret)
{
  const Batch *b = data;
  int lo = 0, hi = b->n - 1;

  while (lo < hi) { /* the last that begins at or before @at */
    int mid = (lo + hi + 1) / 2;

    if (b->at[mid] * b->raw <= at)
      lo = mid;
    else
      hi = mid - 1;
  }
  for (; n > 0; lo++) {
    ShuTensor *w = b->forms[lo].w;
    gsize end = b->at[lo + 1] * b->raw, from = at - b->at[lo] * b->raw;
    gsize room = MIN (end - at, n);
    gsize part = w->n * b->raw > from ? MIN (w->n * b->raw - from, room) : 0;

    if (part > 0 && b->kind <= KIND_F32)
      memcpy (ret, (const char *) w->data + from, part);
    else if (part > 0)
      shu_source_read (shu_tensor_source (w), from, part, ret);
    memset (ret + part, 0, room - part);
    at += room;
    ret += room;
    n -= room;
  }
}

/* @y f16 or f32 = @x as the sources have it, @n elements */
static cudaError_t
convert (const Batch *b, gpointer y, gconstpointer x, gsize n, cudaStream_t s)
{
  gboolean wide = b->layout == SHU_CUDA_WEIGHT_SAME;

  if (b->kind == KIND_F32)
    return shu_launch_f32_to_f16 (y, x, n, s);
  if (b->kind == KIND_F16)
    return shu_launch_f16_to_f32 (y, x, n, s);
  return wide ? shu_launch_bf16_to_f32 (y, x, n, s)
              : shu_launch_bf16_to_f16 (y, x, n, s);
}

static gboolean
bring (ShuCtx *c, Batch *b, gpointer y)
{
  SHU_SCOPE (c);
  gboolean wide = b->layout == SHU_CUDA_WEIGHT_SAME;
  gboolean direct = b->kind == KIND_SAME || (b->kind == KIND_F16 && !wide);
  gsize n = b->at[b->n];
  gpointer x = direct ? y : shu_cuda_scratch (c, n * b->raw);

  return x && shu_cuda_stream_up (c, x, n * b->raw, read_batch, b) &&
         (direct || shu_cuda_check (c,
                        convert (b, y, x, n, shu_cuda (c)->stream), "weights"));
}

static gboolean
work_out (ShuCtx *c, const ShuSource *f, gboolean wide, char *y)
{
  SHU_SCOPE (c);
  cudaStream_t s = shu_cuda (c)->stream;
  gsize elem = wide ? sizeof (float) : 2, row = (gsize) f->row * elem,
        width = 0;
  char *x = f->n_pieces == 0 ? y : shu_cuda_scratch (c, f->n * elem);

  if (!x)
    return FALSE;
  if (!shu_cuda_check (c,
          wide ? shu_launch_formula_f32 (
                     (float *) x, f->key, f->offset, f->scale, f->n, s)
               : shu_launch_formula_f16 (
                     x, f->key, f->offset, f->scale, f->n, s),
          "weights"))
    return FALSE;
  for (int i = 0; i < f->n_pieces; i++)
    width += (gsize) f->pieces[i].size * elem;
  for (int i = 0; i < f->n_pieces; i++) {
    gsize size = (gsize) f->pieces[i].size * elem;

    if (!shu_cuda_check (c,
            shu_launch_copy (y, x + (gsize) f->pieces[i].from * elem,
                f->n / (gsize) f->row, size, width, row, s),
            "weights"))
      return FALSE;
    y += size;
  }
  return TRUE;
}

/* [a,b,rest] with @axes -> y */
static cudaError_t
turn (gpointer y, gconstpointer x, gint64 a, gint64 b, gsize n, const int *axes,
    cudaStream_t s)
{
  gint64 dims[3] = {a, b, (gint64) n / (a * b)};

  return shu_launch_permute (y, x, 3, dims, axes, 2, s);
}

/* @x [Co,Ci,3,3] as it is to a map before that is doubled */
static gboolean
double_taps (ShuCtx *c, const ShuCudaForm *f, gconstpointer x)
{
  SHU_SCOPE (c);
  cudaStream_t s = shu_cuda (c)->stream;
  gint64 Co = f->w->dims[0], Ci = f->w->dims[1];
  gpointer krsc = shu_cuda_scratch (c, f->w->n * 2);

  return krsc &&
         shu_cuda_check (c,
             turn (krsc, x, Co, Ci, f->w->n, (const int[]){0, 2, 1}, s),
             "weights") &&
         shu_cuda_check (c,
             shu_launch_doubled_weights (f->y, krsc, (gsize) Co, (gsize) Ci, s),
             "weights");
}

/* @x, f16 in the order of the checkpoint, as the form wants it */
static gboolean
lay_out (ShuCtx *c, const ShuCudaForm *f, gconstpointer x)
{
  SHU_SCOPE (c);
  cudaStream_t s = shu_cuda (c)->stream;
  const ShuTensor *w = f->w;
  gint64 Co = w->dims[0], Ci = w->dims[w->n_dims - 1];
  gpointer taps = f->y;

  if (f->layout == SHU_CUDA_WEIGHT_KRSC)
    return shu_cuda_check (c,
        turn (f->y, x, Co, w->dims[1], w->n, (const int[]){0, 2, 1}, s),
        "weights");
  if (f->layout == SHU_CUDA_WEIGHT_DOUBLED)
    return double_taps (c, f, x);
  if (f->layout == SHU_CUDA_WEIGHT_SUBDIVIDED)
    taps = shu_cuda_scratch (c, w->n * 2);
  return taps &&
         shu_cuda_check (c,
             turn (taps, x, Co, SHU_CUDA_TAPS, w->n, (const int[]){1, 0, 2}, s),
             "weights") &&
         (taps == f->y || shu_cuda_check (c,
                              shu_launch_sparse_subdivided_weights (
                                  f->y, taps, (int) Ci, (int) Co, s),
                              "weights"));
}

static gboolean
make_batch (ShuCtx *c, Batch *b)
{
  SHU_SCOPE (c);
  gboolean plain = b->layout <= SHU_CUDA_WEIGHT_F16;
  gboolean wide = b->layout == SHU_CUDA_WEIGHT_SAME;
  char *y = plain ? b->forms[0].y : shu_cuda_scratch (c, b->at[b->n] * 2);
  gboolean ok = y != NULL;

  if (ok && b->kind != KIND_FORMULA)
    ok = bring (c, b, y);
  for (int i = 0; i < b->n && ok; i++) {
    char *x = y + b->at[i] * (wide ? sizeof (float) : 2);

    if (b->kind == KIND_FORMULA)
      ok = work_out (c, shu_tensor_source (b->forms[i].w), wide, x);
    if (ok && !plain)
      ok = lay_out (c, &b->forms[i], x);
  }
  return ok;
}

gboolean
shu_cuda_forms_make (ShuCtx *c, int n, const ShuCudaForm *forms,
    ShuUploadFunc func, gpointer data)
{
  g_autofree gsize *at = g_new0 (gsize, n + 1);

  for (int first = 0, end; first < n; first = end) {
    Batch b = {.forms = forms + first,
        .kind = kind_of (&forms[first]),
        .layout = forms[first].layout,
        .at = at};
    gsize most;

    most = b.layout > SHU_CUDA_WEIGHT_F16 ? BATCH_LAID_OUT : BATCH;
    b.raw = b.kind == KIND_SAME  ? shu_dtype_size (forms[first].w->dtype)
            : b.kind == KIND_F32 ? sizeof (float)
                                 : 2;
    for (end = first; end < n && forms[end].layout == b.layout &&
                      kind_of (&forms[end]) == b.kind;
         end++) {
      gsize next = at[b.n] + padded (MAX (forms[end].w->n, 1));

      if (b.n > 0 && next > most)
        break;
      at[++b.n] = next;
    }
    if (!shu_ctx_ready (c) || !make_batch (c, &b))
      return FALSE;
    if (func)
      func ((gsize) (forms[end - 1].y - forms[0].y), data);
  }
  return TRUE;
}
