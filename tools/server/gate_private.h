/* SPDX-License-Identifier: MIT */
/* What gate.c and gate_input.c share. */
#pragma once
#include "gate.h"
#include "wire.h"

G_BEGIN_DECLS

typedef enum {
  GATE_HEAD,   /* a request's head comes, or what follows it is awaited */
  GATE_PASS,   /* a complete head is handed on */
  GATE_BODY,   /* of a known length */
  GATE_CHUNKS, /* of a length that it says as it comes */
  GATE_REFUSED,
  GATE_OVER,
} GateState;

/**
 * Gate:
 * @came: read from @base_in; @at: bytes of it that were handed on; @seen: those
 *   that were looked at
 * @ended: no more will come, which a stream need not say twice
 * @between: libsoup has got nothing of a request since the last one
 * @left: of the head or the body
 * @answering: a request is complete, and its answer has not gone
 * @deadline, @drain, @watch: sources
 */
struct _Gate {
  GIOStream parent;
  const Settings *settings;
  GIOStream *base;
  GSocket *socket;
  GInputStream *base_in, *in;
  GSocketAddress *address;
  GateState state;
  GByteArray *came;
  gsize at, seen;
  gboolean ended, between;
  gint64 left;
  WireHead head;
  WireChunks chunks;
  gboolean answering;
  guint deadline, refused;
  GSource *drain, *watch;
  GCancellable *cancellable;
  GateDone done, gone;
  gpointer done_data, gone_data;
};

/* The stream of what comes; @gate outlives it.  (transfer full) */
GInputStream *gate_input_new (Gate *gate);
/* Reads some; as read() does. */
gssize gate_fill (Gate *gate, GError **error);
/* Bytes that were read and not handed on */
gsize gate_rest_size (const Gate *gate);

G_END_DECLS
