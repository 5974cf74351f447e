/* SPDX-License-Identifier: MIT */
/* Weights by name: what is wrong is named, the first failure sticks, formula
 * values are those of the reference data. */
#include "base/error.h"
#include "base/file.h"
#include "base/half.h"
#include "weights/formula.h"
#include "weights/safetensors.h"
#include "weights/weights.h"
#include "tensor/source.h"
#include <glib/gstdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* ---- folders to read from ---- */

typedef struct {
  char *path;
} Folder;

static void
folder_clear (Folder *f)
{
  g_autoptr (GDir) dir = g_dir_open (f->path, 0, NULL);
  const char *name;

  while (dir && (name = g_dir_read_name (dir))) {
    g_autofree char *path = g_build_filename (f->path, name, NULL);

    g_unlink (path);
  }
  g_rmdir (f->path);
  g_free (f->path);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Folder, folder_clear)

static Folder
folder_new (void)
{
  return (Folder){g_dir_make_tmp ("shu-weights-XXXXXX", NULL)};
}

static char *
put_text (const Folder *f, const char *name, const char *text)
{
  char *path = g_build_filename (f->path, name, NULL);

  g_assert_true (g_file_set_contents (path, text, -1, NULL));
  return path;
}

/* One tensor, 0, 1, 2, ... of any type. */
static char *
put_tensor (const Folder *f, const char *file, const char *name, ShuDType type,
    int n_dims, const gint64 *dims)
{
  char *path = g_build_filename (f->path, file, NULL);
  g_autoptr (ShuTensor) t = shu_tensor_new (type, n_dims, dims);
  g_autoptr (GBytes) bytes = NULL;
  gsize size;
  gconstpointer data;

  for (gsize i = 0; i < t->n; i++)
    switch (type) {
    case SHU_DTYPE_F32:
      ((float *) t->data)[i] = i;
      break;
    case SHU_DTYPE_F16:
      ((guint16 *) t->data)[i] = shu_f32_to_f16 (i);
      break;
    case SHU_DTYPE_BF16:
      ((guint16 *) t->data)[i] = shu_f32_to_bf16 (i);
      break;
    case SHU_DTYPE_I32:
      ((gint32 *) t->data)[i] = i;
      break;
    case SHU_DTYPE_U8:
    case SHU_DTYPE_E4M3: /* no file has it */
      ((guint8 *) t->data)[i] = i;
      break;
    }
  bytes = shu_safetensors_write (1, &name, &t, NULL);
  data = g_bytes_get_data (bytes, &size);
  g_assert_true (shu_file_write (path, data, size, NULL));
  return path;
}

static ShuWeights *
open_ok (const char *path)
{
  g_autoptr (GError) error = NULL;
  ShuWeights *w = shu_weights_open (path, &error);

  g_assert_no_error (error);
  return w;
}

static void
expect (ShuWeights *w, int code, const char *what)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (shu_weights_finish (w, &error));
  g_assert_error (error, SHU_ERROR, code);
  if (!strstr (error->message, what))
    g_error ("\"%s\" does not say \"%s\"", error->message, what);
}

static void
expect_no_open (const char *path, int code, const char *what)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (shu_weights_open (path, &error));
  g_assert_error (error, SHU_ERROR, code);
  if (!strstr (error->message, what))
    g_error ("\"%s\" does not say \"%s\"", error->message, what);
}

/* ---- files ---- */

static void
test_types (void)
{
  static const ShuDType types[] = {
      SHU_DTYPE_F32, SHU_DTYPE_F16, SHU_DTYPE_BF16};

  for (gsize k = 0; k < G_N_ELEMENTS (types); k++) {
    g_auto (Folder) f = folder_new ();
    g_autofree char *path =
        put_tensor (&f, "model.safetensors", "a.w", types[k], SHU_DIMS (4, 25));
    g_autoptr (ShuWeights) w = open_ok (k % 2 ? path : f.path);
    ShuTensor *t =
        shu_weights_get (shu_weights_at (w, "a"), "w", SHU_DIMS (-1, 25));

    g_assert_cmpint (t->dtype, ==, SHU_DTYPE_F32);
    g_assert_cmpint (t->dims[0], ==, 4);
    for (int i = 0; i < 100; i++)
      g_assert_cmpfloat (((float *) t->data)[i], ==, i);
    g_assert_true (shu_weights_get (w, "a.w", SHU_DIMS (4, 25)) == t);
    g_assert_true (shu_weights_finish (w, NULL));
  }
}

