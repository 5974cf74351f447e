/* SPDX-License-Identifier: MIT */
/* Weights that come without values in host memory give the bits that their
 * values give, wherever they come from and whatever they are for. */
#include "harness.h"
#include "base/half.h"
#include "tensor/context_backend.h"
#include "tensor/source.h"
#include <string.h>

enum { Co = 24, Ci = 16, N = 5 };

typedef enum { RAW_F16, RAW_BF16, RAW_F32, FORMULA, N_SOURCES } Source;

static ShuTensor *
raw_tensor (ShuDType dtype, int n_dims, const gint64 *dims)
{
  static guint64 key;
  ShuTensor *t = shu_tensor_new (dtype, n_dims, dims);
  g_autoptr (ShuTensor) made =
      shu_tensor_new_formula (n_dims, dims, ++key, 0.1f, 0.9f);

  shu_tensor_host (made, NULL);
  if (dtype == SHU_DTYPE_F32)
    memcpy (t->data, made->data, shu_tensor_bytes (t));
  else if (dtype == SHU_DTYPE_F16)
    shu_f32_to_f16_n (made->data, t->data, t->n);
  else
    shu_f32_to_bf16_n (made->data, t->data, t->n);
  return t;
}

static ShuTensor *
source_tensor (ShuCtx *c, Source source, int n_dims, const gint64 *dims)
{
  static const ShuDType types[] = {
      SHU_DTYPE_F16, SHU_DTYPE_BF16, SHU_DTYPE_F32};
  g_autoptr (ShuTensor) t = NULL;

  if (source == FORMULA)
    t = shu_tensor_new_formula (n_dims, dims, 701, -0.25f, 1.5f);
  else
    t = raw_tensor (types[source], n_dims, dims);
  if (source <= RAW_BF16)
    t = shu_tensor_new_raw (g_steal_pointer (&t));
  return shu_scoped_ref (c, t);
}

/* Its values as a tensor that has always had them; @t stays without. */
static ShuTensor *
valued (ShuCtx *c, ShuTensor *t)
{
  ShuTensor *h = host_tensor (c, SHU_DTYPE_F32, t->n_dims, t->dims);

  if (t->data)
    memcpy (h->data, t->data, shu_tensor_bytes (h));
  else
    shu_source_values (shu_tensor_source (t), h->data);
  return h;
}

static ShuTensor *
all_neighbours (ShuCtx *c)
{
  return random_index (c, SHU_DIMS (N, 27), -1, N);
}

/* The result of what @use says, with weight @w and bias @b */
static ShuTensor *
use_weight (ShuCtx *c, ShuUse use, ShuTensor *w, ShuTensor *b)
{
  ShuConv k = {w, b};

  random_seed (7);
  switch (use) {
  case SHU_USE_NORM:
    return shu_layer_norm (
        c, random_tensor (c, SHU_DIMS (N, Co)), &(ShuNorm){w, b}, 1e-5f);
  case SHU_USE_LINEAR:
    return shu_linear (
        c, random_tensor (c, SHU_DIMS (N, Ci)), &(ShuLinear){w, b});
  case SHU_USE_CONV:
    return shu_conv2d_same (c, random_tensor (c, SHU_DIMS (1, N, N, Ci)), &k);
  case SHU_USE_SPARSE_CONV:
    return shu_sparse_conv (
        c, random_tensor (c, SHU_DIMS (N, Ci)), all_neighbours (c), &k);
  default:
    return shu_sparse_conv_subdivided (
        c, random_tensor (c, SHU_DIMS (N, Ci)), all_neighbours (c), &k);
  }
}

