/* SPDX-License-Identifier: MIT */
/* Index tables over sparse voxels: who is next to whom, which coarse voxel a
 * fine one falls into, which tokens share a window.  Host code over plain
 * arrays; results do not depend on the number of threads.
 *
 * Row order is the caller's and never changes; rows of one batch item need not
 * be sorted. */
#pragma once
#include <glib.h>

G_BEGIN_DECLS

enum {
  SHU_VOXELS_MAX_SIDE = 8192, /* coordinates are below this */
  SHU_VOXELS_MAX = 1 << 24,   /* rows */
  SHU_VOXEL_TAPS = 27,        /* a 3x3x3 kernel: (kx*3 + ky)*3 + kz */
  SHU_VOXEL_CHILDREN = 8,     /* of a subdivision: 4dx + 2dy + dz */
};

/**
 * ShuVoxels:
 * @n: number of voxels
 * @stride: 3 for rows (x,y,z), 4 for rows (batch,x,y,z)
 * @coords: [@n,@stride]
 */
typedef struct {
  int n;
  int stride;
  const gint32 *coords;
} ShuVoxels;

/**
 * shu_voxels_check:
 * @resolution: coordinates must be in 0..@resolution-1
 *
 * What everything below relies on: at least one voxel, none twice, everything
 * in range.
 *
 * Returns: FALSE with %SHU_ERROR_INVALID or %SHU_ERROR_LIMIT
 */
gboolean shu_voxels_check (const ShuVoxels *v, int resolution, GError **error);

/**
 * shu_voxels_neighbours:
 * @ret_nbr: (out caller-allocates): [n,27] row of the neighbour at
 *   (kx-1, ky-1, kz-1), -1 where there is none; of the same batch item
 */
void shu_voxels_neighbours (const ShuVoxels *v, gint32 *ret_nbr);

/**
 * shu_voxels_downsample:
 * @ret_coords: (out caller-allocates): room for [n,stride]; the distinct
 *   coordinates divided by @factor, sorted by (batch,x,y,z)
 * @ret_index: (out caller-allocates): [n] row of @ret_coords
 *
 * Returns: the number of coarse voxels
 */
int shu_voxels_downsample (
    const ShuVoxels *v, int factor, gint32 *ret_coords, gint32 *ret_index);

/**
 * shu_voxels_windows:
 * @window: side of a window, voxels
 * @shift: added to the coordinates before the division; nothing wraps around
 * @ret_order: (out caller-allocates): [n] rows, window after window; windows
 *   by (batch,wx,wy,wz), rows of one window ascending
 * @ret_start: (out caller-allocates): room for [n+1]; where each window
 *   begins in @ret_order, and n at the end
 *
 * Returns: the number of windows that hold a voxel
 */
int shu_voxels_windows (const ShuVoxels *v, int window, int shift,
    gint32 *ret_order, gint32 *ret_start);

/* Coordinates of the children: [8n,stride], children of a voxel together. */
void shu_voxels_subdivide (const ShuVoxels *v, gint32 *ret_coords);

/**
 * shu_neighbours_subdivide:
 * @nbr: [n,27] of the parents
 * @ret_nbr: (out caller-allocates): [8n,27] of their children
 *
 * By arithmetic alone: a child's neighbour lies in the same parent or in one
 * of the parent's neighbours.
 */
void shu_neighbours_subdivide (int n, const gint32 *nbr, gint32 *ret_nbr);

G_END_DECLS
