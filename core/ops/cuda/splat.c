/* SPDX-License-Identifier: MIT */
/* Room for the steps of splat.cu: as many views at a time as fit, of those as
 * many tiles.  What lies in a tile is counted first. */
#include "ops/cuda/cuda_private.h"
#include "base/error.h"

enum {
  MAX_TILES = 1 << 20, /* of views at a time */
  PAIRS = 8 << 20,     /* of Gaussian and tile at a time */
};

static const gsize dots_bytes = (gsize) 256 << 20; /* of views at a time */
static const char op[] = "splat";

typedef struct {
  ShuCtx *c;
  ShuCuda *s;
  ShuCudaSplat g; /* pictures: of all views */
  gsize n_tiles;  /* of a view */
  guint32 *counts, *starts;
} Job;

/* Tiles from @first on whose pairs fit together; one does alone.  Their starts
 * become known. */
static gsize
plan (Job *job, gsize first, gsize *ret_pairs)
{
  gsize n = 0, tile = first;

  while (tile < job->g.V * job->n_tiles &&
         (tile == first || n + job->counts[tile] <= PAIRS)) {
    job->starts[tile] = (guint32) n;
    n += job->counts[tile++];
  }
  *ret_pairs = n;
  return tile;
}

/* The most pairs that some plan has */
static gsize
most_pairs (Job *job)
{
  gsize most = 0, n;

  for (gsize tile = 0; tile < job->g.V * job->n_tiles;) {
    tile = plan (job, tile, &n);
    most = MAX (most, n);
  }
  return most;
}

static gboolean
make_room (Job *job, gsize n_pairs)
{
  ShuCtx *c = job->c;
  ShuCudaSplat *g = &job->g;

  if (!shu_cuda_check (
          c, shu_launch_splat_sort_room (n_pairs, &g->room_bytes), op))
    return FALSE;
  for (int i = 0; i < 2; i++) {
    g->keys[i] = shu_cuda_scratch (c, n_pairs * sizeof *g->keys[i]);
    g->which[i] = shu_cuda_scratch (c, n_pairs * sizeof *g->which[i]);
  }
  g->room = shu_cuda_scratch (c, g->room_bytes);
  g->at = shu_cuda_scratch (c, g->V * g->n * sizeof *g->at);
  g->sums = shu_cuda_scratch (
      c, (g->V * g->n / SHU_CUDA_SPLAT_SCAN + 1) * sizeof *g->sums);
  g->total = shu_cuda_scratch (c, sizeof *g->total);
  return !shu_ctx_failed (c);
}

/* Projects, and reads how much lies in each tile. */
static gboolean
count (Job *job)
{
  ShuCtx *c = job->c;
  ShuCudaSplat *g = &job->g;
  gsize bytes = g->V * job->n_tiles * sizeof *g->counts;
  cudaError_t e;

  g->dots = shu_cuda_scratch (c, g->V * g->n * sizeof *g->dots);
  g->tiles = shu_cuda_scratch (c, g->V * g->n * sizeof *g->tiles);
  g->counts = shu_cuda_scratch (c, bytes);
  if (shu_ctx_failed (c))
    return FALSE;
  e = cudaMemsetAsync (g->counts, 0, bytes, job->s->stream);
  if (e == cudaSuccess)
    e = shu_launch_splat_project (g, job->s->stream);
  if (e == cudaSuccess)
    e = cudaMemcpyAsync (
        job->counts, g->counts, bytes, cudaMemcpyDeviceToHost, job->s->stream);
  if (e == cudaSuccess)
    e = cudaStreamSynchronize (job->s->stream);
  return shu_cuda_check (c, e, op);
}

static void
draw (Job *job)
{
  SHU_SCOPE (job->c);
  ShuCtx *c = job->c;
  ShuCudaSplat *g = &job->g;
  gsize n = g->V * job->n_tiles, bytes = n * sizeof *job->starts;
  guint32 *starts = shu_cuda_scratch (c, bytes);

  g->starts = starts;
  if (!starts || !count (job) || !make_room (job, most_pairs (job)) ||
      !shu_cuda_to_device (c, starts, job->starts, bytes))
    return;
  for (g->first = 0; g->first < n && shu_ctx_ready (c); g->first = g->end) {
    g->end = plan (job, g->first, &g->n_pairs);
    shu_cuda_done (c, op, shu_launch_splat_sort (g, job->s->stream));
    shu_cuda_done (c, op, shu_launch_splat_blend (g, job->s->stream));
  }
}

/* The pictures from view @v on, which go on from those of @all */
static void
point_at (Job *job, const ShuCudaSplat *all, gsize v)
{
  gsize pixels = v * (gsize) all->size * (gsize) all->size;

#define MOVE(field, step)                                                      \
  job->g.field = all->field ? all->field + (step) *pixels : NULL
  MOVE (out_rgb, 3);
  MOVE (out_mask, 1);
  MOVE (out_color, 3);
  MOVE (out_through, 1);
  MOVE (out_depth, 1);
#undef MOVE
  job->g.cameras = all->cameras + v;
}

static gpointer
data_of (const ShuTensor *t)
{
  return t ? t->data : NULL;
}

void
shu_cuda_splat (ShuCtx *c, const ShuSplatInput *in, int V,
    const ShuSplatCamera *cameras, int size, const ShuSplats *ret)
{
  SHU_SCOPE (c);
  int side = (size + SHU_SPLAT_TILE - 1) / SHU_SPLAT_TILE;
  gsize n = (gsize) in->pos->dims[0], n_tiles = (gsize) side * (gsize) side;
  gsize at_once = MIN (
      MAX_TILES / n_tiles, dots_bytes / (MAX (n, 1) * sizeof (ShuSplatDot)));
  ShuSplatCamera *room = shu_cuda_scratch (c, (gsize) V * sizeof *room);
  ShuCudaSplat all = {.pos = in->pos->data,
      .scale = in->scale->data,
      .quat = in->quat->data,
      .opacity = in->opacity->data,
      .rgb = in->rgb->data,
      .n = n,
      .size = size,
      .side = side,
      .cameras = room,
      .out_rgb = data_of (ret->rgb),
      .out_mask = data_of (ret->mask),
      .out_color = data_of (ret->color),
      .out_through = data_of (ret->through),
      .out_depth = data_of (ret->depth)};
  Job job = {.c = c, .s = shu_cuda (c), .g = all, .n_tiles = n_tiles};
  g_autofree guint32 *counts = NULL, *starts = NULL;

  at_once = CLAMP (at_once, 1, (gsize) V);
  job.counts = counts = g_new (guint32, at_once * n_tiles);
  job.starts = starts = g_new (guint32, at_once * n_tiles);
  if (!job.s || !room ||
      !shu_cuda_to_device (c, room, cameras, (gsize) V * sizeof *room))
    return;
  for (gsize v = 0; v < (gsize) V && shu_ctx_ready (c); v += at_once) {
    point_at (&job, &all, v);
    job.g.V = MIN (at_once, (gsize) V - v);
    draw (&job);
  }
}
