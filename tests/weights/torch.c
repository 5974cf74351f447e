/* SPDX-License-Identifier: MIT */
/* Files of torch.save(): real ones, all kinds of tensors, and files that are
 * not what they say.
 *   test_weights_torch DATA_FOLDER */
#include "base/error.h"
#include "base/file.h"
#include "fixtures.h"
#include "weights/import.h"
#include "weights/safetensors.h"
#include "weights/tensor_file.h"
#include "weights/weights.h"
#include <glib/gstdio.h>
#include <string.h>

static const char *data_folder;

static void
expect (GError **error, int code, const char *message)
{
  g_assert_error (*error, SHU_ERROR, code);
  if (!strstr ((*error)->message, message))
    g_error ("\"%s\" lacks \"%s\"", (*error)->message, message);
  g_clear_error (error);
}

static ShuTensorFile *
open_data (const char *name)
{
  g_autofree char *path = g_build_filename (data_folder, name, NULL);
  g_autoptr (GError) error = NULL;
  ShuTensorFile *file = shu_tensor_file_open (path, &error);

  g_assert_no_error (error);
  return file;
}

/* ---- real files ---- */

static const struct {
  const char *name, *dtype;
  int n_dims;
  gint64 dims[3];
} types[] = {
    {"f32", "F32", 2, {2, 3}},
    {"f16", "F16", 2, {2, 3}},
    {"bf16", "BF16", 1, {4}},
    {"f64", "F64", 1, {3}},
    {"i64", "I64", 1, {3}},
    {"i32", "I32", 1, {2}},
    {"u8", "U8", 1, {2}},
    {"bool", "BOOL", 1, {2}},
    {"i8", "I8", 1, {1}},
    {"i16", "I16", 1, {1}},
    {"scalar", "F32", 1, {1}},
    {"transposed", "F32", 2, {3, 2}},
    {"view_a", "F32", 2, {2, 3}},
    {"view_b", "F32", 1, {5}},
    {"parameter", "F32", 1, {3}},
    {"expanded", "F32", 2, {2, 2}},
    {"empty", "F32", 2, {0, 3}},
};

static void
expect_floats (
    const ShuTensorFile *file, const char *name, int n, const float *values)
{
  int i = shu_tensor_file_find (file, name);
  g_autoptr (GError) error = NULL;
  g_autoptr (ShuTensor) t = shu_tensor_file_tensor (file, i, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (t->n, ==, (gsize) n);
  for (int k = 0; k < n; k++)
    g_assert_cmpfloat (((float *) t->data)[k], ==, values[k]);
}

static void
test_types (gconstpointer name)
{
  g_autoptr (ShuTensorFile) file = open_data (name);
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) i64 = NULL;
  gint64 numbers[3];

  g_assert_cmpint (shu_tensor_file_n (file), ==, G_N_ELEMENTS (types));
  for (gsize i = 0; i < G_N_ELEMENTS (types); i++) {
    const char *dtype;
    gint64 dims[SHU_MAX_DIMS];
    int n;

    g_assert_cmpstr (shu_tensor_file_name (file, i), ==, types[i].name);
    shu_tensor_file_shape (file, i, &dtype, &n, dims);
    g_assert_cmpstr (dtype, ==, types[i].dtype);
    g_assert_cmpmem (
        dims, n * sizeof *dims, types[i].dims, types[i].n_dims * sizeof *dims);
  }
  expect_floats (file, "f32", 6, (float[]){0, .25f, .5f, .75f, 1, 1.25f});
  expect_floats (file, "scalar", 1, (float[]){2.5f});
  expect_floats (file, "parameter", 3, (float[]){0, .25f, .5f});
  expect_floats (
      file, "transposed", 6, (float[]){0, .75f, .25f, 1, .5f, 1.25f});
  expect_floats (file, "view_a", 6, (float[]){1, 1.25f, 1.5f, 1.75f, 2, 2.25f});
  expect_floats (file, "view_b", 5, (float[]){0, 1.25f, 2.5f, 3.75f, 5});
  i64 = shu_tensor_file_bytes (file, 4, &error);
  memcpy (numbers, g_bytes_get_data (i64, NULL), sizeof numbers);
  g_assert_cmpint (numbers[0], ==, 1);
  g_assert_cmpint (numbers[1], ==, -2);
  g_assert_cmpint (numbers[2], ==, (gint64) 1 << 40);
  g_assert_null (shu_tensor_file_tensor (file, 4, &error));
  expect (&error, SHU_ERROR_UNSUPPORTED, "\"i64\"");
  g_assert_null (shu_tensor_file_tensor (file, 15, &error));
  expect (&error, SHU_ERROR_UNSUPPORTED, "overlap");
  g_assert_null (shu_tensor_file_tensor (file, 16, &error));
  expect (&error, SHU_ERROR_UNSUPPORTED, "empty");
}

