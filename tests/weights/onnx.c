/* SPDX-License-Identifier: MIT */
/* ONNX models: initialisers of all kinds, U²-Net's names, hostile files.
 *   test_weights_onnx DATA_FOLDER */
#include "base/error.h"
#include "fixtures.h"
#include "models/u2net.h"
#include "weights/tensor_file.h"
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
parse (GBytes *bytes, GError **error)
{
  return shu_tensor_file_parse (bytes, "folder/test.onnx", error);
}

static ShuTensor *
take (const ShuTensorFile *file, const char *name)
{
  int i = shu_tensor_file_find (file, name);
  g_autoptr (GError) error = NULL;
  ShuTensor *t;

  if (i < 0)
    g_error ("no \"%s\"", name);
  t = shu_tensor_file_tensor (file, i, &error);
  g_assert_no_error (error);
  return t;
}

static void
test_real (void)
{
  g_autofree char *path = g_build_filename (data_folder, "net11.onnx", NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (ShuTensorFile) file = shu_tensor_file_open (path, &error);
  g_autoptr (ShuTensor) side = NULL, folded = NULL;

  g_assert_no_error (error);
  g_assert_cmpstr (shu_tensor_file_format (file), ==, "ONNX");
  g_assert_cmpint (shu_tensor_file_n (file), ==, 5);
  side = take (file, "side.weight");
  g_assert_cmpint (side->n, ==, 18);
  g_assert_cmpfloat (((float *) side->data)[17], ==, 4.25f);
  /* 9/4 of the weight by 2.25 / sqrt (1.25 + 1e-5) */
  folded = take (file, "onnx::Conv_37");
  g_assert_cmpfloat_with_epsilon (((float *) folded->data)[9], 4.528f, 1e-3);
}

/* ---- values ---- */

/* Everything but the values, of @type, [2,2] */
static GByteArray *
begin (const char *name, int type)
{
  GByteArray *t = g_byte_array_new ();

  onnx_bytes (t, 1, "\2\2", 2); /* packed */
  onnx_number (t, 2, type);
  onnx_text (t, 8, name);
  return t;
}

static void
test_values (void)
{
  static const float f[] = {1, -2, 3.5f, 1e-3f};
  static const guint16 h[] = {0x3c00, 0xc000, 0x4300, 0};
  GByteArray *graph = g_byte_array_new (), *t;
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (ShuTensorFile) file = NULL;
  g_autoptr (ShuTensor) raw = NULL, packed = NULL, single = NULL, half = NULL,
                        scalar = NULL;
  g_autoptr (GBytes) numbers = NULL;
  gint64 i64[4];

  t = begin ("raw", 1);
  onnx_bytes (t, 9, f, 16);
  onnx_message (graph, 5, t);
  t = begin ("packed", 1);
  onnx_bytes (t, 4, f, 16);
  onnx_message (graph, 5, t);
  t = begin ("single", 1);
  for (int i = 0; i < 4; i++) {
    g_byte_array_append (t, (const guint8 *) "\x25", 1); /* field 4, 32 bits */
    g_byte_array_append (t, (const guint8 *) &f[i], 4);
  }
  onnx_message (graph, 5, t);
  t = begin ("half", 10);
  for (int i = 0; i < 4; i++)
    onnx_number (t, 5, h[i]);
  onnx_message (graph, 5, t);
  t = begin ("i64", 7);
  onnx_bytes (t, 7, "\1\2\3\xff\xff\xff\xff\xff\xff\xff\xff\xff\1", 13);
  onnx_message (graph, 5, t);
  onnx_message (graph, 5, onnx_tensor ("scalar", 0, NULL, f));
  bytes = onnx_model (graph);
  file = parse (bytes, NULL);
  g_assert_nonnull (file);
  g_assert_cmpint (shu_tensor_file_n (file), ==, 6);
  raw = take (file, "raw");
  packed = take (file, "packed");
  single = take (file, "single");
  scalar = take (file, "scalar");
  g_assert_cmpmem (raw->data, 16, f, 16);
  g_assert_cmpmem (packed->data, 16, f, 16);
  g_assert_cmpmem (single->data, 16, f, 16);
  g_assert_cmpfloat (*(float *) scalar->data, ==, 1);
  half = take (file, "half");
  g_assert_cmpint (half->dtype, ==, SHU_DTYPE_F16);
  g_assert_cmpmem (half->data, 8, h, 8);
  numbers =
      shu_tensor_file_bytes (file, shu_tensor_file_find (file, "i64"), NULL);
  memcpy (i64, g_bytes_get_data (numbers, NULL), sizeof i64);
  g_assert_cmpint (i64[2], ==, 3);
  g_assert_cmpint (i64[3], ==, -1);
}

/* Numbers outside of a block, four of each type that there is: a model may have
 * them where nobody asks for it. */
static void
test_numbers (void)
{
  static const struct {
    const char *name;
    int type, field;
    gsize elem;
  } rows[] = {{"U8", 2, 5, 1}, {"I8", 3, 5, 1}, {"U16", 4, 5, 2},
      {"I16", 5, 5, 2}, {"I32", 6, 5, 4}, {"BOOL", 9, 5, 1}, {"F16", 10, 5, 2},
      {"BF16", 16, 5, 2}, {"U32", 12, 11, 4}, {"U64", 13, 11, 8},
      {"I64", 7, 7, 8}};

  static const double doubles[] = {1, -2, 3.5, 1e-300};
  static const guint64 values[] = {1, 0, G_MAXUINT64, 100};
  GByteArray *graph = g_byte_array_new (), *t;
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) bytes = NULL, f64 = NULL;
  g_autoptr (ShuTensorFile) file = NULL;

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    t = begin (rows[i].name, rows[i].type);
    for (int k = 0; k < 4; k++)
      onnx_number (t, rows[i].field, values[k]);
    onnx_message (graph, 5, t);
  }
  t = begin ("F64", 11);
  onnx_bytes (t, 10, doubles, sizeof doubles);
  onnx_message (graph, 5, t);
  bytes = onnx_model (graph);
  file = parse (bytes, &error);
  g_assert_no_error (error);
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    int at = shu_tensor_file_find (file, rows[i].name);
    g_autoptr (GBytes) all = shu_tensor_file_bytes (file, at, NULL);
    const char *dtype;

    shu_tensor_file_shape (file, at, &dtype, NULL, NULL);
    g_assert_cmpstr (dtype, ==, rows[i].name);
    g_assert_cmpuint (g_bytes_get_size (all), ==, 4 * rows[i].elem);
    for (int k = 0; k < 4; k++)
      g_assert_cmpmem (
          (const guint8 *) g_bytes_get_data (all, NULL) + k * rows[i].elem,
          rows[i].elem, &values[k], rows[i].elem);
  }
  f64 = shu_tensor_file_bytes (file, shu_tensor_file_find (file, "F64"), NULL);
  g_assert_cmpmem (g_bytes_get_data (f64, NULL), g_bytes_get_size (f64),
      doubles, sizeof doubles);
}

