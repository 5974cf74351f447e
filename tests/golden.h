/* SPDX-License-Identifier: MIT */
/* Golden files: inputs, weights and outputs of the reference's modules, and
 * the table that says what runs each of them.
 *
 * A runner builds its module from the case (weights, config), feeds it the
 * inputs and says what came out.  The case knows which stored tensors there
 * are and what error they allow: a runner holds no sizes, seeds or limits.
 * Reference layouts are channels first; ours are channels last. */
#pragma once
#include "ops/ops.h"
#include "weights/config.h"
#include "weights/safetensors.h"
#include "weights/weights.h"

G_BEGIN_DECLS

typedef struct _GoldenCase GoldenCase;

typedef void (*GoldenRun) (GoldenCase *t);

/* Sees each tapped tensor first; TRUE: dealt with, no comparison by name. */
typedef gboolean (*GoldenTap) (
    GoldenCase *t, const char *name, ShuTensor *value);

/* Limits in f32; on a GPU they are those for half precision. */
typedef enum {
  GOLDEN_MODULE, /* one module: err_max <= 1e-4 */
  GOLDEN_WHOLE,  /* a whole network: err_max <= 4e-4 */
  GOLDEN_HOST,   /* as GOLDEN_MODULE, and on the CPU whatever the device */
} GoldenKind;

/**
 * GoldenRunner:
 * @module: the "module" of the file's metadata
 *
 * Tables end with a NULL @module.
 */
typedef struct {
  const char *module;
  GoldenRun run;
  GoldenKind kind;
} GoldenRunner;

extern const GoldenRunner golden_stage1_runners[];
extern const GoldenRunner golden_encoder_runners[];
extern const GoldenRunner golden_image_runners[];
extern const GoldenRunner golden_stage2_runners[];

/**
 * GoldenCase:
 * @path: the file
 * @dir: its folder, where pictures that belong to it lie
 * @seed: of the metadata; 0 where there is none
 * @config: "config" of the metadata
 * @weights: the w.* tensors without "w.", stored or generated
 * @ctx: a scope is open while the runner runs
 * @tap: (nullable): set by a runner that listens itself
 * @tap_prefix: (nullable): set by a runner: what taps of a single block have in
 *   front of the names in the file
 */
struct _GoldenCase {
  const char *path;
  const char *dir;
  const char *module;
  guint64 seed;
  ShuSafetensors *st;
  ShuConfig *config;
  ShuWeights *weights;
  ShuCtx *ctx;
  GoldenTap tap;
  const char *tap_prefix;
  struct _GoldenPrivate *priv;
};

const char *golden_metadata (GoldenCase *t, const char *key); /* or NULL */
/* Stored, or made by a formula. */
gboolean golden_has (GoldenCase *t, const char *name);
/* Dimensions of a stored or generated tensor; their number, 0 if absent */
int golden_dims (GoldenCase *t, const char *name, gint64 *ret_dims);

/**
 * golden_input:
 * @name: full name, e.g. "in.hidden"
 *
 * The tensor as the file has it (F32, I32, U8), stored or generated.
 *
 * Returns: scoped; a nil tensor, and the case fails, where there is none
 */
ShuTensor *golden_input (GoldenCase *t, const char *name);
/* The same, [B,C,spatial...] turned into [B,spatial...,C]. */
ShuTensor *golden_input_last (GoldenCase *t, const char *name);

/**
 * golden_values:
 * A stored (any type) or generated tensor as doubles.
 *
 * Returns: (transfer full): NULL, and the case fails, where there is none
 */
double *golden_values (GoldenCase *t, const char *name, gsize *ret_n);

/**
 * golden_expect:
 * Compares with the stored tensor @name, element by element in the order of
 * both, and with NAME.stat and NAME.probe where these are stored.  The limit
 * is the set's for the runner's kind and the device.
 */
void golden_expect (GoldenCase *t, const char *name, ShuTensor *value);
/* @value [B,spatial...,C] against a stored [B,C,spatial...] */
void golden_expect_last (GoldenCase *t, const char *name, ShuTensor *value);
/* Host arrays. */
void golden_expect_floats (
    GoldenCase *t, const char *name, const float *value, gsize n);
void golden_expect_exact (
    GoldenCase *t, const char *name, const gint32 *value, gsize n);
void golden_expect_bytes (
    GoldenCase *t, const char *name, const guint8 *value, gsize n);
/* max |a - b| <= @limit */
void golden_expect_within (GoldenCase *t, const char *name, const double *value,
    gsize n, double limit);
/* A comparison that the runner made itself: @error against @limit for the
 * stored tensor @name (or anything else that names what was compared). */
void golden_expect_error (
    GoldenCase *t, const char *name, double error, double limit);

/* Whether activations are f16. */
gboolean golden_is_half (GoldenCase *t);
/* Whether to compute in FP8 what can be; limits are those of it then. */
gboolean golden_use_fp8 (GoldenCase *t);

/* The case fails, with a reason. */
void golden_fail (GoldenCase *t, const char *format, ...) G_GNUC_PRINTF (2, 3);
void golden_take_error (GoldenCase *t, GError *error);

G_END_DECLS
