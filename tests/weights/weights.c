/* SPDX-License-Identifier: MIT */
/* Weights by name, from files: what is wrong is named, the first failure
 * sticks. */
#include "base/error.h"
#include "base/file.h"
#include "base/half.h"
#include "weights/safetensors.h"
#include "weights/weights.h"
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
  add ("no_memory_is_an_error", test_no_memory);
  add ("deferred_takes_no_memory", test_deferred);
  return g_test_run ();
}
