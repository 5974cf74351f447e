/* SPDX-License-Identifier: MIT */
/* Weights from a formula: the values are those of the reference data, made once
 * and when somebody asks for them, and in what forms a device has them. */
#include "base/error.h"
#include "weights/formula.h"
#include "weights/weights.h"
#include "tensor/source.h"
#include <string.h>

static void
expect (ShuWeights *w, int code, const char *what)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (shu_weights_finish (w, &error));
  g_assert_error (error, SHU_ERROR, code);
  g_assert_nonnull (strstr (error->message, what));
}

static const struct {
  const char *key;
  float first[4], last; /* number 1000000 */
} streams[] = {
    {"701/w.conv_in.weight",
        {0.508764982f, 0.86762929f, 0.382037044f, 0.488401651f}, -0.794845223f},
    {"701/in.latents",
        {-0.786667228f, 0.966314912f, -0.329982758f, 0.227410555f},
        -0.683294177f},
    {"151/w.conv_in.weight",
        {0.106101751f, -0.88372612f, -0.494165421f, 0.17346704f},
        -0.453996301f},
    {"151/in.latents",
        {0.0371845961f, -0.0914809704f, 0.981270552f, -0.563812613f},
        -0.414301515f},
    {"0/x", {-0.764034986f, -0.210388899f, -0.498355746f, -0.423587084f},
        -0.754869342f},
};

static void
test_formula_values (void)
{
  enum { N = 1000001 };

  g_autofree float *v = g_new (float, N);

  for (gsize i = 0; i < G_N_ELEMENTS (streams); i++) {
    shu_formula_values (streams[i].key, N, v);
    g_assert_cmpmem (v, 16, streams[i].first, 16);
    g_assert_cmpfloat (v[N - 1], ==, streams[i].last);
    for (int k = 0; k < N; k++)
      g_assert_true (v[k] >= -1 && v[k] < 1);
  }
}

typedef struct {
  int seed;
  const char *name;
  int n_dims;
  gint64 dims[5];
  float first[4];
} Rule;

static const Rule exact[] = {
    {151, "conv_in.weight", 4, {32, 8, 3, 3},
        {0.0216579307f, -0.180389851f, -0.100871101f, 0.0354088135f}},
    {151, "conv_in.bias", 1, {32},
        {-0.0263095647f, -0.0616300404f, -0.0433919877f, 0.0447802246f}},
    {151, "conv_norm_out.weight", 1, {32},
        {0.873712242f, 0.890233397f, 1.14938521f, 1.1252861f}},
    {151, "blocks.0.self_attn.to_qkv.weight", 2, {192, 64},
        {0.201326743f, -0.234844163f, 0.0823709741f, 0.168684617f}},
    {151, "blocks.0.self_attn.q_rms_norm.gamma", 2, {4, 16},
        {1.08772516f, 0.949532032f, 0.908791244f, 0.922522306f}},
    {182, "stage1.rebnconvin.conv_s1.weight", 4, {64, 3, 3, 3},
        {-0.00898039341f, -0.157850355f, -0.0898760557f, -0.314681053f}},
    {182, "stage1.rebnconvin.bn_s1.running_mean", 1, {64},
        {-0.249235541f, 0.137771636f, -0.0411636531f, 0.212365508f}},
    {182, "stage1.rebnconvin.bn_s1.running_var", 1, {64},
        {1.80774713f, 1.69145322f, 0.667564273f, 1.76100659f}},
    {182, "stage1.rebnconv1.bn_s1.running_var", 1, {16},
        {0.576070547f, 0.615952611f, 0.469093442f, 0.402293056f}},
    {183, "stage5d.rebnconvin.conv_s1.weight", 4, {512, 1024, 3, 3},
        {-0.0136953481f, 0.00894978363f, 0.010349392f, -0.0171208307f}},
};

