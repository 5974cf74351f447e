/* SPDX-License-Identifier: MIT */
/* Where the files of a model folder's parts are.  The official download lacks
 * some, which their own tools leave elsewhere. */
#pragma once
#include "weights/config.h"
#include "weights/weights.h"

/**
 * ShuPartFiles:
 * @config: a JSON file; NULL: the part's usual settings hold
 * @weights: a folder, or one or more files that together are one set
 */
typedef struct {
  char *config;
  char **weights;
} ShuPartFiles;

void shu_part_files_clear (ShuPartFiles *files);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (ShuPartFiles, shu_part_files_clear)

/**
 * shu_part_find:
 * @part: its folder in the model folder, e.g. "OneStage/dinov2"
 *
 * Returns: FALSE with %SHU_ERROR_MISSING, which lists where it was looked for;
 *   only parts that may lie elsewhere are looked for, others are where they are
 *   said to be
 */
gboolean shu_part_find (const char *folder, const char *part,
    ShuPartFiles *ret_files, GError **error);

/* Both (transfer full) */
ShuConfig *shu_part_config (const ShuPartFiles *files, GError **error);
ShuWeights *shu_part_weights (const ShuPartFiles *files, GError **error);
