/* SPDX-License-Identifier: MIT */
/* The parts of baking: pictures made ready to sample, colours of Gaussians at
 * a point, fields over the surface, filling of pictures. */
#pragma once
#include "geometry/bake.h"
#include "ops/photo.h"
#include "ops/render.h"
#include "ops/texture.h"

G_BEGIN_DECLS

/**
 * ShuBakePhoto:
 * A picture that can be sampled anywhere near the person; all F32 on the
 * baker's device.
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

/* Bilinear, clamped to the border.  @uv in image sides. */
void shu_bake_photo_sample (
    const float *plane, int size, int n_channels, const float *uv, float *ret);

/* Weight 0..1 of a picture at a point of the surface with unit normal
 * @normal: visibility, trust and the cosine to the power @power. */
float shu_bake_photo_weight (const ShuBakePhoto *photo, const float *pos,
    const float *normal, float power, float *ret_uv);

/**
 * ShuField:
 * Neighbours of the vertices of a welded mesh.
 */
typedef struct {
  int n_verts;
  const gint32 *first;
  gint32 *start; /* [n_verts + 1] */
  gint32 *next;
} ShuField;

void shu_field_init (ShuField *field, const ShuMesh *mesh, const gint32 *first);
void shu_field_clear (ShuField *field);

/**
 * shu_field_spread:
 * @value: (inout): [n_verts,3]
 * @weight: [n_verts] how strongly a vertex holds to its value; 0: not at all
 * @decay: pull of every vertex towards 0, against that of one neighbour
 *
 * Makes values smooth over the surface.  Vertices at one place end equal.
 */
void shu_field_spread (const ShuField *field, float *value, const float *weight,
    float decay, int n_rounds);

enum { SHU_BAKE_BODY = 4 }; /* pictures of the whole body */

/**
 * ShuBaker:
 * @c: where tensors are; what belongs to its scope lives as long as the baker
 * @pos, @faces: of the mesh, F32 [n,3] and I32 [m,3]
 * @power: of the cosine that weighs a view
 * @face_shift: [S,S,3] of the face: what it lacks against the front
 * @normals: [n_verts,3]
 * @match: [n_verts,3] what a picture lacks against the others
 * @under: (nullable): [@under_size,@under_size,3] colours of the Gaussians
 * @bridge: [n_verts,3] from the colours underneath to those of the pictures
 */
typedef struct {
  ShuCtx *c;
  const ShuMesh *mesh;
  const ShuBakeViews *views;
  ShuTensor *pos, *faces;
  float power;
  ShuBakePhoto *photos[SHU_BAKE_BODY]; /* nullable */
  ShuBakePhoto *face;                  /* nullable */
  ShuTensor *face_shift;
  float *normals;
  float *match[SHU_BAKE_BODY]; /* nullable */
  int under_size;
  float *under;
  float *bridge;
} ShuBaker;

/* Where a texel, a pixel or a vertex is. */
typedef struct {
  float pos[3], normal[3];
  float match[SHU_BAKE_BODY][3];
} ShuBakeSpot;

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

/* Photos, normals, differences between views, and the bridge to what lies
 * underneath, which is there already. */
void shu_bake_prepare_photos (ShuBaker *b);
void shu_bake_bridge (ShuBaker *b);

/* The place on a face with weights @l of its corners */
ShuBakeSpot shu_bake_spot (const ShuBaker *b, int face, const float *l);
/* Three values of each vertex of a face, @stride floats apart, mixed */
void shu_bake_mix (const float *values, const gint32 *corners, const float *l,
    int stride, float *ret);
/* Weighted sum of the pictures at a spot.  Returns: the sum of the weights */
float shu_bake_sum_views (
    const ShuBaker *b, const ShuBakeSpot *spot, float *ret_sum);
/* What a body picture weighs against the others where both see best */
float shu_bake_prior (int view);
/* Share of the face's picture, instead of the front's, at a place of the
 * front; @ret_in: (out): the place in the face's picture, both in sides */
float shu_bake_face_share (const ShuBaker *b, const float *uv, float *ret_in);
/* The colour underneath at texture place @uv, or @own 0..1 (nullable) */
void shu_bake_under (
    const ShuBaker *b, const float *uv, const float *own, float *ret);

/* bake_solve.c */

/* Colours of the Gaussians as a texture: b->under.  FALSE on failure */
gboolean shu_bake_gaussians (
    ShuBaker *b, const ShuBakeParams *params, GError **error);
/* Sharpens @rgb [S,S,3]: what pixels of the pictures show of it shall be what
 * is in them. */
gboolean shu_bake_sharpen (ShuBaker *b, const ShuBakeParams *params, int size,
    float *rgb, GError **error);

G_END_DECLS
