/* SPDX-License-Identifier: MIT */
/* Binary glTF 2.0: one textured mesh out; the same, checked, in. */
#pragma once
#include "geometry/mesh.h"

G_BEGIN_DECLS

/**
 * ShuGlbParams:
 * @height: metres from the lowest to the highest point; 0 means 1.7
 * @name: (nullable): name of the node and of the mesh; NULL means "person"
 */
typedef struct {
  float height;
  const char *name;
} ShuGlbParams;

/**
 * shu_glb_encode:
 * @mesh: world frame (z up, facing -y), with uv
 * @png: (nullable): the texture, a whole PNG file; its first row is v = 0
 *
 * Positions become (x, z, -y): y up, facing +z; scaled to @height with the
 * feet at y = 0.  Normals are smooth across seams.  The same arguments give
 * the same bytes.
 *
 * Returns: (transfer full): the file, or NULL with %SHU_ERROR_INVALID (no
 *   faces, no height, an index out of range, not a PNG file) or
 *   %SHU_ERROR_LIMIT (4 GiB)
 */
GBytes *shu_glb_encode (const ShuMesh *mesh, GBytes *png,
    const ShuGlbParams *params, GError **error);

/**
 * ShuGlb:
 * @mesh: axes and units of the file: y up, facing +z, metres; attr where the
 *   file has colours of vertices (sRGB, without normals: 0.5)
 * @normals: (nullable): 3 floats a vertex
 * @texture: (nullable): the embedded picture of the base colour, undecoded
 * @generator: (nullable): who wrote the file
 */
typedef struct {
  ShuMesh *mesh;
  float *normals;
  GBytes *texture;
  char *generator;
} ShuGlb;

/**
 * shu_glb_decode:
 * @data: a GLB file, from anywhere
 *
 * Reads the first primitive of the first mesh: triangles, float positions,
 * optionally normals, texture coordinates and colours (floats, or 8 or 16
 * bits); indices of 8, 16 or 32 bits or none.  Nodes' transformations are not
 * applied.
 *
 * Returns: (transfer full): NULL with %SHU_ERROR_TRUNCATED,
 *   %SHU_ERROR_INVALID, %SHU_ERROR_LIMIT or %SHU_ERROR_UNSUPPORTED (external
 *   buffers, sparse or compressed data)
 */
ShuGlb *shu_glb_decode (GBytes *data, GError **error);
void shu_glb_free (ShuGlb *glb);

/**
 * shu_mesh_to_y_up:
 * @height: metres from the lowest to the highest point
 * @ret_pos: (out caller-allocates): 3 floats a vertex
 *
 * The positions of @mesh as a GLB file has them.  Returns: FALSE with
 *   %SHU_ERROR_INVALID where the mesh has no height
 */
gboolean shu_mesh_to_y_up (
    const ShuMesh *mesh, float height, float *ret_pos, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ShuGlb, shu_glb_free)

G_END_DECLS
