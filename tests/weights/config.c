/* SPDX-License-Identifier: MIT */
/* Configurations: types, ranges and defaults are checked, and the first thing
 * wrong is the one that is reported. */
#include "weights/config.h"
#include "base/error.h"
#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

static const char text[] =
    "{\"int\": 7, \"whole\": 3.0, \"half\": 2.5, \"big\": 1e30,"
    " \"negative\": -4, \"yes\": true, \"word\": \"gelu\", \"none\": null,"
    " \"list\": [1, 2, 3], \"mixed\": [1, \"2\"], \"lone\": 9,"
    " \"floats\": [0.5, 1, -2e-3], \"infinite\": [1e999], \"empty\": [],"
    " \"a\": {\"b\": {\"c\": 5}, \"d\": \"x\"}}";

static ShuConfig *
parse (void)
{
  g_autoptr (GError) error = NULL;
  ShuConfig *config = shu_config_parse (text, -1, "the config", &error);

  g_assert_no_error (error);
  return config;
}

/* @config must have failed with a message that holds @what. */
static void
expect (ShuConfig *config, const char *what)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (shu_config_finish (config, &error));
  g_assert_error (error, SHU_ERROR, SHU_ERROR_INVALID);
  g_assert_true (g_str_has_prefix (error->message, "the config: "));
  if (!strstr (error->message, what))
    g_error ("\"%s\" does not say \"%s\"", error->message, what);
}

static void
test_values (void)
{
  g_autoptr (ShuConfig) config = parse ();
  g_autoptr (GError) error = NULL;
  int ints[3];
  double floats[3];

  g_assert_cmpint (shu_config_int (config, "int", 0, 7, -1), ==, 7);
  g_assert_cmpint (shu_config_int (config, "whole", 0, 7, -1), ==, 3);
  g_assert_cmpint (shu_config_int (config, "negative", -4, 0, 1), ==, -4);
  g_assert_cmpfloat (shu_config_float (config, "half", 0, 3, NAN), ==, 2.5);
  g_assert_cmpfloat (shu_config_float (config, "int", 0, 7, NAN), ==, 7);
  g_assert_true (shu_config_bool (config, "yes", FALSE));
  g_assert_cmpstr (shu_config_string (config, "word", NULL), ==, "gelu");
  g_assert_cmpint (shu_config_ints (config, "list", 1, 3, 3, ints), ==, 3);
  g_assert_cmpint (ints[2], ==, 3);
  g_assert_cmpint (shu_config_ints (config, "lone", 1, 9, 3, ints), ==, 1);
  g_assert_cmpint (ints[0], ==, 9);
  g_assert_cmpint (shu_config_ints (config, "empty", 1, 9, 3, ints), ==, 0);
  g_assert_cmpint (shu_config_floats (config, "floats", 3, floats), ==, 3);
  g_assert_cmpfloat (floats[2], ==, -2e-3);
  g_assert_true (shu_config_finish (config, &error));
  g_assert_no_error (error);
}

static void
test_defaults (void)
{
  static const char *const keys[] = {"absent", "none"}; /* null is absent */
  g_autoptr (ShuConfig) config = parse ();
  int ints[1];
  double floats[1];

  for (int i = 0; i < 2; i++) {
    g_assert_false (shu_config_has (config, keys[i]));
    g_assert_cmpint (shu_config_int (config, keys[i], 0, 9, 4), ==, 4);
    g_assert_cmpfloat (shu_config_float (config, keys[i], 0, 9, 42), ==, 42);
    g_assert_true (shu_config_bool (config, keys[i], TRUE));
    g_assert_cmpstr (shu_config_string (config, keys[i], "d"), ==, "d");
    g_assert_cmpint (shu_config_ints (config, keys[i], 0, 9, 1, ints), ==, 0);
    g_assert_cmpint (shu_config_floats (config, keys[i], 1, floats), ==, 0);
    g_assert_false (shu_config_has (shu_config_at (config, keys[i]), "x"));
  }
  g_assert_true (shu_config_has (config, "int"));
  g_assert_true (shu_config_finish (config, NULL));
}

