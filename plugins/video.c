/* SPDX-License-Identifier: MIT */
#include "video.h"

static GstVideoFormat
format_of (const ShuImage *image)
{
  return image->n_channels == 4   ? GST_VIDEO_FORMAT_RGBA
         : image->n_channels == 3 ? GST_VIDEO_FORMAT_RGB
                                  : GST_VIDEO_FORMAT_GRAY8;
}

void
shu_element_class_add_frames (
    GstElementClass *klass, GstStaticPadTemplate *templ)
{
  g_autoptr (GstCaps) host = gst_static_pad_template_get_caps (templ);
  g_autoptr (GstCaps) caps = gst_caps_new_empty ();

  for (guint i = 0; i < gst_caps_get_size (host); i++) {
    const GstStructure *s = gst_caps_get_structure (host, i);
    GstCapsFeatures *features = gst_caps_get_features (host, i);

    if (shu_cuda_share_built () && gst_caps_features_is_equal (features,
                                       GST_CAPS_FEATURES_MEMORY_SYSTEM_MEMORY))
      gst_caps_append_structure_full (caps, gst_structure_copy (s),
          gst_caps_features_new (SHU_CAPS_FEATURE_CUDA, NULL));
    gst_caps_append_structure_full (
        caps, gst_structure_copy (s), gst_caps_features_copy (features));
  }
  gst_element_class_add_pad_template (
      klass, gst_pad_template_new (templ->name_template, templ->direction,
                 templ->presence, caps));
}

GstCaps *
shu_image_to_caps (const ShuImage *image, int ms)
{
  GstVideoInfo info;

  gst_video_info_set_format (
      &info, format_of (image), image->width, image->height);
  if (ms > 0) {
    info.fps_n = 1000;
    info.fps_d = ms;
  }
  return gst_video_info_to_caps (&info);
}

/* Row @y of a frame, copied from or to a picture. */
static void
copy_rows (guint8 *dst, gsize dst_stride, const guint8 *src, gsize src_stride,
    gsize row_bytes, int n_rows)
{
  for (int y = 0; y < n_rows; y++)
    memcpy (dst + y * dst_stride, src + y * src_stride, row_bytes);
}

void
shu_buffer_fill_image (GstBuffer *buffer, const ShuImage *image)
{
  gsize row_bytes = (gsize) image->width * image->n_channels;
  GstVideoInfo info;
  guint8 *data;
  gsize stride;

  gst_video_info_set_format (
      &info, format_of (image), image->width, image->height);
  stride = GST_VIDEO_INFO_PLANE_STRIDE (&info, 0);
  data = g_malloc0 (info.size);
  copy_rows (data, stride, image->data, row_bytes, row_bytes, image->height);
  gst_buffer_append_memory (buffer,
      gst_memory_new_wrapped (0, data, info.size, 0, info.size, data, g_free));
}

static gboolean
check_size (const GstVideoInfo *info, GError **error)
{
  int width = GST_VIDEO_INFO_WIDTH (info);
  int height = GST_VIDEO_INFO_HEIGHT (info);

  if (width >= 1 && height >= 1 && width <= SHU_IMAGE_MAX_SIDE &&
      height <= SHU_IMAGE_MAX_SIDE &&
      (gint64) width * height <= SHU_IMAGE_MAX_PIXELS)
    return TRUE;
  g_set_error (error, SHU_ERROR, SHU_ERROR_LIMIT,
      "a frame of %dx%d pixels; at most %d a side and %d in all", width, height,
      SHU_IMAGE_MAX_SIDE, SHU_IMAGE_MAX_PIXELS);
  return FALSE;
}

ShuImage *
shu_buffer_get_image (
    GstBuffer *buffer, const GstVideoInfo *info, GError **error)
{
  int width = GST_VIDEO_INFO_WIDTH (info);
  int height = GST_VIDEO_INFO_HEIGHT (info);
  int n_channels = GST_VIDEO_INFO_HAS_ALPHA (info) ? 4 : 3;
  gsize row_bytes = (gsize) width * n_channels;
  GstVideoFrame frame;
  ShuImage *image;

  if (!check_size (info, error))
    return NULL;
  if (!gst_video_frame_map (&frame, info, buffer, GST_MAP_READ)) {
    g_set_error (error, SHU_ERROR, SHU_ERROR_INVALID,
        "a buffer that is no frame of %dx%d pixels", width, height);
    return NULL;
  }
  image = shu_image_new (width, height, n_channels);
  copy_rows (image->data, row_bytes, GST_VIDEO_FRAME_PLANE_DATA (&frame, 0),
      GST_VIDEO_FRAME_PLANE_STRIDE (&frame, 0), row_bytes, height);
  gst_video_frame_unmap (&frame);
  return image;
}

ShuTensor *
shu_buffer_get_picture (GstBuffer *buffer, const GstVideoInfo *info,
    const char *device, ShuTraffic *traffic, GError **error)
{
  int n_channels = GST_VIDEO_INFO_HAS_ALPHA (info) ? 4 : 3;
  ShuTensor *t = NULL;
  g_autoptr (ShuImage) image = NULL;

  if (gst_buffer_n_memory (buffer) == 1)
    t = shu_device_memory_tensor (gst_buffer_peek_memory (buffer, 0));
  if (t && t->dtype == SHU_DTYPE_U8 && t->n_dims == 3 &&
      t->dims[0] == GST_VIDEO_INFO_HEIGHT (info) &&
      t->dims[1] == GST_VIDEO_INFO_WIDTH (info) && t->dims[2] == n_channels)
    return shu_tensor_ref (t);
  if (shu_cuda_device_number (device) >= 0 &&
      shu_cuda_share_has_memory (buffer))
    return check_size (info, error)
               ? shu_cuda_share_picture (buffer, info, device, traffic, error)
               : NULL;
  image = shu_buffer_get_image (buffer, info, error);
  return image ? shu_tensor_new_image (image) : NULL;
}
