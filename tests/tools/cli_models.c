/* SPDX-License-Identifier: MIT */
/* synchuman models: what is said of folders, and what is written.
 *   test_cli_models SYNCHUMAN MINI_MODEL */
#include "cli_fixture.h"
#include "../weights/fixtures.h"
#include <json-glib/json-glib.h>
#include <string.h>

static char *program, *models_mini;

static JsonObject *
last_json (CliFixture *f, JsonParser *parser)
{
  g_assert_true (json_parser_load_from_data (parser, f->text, -1, NULL));
  return json_node_get_object (json_parser_get_root (parser));
}

static void
checks_models (CliFixture *f, gconstpointer data)
{
  g_autofree char *good = g_strconcat ("models check ", models_mini, NULL);
  g_autofree char *json =
      g_strconcat ("models check --json ", models_mini, NULL);
  g_autoptr (JsonParser) parser = json_parser_new ();
  JsonObject *o, *part;

  g_assert_cmpint (cli_run (f, program, good), ==, 0);
  g_assert_nonnull (strstr (f->text, "Everything is there"));
  g_assert_cmpint (cli_run (f, program, json), ==, 0);
  o = last_json (f, parser);
  g_assert_true (json_object_get_boolean_member (o, "ok"));
  g_assert_cmpint (cli_run (f, program, "models check IN/empty-model"), ==, 1);
  g_assert_nonnull (strstr (f->text, "pipeline_config.json"));
  g_assert_nonnull (strstr (f->text, "IGL-HKUST/SyncHuman"));
  g_assert_nonnull (strstr (f->text, "rembg"));
  g_assert_cmpint (
      cli_run (f, program, "models check IN/empty-model --json"), ==, 1);
  o = last_json (f, parser);
  g_assert_false (json_object_get_boolean_member (o, "ok"));
  part = json_array_get_object_element (
      json_object_get_array_member (o, "parts"), 1);
  g_assert_cmpstr (
      json_object_get_string_member (part, "name"), ==, "joint denoiser");
  g_assert_false (json_object_get_boolean_member (part, "found"));
  g_assert_cmpuint (
      json_array_get_length (json_object_get_array_member (part, "problems")),
      >, 0);
  g_assert_cmpint (cli_run (f, program, "models"), ==, 2);
  g_assert_cmpint (cli_run (f, program, "models check"), ==, 2);
  g_assert_cmpint (cli_run (f, program, "models --help"), ==, 0);
}

/* A terminal is not told what to do by the name of a tensor. */
static void
prints_names (CliFixture *f, gconstpointer data)
{
  static const float values[] = {1, 2, 3, 4};
  TorchTensor t = {
      "\033[2Ja", "Float", "0", 4, 0, 1, {4}, NULL, values, sizeof values};
  g_autoptr (GBytes) good = torch_zip (1, &t, NULL);
  g_autoptr (GBytes) bad = NULL;

  t.dims[0] = 5;
  bad = torch_zip (1, &t, NULL);
  harness_put (f->in, "empty-model/u2net.pth", g_bytes_get_data (good, NULL),
      g_bytes_get_size (good));
  harness_put (
      f->in, "bad.pth", g_bytes_get_data (bad, NULL), g_bytes_get_size (bad));
  g_assert_cmpint (cli_run (f, program, "models check IN/empty-model"), ==, 1);
  g_assert_nonnull (strstr (f->text, "not used: 1 tensor (?[2Ja)"));
  g_assert_null (strchr (f->text, '\033'));
  g_assert_cmpint (cli_run (f, program, "models import IN/bad.pth"), ==, 1);
  g_assert_nonnull (strstr (f->errors, "tensor \"?[2Ja\""));
  g_assert_null (strchr (f->errors, '\033'));
}

static void
imports_models (CliFixture *f, gconstpointer data)
{
  static const float values[] = {1, 2, 3, 4};
  const TorchTensor t = {
      "a", "Float", "0", 4, 0, 2, {2, 2}, NULL, values, sizeof values};
  g_autoptr (GBytes) torch = torch_zip (1, &t, NULL);
  g_autoptr (GBytes) onnx = onnx_u2net ();
  g_autofree char *inner = g_build_filename (f->in, "models", "inner", NULL);
  g_autoptr (GBytes) before = NULL, after = NULL;

  g_mkdir_with_parents (inner, 0777);
  harness_put (f->in, "models/a.pth", g_bytes_get_data (torch, NULL),
      g_bytes_get_size (torch));
  harness_put (f->in, "models/inner/u2net.onnx", g_bytes_get_data (onnx, NULL),
      g_bytes_get_size (onnx));
  harness_put (f->in, "models/bad.pt", "no pickle", 9);
  g_assert_cmpint (cli_run (f, program, "models import IN/models"), ==, 1);
  g_assert_nonnull (strstr (f->text, "a.safetensors: 1 tensor\n"));
  g_assert_nonnull (strstr (f->text, "u2net.safetensors: 238 tensors"));
  g_assert_nonnull (strstr (f->errors, "bad.pt"));
  g_assert_cmpint (cli_count_errors (f->errors), ==, 1);
  g_assert_false (harness_exists (f->in, "models/bad.safetensors"));
  before = harness_contents (f->in, "models/a.safetensors");
  /* what is there stays */
  harness_put (f->in, "models/a.safetensors", "mine", 4);
  g_assert_cmpint (
      cli_run (f, program, "models import IN/models/a.pth"), ==, 1);
  g_assert_nonnull (strstr (f->errors, "--force"));
  after = harness_contents (f->in, "models/a.safetensors");
  g_assert_cmpuint (g_bytes_get_size (after), ==, 4);
  g_bytes_unref (after);
  g_assert_cmpint (
      cli_run (f, program, "models import --force IN/models/a.pth"), ==, 0);
  after = harness_contents (f->in, "models/a.safetensors");
  g_assert_true (g_bytes_equal (before, after));
  /* of two that would become one, neither */
  harness_put (f->in, "models/inner/u2net.pth", "no pickle", 9);
  harness_put (f->in, "models/inner/u2net.safetensors", "mine", 4);
  g_assert_cmpint (
      cli_run (f, program, "models import --force IN/models/inner"), ==, 1);
  g_assert_nonnull (strstr (f->errors, "u2net.pth would become the same"));
  g_assert_cmpint (cli_count_errors (f->errors), ==, 2);
  g_bytes_unref (after);
  after = harness_contents (f->in, "models/inner/u2net.safetensors");
  g_assert_cmpuint (g_bytes_get_size (after), ==, 4);
  g_assert_cmpint (
      cli_run (f, program, "models import --force IN/models/inner/u2net.onnx"),
      ==, 0);
  g_assert_cmpint (cli_count_files (f->out), ==, 0);
}

#define ADD(path, func)                                                        \
  g_test_add ("/tools/cli_models/" path, CliFixture, NULL, cli_setup, func,    \
      cli_teardown)

int
main (int argc, char **argv)
{
  g_autofree char *home = NULL;
  int status;

  g_test_init (&argc, &argv, NULL);
  g_assert_cmpint (argc, ==, 3);
  program = g_canonicalize_filename (argv[1], NULL);
  models_mini = argv[2];
  home = cli_stay_apart ();
  ADD ("check", checks_models);
  ADD ("names", prints_names);
  ADD ("import", imports_models);
  status = g_test_run ();
  harness_remove (home);
  return status;
}
