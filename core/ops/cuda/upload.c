/* SPDX-License-Identifier: MIT */
/* Makes forms of weights from where they come from: a file's own bytes go up
 * as they are, formulas are worked out on the device.
 *
 * Weights of one kind and layout are made in batches.  In a batch they lie one
 * behind the other, each at a multiple of STEP elements, on their way up, in
 * scratch memory and, where the checkpoint's order is also the form's, in the
 * form: so one load brings, and one kernel converts, hundreds of them.  While
 * one batch is converted, the next one comes. */
#include "ops/cuda/cuda_private.h"
#include "tensor/source.h"
#include <string.h>

enum {
  STEP = 256,
  BATCH = 64 << 20, /* bytes of sources, unless one weight has more */
  MUCH = 8 << 20,   /* bytes for lanes to pay */
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

gboolean
shu_cuda_form_is_whole (const ShuTensor *w)
{
  return w->n % STEP == 0;
}

gsize
shu_cuda_form_elements (const ShuCudaForm *form)
{
  gsize n = form->w->n;

  if (form->layout == SHU_CUDA_WEIGHT_SUBDIVIDED)
    n = n / SHU_CUDA_TAPS * 64;
  if (form->layout == SHU_CUDA_WEIGHT_DOUBLED)
    n = n / 9 * 16;
  if (form->layout == SHU_CUDA_WEIGHT_DOUBLED_FP8)
    n = (sizeof (ShuCudaFp8) + n / 9 * 16 + 1) / 2;
  if (form->layout == SHU_CUDA_WEIGHT_PADDED)
    n = (gsize) (form->w->dims[0] *
                 shu_cuda_padded_row ((gint64) n / form->w->dims[0]));
  if (form->layout == SHU_CUDA_WEIGHT_FP8)
    n = (sizeof (ShuCudaFp8) + n + 1) / 2;
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
  if (s->raw->dtype == SHU_DTYPE_F32)
    return KIND_F32;
  return s->raw->dtype == SHU_DTYPE_F16 ? KIND_F16 : KIND_BF16;
}

static gboolean
is_scaled (const ShuCudaForm *f)
{
  const ShuSource *s = shu_tensor_source (f->w);

  return s && s->factors;
}

/* Joined ones are where the first of them is. */
static gconstpointer
address_of (const ShuCudaForm *f)
{
  const ShuTensor *w = f->lead ? f->lead : f->w;
  const ShuSource *s = shu_tensor_source (w);

  return s && s->raw ? s->raw->data : w->data;
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
  if (is_scaled (x) != is_scaled (y))
    return is_scaled (x) ? 1 : -1;
  if (from != to)
    return from < to ? -1 : 1;
  if (x->lead != y->lead)
    return x->lead < y->lead ? -1 : 1;
  return x->place - y->place;
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
  gboolean scaled;
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

    if (part > 0 && !shu_tensor_source (w))
      memcpy (ret, (const char *) w->data + from, part);
    else if (part > 0)
      shu_source_read (shu_tensor_source (w), from, part, ret);
    memset (ret + part, 0, room - part);
    at += room;
    ret += room;
    n -= room;
  }
}

/* @y f16 = @x as the sources have it, each row with its factor; @y may be f16
 * @x */
static gboolean
scale (ShuCtx *c, const Batch *b, gpointer y, gconstpointer x)
{
  static const int types[] = {[KIND_F32] = SHU_CUDA_F32,
      [KIND_F16] = SHU_CUDA_F16,
      [KIND_BF16] = SHU_CUDA_BF16,
      [KIND_FORMULA] = SHU_CUDA_F16};
  g_autoptr (GArray) all = g_array_new (FALSE, FALSE, sizeof (float));
  gsize row = 0;
  float *factors;

  for (int i = 0; i < b->n; i++)
    for (gint64 k = 0; k < b->forms[i].w->dims[0]; k++) {
      float f = (float) shu_tensor_source (b->forms[i].w)->factors[k];

      g_array_append_val (all, f);
    }
  factors = shu_cuda_scratch (c, all->len * sizeof (float));
  if (!factors ||
      !shu_cuda_to_device (c, factors, all->data, all->len * sizeof (float)))
    return FALSE;
  for (int i = 0; i < b->n; i++) {
    gsize rows = (gsize) b->forms[i].w->dims[0];

    if (!shu_cuda_check (c,
            shu_launch_scale_rows ((guint16 *) y + b->at[i],
                (const char *) x + b->at[i] * b->raw, types[b->kind],
                factors + row, rows, b->forms[i].w->n / rows,
                shu_cuda (c)->stream),
            "weights"))
      return FALSE;
    row += rows;
  }
  return TRUE;
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
double_taps (ShuCtx *c, const ShuCudaForm *f, gconstpointer x, gpointer y)
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
             shu_launch_doubled_weights (y, krsc, (gsize) Co, (gsize) Ci, s),
             "weights");
}

