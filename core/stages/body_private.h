/* SPDX-License-Identifier: MIT */
/* A body made of capsules: what formula weights, which make no person, are
 * given in place of one, so that everything after the networks can be run and
 * measured at any size.
 *
 * Its size: 1 fills the unit cube in height; a smaller body is smaller all
 * over; one above 1 is not taller but so much stouter. */
#pragma once
#include <glib.h>

static const float SHU_BODY_MIN = 0.25f, SHU_BODY_MAX = 2;

/* Signed distance at p of the unit cube, negative inside. */
float shu_body_distance (float size, const float p[3]);

/**
 * shu_body_size:
 * @n_voxels: how many there should be; 0: whatever is natural
 *
 * The largest body whose surface cuts no more than @n_voxels cells of an @R^3
 * grid, between the smallest and the largest that there are.
 */
float shu_body_size (int R, int n_voxels);

/**
 * shu_body_voxels:
 * @size: of shu_body_size() for the same @R and @n_voxels
 * @n_voxels: 0: those at the surface
 *
 * Voxels of an @R^3 grid, as rows (0,x,y,z) in lexicographic order: all that
 * the surface cuts, so that it is closed, and then those next to it until
 * there are @n_voxels.
 *
 * Returns: (transfer full): element type gint32, four a row
 */
GArray *shu_body_voxels (float size, int R, int n_voxels);

/**
 * shu_body_set_distances:
 * @coords: [n,3] cells of a grid of @R
 * @feats: (inout): [n,n_channels]: the first eight channels become the distance
 *   at the corners in cells, the next 45 zero
 */
void shu_body_set_distances (float size, int R, int n, const gint32 *coords,
    int n_channels, float *feats);
