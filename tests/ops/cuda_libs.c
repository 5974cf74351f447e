/* SPDX-License-Identifier: MIT */
/* What the CUDA backend has libraries for (products, convolutions, attention)
 * against the definitions.  With "-m perf" rows of the official sizes are
 * added. */
#include "cuda_rows.h"
#include "ops/cuda/conv.h"
#include "ops/cuda/gemm.h"
#include "ops/cuda/sdpa.h"
#include <math.h>

/* ---- products ---- */

typedef struct {
  gint64 M, N, K;
  ShuAct act;
  Bias bias;
  gboolean residual, w_kn, perf;
} GemmRow;

typedef struct {
  ShuCudaGemm gemm;
  Array x, w, residual, y;
  Vector b;
} GemmJob;

/* clang-format off */
static const GemmRow gemm_rows[] = {
    {1, 1, 1},
    {1, 3, 5, SHU_ACT_NONE, BIAS_F16},
    {3, 1, 7, SHU_ACT_SILU, BIAS_F16},
    {101, 1, 64, SHU_ACT_NONE, BIAS_F16},
    {1, 101, 588, SHU_ACT_NONE, BIAS_F16},
    {101, 101, 101, SHU_ACT_GELU, BIAS_F16, TRUE},
    {7, 588, 3, SHU_ACT_RELU, BIAS_F16},
    {588, 3, 101, SHU_ACT_GELU_TANH, BIAS_F16},
    {1369, 1024, 588, SHU_ACT_NONE, BIAS_F16},
    {33, 48, 40, SHU_ACT_RELU, BIAS_F16},
    {33, 48, 40, SHU_ACT_RELU},
    {33, 48, 40, SHU_ACT_SIGMOID, BIAS_F32, TRUE},
    {65, 72, 80, SHU_ACT_NONE, BIAS_F32, TRUE},
    {65, 72, 80, SHU_ACT_NONE, NO_BIAS, TRUE},
    {65, 72, 80, SHU_ACT_RELU, BIAS_F16, TRUE},
    {65, 72, 80, SHU_ACT_NONE, NO_BIAS, FALSE, TRUE},
    {65, 3, 77, SHU_ACT_NONE, NO_BIAS, FALSE, TRUE},
    {1, 1280, 320, SHU_ACT_SILU, BIAS_F16},
    {2, 1280, 1280, SHU_ACT_NONE, BIAS_F16},
    {1374, 3072, 1024, SHU_ACT_NONE, BIAS_F16},
    {1374, 4096, 1024, SHU_ACT_GELU, BIAS_F16},
    {1374, 1024, 4096, SHU_ACT_NONE, BIAS_F16, TRUE},
    /* few rows */
    {514, 5120, 1280, SHU_ACT_GELU, BIAS_F16},
    {514, 3840, 1280, SHU_ACT_NONE, BIAS_F16},
    {514, 1280, 1280, SHU_ACT_NONE, BIAS_F16, TRUE},
    {514, 1280, 5120, SHU_ACT_NONE, BIAS_F16},
    {513, 5128, 200, SHU_ACT_GELU, BIAS_F16},
    {256, 5000, 264, SHU_ACT_NONE, NO_BIAS, TRUE},
    {521, 1176, 1032, SHU_ACT_GELU, BIAS_F16, TRUE},
    {1001, 2000, 776, SHU_ACT_GELU, BIAS_F16, TRUE},
    {521, 1176, 2056, SHU_ACT_GELU, BIAS_F16, TRUE},
    {1390, 1032, 2120, SHU_ACT_NONE, BIAS_F16},
    {1374, 1024, 1024, SHU_ACT_NONE, BIAS_F16},
    {1391, 2888, 1000},
    {1400, 4008, 264, SHU_ACT_GELU},
    {4096, 4096, 1024, SHU_ACT_GELU_TANH, BIAS_F16},
    {257, 3840, 1280, SHU_ACT_NONE, BIAS_F16},
    {1540, 320, 1024},
    {9216, 320, 320, SHU_ACT_NONE, BIAS_F16, TRUE},
    {13517, 101, 768, SHU_ACT_NONE, BIAS_F16},
    {16391, 320, 320, SHU_ACT_NONE, BIAS_F16, TRUE},
    {16400, 160, 64, SHU_ACT_NONE, BIAS_F16},
    {20000, 320, 192, SHU_ACT_NONE, NO_BIAS, TRUE},
    {25000, 960, 320},
    {184320, 320, 320, SHU_ACT_NONE, BIAS_F16, TRUE, FALSE, TRUE},
    {184320, 320, 1280, SHU_ACT_NONE, BIAS_F16, TRUE, FALSE, TRUE},
    {46080, 640, 640, SHU_ACT_NONE, BIAS_F16, TRUE, FALSE, TRUE},
    {11520, 1280, 1280, SHU_ACT_NONE, BIAS_F16, TRUE, FALSE, TRUE},
    {8192, 8192, 8192, SHU_ACT_NONE, NO_BIAS, FALSE, FALSE, TRUE},
};

