/* SPDX-License-Identifier: MIT */
/* What stages take from outside, damaged at random: bundles, an official
 * stage1_output folder, model folders.  A damaged bundle that can be read goes
 * on into the stage that takes it.  With --times=100 and under the sanitizers
 * this searches for long. */
#include "base/error.h"
#include "base/file.h"
#include "fixtures.h"
#include "formats/bundle_file.h"
#include "mutate.h"
#include <glib/gstdio.h>
#include <string.h>

/* ---- bundles ---- */

/* What comes next for a bundle of its schema. */
static gboolean
run_stage (const ShuBundle *b, GError **error)
{
  static const ShuMeshParams mesh = {.simplify = 0.5};
  static const ShuTextureParams texture = {.texture_size = 256};
  static const ShuGlbParams glb = {.height = 1.7f};
  g_autoptr (ShuModel) m = fixture_model ();
  g_autoptr (ShuBundle) out = NULL;
  g_autoptr (GBytes) file = NULL;

  switch (shu_bundle_schema (b)[0]) {
  case 's':
    out = shu_stage_stage1 (m, b, &fixture_stage1, NULL, error);
    break;
  case 'v':
    out = shu_stage_stage2 (m, b, &fixture_stage2, NULL, error);
    break;
  case 'a':
    out = shu_stage_mesh (b, &mesh, NULL, error);
    break;
  default:
    if (strcmp (shu_bundle_schema (b), "mesh") == 0)
      out = shu_stage_texture (b, &texture, NULL, error);
    else
      file = shu_stage_glb (b, &glb, error);
  }
  return out || file;
}

/* Everything else that takes any bundle; results or errors, no matter. */
static void
run_exports (const ShuBundle *b)
{
  static const ShuGlbParams glb = {.height = 1.7f};
  GBytes *files[] = {shu_stage_mesh_ply (b, &glb, NULL),
      shu_stage_gaussian_ply (b, NULL), shu_bundle_encode (b)};

  for (gsize i = 0; i < G_N_ELEMENTS (files); i++)
    g_clear_pointer (&files[i], g_bytes_unref);
  for (int i = 0; i < 10; i++) {
    g_autoptr (ShuImage) frame = shu_views_frame (b, i, NULL);
  }
}

static gboolean
read_bundle (GBytes *bytes, gpointer data, GError **error)
{
  g_autoptr (ShuBundle) b = shu_bundle_decode (bytes, "fuzz", error);

  if (!b)
    return FALSE;
  run_exports (b);
  return run_stage (b, error);
}

static gboolean
read_sheet (GBytes *bytes, gpointer data, GError **error)
{
  g_autoptr (ShuBundle) b = shu_bundle_decode (bytes, "fuzz", error);
  g_autoptr (ShuImage) sheet = b ? shu_contact_sheet (NULL, b, error) : NULL;

  return sheet != NULL;
}

/* The tiny model's bundles, from the subject on. */
static GBytes *
make_bundle (int stage)
{
  g_autoptr (ShuModel) m = fixture_model ();
  g_autoptr (ShuBundle) b = fixture_subject ();
  g_autoptr (GError) error = NULL;

  for (int i = 0; i < stage; i++) {
    ShuBundle *next =
        i == 0   ? shu_stage_stage1 (m, b, &fixture_stage1, NULL, &error)
        : i == 1 ? shu_stage_stage2 (m, b, &fixture_stage2, NULL, &error)
        : i == 2
            ? shu_stage_mesh (b, &(ShuMeshParams){0.9}, NULL, &error)
            : shu_stage_texture (b, &(ShuTextureParams){256}, NULL, &error);

    g_assert_no_error (error);
    shu_bundle_unref (b);
    b = next;
  }
  return shu_bundle_encode (b);
}

/* ---- folders ---- */

typedef struct {
  const char *folder;
  const char *file; /* of the folder: what is damaged */
} Place;

static void
put (const Place *p, GBytes *bytes)
{
  g_autofree char *path = g_build_filename (p->folder, p->file, NULL);
  g_autoptr (GError) error = NULL;
  gsize size;
  gconstpointer data = g_bytes_get_data (bytes, &size);

  g_assert_true (g_file_set_contents (path, size ? data : "", size, &error));
}

static GBytes *
get (const char *folder, const char *file)
{
  g_autofree char *path = g_build_filename (folder, file, NULL);
  g_autoptr (GError) error = NULL;
  char *text;
  gsize size;

  g_file_get_contents (path, &text, &size, &error);
  g_assert_no_error (error);
  return g_bytes_new_take (text, size);
}

