/* SPDX-License-Identifier: MIT */
/* How long the networks of a model folder take to load; for benchmarks. */
#pragma once
#include <glib.h>

G_BEGIN_DECLS

enum { SHU_N_LOAD_TIMES = 10 };

/* A network, or the folder's own JSON and the prompt embeddings. */
typedef struct {
  const char *what;
  double seconds;
} ShuLoadTime;

/**
 * shu_measure_load:
 * @folder: as for shu_model_get(); on the CPU
 * @runs: the best of so many counts; between two of them the model is let go,
 *   so what is measured is the work with the files in the page cache
 * @ret_times: what the parts took; touched by success only
 *
 * Nobody else may hold the model meanwhile: what is loaded already takes no
 * time.
 */
gboolean shu_measure_load (const char *folder, int runs,
    ShuLoadTime ret_times[SHU_N_LOAD_TIMES], GError **error);

G_END_DECLS