/* clang-format on */

static gboolean
gemm_run (gpointer data, GError **error)
{
  GemmJob *j = data;

  return shu_cuda_gemm (cuda, &j->gemm, j->y.device, j->x.device, j->w.device,
      j->b.v, j->residual.device, error);
}

static double
gemm_expect (gpointer data, gsize i)
{
  GemmJob *j = data;
  gsize N = (gsize) j->gemm.N, K = (gsize) j->gemm.K, m = i / N, n = i % N;
  double sum = vector_value (&j->b, n);

  for (gsize k = 0; k < K; k++)
    sum += value (&j->x, m * K + k) *
           value (&j->w, j->gemm.w_kn ? k * N + n : n * K + k);
  return act_reference (sum, j->gemm.act) +
         (j->residual.n ? value (&j->residual, i) : 0);
}

static void
check_gemm (const GemmRow *r)
{
  g_autofree char *name = g_strdup_printf (
      "gemm %" G_GINT64_FORMAT " x %" G_GINT64_FORMAT " x %" G_GINT64_FORMAT
      " act %d bias %d residual %d w_kn %d",
      r->M, r->N, r->K, r->act, r->bias, r->residual, r->w_kn);
  GemmJob j = {
      .gemm = {
          .M = r->M, .N = r->N, .K = r->K, .act = r->act, .w_kn = r->w_kn}};
  Row row = {name, gemm_run, gemm_expect, &j,
      2. * (double) r->M * (double) r->N * (double) r->K, 2. * (double) r->K};

  array_random (&j.x, (gsize) (r->M * r->K), 1);
  array_random (&j.w, (gsize) (r->N * r->K), 2 / sqrtf ((float) r->K));
  if (r->residual)
    array_random (&j.residual, (gsize) (r->M * r->N), 1);
  vector_random (&j.b, r->bias, (gsize) r->N);
  array_new (&j.y, (gsize) (r->M * r->N));
  check_row (&row, &j.y);
  array_clear (&j.x);
  array_clear (&j.w);
  vector_clear (&j.b);
  array_clear (&j.residual);
  array_clear (&j.y);
}

static void
test_gemm (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (gemm_rows); i++)
    if (!gemm_rows[i].perf || g_test_perf ())
      check_gemm (&gemm_rows[i]);
}

/* ---- products in parts ---- */

typedef struct {
  gsize M, N, K;
  unsigned parts;
} PartsRow;

typedef struct {
  const PartsRow *row;
  Array x, w, y;
} PartsJob;

static const PartsRow parts_rows[] = {
    {514, 1280, 5120, 4}, {1374, 1024, 4096, 2}, {519, 1272, 5128, 4},
    {300, 2040, 2120, 3},
    {257, 1000, 264, 4}, /* the last part has a step less */
};

static gboolean
parts_run (gpointer data, GError **error)
{
  PartsJob *j = data;
  const PartsRow *r = j->row;

  return shu_cuda_ok (
      shu_launch_product_parts (j->y.device, j->x.device, j->w.device, r->M,
          r->N, r->K, r->parts, cuda->n_sm, cuda->stream),
      "product in parts", error);
}

