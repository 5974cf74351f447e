/* SPDX-License-Identifier: MIT */
/* Between the pickle of a file of torch.save() and what is around it. */
#pragma once
#include "weights/pickle_private.h"
#include "weights/tensor_file_private.h"

/* @bytes: NULL until the container has found them */
typedef struct {
  char *key;
  const char *dtype;
  gsize elem, n; /* bytes of an element; elements */
  GBytes *bytes;
} ShuTorchStorage;

typedef struct {
  const char *label;
  GArray *storages;   /* ShuTorchStorage */
  GHashTable *by_key; /* key -> position + 1 */
  GArray *views;
  GArray *tensors;
  ShuTensorFile *file;
  int visits;
} ShuTorch;

/* What reads the pickle; its data is a ShuTorch. */
extern const ShuPickleHooks shu_torch_hooks;

void shu_torch_init (ShuTorch *t, const char *label);
void shu_torch_clear (ShuTorch *t);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (ShuTorch, shu_torch_clear)

/**
 * shu_torch_finish:
 * @root: what the pickle came to; each storage has its bytes, as many as it
 *   says
 * @file_size: limits how often the same data may be named
 *
 * Returns: (transfer full): the tensors in @root under their names; a lone one
 *   is called as the file is
 */
ShuTensorFile *shu_torch_finish (ShuTorch *t, const ShuPickleValue *root,
    const char *format, gsize file_size, GError **error);