static void
test_real (void)
{
  g_autoptr (ShuTensorFile) module = open_data ("module.pth");
  g_autoptr (ShuTensorFile) bare = open_data ("bare.pt");
  g_autoptr (ShuTensorFile) p4 = open_data ("p4.pt");
  gint64 dims[SHU_MAX_DIMS];
  int n;

  g_assert_cmpint (shu_tensor_file_n (module), ==, 10);
  g_assert_cmpint (
      shu_tensor_file_find (module, "bn.num_batches_tracked"), >=, 0);
  expect_floats (module, "bn.weight", 2, (float[]){2, 2.25f});
  g_assert_cmpint (shu_tensor_file_n (bare), ==, 1);
  g_assert_cmpstr (shu_tensor_file_name (bare, 0), ==, "bare");
  shu_tensor_file_shape (bare, 0, NULL, &n, dims);
  g_assert_cmpmem (dims, n * sizeof *dims, ((gint64[]){7, 2, 3}), 24);
  expect_floats (p4, "a", 4, (float[]){0, .25f, .5f, .75f});
}

/* A network's weights come straight out of it. */
static void
test_weights (void)
{
  g_autofree char *path = g_build_filename (data_folder, "module.pth", NULL);
  g_autofree char *half = g_build_filename (data_folder, "bare.pt", NULL);
  const char *files[] = {path, half};
  g_autoptr (GError) error = NULL;
  g_autoptr (ShuWeights) w = shu_weights_open_files (2, files, &error);
  ShuConv conv;

  g_assert_no_error (error);
  conv = shu_weights_conv (w, "side", 1, 2, 3);
  g_assert_cmpfloat (((float *) conv.w->data)[17], ==, 4.25f);
  g_assert_cmpint (shu_weights_get (w, "bare", SHU_DIMS (7, 2, 3))->dtype, ==,
      SHU_DTYPE_F32);
  g_assert_true (shu_weights_finish (w, &error));
  shu_weights_get (w, "bn.num_batches_tracked", SHU_DIMS (1));
  g_assert_false (shu_weights_finish (w, &error));
  expect (&error, SHU_ERROR_UNSUPPORTED, "num_batches_tracked");
}