static double
parts_expect (gpointer data, gsize i)
{
  PartsJob *j = data;
  const PartsRow *r = j->row;
  gsize m = i / r->N % r->M, n = i % r->N, part = i / r->N / r->M;
  gsize steps = (r->K + 63) / 64,
        width = (steps + r->parts - 1) / r->parts * 64;
  double sum = 0;

  for (gsize k = part * width; k < MIN ((part + 1) * width, r->K); k++)
    sum += value (&j->x, m * r->K + k) * value (&j->w, n * r->K + k);
  return sum;
}

static void
test_parts (void)
{
  if (cuda->sm != 90) {
    g_test_skip ("no device of compute capability 9.0");
    return;
  }
  for (gsize i = 0; i < G_N_ELEMENTS (parts_rows); i++) {
    const PartsRow *r = &parts_rows[i];
    g_autofree char *name = g_strdup_printf ("product %d x %d x %d in %u parts",
        (int) r->M, (int) r->N, (int) r->K, r->parts);
    PartsJob j = {.row = r};
    Row row = {name, parts_run, parts_expect, &j,
        2. * (double) r->M * (double) r->N * (double) r->K,
        2. * (double) r->K / r->parts};

    array_random (&j.x, r->M * r->K, 1);
    array_random (&j.w, r->N * r->K, 2 / sqrtf ((float) r->K));
    array_new (&j.y, r->parts * r->M * r->N);
    check_row (&row, &j.y);
    array_clear (&j.x);
    array_clear (&j.w);
    array_clear (&j.y);
  }
}

/* ---- GEGLU ---- */

typedef struct {
  gint64 M, C, K;
  gboolean perf;
} GegluRow;

typedef struct {
  const GegluRow *row;
  Array x, w, b, y;
  void *scratch;
} GegluJob;

static const GegluRow geglu_rows[] = {
    {1, 1, 1},
    {5, 3, 7},
    {77, 40, 24},
    {300, 256, 64},
    {30001, 1280, 320},
    {16391, 64, 640},
    {16384, 320, 512},
    {20000, 128, 64},
    {184320, 1280, 320, TRUE},
    {46080, 2560, 640, TRUE},
    {11520, 5120, 1280, TRUE},
};

static gboolean
geglu_run (gpointer data, GError **error)
{
  GegluJob *j = data;
  ShuCudaVector b = {j->b.device, 0};

  return shu_cuda_gemm_geglu (cuda, j->row->M, j->row->C, j->row->K,
      j->y.device, FALSE, j->x.device, j->w.device, b, j->scratch, error);
}

static double
geglu_expect (gpointer data, gsize i)
{
  GegluJob *j = data;
  gsize C = (gsize) j->row->C, K = (gsize) j->row->K, m = i / C, n = i % C;
  double a = value (&j->b, n), gate = value (&j->b, C + n);

  for (gsize k = 0; k < K; k++) {
    a += value (&j->x, m * K + k) * value (&j->w, n * K + k);
    gate += value (&j->x, m * K + k) * value (&j->w, (C + n) * K + k);
  }
  return a * act_reference (gate, SHU_ACT_GELU);
}

static void
check_geglu (const GegluRow *r)
{
  g_autofree char *name = g_strdup_printf (
      "geglu %" G_GINT64_FORMAT " x %" G_GINT64_FORMAT " x %" G_GINT64_FORMAT,
      r->M, r->C, r->K);
  GegluJob j = {.row = r};
  Row row = {name, geglu_run, geglu_expect, &j,
      4. * (double) r->M * (double) r->C * (double) r->K, 4. * (double) r->K};

  array_random (&j.x, (gsize) (r->M * r->K), 1);
  array_random (&j.w, (gsize) (2 * r->C * r->K), 2 / sqrtf ((float) r->K));
  array_random (&j.b, (gsize) (2 * r->C), 1);
  array_new (&j.y, (gsize) (r->M * r->C));
  must (cudaMalloc (&j.scratch, shu_cuda_gemm_geglu_scratch (r->M, r->C)));
  check_row (&row, &j.y);
  array_clear (&j.x);
  array_clear (&j.w);
  array_clear (&j.b);
  array_clear (&j.y);
  must (cudaFree (j.scratch));
}

