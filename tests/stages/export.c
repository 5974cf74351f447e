/* SPDX-License-Identifier: MIT */
/* What is written for other programs shows the model that was made. */
#include "stages/stages.h"
#include "formats/photo.h"
#include "geometry/render.h"
#include "stages/fields_private.h"
#include "fixtures.h"
#include <math.h>
#include <string.h>

enum { SIDE = 96, SIDES = 8 };

static ShuBundle *
make_model (int texture_size)
{
  g_autoptr (ShuModel) m = fixture_model ();
  g_autoptr (ShuBundle) subject = fixture_subject ();
  g_autoptr (GError) error = NULL;
  g_autoptr (ShuBundle) views =
      shu_stage_stage1 (m, subject, &fixture_stage1, NULL, &error);
  g_autoptr (ShuBundle) asset = NULL, mesh = NULL;
  ShuBundle *model;

  g_assert_no_error (error);
  asset = shu_stage_stage2 (m, views, &fixture_stage2, NULL, &error);
  g_assert_no_error (error);
  mesh =
      shu_stage_mesh (asset, &(ShuMeshParams){.simplify = 0.7}, NULL, &error);
  g_assert_no_error (error);
  model =
      shu_stage_texture (mesh, &(ShuTextureParams){texture_size}, NULL, &error);
  g_assert_no_error (error);
  return model;
}

/* The mesh of a file where @model has it: turned back, and as tall. */
static void
turn_back (ShuMesh *file, const ShuMesh *model)
{
  float lo = G_MAXFLOAT, hi = -G_MAXFLOAT;

  for (int i = 0; i < model->n_verts; i++) {
    lo = MIN (lo, model->pos[3 * i + 2]);
    hi = MAX (hi, model->pos[3 * i + 2]);
  }
  for (int i = 0; i < file->n_verts; i++) {
    float *p = file->pos + 3 * i, s = (hi - lo) / 1.7f;
    float out[3] = {s * p[0], -s * p[2], lo + s * p[1]};

    memcpy (p, out, sizeof out);
  }
}

/* From all sides, as the contact sheet draws it */
static ShuImage *
draw (const ShuMesh *mesh, const ShuImage *texture)
{
  ShuImage *sheet = shu_image_new (SIDE, SIDES * SIDE, 3);
  gsize size = 3 * SIDE * SIDE;

  for (int i = 0; i < SIDES; i++) {
    ShuCamera camera =
        shu_camera_turntable (-G_PI + 2 * G_PI * i / SIDES, 1.05f);
    ShuRenderParams params = {
        .width = SIDE, .height = SIDE, .supersample = 3, .light = 0.2f};
    g_autoptr (ShuImage) side = shu_render (mesh, texture, &camera, &params);
    g_autoptr (ShuImage) flat = shu_image_flatten (side, 1);

    memcpy (sheet->data + i * size, flat->data, size);
  }
  return sheet;
}

/* Signal to noise over what is no background in either, dB */
static double
compare (const ShuImage *a, const ShuImage *b)
{
  double sum = 0;
  int n = 0;

  for (gsize i = 0; i < shu_image_size (a); i++)
    if (a->data[i] != 255 || b->data[i] != 255) {
      sum += (a->data[i] - b->data[i]) * (a->data[i] - b->data[i]);
      n++;
    }
  return 10 * log10 (255. * 255 * n / (sum + 1e-6));
}

/* Each way to store the model is drawn as the contact sheet draws it. */
static void
every_way_shows_the_model (void)
{
  static const double least[2][4] = {{45, 100, 40, 22}, {44, 50, 40, 22}};
  g_autoptr (ShuBundle) model = make_model (512);
  g_autoptr (ShuMesh) mesh = shu_bundle_take_mesh (model, TRUE, NULL);
  g_autoptr (ShuImage) texture =
      shu_bundle_take_image (model, "texture", 3, NULL);
  g_autoptr (ShuImage) want = draw (mesh, texture);

  for (int i = 0; i < 8; i++) {
    ShuGlbParams params = {.quantize = i / 4, .texture_format = i % 4};
    g_autoptr (GError) error = NULL;
    g_autoptr (GBytes) file = shu_stage_glb (model, &params, &error);
    g_assert_no_error (error);
    g_autoptr (ShuGlb) glb = shu_glb_decode (file, &error);
    g_assert_no_error (error);
    g_autoptr (ShuImage) picture =
        glb->texture ? shu_photo_decode (glb->texture, NULL) : NULL;
    double db;

    turn_back (glb->mesh, mesh);
    g_autoptr (ShuImage) got = draw (glb->mesh, picture);
    db = compare (want, got);
    g_test_message ("quantize %d, format %d: %zu bytes, %.1f dB", i / 4, i % 4,
        g_bytes_get_size (file), db);
    g_assert_cmpfloat (db, >, least[i / 4][i % 4]);
  }
}

/* A PLY file of the finished model has the texture's colours. */
static void
ply_has_colors (void)
{
  g_autoptr (ShuBundle) model = make_model (256);
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) mesh =
      shu_stage_mesh_ply (model, &(ShuGlbParams){.height = 0}, &error);
  g_assert_no_error (error);
  g_autoptr (GBytes) gaussians = shu_stage_gaussian_ply (model, &error);
  g_assert_no_error (error);
  g_autofree char *head = g_strndup (g_bytes_get_data (mesh, NULL), 400);

  g_assert_nonnull (strstr (head, "property uchar red\n"));
  g_assert_cmpint (g_bytes_get_size (gaussians), >, 1000);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func (
      "/stages/export/every_way_shows_the_model", every_way_shows_the_model);
  g_test_add_func ("/stages/export/ply_has_colors", ply_has_colors);
  return g_test_run ();
}
