/* SPDX-License-Identifier: MIT */
/* safetensors: what is written comes back, and no bytes of any kind do harm.
 * Files are built in memory, in blocks of their exact size, so that a checker
 * sees every read beyond the end. */
#include "weights/safetensors.h"
#include "base/error.h"
#include <string.h>

/* ---- hostile files ---- */

static GBytes *
file_of (const char *header, gsize header_size, gsize data_size)
{
  gsize size = 8 + header_size + data_size;
  guint8 *p = g_malloc0 (size);

  for (int i = 0; i < 8; i++)
    p[i] = (guint64) header_size >> (8 * i);
  memcpy (p + 8, header, header_size);
  return g_bytes_new_take (p, size);
}

typedef struct {
  const char *name;
  const char *header;
  gsize data_size;
  int code; /* -1: a good file */
  const char *message;
} Row;

#define T(dtype, shape, offsets)                                               \
  "{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}"

static const Row rows[] = {
    {"good", "{\"a\":" T ("F32", "[2,3]", "[0,24]") "}", 24, -1, NULL},
    {"empty", "{}", 0, -1, NULL},
    {"no_metadata", "{\"a\":" T ("U8", "[1]", "[0,1]") "}", 1, -1, NULL},
    {"scalar", "{\"a\":" T ("F32", "[]", "[0,4]") "}", 4, -1, NULL},
    {"trailing_data", "{\"a\":" T ("U8", "[1]", "[0,1]") "}", 9, -1, NULL},
    {"padded", "{\"a\":" T ("U8", "[1]", "[0,1]") "}     ", 1, -1, NULL},
    {"escapes", "{\"\\u00e9\\ud83d\\ude00\\n\":" T ("U8", "[1]", "[0,1]") "}",
        1, -1, NULL},
    {"empty_tensor", "{\"a\":" T ("F32", "[0,7]", "[0,0]") "}", 0, -1, NULL},
    {"eight_bits", "{\"a\":" T ("F8_E4M3", "[3]", "[0,3]") "}", 3, -1, NULL},
    {"four_bits", "{\"a\":" T ("F4", "[3,4]", "[0,6]") "}", 6, -1, NULL},

    {"not_json", "this is no JSON", 0, SHU_ERROR_INVALID, "header"},
    {"half_json", "{\"a\":", 0, SHU_ERROR_INVALID, "header"},
    {"array", "[1,2]", 0, SHU_ERROR_INVALID, "not an object"},
    {"number", "12", 0, SHU_ERROR_INVALID, "not an object"},
    {"blank", "  ", 0, SHU_ERROR_INVALID, "not an object"},
    {"string", "\"a\"", 0, SHU_ERROR_INVALID, "not an object"},
    {"open_string", "{\"a", 0, SHU_ERROR_INVALID, "a string"},
    {"bad_utf8", "{\"\xff\":1}", 0, SHU_ERROR_INVALID, "UTF-8"},
    {"comment", "{/*\"*/}", 0, SHU_ERROR_INVALID, "unexpected character"},
    {"quotes", "{'a':1}", 0, SHU_ERROR_INVALID, "unexpected character"},
    {"assignment", "var x = {}", 0, SHU_ERROR_INVALID, "unexpected character"},
    {"bracket", "]{}", 0, SHU_ERROR_INVALID, "unexpected bracket"},
    {"lone_surrogate", "{\"\\ud800\":1}", 0, SHU_ERROR_INVALID, "a string"},
    {"half_pair", "{\"\\ud800\\u0041\":1}", 0, SHU_ERROR_INVALID, "a string"},
    {"low_surrogate", "{\"\\udc00\":1}", 0, SHU_ERROR_INVALID, "a string"},
    {"no_hex", "{\"\\u00zz\":1}", 0, SHU_ERROR_INVALID, "a string"},
    {"short_escape", "{\"\\u12", 0, SHU_ERROR_INVALID, "a string"},
    {"escaped_end", "{\"\\", 0, SHU_ERROR_INVALID, "a string"},
    {"unknown_escape", "{\"\\x41\":1}", 0, SHU_ERROR_INVALID, "a string"},
    {"escaped_nul", "{\"a\\u0000b\":" T ("U8", "[1]", "[0,1]") "}", 1,
        SHU_ERROR_INVALID, "a string"},
    {"nested_9", "{\"a\":[[[[[[[[1]]]]]]]]}", 0, SHU_ERROR_INVALID, "nested"},
    {"two_documents", "{}{}", 0, SHU_ERROR_INVALID, "behind the end"},

    {"twice",
        "{\"a\":" T ("U8", "[1]", "[0,1]") ",\"a\":" T (
            "U8", "[1]", "[1,2]") "}",
        2, SHU_ERROR_INVALID, "twice"},
    {"field_twice",
        "{\"a\":{\"dtype\":\"F32\",\"dtype\":\"U8\",\"shape\":[1],"
        "\"data_offsets\":[0,1]}}",
        1, SHU_ERROR_INVALID, "twice"},
    {"metadata_twice", "{\"__metadata__\":{\"k\":\"1\",\"k\":\"2\"}}", 0,
        SHU_ERROR_INVALID, "twice"},
    {"no_object", "{\"a\":7}", 0, SHU_ERROR_INVALID, "\"a\""},
    {"null", "{\"a\":null}", 0, SHU_ERROR_INVALID, "\"a\""},
    {"no_dtype", "{\"a\":{\"shape\":[1],\"data_offsets\":[0,1]}}", 1,
        SHU_ERROR_INVALID, "missing"},
    {"no_shape", "{\"a\":{\"dtype\":\"U8\",\"data_offsets\":[0,1]}}", 1,
        SHU_ERROR_INVALID, "missing"},
    {"no_offsets", "{\"a\":{\"dtype\":\"U8\",\"shape\":[1]}}", 1,
        SHU_ERROR_INVALID, "missing"},
    {"dtype_number",
        "{\"a\":{\"dtype\":1,\"shape\":[1],\"data_offsets\":[0,1]}}", 1,
        SHU_ERROR_INVALID, "missing"},
    {"unknown_dtype", "{\"a\":" T ("F31", "[1]", "[0,4]") "}", 4,
        SHU_ERROR_INVALID, "dtype is unknown"},
    {"empty_dtype", "{\"a\":" T ("", "[1]", "[0,4]") "}", 4, SHU_ERROR_INVALID,
        "dtype is unknown"},
    {"half_a_byte", "{\"a\":" T ("F4", "[3]", "[0,2]") "}", 2,
        SHU_ERROR_INVALID, "whole number of bytes"},
    {"six_dims", "{\"a\":" T ("U8", "[1,1,1,1,1,1]", "[0,1]") "}", 1,
        SHU_ERROR_INVALID, "more than 5"},
    {"wrong_shape", "{\"a\":" T ("F32", "[2,3]", "[0,20]") "}", 24,
        SHU_ERROR_INVALID, "do not agree"},
    {"shape_text", "{\"a\":" T ("U8", "[\"1\"]", "[0,1]") "}", 1,
        SHU_ERROR_INVALID, "shape"},
    {"shape_fraction", "{\"a\":" T ("U8", "[1.0]", "[0,1]") "}", 1,
        SHU_ERROR_INVALID, "shape"},
    {"shape_number", "{\"a\":" T ("U8", "1", "[0,1]") "}", 1, SHU_ERROR_INVALID,
        "missing"},
    {"shape_nested", "{\"a\":" T ("U8", "[[1]]", "[0,1]") "}", 1,
        SHU_ERROR_INVALID, "shape"},
    {"shape_null", "{\"a\":" T ("U8", "[null]", "[0,1]") "}", 1,
        SHU_ERROR_INVALID, "shape"},
    {"shape_negative", "{\"a\":" T ("U8", "[-1,-1]", "[0,1]") "}", 1,
        SHU_ERROR_INVALID, "shape"},
    {"shape_overflows", /* 2^62 * 4 bytes = 2^64 = 0 */
        "{\"a\":" T ("F32", "[4611686018427387904]", "[0,0]") "}", 4,
        SHU_ERROR_INVALID, "shape"},
    {"shape_overflows_twice",
        "{\"a\":" T ("U8", "[4294967296,4294967296]", "[0,0]") "}", 4,
        SHU_ERROR_INVALID, "shape"},
    {"shape_overflows_to_zero",
        "{\"a\":" T ("U8", "[9223372036854775807,4,0]", "[0,0]") "}", 4,
        SHU_ERROR_INVALID, "shape"},
    {"end_first", "{\"a\":" T ("U8", "[1]", "[2,1]") "}", 4, SHU_ERROR_INVALID,
        "data_offsets"},
    {"three_offsets", "{\"a\":" T ("U8", "[1]", "[0,1,2]") "}", 4,
        SHU_ERROR_INVALID, "data_offsets"},
    {"one_offset", "{\"a\":" T ("U8", "[1]", "[0]") "}", 4, SHU_ERROR_INVALID,
        "data_offsets"},
    {"negative_offset", "{\"a\":" T ("U8", "[2]", "[-1,1]") "}", 4,
        SHU_ERROR_INVALID, "data_offsets"},
    {"beyond_the_end", "{\"a\":" T ("U8", "[8]", "[0,8]") "}", 7,
        SHU_ERROR_TRUNCATED, "copy the file again"},
    {"offset_2_63",
        "{\"a\":" T (
            "U8", "[1]", "[9223372036854775807,9223372036854775808]") "}",
        4, SHU_ERROR_INVALID, "data_offsets"},
    {"offset_2_64",
        "{\"a\":" T (
            "U8", "[1]", "[18446744073709551616,18446744073709551617]") "}",
        4, SHU_ERROR_INVALID, "data_offsets"},
    {"huge_offset",
        "{\"a\":" T (
            "U8", "[1]", "[9223372036854775806,9223372036854775807]") "}",
        4, SHU_ERROR_TRUNCATED, "beyond"},
    {"same_place",
        "{\"a\":" T ("U8", "[2]", "[0,2]") ",\"b\":" T (
            "U8", "[2]", "[0,2]") "}",
        4, SHU_ERROR_INVALID, "overlap"},
    {"overlap",
        "{\"b\":" T ("U8", "[2]", "[1,3]") ",\"a\":" T (
            "U8", "[2]", "[0,2]") "}",
        4, SHU_ERROR_INVALID, "overlap"},
    {"inside",
        "{\"b\":" T ("U8", "[1]", "[1,2]") ",\"a\":" T (
            "U8", "[4]", "[0,4]") "}",
        4, SHU_ERROR_INVALID, "overlap"},
    {"metadata_text", "{\"__metadata__\":\"x\"}", 0, SHU_ERROR_INVALID,
        "list of strings"},
    {"metadata_number", "{\"__metadata__\":{\"k\":1}}", 0, SHU_ERROR_INVALID,
        "list of strings"},
    {"metadata_nested", "{\"__metadata__\":{\"k\":{}}}", 0, SHU_ERROR_INVALID,
        "list of strings"},
    {"metadata_null", "{\"__metadata__\":{\"k\":null}}", 0, SHU_ERROR_INVALID,
        "list of strings"},
};

