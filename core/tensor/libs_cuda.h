/* SPDX-License-Identifier: MIT */
/* The libraries of the CUDA backend. */
#pragma once
#include <glib.h>

G_BEGIN_DECLS

/* Before the first call of a function of cuBLASLt or cuDNN.  FALSE with
 * %SHU_ERROR_UNSUPPORTED where one is missing. */
gboolean shu_cuda_libs_load (GError **error);

G_END_DECLS
