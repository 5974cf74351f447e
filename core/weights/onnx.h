/* SPDX-License-Identifier: MIT */
/* The weights of ONNX models: their graphs' initialisers. */
#pragma once
#include "weights/tensor_file.h"

G_BEGIN_DECLS

/**
 * shu_onnx_parse:
 * Tensors are named as the file names them.  Exporters fold batch norms into
 * the convolutions before them and lose the names of both; in a graph that has
 * the convolutions of U²-Net, they are called as the network calls them.
 *
 * Data in files beside the model are %SHU_ERROR_UNSUPPORTED.
 */
ShuTensorFile *shu_onnx_parse (GBytes *bytes, const char *name, GError **error);

G_END_DECLS
