/* SPDX-License-Identifier: MIT */
/* See conv_thin.h.  The weight [Co,...,Ci] is either product's as it is, but
 * for rows that have to be aligned. */
#include "ops/cuda/conv_thin.h"
#include "ops/cuda/gemm.h"

enum {
  UNIT = 8,         /* channels that are copied at once */
  MAX_INSIDE = 128, /* elements of a row that is unfolded, */
  MAX_OUTSIDE = 64, /* Co times the taps of what is summed up */
  MIN_INSIDE = 32,  /* Ci, for less than which that is too much */
};

static const gint64 LITTLE = 4 << 20; /* bytes, where rows may be longer */
static const gint64 MAX_BYTES = 68 << 20;

static gint64
round_up (gint64 n, gint64 unit)
{
  return (n + unit - 1) / unit * unit;
}

static gint64
pixels (const ShuCudaConv *c, gboolean output)
{
  gint64 n = c->B;

  for (int i = 0; i < c->n_space; i++)
    n *= output ? shu_cuda_conv_size (c, i) : c->x[i];
  return n;
}

static gint64
taps_of (const ShuCudaConv *c)
{
  return c->k[0] * c->k[1] * (c->n_space == 3 ? c->k[2] : 1);
}

static gboolean
is_cube (const ShuCudaConv *c)
{
  return c->k[0] > 1 && c->k[0] == c->k[1] &&
         (c->n_space == 2 || c->k[0] == c->k[2]) && !c->turned;
}

/* Elements of an unfolded row */
static gint64
row_of (const ShuCudaConv *c)
{
  return round_up (c->Ci * taps_of (c), UNIT);
}

/* Bytes of what is unfolded; 0: does not pay */
static gint64
unfolded (const ShuCudaConv *c)
{
  gint64 row = row_of (c), bytes = 2 * row * pixels (c, TRUE);
  gboolean fits = row <= MAX_INSIDE && (c->Ci < UNIT || c->Ci % UNIT == 0);
  gboolean little = bytes <= LITTLE && c->Ci <= UNIT;

  return is_cube (c) && (fits || little) ? round_up (bytes, 256) : 0;
}

/* Bytes of the weight with aligned rows; 0: it has them */
static gint64
padded (const ShuCudaConv *c)
{
  gint64 row = row_of (c);

  return row > c->Ci * taps_of (c) ? 2 * row * c->Co : 0;
}

/* Floats from tap to tap of what is summed up */
static gint64
fold_step (const ShuCudaConv *c)
{
  return round_up (pixels (c, FALSE), UNIT);
}

/* Bytes of what is summed up; 0: does not pay */
static gint64
folded (const ShuCudaConv *c)
{
  gint64 n = c->Co * taps_of (c);

  return is_cube (c) && c->stride == 1 && c->Ci % UNIT == 0 &&
                 c->Ci >= MIN_INSIDE && n <= MAX_OUTSIDE
             ? 4 * n * fold_step (c)
             : 0;
}

gsize
shu_cuda_conv_thin_scratch (const ShuCudaConv *conv)
{
  gint64 bytes = unfolded (conv);

  bytes = bytes ? bytes + padded (conv) : folded (conv);
  return bytes <= MAX_BYTES ? (gsize) bytes : 0;
}

static ShuCudaWindow
window_of (const ShuCudaConv *c)
{
  int deep = c->n_space == 3 ? 1 : 0; /* there is a depth before rows */

  return (ShuCudaWindow){.B = (unsigned) c->B,
      .D = deep ? (unsigned) c->x[0] : 1,
      .H = (unsigned) c->x[deep],
      .W = (unsigned) c->x[deep + 1],
      .Do = deep ? (unsigned) shu_cuda_conv_size (c, 0) : 1,
      .Ho = (unsigned) shu_cuda_conv_size (c, deep),
      .Wo = (unsigned) shu_cuda_conv_size (c, deep + 1),
      .kD = deep ? (unsigned) c->k[0] : 1,
      .k = (unsigned) c->k[0],
      .stride = (unsigned) c->stride,
      .dilation = (unsigned) c->dilation,
      .pad = c->pad_before,
      .pad_depth = deep ? c->pad_before : 0};
}

static gboolean
multiply_unfolded (ShuCuda *cuda, const ShuCudaConv *c, void *y, const void *x,
    const void *w, ShuCudaVector b, char *scratch, GError **error)
{
  const ShuCudaWindow window = window_of (c);
  gint64 row = row_of (c);
  const ShuCudaGemm g = {
      .M = pixels (c, TRUE), .N = c->Co, .K = row, .act = c->act};

  if (!shu_cuda_ok (shu_launch_unfold (scratch, x, &window, (gsize) c->Ci,
                        (gsize) row, cuda->stream),
          "unfold", error))
    return FALSE;
  if (padded (c)) {
    char *wide = scratch + unfolded (c);

    if (!shu_cuda_ok (
            shu_launch_pad_rows (wide, w, (gsize) c->Co,
                (gsize) (c->Ci * taps_of (c)), (gsize) row, cuda->stream),
            "weights", error))
      return FALSE;
    w = wide;
  }
  return shu_cuda_gemm (cuda, &g, y, scratch, w, b, NULL, error);
}

gboolean
shu_cuda_conv_thin (ShuCuda *cuda, const ShuCudaConv *c, void *y, const void *x,
    const void *w, ShuCudaVector b, void *scratch, GError **error)
{
  const ShuCudaWindow window = window_of (c);
  const ShuCudaVector none = {NULL, 0};
  /* taps outside and pixels inside, so that neighbours read neighbours */
  const ShuCudaGemm g = {.M = c->Co * taps_of (c),
      .N = pixels (c, FALSE),
      .K = c->Ci,
      .ldy = fold_step (c),
      .y_f32 = TRUE};

  if (unfolded (c))
    return multiply_unfolded (cuda, c, y, x, w, b, scratch, error);
  return shu_cuda_gemm (cuda, &g, scratch, w, x, none, NULL, error) &&
         shu_cuda_ok (shu_launch_fold (y, scratch, b, &window, (gsize) c->Co,
                          (gsize) fold_step (c), (int) c->act, cuda->stream),
             "fold", error);
}
