/* SPDX-License-Identifier: MIT */
/* Bundles on the wire: caps, and a buffer of one memory per tensor with a meta
 * that says what they are. */
#pragma once
#include <gst/gst.h>
#include "devicememory.h"
#include "shu.h"

G_BEGIN_DECLS

#define SHU_BUNDLE_MEDIA_TYPE "application/x-synchuman"
#define SHU_BUNDLE_CAPS(schema)                                                \
  SHU_BUNDLE_MEDIA_TYPE ", schema=(string)" schema ", version=(int)1"
/* the same in memory of a device, or in that of the host */
#define SHU_BUNDLE_CAPS_ANYWHERE(schema)                                       \
  SHU_BUNDLE_MEDIA_TYPE                                                        \
  "(" SHU_CAPS_FEATURE_DEVICE "), schema=(string)" schema                      \
  ", version=(int)1; " SHU_BUNDLE_CAPS (schema)
#define SHU_BUNDLE_SCHEMAS "{ subject, views, asset, mesh, model }"
#define SHU_BUNDLE_CAPS_ANY SHU_BUNDLE_CAPS (SHU_BUNDLE_SCHEMAS)

/**
 * ShuBundleField:
 * @offset: first byte within the buffer
 * @size: bytes
 */
typedef struct {
  char *name;
  ShuDType dtype;
  int n_dims;
  gint64 dims[SHU_MAX_DIMS];
  gsize offset;
  gsize size;
} ShuBundleField;

/**
 * ShuBundleMeta:
 * @schema: "subject", "views", "asset", "mesh" or "model"
 * @metadata: string to string
 */
typedef struct {
  GstMeta meta;
  char *schema;
  guint n_fields;
  ShuBundleField *fields;
  GHashTable *metadata;
} ShuBundleMeta;

GType shu_bundle_meta_api_get_type (void);
const GstMetaInfo *shu_bundle_meta_get_info (void);

/**
 * shu_buffer_fill_bundle:
 * @traffic: (nullable): counts what is copied where tensors of a device are
 *   mapped, or gathered
 *
 * Fills the empty @buffer.  The tensors' memory is wrapped, not copied (beyond
 * GStreamer's limit of memories per buffer the rest is gathered in one).
 */
gboolean shu_buffer_fill_bundle (
    GstBuffer *buffer, const ShuBundle *b, ShuTraffic *traffic, GError **error);

/**
 * shu_buffer_get_bundle:
 * The bundle keeps the memory mapped, not the buffer.  Tensors of a device
 * stay there.
 *
 * Returns: (transfer full): NULL with %SHU_ERROR_INVALID where @buffer holds
 *   no bundle
 */
ShuBundle *shu_buffer_get_bundle (GstBuffer *buffer, GError **error);

/* Fixed caps of this bundle; a subject's tell its sizes. */
GstCaps *shu_bundle_to_caps (const ShuBundle *b);

/* The bytes of @buffer, kept mapped: (transfer full) */
GBytes *shu_buffer_to_bytes (GstBuffer *buffer, GError **error);

/* A buffer over @bytes, nothing copied. */
void shu_buffer_fill_bytes (GstBuffer *buffer, GBytes *bytes);

G_END_DECLS
