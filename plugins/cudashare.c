/* SPDX-License-Identifier: MIT */
#include "cudashare.h"
#include "model.h"
#include <gst/cuda/gstcudacontext.h>
#include <gst/cuda/gstcudamemory.h>
#include <gst/cuda/gstcudautils.h>

gboolean
shu_cuda_share_built (void)
{
  return TRUE;
}

/* ---- the context ---- */

/* The library's context of @device, one object for all: it lives as long as
 * the process, as the context does.  (transfer full) (nullable) */
static GstCudaContext *
own_context (const char *device, int number)
{
  static GMutex lock;
  static GHashTable *contexts; /* number -> GstCudaContext */
  GstCudaContext *context;
  gpointer handle;

  g_mutex_lock (&lock);
  if (!contexts)
    contexts = g_hash_table_new (NULL, NULL);
  context = g_hash_table_lookup (contexts, GINT_TO_POINTER (number));
  /* what is wrong with the device is said when data comes */
  if (!context && (handle = shu_cuda_context (device, NULL)) &&
      (context = gst_cuda_context_new_wrapped (handle, number))) {
    GST_OBJECT_FLAG_SET (context, GST_OBJECT_FLAG_MAY_BE_LEAKED);
    g_hash_table_insert (contexts, GINT_TO_POINTER (number), context);
  }
  g_mutex_unlock (&lock);
  return context ? gst_object_ref (context) : NULL;
}

/* What @element knows for that device: (transfer full) (nullable) */
static GstCudaContext *
known_context (GstElement *element, int number, gboolean ask)
{
  g_autoptr (GstContext) context =
      shu_find_context (element, GST_CUDA_CONTEXT_TYPE, ask);
  GstCudaContext *found = NULL;

  if (context)
    gst_cuda_handle_set_context (element, context, number, &found);
  return found;
}

static void
publish (GstElement *element, GstCudaContext *cuda)
{
  GstContext *context = gst_context_new_cuda_context (cuda);

  gst_element_set_context (element, context);
  gst_element_post_message (
      element, gst_message_new_have_context (GST_OBJECT (element), context));
}

/* (transfer full) (nullable); @ask: the neighbours, too, which is no answer to
 * their question */
static GstCudaContext *
get_context (
    GstElement *element, const char *device, GstObject **held, gboolean ask)
{
  int number = shu_cuda_device_number (device);
  GstCudaContext *cuda;

  if (number < 0 || !gst_cuda_load_library ())
    return NULL;
  GST_OBJECT_LOCK (element);
  cuda = *held ? gst_object_ref (GST_CUDA_CONTEXT (*held)) : NULL;
  GST_OBJECT_UNLOCK (element);
  if (cuda)
    return cuda;
  cuda = known_context (element, number, ask);
  if (!cuda && (cuda = own_context (device, number)))
    publish (element, cuda);
  GST_OBJECT_LOCK (element);
  if (cuda && !*held)
    *held = gst_object_ref (GST_OBJECT (cuda));
  GST_OBJECT_UNLOCK (element);
  return cuda;
}

void
shu_cuda_share_start (GstElement *element, const char *device, GstObject **held)
{
  GstCudaContext *cuda = get_context (element, device, held, TRUE);

  if (cuda)
    gst_object_unref (cuda);
}

gboolean
shu_cuda_share_is_query (GstQuery *query)
{
  const char *type;

  if (GST_QUERY_TYPE (query) != GST_QUERY_CONTEXT)
    return FALSE;
  gst_query_parse_context_type (query, &type);
  return g_strcmp0 (type, GST_CUDA_CONTEXT_TYPE) == 0;
}

gboolean
shu_cuda_share_query (
    GstElement *element, const char *device, GstObject **held, GstQuery *query)
{
  GstCudaContext *cuda = get_context (element, device, held, FALSE);
  gboolean answered =
      cuda && gst_cuda_handle_context_query (element, query, cuda);

  if (cuda)
    gst_object_unref (cuda);
  return answered;
}

/* ---- frames ---- */

gboolean
shu_cuda_share_has_memory (GstBuffer *buffer)
{
  return gst_buffer_n_memory (buffer) == 1 &&
         gst_is_cuda_memory (gst_buffer_peek_memory (buffer, 0));
}

/* The rows of @frame, which must lie within its memory. */
static gboolean
get_rows (const GstVideoFrame *frame, ShuCudaPicture *picture)
{
  const GstVideoInfo *info = &frame->info;
  gsize row = (gsize) picture->width * picture->n_channels;
  const guint8 *data = GST_VIDEO_FRAME_PLANE_DATA (frame, 0);
  int stride = GST_VIDEO_INFO_PLANE_STRIDE (info, 0);
  gsize skip = (gsize) (data - frame->map[0].data), size = frame->map[0].size;
  gsize room = skip <= size ? size - skip : 0;

  picture->data = data;
  picture->stride = (gsize) stride;
  return stride > 0 && picture->stride >= row && room >= row &&
         (room - row) / picture->stride >= (gsize) picture->height - 1;
}

ShuTensor *
shu_cuda_share_picture (GstBuffer *buffer, const GstVideoInfo *info,
    const char *device, ShuTraffic *traffic, GError **error)
{
  GstMemory *memory = gst_buffer_peek_memory (buffer, 0);
  GstCudaContext *context = GST_CUDA_MEMORY_CAST (memory)->context;
  ShuCudaPicture picture = {.context = gst_cuda_context_get_handle (context),
      .height = GST_VIDEO_INFO_HEIGHT (info),
      .width = GST_VIDEO_INFO_WIDTH (info),
      .n_channels = GST_VIDEO_INFO_HAS_ALPHA (info) ? 4 : 3};
  ShuTensor *t = NULL;
  GstVideoFrame frame;

  if (gst_video_frame_map (&frame, info, buffer, GST_MAP_READ | GST_MAP_CUDA)) {
#if GST_CHECK_VERSION(1, 24, 0)
    gst_cuda_memory_sync (GST_CUDA_MEMORY_CAST (memory)); /* writers are done */
#endif
    if (get_rows (&frame, &picture))
      t = shu_tensor_new_cuda_picture (device, &picture, traffic, error);
    else
      g_set_error (error, SHU_ERROR, SHU_ERROR_INVALID,
          "a buffer of CUDA that is no frame of %dx%d pixels", picture.width,
          picture.height);
    gst_video_frame_unmap (&frame);
    return t;
  }
  g_set_error (error, SHU_ERROR, SHU_ERROR_INVALID,
      "a buffer of CUDA that cannot be mapped as a frame of %dx%d pixels",
      picture.width, picture.height);
  return NULL;
}
