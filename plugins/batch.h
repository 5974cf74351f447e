/* SPDX-License-Identifier: MIT */
/* Base of the elements that work on several subjects in one go.  They collect
 * up to "batch-size" bundles, wait no longer than "batch-latency" for them to
 * be that many, and push what comes of them in the same order. */
#pragma once
#include "transform.h"

G_BEGIN_DECLS

#define SHU_TYPE_BATCH (shu_batch_get_type ())
#define SHU_BATCH(obj)                                                         \
  (G_TYPE_CHECK_INSTANCE_CAST ((obj), SHU_TYPE_BATCH, ShuBatch))
#define SHU_BATCH_GET_CLASS(obj)                                               \
  (G_TYPE_INSTANCE_GET_CLASS ((obj), SHU_TYPE_BATCH, ShuBatchClass))

typedef struct {
  ShuTransform parent;
  /*< private >*/
  int size;    /* under the object lock */
  int latency; /* milliseconds; under the object lock */
  /* under the sink pad's stream lock */
  GQueue collected;    /* of GstBuffer */
  GQueue done;         /* of GstBuffer: what comes of them */
  GstFlowReturn after; /* when those have gone on */
  int n_done;          /* since the stream began */
  GError *failed;      /* the last of those that failed alone */
  /* who keeps the time; under the lock */
  GThread *keeper;
  GMutex lock;
  GCond cond;
  gint64 deadline; /* monotonic; 0: nothing waits */
  gboolean quit;
} ShuBatch;

/**
 * ShuBatchClass:
 * @run_batch: as shu_stage_stage1_batch(); one subject is a batch, too
 */
typedef struct {
  ShuTransformClass parent_class;

  gboolean (*run_batch) (ShuBatch *self, int n, const ShuBundle *const *in,
      const ShuProgress *progress, ShuOutcome *ret, GError **error);
} ShuBatchClass;

GType shu_batch_get_type (void);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ShuBatch, gst_object_unref)

/* Works on what was collected, and pushes what comes of it; with the stream
 * lock. */
GstFlowReturn shu_batch_drain (ShuBatch *self);

G_END_DECLS
