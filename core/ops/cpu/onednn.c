/* SPDX-License-Identifier: MIT */
/* oneDNN: one engine for the process, a stream and the primitives for each
 * context, packed weights with the weight tensor. */
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
  dnnl_memory_t memories[] = {op->x, op->y, op->b, op->scratch};

  for (gsize i = 0; i < G_N_ELEMENTS (memories); i++)
    if (memories[i])
      dnnl_memory_destroy (memories[i]);
  if (op->primitive)
    dnnl_primitive_destroy (op->primitive);
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
shu_dnn_lookup (ShuCtx *c, ShuDnnKey *key)
{
  key->n_threads = omp_get_max_threads ();
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

static dnnl_memory_t
memory_for (dnnl_primitive_desc_t pd, dnnl_query_t what, gboolean allocate)
{
  const dnnl_memory_desc_t *desc =
      dnnl_primitive_desc_query_md (pd, what, what == dnnl_query_weights_md);
  dnnl_memory_t m = NULL;

  if (!desc || dnnl_memory_desc_get_size (desc) == 0)
    return NULL;
  dnnl_memory_create (&m, desc, shu_dnn_engine (),
      allocate ? DNNL_MEMORY_ALLOCATE : DNNL_MEMORY_NONE);
  return m;
}

ShuDnnOp *
shu_dnn_create (ShuCtx *c, const ShuDnnKey *key, gconstpointer desc)
{
  dnnl_primitive_attr_t attr = attr_new (key);
  dnnl_primitive_desc_t pd = NULL;
  ShuDnnOp *op = NULL;

  if (!shu_dnn_check (c,
          dnnl_primitive_desc_create (&pd, desc, attr, shu_dnn_engine (), NULL),
          key->kind == SHU_DNN_LINEAR ? "linear" : "convolution")) {
    dnnl_primitive_attr_destroy (attr);
    return NULL;
  }
  op = g_new0 (ShuDnnOp, 1);
  if (shu_dnn_check (
          c, dnnl_primitive_create (&op->primitive, pd), "primitive")) {
    op->w_desc = *dnnl_primitive_desc_query_md (pd, dnnl_query_weights_md, 0);
    op->x = memory_for (pd, dnnl_query_src_md, FALSE);
    op->y = memory_for (pd, dnnl_query_dst_md, FALSE);
    op->b = memory_for (pd, dnnl_query_weights_md, FALSE);
    op->scratch = memory_for (pd, dnnl_query_scratchpad_md, FALSE);
    g_hash_table_insert (state_of (c)->ops, g_memdup2 (key, sizeof *key), op);
  } else {
    g_clear_pointer (&op, op_free);
  }
  dnnl_primitive_desc_destroy (pd);
  dnnl_primitive_attr_destroy (attr);
  return op;
}

/* ---- packed weights ---- */

static void
packed_free (gpointer p)
{
  ShuPacked *packed = p;

  for (guint i = 0; i < packed->items->len; i++)
    dnnl_memory_destroy (g_ptr_array_index (packed->items, i));
  g_ptr_array_unref (packed->items);
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
    packed->items = g_ptr_array_new ();
    w->packed_free = packed_free;
    w->packed = packed;
  }
  packed = w->packed;
  g_mutex_unlock (&lock);
  return packed;
}

