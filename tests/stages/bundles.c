/* SPDX-License-Identifier: MIT */
/* Bundles: saved and read back without loss, and refused where a field is not
 * what it must be. */
#include "base/error.h"
#include "fixtures.h"
#include "formats/bundle_file.h"
#include "stages/fields_private.h"
#include "weights/safetensors.h"
#include <math.h>
#include <string.h>

static ShuTensor *
zeros (ShuDType type, int n_dims, const gint64 *dims)
{
  ShuTensor *t = shu_tensor_new (type, n_dims, dims);

  memset (t->data, 0, shu_tensor_bytes (t));
  return t;
}

static void
test_round_trip (void)
{
  g_autoptr (ShuBundle) subject = fixture_subject ();
  g_autoptr (GBytes) bytes = shu_bundle_encode (subject);
  g_autoptr (GError) error = NULL;
  g_autoptr (ShuBundle) back = shu_bundle_decode (bytes, "f", &error);
  g_autoptr (GBytes) again = NULL;

  g_assert_no_error (error);
  g_assert_cmpstr (shu_bundle_schema (back), ==, "subject");
  g_assert_cmpint (shu_bundle_int (back, "seed", 0), ==, 11);
  g_assert_cmpint (shu_bundle_n (back), ==, shu_bundle_n (subject));
  g_assert_null (shu_bundle_string (back, "synchuman.bundle"));
  again = shu_bundle_encode (back);
  g_assert_true (g_bytes_equal (bytes, again));
}

static void
test_versions (void)
{
  static const struct {
    const char *text;
    int code;
  } cases[] = {{"views/1", -1}, {"views/2", SHU_ERROR_UNSUPPORTED},
      {"views/1x", SHU_ERROR_UNSUPPORTED}, {"views/", SHU_ERROR_UNSUPPORTED},
      {"views", SHU_ERROR_UNSUPPORTED}, {"views/1/1", SHU_ERROR_UNSUPPORTED},
      {"pictures/1", SHU_ERROR_UNSUPPORTED}, {"", SHU_ERROR_UNSUPPORTED},
      {NULL, SHU_ERROR_INVALID}};

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GHashTable) metadata =
        g_hash_table_new (g_str_hash, g_str_equal);
    g_autoptr (GBytes) bytes = NULL;
    g_autoptr (GError) error = NULL;
    g_autoptr (ShuBundle) b = NULL;

    if (cases[i].text)
      g_hash_table_insert (
          metadata, (gpointer) "synchuman.bundle", (gpointer) cases[i].text);
    bytes = shu_safetensors_write (0, NULL, NULL, metadata);
    b = shu_bundle_decode (bytes, "the file", &error);
    if (cases[i].code < 0) {
      g_assert_no_error (error);
      g_assert_nonnull (b);
    } else {
      g_assert_null (b);
      fixture_expect (&error, cases[i].code, "the file: ");
    }
  }
}

static void
test_too_many_fields (void)
{
  g_autoptr (ShuBundle) b = shu_bundle_new ("views");
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (GError) error = NULL;

  for (int i = 0; i < 257; i++) {
    g_autofree char *name = g_strdup_printf ("field%d", i);

    shu_bundle_take (b, name, zeros (SHU_DTYPE_U8, SHU_DIMS (1)));
  }
  bytes = shu_bundle_encode (b);
  g_assert_null (shu_bundle_decode (bytes, "f", &error));
  fixture_expect (&error, SHU_ERROR_LIMIT, "257 fields");
}

/* ---- fields of Stage 2's input ---- */

typedef struct {
  const char *name, *field;
  ShuDType type;
  int n_dims;
  gint64 dims[4];
  int code;
  const char *message;
} Field;

