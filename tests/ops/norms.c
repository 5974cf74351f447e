/* SPDX-License-Identifier: MIT */
/* Norms and attention against their definitions. */
#include "harness.h"
#include <math.h>
#include <string.h>

static const double LIMIT = 1e-11;

/* ---- norms ---- */

/* x + add, [B,C] */
static double
with_added (const ShuTensor *x, const ShuTensor *add, gsize i)
{
  gsize C = (gsize) x->dims[x->n_dims - 1];
  gsize item = x->n / (gsize) x->dims[0];

  return at (x, i) + (add ? at (add, i / item * C + i % C) : 0);
}

static void
check_group_norm_add (ShuCtx *c, ShuTensor *x, ShuTensor *add, int groups,
    ShuAct act, gboolean affine)
{
  gsize C = (gsize) x->dims[x->n_dims - 1], B = (gsize) x->dims[0];
  gsize T = x->n / C / B, size = C / (gsize) groups;
  ShuNorm norm = {random_tensor (c, SHU_DIMS ((gint64) C)),
      random_tensor (c, SHU_DIMS ((gint64) C))};
  ShuTensor *y =
      add ? shu_group_norm_add (
                c, x, add, affine ? &norm : NULL, groups, 1e-5f, act)
          : shu_group_norm (c, x, affine ? &norm : NULL, groups, 1e-5f, act);
  double *ref = reference_new (y);

  for (gsize b = 0; b < B; b++)
    for (gsize g = 0; g < (gsize) groups; g++) {
      double mean = 0, var = 0, n = (double) (T * size);

      for (gsize i = 0; i < T * size; i++)
        mean +=
            with_added (x, add, (b * T + i / size) * C + g * size + i % size) /
            n;
      for (gsize i = 0; i < T * size; i++) {
        gsize p = (b * T + i / size) * C + g * size + i % size;
        double d = with_added (x, add, p) - mean;

        var += d * d / n;
      }
      for (gsize i = 0; i < T * size; i++) {
        gsize ch = g * size + i % size, p = (b * T + i / size) * C + ch;
        double v = (with_added (x, add, p) - mean) / sqrt (var + 1e-5);

        if (affine)
          v = v * at (norm.w, ch) + at (norm.b, ch);
        ref[p] = act_reference (v, act);
      }
    }
  check_nmse (c, "group_norm", y, ref, LIMIT);
}

static void
check_group_norm (
    ShuCtx *c, ShuTensor *x, int groups, ShuAct act, gboolean affine)
{
  check_group_norm_add (c, x, NULL, groups, act, affine);
}

static void
test_group_norm_add (void)
{
  g_autoptr (ShuCtx) c = context_new ();

  check_group_norm_add (c, random_tensor (c, SHU_DIMS (3, 12, 12, 64)),
      random_tensor (c, SHU_DIMS (3, 64)), 32, SHU_ACT_SILU, TRUE);
  check_group_norm_add (c, random_tensor (c, SHU_DIMS (2, 2305, 160)),
      random_tensor (c, SHU_DIMS (2, 160)), 32, SHU_ACT_SILU, TRUE);
  check_group_norm_add (c, random_tensor (c, SHU_DIMS (2, 77, 33)),
      random_tensor (c, SHU_DIMS (2, 1, 33)), 11, SHU_ACT_NONE, FALSE);
  shu_group_norm_add (c, random_tensor (c, SHU_DIMS (2, 7, 32)),
      random_tensor (c, SHU_DIMS (1, 32)), NULL, 32, 1e-5f, SHU_ACT_NONE);
  CHECK_FAILS (c, SHU_ERROR_INVALID, "group_norm", "[2,7,32]", "[1,32]");
}