/* What is imported is the same, tensor by tensor, of every type. */
static void
test_import (gconstpointer name)
{
  g_autofree char *path = g_build_filename (data_folder, name, NULL);
  g_autofree char *folder = g_dir_make_tmp ("shu-import-XXXXXX", NULL);
  g_autofree char *to = g_build_filename (folder, "a.safetensors", NULL);
  g_autoptr (ShuTensorFile) before = open_data (name);
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (ShuSafetensors) after = NULL;
  g_autoptr (GError) error = NULL;
  const char *data;
  gsize size, at;
  int n = -1;

  g_assert_true (shu_weights_import (path, to, &n, &error));
  g_assert_no_error (error);
  g_assert_cmpint (n, ==, shu_tensor_file_n (before));
  bytes = shu_file_map (to, NULL);
  after = shu_safetensors_parse (bytes, to, &error);
  g_assert_no_error (error);
  g_assert_cmpint (shu_safetensors_n (after), ==, n);
  data = g_bytes_get_data (bytes, &size);
  at = 8 + GUINT64_FROM_LE (*(const guint64 *) data);
  for (int i = 0; i < n; i++) {
    const char *a, *b;
    gint64 x[SHU_MAX_DIMS], y[SHU_MAX_DIMS];
    int n_x, n_y;
    g_autoptr (GBytes) values = shu_tensor_file_bytes (before, i, NULL);

    g_assert_cmpint (
        shu_safetensors_find (after, shu_tensor_file_name (before, i)), >=, 0);
    shu_tensor_file_shape (before, i, &a, &n_x, x);
    shu_safetensors_shape (after,
        shu_safetensors_find (after, shu_tensor_file_name (before, i)), &b,
        &n_y, y);
    g_assert_cmpstr (a, ==, b);
    g_assert_cmpmem (x, n_x * sizeof *x, y, n_y * sizeof *y);
    g_assert_cmpmem (data + at, g_bytes_get_size (values),
        g_bytes_get_data (values, NULL), g_bytes_get_size (values));
    at += g_bytes_get_size (values);
  }
  g_assert_cmpuint (at, ==, size);
  g_unlink (to);
  g_rmdir (folder);
}

/* A failure leaves no file, whole or in part. */
static void
test_import_fails (void)
{
  g_autofree char *expanded = g_build_filename (data_folder, "types.pt", NULL);
  g_autofree char *folder = g_dir_make_tmp ("shu-import-XXXXXX", NULL);
  g_autofree char *to = g_build_filename (folder, "a.safetensors", NULL);
  g_autoptr (GError) error = NULL;

  g_assert_false (shu_weights_import (expanded, to, NULL, &error));
  expect (&error, SHU_ERROR_UNSUPPORTED, "\"expanded\"");
  g_assert_false (shu_weights_import (to, to, NULL, &error));
  expect (&error, SHU_ERROR_MISSING, "a.safetensors");
  g_assert_cmpint (g_rmdir (folder), ==, 0);
}

/* ---- own files ---- */

static const float numbers[] = {0, 1, 2, 3, 4, 5, 6, 7};

#define GOOD                                                                   \
  {                                                                            \
    "a", "Float", "0", 8, 0, 2, {2, 4}, NULL, numbers, 32                      \
  }

static ShuTensorFile *
parse (GBytes *bytes, GError **error)
{
  return shu_tensor_file_parse (bytes, "folder/test.pth", error);
}

static void
test_nested (void)
{
  g_autoptr (GByteArray) p = g_byte_array_new ();
  TorchTensor t = GOOD;
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (ShuTensorFile) file = NULL;

  /* {"model": {"a": tensor}, "epoch": 3, 7: [None, tensor]} */
  pickle_begin (p);
  pickle_ops (p, "}(");
  pickle_text (p, "model");
  pickle_ops (p, "}(");
  pickle_text (p, "a");
  pickle_tensor (p, &t, FALSE);
  pickle_ops (p, "u");
  pickle_text (p, "epoch");
  pickle_int (p, 3);
  pickle_int (p, 7);
  pickle_ops (p, "](N");
  pickle_tensor (p, &t, FALSE);
  pickle_ops (p, "eu.");
  bytes = torch_zip (1, &t, p);
  file = parse (bytes, NULL);
  g_assert_nonnull (file);
  g_assert_cmpint (shu_tensor_file_n (file), ==, 2);
  g_assert_cmpstr (shu_tensor_file_name (file, 0), ==, "model.a");
  g_assert_cmpstr (shu_tensor_file_name (file, 1), ==, "7.1");
  expect_floats (file, "model.a", 8, numbers);
}

