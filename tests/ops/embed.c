/* SPDX-License-Identifier: MIT */
/* What networks begin with: embeddings of times, coordinates and patches, and
 * the tokens of a picture. */
#include "harness.h"
#include <math.h>

static const double LIMIT = 1e-11;

/* ---- times and coordinates ---- */

static void
test_timestep (void)
{
  static const float times[] = {0, 1, 437.5, 1000};
  g_autoptr (ShuCtx) c = context_new ();
  ShuTensor *y = shu_timestep_embedding (c, times, 4, 64);
  double *ref = reference_new (y);

  for (gsize i = 0; i < 4; i++)
    for (gsize k = 0; k < 32; k++) {
      double angle = times[i] * pow (10000, -(double) k / 32);

      ref[i * 64 + k] = cos (angle);
      ref[i * 64 + 32 + k] = sin (angle);
    }
  check_nmse (c, "timestep_embedding", y, ref, 1e-8);
}

static void
test_position (void)
{
  g_autoptr (ShuCtx) c = context_new ();
  ShuTensor *coords = random_index (c, SHU_DIMS (19, 3), 0, 64);

  for (int C = 6; C < 140; C += 61) {
    ShuTensor *y = shu_position_embedding (c, coords, C);
    double *ref = reference_new (y);
    gsize d = (gsize) C / 6;

    for (gsize i = 0; i < 19; i++)
      for (gsize axis = 0; axis < 3; axis++)
        for (gsize k = 0; k < d; k++) {
          double angle = index_at (coords, 3 * i + axis) *
                         pow (10000, -(double) k / (double) d);

          ref[i * (gsize) C + 2 * axis * d + k] = sin (angle);
          ref[i * (gsize) C + (2 * axis + 1) * d + k] = cos (angle);
        }
    check_nmse (c, "position_embedding", y, ref, 1e-9);
  }
}

/* ---- patches ---- */

static void
test_patches (void)
{
  static const struct {
    gint64 B, H, W, C, P, Co;
    gboolean bias;
  } rows[] = {
      {2, 28, 42, 3, 14, 5, FALSE}, {1, 6, 4, 1, 2, 1, TRUE},
      {1, 5, 15, 7, 5, 33, TRUE},
      {2, 224, 224, 3, 14, 128, TRUE}, /* of as many rows as CLIP's */
      {3, 16, 32, 4, 4, 64, FALSE},    /* rows of 128 bytes */
  };

  g_autoptr (ShuCtx) c = context_new ();

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    SHU_SCOPE (c);
    gint64 P = rows[i].P, C = rows[i].C, Co = rows[i].Co, K = C * P * P;
    ShuTensor *x =
        random_tensor (c, SHU_DIMS (rows[i].B, rows[i].H, rows[i].W, C));
    ShuTensor *w = random_tensor (c, SHU_DIMS (Co, C, P, P));
    ShuTensor *b = rows[i].bias ? random_tensor (c, SHU_DIMS (Co)) : NULL;
    ShuLinear l = {.w = shu_reshape (c, w, SHU_DIMS (Co, K)), .b = b};
    ShuTensor *y = shu_embed_patches (c, x, (int) P, &l);
    ShuTensor *conv = to_host (c, shu_conv2d (c, x, &(ShuConv){.w = w, .b = b},
                                      &(ShuConvParams){.stride = (int) P}));
    double *ref = reference_new (y);

    g_assert_cmpint (y->n_dims, ==, 3);
    g_assert_cmpint (y->dims[1], ==, rows[i].H / P * (rows[i].W / P));
    for (gsize k = 0; k < conv->n; k++)
      ref[k] = at (conv, k);
    check_nmse (c, "embed_patches", y, ref, LIMIT);
  }
}

static void
test_patches_wrong (void)
{
  g_autoptr (ShuCtx) c = context_new ();
  ShuTensor *x = random_tensor (c, SHU_DIMS (1, 28, 42, 3));
  ShuLinear l = {.w = random_tensor (c, SHU_DIMS (5, 588))};

  shu_embed_patches (c, x, 5, &l);
  CHECK_FAILS (c, SHU_ERROR_INVALID, "embed_patches", "multiples of 5");
  shu_embed_patches (c, x, 7, &l);
  CHECK_FAILS (c, SHU_ERROR_INVALID, "embed_patches", "[5,588]");
  shu_embed_patches (c, x, 7, &(ShuLinear){0});
  CHECK_FAILS (c, SHU_ERROR_INVALID, "embed_patches", "a weight");
}

/* ---- tokens ---- */

/* Of @x, like @t */
static double *
norm_reference (ShuTensor *t, const ShuNorm *norm, double *x, float eps)
{
  gsize C = (gsize) t->dims[2];
  double *ref = reference_new (t);

  for (gsize r = 0; r < t->n / C; r++) {
    const double *row = x + r * C;
    double mean = 0, var = 0;

    for (gsize k = 0; k < C; k++)
      mean += row[k] / (double) C;
    for (gsize k = 0; k < C; k++)
      var += (row[k] - mean) * (row[k] - mean) / (double) C;
    for (gsize k = 0; k < C; k++) {
      double v = (row[k] - mean) / sqrt (var + eps);

      ref[r * C + k] = norm ? v * at (norm->w, k) + at (norm->b, k) : v;
    }
  }
  return ref;
}

