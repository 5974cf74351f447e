/* SPDX-License-Identifier: MIT */
/* Runs oneDNN's primitives part by part, each on one thread. */
#include "ops/cpu/onednn_private.h"
#include <omp.h>

enum { LINE = 64 / sizeof (float), MAX_ARGS = 5 };

/* Floats, in whole cache lines, for what @desc describes. */
static gsize
room_for (const dnnl_memory_desc_t *desc)
{
  gsize n = dnnl_memory_desc_get_size (desc) / sizeof (float) + 1;

  return (n + LINE - 1) / LINE * LINE;
}

/* Floats that a part of @op needs beside its tensors. */
static gsize
room_of (const ShuDnnOp *op)
{
  return room_for (&op->scratch_desc) +
         (op->x_reorder ? room_for (&op->x_desc) : 0) +
         (op->y_reorder ? room_for (&op->y_desc) : 0);
}

/* The arguments of one call, and the memories that go with it. */
typedef struct {
  dnnl_exec_arg_t args[MAX_ARGS];
  int n;
  dnnl_memory_t own[MAX_ARGS];
  int n_own;
  dnnl_status_t status;
} Call;

static void
add (Call *call, int arg, dnnl_memory_t m)
{
  call->args[call->n++] = (dnnl_exec_arg_t){arg, m};
}

static void
add_data (
    Call *call, int arg, const dnnl_memory_desc_t *desc, const float *data)
{
  dnnl_memory_t m = NULL;

  if (call->status == dnnl_success)
    call->status =
        dnnl_memory_create (&m, desc, shu_dnn_engine (), (void *) data);
  if (call->status == dnnl_success) {
    call->own[call->n_own++] = m;
    add (call, arg, m);
  }
}

static dnnl_status_t
finish (Call *call, dnnl_primitive_t primitive, dnnl_stream_t stream)
{
  if (call->status == dnnl_success)
    call->status =
        dnnl_primitive_execute (primitive, stream, call->n, call->args);
  if (call->status == dnnl_success)
    call->status = dnnl_stream_wait (stream);
  for (int i = 0; i < call->n_own; i++)
    dnnl_memory_destroy (call->own[i]);
  return call->status;
}

static dnnl_status_t
move (dnnl_primitive_t reorder, dnnl_stream_t stream, float *to,
    const dnnl_memory_desc_t *to_desc, const float *from,
    const dnnl_memory_desc_t *from_desc)
{
  Call call = {0};

  add_data (&call, DNNL_ARG_FROM, from_desc, from);
  add_data (&call, DNNL_ARG_TO, to_desc, to);
  return finish (&call, reorder, stream);
}

static dnnl_status_t
run (const ShuDnnPart *p, dnnl_stream_t stream, float *room)
{
  const ShuDnnOp *op = p->op;
  const float *x = p->x;
  float *y = p->y;
  dnnl_status_t status = dnnl_success;
  Call call = {0};

  if (op->x_reorder) {
    status =
        move (op->x_reorder, stream, room, &op->x_desc, p->x, &op->x_plain);
    x = room;
    room += room_for (&op->x_desc);
  }
  if (op->y_reorder) {
    y = room;
    room += room_for (&op->y_desc);
  }
  if (status != dnnl_success)
    return status;
  add_data (&call, DNNL_ARG_SRC, &op->x_desc, x);
  add_data (&call, DNNL_ARG_DST, &op->y_desc, y);
  add (&call, DNNL_ARG_WEIGHTS, p->w);
  if (p->b)
    add_data (&call, DNNL_ARG_BIAS, &op->b_desc, p->b);
  if (dnnl_memory_desc_get_size (&op->scratch_desc) > 0)
    add_data (&call, DNNL_ARG_SCRATCHPAD, &op->scratch_desc, room);
  status = finish (&call, op->primitive, stream);
  if (status == dnnl_success && op->y_reorder)
    status = move (op->y_reorder, stream, p->y, &op->y_plain, y, &op->y_desc);
  return status;
}

void
shu_dnn_run (ShuCtx *c, const ShuDnnPart *parts, gsize n)
{
  SHU_SCOPE (c);
  dnnl_stream_t stream = shu_dnn_stream (c);
  int status = dnnl_success;
  gsize size = 0;
  float *rooms;

  for (gsize i = 0; i < n; i++)
    size = MAX (size, room_of (parts[i].op));
  rooms = shu_cpu_rooms (c, size);
  if (!rooms)
    return;
#pragma omp parallel if (n > 1)
  {
    float *room = shu_cpu_room (rooms, size);

    /* ends with the region */
    omp_set_num_threads (1);
#pragma omp for schedule(dynamic)
    for (gsize i = 0; i < n; i++) {
      int result = (int) run (&parts[i], stream, room);

      if (result != dnnl_success) {
#pragma omp atomic write
        status = result;
      }
    }
  }
  shu_dnn_check (c, (dnnl_status_t) status, "execution");
}
