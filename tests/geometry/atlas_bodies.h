/* SPDX-License-Identifier: MIT */
/* A body to unwrap, photograph and bake. */
#pragma once
#include "base/image.h"
#include "geometry/bake.h"

/* Head, trunk, arms and legs as capsules apart from each other, about @n_faces
 * faces, height 0.9, attributes grey. */
ShuMesh *bodies_person (int n_faces);

/* The same unwrapped for a texture of @size; made once in a program. */
ShuMesh *bodies_unwrapped (int n_faces, int size);

/* The colour 0..255 painted on the surface at a point: smooth stripes. */
void bodies_paint (const float *pos, float *ret_rgb);

typedef void (*BodiesPaint) (const float *pos, float *ret_rgb);

/**
 * BodiesPictures:
 * What a body is baked from, as of ShuBakeViews; all but @gaussians freed by
 * bodies_pictures_clear()
 */
typedef struct {
  ShuImage *color[SHU_N_VIEWS];
  ShuImage *normal[SHU_N_VIEWS];
  ShuImage *person;
  const ShuSplatInput *gaussians;
} BodiesPictures;

/* The same as tensors of @c */
ShuBakeViews bodies_views (ShuCtx *c, const BodiesPictures *pictures);
void bodies_pictures_clear (BodiesPictures *pictures);

/* The painted body as stage 1 draws it, and its mask as a normal picture. */
void bodies_photograph (const ShuMesh *mesh, ShuView view, int size,
    ShuImage **ret_color, ShuImage **ret_normal);
/* The same with other colours */
void bodies_photograph_as (const ShuMesh *mesh, ShuView view, int size,
    BodiesPaint paint, ShuImage **ret_color, ShuImage **ret_normal);