static const Rule rounded[] = {
    {701, "conv_in.weight", 4, {320, 8, 3, 3},
        {0.103820801f, 0.177124023f, 0.0780029297f, 0.0996704102f}},
    {701, "conv_in.bias", 1, {320},
        {0.0651245117f, 0.0116271973f, -0.0165100098f, 0.076171875f}},
    {701, "conv_norm_out.weight", 1, {320},
        {1.04980469f, 0.994628906f, 1.04101562f, 1.125f}},
    {701, "blocks.0.self_attn.to_qkv.weight", 2, {3072, 1024},
        {0.0629272461f, 0.0626831055f, -0.0184783936f, -0.0348815918f}},
    {701, "blocks.0.self_attn.q_rms_norm.gamma", 2, {16, 64},
        {0.770996094f, 1.23144531f, 1.24707031f, 1.19042969f}},
    {703, "vision_model.embeddings.position_embedding.weight", 2, {257, 1280},
        {-0.117614746f, -0.329345703f, -0.279296875f, 0.15234375f}},
    {706, "input_blocks.0.conv1.conv.weight", 5, {128, 3, 3, 3, 128},
        {0.0135650635f, 0.0177001953f, -0.0166625977f, -0.012550354f}},
};

static gsize
count (const Rule *r)
{
  gsize n = 1;

  for (int i = 0; i < r->n_dims; i++)
    n *= r->dims[i];
  return n;
}

static void
test_formula_rules (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (exact); i++) {
    const Rule *r = &exact[i];
    g_autofree float *v = g_new (float, count (r));

    shu_formula_weight (r->seed, r->name, r->n_dims, r->dims, count (r), v);
    for (int k = 0; k < 4; k++)
      if (v[k] != r->first[k])
        g_error ("%s [%d]: %.9g, expected %.9g", r->name, k, v[k], r->first[k]);
  }
}

static void
test_synthetic (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (rounded); i++) {
    const Rule *r = &rounded[i];
    g_autoptr (ShuWeights) w = shu_weights_new_synthetic (r->seed, NULL);
    const float *v = shu_weights_get (w, r->name, r->n_dims, r->dims)->data;

    for (int k = 0; k < 4; k++)
      if (v[k] != r->first[k])
        g_error ("%s [%d]: %.9g, expected %.9g", r->name, k, v[k], r->first[k]);
    g_assert_true (shu_weights_finish (w, NULL));
  }
}

static gboolean
not_bias (const char *name, gpointer data)
{
  return !g_str_has_suffix (name, "bias");
}

static void
test_formula_set (void)
{
  g_autoptr (ShuWeights) w = shu_weights_new_synthetic (5, not_bias);
  ShuTensor *t = shu_weights_get (w, "a.weight", SHU_DIMS (3, 2));
  ShuConv conv;

  g_assert_cmpuint (t->n, ==, 6);
  g_assert_true (shu_weights_has (w, "anything"));
  g_assert_false (shu_weights_has (w, "a.bias"));
  g_assert_true (shu_weights_finish (w, NULL));
  /* one tensor has one shape, whoever asks */
  conv = shu_weights_conv (w, "b", 2, 2, 1);
  g_assert_nonnull (conv.b);
  expect (w, SHU_ERROR_MISSING, "\"b.bias\" is missing");
}

static void
test_formula_needs_shape (void)
{
  g_autoptr (ShuWeights) w = shu_weights_new_synthetic (5, NULL);

  shu_weights_get (w, "a", SHU_DIMS (3, -1));
  expect (w, SHU_ERROR_INTERNAL, "a: a formula needs the whole shape");
}

static gpointer
ask (gpointer data)
{
  ShuTensor *t = NULL;

  for (int i = 0; i < 200; i++) {
    ShuWeights *part = shu_weights_at (data, "block.%d", i % 50);

    t = shu_weights_get (part, "weight", SHU_DIMS (8, 8));
  }
  return t;
}