/* ---- U²-Net ---- */

static const struct {
  int i;
  const char *name;
  gint64 Ci;
} convs[] = {
    {0, "stage1.rebnconvin.conv_s1", 3},
    {7, "stage1.rebnconv7.conv_s1", 1},
    {8, "stage1.rebnconv6d.conv_s1", 2},
    {13, "stage1.rebnconv1d.conv_s1", 2},
    {14, "stage2.rebnconvin.conv_s1", 2},
    {59, "stage6.rebnconv1d.conv_s1", 2},
    {60, "stage5d.rebnconvin.conv_s1", 4},
    {111, "stage1d.rebnconv1d.conv_s1", 2},
    {112, "side1", 2},
    {117, "side6", 2},
    {118, "outconv", 6},
};

static void
test_u2net (void)
{
  g_autoptr (GBytes) bytes = onnx_u2net ();
  g_autoptr (GError) error = NULL;
  g_autoptr (ShuTensorFile) file = parse (bytes, &error);
  g_autofree char *path = NULL;
  g_autoptr (ShuWeights) w = NULL;
  g_autoptr (ShuU2net) net = NULL;
  int fd = g_file_open_tmp ("u2net-XXXXXX.onnx", &path, NULL);

  g_assert_no_error (error);
  g_assert_cmpint (shu_tensor_file_n (file), ==, 2 * 119);
  for (gsize k = 0; k < G_N_ELEMENTS (convs); k++) {
    g_autofree char *weight = g_strconcat (convs[k].name, ".weight", NULL);
    g_autofree char *bias = g_strconcat (convs[k].name, ".bias", NULL);
    g_autoptr (ShuTensor) a = take (file, weight), b = take (file, bias);

    g_assert_cmpint (a->dims[1], ==, convs[k].Ci);
    g_assert_cmpfloat (*(float *) a->data, ==, (float) convs[k].i);
    g_assert_cmpfloat (*(float *) b->data, ==, (float) -convs[k].i);
  }
  /* and the network takes it */
  g_assert_true (g_file_set_contents (path, g_bytes_get_data (bytes, NULL),
      (gssize) g_bytes_get_size (bytes), NULL));
  w = shu_weights_open (path, &error);
  g_assert_no_error (error);
  net = shu_u2net_new (NULL, w, &error);
  g_assert_no_error (error);
  g_close (fd, NULL);
  g_unlink (path);
}

