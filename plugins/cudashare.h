/* SPDX-License-Identifier: MIT */
/* What GStreamer's own CUDA elements (cudaupload, nvjpegdec, cudaconvert ...)
 * and ours share: the context of a device ("gst.cuda.context"), and frames in
 * memory of such a context.
 *
 * The library works in the device's primary context.  Where an element of ours
 * is asked before another has made a context, all get that one; a context that
 * is there already stays the pipeline's, and is handed on.  Frames are copied
 * once, on the device, whichever context they are of: their rows are padded.
 *
 * A build without GStreamer's CUDA library has nothing of that. */
#pragma once
#include <gst/video/video.h>
#include "shu.h"

G_BEGIN_DECLS

#define SHU_CAPS_FEATURE_CUDA "memory:CUDAMemory"

/* Whether the build can do it. */
gboolean shu_cuda_share_built (void);

/**
 * shu_cuda_share_start:
 * @device: of the library
 * @held: where the element keeps the pipeline's context of @device
 *
 * Looks for the context around @element, or makes it, and tells the pipeline.
 * Does nothing for another device than "cuda:N".
 */
void shu_cuda_share_start (
    GstElement *element, const char *device, GstObject **held);

/* Whether @query asks for a context of CUDA. */
gboolean shu_cuda_share_is_query (GstQuery *query);

/* Answers it, as shu_cuda_share_start(); FALSE where there is no answer. */
gboolean shu_cuda_share_query (
    GstElement *element, const char *device, GstObject **held, GstQuery *query);

/* Whether the contents of @buffer are in memory of CUDA. */
gboolean shu_cuda_share_has_memory (GstBuffer *buffer);

/**
 * shu_cuda_share_picture:
 * @buffer: in memory of CUDA
 * @device: "cuda:N"
 * @traffic: (nullable): counts the copy
 *
 * Returns: (transfer full): the frame on @device, u8 [H,W,C]
 */
ShuTensor *shu_cuda_share_picture (GstBuffer *buffer, const GstVideoInfo *info,
    const char *device, ShuTraffic *traffic, GError **error);

G_END_DECLS
