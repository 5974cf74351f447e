/* SPDX-License-Identifier: MIT */
/* Operations that carry colours from pictures of a surface onto it: to its
 * vertices, to the texels of its texture, and as rows of equations.  Results
 * are scoped; a failure is the context's, as in ops.h. */
#pragma once
#include "ops/bake_point.h"
#include "ops/render.h"
#include "ops/texture.h"

G_BEGIN_DECLS

/**
 * ShuBakePhoto:
 * A picture that can be sampled anywhere near the person; all F32 on the
 * device.
 * @size: pixels a side
 * @rgb: [S,S,3] 0..255; beyond the person its nearest colour
 * @smooth: the same, low frequencies only
 * @trust: [S,S] 0..1: less near the outline of the person, little outside
 * @open: [S,S] 0..1: less where something nearer is close
 * @raster: of the mesh, as the camera sees it, with weights and depth; V = 1
 */
typedef struct {
  int size;
  ShuCamera camera;
  ShuTensor *rgb;
  ShuTensor *smooth;
  ShuTensor *trust;
  ShuTensor *open;
  ShuRastered raster;
} ShuBakePhoto;

/**
 * ShuBakeScene:
 * A surface and its pictures, on the device.  Every operation says what it
 * needs.
 * @pos: F32 [n,3]
 * @normal: F32 [n,3], of any length
 * @uv: F32 [n,2]
 * @attr: (nullable): F32 [n,6], colours 0..1 first
 * @faces: I32 [m,3]
 * @photos: (nullable): of the body, in the order of the views; 0 is the photo,
 *   2 the back, the others are sides
 * @face: (nullable): the face, which needs photo 0
 * @face_shift: F32 [S,S,3] of the face: what it lacks against photo 0
 * @match: (nullable): F32 [n,3] what a photo lacks against the others
 * @under: (nullable): F32 [S,S,3] a texture underneath
 * @bridge: F32 [n,3] from the colours underneath to those of the pictures
 * @power: of the cosine that weighs a view
 */
typedef struct {
  ShuTensor *pos, *normal, *uv, *attr, *faces;
  const ShuBakePhoto *photos[SHU_BAKE_BODY];
  const ShuBakePhoto *face;
  ShuTensor *face_shift;
  ShuTensor *match[SHU_BAKE_BODY];
  ShuTensor *under;
  ShuTensor *bridge;
  float power;
} ShuBakeScene;

/**
 * ShuBakeHeld:
 * @value: F32 [n,3], one for each vertex
 * @weight: F32 [n] how strongly it holds to that
 */
typedef struct {
  ShuTensor *value;
  ShuTensor *weight;
} ShuBakeHeld;

/**
 * shu_bake_differences:
 * @view: of a photo that is there
 * @refs: bits of other views, which count as far as they are there
 *
 * The difference of a photo to others (as they are matched themselves) where
 * both see a vertex well.  What differs much shows something else, and counts
 * little.  Needs pos, normal, and smooth, trust, open and depth of the photos.
 *
 * Returns: FALSE after a failure
 */
gboolean shu_bake_differences (ShuCtx *c, const ShuBakeScene *scene, int view,
    guint refs, ShuBakeHeld *ret);

/* What the colours underneath lack, at each vertex, against those of the
 * pictures.  Needs everything but bridge.  FALSE after a failure. */
gboolean shu_bake_lacks (
    ShuCtx *c, const ShuBakeScene *scene, ShuBakeHeld *ret);

/**
 * ShuField:
 * Neighbours of vertices, those at one place united.
 * @first: I32 [n] the vertex that stands for this one
 * @start: I32 [n+1] where its neighbours are in @next
 * @next: I32 [e] vertices that stand for themselves, as often as there are
 *   faces between; as often the other way round
 */
typedef struct {
  ShuTensor *first, *start, *next;
} ShuField;

/**
 * shu_field_spread:
 * @held: of vertices that stand for others; where a weight is 0, the value is
 *   where to begin
 * @decay: pull of every vertex towards 0, against that of all its neighbours
 * @n_steps: of conjugate gradients, at least 1
 *
 * Makes values smooth over the surface: each becomes the mean of its neighbours
 * (of weight 1), what it holds to, and 0; -> F32 [n,3].  The same from run to
 * run, whatever the threads.
 */
ShuTensor *shu_field_spread (ShuCtx *c, const ShuField *field,
    const ShuBakeHeld *held, float decay, int n_steps);

/**
 * shu_bake_texels:
 * @plane: of shu_rasterize() in the plane of the texture, with weights
 * @ret_charts: U8 [S,S]: 1 where a face is, 0 elsewhere
 *
 * Colours 0..255 of the texels that a face covers, 0 elsewhere, each on its
 * own; -> F32 [S,S,3].  Needs everything.
 */
ShuTensor *shu_bake_texels (ShuCtx *c, const ShuBakeScene *scene,
    const ShuRastered *plane, ShuTensor **ret_charts);

/**
 * shu_bake_photo_rows:
 * @photo: one of @scene's, the face included
 * @view: the body's view that it belongs to
 * @size: of the texture that the rows are for
 * @widest: level that no row exceeds
 *
 * What each pixel of a photo says of the texture: [S*S] rows, of which those
 * that say nothing weigh 0.  Needs pos, normal, uv, faces and match.
 *
 * Returns: FALSE after a failure
 */
gboolean shu_bake_photo_rows (ShuCtx *c, const ShuBakeScene *scene,
    const ShuBakePhoto *photo, int view, int size, float widest,
    ShuTextureRows *ret);

/**
 * ShuBakeDrawings:
 * Pictures of Gaussians, and of the mesh by the same cameras.
 * @cameras: [V], perspective ones
 * @splats: with color, through and depth [V,S,S]
 * @raster: with weights and depth [V,S,S]
 */
typedef struct {
  const ShuCamera *cameras;
  ShuSplats splats;
  ShuRastered raster;
} ShuBakeDrawings;

/* The same for each pixel of drawings, where they are solid, and near the
 * surface: [V*S*S] rows.  Needs pos, normal, uv, faces. */
gboolean shu_bake_drawing_rows (ShuCtx *c, const ShuBakeScene *scene,
    const ShuBakeDrawings *drawings, int size, float widest,
    ShuTextureRows *ret);

/* Colours 0..255 F32 [H,W,3], rounded -> U8 [H,W,3] */
ShuTensor *shu_bake_picture (ShuCtx *c, ShuTensor *x);

G_END_DECLS
