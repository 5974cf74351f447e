/* SPDX-License-Identifier: MIT */
/* The safetensors format: reader and writer. */
#pragma once
#include "tensor/tensor.h"

G_BEGIN_DECLS

enum {
  SHU_SAFETENSORS_MAX_HEADER =
      100 * 1000 * 1000, /* bytes, as the format says */
  SHU_SAFETENSORS_MAX_TENSORS = 1 << 20,
};

typedef struct _ShuSafetensors ShuSafetensors;

/* Of a type as the format calls it ("F32"): bytes of an element, 0 where it is
 * unknown or has less than one; and which ShuDType tensors of it have, -1:
 * none. */
gsize shu_safetensors_type_size (const char *dtype);
int shu_safetensors_type (const char *dtype);

/**
 * shu_safetensors_parse:
 * @name: what to call the data in messages
 *
 * Checks everything: header size, JSON, types, shapes, offsets (inside,
 * without overlap), sizes.  Nothing is copied.
 *
 * Returns: (transfer full): NULL with %SHU_ERROR_TRUNCATED,
 *   %SHU_ERROR_INVALID or %SHU_ERROR_LIMIT
 */
ShuSafetensors *shu_safetensors_parse (
    GBytes *bytes, const char *name, GError **error);
void shu_safetensors_free (ShuSafetensors *st);

int shu_safetensors_n (const ShuSafetensors *st);
/* in file order */
const char *shu_safetensors_name (const ShuSafetensors *st, int i);
int shu_safetensors_find (
    const ShuSafetensors *st, const char *name); /* or -1 */
/* (transfer full): a tensor over the mapped bytes; F32, F16, BF16, I32, U8 as
 * stored (BOOL as U8; all others are %SHU_ERROR_UNSUPPORTED) */
ShuTensor *shu_safetensors_tensor (
    const ShuSafetensors *st, int i, GError **error);
/* without touching the data */
void shu_safetensors_shape (const ShuSafetensors *st, int i,
    const char **ret_dtype, int *ret_n_dims, gint64 *ret_dims);
/* the string @key of __metadata__, or NULL */
const char *shu_safetensors_metadata (
    const ShuSafetensors *st, const char *key);

/* (transfer none): string to string */
GHashTable *shu_safetensors_all_metadata (const ShuSafetensors *st);

/* A tensor to be written: @dtype as the format has it, @size bytes. */
typedef struct {
  const char *name, *dtype;
  int n_dims;
  const gint64 *dims;
  gsize size;
} ShuSafetensorsEntry;

/**
 * shu_safetensors_header:
 * What a file of these begins with; their bytes follow in the same order.
 *
 * Returns: (transfer full)
 */
GBytes *shu_safetensors_header (
    int n, const ShuSafetensorsEntry *entries, GHashTable *metadata);

/**
 * shu_safetensors_write:
 * @names: @n names, @tensors as many CPU tensors
 * @metadata: (nullable): string to string
 *
 * Same input, same bytes: tensors in the order given, metadata sorted.
 */
GBytes *shu_safetensors_write (int n, const char *const *names,
    ShuTensor *const *tensors, GHashTable *metadata);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ShuSafetensors, shu_safetensors_free)

G_END_DECLS
