/* SPDX-License-Identifier: MIT */
/* Operations that are several steps in one pass against the steps. */
#include "harness.h"
#include <math.h>
#include <string.h>

static const double LIMIT = 1e-11;

/* ---- residual and norm ---- */

typedef struct {
  gint64 size[4], step[4], first, present;
  gint64 C;
  int blend;
  gboolean h, gate, affine, modulated, rest;
} AddRow;

static const AddRow add_rows[] = {
    {{5, 1, 1, 1}, {1, 0, 0, 0}, 0, 1, 1},
    {{7, 1, 1, 1}, {1, 0, 0, 0}, 0, 1, 64, .h = TRUE},
    {{3, 4, 1, 5}, {20, 5, 0, 1}, 0, 4, 33, .h = TRUE, .affine = TRUE},
    {{2, 3, 1, 9}, {9, 18, 0, 1}, 0, 3, 320, .h = TRUE, .affine = TRUE},
    {{2, 6, 1, 36}, {36, 72, 0, 1}, 0, 6, 40, .blend = 3, .h = TRUE},
    {{2, 6, 1, 81}, {81, 162, 0, 1}, 0, 6, 13, .blend = 2, .h = TRUE,
        .affine = TRUE},
    {{2, 6, 6, 6}, {216, 36, 6, 1}, 0, 6, 40, .blend = 3, .h = TRUE},
    {{4, 5, 6, 3}, {72, 3, 12, 1}, 0, 4, 640, .h = TRUE, .affine = TRUE},
    {{1, 2, 1, 33}, {0, 33, 0, 1}, 1, 1, 1024, .h = TRUE, .rest = TRUE,
        .gate = TRUE, .modulated = TRUE},
    {{1, 3, 1, 8}, {0, 8, 0, 1}, 1, 2, 128, .h = TRUE},
    {{2, 1, 1, 31}, {31, 0, 0, 1}, 0, 1, 1280, .modulated = TRUE},
    {{2, 1, 1, 4}, {4, 0, 0, 1}, 0, 1, 2304, .h = TRUE, .gate = TRUE,
        .affine = TRUE},
};

/* Where the other tensor has row @r, or -1. */
static gint64
place (const AddRow *a, gint64 r, gint64 i[4])
{
  for (int k = 3; k >= 0; k--) {
    i[k] = r % a->size[k];
    r /= a->size[k];
  }
  if (i[1] < a->first || i[1] >= a->first + a->present)
    return -1;
  return i[0] * a->step[0] + (i[1] - a->first) * a->step[1] +
         i[2] * a->step[2] + i[3] * a->step[3];
}

/* The row of view 0 that pixel @i of the last view is blended into lies at
 * a third of its place; the inverse here. */
static gint64
face_row (const AddRow *a, const gint64 i[4])
{
  gint64 n = a->size[2] * a->size[3], side = (gint64) (sqrt ((double) n) + 0.5);
  gint64 pixel = i[2] * a->size[3] + i[3], y = pixel / side, x = pixel % side;
  gint64 from[4] = {i[0], i[1], 0, 0}, ignored[4], r = 0;

  if (!a->blend || i[1] % a->blend != 0 || y >= side / 3 || x < side / 3 ||
      x >= side / 3 * 2)
    return -1;
  pixel = (3 * y + 1) * side + 3 * (x - side / 3) + 1;
  from[1] += a->blend - 1;
  from[2] = pixel / a->size[3];
  from[3] = pixel % a->size[3];
  for (int k = 0; k < 4; k++)
    r = r * a->size[k] + from[k];
  return place (a, r, ignored);
}

/* x + gate h */
static double *
sum_reference (const AddRow *a, ShuTensor *x, const ShuAddNorm *p)
{
  double *ref = reference_new (x);
  gsize C = (gsize) a->C, rows = x->n / C;

  for (gsize r = 0; r < rows; r++) {
    gint64 i[4], own = place (a, (gint64) r, i), face = face_row (a, i);

    for (gsize k = 0; k < C; k++) {
      double h = 0;

      if (p->h && own >= 0) {
        h = at (p->h, (gsize) own * C + k);
        if (face >= 0)
          h = (h + at (p->h, (gsize) face * C + k)) / 2;
        if (p->gate)
          h *= at (p->gate, r / (rows / (p->gate->n / C)) * C + k);
      } else if (p->h && p->rest) {
        h = at (p->rest, k);
      }
      ref[r * C + k] = at (x, r * C + k) + h;
    }
  }
  return ref;
}

