/* SPDX-License-Identifier: MIT */
/* Weights made by a rule: networks of any size without a checkpoint, for tests
 * and benchmarks.  They make no person. */
#pragma once
#include "weights/weights.h"

G_BEGIN_DECLS

/**
 * shu_formula_values:
 * @key: what names the tensor, "SEED/w.NAME" or "SEED/in.NAME"
 *
 * @n values in [-1,1), exact in float: the FNV-1a hash of @key seeds
 * splitmix64.
 */
void shu_formula_values (const char *key, gsize n, float *ret_values);

/**
 * shu_formula_weight:
 * The weight @name of a set with @seed: values scaled by what the name says the
 * tensor is (biases small, gains around 1, matrices by their fan-in, queries
 * and keys larger).
 */
void shu_formula_weight (guint64 seed, const char *name, int n_dims,
    const gint64 *dims, gsize n, float *ret_values);

/**
 * shu_weights_new_synthetic:
 * @exists: (nullable): which optional tensors there are
 *
 * A set of shu_formula_weight() values, rounded to half precision, so that a
 * network holds the same numbers at any precision.
 *
 * Returns: (transfer full)
 */
ShuWeights *shu_weights_new_synthetic (
    guint64 seed, gboolean (*exists) (const char *name, gpointer data));

G_END_DECLS
