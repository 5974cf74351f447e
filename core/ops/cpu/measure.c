/* SPDX-License-Identifier: MIT */
/* See measure.h. */
#include "ops/cpu/measure.h"
#include "ops/cpu/onednn_private.h"
#include <string.h>

enum { X, W, B, Y, N_MEMORIES };

struct _ShuMeasure {
  dnnl_primitive_t primitive;
  dnnl_stream_t stream;
  dnnl_memory_t memory[N_MEMORIES];
};

static dnnl_memory_t
memory_new (dnnl_primitive_desc_t pd, dnnl_query_t what, int index)
{
  const dnnl_memory_desc_t *desc =
      dnnl_primitive_desc_query_md (pd, what, index);
  dnnl_memory_t m = NULL;
  void *data = NULL;

  dnnl_memory_create (&m, desc, shu_dnn_engine (), DNNL_MEMORY_ALLOCATE);
  dnnl_memory_get_data_handle (m, &data);
  for (gsize i = 0; i < dnnl_memory_desc_get_size (desc) / sizeof (float); i++)
    ((float *) data)[i] = 0.5f;
  return m;
}

static ShuMeasure *
measure_new (gconstpointer desc)
{
  dnnl_primitive_desc_t pd = NULL;
  ShuMeasure *m;

  if (dnnl_primitive_desc_create (&pd, desc, NULL, shu_dnn_engine (), NULL) !=
      dnnl_success)
    return NULL;
  m = g_new0 (ShuMeasure, 1);
  dnnl_primitive_create (&m->primitive, pd);
  dnnl_stream_create (&m->stream, shu_dnn_engine (), dnnl_stream_default_flags);
  m->memory[X] = memory_new (pd, dnnl_query_src_md, 0);
  m->memory[W] = memory_new (pd, dnnl_query_weights_md, 0);
  m->memory[B] = memory_new (pd, dnnl_query_weights_md, 1);
  m->memory[Y] = memory_new (pd, dnnl_query_dst_md, 0);
  dnnl_primitive_desc_destroy (pd);
  return m;
}

static dnnl_memory_desc_t
any (int n, const dnnl_dims_t dims)
{
  dnnl_memory_desc_t desc;

  dnnl_memory_desc_init_by_tag (&desc, n, dims, dnnl_f32, dnnl_format_tag_any);
  return desc;
}

ShuMeasure *
shu_measure_linear_new (gint64 M, gint64 Ci, gint64 Co)
{
  dnnl_memory_desc_t x = any (2, (dnnl_dims_t){M, Ci});
  dnnl_memory_desc_t w = any (2, (dnnl_dims_t){Ci, Co});
  dnnl_memory_desc_t y = any (2, (dnnl_dims_t){M, Co});
  dnnl_memory_desc_t b;
  dnnl_matmul_desc_t desc;

  dnnl_memory_desc_init_by_tag (&b, 2, (dnnl_dims_t){1, Co}, dnnl_f32, dnnl_ab);
  if (dnnl_matmul_desc_init (&desc, &x, &w, &b, &y) != dnnl_success)
    return NULL;
  return measure_new (&desc);
}

ShuMeasure *
shu_measure_conv_new (
    int n_space, gint64 batch, gint64 side, gint64 Ci, gint64 Co, int k)
{
  dnnl_dims_t dx = {batch, Ci}, dw = {Co, Ci}, dy = {batch, Co};
  dnnl_dims_t one = {1, 1, 1}, pad = {k / 2, k / 2, k / 2};
  dnnl_memory_desc_t x, w, b, y;
  dnnl_convolution_desc_t desc;

  for (int i = 2; i < n_space + 2; i++) {
    dx[i] = dy[i] = side;
    dw[i] = k;
  }
  x = any (n_space + 2, dx);
  w = any (n_space + 2, dw);
  y = any (n_space + 2, dy);
  b = any (1, dw);
  if (dnnl_convolution_forward_desc_init (&desc, dnnl_forward_inference,
          dnnl_convolution_direct, &x, &w, &b, &y, one, pad,
          pad) != dnnl_success)
    return NULL;
  return measure_new (&desc);
}

void
shu_measure_run (ShuMeasure *m)
{
  dnnl_exec_arg_t args[] = {
      {DNNL_ARG_SRC, m->memory[X]},
      {DNNL_ARG_WEIGHTS, m->memory[W]},
      {DNNL_ARG_BIAS, m->memory[B]},
      {DNNL_ARG_DST, m->memory[Y]},
  };

  dnnl_primitive_execute (m->primitive, m->stream, G_N_ELEMENTS (args), args);
  dnnl_stream_wait (m->stream);
}

void
shu_measure_free (ShuMeasure *m)
{
  if (!m)
    return;
  for (int i = 0; i < N_MEMORIES; i++)
    dnnl_memory_destroy (m->memory[i]);
  dnnl_stream_destroy (m->stream);
  dnnl_primitive_destroy (m->primitive);
  g_free (m);
}