static void
test_wrong_shape (void)
{
  g_auto (Folder) f = folder_new ();
  g_autofree char *path = put_tensor (&f, "m.safetensors",
      "down.0.conv1.weight", SHU_DTYPE_F32, SHU_DIMS (4, 2, 1, 1));
  g_autoptr (ShuWeights) w = open_ok (path);
  ShuTensor *t = shu_weights_get (
      shu_weights_at (w, "down.%d", 0), "conv1.weight", SHU_DIMS (4, 2, 3, 3));

  g_assert_cmpuint (t->n, ==, 1); /* nil: harmless */
  expect (w, SHU_ERROR_INVALID,
      "down.0.conv1.weight: expected [4,2,3,3], got [4,2,1,1]");
  expect (w, SHU_ERROR_INVALID, path);
  /* the first failure sticks, to all parts */
  shu_weights_get (w, "absent", SHU_DIMS (1));
  shu_weights_fail (w, SHU_ERROR_LIMIT, "another");
  expect (shu_weights_at (w, "other"), SHU_ERROR_INVALID, "down.0.conv1");
  /* and what is right is not handed out any more */
  t = shu_weights_get (w, "down.0.conv1.weight", SHU_DIMS (4, 2, 1, 1));
  g_assert_cmpuint (t->n, ==, 1);
}

static void
test_wrong_rank (void)
{
  g_auto (Folder) f = folder_new ();
  g_autofree char *path =
      put_tensor (&f, "m.safetensors", "x", SHU_DTYPE_F32, SHU_DIMS (4, 2));
  g_autoptr (ShuWeights) w = open_ok (path);

  shu_weights_get (w, "x", SHU_DIMS (8));
  expect (w, SHU_ERROR_INVALID, "x: expected [8], got [4,2]");
}

static void
test_missing (void)
{
  g_auto (Folder) f = folder_new ();
  g_autofree char *path =
      put_tensor (&f, "m.safetensors", "a.weight", SHU_DTYPE_F32, SHU_DIMS (1));
  g_autoptr (ShuWeights) w = open_ok (path);
  ShuLinear l;

  g_assert_true (shu_weights_has (w, "a.weight"));
  g_assert_false (shu_weights_has (w, "a.bias"));
  g_assert_true (shu_weights_finish (w, NULL));
  l = shu_weights_linear (shu_weights_at (w, "blocks.3"), "fc1", 2, 2, TRUE);
  g_assert_nonnull (l.w);
  g_assert_nonnull (l.b);
  expect (w, SHU_ERROR_MISSING, "\"blocks.3.fc1.weight\" is missing");
}

static void
test_integers (void)
{
  static const struct {
    ShuDType type;
    const char *name;
  } types[] = {{SHU_DTYPE_I32, "i32"}, {SHU_DTYPE_U8, "u8"}};

  for (gsize i = 0; i < G_N_ELEMENTS (types); i++) {
    g_auto (Folder) f = folder_new ();
    g_autofree char *path =
        put_tensor (&f, "m.safetensors", "x", types[i].type, SHU_DIMS (4));
    g_autoptr (ShuWeights) w = open_ok (path);
    ShuTensor *t = shu_weights_get (w, "x", SHU_DIMS (4));

    /* a float of each element would lie beyond the bytes there are */
    g_assert_cmpint (t->dtype, ==, SHU_DTYPE_F32);
    expect (w, SHU_ERROR_INVALID, types[i].name);
  }
}

static void
test_i64 (void)
{
  static const char header[] =
      "{\"x\":{\"dtype\":\"I64\",\"shape\":[1],\"data_offsets\":[0,8]}}  ";
  g_auto (Folder) f = folder_new ();
  g_autofree char *path = g_build_filename (f.path, "m.safetensors", NULL);
  g_autoptr (ShuWeights) w = NULL;
  guint8 data[8 + sizeof header - 1 + 8] = {sizeof header - 1};

  memcpy (data + 8, header, sizeof header - 1);
  g_assert_true (shu_file_write (path, data, sizeof data, NULL));
  w = open_ok (path);
  shu_weights_get (w, "x", SHU_DIMS (1));
  expect (w, SHU_ERROR_UNSUPPORTED, "I64");
  expect (w, SHU_ERROR_UNSUPPORTED, "\"x\"");
}

