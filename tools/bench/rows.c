/* SPDX-License-Identifier: MIT */
/* How fast the operations are on the CPU at the shapes of the mini networks.
 * Linear layers and convolutions stand beside the bare oneDNN primitive, run in
 * turn with ours, so that both meet the same machine; the best of a number of
 * runs counts.  Then: how long a model folder takes to load. */
#include "bench.h"
#include "base/error.h"
#include "ops/cpu/measure.h"
#include "ops/ops.h"
#include "stages/measure.h"
#include <stdio.h>
#include <string.h>
#include <time.h>

typedef enum {
  LINEAR,
  CONV2D,
  CONV3D,
  UPSAMPLE,
  ATTENTION,
  GROUP_NORM,
  LAYER_NORM,
  GEGLU,
  SPARSE,
  SUBDIVIDED,
  ADD,
} Kind;

typedef struct {
  Kind kind;
  const char *what;
  gint64 size[5];
} Row;

/* linear M, Ci, Co; convolutions B, side, Ci, Co, k; attention B, Tq, Tk, C,
 * heads; norms B, T, C; sparse N, Ci, Co */
static const Row rows[] = {
    {LINEAR, "UNet level 0 q, k, v", {11520, 64, 64}},
    {LINEAR, "UNet level 0 GEGLU down", {11520, 256, 64}},
    {LINEAR, "UNet level 1 q, k, v", {2880, 128, 128}},
    {LINEAR, "UNet level 1 GEGLU up", {2880, 128, 1024}},
    {LINEAR, "UNet level 1 GEGLU down", {2880, 512, 128}},
    {LINEAR, "UNet level 2", {720, 128, 128}},
    {LINEAR, "DiT qkv", {1024, 128, 384}},
    {LINEAR, "DiT modulation", {2, 128, 768}},
    {LINEAR, "DINO qkv, 8 views", {8232, 128, 384}},
    {LINEAR, "DINO MLP, 8 views", {8232, 512, 128}},
    {LINEAR, "mesh decoder MLP", {828, 256, 512}},
    {CONV2D, "UNet conv_in", {20, 24, 8, 64, 3}},
    {CONV2D, "UNet level 0", {20, 24, 64, 64, 3}},
    {CONV2D, "UNet level 0, skip", {20, 24, 192, 64, 3}},
    {CONV2D, "UNet level 0, shortcut", {20, 24, 192, 64, 1}},
    {CONV2D, "UNet level 1", {20, 12, 128, 128, 3}},
    {CONV2D, "UNet level 1, skip", {20, 12, 256, 128, 3}},
    {CONV2D, "UNet level 2", {20, 6, 128, 128, 3}},
    {CONV2D, "VAE 24", {9, 24, 96, 96, 3}},
    {CONV2D, "VAE 48", {9, 48, 64, 64, 3}},
    {CONV2D, "VAE 96", {9, 96, 64, 64, 3}},
    {CONV2D, "VAE 192", {9, 192, 32, 32, 3}},
    {CONV2D, "VAE conv_out", {9, 192, 32, 3, 3}},
    {CONV2D, "VAE encoder conv_in", {2, 192, 3, 32, 3}},
    {CONV3D, "structure decoder 8", {1, 8, 64, 64, 3}},
    {CONV3D, "structure decoder 16", {1, 16, 32, 32, 3}},
    {CONV3D, "structure decoder 32", {1, 32, 16, 16, 3}},
    {UPSAMPLE, "VAE 96 to 192", {9, 96, 64, 64, 3}},
    {UPSAMPLE, "UNet 12 to 24", {20, 12, 128, 128, 3}},
    {ATTENTION, "UNet level 0, two domains", {10, 1152, 1152, 64, 1}},
    {ATTENTION, "UNet level 0, rows", {96, 96, 96, 64, 1}},
    {ATTENTION, "UNet level 1, two domains", {10, 288, 288, 128, 2}},
    {ATTENTION, "UNet level 0, text", {20, 576, 4, 64, 1}},
    {ATTENTION, "DINO, 8 views", {8, 1029, 1029, 128, 2}},
    {ATTENTION, "VAE middle", {9, 576, 576, 96, 1}},
    {GEGLU, "UNet level 0", {11520, 64, 256}},
    {GROUP_NORM, "UNet level 0", {20, 576, 64}},
    {GROUP_NORM, "VAE 192", {9, 36864, 32}},
    {LAYER_NORM, "UNet level 0", {20, 576, 64}},
    {LAYER_NORM, "DINO, 8 views", {8, 1029, 128}},
    {ADD, "VAE 192", {9, 36864, 32}},
    {SPARSE, "mesh decoder 64", {6624, 64, 64}},
    {SPARSE, "mesh decoder 128", {52992, 32, 32}},
    {SUBDIVIDED, "mesh decoder 32 to 64", {828, 256, 64}},
    {SUBDIVIDED, "mesh decoder 64 to 128", {6624, 64, 32}},
};

