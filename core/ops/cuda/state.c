/* SPDX-License-Identifier: MIT */
/* What a context has on its device, and what becomes of CUDA's errors.
 *
 * A failure of a kernel shows some time after its launch: then it is blamed on
 * the operation that was started last.  With SHU_CUDA_SYNC=1 every operation
 * is waited for, so that the right one is named. */
#include "ops/cuda/cuda_private.h"
#include "base/error.h"
#include "tensor/device.h"

static const char *
advice (const ShuCtx *c, cudaError_t e)
{
  if (shu_device_lost (c->place))
    return "; the GPU is lost to this process, start it again";
  return e == cudaErrorMemoryAllocation ? "; close other programs that use the "
                                          "GPU, or set memory=low"
                                        : "";
}

gboolean
shu_cuda_check (ShuCtx *c, cudaError_t e, const char *what)
{
  if (e == cudaSuccess)
    return TRUE;
  shu_ctx_fail (c,
      e == cudaErrorMemoryAllocation ? SHU_ERROR_MEMORY : SHU_ERROR_INTERNAL,
      "%s: %s: %s (%s)%s", c->device, what, cudaGetErrorString (e),
      cudaGetErrorName (e), advice (c, e));
  return FALSE;
}

void
shu_cuda_done (ShuCtx *c, const char *op, cudaError_t e)
{
  ShuCuda *s = c->backend_state;

  s->last = op;
  if (shu_cuda_check (c, e, op) && s->sync)
    shu_cuda_check (c, cudaStreamSynchronize (s->stream), op);
}

void
shu_cuda_done_error (ShuCtx *c, const char *op, GError *error)
{
  if (!error) {
    shu_cuda_done (c, op, cudaSuccess);
    return;
  }
  g_prefix_error (&error, "%s: %s: ", c->device, op);
  shu_ctx_take_error (c, error);
}

/* ---- beginning and end ---- */

static void
wait_for_stream (ShuCtx *c)
{
  ShuCuda *s = shu_cuda (c);
  g_autofree char *after = NULL;
  cudaError_t e;

  if (!s)
    return;
  e = cudaStreamSynchronize (s->stream);
  if (e != cudaSuccess) {
    after = g_strdup_printf ("after %s", s->last ? s->last : "the start");
    shu_cuda_check (c, e, after);
  } else {
    shu_cuda_checks_collect (c);
  }
}

void
shu_cuda_unref (ShuCuda *s)
{
  if (!g_atomic_ref_count_dec (&s->refs))
    return;
  cudaSetDevice (s->device);
  if (s->stream)
    cudaStreamSynchronize (s->stream);
  g_clear_pointer (&s->plans, g_hash_table_unref);
  shu_cuda_checks_free (s->checks);
  shu_cuda_staging_free (s->staging);
  if (s->dnn)
    cudnnDestroy (s->dnn);
  if (s->lt)
    cublasLtDestroy (s->lt);
  if (s->stream)
    cudaStreamDestroy (s->stream);
  cudaGetLastError ();
  g_free (s);
}

/* ---- states that no context has at the moment ---- */

/* Handles and plans take longer to make than some networks take to run, so the
 * next context gets them. */
enum { MAX_IDLE = 4, MAX_IDLE_PLANS = 1000 };

static struct {
  GMutex lock;
  ShuCuda *states[MAX_IDLE];
} idle;

/* (transfer full) (nullable) */
static ShuCuda *
take_idle (int device)
{
  ShuCuda *s = NULL;

  g_mutex_lock (&idle.lock);
  for (int i = 0; i < MAX_IDLE && !s; i++)
    if (idle.states[i] && idle.states[i]->device == device)
      s = g_steal_pointer (&idle.states[i]);
  g_mutex_unlock (&idle.lock);
  return s;
}

/* What a context does with its state at its end. */
static void
give_back (gpointer p)
{
  ShuCuda *s = p;

  cudaSetDevice (s->device);
  if (cudaStreamSynchronize (s->stream) == cudaSuccess) {
    g_clear_pointer (&s->checks, shu_cuda_checks_free);
    g_clear_pointer (&s->staging, shu_cuda_staging_free);
    s->last = NULL;
    if (g_hash_table_size (s->plans) > MAX_IDLE_PLANS) {
      g_hash_table_unref (s->plans);
      s->plans = shu_cuda_plans_new ();
    }
    g_mutex_lock (&idle.lock);
    for (int i = 0; i < MAX_IDLE && s; i++)
      if (!idle.states[i])
        idle.states[i] = g_steal_pointer (&s);
    g_mutex_unlock (&idle.lock);
  }
  if (s)
    shu_cuda_unref (s);
}

/* ---- the state of a context ---- */