static void
test_group_norm (void)
{
  g_autoptr (ShuCtx) c = context_new ();

  check_group_norm (
      c, random_tensor (c, SHU_DIMS (2, 24, 24, 64)), 32, SHU_ACT_SILU, TRUE);
  check_group_norm (
      c, random_tensor (c, SHU_DIMS (3, 5, 7, 96)), 32, SHU_ACT_NONE, TRUE);
  check_group_norm (
      c, random_tensor (c, SHU_DIMS (1, 1031, 33)), 11, SHU_ACT_GELU, TRUE);
  /* from one block to a cluster of the most, and too much for it */
  check_group_norm (
      c, random_tensor (c, SHU_DIMS (2, 12, 12, 1280)), 32, SHU_ACT_SILU, TRUE);
  check_group_norm (
      c, random_tensor (c, SHU_DIMS (1, 577, 640)), 32, SHU_ACT_NONE, TRUE);
  check_group_norm (
      c, random_tensor (c, SHU_DIMS (2, 9216, 80)), 8, SHU_ACT_SILU, FALSE);
  check_group_norm (
      c, random_tensor (c, SHU_DIMS (1, 2300, 240)), 4, SHU_ACT_NONE, TRUE);
  check_group_norm (
      c, random_tensor (c, SHU_DIMS (1, 30011, 64)), 2, SHU_ACT_NONE, TRUE);
  check_group_norm (
      c, random_tensor (c, SHU_DIMS (1, 4, 3, 2, 6)), 2, SHU_ACT_NONE, FALSE);
  check_group_norm (
      c, random_tensor (c, SHU_DIMS (1, 1, 1)), 1, SHU_ACT_NONE, TRUE);
}

static void
test_group_norm_offset (void)
{
  g_autoptr (ShuCtx) c = context_new ();
  /* f32 holds 1000 +- 0.01 with 8 bits, f16 1000 +- 1 with 2: the mean must not
   * eat them */
  ShuTensor *x =
      to_host (c, shu_affine (c, random_tensor (c, SHU_DIMS (1, 48, 48, 32)),
                      on_gpu () ? 1 : 0.01f, 1000.f));

  check_group_norm (c, x, 32, SHU_ACT_NONE, FALSE);
}

static void
test_group_norm_wrong (void)
{
  g_autoptr (ShuCtx) c = context_new ();

  shu_group_norm (
      c, random_tensor (c, SHU_DIMS (1, 5, 33)), NULL, 32, 1e-5f, SHU_ACT_NONE);
  CHECK_FAILS (c, SHU_ERROR_INVALID, "group_norm", "[1,5,33]", "32");
}

static void
test_layer_norm (void)
{
  g_autoptr (ShuCtx) c = context_new ();
  static const gint64 sizes[] = {1, 3, 8, 17, 128, 1031};

  for (gsize s = 0; s < G_N_ELEMENTS (sizes); s++)
    for (int affine = 0; affine < 2; affine++) {
      gsize C = (gsize) sizes[s];
      ShuTensor *x = random_tensor (c, SHU_DIMS (3, 7, sizes[s]));
      ShuNorm norm = {random_tensor (c, SHU_DIMS (sizes[s])),
          random_tensor (c, SHU_DIMS (sizes[s]))};
      ShuTensor *y = shu_layer_norm (c, x, affine ? &norm : NULL, 1e-6f);
      double *ref = reference_new (y);

      for (gsize r = 0; r < 21; r++) {
        double mean = 0, var = 0;

        for (gsize i = 0; i < C; i++)
          mean += at (x, r * C + i) / (double) C;
        for (gsize i = 0; i < C; i++)
          var += pow (at (x, r * C + i) - mean, 2) / (double) C;
        for (gsize i = 0; i < C; i++)
          ref[r * C + i] = (at (x, r * C + i) - mean) / sqrt (var + 1e-6) *
                               (affine ? at (norm.w, i) : 1) +
                           (affine ? at (norm.b, i) : 0);
      }
      check_nmse (c, "layer_norm", y, ref, LIMIT);
    }
}

static void
test_rms_norm (void)
{
  g_autoptr (ShuCtx) c = context_new ();
  ShuTensor *x = random_tensor (c, SHU_DIMS (2, 5, 3, 19));
  ShuTensor *gamma = random_tensor (c, SHU_DIMS (3, 19));
  ShuTensor *y;
  double *ref;

  memset (x->data, 0, 19 * 4); /* a zero vector stays one */
  y = shu_rms_norm_heads (c, x, gamma);
  ref = reference_new (y);
  for (gsize r = 0; r < 30; r++) {
    double squares = 0;

    for (gsize i = 0; i < 19; i++)
      squares += pow (at (x, r * 19 + i), 2);
    for (gsize i = 0; i < 19; i++)
      ref[r * 19 + i] = at (x, r * 19 + i) / MAX (sqrt (squares), 1e-12) *
                        at (gamma, r % 3 * 19 + i) * sqrt (19);
  }
  check_nmse (c, "rms_norm_heads", y, ref, LIMIT);
}

