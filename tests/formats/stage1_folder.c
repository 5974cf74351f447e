/* SPDX-License-Identifier: MIT */
#include "fixtures.h"
#include "base/error.h"
#include "formats/png.h"
#include "formats/stage1_folder.h"
#include <glib/gstdio.h>
#include <string.h>

static ShuStage1Folder *
make_folder (guint32 seed)
{
  static const gint32 coords[] = {0, 1, 2, 3, 0, 7, 0, 5};
  ShuStage1Folder *f = g_new0 (ShuStage1Folder, 1);

  for (int i = 0; i < SHU_STAGE1_VIEWS; i++) {
    f->colors[i] = fixture_noise (24, 24, 3, seed + 2 * i);
    f->normals[i] = fixture_noise (24, 24, 3, seed + 2 * i + 1);
  }
  f->input = fixture_cutout (30, 40);
  f->coords = g_memdup2 (coords, sizeof coords);
  f->n_coords = 2;
  return f;
}

static void
assert_same (const ShuStage1Folder *a, const ShuStage1Folder *b)
{
  for (int i = 0; i < SHU_STAGE1_VIEWS; i++) {
    g_assert_cmpuint (
        fixture_hash (a->colors[i]), ==, fixture_hash (b->colors[i]));
    g_assert_cmpuint (
        fixture_hash (a->normals[i]), ==, fixture_hash (b->normals[i]));
  }
  g_assert_cmpuint (fixture_hash (a->input), ==, fixture_hash (b->input));
  g_assert_cmpmem (a->coords, a->n_coords * 16, b->coords, b->n_coords * 16);
}

/* Removes the files of @path and @path itself; gives their number. */
static int
sweep (const char *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const char *name;
  int n = 0;

  while ((name = g_dir_read_name (dir))) {
    g_autofree char *file = g_build_filename (path, name, NULL);

    g_assert_cmpint (g_unlink (file), ==, 0);
    n++;
  }
  g_rmdir (path);
  return n;
}

static void
test_round_trip (void)
{
  g_autofree char *top = g_dir_make_tmp ("shu-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (top, "a", "stage1_output/", NULL);
  g_autofree char *concat = g_build_filename (path, "concat.png", NULL);
  g_autofree char *parent = g_build_filename (top, "a", NULL);
  g_autoptr (ShuStage1Folder) f = make_folder (1);
  g_autoptr (ShuStage1Folder) g = make_folder (100);
  g_autoptr (GBytes) ply = g_bytes_new_static ("ply\n", 4);
  g_autoptr (GError) error = NULL;
  g_autoptr (ShuStage1Folder) got = NULL;
  g_autoptr (ShuStage1Folder) got_new = NULL;
  g_autoptr (ShuImage) all = NULL;

  g_assert_true (shu_stage1_folder_write (path, f, ply, &error));
  g_assert_no_error (error);
  got = shu_stage1_folder_read (path, 8, &error);
  g_assert_no_error (error);
  assert_same (f, got);
  all = shu_png_read (concat, NULL);
  g_assert_cmpint (all->width, ==, 240);
  /* color_0, normal_0, ... */
  g_assert_cmpmem (all->data + 24 * 3, 24 * 3, f->normals[0]->data, 24 * 3);
  g_assert_cmpmem (all->data + 48 * 3, 24 * 3, f->colors[1]->data, 24 * 3);

  g_assert_true (shu_stage1_folder_write (path, g, NULL, &error));
  got_new = shu_stage1_folder_read (path, 8, &error);
  assert_same (g, got_new);
  g_assert_cmpint (sweep (path), ==, 14);
  g_assert_cmpint (g_rmdir (parent), ==, 0); /* nothing was left beside it */
  g_assert_cmpint (g_rmdir (top), ==, 0);
}

static void
test_bad_folders (void)
{
  static const struct {
    const char *name;
    const char *contents; /* NULL: removed; "": a picture of another size */
    int code;
  } rows[] = {
      {"color_3.png", NULL, SHU_ERROR_MISSING},
      {"normal_4.png", "", SHU_ERROR_INVALID},
      {"input.png", "no picture", SHU_ERROR_INVALID},
      {"latent.npz", "PK\3\4", SHU_ERROR_INVALID},
      {"latent.npz", NULL, SHU_ERROR_MISSING},
  };

  g_autoptr (ShuImage) other = fixture_noise (25, 24, 3, 1);

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree char *path = g_dir_make_tmp ("shu-XXXXXX", NULL);
    g_autofree char *file = g_build_filename (path, rows[i].name, NULL);
    g_autoptr (ShuStage1Folder) f = make_folder (3);
    g_autoptr (GError) error = NULL;

    g_assert_true (shu_stage1_folder_write (path, f, NULL, &error));
    if (!rows[i].contents)
      g_unlink (file);
    else if (!rows[i].contents[0])
      g_assert_true (shu_png_write (file, other, NULL));
    else
      g_assert_true (g_file_set_contents (file, rows[i].contents, -1, NULL));
    g_assert_null (shu_stage1_folder_read (path, 8, &error));
    g_assert_error (error, SHU_ERROR, rows[i].code);
    g_assert_nonnull (strstr (error->message, rows[i].name));
    sweep (path);
  }
}

static void
test_unwritable (void)
{
  g_autofree char *top = g_dir_make_tmp ("shu-XXXXXX", NULL);
  g_autofree char *file = g_build_filename (top, "file", NULL);
  g_autofree char *path = g_build_filename (file, "stage1_output", NULL);
  g_autoptr (ShuStage1Folder) f = make_folder (5);
  g_autoptr (GError) error = NULL;

  g_assert_true (g_file_set_contents (file, "x", 1, NULL));
  g_assert_false (shu_stage1_folder_write (path, f, NULL, &error));
  g_assert_error (error, SHU_ERROR, SHU_ERROR_IO);
  g_clear_error (&error);
  g_assert_false (shu_stage1_folder_write (file, f, NULL, &error));
  g_assert_error (error, SHU_ERROR, SHU_ERROR_IO);
  g_assert_cmpint (sweep (top), ==, 1); /* only the file */
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/formats/stage1_folder/round_trip", test_round_trip);
  g_test_add_func (
      "/formats/stage1_folder/bad_folders_are_named", test_bad_folders);
  g_test_add_func (
      "/formats/stage1_folder/unwritable_leaves_nothing", test_unwritable);
  return g_test_run ();
}
