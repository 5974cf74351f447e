/* SPDX-License-Identifier: MIT */
/* The error domain of the library.  A message names the thing, what was
 * expected and what was found, and says what to do where that is not plain. */
#pragma once
#include <glib.h>

G_BEGIN_DECLS

#define SHU_ERROR (shu_error_quark ())

/**
 * ShuError:
 * @SHU_ERROR_INVALID: the data given is not what the format or the network
 * needs
 * @SHU_ERROR_TRUNCATED: a file ends before its contents do
 * @SHU_ERROR_LIMIT: a size is beyond what is accepted
 * @SHU_ERROR_MISSING: a file, a tensor or a configuration key is not there
 * @SHU_ERROR_UNSUPPORTED: valid, but nothing here can do it
 * @SHU_ERROR_NO_PERSON: the picture shows no usable person
 * @SHU_ERROR_IO: the system refused to read or write
 * @SHU_ERROR_MEMORY: not enough memory
 * @SHU_ERROR_INTERNAL: a fault of this library
 *
 * Cancellation is reported as %G_IO_ERROR_CANCELLED.
 */
typedef enum {
  SHU_ERROR_INVALID,
  SHU_ERROR_TRUNCATED,
  SHU_ERROR_LIMIT,
  SHU_ERROR_MISSING,
  SHU_ERROR_UNSUPPORTED,
  SHU_ERROR_NO_PERSON,
  SHU_ERROR_IO,
  SHU_ERROR_MEMORY,
  SHU_ERROR_INTERNAL,
} ShuError;

GQuark shu_error_quark (void);

G_END_DECLS
