/* SPDX-License-Identifier: MIT */
/* Arrays out and back, NumPy's oddities, and hostile archives. */
#include "base/error.h"
#include "formats/npz.h"
#include <string.h>

static GBytes *
npy (const char *header, gconstpointer data, gsize size)
{
  g_autofree char *line = g_strdup_printf ("%s\n", header);
  guint16 length = strlen (line);
  GByteArray *out = g_byte_array_new ();

  g_byte_array_append (out, (const guint8 *) "\x93NUMPY\1\0", 8);
  g_byte_array_append (out, (const guint8[]){length & 0xff, length >> 8}, 2);
  g_byte_array_append (out, (const guint8 *) line, length);
  g_byte_array_append (out, data, size);
  return g_byte_array_free_to_bytes (out);
}

static const guint8 zeros[64];

static void
test_headers (void)
{
  static const struct {
    const char *header;
    gsize size;
    int code; /* -1: good */
  } rows[] = {
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", 24, -1},
      {"{\"shape\": (2,3,), 'fortran_order': False, 'descr': '<f4'}", 24, -1},
      {"{'descr': '<f2', 'fortran_order': False, 'shape': (5,), }   ", 10, -1},
      {"{'descr': '<i8', 'fortran_order': False, 'shape': (), }", 8, -1},
      {"{'descr': '|u1', 'fortran_order': True, 'shape': (7,), }", 7, -1},
      {"{'descr': '<f8', 'fortran_order': False, 'shape': (0, 4), }", 0, -1},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", 23,
          SHU_ERROR_TRUNCATED},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", 25,
          SHU_ERROR_INVALID},
      {"{'descr': '>f4', 'fortran_order': False, 'shape': (2, 3), }", 24,
          SHU_ERROR_UNSUPPORTED},
      {"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", 8,
          SHU_ERROR_UNSUPPORTED},
      {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }", 4,
          SHU_ERROR_UNSUPPORTED},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': "
       "(4611686018427387904, 4), }",
          16, SHU_ERROR_LIMIT},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': "
       "(99999999999999999999,), }",
          16, SHU_ERROR_INVALID},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }", 4,
          SHU_ERROR_INVALID},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': "
       "(1,1,1,1,1,1,1,1,1), }",
          4, SHU_ERROR_INVALID},
      {"{'descr': '<f4', 'fortran_order': False, }", 4, SHU_ERROR_INVALID},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,)", 4,
          SHU_ERROR_INVALID},
      {"{'descr': '<f4", 4, SHU_ERROR_UNSUPPORTED},
      {"", 4, SHU_ERROR_INVALID},
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (GBytes) data = npy (rows[i].header, zeros, rows[i].size);
    g_autoptr (GError) error = NULL;
    g_autoptr (ShuNpyArray) a = shu_npy_parse ("a", data, &error);

    if (rows[i].code < 0) {
      g_assert_no_error (error);
      g_assert_nonnull (a);
    } else {
      g_assert_null (a);
      if (!g_error_matches (error, SHU_ERROR, rows[i].code))
        g_error ("%s: %s", rows[i].header, error->message);
    }
  }
}

static void
test_fortran_order (void)
{
  static const guint8 stored[] = {1, 4, 2, 5, 3, 6};
  static const gint32 expected[] = {1, 2, 3, 4, 5, 6};
  g_autoptr (GBytes) data = npy (
      "{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3), }", stored, 6);
  g_autoptr (ShuNpyArray) a = shu_npy_parse ("a", data, NULL);
  g_autofree gint32 *v = shu_npy_to_i32 (a, NULL);

  g_assert_cmpmem (v, sizeof expected, expected, sizeof expected);
}

static ShuNpyArray *
array (const char *name, ShuNpyType type, gint64 n, gsize size)
{
  guint8 *data = g_malloc (n * size);

  for (gsize i = 0; i < n * size; i++)
    data[i] = i * 31 + 7;
  return shu_npy_array_new (
      name, type, 1, &n, g_bytes_new_take (data, n * size));
}

