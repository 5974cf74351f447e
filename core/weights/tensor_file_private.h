/* SPDX-License-Identifier: MIT */
/* What the readers of formats fill. */
#pragma once
#include "weights/tensor_file.h"

enum {
  SHU_TENSOR_FILE_MAX = 1 << 16, /* tensors */
  SHU_TENSOR_NAME_MAX = 1024,    /* bytes */
};

/**
 * ShuStored:
 * @dtype: as safetensors has it; a static string
 * @n_dims: 0..SHU_MAX_DIMS
 * @bytes: what holds the elements
 * @offset: of the first one, in bytes
 * @strides: in elements, where @strided: not one behind the other
 */
typedef struct {
  const char *dtype;
  int n_dims;
  gint64 dims[SHU_MAX_DIMS];
  GBytes *bytes;
  gsize offset;
  gboolean strided;
  gint64 strides[SHU_MAX_DIMS];
} ShuStored;

/* @room: most bytes that all tensors together may have: names for one and the
 * same bytes cost nothing here, but whoever copies them pays */
ShuTensorFile *shu_tensor_file_new (
    const char *label, const char *format, gsize room);

/* Checks name, shape, strides and room; takes a reference on @stored->bytes.
 */
gboolean shu_tensor_file_add (ShuTensorFile *file, const char *name,
    const ShuStored *stored, GError **error);
