/* SPDX-License-Identifier: MIT */
/* Between the library's pictures and video/x-raw frames. */
#pragma once
#include <gst/video/video.h>
#include "cudashare.h"
#include "devicememory.h"
#include "shu.h"

G_BEGIN_DECLS

#define SHU_CUTOUT_FIELDS                                                      \
  "format=(string)RGBA, width=[1,16384], height=[1,16384], "                   \
  "framerate=[0/1,2147483647/1]"
/* Cut-outs, in memory of a device (rows without padding) or of the host */
#define SHU_CUTOUT_CAPS                                                        \
  "video/x-raw(" SHU_CAPS_FEATURE_DEVICE "), " SHU_CUTOUT_FIELDS               \
  "; video/x-raw, " SHU_CUTOUT_FIELDS

/**
 * shu_element_class_add_frames:
 * @templ: of a pad that takes frames
 *
 * Adds it, with the frames in memory of CUDA, too, where the build has that.
 */
void shu_element_class_add_frames (
    GstElementClass *klass, GstStaticPadTemplate *templ);

/* Fixed RGB or RGBA caps of @image; @ms is the time a frame lasts, 0: none. */
GstCaps *shu_image_to_caps (const ShuImage *image, int ms);

/* Fills the empty @buffer; rows are padded as GStreamer wants them. */
void shu_buffer_fill_image (GstBuffer *buffer, const ShuImage *image);

/**
 * shu_buffer_get_picture:
 * @device: where a frame in memory of CUDA is copied to
 * @traffic: (nullable): counts that copy
 *
 * Returns: (transfer full): the frame as u8 [H,W,C], on its device where it is
 *   in memory of one
 */
ShuTensor *shu_buffer_get_picture (GstBuffer *buffer, const GstVideoInfo *info,
    const char *device, ShuTraffic *traffic, GError **error);

/* (transfer full) */
ShuImage *shu_buffer_get_image (
    GstBuffer *buffer, const GstVideoInfo *info, GError **error);

G_END_DECLS