static dnnl_memory_t
pack (ShuCtx *c, ShuTensor *w, const dnnl_memory_desc_t *plain,
    const dnnl_memory_desc_t *wanted)
{
  dnnl_engine_t engine = shu_dnn_engine ();
  gboolean same = dnnl_memory_desc_equal (plain, wanted);
  dnnl_memory_t src = NULL, dst = NULL;
  dnnl_primitive_desc_t pd = NULL;
  dnnl_primitive_t reorder = NULL;
  gboolean ok;

  if (!shu_dnn_check (
          c, dnnl_memory_create (&src, plain, engine, w->data), "weight"))
    return NULL;
  if (same)
    return src;
  ok = shu_dnn_check (c,
           dnnl_memory_create (&dst, wanted, engine, DNNL_MEMORY_ALLOCATE),
           "weight") &&
       shu_dnn_check (c,
           dnnl_reorder_primitive_desc_create (
               &pd, plain, engine, wanted, engine, NULL),
           "weight reorder") &&
       shu_dnn_check (
           c, dnnl_primitive_create (&reorder, pd), "weight reorder") &&
       shu_dnn_check (c,
           dnnl_primitive_execute (reorder, shu_dnn_stream (c), 2,
               (dnnl_exec_arg_t[]){{DNNL_ARG_FROM, src}, {DNNL_ARG_TO, dst}}),
           "weight reorder") &&
       shu_dnn_check (
           c, dnnl_stream_wait (shu_dnn_stream (c)), "weight reorder");
  if (reorder)
    dnnl_primitive_destroy (reorder);
  if (pd)
    dnnl_primitive_desc_destroy (pd);
  dnnl_memory_destroy (src);
  if (!ok && dst)
    dnnl_memory_destroy (dst);
  return ok ? dst : NULL;
}

dnnl_memory_t
shu_dnn_weight (ShuCtx *c, ShuTensor *w, const dnnl_memory_desc_t *plain,
    const dnnl_memory_desc_t *wanted)
{
  ShuPacked *packed = shu_packed_of (w);
  dnnl_memory_t m = NULL;

  g_mutex_lock (&packed->lock);
  for (guint i = 0; i < packed->items->len && !m; i++) {
    const dnnl_memory_desc_t *desc;
    dnnl_memory_t item = g_ptr_array_index (packed->items, i);

    dnnl_memory_get_memory_desc (item, &desc);
    if (dnnl_memory_desc_equal (desc, wanted))
      m = item;
  }
  if (!m) {
    m = pack (c, w, plain, wanted);
    if (m)
      g_ptr_array_add (packed->items, m);
  }
  g_mutex_unlock (&packed->lock);
  return m;
}

void
shu_dnn_run (ShuCtx *c, ShuDnnOp *op, ShuTensor *w,
    const dnnl_memory_desc_t *w_plain, const float *x, const float *b, float *y)
{
  SHU_SCOPE (c);
  dnnl_memory_t packed = shu_dnn_weight (c, w, w_plain, &op->w_desc);
  dnnl_exec_arg_t args[5] = {
      {DNNL_ARG_SRC, op->x},
      {DNNL_ARG_WEIGHTS, packed},
      {DNNL_ARG_DST, op->y},
  };
  int n = 3;

  if (!packed)
    return;
  dnnl_memory_set_data_handle (op->x, (void *) x);
  dnnl_memory_set_data_handle (op->y, y);
  if (op->b) {
    dnnl_memory_set_data_handle (op->b, (void *) b);
    args[n++] = (dnnl_exec_arg_t){DNNL_ARG_BIAS, op->b};
  }
  if (op->scratch) {
    const dnnl_memory_desc_t *desc;
    gint64 bytes;
    ShuTensor *scratch;

    dnnl_memory_get_memory_desc (op->scratch, &desc);
    bytes = (gint64) dnnl_memory_desc_get_size (desc);
    scratch = shu_scoped (c, SHU_DTYPE_U8, SHU_DIMS (bytes));
    if (shu_ctx_failed (c))
      return;
    dnnl_memory_set_data_handle (op->scratch, scratch->data);
    args[n++] = (dnnl_exec_arg_t){DNNL_ARG_SCRATCHPAD, op->scratch};
  }
  if (shu_dnn_check (c,
          dnnl_primitive_execute (op->primitive, shu_dnn_stream (c), n, args),
          "execution"))
    shu_dnn_check (c, dnnl_stream_wait (shu_dnn_stream (c)), "execution");
}