static void
test_round_trip (void)
{
  static const gsize sizes[] = {2, 4, 8, 4, 8, 1};
  g_autoptr (GPtrArray) arrays =
      g_ptr_array_new_with_free_func ((GDestroyNotify) shu_npy_array_free);
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) file = NULL;
  g_autoptr (GBytes) again = NULL;
  g_autoptr (GPtrArray) got = NULL;

  for (int type = 0; type <= SHU_NPY_U8; type++) {
    g_autofree char *name = g_strdup_printf ("array_%d", type);

    g_ptr_array_add (arrays, array (name, type, 100 + type, sizes[type]));
  }
  file = shu_npz_encode (arrays, &error);
  g_assert_no_error (error);
  again = shu_npz_encode (arrays, &error);
  g_assert_true (g_bytes_equal (file, again));
  got = shu_npz_read (file, &error);
  g_assert_no_error (error);
  g_assert_cmpint (got->len, ==, arrays->len);
  for (guint i = 0; i < arrays->len; i++) {
    const ShuNpyArray *a = arrays->pdata[i];
    const ShuNpyArray *b = shu_npz_find (got, a->name);

    g_assert_nonnull (b);
    g_assert_cmpint (a->type, ==, b->type);
    g_assert_cmpint (a->dims[0], ==, b->dims[0]);
    g_assert_true (g_bytes_equal (a->data, b->data));
  }
  g_assert_null (shu_npz_find (got, "other"));
}

/* numpy.savez_compressed (file, coords=float32 [[0,1,2,3], [0,63,0,5]]) */
/* clang-format off */
static const guint8 deflated[] = {
    0x50, 0x4b, 0x03, 0x04, 0x14, 0x00, 0x00, 0x00, 0x08, 0x00, 0x00, 0x00,
    0x21, 0x00, 0xb5, 0xb4, 0xaa, 0x75, 0x57, 0x00, 0x00, 0x00, 0xa0, 0x00,
    0x00, 0x00, 0x0a, 0x00, 0x14, 0x00, 0x63, 0x6f, 0x6f, 0x72, 0x64, 0x73,
    0x2e, 0x6e, 0x70, 0x79, 0x01, 0x00, 0x10, 0x00, 0xa0, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x57, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x9b, 0xec, 0x17, 0xea, 0x1b, 0x10, 0xc9, 0xc8, 0x50, 0xc6, 0x50, 0xad,
    0x9e, 0x92, 0x5a, 0x9c, 0x5c, 0xa4, 0x6e, 0xa5, 0xa0, 0x6e, 0x93, 0x66,
    0xa2, 0xae, 0xa3, 0xa0, 0x9e, 0x96, 0x5f, 0x54, 0x52, 0x94, 0x98, 0x17,
    0x9f, 0x5f, 0x94, 0x92, 0x0a, 0x12, 0x77, 0x4b, 0xcc, 0x29, 0x4e, 0x05,
    0x8a, 0x17, 0x67, 0x24, 0x16, 0xa4, 0x02, 0xf9, 0x1a, 0x46, 0x3a, 0x0a,
    0x26, 0x9a, 0x3a, 0x0a, 0xb5, 0x0a, 0x64, 0x03, 0x2e, 0x06, 0x30, 0x68,
    0xb0, 0x07, 0x12, 0x0e, 0x40, 0xe4, 0x00, 0xe1, 0xd7, 0x38, 0x41, 0xe8,
    0x05, 0x0e, 0x00, 0x50, 0x4b, 0x01, 0x02, 0x14, 0x03, 0x14, 0x00, 0x00,
    0x00, 0x08, 0x00, 0x00, 0x00, 0x21, 0x00, 0xb5, 0xb4, 0xaa, 0x75, 0x57,
    0x00, 0x00, 0x00, 0xa0, 0x00, 0x00, 0x00, 0x0a, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x80, 0x01, 0x00, 0x00, 0x00,
    0x00, 0x63, 0x6f, 0x6f, 0x72, 0x64, 0x73, 0x2e, 0x6e, 0x70, 0x79, 0x50,
    0x4b, 0x05, 0x06, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x01, 0x00, 0x38,
    0x00, 0x00, 0x00, 0x93, 0x00, 0x00, 0x00, 0x00, 0x00,
};

/* clang-format on */

static void
test_coords (void)
{
  static const gint32 coords[] = {0, 1, 2, 3, 0, 63, 0, 5};
  g_autoptr (GBytes) numpy = g_bytes_new_static (deflated, sizeof deflated);
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) file = shu_coords_encode (coords, 2, &error);
  gsize n = 0, m = 0;
  g_autofree gint32 *got = shu_coords_decode (file, 64, &n, &error);
  g_autofree gint32 *got_numpy = shu_coords_decode (numpy, 64, &m, &error);

  g_assert_no_error (error);
  g_assert_cmpmem (got, n * 16, coords, sizeof coords);
  g_assert_cmpmem (got_numpy, m * 16, coords, sizeof coords);
  g_assert_null (shu_coords_decode (file, 63, &n, &error));
  g_assert_error (error, SHU_ERROR, SHU_ERROR_INVALID);
}