/* OrderedDict ([["a", tensor]]), as Python 2 has it */
static void
test_python2 (void)
{
  g_autoptr (GByteArray) p = g_byte_array_new ();
  TorchTensor t = GOOD;
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (ShuTensorFile) file = NULL;

  pickle_begin (p);
  pickle_global (p, "collections", "OrderedDict");
  pickle_ops (p, "](](U\1a");
  pickle_tensor (p, &t, FALSE);
  pickle_ops (p, "ee\x85R.");
  bytes = torch_zip (1, &t, p);
  file = parse (bytes, NULL);
  g_assert_nonnull (file);
  expect_floats (file, "a", 8, numbers);
}

/* The data are the mapped file's own. */
static void
test_no_copy (void)
{
  TorchTensor t = GOOD;
  g_autoptr (GBytes) bytes = torch_zip (1, &t, NULL);
  g_autoptr (ShuTensorFile) file = parse (bytes, NULL);
  g_autoptr (ShuTensor) tensor = shu_tensor_file_tensor (file, 0, NULL);
  gsize size;
  const char *all = g_bytes_get_data (bytes, &size);

  g_assert_true ((char *) tensor->data > all);
  g_assert_true ((char *) tensor->data < all + size);
}

/* Parts of the exact size, so that a checker sees every read beyond the end. */
static void
test_truncated (gconstpointer legacy)
{
  TorchTensor t = GOOD;
  g_autoptr (GBytes) bytes =
      legacy ? torch_legacy (1, &t) : torch_zip (1, &t, NULL);
  g_autoptr (ShuTensorFile) whole = parse (bytes, NULL);

  g_assert_nonnull (whole);
  expect_floats (whole, "a", 8, numbers);
  for (gsize n = 1; n < g_bytes_get_size (bytes); n++) {
    g_autoptr (GBytes) part = g_bytes_new (g_bytes_get_data (bytes, NULL), n);
    g_autoptr (GError) error = NULL;

    g_assert_null (parse (part, &error));
    g_assert_nonnull (error);
    g_assert_true (error->domain == SHU_ERROR);
  }
}

/* ---- hostile tensors ---- */

#define BIG G_MAXINT64
static const gint64 same[] = {0, 0}, far[] = {1, 100}, huge[] = {BIG, BIG},
                    negative[] = {-4, 1}, swapped[] = {1, 2},
                    wide[] = {1, 1ll << 62, 1ll << 62};

