/* SPDX-License-Identifier: MIT */
/* What the tests of the stages share: the smallest model, the bundles that it
 * makes, and the same model as a folder on disk. */
#pragma once
#include "stages/stages.h"

/* "synthetic-tiny:7" on the CPU; (transfer full) */
ShuModel *fixture_model (void);
/* A picture of @width x @height with an opaque ellipse of colours; (transfer
 * full) RGBA */
ShuImage *fixture_cutout (int width, int height);
/* Bundles as the stages make them; (transfer full) */
ShuBundle *fixture_subject (void);
ShuBundle *fixture_views (void);

/* Asserts that @error is SHU_ERROR, @code and says @what; clears it. */
void fixture_expect (GError **error, int code, const char *what);

/* "synthetic-tiny:7" written to a new temporary folder; (transfer full) */
char *fixture_model_folder (void);
/* Files under @folder, relative, sorted; (transfer full) */
GPtrArray *fixture_files (const char *folder);
void fixture_remove_folder (const char *folder);

extern const ShuStage1Params fixture_stage1; /* all of the model folder */
extern const ShuStage2Params fixture_stage2;