/* @x, @n of f16, as the form */
static gboolean
round_to (ShuCtx *c, const ShuCudaForm *f, gconstpointer x, gsize n)
{
  ShuCudaFp8 *y = (ShuCudaFp8 *) (gpointer) f->y;

  return shu_cuda_check (c,
      shu_launch_to_e4m3 (
          y->values, &y->scale, x, NULL, 1, n, n, shu_cuda (c)->stream),
      "weights");
}

/* @x [Co,Ci,...] -> E4M3 [Co,...,Ci] */
static gboolean
round_krsc (ShuCtx *c, const ShuCudaForm *f, gconstpointer x)
{
  SHU_SCOPE (c);
  gsize n = f->w->n;
  gpointer krsc = shu_cuda_scratch (c, n * 2);

  return krsc &&
         shu_cuda_check (c,
             turn (krsc, x, f->w->dims[0], f->w->dims[1], n,
                 (const int[]){0, 2, 1}, shu_cuda (c)->stream),
             "weights") &&
         round_to (c, f, krsc, n);
}

static gboolean
round_doubled (ShuCtx *c, const ShuCudaForm *f, gconstpointer x)
{
  SHU_SCOPE (c);
  gsize n = f->w->n / 9 * 16;
  gpointer taps = shu_cuda_scratch (c, n * 2);

  return taps && double_taps (c, f, x, taps) && round_to (c, f, taps, n);
}