/* first + position, registers, patches + positions */
static double *
tokens_reference (ShuTensor *t, ShuTensor *x, const ShuTokens *p)
{
  gsize C = (gsize) t->dims[2], N = (gsize) x->dims[1];
  gsize T = (gsize) t->dims[1], R = T - 1 - N;
  double *ref = reference_new (t);

  for (gsize i = 0; i < t->n; i++) {
    gsize k = i % C, token = i / C % T, item = i / C / T;

    if (token == 0)
      ref[i] = at (p->first, k) + at (p->positions, k);
    else if (token <= R)
      ref[i] = at (p->registers, (token - 1) * C + k);
    else
      ref[i] = at (x, (item * N + token - 1 - R) * C + k) +
               at (p->positions, (token - R) * C + k);
  }
  return ref;
}

static ShuNorm
random_norm (ShuCtx *c, gint64 C)
{
  return (ShuNorm){.w = random_tensor (c, SHU_DIMS (C)),
      .b = random_tensor (c, SHU_DIMS (C))};
}

static void
test_tokens (void)
{
  static const struct {
    gint64 B, N, R, C;
    gboolean before, norm;
  } rows[] = {
      {1, 1, 0, 1, FALSE, FALSE},
      {2, 3, 1, 5, TRUE, TRUE},
      {3, 6, 0, 64, FALSE, TRUE},
      {2, 9, 4, 384, FALSE, TRUE},
      {2, 5, 0, 1280, TRUE, TRUE},
      {1, 2, 2, 3080, TRUE, FALSE}, /* more than a block takes at once */
      {2, 3, 1, 257, TRUE, TRUE},
  };

  g_autoptr (ShuCtx) c = context_new ();

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    SHU_SCOPE (c);
    gint64 C = rows[i].C, R = rows[i].R, N = rows[i].N;
    ShuTensor *x = random_tensor (c, SHU_DIMS (rows[i].B, N, C));
    ShuNorm before = random_norm (c, C), norm = random_norm (c, C);
    ShuTokens p = {.first = random_tensor (c, SHU_DIMS (1, 1, C)),
        .registers = R ? random_tensor (c, SHU_DIMS (1, R, C)) : NULL,
        .positions = random_tensor (c, SHU_DIMS (1 + N, C)),
        .before = rows[i].before ? &before : NULL,
        .norm = rows[i].norm ? &norm : NULL,
        .eps = 1e-3f};
    ShuTensor *tokens, *y = shu_embed_tokens (c, x, &p, &tokens);
    double *sum = tokens_reference (tokens, x, &p);
    double *ref = p.before ? norm_reference (tokens, p.before, sum, p.eps)
                           : g_memdup2 (sum, tokens->n * sizeof *sum);

    g_assert_cmpint (y->dims[1], ==, 1 + R + N);
    check_nmse (
        c, "embed_tokens", y, norm_reference (y, p.norm, ref, p.eps), LIMIT);
    check_nmse (c, "embed_tokens: tokens", tokens, ref, LIMIT);
    g_free (sum);
  }
}

static void
test_tokens_wrong (void)
{
  g_autoptr (ShuCtx) c = context_new ();
  ShuTensor *x = random_tensor (c, SHU_DIMS (2, 3, 8)), *tokens;
  ShuTensor *eight = random_tensor (c, SHU_DIMS (8));
  ShuTensor *four = random_tensor (c, SHU_DIMS (4, 8));
  ShuTensor *seven = random_tensor (c, SHU_DIMS (7));
  const ShuNorm norm = {.w = seven};

  const ShuTokens rows[] = {
      {.first = four, .positions = four},
      {.first = eight, .positions = eight},
      {.first = eight, .positions = four, .registers = seven},
      {.first = seven, .positions = four},
      {.first = eight, .positions = four, .norm = &norm},
      {.first = eight, .positions = four, .before = &norm},
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    shu_embed_tokens (c, x, &rows[i], &tokens);
    CHECK_FAILS (c, SHU_ERROR_INVALID, "embed_tokens", "[2,3,8]");
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  test_add ("/ops/timestep_embedding/cosine_first", test_timestep);
  test_add ("/ops/position_embedding/sine_first", test_position);
  test_add ("/ops/embed_patches/is_a_convolution", test_patches);
  test_add ("/ops/embed_patches/wrong_sizes_fail", test_patches_wrong);
  test_add ("/ops/embed_tokens/steps", test_tokens);
  test_add ("/ops/embed_tokens/wrong_sizes_fail", test_tokens_wrong);
  return g_test_run ();
}
