/* SPDX-License-Identifier: MIT */
/* Model folders: found, shared, and refused with a sentence that helps. */
#include "base/error.h"
#include "fixtures.h"
#include "stages/model_private.h"
#include "weights/formula.h"
#include <glib/gstdio.h>
#include <string.h>

static void
refuse (const char *folder, const char *device, int code, const char *what)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (shu_model_get (folder, device, &error));
  fixture_expect (&error, code, what);
}

static void
test_shares (void)
{
  g_autoptr (ShuModel) a = fixture_model ();
  g_autoptr (ShuModel) b = fixture_model ();
  g_autoptr (ShuModel) other = shu_model_get ("synthetic-tiny:8", "cpu", NULL);
  gconstpointer net = shu_model_net (a, SHU_NET_CLIP, NULL);

  g_assert_true (a == b);
  g_assert_true (a != other);
  g_assert_nonnull (net);
  g_assert_true (shu_model_net (b, SHU_NET_CLIP, NULL) == net);
  g_assert_true (shu_model_prompts (a, NULL) == shu_model_prompts (b, NULL));
  g_assert_cmpstr (shu_model_device (a), ==, "cpu");
  g_assert_cmpstr (shu_model_folder (a), ==, "synthetic-tiny:7");
}

static gpointer
load_all (gpointer data)
{
  ShuModel *m = data;
  g_autoptr (GPtrArray) nets = g_ptr_array_new ();

  for (int i = 0; i < SHU_N_NETS; i++)
    g_ptr_array_add (nets, (gpointer) shu_model_net (m, (ShuNet) i, NULL));
  return g_steal_pointer (&nets);
}

/* Whoever comes while a network is loaded waits for it. */
static void
test_many_load_one (void)
{
  g_autoptr (ShuModel) m = shu_model_get ("synthetic-tiny:9", "cpu", NULL);
  GPtrArray *nets[4];
  GThread *threads[4];

  for (int k = 0; k < 4; k++)
    threads[k] = g_thread_new ("load", load_all, m);
  for (int k = 0; k < 4; k++)
    nets[k] = g_thread_join (threads[k]);
  for (int i = 0; i < SHU_N_NETS; i++)
    for (int k = 0; k < 4; k++) {
      g_assert_nonnull (nets[k]->pdata[i]);
      g_assert_true (nets[k]->pdata[i] == nets[0]->pdata[i]);
    }
  for (int k = 0; k < 4; k++)
    g_ptr_array_unref (nets[k]);
}

static void
test_devices (void)
{
  refuse ("synthetic-tiny:7", "cuda:0", SHU_ERROR_UNSUPPORTED, "cuda:0");
  refuse ("synthetic-tiny:7", "tpu", SHU_ERROR_UNSUPPORTED, "auto, cpu");
}

static void
test_official_size (void)
{
  g_autoptr (ShuModel) m = NULL;

  refuse ("synthetic:1", "auto", SHU_ERROR_UNSUPPORTED, "device=cpu");
  refuse ("synthetic:1", NULL, SHU_ERROR_UNSUPPORTED, "device=cpu");
  m = shu_model_get ("synthetic:1", "cpu", NULL);
  g_assert_cmpint (shu_model_defaults (m)->view_size, ==, 768);
  g_assert_cmpint (shu_model_defaults (m)->condition_size, ==, 518);
  g_assert_cmpint (shu_model_defaults (m)->voxel_res, ==, 64);
  g_assert_cmpint (shu_model_defaults (m)->up_size, ==, 896);
}

static void
test_bad_names (void)
{
  static const char *const seeds[] = {"synthetic:", "synthetic:x",
      "synthetic-tiny:-1", "synthetic-tiny:99999999999999999999",
      "synthetic-tiny:7 "};

  for (gsize i = 0; i < G_N_ELEMENTS (seeds); i++)
    refuse (seeds[i], "cpu", SHU_ERROR_INVALID, "whole number");
  refuse ("/nonexistent/models", "cpu", SHU_ERROR_MISSING,
      "/nonexistent/models: no model folder");
}