/* Reads all that can be read of a file that passed. */
static void
use (const ShuSafetensors *st)
{
  guint sum = 0;

  for (int i = 0; i < shu_safetensors_n (st); i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (ShuTensor) t = shu_safetensors_tensor (st, i, &error);

    g_assert_true ((t != NULL) == (error == NULL));
    g_assert_cmpint (
        shu_safetensors_find (st, shu_safetensors_name (st, i)), ==, i);
    for (gsize k = 0; t && k < shu_tensor_bytes (t); k++)
      sum += ((guint8 *) t->data)[k];
  }
  g_assert_cmpuint (sum, <, G_MAXUINT);
}

static void
test_row (gconstpointer data)
{
  const Row *row = data;
  g_autoptr (GBytes) bytes =
      file_of (row->header, strlen (row->header), row->data_size);
  g_autoptr (GError) error = NULL;
  g_autoptr (ShuSafetensors) st =
      shu_safetensors_parse (bytes, "the file", &error);

  if (row->code < 0) {
    g_assert_no_error (error);
    use (st);
    return;
  }
  g_assert_null (st);
  g_assert_error (error, SHU_ERROR, row->code);
  g_assert_true (g_str_has_prefix (error->message, "the file: "));
  if (!strstr (error->message, row->message))
    g_error ("\"%s\" does not say \"%s\"", error->message, row->message);
}