static void
test_names_and_dims (void)
{
  g_auto (Folder) f = folder_new ();
  g_autofree char *path =
      put_tensor (&f, "m.safetensors", "a.z", SHU_DTYPE_F16, SHU_DIMS (3, 4));
  g_autoptr (ShuWeights) w = open_ok (path);
  g_autoptr (ShuTensor) t = shu_tensor_new (SHU_DTYPE_F32, SHU_DIMS (2));
  g_auto (GStrv) all = NULL, part = NULL;
  gint64 dims[SHU_MAX_DIMS] = {0};
  int n_dims = 0;

  memset (t->data, 0, shu_tensor_bytes (t));
  shu_weights_set (w, "a.b", t);
  shu_weights_set (w, "ab", t);
  all = shu_weights_names (w);
  part = shu_weights_names (shu_weights_at (w, "a"));
  g_assert_cmpstr (all[0], ==, "a.b");
  g_assert_cmpstr (all[1], ==, "a.z");
  g_assert_cmpstr (all[2], ==, "ab");
  g_assert_null (all[3]);
  g_assert_cmpstr (part[0], ==, "b");
  g_assert_cmpstr (part[1], ==, "z");
  g_assert_null (part[2]);
  g_assert_true (shu_weights_dims (w, "a.z", &n_dims, dims));
  g_assert_cmpint (n_dims, ==, 2);
  g_assert_cmpint (dims[1], ==, 4);
  g_assert_true (shu_weights_dims (w, "ab", &n_dims, dims));
  g_assert_cmpint (n_dims, ==, 1);
  g_assert_false (shu_weights_dims (w, "none", &n_dims, dims));
}

static void
test_damaged_files (void)
{
  g_auto (Folder) f = folder_new ();
  g_autofree char *none = g_build_filename (f.path, "none.safetensors", NULL);
  g_autofree char *text = put_text (&f, "t.safetensors", "not a safetensors");
  g_autofree char *empty = put_text (&f, "e.safetensors", "");

  expect_no_open (none, SHU_ERROR_MISSING, none);
  expect_no_open (text, SHU_ERROR_LIMIT, text);
  expect_no_open (empty, SHU_ERROR_INVALID, empty);
  expect_no_open (f.path, SHU_ERROR_MISSING, "no weights here");
  expect_no_open (f.path, SHU_ERROR_MISSING, "model.safetensors");
}

/* ---- shards ---- */

static void
test_shards (void)
{
  g_auto (Folder) f = folder_new ();
  g_autofree char *one =
      put_tensor (&f, "one.safetensors", "a", SHU_DTYPE_F32, SHU_DIMS (2));
  g_autofree char *two =
      put_tensor (&f, "two.safetensors", "b", SHU_DTYPE_F16, SHU_DIMS (3));
  g_autofree char *index = put_text (&f, "model.safetensors.index.json",
      "{\"metadata\":{\"total_size\":14},\"weight_map\":"
      "{\"a\":\"one.safetensors\",\"b\":\"two.safetensors\"}}");
  g_autoptr (ShuWeights) w = open_ok (f.path);
  g_autoptr (ShuWeights) same = open_ok (index);

  g_assert_cmpfloat (
      ((float *) shu_weights_get (w, "b", SHU_DIMS (3))->data)[2], ==, 2);
  shu_weights_get (w, "a", SHU_DIMS (2));
  g_assert_true (shu_weights_finish (w, NULL));
  shu_weights_get (same, "b", SHU_DIMS (1));
  expect (same, SHU_ERROR_INVALID, "b: expected [1], got [3]");
}