static const struct {
  const char *name;
  TorchTensor t;
  int code; /* -1: a good file */
  const char *message;
} rows[] = {
    {"good", GOOD, -1, NULL},
    {"offset", {"a", "Float", "0", 8, 4, 1, {4}, NULL, numbers, 32}, -1, NULL},
    {"swapped", {"a", "Float", "0", 8, 0, 2, {2, 4}, swapped, numbers, 32}, -1,
        NULL},
    {"empty", {"a", "Float", "0", 0, 0, 2, {0, 9}, NULL, numbers, 0}, -1, NULL},
    {"empty_and_wide",
        {"a", "Float", "0", 8, 0, 3, {0, 5, 5}, wide, numbers, 32}, -1, NULL},
    {"expanded", {"a", "Float", "0", 8, 0, 2, {2, 4}, same, numbers, 32}, -1,
        NULL},
    {"five_dims",
        {"a", "Float", "0", 8, 0, 5, {1, 2, 1, 4, 1}, NULL, numbers, 32}, -1,
        NULL},

    {"six_dims",
        {"a", "Float", "0", 8, 0, 6, {1, 2, 1, 4, 1, 1}, NULL, numbers, 32},
        SHU_ERROR_UNSUPPORTED, "6 dimensions"},
    {"unknown_storage", {"a", "Complex", "0", 8, 0, 1, {8}, NULL, numbers, 32},
        SHU_ERROR_UNSUPPORTED, "torch.ComplexStorage"},
    {"offset_beyond", {"a", "Float", "0", 8, 5, 1, {4}, NULL, numbers, 32},
        SHU_ERROR_INVALID, "beyond the end"},
    {"offset_negative", {"a", "Float", "0", 8, -1, 1, {4}, NULL, numbers, 32},
        SHU_ERROR_INVALID, "not valid"},
    {"offset_huge", {"a", "Float", "0", 8, BIG, 1, {4}, NULL, numbers, 32},
        SHU_ERROR_INVALID, "beyond the end"},
    {"shape_beyond", {"a", "Float", "0", 8, 0, 2, {3, 4}, NULL, numbers, 32},
        SHU_ERROR_INVALID, "beyond the end"},
    {"shape_negative", {"a", "Float", "0", 8, 0, 2, {-2, 4}, NULL, numbers, 32},
        SHU_ERROR_INVALID, "not valid"},
    {"shape_overflows",
        {"a", "Float", "0", 8, 0, 2, {1ll << 62, 4}, swapped, numbers, 32},
        SHU_ERROR_INVALID, "shape"},
    {"strides_beyond", {"a", "Float", "0", 8, 0, 2, {2, 4}, far, numbers, 32},
        SHU_ERROR_INVALID, "beyond the end"},
    {"strides_overflow",
        {"a", "Float", "0", 8, 0, 2, {2, 4}, huge, numbers, 32},
        SHU_ERROR_INVALID, "shape"},
    {"strides_negative",
        {"a", "Float", "0", 8, 0, 2, {2, 4}, negative, numbers, 32},
        SHU_ERROR_INVALID, "not valid"},
    {"expanded_for_ever",
        {"a", "Float", "0", 8, 0, 2, {1 << 20, 1 << 20}, same, numbers, 32},
        SHU_ERROR_INVALID, "again and again"},
    {"storage_is_short", {"a", "Float", "0", 8, 0, 1, {8}, NULL, numbers, 28},
        SHU_ERROR_INVALID, "size is not"},
    {"storage_is_long", {"a", "Float", "0", 7, 0, 1, {7}, NULL, numbers, 32},
        SHU_ERROR_INVALID, "size is not"},
    {"storage_overflows",
        {"a", "Float", "0", 1ll << 62, 0, 1, {8}, NULL, numbers, 0},
        SHU_ERROR_INVALID, "size is not"},
    {"storage_negative", {"a", "Float", "0", -8, 0, 1, {8}, NULL, numbers, 32},
        SHU_ERROR_INVALID, "storage is not valid"},
    {"no_storage", {"a", "Float", "0", 8, 0, 1, {8}, NULL, NULL, 0},
        SHU_ERROR_INVALID, "not in the archive"},
    {"metadata",
        {"__metadata__", "Float", "0", 8, 0, 1, {8}, NULL, numbers, 32},
        SHU_ERROR_INVALID, "__metadata__"},
    {"bad_name", {"\xff", "Float", "0", 8, 0, 1, {8}, NULL, numbers, 32},
        SHU_ERROR_INVALID, "name"},
};

