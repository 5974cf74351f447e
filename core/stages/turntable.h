/* SPDX-License-Identifier: MIT */
/* Pictures of a GLB file, or of Gaussians in a PLY file, from all sides. */
#pragma once
#include "base/image.h"
#include "base/progress.h"

G_BEGIN_DECLS

/**
 * ShuTurntableParams:
 * @width: pixels of a picture
 * @height: pixels of a picture
 * @n_frames: pictures, at least 1
 * @degrees: how far the camera goes around over all of them: picture i stands
 *   at @degrees i / @n_frames, so that 360 closes the round; positive goes to
 *   +x first, what the front picture has on its right
 * @background: 0xRRGGBB, or -1: none, the pictures are RGBA
 */
typedef struct {
  int width;
  int height;
  int n_frames;
  double degrees;
  int background;
} ShuTurntableParams;

typedef struct _ShuTurntable ShuTurntable;

/**
 * shu_turntable_new:
 * @file: a GLB file, or a PLY file of Gaussians with z up, from anywhere
 *
 * The model stands upright in the middle, as large as the picture takes it at
 * every angle.  Without a texture it has the colours of its vertices, else it
 * is grey.  Gaussians are drawn by a camera that is far away.
 *
 * Returns: (transfer full): NULL with the errors of shu_glb_decode(),
 *   shu_photo_decode() and shu_ply_read_gaussians(), %SHU_ERROR_INVALID where
 *   the model is but a point, or %SHU_ERROR_LIMIT (too many Gaussians)
 */
ShuTurntable *shu_turntable_new (
    GBytes *file, const ShuTurntableParams *params, GError **error);
void shu_turntable_free (ShuTurntable *table);

/* (transfer full): picture @i, from 0; RGB, or RGBA without a background */
ShuImage *shu_turntable_frame (const ShuTurntable *table, int i);

/**
 * shu_turntable_sheet:
 * @columns: pictures in a row
 *
 * Returns: (transfer full): all pictures on one sheet, row by row; NULL with
 *   %SHU_ERROR_LIMIT where it is larger than pictures may be, or
 *   %G_IO_ERROR_CANCELLED
 */
ShuImage *shu_turntable_sheet (const ShuTurntable *table, int columns,
    const ShuProgress *progress, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ShuTurntable, shu_turntable_free)

G_END_DECLS