static double *
norm_reference (const AddRow *a, ShuTensor *y, const double *sum, gsize rows,
    const ShuNorm *norm, const ShuAddNorm *p)
{
  double *ref = reference_new (y);
  gsize C = (gsize) a->C;

  for (gsize r = 0; r < rows; r++) {
    gint64 i[4], to = place (a, (gint64) r, i);
    double mean = 0, var = 0;

    if (to < 0)
      continue;
    for (gsize k = 0; k < C; k++)
      mean += sum[r * C + k] / (double) C;
    for (gsize k = 0; k < C; k++)
      var += (sum[r * C + k] - mean) * (sum[r * C + k] - mean) / (double) C;
    for (gsize k = 0; k < C; k++) {
      double v = (sum[r * C + k] - mean) / sqrt (var + p->eps);

      if (norm)
        v = v * at (norm->w, k) + at (norm->b, k);
      if (p->scale) {
        gsize part = r / (rows / (p->scale->n / C)) * C + k;

        v = v * (1 + at (p->scale, part)) + at (p->shift, part);
      }
      ref[(gsize) to * C + k] = v;
    }
  }
  return ref;
}

static void
check_add_row (ShuCtx *c, const AddRow *a, const char *name)
{
  SHU_SCOPE (c);
  ShuOrder order = {.first = a->first, .present = a->present};
  gint64 *n = order.size;
  ShuNorm norm;
  ShuAddNorm p = {.h_order = &order, .y_order = &order, .eps = 1e-5f};
  g_autofree double *sum_expected = NULL;
  ShuTensor *x, *y, *sum;
  gint64 rows, there;

  memcpy (order.size, a->size, sizeof order.size);
  memcpy (order.step, a->step, sizeof order.step);
  rows = n[0] * n[1] * n[2] * n[3];
  there = rows / n[1] * a->present;
  x = random_tensor (c, SHU_DIMS (rows, a->C));
  norm = (ShuNorm){
      random_tensor (c, SHU_DIMS (a->C)), random_tensor (c, SHU_DIMS (a->C))};
  p.blend = a->blend;
  p.h = a->h ? random_tensor (c, SHU_DIMS (there, a->C)) : NULL;
  p.rest = a->rest ? random_tensor (c, SHU_DIMS (a->C)) : NULL;
  p.gate = a->gate ? random_tensor (c, SHU_DIMS (n[0], 1, a->C)) : NULL;
  p.scale = a->modulated ? random_tensor (c, SHU_DIMS (n[0], 1, a->C)) : NULL;
  p.shift = a->modulated ? random_tensor (c, SHU_DIMS (n[0], 1, a->C)) : NULL;
  y = shu_add_norm (c, x, a->affine ? &norm : NULL, &p, &sum);
  g_assert_cmpint (y->dims[0], ==, there);
  sum_expected = sum_reference (a, x, &p);
  check_nmse (c, name, y,
      norm_reference (
          a, y, sum_expected, (gsize) rows, a->affine ? &norm : NULL, &p),
      MAX (LIMIT, on_gpu () ? 2e-6 : 0));
  check_nmse (c, name, sum, g_steal_pointer (&sum_expected), LIMIT);
}

static void
test_add_norm (void)
{
  g_autoptr (ShuCtx) c = context_new ();

  for (gsize i = 0; i < G_N_ELEMENTS (add_rows); i++) {
    g_autofree char *name = g_strdup_printf ("row %d", (int) i);

    check_add_row (c, &add_rows[i], name);
  }
}

static void
test_add_norm_wrong (void)
{
  g_autoptr (ShuCtx) c = context_new ();
  ShuTensor *x = random_tensor (c, SHU_DIMS (6, 8));
  ShuTensor *h = random_tensor (c, SHU_DIMS (5, 8));
  const ShuOrder beyond = {{2, 3, 1, 1}, {4, 1, 0, 0}, 0, 3};
  const ShuOrder outside = {{2, 3, 1, 1}, {2, 1, 0, 0}, 2, 2};
  const ShuAddNorm rows[] = {{.h = h}, {.y_order = &beyond},
      {.y_order = &outside}, {.h = x, .blend = 2},
      {.scale = random_tensor (c, SHU_DIMS (8))},
      {.h = x, .gate = random_tensor (c, SHU_DIMS (4, 8))}};

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    shu_add_norm (c, x, NULL, &rows[i], NULL);
    CHECK_FAILS (c, SHU_ERROR_INVALID, "add_norm", "[6,8]");
  }
}

/* ---- a layer before that ---- */

/* @B: vectors of gate, scale and shift; h has @present of every @views rows */
typedef struct {
  gint64 B, views, T, K, C, present;
  gboolean bias, gate, affine, modulated, rest;
} LinearRow;

