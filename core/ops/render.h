/* SPDX-License-Identifier: MIT */
/* Operations that draw: scenes to pictures, on the device where they are.
 * Results are scoped; a failure is the context's, as in ops.h. */
#pragma once
#include "base/raster.h"
#include "ops/ops.h"
#include "ops/splat_point.h"

G_BEGIN_DECLS

/* ---- Gaussians ---- */

enum {
  SHU_SPLAT_MAX_SIZE = 8192,    /* pixels a side */
  SHU_SPLAT_MAX_COUNT = 1 << 25 /* Gaussians */
};

/**
 * ShuSplatInput:
 * @pos: [n,3] centres, world frame
 * @scale: [n,3] standard deviations along the axes
 * @quat: [n,4] rotation (w,x,y,z), of any length
 * @opacity: [n] 0..1
 * @rgb: [n,3] colour, >= 0
 *
 * All F32.  What is not finite, or has a quaternion of zero, is left out.
 */
typedef struct {
  ShuTensor *pos;
  ShuTensor *scale;
  ShuTensor *quat;
  ShuTensor *opacity;
  ShuTensor *rgb;
} ShuSplatInput;

/* Results that are wanted */
typedef enum {
  SHU_SPLAT_RGB = 1 << 0,
  SHU_SPLAT_MASK = 1 << 1,
  SHU_SPLAT_COLOR = 1 << 2,
  SHU_SPLAT_THROUGH = 1 << 3,
  SHU_SPLAT_DEPTH = 1 << 4,
} ShuSplatWhat;

/**
 * ShuSplats:
 * @rgb: u8 [V,S,S,3] colour over black, 255 of its unit and truncated
 * @mask: u8 [V,S,S] 255 where a channel of @rgb is above 0, else 0
 * @color: F32 [V,S,S,3] the same before rounding, not limited to 1
 * @through: F32 [V,S,S] share of the background that is seen, 1 - alpha
 * @depth: F32 [V,S,S] mean distance along the camera's axis of what was
 *   blended; 0 where nothing was
 *
 * Row 0 is the top.  What was not asked for is NULL.
 */
typedef struct {
  ShuTensor *rgb;
  ShuTensor *mask;
  ShuTensor *color;
  ShuTensor *through;
  ShuTensor *depth;
} ShuSplats;

/**
 * shu_splat:
 * @V: pictures, at least 1
 * @cameras: [V]
 * @size: pixels a side, 1..SHU_SPLAT_MAX_SIZE
 * @what: of ShuSplatWhat
 *
 * Draws Gaussians as a mip-splatting renderer does: front to back, the lower
 * index in front at equal depth, until less than a ten-thousandth would come
 * through.  Nearer than 0.2 there are none.  The same from run to run, whatever
 * the threads; a GPU may be a level beside the CPU where a threshold is met.
 *
 * Beside the results, memory for the Gaussians of some views at a time and for
 * at most some millions of pairs of Gaussian and tile.  Waits now and then.
 *
 * Returns: FALSE after a failure
 */
gboolean shu_splat (ShuCtx *c, const ShuSplatInput *gaussians, int V,
    const ShuSplatCamera *cameras, int size, guint what, ShuSplats *ret);

/* ---- faces on pixels ---- */

/**
 * ShuRasterJob:
 * @at: F32 [n,3] places in the world, or [n,2] in the plane of a texture
 * @faces: I32 [m,3] numbers of vertices; like @at brought to the device where
 *   they are in host memory
 * @n_views: 1 for the plane
 * @cameras: (nullable): [n_views]; NULL: the plane
 * @width, @height: pixels of a view, 1..16384
 */
typedef struct {
  ShuTensor *at;
  ShuTensor *faces;
  int n_views;
  const ShuCamera *cameras;
  int width, height;
  ShuRasterFlags flags;
} ShuRasterJob;

/**
 * ShuRastered:
 * As #ShuRaster has it, view by view.
 *
 * @face: I32 [V,H,W]
 * @bary: F32 [V,H,W,2]; NULL without %SHU_RASTER_BARY
 * @depth: F32 [V,H,W]; NULL without %SHU_RASTER_DEPTH
 * @n_doubles: I32 [1] of the plane: pixels that two faces or more claim, each
 *   as often as there are faces but one; NULL with cameras
 */
typedef struct {
  ShuTensor *face;
  ShuTensor *bary;
  ShuTensor *depth;
  ShuTensor *n_doubles;
} ShuRastered;

/* By the rules of shu_raster_draw(), to the bit.  FALSE after a failure. */
gboolean shu_rasterize (ShuCtx *c, const ShuRasterJob *job, ShuRastered *ret);

/**
 * ShuSeenJob:
 * @at: F32 [n,3]
 * @faces: I32 [m,3]
 * @kinds: U8 [m] of #ShuSeenFlags
 * @size: pixels along each side of a view, 1..16384
 * @slack: of depth, for thin faces
 */
typedef struct {
  ShuTensor *at;
  ShuTensor *faces;
  ShuTensor *kinds;
  int n_views;
  const ShuCamera *cameras;
  int size;
  float slack;
} ShuSeenJob;

/* seen I32 [m], on the device, grows by the number of views in which each face
 * is seen, by the rules of shu_raster_seen(). */
void shu_count_seen (ShuCtx *c, const ShuSeenJob *job, ShuTensor *seen);

G_END_DECLS
