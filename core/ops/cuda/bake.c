/* SPDX-License-Identifier: MIT */
/* Room for the kernels of bake.cu. */
#include "ops/cuda/cuda_private.h"

void
shu_cuda_bake_differences (ShuCtx *c, const ShuBakeHeld *y,
    const ShuBakeWorld *w, int view, guint refs)
{
  ShuCuda *s = shu_cuda (c);

  if (s)
    shu_cuda_done (c, "bake_differences",
        shu_launch_bake_differences (y->value->data, y->weight->data, w, view,
            refs, (int) y->weight->n, s->stream));
}

void
shu_cuda_bake_lacks (ShuCtx *c, const ShuBakeHeld *y, const ShuBakeWorld *w)
{
  ShuCuda *s = shu_cuda (c);

  if (s)
    shu_cuda_done (c, "bake_lacks",
        shu_launch_bake_lacks (
            y->value->data, y->weight->data, w, (int) y->weight->n, s->stream));
}

void
shu_cuda_bake_texels (ShuCtx *c, ShuTensor *y, ShuTensor *charts,
    const ShuBakeWorld *w, const ShuRastered *plane)
{
  ShuCuda *s = shu_cuda (c);

  if (s)
    shu_cuda_done (c, "bake_texels",
        shu_launch_bake_texels (y->data, charts->data, w, plane->face->data,
            plane->bary->data, plane->face->n, s->stream));
}

void
shu_cuda_bake_photo_rows (ShuCtx *c, const ShuTextureRows *y,
    const ShuBakeWorld *w, gboolean is_face, int view, int size, float widest)
{
  ShuCuda *s = shu_cuda (c);
  ShuCudaRows rows = shu_cuda_rows (y);

  if (s)
    shu_cuda_done (c, "bake_photo_rows",
        shu_launch_bake_photo_rows (
            &rows, w, is_face, view, size, widest, s->stream));
}

void
shu_cuda_bake_drawing_rows (ShuCtx *c, const ShuTextureRows *y,
    const ShuBakeWorld *w, const ShuBakeDrawings *drawings, int size,
    float widest)
{
  ShuCuda *s = shu_cuda (c);
  cudaError_t e = cudaSuccess;

  for (int v = 0; s && v < drawings->raster.face->dims[0]; v++) {
    const ShuBakeDrawing d = shu_bake_drawing_of (drawings, v);
    ShuCudaRows rows = shu_cuda_rows (y);

    rows.n = (gsize) d.size * d.size;
    rows.place += 3 * v * rows.n;
    rows.color += 3 * v * rows.n;
    rows.weight += v * rows.n;
    if (e == cudaSuccess)
      e = shu_launch_bake_drawing_rows (&rows, w, &d, size, widest, s->stream);
  }
  if (s)
    shu_cuda_done (c, "bake_drawing_rows", e);
}

void
shu_cuda_field_spread (ShuCtx *c, ShuTensor *y, const ShuField *field,
    const ShuBakeHeld *held, float decay, int n_steps)
{
  SHU_SCOPE (c);
  ShuCuda *s = shu_cuda (c);
  gsize bytes = held->value->n * sizeof (float);
  ShuCudaField f = {.s = {.first = field->first->data,
                        .start = field->start->data,
                        .next = field->next->data,
                        .held = held->value->data,
                        .weight = held->weight->data,
                        .decay = decay},
      .n = (int) held->weight->n,
      .y = y->data};

  if (!s)
    return;
  f.x = shu_cuda_scratch (c, bytes);
  f.r = shu_cuda_scratch (c, bytes);
  f.d = shu_cuda_scratch (c, bytes);
  f.z = shu_cuda_scratch (c, bytes);
  f.sums = shu_cuda_gradients (c, SHU_CUDA_FIELD_BLOCKS);
  if (!shu_ctx_failed (c))
    shu_cuda_done (
        c, "field_spread", shu_launch_field_spread (&f, n_steps, s->stream));
}

void
shu_cuda_bake_picture (ShuCtx *c, ShuTensor *y, ShuTensor *x)
{
  ShuCuda *s = shu_cuda (c);

  if (s)
    shu_cuda_done (c, "bake_picture",
        shu_launch_bake_picture (y->data, x->data, x->n, s->stream));
}
