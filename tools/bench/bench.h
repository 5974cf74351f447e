/* SPDX-License-Identifier: MIT */
/* What the files of synchuman-bench share. */
#pragma once
#include "stages/parts.h"

typedef struct {
  gboolean json;
  double seconds; /* for each row; 0: as is usual there */
  char *only;
  char *model, *device;
  char **parts; /* names, or "all" */
  gboolean ops;
  gboolean growth; /* of what follows the networks, with the faces */
  char *pytorch;   /* (nullable): the official repository */
  gboolean processor_time;
  ShuPrecision precision;
} BenchOptions;

/* rows.c: seconds on the wall, or of the processor */
double bench_now (gboolean of_processor);
/* operations on the CPU, and loading */
gboolean bench_rows (const BenchOptions *o, GError **error);
/* parts.c: the networks of a model folder on a device */
gboolean bench_parts (const BenchOptions *o, GError **error);
/* Sorts @values, of which there is one at least. */
double bench_median (double *values, int n);
/* tail.c: from the bundle "asset" to the GLB file; with no parts for bodies of
 * 0.1 to 2 million faces */
gboolean bench_tail (const BenchOptions *o, GError **error);
/* Whether @parts (nullable) are for bench_tail() */
gboolean bench_is_tail (const char *const *parts);

/**
 * BenchCeiling:
 * @matrix: multiplications and additions in a second of one large product
 *   through our own linear layer
 * @sustained: the same after seconds of it, when a card is warm and holds its
 *   limit of power
 * @copy: bytes read and written in a second by a large copy
 */
typedef struct {
  double matrix, sustained;
  double copy;
} BenchCeiling;

/* ceiling.c: what the device can do at most, measured now. */
gboolean bench_ceiling (
    const char *device, BenchCeiling *ret_ceiling, GError **error);

/* The shortest time for so many operations and bytes: of products at the speed
 * of one large product, or of the bytes at that of a copy, whichever is
 * longer. */
double bench_least (double flop, double bytes, const BenchCeiling *ceiling);

/* ops.c: what the operations of one run of a network take */
gboolean bench_ops (ShuPart *p, const BenchCeiling *ceiling, GError **error);
/* A run of whole stages: what lies between two reports of progress, as text;
 * (transfer full): NULL with an error */
char *bench_steps (ShuPart *p, GError **error);

/* What a part takes in PyTorch, in seconds, or why nobody knows */
typedef struct {
  double median, min;
  char *why;
} BenchPytorch;

/**
 * bench_pytorch:
 * @path: a copy of the official repository
 * @parts: names of parts; those without a counterpart are left out
 *
 * Returns: (transfer full): name -> BenchPytorch; NULL with an error where
 * there is no Python, no PyTorch or no repository
 */
GHashTable *bench_pytorch (
    const char *path, const char *const *parts, GError **error);
