/* SPDX-License-Identifier: MIT */
/* The named tensors of one file, whatever its format: safetensors, PyTorch
 * (.pth, .pt), ONNX.  Opening reads and checks what describes the tensors;
 * their data stay in the mapped file. */
#pragma once
#include "tensor/tensor.h"

G_BEGIN_DECLS

typedef struct _ShuTensorFile ShuTensorFile;

/**
 * shu_tensor_file_open:
 * The format is told by the contents.
 *
 * Returns: (transfer full): NULL with an error that names the file
 */
ShuTensorFile *shu_tensor_file_open (const char *path, GError **error);
/* @name: of the file, for messages and for tensors that have none */
ShuTensorFile *shu_tensor_file_parse (
    GBytes *bytes, const char *name, GError **error);
void shu_tensor_file_free (ShuTensorFile *file);

/* What it was opened as */
const char *shu_tensor_file_label (const ShuTensorFile *file);
/* "safetensors", "PyTorch", "PyTorch (before 1.6)" or "ONNX" */
const char *shu_tensor_file_format (const ShuTensorFile *file);
int shu_tensor_file_n (const ShuTensorFile *file);
const char *shu_tensor_file_name (const ShuTensorFile *file, int i);
int shu_tensor_file_find (
    const ShuTensorFile *file, const char *name); /* or -1 */
/* @ret_dtype: as safetensors has it: "F32", "I64" …  A scalar has the shape
 * [1].  All but @file may be NULL. */
void shu_tensor_file_shape (const ShuTensorFile *file, int i,
    const char **ret_dtype, int *ret_n_dims, gint64 *ret_dims);

/**
 * shu_tensor_file_tensor:
 * F32, F16, BF16, I32, U8 (and BOOL as U8) as stored; over the mapped bytes
 * where they lie as a tensor's must.
 *
 * Returns: (transfer full): NULL with %SHU_ERROR_UNSUPPORTED
 */
ShuTensor *shu_tensor_file_tensor (
    const ShuTensorFile *file, int i, GError **error);

/**
 * shu_tensor_file_bytes:
 * The elements in order, of any type.
 *
 * Returns: (transfer full): NULL with %SHU_ERROR_UNSUPPORTED
 */
GBytes *shu_tensor_file_bytes (
    const ShuTensorFile *file, int i, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ShuTensorFile, shu_tensor_file_free)

G_END_DECLS