static const LinearRow linear_rows[] = {
    {1, 1, 3, 7, 5, 1},
    {2, 3, 9, 64, 33, 2, .bias = TRUE, .gate = TRUE, .rest = TRUE},
    {2, 1, 257, 5120, 1280, 1, .bias = TRUE, .gate = TRUE, .affine = TRUE},
    {1, 1, 1374, 4096, 1024, 1, .bias = TRUE, .gate = TRUE, .affine = TRUE},
    {1, 1, 519, 5128, 1272, 1, .affine = TRUE},
    {3, 2, 173, 3080, 1160, 1, .bias = TRUE, .gate = TRUE, .modulated = TRUE,
        .rest = TRUE},
    {1, 1, 300, 2120, 2040, 1, .bias = TRUE, .affine = TRUE},
};

static double *
values_of (ShuCtx *c, ShuTensor *x)
{
  ShuTensor *host = to_host (c, x);
  double *ret = reference_new (host);

  for (gsize i = 0; i < host->n; i++)
    ret[i] = at (host, i);
  return ret;
}

static void
check_linear_row (ShuCtx *c, const LinearRow *r, const char *name)
{
  SHU_SCOPE (c);
  gint64 rows = r->B * r->views * r->T, there = r->B * r->present * r->T;
  const ShuOrder order = {{r->B, r->views, 1, r->T},
      {r->present * r->T, r->T, 0, 1}, 0, r->present};
  const gboolean modulated = r->modulated, gate = r->gate;
  ShuLinear l = {random_tensor (c, SHU_DIMS (r->C, r->K)),
      r->bias ? random_tensor (c, SHU_DIMS (r->C)) : NULL};
  ShuNorm norm = {
      random_tensor (c, SHU_DIMS (r->C)), random_tensor (c, SHU_DIMS (r->C))};
  ShuAddNorm p = {.h = random_tensor (c, SHU_DIMS (there, r->K)),
      .rest = r->rest ? random_tensor (c, SHU_DIMS (r->C)) : NULL,
      .gate = gate ? random_tensor (c, SHU_DIMS (r->B, 1, r->C)) : NULL,
      .scale = modulated ? random_tensor (c, SHU_DIMS (r->B, 1, r->C)) : NULL,
      .shift = modulated ? random_tensor (c, SHU_DIMS (r->B, 1, r->C)) : NULL,
      .h_order = r->views > 1 ? &order : NULL,
      .eps = 1e-5f};
  ShuTensor *x = random_tensor (c, SHU_DIMS (rows, r->C)), *y, *sum, *y2, *sum2;
  double limit = on_gpu () ? 2e-6 : LIMIT;

  y = shu_linear_add_norm (c, x, &l, r->affine ? &norm : NULL, &p, &sum);
  p.h = shu_linear (c, p.h, &l);
  y2 = shu_add_norm (c, x, r->affine ? &norm : NULL, &p, &sum2);
  check_nmse (c, name, y, values_of (c, y2), limit);
  check_nmse (c, name, sum, values_of (c, sum2), limit);
}

static void
test_linear_add_norm (void)
{
  g_autoptr (ShuCtx) c = context_new ();

  for (gsize i = 0; i < G_N_ELEMENTS (linear_rows); i++) {
    g_autofree char *name = g_strdup_printf ("row %d", (int) i);

    check_linear_row (c, &linear_rows[i], name);
  }
}

static void
test_linear_add_norm_wrong (void)
{
  g_autoptr (ShuCtx) c = context_new ();
  ShuTensor *x = random_tensor (c, SHU_DIMS (6, 8));
  ShuTensor *h = random_tensor (c, SHU_DIMS (6, 24));
  ShuLinear l = {random_tensor (c, SHU_DIMS (8, 24)), NULL};
  ShuLinear other = {random_tensor (c, SHU_DIMS (8, 16)), NULL};
  const ShuAddNorm fits = {.h = h};
  const ShuAddNorm few = {.h = random_tensor (c, SHU_DIMS (5, 24))};

  shu_linear_add_norm (c, x, &other, NULL, &fits, NULL);
  CHECK_FAILS (c, SHU_ERROR_INVALID, "linear", "[6,24]");
  shu_linear_add_norm (c, x, &l, NULL, &few, NULL);
  CHECK_FAILS (c, SHU_ERROR_INVALID, "add_norm", "[6,8]");
}

/* ---- self-attention ---- */

typedef struct {
  gint64 B, T, Ci, C;
  int n_heads, n;
  gboolean bias, gamma;
} SelfRow;