/* @field is replaced by zeros of that shape; without dimensions it is gone */
static const Field fields[] = {
    {"no_coords", "coords", 0, 0, {0}, SHU_ERROR_MISSING, "\"coords\""},
    {"no_color", "color", 0, 0, {0}, SHU_ERROR_MISSING, "\"color\""},
    {"no_normal", "normal", 0, 0, {0}, SHU_ERROR_MISSING, "\"normal\""},
    {"coords_float", "coords", SHU_DTYPE_F32, 2, {8, 4}, SHU_ERROR_INVALID,
        "expected [any,4] i32, got [8,4] f32"},
    {"coords_columns", "coords", SHU_DTYPE_I32, 2, {8, 3}, SHU_ERROR_INVALID,
        "expected [any,4] i32"},
    {"coords_rank", "coords", SHU_DTYPE_I32, 1, {8}, SHU_ERROR_INVALID,
        "\"coords\""},
    {"coords_twice", "coords", SHU_DTYPE_I32, 2, {2, 4}, SHU_ERROR_INVALID,
        "twice"},
    {"coords_many", "coords", SHU_DTYPE_I32, 2, {262145, 4}, SHU_ERROR_LIMIT,
        "262145 voxels"},
    {"few_views", "color", SHU_DTYPE_U8, 4, {3, 48, 48, 3}, SHU_ERROR_INVALID,
        "3 pictures, picture 3"},
    {"view_alpha", "normal", SHU_DTYPE_U8, 4, {5, 48, 48, 4}, SHU_ERROR_INVALID,
        "\"normal\""},
    {"view_float", "color", SHU_DTYPE_F32, 4, {5, 48, 48, 3}, SHU_ERROR_INVALID,
        "\"color\""},
    {"long_view", "color", SHU_DTYPE_U8, 4, {4, 1, 16385, 3}, SHU_ERROR_LIMIT,
        "16385 x 1 pixels"},
    {"condition_grey", "condition", SHU_DTYPE_U8, 3, {42, 42, 1},
        SHU_ERROR_INVALID, "\"condition\""},
};

/* A copy of @from in which @f is as the row says. */
static ShuBundle *
changed (const ShuBundle *from, const Field *f)
{
  ShuBundle *b = shu_bundle_new (shu_bundle_schema (from));

  shu_bundle_carry (b, from, NULL);
  for (int i = 0; i < shu_bundle_n (from); i++)
    if (strcmp (shu_bundle_name (from, i), f->field) != 0)
      shu_bundle_set (b, shu_bundle_name (from, i), shu_bundle_nth (from, i));
  if (f->n_dims > 0)
    shu_bundle_take (b, f->field, zeros (f->type, f->n_dims, f->dims));
  return b;
}

static void
test_views_fields (void)
{
  g_autoptr (ShuModel) m = fixture_model ();
  g_autoptr (ShuBundle) views = fixture_views ();

  for (gsize i = 0; i < G_N_ELEMENTS (fields); i++) {
    g_autoptr (ShuBundle) b = changed (views, &fields[i]);
    g_autoptr (GError) error = NULL;

    if (shu_stage_stage2 (m, b, &fixture_stage2, NULL, &error))
      g_error ("%s: no error", fields[i].name);
    fixture_expect (&error, fields[i].code, fields[i].message);
  }
}

static void
test_coords_range (void)
{
  static const gint32 rows[][4] = {{0, 16, 0, 0}, {0, 0, -1, 0},
      {0, 0, 0, G_MAXINT32}, {-1, 0, 0, 0}, {G_MAXINT32, 0, 0, 0}};
  static const Field coords = {
      NULL, "coords", SHU_DTYPE_I32, 2, {1, 4}, 0, NULL};
  g_autoptr (ShuModel) m = fixture_model ();
  g_autoptr (ShuBundle) views = fixture_views ();

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (ShuBundle) b = changed (views, &coords);
    g_autoptr (GError) error = NULL;

    memcpy (shu_bundle_get (b, "coords")->data, rows[i], sizeof rows[i]);
    g_assert_null (shu_stage_stage2 (m, b, &fixture_stage2, NULL, &error));
    fixture_expect (&error, SHU_ERROR_INVALID, "row 0 is (");
  }
}

static void
test_schema (void)
{
  g_autoptr (ShuModel) m = fixture_model ();
  g_autoptr (ShuBundle) subject = fixture_subject ();
  g_autoptr (ShuBundle) views = shu_bundle_new ("views");
  g_autoptr (GError) error = NULL;

  g_assert_null (shu_stage_stage2 (m, subject, &fixture_stage2, NULL, &error));
  fixture_expect (
      &error, SHU_ERROR_INVALID, "\"subject\" where \"views\" is needed");
  g_assert_null (shu_stage_stage1 (m, views, &fixture_stage1, NULL, &error));
  fixture_expect (
      &error, SHU_ERROR_INVALID, "\"views\" where \"subject\" is needed");
}

