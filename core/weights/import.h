/* SPDX-License-Identifier: MIT */
/* Files of other formats as safetensors. */
#pragma once
#include <glib.h>

G_BEGIN_DECLS

/**
 * shu_weights_import:
 * @path: a PyTorch or ONNX file
 * @to: where the safetensors file goes; replaced in one step
 * @ret_n: (nullable): how many tensors it holds
 *
 * Types, shapes and the order of the tensors stay.
 */
gboolean shu_weights_import (
    const char *path, const char *to, int *ret_n, GError **error);

G_END_DECLS
