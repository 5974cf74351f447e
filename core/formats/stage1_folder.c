/* SPDX-License-Identifier: MIT */
/* The folder "stage1_output": pictures, voxels, and a contact print. */
#include "stage1_folder.h"
#include "npz.h"
#include "png.h"
#include "base/postprocess.h"
#include "preprocess.h"
#include "base/error.h"
#include "base/file.h"
#include <errno.h>
#include <glib/gstdio.h>

void
shu_stage1_folder_free (ShuStage1Folder *f)
{
  if (!f)
    return;
  for (int i = 0; i < SHU_STAGE1_VIEWS; i++) {
    shu_image_free (f->colors[i]);
    shu_image_free (f->normals[i]);
  }
  shu_image_free (f->input);
  g_free (f->coords);
  g_free (f);
}

/* A view: square, of the side of the first one, without alpha. */
static ShuImage *
read_view (
    const char *folder, const char *kind, int i, int *side, GError **error)
{
  g_autofree char *path =
      g_strdup_printf ("%s" G_DIR_SEPARATOR_S "%s_%d.png", folder, kind, i);
  g_autoptr (ShuImage) image = shu_png_read (path, error);

  if (!image)
    return NULL;
  if (*side == 0)
    *side = image->width;
  if (image->width != *side || image->height != *side) {
    g_set_error (error, SHU_ERROR, SHU_ERROR_INVALID,
        "%s: expected %d x %d pixels, found %d x %d", path, *side, *side,
        image->width, image->height);
    return NULL;
  }
  return shu_image_to_rgb (image);
}

ShuStage1Folder *
shu_stage1_folder_read (const char *folder, int grid, GError **error)
{
  g_autoptr (ShuStage1Folder) f = g_new0 (ShuStage1Folder, 1);
  g_autofree char *input = g_build_filename (folder, "input.png", NULL);
  g_autofree char *latent = g_build_filename (folder, "latent.npz", NULL);
  g_autoptr (GBytes) npz = NULL;
  int side = 0;

  for (int i = 0; i < SHU_STAGE1_VIEWS; i++) {
    f->colors[i] = read_view (folder, "color", i, &side, error);
    if (!f->colors[i])
      return NULL;
    f->normals[i] = read_view (folder, "normal", i, &side, error);
    if (!f->normals[i])
      return NULL;
  }
  f->input = shu_png_read (input, error);
  npz = f->input ? shu_file_map (latent, error) : NULL;
  if (!npz)
    return NULL;
  f->coords = shu_coords_decode (npz, grid, &f->n_coords, error);
  if (!f->coords) {
    g_prefix_error (error, "%s: ", latent);
    return NULL;
  }
  return g_steal_pointer (&f);
}

typedef struct {
  char *name;
  GBytes *data;
} File;

static void
file_clear (gpointer data)
{
  File *file = data;

  g_free (file->name);
  g_bytes_unref (file->data);
}

/* (transfer full) @name and @data, which is NULL after an error. */
static gboolean
add_file (GArray *files, char *name, GBytes *data)
{
  File file = {name, data};

  if (!data) {
    g_free (name);
    return FALSE;
  }
  g_array_append_val (files, file);
  return TRUE;
}

static gboolean
encode_files (
    GArray *files, const ShuStage1Folder *f, GBytes *voxel_ply, GError **error)
{
  ShuImage *all[2 * SHU_STAGE1_VIEWS];
  g_autoptr (ShuImage) concat = NULL;

  for (int i = 0; i < SHU_STAGE1_VIEWS; i++) {
    if (!add_file (files, g_strdup_printf ("color_%d.png", i),
            shu_png_encode (f->colors[i], error)) ||
        !add_file (files, g_strdup_printf ("normal_%d.png", i),
            shu_png_encode (f->normals[i], error)))
      return FALSE;
    all[2 * i] = f->colors[i];
    all[2 * i + 1] = f->normals[i];
  }
  if (f->colors[0]->width * 2 * SHU_STAGE1_VIEWS <= SHU_IMAGE_MAX_SIDE) {
    concat = shu_images_side_by_side (all, 2 * SHU_STAGE1_VIEWS);
    if (!add_file (
            files, g_strdup ("concat.png"), shu_png_encode (concat, error)))
      return FALSE;
  }
  if (voxel_ply)
    add_file (files, g_strdup ("voxel.ply"), g_bytes_ref (voxel_ply));
  return add_file (
             files, g_strdup ("input.png"), shu_png_encode (f->input, error)) &&
         add_file (files, g_strdup ("latent.npz"),
             shu_coords_encode (f->coords, f->n_coords, error));
}

static gboolean
write_files (const char *folder, GArray *files, GError **error)
{
  for (guint i = 0; i < files->len; i++) {
    const File *file = &g_array_index (files, File, i);
    g_autofree char *path = g_build_filename (folder, file->name, NULL);
    gsize size;
    gconstpointer data = g_bytes_get_data (file->data, &size);

    if (!shu_file_write (path, data, size, error))
      return FALSE;
  }
  return TRUE;
}

static void
remove_folder (const char *folder, GArray *files)
{
  for (guint i = 0; i < files->len; i++) {
    g_autofree char *path =
        g_build_filename (folder, g_array_index (files, File, i).name, NULL);

    g_unlink (path);
  }
  g_rmdir (folder);
}

static gboolean
folder_failed (const char *folder, GError **error)
{
  int e = errno;

  g_set_error (error, SHU_ERROR, SHU_ERROR_IO, "%s: cannot be written: %s",
      folder, g_strerror (e));
  return FALSE;
}

gboolean
shu_stage1_folder_write (const char *folder, const ShuStage1Folder *f,
    GBytes *voxel_ply, GError **error)
{
  g_autoptr (GArray) files = g_array_new (FALSE, FALSE, sizeof (File));
  g_autofree char *target = g_canonicalize_filename (folder, NULL);
  g_autofree char *parent = g_path_get_dirname (target);
  g_autofree char *temp = NULL;

  g_array_set_clear_func (files, file_clear);
  if (!encode_files (files, f, voxel_ply, error))
    return FALSE;
  if (g_file_test (folder, G_FILE_TEST_IS_DIR))
    return write_files (folder, files, error);
  if (g_mkdir_with_parents (parent, 0777) != 0)
    return folder_failed (parent, error);
  temp = g_strdup_printf ("%s.XXXXXX", target);
  if (!g_mkdtemp_full (temp, 0777))
    return folder_failed (folder, error);
  if (!write_files (temp, files, error)) {
    remove_folder (temp, files);
    return FALSE;
  }
  if (g_rename (temp, target) != 0) {
    folder_failed (folder, error);
    remove_folder (temp, files);
    return FALSE;
  }
  return TRUE;
}