/* Pictures of two sizes do not go into a folder of one. */
static void
test_save_sizes (void)
{
  static const Field small = {
      NULL, "normal", SHU_DTYPE_U8, 4, {5, 24, 24, 3}, 0, NULL};
  g_autoptr (ShuBundle) views = fixture_views ();
  g_autoptr (ShuBundle) b = changed (views, &small);
  g_autoptr (GError) error = NULL;
  g_autofree char *folder = g_dir_make_tmp ("shu-views-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (folder, "out", NULL);

  g_assert_false (shu_views_save (b, path, &error));
  fixture_expect (&error, SHU_ERROR_INVALID, "24 x 24 pixels");
  g_assert_false (g_file_test (path, G_FILE_TEST_EXISTS));
  g_assert_true (shu_views_save (views, path, &error));
  g_assert_no_error (error);
  fixture_remove_folder (folder);
}

/* ---- meshes and Gaussians ---- */

static ShuBundle *
triangle (void)
{
  static const float pos[] = {0, 0, 0, 1, 0, 0, 0, 1, 0};
  static const gint32 face[] = {0, 1, 2};
  ShuBundle *b = shu_bundle_new ("model");
  ShuTensor *p = zeros (SHU_DTYPE_F32, SHU_DIMS (3, 3));
  ShuTensor *f = zeros (SHU_DTYPE_I32, SHU_DIMS (1, 3));

  memcpy (p->data, pos, sizeof pos);
  memcpy (f->data, face, sizeof face);
  shu_bundle_take (b, "vertices", p);
  shu_bundle_take (b, "faces", f);
  shu_bundle_take (b, "uv", zeros (SHU_DTYPE_F32, SHU_DIMS (3, 2)));
  return b;
}

static void
refuse_mesh (const ShuBundle *b, int code, const char *what)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (shu_bundle_take_mesh (b, TRUE, &error));
  fixture_expect (&error, code, what);
}

static void
test_meshes (void)
{
  g_autoptr (ShuBundle) b = triangle ();
  g_autoptr (ShuMesh) mesh = shu_bundle_take_mesh (b, TRUE, NULL);
  gint32 *faces = shu_bundle_get (b, "faces")->data;
  float *pos = shu_bundle_get (b, "vertices")->data;

  g_assert_cmpint (mesh->n_faces, ==, 1);
  faces[2] = 3;
  refuse_mesh (b, SHU_ERROR_INVALID, "vertex 3 of 3");
  faces[2] = -1;
  refuse_mesh (b, SHU_ERROR_INVALID, "vertex -1");
  faces[2] = 2;
  pos[4] = NAN;
  refuse_mesh (b, SHU_ERROR_INVALID, "not finite");
  pos[4] = INFINITY;
  refuse_mesh (b, SHU_ERROR_INVALID, "not finite");
  pos[4] = -17;
  refuse_mesh (b, SHU_ERROR_INVALID, "number 4 is -17, expected -16..16");
  pos[4] = 0;
  ((float *) shu_bundle_get (b, "uv")->data)[5] = 1.5f;
  refuse_mesh (b, SHU_ERROR_INVALID, "number 5 is 1.5, expected 0..1");
  shu_bundle_take (b, "uv", zeros (SHU_DTYPE_F32, SHU_DIMS (2, 2)));
  refuse_mesh (b, SHU_ERROR_INVALID, "\"uv\": expected [3,2] f32");
}

