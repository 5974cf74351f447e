/* SPDX-License-Identifier: MIT */
/* Recorded operations as a CUDA graph.  The stream is captured in the mode that
 * lets other calls pass: a plan that is made meanwhile loads its code.  But if
 * any thread waits for the whole device, the record is void: ours wait before
 * or after, others may not. */
#include "ops/cuda/cuda_private.h"
#include "tensor/device.h"

gboolean
shu_cuda_capture_begin (ShuCtx *c)
{
  ShuCuda *s = shu_cuda (c);

  /* who waits after every operation cannot record them */
  if (!s || s->sync)
    return FALSE;
  shu_device_records (TRUE);
  if (shu_cuda_check (c,
          cudaStreamBeginCapture (s->stream, cudaStreamCaptureModeRelaxed),
          "capture"))
    return TRUE;
  shu_device_records (FALSE);
  return FALSE;
}

gpointer
shu_cuda_capture_end (ShuCtx *c, gboolean *ret_void)
{
  ShuCuda *s = c->backend_state;
  cudaGraphExec_t exec = NULL;
  cudaGraph_t graph = NULL;
  cudaError_t e = cudaStreamEndCapture (s->stream, &graph);

  shu_device_records (FALSE);
  *ret_void = e == cudaErrorStreamCaptureInvalidated;
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
