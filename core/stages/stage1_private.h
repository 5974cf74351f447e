/* SPDX-License-Identifier: MIT */
/* What the files of Stage 1 share: several subjects that are worked on
 * together, which do not see each other. */
#pragma once
#include "models/joint.h"
#include "sampling/noise.h"
#include "stages/model_private.h"
#include "stages/preview_private.h"

enum {
  SHU_STAGE1_V = 5,
  SHU_STAGE1_FACE = 4,
  SHU_STAGE1_ROWS = 2 * SHU_STAGE1_V, /* normal views, then colour views */
};

/* @error: what is wrong with this one alone; the others go on
 * @done: the stage is over without a failure of all */
typedef struct {
  const ShuBundle *bundle;
  gint64 seed;
  ShuBundle *views;
  GError *error;
  gboolean done;
  ShuLatentColors colors; /* for the preview alone */
} ShuStage1Subject;

/* Tensors belong to the context.  Rows of B subjects are [2,B,V]: by domain,
 * then by subject. */
typedef struct {
  ShuModel *model;
  ShuStage1Params p;
  ShuNoiseDevice noise; /* of p.noise_gpu */
  int B;
  ShuStage1Subject *subjects;
  ShuCtx *c;
  ShuNetUser *nets;
  const ShuProgress *progress;
  int step, total;
  ShuNet net; /* the denoiser of that precision: */
  const ShuJoint *joint;
  int L, K;  /* side and channels of the latents */
  int R, K3; /* side and channels of the structure latent */
  const ShuJointPrepared *prepared;
  double *t;            /* of the steps, and 0 */
  ShuTensor *latents;   /* [2 B V,L,L,K] */
  ShuTensor *structure; /* [B,R,R,R,K3] */
  ShuTensor *estimate;  /* like latents: what they lead to; for the preview */
  ShuTensor *schedule;  /* [steps,3] */
  ShuTensor *counter;   /* I32 [1] */
  int projection;       /* width of the CLIP embeddings */
} ShuStage1Job;

/* The next of the stage's steps is done. */
gboolean shu_stage1_advance (ShuStage1Job *job, GError **error);

/* Whether subject @b has the pictures that the model asks for. */
gboolean shu_stage1_check (
    const ShuStage1Job *job, const ShuStage1Subject *s, GError **error);

/**
 * shu_stage1_square:
 * @side: of the square, pixels
 *
 * Returns: scoped, a picture of the subject where @job works; NULL with an
 *   error
 */
ShuTensor *shu_stage1_square (const ShuStage1Job *job,
    const ShuStage1Subject *s, const char *name, int side, GError **error);

/* Everything that the denoiser is conditioned on; (transfer full), NULL with
 * an error. */
ShuJointPrepared *shu_stage1_prepare (ShuStage1Job *job, GError **error);

/* Views and voxels out of the latents, into the subjects' bundles.  No shape in
 * one of them is that subject's error. */
gboolean shu_stage1_results (ShuStage1Job *job, GError **error);
