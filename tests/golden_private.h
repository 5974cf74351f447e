/* SPDX-License-Identifier: MIT */
/* What a case remembers while it runs: golden_case.c compares, golden.c opens
 * files and listens to taps. */
#pragma once
#include "golden.h"

G_BEGIN_DECLS

typedef struct _GoldenPrivate {
  GBytes *bytes;
  GHashTable *offsets; /* name -> gsize*: data within the file */
  GHashTable *made;    /* name -> GoldenMade */
  GHashTable *seen;    /* names compared */
  GHashTable *calls;   /* tap name -> how often */
  GoldenKind kind;
  gboolean full;   /* limits per tensor, sparse probes */
  gboolean device; /* half precision limits */
  gboolean fp8;    /* asked for */
  gboolean in_fp8; /* and this case has it: wider limits */
  double worst;    /* error / limit */
  double worst_error, worst_limit;
  char *worst_name;
  GString *reasons;
  int n_failed;
} GoldenPrivate;

/* Of a stored or generated tensor */
typedef struct {
  const char *dtype;
  int n_dims;
  gint64 dims[SHU_MAX_DIMS];
  gsize n;
} GoldenShape;

gboolean golden_find_stored (GoldenCase *t, const char *name, GoldenShape *ret);
/* @last: @value is channels last, what is stored channels first */
void golden_expect_tensor (
    GoldenCase *t, const char *name, ShuTensor *value, gboolean last);

G_END_DECLS
