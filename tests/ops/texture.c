/* SPDX-License-Identifier: MIT */
/* Textures from rows, against dense matrices in double precision. */
#include "harness.h"
#include "ops/texture.h"
#include <math.h>
#include <string.h>

enum { S = 16, N = 900, TEXELS = S * S };

typedef struct {
  ShuTextureRows rows;
  double *matrix; /* [N,TEXELS] */
} Case;

/* The mean over the texels below one of level @l adds to a row of the matrix.
 */
static void
add_texel (double *row, int l, int x, int y, double share)
{
  int wide = 1 << l, side = S >> l;

  x = (x + side) % side;
  y = (y + side) % side;
  for (int v = 0; v < wide; v++)
    for (int u = 0; u < wide; u++)
      row[(y * wide + v) * S + x * wide + u] += share / (wide * wide);
}

static void
add_level (double *row, int l, double u, double v, double share)
{
  int side = S >> l;
  double x = u * side - 0.5, y = v * side - 0.5;
  int x0 = (int) floor (x), y0 = (int) floor (y);

  for (int i = 0; i < 4; i++)
    add_texel (row, l, x0 + (i & 1), y0 + (i >> 1),
        share * (i & 1 ? x - x0 : 1 - x + x0) * (i >> 1 ? y - y0 : 1 - y + y0));
}

/* Rows all over the texture, to its borders, of levels that differ */
static Case
make_case (ShuCtx *c)
{
  Case k = {{random_tensor (c, SHU_DIMS (N, 3)),
      random_tensor (c, SHU_DIMS (N, 3)), random_tensor (c, SHU_DIMS (N))}};

  k.matrix = g_new0 (double, N *TEXELS);
  for (int i = 0; i < N; i++) {
    float *p = (float *) k.rows.place->data + 3 * i;
    float *w = (float *) k.rows.weight->data + i;
    double up;

    p[0] = 0.5f + 0.5f * p[0];
    p[1] = 0.5f + 0.5f * p[1];
    p[2] = i % 3 ? 0 : 1.6f * (p[2] + 1);
    *w = 0.5f + 0.5f * *w;
    up = p[2] - floor (p[2]);
    add_level (k.matrix + i * TEXELS, (int) p[2], p[0], p[1], 1 - up);
    if (up > 0)
      add_level (k.matrix + i * TEXELS, (int) p[2] + 1, p[0], p[1], up);
  }
  return k;
}

/* What a texture of the case's least squares must make zero */
static double *
gradient (const Case *k, const double *t, const double *start,
    const ShuTextureSolver *p, int channel)
{
  double *g = g_new0 (double, TEXELS);
  double on[TEXELS] = {0}, acting[TEXELS] = {0};

  for (int i = 0; i < N; i++) {
    double r = -at (k->rows.color, 3 * i + channel), w = at (k->rows.weight, i);

    for (int j = 0; j < TEXELS; j++)
      r += k->matrix[i * TEXELS + j] * t[j];
    for (int j = 0; j < TEXELS; j++) {
      on[j] += w * k->matrix[i * TEXELS + j];
      g[j] += w * k->matrix[i * TEXELS + j] * r;
    }
  }
  /* what acts on a texel or beside it */
  for (int j = 0; j < TEXELS; j++)
    for (int o = 0; o < TEXELS; o++)
      if (ABS (j % S - o % S) <= 1 && ABS (j / S - o / S) <= 1)
        acting[j] = MAX (acting[j], on[o]);
  for (int j = 0; j < TEXELS; j++) {
    int next[2] = {j % S + 1 < S ? j + 1 : j, j / S + 1 < S ? j + S : j};

    g[j] += p->hold * acting[j] * (t[j] - start[j]);
    for (int n = 0; n < 2; n++) {
      int o = next[n];
      double d = p->variation * (t[j] - t[o]) +
                 p->stiffness * MIN (acting[j], acting[o]) *
                     (t[j] - start[j] - t[o] + start[o]);
      g[j] += d;
      g[o] -= d;
    }
  }
  return g;
}

static void
take_channel (const ShuTensor *t, int channel, double *ret)
{
  for (int i = 0; i < TEXELS; i++)
    ret[i] = at (t, 3 * i + channel);
}

static double
length (const double *g)
{
  double sum = 0;

  for (int i = 0; i < TEXELS; i++)
    sum += g[i] * g[i];
  return sqrt (sum);
}

static void
test_squares (void)
{
  static const ShuTextureSolver kinds[] = {
      {S, 1, 400, 1e6f, 1e6f},
      {S, 1, 60, 1e6f, 1e6f, .hold = 0.3f},
      {S, 2, 60, 1e6f, 1e6f, .hold = 0.1f, .stiffness = 0.5f},
      {S, 3, 200, 1e6f, 1e6f, .variation = 0.2f},
  };
  g_autoptr (ShuCtx) c = context_new ();

  for (gsize n = 0; n < G_N_ELEMENTS (kinds); n++) {
    SHU_SCOPE (c);
    Case k = make_case (c);
    ShuTensor *start = random_tensor (c, SHU_DIMS (S, S, 3));
    ShuTensor *y =
        to_host (c, shu_texture_solve (c, &k.rows, start, kinds + n));
    double t[TEXELS], from[TEXELS];

    for (int channel = 0; channel < 3; channel++) {
      g_autofree double *g = NULL, *g0 = NULL;

      take_channel (y, channel, t);
      take_channel (start, channel, from);
      g = gradient (&k, t, from, kinds + n, channel);
      g0 = gradient (&k, from, from, kinds + n, channel);
      g_test_message ("%d, channel %d: %g of %g", (int) n, channel, length (g),
          length (g0));
      g_assert_cmpfloat (length (g), <, 2e-4 * length (g0));
    }
    g_free (k.matrix);
  }
}

