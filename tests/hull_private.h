/* SPDX-License-Identifier: MIT */
/* What the files of hull.h share.  All lengths are cells of the grid. */
#pragma once
#include "hull.h"

typedef struct {
  int R;
  float *cover[2];   /* [R,R] 0..1: of front and side; rows from the top */
  float *slope[2];   /* [R,R,2] of f and b, along x and down the rows */
  float *trust[2];   /* [R,R] of these */
  double *depth[2];  /* [R,R] f and b */
  double *weight[2]; /* [R,R,2] of the edge to the right and to below */
} Hull;

/* Whether the silhouette of the front (@side 0) or of the sides has a cell. */
static inline gboolean
hull_has (const Hull *h, int side, int row, int col)
{
  return row >= 0 && col >= 0 && row < h->R && col < h->R &&
         h->cover[side][(gsize) row * h->R + col] >= 0.5f;
}

enum { HULL_MAX_INTERVALS = 4 };

/* Intervals of the side silhouette in a row, from the front. */
typedef struct {
  int n;
  double lo[HULL_MAX_INTERVALS], hi[HULL_MAX_INTERVALS];
} HullIntervals;

/* hull_legs.c */
HullIntervals hull_side_intervals (const Hull *h, int row);
/* Where all cells of the front lie in depth, [R,R] each; 0 for those of rows
 * that the sides do not have */
void hull_place_cells (const Hull *h, double *ret_lo, double *ret_hi);

/* hull_depth.c: @h from pictures, with depths */
void hull_measure (
    Hull *h, ShuImage *const *color, ShuImage *const *normal, int R);
void hull_clear (Hull *h);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Hull, hull_clear)