static void
expect (GBytes *bytes, int code)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (shu_safetensors_parse (bytes, "f", &error));
  g_assert_error (error, SHU_ERROR, code);
}

static void
test_header_lengths (void)
{
  static const struct {
    guint64 length;
    int code;
  } lengths[] = {{0, SHU_ERROR_TRUNCATED}, {1, SHU_ERROR_TRUNCATED},
      {3, SHU_ERROR_TRUNCATED}, {1000, SHU_ERROR_TRUNCATED},
      {SHU_SAFETENSORS_MAX_HEADER, SHU_ERROR_TRUNCATED},
      {SHU_SAFETENSORS_MAX_HEADER + 1, SHU_ERROR_LIMIT},
      {(guint64) 1 << 32, SHU_ERROR_LIMIT}, {G_MAXINT64, SHU_ERROR_LIMIT},
      {G_MAXUINT64, SHU_ERROR_LIMIT}, {G_MAXUINT64 - 7, SHU_ERROR_LIMIT}};

  for (gsize i = 0; i < G_N_ELEMENTS (lengths); i++) {
    guint64 le = GUINT64_TO_LE (lengths[i].length);
    guint8 data[10] = {0, 0, 0, 0, 0, 0, 0, 0, '{', '}'};
    g_autoptr (GBytes) bytes = NULL;

    memcpy (data, &le, 8);
    bytes = g_bytes_new (data, sizeof data);
    expect (bytes, lengths[i].code);
  }
}

