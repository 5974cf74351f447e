/* SPDX-License-Identifier: MIT */
/* Between host and device.  What goes up passes through page-locked memory, a
 * ring of a few parts: the copy to the device then runs in the stream, and the
 * caller goes on once its data is in the ring.  A part is used again when the
 * stream has passed the event behind its last copy. */
#include "ops/cuda/cuda_private.h"
#include "base/error.h"
#include <string.h>

enum {
  N_PARTS = 4,
  PART = 8 << 20,
  ALIGN = 256,
  CHUNK = 256 << 10, /* that one thread copies */
};

struct _ShuCudaStaging {
  char *data; /* [N_PARTS][PART] */
  cudaEvent_t passed[N_PARTS];
  int part;
  gsize fill; /* of the part */
};

void
shu_cuda_staging_free (ShuCudaStaging *staging)
{
  if (!staging)
    return;
  for (int i = 0; i < N_PARTS; i++)
    if (staging->passed[i])
      cudaEventDestroy (staging->passed[i]);
  cudaFreeHost (staging->data);
  g_free (staging);
}

static ShuCudaStaging *
staging_of (ShuCtx *c, ShuCuda *s)
{
  ShuCudaStaging *g = s->staging;
  cudaError_t e;

  if (g)
    return g;
  g = g_new0 (ShuCudaStaging, 1);
  e = cudaMallocHost ((void **) &g->data, (gsize) N_PARTS * PART);
  for (int i = 0; i < N_PARTS && e == cudaSuccess; i++)
    e = cudaEventCreateWithFlags (&g->passed[i], cudaEventDisableTiming);
  if (!shu_cuda_check (c, e, "page-locked memory"))
    g_clear_pointer (&g, shu_cuda_staging_free);
  s->staging = g;
  return g;
}

static void
copy_bytes (char *dst, const char *src, gsize bytes)
{
  gint64 n = (gint64) ((bytes + CHUNK - 1) / CHUNK);

#pragma omp parallel for if (n > 4)
  for (gint64 i = 0; i < n; i++) {
    gsize at = (gsize) i * CHUNK;

    memcpy (dst + at, src + at, MIN (CHUNK, bytes - at));
  }
}

/* Goes on to the next part, once nothing reads it any more. */
static cudaError_t
next_part (ShuCuda *s, ShuCudaStaging *g)
{
  cudaError_t e = cudaEventRecord (g->passed[g->part], s->stream);

  g->part = (g->part + 1) % N_PARTS;
  g->fill = 0;
  return e == cudaSuccess ? cudaEventSynchronize (g->passed[g->part]) : e;
}

gboolean
shu_cuda_to_device (ShuCtx *c, gpointer dst, gconstpointer src, gsize bytes)
{
  ShuCuda *s = shu_cuda (c);
  ShuCudaStaging *g = s ? staging_of (c, s) : NULL;
  cudaError_t e = cudaSuccess;
  gsize n;

  if (!g)
    return FALSE;
  for (gsize at = 0; at < bytes && e == cudaSuccess; at += n) {
    char *room;

    if (g->fill >= PART)
      e = next_part (s, g);
    if (e != cudaSuccess)
      break;
    n = MIN (bytes - at, PART - g->fill);
    room = g->data + (gsize) g->part * PART + g->fill;
    g->fill += (n + ALIGN - 1) / ALIGN * ALIGN;
    copy_bytes (room, (const char *) src + at, n);
    e = cudaMemcpyAsync (
        (char *) dst + at, room, n, cudaMemcpyHostToDevice, s->stream);
  }
  return shu_cuda_check (c, e, "upload");
}

void
shu_cuda_upload (ShuCtx *c, ShuTensor *y, ShuDType dtype, gconstpointer data)
{
  SHU_SCOPE (c);
  gsize bytes = y->n * shu_dtype_size (dtype);
  float *wide = NULL;

  if (dtype != y->dtype) {
    g_assert (dtype == SHU_DTYPE_F32 && y->dtype == SHU_DTYPE_F16);
    wide = shu_cuda_scratch (c, bytes);
    if (!wide)
      return;
  }
  if (shu_cuda_to_device (c, wide ? wide : y->data, data, bytes))
    shu_cuda_done (c, "upload",
        wide ? shu_launch_f32_to_f16 (y->data, wide, y->n, shu_cuda (c)->stream)
             : cudaSuccess);
}

void
shu_cuda_download (ShuCtx *c, gpointer data, ShuTensor *x)
{
  SHU_SCOPE (c);
  ShuCuda *s = shu_cuda (c);
  gconstpointer from = x->data;
  cudaError_t e = cudaSuccess;

  if (!s)
    return;
  if (x->dtype == SHU_DTYPE_F16) {
    float *wide = shu_cuda_scratch (c, x->n * sizeof *wide);

    if (!wide)
      return;
    e = shu_launch_f16_to_f32 (wide, x->data, x->n, s->stream);
    from = wide;
  } else if (x->dtype != SHU_DTYPE_F32 && x->dtype != SHU_DTYPE_I32) {
    shu_ctx_fail (c, SHU_ERROR_UNSUPPORTED, "download: no %s on %s",
        shu_dtype_name (x->dtype), c->device);
    return;
  }
  if (e == cudaSuccess)
    e = cudaMemcpyAsync (
        data, from, x->n * 4, cudaMemcpyDeviceToHost, s->stream);
  if (shu_cuda_check (c, e, "download"))
    c->wait (c);
}
