/* SPDX-License-Identifier: MIT */
/* What is being read of a glTF file, and values out of its JSON. */
#pragma once
#include "formats/glb_private.h"
#include <json-glib/json-glib.h>

G_BEGIN_DECLS

/* The parsed JSON and the binary chunk. */
typedef struct {
  GBytes *file;
  JsonObject *root;
  const guint8 *bin;
  gsize bin_size;
  gsize bin_offset; /* of the chunk's data in the file */
} GlbReader;

/* Always FALSE */
gboolean shu_glb_fail (GError **error, int code, const char *format, ...)
    G_GNUC_PRINTF (3, 4);

/* A whole number of 32 bits that may be absent. */
gboolean shu_glb_get_size (JsonObject *o, const char *name, gsize fallback,
    gsize *ret, GError **error);

/* @n finite numbers, which may be absent: then @ret stays as it is. */
gboolean shu_glb_get_doubles (
    JsonObject *o, const char *name, guint n, double *ret, GError **error);

/* (transfer none) (nullable); FALSE where there is no such value */
const char *shu_glb_get_string (JsonObject *o, const char *name);
gboolean shu_glb_get_true (JsonObject *o, const char *name);
/* @o: (nullable) */
JsonObject *shu_glb_get_object (JsonObject *o, const char *name);
/* Element @index of the array @name, where it is an object. */
JsonObject *shu_glb_get_element (JsonObject *o, const char *name, gsize index);

/* A part of the binary chunk, proven to lie within it; @ret_stride: 0 where
 * none is said */
gboolean shu_glb_open_view (const GlbReader *r, gsize index, gsize *ret_offset,
    gsize *ret_size, gsize *ret_stride, GError **error);

G_END_DECLS
