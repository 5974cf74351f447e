/* SPDX-License-Identifier: MIT */
/* A named set of tensors with a schema: what passes between the stages.
 * docs/architecture.md lists the fields of every schema. */
#pragma once
#include "tensor/tensor.h"

G_BEGIN_DECLS

/**
 * ShuBundle:
 * Reference counted.  Filled by one owner, immutable once shared.
 */
typedef struct _ShuBundle ShuBundle;

/* "subject", "views", "asset", "mesh" or "model" */
ShuBundle *shu_bundle_new (const char *schema);
ShuBundle *shu_bundle_ref (ShuBundle *b);
void shu_bundle_unref (ShuBundle *b);

const char *shu_bundle_schema (const ShuBundle *b);

/* Tensors, in the order in which they were set.  Takes a reference; replaces
 * what had the name. */
void shu_bundle_set (ShuBundle *b, const char *name, ShuTensor *t);
/* the same, taking over the caller's reference */
void shu_bundle_take (ShuBundle *b, const char *name, ShuTensor *t);
int shu_bundle_n (const ShuBundle *b);
const char *shu_bundle_name (const ShuBundle *b, int i);
ShuTensor *shu_bundle_nth (const ShuBundle *b, int i);
/* (transfer none) (nullable) */
ShuTensor *shu_bundle_get (const ShuBundle *b, const char *name);

/**
 * shu_bundle_need:
 * @dims: wanted sizes; -1 matches any size from 1
 *
 * Returns: (transfer none): the tensor, which can be read here, or NULL with
 *   %SHU_ERROR_MISSING or %SHU_ERROR_INVALID and a message that names the
 *   schema and the field
 */
ShuTensor *shu_bundle_need (const ShuBundle *b, const char *name,
    ShuDType dtype, int n_dims, const gint64 *dims, GError **error);

/* The same, wherever the tensor is. */
ShuTensor *shu_bundle_need_anywhere (const ShuBundle *b, const char *name,
    ShuDType dtype, int n_dims, const gint64 *dims, GError **error);

/* Metadata: strings under names, kept sorted. */
void shu_bundle_set_string (ShuBundle *b, const char *key, const char *value);
void shu_bundle_set_int (ShuBundle *b, const char *key, gint64 value);
void shu_bundle_set_double (ShuBundle *b, const char *key, double value);
const char *shu_bundle_string (const ShuBundle *b, const char *key);
gint64 shu_bundle_int (const ShuBundle *b, const char *key, gint64 fallback);
double shu_bundle_double (const ShuBundle *b, const char *key, double fallback);
/* (transfer none): string to string */
GHashTable *shu_bundle_metadata (const ShuBundle *b);

/* Copies metadata and the named tensors (those that are there) of @from. */
void shu_bundle_carry (
    ShuBundle *b, const ShuBundle *from, const char *const *names);

/**
 * shu_bundle_to_host:
 * @traffic: (nullable): counts the copies: u8 as pictures, the rest as arrays
 *
 * Returns: (transfer full): a bundle whose tensors can be read here: @b itself
 *   where that is so already; NULL with an error
 */
ShuBundle *shu_bundle_to_host (
    const ShuBundle *b, ShuTraffic *traffic, GError **error);

/* All tensors together, bytes. */
gsize shu_bundle_bytes (const ShuBundle *b);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ShuBundle, shu_bundle_unref)

G_END_DECLS
