/* SPDX-License-Identifier: MIT */
/* How long a job will take: from earlier jobs of the same model on this
 * machine, else a guess from the model's sizes. */
#pragma once
#include "job.h"
#include "shu.h"

G_BEGIN_DECLS

/**
 * Work:
 * @steps1, @steps2: of the two stages; 0: the stage does not run
 */
typedef struct {
  const ShuModel *model;
  int steps1;
  int steps2;
} Work;

double estimate_seconds (const Work *work, gboolean *ret_guess);
/* Remembers how long @job took.  Failing to is no error. */
void estimate_remember (const Work *work, const Job *job);

G_END_DECLS
