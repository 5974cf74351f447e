/* SPDX-License-Identifier: MIT */
/* A build without CUDA, or without GStreamer's library for it. */
#include "cudashare.h"

gboolean
shu_cuda_share_built (void)
{
  return FALSE;
}

void
shu_cuda_share_start (GstElement *element, const char *device, GstObject **held)
{
}

gboolean
shu_cuda_share_is_query (GstQuery *query)
{
  return FALSE;
}

gboolean
shu_cuda_share_query (
    GstElement *element, const char *device, GstObject **held, GstQuery *query)
{
  return FALSE;
}

gboolean
shu_cuda_share_has_memory (GstBuffer *buffer)
{
  return FALSE;
}

ShuTensor *
shu_cuda_share_picture (GstBuffer *buffer, const GstVideoInfo *info,
    const char *device, ShuTraffic *traffic, GError **error)
{
  g_return_val_if_reached (NULL);
}