static void
test_deep_nesting (void)
{
  static const char *const starts[] = {"",
      "{\"a\":", "{\"__metadata__\":{\"a\":",
      /* all that follows would pass as a string or a comment */
      "{\"a\":'\"',\"b\":", "/*\"*/", "//\"\n", "{\"a\\\\\":"};

  for (gsize i = 0; i < G_N_ELEMENTS (starts); i++)
    for (int brace = 0; brace < 2; brace++) {
      GString *s = g_string_new (starts[i]);
      g_autoptr (GBytes) bytes = NULL;

      for (int k = 0; k < 100000; k++)
        g_string_append (s, brace ? "{\"a\":" : "[");
      bytes = file_of (s->str, s->len, 0);
      g_string_free (s, TRUE);
      expect (bytes, SHU_ERROR_INVALID);
    }
}

/* A file of every type, with metadata. */
static GBytes *
sample_file (void)
{
  static const char *const names[] = {
      "f32", "f16", "bf16", "i32", "odd \"u8\""};
  ShuTensor *tensors[G_N_ELEMENTS (names)];
  g_autoptr (GHashTable) metadata = g_hash_table_new (g_str_hash, g_str_equal);
  GBytes *bytes;

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++) {
    tensors[i] = shu_tensor_new (
        (ShuDType) i, i == 4 ? 1 : 2, (const gint64[]){3, i == 4 ? 1 : 2});
    for (gsize k = 0; k < shu_tensor_bytes (tensors[i]); k++)
      ((guint8 *) tensors[i]->data)[k] = 16 * i + k;
  }
  g_hash_table_insert (metadata, (gpointer) "z", (gpointer) "last");
  g_hash_table_insert (
      metadata, (gpointer) "key", (gpointer) "\"quoted\"\n\\ \xc3\xa9 {[");
  bytes =
      shu_safetensors_write (G_N_ELEMENTS (names), names, tensors, metadata);
  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    shu_tensor_unref (tensors[i]);
  return bytes;
}

/* In a block of its own, of exactly that size. */
static GBytes *
part_of (GBytes *bytes, gsize size)
{
  return g_bytes_new (g_bytes_get_data (bytes, NULL), size);
}

static void
test_truncated (void)
{
  g_autoptr (GBytes) bytes = sample_file ();

  for (gsize size = 0; size < g_bytes_get_size (bytes); size++) {
    g_autoptr (GBytes) part = part_of (bytes, size);

    expect (part, SHU_ERROR_TRUNCATED);
  }
}

