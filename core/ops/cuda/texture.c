/* SPDX-License-Identifier: MIT */
/* Room for the kernels of texture.cu. */
#include "ops/cuda/cuda_private.h"
#include "ops/texture_taps.h"

ShuCudaGradients
shu_cuda_gradients (ShuCtx *c, int n_blocks)
{
  return (ShuCudaGradients){
      shu_cuda_scratch (c, 3 * (gsize) n_blocks * sizeof (double)),
      shu_cuda_scratch (c, SHU_CUDA_GRADIENT_SCALARS * sizeof (double))};
}

static gboolean
prepare (ShuCtx *c, ShuCudaTexture *t, ShuTensor *y, const ShuTextureRows *rows)
{
  gsize total;

  *t = (ShuCudaTexture){.size = (int) y->dims[0],
      .n = (gsize) rows->place->dims[0],
      .place = rows->place->data,
      .color = rows->color->data,
      .weight = rows->weight->data,
      .y = y->data};
  ShuTexturePyramid p = shu_texture_pyramid (t->size);
  total = 3 * p.start[p.n_levels];
  t->pyramid = shu_cuda_scratch (c, total * sizeof *t->pyramid);
  t->sum = shu_cuda_scratch (c, total * sizeof *t->sum);
  return !shu_ctx_failed (c);
}

void
shu_cuda_texture_solve (ShuCtx *c, ShuTensor *y, const ShuTextureRows *rows,
    ShuTensor *start, const ShuTextureSolver *p)
{
  SHU_SCOPE (c);
  ShuCuda *s = shu_cuda (c);
  ShuCudaTexture t;
  gsize n = y->n / 3;
  float **const planes[] = {&t.t, &t.change, &t.r, &t.d, &t.z};

  if (!s || !prepare (c, &t, y, rows))
    return;
  t.start = start->data;
  t.rounds = p->rounds;
  t.steps = p->steps;
  t.soft_first = p->soft_first;
  t.soft_last = p->soft_last;
  t.variation = p->variation;
  t.hold = p->hold;
  t.stiffness = p->stiffness;
  for (gsize i = 0; i < G_N_ELEMENTS (planes); i++)
    *planes[i] = shu_cuda_scratch (c, 3 * n * sizeof (float));
  t.diagonal = shu_cuda_scratch (c, n * sizeof (float));
  t.robust = shu_cuda_scratch (c, 3 * t.n * sizeof (float));
  t.sums = shu_cuda_gradients (c, SHU_CUDA_TEXTURE_BLOCKS);
  if (p->variation > 0)
    t.steady = shu_cuda_scratch (c, 6 * n * sizeof (float));
  if (p->hold > 0 || p->stiffness > 0)
    t.acting = shu_cuda_scratch (c, n * sizeof (float));
  if (!shu_ctx_failed (c))
    shu_cuda_done (
        c, "texture_solve", shu_launch_texture_solve (&t, s->stream));
}

void
shu_cuda_texture_gather (
    ShuCtx *c, ShuTensor *y, const ShuTextureRows *rows, float hold)
{
  SHU_SCOPE (c);
  ShuCuda *s = shu_cuda (c);
  ShuCudaTexture t;
  ShuTexturePyramid p = shu_texture_pyramid ((int) y->dims[0]);
  float *weight;

  if (!s || !prepare (c, &t, y, rows))
    return;
  t.hold = hold;
  weight = shu_cuda_scratch (c, 3 * p.start[p.n_levels] * sizeof *weight);
  if (weight)
    shu_cuda_done (
        c, "texture_gather", shu_launch_texture_gather (&t, weight, s->stream));
}

ShuCudaRows
shu_cuda_rows (const ShuTextureRows *r)
{
  return (ShuCudaRows){
      r->weight->n, r->place->data, r->color->data, r->weight->data};
}

/* Where each row goes, and how many there are; -1 after a failure */
static gint64
count_rows (ShuCtx *c, const ShuTextureRows *rows, guint32 **ret_to)
{
  ShuCuda *s = shu_cuda (c);
  gsize n = rows->weight->n;
  guint32 *total = shu_cuda_scratch (c, sizeof *total), count;
  guint32 *sums =
      shu_cuda_scratch (c, (n / SHU_CUDA_PACK_SCAN + 1) * sizeof *sums);
  cudaError_t e;

  *ret_to = shu_cuda_scratch (c, MAX (n, 1) * sizeof **ret_to);
  if (!s || shu_ctx_failed (c))
    return -1;
  e = shu_launch_count_rows (
      *ret_to, total, sums, rows->weight->data, n, s->stream);
  if (e == cudaSuccess)
    e = cudaMemcpyAsync (
        &count, total, sizeof count, cudaMemcpyDeviceToHost, s->stream);
  if (e == cudaSuccess)
    e = cudaStreamSynchronize (s->stream);
  return shu_cuda_check (c, e, "texture_pack") ? (gint64) count : -1;
}

void
shu_cuda_texture_pack (
    ShuCtx *c, const ShuTextureRows *rows, ShuTextureRows *ret)
{
  SHU_SCOPE (c);
  guint32 *to;
  gint64 n = count_rows (c, rows, &to);
  ShuCudaRows x = shu_cuda_rows (rows), y;

  if (n < 0)
    return;
  *ret = shu_texture_rows_new (c, n);
  y = shu_cuda_rows (ret);
  if (!shu_ctx_failed (c))
    shu_cuda_done (c, "texture_pack",
        shu_launch_pack_rows (&y, &x, to, shu_cuda (c)->stream));
  shu_keep (c, ret->place);
  shu_keep (c, ret->color);
  shu_keep (c, ret->weight);
}
