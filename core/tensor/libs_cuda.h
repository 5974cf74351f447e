/* SPDX-License-Identifier: MIT */
/* The libraries of the CUDA backend. */
#pragma once
#include <glib.h>

G_BEGIN_DECLS

/* Before the first call of a function of cuBLASLt or cuDNN.  FALSE with
 * %SHU_ERROR_UNSUPPORTED where one is missing. */
gboolean shu_cuda_libs_load (GError **error);

/* Before cuDNN's attention is made: a message, once, of what is missing for
 * that. */
void shu_cuda_libs_want_attention (void);

/* The driver's function @name into @function, a pointer to one; FALSE where it
 * has none. */
gboolean shu_cuda_driver_find (const char *name, gpointer function);

G_END_DECLS
