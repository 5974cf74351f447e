/* SPDX-License-Identifier: MIT */
/* The JSON of a safetensors file: one object of small ones.  A general parser
 * takes 15 ms for the 1,400 tensors of the largest network, this one takes
 * one. */
#pragma once
#include "tensor/tensor.h"

G_BEGIN_DECLS

/* What the header says of a tensor, which nobody has believed yet. */
typedef struct {
  const char *dtype; /* NULL: missing, or no text */
  gboolean has_shape, has_offsets;
  gboolean is_shape_valid;   /* of whole numbers that are not negative */
  gboolean is_offsets_valid; /* two of these */
  guint n_dims;              /* may be more than there is room for */
  gint64 dims[SHU_MAX_DIMS];
  gint64 begin, end;
} ShuStHeaderEntry;

/**
 * ShuStHeader:
 * @entry: for each tensor, in the order of the text; returns what is wrong
 * @metadata: for each text in "__metadata__"
 *
 * Names and types live in a GStringChunk of the caller.
 */
typedef struct {
  const char *(*entry) (
      const char *name, const ShuStHeaderEntry *e, gpointer data);
  void (*metadata) (const char *key, const char *value, gpointer data);
  gpointer data;
  GStringChunk *strings;
} ShuStHeader;

/**
 * shu_st_header_read:
 * @text: that shu_json_check() has passed
 * @ret_name: the tensor, where the fault is in one
 *
 * Returns: (transfer none) (nullable): what is wrong; NULL: nothing
 */
const char *shu_st_header_read (
    const ShuStHeader *h, const char *text, gsize size, const char **ret_name);

G_END_DECLS
