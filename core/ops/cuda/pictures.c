/* SPDX-License-Identifier: MIT */
/* Pictures: tensors become pointers and sizes.  Weights of a resize are made
 * here, by the same function as on the CPU. */
#include "ops/cuda/cuda_private.h"
#include "ops/cuda/kernels_pictures.h"
#include <string.h>

#define LAUNCH(c, op, launch, ...)                                             \
  do {                                                                         \
    ShuCuda *cuda_ = shu_cuda (c);                                             \
    if (cuda_)                                                                 \
      shu_cuda_done (c, op, launch (__VA_ARGS__, cuda_->stream));              \
  } while (0)

/* In the innermost scope; FALSE where @c has failed */
static gboolean
upload_taps (ShuCtx *c, int n_in, int n_out, ShuFilter filter, ShuCudaTaps *ret)
{
  g_auto (ShuTaps) t = {0};
  gsize n = (gsize) n_out * sizeof (int);
  char *room;

  shu_taps_init (&t, n_in, n_out, filter);
  room = shu_cuda_scratch (c, n * (2 + (gsize) t.stride));
  if (!room || !shu_cuda_to_device (c, room, t.first, n) ||
      !shu_cuda_to_device (c, room + n, t.count, n) ||
      !shu_cuda_to_device (c, room + 2 * n, t.weight, n * (gsize) t.stride))
    return FALSE;
  *ret = (ShuCudaTaps){.stride = t.stride,
      .first = (const int *) room,
      .count = (const int *) (room + n),
      .weight = (const gint32 *) (room + 2 * n)};
  return TRUE;
}

void
shu_cuda_picture_resize (
    ShuCtx *c, ShuTensor *y, ShuTensor *x, ShuFilter filter)
{
  static const char op[] = "picture_resize";
  SHU_SCOPE (c);
  int H = (int) x->dims[0], W = (int) x->dims[1], C = (int) x->dims[2];
  int h = (int) y->dims[0], w = (int) y->dims[1];
  const guint8 *now = x->data;
  ShuCudaTaps taps;

  if (C == 4) {
    guint8 *multiplied = shu_cuda_scratch (c, x->n);

    if (!multiplied)
      return;
    LAUNCH (
        c, op, shu_launch_picture_premultiply, multiplied, now, (gsize) H * W);
    now = multiplied;
  }
  if (w != W) {
    guint8 *next = h == H ? y->data : shu_cuda_scratch (c, (gsize) H * w * C);

    if (!next || !upload_taps (c, W, w, filter, &taps))
      return;
    LAUNCH (c, op, shu_launch_picture_columns, next, now, H, W, w, C, &taps);
    now = next;
  }
  if (h != H) {
    if (!upload_taps (c, H, h, filter, &taps))
      return;
    LAUNCH (
        c, op, shu_launch_picture_rows, y->data, now, (gsize) w * C, h, &taps);
  }
  if (C == 4)
    LAUNCH (c, op, shu_launch_picture_unpremultiply, y->data, y->data,
        (gsize) h * w);
}

void
shu_cuda_picture_crop (ShuCtx *c, ShuTensor *y, ShuTensor *x, const ShuBox *box)
{
  LAUNCH (c, "picture_crop", shu_launch_picture_crop, y->data, x->data,
      (int) y->dims[0], (int) y->dims[1], (int) x->dims[0], (int) x->dims[1],
      (int) x->dims[2], box->x0, box->y0);
}

void
shu_cuda_picture_flatten (
    ShuCtx *c, ShuTensor *y, ShuTensor *x, float background, gboolean saved)
{
  LAUNCH (c, "picture_flatten", shu_launch_picture_flatten, y->data, x->data,
      x->n / 4, background, saved);
}

void
shu_cuda_picture_paste_face (
    ShuCtx *c, ShuTensor *y, ShuTensor *x, ShuTensor *face)
{
  LAUNCH (c, "picture_paste_face", shu_launch_picture_paste_face, y->data,
      x->data, face->data, (int) x->dims[0]);
}

void
shu_cuda_picture_normalize (ShuCtx *c, ShuTensor *y, ShuTensor *x, double scale,
    const double mean[3], const double std[3])
{
  LAUNCH (c, "picture_normalize", shu_launch_picture_normalize, y->data,
      x->data, x->n / 3, scale, mean, std);
}

void
shu_cuda_picture_from_view (ShuCtx *c, ShuTensor *y, ShuTensor *x)
{
  LAUNCH (c, "picture_from_view", shu_launch_picture_from_view, y->data,
      x->data, x->n);
}

/* Waits. */
static void
fetch (ShuCtx *c, const char *op, gpointer to, gconstpointer from, gsize bytes)
{
  ShuCuda *s = shu_cuda (c);

  if (s &&
      shu_cuda_check (c,
          cudaMemcpyAsync (to, from, bytes, cudaMemcpyDeviceToHost, s->stream),
          op))
    c->wait (c);
}

