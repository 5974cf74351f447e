/* SPDX-License-Identifier: MIT */
/* Base of the sinks that write each buffer whole under one name. */
#pragma once
#include <gst/base/gstbasesink.h>
#include "bundle.h"
#include "props.h"

G_BEGIN_DECLS

#define SHU_TYPE_SINK (shu_sink_get_type ())
#define SHU_SINK_CLASS(klass)                                                  \
  (G_TYPE_CHECK_CLASS_CAST ((klass), SHU_TYPE_SINK, ShuSinkClass))
#define SHU_SINK_GET_CLASS(obj)                                                \
  (G_TYPE_INSTANCE_GET_CLASS ((obj), SHU_TYPE_SINK, ShuSinkClass))

/**
 * ShuSink:
 * @location: the subclass's property "location", which must be set to start
 */
typedef struct {
  GstBaseSink parent;
  char *location;
} ShuSink;

/**
 * ShuSinkClass:
 * @check: (nullable): whether @location can be written, before there is
 *   anything: work that ends in nothing takes minutes
 * @write: replaces what @location names by what @buffer holds, or leaves it
 */
typedef struct {
  GstBaseSinkClass parent_class;
  gboolean (*check) (const char *location, GError **error);
  gboolean (*write) (const char *location, GstBuffer *buffer, GError **error);
} ShuSinkClass;

GType shu_sink_get_type (void);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ShuSink, gst_object_unref)

G_END_DECLS
