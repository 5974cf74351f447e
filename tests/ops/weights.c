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

  for (gsize i = 0; i < ALL; i++) {
    gsize u = i % G_N_ELEMENTS (uses);
    int s = (int) (i / G_N_ELEMENTS (uses));

    list[n++] = (ShuWeightUse){
        source_tensor (c, s, uses[u].n_dims, uses[u].dims), uses[u].use};
    list[n++] = (ShuWeightUse){source_tensor (c, s, SHU_DIMS (Co)),
        uses[u].use == SHU_USE_NORM ? SHU_USE_NORM : SHU_USE_LINEAR};
  }
  shu_upload_weights (c, (int) n, list, count_bytes, &bytes);
  if (on_gpu ())
    g_assert_cmpuint (bytes, >, 0);
  shu_upload_weights (c, (int) n, list, NULL, NULL); /* they are there */
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
  test_add ("/ops/weights/columns", test_columns);
  test_add ("/ops/weights/operands", test_operands);
  return g_test_run ();
}