static void
test_gaussians (void)
{
  g_autoptr (ShuBundle) b = shu_bundle_new ("asset");
  g_autoptr (GError) error = NULL;
  ShuGaussians g = {.n = -7};

  shu_bundle_take (b, "gs_pos", zeros (SHU_DTYPE_F32, SHU_DIMS (2, 3)));
  shu_bundle_take (b, "gs_scale", zeros (SHU_DTYPE_F32, SHU_DIMS (2, 3)));
  shu_bundle_take (b, "gs_quat", zeros (SHU_DTYPE_F32, SHU_DIMS (2, 4)));
  shu_bundle_take (b, "gs_opacity", zeros (SHU_DTYPE_F32, SHU_DIMS (2)));
  g_assert_false (shu_bundle_gaussians (b, &g, &error));
  fixture_expect (&error, SHU_ERROR_MISSING, "\"gs_rgb\"");
  shu_bundle_take (b, "gs_rgb", zeros (SHU_DTYPE_F32, SHU_DIMS (3, 3)));
  g_assert_false (shu_bundle_gaussians (b, &g, &error));
  fixture_expect (&error, SHU_ERROR_INVALID, "expected [2,3] f32, got [3,3]");
  shu_bundle_take (b, "gs_rgb", zeros (SHU_DTYPE_F32, SHU_DIMS (2, 3)));
  ((float *) shu_bundle_get (b, "gs_rgb")->data)[5] = NAN;
  g_assert_false (shu_bundle_gaussians (b, &g, &error));
  fixture_expect (&error, SHU_ERROR_INVALID, "number 5 is not finite");
  g_assert_cmpint (g.n, ==, -7); /* not touched by a failure */
  ((float *) shu_bundle_get (b, "gs_rgb")->data)[5] = 1;
  g_assert_true (shu_bundle_gaussians (b, &g, &error));
  g_assert_cmpint (g.n, ==, 2);
}

static void
test_huge_pictures (void)
{
  g_autoptr (ShuBundle) b = shu_bundle_new ("model");
  g_autoptr (GError) error = NULL;

  shu_bundle_take (b, "texture", zeros (SHU_DTYPE_U8, SHU_DIMS (1, 16385, 3)));
  g_assert_null (shu_bundle_take_image (b, "texture", 3, &error));
  fixture_expect (&error, SHU_ERROR_LIMIT, "16385 x 1 pixels");
}

static void
assert_refused (ShuBundle *result, GError *error, const char *expected)
{
  g_assert_null (result);
  g_assert_error (error, SHU_ERROR, SHU_ERROR_INVALID);
  g_assert_nonnull (strstr (error->message, expected));
  g_error_free (error);
}

/* An error that says so, and not only a NULL */
static void
test_parameters (void)
{
  static const struct {
    ShuMeshParams params;
    const char *expected;
  } meshes[] = {{{.simplify = 1}, "mesh: simplify 1, expected 0..0.99"},
      {{.simplify = NAN}, "simplify nan"}};

  static const struct {
    ShuTextureParams params;
    const char *expected;
  } textures[] = {{{.texture_size = 0}, "texture: size 0, expected 256..4096"},
      {{.texture_size = 5000}, "size 5000"},
      {{.texture_size = -1, .face_detail = 0.1}, "face detail 0.1"},
      {{.texture_size = 256, .face_detail = NAN}, "face detail nan"}};

  g_autoptr (ShuBundle) asset = shu_bundle_new ("asset");
  g_autoptr (ShuBundle) mesh = shu_bundle_new ("mesh");

  for (guint i = 0; i < G_N_ELEMENTS (meshes); i++) {
    GError *error = NULL;
    ShuBundle *b = shu_stage_mesh (asset, &meshes[i].params, NULL, &error);

    assert_refused (b, error, meshes[i].expected);
  }
  for (guint i = 0; i < G_N_ELEMENTS (textures); i++) {
    GError *error = NULL;
    ShuBundle *b = shu_stage_texture (mesh, &textures[i].params, NULL, &error);

    assert_refused (b, error, textures[i].expected);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/stages/bundles/round_trip", test_round_trip);
  g_test_add_func ("/stages/bundles/refuses_versions", test_versions);
  g_test_add_func ("/stages/bundles/limits_fields", test_too_many_fields);
  g_test_add_func ("/stages/bundles/refuses_views_fields", test_views_fields);
  g_test_add_func ("/stages/bundles/refuses_coords", test_coords_range);
  g_test_add_func ("/stages/bundles/refuses_other_schema", test_schema);
  g_test_add_func ("/stages/bundles/saves_one_size", test_save_sizes);
  g_test_add_func ("/stages/bundles/refuses_meshes", test_meshes);
  g_test_add_func ("/stages/bundles/refuses_gaussians", test_gaussians);
  g_test_add_func ("/stages/bundles/refuses_huge_pictures", test_huge_pictures);
  g_test_add_func ("/stages/bundles/refuses_parameters", test_parameters);
  return g_test_run ();
}
