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
  char *data[N_PARTS]; /* [PART], each made when it is first needed */
  cudaEvent_t passed[N_PARTS];
  int part;
  gsize fill; /* of the part */
};

void
shu_cuda_staging_free (ShuCudaStaging *staging)
{
  if (!staging)
    return;
  for (int i = 0; i < N_PARTS; i++) {
    if (staging->passed[i])
      cudaEventDestroy (staging->passed[i]);
    cudaFreeHost (staging->data[i]);
  }
  g_free (staging);
}

/* Where there is room in the part in use, which is made if need be. */
static cudaError_t
get_room (ShuCudaStaging *g, char **ret)
{
  int i = g->part;
  cudaError_t e = cudaSuccess;

  if (!g->data[i])
    e = cudaMallocHost ((void **) &g->data[i], PART);
  if (e == cudaSuccess && !g->passed[i])
    e = cudaEventCreateWithFlags (&g->passed[i], cudaEventDisableTiming);
  *ret = g->data[i] + g->fill;
  return e;
}

/* Goes on to the next part, once nothing reads it any more. */
static cudaError_t
next_part (ShuCuda *s, ShuCudaStaging *g)
{
  cudaError_t e = cudaEventRecord (g->passed[g->part], s->stream);

  g->part = (g->part + 1) % N_PARTS;
  g->fill = 0;
  if (e == cudaSuccess && g->passed[g->part])
    e = cudaEventSynchronize (g->passed[g->part]);
  return e;
}

static void
fill_part (
    char *room, gsize at, gsize bytes, ShuCudaSource source, gpointer data)
{
  gint64 n = (gint64) ((bytes + CHUNK - 1) / CHUNK);

#pragma omp parallel for if (n > 4)
  for (gint64 i = 0; i < n; i++) {
    gsize from = (gsize) i * CHUNK;

    source (data, at + from, MIN (CHUNK, bytes - from), room + from);
  }
}

gboolean
shu_cuda_stream_up (
    ShuCtx *c, gpointer dst, gsize bytes, ShuCudaSource source, gpointer data)
{
  ShuCuda *s = shu_cuda (c);
  ShuCudaStaging *g;
  cudaError_t e = cudaSuccess;
  gsize n;

  if (!s || !shu_cuda_passes (c, "upload"))
    return FALSE;
  if (!s->staging)
    s->staging = g_new0 (ShuCudaStaging, 1);
  g = s->staging;
  for (gsize at = 0; at < bytes; at += n) {
    char *room = NULL;

    if (g->fill >= PART)
      e = next_part (s, g);
    if (e == cudaSuccess)
      e = get_room (g, &room);
    if (e != cudaSuccess)
      break;
    n = MIN (bytes - at, PART - g->fill);
    g->fill += (n + ALIGN - 1) / ALIGN * ALIGN;
    fill_part (room, at, n, source, data);
    e = cudaMemcpyAsync (
        (char *) dst + at, room, n, cudaMemcpyHostToDevice, s->stream);
    if (e != cudaSuccess)
      break;
  }
  return shu_cuda_check (c, e, "upload");
}

static void
read_bytes (gpointer data, gsize at, gsize n, char *ret)
{
  memcpy (ret, (const char *) data + at, n);
}

gboolean
shu_cuda_to_device (ShuCtx *c, gpointer dst, gconstpointer src, gsize bytes)
{
  return shu_cuda_stream_up (c, dst, bytes, read_bytes, (gpointer) src);
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

/* Memory that is mapped for its own device alone needs the copy between peers,
 * which goes by the host where the devices do not reach each other. */
void
shu_cuda_bring (ShuCtx *c, ShuTensor *y, ShuTensor *x)
{
  ShuCuda *s = shu_cuda (c);

  if (s && shu_cuda_check (c,
               cudaMemcpyPeerAsync (y->data, s->device, x->data,
                   x->storage->place, shu_tensor_bytes (x), s->stream),
               "bring"))
    c->wait (c); /* its owner may let go of @x then */
}

void
shu_cuda_download (ShuCtx *c, gpointer data, ShuTensor *x)
{
  SHU_SCOPE (c);
  ShuCuda *s = shu_cuda (c);
  gconstpointer from = x->data;
  gsize bytes = shu_tensor_bytes (x);
  cudaError_t e = cudaSuccess;

  if (!s)
    return;
  if (x->dtype == SHU_DTYPE_F16) {
    float *wide = shu_cuda_scratch (c, x->n * sizeof *wide);

    if (!wide)
      return;
    e = shu_launch_f16_to_f32 (wide, x->data, x->n, s->stream);
    from = wide;
    bytes = x->n * sizeof *wide;
  } else if (x->dtype == SHU_DTYPE_BF16) {
    shu_ctx_fail (c, SHU_ERROR_UNSUPPORTED, "download: no %s on %s",
        shu_dtype_name (x->dtype), c->device);
    return;
  }
  if (e == cudaSuccess)
    e = cudaMemcpyAsync (data, from, bytes, cudaMemcpyDeviceToHost, s->stream);
  if (shu_cuda_check (c, e, "download"))
    c->wait (c);
}
