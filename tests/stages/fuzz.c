/* SPDX-License-Identifier: MIT */
/* What stages take from outside, damaged at random: bundles, an official
 * stage1_output folder, model folders.  A damaged bundle that can be read goes
 * on into the stage that takes it, and a model folder is checked.  All of it
 * shares half a minute; with
 * --times=100 and under the sanitizers this searches for long. */
#include "base/error.h"
#include "base/file.h"
#include "fixtures.h"
#include "formats/bundle_file.h"
#include "stages/model_check.h"
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
  g_autoptr (ShuBundle) there = shu_bundle_to_device (b, "mock", NULL, NULL);
  GBytes *files[] = {shu_stage_mesh_ply (b, &glb, NULL, NULL),
      shu_stage_gaussian_ply (b, NULL, NULL), shu_bundle_encode (b)};

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
  g_autoptr (ShuImage) sheet =
      b ? shu_contact_sheet (NULL, b, NULL, error) : NULL;

  return sheet != NULL;
}

/* The tiny model's bundles, from the subject on, each made once. */
static const ShuBundle *
bundle (int stage)
{
  static ShuBundle *made[5];
  const ShuBundle *from = stage > 0 ? bundle (stage - 1) : NULL;
  g_autoptr (ShuModel) m = fixture_model ();
  g_autoptr (GError) error = NULL;

  if (made[stage])
    return made[stage];
  made[stage] =
      stage == 0   ? fixture_subject ()
      : stage == 1 ? shu_stage_stage1 (m, from, &fixture_stage1, NULL, &error)
      : stage == 2 ? shu_stage_stage2 (m, from, &fixture_stage2, NULL, &error)
      : stage == 3
          ? shu_stage_mesh (
                from, &(ShuMeshParams){.simplify = 0.9}, NULL, &error)
          : shu_stage_texture (from, &(ShuTextureParams){256}, NULL, &error);
  g_assert_no_error (error);
  return made[stage];
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

/* The folder as a model; NULL without an error: of more work than fits here. */
static ShuModel *
open_model (GBytes *bytes, const Place *p, GError **error)
{
  g_autoptr (ShuModelCheck) check = NULL;
  ShuModel *m;

  put (p, bytes);
  check = shu_model_check (p->folder, NULL);
  g_assert_nonnull (check);
  m = shu_model_get (p->folder, "cpu", error);
  if (m && (shu_model_defaults (m)->view_size > 96 ||
               shu_model_defaults (m)->condition_size > 140 ||
               shu_model_defaults (m)->steps > 4 ||
               shu_model_defaults (m)->slat_steps > 4))
    g_clear_pointer (&m, shu_model_unref);
  return m;
}

/* An untrained network finds nobody, which is a result. */
static gboolean
read_matting_model (GBytes *bytes, gpointer data, GError **error)
{
  g_autoptr (GError) failed = NULL;
  g_autoptr (ShuModel) m = open_model (bytes, data, &failed);
  g_autoptr (ShuImage) photo = shu_image_new (60, 90, 3);
  g_autoptr (ShuImage) cutout = NULL;

  if (m)
    cutout = shu_stage_matting (m, photo, NULL, NULL, &failed);
  if (!failed || g_error_matches (failed, SHU_ERROR, SHU_ERROR_NO_PERSON))
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&failed));
  return FALSE;
}

static gboolean
read_stage1_model (GBytes *bytes, gpointer data, GError **error)
{
  g_autoptr (GError) failed = NULL;
  g_autoptr (ShuModel) m = open_model (bytes, data, &failed);
  g_autoptr (ShuImage) cutout = fixture_cutout (60, 90);
  g_autoptr (ShuBundle) subject = NULL, views = NULL;
  ShuPreprocessParams params = {.seed = 1};

  if (m) {
    params.view_size = shu_model_defaults (m)->view_size;
    params.condition_size = shu_model_defaults (m)->condition_size;
    subject = shu_stage_preprocess (cutout, &params, NULL, &failed);
  }
  if (subject)
    views = shu_stage_stage1 (m, subject, &fixture_stage1, NULL, &failed);
  if (!failed)
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&failed));
  return FALSE;
}