static void
test_geglu (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (geglu_rows); i++)
    if (!geglu_rows[i].perf || g_test_perf ())
      check_geglu (&geglu_rows[i]);
}

/* ---- convolutions ---- */

typedef struct {
  ShuCudaConv conv;
  Bias bias;
  gboolean perf;
} ConvRow;

typedef struct {
  ShuCudaConv conv;
  Array x, w, y;
  Vector b;
} ConvJob;

/* square maps and kernels of side S and K */
#define CONV(n, B, Ci, Co, S, K, stride, dilation, before, after, act)         \
  {                                                                            \
    n, B, Ci, Co, {S, S, S}, {K, K, K}, stride, dilation, before, after, act   \
  }

/* clang-format off */
static const ConvRow conv_rows[] = {
    {CONV (2, 1, 1, 1, 1, 3, 1, 1, 1, 1, SHU_ACT_NONE), BIAS_F16},
    {CONV (2, 1, 1, 1, 5, 3, 1, 1, 1, 1, SHU_ACT_RELU), BIAS_F16},
    {CONV (2, 2, 5, 7, 9, 3, 1, 1, 1, 1, SHU_ACT_NONE), BIAS_F16},
    {CONV (2, 1, 6, 8, 9, 3, 1, 1, 1, 1, SHU_ACT_GELU), BIAS_F16},
    {CONV (2, 3, 8, 8, 7, 3, 2, 1, 0, 1, SHU_ACT_NONE), BIAS_F16},
    {CONV (2, 2, 8, 6, 10, 3, 2, 1, 1, 1, SHU_ACT_SILU)},
    {CONV (2, 2, 3, 16, 12, 3, 1, 1, 1, 1, SHU_ACT_RELU), BIAS_F16},
    {CONV (2, 2, 16, 16, 12, 3, 1, 2, 2, 2, SHU_ACT_RELU), BIAS_F16},
    {CONV (2, 1, 16, 16, 20, 3, 1, 8, 8, 8, SHU_ACT_RELU), BIAS_F16},
    {CONV (2, 2, 24, 40, 7, 1, 1, 1, 0, 0, SHU_ACT_SILU), BIAS_F16},
    {CONV (2, 2, 24, 40, 7, 1, 2, 1, 0, 0, SHU_ACT_NONE), BIAS_F16},
    {CONV (3, 1, 1, 1, 1, 3, 1, 1, 1, 1, SHU_ACT_NONE), BIAS_F16},
    {CONV (3, 1, 8, 8, 5, 3, 1, 1, 1, 1, SHU_ACT_NONE), BIAS_F16},
    {CONV (3, 2, 16, 24, 6, 3, 2, 1, 1, 1, SHU_ACT_GELU), BIAS_F16},
    {CONV (3, 1, 5, 3, 4, 3, 1, 1, 1, 1, SHU_ACT_NONE), BIAS_F16},
    {CONV (2, 2, 8, 320, 96, 3, 1, 1, 1, 1, SHU_ACT_NONE), BIAS_F16},
    {CONV (2, 2, 4, 320, 96, 3, 1, 1, 1, 1, SHU_ACT_NONE), BIAS_F16},
    {CONV (2, 2, 320, 320, 96, 3, 1, 1, 1, 1, SHU_ACT_NONE), BIAS_F16},
    {CONV (2, 2, 320, 320, 96, 3, 2, 1, 1, 1, SHU_ACT_NONE), BIAS_F16},
    {CONV (2, 2, 2560, 1280, 12, 3, 1, 1, 1, 1, SHU_ACT_NONE), BIAS_F16},
    {CONV (2, 2, 640, 640, 48, 3, 1, 1, 1, 1, SHU_ACT_NONE), BIAS_F32},
    {CONV (2, 2, 320, 4, 96, 3, 1, 1, 1, 1, SHU_ACT_NONE), BIAS_F16},
    {CONV (2, 1, 3, 128, 768, 3, 1, 1, 1, 1, SHU_ACT_NONE), BIAS_F16},
    {CONV (2, 1, 128, 128, 768, 3, 2, 1, 0, 1, SHU_ACT_NONE), BIAS_F16},
    {CONV (2, 1, 128, 3, 768, 3, 1, 1, 1, 1, SHU_ACT_NONE), BIAS_F16},
    {CONV (2, 1, 3, 64, 320, 3, 1, 1, 1, 1, SHU_ACT_RELU), BIAS_F16},
    {CONV (2, 1, 64, 1, 320, 3, 1, 1, 1, 1, SHU_ACT_NONE), BIAS_F16},
    {CONV (2, 1, 6, 1, 320, 1, 1, 1, 0, 0, SHU_ACT_NONE), BIAS_F16},
    {CONV (3, 1, 8, 512, 16, 3, 1, 1, 1, 1, SHU_ACT_NONE), BIAS_F16},
    {CONV (3, 1, 512, 512, 16, 3, 1, 1, 1, 1, SHU_ACT_NONE), BIAS_F16},
    {CONV (3, 1, 32, 32, 64, 3, 1, 1, 1, 1, SHU_ACT_NONE), BIAS_F16},
    {CONV (3, 1, 32, 1, 64, 3, 1, 1, 1, 1, SHU_ACT_NONE), BIAS_F16},
    {CONV (2, 20, 320, 320, 96, 3, 1, 1, 1, 1, SHU_ACT_NONE), BIAS_F16, TRUE},
    {CONV (2, 20, 960, 320, 96, 3, 1, 1, 1, 1, SHU_ACT_NONE), BIAS_F16, TRUE},
    {CONV (2, 20, 640, 640, 96, 3, 1, 1, 1, 1, SHU_ACT_NONE), BIAS_F16, TRUE},
    {CONV (2, 20, 640, 640, 48, 3, 1, 1, 1, 1, SHU_ACT_NONE), BIAS_F16, TRUE},
    {CONV (2, 20, 1280, 1280, 24, 3, 1, 1, 1, 1, SHU_ACT_NONE), BIAS_F16, TRUE},
    {CONV (2, 20, 1280, 1280, 12, 3, 1, 1, 1, 1, SHU_ACT_NONE), BIAS_F16, TRUE},
    {CONV (2, 20, 8, 320, 96, 3, 1, 1, 1, 1, SHU_ACT_NONE), BIAS_F16, TRUE},
    {CONV (2, 20, 320, 4, 96, 3, 1, 1, 1, 1, SHU_ACT_NONE), BIAS_F16, TRUE},
    {CONV (2, 1, 256, 256, 768, 3, 1, 1, 1, 1, SHU_ACT_NONE), BIAS_F16, TRUE},
    {CONV (2, 1, 512, 512, 384, 3, 1, 1, 1, 1, SHU_ACT_NONE), BIAS_F16, TRUE},
    {CONV (3, 1, 128, 128, 32, 3, 1, 1, 1, 1, SHU_ACT_NONE), BIAS_F16, TRUE},
};

