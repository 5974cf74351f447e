/* SPDX-License-Identifier: MIT */
/* What libsoup reads of a connection: requests, of which it may believe every
 * word, and not a byte beyond the one that it is at. */
#include "gate_private.h"
#include <string.h>

enum { CHUNK = 1 << 14 };

gsize
gate_rest_size (const Gate *gate)
{
  return gate->came->len - gate->at;
}

static const guint8 *
rest_at (const Gate *gate)
{
  return gate->came->data + gate->at;
}

/* ---- what comes ---- */

gssize
gate_fill (Gate *gate, GError **error)
{
  guint8 chunk[CHUNK];
  g_autoptr (GError) why = NULL;
  gssize n = gate->ended ? 0
                         : g_pollable_input_stream_read_nonblocking (
                               G_POLLABLE_INPUT_STREAM (gate->base_in), chunk,
                               sizeof chunk, NULL, &why);

  gate->ended =
      n <= 0 && !g_error_matches (why, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK);
  if (why)
    g_propagate_error (error, g_steal_pointer (&why));
  if (gate->at > 0)
    g_byte_array_remove_range (gate->came, 0, (guint) gate->at);
  gate->at = 0;
  if (n > 0)
    g_byte_array_append (gate->came, chunk, (guint) n);
  return n;
}

static gssize
take (Gate *gate, void *buffer, gsize count)
{
  memcpy (buffer, rest_at (gate), count);
  gate->at += count;
  return (gssize) count;
}

/* Nothing comes through; who asks again gets the same answer. */
static gssize
would_block (GError **error)
{
  g_set_error_literal (
      error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK, "Nothing is there yet");
  return -1;
}

static gssize
refuse (Gate *gate, const Problem *p, GError **error)
{
  gate_refuse_problem (gate, p);
  return would_block (error);
}

static gssize
read_head (Gate *gate, GError **error)
{
  g_auto (Problem) p = {0};
  gsize end_at;

  while (
      (end_at = wire_head_end (rest_at (gate), gate_rest_size (gate))) == 0) {
    gssize n;

    if (!wire_check_begin (
            rest_at (gate), gate_rest_size (gate), gate->seen, &p))
      return refuse (gate, &p, error);
    gate->seen = gate_rest_size (gate);
    n = gate_fill (gate, error);
    if (n <= 0)
      return n;
  }
  gate->seen = 0;
  if (!wire_check_head (rest_at (gate), end_at, &gate->head, &p))
    return refuse (gate, &p, error);
  gate->state = GATE_PASS;
  gate->left = (gint64) end_at;
  gate_set_deadline (gate, gate->settings->body_seconds);
  return 1;
}

static void
begin_body (Gate *gate)
{
  gate->left = gate->head.length;
  gate->chunks = (WireChunks){0};
  gate->state = gate->head.chunked ? GATE_CHUNKS
                : gate->left > 0   ? GATE_BODY
                                   : GATE_HEAD;
}

/* The request is complete: how long the answer takes is not the client's
 * fault. */
static void
end_request (Gate *gate)
{
  gate->state = GATE_HEAD;
  gate->between = TRUE;
  gate->answering = TRUE;
  gate_set_deadline (gate, 0);
}

/* Not beyond the head: what follows is not libsoup's yet. */
static gssize
pass_head (Gate *gate, void *buffer, gsize count)
{
  gssize n = take (gate, buffer, MIN (count, (gsize) gate->left));

  gate->left -= n;
  gate->between = FALSE;
  if (gate->left == 0) {
    begin_body (gate);
    if (gate->state == GATE_HEAD)
      end_request (gate);
  }
  return n;
}

static gssize
read_body (Gate *gate, void *buffer, gsize count, GError **error)
{
  gssize n;

  count = MIN (count, (gsize) gate->left);
  n = gate_rest_size (gate) > 0
          ? take (gate, buffer, MIN (count, gate_rest_size (gate)))
          : g_pollable_input_stream_read_nonblocking (
                G_POLLABLE_INPUT_STREAM (gate->base_in), buffer, count, NULL,
                error);
  gate->left -= MAX (n, 0);
  if (gate->left == 0)
    end_request (gate);
  return n;
}

