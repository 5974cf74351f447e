/* SPDX-License-Identifier: MIT */
/* Room for the steps of isosurface.cu, as large as each needs: between them
 * the counts come to the host. */
#include "ops/cuda/cuda_private.h"
#include "base/error.h"

typedef struct {
  ShuCtx *c;
  ShuCuda *s;
  ShuCudaIsosurface g;
  guint32 totals[SHU_CUDA_ISO_TOTALS + 1]; /* and what is wrong */
} Job;

static ShuCudaSet
set_new (Job *job, gsize limit)
{
  ShuCudaSet set = {.words = limit / 32 + 1};

  set.bits = shu_cuda_scratch (job->c, set.words * sizeof *set.bits);
  set.before = shu_cuda_scratch (job->c, set.words * sizeof *set.before);
  if (set.bits && set.before)
    shu_cuda_check (job->c,
        cudaMemsetAsync (
            set.bits, 0, set.words * sizeof *set.bits, job->s->stream),
        "isosurface");
  return set;
}

static void
make_sums (Job *job, gsize n)
{
  job->g.sums = shu_cuda_scratch (
      job->c, (n / SHU_CUDA_ISO_SCAN + 1) * sizeof *job->g.sums);
}

static void
prepare (Job *job, const ShuSurfaceCells *in)
{
  ShuCtx *c = job->c;
  ShuCudaIsosurface *g = &job->g;
  gsize R = (gsize) in->resolution, n_cells = R * R * R;
  gsize n_vertices = (R + 1) * (R + 1) * (R + 1);

  g->coords = in->coords->data;
  g->feats = in->feats->data;
  g->cases = in->cases->data;
  g->n = (gsize) in->coords->dims[0];
  g->K = (int) in->feats->dims[1];
  g->R = in->resolution;
  g->active = set_new (job, n_cells);
  g->touched = set_new (job, n_vertices);
  g->candidates = set_new (job, n_cells);
  g->surface = set_new (job, n_cells);
  g->corner_set = set_new (job, n_vertices);
  g->row_of = shu_cuda_scratch (c, g->n * sizeof *g->row_of);
  g->totals = shu_cuda_scratch (c, sizeof job->totals);
  g->wrong = g->totals ? g->totals + SHU_CUDA_ISO_TOTALS : NULL;
  make_sums (job, g->touched.words);
  if (!shu_ctx_failed (c))
    shu_cuda_check (c,
        cudaMemsetAsync (g->totals, 0, sizeof job->totals, job->s->stream),
        "isosurface");
}

/* Runs a step and reads what it counted. */
static gboolean
step (Job *job,
    cudaError_t (*launch) (const ShuCudaIsosurface *g, cudaStream_t stream))
{
  cudaError_t e;

  if (shu_ctx_failed (job->c))
    return FALSE;
  e = launch (&job->g, job->s->stream);
  if (e == cudaSuccess)
    e = cudaMemcpyAsync (job->totals, job->g.totals, sizeof job->totals,
        cudaMemcpyDeviceToHost, job->s->stream);
  if (e == cudaSuccess)
    e = cudaStreamSynchronize (job->s->stream);
  return shu_cuda_check (job->c, e, "isosurface");
}

static gboolean
check_cells (const Job *job)
{
  guint32 wrong = job->totals[SHU_CUDA_ISO_TOTALS];

  if (wrong)
    shu_ctx_fail (job->c, SHU_ERROR_INVALID, "surface extraction: %s",
        wrong & SHU_CUDA_ISO_NOT_FINITE ? "a feature is not finite"
        : wrong & SHU_CUDA_ISO_OUTSIDE  ? "a cell is outside the grid"
                                        : "a cell is there twice");
  return !wrong;
}

/* Surface cells, their cases and grid vertices */
static gboolean
find_surface (Job *job)
{
  ShuCtx *c = job->c;
  ShuCudaIsosurface *g = &job->g;

  if (!step (job, shu_launch_iso_index) || !check_cells (job))
    return FALSE;
  g->n_touched = job->totals[SHU_CUDA_ISO_TOUCHED];
  g->vertices = shu_cuda_scratch (c, g->n_touched * sizeof *g->vertices);
  g->sdf = shu_cuda_scratch (c, g->n_touched * sizeof *g->sdf);
  if (!step (job, shu_launch_iso_average))
    return FALSE;
  g->n_candidates = job->totals[SHU_CUDA_ISO_CANDIDATES];
  g->candidate_ids =
      shu_cuda_scratch (c, g->n_candidates * sizeof *g->candidate_ids);
  if (!step (job, shu_launch_iso_select))
    return FALSE;
  g->n_surface = job->totals[SHU_CUDA_ISO_SURFACE];
  g->n_corners = job->totals[SHU_CUDA_ISO_CORNERS];
  g->cells = shu_cuda_scratch (c, g->n_surface * sizeof *g->cells);
  g->original = shu_cuda_scratch (c, g->n_surface);
  g->case_id = shu_cuda_scratch (c, g->n_surface);
  g->first_dual = shu_cuda_scratch (c, 4 * g->n_surface * sizeof (guint32));
  make_sums (job, MAX (6 * g->n_corners, g->touched.words));
  return step (job, shu_launch_iso_number);
}

void
shu_cuda_isosurface (ShuCtx *c, const ShuSurfaceCells *cells, ShuSurface *ret)
{
  SHU_SCOPE (c);
  Job job = {.c = c, .s = shu_cuda (c)};
  ShuCudaIsosurface *g = &job.g;
  gint64 n_verts;

  if (!job.s)
    return;
  prepare (&job, cells);
  if (!find_surface (&job))
    return;
  n_verts = job.totals[SHU_CUDA_ISO_DUALS];
  ret->pos = shu_scoped (c, SHU_DTYPE_F32, SHU_DIMS (n_verts, 3));
  g->pos = ret->pos->data;
  if (cells->feats->dims[1] == SHU_SURFACE_COLORED) {
    ret->attr = shu_scoped (c, SHU_DTYPE_F32, SHU_DIMS (n_verts, 6));
    g->attr = ret->attr->data;
  }
  g->corner_ids = shu_cuda_scratch (c, g->n_corners * sizeof (guint32));
  g->corners = shu_cuda_scratch (
      c, g->n_corners * SHU_CUDA_ISO_CORNER * sizeof *g->corners);
  g->gamma = shu_cuda_scratch (c, g->n_surface * sizeof *g->gamma);
  g->kinds = shu_cuda_scratch (c, 3 * g->n_corners);
  g->quad_at = shu_cuda_scratch (c, 6 * g->n_corners * sizeof *g->quad_at);
  if (!step (&job, shu_launch_iso_vertices))
    return;
  ret->faces = shu_scoped (c, SHU_DTYPE_I32,
      SHU_DIMS (2 * (gint64) job.totals[SHU_CUDA_ISO_QUADS], 3));
  g->faces = ret->faces->data;
  if (shu_ctx_failed (c))
    return;
  shu_cuda_done (c, "isosurface", shu_launch_iso_faces (g, job.s->stream));
  shu_keep (c, ret->pos);
  shu_keep (c, ret->faces);
  if (ret->attr)
    shu_keep (c, ret->attr);
}
