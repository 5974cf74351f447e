/* SPDX-License-Identifier: MIT */
#pragma once
#include "base/bytes.h"
#include "weights/tensor_file_private.h"

/* ---- onnx_tensor.c ---- */

enum {
  SHU_ONNX_VARINT = 0,
  SHU_ONNX_FIXED64 = 1,
  SHU_ONNX_BYTES = 2,
  SHU_ONNX_FIXED32 = 5,
};

/**
 * ShuOnnxField:
 * A field of a message.
 * @wire: one of the types above
 * @value: of a varint
 * @data: of all others, @size bytes
 */
typedef struct {
  guint field;
  int wire;
  guint64 value;
  const guint8 *data;
  gsize size;
} ShuOnnxField;

guint64 shu_onnx_varint (ShuCursor *c);
/* FALSE at the end, and where @c failed. */
gboolean shu_onnx_next_field (ShuCursor *c, ShuOnnxField *f);
/* The message, or packed numbers, in @f; nothing where it is a number */
ShuCursor shu_onnx_inside (const ShuOnnxField *f);
/* (transfer full) */
char *shu_onnx_text (const ShuOnnxField *f);

/**
 * shu_onnx_tensor:
 * @bytes: the file
 * @c: a tensor's message in it
 * @ret_name: (out) (nullable) (transfer full)
 * @ret_stored: with a reference on its bytes
 * @ret_code: a ShuError; %SHU_ERROR_TRUNCATED: the message is damaged
 *
 * Returns: what is wrong with the tensor; NULL: nothing
 */
const char *shu_onnx_tensor (GBytes *bytes, ShuCursor c, char **ret_name,
    ShuStored *ret_stored, int *ret_code);

/* ---- onnx_u2net.c ---- */

/**
 * ShuOnnxConv:
 * A convolution, in the order of the graph.
 * @weight, @bias: names of its tensors; "" where it has none
 */
typedef struct {
  char *weight, *bias;
  int kernel, dilation;
} ShuOnnxConv;

/* Whether @n convolutions are those of U²-Net, in its order. */
gboolean shu_u2net_matches (const ShuOnnxConv *convs, guint n);
/* Its name for the @i-th of them, e.g. "stage1.rebnconvin.conv_s1" */
char *shu_u2net_conv_name (guint i);
