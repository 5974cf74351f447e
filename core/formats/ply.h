/* SPDX-License-Identifier: MIT */
/* Stanford polygon files: meshes, Gaussians and voxels, for other programs. */
#pragma once
#include "geometry/mesh.h"

G_BEGIN_DECLS

/**
 * shu_ply_mesh:
 * @height: metres from the lowest to the highest point; 0 means 1.7
 *
 * Binary, little endian, in the axes and units of the GLB file: float
 * positions, bytes for the colour where @mesh has attributes.
 *
 * Returns: (transfer full): the file, or NULL with %SHU_ERROR_INVALID
 */
GBytes *shu_ply_mesh (const ShuMesh *mesh, float height, GError **error);

/**
 * shu_ply_gaussians:
 * Binary, in the layout that splat viewers read, world frame: positions, no
 * normals, f_dc (colour - 0.5) / 0.2821, opacity as a logit, scales as
 * logarithms, rotation (w,x,y,z).
 *
 * Returns: (transfer full): the file, or NULL with %SHU_ERROR_INVALID (a value
 *   that is not finite)
 */
GBytes *shu_ply_gaussians (const ShuGaussians *gaussians, GError **error);

/* Gaussians and the memory that they lie in */
typedef struct {
  ShuGaussians g;
  /*< private >*/
  float *values;
} ShuPlySet;

/**
 * shu_ply_read_gaussians:
 * The reverse, of files of other programs, too: binary and little endian,
 * vertices first, with the properties above as floats, in any order and among
 * others, which are left out (normals, higher spherical harmonics).  Values are
 * not looked at.
 *
 * Returns: (transfer full): NULL with %SHU_ERROR_INVALID or %SHU_ERROR_MEMORY
 */
ShuPlySet *shu_ply_read_gaussians (GBytes *file, GError **error);
void shu_ply_set_free (ShuPlySet *set);

/**
 * shu_ply_voxels:
 * @coords: [n,4] batch, x, y, z
 *
 * Text: the centres of the voxels, then a cube for each, as stage 1 of the
 * reference writes them.
 *
 * Returns: (transfer full): the file, or NULL with %SHU_ERROR_INVALID where
 *   there are no voxels
 */
GBytes *shu_ply_voxels (const gint32 *coords, int n, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ShuPlySet, shu_ply_set_free)

G_END_DECLS
