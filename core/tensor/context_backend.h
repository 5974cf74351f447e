/* SPDX-License-Identifier: MIT */
/* The side of a context that operations and backends see. */
#pragma once
#include "tensor/context.h"
#include "tensor/storage.h"

G_BEGIN_DECLS

struct _ShuCtx {
  char *device;
  gint serial;   /* no other context has it; not 0 */
  int place;     /* SHU_HOST, or the number of a CUDA device */
  ShuDType real; /* of activations */
  ShuPool *pool;
  GPtrArray *scopes; /* of GPtrArray of ShuTensor; [0] is the context's own */
  guint depth;       /* how many there are; those behind wait for their turn */
  ShuTensor *nil;    /* what operations return after a failure */
  GError *error;
  GCancellable *cancellable;
  ShuTraffic *traffic;
  ShuTapFunc tap;
  gpointer tap_data;
  const char *part;

  /* set and used by ops/ alone */
  const struct _ShuBackend *backend;
  struct _ShuRecord *record; /* (nullable): who listens to the operations */
  gboolean dry;              /* nothing is computed, so values are of no use */
  gpointer backend_state;
  GDestroyNotify backend_state_free;
  void (*wait) (ShuCtx *c); /* until all work is done; records its failures */
};

/* FALSE, with the error recorded, once the context has failed or has been
 * cancelled: what every operation asks first. */
gboolean shu_ctx_ready (ShuCtx *c);

/* Puts @t (transfer full) into the innermost scope. */
ShuTensor *shu_scoped_take (ShuCtx *c, ShuTensor *t);

G_END_DECLS