/* ---- attention ---- */

/* ref[0..HD) = softmax (q k / sqrt (HD)) v over the K given key rows */
static void
attend_reference (double *ref, ShuTensor *q, gsize q_row, ShuTensor *k,
    ShuTensor *v, const gsize *rows, gsize K, gsize C, gsize head, gsize HD)
{
  g_autofree double *p = g_new (double, K);
  double top = -1e300, sum = 0;

  for (gsize j = 0; j < K; j++) {
    p[j] = 0;
    for (gsize i = head * HD; i < (head + 1) * HD; i++)
      p[j] += at (q, q_row * C + i) * at (k, rows[j] * C + i);
    p[j] /= sqrt ((double) HD);
    top = MAX (top, p[j]);
  }
  for (gsize j = 0; j < K; j++)
    sum += p[j] = exp (p[j] - top);
  for (gsize j = 0; j < K; j++)
    for (gsize i = head * HD; i < (head + 1) * HD; i++)
      ref[q_row * C + i] += p[j] / sum * at (v, rows[j] * C + i);
}

static void
test_attention (void)
{
  static const gint64 rows[][5] = {
      /* B, Tq, Tk, heads, head size */
      {1, 1, 1, 1, 1},
      {2, 3, 5, 1, 7},
      {1, 65, 64, 2, 64},
      {3, 17, 33, 3, 32},
      {1, 130, 1, 2, 8},
      {1, 200, 300, 1, 96},
      {2, 96, 96, 2, 64},
      {1, 70, 1100, 1, 64},
      {3, 200, 77, 2, 64},
      {2, 384, 384, 1, 64},
      {1, 97, 192, 3, 64},
      {2, 50, 48, 1, 64},
  };
  g_autoptr (ShuCtx) c = context_new ();

  for (gsize r = 0; r < G_N_ELEMENTS (rows); r++) {
    const gint64 *d = rows[r];
    gsize Tq = (gsize) d[1], Tk = (gsize) d[2], HD = (gsize) d[4];
    gint64 C = d[3] * d[4];
    /* sharp rows too: the largest score is far from the rest */
    ShuTensor *q = to_host (
        c, shu_affine (c, random_tensor (c, SHU_DIMS (d[0], d[1], C)), 6, 0));
    ShuTensor *k = random_tensor (c, SHU_DIMS (d[0], d[2], C));
    ShuTensor *v = random_tensor (c, SHU_DIMS (d[0], d[2], C));
    ShuTensor *y = shu_attention (c, q, k, v, (int) d[3]);
    double *ref = reference_new (y);
    g_autofree gsize *keys = g_new (gsize, Tk);

    for (gsize b = 0; b < (gsize) d[0]; b++) {
      for (gsize j = 0; j < Tk; j++)
        keys[j] = b * Tk + j;
      for (gsize i = 0; i < Tq * (gsize) d[3]; i++)
        attend_reference (ref, q, b * Tq + i / (gsize) d[3], k, v, keys, Tk,
            (gsize) C, i % (gsize) d[3], HD);
    }
    check_nmse (c, "attention", y, ref, LIMIT);
  }
  shu_attention (c, random_tensor (c, SHU_DIMS (1, 2, 6)),
      random_tensor (c, SHU_DIMS (1, 2, 8)),
      random_tensor (c, SHU_DIMS (1, 2, 8)), 2);
  CHECK_FAILS (c, SHU_ERROR_INVALID, "attention", "[1,2,6]", "2 heads");
}

static void
test_attention_large_scores (void)
{
  g_autoptr (ShuCtx) c = context_new ();
  ShuTensor *q =
      shu_affine (c, random_tensor (c, SHU_DIMS (1, 8, 16)), 1e4f, 0);
  ShuTensor *y = to_host (c, shu_attention (c, q, q, q, 1));

  g_assert_false (shu_ctx_failed (c));
  for (gsize i = 0; i < y->n; i++)
    g_assert_true (isfinite (at (y, i)));
}

