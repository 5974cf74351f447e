/* SPDX-License-Identifier: MIT */
/* Resampling of feature maps: bilinear, bicubic, nearest, pooling, and moves
 * between channels and space. */
#include "ops/cpu/cpu_private.h"
#include <math.h>
#include <string.h>

/* y += w * x */
SHU_SIMD static void
add_scaled (float *restrict y, const float *restrict x, float w, gsize n)
{
  for (gsize i = 0; i < n; i++)
    y[i] += w * x[i];
}

SHU_SIMD static void
add_run (float *restrict y, const float *restrict x, gsize n)
{
  for (gsize i = 0; i < n; i++)
    y[i] += x[i];
}

SHU_SIMD static void
max_run (float *restrict y, const float *restrict x, gsize n)
{
  for (gsize i = 0; i < n; i++)
    y[i] = x[i] > y[i] ? x[i] : y[i];
}

/* ---- separable filters ---- */

/* For each output position: the first input, how many, and their weights. */
typedef struct {
  gsize n;
  gsize room;
  gint32 *first;
  gint32 *count;
  float *weight; /* [n,room] */
} Taps;

static Taps
taps_new (gsize n, gsize room)
{
  return (Taps){
      n, room, g_new (gint32, n), g_new (gint32, n), g_new0 (float, n *room)};
}

static void
taps_clear (Taps *t)
{
  g_free (t->first);
  g_free (t->count);
  g_free (t->weight);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Taps, taps_clear)

/* Half-pixel centres, edges clamped. */
static Taps
taps_bilinear (gsize n, gsize m)
{
  Taps t = taps_new (m, 2);
  float scale = (float) n / (float) m;

  for (gsize i = 0; i < m; i++) {
    float at = ((float) i + 0.5f) * scale - 0.5f;
    gsize lo;

    at = at < 0 ? 0 : at;
    lo = MIN ((gsize) at, n - 1);
    t.first[i] = (gint32) lo;
    t.count[i] = lo + 1 < n ? 2 : 1;
    t.weight[2 * i + 1] = at - (float) lo;
    t.weight[2 * i] = t.count[i] == 2 ? 1 - t.weight[2 * i + 1] : 1;
  }
  return t;
}