/* clang-format on */

static gboolean
conv_run (gpointer data, GError **error)
{
  ConvJob *j = data;

  return shu_cuda_conv (
      cuda, &j->conv, j->y.device, j->x.device, j->w.device, j->b.v, error);
}

/* Pixel of x, counted from the start of a picture, that tap @tap of the output
 * at @at sees; -1: padding. */
static gint64
conv_pixel (const ShuCudaConv *c, const gint64 *at, gint64 tap)
{
  gint64 pixel = 0, step = 1;

  for (int d = c->n_space - 1; d >= 0; d--) {
    gint64 p = at[d] * c->stride - c->pad_before + tap % c->k[d] * c->dilation;

    if (p < 0 || p >= c->x[d])
      return -1;
    pixel += p * step;
    step *= c->x[d];
    tap /= c->k[d];
  }
  return pixel;
}

static double
conv_expect (gpointer data, gsize index)
{
  ConvJob *j = data;
  const ShuCudaConv *c = &j->conv;
  gint64 i = (gint64) index, o = i % c->Co, n_taps = 1, n_pixels = 1, at[3];
  double sum = vector_value (&j->b, (gsize) o);

  i /= c->Co;
  for (int d = c->n_space - 1; d >= 0; d--) {
    at[d] = i % shu_cuda_conv_size (c, d);
    i /= shu_cuda_conv_size (c, d);
    n_taps *= c->k[d];
    n_pixels *= c->x[d];
  }
  for (gint64 t = 0; t < n_taps; t++) {
    gint64 p = conv_pixel (c, at, t);

    for (gint64 k = 0; p >= 0 && k < c->Ci; k++)
      sum += value (&j->x, (gsize) ((i * n_pixels + p) * c->Ci + k)) *
             value (&j->w, (gsize) ((o * n_taps + t) * c->Ci + k));
  }
  return act_reference (sum, c->act);
}

