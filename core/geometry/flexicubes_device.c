/* SPDX-License-Identifier: MIT */
/* FlexiCubes where the cells already are. */
#include "flexicubes.h"
#include "flexicubes_tables.h"
#include "base/error.h"
#include <string.h>

G_STATIC_ASSERT (sizeof (ShuFlexCase) == SHU_SURFACE_CASE);

static ShuMesh *
to_mesh (ShuCtx *c, const ShuSurface *surface)
{
  ShuMesh *mesh = shu_mesh_new (surface->pos->dims[0], surface->faces->dims[0],
      surface->attr != NULL, FALSE);

  shu_to_host_as (c, SHU_TRAFFIC_MESH, surface->pos, mesh->pos);
  if (surface->attr)
    shu_to_host_as (c, SHU_TRAFFIC_MESH, surface->attr, mesh->attr);
  shu_to_host_as (c, SHU_TRAFFIC_MESH, surface->faces, mesh->faces);
  return mesh;
}

ShuMesh *
shu_flexicubes_on_device (ShuCtx *c, int resolution, ShuTensor *coords,
    ShuTensor *feats, GError **error)
{
  SHU_SCOPE (c);
  ShuTensor *cases = shu_from_host_as (c, SHU_TRAFFIC_MESH, SHU_DTYPE_U8,
      SHU_DIMS (SHU_SURFACE_CASES, SHU_SURFACE_CASE), shu_flex_cases ());
  ShuSurface surface;
  g_autoptr (ShuMesh) mesh = NULL;

  if (shu_isosurface (c,
          &(ShuSurfaceCells){.resolution = resolution,
              .coords = coords,
              .feats = feats,
              .cases = cases},
          &surface)) {
    if (surface.faces->dims[0] == 0)
      shu_ctx_fail (c, SHU_ERROR_INVALID,
          "surface extraction: the sdf of %" G_GINT64_FORMAT
          " cells changes its sign nowhere inside the grid, so there is no "
          "surface",
          coords->dims[0]);
    else
      mesh = to_mesh (c, &surface);
  }
  return shu_ctx_finish (c, error) ? g_steal_pointer (&mesh) : NULL;
}
