/* SPDX-License-Identifier: MIT */
/* One client's connection, as libsoup gets it: what is no HTTP never reaches
 * it, and every wait comes to an end. */
#pragma once
#include "web.h"

G_BEGIN_DECLS

#define TYPE_GATE (gate_get_type ())
G_DECLARE_FINAL_TYPE (Gate, gate, GATE, GATE, GIOStream)

/**
 * gate_new:
 * @base: what it lies on; of TLS, or @socket's own
 *
 * Returns: (transfer full): which closes with @base
 */
Gate *gate_new (const Settings *settings, GIOStream *base, GSocket *socket);

/* The one that @msg came through; NULL: it is gone.  (transfer none) */
Gate *gate_of_message (SoupServerMessage *msg);
/* What libsoup shall take for the client's address, so that the gate is found
 * by it.  (transfer none) */
GSocketAddress *gate_address (const Gate *gate);

/* Seconds from now after which the connection is closed; 0: never */
void gate_set_deadline (Gate *gate, int seconds);
/* The answer has gone, and another request may come. */
void gate_rest (Gate *gate);

typedef void (*GateDone) (gpointer data);

/**
 * gate_refuse:
 * Sends @text, which is a whole answer, instead of what libsoup would say, and
 * ends the connection.  What still comes is read and dropped for a while:
 * closing with something unread would take the answer back (RFC 9112, 9.6).
 *
 * @status: of @text
 * @text: (transfer full)
 * @done: (nullable): called once, when that is over
 */
void gate_refuse (
    Gate *gate, guint status, char *text, GateDone done, gpointer data);
/* The same with a problem of no request in particular. */
void gate_refuse_problem (Gate *gate, const Problem *p);
/* The status of that; 0: there was none */
guint gate_refused (const Gate *gate);

/**
 * gate_watch:
 * Calls @gone once where the client goes away, while nobody reads.
 *
 * @gone: %NULL: not any more
 */
void gate_watch (Gate *gate, GateDone gone, gpointer data);

G_END_DECLS
