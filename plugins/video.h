/* SPDX-License-Identifier: MIT */
/* Between the library's pictures and video/x-raw frames. */
#pragma once
#include <gst/video/video.h>
#include "shu.h"

G_BEGIN_DECLS

/* Fixed RGB or RGBA caps of @image; @ms is the time a frame lasts, 0: none. */
GstCaps *shu_image_to_caps (const ShuImage *image, int ms);

/* Fills the empty @buffer; rows are padded as GStreamer wants them. */
void shu_buffer_fill_image (GstBuffer *buffer, const ShuImage *image);

/* (transfer full) */
ShuImage *shu_buffer_get_image (
    GstBuffer *buffer, const GstVideoInfo *info, GError **error);

G_END_DECLS