static void
test_threads (void)
{
  g_autoptr (ShuWeights) w = shu_weights_new_synthetic (5, NULL);
  GThread *threads[4];
  gpointer first;

  for (int i = 0; i < 4; i++)
    threads[i] = g_thread_new ("ask", ask, w);
  first = g_thread_join (threads[0]);
  for (int i = 1; i < 4; i++)
    g_assert_true (g_thread_join (threads[i]) == first);
  g_assert_true (shu_weights_finish (w, NULL));
}

static void
test_deferred_formula (void)
{
  g_autoptr (ShuWeights) now = shu_weights_new_synthetic (9, NULL);
  g_autoptr (ShuWeights) later = shu_weights_new_synthetic (9, NULL);
  ShuTensor *a, *b;
  const float *values;

  shu_weights_defer (later);
  a = shu_weights_get (now, "blocks.0.to_q.weight", SHU_DIMS (300, 700));
  b = shu_weights_get (later, "blocks.0.to_q.weight", SHU_DIMS (300, 700));
  g_assert_null (b->data);
  values = shu_weights_values (later, b);
  g_assert_true (values == b->data);
  g_assert_cmpmem (a->data, shu_tensor_bytes (a), values, shu_tensor_bytes (b));
}

static gpointer
want_values (gpointer data)
{
  return shu_tensor_host (data, NULL) ? ((ShuTensor *) data)->data : NULL;
}

static void
test_deferred_threads (void)
{
  g_autoptr (ShuWeights) w = shu_weights_new_synthetic (9, NULL);
  GThread *threads[4];
  ShuTensor *t;
  gpointer first;

  shu_weights_defer (w);
  t = shu_weights_get (w, "a.weight", SHU_DIMS (600, 600));
  for (int i = 0; i < 4; i++)
    threads[i] = g_thread_new ("want", want_values, t);
  first = g_thread_join (threads[0]);
  g_assert_nonnull (first);
  for (int i = 1; i < 4; i++)
    g_assert_true (g_thread_join (threads[i]) == first);
}

static void
test_uses (void)
{
  g_autoptr (ShuWeights) w = shu_weights_new_synthetic (9, NULL);
  ShuLinear l = shu_weights_linear (w, "l", 4, 8, TRUE);
  gsize linear = (4 * 8 + 4) * 2, conv, subdivided;
  ShuConv k;

  g_assert_cmpuint (shu_weights_device_bytes (w), ==, linear);
  shu_weights_norm (w, "n", 16);
  g_assert_cmpuint (shu_weights_device_bytes (w), ==, linear + 2 * 16 * 4);
  shu_weights_use (w, l.w, SHU_USE_NONE);
  shu_weights_use (w, l.b, SHU_USE_NONE);
  k = shu_weights_sparse_conv (w, "k", 2, 4, 3);
  conv = (2 * 27 * 4 + 2) * 2;
  g_assert_cmpuint (shu_weights_device_bytes (w), ==, 2 * 16 * 4 + conv);
  shu_weights_use (w, k.w, SHU_USE_SPARSE_CONV_SUBDIVIDED);
  subdivided = (2 * 64 * 4 + 2) * 2;
  g_assert_cmpuint (shu_weights_device_bytes (w), ==, 2 * 16 * 4 + subdivided);
}

static void
add (const char *name, GTestFunc func)
{
  g_autofree char *path = g_strconcat ("/weights/formula/", name, NULL);

  g_test_add_func (path, func);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  add ("values", test_formula_values);
  add ("rules", test_formula_rules);
  add ("rounds_to_f16", test_synthetic);
  add ("set", test_formula_set);
  add ("needs_shape", test_formula_needs_shape);
  add ("threads_share", test_threads);
  add ("deferred_formula_is_the_same", test_deferred_formula);
  add ("deferred_values_are_made_once", test_deferred_threads);
  add ("device_bytes_by_use", test_uses);
  return g_test_run ();
}