static void
test_row (gconstpointer data)
{
  const int i = GPOINTER_TO_INT (data);
  g_autoptr (GBytes) bytes = torch_zip (1, &rows[i].t, NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (ShuTensorFile) file = parse (bytes, &error);

  if (rows[i].code < 0) {
    g_autoptr (GBytes) values = NULL;

    g_assert_no_error (error);
    values = shu_tensor_file_bytes (file, 0, &error);
    g_assert_true (values || strcmp (rows[i].name, "expanded") == 0);
  } else
    expect (&error, rows[i].code, rows[i].message);
}

/* ---- hostile pickles ---- */

/* @ops between a pickle's first instruction and a dictionary of good tensors */
static const struct {
  const char *name, *ops;
  int code;
  const char *message;
} pickles[] = {
    {"os_system", "cos\nsystem\nX\4\0\0\0true\x85R.", SHU_ERROR_UNSUPPORTED,
        "\"os.system\""},
    {"builtins", "cbuiltins\neval\n.", SHU_ERROR_UNSUPPORTED, "builtins.eval"},
    {"by_name", "\x8c\2os\x8c\6system\x93.", SHU_ERROR_UNSUPPORTED,
        "os.system"},
    {"instance", "(ios\nsystem\n.", SHU_ERROR_UNSUPPORTED, "0x69"},
    {"new_object", "ccollections\nOrderedDict\n)\x81.", SHU_ERROR_UNSUPPORTED,
        "0x81"},
    {"text_integer", "I1\n.", SHU_ERROR_UNSUPPORTED, "0x49"},
    {"extension", "\x82\1.", SHU_ERROR_UNSUPPORTED, "0x82"},
    {"protocol", "\x80\x63.", SHU_ERROR_UNSUPPORTED, "protocol"},
    {"no_tensors", "K\1.", SHU_ERROR_INVALID, "no tensors"},
    {"no_entries", "}.", SHU_ERROR_INVALID, "no tensors"},
    {"no_tensor_among_lists", "](]K\1}e.", SHU_ERROR_INVALID, "no tensors"},
    {"nothing", ".", SHU_ERROR_INVALID, "more than it has"},
    {"no_end", "}", SHU_ERROR_TRUNCATED, "ends too early"},
    {"no_mark", "}u.", SHU_ERROR_INVALID, "no mark"},
    {"mark_as_value", "(\x85.", SHU_ERROR_INVALID, "more than it has"},
    {"odd_items", "}(K\1u.", SHU_ERROR_INVALID, "key without a value"},
    {"odd_dict", "(K\1d.", SHU_ERROR_INVALID, "key without a value"},
    {"append_to_dict", "}K\1a.", SHU_ERROR_INVALID, "no list"},
    {"set_in_list", "]K\1K\2s.", SHU_ERROR_INVALID, "no list"},
    {"set_in_nothing", "(K\1K\2u.", SHU_ERROR_INVALID, "no list"},
    {"unknown_memo", "h\7.", SHU_ERROR_INVALID, "not kept"},
    {"keeps_nothing", "q\1.", SHU_ERROR_INVALID, "more than it has"},
    {"huge_memo", "Nr\xff\xff\xff\xff.", SHU_ERROR_LIMIT, "too many values"},
    {"calls_number", "K\1)R.", SHU_ERROR_INVALID, "no function"},
    {"calls_class", "ctorch\nFloatStorage\n)R.", SHU_ERROR_INVALID,
        "no function"},
    {"builds_number", "K\1}b.", SHU_ERROR_INVALID, "attributes"},
    {"global_without_end", "ctorch", SHU_ERROR_INVALID, "without an end"},
    {"id_is_no_tuple", "K\1Q.", SHU_ERROR_INVALID, "storage is not valid"},
    {"id_is_empty", ")Q.", SHU_ERROR_INVALID, "storage is not valid"},
    {"tensor_of_nothing", "ctorch._utils\n_rebuild_tensor_v2\n)R.",
        SHU_ERROR_INVALID, "tensor is not valid"},
    {"parameter_of_nothing", "ctorch._utils\n_rebuild_parameter\n)R.",
        SHU_ERROR_INVALID, "no function"},
    {"dict_of_number", "ccollections\nOrderedDict\nK\1\x85R.",
        SHU_ERROR_INVALID, "dictionary is not valid"},
    {"list_in_itself", "]q\1h\1a.", SHU_ERROR_LIMIT, "too deep"},
    {"lists_doubled", "]](h\1h\1eq\1](h\1h\1e.", SHU_ERROR_INVALID, "not kept"},
    {"huge_text", "X\xff\xff\xff\xff.", SHU_ERROR_TRUNCATED, "ends too early"},
};

static void
test_pickle (gconstpointer data)
{
  const int i = GPOINTER_TO_INT (data);
  g_autoptr (GByteArray) p = g_byte_array_new ();
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (GError) error = NULL;
  gsize size = strlen (pickles[i].ops);

  pickle_begin (p);
  if (strcmp (pickles[i].name, "os_system") == 0) /* has zeros in it */
    size = strlen ("cos\nsystem\nX") + 4 + strlen ("true\x85R.");
  g_byte_array_append (p, (const guint8 *) pickles[i].ops, size);
  bytes = torch_zip (0, NULL, p);
  g_assert_null (parse (bytes, &error));
  expect (&error, pickles[i].code, pickles[i].message);
}

static void
expect_too_deep (GByteArray *pickle)
{
  g_autoptr (GBytes) bytes = torch_zip (0, NULL, pickle);
  g_autoptr (GError) error = NULL;

  g_assert_null (parse (bytes, &error));
  expect (&error, SHU_ERROR_LIMIT, "too deep");
}

/* Levels of lists, each of which holds the one below twice. */
static void
test_doubling (void)
{
  g_autoptr (GByteArray) p = g_byte_array_new ();

  pickle_begin (p);
  pickle_ops (p, "]q");
  g_byte_array_append (p, (const guint8 *) "\0", 1);
  for (guint8 i = 0; i < 40; i++) {
    const guint8 ops[] = {']', '(', 'h', i, 'h', i, 'e', 'q', i + 1};

    g_byte_array_append (p, ops, sizeof ops);
  }
  pickle_ops (p, ".");
  expect_too_deep (p);
}

/* A long list without tensors that another names again and again. */
static void
test_long_walk (void)
{
  enum { N = 3000 };

  g_autoptr (GByteArray) p = g_byte_array_new ();

  pickle_begin (p);
  pickle_ops (p, "](");
  for (int i = 0; i < N; i++)
    pickle_ops (p, "K\1");
  pickle_ops (p, "eq\1](");
  for (int i = 0; i < N; i++)
    pickle_ops (p, "h\1");
  pickle_ops (p, "e.");
  expect_too_deep (p);
}

/* One storage under very many names would be a huge file once copied. */
static void
test_many_names (void)
{
  enum { N = 300 };

  g_autofree TorchTensor *t = g_new0 (TorchTensor, N);
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  g_autofree float *values = g_new0 (float, 1 << 14);
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (GError) error = NULL;

  for (int i = 0; i < N; i++) {
    g_ptr_array_add (names, g_strdup_printf ("t%d", i));
    t[i] = (TorchTensor){g_ptr_array_index (names, i), "Float", "0", 1 << 14, 0,
        1, {1 << 14}, NULL, i == 0 ? values : NULL, 4 << 14};
  }
  bytes = torch_zip (N, t, NULL);
  g_assert_null (parse (bytes, &error));
  expect (&error, SHU_ERROR_INVALID, "again and again");
}

/* ---- hostile archives ---- */

static void
test_archives (void)
{
  const ZipMember two[] = {{"a/data.pkl", ".", 1}, {"a/data.pkl", ".", 1}};
  const ZipMember other[] = {{"coords.npy", "x", 1}};
  const ZipMember big[] = {{"a/data.pkl", "}.", 2}, {"a/byteorder", "big", 3}};
  TorchTensor t = GOOD;
  g_autoptr (GBytes) twice = zip_stored (2, two, 1);
  g_autoptr (GBytes) npz = zip_stored (1, other, 1);
  g_autoptr (GBytes) endian = zip_stored (2, big, 1);
  g_autoptr (GBytes) good = torch_zip (1, &t, NULL);
  gsize size;
  const guint8 *p = g_bytes_get_data (good, &size);
  g_autoptr (GError) error = NULL;

  g_assert_null (parse (twice, &error));
  expect (&error, SHU_ERROR_INVALID, "one name");
  g_assert_null (parse (npz, &error));
  expect (&error, SHU_ERROR_INVALID, "no data.pkl");
  g_assert_null (parse (endian, &error));
  expect (&error, SHU_ERROR_UNSUPPORTED, "big-endian");
  for (int what = 0; what < 5; what++) {
    g_autofree guint8 *copy = g_memdup2 (p, size);
    g_autoptr (GBytes) bytes = NULL;
    gsize dir = size - 22;
    static const char *const messages[] = {"compressed", "overlap", "where its",
        "several parts", "directory is not valid"};

    while (memcmp (copy + dir, "PK\1\2", 4) != 0 ||
           memcmp (copy + dir + 46, "archive/version", 15) != 0)
      dir--;
    if (what == 0)
      copy[dir + 10] = 8; /* deflated */
    else if (what == 1)
      memset (copy + dir + 42, 0, 4); /* where the first member is */
    else if (what == 2)
      copy[dir + 42] ^= 1;
    else if (what == 3)
      copy[size - 18] = 1;
    else
      copy[size - 12] = 200; /* members */
    bytes = g_bytes_new_take (g_steal_pointer (&copy), size);
    g_assert_null (parse (bytes, &error));
    expect (&error, SHU_ERROR_INVALID, messages[what]);
  }
}

static void
test_others (void)
{
  static const char lfs[] =
      "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n";
  static const char pickle[] = "\x80\2}q\1.more of a file that is too short";
  g_autoptr (GBytes) pointer = g_bytes_new_static (lfs, sizeof lfs - 1);
  g_autoptr (GBytes) plain = g_bytes_new_static (pickle, sizeof pickle - 1);
  g_autoptr (GBytes) text = g_bytes_new_static ("<html></html>", 13);
  g_autoptr (GError) error = NULL;

  g_assert_null (parse (pointer, &error));
  expect (&error, SHU_ERROR_INVALID, "git lfs pull");
  g_assert_null (parse (plain, &error));
  expect (&error, SHU_ERROR_INVALID, "not one of torch.save()");
  g_assert_null (parse (text, &error));
  g_assert_nonnull (error);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  data_folder = argv[1];
  g_test_add_data_func ("/weights/torch/types", "types.pt", test_types);
  g_test_add_data_func (
      "/weights/torch/types_before_1.6", "types_legacy.pt", test_types);
  g_test_add_func ("/weights/torch/real_files", test_real);
  g_test_add_func ("/weights/torch/gives_weights", test_weights);
  g_test_add_data_func ("/weights/torch/imports", "module.pth", test_import);
  g_test_add_data_func ("/weights/torch/imports_bare", "bare.pt", test_import);
  g_test_add_data_func (
      "/weights/torch/imports_onnx", "net11.onnx", test_import);
  g_test_add_func ("/weights/torch/import_fails", test_import_fails);
  g_test_add_func ("/weights/torch/nested", test_nested);
  g_test_add_func ("/weights/torch/python2", test_python2);
  g_test_add_func ("/weights/torch/copies_nothing", test_no_copy);
  g_test_add_data_func ("/weights/torch/truncated", NULL, test_truncated);
  g_test_add_data_func (
      "/weights/torch/truncated_before_1.6", "legacy", test_truncated);
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree char *path =
        g_strdup_printf ("/weights/torch/tensor/%s", rows[i].name);

    g_test_add_data_func (path, GINT_TO_POINTER (i), test_row);
  }
  for (gsize i = 0; i < G_N_ELEMENTS (pickles); i++) {
    g_autofree char *path =
        g_strdup_printf ("/weights/torch/pickle/%s", pickles[i].name);

    g_test_add_data_func (path, GINT_TO_POINTER (i), test_pickle);
  }
  g_test_add_func ("/weights/torch/pickle/doubling", test_doubling);
  g_test_add_func ("/weights/torch/pickle/long_walk", test_long_walk);
  g_test_add_func ("/weights/torch/many_names", test_many_names);
  g_test_add_func ("/weights/torch/archives", test_archives);
  g_test_add_func ("/weights/torch/other_files", test_others);
  return g_test_run ();
}