static void
test_voxels (void)
{
  static const struct {
    const char *model;
    guint n_voxels;
  } rows[] = {{"synthetic-tiny:7", 236}, {"synthetic-tiny:7?voxels=500", 500},
      {"synthetic:7", 6000}, {"synthetic:7?voxels=1000", 1000}};

  static const char *const malformed[] = {"synthetic:7?", "synthetic:7?voxels",
      "synthetic:7?voxels=", "synthetic:7?voxels=0", "synthetic:7?voxels=-5",
      "synthetic:7?voxels=9999999999", "synthetic:7?voxels=600&voxels=700",
      "synthetic:7?voxel=600"};

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (ShuModel) m = shu_model_get (rows[i].model, "cpu", NULL);
    g_autoptr (GArray) voxels = shu_model_body_voxels (m);

    g_assert_cmpuint (voxels->len, ==, 4 * rows[i].n_voxels);
    g_assert_cmpstr (shu_model_folder (m), ==, rows[i].model);
  }
  for (gsize i = 0; i < G_N_ELEMENTS (malformed); i++)
    refuse (malformed[i], "cpu", SHU_ERROR_INVALID,
        "voxels= and a whole number behind the question mark");
  refuse ("synthetic:?voxels=600", "cpu", SHU_ERROR_INVALID,
      "whole number behind the colon");
  refuse ("synthetic:7?voxels=511", "cpu", SHU_ERROR_INVALID,
      "512 to 32768 voxels, for a body in a grid of 64^3");
  refuse ("synthetic:7?voxels=32769", "cpu", SHU_ERROR_INVALID, "512 to 32768");
  refuse ("synthetic-tiny:7?voxels=6000", "cpu", SHU_ERROR_INVALID,
      "32 to 2048 voxels");
}

/* The sets that the reference data of the official sizes were made with: seed
 * 701 and what follows, in the order of the networks. */
static void
test_sets (void)
{
  static const struct {
    ShuNet net;
    const char *name;
    int n_dims;
    gint64 dims[5];
    float first[2];
  } rows[] = {
      {SHU_NET_JOINT, "conv_in.weight", 4, {320, 8, 3, 3},
          {0.103820801f, 0.177124023f}},
      {SHU_NET_JOINT, "blocks.0.self_attn.q_rms_norm.gamma", 2, {16, 64},
          {0.770996094f, 1.23144531f}},
      {SHU_NET_CLIP, "vision_model.embeddings.position_embedding.weight", 2,
          {257, 1280}, {-0.117614746f, -0.329345703f}},
      {SHU_NET_SLAT_FLOW, "input_blocks.0.conv1.conv.weight", 5,
          {128, 3, 3, 3, 128}, {0.0135650635f, 0.0177001953f}},
  };

  static const ShuNet order[] = {SHU_NET_JOINT, SHU_NET_VAE, SHU_NET_CLIP,
      SHU_NET_DINO, SHU_NET_SS_DECODER, SHU_NET_SLAT_FLOW, SHU_NET_MESH_DECODER,
      SHU_NET_GS_DECODER};
  g_autoptr (ShuModel) m = shu_model_get ("synthetic:701", "cpu", NULL);

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (ShuWeights) w = shu_model_weights (m, "any", rows[i].net, NULL);
    ShuTensor *t =
        shu_weights_get (w, rows[i].name, rows[i].n_dims, rows[i].dims);

    for (int k = 0; k < 2; k++)
      g_assert_cmpfloat (((float *) t->data)[k], ==, rows[i].first[k]);
  }
  for (gsize i = 0; i < G_N_ELEMENTS (order); i++) {
    g_autoptr (ShuWeights) w = shu_model_weights (m, "any", order[i], NULL);
    ShuTensor *t = shu_weights_get (w, "a.weight", 2, (gint64[]){3, 2});
    float values[6];

    shu_formula_weight (701 + i, "a.weight", 2, (gint64[]){3, 2}, 6, values);
    g_assert_cmpfloat_with_epsilon (*(float *) t->data, values[0], 1e-3);
    /* computed, not drawn */
    g_assert_false (shu_weights_has (w, "pos_emb"));
    g_assert_false (shu_weights_has (w, "offset_perturbation"));
  }
}

