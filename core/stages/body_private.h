/* SPDX-License-Identifier: MIT */
/* A body made of capsules: what formula weights, which make no person, are
 * given in place of one, so that everything after the networks can be run and
 * measured at any size. */
#pragma once
#include <glib.h>

/* Signed distance at p of the unit cube, negative inside. */
float shu_body_distance (const float p[3]);

/**
 * shu_body_voxels:
 * Voxels of an @R^3 grid that the surface cuts, as rows (0,x,y,z) in
 * lexicographic order.
 *
 * Returns: (transfer full): element type gint32, four a row
 */
GArray *shu_body_voxels (int R);

/**
 * shu_body_set_distances:
 * @coords: [n,3] cells of a grid of @R
 * @feats: (inout): [n,n_channels]: the first eight channels become the distance
 *   at the corners in cells, the next 45 zero
 */
void shu_body_set_distances (
    int R, int n, const gint32 *coords, int n_channels, float *feats);
