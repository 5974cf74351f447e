/* SPDX-License-Identifier: MIT */
#include "fixtures.h"
#include "base/error.h"
#include "base/file.h"
#include "models/clip.h"
#include "models/dinov2.h"
#include "models/gs_decoder.h"
#include "models/joint.h"
#include "models/mesh_decoder.h"
#include "models/slat_flow.h"
#include "models/ss_decoder.h"
#include "models/u2net.h"
#include "models/vae.h"
#include "stages/model_private.h"
#include "weights/safetensors.h"
#include <glib/gstdio.h>
#include <string.h>

const ShuStage1Params fixture_stage1 = {
    .seed = -1, .steps = -1, .guidance = -1};
const ShuStage2Params fixture_stage2 = {.seed = -1,
    .steps = -1,
    .cfg_strength = -1,
    .cfg_start = -1,
    .cfg_end = -1,
    .up_size = -1};

ShuModel *
fixture_model (void)
{
  g_autoptr (GError) error = NULL;
  ShuModel *m = shu_model_get ("synthetic-tiny:7", "cpu", &error);

  g_assert_no_error (error);
  return m;
}

ShuImage *
fixture_cutout (int width, int height)
{
  ShuImage *image = shu_image_new (width, height, 4);

  for (int y = 0; y < height; y++)
    for (int x = 0; x < width; x++) {
      double dx = (x + 0.5) / width * 2 - 1, dy = (y + 0.5) / height * 2 - 1;
      guint8 *p = image->data + 4 * ((gsize) y * width + x);

      p[0] = 255 * x / width;
      p[1] = 255 * y / height;
      p[2] = 128;
      p[3] = dx * dx * 6 + dy * dy * 1.2 < 1 ? 255 : 0;
    }
  return image;
}

ShuBundle *
fixture_subject (void)
{
  g_autoptr (ShuModel) m = fixture_model ();
  g_autoptr (ShuImage) cutout = fixture_cutout (60, 90);
  g_autoptr (GError) error = NULL;
  ShuPreprocessParams params = {.seed = 11,
      .view_size = shu_model_defaults (m)->view_size,
      .condition_size = shu_model_defaults (m)->condition_size};
  ShuBundle *b = shu_stage_preprocess (cutout, &params, NULL, &error);

  g_assert_no_error (error);
  return b;
}

ShuBundle *
fixture_views (void)
{
  g_autoptr (ShuModel) m = fixture_model ();
  g_autoptr (ShuBundle) subject = fixture_subject ();
  g_autoptr (GError) error = NULL;
  ShuBundle *b = shu_stage_stage1 (m, subject, &fixture_stage1, NULL, &error);

  g_assert_no_error (error);
  return b;
}

void
fixture_expect (GError **error, int code, const char *what)
{
  g_assert_error (*error, SHU_ERROR, code);
  if (!strstr ((*error)->message, what))
    g_error ("\"%s\" does not say \"%s\"", (*error)->message, what);
  g_clear_error (error);
}

/* ---- a model folder ---- */

static void
put_file (const char *folder, const char *path, gconstpointer data, gsize size)
{
  g_autofree char *file = g_build_filename (folder, path, NULL);
  g_autofree char *parent = g_path_get_dirname (file);
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (g_mkdir_with_parents (parent, 0777), ==, 0);
  shu_file_write (file, data, size, &error);
  g_assert_no_error (error);
}

/* Writes the configuration @path; (transfer full) */
static ShuConfig *
put_config (const char *folder, const char *path)
{
  const char *text = shu_synthetic_config (TRUE, path);

  put_file (folder, path, text, strlen (text));
  return shu_config_parse (text, -1, path, NULL);
}

/* All that was asked of @w so far. */
static void
put_weights (const char *folder, const char *path, ShuWeights *w)
{
  g_auto (GStrv) names = shu_weights_names (w);
  guint n = g_strv_length (names);
  g_autofree ShuTensor **tensors = g_new (ShuTensor *, n);
  g_autofree char *file = g_build_filename (path, "model.safetensors", NULL);
  g_autoptr (GBytes) bytes = NULL;
  gconstpointer data;
  gsize size;

  for (guint i = 0; i < n; i++) {
    gint64 dims[SHU_MAX_DIMS];
    int n_dims;

    g_assert_true (shu_weights_dims (w, names[i], &n_dims, dims));
    tensors[i] = shu_weights_get (w, names[i], n_dims, dims);
  }
  bytes = shu_safetensors_write (n, (const char *const *) names, tensors, NULL);
  data = g_bytes_get_data (bytes, &size);
  put_file (folder, file, data, size);
}

