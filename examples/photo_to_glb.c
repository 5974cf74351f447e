/* SPDX-License-Identifier: MIT */
/* The whole job in plain C, without GStreamer:
 *   photo_to_glb PHOTO OUT.glb [MODEL]
 * Every stage takes what the one before made; any of the bundles could be
 * written with shu_bundle_encode() and read back later. */
#include <shu.h>
#include <stdio.h>

static void
show (const char *stage, int step, int total, gpointer data)
{
  fprintf (stderr, "\r%-10s %d/%d   ", stage, step, total);
}

static ShuImage *
read_photo (const char *path, GError **error)
{
  g_autoptr (GBytes) file = shu_file_map (path, error);

  return file ? shu_photo_decode (file, error) : NULL;
}

/* -1: what the model folder says */
static GBytes *
make (ShuModel *model, const ShuImage *photo, GError **error)
{
  const ShuModelDefaults *d = shu_model_defaults (model);
  ShuProgress progress = {.func = show};
  ShuPreprocessParams sizes = {.seed = 43,
      .view_size = d->view_size,
      .condition_size = d->condition_size};
  ShuStage1Params stage1 = {.seed = -1, .steps = -1, .guidance = -1};
  ShuStage2Params stage2 = {.seed = -1,
      .steps = -1,
      .cfg_strength = -1,
      .cfg_start = -1,
      .cfg_end = -1,
      .up_size = -1};
  ShuMeshParams simplify = {.simplify = 0.7};
  ShuTextureParams texture = {.texture_size = 1024};
  ShuGlbParams glb = {.height = 1.75};
  g_autofree char *warning = NULL;
  g_autoptr (ShuImage) cutout = NULL;
  g_autoptr (ShuBundle) subject = NULL;
  g_autoptr (ShuBundle) views = NULL;
  g_autoptr (ShuBundle) asset = NULL;
  g_autoptr (ShuBundle) mesh = NULL;
  g_autoptr (ShuBundle) person = NULL;

  if (!(cutout =
              shu_stage_matting (model, photo, &warning, &progress, error)) ||
      !(subject = shu_stage_preprocess (cutout, &sizes, &progress, error)) ||
      !(views = shu_stage_stage1 (model, subject, &stage1, &progress, error)) ||
      !(asset = shu_stage_stage2 (model, views, &stage2, &progress, error)) ||
      !(mesh = shu_stage_mesh (asset, &simplify, &progress, error)) ||
      !(person = shu_stage_texture (mesh, &texture, &progress, error)))
    return NULL;
  if (warning)
    fprintf (stderr, "\nwarning: %s\n", warning);
  return shu_stage_glb (person, &glb, error);
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ShuModel) model = NULL;
  g_autoptr (ShuImage) photo = NULL;
  g_autoptr (GBytes) glb = NULL;
  gsize size;

  if (argc < 3) {
    fprintf (stderr, "Usage: photo_to_glb PHOTO OUT.glb [MODEL]\n");
    return 2;
  }
  if (!(model = shu_model_get (argc > 3 ? argv[3] : NULL, NULL, &error)) ||
      !(photo = read_photo (argv[1], &error)) ||
      !(glb = make (model, photo, &error)) ||
      !shu_file_write (argv[2], g_bytes_get_data (glb, &size),
          g_bytes_get_size (glb), &error)) {
    fprintf (stderr, "\n%s: %s\n", argv[1], error->message);
    return 1;
  }
  fprintf (stderr, "\n%s: %" G_GSIZE_FORMAT " bytes\n", argv[2],
      g_bytes_get_size (glb));
  return 0;
}
