/* SPDX-License-Identifier: MIT */
/* Drawing faces: views in groups, so that room does not grow with them. */
#include "ops/cuda/cuda_private.h"
#include <string.h>

/* Pixels of a group: what is drawn on stays within the cache. */
enum { GROUP = 4 << 20 };

static const ShuCudaCamera *
upload_cameras (ShuCtx *c, int n, const ShuCamera *cameras)
{
  g_autofree ShuCudaCamera *host = g_new (ShuCudaCamera, n);
  gsize bytes = n * sizeof *host;
  ShuCudaCamera *device = shu_cuda_scratch (c, bytes);

  for (int i = 0; i < n; i++) {
    const ShuCamera *k = &cameras[i];

    host[i] = (ShuCudaCamera){.focal = k->focal,
        .cx = k->cx,
        .cy = k->cy,
        .perspective = k->perspective};
    memcpy (host[i].view, k->view, sizeof host[i].view);
  }
  return device && shu_cuda_to_device (c, device, host, bytes) ? device : NULL;
}

/* Everything but the views of the group; @r->V: the largest group. */
static gboolean
prepare (ShuCtx *c, const char *op, ShuTensor *at, ShuTensor *faces,
    int n_views, int width, int height, ShuCudaRaster *r)
{
  gsize pixels = (gsize) width * height;
  gsize V = CLAMP (GROUP / pixels, 1, SHU_CUDA_RASTER_VIEWS);

  *r = (ShuCudaRaster){.at = at->data,
      .faces = faces->data,
      .n_verts = (gsize) at->dims[0],
      .n_faces = (gsize) faces->dims[0],
      .V = (int) MIN (V, (gsize) n_views),
      .H = height,
      .W = width};
  shu_cuda_check_index (c, op, "vertices", faces, 0, at->dims[0]);
  r->keys = shu_cuda_scratch (c, r->V * pixels * sizeof *r->keys);
  return !shu_ctx_failed (c);
}

void
shu_cuda_rasterize (ShuCtx *c, const ShuRasterJob *job, ShuRastered *y)
{
  static const char op[] = "rasterize";
  SHU_SCOPE (c);
  ShuCuda *s = shu_cuda (c);
  const ShuCudaCamera *cameras = NULL;
  gsize pixels = (gsize) job->width * job->height;
  cudaError_t e = cudaSuccess;
  ShuCudaRaster r;
  int group;

  if (!s || !prepare (c, op, job->at, job->faces, job->n_views, job->width,
                job->height, &r))
    return;
  if (job->cameras &&
      !(cameras = upload_cameras (c, job->n_views, job->cameras)))
    return;
  r.cull = job->flags & SHU_RASTER_CULL;
  r.n_doubles = y->n_doubles ? y->n_doubles->data : NULL;
  group = r.V;
  for (int v = 0; v < job->n_views && e == cudaSuccess; v += group) {
    gsize first = v * pixels;

    r.V = MIN (group, job->n_views - v);
    r.cameras = cameras ? cameras + v : NULL;
    e = shu_launch_raster_draw (&r, s->stream);
    if (e == cudaSuccess)
      e = shu_launch_raster_resolve ((int *) y->face->data + first,
          y->bary ? (float *) y->bary->data + 2 * first : NULL,
          y->depth ? (float *) y->depth->data + first : NULL, &r, s->stream);
  }
  shu_cuda_done (c, op, e);
}

void
shu_cuda_count_seen (ShuCtx *c, const ShuSeenJob *job, ShuTensor *seen)
{
  static const char op[] = "count_seen";
  SHU_SCOPE (c);
  ShuCuda *s = shu_cuda (c);
  const ShuCudaCamera *cameras;
  cudaError_t e;
  ShuCudaRaster r;
  gsize bytes;
  int group;

  if (!s || !prepare (c, op, job->at, job->faces, job->n_views, job->size,
                job->size, &r))
    return;
  cameras = upload_cameras (c, job->n_views, job->cameras);
  bytes = 2 * r.n_faces * sizeof *r.seen;
  r.seen = shu_cuda_scratch (c, bytes);
  if (!cameras || !r.seen)
    return;
  r.missed = r.seen + r.n_faces;
  r.kinds = job->kinds->data;
  r.slack = job->slack;
  group = r.V;
  e = cudaMemsetAsync (r.seen, 0, bytes, s->stream);
  for (int v = 0; v < job->n_views && e == cudaSuccess; v += group) {
    r.V = MIN (group, job->n_views - v);
    r.cameras = cameras + v;
    e = shu_launch_raster_draw (&r, s->stream);
    if (e == cudaSuccess)
      e = shu_launch_raster_seen (seen->data, &r, s->stream);
  }
  shu_cuda_done (c, op, e);
}
