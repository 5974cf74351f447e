/* SPDX-License-Identifier: MIT */
/* The folder "stage1_output" that the official code writes after Stage 1 and
 * reads before Stage 2. */
#pragma once
#include "base/image.h"

G_BEGIN_DECLS

enum { SHU_STAGE1_VIEWS = 5 }; /* front, right, back, left, face */

/**
 * ShuStage1Folder:
 * @colors: RGB [S,S]
 * @normals: RGB [S,S]
 * @input: the cut-out that Stage 1 saw; RGBA
 * @coords: [@n_coords,4], batch (0) and x, y, z of the voxels
 */
typedef struct {
  ShuImage *colors[SHU_STAGE1_VIEWS];
  ShuImage *normals[SHU_STAGE1_VIEWS];
  ShuImage *input;
  gint32 *coords;
  gsize n_coords;
} ShuStage1Folder;

void shu_stage1_folder_free (ShuStage1Folder *f);

/**
 * shu_stage1_folder_read:
 * @grid: voxels per side, official 64
 *
 * Reads color_0..4.png, normal_0..4.png, input.png and latent.npz.
 *
 * Returns: (transfer full): NULL with an error that names the file
 */
ShuStage1Folder *shu_stage1_folder_read (
    const char *folder, int grid, GError **error);

/**
 * shu_stage1_folder_write:
 * @voxel_ply: (nullable): contents of voxel.ply, left out where NULL
 *
 * Writes those files, concat.png and voxel.ply.  A new folder appears only when
 * all of it is written; in one that exists each file is replaced by itself and
 * other files stay.
 */
gboolean shu_stage1_folder_write (const char *folder, const ShuStage1Folder *f,
    GBytes *voxel_ply, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ShuStage1Folder, shu_stage1_folder_free)

G_END_DECLS
