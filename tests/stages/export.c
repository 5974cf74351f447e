/* SPDX-License-Identifier: MIT */
/* What is written for other programs shows the model that was made. */
#include "stages/stages.h"
#include "base/error.h"
#include "formats/photo.h"
#include "geometry/paint.h"
#include "geometry/render.h"
#include "stages/fields_private.h"
#include "fixtures.h"
#include "ply_reader.h"
#include <math.h>
#include <string.h>

enum { SIDE = 96, SIDES = 8 };

static ShuBundle *
make_mesh (void)
{
  g_autoptr (ShuModel) m = fixture_model ();
  g_autoptr (ShuBundle) subject = fixture_subject ();
  g_autoptr (GError) error = NULL;
  g_autoptr (ShuBundle) views =
      shu_stage_stage1 (m, subject, &fixture_stage1, NULL, &error);
  g_autoptr (ShuBundle) asset = NULL;
  ShuBundle *mesh;

  g_assert_no_error (error);
  asset = shu_stage_stage2 (m, views, &fixture_stage2, NULL, &error);
  g_assert_no_error (error);
  mesh =
      shu_stage_mesh (asset, &(ShuMeshParams){.simplify = 0.7}, NULL, &error);
  g_assert_no_error (error);
  return mesh;
}

static ShuBundle *
make_model (int texture_size, gboolean normal_map)
{
  g_autoptr (ShuBundle) mesh = make_mesh ();
  ShuTextureParams params = {
      .texture_size = texture_size, .normal_map = normal_map};
  g_autoptr (GError) error = NULL;
  ShuBundle *model = shu_stage_texture (mesh, &params, NULL, &error);

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
  static const double least[2][4] = {{45, 80, 40, 22}, {44, 50, 40, 22}};
  g_autoptr (ShuBundle) model = make_model (512, FALSE);
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

static ShuBundle *
make_asset (void)
{
  g_autoptr (ShuModel) m = fixture_model ();
  g_autoptr (ShuBundle) views = fixture_views ();
  g_autoptr (GError) error = NULL;
  ShuBundle *asset = shu_stage_stage2 (m, views, &fixture_stage2, NULL, &error);

  g_assert_no_error (error);
  return asset;
}

/* Read back, a PLY file has the mesh: y up, facing +z, 1.7 m, feet at 0. */
static void
check_ply_mesh (GBytes *file, const ShuMesh *mesh)
{
  g_autoptr (PlyFile) ply = ply_read (file);
  float lo = G_MAXFLOAT, hi = -G_MAXFLOAT;

  g_assert_cmpint (ply->n_vertices, ==, mesh->n_verts);
  g_assert_cmpint (ply->n_faces, ==, mesh->n_faces);
  g_assert_cmpint (ply->n_values, ==, 6);
  g_assert_cmpmem (ply->faces, 3 * ply->n_faces * sizeof (gint32), mesh->faces,
      3 * mesh->n_faces * sizeof (gint32));
  for (int i = 0; i < mesh->n_verts; i++) {
    lo = MIN (lo, mesh->pos[3 * i + 2]);
    hi = MAX (hi, mesh->pos[3 * i + 2]);
  }
  for (int i = 0; i < mesh->n_verts; i++) {
    const float *p = mesh->pos + 3 * i, *c = mesh->attr + 6 * i;
    float s = 1.7f / (hi - lo);

    g_assert_cmpfloat_with_epsilon (ply_value (ply, i, "x"), s * p[0], 1e-5);
    g_assert_cmpfloat_with_epsilon (
        ply_value (ply, i, "y"), s * (p[2] - lo), 1e-5);
    g_assert_cmpfloat_with_epsilon (ply_value (ply, i, "z"), -s * p[1], 1e-5);
    g_assert_cmpfloat_with_epsilon (
        ply_value (ply, i, "red"), 255 * c[0], 0.501);
    g_assert_cmpfloat_with_epsilon (
        ply_value (ply, i, "blue"), 255 * c[2], 0.501);
  }
}

/* Of "asset" what is extracted, of "mesh" what is left of it, of "model" that
 * with the texture's colours. */
static void
ply_has_the_mesh (void)
{
  const ShuGlbParams params = {.height = 0};
  g_autoptr (ShuBundle) asset = make_asset (), mesh = NULL, model = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (ShuMesh) raw = shu_asset_extract (asset, NULL, &error);
  g_autoptr (GBytes) file = shu_stage_mesh_ply (asset, &params, NULL, &error);
  g_assert_no_error (error);
  check_ply_mesh (file, raw);

  mesh =
      shu_stage_mesh (asset, &(ShuMeshParams){.simplify = 0.7}, NULL, &error);
  g_assert_no_error (error);
  g_autoptr (ShuMesh) simple = shu_bundle_take_mesh (mesh, FALSE, &error);
  g_autoptr (GBytes) of_mesh = shu_stage_mesh_ply (mesh, &params, NULL, &error);
  g_assert_no_error (error);
  check_ply_mesh (of_mesh, simple);
  g_assert_cmpint (simple->n_faces, <, raw->n_faces / 2);

  model = shu_stage_texture (mesh, &(ShuTextureParams){256}, NULL, &error);
  g_assert_no_error (error);
  g_autoptr (ShuMesh) cut = shu_bundle_take_mesh (model, TRUE, &error);
  g_autoptr (ShuImage) texture =
      shu_bundle_take_image (model, "texture", 3, &error);
  g_assert_no_error (error);
  g_autoptr (ShuMesh) painted = shu_mesh_paint (cut, texture);
  g_autoptr (GBytes) of_model =
      shu_stage_mesh_ply (model, &params, NULL, &error);
  g_assert_no_error (error);
  check_ply_mesh (of_model, painted);
}

/* Read back and activated as splat viewers do, the Gaussians are those of the
 * bundle. */
static void
ply_has_the_gaussians (void)
{
  g_autoptr (ShuBundle) asset = make_asset ();
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) file = shu_stage_gaussian_ply (asset, NULL, &error);
  ShuGaussians g;

  g_assert_no_error (error);
  g_assert_true (shu_bundle_gaussians (asset, &g, &error));
  g_autoptr (PlyFile) ply = ply_read (file);
  g_assert_cmpint (ply->n_vertices, ==, g.n);
  g_assert_cmpint (ply->n_faces, ==, 0);
  for (int i = 0; i < g.n; i++)
    for (int k = 0; k < 4; k++) {
      g_autofree char *dc = g_strdup_printf ("f_dc_%d", k);
      g_autofree char *scale = g_strdup_printf ("scale_%d", k);
      g_autofree char *rot = g_strdup_printf ("rot_%d", k);

      g_assert_cmpfloat (ply_value (ply, i, rot), ==, g.quat[4 * i + k]);
      if (k == 3)
        continue;
      g_assert_cmpfloat (ply_value (ply, i, (const char *[]){"x", "y", "z"}[k]),
          ==, g.pos[3 * i + k]);
      g_assert_cmpfloat_with_epsilon (
          0.5 + 0.28209479177387814 * ply_value (ply, i, dc), g.rgb[3 * i + k],
          1e-5);
      g_assert_cmpfloat_with_epsilon (
          exp (ply_value (ply, i, scale)), g.scale[3 * i + k], 1e-6);
      g_assert_cmpfloat_with_epsilon (
          1 / (1 + exp (-ply_value (ply, i, "opacity"))), g.opacity[i], 1e-5);
    }
}

