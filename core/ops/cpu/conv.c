/* SPDX-License-Identifier: MIT */
/* Convolutions: oneDNN on slabs of an item, weights packed once.  A slab is so
 * small that the layout which the library likes best can be made of it, and the
 * result brought back to channels-last, within the cache. */
#include "ops/cpu/onednn_private.h"
#include <string.h>

enum {
  SLAB_BYTES = 256 << 10, /* in and out */
  MIN_ROWS = 4, /* unless the map itself is lower, or work is scarce */
  OPERATIONS = 4000000,
  ENOUGH_PARTS = 8,
  FEW = 8, /* channels */
};

/* Taking a few channels apart costs more than it gains where oneDNN has kernels
 * for channels-last. */
static gboolean
stays_as_it_is (gint64 Ci)
{
  return Ci < FEW && (dnnl_get_effective_cpu_isa () & dnnl_cpu_isa_avx2) ==
                         dnnl_cpu_isa_avx2;
}

/* Channels second, as oneDNN counts. */
static void
dnn_dims (dnnl_dims_t ret, const gint64 *dims, int n)
{
  ret[0] = dims[0];
  ret[1] = dims[n - 1];
  for (int i = 2; i < n; i++)
    ret[i] = dims[i - 1];
}

static ShuDnnOp *
conv_new (ShuCtx *c, const ShuDnnKey *key)
{
  int n = key->n_dims;
  dnnl_format_tag_t last = n == 4 ? dnnl_nhwc : dnnl_ndhwc;
  dnnl_format_tag_t wanted =
      stays_as_it_is (key->w[1]) ? last : dnnl_format_tag_any;
  dnnl_dims_t dx, dw, dy, stride, dilate, before, after;
  dnnl_memory_desc_t x, w, b, y, wanted_x, wanted_y;
  dnnl_convolution_desc_t desc;

  dnn_dims (dx, key->x, n);
  dnn_dims (dy, key->y, n);
  dw[0] = key->w[0];
  dw[1] = key->w[1];
  for (int i = 0; i < n - 2; i++) {
    dw[2 + i] = key->w[2 + i];
    stride[i] = key->stride;
    dilate[i] = key->dilation - 1;
    before[i] = i == 0       ? key->before
                : i == n - 3 ? key->before_w
                             : key->before_h;
    /* What the last window leaves over is cut off, as in torch. */
    after[i] = (dy[2 + i] - 1) * key->stride + (dw[2 + i] - 1) * key->dilation +
               1 - dx[2 + i] - before[i];
  }
  dnnl_memory_desc_init_by_tag (&x, n, dx, dnnl_f32, last);
  dnnl_memory_desc_init_by_tag (&y, n, dy, dnnl_f32, last);
  dnnl_memory_desc_init_by_tag (&wanted_x, n, dx, dnnl_f32, wanted);
  dnnl_memory_desc_init_by_tag (&wanted_y, n, dy, dnnl_f32, wanted);
  dnnl_memory_desc_init_by_tag (&w, n, dw, dnnl_f32, dnnl_format_tag_any);
  dnnl_memory_desc_init_by_tag (&b, 1, dw, dnnl_f32, dnnl_a);
  if (!shu_dnn_check (c,
          dnnl_dilated_convolution_forward_desc_init (&desc,
              dnnl_forward_inference, dnnl_convolution_direct, &wanted_x, &w,
              key->flags & SHU_DNN_BIAS ? &b : NULL, &wanted_y, stride, dilate,
              before, after),
          "convolution"))
    return NULL;
  return shu_dnn_create (c, key, &desc, &x, &y);
}

