/* SPDX-License-Identifier: MIT */
/* What the tests of the stages share where a GPU is needed, or thought of. */
#pragma once
#include "stages/stages.h"

/* (transfer full): NULL, and the test skipped, where there is none */
ShuModel *gpu_model (const char *folder, ShuMemory memory);
/* Bytes of the first GPU that are in use, whoever uses them */
gsize gpu_used (void);
/* Takes all but @rest bytes of it; shu_device_free() */
gpointer gpu_occupy (gsize rest);

/* What a stage begins with, of the sizes of @m: a rectangle for a person; a
 * box of @n voxels, views of one colour. */
ShuBundle *gpu_subject (const ShuModel *m);
ShuBundle *gpu_views (const ShuModel *m, const ShuBundle *subject, int n);
