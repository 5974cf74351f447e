/* SPDX-License-Identifier: MIT */
/* Memory that an operation needs beside its tensors.  It comes from the
 * context, so that where there is none the context fails and the process goes
 * on. */
#include "ops/cpu/cpu_private.h"
#include "base/error.h"
#include <omp.h>

enum { LINE = 64 / sizeof (float) }; /* no two threads share a cache line */

gpointer
shu_cpu_scratch (ShuCtx *c, gsize n, gsize size)
{
  ShuTensor *t;

  if (n > (gsize) G_MAXINT64 / size) {
    shu_ctx_fail (c, SHU_ERROR_LIMIT, "scratch: sizes are out of range");
    return NULL;
  }
  t = shu_scoped (c, SHU_DTYPE_U8, SHU_DIMS (MAX ((gint64) (n * size), 1)));
  return shu_ctx_failed (c) ? NULL : t->data;
}

static gsize
round_room (gsize n)
{
  return (n + LINE - 1) / LINE * LINE;
}

float *
shu_cpu_rooms (ShuCtx *c, gsize n)
{
  return shu_cpu_scratch (
      c, round_room (n), (gsize) omp_get_max_threads () * sizeof (float));
}

float *
shu_cpu_room (float *rooms, gsize n)
{
  return rooms + (gsize) omp_get_thread_num () * round_room (n);
}
