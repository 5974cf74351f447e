/* SPDX-License-Identifier: MIT */
#include "geometry/raster.h"

void
shu_raster_mesh (ShuRaster *raster, const ShuMesh *mesh,
    const ShuCamera *camera, ShuRasterFlags flags)
{
  shu_raster_draw (raster,
      &(ShuTriangles){mesh->pos, mesh->faces, mesh->n_verts, mesh->n_faces},
      camera, flags, NULL);
}

void
shu_raster_uv (ShuRaster *raster, const ShuMesh *mesh, ShuRasterFlags flags,
    int *ret_n_doubles)
{
  gint64 n_doubles;

  g_assert (mesh->uv);
  shu_raster_draw (raster,
      &(ShuTriangles){mesh->uv, mesh->faces, mesh->n_verts, mesh->n_faces},
      NULL, flags, &n_doubles);
  if (ret_n_doubles)
    *ret_n_doubles = (int) MIN (n_doubles, G_MAXINT);
}