static gssize
read_chunks (Gate *gate, void *buffer, gsize count, GError **error)
{
  g_auto (Problem) p = {0};
  gssize n = gate_rest_size (gate) > 0 ? 1 : gate_fill (gate, error);

  if (n <= 0)
    return n;
  n = wire_chunks (
      &gate->chunks, rest_at (gate), MIN (count, gate_rest_size (gate)));
  if (n < 0)
    problem_set (&p, SOUP_STATUS_BAD_REQUEST, "The body is not chunked well");
  else if (gate->chunks.data > gate->settings->max_upload)
    problem_set (&p, SOUP_STATUS_REQUEST_ENTITY_TOO_LARGE,
        "The request is larger than %" G_GINT64_FORMAT " bytes",
        gate->settings->max_upload);
  if (p.status)
    return refuse (gate, &p, error);
  if (gate->chunks.done)
    end_request (gate);
  return take (gate, buffer, (gsize) n);
}

/* libsoup 3.2 forgets a connection that ends between two requests, and never
 * closes it: a message begins with its first byte, and only who has one gets to
 * its end.  So it gets a byte. */
static gssize
read_end (Gate *gate, void *buffer)
{
  gssize n = gate->between;

  gate->state = GATE_OVER;
  gate->between = FALSE;
  if (n)
    *(char *) buffer = 'G';
  return n;
}

static gssize
gate_read (Gate *gate, void *buffer, gsize count, GError **error)
{
  if (gate->state == GATE_HEAD) {
    gssize n = read_head (gate, error);

    if (n <= 0 && gate->ended) {
      g_clear_error (error);
      return read_end (gate, buffer);
    }
    if (n <= 0)
      return n;
  }
  switch (gate->state) {
  case GATE_PASS:
    return pass_head (gate, buffer, count);
  case GATE_BODY:
    return read_body (gate, buffer, count, error);
  case GATE_CHUNKS:
    return read_chunks (gate, buffer, count, error);
  case GATE_REFUSED:
    return would_block (error);
  default:
    return read_end (gate, buffer);
  }
}

/* ---- the stream that libsoup reads ---- */

#define TYPE_GATE_INPUT (gate_input_get_type ())
G_DECLARE_FINAL_TYPE (GateInput, gate_input, GATE, INPUT, GInputStream)

struct _GateInput {
  GInputStream parent;
  Gate *gate; /* which it is a part of */
};

/* Of a head only what is new is worth a look. */
static gboolean
has_something (const Gate *gate)
{
  return gate->state == GATE_OVER ||
         (gate->state != GATE_REFUSED &&
             (gate->ended || gate_rest_size (gate) > gate->seen));
}

static gboolean
input_is_readable (GPollableInputStream *stream)
{
  const Gate *gate = GATE_INPUT (stream)->gate;

  return has_something (gate) || g_pollable_input_stream_is_readable (
                                     G_POLLABLE_INPUT_STREAM (gate->base_in));
}

static GSource *
input_create_source (GPollableInputStream *stream, GCancellable *cancellable)
{
  const Gate *gate = GATE_INPUT (stream)->gate;
  g_autoptr (GSource) inner =
      has_something (gate) ? g_timeout_source_new (0)
                           : g_pollable_input_stream_create_source (
                                 G_POLLABLE_INPUT_STREAM (gate->base_in), NULL);

  return g_pollable_source_new_full (
      stream, inner, cancellable ? cancellable : gate->cancellable);
}

static gssize
input_read_nonblocking (
    GPollableInputStream *stream, void *buffer, gsize count, GError **error)
{
  return gate_read (GATE_INPUT (stream)->gate, buffer, count, error);
}

static void
pollable_init (GPollableInputStreamInterface *iface)
{
  iface->is_readable = input_is_readable;
  iface->create_source = input_create_source;
  iface->read_nonblocking = input_read_nonblocking;
}

G_DEFINE_FINAL_TYPE_WITH_CODE (GateInput, gate_input, G_TYPE_INPUT_STREAM,
    G_IMPLEMENT_INTERFACE (G_TYPE_POLLABLE_INPUT_STREAM, pollable_init))

/* Nobody waits here: the server has one thread. */
static gssize
input_read (GInputStream *stream, void *buffer, gsize count,
    GCancellable *cancellable, GError **error)
{
  return gate_read (GATE_INPUT (stream)->gate, buffer, count, error);
}

static void
gate_input_class_init (GateInputClass *klass)
{
  G_INPUT_STREAM_CLASS (klass)->read_fn = input_read;
}

static void
gate_input_init (GateInput *self)
{
}

GInputStream *
gate_input_new (Gate *gate)
{
  GateInput *in = g_object_new (TYPE_GATE_INPUT, NULL);

  in->gate = gate;
  return G_INPUT_STREAM (in);
}
