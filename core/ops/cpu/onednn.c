/* SPDX-License-Identifier: MIT */
/* oneDNN: one engine for the process, a stream and the primitives for each
 * context, packed weights with the weight tensor.  parts.c runs them. */
#include "ops/cpu/onednn_private.h"
#include "base/error.h"
#include <omp.h>
#include <string.h>

typedef struct {
  dnnl_stream_t stream;
  GHashTable *ops; /* ShuDnnKey -> ShuDnnOp */
} State;

dnnl_engine_t
shu_dnn_engine (void)
{
  static gsize once;

  if (g_once_init_enter (&once)) {
    dnnl_engine_t engine = NULL;

    if (dnnl_engine_create (&engine, dnnl_cpu, 0) != dnnl_success)
      g_error ("oneDNN has no CPU engine");
    g_once_init_leave (&once, (gsize) engine);
  }
  return (dnnl_engine_t) once;
}

gboolean
shu_dnn_check (ShuCtx *c, dnnl_status_t status, const char *what)
{
  if (status == dnnl_success)
    return TRUE;
  shu_ctx_fail (c,
      status == dnnl_out_of_memory ? SHU_ERROR_MEMORY : SHU_ERROR_INTERNAL,
      "%s: oneDNN failed with status %d", what, (int) status);
  return FALSE;
}

static guint
key_hash (gconstpointer p)
{
  const guint32 *words = p;
  guint h = 2166136261u;

  for (gsize i = 0; i < sizeof (ShuDnnKey) / 4; i++)
    h = (h ^ words[i]) * 16777619u;
  return h;
}

static gboolean
key_equal (gconstpointer a, gconstpointer b)
{
  return !memcmp (a, b, sizeof (ShuDnnKey));
}

static void
op_free (gpointer p)
{
  ShuDnnOp *op = p;
  dnnl_primitive_t primitives[] = {op->primitive, op->x_reorder, op->y_reorder};

  for (gsize i = 0; i < G_N_ELEMENTS (primitives); i++)
    if (primitives[i])
      dnnl_primitive_destroy (primitives[i]);
  g_free (op);
}

static void
state_free (gpointer p)
{
  State *s = p;

  g_hash_table_unref (s->ops);
  dnnl_stream_destroy (s->stream);
  g_free (s);
}

static State *
state_of (ShuCtx *c)
{
  State *s = c->backend_state;

  if (s)
    return s;
  s = g_new0 (State, 1);
  if (dnnl_stream_create (&s->stream, shu_dnn_engine (),
          dnnl_stream_default_flags) != dnnl_success)
    g_error ("oneDNN has no CPU stream");
  s->ops = g_hash_table_new_full (key_hash, key_equal, g_free, op_free);
  c->backend_state = s;
  c->backend_state_free = state_free;
  return s;
}

dnnl_stream_t
shu_dnn_stream (ShuCtx *c)
{
  return state_of (c)->stream;
}

ShuDnnOp *
shu_dnn_lookup (ShuCtx *c, const ShuDnnKey *key)
{
  return g_hash_table_lookup (state_of (c)->ops, key);
}

static dnnl_alg_kind_t
eltwise_of (ShuAct act, float *ret_alpha)
{
  *ret_alpha = 0;
  switch (act) {
  case SHU_ACT_SILU:
    *ret_alpha = 1;
    return dnnl_eltwise_swish;
  case SHU_ACT_GELU:
    return dnnl_eltwise_gelu_erf;
  case SHU_ACT_GELU_TANH:
    return dnnl_eltwise_gelu_tanh;
  case SHU_ACT_RELU:
    return dnnl_eltwise_relu;
  case SHU_ACT_SIGMOID:
    return dnnl_eltwise_logistic;
  case SHU_ACT_NONE:
    break;
  }
  return dnnl_alg_kind_undef;
}

static dnnl_primitive_attr_t
attr_new (const ShuDnnKey *key)
{
  dnnl_primitive_attr_t attr = NULL;
  dnnl_post_ops_t post = NULL;
  float alpha;
  dnnl_alg_kind_t alg = eltwise_of ((ShuAct) key->act, &alpha);

  if (dnnl_primitive_attr_create (&attr) != dnnl_success)
    return NULL;
  dnnl_post_ops_create (&post);
  if (alg != dnnl_alg_kind_undef)
    dnnl_post_ops_append_eltwise (post, 1.f, alg, alpha, 0.f);
  if (key->flags & SHU_DNN_SUM)
    dnnl_post_ops_append_sum (post, 1.f);
  dnnl_primitive_attr_set_post_ops (attr, post);
  dnnl_post_ops_destroy (post);
  dnnl_primitive_attr_set_scratchpad_mode (attr, dnnl_scratchpad_mode_user);
  return attr;
}

static dnnl_memory_desc_t
desc_of (dnnl_primitive_desc_t pd, dnnl_query_t what, int index)
{
  const dnnl_memory_desc_t *desc =
      dnnl_primitive_desc_query_md (pd, what, index);

  return desc ? *desc : (dnnl_memory_desc_t){0};
}

/* NULL in @ret where both are the same. */
static gboolean
reorder_new (ShuCtx *c, const dnnl_memory_desc_t *from,
    const dnnl_memory_desc_t *to, dnnl_primitive_t *ret)
{
  dnnl_engine_t engine = shu_dnn_engine ();
  dnnl_primitive_desc_t pd = NULL;
  gboolean ok;

  *ret = NULL;
  if (dnnl_memory_desc_equal (from, to))
    return TRUE;
  ok = shu_dnn_check (c,
           dnnl_reorder_primitive_desc_create (
               &pd, from, engine, to, engine, NULL),
           "reorder") &&
       shu_dnn_check (c, dnnl_primitive_create (ret, pd), "reorder");
  if (pd)
    dnnl_primitive_desc_destroy (pd);
  return ok;
}

