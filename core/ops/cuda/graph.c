/* SPDX-License-Identifier: MIT */
/* Recorded operations as a CUDA graph.  The stream is captured in the mode that
 * lets other calls pass: a plan that is made meanwhile loads its code. */
#include "ops/cuda/cuda_private.h"

gboolean
shu_cuda_capture_begin (ShuCtx *c)
{
  ShuCuda *s = shu_cuda (c);

  /* who waits after every operation cannot record them */
  return s && !s->sync &&
         shu_cuda_check (c,
             cudaStreamBeginCapture (s->stream, cudaStreamCaptureModeRelaxed),
             "capture");
}

gpointer
shu_cuda_capture_end (ShuCtx *c)
{
  ShuCuda *s = c->backend_state;
  cudaGraphExec_t exec = NULL;
  cudaGraph_t graph = NULL;
  cudaError_t e = cudaStreamEndCapture (s->stream, &graph);

  if (e == cudaSuccess && !shu_ctx_failed (c))
    e = cudaGraphInstantiate (&exec, graph, 0);
  if (graph)
    cudaGraphDestroy (graph);
  if (e != cudaSuccess)
    g_info ("%s: steps run one by one, because %s", c->device,
        cudaGetErrorString (e));
  cudaGetLastError ();
  return exec;
}

void
shu_cuda_replay (ShuCtx *c, gpointer captured)
{
  ShuCuda *s = shu_cuda (c);

  if (s)
    shu_cuda_done (c, "replay", cudaGraphLaunch (captured, s->stream));
}

void
shu_cuda_captured_free (gpointer captured)
{
  cudaGraphExecDestroy (captured);
}