static void
test_fuzz (void)
{
  g_autoptr (GBytes) bytes = sample_file ();
  gsize size = g_bytes_get_size (bytes);
  gint64 end = g_get_monotonic_time () + 3 * G_USEC_PER_SEC / 2;
  g_autoptr (GRand) rand = g_rand_new_with_seed (1);
  int n_good = 0, n_bad = 0;

  for (gsize bit = 0; g_get_monotonic_time () < end; bit++) {
    guint8 *p = g_memdup2 (g_bytes_get_data (bytes, NULL), size);
    g_autoptr (GBytes) changed = g_bytes_new_take (p, size);
    g_autoptr (GError) error = NULL;
    g_autoptr (ShuSafetensors) st = NULL;

    /* every bit once, then several at random */
    if (bit < 8 * size)
      p[bit / 8] ^= 1 << bit % 8;
    else
      for (int k = g_rand_int_range (rand, 1, 9); k > 0; k--)
        p[g_rand_int_range (rand, 0, size)] ^= 1
                                               << g_rand_int_range (rand, 0, 8);
    st = shu_safetensors_parse (changed, "f", &error);
    g_assert_true ((st != NULL) == (error == NULL));
    if (st)
      use (st);
    *(st ? &n_good : &n_bad) += 1;
  }
  /* bits of names and of the data may change, those of the structure not */
  g_assert_cmpint (n_good, >, 0);
  g_assert_cmpint (n_bad, >, n_good);
}

/* ---- good files ---- */

static void
test_round_trip (void)
{
  g_autoptr (GBytes) bytes = sample_file ();
  g_autoptr (GBytes) again = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (ShuSafetensors) st = shu_safetensors_parse (bytes, "f", &error);
  const char *names[5], *dtype;
  ShuTensor *tensors[5];
  gint64 dims[SHU_MAX_DIMS];
  int n_dims;

  g_assert_no_error (error);
  g_assert_cmpint (shu_safetensors_n (st), ==, 5);
  for (int i = 0; i < 5; i++) {
    names[i] = shu_safetensors_name (st, i);
    tensors[i] = shu_safetensors_tensor (st, i, &error);
    g_assert_no_error (error);
    g_assert_cmpint (tensors[i]->dtype, ==, i);
    for (gsize k = 0; k < shu_tensor_bytes (tensors[i]); k++)
      g_assert_cmpint (
          ((guint8 *) tensors[i]->data)[k], ==, (16 * i + k) & 255);
  }
  g_assert_cmpstr (names[4], ==, "odd \"u8\"");
  shu_safetensors_shape (st, 1, &dtype, &n_dims, dims);
  g_assert_cmpstr (dtype, ==, "F16");
  g_assert_cmpint (n_dims, ==, 2);
  g_assert_cmpint (dims[0], ==, 3);
  g_assert_cmpint (dims[1], ==, 2);
  g_assert_cmpstr (
      shu_safetensors_metadata (st, "key"), ==, "\"quoted\"\n\\ \xc3\xa9 {[");
  g_assert_null (shu_safetensors_metadata (st, "other"));
  g_assert_cmpint (shu_safetensors_find (st, "other"), ==, -1);
  again = shu_safetensors_write (
      5, names, tensors, shu_safetensors_all_metadata (st));
  g_assert_true (g_bytes_equal (bytes, again));
  for (int i = 0; i < 5; i++)
    shu_tensor_unref (tensors[i]);
}

/* The data begin at a multiple of eight, so that readers can map them. */
static void
test_writer_aligns (void)
{
  for (int n = 1; n < 20; n++) {
    g_autofree char *name = g_strnfill (n, 'x');
    g_autoptr (ShuTensor) t = shu_tensor_new (SHU_DTYPE_U8, SHU_DIMS (n));
    g_autoptr (GBytes) bytes = NULL;
    g_autoptr (ShuSafetensors) st = NULL;

    memset (t->data, n, n);
    bytes = shu_safetensors_write (1, (const char *[]){name}, &t, NULL);
    g_assert_cmpuint ((g_bytes_get_size (bytes) - n) % 8, ==, 0);
    st = shu_safetensors_parse (bytes, "f", NULL);
    g_assert_nonnull (st);
    g_assert_cmpint (
        g_hash_table_size (shu_safetensors_all_metadata (st)), ==, 0);
  }
}

