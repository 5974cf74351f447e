/* SPDX-License-Identifier: MIT */
/* How long the networks of a model folder take to load. */
#pragma once
#include "stages/model_private.h"

/**
 * bench_load:
 * @runs: the best of so many counts; between two of them the model is let go,
 *   so what is measured is the work with the files in the page cache
 * @ret_seconds: for each network, its configuration included; the last entry
 *   is the folder's own JSON and the prompt embeddings
 */
gboolean bench_load (const char *folder, int runs,
    double ret_seconds[SHU_N_NETS + 1], GError **error);

/* What entry @i of bench_load() is. */
const char *bench_load_name (int i);