static void
check_conv (const ConvRow *r)
{
  const ShuCudaConv *c = &r->conv;
  g_autofree char *name =
      g_strdup_printf ("conv%dd batch %" G_GINT64_FORMAT
                       " side %" G_GINT64_FORMAT " channels %" G_GINT64_FORMAT
                       " to %" G_GINT64_FORMAT " kernel %" G_GINT64_FORMAT
                       " stride %d dilation %d padding %d %d act %d bias %d",
          c->n_space, c->B, c->x[0], c->Ci, c->Co, c->k[0], c->stride,
          c->dilation, c->pad_before, c->pad_after, c->act, r->bias);
  ConvJob j = {.conv = *c};
  gint64 n_in = c->B, n_out = c->B, n_taps = 1;
  Row row = {name, conv_run, conv_expect, &j, 0, 0};

  for (int d = 0; d < c->n_space; d++) {
    n_in *= c->x[d];
    n_out *= shu_cuda_conv_size (c, d);
    n_taps *= c->k[d];
  }
  row.work = 2. * (double) (n_taps * c->Ci);
  row.flops = row.work * (double) (n_out * c->Co);
  array_random (&j.x, (gsize) (n_in * c->Ci), 1);
  array_random (&j.w, (gsize) (c->Co * n_taps * c->Ci),
      2 / sqrtf ((float) (n_taps * c->Ci)));
  vector_random (&j.b, r->bias, (gsize) c->Co);
  array_new (&j.y, (gsize) (n_out * c->Co));
  check_row (&row, &j.y);
  array_clear (&j.x);
  array_clear (&j.w);
  vector_clear (&j.b);
  array_clear (&j.y);
}

static void
test_conv (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (conv_rows); i++)
    if (!conv_rows[i].perf || g_test_perf ())
      check_conv (&conv_rows[i]);
}

/* ---- attention ---- */

typedef struct {
  gint64 B, Tq, Tk;
  int NH, HD;
  gboolean packed; /* q, k and v in one tensor */
  gboolean perf;
  float spread; /* of q, k and v; 0: 2, so that a few keys win */
} SdpaRow;

typedef struct {
  ShuCudaSdpa sdpa;
  Array q, k, v, y;
  gsize k_at, v_at; /* elements before the first of k and v */
  void *scratch;
} SdpaJob;