#define NETWORK(set, path, name)                                               \
  {                                                                            \
    set, path,                                                                 \
        (gpointer (*) (                                                        \
            ShuConfig *, ShuWeights *, GError **)) shu_##name##_new,           \
        (GDestroyNotify) shu_##name##_free                                     \
  }

static const struct {
  ShuNet set;
  const char *path;
  gpointer (*load) (ShuConfig *, ShuWeights *, GError **);
  GDestroyNotify free;
} networks[] = {
    NETWORK (
        SHU_NET_JOINT, "OneStage/SyncHuman_2D3DCrossSpaceDiffusion", joint),
    NETWORK (SHU_NET_VAE, "OneStage/vae", vae),
    NETWORK (SHU_NET_CLIP, "OneStage/image_encoder", clip),
    NETWORK (SHU_NET_DINO, "OneStage/dinov2", dinov2),
    NETWORK (
        SHU_NET_SS_DECODER, "OneStage/sparse_structure_decoder", ss_decoder),
    NETWORK (SHU_NET_MATTING, "OneStage/matting", u2net),
    NETWORK (SHU_NET_SLAT_FLOW, "SecondStage/slat_flow", slat_flow),
    NETWORK (SHU_NET_MESH_DECODER, "SecondStage/decoder_Mesh", mesh_decoder),
    NETWORK (SHU_NET_GS_DECODER, "SecondStage/decoder_GS", gs_decoder),
};

char *
fixture_model_folder (void)
{
  static const char *const others[] = {"OneStage/pipeline_config.json",
      "OneStage/feature_extractor/preprocessor_config.json",
      "SecondStage/pipeline.json"};
  g_autoptr (ShuModel) m = fixture_model ();
  g_autoptr (GError) error = NULL;
  g_autoptr (ShuWeights) prompts = NULL;
  char *folder = g_dir_make_tmp ("shu-model-XXXXXX", &error);

  g_assert_no_error (error);
  for (gsize i = 0; i < G_N_ELEMENTS (others); i++)
    shu_config_free (put_config (folder, others[i]));
  for (gsize i = 0; i < G_N_ELEMENTS (networks); i++) {
    const char *path = networks[i].path;
    g_autofree char *json = g_build_filename (path, "config.json", NULL);
    g_autoptr (ShuConfig) config = put_config (folder, json);
    g_autoptr (ShuWeights) w =
        shu_model_weights (m, path, networks[i].set, &error);
    gpointer net = networks[i].load (config, w, &error);

    g_assert_no_error (error);
    put_weights (folder, path, w);
    networks[i].free (net);
  }
  prompts = shu_model_weights (m, "OneStage/prompt_embeds", SHU_N_NETS, &error);
  shu_weights_get (prompts, "normal_embeds", SHU_DIMS (5, 4, 32));
  shu_weights_get (prompts, "clr_embeds", SHU_DIMS (5, 4, 32));
  put_weights (folder, "OneStage/prompt_embeds", prompts);
  return folder;
}

static void
list (const char *folder, const char *part, GPtrArray *files)
{
  g_autofree char *path = g_build_filename (folder, part, NULL);
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const char *name;

  while (dir && (name = g_dir_read_name (dir))) {
    g_autofree char *inner =
        *part ? g_build_filename (part, name, NULL) : g_strdup (name);
    g_autofree char *full = g_build_filename (folder, inner, NULL);

    if (g_file_test (full, G_FILE_TEST_IS_DIR))
      list (folder, inner, files);
    else
      g_ptr_array_add (files, g_steal_pointer (&inner));
  }
}

static int
by_name (gconstpointer a, gconstpointer b)
{
  return strcmp (*(char *const *) a, *(char *const *) b);
}

GPtrArray *
fixture_files (const char *folder)
{
  GPtrArray *files = g_ptr_array_new_with_free_func (g_free);

  list (folder, "", files);
  g_ptr_array_sort (files, by_name);
  return files;
}

void
fixture_remove_folder (const char *folder)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name;

  while (dir && (name = g_dir_read_name (dir))) {
    g_autofree char *path = g_build_filename (folder, name, NULL);

    if (g_unlink (path) != 0)
      fixture_remove_folder (path);
  }
  g_rmdir (folder);
}