typedef enum { INT, FLOAT, BOOL, STRING, INTS, FLOATS, AT } Kind;

static const struct {
  const char *name;
  Kind kind;
  const char *key, *message;
} wrong[] = {
    {"int_missing", INT, "absent", "\"absent\" is missing"},
    {"int_null", INT, "none", "\"none\" is missing"},
    {"int_fraction", INT, "half", "\"half\": expected a whole number in 0..8"},
    {"int_big", INT, "big", "expected a whole number"},
    {"int_above", INT, "lone", "expected a whole number in 0..8"},
    {"int_below", INT, "negative", "expected a whole number"},
    {"int_of_text", INT, "word", "expected a whole number"},
    {"int_of_bool", INT, "yes", "expected a whole number"},
    {"int_of_list", INT, "list", "expected a whole number"},
    {"int_of_object", INT, "a", "expected a whole number"},
    {"float_missing", FLOAT, "absent", "\"absent\" is missing"},
    {"float_above", FLOAT, "big", "\"big\": expected a number in 0..8"},
    {"float_of_text", FLOAT, "word", "expected a number"},
    {"bool_of_int", BOOL, "int", "\"int\": expected true or false"},
    {"bool_of_object", BOOL, "a", "expected true or false"},
    {"string_missing", STRING, "absent", "\"absent\" is missing"},
    {"string_of_int", STRING, "int", "\"int\": expected a string"},
    {"string_of_list", STRING, "list", "\"list\": expected a string"},
    {"ints_too_many", INTS, "list", "\"list\": more than 2 numbers"},
    {"ints_mixed", INTS, "mixed", "\"mixed\": expected whole numbers"},
    {"ints_of_object", INTS, "a", "expected whole numbers"},
    {"ints_range", INTS, "lone", "expected whole numbers in 0..8"},
    {"floats_mixed", FLOATS, "mixed", "\"mixed\": expected numbers"},
    {"floats_infinite", FLOATS, "infinite", "\"infinite\": expected numbers"},
    {"floats_too_many", FLOATS, "floats", "more than 2 numbers"},
    {"at_of_int", AT, "int", "\"int\": expected an object"},
    {"at_of_list", AT, "list", "\"list\": expected an object"},
    {"at_inside", AT, "a/d", "\"a/d\": expected an object"},
};

static void
test_wrong (gconstpointer data)
{
  gsize i = GPOINTER_TO_SIZE (data);
  const char *key = wrong[i].key;
  g_autoptr (ShuConfig) config = parse ();
  int ints[2] = {-1, -1};
  double floats[2];

  switch (wrong[i].kind) {
  case INT:
    /* what comes back is harmless: within the range */
    g_assert_cmpint (shu_config_int (config, key, 0, 8, -1), ==, 0);
    break;
  case FLOAT:
    g_assert_cmpfloat (shu_config_float (config, key, 0, 8, NAN), ==, 0);
    break;
  case BOOL:
    g_assert_false (shu_config_bool (config, key, FALSE));
    break;
  case STRING:
    g_assert_cmpstr (shu_config_string (config, key, NULL), ==, "");
    break;
  case INTS:
    g_assert_cmpint (shu_config_ints (config, key, 0, 8, 2, ints), ==, 0);
    break;
  case FLOATS:
    g_assert_cmpint (shu_config_floats (config, key, 2, floats), ==, 0);
    break;
  case AT:
    g_assert_false (shu_config_has (shu_config_at (config, key), "x"));
    break;
  }
  expect (config, wrong[i].message);
}

static void
test_first_failure_sticks (void)
{
  g_autoptr (ShuConfig) config = parse ();
  ShuConfig *part = shu_config_at (config, "a/b");

  shu_config_int (part, "first", 0, 8, -1);
  shu_config_int (config, "second", 0, 8, -1);
  shu_config_fail (config, "third");
  expect (config, "\"first\" is missing");
  expect (part, "a/b: \"first\" is missing"); /* says so every time */
}

