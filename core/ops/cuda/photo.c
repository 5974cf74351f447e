/* SPDX-License-Identifier: MIT */
/* Pointers and room for the kernels of photo.cu. */
#include "ops/cuda/cuda_private.h"
#include "ops/cuda/kernels_pictures.h"
#include <string.h>

void
shu_cuda_photo_step (ShuCtx *c, ShuPhotoStep step, const ShuPhotoJob *job)
{
  ShuCuda *s = shu_cuda (c);
  ShuPhotoPixels p = shu_photo_pixels (job);

  if (s)
    shu_cuda_done (
        c, "photo_step", shu_launch_photo_step (step, &p, s->stream));
}

void
shu_cuda_photo_background (
    ShuCtx *c, ShuTensor *y, ShuTensor *rgb, ShuTensor *person, int reach)
{
  SHU_SCOPE (c);
  ShuCuda *s = shu_cuda (c);
  gsize S = (gsize) y->dims[0];
  guint32 *room =
      shu_cuda_scratch (c, (257 + 3 * S * ((S + 31) / 32)) * sizeof *room);

  if (s && room)
    shu_cuda_done (c, "photo_background",
        shu_launch_photo_background (
            y->data, rgb->data, person->data, (int) S, reach, room, s->stream));
}

void
shu_cuda_photo_count_shares (
    ShuCtx *c, ShuTensor *rgb, ShuTensor *depth, ShuTensor *from, guint32 *ret)
{
  static const char op[] = "photo_count_shares";
  SHU_SCOPE (c);
  ShuCuda *s = shu_cuda (c);
  gsize bytes = SHU_PHOTO_DEPTHS * SHU_PHOTO_LEVELS * sizeof *ret;
  guint32 *count = shu_cuda_scratch (c, bytes);

  if (!s || !count)
    return;
  shu_cuda_done (c, op,
      shu_launch_photo_count_shares (count, rgb->data, depth->data, from->data,
          depth->n, SHU_PHOTO_DEPTHS, SHU_PHOTO_LEVELS, s->stream));
  if (!shu_ctx_failed (c) && shu_cuda_check (c,
                                 cudaMemcpyAsync (ret, count, bytes,
                                     cudaMemcpyDeviceToHost, s->stream),
                                 op))
    c->wait (c);
}