static void
test_environment (void)
{
  g_setenv ("SHU_MODEL", "synthetic-tiny:9", TRUE);
  g_setenv ("SHU_DEVICE", "cpu", TRUE);
  {
    g_autoptr (ShuModel) m = shu_model_get (NULL, NULL, NULL);
    g_autoptr (ShuModel) named = shu_model_get ("synthetic-tiny:7", "", NULL);

    g_assert_cmpstr (shu_model_folder (m), ==, "synthetic-tiny:9");
    g_assert_cmpstr (shu_model_folder (named), ==, "synthetic-tiny:7");
  }
  g_setenv ("SHU_DEVICE", "cuda:3", TRUE);
  refuse (NULL, NULL, SHU_ERROR_UNSUPPORTED, "cuda:3");
  g_setenv ("SHU_MODEL", "/nonexistent", TRUE);
  refuse (NULL, "cpu", SHU_ERROR_MISSING, "/nonexistent");
  g_unsetenv ("SHU_MODEL");
  g_unsetenv ("SHU_DEVICE");
}

/* ---- folders ---- */

/* The whole job; NULL with @error. */
static ShuBundle *
run_job (const char *folder, const ShuBundle *subject, const ShuBundle *views,
    GError **error)
{
  g_autoptr (ShuModel) m = shu_model_get (folder, "cpu", error);
  g_autoptr (ShuImage) photo = shu_image_new (64, 64, 3);
  g_autoptr (ShuBundle) first = NULL;

  if (!m || !shu_model_net (m, SHU_NET_MATTING, error))
    return NULL;
  first = shu_stage_stage1 (m, subject, &fixture_stage1, NULL, error);
  /* formula weights may see no shape; the pictures come later than that */
  if (!first && !g_error_matches (*error, SHU_ERROR, SHU_ERROR_NO_PERSON))
    return NULL;
  g_clear_error (error);
  return shu_stage_stage2 (m, views, &fixture_stage2, NULL, error);
}

static void
test_missing_files (void)
{
  g_autofree char *folder = fixture_model_folder ();
  g_autoptr (GPtrArray) files = fixture_files (folder);
  g_autoptr (ShuBundle) subject = fixture_subject ();
  g_autoptr (ShuBundle) views = fixture_views ();
  g_autoptr (GError) error = NULL;
  g_autoptr (ShuBundle) whole = run_job (folder, subject, views, &error);

  g_assert_no_error (error);
  g_assert_nonnull (whole);
  g_assert_cmpuint (files->len, ==, 3 + 2 * 9 + 1);
  for (guint i = 0; i < files->len; i++) {
    const char *name = g_ptr_array_index (files, i);
    g_autofree char *path = g_build_filename (folder, name, NULL);
    g_autofree char *aside = g_strconcat (path, ".aside", NULL);
    g_autofree char *part = g_path_get_dirname (name);

    g_assert_cmpint (g_rename (path, aside), ==, 0);
    g_assert_null (run_job (folder, subject, views, &error));
    fixture_expect (&error, SHU_ERROR_MISSING, part);
    g_assert_cmpint (g_rename (aside, path), ==, 0);
  }
  fixture_remove_folder (folder);
}