static void
test_attention_gather (void)
{
  static const gint64 rows[][4] = {
      /* N, K, heads, head size */
      {1, 1, 1, 1},
      {37, 4, 2, 64},
      {50, 12, 4, 16},
      {11, 6, 3, 21},
      {300, 8, 1, 40},
  };
  g_autoptr (ShuCtx) c = context_new ();

  for (gsize r = 0; r < G_N_ELEMENTS (rows); r++) {
    const gint64 *d = rows[r];
    gsize K = (gsize) d[1];
    gint64 C = d[2] * d[3];
    ShuTensor *q = random_tensor (c, SHU_DIMS (d[0], C));
    ShuTensor *k = random_tensor (c, SHU_DIMS (29, C));
    ShuTensor *v = random_tensor (c, SHU_DIMS (29, C));
    ShuTensor *index = random_index (c, SHU_DIMS (d[0], d[1]), 0, 29);
    ShuTensor *y = shu_attention_gather (c, q, k, v, index, (int) d[2]);
    double *ref = reference_new (y);
    g_autofree gsize *keys = g_new (gsize, K);

    for (gsize n = 0; n < (gsize) d[0]; n++) {
      for (gsize j = 0; j < K; j++)
        keys[j] = (gsize) index_at (index, n * K + j);
      for (gsize h = 0; h < (gsize) d[2]; h++)
        attend_reference (ref, q, n, k, v, keys, K, (gsize) C, h, (gsize) d[3]);
    }
    check_nmse (c, "attention_gather", y, ref, LIMIT);
  }
  shu_attention_gather (c, random_tensor (c, SHU_DIMS (1, 4)),
      random_tensor (c, SHU_DIMS (3, 4)), random_tensor (c, SHU_DIMS (3, 4)),
      random_index (c, SHU_DIMS (1, 2), 3, 4), 1);
  CHECK_FAILS (c, SHU_ERROR_INVALID, "attention_gather", "0..2");
}

static void
test_attention_groups (void)
{
  static const gint32 sizes[] = {1, 0, 70, 3, 130, 1, 16};
  static const gsize G = G_N_ELEMENTS (sizes);
  g_autoptr (ShuCtx) c = context_new ();
  gint32 start[G_N_ELEMENTS (sizes) + 1] = {0};
  g_autofree gint32 *order = NULL;
  gsize N;

  for (gsize g = 0; g < G; g++)
    start[g + 1] = start[g] + sizes[g];
  N = (gsize) start[G];
  order = g_new (gint32, N);
  for (gsize i = 0; i < N; i++)
    order[i] = (gint32) (i * 100 % N); /* N = 221 and 100 share no factor */

  for (gint64 HD = 7; HD < 70; HD += 25) {
    gint64 C = 2 * HD;
    ShuTensor *q = random_tensor (c, SHU_DIMS ((gint64) N, C));
    ShuTensor *k = random_tensor (c, SHU_DIMS ((gint64) N, C));
    ShuTensor *v = random_tensor (c, SHU_DIMS ((gint64) N, C));
    ShuTensor *y = shu_attention_groups (c, q, k, v,
        shu_from_host (c, SHU_DTYPE_I32, SHU_DIMS ((gint64) N), order),
        shu_from_host (c, SHU_DTYPE_I32, SHU_DIMS ((gint64) G + 1), start), 2);
    double *ref = reference_new (y);
    g_autofree gsize *keys = g_new (gsize, N);

    for (gsize g = 0; g < G; g++) {
      gsize K = (gsize) sizes[g];

      for (gsize j = 0; j < K; j++)
        keys[j] = (gsize) order[(gsize) start[g] + j];
      for (gsize j = 0; j < 2 * K; j++)
        attend_reference (
            ref, q, keys[j / 2], k, v, keys, K, (gsize) C, j % 2, (gsize) HD);
    }
    check_nmse (c, "attention_groups", y, ref, LIMIT);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  test_add ("/ops/group_norm/added_first", test_group_norm_add);
  test_add ("/ops/group_norm/definition", test_group_norm);
  test_add ("/ops/group_norm/large_mean", test_group_norm_offset);
  test_add ("/ops/group_norm/odd_channels", test_group_norm_wrong);
  test_add ("/ops/layer_norm/definition", test_layer_norm);
  test_add ("/ops/rms_norm_heads/definition", test_rms_norm);
  test_add ("/ops/attention/definition", test_attention);
  test_add ("/ops/attention/large_scores", test_attention_large_scores);
  test_add ("/ops/attention_gather/definition", test_attention_gather);
  test_add ("/ops/attention_groups/definition", test_attention_groups);
  return g_test_run ();
}
