/* SPDX-License-Identifier: MIT */
/* Base of the elements whose output's caps depend on what the input holds.
 *
 * A unit of input is one whole file, or one buffer.  A file may come in many
 * buffers: where upstream knows the size in bytes (filesrc) everything up to
 * the end of the stream is one file; elsewhere (multifilesrc, pipes) a buffer
 * that begins as a file of the kind does starts the next one. */
#pragma once
#include <gst/base/gstadapter.h>
#include "bundle.h"
#include "props.h"
#include "report.h"
#include "stop.h"

G_BEGIN_DECLS

#define SHU_TYPE_DECODER (shu_decoder_get_type ())
#define SHU_DECODER(obj)                                                       \
  (G_TYPE_CHECK_INSTANCE_CAST ((obj), SHU_TYPE_DECODER, ShuDecoder))
#define SHU_DECODER_CLASS(klass)                                               \
  (G_TYPE_CHECK_CLASS_CAST ((klass), SHU_TYPE_DECODER, ShuDecoderClass))
#define SHU_DECODER_GET_CLASS(obj)                                             \
  (G_TYPE_INSTANCE_GET_CLASS ((obj), SHU_TYPE_DECODER, ShuDecoderClass))

typedef struct {
  GstElement parent;
  GstPad *sinkpad, *srcpad;
  /*< private >*/
  ShuStop stop; /* for decode() to look at */
  GstAdapter *adapter;
  gboolean one_file;     /* upstream knows the size */
  gboolean need_segment; /* none of our own sent yet */
  gboolean upstream_time;
  GstSegment segment;
  GstClockTime pts; /* of the file that is being collected */
  guint n_units;
} ShuDecoder;

/**
 * ShuDecoderClass:
 * @noun: what a unit is, for messages: "picture"
 * @turns: what comes out is upright, so that tags that say how to turn it end
 *   here
 * @begins: whether the bytes are the beginning of a file; NULL: every buffer is
 *   a unit
 * @decode: makes what shu_decoder_push() gets; FALSE with an error, or without
 *   where a push failed
 */
typedef struct {
  GstElementClass parent_class;
  const char *noun;
  gboolean turns;
  gboolean (*begins) (const guint8 *data, gsize size);
  GstFlowReturn (*decode) (ShuDecoder *self, GstBuffer *unit, GError **error);
} ShuDecoderClass;

GType shu_decoder_get_type (void);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ShuDecoder, gst_object_unref)

/* Call it from the instance init of the subclass. */
void shu_decoder_add_pads (ShuDecoder *self);

/* Takes over @caps and @out.  @out gets the unit's time where it has none. */
GstFlowReturn shu_decoder_push (
    ShuDecoder *self, GstCaps *caps, GstBuffer *out);

/* A video frame of @ms milliseconds (0: for ever) at @pts
 * (%GST_CLOCK_TIME_NONE: the unit's time). */
GstFlowReturn shu_decoder_push_image (
    ShuDecoder *self, const ShuImage *image, GstClockTime pts, int ms);

G_END_DECLS
