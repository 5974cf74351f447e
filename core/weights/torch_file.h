/* SPDX-License-Identifier: MIT */
/* Files of torch.save(): tensors, dictionaries of tensors, and dictionaries
 * with such inside.  Nothing in the file is executed; what needs other classes
 * than those of tensors is refused by their name. */
#pragma once
#include "weights/tensor_file.h"

G_BEGIN_DECLS

/**
 * shu_torch_parse_zip:
 * What torch.save() writes since PyTorch 1.6.  Tensors are named by their keys,
 * with dots between those of nested dictionaries; a file that is a single
 * tensor names it after itself.
 */
ShuTensorFile *shu_torch_parse_zip (
    GBytes *bytes, const char *name, GError **error);

/* What it wrote before: several pickles, then the data one after the other. */
ShuTensorFile *shu_torch_parse_legacy (
    GBytes *bytes, const char *name, GError **error);

G_END_DECLS