static const char *const kind_names[] = {"linear", "conv2d", "conv3d",
    "upsample+conv", "attention", "group_norm", "layer_norm", "geglu",
    "sparse_conv", "sparse_conv_sub", "add"};

typedef struct {
  ShuCtx *c;
  ShuTensor *x, *y, *z, *nbr;
  ShuLinear linear;
  ShuConv conv;
  ShuNorm norm;
} Subject;

static ShuTensor *
values (ShuCtx *c, int n_dims, const gint64 *dims)
{
  ShuTensor *t = shu_scoped (c, SHU_DTYPE_F32, n_dims, dims);

  if (!shu_ctx_failed (c))
    for (gsize i = 0; i < t->n; i++)
      ((float *) t->data)[i] = (float) (i * 7919 % 1000) * 0.002f - 1.f;
  return t;
}

/* As on a surface: about ten of the 27 neighbours are there. */
static ShuTensor *
surface_neighbours (ShuCtx *c, gint64 N)
{
  ShuTensor *t = shu_scoped (c, SHU_DTYPE_I32, SHU_DIMS (N, 27));

  if (!shu_ctx_failed (c))
    for (gint64 i = 0; i < N * 27; i++)
      ((gint32 *) t->data)[i] =
          i * 7919 % 27 < 10 ? (gint32) ((i / 27 + i % 27 * 13) % N) : -1;
  return t;
}

static Subject
prepare (ShuCtx *c, const Row *r)
{
  const gint64 *s = r->size;
  Subject t = {.c = c};

  switch (r->kind) {
  case LINEAR:
  case GEGLU:
    t.x = values (c, SHU_DIMS (s[0], s[1]));
    t.linear.w =
        values (c, SHU_DIMS (r->kind == GEGLU ? 2 * s[2] : s[2], s[1]));
    t.linear.b = values (c, SHU_DIMS (t.linear.w->dims[0]));
    break;
  case CONV2D:
  case UPSAMPLE:
    t.x = values (c, SHU_DIMS (s[0], s[1], s[1], s[2]));
    t.conv.w = values (c, SHU_DIMS (s[3], s[2], s[4], s[4]));
    t.conv.b = values (c, SHU_DIMS (s[3]));
    break;
  case CONV3D:
    t.x = values (c, SHU_DIMS (s[0], s[1], s[1], s[1], s[2]));
    t.conv.w = values (c, SHU_DIMS (s[3], s[2], s[4], s[4], s[4]));
    t.conv.b = values (c, SHU_DIMS (s[3]));
    break;
  case ATTENTION:
    t.x = values (c, SHU_DIMS (s[0], s[1], s[3]));
    t.y = values (c, SHU_DIMS (s[0], s[2], s[3]));
    t.z = values (c, SHU_DIMS (s[0], s[2], s[3]));
    break;
  case GROUP_NORM:
  case LAYER_NORM:
  case ADD:
    t.x = values (c, SHU_DIMS (s[0], s[1], s[2]));
    t.y = values (c, SHU_DIMS (s[0], s[1], s[2]));
    t.norm =
        (ShuNorm){values (c, SHU_DIMS (s[2])), values (c, SHU_DIMS (s[2]))};
    break;
  case SPARSE:
  case SUBDIVIDED:
    t.x = values (c, SHU_DIMS (s[0], s[1]));
    t.conv.w = values (c, SHU_DIMS (s[2], 3, 3, 3, s[1]));
    t.conv.b = values (c, SHU_DIMS (s[2]));
    t.nbr = surface_neighbours (c, s[0]);
    break;
  }
  return t;
}