/* Rows (planes) of y in one part. */
static gint64
slab_rows (const ShuDnnKey *key, const gint64 *y_dims, ShuTensor *x)
{
  int n = key->n_dims;
  gint64 B = y_dims[0], H = y_dims[1], parts;
  gint64 x_row = (gint64) x->n / (x->dims[0] * x->dims[1]), y_row = 1, taps = 1;
  gint64 rows = H;
  double operations;

  for (int i = 2; i < n; i++) {
    y_row *= y_dims[i];
    taps *= key->w[i];
  }
  /* where padding holds whole windows there may be nothing of x in a slab */
  if (key->before >= (key->w[2] - 1) * key->dilation + 1)
    return H;
  rows = SLAB_BYTES / ((x_row * key->stride + y_row) * (gint64) sizeof (float));
  rows = CLAMP (rows, MIN (MIN_ROWS, H), H);
  operations = 2. * (double) (y_row * H * key->w[1] * taps);
  parts = CLAMP ((gint64) (operations / OPERATIONS), 1, ENOUGH_PARTS);
  parts = MAX ((H + rows - 1) / rows, MIN (parts, ENOUGH_PARTS / B));
  parts = CLAMP (parts, 1, H);
  return (H + parts - 1) / parts;
}

/* Rows @first.. of item @b of y, @rows of them. */
static gboolean
find_part (ShuCtx *c, ShuDnnPart *part, ShuTensor *x, ShuTensor *w,
    ShuDnnKey key, gint64 b, gint64 first, gint64 rows)
{
  gint64 H = x->dims[1], x_row = (gint64) x->n / (x->dims[0] * H);
  gint64 lo = first * key.stride - key.before;
  gint64 hi = lo + (rows - 1) * key.stride + (key.w[2] - 1) * key.dilation + 1;
  dnnl_dims_t dims = {0};
  dnnl_memory_desc_t plain;

  key.before = (gint32) MAX (-lo, 0);
  lo = MAX (lo, 0);
  key.x[0] = key.y[0] = 1;
  key.x[1] = MIN (hi, H) - lo;
  key.y[1] = rows;
  part->op = shu_dnn_lookup (c, &key);
  if (!part->op)
    part->op = conv_new (c, &key);
  if (!part->op)
    return FALSE;
  memcpy (dims, w->dims, sizeof w->dims);
  dnnl_memory_desc_init_by_tag (&plain, w->n_dims, dims, dnnl_f32,
      w->n_dims == 4 ? dnnl_abcd : dnnl_abcde);
  part->w = shu_dnn_weight (c, w, 0, &plain, &part->op->w_desc);
  part->x = shu_f32 (x) + (b * H + lo) * x_row;
  return part->w != NULL;
}

/* y, of dimensions @y_dims, from x; @key has all but the sizes. */
static void
convolve (ShuCtx *c, float *y, const gint64 *y_dims, ShuTensor *x, ShuTensor *w,
    ShuTensor *b, ShuDnnKey key)
{
  SHU_SCOPE (c);
  gint64 rows, H = y_dims[1], y_row = 1, n = 0;
  ShuDnnPart *list;

  key.kind = SHU_DNN_CONV;
  key.n_dims = x->n_dims;
  key.flags = b ? SHU_DNN_BIAS : 0;
  memcpy (key.x, x->dims, sizeof key.x);
  memcpy (key.w, w->dims, sizeof key.w);
  memcpy (key.y, y_dims, sizeof key.y);
  for (int i = 2; i < x->n_dims; i++)
    y_row *= y_dims[i];
  rows = slab_rows (&key, y_dims, x);
  list = shu_cpu_scratch (
      c, (gsize) (y_dims[0] * ((H + rows - 1) / rows)), sizeof *list);
  if (!list)
    return;
  for (gint64 item = 0; item < y_dims[0]; item++)
    for (gint64 row = 0; row < H; row += rows, n++) {
      if (!find_part (c, &list[n], x, w, key, item, row, MIN (rows, H - row)))
        return;
      list[n].b = b ? shu_f32 (b) : NULL;
      list[n].y = y + (item * H + row) * y_row;
    }
  shu_dnn_run (c, list, (gsize) n);
}

/* ---- nearest x2, then 3x3: four 2x2 convolutions of the small map ---- */

/* Along one axis a pixel of phase 0 sees its left neighbour through tap 0 and
 * itself through taps 1 and 2; one of phase 1 itself through 0 and 1, and its
 * right neighbour through 2. */