void
shu_cuda_picture_measure (
    ShuCtx *c, ShuTensor *x, int threshold, ShuPictureMeasures *ret)
{
  SHU_SCOPE (c);
  ShuCudaMeasures m = {
      .x0 = G_MAXINT, .y0 = G_MAXINT, .x1 = -1, .y1 = -1, .min = 255, .max = 0};
  ShuCudaMeasures *room = shu_cuda_scratch (c, sizeof m);

  *ret = (ShuPictureMeasures){.box = {.x1 = -1, .y1 = -1}};
  if (!room || !shu_cuda_to_device (c, room, &m, sizeof m))
    return;
  LAUNCH (c, "picture_measure", shu_launch_picture_measure, room, x->data,
      (int) x->dims[0], (int) x->dims[1], (int) x->dims[2], threshold);
  fetch (c, "picture_measure", &m, room, sizeof m);
  *ret = (ShuPictureMeasures){.box = {m.x0, m.y0, m.x1, m.y1},
      .sum = m.sum,
      .min = m.min,
      .max = m.max};
}

void
shu_cuda_picture_window (
    ShuCtx *c, ShuTensor *y, ShuTensor *x, const ShuBox *box, gboolean mirror)
{
  LAUNCH (c, "picture_window", shu_launch_picture_window, y->data, x->data,
      (int) y->dims[0], (int) y->dims[1], (int) x->dims[0], (int) x->dims[1],
      (int) x->dims[2], box->x0, box->y0, mirror);
}

void
shu_cuda_picture_clean (ShuCtx *c, ShuTensor *y, ShuTensor *x)
{
  SHU_SCOPE (c);
  int *label = shu_cuda_scratch (c, x->n * sizeof *label);
  unsigned long long *sums = shu_cuda_scratch (c, (x->n + 1) * sizeof *sums);

  if (label && sums)
    LAUNCH (c, "picture_clean", shu_launch_mask_clean, y->data, x->data,
        (int) x->dims[0], (int) x->dims[1], SHU_CLEAN_FAINT,
        SHU_CLEAN_SMALL_SHARE, label, sums);
}

void
shu_cuda_picture_cells (
    ShuCtx *c, ShuTensor *x, int step, guint32 *ret_sums, guint32 *ret_n)
{
  static const char op[] = "picture_cells";
  SHU_SCOPE (c);
  gsize rows = (gsize) (x->dims[0] + step - 1) / step;
  gsize columns = (gsize) (x->dims[1] + step - 1) / step;
  gsize bytes = rows * columns * sizeof (guint32);
  guint32 *room = shu_cuda_scratch (c, bytes + sizeof (guint32));
  guint32 *n = room + rows * columns;

  memset (ret_sums, 0, bytes);
  if (!room || !shu_cuda_to_device (c, n, ret_n, sizeof *n))
    return;
  LAUNCH (c, op, shu_launch_picture_cells, room, n, x->data, (int) x->dims[0],
      (int) x->dims[1], (int) x->dims[2], step);
  fetch (c, op, ret_n, n, sizeof *n);
  fetch (c, op, ret_sums, room, bytes);
}

void
shu_cuda_picture_compare (ShuCtx *c, ShuTensor *x, ShuTensor *y, int opaque,
    int tolerance, guint32 *ret)
{
  static const char op[] = "picture_compare";
  SHU_SCOPE (c);
  guint32 *room = shu_cuda_scratch (c, 2 * sizeof *room);

  if (!room)
    return;
  LAUNCH (c, op, shu_launch_picture_compare, room, x->data, y->data, x->n / 4,
      opaque, tolerance);
  fetch (c, op, ret, room, 2 * sizeof *room);
}

/* ---- masks ---- */

void
shu_cuda_mask_mean (ShuCtx *c, ShuTensor *y, ShuTensor *p, ShuTensor *q)
{
  LAUNCH (c, "mask_mean", shu_launch_mask_mean, y->data, p->data, q->data,
      (int) p->dims[1]);
}

void
shu_cuda_mask_to_picture (
    ShuCtx *c, ShuTensor *y, ShuTensor *p, float lo, float hi)
{
  LAUNCH (c, "mask_to_picture", shu_launch_mask_to_picture, y->data, p->data,
      p->n, lo, hi);
}

void
shu_cuda_mask_measure (ShuCtx *c, ShuTensor *p, ShuTensor *q, const ShuBox *box,
    int row, ShuMaskMeasures *ret)
{
  static const char op[] = "mask_measure";
  SHU_SCOPE (c);
  ShuCudaMaskMeasures m = {0};
  ShuCudaMaskMeasures *room = shu_cuda_scratch (c, sizeof m);

  if (room)
    LAUNCH (c, op, shu_launch_mask_measure, room, p->data, q->data,
        (int) p->dims[1], box->x0, box->y0, box->x1, box->y1, row);
  if (!shu_ctx_failed (c))
    fetch (c, op, &m, room, sizeof m);
  *ret = (ShuMaskMeasures){.finite = m.finite,
      .lo = m.lo,
      .hi = m.hi,
      .most = m.most,
      .sum = m.sum,
      .doubt = m.doubt,
      .n_row = m.n_row,
      .smaller = m.smaller,
      .larger = m.larger};
}
