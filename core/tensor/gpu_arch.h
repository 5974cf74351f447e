/* SPDX-License-Identifier: MIT */
/* Which GPUs the kernels of this build run on. */
#pragma once
#include <glib.h>

G_BEGIN_DECLS

/**
 * shu_gpu_arch_runs:
 * @archs: the compute capabilities that kernels were built for, as nvcc names
 *   them, with spaces between: "80 86 90a"; of the last there is PTX, too
 * @major: of a GPU's compute capability
 * @minor: likewise
 *
 * Machine code runs on GPUs of the same major number and the same or a later
 * minor one, PTX on all later ones, and what has a letter behind it on that
 * very kind.
 */
gboolean shu_gpu_arch_runs (const char *archs, int major, int minor);

G_END_DECLS