static ShuTensor *
phase_weights (ShuTensor *w, gsize phase)
{
  ShuTensor *sums =
      shu_tensor_new (SHU_DTYPE_F32, SHU_DIMS (w->dims[0], w->dims[1], 2, 2));
  gsize n = (gsize) (w->dims[0] * w->dims[1]);

  memset (sums->data, 0, shu_tensor_bytes (sums));
  for (gsize i = 0; i < n; i++)
    for (gsize tap = 0; tap < 9; tap++) {
      gsize row = (tap / 3 + 1 - phase / 2) / 2;
      gsize column = (tap % 3 + 1 - phase % 2) / 2;

      shu_f32 (sums)[4 * i + 2 * row + column] += shu_f32 (w)[9 * i + tap];
    }
  return sums;
}

static ShuTensor *
phase_of (ShuTensor *w, gsize phase)
{
  ShuPacked *packed = shu_packed_of (w);

  g_mutex_lock (&packed->lock);
  if (!packed->phases[phase])
    packed->phases[phase] = phase_weights (w, phase);
  g_mutex_unlock (&packed->lock);
  return packed->phases[phase];
}

/* Rows of part [B,H,W,C] to every second row and column of y. */
static void
interleave (ShuTensor *y, ShuTensor *part, gsize phase)
{
  gsize W = (gsize) part->dims[2], C = (gsize) part->dims[3];

#pragma omp parallel for
  for (gint64 r = 0; r < part->dims[0] * part->dims[1]; r++) {
    const float *src = shu_f32 (part) + (gsize) r * W * C;
    float *dst =
        shu_f32 (y) + (((gsize) r * 2 + phase / 2) * 2 * W + phase % 2) * C;

    for (gsize i = 0; i < W; i++)
      memcpy (dst + 2 * i * C, src + i * C, C * sizeof (float));
  }
}

static void
convolve_upsampled (ShuCtx *c, ShuTensor *y, ShuTensor *x, const ShuConv *k,
    const ShuConvParams *p)
{
  SHU_SCOPE (c);
  ShuTensor *part = shu_scoped (c, SHU_DTYPE_F32,
      SHU_DIMS (x->dims[0], x->dims[1], x->dims[2], y->dims[3]));

  for (gsize phase = 0; phase < 4 && !shu_ctx_failed (c); phase++) {
    ShuDnnKey key = {
        .act = (gint32) p->act,
        .stride = 1,
        .dilation = 1,
        .before = phase / 2 ? 0 : 1,
        .before_w = phase % 2 ? 0 : 1,
    };

    convolve (
        c, shu_f32 (part), part->dims, x, phase_of (k->w, phase), k->b, key);
    interleave (y, part, phase);
  }
}

/* A product of every pixel's channels, on its own. */
static gboolean
is_linear (ShuTensor *w, const ShuConvParams *p)
{
  return p->stride == 1 && p->pad_before == 0 && p->pad_after == 0 &&
         (gint64) w->n == w->dims[0] * w->dims[1];
}

void
shu_cpu_conv (ShuCtx *c, ShuTensor *y, ShuTensor *x, const ShuConv *k,
    const ShuConvParams *p)
{
  SHU_SCOPE (c);
  ShuDnnKey key = {
      .act = (gint32) p->act,
      .stride = p->stride,
      .dilation = p->dilation,
      .before = p->pad_before,
      .before_h = p->pad_before,
      .before_w = p->pad_before,
  };

  if (p->upsample && p->stride == 1 && p->dilation == 1 && p->pad_before == 1 &&
      p->pad_after == 1 && k->w->dims[2] == 3 && k->w->dims[3] == 3) {
    convolve_upsampled (c, y, x, k, p);
    return;
  }
  if (p->upsample)
    x = shu_upsample_nearest (c, x, 2);
  if (shu_ctx_failed (c))
    return;
  if (is_linear (k->w, p))
    shu_cpu_linear_rows (c, shu_f32 (y), shu_f32 (x),
        x->n / (gsize) k->w->dims[1], &(ShuLinear){k->w, k->b}, p->act, FALSE);
  else
    convolve (c, shu_f32 (y), y->dims, x, k->w, k->b, key);
}
