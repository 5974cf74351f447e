/* SPDX-License-Identifier: MIT */
/* A person out of Stage 1's pictures alone, for tests of what follows the
 * networks: the visual hull of the four silhouettes, its front and back drawn
 * in to where the normal pictures say. */
#pragma once
#include "base/image.h"
#include "geometry/camera.h"
#include "tensor/bundle.h"

/**
 * hull_asset:
 * @color: RGB, square, as Stage 1 stores them (back and left mirrored)
 * @normal: of the same sizes
 * @R: cells along the unit cube, a multiple of 4 and no more than a side
 *
 * Returns: (transfer full): bundle "asset": cells around the surface with its
 *   distances at their corners, Gaussians on it coloured by the picture that
 *   looks at it, the pictures
 */
ShuBundle *hull_asset (ShuImage *const color[SHU_N_VIEWS],
    ShuImage *const normal[SHU_N_VIEWS], int R, GError **error);

/* Where a picture shows the person (stage2: a channel of the normal below 230),
 * [S,S] 0 or 1, as it is stored; (transfer full) */
guint8 *hull_mask (const ShuImage *normal);
/* The same without large parts that the colours have white, from its outline
 * on: normals are drawn even of shadows on the ground. */
guint8 *hull_person (const ShuImage *color, const ShuImage *normal);
/* Takes the outermost @n pixels of [S,S] away. */
void hull_erode (guint8 *mask, int S, int n);

/* hull_field.c: distances from the surface at all corners of the grid, in
 * cells, negative inside: [R+1,R+1,R+1], z fastest; (transfer full) */
float *hull_distances (ShuImage *const *color, ShuImage *const *normal, int R);