/* The surface before simplification is there as long as it is needed, and the
 * map made of it comes into the file. */
static void
normal_map_is_made (void)
{
  g_autoptr (ShuBundle) mesh = make_mesh (), old = shu_bundle_new ("mesh");
  g_autoptr (ShuBundle) model = NULL;
  ShuTextureParams params = {.texture_size = 256, .normal_map = TRUE};
  g_autoptr (GError) error = NULL;

  g_assert_nonnull (shu_bundle_get (mesh, "fine_faces"));
  g_assert_cmpint (shu_bundle_get (mesh, "fine_faces")->dims[0], >,
      2 * shu_bundle_get (mesh, "faces")->dims[0]);
  model = shu_stage_texture (mesh, &params, NULL, &error);
  g_assert_no_error (error);
  g_assert_null (shu_bundle_get (model, "fine_faces"));
  g_assert_null (shu_bundle_get (model, "fine_vertices"));
  g_assert_nonnull (shu_bundle_get (model, "normal_map"));
  g_autoptr (GBytes) file = shu_stage_glb (model, NULL, &error);
  g_assert_no_error (error);
  g_autoptr (ShuGlb) glb = shu_glb_decode (file, &error);
  g_assert_no_error (error);
  g_assert_nonnull (glb->normal_map);
  g_assert_nonnull (glb->tangents);
  /* bundles of earlier versions */
  shu_bundle_carry (old, mesh, shu_carried_fields);
  for (int i = 0; i < shu_bundle_n (mesh); i++)
    if (!g_str_has_prefix (shu_bundle_name (mesh, i), "fine_"))
      shu_bundle_set (old, shu_bundle_name (mesh, i), shu_bundle_nth (mesh, i));
  g_assert_null (shu_stage_texture (old, &params, NULL, &error));
  g_assert_error (error, SHU_ERROR, SHU_ERROR_MISSING);
  g_assert_nonnull (strstr (error->message, "fine_vertices"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func (
      "/stages/export/every_way_shows_the_model", every_way_shows_the_model);
  g_test_add_func ("/stages/export/ply_has_the_mesh", ply_has_the_mesh);
  g_test_add_func (
      "/stages/export/ply_has_the_gaussians", ply_has_the_gaussians);
  g_test_add_func ("/stages/export/normal_map_is_made", normal_map_is_made);
  return g_test_run ();
}
