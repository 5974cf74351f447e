/* SPDX-License-Identifier: MIT */
/* Gaussians on a turntable. */
#pragma once
#include "base/image.h"

G_BEGIN_DECLS

typedef struct _ShuSplatScene ShuSplatScene;

/* Whether @file begins as a polygon file does. */
gboolean shu_splat_scene_knows (GBytes *file);

/**
 * shu_splat_scene_new:
 * @ply: Gaussians, as of shu_ply_read_gaussians()
 * @aspect: of the pictures, width over height
 *
 * They stand upright in the middle, as large as a picture takes them.
 *
 * Returns: (transfer full): NULL with an error of the reader,
 *   %SHU_ERROR_INVALID where they are but a point, or %SHU_ERROR_LIMIT
 */
ShuSplatScene *shu_splat_scene_new (GBytes *ply, double aspect, GError **error);
void shu_splat_scene_free (ShuSplatScene *scene);

/* RGBA from @yaw, as of shu_camera_turntable(); (transfer full) */
ShuImage *shu_splat_scene_draw (
    const ShuSplatScene *scene, float yaw, int width, int height);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ShuSplatScene, shu_splat_scene_free)

G_END_DECLS