static const SelfRow self_rows[] = {
    {1, 1, 3, 4, 1, 3, FALSE, FALSE},
    {2, 9, 32, 32, 2, 3, FALSE, FALSE},
    {3, 17, 64, 64, 1, 3, TRUE, TRUE},
    {2, 33, 48, 64, 4, 1, TRUE, TRUE},
    {1, 130, 128, 128, 2, 1, FALSE, FALSE},
    {2, 5, 7, 15, 3, 1, TRUE, TRUE},
};

static ShuTensor *
heads_normed (ShuCtx *c, ShuTensor *x, ShuTensor *gamma)
{
  ShuTensor *h;

  if (!gamma)
    return x;
  h = shu_reshape (
      c, x, SHU_DIMS (x->dims[0], x->dims[1], gamma->dims[0], gamma->dims[1]));
  return shu_reshape_like (c, shu_rms_norm_heads (c, h, gamma), x);
}

/* The steps, each tested elsewhere */
static ShuTensor *
self_steps (ShuCtx *c, ShuTensor *x, const ShuSelfAttention *p, gint64 C)
{
  ShuTensor *qkv[3], *all = NULL;

  if (p->n == 1)
    all = shu_reshape (
        c, shu_linear (c, x, p->l[0]), SHU_DIMS (x->dims[0], x->dims[1], 3, C));
  for (int i = 0; i < 3; i++)
    qkv[i] = all ? shu_reshape (c, shu_slice (c, all, 2, i, 1),
                       SHU_DIMS (x->dims[0], x->dims[1], C))
                 : shu_linear (c, x, p->l[i]);
  return shu_attention (c, heads_normed (c, qkv[0], p->q_gamma),
      heads_normed (c, qkv[1], p->k_gamma), qkv[2], p->n_heads);
}

static void
test_self_attention (void)
{
  g_autoptr (ShuCtx) c = context_new ();

  for (gsize i = 0; i < G_N_ELEMENTS (self_rows); i++) {
    SHU_SCOPE (c);
    const SelfRow *r = &self_rows[i];
    gint64 Co = r->n == 1 ? 3 * r->C : r->C;
    ShuLinear l[3];
    ShuSelfAttention p = {.n = r->n, .n_heads = r->n_heads};
    ShuTensor *x = random_tensor (c, SHU_DIMS (r->B, r->T, r->Ci)), *steps;
    double *ref;

    for (int k = 0; k < r->n; k++) {
      l[k] = (ShuLinear){random_tensor (c, SHU_DIMS (Co, r->Ci)),
          r->bias ? random_tensor (c, SHU_DIMS (Co)) : NULL};
      p.l[k] = &l[k];
    }
    if (r->gamma) {
      gint64 HD = r->C / r->n_heads;

      p.q_gamma = random_tensor (c, SHU_DIMS (r->n_heads, HD));
      p.k_gamma = random_tensor (c, SHU_DIMS (r->n_heads, HD));
    }
    steps = to_host (c, self_steps (c, x, &p, r->C));
    ref = reference_new (steps);
    for (gsize k = 0; k < steps->n; k++)
      ref[k] = at (steps, k);
    check_nmse (c, "self-attention", shu_self_attention (c, x, &p), ref,
        on_gpu () ? 3e-6 : LIMIT);
  }
}

static void
test_self_attention_wrong (void)
{
  g_autoptr (ShuCtx) c = context_new ();
  ShuTensor *x = random_tensor (c, SHU_DIMS (1, 2, 8));
  ShuLinear one = {random_tensor (c, SHU_DIMS (24, 8)), NULL};
  ShuLinear other = {random_tensor (c, SHU_DIMS (16, 8)), NULL};
  const ShuSelfAttention rows[] = {
      {.n = 3, .l = {&one, &one, &other}, .n_heads = 1},
      {.n = 2, .l = {&one, &one}, .n_heads = 1},
      {.n = 1, .l = {&other}, .n_heads = 1},
      {.n = 1, .l = {&one}, .n_heads = 3},
      {.n = 1,
          .l = {&one},
          .n_heads = 2,
          .q_gamma = random_tensor (c, SHU_DIMS (2, 8))},
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    shu_self_attention (c, x, &rows[i]);
    CHECK_FAILS (c, SHU_ERROR_INVALID, "self_attention", "[1,2,8]");
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  test_add ("/ops/add_norm/steps", test_add_norm);
  test_add ("/ops/add_norm/wrong_orders_fail", test_add_norm_wrong);
  test_add ("/ops/linear_add_norm/steps", test_linear_add_norm);
  test_add (
      "/ops/linear_add_norm/wrong_shapes_fail", test_linear_add_norm_wrong);
  test_add ("/ops/self_attention/steps", test_self_attention);
  test_add (
      "/ops/self_attention/wrong_weights_fail", test_self_attention_wrong);
  return g_test_run ();
}
