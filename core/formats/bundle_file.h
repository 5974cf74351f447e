/* SPDX-License-Identifier: MIT */
/* Bundles as safetensors files: any point of a pipeline can be saved, opened
 * with any tool, and read back. */
#pragma once
#include "tensor/bundle.h"

G_BEGIN_DECLS

/* Deterministic.  All of @b is in host memory (shu_bundle_to_host()).
 * Returns: (transfer full) */
GBytes *shu_bundle_encode (const ShuBundle *b);

/**
 * shu_bundle_decode:
 * @name: what to call the data in messages
 *
 * Returns: (transfer full): a bundle over @bytes, nothing copied; NULL where
 *   @bytes is not a bundle of this version
 */
ShuBundle *shu_bundle_decode (GBytes *bytes, const char *name, GError **error);

G_END_DECLS
