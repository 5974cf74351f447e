/* SPDX-License-Identifier: MIT */
/* See conv_thin.h.  The weight [Co,k,k,Ci] is either product's as it is. */
#include "ops/cuda/conv_thin.h"
#include "ops/cuda/gemm.h"

enum {
  UNIT = 8,         /* channels that are copied at once */
  MAX_INSIDE = 128, /* Ci k k of a row that is unfolded */
  MAX_OUTSIDE = 64, /* Co k k of what is summed up */
  MIN_INSIDE = 32,  /* Ci, for less than which that is too much */
};

static const gint64 MAX_BYTES = 64 << 20;

static gint64
pixels (const ShuCudaConv *c, gboolean output)
{
  return c->B * (output ? shu_cuda_conv_size (c, 0) * shu_cuda_conv_size (c, 1)
                        : c->x[0] * c->x[1]);
}

static gboolean
is_flat (const ShuCudaConv *c)
{
  return c->n_space == 2 && c->k[0] == c->k[1] && c->k[0] > 1 && !c->turned;
}

/* Bytes of what is unfolded; 0: does not pay */
static gint64
unfolded (const ShuCudaConv *c)
{
  gint64 row = c->Ci * c->k[0] * c->k[1];

  return is_flat (c) && c->Ci % UNIT == 0 && row <= MAX_INSIDE
             ? 2 * row * pixels (c, TRUE)
             : 0;
}

/* Floats from pixel to pixel of what is summed up, so that rows are aligned */
static gint64
fold_step (const ShuCudaConv *c)
{
  return (c->Co * c->k[0] * c->k[1] + 3) / 4 * 4;
}

/* Bytes of what is summed up; 0: does not pay */
static gint64
folded (const ShuCudaConv *c)
{
  return is_flat (c) && c->stride == 1 && c->Ci % UNIT == 0 &&
                 c->Ci >= MIN_INSIDE && fold_step (c) <= MAX_OUTSIDE
             ? 4 * fold_step (c) * pixels (c, FALSE)
             : 0;
}

gsize
shu_cuda_conv_thin_scratch (const ShuCudaConv *conv)
{
  gint64 bytes = unfolded (conv);

  if (!bytes)
    bytes = folded (conv);
  return bytes <= MAX_BYTES ? (gsize) bytes : 0;
}

static ShuCudaWindow
taps_of (const ShuCudaConv *c)
{
  return (ShuCudaWindow){.B = (unsigned) c->B,
      .H = (unsigned) c->x[0],
      .W = (unsigned) c->x[1],
      .Ho = (unsigned) shu_cuda_conv_size (c, 0),
      .Wo = (unsigned) shu_cuda_conv_size (c, 1),
      .k = (unsigned) c->k[0],
      .stride = (unsigned) c->stride,
      .dilation = (unsigned) c->dilation,
      .pad = c->pad_before};
}

gboolean
shu_cuda_conv_thin (ShuCuda *cuda, const ShuCudaConv *c, void *y, const void *x,
    const void *w, ShuCudaVector b, void *scratch, GError **error)
{
  const ShuCudaWindow taps = taps_of (c);
  const ShuCudaVector none = {NULL, 0};
  gint64 n_taps = c->k[0] * c->k[1];

  if (unfolded (c)) {
    const ShuCudaGemm g = {
        .M = pixels (c, TRUE), .N = c->Co, .K = c->Ci * n_taps, .act = c->act};

    return shu_cuda_ok (shu_launch_unfold (
                            scratch, x, &taps, (gsize) c->Ci, cuda->stream),
               "unfold", error) &&
           shu_cuda_gemm (cuda, &g, y, scratch, w, b, NULL, error);
  } else {
    const ShuCudaGemm g = {.M = pixels (c, FALSE),
        .N = c->Co * n_taps,
        .K = c->Ci,
        .ldy = fold_step (c),
        .y_f32 = TRUE};

    return shu_cuda_gemm (cuda, &g, scratch, x, w, none, NULL, error) &&
           shu_cuda_ok (shu_launch_fold (y, scratch, b, &taps, (gsize) c->Co,
                            (gsize) fold_step (c), (int) c->act, cuda->stream),
               "fold", error);
  }
}