static void
test_bad_coords (void)
{
  static const gint32 rows[][8] = {
      {0, 1, 2, 3, 0, 1, 2, 3},  /* twice */
      {0, 1, 2, 3, 1, 1, 2, 4},  /* second batch */
      {0, 1, 2, 3, 0, -1, 2, 3}, /* outside */
      {0, 1, 2, 64, 0, 1, 2, 3},
  };
  gsize n;

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (GBytes) file = shu_coords_encode (rows[i], 2, NULL);
    g_autoptr (GError) error = NULL;

    g_assert_null (shu_coords_decode (file, 64, &n, &error));
    g_assert_error (error, SHU_ERROR, SHU_ERROR_INVALID);
  }
  {
    g_autoptr (GBytes) none = shu_coords_encode (rows[0], 0, NULL);
    g_autoptr (GError) error = NULL;

    g_assert_null (shu_coords_decode (none, 64, &n, &error));
    g_assert_error (error, SHU_ERROR, SHU_ERROR_INVALID);
  }
}

static void
test_fractions_are_no_coords (void)
{
  const float half = 0.5f, inf = G_MAXFLOAT;
  gint64 n = 1;
  g_autoptr (ShuNpyArray) a = shu_npy_array_new (
      "a", SHU_NPY_F32, 1, &n, g_bytes_new (&half, sizeof half));
  g_autoptr (ShuNpyArray) b = shu_npy_array_new (
      "b", SHU_NPY_F32, 1, &n, g_bytes_new (&inf, sizeof inf));

  g_assert_null (shu_npy_to_i32 (a, NULL));
  g_assert_null (shu_npy_to_i32 (b, NULL));
}

static void
test_truncated (void)
{
  for (gsize n = 0; n < sizeof deflated; n++) {
    g_autoptr (GBytes) file =
        g_bytes_new_take (g_memdup2 (deflated, MAX (n, 1)), n);
    g_autoptr (GError) error = NULL;

    g_assert_null (shu_npz_read (file, &error));
    g_assert_true (error->domain == SHU_ERROR);
  }
}

/* Every bit of a deflated and of a stored file, turned over: an error, or the
 * same numbers. */
static void
test_damaged (void)
{
  static const gint32 coords[] = {0, 1, 2, 3, 0, 63, 0, 5};
  g_autoptr (GBytes) stored = shu_coords_encode (coords, 2, NULL);
  g_autoptr (GBytes) packed = g_bytes_new_static (deflated, sizeof deflated);
  GBytes *files[] = {stored, packed};
  int n_bad = 0, n_all = 0;

  for (guint k = 0; k < 2; k++)
    for (gsize bit = 0; bit < 8 * g_bytes_get_size (files[k]); bit++) {
      gsize size = g_bytes_get_size (files[k]), n = 0;
      guint8 *copy = g_memdup2 (g_bytes_get_data (files[k], NULL), size);
      g_autoptr (GBytes) file = g_bytes_new_take (copy, size);
      g_autofree gint32 *got = NULL;

      copy[bit / 8] ^= 1 << bit % 8;
      got = shu_coords_decode (file, 64, &n, NULL);
      n_all++;
      n_bad += got == NULL;
      if (got)
        g_assert_cmpmem (got, n * 16, coords, sizeof coords);
    }
  g_assert_cmpint (n_bad * 2, >, n_all);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/formats/npy/headers", test_headers);
  g_test_add_func ("/formats/npy/fortran_order_is_turned", test_fortran_order);
  g_test_add_func (
      "/formats/npy/fractions_are_no_integers", test_fractions_are_no_coords);
  g_test_add_func ("/formats/npz/round_trip", test_round_trip);
  g_test_add_func ("/formats/npz/coords", test_coords);
  g_test_add_func ("/formats/npz/bad_coords_are_refused", test_bad_coords);
  g_test_add_func ("/formats/npz/truncated_is_an_error", test_truncated);
  g_test_add_func ("/formats/npz/damage_is_seen", test_damaged);
  return g_test_run ();
}
