/* SPDX-License-Identifier: MIT */
/* Named weights with shape checks, whatever they come from: safetensors files,
 * formulas, or tensors in memory.
 *
 * Lookups never fail at the call: the first mismatch or missing name sticks to
 * the whole set, with its full name, and shu_weights_finish() reports it. */
#pragma once
#include "ops/ops.h"

G_BEGIN_DECLS

typedef struct _ShuWeights ShuWeights;

/**
 * shu_weights_open:
 * @path: a file of tensors (safetensors, PyTorch's or ONNX), an index of shards
 *   (....safetensors.index.json), or a folder with safetensors or an index
 *
 * F16, BF16 and F32 are read; each tensor is converted once, when it is first
 * asked for, or never (shu_weights_defer()).  The file stays mapped.
 *
 * Returns: (transfer full): the set, or NULL with an error that names the file
 */
ShuWeights *shu_weights_open (const char *path, GError **error);

/* As shu_weights_open(), of several files that together are one set. */
ShuWeights *shu_weights_open_files (
    int n, const char *const *paths, GError **error);

/**
 * ShuFormula:
 * Fills @n values of the weight @name, of shape @dims.
 */
typedef void (*ShuFormula) (const char *name, int n_dims, const gint64 *dims,
    gsize n, float *ret_values, gpointer data);

/**
 * shu_weights_new_formula:
 * Weights that a function makes: any name and shape exists, except names for
 * which @exists (nullable) says no.
 *
 * Returns: (transfer full)
 */
ShuWeights *shu_weights_new_formula (ShuFormula formula,
    gboolean (*exists) (const char *name, gpointer data), gpointer data,
    GDestroyNotify data_free);

/**
 * ShuMake:
 * Returns: (transfer full): the weight @name, f32, which may be without data
 *   as yet (tensor/source.h)
 */
typedef ShuTensor *(*ShuMake) (
    const char *name, int n_dims, const gint64 *dims, gpointer data);

/* As shu_weights_new_formula(). */
ShuWeights *shu_weights_new_made (ShuMake make,
    gboolean (*exists) (const char *name, gpointer data), gpointer data,
    GDestroyNotify data_free);

/**
 * shu_weights_defer:
 * Tensors handed out from here on need not have data: for networks that run on
 * a device, which makes its own forms straight from the file or the formula.
 * Whoever wants values in host memory calls shu_tensor_host() first.
 */
void shu_weights_defer (ShuWeights *w);

/* An empty set to put tensors into. */
ShuWeights *shu_weights_new (void);
void shu_weights_set (ShuWeights *w, const char *name, ShuTensor *t);

/**
 * shu_weights_probe:
 * From now on nothing of @w is loaded: lookups compare name, type and shape
 * with what the files say and note every difference; they return nil tensors,
 * and shu_weights_finish() always fails.  So a network that is made of @w tells
 * all that it would ask for.
 */
void shu_weights_probe (ShuWeights *w);
/* (transfer none): what was found, one sentence each; empty: all fits */
GPtrArray *shu_weights_problems (ShuWeights *w);
/* Names of what nobody asked for, sorted; (transfer full) */
char **shu_weights_unused (ShuWeights *w);
/* Of all tensors together: how many, and bytes as stored. */
void shu_weights_count (ShuWeights *w, int *ret_n, guint64 *ret_bytes);
/* Formats and types that occur: "safetensors, F16, F32"; (transfer full) */
char *shu_weights_describe (ShuWeights *w);

ShuWeights *shu_weights_ref (ShuWeights *w);
void shu_weights_unref (ShuWeights *w);

/**
 * shu_weights_at:
 * The part of @w whose names begin with the given prefix and a dot.  Lives as
 * long as @w; nothing to free.
 */
ShuWeights *shu_weights_at (ShuWeights *w, const char *format, ...)
    G_GNUC_PRINTF (2, 3);

/**
 * shu_weights_get:
 * The weight @name as f32; integers are a failure.  @dims must match, a dim of
 * -1 matches anything.
 *
 * Returns: (transfer none): the tensor, owned by the set; a nil tensor after a
 *   failure
 */
