/* SPDX-License-Identifier: MIT */
/* The parts of a job, one by one: networks over inputs made by a formula, the
 * extraction of the surface, and whole stages.  For benchmarks, and for
 * whatever wants to see a part work without a photo. */
#pragma once
#include "base/precision.h"
#include "base/progress.h"
#include "stages/model.h"
#include "tensor/context.h"

G_BEGIN_DECLS

typedef struct _ShuPart ShuPart;

/* When a part runs. */
typedef enum {
  SHU_PART_CUT_OUT, /* before stage 1 */
  SHU_PART_STAGE1,
  SHU_PART_STAGE2,
  SHU_PART_MESH, /* after stage 2 */
  SHU_N_PART_STAGES,
} ShuPartStage;

/**
 * shu_part_names:
 * Returns: (transfer none) (array zero-terminated=1): single parts in the order
 *   of a job, then whole stages
 */
const char *const *shu_part_names (void);

/**
 * shu_part_new:
 * @name: one of shu_part_names(); of what follows the networks also
 *   NAME\@FACES, for a body of whose surface about so many faces are extracted
 * @precision: of the joint denoiser, and of what has it in it
 *
 * Loads what is needed and prepares its inputs, as far as a job prepares them
 * once.  On a GPU a network that needs nothing else has run in a context
 * before, as for a job that is not the first of its process.
 *
 * Returns: (transfer full): NULL with an error
 */
ShuPart *shu_part_new (
    ShuModel *model, const char *name, ShuPrecision precision, GError **error);
void shu_part_free (ShuPart *p);

/* (transfer none) (nullable): where it runs, for shu_record_new(); NULL for
 * what is no single network, nor an operation of a device */
ShuCtx *shu_part_context (ShuPart *p);
/* Runs of it in a stage of a job with the model's own settings. */
int shu_part_runs (const ShuPart *p, ShuPartStage stage);
/* Whether it is all of that stage, and maybe of others. */
gboolean shu_part_covers (const ShuPart *p, ShuPartStage stage);
/* What one run is, e.g. "10 views of 96 x 96, guided"; (transfer none) */
const char *shu_part_size (const ShuPart *p);

/* Who hears of the progress, laps and copies of whole stages; nobody where
 * NULL.
 * @progress must live as long as that is so. */
void shu_part_set_progress (ShuPart *p, const ShuProgress *progress);

/* One run, and the wait for its end. */
gboolean shu_part_run (ShuPart *p, GError **error);

/* The most bytes of results of a network that lived at once; 0 for others. */
gsize shu_part_results (ShuPart *p);
/* The most bytes of the device's memory that were seen in use, whoever used
 * them; 0 on the CPU.  Whole stages look while they run. */
gsize shu_part_memory (const ShuPart *p);
/* Looks now, which takes a few microseconds; from one other thread than that
 * which runs it, too. */
void shu_part_look_at_memory (ShuPart *p);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ShuPart, shu_part_free)

G_END_DECLS
