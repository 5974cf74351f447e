/* SPDX-License-Identifier: MIT */
/* A z-buffer rasteriser on the CPU: which face a pixel centre shows, where on
 * it, and how far away.  ops/render.h gives the same on devices. */
#pragma once
#include "base/camera.h"
#include <glib.h>

G_BEGIN_DECLS

/**
 * ShuRaster:
 * @width: pixels
 * @height: pixels
 * @face: [H,W] face index, -1 where nothing is
 * @bary: (nullable): [H,W,2] weights of the face's second and third vertex
 *   on the surface (perspective is undone); 0 where nothing is
 * @depth: [H,W] distance along the camera's axis; G_MAXFLOAT where nothing is
 */
typedef struct {
  int width;
  int height;
  gint32 *face;
  float *bary;
  float *depth;
} ShuRaster;

/**
 * ShuRasterFlags:
 * @SHU_RASTER_BARY: fill @bary
 * @SHU_RASTER_CULL: leave faces out that turn their back
 * @SHU_RASTER_DEPTH: for devices, which give it only then
 */
typedef enum {
  SHU_RASTER_NONE = 0,
  SHU_RASTER_BARY = 1 << 0,
  SHU_RASTER_CULL = 1 << 1,
  SHU_RASTER_DEPTH = 1 << 2,
} ShuRasterFlags;

ShuRaster *shu_raster_new (int width, int height, ShuRasterFlags flags);
void shu_raster_free (ShuRaster *raster);

/**
 * ShuTriangles:
 * @at: [n_verts,3] places in the world, or [n_verts,2] in the plane of a
 *   texture, which is [0,1]^2
 * @faces: [n_faces,3] numbers of vertices, in range
 */
typedef struct {
  const float *at;
  const gint32 *faces;
  int n_verts;
  int n_faces;
} ShuTriangles;

/**
 * shu_raster_draw:
 * @raster: (inout): overwritten
 * @camera: (nullable): NULL: the plane of a texture, in which the depth is 0
 * @ret_n_doubles: (out) (optional): how many pixels of the plane two faces or
 *   more claim, each as often as there are faces but one
 *
 * Pixel centres lie at .5.  Corners are rounded to 1/256 pixel and edges
 * belong to one of the two faces that share them, so a closed surface has
 * neither holes nor doubles.  At equal depth the lower face index wins; the
 * result does not depend on the number of threads.  Faces that reach nearer
 * than 0.01 to a perspective camera are left out, as are faces with a corner
 * 2^20 pixels away or not finite.
 */
void shu_raster_draw (ShuRaster *raster, const ShuTriangles *t,
    const ShuCamera *camera, ShuRasterFlags flags, gint64 *ret_n_doubles);

/**
 * ShuSeenFlags:
 * What becomes of a face when faces are counted that are seen.
 *
 * @SHU_SEEN_FRONT: it is there only where it turns its front
 * @SHU_SEEN_THIN: where it covers no pixel centre, its own centre decides: it
 *   is seen where that is no farther than the slack behind what its pixel shows
 */
typedef enum {
  SHU_SEEN_FRONT = 1 << 0,
  SHU_SEEN_THIN = 1 << 1,
} ShuSeenFlags;

/* Views that are told apart at once */
enum { SHU_SEEN_VIEWS = 32 };

/**
 * shu_raster_seen:
 * @kinds: [n_faces] #ShuSeenFlags
 * @n_views: at most %SHU_SEEN_VIEWS
 * @size: pixels along each side of a view
 * @slack: of depth, for thin faces
 * @seen: (inout): [n_faces] grows by the number of views in which a face wins a
 *   pixel
 */
void shu_raster_seen (const ShuTriangles *t, const guint8 *kinds, int n_views,
    const ShuCamera *cameras, int size, float slack, gint32 *seen);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ShuRaster, shu_raster_free)

G_END_DECLS