static void
run_once (const Row *r, const Subject *t)
{
  SHU_SCOPE (t->c);
  int pad = (int) r->size[4] / 2;
  ShuConvParams p = {
      .pad_before = pad, .pad_after = pad, .upsample = r->kind == UPSAMPLE};

  switch (r->kind) {
  case LINEAR:
    shu_linear (t->c, t->x, &t->linear);
    break;
  case GEGLU:
    shu_linear_geglu (t->c, t->x, &t->linear);
    break;
  case CONV2D:
  case UPSAMPLE:
    shu_conv2d (t->c, t->x, &t->conv, &p);
    break;
  case CONV3D:
    shu_conv3d (t->c, t->x, &t->conv, &p);
    break;
  case ATTENTION:
    shu_attention (t->c, t->x, t->y, t->z, (int) r->size[4]);
    break;
  case GROUP_NORM:
    shu_group_norm (t->c, t->x, &t->norm, 32, 1e-5f, SHU_ACT_SILU);
    break;
  case LAYER_NORM:
    shu_layer_norm (t->c, t->x, &t->norm, 1e-6f);
    break;
  case ADD:
    shu_add (t->c, t->x, t->y);
    break;
  case SPARSE:
    shu_sparse_conv (t->c, t->x, t->nbr, &t->conv);
    break;
  case SUBDIVIDED:
    shu_sparse_conv_subdivided (t->c, t->x, t->nbr, &t->conv);
    break;
  }
}

/* Operations (2 for a multiply-add) of one run; 0 where bytes are counted.
 * Of sparse neighbours those that are there count. */
static double
work (const Row *r)
{
  double s[5];

  for (int i = 0; i < 5; i++)
    s[i] = (double) r->size[i];
  switch (r->kind) {
  case LINEAR:
    return 2 * s[0] * s[1] * s[2];
  case GEGLU:
    return 4 * s[0] * s[1] * s[2];
  case CONV2D:
    return 2 * s[0] * s[1] * s[1] * s[2] * s[3] * s[4] * s[4];
  case UPSAMPLE:
    return 8 * s[0] * s[1] * s[1] * s[2] * s[3] * s[4] * s[4];
  case CONV3D:
    return 2 * s[0] * s[1] * s[1] * s[1] * s[2] * s[3] * s[4] * s[4] * s[4];
  case ATTENTION:
    return 4 * s[0] * s[1] * s[2] * s[3];
  case SPARSE:
    return 2 * 10 * s[0] * s[1] * s[2];
  case SUBDIVIDED:
    return 2 * 8 * 3 * s[0] * s[1] * s[2];
  default:
    return 0;
  }
}

static ShuMeasure *
yardstick (const Row *r)
{
  const gint64 *s = r->size;

  switch (r->kind) {
  case LINEAR:
    return shu_measure_linear_new (s[0], s[1], s[2]);
  case CONV2D:
    return shu_measure_conv_new (2, s[0], s[1], s[2], s[3], (int) s[4]);
  case CONV3D:
    return shu_measure_conv_new (3, s[0], s[1], s[2], s[3], (int) s[4]);
  default:
    return NULL;
  }
}

static gboolean processor_time; /* instead of the clock on the wall */

double
bench_now (gboolean of_processor)
{
  struct timespec t;

  if (of_processor && clock_gettime (CLOCK_PROCESS_CPUTIME_ID, &t) == 0)
    return (double) t.tv_sec + (double) t.tv_nsec * 1e-9;
  return (double) g_get_monotonic_time () * 1e-6;
}

/* Best seconds of ours and (0 where there is none) of the yardstick. */
static void
measure (ShuCtx *c, const Row *r, double budget, double *ours, double *raw)
{
  SHU_SCOPE (c);
  Subject t = prepare (c, r);
  g_autoptr (ShuMeasure) m = yardstick (r);
  double end, one;
  int repeat = 1;

  run_once (r, &t);
  one = bench_now (processor_time);
  run_once (r, &t);
  one = bench_now (processor_time) - one;
  /* the clock counts microseconds */
  repeat = (int) CLAMP (2e-4 / MAX (one, 1e-6), 1, 100);
  if (m)
    shu_measure_run (m);
  *ours = *raw = 1e9;
  end = bench_now (processor_time) + budget;
  do {
    double start = bench_now (processor_time), middle;

    for (int i = 0; i < repeat; i++)
      run_once (r, &t);
    middle = bench_now (processor_time);
    *ours = MIN (*ours, (middle - start) / repeat);
    for (int i = 0; m && i < repeat; i++)
      shu_measure_run (m);
    *raw = MIN (*raw, (bench_now (processor_time) - middle) / repeat);
  } while (bench_now (processor_time) < end);
  if (!m)
    *raw = 0;
}

