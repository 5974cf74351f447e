/* SPDX-License-Identifier: MIT */
/* The joint 2D-3D denoiser of Stage 1 (SyncHuman, arXiv 2510.07723, section
 * 3.2; reference: SyncHuman_2D3DCrossSpaceDiffusion). */
#pragma once
#include "models/mv_unet.h"
#include "models/ss_dit.h"
#include "models/sync.h"

G_BEGIN_DECLS

typedef struct _ShuJoint ShuJoint;

/**
 * shu_joint_new:
 * @config: the folder's config.json; beside the official keys,
 *   "dual_ss_heads" and "dual_mv_heads" give the heads of the sync modules
 *   (default: "num_heads")
 *
 * Keeps a reference to @w.  Immutable, may be used by several contexts of one
 * device at once.
 *
 * Returns: (transfer full)
 */
ShuJoint *shu_joint_new (ShuConfig *config, ShuWeights *w, GError **error);
/* The same in FP8 where that pays (docs/performance.md) */
ShuJoint *shu_joint_new_fp8 (ShuConfig *config, ShuWeights *w, GError **error);
void shu_joint_free (ShuJoint *m);

const ShuUnetSizes *shu_joint_unet_sizes (const ShuJoint *m);
const ShuSsSizes *shu_joint_ss_sizes (const ShuJoint *m);

/**
 * ShuJointCondition:
 * B subjects, which do not see each other; rows are normal views 0..V-1 of
 * each subject, then colour views 0..V-1 of each.
 * @text: [2V,S,X] prompt embeddings, the same for all subjects
 * @labels: [2 B V,P] class labels
 * @images: [2 B V,L,L,Ci-Co] image latents
 * @context: [B,S,K] tokens of the condition images
 * @guided: also compute the unconditional rows (without labels, image
 *   latents and context, with the same text)
 * @t, @t3: times of @n_steps steps, x1000, for the 2D and the 3D branch; the
 *   reference rounds the latter to float16
 */
typedef struct {
  ShuTensor *text, *labels, *images, *context;
  gboolean guided;
  int n_steps;
  const float *t, *t3;
} ShuJointCondition;

/**
 * ShuJointPrepared:
 * Everything that is the same in all steps: keys and values of text and
 * context, what the blocks make of labels and times, image latents, positions.
 */
typedef struct _ShuJointPrepared ShuJointPrepared;

/* Returns: (transfer full): NULL after a failure of @c */
ShuJointPrepared *shu_joint_prepare (
    ShuCtx *c, const ShuJoint *m, const ShuJointCondition *condition);
void shu_joint_prepared_free (ShuJointPrepared *p);

/**
 * ShuJointVelocity:
 * G = 2 where guided (unconditional first), else 1.
 * @views: [2 G B V,L,L,Co], row ((d * G + g) * B + b) * V + v
 * @structure: [G B,res,res,res,C]
 */
typedef struct {
  ShuTensor *views, *structure;
} ShuJointVelocity;

/**
 * shu_joint_step:
 * @latents: [2 B V,L,L,Co]
 * @structure: [B,res,res,res,C]
 * @step: I32 [1], the number of the step, from 0
 *
 * Returns: scoped
 */
ShuJointVelocity shu_joint_step (ShuCtx *c, const ShuJoint *m,
    const ShuJointPrepared *p, ShuTensor *latents, ShuTensor *structure,
    ShuTensor *step);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ShuJoint, shu_joint_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ShuJointPrepared, shu_joint_prepared_free)

G_END_DECLS