static void
test_paths (void)
{
  g_autoptr (ShuConfig) config = parse ();
  ShuConfig *part = shu_config_at (shu_config_at (config, "a"), "b");
  g_autofree const char **keys = shu_config_keys (shu_config_at (config, "a"));
  g_autofree const char **none = shu_config_keys (shu_config_at (config, "z"));

  g_assert_cmpint (
      shu_config_int (shu_config_at (config, "a/b"), "c", 0, 9, -1), ==, 5);
  g_assert_cmpint (shu_config_int (part, "c", 0, 9, -1), ==, 5);
  g_assert_false (shu_config_has (shu_config_at (config, "a/x/y"), "c"));
  g_assert_cmpstr (keys[0], ==, "b");
  g_assert_cmpstr (keys[1], ==, "d");
  g_assert_null (keys[2]);
  g_assert_null (none[0]);
  shu_config_fail (part, "wrong");
  expect (config, "the config: a: b: wrong");
}

/* ---- text that is no configuration ---- */

static void
refuse (const char *json, gssize size, int code, const char *message)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (shu_config_parse (json, size, "f.json", &error));
  g_assert_error (error, SHU_ERROR, code);
  g_assert_true (g_str_has_prefix (error->message, "f.json: "));
  if (!strstr (error->message, message))
    g_error ("\"%s\" does not say \"%s\"", error->message, message);
}

static void
test_not_a_config (void)
{
  static const struct {
    const char *json, *message;
  } cases[] = {{"", ""}, {"[]", "expected a JSON object"},
      {"3", "expected a JSON object"}, {"\"a\"", "expected a JSON object"},
      {"{", ""}, {"{\"a\":}", ""}, {"{\"a\":1,}", ""}, {"{\"a\" 1}", ""},
      {"{\"a\":1}}", "behind the end"}, {"{\"a\":\"\xc3\"}", "UTF-8"},
      {"{\"a\":1 /* c */}", "unexpected character"},
      {"{\"a\":'b'}", "unexpected character"}, {"{\"a\":\"\n\"}", "a string"},
      {"{} x", ""}};

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    gsize n = strlen (cases[i].json);
    g_autofree char *copy = g_memdup2 (cases[i].json, n); /* no NUL behind */

    refuse (copy, n, SHU_ERROR_INVALID, cases[i].message);
  }
  refuse ("{\"a\0b\": 1}", 10, SHU_ERROR_INVALID, "UTF-8");
}

static void
test_depth (void)
{
  for (int depth = SHU_CONFIG_MAX_DEPTH - 1; depth <= SHU_CONFIG_MAX_DEPTH;
       depth++) {
    GString *s = g_string_new ("{\"a\":");
    g_autofree char *json = NULL;

    for (int i = 0; i < depth; i++)
      g_string_append_c (s, '[');
    for (int i = 0; i < depth; i++)
      g_string_append_c (s, ']');
    json = g_string_free (g_string_append_c (s, '}'), FALSE);
    if (depth < SHU_CONFIG_MAX_DEPTH) {
      g_autoptr (ShuConfig) config = shu_config_parse (json, -1, "f", NULL);

      g_assert_nonnull (config);
    } else
      refuse (json, -1, SHU_ERROR_LIMIT, "nested");
  }
}

static void
test_hidden_depth (void)
{
  static const char *const starts[] = {
      "/*\"*/", "{\"a\":'\"',\"b\":", "//\"\n", "{\"a\\\\\":", "#\"\n"};

  for (gsize i = 0; i < G_N_ELEMENTS (starts); i++) {
    GString *s = g_string_new (starts[i]);
    g_autofree char *json = NULL;
    g_autoptr (GError) error = NULL;

    for (int k = 0; k < 200000; k++)
      g_string_append_c (s, '[');
    json = g_string_free (s, FALSE);
    g_assert_null (shu_config_parse (json, -1, "f", &error));
    g_assert_nonnull (error);
    g_assert_true (error->domain == SHU_ERROR);
  }
}

