/* SPDX-License-Identifier: MIT */
/* Writers of the formats that the library only reads, for its tests: pickles
 * and archives as torch.save() has them, and ONNX models. */
#pragma once
#include <glib.h>

/* ---- pickles: bytes behind @p ---- */

void pickle_begin (GByteArray *p);
void pickle_text (GByteArray *p, const char *text);
void pickle_int (GByteArray *p, gint64 value);
void pickle_global (GByteArray *p, const char *module, const char *name);
/* @ops: instructions without arguments, e.g. "(t" */
void pickle_ops (GByteArray *p, const char *ops);
/* A tuple of integers */
void pickle_ints (GByteArray *p, int n, const gint64 *values);

/**
 * TorchTensor:
 * @key: in the dictionary
 * @type: of the storage, "Float"
 * @storage: its key
 * @n: elements of the storage
 * @strides: NULL: one element behind the other
 * @data: of the storage, @size bytes; NULL: those of an earlier one
 */
typedef struct {
  const char *key, *type, *storage;
  gint64 n, offset;
  int n_dims;
  gint64 dims[6];
  const gint64 *strides;
  gconstpointer data;
  gsize size;
} TorchTensor;

/* A call of _rebuild_tensor_v2 */
void pickle_tensor (GByteArray *p, const TorchTensor *t, gboolean legacy);
/* An OrderedDict of @n tensors, with its end */
GByteArray *pickle_tensors (int n, const TorchTensor *tensors, gboolean legacy);

/* ---- files ---- */

typedef struct {
  const char *name;
  gconstpointer data;
  gsize size;
} ZipMember;

/* Members as they are, each at a multiple of @align bytes. */
GBytes *zip_stored (int n, const ZipMember *members, gsize align);

/* What torch.save() writes for a dictionary of tensors; @pickle: (nullable):
 * in place of theirs */
GBytes *torch_zip (int n, const TorchTensor *tensors, const GByteArray *pickle);
GBytes *torch_legacy (int n, const TorchTensor *tensors);
/* The same with a hole for the data, so that it takes no room however long it
 * is.  FALSE: the file system has no holes that large */
gboolean torch_zip_hollow (const char *path, int n, const TorchTensor *tensors);
gboolean torch_legacy_hollow (
    const char *path, int n, const TorchTensor *tensors);

/* ---- ONNX ---- */

void onnx_number (GByteArray *m, int field, guint64 value);
void onnx_bytes (GByteArray *m, int field, gconstpointer data, gsize size);
void onnx_text (GByteArray *m, int field, const char *text);
/* Puts @part as a message and frees it. */
void onnx_message (GByteArray *m, int field, GByteArray *part);

/* An initialiser of f32 values in one block */
GByteArray *onnx_tensor (
    const char *name, int n_dims, const gint64 *dims, const float *values);
GByteArray *onnx_conv (
    const char *weight, const char *bias, int kernel, int dilation);
/* The model around @graph, which it frees. */
GBytes *onnx_model (GByteArray *graph);

/* U²-Net with one channel in the middle and two elsewhere, as an exporter
 * leaves it: names are numbers, batch norms folded.  Element k of the weights
 * of convolution i is i + k / 1000, of its bias -i. */
GBytes *onnx_u2net (void);
