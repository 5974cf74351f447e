/* SPDX-License-Identifier: MIT */
/* Recorded operations as a CUDA graph.  The stream is captured in the mode that
 * lets other calls pass: a plan that is made meanwhile loads its code.  But if
 * any thread waits for the whole device, the record is void: ours wait before
 * or after, others may not. */
#include "ops/cuda/cuda_private.h"
#include "tensor/device.h"

/* @done, @state and @plans are those of one that lasts: behind what was asked
 * of it last, and whose code it runs, some of which is that of plans. */
typedef struct {
  cudaGraphExec_t exec;
  cudaEvent_t done;
  ShuCuda *state;
  GHashTable *plans;
} Graph;

gboolean
shu_cuda_capture_begin (ShuCtx *c, gboolean lasts)
{
  ShuCuda *s = shu_cuda (c);

  /* who waits after every operation cannot record them */
  if (!s || s->sync)
    return FALSE;
  shu_device_records (TRUE);
  if (shu_cuda_check (c,
          cudaStreamBeginCapture (s->stream, cudaStreamCaptureModeRelaxed),
          "capture")) {
    s->lasting = lasts;
    return TRUE;
  }
  shu_device_records (FALSE);
  return FALSE;
}

/* What it takes for @g to outlive its context; its own memory, too, so that no
 * job fails for want of that */
static cudaError_t
make_last (Graph *g, ShuCuda *s)
{
  cudaError_t e = cudaEventCreateWithFlags (&g->done, cudaEventDisableTiming);

  if (e == cudaSuccess)
    e = cudaGraphUpload (g->exec, s->stream);
  if (e == cudaSuccess)
    e = cudaEventRecord (g->done, s->stream);
  g_atomic_ref_count_inc (&s->refs);
  g->state = s;
  g->plans = g_hash_table_ref (s->plans);
  return e;
}

gpointer
shu_cuda_capture_end (ShuCtx *c, gboolean *ret_void)
{
  ShuCuda *s = c->backend_state;
  Graph *g = g_new0 (Graph, 1);
  cudaGraph_t graph = NULL;
  cudaError_t e = cudaStreamEndCapture (s->stream, &graph);

  shu_device_records (FALSE);
  *ret_void = e == cudaErrorStreamCaptureInvalidated;
  if (e == cudaSuccess && !shu_ctx_failed (c))
    e = cudaGraphInstantiate (&g->exec, graph, 0);
  if (g->exec && s->lasting)
    e = make_last (g, s);
  s->lasting = FALSE;
  if (graph)
    cudaGraphDestroy (graph);
  if (e != cudaSuccess)
    g_info ("%s: operations are not recorded, because %s", c->device,
        cudaGetErrorString (e));
  if (e != cudaSuccess || !g->exec)
    g_clear_pointer (&g, shu_cuda_captured_free);
  cudaGetLastError ();
  return g;
}

static cudaError_t
copy (const ShuMove *m, cudaStream_t stream)
{
  return cudaMemcpyAsync (m->y->data, m->x->data, shu_tensor_bytes (m->y),
      cudaMemcpyDeviceToDevice, stream);
}

void
shu_cuda_replay (
    ShuCtx *c, gpointer captured, const ShuMove *before, const ShuMove *after)
{
  ShuCuda *s = shu_cuda (c);
  const Graph *g = captured;
  cudaError_t e = cudaSuccess;

  if (!s)
    return;
  if (g->done)
    e = cudaStreamWaitEvent (s->stream, g->done, 0);
  if (e == cudaSuccess && before)
    e = copy (before, s->stream);
  if (e == cudaSuccess)
    e = cudaGraphLaunch (g->exec, s->stream);
  if (e == cudaSuccess && after)
    e = copy (after, s->stream);
  if (e == cudaSuccess && g->done)
    e = cudaEventRecord (g->done, s->stream);
  shu_cuda_done (c, "replay", e);
}

void
shu_cuda_captured_free (gpointer captured)
{
  Graph *g = captured;

  if (g->state)
    cudaSetDevice (g->state->device);
  if (g->done) {
    cudaEventSynchronize (g->done);
    cudaEventDestroy (g->done);
  }
  if (g->exec)
    cudaGraphExecDestroy (g->exec);
  g_clear_pointer (&g->plans, g_hash_table_unref);
  g_clear_pointer (&g->state, shu_cuda_unref);
  cudaGetLastError ();
  g_free (g);
}
