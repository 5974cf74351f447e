/* SPDX-License-Identifier: MIT */
/* What the files of parts share.
 *
 * Inputs of networks are values of weights/formula.h, scaled as in the
 * reference data of the official sizes: uniform in [-1.75,1.75). */
#pragma once
#include "base/progress.h"
#include "ops/ops.h"
#include "stages/model_private.h"
#include "stages/parts.h"

typedef struct {
  const char *name;
  ShuNet net;   /* of single networks; SHU_N_NETS: none */
  guint covers; /* of whole stages: 1 << ShuPartStage each */
  gboolean (*prepare) (ShuPart *p, GError **error);
  /* in a scope of its own; failures of the context are looked at later */
  gboolean (*run) (ShuPart *p, GError **error);
  gboolean any_size; /* NAME@FACES is possible */
  gboolean counted;  /* no network, but on a device made of operations */
} ShuPartKind;

struct _ShuPart {
  const ShuPartKind *kind;
  ShuModel *model;
  ShuPrecision precision;
  ShuCtx *c;         /* where it runs; of a whole stage: to ask for memory */
  gconstpointer net; /* of @kind */
  int runs[SHU_N_PART_STAGES];
  int faces; /* asked for; 0: the model's */
  char *size;
  GPtrArray *owned; /* tensors that outlive a run */
  ShuTensor *x, *x2, *x3;
  gpointer data; /* whatever else */
  GDestroyNotify data_free;
  ShuProgress progress; /* for stages: looks at the memory */
  const ShuProgress *listener;
  _Atomic gsize memory;
};

/* "formula" inputs on the device, kept as long as @p; NULL once its context has
 * failed */
ShuTensor *shu_part_input (
    ShuPart *p, const char *name, int n_dims, const gint64 *dims);

/* The end of a list has no name. */
extern const ShuPartKind shu_parts_stage1[]; /* and what comes before */
extern const ShuPartKind shu_parts_stage2[]; /* and what comes after */
extern const ShuPartKind shu_parts_whole[];
extern const ShuPartKind shu_parts_tail[]; /* after the networks */
