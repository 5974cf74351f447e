/* SPDX-License-Identifier: MIT */
/* The parts of baking: pictures made ready to sample, what they lack against
 * each other, and what is solved for. */
#pragma once
#include "geometry/bake.h"
#include "ops/bake.h"
#include "ops/photo.h"

G_BEGIN_DECLS

/**
 * ShuBaker:
 * @c: where tensors are; what belongs to its scope lives as long as the baker
 * @scene: what is there so far
 * @field: neighbours on the surface
 */
typedef struct {
  ShuCtx *c;
  const ShuMesh *mesh;
  const ShuBakeViews *views;
  ShuBakeScene scene;
  ShuField field;
  ShuBakePhoto *photos[SHU_BAKE_BODY]; /* nullable */
  ShuBakePhoto *face;                  /* nullable */
} ShuBaker;

/* A host array where the baker works; scoped */
ShuTensor *shu_bake_upload (const ShuBaker *b, ShuDType dtype, int n_dims,
    const gint64 *dims, gconstpointer data, ShuTrafficKind kind);

/* bake_border.c */

/**
 * ShuBakePicture:
 * A picture as stage 1 has it, on the baker's device, all of one size
 * @color: U8 [S,S,3]
 * @normal: (nullable): likewise
 * @person: (nullable): U8 [S,S,1], where the person is; guessed without one
 * @mirror: left and right change places
 */
typedef struct {
  ShuTensor *color, *normal, *person;
  gboolean mirror;
} ShuBakePicture;

/**
 * ShuBakeBlur:
 * The edge of the person in a picture, in sides of the picture.
 * @offset: how far inside the mask's outline half of a pixel is white
 * @sigma: of the Gaussian that blurs the edge
 */
typedef struct {
  float offset, sigma;
} ShuBakeBlur;

/**
 * ShuBakeInside:
 * @rgb: F32 [S,S,3] with the white taken out where that can be done
 * @depth: F32 [S,S] pixels from the outline inwards, 0 outside
 * @share: F32 [S,S] of the person in a pixel
 * @pure: U8 [S,S] what shows the person's own colour
 */
typedef struct {
  ShuTensor *rgb, *depth, *share, *pure;
} ShuBakeInside;

/* @blur: of its edge, where the picture itself does not tell.  FALSE after a
 * failure */
gboolean shu_bake_find_inside (ShuCtx *c, const ShuBakePicture *picture,
    ShuBakeBlur blur, ShuBakeInside *ret);

/* bake_photo.c */

/* Freed with g_free(). */
ShuBakePhoto *shu_bake_photo_new (
    const ShuBaker *b, const ShuBakePicture *picture, ShuView view);

/* bake_match.c */

/* The mesh, its normals, and its neighbours as a field */
void shu_bake_prepare_mesh (ShuBaker *b);
/* Photos, and what they lack against each other */
void shu_bake_prepare_photos (ShuBaker *b);
/* From what lies underneath, which is there already, to the pictures */
void shu_bake_bridge (ShuBaker *b);

/* bake_solve.c */

/* Colours of the Gaussians as a texture of @size: the scene's @under, where
 * they show anything */
void shu_bake_gaussians (ShuBaker *b, const ShuBakeParams *params, int size);
/* @rgb [S,S,3], sharper: what pixels of the pictures show of it shall be what
 * is in them. */
ShuTensor *shu_bake_sharpen (
    ShuBaker *b, const ShuBakeParams *params, ShuTensor *rgb);

G_END_DECLS
