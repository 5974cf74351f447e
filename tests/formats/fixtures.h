/* SPDX-License-Identifier: MIT */
/* Pictures and meshes made by rule and files of every kind that hold them. */
#pragma once
#include "base/image.h"
#include "geometry/mesh.h"

/* A tall tube of @n x @n places, with a seam. */
ShuMesh *fixture_tube (int n);

/* Bytes of a linear congruential generator: the same numbers on every
 * machine, and no filter finds them smooth. */
ShuImage *fixture_noise (int width, int height, int n_channels, guint32 seed);
/* A smooth picture: what JPEG keeps nearly unchanged. */
ShuImage *fixture_ramp (int width, int height);
/* Noise in colour, alpha an ellipse with a soft rim. */
ShuImage *fixture_cutout (int width, int height);
/* FNV-1a of all bytes */
guint64 fixture_hash (const ShuImage *image);

typedef struct {
  int color_space; /* JCS_* of the file; 0 for YCbCr */
  gboolean progressive;
  gboolean no_adobe;
  int orientation;     /* 0: no EXIF */
  gboolean big_endian; /* of the EXIF block */
} JpegOptions;

/* @image: grey, RGB, or four channels for CMYK */
GBytes *fixture_jpeg (const ShuImage *image, JpegOptions options);

typedef struct {
  int color_type; /* PNG_COLOR_TYPE_* */
  int bit_depth;
  gboolean interlaced;
  gboolean transparent; /* with a tRNS chunk */
} PngOptions;

/* A PNG of @width x @height whose samples follow from their position;
 * @ret_expected: what a reader should make of it. */
GBytes *fixture_png (
    int width, int height, PngOptions options, ShuImage **ret_expected);
GBytes *fixture_webp (const ShuImage *image, gboolean lossless);
