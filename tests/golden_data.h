/* SPDX-License-Identifier: MIT */
/* What golden files do not store: the keyed generators of the three sets, and
 * raw access to types that are no tensors of ours (F64). */
#pragma once
#include <glib.h>
#include "tensor/tensor.h"

G_BEGIN_DECLS

typedef enum {
  GOLDEN_MADE_INPUT,  /* scale * v */
  GOLDEN_MADE_WEIGHT, /* v by the rule for its name */
  GOLDEN_MADE_PRNG,   /* b + (2u - 1) a */
} GoldenMadeKind;

/**
 * GoldenMade:
 * How a tensor that need not be stored is made.
 */
typedef struct {
  GoldenMadeKind kind;
  int n_dims;
  gint64 dims[SHU_MAX_DIMS];
  gsize n;
  double a, b;     /* scale (INPUT); a and b (PRNG) */
  guint64 state;   /* PRNG: where the generator starts */
  guint64 seed;    /* INPUT, WEIGHT */
  gboolean halved; /* rounded to float16 */
} GoldenMade;

guint64 golden_fnv1a (gconstpointer data, gsize size);
/* value @i of the integer stream of @key, in [-2^23, 2^23) */
gint32 golden_stream (guint64 key, guint64 i);

/* @name with its "w." or "in."; @ret_values [made->n] */
void golden_make (const GoldenMade *made, const char *name, float *ret_values);

/**
 * golden_made_table:
 * Everything that the metadata says can be made: name -> #GoldenMade.
 *
 * Returns: (transfer full): NULL with an error where the metadata is no good
 */
GHashTable *golden_made_table (GHashTable *metadata, GError **error);

/* "weight_shapes"-like JSON {name: [dims]} -> @ret_dims; number of dims or 0 */
int golden_json_dims (const char *json, const char *name, gint64 *ret_dims);

/* Where the data of each tensor begins in the file: name -> gsize*. */
GHashTable *golden_offsets (GBytes *file);

G_END_DECLS
