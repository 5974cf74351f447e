/* SPDX-License-Identifier: MIT */
/* Normal maps: what a simplified surface has lost, for the light to fall on. */
#pragma once
#include "base/image.h"
#include "base/progress.h"
#include "geometry/mesh.h"

G_BEGIN_DECLS

/**
 * ShuNormalReport:
 * @texels: that belong to a face
 * @met: of these, whose line along the smooth normal meets the fine surface
 * @near: that took the nearest place of it instead
 */
typedef struct {
  int texels, met, near;
} ShuNormalReport;

/**
 * shu_bake_normals:
 * @unwrapped: world frame, checked, with uv
 * @fine: the surface before simplification, checked
 * @size: pixels a side, 64..8192
 * @ret_report: (out) (optional)
 *
 * The normals of @fine in the tangent space of @unwrapped (shu_mesh_tangents(),
 * shu_mesh_normals_welded()): red along the tangent, green up in the picture,
 * blue along the normal, 0..255 for -1..1, as glTF has it.  Each texel takes
 * the mean over lines along the smooth normal, outwards and inwards as far as
 * half of the face's longest side, else the nearest place; what is turned away
 * does not count, so a thin part does not show its other side.  Where nothing
 * is found the normal stays that of the mesh.  Gaps are filled from
 * the charts around, in their tangent space.
 *
 * Returns: (transfer full): RGB, row 0 is v = 0; NULL with
 *   %G_IO_ERROR_CANCELLED
 */
ShuImage *shu_bake_normals (const ShuMesh *unwrapped, const ShuMesh *fine,
    int size, ShuNormalReport *ret_report, const ShuProgress *progress,
    GError **error);

/* The direction that a pixel says, not of unit length. */
static inline void
shu_normal_decode (const guint8 *rgb, float *ret)
{
  for (int k = 0; k < 3; k++)
    ret[k] = rgb[k] * (2 / 255.0f) - 1;
}

void shu_normal_encode (const float *normal, guint8 *ret_rgb);

/* Means of 2 x 2 directions, of unit length again: a map of half the size (an
 * odd last row or column is dropped).  (transfer full) */
ShuImage *shu_normal_map_halve (const ShuImage *map);

G_END_DECLS
