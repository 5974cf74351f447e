/* SPDX-License-Identifier: MIT */
/* What the files of weights share. */
#pragma once
#include "weights/probe_private.h"
#include "weights/tensor_file.h"
#include "weights/weights.h"

typedef struct {
  gatomicrefcount refs;
  GMutex lock;
  char *label;
  GPtrArray *files;   /* ShuTensorFile */
  GHashTable *where;  /* name -> file index, for shards */
  GHashTable *loaded; /* name -> ShuTensor, f32 */
  GHashTable *views;  /* prefix -> ShuWeights */
  GHashTable *uses;   /* ShuTensor -> ShuWeightUse */
  gboolean deferred;  /* no values before somebody wants them here */
  ShuFormula formula;
  ShuMake make;
  gboolean (*exists) (const char *, gpointer);
  gpointer data;
  GDestroyNotify data_free;
  GError *error;
  ShuProbe *probe; /* then nothing is loaded */
  ShuTensor *nil;
} ShuWeightsRoot;

struct _ShuWeights {
  ShuWeightsRoot *root;
  char *prefix; /* "" or "blocks.0." */
};
