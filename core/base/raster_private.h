/* SPDX-License-Identifier: MIT */
/* Faces on a screen, one at a time. */
#pragma once
#include "base/raster.h"

/* A vertex on the screen: @x, @y in sub-pixels, @w = 1 / z or 1. */
typedef struct {
  gint32 x, y; /* RASTER_NOWHERE: faces there are left out */
  float z, w;
} RasterCorner;

#define RASTER_NOWHERE G_MININT32

/* Where faces are drawn. */
typedef struct {
  const RasterCorner *corners;
  const gint32 *faces;
  int width, height;
  gint32 *face;
  float *depth;
  float *bary; /* or NULL */
  gboolean perspective;
  gboolean flat; /* no depth: the first face keeps the pixel */
} RasterScreen;

/* @from..@to-1 of the vertices */
void raster_corners (const ShuTriangles *t, const ShuCamera *camera, int width,
    int height, int from, int to, RasterCorner *ret);

typedef enum {
  RASTER_ABSENT,  /* turns its back, and was to be left out then */
  RASTER_MISSED,  /* covers no pixel centre */
  RASTER_COVERED, /* covers some, seen or not */
} RasterFate;

/**
 * raster_face:
 * @front: only if it turns its front
 * @n_doubles: grows
 *
 * Draws the part within rows @row0..@row1-1.
 */
RasterFate raster_face (const RasterScreen *s, int face, gboolean front,
    int row0, int row1, gint64 *n_doubles);
