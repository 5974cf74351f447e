/* SPDX-License-Identifier: MIT */
/* Contexts and frames of GStreamer's CUDA elements, without a GPU:
 * plugins/cudashare.c over a driver of two devices that are not there
 * (fake_libcuda.c). */
#include "../../plugins/cudashare.h"
#include <gst/cuda/gstcudacontext.h>
#include <gst/cuda/gstcudamemory.h>
#include <gst/cuda/gstcudautils.h>

static struct {
  gboolean no_gpu;
  ShuCudaPicture picture; /* the last that was taken */
  int n_taken;
} fake;

/* In place of the library's: the primary contexts of the devices */
gpointer
shu_cuda_context (const char *device, GError **error)
{
  if (!fake.no_gpu)
    return GINT_TO_POINTER (0x100 + shu_cuda_device_number (device));
  g_set_error_literal (error, SHU_ERROR, SHU_ERROR_UNSUPPORTED, "no GPU");
  return NULL;
}

ShuTensor *
shu_tensor_new_cuda_picture (const char *device, const ShuCudaPicture *picture,
    ShuTraffic *traffic, GError **error)
{
  fake.picture = *picture;
  fake.n_taken++;
  return shu_tensor_new (SHU_DTYPE_U8,
      SHU_DIMS (picture->height, picture->width, picture->n_channels));
}

/* An element in a pipeline of its own */
typedef struct {
  GstElement *pipeline, *element;
  GstObject *held;
} Fixture;

static void
setup (Fixture *f, gconstpointer data)
{
  fake.no_gpu = FALSE;
  f->pipeline = gst_object_ref_sink (gst_pipeline_new (NULL));
  f->element = gst_element_factory_make ("fakesink", NULL);
  gst_bin_add (GST_BIN (f->pipeline), f->element);
}

static void
teardown (Fixture *f, gconstpointer data)
{
  gst_object_replace (&f->held, NULL);
  gst_object_unref (f->pipeline);
}

/* The handle that the element answers with for @device; NULL: no answer */
static gpointer
ask (Fixture *f, const char *device)
{
  g_autoptr (GstQuery) query = gst_query_new_context (GST_CUDA_CONTEXT_TYPE);
  g_autoptr (GstObject) cuda = NULL;
  GstContext *context;

  g_assert_true (shu_cuda_share_is_query (query));
  if (!shu_cuda_share_query (f->element, device, &f->held, query))
    return NULL;
  gst_query_parse_context (query, &context);
  g_assert_nonnull (context);
  g_assert_true (gst_structure_get (gst_context_get_structure (context),
      GST_CUDA_CONTEXT_TYPE, GST_TYPE_CUDA_CONTEXT, &cuda, NULL));
  return gst_cuda_context_get_handle (GST_CUDA_CONTEXT (cuda));
}

static int
count_messages (Fixture *f, GstMessageType type)
{
  g_autoptr (GstBus) bus = gst_element_get_bus (f->pipeline);
  GstMessage *m;
  int n = 0;

  while ((m = gst_bus_pop_filtered (bus, type))) {
    n++;
    gst_message_unref (m);
  }
  return n;
}

/* (transfer full): what another element has made */
static GstCudaContext *
give_context (Fixture *f, guint device)
{
  GstCudaContext *cuda = gst_cuda_context_new (device);
  g_autoptr (GstContext) context = NULL;

  g_assert_nonnull (cuda);
  context = gst_context_new_cuda_context (cuda);
  gst_element_set_context (f->pipeline, context);
  return cuda;
}

static void
offers_its_own (Fixture *f, gconstpointer data)
{
  g_autoptr (GstContext) known = NULL;

  g_assert_true (ask (f, "cuda:0") == GINT_TO_POINTER (0x100));
  g_assert_cmpint (
      count_messages (f, GST_MESSAGE_NEED_CONTEXT | GST_MESSAGE_HAVE_CONTEXT),
      ==, 2);
  /* the pipeline has it for those that come later; nobody is asked again */
  known = gst_element_get_context (f->pipeline, GST_CUDA_CONTEXT_TYPE);
  g_assert_nonnull (known);
  g_assert_true (ask (f, "cuda:0") == GINT_TO_POINTER (0x100));
  g_assert_cmpint (count_messages (f, GST_MESSAGE_ANY), ==, 0);
}

static void
offers_at_start (Fixture *f, gconstpointer data)
{
  shu_cuda_share_start (f->element, "cuda:1", &f->held);
  g_assert_nonnull (f->held);
  g_assert_true (gst_cuda_context_get_handle (GST_CUDA_CONTEXT (f->held)) ==
                 GINT_TO_POINTER (0x101));
  g_assert_cmpint (count_messages (f, GST_MESSAGE_HAVE_CONTEXT), ==, 1);
}

static void
takes_what_is_there (Fixture *f, gconstpointer data)
{
  GstCudaContext *theirs = give_context (f, 0);

  g_assert_true (ask (f, "cuda:0") == gst_cuda_context_get_handle (theirs));
  g_assert_true (f->held == GST_OBJECT (theirs));
  g_assert_cmpint (count_messages (f, GST_MESSAGE_HAVE_CONTEXT), ==, 0);
  gst_object_unref (theirs);
}

static void
passes_by_another_device (Fixture *f, gconstpointer data)
{
  GstCudaContext *theirs = give_context (f, 1);

  g_assert_true (ask (f, "cuda:0") == GINT_TO_POINTER (0x100));
  gst_object_unref (theirs);
}