static void
test_files (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *folder = g_dir_make_tmp ("shu-config-XXXXXX", &error);
  g_autofree char *path = g_build_filename (folder, "c.json", NULL);
  g_autofree char *big = g_strnfill (SHU_CONFIG_MAX_BYTES + 1, ' ');
  g_autoptr (ShuConfig) config = NULL;

  g_assert_no_error (error);
  g_assert_null (shu_config_open (path, &error));
  g_assert_error (error, SHU_ERROR, SHU_ERROR_MISSING);
  g_assert_nonnull (strstr (error->message, path));
  g_clear_error (&error);
  g_assert_null (shu_config_open (folder, &error));
  g_assert_error (error, SHU_ERROR, SHU_ERROR_INVALID);
  g_clear_error (&error);
  g_assert_true (g_file_set_contents (path, "", 0, NULL));
  g_assert_null (shu_config_open (path, &error));
  g_assert_error (error, SHU_ERROR, SHU_ERROR_INVALID);
  g_clear_error (&error);
  g_assert_true (
      g_file_set_contents (path, big, SHU_CONFIG_MAX_BYTES + 1, NULL));
  g_assert_null (shu_config_open (path, &error));
  g_assert_error (error, SHU_ERROR, SHU_ERROR_LIMIT);
  g_assert_nonnull (strstr (error->message, path));
  g_clear_error (&error);
  g_assert_true (g_file_set_contents (path, text, -1, NULL));
  config = shu_config_open (path, &error);
  g_assert_no_error (error);
  g_assert_cmpint (shu_config_int (config, "int", 0, 7, -1), ==, 7);
  g_unlink (path);
  g_rmdir (folder);
}

static void
test_fuzz (void)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (2);
  gint64 end = g_get_monotonic_time () + G_USEC_PER_SEC;
  gsize size = strlen (text);
  int n_good = 0, n_bad = 0;

  while (g_get_monotonic_time () < end) {
    g_autofree char *copy = g_memdup2 (text, size);
    g_autoptr (GError) error = NULL;
    g_autoptr (ShuConfig) config = NULL;

    for (int k = g_rand_int_range (rand, 1, 4); k > 0; k--)
      copy[g_rand_int_range (rand, 0, size)] ^=
          1 << g_rand_int_range (rand, 0, 8);
    config = shu_config_parse (copy,
        g_rand_boolean (rand) ? (gssize) size
                              : g_rand_int_range (rand, 0, size),
        "f", &error);
    g_assert_true ((config != NULL) == (error == NULL));
    *(config ? &n_good : &n_bad) += 1;
  }
  g_assert_cmpint (n_good, >, 0);
  g_assert_cmpint (n_bad, >, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/weights/config/values", test_values);
  g_test_add_func ("/weights/config/defaults", test_defaults);
  for (gsize i = 0; i < G_N_ELEMENTS (wrong); i++) {
    g_autofree char *path =
        g_strconcat ("/weights/config/refuses_", wrong[i].name, NULL);

    g_test_add_data_func (path, GSIZE_TO_POINTER (i), test_wrong);
  }
  g_test_add_func (
      "/weights/config/first_failure_sticks", test_first_failure_sticks);
  g_test_add_func ("/weights/config/paths", test_paths);
  g_test_add_func ("/weights/config/refuses_other_text", test_not_a_config);
  g_test_add_func ("/weights/config/limits_depth", test_depth);
  g_test_add_func ("/weights/config/sees_hidden_depth", test_hidden_depth);
  g_test_add_func ("/weights/config/files", test_files);
  g_test_add_func ("/weights/config/survives_flipped_bits", test_fuzz);
  return g_test_run ();
}
