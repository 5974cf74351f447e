/* SPDX-License-Identifier: MIT */
/* Pictures of a textured mesh, for contact sheets and for measuring. */
#pragma once
#include "base/image.h"
#include "geometry/camera.h"
#include "geometry/mesh.h"

G_BEGIN_DECLS

/**
 * ShuRenderParams:
 * @width: pixels
 * @height: pixels
 * @supersample: samples a pixel side, 1..4; 0 means 2
 * @light: share 0..1 of a soft head light in the shading; 0: the texture's
 *   colours as they are
 * @normals: (nullable): 3 floats a vertex, of shu_render_normals() or a file;
 *   NULL: made where there is light
 * @normal_map: (nullable): RGB or RGBA, for a mesh with uv: turns the normals
 *   that the light falls on
 * @tangents: (nullable): of shu_mesh_tangents(); NULL: made where there is a
 *   normal map
 * @cull: leave out faces that turn their back
 */
typedef struct {
  int width;
  int height;
  int supersample;
  float light;
  const float *normals;
  const ShuImage *normal_map;
  const float *tangents;
  gboolean cull;
} ShuRenderParams;

/**
 * shu_render:
 * @mesh: world frame, checked
 * @texture: (nullable): RGB or RGBA, for a mesh with uv; else the vertices'
 *   colours, else grey
 *
 * Returns: (transfer full): RGBA with straight alpha; transparent where
 *   nothing is
 */
ShuImage *shu_render (const ShuMesh *mesh, const ShuImage *texture,
    const ShuCamera *camera, const ShuRenderParams *params);

/**
 * shu_render_normals:
 * Returns: (transfer full): the normals that the light falls on, for several
 *   pictures of one mesh
 */
float *shu_render_normals (const ShuMesh *mesh);

G_END_DECLS
