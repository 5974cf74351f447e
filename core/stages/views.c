/* SPDX-License-Identifier: MIT */
/* The bundle "views" as pictures and as the official code's folder. */
#include "stages/stages.h"
#include "base/error.h"
#include "formats/ply.h"
#include "formats/stage1_folder.h"
#include "nn/sparse_index.h"
#include "stages/fields_private.h"
#include <string.h>

/* Voxel coordinates of a folder are checked against the model in Stage 2. */
enum { MAX_GRID = 512 };

ShuImage *
shu_views_frame (const ShuBundle *views, int i, GError **error)
{
  g_autoptr (ShuBundle) host = NULL;

  g_return_val_if_fail (i >= 0 && i < 2 * SHU_STAGE1_VIEWS, NULL);
  host = shu_bundle_to_host (views, NULL, error);
  if (!host)
    return NULL;
  return shu_bundle_take_nth_image (
      host, i % 2 ? "normal" : "color", i / 2, error);
}

/* The folder's pictures are squares of one size. */
static gboolean
check_sizes (const ShuStage1Folder *f, GError **error)
{
  int side = f->colors[0]->width;

  for (int v = 0; v < SHU_STAGE1_VIEWS; v++)
    for (int k = 0; k < 2; k++) {
      const ShuImage *image = k ? f->normals[v] : f->colors[v];

      if (image->width == side && image->height == side)
        continue;
      g_set_error (error, SHU_ERROR, SHU_ERROR_INVALID,
          "bundle \"views\": field \"%s\": %d x %d pixels, expected %d x %d",
          k ? "normal" : "color", image->width, image->height, side, side);
      return FALSE;
    }
  return TRUE;
}

gboolean
shu_views_save (const ShuBundle *bundle, const char *folder, GError **error)
{
  g_autoptr (ShuBundle) views = shu_bundle_to_host (bundle, NULL, error);
  g_autoptr (ShuStage1Folder) f = g_new0 (ShuStage1Folder, 1);
  ShuTensor *coords = views ? shu_bundle_need (views, "coords", SHU_DTYPE_I32,
                                  SHU_DIMS (-1, 4), error)
                            : NULL;
  g_autoptr (GBytes) ply = NULL;

  if (!coords)
    return FALSE;
  for (int v = 0; v < SHU_STAGE1_VIEWS; v++) {
    f->colors[v] = shu_bundle_take_nth_image (views, "color", v, error);
    if (!f->colors[v])
      return FALSE;
    f->normals[v] = shu_bundle_take_nth_image (views, "normal", v, error);
    if (!f->normals[v])
      return FALSE;
  }
  f->input = shu_bundle_take_image (views, "cutout", 4, error);
  if (!f->input)
    return FALSE;
  if (!check_sizes (f, error))
    return FALSE;
  if (coords->dims[0] > SHU_VOXELS_MAX) {
    g_set_error (error, SHU_ERROR, SHU_ERROR_LIMIT,
        "bundle \"views\": more than %d voxels", SHU_VOXELS_MAX);
    return FALSE;
  }
  f->n_coords = coords->dims[0];
  f->coords = g_memdup2 (coords->data, shu_tensor_bytes (coords));
  ply = shu_ply_voxels (f->coords, f->n_coords, error);
  if (!ply)
    return FALSE;
  return shu_stage1_folder_write (folder, f, ply, error);
}

ShuBundle *
shu_views_load (const char *folder, GError **error)
{
  g_autoptr (ShuStage1Folder) f =
      shu_stage1_folder_read (folder, MAX_GRID, error);
  ShuTensor *coords;
  ShuBundle *b;

  if (!f)
    return NULL;
  coords = shu_tensor_new (SHU_DTYPE_I32, SHU_DIMS (f->n_coords, 4));
  memcpy (coords->data, f->coords, shu_tensor_bytes (coords));
  b = shu_bundle_new ("views");
  shu_bundle_put_images (b, "color", SHU_STAGE1_VIEWS, f->colors);
  shu_bundle_put_images (b, "normal", SHU_STAGE1_VIEWS, f->normals);
  shu_bundle_take (b, "coords", coords);
  shu_bundle_put_image (b, "cutout", f->input);
  shu_bundle_set_int (b, "seed", 43);
  return b;
}