static double
cubic (double x)
{
  const double a = -0.5;

  x = fabs (x);
  if (x < 1)
    return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

/* Support grows when shrinking; taps outside are dropped and the rest
 * normalised. */
static Taps
taps_bicubic_aa (gsize n, gsize m)
{
  double scale = (double) n / (double) m;
  double stretch = MAX (scale, 1);
  double support = 2 * stretch;
  Taps t = taps_new (m, (gsize) ceil (support) * 2 + 1);

  for (gsize i = 0; i < m; i++) {
    double centre = ((double) i + 0.5) * scale;
    gint64 lo = MAX ((gint64) (centre - support + 0.5), 0);
    gint64 hi = MIN ((gint64) (centre + support + 0.5), (gint64) n);
    double sum = 0;

    for (gint64 k = lo; k < hi; k++)
      sum += cubic (((double) k - centre + 0.5) / stretch);
    for (gint64 k = lo; k < hi; k++)
      t.weight[i * t.room + (gsize) (k - lo)] =
          (float) (cubic (((double) k - centre + 0.5) / stretch) / sum);
    t.first[i] = (gint32) lo;
    t.count[i] = (gint32) (hi - lo);
  }
  return t;
}

/* x [B,H,W,C] -> y [B,h,w,C]: along W into a scratch, then along H */
static void
filter (ShuCtx *c, ShuTensor *y, ShuTensor *x, const Taps *th, const Taps *tw)
{
  SHU_SCOPE (c);
  gsize B = (gsize) x->dims[0], H = (gsize) x->dims[1], W = (gsize) x->dims[2];
  gsize C = (gsize) x->dims[3], h = th->n, w = tw->n;
  ShuTensor *mid = shu_scoped (c, SHU_DTYPE_F32,
      SHU_DIMS (x->dims[0], x->dims[1], (gint64) w, (gint64) C));

  if (shu_ctx_failed (c))
    return;
#pragma omp parallel for
  for (gint64 r = 0; r < (gint64) (B * H); r++)
    for (gsize i = 0; i < w; i++) {
      float *dst = shu_f32 (mid) + ((gsize) r * w + i) * C;

      memset (dst, 0, C * sizeof (float));
      for (gsize k = 0; k < (gsize) tw->count[i]; k++)
        add_scaled (dst,
            shu_f32 (x) + ((gsize) r * W + (gsize) tw->first[i] + k) * C,
            tw->weight[i * tw->room + k], C);
    }
#pragma omp parallel for
  for (gint64 r = 0; r < (gint64) (B * h); r++) {
    gsize b = (gsize) r / h, i = (gsize) r % h;
    float *dst = shu_f32 (y) + (gsize) r * w * C;

    memset (dst, 0, w * C * sizeof (float));
    for (gsize k = 0; k < (gsize) th->count[i]; k++)
      add_scaled (dst,
          shu_f32 (mid) + (b * H + (gsize) th->first[i] + k) * w * C,
          th->weight[i * th->room + k], w * C);
  }
}

void
shu_cpu_resize_bilinear (ShuCtx *c, ShuTensor *y, ShuTensor *x)
{
  g_auto (Taps) th = taps_bilinear ((gsize) x->dims[1], (gsize) y->dims[1]);
  g_auto (Taps) tw = taps_bilinear ((gsize) x->dims[2], (gsize) y->dims[2]);

  filter (c, y, x, &th, &tw);
}

/* @x to the channels of y from @first on */
static void
place_channels (ShuCtx *c, ShuTensor *y, ShuTensor *x, gsize first)
{
  gsize row = (gsize) x->dims[3] * sizeof (float);

  shu_cpu_copy (c, y, x,
      &(ShuCopy){.n_rows = x->n / (gsize) x->dims[3],
          .bytes = row,
          .y_offset = first * sizeof (float),
          .y_step = (gsize) y->dims[3] * sizeof (float),
          .x_step = row});
}

void
shu_cpu_resize_concat (ShuCtx *c, ShuTensor *y, ShuTensor *x, ShuTensor *like)
{
  SHU_SCOPE (c);
  gsize C = (gsize) x->dims[3];

  if (x->dims[1] != y->dims[1] || x->dims[2] != y->dims[2]) {
    ShuTensor *resized = shu_scoped (
        c, c->real, SHU_DIMS (y->dims[0], y->dims[1], y->dims[2], (gint64) C));

    if (shu_ctx_failed (c))
      return;
    shu_cpu_resize_bilinear (c, resized, x);
    x = resized;
  }
  place_channels (c, y, x, 0);
  place_channels (c, y, like, C);
}

void
shu_cpu_resize_bicubic_aa (ShuCtx *c, ShuTensor *y, ShuTensor *x)
{
  g_auto (Taps) th = taps_bicubic_aa ((gsize) x->dims[1], (gsize) y->dims[1]);
  g_auto (Taps) tw = taps_bicubic_aa ((gsize) x->dims[2], (gsize) y->dims[2]);

  filter (c, y, x, &th, &tw);
}

/* ---- nearest, pooling ---- */

void
shu_cpu_upsample_nearest (ShuCtx *c, ShuTensor *y, ShuTensor *x, int factor)
{
  gsize F = (gsize) factor;
  gsize W = (gsize) x->dims[2], C = (gsize) x->dims[3];
  gsize row = W * F * C;

#pragma omp parallel for if (y->n > 65536)
  for (gint64 r = 0; r < (gint64) (x->dims[0] * x->dims[1]); r++) {
    float *dst = shu_f32 (y) + (gsize) r * F * row;
    const float *src = shu_f32 (x) + (gsize) r * W * C;

    for (gsize i = 0; i < W; i++)
      for (gsize k = 0; k < F; k++)
        memcpy (dst + (i * F + k) * C, src + i * C, C * sizeof (float));
    for (gsize k = 1; k < F; k++)
      memcpy (dst + k * row, dst, row * sizeof (float));
  }
}

void
shu_cpu_max_pool2 (ShuCtx *c, ShuTensor *y, ShuTensor *x)
{
  gsize H = (gsize) x->dims[1], W = (gsize) x->dims[2], C = (gsize) x->dims[3];
  gsize h = (gsize) y->dims[1], w = (gsize) y->dims[2];

#pragma omp parallel for if (x->n > 65536)
  for (gint64 r = 0; r < (gint64) (y->dims[0] * y->dims[1]); r++) {
    gsize top = (gsize) r / h * H + (gsize) r % h * 2;
    gsize rows = (gsize) r % h * 2 + 1 < H ? 2 : 1;

    for (gsize i = 0; i < w; i++) {
      float *dst = shu_f32 (y) + ((gsize) r * w + i) * C;
      gsize columns = 2 * i + 1 < W ? 2 : 1;

      memcpy (dst, shu_f32 (x) + (top * W + 2 * i) * C, C * sizeof (float));
      for (gsize k = 1; k < rows * columns; k++)
        max_run (dst,
            shu_f32 (x) + ((top + k / columns) * W + 2 * i + k % columns) * C,
            C);
    }
  }
}

/* Window of output @i of @m over @n inputs: [floor (i n / m), ceil ((i+1) n /
 * m)) */
static gsize
window (gsize i, gsize n, gsize m, gsize *ret_end)
{
  *ret_end = ((i + 1) * n + m - 1) / m;
  return i * n / m;
}

void
shu_cpu_adaptive_pool (ShuCtx *c, ShuTensor *y, ShuTensor *x)
{
  gsize D = (gsize) x->dims[1], H = (gsize) x->dims[2], W = (gsize) x->dims[3];
  gsize d = (gsize) y->dims[1], h = (gsize) y->dims[2], w = (gsize) y->dims[3];
  gsize C = (gsize) x->dims[4];
  gint64 rows = (gint64) ((gsize) x->dims[0] * d * h);

#pragma omp parallel for if (x->n > 65536)
  for (gint64 r = 0; r < rows; r++) {
    gsize b = (gsize) r / (d * h), z0, z1, y0, y1, x0, x1;

    z0 = window ((gsize) r / h % d, D, d, &z1);
    y0 = window ((gsize) r % h, H, h, &y1);
    for (gsize i = 0; i < w; i++) {
      float *dst = shu_f32 (y) + ((gsize) r * w + i) * C;
      float count;

      x0 = window (i, W, w, &x1);
      count = (float) ((z1 - z0) * (y1 - y0) * (x1 - x0));
      memset (dst, 0, C * sizeof (float));
      for (gsize zi = z0; zi < z1; zi++)
        for (gsize yi = y0; yi < y1; yi++)
          for (gsize xi = x0; xi < x1; xi++)
            add_run (
                dst, shu_f32 (x) + (((b * D + zi) * H + yi) * W + xi) * C, C);
      for (gsize k = 0; k < C; k++)
        dst[k] /= count;
    }
  }
}

/* ---- between channels and space ---- */

void
shu_cpu_pixel_shuffle3d (ShuCtx *c, ShuTensor *y, ShuTensor *x)
{
  gsize D = (gsize) x->dims[1], H = (gsize) x->dims[2], W = (gsize) x->dims[3];
  gsize C = (gsize) y->dims[4];

#pragma omp parallel for if (x->n > 65536)
  for (gint64 r = 0; r < (gint64) ((gsize) x->dims[0] * D * H); r++) {
    gsize hi = (gsize) r % H, bd = (gsize) r / H; /* b * D + d */

    for (gsize wi = 0; wi < W; wi++) {
      const float *src = shu_f32 (x) + ((gsize) r * W + wi) * 8 * C;

      for (gsize k = 0; k < 8; k++) {
        gsize row = (bd * 2 + k / 4) * 2 * H + 2 * hi + k / 2 % 2;
        float *dst = shu_f32 (y) + (row * 2 * W + 2 * wi + k % 2) * C;

        for (gsize i = 0; i < C; i++)
          dst[i] = src[8 * i + k];
      }
    }
  }
}