/* Billions of operations, or of bytes in and out, in a second. */
static double
rate (const Row *r, double seconds)
{
  double bytes = (double) (r->size[0] * r->size[1] * r->size[2]) * 4 *
                 (r->kind == ADD ? 3 : 2);

  return (work (r) > 0 ? work (r) : bytes) / seconds * 1e-9;
}

static void
print_row (const Row *r, double ours, double raw, gboolean json, gboolean first)
{
  g_autoptr (GString) size = g_string_new (NULL);

  for (int i = 0; i < 5 && r->size[i]; i++)
    g_string_append_printf (
        size, "%s%" G_GINT64_FORMAT, i ? "," : "", r->size[i]);
  if (json) {
    printf ("%s\n  {\"op\": \"%s\", \"what\": \"%s\", \"size\": [%s], "
            "\"ms\": %.4f, \"rate\": %.2f, \"unit\": \"%s\"",
        first ? "" : ",", kind_names[r->kind], r->what, size->str, ours * 1e3,
        rate (r, ours), work (r) > 0 ? "GFLOP/s" : "GB/s");
    if (raw > 0)
      printf (", \"onednn_ms\": %.4f, \"onednn_rate\": %.2f, \"part\": %.3f",
          raw * 1e3, rate (r, raw), raw / ours);
    printf ("}");
    return;
  }
  printf ("%-15s %-26s %-20s %9.3f %8.1f %-7s", kind_names[r->kind], r->what,
      size->str, ours * 1e3, rate (r, ours), work (r) > 0 ? "GFLOP/s" : "GB/s");
  if (raw > 0)
    printf (
        " %9.3f %8.1f %5.0f %%", raw * 1e3, rate (r, raw), 100 * raw / ours);
  printf ("\n");
}

enum { LOADS = 5 };

static void
print_load_row (const char *what, double seconds, gboolean json, gboolean first)
{
  if (json)
    printf ("%s\n  {\"op\": \"load\", \"what\": \"%s\", \"ms\": %.4f}",
        first ? "" : ",", what, seconds * 1e3);
  else
    printf ("%-15s %-26s %-20s %9.3f\n", "load", what, "", seconds * 1e3);
}

static gboolean
print_load (const char *folder, gboolean json, gboolean first, GError **error)
{
  ShuLoadTime times[SHU_N_LOAD_TIMES];
  double total = 0;

  if (!shu_measure_load (folder, LOADS, times, error))
    return FALSE;
  for (int i = 0; i < SHU_N_LOAD_TIMES; i++) {
    print_load_row (times[i].what, times[i].seconds, json, first && i == 0);
    total += times[i].seconds;
  }
  print_load_row ("everything", total, json, FALSE);
  return TRUE;
}

gboolean
bench_rows (const BenchOptions *o, GError **error)
{
  g_autoptr (ShuCtx) c = shu_ctx_new ("cpu", error);
  gboolean first = TRUE;

  if (!c)
    return FALSE;
  processor_time = o->processor_time;
  if (o->json)
    printf ("[");
  else
    printf ("%-15s %-26s %-20s %9s %8s %-7s %9s %8s %7s\n", "operation", "what",
        "size", "ms", "rate", "", "oneDNN ms", "rate", "part");
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    double ours, raw;

    if (o->only && strcmp (o->only, kind_names[rows[i].kind]) != 0)
      continue;
    measure (c, &rows[i], o->seconds > 0 ? o->seconds : 0.2, &ours, &raw);
    if (!shu_ctx_finish (c, error))
      return FALSE;
    print_row (&rows[i], ours, raw, o->json, first);
    first = FALSE;
  }
  if ((!o->only || strcmp (o->only, "load") == 0) &&
      !print_load (o->model, o->json, first, error))
    return FALSE;
  if (o->json)
    printf ("\n]\n");
  return TRUE;
}