/* Data at an odd place are copied to an even one. */
static void
test_unaligned (void)
{
  const char *header = "{\"u\":" T ("U8", "[1]", "[0,1]") ",\"f\":" T (
      "F32", "[2]", "[1,9]") "}";
  static const float values[] = {1.5f, -2.25f};
  g_autoptr (GBytes) bytes = file_of (header, strlen (header), 9);
  g_autoptr (GError) error = NULL;
  g_autoptr (ShuSafetensors) st = NULL;
  g_autoptr (ShuTensor) t = NULL;
  guint8 *p = (guint8 *) g_bytes_get_data (bytes, NULL);

  memcpy (p + 8 + strlen (header) + 1, values, sizeof values);
  st = shu_safetensors_parse (bytes, "f", &error);
  g_assert_no_error (error);
  t = shu_safetensors_tensor (st, shu_safetensors_find (st, "f"), &error);
  g_assert_no_error (error);
  g_assert_cmpuint ((guintptr) t->data % 4, ==, 0);
  g_assert_cmpmem (t->data, shu_tensor_bytes (t), values, sizeof values);
}

/* A tensor keeps the bytes it lies in. */
static void
test_tensor_outlives_file (void)
{
  GBytes *bytes = sample_file ();
  ShuSafetensors *st = shu_safetensors_parse (bytes, "f", NULL);
  g_autoptr (ShuTensor) t = shu_safetensors_tensor (st, 3, NULL);

  shu_safetensors_free (st);
  g_bytes_unref (bytes);
  g_assert_cmpint (((guint8 *) t->data)[5], ==, 16 * 3 + 5);
}

static void
test_unsupported_types (void)
{
  static const struct {
    const char *header;
    gsize size;
    const char *message;
  } cases[] = {
      {"{\"a\":" T ("I64", "[1]", "[0,8]") "}", 8, "I64"},
      {"{\"a\":" T ("F64", "[1]", "[0,8]") "}", 8, "F64"},
      {"{\"a\":" T ("I16", "[1]", "[0,2]") "}", 2, "I16"},
      {"{\"a\":" T ("F32", "[2,0]", "[0,0]") "}", 0, "empty"},
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GBytes) bytes =
        file_of (cases[i].header, strlen (cases[i].header), cases[i].size);
    g_autoptr (GError) error = NULL;
    g_autoptr (ShuSafetensors) st = shu_safetensors_parse (bytes, "f", &error);

    g_assert_no_error (error);
    g_assert_null (shu_safetensors_tensor (st, 0, &error));
    g_assert_error (error, SHU_ERROR, SHU_ERROR_UNSUPPORTED);
    g_assert_nonnull (strstr (error->message, cases[i].message));
    g_assert_nonnull (strstr (error->message, "\"a\""));
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree char *path = g_strconcat ("/weights/safetensors/",
        rows[i].code < 0 ? "reads_" : "refuses_", rows[i].name, NULL);

    g_test_add_data_func (path, &rows[i], test_row);
  }
  g_test_add_func (
      "/weights/safetensors/refuses_header_lengths", test_header_lengths);
  g_test_add_func (
      "/weights/safetensors/refuses_deep_nesting", test_deep_nesting);
  g_test_add_func (
      "/weights/safetensors/refuses_truncation_anywhere", test_truncated);
  g_test_add_func ("/weights/safetensors/survives_flipped_bits", test_fuzz);
  g_test_add_func ("/weights/safetensors/round_trip", test_round_trip);
  g_test_add_func ("/weights/safetensors/writer_aligns", test_writer_aligns);
  g_test_add_func ("/weights/safetensors/copies_unaligned", test_unaligned);
  g_test_add_func (
      "/weights/safetensors/tensor_outlives_file", test_tensor_outlives_file);
  g_test_add_func (
      "/weights/safetensors/names_unsupported_types", test_unsupported_types);
  return g_test_run ();
}
