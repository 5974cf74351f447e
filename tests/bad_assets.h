/* SPDX-License-Identifier: MIT */
/* Bundles that no model can be made of. */
#pragma once
#include <gio/gio.h>

/**
 * BadBundle:
 * @name: what is wrong
 * @schema: "asset" or "mesh"
 * @says: what the error must tell; NULL: it is a good one
 */
typedef struct {
  const char *name, *schema, *says;
} BadBundle;

extern const BadBundle bad_bundles[]; /* the end has no name */

/* As a file; (transfer full) */
GBytes *bad_bundle_make (const BadBundle *what);
