/* SPDX-License-Identifier: MIT */
/* The networks of a job, one by one, over inputs made by a formula: for
 * benchmarks, and for whatever wants to see a network work without a photo. */
#pragma once
#include "stages/model.h"
#include "tensor/context.h"

G_BEGIN_DECLS

typedef struct _ShuPart ShuPart;

/**
 * shu_part_names:
 * Returns: (transfer none) (array zero-terminated=1): in the order of a job
 */
const char *const *shu_part_names (void);

/**
 * shu_part_new:
 * @name: one of shu_part_names()
 *
 * Loads the network and prepares its inputs, as far as a job prepares them
 * once.
 *
 * Returns: (transfer full): NULL with an error
 */
ShuPart *shu_part_new (ShuModel *model, const char *name, GError **error);
void shu_part_free (ShuPart *p);

/* (transfer none): where it runs; for shu_record_new() */
ShuCtx *shu_part_context (ShuPart *p);
/* Runs of it in a job with the model's own settings. */
int shu_part_runs (const ShuPart *p);
/* What one run is, e.g. "10 views of 96 x 96, guided"; (transfer none) */
const char *shu_part_size (const ShuPart *p);

/* One run, and the wait for its end. */
gboolean shu_part_run (ShuPart *p, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ShuPart, shu_part_free)

G_END_DECLS