static gboolean
read_stage2_model (GBytes *bytes, gpointer data, GError **error)
{
  g_autoptr (GError) failed = NULL;
  g_autoptr (ShuModel) m = open_model (bytes, data, &failed);
  g_autoptr (ShuBundle) asset = NULL;

  if (m)
    asset = shu_stage_stage2 (m, bundle (1), &fixture_stage2, NULL, &failed);
  if (!failed)
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&failed));
  return FALSE;
}

static GPtrArray *
files_that_match (const char *folder, const char *regex)
{
  GPtrArray *files = fixture_files (folder);

  for (guint i = files->len; i-- > 0;)
    if (!g_regex_match_simple (regex, files->pdata[i], 0, 0))
      g_ptr_array_remove_index (files, i);
  g_assert_cmpuint (files->len, >, 0);
  return files;
}

/* Every fourth file gets its turn even where time is short. */
static void
run_folder (const char *name, const char *folder, const char *regex,
    int seconds, int count, gboolean (*read) (GBytes *, gpointer, GError **))
{
  g_autoptr (GPtrArray) files = files_that_match (folder, regex);

  mutate_share (seconds, (int) files->len);
  for (guint i = 0; i < files->len; i++) {
    Place place = {folder, files->pdata[i]};
    g_autofree char *full = g_strconcat (name, "/", place.file, NULL);
    MutateTarget t = {.name = full,
        .valid = get (folder, place.file),
        .trusted = i > 0, /* it is the same folder */
        .read = read,
        .kind = g_str_has_suffix (full, ".json")          ? MUTATE_TEXT
                : g_str_has_suffix (full, ".safetensors") ? MUTATE_FLOATS
                                                          : MUTATE_BYTES,
        .count = count,
        .least = i % 4 == 0,
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
      .valid = shu_bundle_encode (bundle (MIN (stage, 4))),
      .read = sheet ? read_sheet : read_bundle,
      .kind = MUTATE_TEXT,
      .count = counts[stage],
      .least = 2};

  mutate_share (2, 2);
  mutate_run (&t); /* the header, mostly */
  t.kind = MUTATE_FLOATS;
  t.trusted = TRUE;
  mutate_run (&t);
  g_bytes_unref (t.valid);
}

static void
test_stage1_folder (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *temp = g_dir_make_tmp ("shu-fuzz-XXXXXX", &error);
  g_autofree char *folder = g_build_filename (temp, "stage1_output", NULL);

  g_assert_true (shu_views_save (bundle (1), folder, &error));
  g_assert_no_error (error);
  run_folder ("stage1_folder", folder, "", 4, 4, read_stage1_folder);
  fixture_remove_folder (temp);
}

/* Each file goes to the stage that looks into it. */
static const struct {
  const char *path;
  const char *regex;
  int seconds;
  int count; /* of each file */
  gboolean (*read) (GBytes *, gpointer, GError **);
} parts[] = {
    {"model_into_matting", "^OneStage/matting/", 2, 8, read_matting_model},
    {"model_into_stage1", "^OneStage/(?!matting/)", 6, 4, read_stage1_model},
    {"model_into_stage2", "^(SecondStage|OneStage/dinov2)/", 6, 4,
        read_stage2_model},
};

static void
test_model_folder (gconstpointer data)
{
  int i = GPOINTER_TO_INT (data);
  g_autofree char *folder = fixture_model_folder ();

  run_folder (parts[i].path, folder, parts[i].regex, parts[i].seconds,
      parts[i].count, parts[i].read);
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
  for (gsize i = 0; i < G_N_ELEMENTS (parts); i++) {
    g_autofree char *path = g_strconcat ("/fuzz/", parts[i].path, NULL);

    g_test_add_data_func (path, GINT_TO_POINTER (i), test_model_folder);
  }
  return g_test_run ();
}
