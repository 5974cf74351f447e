/* SPDX-License-Identifier: MIT */
/* Room for the kernels of planes.cu. */
#include "ops/cuda/cuda_private.h"
#include "ops/cuda/kernels_pictures.h"
#include "ops/texture_taps.h"

void
shu_cuda_plane_find_nearest (
    ShuCtx *c, ShuTensor *y, ShuTensor *dist, ShuTensor *mask, int limit)
{
  SHU_SCOPE (c);
  ShuCuda *s = shu_cuda (c);
  short *near = shu_cuda_scratch (c, mask->n * sizeof *near);

  if (s && near)
    shu_cuda_done (c, "plane_find_nearest",
        shu_launch_plane_nearest (y->data, dist ? dist->data : NULL, mask->data,
            (int) mask->dims[0], limit, near, s->stream));
}

void
shu_cuda_plane_smooth (ShuCtx *c, ShuTensor *y, ShuTensor *x, int radius)
{
  SHU_SCOPE (c);
  ShuCuda *s = shu_cuda (c);
  float *room = shu_cuda_scratch (c, x->n * sizeof *room);

  if (s && room)
    shu_cuda_done (c, "plane_smooth",
        shu_launch_plane_smooth (y->data, x->data, room, (int) x->dims[0],
            (int) x->dims[2], radius, s->stream));
}

void
shu_cuda_plane_fill (ShuCtx *c, ShuTensor *y, ShuTensor *x, ShuTensor *from)
{
  SHU_SCOPE (c);
  ShuCuda *s = shu_cuda (c);
  int S = (int) x->dims[0];
  ShuTexturePyramid p = shu_texture_pyramid (S);
  gsize total = p.start[p.n_levels], above = total - p.start[1];
  float *levels = shu_cuda_scratch (c, MAX (1, 3 * above) * sizeof *levels);
  guint8 *known = shu_cuda_scratch (c, total);

  if (s && levels && known)
    shu_cuda_done (c, "plane_fill",
        shu_launch_plane_fill (
            y->data, x->data, from->data, S, levels, known, s->stream));
}