/* Another order of the same convolutions is another network: names stay. */
static void
test_not_u2net (void)
{
  g_autoptr (GBytes) bytes = onnx_u2net ();
  gsize size;
  g_autofree guint8 *copy =
      g_memdup2 (g_bytes_get_data (bytes, &size), g_bytes_get_size (bytes));
  g_autoptr (GBytes) changed = NULL;
  g_autoptr (ShuTensorFile) file = NULL;

  for (gsize i = 0; i + 13 < size; i++)
    if (memcmp (copy + i, "dilations\x40\2\x40\2", 13) == 0) {
      copy[i + 10] = copy[i + 12] = 3;
      break;
    }
  changed = g_bytes_new_take (g_steal_pointer (&copy), size);
  file = parse (changed, NULL);
  g_assert_nonnull (file);
  g_assert_cmpint (shu_tensor_file_find (file, "2000"), >=, 0);
  g_assert_cmpint (shu_tensor_file_find (file, "outconv.weight"), <, 0);
}

/* ---- hostile files ---- */

typedef void (*Spoil) (GByteArray *t);

static void
external (GByteArray *t)
{
  onnx_number (t, 14, 1);
}

static void
short_data (GByteArray *t)
{
  onnx_bytes (t, 9, "1234", 4);
}

static void
no_data (GByteArray *t)
{
}

static void
odd_floats (GByteArray *t)
{
  onnx_bytes (t, 4, "12345", 5);
}

static void
unknown_type (GByteArray *t)
{
  onnx_number (t, 2, 17);
}

static void
numbers_of_f32 (GByteArray *t)
{
  onnx_number (t, 2, 11);
  onnx_bytes (t, 5, "\1\2\3\4", 4);
}

static void
negative_dim (GByteArray *t)
{
  onnx_number (t, 1, G_MAXUINT64);
}

static void
overflowing_dims (GByteArray *t)
{
  onnx_number (t, 1, 1ull << 62);
  onnx_number (t, 1, 1ull << 62);
}

static void
many_dims (GByteArray *t)
{
  for (int i = 0; i < 4; i++)
    onnx_number (t, 1, 1);
}