ShuTensor *shu_weights_get (
    ShuWeights *w, const char *name, int n_dims, const gint64 *dims);

/**
 * shu_weights_settle:
 * @t: made of tensors of this set
 *
 * Sees to it that @t has values, unless those of the set wait until somebody
 * wants them; a failure of the set where there is no memory.
 */
void shu_weights_settle (ShuWeights *w, ShuTensor *t);

/**
 * shu_weights_values:
 * @t: of this set
 *
 * Returns: (transfer none): its values in host memory; NULL, and a failure of
 *   the set, where there is no memory
 */
const float *shu_weights_values (ShuWeights *w, ShuTensor *t);

/* Whether there is such a weight; no failure. */
gboolean shu_weights_has (ShuWeights *w, const char *name);
/* Its dimensions without loading it; FALSE where it is not there or the set
 * is a formula. */
gboolean shu_weights_dims (
    ShuWeights *w, const char *name, int *ret_n_dims, gint64 *ret_dims);
/* Names of all stored weights (not of a formula), sorted; (transfer full) */
char **shu_weights_names (ShuWeights *w);

/* Layers "NAME.weight" and "NAME.bias"; the bias is optional where the file
 * has none only if @bias is FALSE. */
ShuLinear shu_weights_linear (
    ShuWeights *w, const char *name, gint64 Co, gint64 Ci, gboolean bias);
/* 2D, [Co,Ci,k,k], with bias */
ShuConv shu_weights_conv (
    ShuWeights *w, const char *name, gint64 Co, gint64 Ci, int k);
/* 3D, [Co,Ci,k,k,k], with bias */
ShuConv shu_weights_conv3 (
    ShuWeights *w, const char *name, gint64 Co, gint64 Ci, int k);
/* sparse, "NAME.conv.weight" [Co,k,k,k,Ci], with bias */
ShuConv shu_weights_sparse_conv (
    ShuWeights *w, const char *name, gint64 Co, gint64 Ci, int k);
ShuNorm shu_weights_norm (ShuWeights *w, const char *name, gint64 C);

/* ---- on devices ---- */

/* A weight that is used as a linear layer's is, or a norm's */
#define shu_weights_get_linear(w, ...)                                         \
  shu_weights_use (w, shu_weights_get (w, __VA_ARGS__), SHU_USE_LINEAR)
#define shu_weights_get_norm(w, ...)                                           \
  shu_weights_use (w, shu_weights_get (w, __VA_ARGS__), SHU_USE_NORM)

/* Lets the layer compute in FP8 where the device can. */
void shu_weights_use_fp8 (ShuWeights *w, ShuLinear *l);

/**
 * shu_weights_use:
 * @t: of this set, or made by a network of what is in it
 *
 * Says what a device will use @t for; the layers above have done so.
 *
 * Returns: @t
 */
ShuTensor *shu_weights_use (ShuWeights *w, ShuTensor *t, ShuUse use);

/* All @n of @t, which have as many columns, as one product */
void shu_weights_use_joined (ShuWeights *w, int n, ShuTensor *const *t);

/* What all of them take on a device. */
gsize shu_weights_device_bytes (ShuWeights *w);

/**
 * shu_weights_upload:
 * @w: @n of them
 *
 * Brings them to the device of @c, one after the other without a pause; there
 * they stay as long as the tensors.
 */
void shu_weights_upload (
    int n, ShuWeights *const *w, ShuCtx *c, ShuUploadFunc func, gpointer data);

/**
 * shu_weights_finish:
 * Returns: FALSE with the first failure of a lookup in any part of the set
 */
gboolean shu_weights_finish (ShuWeights *w, GError **error);

/* A failure of the caller's own, e.g. a configuration that cannot be. */
void shu_weights_fail (ShuWeights *w, int code, const char *format, ...)
    G_GNUC_PRINTF (3, 4);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ShuWeights, shu_weights_unref)

G_END_DECLS
