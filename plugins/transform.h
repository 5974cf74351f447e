/* SPDX-License-Identifier: MIT */
/* Base of the elements that make one buffer out of one: cancellation, progress,
 * errors and the choice of the model.  What is left for an element is its
 * properties and one call into the library. */
#pragma once
#include <gst/base/gstbasetransform.h>
#include "bundle.h"
#include "cudashare.h"
#include "model.h"
#include "props.h"
#include "report.h"
#include "stop.h"

G_BEGIN_DECLS

#define SHU_TYPE_TRANSFORM (shu_transform_get_type ())
#define SHU_TRANSFORM(obj)                                                     \
  (G_TYPE_CHECK_INSTANCE_CAST ((obj), SHU_TYPE_TRANSFORM, ShuTransform))
#define SHU_TRANSFORM_CLASS(klass)                                             \
  (G_TYPE_CHECK_CLASS_CAST ((klass), SHU_TYPE_TRANSFORM, ShuTransformClass))
#define SHU_TRANSFORM_GET_CLASS(obj)                                           \
  (G_TYPE_INSTANCE_GET_CLASS ((obj), SHU_TYPE_TRANSFORM, ShuTransformClass))

typedef struct {
  GstBaseTransform parent;
  /*< private >*/
  ShuModelUser user;
  ShuStop stop;
  ShuReport report;
  ShuTraffic *traffic; /* all that the element has copied */
  GstObject *cuda;     /* under the object lock: see cudashare.h */
  gboolean started;
} ShuTransform;

/**
 * ShuTransformClass:
 * @process: fills the empty @out
 * @run: for bundles in and out: called by the default @process
 *
 * Either may fail; what they return is reported on the bus here.
 */
typedef struct {
  GstBaseTransformClass parent_class;

  gboolean (*process) (ShuTransform *self, GstBuffer *in, GstBuffer *out,
      const ShuProgress *progress, GError **error);
  ShuBundle *(*run) (ShuTransform *self, const ShuBundle *in,
      const ShuProgress *progress, GError **error);
  /*< private >*/
  gboolean uses_model;
} ShuTransformClass;

GType shu_transform_get_type (void);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ShuTransform, gst_object_unref)

/* Adds the properties "model", "device" and "memory". */
void shu_transform_class_use_model (ShuTransformClass *klass);

/* (transfer full): the model of an element that uses one. */
ShuModel *shu_transform_model (ShuTransform *self, GError **error);

/**
 * shu_transform_caps_of:
 * Returns: (transfer full): the template's caps of @pad, with memory of the
 *   device that the element works on, where that is a device
 */
GstCaps *shu_transform_caps_of (ShuTransform *self, GstPad *pad);

/* Where the element works: (transfer full): "cpu" where that is not known */
char *shu_transform_device (ShuTransform *self);

/* Whether the next element takes memory of the device: (transfer full)
 * (nullable): which */
char *shu_transform_out_device (ShuTransform *self);

/* Fills @out with @b, in host memory where the next element wants that. */
gboolean shu_transform_fill_bundle (
    ShuTransform *self, GstBuffer *out, const ShuBundle *b, GError **error);

/* Between start and stop, when properties are settled and a model may be
 * looked for. */
gboolean shu_transform_started (ShuTransform *self);

G_END_DECLS