static void
bad_name (GByteArray *t)
{
  onnx_text (t, 8, "\xff");
}

static void
endless_varint (GByteArray *t)
{
  static const guint8 bytes[12] = {
      0x10, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

  g_byte_array_append (t, bytes, sizeof bytes);
}

static void
group (GByteArray *t)
{
  g_byte_array_append (t, (const guint8 *) "\x0b", 1);
}

static void
field_zero (GByteArray *t)
{
  g_byte_array_append (t, (const guint8 *) "\0\0", 2);
}

static void
too_long (GByteArray *t)
{
  g_byte_array_append (t, (const guint8 *) "\x4a\x7f", 2);
}

static const struct {
  const char *name;
  Spoil spoil;
  int code;
  const char *message;
} rows[] = {
    {"external", external, SHU_ERROR_UNSUPPORTED, "beside the model"},
    {"short_data", short_data, SHU_ERROR_INVALID, "do not agree"},
    {"no_data", no_data, SHU_ERROR_INVALID, "do not agree"},
    {"odd_floats", odd_floats, SHU_ERROR_TRUNCATED, "damaged"},
    {"unknown_type", unknown_type, SHU_ERROR_INVALID, "type"},
    {"numbers_of_f32", numbers_of_f32, SHU_ERROR_INVALID, "of another type"},
    {"negative_dim", negative_dim, SHU_ERROR_INVALID, "shape"},
    {"overflowing_dims", overflowing_dims, SHU_ERROR_INVALID, "shape"},
    {"many_dims", many_dims, SHU_ERROR_INVALID, "5 dimensions"},
    {"bad_name", bad_name, SHU_ERROR_INVALID, "name"},
    {"endless_varint", endless_varint, SHU_ERROR_TRUNCATED, "damaged"},
    {"group", group, SHU_ERROR_TRUNCATED, "damaged"},
    {"field_zero", field_zero, SHU_ERROR_TRUNCATED, "damaged"},
    {"too_long", too_long, SHU_ERROR_TRUNCATED, "damaged"},
};

static void
test_row (gconstpointer data)
{
  const int i = GPOINTER_TO_INT (data);
  GByteArray *graph = g_byte_array_new (), *t = begin ("a", 1);
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (GError) error = NULL;

  rows[i].spoil (t);
  onnx_message (graph, 5, t);
  bytes = onnx_model (graph);
  g_assert_null (parse (bytes, &error));
  expect (&error, rows[i].code, rows[i].message);
}

static void
test_truncated (void)
{
  static const float f[] = {1, 2, 3, 4};
  GByteArray *graph = g_byte_array_new ();
  g_autoptr (GBytes) bytes = NULL;

  onnx_message (graph, 1, onnx_conv ("a", "b", 3, 1));
  onnx_message (graph, 5, onnx_tensor ("a", 2, (const gint64[]){2, 2}, f));
  bytes = onnx_model (graph);
  for (gsize n = 1; n < g_bytes_get_size (bytes); n++) {
    g_autoptr (GBytes) part = g_bytes_new (g_bytes_get_data (bytes, NULL), n);
    g_autoptr (GError) error = NULL;

    g_assert_null (parse (part, &error));
    g_assert_nonnull (error);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  data_folder = argv[1];
  g_test_add_func ("/weights/onnx/real_file", test_real);
  g_test_add_func ("/weights/onnx/values", test_values);
  g_test_add_func ("/weights/onnx/numbers", test_numbers);
  g_test_add_func ("/weights/onnx/u2net", test_u2net);
  g_test_add_func ("/weights/onnx/not_u2net", test_not_u2net);
  g_test_add_func ("/weights/onnx/truncated", test_truncated);
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree char *path =
        g_strdup_printf ("/weights/onnx/hostile/%s", rows[i].name);

    g_test_add_data_func (path, GINT_TO_POINTER (i), test_row);
  }
  return g_test_run ();
}
