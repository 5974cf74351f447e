/* SPDX-License-Identifier: MIT */
/* Drawing, by the functions of base/. */
#include "base/error.h"
#include "ops/cpu/cpu_private.h"

static gboolean
check_faces (ShuCtx *c, const char *op, ShuTensor *faces, gint64 n)
{
  const gint32 *v = shu_i32 (faces);

  for (gsize i = 0; i < faces->n; i++)
    if (v[i] < 0 || v[i] >= n) {
      shu_ctx_fail (c, SHU_ERROR_INVALID,
          "%s: expected vertices in 0..%" G_GINT64_FORMAT
          ", got another at position %zu",
          op, n - 1, i);
      return FALSE;
    }
  return TRUE;
}

static ShuTriangles
triangles (const ShuTensor *at, const ShuTensor *faces)
{
  return (ShuTriangles){
      at->data, shu_i32 (faces), (int) at->dims[0], (int) faces->dims[0]};
}

void
shu_cpu_rasterize (ShuCtx *c, const ShuRasterJob *job, ShuRastered *y)
{
  SHU_SCOPE (c);
  gsize n = (gsize) job->width * job->height;
  float *spare = y->depth ? NULL : shu_cpu_scratch (c, n, sizeof (float));
  ShuTriangles t = triangles (job->at, job->faces);
  gint64 n_doubles = 0;

  if (shu_ctx_failed (c) ||
      !check_faces (c, "rasterize", job->faces, job->at->dims[0]))
    return;
  for (int v = 0; v < job->n_views; v++) {
    ShuRaster r = {.width = job->width,
        .height = job->height,
        .face = (gint32 *) y->face->data + v * n,
        .bary = y->bary ? shu_f32 (y->bary) + 2 * v * n : NULL,
        .depth = y->depth ? shu_f32 (y->depth) + v * n : spare};

    shu_raster_draw (
        &r, &t, job->cameras ? &job->cameras[v] : NULL, job->flags, &n_doubles);
  }
  if (y->n_doubles)
    *(gint32 *) y->n_doubles->data = (gint32) MIN (n_doubles, G_MAXINT);
}

void
shu_cpu_count_seen (ShuCtx *c, const ShuSeenJob *job, ShuTensor *seen)
{
  ShuTriangles t = triangles (job->at, job->faces);

  if (!check_faces (c, "count_seen", job->faces, job->at->dims[0]))
    return;
  for (int v = 0; v < job->n_views; v += SHU_SEEN_VIEWS)
    shu_raster_seen (&t, job->kinds->data,
        MIN (SHU_SEEN_VIEWS, job->n_views - v), job->cameras + v, job->size,
        job->slack, seen->data);
}
