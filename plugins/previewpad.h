/* SPDX-License-Identifier: MIT */
/* A source pad that shows pictures of work in progress.  It has a thread of its
 * own and keeps few pictures, the newest, so that whoever looks at them can
 * neither delay the work nor stop it. */
#pragma once
#include <gst/gst.h>
#include "shu.h"

G_BEGIN_DECLS

#define SHU_TYPE_PREVIEW_PAD (shu_preview_pad_get_type ())
G_DECLARE_FINAL_TYPE (ShuPreviewPad, shu_preview_pad, SHU, PREVIEW_PAD, GstPad)

ShuPreviewPad *shu_preview_pad_new (GstPadTemplate *templ, const char *name);

/* Ten pictures make a second of video, whatever time they took. */
void shu_preview_pad_show (ShuPreviewPad *self, const ShuImage *picture);

/* What the element's sink pad gets: ends and flushes the preview too. */
void shu_preview_pad_event (ShuPreviewPad *self, GstEventType type);

G_END_DECLS