static void
refuses (Fixture *f, gconstpointer data)
{
  g_autoptr (GstQuery) other = gst_query_new_context ("gst.gl.GLDisplay");
  g_autoptr (GstQuery) latency = gst_query_new_latency ();

  g_assert_false (shu_cuda_share_is_query (other));
  g_assert_false (shu_cuda_share_is_query (latency));
  g_assert_null (ask (f, "cpu"));
  g_assert_null (ask (f, "mock"));
  g_assert_null (ask (f, NULL));
  shu_cuda_share_start (f->element, "cpu", &f->held);
  fake.no_gpu = TRUE;
  g_assert_null (ask (f, "cuda:7"));
  g_assert_null (f->held);
  g_assert_cmpint (count_messages (f, GST_MESSAGE_HAVE_CONTEXT), ==, 0);
}

static void
is_one_for_all (Fixture *f, gconstpointer data)
{
  Fixture other = {.held = NULL};

  setup (&other, NULL);
  ask (f, "cuda:0");
  ask (&other, "cuda:0");
  g_assert_nonnull (f->held);
  g_assert_true (f->held == other.held);
  teardown (&other, NULL);
}

/* ---- frames ---- */

static GstBuffer *
new_frame (GstCudaContext *cuda, GstVideoFormat format, GstVideoInfo *ret_info)
{
  g_autoptr (GstObject) allocator = NULL;
  GstBuffer *buffer = gst_buffer_new ();
  GstMemory *memory;

  gst_cuda_memory_init_once ();
  allocator =
      gst_object_ref_sink (g_object_new (gst_cuda_allocator_get_type (), NULL));
  gst_video_info_set_format (ret_info, format, 90, 120);
  memory =
      gst_cuda_allocator_alloc ((GstCudaAllocator *) allocator, cuda, ret_info);
  g_assert_nonnull (memory);
  gst_buffer_append_memory (buffer, memory);
  /* with the rows that it really has, as the pools do */
  gst_buffer_add_video_meta_full (buffer, 0, format, 90, 120, 1,
      GST_CUDA_MEMORY_CAST (memory)->info.offset,
      GST_CUDA_MEMORY_CAST (memory)->info.stride);
  return buffer;
}

static void
frames_are_taken (void)
{
  static const struct {
    GstVideoFormat format;
    int n_channels;
  } rows[] = {{GST_VIDEO_FORMAT_RGB, 3}, {GST_VIDEO_FORMAT_RGBA, 4}};

  GstCudaContext *cuda = gst_cuda_context_new (0);

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    GstVideoInfo info;
    g_autoptr (GstBuffer) buffer = new_frame (cuda, rows[i].format, &info);
    g_autoptr (GError) error = NULL;
    g_autoptr (ShuTensor) t = NULL;

    g_assert_true (shu_cuda_share_has_memory (buffer));
    t = shu_cuda_share_picture (buffer, &info, "cuda:0", NULL, &error);
    g_assert_no_error (error);
    g_assert_cmpint (fake.picture.n_channels, ==, rows[i].n_channels);
    g_assert_cmpuint (fake.picture.stride, ==, 512);
    g_assert_true (fake.picture.context == gst_cuda_context_get_handle (cuda));
    g_assert_nonnull (fake.picture.data);
  }
  gst_object_unref (cuda);
}

/* Rows that would go beyond the memory's end are not read. */
static void
frames_stay_in_memory (void)
{
  GstCudaContext *cuda = gst_cuda_context_new (0);
  GstVideoInfo info;
  g_autoptr (GstBuffer) buffer = new_frame (cuda, GST_VIDEO_FORMAT_RGBA, &info);
  g_autoptr (GstBuffer) host = gst_buffer_new_allocate (NULL, 64, NULL);
  g_autoptr (GError) error = NULL;
  GstVideoMeta *meta = gst_buffer_get_video_meta (buffer);
  int n = fake.n_taken;

  meta->stride[0] = 1024;
  g_assert_null (
      shu_cuda_share_picture (buffer, &info, "cuda:0", NULL, &error));
  g_assert_error (error, SHU_ERROR, SHU_ERROR_INVALID);
  g_clear_error (&error);
  meta->stride[0] = 300;
  g_assert_null (
      shu_cuda_share_picture (buffer, &info, "cuda:0", NULL, &error));
  g_assert_error (error, SHU_ERROR, SHU_ERROR_INVALID);
  g_assert_cmpint (fake.n_taken, ==, n);
  g_assert_false (shu_cuda_share_has_memory (host));
  gst_object_unref (cuda);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  gst_init (&argc, &argv);
  if (!gst_cuda_load_library ())
    g_error ("the driver of this test is not found: LD_LIBRARY_PATH");
#define TEST(name)                                                             \
  g_test_add (                                                                 \
      "/plugins/cuda_share/" #name, Fixture, NULL, setup, name, teardown)
  TEST (offers_its_own);
  TEST (offers_at_start);
  TEST (takes_what_is_there);
  TEST (passes_by_another_device);
  TEST (refuses);
  TEST (is_one_for_all);
  g_test_add_func ("/plugins/cuda_share/frames_are_taken", frames_are_taken);
  g_test_add_func (
      "/plugins/cuda_share/frames_stay_in_memory", frames_stay_in_memory);
  return g_test_run ();
}