/* A fifth of the rows lies: the others win, where squares would mix. */
static void
test_robust (void)
{
  static const ShuTextureSolver robust = {
      S, 12, 20, 0.5f, 0.01f, .variation = 0.1f};
  static const ShuTextureSolver squares = {
      S, 1, 60, 1e6f, 1e6f, .variation = 0.1f};
  g_autoptr (ShuCtx) c = context_new ();
  SHU_SCOPE (c);
  Case k = make_case (c);
  ShuTensor *start, *y[2];
  double sum[2] = {0};

  for (int i = 0; i < 3 * N; i++)
    ((float *) k.rows.color->data)[i] = i / 3 % 5 == 1 ? 1 : 0.25f;
  for (int i = 0; i < N; i++)
    ((float *) k.rows.weight->data)[i] = 1;
  start = shu_texture_gather (c, &k.rows, S, 0.1f);
  y[0] = to_host (c, shu_texture_solve (c, &k.rows, start, &robust));
  y[1] = to_host (c, shu_texture_solve (c, &k.rows, start, &squares));
  for (int j = 0; j < 2; j++)
    for (gsize i = 0; i < y[j]->n; i++)
      sum[j] += fabs (at (y[j], i) - 0.25) / y[j]->n;
  g_test_message ("off by %g, by squares by %g", sum[0], sum[1]);
  g_assert_cmpfloat (sum[0], <, 0.2 * sum[1]);
  g_free (k.matrix);
}

/* A colour that all rows have is everywhere, whatever few they are. */
static void
test_gather (void)
{
  static const int sizes[] = {1, 2, 5, 16, 37, 100};
  g_autoptr (ShuCtx) c = context_new ();

  for (gsize n = 0; n < G_N_ELEMENTS (sizes); n++) {
    SHU_SCOPE (c);
    Case k = make_case (c);
    ShuTensor *y;
    double *ref;

    for (int i = 0; i < N; i++) {
      ((float *) k.rows.weight->data)[i] *= i % 50 == 0;
      for (int j = 0; j < 3; j++)
        ((float *) k.rows.color->data)[3 * i + j] = 20 * j - 10;
    }
    y = shu_texture_gather (c, &k.rows, sizes[n], 0.05f);
    ref = reference_new (y);
    for (gsize i = 0; i < y->n; i++)
      ref[i] = 20. * (i % 3) - 10;
    check_nmse (c, "means", y, ref, 1e-9);
    g_free (k.matrix);
  }
}

static void
test_same_bits (void)
{
  static const ShuTextureSolver p = {
      S, 3, 5, 0.5f, 0.1f, .hold = 0.1f, .stiffness = 0.2f};
  g_autoptr (ShuCtx) c = context_new ();
  SHU_SCOPE (c);
  Case k = make_case (c);
  ShuTensor *start = random_tensor (c, SHU_DIMS (S, S, 3));
  ShuTensor *y = to_host (c, shu_texture_solve (c, &k.rows, start, &p));

  for (int i = 0; i < 3; i++) {
    ShuTensor *z = to_host (c, shu_texture_solve (c, &k.rows, start, &p));
    g_assert_cmpmem (
        y->data, shu_tensor_bytes (y), z->data, shu_tensor_bytes (z));
  }
  g_free (k.matrix);
}

/* Rows that say nothing, and places that are none */
static void
test_nothing (void)
{
  static const ShuTextureSolver p = {
      S, 2, 3, 0.5f, 0.1f, .hold = 0.1f, .stiffness = 0.2f};
  g_autoptr (ShuCtx) c = context_new ();
  SHU_SCOPE (c);
  Case k = make_case (c);
  ShuTensor *start = random_tensor (c, SHU_DIMS (S, S, 3));
  double *ref = reference_new (start);

  for (int i = 0; i < N; i++)
    if (i % 2)
      ((float *) k.rows.weight->data)[i] = 0;
    else
      ((float *) k.rows.place->data)[3 * i + i / 2 % 3] = NAN;
  for (gsize i = 0; i < start->n; i++)
    ref[i] = at (start, i);
  check_nmse (
      c, "unchanged", shu_texture_solve (c, &k.rows, start, &p), ref, 0);
  g_free (k.matrix);
}

static void
test_wrong (void)
{
  static const ShuTextureSolver good = {S, 1, 1, 1, 1}, none = {S, 0, 1, 1, 1};
  g_autoptr (ShuCtx) c = context_new ();
  SHU_SCOPE (c);
  Case k = make_case (c);
  ShuTensor *start = random_tensor (c, SHU_DIMS (S, S, 3));
  ShuTextureRows bad = k.rows;

  bad.weight = start;
  shu_texture_solve (c, &bad, start, &good);
  CHECK_FAILS (c, SHU_ERROR_INVALID, "texture_solve", "[N,3]");
  shu_texture_solve (c, &k.rows, k.rows.weight, &good);
  CHECK_FAILS (c, SHU_ERROR_INVALID, "texture_solve", "[S,S,3]");
  shu_texture_solve (c, &k.rows, start, &none);
  CHECK_FAILS (c, SHU_ERROR_INVALID, "texture_solve");
  shu_texture_gather (c, &k.rows, 0, 1);
  CHECK_FAILS (c, SHU_ERROR_INVALID, "texture_gather");
  g_free (k.matrix);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  test_add ("/ops/texture/least_squares", test_squares);
  test_add ("/ops/texture/outliers_lose", test_robust);
  test_add ("/ops/texture/means_fill_all", test_gather);
  test_add ("/ops/texture/same_bits", test_same_bits);
  test_add ("/ops/texture/nothing_changes_nothing", test_nothing);
  test_add ("/ops/texture/wrong_shapes_fail", test_wrong);
  return g_test_run ();
}
