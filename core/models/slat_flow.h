/* SPDX-License-Identifier: MIT */
/* The network of Stage 2 that denoises structured latents: one velocity per
 * voxel (SLatFlowModel of TRELLIS, arXiv 2412.01506, section 3.4). */
#pragma once
#include "nn/sparse_index.h"
#include "weights/config.h"
#include "weights/weights.h"

G_BEGIN_DECLS

/* Immutable once loaded; threads may share it. */
typedef struct _ShuSlatFlow ShuSlatFlow;

/**
 * shu_slat_flow_new:
 * @config: config.json of the model ("name", "args"), or its "args" alone
 * @w: the weights; a reference is kept
 *
 * Returns: (transfer full): NULL with %SHU_ERROR_INVALID, %SHU_ERROR_MISSING
 *   or %SHU_ERROR_UNSUPPORTED and the first thing that does not fit
 */
ShuSlatFlow *shu_slat_flow_new (
    ShuConfig *config, ShuWeights *w, GError **error);
void shu_slat_flow_free (ShuSlatFlow *f);

/* channels of the latents and of the context */
int shu_slat_flow_in_channels (const ShuSlatFlow *f);
int shu_slat_flow_cond_channels (const ShuSlatFlow *f);

/**
 * ShuSlatFlowRun:
 * What stays the same while one object is sampled: index tables, keys and
 * values of the context, time embeddings and modulations of all steps.
 * Immutable; belongs to the context's device.
 */
typedef struct _ShuSlatFlowRun ShuSlatFlowRun;

/**
 * shu_slat_flow_run_new:
 * @f: must outlive the run
 * @voxels: of one object, in 0..resolution-1
 * @cond: [1,L,cond_channels], or NULL where only %SHU_SLAT_UNCOND is wanted
 * @n_steps: number of @timesteps
 * @timesteps: 1000 t of each step
 *
 * Returns: (transfer full): NULL with an error
 */
ShuSlatFlowRun *shu_slat_flow_run_new (const ShuSlatFlow *f, ShuCtx *c,
    const ShuVoxels *voxels, ShuTensor *cond, int n_steps,
    const float *timesteps, GError **error);
void shu_slat_flow_run_free (ShuSlatFlowRun *run);

typedef enum {
  SHU_SLAT_COND = 1 << 0,   /* with the context */
  SHU_SLAT_UNCOND = 1 << 1, /* with a context of zeros */
  SHU_SLAT_BOTH = SHU_SLAT_COND | SHU_SLAT_UNCOND,
} ShuSlatRows;

/**
 * shu_slat_flow_forward:
 * @x: [N,in_channels], rows in the order of the voxels
 * @step: I32 [1], index into the timesteps of @run; on the device, so that the
 *   same operations serve every step
 * @rows: what to evaluate.  Both at once cost less than one after the other:
 *   they are the same up to the first cross attention
 *
 * Returns: scoped [1,N,out_channels]; for %SHU_SLAT_BOTH [2,N,out_channels],
 *   with the context first
 */
ShuTensor *shu_slat_flow_forward (ShuCtx *c, const ShuSlatFlowRun *run,
    ShuTensor *x, ShuTensor *step, ShuSlatRows rows);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ShuSlatFlow, shu_slat_flow_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ShuSlatFlowRun, shu_slat_flow_run_free)

G_END_DECLS