static const struct {
  const char *name;
  ShuUse use;
  int n_dims;
  gint64 dims[5];
} uses[] = {
    {"norm", SHU_USE_NORM, 1, {Co}},
    {"linear", SHU_USE_LINEAR, 2, {Co, Ci}},
    {"conv", SHU_USE_CONV, 4, {Co, Ci, 3, 3}},
    {"sparse_conv", SHU_USE_SPARSE_CONV, 5, {Co, 3, 3, 3, Ci}},
    {"subdivided", SHU_USE_SPARSE_CONV_SUBDIVIDED, 5, {Co, 3, 3, 3, Ci}},
};

static void
check_same (ShuCtx *c, const char *name, int source, ShuTensor *a, ShuTensor *b)
{
  g_autoptr (GError) error = NULL;
  ShuTensor *x = to_host (c, a), *y = to_host (c, b);

  shu_ctx_finish (c, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (x->n, ==, y->n);
  if (memcmp (x->data, y->data, shu_tensor_bytes (x)) != 0)
    g_test_message ("%s from source %d differs", name, source);
  g_assert_cmpint (memcmp (x->data, y->data, shu_tensor_bytes (x)), ==, 0);
}

static void
count_bytes (gsize bytes, gpointer data)
{
  gsize *last = data;

  g_assert_cmpuint (bytes, >=, *last);
  *last = bytes;
}

/* One after the other, when an operation asks for them */
static void
test_late (void)
{
  g_autoptr (ShuCtx) c = context_new ();

  for (int s = 0; s < N_SOURCES; s++)
    for (gsize u = 0; u < G_N_ELEMENTS (uses); u++) {
      SHU_SCOPE (c);
      ShuTensor *w = source_tensor (c, s, uses[u].n_dims, uses[u].dims);
      ShuTensor *b = source_tensor (c, s, SHU_DIMS (Co));
      ShuTensor *wv = valued (c, w), *bv = valued (c, b);

      check_same (c, uses[u].name, s, use_weight (c, uses[u].use, w, b),
          use_weight (c, uses[u].use, wv, bv));
    }
}

/* All of them together, as a network's are loaded */
static void
test_upload (void)
{
  enum { ALL = N_SOURCES * G_N_ELEMENTS (uses) };

  g_autoptr (ShuCtx) c = context_new ();
  ShuWeightUse list[2 * ALL];
  gsize bytes = 0, n = 0;
  ShuWeightSet sets[2];

  for (gsize i = 0; i < ALL; i++) {
    gsize u = i % G_N_ELEMENTS (uses);
    int s = (int) (i / G_N_ELEMENTS (uses));

    list[n++] = (ShuWeightUse){
        source_tensor (c, s, uses[u].n_dims, uses[u].dims), uses[u].use};
    list[n++] = (ShuWeightUse){source_tensor (c, s, SHU_DIMS (Co)),
        uses[u].use == SHU_USE_NORM ? SHU_USE_NORM : SHU_USE_LINEAR};
  }
  sets[0] = (ShuWeightSet){(int) n / 3, list};
  sets[1] = (ShuWeightSet){(int) n - sets[0].n, list + sets[0].n};
  shu_upload_weights (c, 2, sets, count_bytes, &bytes);
  if (on_gpu ())
    g_assert_cmpuint (bytes, >, 0);
  shu_upload_weights (c, 2, sets, NULL, NULL); /* they are there */
  for (gsize i = 0; i < ALL; i++) {
    SHU_SCOPE (c);
    gsize u = i % G_N_ELEMENTS (uses);
    ShuTensor *w = list[2 * i].w, *b = list[2 * i + 1].w;

    check_same (c, uses[u].name, (int) (i / G_N_ELEMENTS (uses)),
        use_weight (c, uses[u].use, w, b),
        use_weight (c, uses[u].use, valued (c, w), valued (c, b)));
    if (on_gpu () && i / G_N_ELEMENTS (uses) != RAW_F32)
      g_assert_null (w->data); /* nobody wanted it here */
  }
}

static ShuTensor *
scaled_tensor (ShuCtx *c, ShuTensor *w)
{
  static const double steps[] = {0.75, 1, -1.5, 0.125, 3}; /* exact in f32 */
  g_autofree double *scale = g_new (double, (gsize) w->dims[0]);

  for (gint64 o = 0; o < w->dims[0]; o++)
    scale[o] = steps[o % (gint64) G_N_ELEMENTS (steps)];
  return shu_scoped_take (c, shu_tensor_new_scaled (w, scale));
}

static void
test_scaled (void)
{
  g_autoptr (ShuCtx) c = context_new ();

  for (int s = 0; s < N_SOURCES; s++)
    for (int u = SHU_USE_LINEAR; u <= SHU_USE_CONV; u++) {
      SHU_SCOPE (c);
      ShuTensor *from =
          source_tensor (c, s, uses[u - 1].n_dims, uses[u - 1].dims);
      ShuTensor *w = scaled_tensor (c, from),
                *b = valued (c, source_tensor (c, s, SHU_DIMS (Co)));
      ShuTensor *wv = valued (c, w), *all = valued (c, from);

      for (gsize i = 0; i < wv->n; i++)
        g_assert_cmpfloat (at (wv, i) * 8, ==,
            at (all, i) *
                (float) (8 * shu_tensor_source (w)->factors[i / (wv->n / Co)]));
      if (!on_gpu ())
        g_assert_true (shu_tensor_host (w, NULL));
      check_same (c, uses[u - 1].name, s, use_weight (c, (ShuUse) u, w, b),
          use_weight (c, (ShuUse) u, wv, b));
    }
}

/* q, k and v as one product, brought together or made when asked for; of 24
 * columns their ends are not where a next one could begin */
static void
test_joined (void)
{
  static const gint64 columns[] = {32, 24};
  g_autoptr (ShuCtx) c = context_new ();

  for (int s = 0; s < N_SOURCES; s++)
    for (gsize i = 0; i < G_N_ELEMENTS (columns); i++) {
      SHU_SCOPE (c);
      gint64 C = columns[i];
      ShuSelfAttention p[2] = {{.n = 3, .n_heads = 1}, {.n = 3, .n_heads = 1}};
      ShuWeightUse list[3];
      ShuLinear l[2][3];
      ShuTensor *x;

      for (int k = 0; k < 3; k++) {
        ShuTensor *w = source_tensor (c, s, SHU_DIMS (C, C));

        l[0][k] = (ShuLinear){w, NULL};
        l[1][k] = (ShuLinear){valued (c, w), NULL};
        list[k] = (ShuWeightUse){w, SHU_USE_JOINED, l[0][0].w, k};
        p[0].l[k] = &l[0][k];
        p[1].l[k] = &l[1][k];
      }
      shu_upload_weights (
          c, 1, &(ShuWeightSet){G_N_ELEMENTS (list), list}, NULL, NULL);
      random_seed (5);
      x = random_tensor (c, SHU_DIMS (1, 9, C));
      check_same (c, "joined", s, shu_self_attention (c, x, &p[0]),
          shu_self_attention (c, x, &p[1]));
    }
}

/* So much that several threads bring it, in several loads */
static void
test_much (void)
{
  enum { C = 512, EACH = 2, ALL = N_SOURCES * 3 * EACH };

  static const gint64 conv[] = {C, C, 3, 3}, linear[] = {C, 4 * C};
  g_autoptr (ShuCtx) c = context_new ();
  ShuWeightUse list[ALL];
  ShuWeightSet sets[2] = {{ALL / 2, list}, {ALL / 2, list + ALL / 2}};
  gsize bytes = 0;

  for (int i = 0; i < ALL; i++) {
    Source s = (Source) (i / 3 % N_SOURCES);
    gboolean wide = i % 3 == 0;
    ShuTensor *w = source_tensor (c, s, wide ? 2 : 4, wide ? linear : conv);

    list[i] = (ShuWeightUse){i % 3 == 2 ? scaled_tensor (c, w) : w,
        wide ? SHU_USE_LINEAR : SHU_USE_CONV};
  }
  shu_upload_weights (c, 2, sets, count_bytes, &bytes);
  for (int i = 0; i < ALL; i++) {
    SHU_SCOPE (c);
    ShuTensor *w = list[i].w, *wv = valued (c, w), *x, *y[2];

    if (!on_gpu ())
      g_assert_true (shu_tensor_host (w, NULL));
    random_seed (11);
    if (list[i].use == SHU_USE_LINEAR) {
      x = random_tensor (c, SHU_DIMS (N, 4 * C));
      for (int k = 0; k < 2; k++)
        y[k] = shu_linear (c, x, &(ShuLinear){k ? wv : w, NULL});
    } else {
      ShuTensor *b = host_tensor (c, SHU_DTYPE_F32, SHU_DIMS (C));

      memset (b->data, 0, shu_tensor_bytes (b));
      x = random_tensor (c, SHU_DIMS (1, 2, 2, C));
      for (int k = 0; k < 2; k++)
        y[k] = shu_conv2d_same (c, x, &(ShuConv){k ? wv : w, b});
    }
    check_same (c, "much", i, y[0], y[1]);
  }
}

static void
test_columns (void)
{
  static const ShuColumns pieces[] = {{9, 4}, {0, 3}, {4, 5}};
  static const int from[] = {9, 10, 11, 12, 0, 1, 2, 4, 5, 6, 7, 8};
  g_autoptr (ShuCtx) c = context_new ();

  for (int s = 0; s < N_SOURCES; s++) {
    SHU_SCOPE (c);
    ShuTensor *whole = source_tensor (c, s, SHU_DIMS (Co, Ci));
    ShuTensor *all = valued (c, whole);
    ShuTensor *part = shu_scoped_take (
        c, shu_tensor_new_columns (whole, G_N_ELEMENTS (pieces), pieces));
    ShuTensor *b = source_tensor (c, s, SHU_DIMS (Co));
    ShuTensor *v = valued (c, part);

    g_assert_cmpint (part->dims[1], ==, G_N_ELEMENTS (from));
    for (int o = 0; o < Co; o++)
      for (gsize k = 0; k < G_N_ELEMENTS (from); k++)
        g_assert_cmpfloat (at (v, (gsize) o * G_N_ELEMENTS (from) + k), ==,
            at (all, (gsize) (o * Ci + from[k])));
    random_seed (3);
    all = random_tensor (c, SHU_DIMS (N, G_N_ELEMENTS (from)));
    check_same (c, "columns", s, shu_linear (c, all, &(ShuLinear){part, b}),
        shu_linear (c, all, &(ShuLinear){v, valued (c, b)}));
  }
}

/* Weights that stand as operands of elementwise operations, and views */
static void
test_operands (void)
{
  g_autoptr (ShuCtx) c = context_new ();

  for (int s = 0; s < N_SOURCES; s++) {
    SHU_SCOPE (c);
    ShuTensor *w = source_tensor (c, s, SHU_DIMS (Ci, 2));
    ShuTensor *v = valued (c, w);
    ShuTensor *x = random_tensor (c, SHU_DIMS (N, 2 * Ci));

    check_same (c, "operand", s,
        shu_add (c, x, shu_reshape (c, w, SHU_DIMS (1, 2 * Ci))),
        shu_add (c, x, shu_reshape (c, v, SHU_DIMS (1, 2 * Ci))));
    check_same (c, "itself", s, w->data ? w : valued (c, w), v);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  test_add ("/ops/weights/made_when_asked_for", test_late);
  test_add ("/ops/weights/uploaded_together", test_upload);
  test_add ("/ops/weights/scaled", test_scaled);
  test_add ("/ops/weights/joined", test_joined);
  test_add ("/ops/weights/much", test_much);
  test_add ("/ops/weights/columns", test_columns);
  test_add ("/ops/weights/operands", test_operands);
  return g_test_run ();
}
