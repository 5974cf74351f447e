/* SPDX-License-Identifier: MIT */
/* Moments of time in a context's stream. */
#include "ops/cuda/cuda_private.h"

gpointer
shu_cuda_mark (ShuCtx *c)
{
  ShuCuda *s = shu_cuda (c);
  cudaEvent_t event = NULL;
  cudaError_t e;

  if (!s)
    return NULL;
  e = cudaEventCreate (&event);
  if (e == cudaSuccess)
    e = cudaEventRecord (event, s->stream);
  if (shu_cuda_check (c, e, "mark"))
    return event;
  shu_cuda_unmark (event);
  return NULL;
}

double
shu_cuda_between (gpointer from, gpointer to)
{
  float ms = 0;

  if (cudaEventElapsedTime (&ms, from, to) != cudaSuccess)
    cudaGetLastError ();
  return ms * 1e-3;
}

void
shu_cuda_unmark (gpointer mark)
{
  if (mark)
    cudaEventDestroy (mark);
}