/* clang-format off */
static const SdpaRow sdpa_rows[] = {
    {1, 1, 1, 1, 64},
    {2, 1, 9, 2, 64},
    {2, 3, 1, 2, 64},
    {3, 5, 7, 2, 8},
    {2, 101, 13, 3, 16},
    {2, 100, 77, 4, 32},
    {2, 65, 129, 4, 24},
    {2, 77, 77, 16, 64},
    {2, 130, 130, 5, 64, TRUE},
    {1, 257, 257, 16, 80},
    {2, 257, 257, 16, 80, TRUE},
    {3, 1, 1, 2, 80},
    {2, 65, 33, 2, 80},
    {1, 272, 272, 2, 80, TRUE},
    {2, 130, 271, 3, 80},
    {2, 200, 200, 2, 80, TRUE, FALSE, 30},
    {3, 80, 100, 2, 80}, /* the last of the queries are taken apart */
    {2, 260, 40, 5, 80, FALSE, FALSE, 30},
    {40, 267, 267, 5, 80, TRUE, FALSE, 30},
    {2, 70, 273, 2, 80},
    {2, 1374, 1374, 4, 64},
    {2, 1374, 1374, 2, 64, TRUE},
    {2, 300, 200, 4, 128},
    {1, 70, 90, 2, 256},
    {40, 288, 288, 5, 64},
    {1, 2304, 77, 5, 64},
    {2, 4096, 1374, 2, 64},
    {2, 1, 1024, 2, 64},
    {3, 193, 1025, 2, 64},
    {2, 1153, 1153, 2, 64, TRUE},
    {5, 1300, 1100, 5, 64}, /* more than there are multiprocessors */
    {2, 1300, 1300, 3, 64, TRUE, FALSE, 0.1f},
    {1, 700, 3001, 2, 64, FALSE, FALSE, 8}, /* tops far from the first */
    {1, 1536, 1536, 5, 64, TRUE, FALSE, 30},
    {2, 512, 512, 2, 64, TRUE},
    {1, 576, 385, 3, 64},
    /* heads below 64 */
    {2, 5, 5, 1, 32, TRUE},
    {20, 144, 4, 1, 32},
    {10, 288, 288, 1, 32, TRUE},
    {5, 288, 288, 2, 48, TRUE},
    {1, 187, 261, 2, 48},
    {3, 385, 385, 2, 40, TRUE},
    {2, 1000, 700, 3, 56},
    {2, 601, 1000, 3, 8},
    {5, 1300, 1100, 5, 32},
    {1, 1536, 1536, 3, 48, TRUE, FALSE, 30},
    /* few keys of many heads, which stay */
    {30, 400, 77, 12, 64},
    {37, 288, 288, 16, 32, TRUE},
    {30, 400, 384, 12, 64, FALSE, FALSE, 30},
    /* not cuDNN's */
    {1, 1, 1, 1, 1},
    {2, 7, 5, 3, 4},
    {2, 33, 77, 3, 20},
    {3, 11, 11, 2, 12, TRUE},
    {2, 576, 576, 1, 512},
    {1, 9216, 9216, 1, 512},
    {1, 100, 40001, 3, 4},
    {10, 18432, 18432, 5, 64, TRUE, TRUE},
    {10, 4608, 4608, 10, 64, TRUE, TRUE},
    {10, 1152, 1152, 20, 64, TRUE, TRUE},
    {10, 288, 288, 20, 64, TRUE, TRUE},
    {384, 384, 384, 5, 64, TRUE, TRUE},
    {192, 192, 192, 10, 64, TRUE, TRUE},
    {96, 96, 96, 20, 64, TRUE, TRUE},
    {20, 9216, 77, 5, 64, FALSE, TRUE},
    {2, 4096, 4096, 16, 64, TRUE, TRUE},
    {2, 4096, 1374, 16, 64, FALSE, TRUE},
    {1, 1374, 1374, 16, 64, TRUE, TRUE},
    {4, 4101, 4101, 16, 64, TRUE, TRUE},
    {2, 1560, 1560, 16, 64, TRUE, TRUE},
    {1, 1560, 1374, 16, 64, FALSE, TRUE},
    {20, 512, 512, 10, 64, TRUE, TRUE},
    {10, 768, 768, 10, 64, TRUE, TRUE},
    {30, 288, 288, 1, 32, TRUE, TRUE},
    {10, 2304, 2304, 8, 32, TRUE, TRUE},
    {5, 9216, 9216, 1, 512, FALSE, TRUE},
};

/* clang-format on */

static gboolean
sdpa_run (gpointer data, GError **error)
{
  SdpaJob *j = data;

  return shu_cuda_sdpa (cuda, &j->sdpa, j->scratch, error);
}

/* Where the channel @c of token @t of sequence @b lies. */
static gsize
token (gint64 b, gint64 t, gint64 T, gint64 ld, gint64 c)
{
  return (gsize) ((b * T + t) * ld + c);
}