static void
test_bad_shards (void)
{
  static const struct {
    const char *json;
    int code;
    const char *message;
  } cases[] = {
      {"{\"weight_map\":{\"a\":\"../one.safetensors\"}}", SHU_ERROR_INVALID,
          "not the name of a file"},
      {"{\"weight_map\":{\"a\":\"/etc/passwd\"}}", SHU_ERROR_INVALID,
          "\"/etc/passwd\": not the name of a file"},
      {"{\"weight_map\":{\"a\":\"sub/one.safetensors\"}}", SHU_ERROR_INVALID,
          "not the name of a file"},
      {"{\"weight_map\":{\"a\":\"\"}}", SHU_ERROR_INVALID, "not the name"},
      {"{\"weight_map\":{\"a\":\"..\"}}", SHU_ERROR_INVALID, "not the name"},
      {"{\"weight_map\":{\"a\":\".hidden\"}}", SHU_ERROR_INVALID,
          "not the name"},
      {"{\"weight_map\":{\"a\":7}}", SHU_ERROR_INVALID,
          "\"a\": expected a string"},
      {"{\"weight_map\":{\"a\":\"absent.safetensors\"}}", SHU_ERROR_MISSING,
          "absent.safetensors"},
      {"{\"weight_map\":{\"a\":\"one.safetensors\","
       "\"b\":\"absent.safetensors\"}}",
          SHU_ERROR_MISSING, "absent.safetensors"},
      {"{\"weight_map\":{\"a\":\"model.safetensors.index.json\"}}",
          SHU_ERROR_LIMIT, "not a safetensors file"},
      {"{\"weight_map\":[]}", SHU_ERROR_INVALID, "expected an object"},
      {"{\"weight_map\":{}}", SHU_ERROR_INVALID, "names no files"},
      {"{}", SHU_ERROR_INVALID, "names no files"},
      {"[]", SHU_ERROR_INVALID, "expected a JSON object"},
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_auto (Folder) f = folder_new ();
    g_autofree char *one =
        put_tensor (&f, "one.safetensors", "a", SHU_DTYPE_F32, SHU_DIMS (2));
    g_autofree char *index =
        put_text (&f, "model.safetensors.index.json", cases[i].json);

    expect_no_open (f.path, cases[i].code, cases[i].message);
  }
}

/* An index may promise what its files do not hold. */
static void
test_shard_without_tensor (void)
{
  g_auto (Folder) f = folder_new ();
  g_autofree char *one =
      put_tensor (&f, "one.safetensors", "a", SHU_DTYPE_F32, SHU_DIMS (2));
  g_autofree char *index = put_text (&f, "model.safetensors.index.json",
      "{\"weight_map\":{\"b\":\"one.safetensors\"}}");
  g_autoptr (ShuWeights) w = open_ok (f.path);

  shu_weights_get (w, "b", SHU_DIMS (2));
  expect (w, SHU_ERROR_MISSING, "\"b\" is missing");
}

/* Which of two would be meant, nobody can tell. */
static void
test_shards_with_one_tensor (void)
{
  g_auto (Folder) f = folder_new ();
  g_autofree char *one =
      put_tensor (&f, "one.safetensors", "a", SHU_DTYPE_F32, SHU_DIMS (2));
  g_autofree char *two =
      put_tensor (&f, "two.safetensors", "a", SHU_DTYPE_F32, SHU_DIMS (2));
  g_autofree char *index = put_text (&f, "model.safetensors.index.json",
      "{\"weight_map\":{\"a\":\"one.safetensors\",\"b\":\"two.safetensors\"}}");

  expect_no_open (f.path, SHU_ERROR_INVALID, "the tensor \"a\" is in ");
}

/* Types that we have no use for are in nobody's way. */
static void
test_unusable_type (void)
{
  static const char header[] =
      "{\"a\":{\"dtype\":\"F8_E4M3\",\"shape\":[4],\"data_offsets\":[0,4]},"
      "\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}     ";
  const guint64 length = GUINT64_TO_LE (sizeof header - 1);
  g_auto (Folder) f = folder_new ();
  g_autofree char *path = g_build_filename (f.path, "m.safetensors", NULL);
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  g_autoptr (ShuWeights) w = NULL;

  g_byte_array_append (bytes, (const guint8 *) &length, 8);
  g_byte_array_append (bytes, (const guint8 *) header, sizeof header - 1);
  g_byte_array_append (bytes, (const guint8 *) "1234\0\0\0\0", 8);
  g_assert_true (
      g_file_set_contents (path, (char *) bytes->data, bytes->len, NULL));
  w = open_ok (path);
  g_assert_cmpfloat (
      *(float *) shu_weights_get (w, "b", SHU_DIMS (1))->data, ==, 0);
  g_assert_true (shu_weights_finish (w, NULL));
  shu_weights_get (w, "a", SHU_DIMS (4));
  expect (w, SHU_ERROR_UNSUPPORTED, "no use for its type F8_E4M3");
}

/* ---- formulas ---- */

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

