/* SPDX-License-Identifier: MIT */
/* Runners around the networks of Stage 1 that lie in several files. */
#pragma once
#include "golden.h"

G_BEGIN_DECLS

/* golden_sampling.c */
void golden_run_cpu_noise (GoldenCase *t);
void golden_run_cuda_noise (GoldenCase *t);
void golden_run_sampler (GoldenCase *t);

G_END_DECLS
