/* SPDX-License-Identifier: MIT */
/* Runners of Stage 2 that lie in several files. */
#pragma once
#include "golden.h"
#include "models/gs_decoder.h"

G_BEGIN_DECLS

/* golden_stage2.c */
gint32 *golden_ints (GoldenCase *t, const char *name, gsize *ret_n);
/* Item @i of in.mv_color, in.mv_normal [B,V,S,S,F] */
ShuSlatViews golden_views (
    GoldenCase *t, ShuTensor *color, ShuTensor *normal, int i);
/* Decodes @x and compares with out.WHICH.* */
void golden_check_gaussians (GoldenCase *t, const ShuGsDecoder *d,
    const ShuVoxels *voxels, ShuTensor *x, const ShuSlatViews *views,
    const char *which);

/* golden_stage2_job.c */
void golden_run_slat_sampler (GoldenCase *t);
void golden_run_flexicubes (GoldenCase *t);
void golden_run_stage2 (GoldenCase *t);

/* golden_stage2_views.c */
void golden_run_cameras (GoldenCase *t);
void golden_run_condition_image (GoldenCase *t);
void golden_run_gaussian_render (GoldenCase *t);

/* golden_stage2_bake.c */
void golden_run_bake_setup (GoldenCase *t);

G_END_DECLS