/* One F16 tensor of @n zeros, without taking the disk space. */
static char *
put_large (const Folder *f, gsize n)
{
  g_autofree char *json = g_strdup_printf (
      "{\"w\":{\"dtype\":\"F16\",\"shape\":[%zu],\"data_offsets\":[0,%zu]}} ",
      n, 2 * n);
  guint64 size = GUINT64_TO_LE ((guint64) strlen (json));
  char *path = g_build_filename (f->path, "large.safetensors", NULL);
  FILE *file = fopen (path, "wb");

  g_assert_nonnull (file);
  g_assert_cmpint (fwrite (&size, 8, 1, file), ==, 1);
  g_assert_cmpint (fwrite (json, 1, strlen (json), file), ==, strlen (json));
  g_assert_cmpint (ftruncate (fileno (file), 8 + strlen (json) + 2 * n), ==, 0);
  fclose (file);
  return path;
}

static void
test_no_memory (void)
{
  g_auto (Folder) f = folder_new ();
  g_autofree char *path = put_large (&f, 64 << 20);
  g_autoptr (ShuWeights) w = open_ok (path);
  g_autoptr (GError) error = NULL;
  unsigned long pages = 0;
  FILE *statm = fopen ("/proc/self/statm", "r");
  struct rlimit old, r;

#ifdef __SANITIZE_ADDRESS__
  fclose (statm);
  g_test_skip ("the sanitizer's own memory knows no such limit");
  return;
#endif
  g_assert_nonnull (statm);
  g_assert_cmpint (fscanf (statm, "%lu", &pages), ==, 1);
  fclose (statm);
  g_assert_cmpint (getrlimit (RLIMIT_AS, &old), ==, 0);
  r = old; /* the file is mapped already; 256 MB for its f32 are not there */
  r.rlim_cur = pages * (gsize) sysconf (_SC_PAGESIZE) + (64 << 20);
  g_assert_cmpint (setrlimit (RLIMIT_AS, &r), ==, 0);
  shu_weights_get (w, "w", SHU_DIMS (-1));
  g_assert_cmpint (setrlimit (RLIMIT_AS, &old), ==, 0);
  g_assert_false (shu_weights_finish (w, &error));
  g_assert_error (error, SHU_ERROR, SHU_ERROR_MEMORY);
  g_assert_nonnull (strstr (error->message, "w: no memory for"));
}

/* ---- without values ---- */

static void
test_deferred (void)
{
  g_auto (Folder) f = folder_new ();
  g_autofree char *path = put_large (&f, (gsize) 1 << 30);
  g_autoptr (ShuWeights) w = open_ok (path);
  ShuTensor *t;

  shu_weights_defer (w); /* 4 GB as f32: nobody asks for them */
  t = shu_weights_get (w, "w", SHU_DIMS (-1));
  g_assert_null (t->data);
  g_assert_cmpint (t->dtype, ==, SHU_DTYPE_F32);
  g_assert_cmpuint (t->n, ==, (gsize) 1 << 30);
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
  g_autofree char *path = g_strconcat ("/weights/weights/", name, NULL);

  g_test_add_func (path, func);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  add ("converts_f16_and_bf16", test_types);
  add ("wrong_shape_names_tensor", test_wrong_shape);
  add ("wrong_rank_names_tensor", test_wrong_rank);
  add ("missing_names_tensor", test_missing);
  add ("refuses_integers", test_integers);
  add ("refuses_i64", test_i64);
  add ("names_and_dims", test_names_and_dims);
  add ("refuses_damaged_files", test_damaged_files);
  add ("reads_shards", test_shards);
  add ("refuses_bad_shards", test_bad_shards);
  add ("shard_without_tensor", test_shard_without_tensor);
  add ("shards_with_one_tensor", test_shards_with_one_tensor);
  add ("unusable_type", test_unusable_type);
  add ("formula_values", test_formula_values);
  add ("formula_rules", test_formula_rules);
  add ("formula_rounds_to_f16", test_synthetic);
  add ("formula_set", test_formula_set);
  add ("formula_needs_shape", test_formula_needs_shape);
  add ("threads_share", test_threads);
  add ("no_memory_is_an_error", test_no_memory);
  add ("deferred_takes_no_memory", test_deferred);
  add ("deferred_formula_is_the_same", test_deferred_formula);
  add ("deferred_values_are_made_once", test_deferred_threads);
  add ("device_bytes_by_use", test_uses);
  return g_test_run ();
}