static gboolean
check_library (ShuCtx *c, gboolean ok, const char *name, const char *why)
{
  if (!ok)
    shu_ctx_fail (c, SHU_ERROR_INTERNAL, "%s: %s does not start: %s", c->device,
        name, why);
  return ok;
}

static cudaError_t
look_at_device (ShuCuda *s)
{
  int major = 0, minor = 0;

  const struct {
    enum cudaDeviceAttr what;
    int *to;
  } rows[] = {
      {cudaDevAttrMaxSharedMemoryPerBlockOptin, &s->room},
      {cudaDevAttrMultiProcessorCount, &s->n_sm},
      {cudaDevAttrComputeCapabilityMajor, &major},
      {cudaDevAttrComputeCapabilityMinor, &minor},
  };

  cudaError_t e = cudaSuccess;

  for (gsize i = 0; i < G_N_ELEMENTS (rows) && e == cudaSuccess; i++)
    e = cudaDeviceGetAttribute (rows[i].to, rows[i].what, s->device);
  s->sm = 10 * major + minor;
  return e;
}

static gboolean
start (ShuCtx *c, ShuCuda *s)
{
  cublasStatus_t blas;
  cudnnStatus_t dnn;

  if (!shu_cuda_check (c, cudaSetDevice (s->device), "start") ||
      !shu_cuda_check (c,
          cudaStreamCreateWithFlags (&s->stream, cudaStreamNonBlocking),
          "start"))
    return FALSE;
  if (!shu_cuda_check (c, look_at_device (s), "start"))
    return FALSE;
  blas = cublasLtCreate (&s->lt);
  if (!check_library (c, blas == CUBLAS_STATUS_SUCCESS, "cuBLASLt",
          cublasLtGetStatusString (blas)))
    return FALSE;
  dnn = cudnnCreate (&s->dnn);
  if (dnn == CUDNN_STATUS_SUCCESS)
    dnn = cudnnSetStream (s->dnn, s->stream);
  return check_library (
      c, dnn == CUDNN_STATUS_SUCCESS, "cuDNN", cudnnGetErrorString (dnn));
}

ShuCuda *
shu_cuda (ShuCtx *c)
{
  ShuCuda *s = c->backend_state;

  if (s)
    return shu_cuda_check (c, cudaSetDevice (s->device), "device") ? s : NULL;
  s = take_idle (c->place);
  if (!s) {
    s = g_new0 (ShuCuda, 1);
    g_atomic_ref_count_init (&s->refs);
    s->device = c->place;
    s->plans = shu_cuda_plans_new ();
    if (!start (c, s)) {
      shu_cuda_unref (s);
      return NULL;
    }
  }
  s->sync = g_strcmp0 (g_getenv ("SHU_CUDA_SYNC"), "1") == 0;
  s->watched = g_strcmp0 (g_getenv ("SHU_CUDA_HEAP"), "0") == 0;
  s->c = c;
  if (!shu_cuda_check (c, cudaSetDevice (s->device), "device")) {
    shu_cuda_unref (s);
    return NULL;
  }
  c->backend_state = s;
  c->backend_state_free = give_back;
  c->wait = wait_for_stream;
  return s;
}

gboolean
shu_cuda_expect (ShuCuda *s, gpointer y, gint64 rows, gint64 bytes, gint64 step,
    GError **error)
{
  if (step == bytes) { /* tools are slow with many rows */
    step = bytes = rows * bytes;
    rows = 1;
  }
  return !s->watched ||
         shu_cuda_ok (cudaMemset2DAsync (y, (gsize) step, 0xff, (gsize) bytes,
                          (gsize) rows, s->stream),
             "fill", error);
}

gboolean
shu_cuda_workspace (ShuCuda *s, gsize bytes, gpointer *ret, GError **error)
{
  gint64 n = (gint64) bytes;

  *ret = bytes > 0 ? shu_cuda_scratch (s->c, bytes) : NULL;
  return bytes == 0 || (*ret && shu_cuda_expect (s, *ret, 1, n, n, error));
}

gboolean
shu_cuda_passes (ShuCtx *c, const char *op)
{
  ShuCuda *s = c->backend_state;

  if (s->lasting)
    shu_ctx_fail (c, SHU_ERROR_UNSUPPORTED,
        "%s: %s: cannot be recorded for other contexts", c->device, op);
  return !s->lasting;
}

gpointer
shu_cuda_scratch (ShuCtx *c, gsize bytes)
{
  ShuTensor *t =
      shu_scoped (c, SHU_DTYPE_U8, SHU_DIMS (MAX ((gint64) bytes, 1)));

  return shu_ctx_failed (c) ? NULL : t->data;
}