static double
sdpa_expect (gpointer data, gsize index)
{
  SdpaJob *j = data;
  const ShuCudaSdpa *s = &j->sdpa;
  const Array *k = j->k.n ? &j->k : &j->q, *v = j->v.n ? &j->v : &j->q;
  gint64 i = (gint64) index, C = s->NH * (gint64) s->HD, c = i % C;
  gint64 t = i / C % s->Tq, b = i / C / s->Tq, head = c - c % s->HD;
  g_autofree double *score = g_new (double, s->Tk);
  double top = -G_MAXDOUBLE, sum = 0, y = 0;

  for (gint64 n = 0; n < s->Tk; n++) {
    score[n] = 0;
    for (gint64 d = head; d < head + s->HD; d++)
      score[n] += value (&j->q, token (b, t, s->Tq, s->ldq, d)) *
                  value (k, j->k_at + token (b, n, s->Tk, s->ldk, d));
    score[n] /= sqrt (s->HD);
    top = MAX (top, score[n]);
  }
  for (gint64 n = 0; n < s->Tk; n++) {
    double e = exp (score[n] - top);

    sum += e;
    y += e * value (v, j->v_at + token (b, n, s->Tk, s->ldv, c));
  }
  return y / sum;
}

static void
check_sdpa (const SdpaRow *r)
{
  gint64 C = (gint64) r->NH * r->HD;
  g_autofree char *name = g_strdup_printf (
      "attention batch %" G_GINT64_FORMAT " queries %" G_GINT64_FORMAT
      " keys %" G_GINT64_FORMAT " heads %d of %d packed %d, sm_%d",
      r->B, r->Tq, r->Tk, r->NH, r->HD, r->packed, cuda->sm);
  SdpaJob j = {
      .sdpa = {.B = r->B, .Tq = r->Tq, .Tk = r->Tk, .NH = r->NH, .HD = r->HD}};
  Row row = {name, sdpa_run, sdpa_expect, &j,
      4. * (double) (r->B * r->Tq) * (double) (r->Tk * C),
      2. * (double) r->Tk * (r->HD + 16)};
  float spread = r->spread > 0 ? r->spread : 2;
  gsize scratch;

  array_random (&j.q, (gsize) (r->B * r->Tq * C * (r->packed ? 3 : 1)), spread);
  if (r->packed) {
    j.k_at = (gsize) C;
    j.v_at = (gsize) (2 * C);
  } else {
    array_random (&j.k, (gsize) (r->B * r->Tk * C), spread);
    array_random (&j.v, (gsize) (r->B * r->Tk * C), spread);
  }
  array_new (&j.y, (gsize) (r->B * r->Tq * C));
  j.sdpa.ldq = j.sdpa.ldk = j.sdpa.ldv = r->packed ? 3 * C : C;
  j.sdpa.q = j.q.device;
  j.sdpa.k = r->packed ? j.q.device + j.k_at : j.k.device;
  j.sdpa.v = r->packed ? j.q.device + j.v_at : j.v.device;
  j.sdpa.y = j.y.device;
  scratch = shu_cuda_sdpa_scratch (cuda, &j.sdpa);
  if (scratch > 0)
    must (cudaMalloc (&j.scratch, scratch));
  check_row (&row, &j.y);
  array_clear (&j.q);
  array_clear (&j.k);
  array_clear (&j.v);
  array_clear (&j.y);
  must (cudaFree (j.scratch));
}

static void
test_sdpa (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (sdpa_rows); i++)
    if (!sdpa_rows[i].perf || g_test_perf ())
      check_sdpa (&sdpa_rows[i]);
}

/* What the libraries do on cards that we have no kernels for */
static void
test_sdpa_elsewhere (void)
{
  int sm = cuda->sm;

  if (sm != 90) {
    g_test_skip ("the test before did that");
    return;
  }
  cuda->sm = 80;
  test_sdpa ();
  cuda->sm = sm;
}

/* ---- main ---- */

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ShuCtx) c = shu_ctx_new ("cuda:0", &error);

  g_test_init (&argc, &argv, NULL);
  if (!c) {
    g_print ("1..0 # SKIP %s\n", error->message);
    return 77;
  }
  cuda = shu_cuda (c);
  g_test_add_func ("/ops/cuda_libs/gemm", test_gemm);
  g_test_add_func ("/ops/cuda_libs/product_parts", test_parts);
  g_test_add_func ("/ops/cuda_libs/geglu", test_geglu);
  g_test_add_func ("/ops/cuda_libs/conv", test_conv);
  g_test_add_func ("/ops/cuda_libs/sdpa", test_sdpa);
  g_test_add_func ("/ops/cuda_libs/sdpa_elsewhere", test_sdpa_elsewhere);
  return g_test_run ();
}