static gboolean
read_stage1_folder (GBytes *bytes, gpointer data, GError **error)
{
  const Place *p = data;
  g_autoptr (ShuBundle) views = NULL;

  put (p, bytes);
  views = shu_views_load (p->folder, error);
  return views && run_stage (views, error);
}

/* A whole job up to the features, so that every network is loaded and run. */
static gboolean
read_model_folder (GBytes *bytes, gpointer data, GError **error)
{
  const Place *p = data;
  g_autoptr (ShuModel) m = NULL;
  g_autoptr (ShuImage) photo = NULL, cutout = NULL;
  g_autoptr (ShuBundle) subject = NULL, views = NULL, asset = NULL;
  ShuPreprocessParams params = {.seed = 1};

  put (p, bytes);
  m = shu_model_get (p->folder, "cpu", error);
  if (!m)
    return FALSE;
  photo = fixture_cutout (60, 90);
  params.view_size = shu_model_defaults (m)->view_size;
  params.condition_size = shu_model_defaults (m)->condition_size;
  /* a model that asks for more is not damaged, but takes its time */
  if (params.view_size > 96 || params.condition_size > 140 ||
      shu_model_defaults (m)->steps > 4 ||
      shu_model_defaults (m)->slat_steps > 4)
    return TRUE;
  cutout = shu_stage_matting (m, photo, NULL, NULL, error);
  subject = cutout ? shu_stage_preprocess (cutout, &params, NULL, error) : NULL;
  views = subject ? shu_stage_stage1 (m, subject, &fixture_stage1, NULL, error)
                  : NULL;
  asset =
      views ? shu_stage_stage2 (m, views, &fixture_stage2, NULL, error) : NULL;
  return asset != NULL;
}

static void
run_folder (const char *name, const char *folder, int count, int json_count,
    gboolean (*read) (GBytes *, gpointer, GError **))
{
  g_autoptr (GPtrArray) files = fixture_files (folder);

  for (guint i = 0; i < files->len; i++) {
    Place place = {folder, files->pdata[i]};
    g_autofree char *full = g_strconcat (name, "/", place.file, NULL);
    gboolean is_json = g_str_has_suffix (full, ".json");
    MutateTarget t = {.name = full,
        .valid = get (folder, place.file),
        .read = read,
        .kind = is_json                                   ? MUTATE_TEXT
                : g_str_has_suffix (full, ".safetensors") ? MUTATE_FLOATS
                                                          : MUTATE_BYTES,
        .count = is_json ? json_count : count,
        .data = &place};

    mutate_run (&t);
    put (&place, t.valid);
    g_bytes_unref (t.valid);
  }
}

/* ---- tests ---- */

static void
test_bundle (gconstpointer data)
{
  static const char *const names[] = {
      "subject", "views", "asset", "mesh", "model", "sheet"};
  static const int counts[] = {4, 4, 12, 8, 60, 8};
  int stage = GPOINTER_TO_INT (data);
  gboolean sheet = stage == 5;
  MutateTarget t = {.name = names[stage],
      .valid = make_bundle (MIN (stage, 4)),
      .read = sheet ? read_sheet : read_bundle,
      .kind = MUTATE_TEXT,
      .count = counts[stage]};

  mutate_run (&t); /* the header, mostly */
  t.kind = MUTATE_FLOATS;
  mutate_run (&t);
  g_bytes_unref (t.valid);
}

static void
test_stage1_folder (void)
{
  g_autoptr (ShuBundle) views = fixture_views ();
  g_autoptr (GError) error = NULL;
  g_autofree char *temp = g_dir_make_tmp ("shu-fuzz-XXXXXX", &error);
  g_autofree char *folder = g_build_filename (temp, "stage1_output", NULL);

  g_assert_true (shu_views_save (views, folder, &error));
  g_assert_no_error (error);
  run_folder ("stage1_folder", folder, 4, 4, read_stage1_folder);
  fixture_remove_folder (temp);
}

static void
test_model_folder (void)
{
  g_autofree char *folder = fixture_model_folder ();

  run_folder ("model_folder", folder, 1, 2, read_model_folder);
  fixture_remove_folder (folder);
}

int
main (int argc, char **argv)
{
  static const char *const paths[] = {"subject_into_stage1",
      "views_into_stage2", "asset_into_mesh", "mesh_into_texture",
      "model_into_glb", "model_into_sheet"};

  mutate_init (&argc, argv);
  g_test_init (&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (paths); i++) {
    g_autofree char *path = g_strconcat ("/fuzz/", paths[i], NULL);

    g_test_add_data_func (path, GINT_TO_POINTER (i), test_bundle);
  }
  g_test_add_func ("/fuzz/stage1_folder", test_stage1_folder);
  g_test_add_func ("/fuzz/model_folder", test_model_folder);
  return g_test_run ();
}