/* @x [Co,...] with zeros behind each row */
static gboolean
pad_rows (ShuCtx *c, const ShuCudaForm *f, gconstpointer x)
{
  cudaStream_t s = shu_cuda (c)->stream;
  gsize Co = (gsize) f->w->dims[0], row = f->w->n / Co;
  gsize padded_row = (gsize) shu_cuda_padded_row ((gint64) row);

  return shu_cuda_check (
             c, cudaMemsetAsync (f->y, 0, Co * padded_row * 2, s), "weights") &&
         shu_cuda_check (c,
             shu_launch_copy (f->y, x, Co, row * 2, padded_row * 2, row * 2, s),
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
    return double_taps (c, f, x, f->y);
  if (f->layout == SHU_CUDA_WEIGHT_DOUBLED_FP8)
    return round_doubled (c, f, x);
  if (f->layout == SHU_CUDA_WEIGHT_FP8)
    return round_krsc (c, f, x);
  if (f->layout == SHU_CUDA_WEIGHT_PADDED)
    return pad_rows (c, f, x);
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

/* ---- all of them ---- */

/* What batches have beside themselves. */
typedef struct {
  GArray *batches; /* Batch */
  int n_loads;
  int *loaded;                      /* [n_loads] batches */
  char *turns[SHU_CUDA_LOAD_TURNS]; /* room for sources */
  gpointer middle;                  /* f16 in the checkpoint's order */
  gsize done;                       /* bytes of forms */
  ShuUploadFunc func;
  gpointer data;
} Upload;

static gboolean
is_plain (const Batch *b)
{
  return b->layout <= SHU_CUDA_WEIGHT_F16 ||
         b->layout == SHU_CUDA_WEIGHT_JOINED;
}

/* Whether the source's bytes are the values that are wanted. */
static gboolean
is_direct (const Batch *b)
{
  return b->kind == KIND_SAME || (b->kind == KIND_F16 && !b->scaled &&
                                     b->layout != SHU_CUDA_WEIGHT_SAME);
}

static gsize
element_of (const Batch *b)
{
  return b->kind == KIND_SAME                ? b->raw
         : b->layout == SHU_CUDA_WEIGHT_SAME ? sizeof (float)
                                             : 2;
}

/* The forms of @b, whose sources are at @x */
static gboolean
make_batch (ShuCtx *c, const Upload *u, const Batch *b, gconstpointer x)
{
  gpointer y = is_plain (b) ? b->forms[0].y : u->middle;
  gboolean wide = b->layout == SHU_CUDA_WEIGHT_SAME;

  for (int i = 0; i < b->n && b->kind == KIND_FORMULA; i++)
    if (!work_out (c, shu_tensor_source (b->forms[i].w), wide,
            (char *) y + b->at[i] * element_of (b)))
      return FALSE;
  if (b->scaled && !scale (c, b, y, b->kind == KIND_FORMULA ? y : x))
    return FALSE;
  if (!b->scaled && !is_direct (b) && b->kind != KIND_FORMULA &&
      !shu_cuda_check (
          c, convert (b, y, x, b->at[b->n], shu_cuda (c)->stream), "weights"))
    return FALSE;
  if (!is_direct (b))
    x = y;
  for (int i = 0; i < b->n && !is_plain (b); i++)
    if (!lay_out (
            c, &b->forms[i], (const char *) x + b->at[i] * element_of (b)))
      return FALSE;
  return TRUE;
}

/* Where the @i-th load goes */
static char *
place_of (const Upload *u, const Batch *b, int i)
{
  return is_plain (b) && is_direct (b) ? b->forms[0].y
                                       : u->turns[i % SHU_CUDA_LOAD_TURNS];
}

static gboolean
finish (ShuCtx *c, Upload *u, const Batch *b, gconstpointer x)
{
  SHU_SCOPE (c);

  if (!shu_ctx_ready (c) || !make_batch (c, u, b, x))
    return FALSE;
  for (int i = 0; i < b->n; i++)
    u->done += shu_cuda_form_elements (&b->forms[i]) * element_of (b);
  if (u->func)
    u->func (u->done, u->data);
  return TRUE;
}

static gboolean
is_loaded (ShuCtx *c, int i, gpointer data)
{
  Upload *u = data;
  const Batch *b = &g_array_index (u->batches, Batch, u->loaded[i]);

  return finish (c, u, b, place_of (u, b, i));
}

static gboolean
bring (ShuCtx *c, Upload *u)
{
  g_autofree ShuCudaLoad *loads = g_new (ShuCudaLoad, (gsize) u->n_loads);
  gsize all = 0;

  for (int i = 0; i < u->n_loads; i++) {
    Batch *b = &g_array_index (u->batches, Batch, u->loaded[i]);

    loads[i] =
        (ShuCudaLoad){place_of (u, b, i), b->at[b->n] * b->raw, read_batch, b};
    all += loads[i].bytes;
  }
  if (all >= MUCH)
    return shu_cuda_lanes (c, u->n_loads, loads, is_loaded, u);
  for (int i = 0; i < u->n_loads; i++)
    if (!shu_cuda_stream_up (
            c, loads[i].dst, loads[i].bytes, read_batch, loads[i].data) ||
        !is_loaded (c, i, u))
      return FALSE;
  return TRUE;
}

/* Memory for what is under way; which batches are loads */
static gboolean
prepare (ShuCtx *c, Upload *u)
{
  gsize raw = 0, middle = 0;

  for (guint i = 0; i < u->batches->len; i++) {
    const Batch *b = &g_array_index (u->batches, Batch, i);
    gboolean made = b->kind == KIND_FORMULA;

    if (!made)
      u->loaded[u->n_loads++] = (int) i;
    if (!made && !(is_plain (b) && is_direct (b)))
      raw = MAX (raw, b->at[b->n] * b->raw);
    if (!is_plain (b) && !is_direct (b))
      middle = MAX (middle, b->at[b->n] * 2);
  }
  for (int i = 0; i < SHU_CUDA_LOAD_TURNS && raw > 0; i++)
    if (!(u->turns[i] = shu_cuda_scratch (c, raw)))
      return FALSE;
  return middle == 0 || (u->middle = shu_cuda_scratch (c, middle)) != NULL;
}

/* Of one kind and layout, one behind the other in memory; @at: room for its
 * offsets */
static Batch
next_batch (int n, const ShuCudaForm *forms, gsize *at)
{
  Batch b = {.forms = forms,
      .kind = kind_of (forms),
      .layout = forms->layout,
      .scaled = is_scaled (forms),
      .at = at};
  const char *y = forms->y;

  b.raw = b.kind == KIND_SAME  ? shu_dtype_size (forms->w->dtype)
          : b.kind == KIND_F32 ? sizeof (float)
                               : 2;
  at[0] = 0;
  while (b.n < n && forms[b.n].layout == b.layout &&
         kind_of (&forms[b.n]) == b.kind &&
         is_scaled (&forms[b.n]) == b.scaled &&
         (!is_plain (&b) || forms[b.n].y == y)) {
    gsize next = at[b.n] + padded (MAX (forms[b.n].w->n, 1));

    if (b.n > 0 && next * b.raw > BATCH)
      break;
    y += shu_cuda_form_elements (&forms[b.n]) * element_of (&b);
    at[++b.n] = next;
  }
  return b;
}

gboolean
shu_cuda_forms_make (ShuCtx *c, int n, const ShuCudaForm *forms,
    ShuUploadFunc func, gpointer data)
{
  SHU_SCOPE (c);
  g_autoptr (GArray) batches = g_array_new (FALSE, FALSE, sizeof (Batch));
  g_autofree gsize *at = g_new (gsize, 2 * (gsize) n);
  g_autofree int *loaded = g_new (int, (gsize) n);
  Upload u = {.batches = batches, .loaded = loaded, .func = func, .data = data};
  Batch b;

  for (int first = 0; first < n; first += b.n) {
    b = next_batch (n - first, forms + first, at + first + batches->len);
    g_array_append_val (batches, b);
  }
  if (!shu_ctx_ready (c) || !prepare (c, &u))
    return FALSE;
  for (guint i = 0; i < batches->len; i++) {
    const Batch *made = &g_array_index (batches, Batch, i);

    if (made->kind == KIND_FORMULA && !finish (c, &u, made, NULL))
      return FALSE;
  }
  return bring (c, &u);
}