static const struct {
  const char *name, *path, *from, *to, *message;
} edits[] = {
    {"latent_side", "OneStage/SyncHuman_2D3DCrossSpaceDiffusion/config.json",
        "\"sample_size\": 12", "\"sample_size\": 13", "multiple of 24"},
    {"no_latent_side", "OneStage/SyncHuman_2D3DCrossSpaceDiffusion/config.json",
        "\"sample_size\": 12", "\"no\": 12", "\"sample_size\" is missing"},
    {"view_size", "OneStage/pipeline_config.json", "\"view_size\": 48",
        "\"view_size\": 96", "views of 96 pixels"},
    {"voxels", "OneStage/sparse_structure_decoder/config.json", "[16, 8, 8]",
        "[16, 8, 8, 8, 8, 8, 8, 8]", "at most 256"},
    {"no_channels", "OneStage/sparse_structure_decoder/config.json",
        "\"channels\"", "\"none\"", "\"channels\" is missing"},
    {"steps", "OneStage/pipeline_config.json", "\"steps\": 2", "\"steps\": 0",
        "\"steps\": expected a whole number in 1..1000"},
    {"structure_channels",
        "OneStage/SyncHuman_2D3DCrossSpaceDiffusion/config.json",
        "\"trellis_out_channels\": 8", "\"trellis_out_channels\": 64", ""},
    {"outside", "SecondStage/pipeline.json", "\"slat_flow\"",
        "\"../../slat_flow\"", "must be a folder inside"},
    {"interval", "SecondStage/pipeline.json", "[0.5, 1.0]", "[1.0, 0.5]",
        "\"cfg_interval\""},
    {"normalization", "SecondStage/pipeline.json", "\"std\": [1,",
        "\"std\": [1, 1,", "expected 8 numbers"},
    {"tap", "SecondStage/pipeline.json", "[0, 1, 2, 3]", "[0, 1, 2, 4]",
        "block 4"},
    {"no_json", "SecondStage/decoder_GS/config.json", "{\"name\"", "{name",
        "decoder_GS/config.json"},
};

/* A folder whose parts do not fit each other ends in an error. */
static void
test_edited_configs (void)
{
  g_autofree char *folder = fixture_model_folder ();
  g_autoptr (ShuBundle) subject = fixture_subject ();
  g_autoptr (ShuBundle) views = fixture_views ();

  for (gsize i = 0; i < G_N_ELEMENTS (edits); i++) {
    g_autofree char *path = g_build_filename (folder, edits[i].path, NULL);
    g_autofree char *text = NULL;
    g_autoptr (GError) error = NULL;
    GString *edited;

    g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
    edited = g_string_new (text);
    g_assert_cmpuint (
        g_string_replace (edited, edits[i].from, edits[i].to, 1), ==, 1);
    g_assert_true (g_file_set_contents (path, edited->str, -1, NULL));
    g_string_free (edited, TRUE);
    if (run_job (folder, subject, views, &error))
      g_error ("%s: no error", edits[i].name);
    fixture_expect (&error, SHU_ERROR_INVALID, edits[i].message);
    g_assert_true (g_file_set_contents (path, text, -1, NULL));
  }
  fixture_remove_folder (folder);
}

int
main (int argc, char **argv)
{
  g_unsetenv ("SHU_MODEL");
  g_unsetenv ("SHU_DEVICE");
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/stages/models/two_share_one", test_shares);
  g_test_add_func ("/stages/models/many_load_one", test_many_load_one);
  g_test_add_func ("/stages/models/refuses_devices", test_devices);
  g_test_add_func (
      "/stages/models/official_size_wants_explicit_cpu", test_official_size);
  g_test_add_func ("/stages/models/refuses_bad_names", test_bad_names);
  g_test_add_func ("/stages/models/synthetic_voxels", test_voxels);
  g_test_add_func ("/stages/models/synthetic_sets", test_sets);
  g_test_add_func ("/stages/models/environment_counts", test_environment);
  g_test_add_func ("/stages/models/names_missing_files", test_missing_files);
  g_test_add_func (
      "/stages/models/refuses_parts_that_do_not_fit", test_edited_configs);
  return g_test_run ();
}