/* All of @op from @pd but what tells how activations lie. */
static gboolean
op_fill (ShuCtx *c, ShuDnnOp *op, dnnl_primitive_desc_t pd)
{
  op->w_desc = desc_of (pd, dnnl_query_weights_md, 0);
  op->b_desc = desc_of (pd, dnnl_query_weights_md, 1);
  op->x_desc = desc_of (pd, dnnl_query_src_md, 0);
  op->y_desc = desc_of (pd, dnnl_query_dst_md, 0);
  op->scratch_desc = desc_of (pd, dnnl_query_scratchpad_md, 0);
  return shu_dnn_check (
             c, dnnl_primitive_create (&op->primitive, pd), "primitive") &&
         reorder_new (c, &op->x_plain, &op->x_desc, &op->x_reorder) &&
         reorder_new (c, &op->y_desc, &op->y_plain, &op->y_reorder);
}

ShuDnnOp *
shu_dnn_create (ShuCtx *c, const ShuDnnKey *key, gconstpointer desc,
    const dnnl_memory_desc_t *x, const dnnl_memory_desc_t *y)
{
  dnnl_primitive_attr_t attr = attr_new (key);
  dnnl_primitive_desc_t pd = NULL;
  ShuDnnOp *op = NULL;
  int n_threads = omp_get_max_threads ();

  /* it is to be made for one thread, too */
  omp_set_num_threads (1);
  if (shu_dnn_check (c,
          dnnl_primitive_desc_create (&pd, desc, attr, shu_dnn_engine (), NULL),
          key->kind == SHU_DNN_LINEAR ? "linear" : "convolution")) {
    op = g_new0 (ShuDnnOp, 1);
    op->x_plain = *x;
    op->y_plain = *y;
    if (op_fill (c, op, pd))
      g_hash_table_insert (state_of (c)->ops, g_memdup2 (key, sizeof *key), op);
    else
      g_clear_pointer (&op, op_free);
    dnnl_primitive_desc_destroy (pd);
  }
  omp_set_num_threads (n_threads);
  dnnl_primitive_attr_destroy (attr);
  return op;
}

/* ---- packed weights ---- */

/* A weight, or a slice of it, in one layout. */
typedef struct {
  dnnl_memory_t memory;
  gsize offset;
} Item;

static void
packed_free (gpointer p)
{
  ShuPacked *packed = p;

  for (guint i = 0; i < packed->items->len; i++)
    dnnl_memory_destroy (g_array_index (packed->items, Item, i).memory);
  g_array_unref (packed->items);
  for (gsize i = 0; i < G_N_ELEMENTS (packed->phases); i++)
    shu_tensor_unref (packed->phases[i]);
  g_free (packed->sparse);
  g_free (packed->subdivided);
  g_mutex_clear (&packed->lock);
  g_free (packed);
}

ShuPacked *
shu_packed_of (ShuTensor *w)
{
  static GMutex lock;
  ShuPacked *packed;

  g_mutex_lock (&lock);
  if (!w->packed) {
    packed = g_new0 (ShuPacked, 1);
    g_mutex_init (&packed->lock);
    packed->items = g_array_new (FALSE, FALSE, sizeof (Item));
    w->packed_free = packed_free;
    w->packed = packed;
  }
  packed = w->packed;
  g_mutex_unlock (&lock);
  return packed;
}

static dnnl_memory_t
pack (ShuCtx *c, float *data, const dnnl_memory_desc_t *plain,
    const dnnl_memory_desc_t *wanted)
{
  dnnl_engine_t engine = shu_dnn_engine ();
  dnnl_memory_t src = NULL, dst = NULL;
  dnnl_primitive_t reorder;
  gboolean ok;

  if (!shu_dnn_check (
          c, dnnl_memory_create (&src, plain, engine, data), "weight"))
    return NULL;
  ok = reorder_new (c, plain, wanted, &reorder);
  if (ok && !reorder)
    return src;
  ok = ok &&
       shu_dnn_check (c,
           dnnl_memory_create (&dst, wanted, engine, DNNL_MEMORY_ALLOCATE),
           "weight") &&
       shu_dnn_check (c,
           dnnl_primitive_execute (reorder, shu_dnn_stream (c), 2,
               (dnnl_exec_arg_t[]){{DNNL_ARG_FROM, src}, {DNNL_ARG_TO, dst}}),
           "weight reorder") &&
       shu_dnn_check (
           c, dnnl_stream_wait (shu_dnn_stream (c)), "weight reorder");
  if (reorder)
    dnnl_primitive_destroy (reorder);
  dnnl_memory_destroy (src);
  if (!ok && dst)
    dnnl_memory_destroy (dst);
  return ok ? dst : NULL;
}

dnnl_memory_t
shu_dnn_weight (ShuCtx *c, ShuTensor *w, gsize offset,
    const dnnl_memory_desc_t *plain, const dnnl_memory_desc_t *wanted)
{
  ShuPacked *packed = shu_packed_of (w);
  dnnl_memory_t m = NULL;

  g_mutex_lock (&packed->lock);
  for (guint i = 0; i < packed->items->len && !m; i++) {
    const Item *item = &g_array_index (packed->items, Item, i);
    const dnnl_memory_desc_t *desc;

    dnnl_memory_get_memory_desc (item->memory, &desc);
    if (item->offset == offset && dnnl_memory_desc_equal (desc, wanted))
      m = item->memory;
  }
  if (!m) {
    m = pack (c, shu_f32 (w) + offset, plain, wanted);
    if (m)
      g_array_append_val (packed->items, ((Item){m, offset}));
  }
  g_mutex_unlock (&packed->lock);
  return m;
}
