/* SPDX-License-Identifier: MIT */
/* What HTTP/1.1 looks like on a connection, as strictly as RFC 9112 allows:
 * two parties that read a request differently can be played off against each
 * other, so there is one way to say where a request ends. */
#pragma once
#include "web.h"

G_BEGIN_DECLS

enum {
  WIRE_MAX_HEAD = 1 << 15, /* bytes up to the empty line */
  WIRE_MAX_LINE = 4096,    /* of the first line */
  WIRE_MAX_FIELDS = 100,
};

/**
 * WireHead:
 * @length: of the body; 0 where it is chunked
 */
typedef struct {
  gint64 length;
  gboolean chunked;
} WireHead;

/* Bytes up to and with the empty line; 0: it has not come */
gsize wire_head_end (const guint8 *data, gsize size);
/* What can be said of a head that is not complete.
 * @from: so many bytes were seen before */
gboolean wire_check_begin (
    const guint8 *data, gsize size, gsize from, Problem *p);
/* A complete head.  Empty lines before it are let pass. */
gboolean wire_check_head (
    const guint8 *data, gsize size, WireHead *ret, Problem *p);

/**
 * WireChunks:
 * A chunked body as far as it has come; all zero at its begin.
 * @data: bytes of the chunks' contents; @around: of all else
 * @done: the last chunk has come; no fields may follow it
 */
typedef struct {
  int state;
  guint64 left;
  guint line;
  gint64 data, around;
  gboolean done;
} WireChunks;

/* Returns: how many of @size bytes belong to it; less than @size where it ends
 *   among them, -1 where it is no chunked body */
gssize wire_chunks (WireChunks *c, const guint8 *data, gsize size);

G_END_DECLS
