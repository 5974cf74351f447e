/* SPDX-License-Identifier: MIT */
/* Frames of GStreamer's CUDA elements in our own pipelines: what pads take, and
 * on a GPU the same bytes as by the host. */
#include "fixture.h"

#define CUDA_CONTEXT "gst.cuda.context"
#define TAIL                                                                   \
  "shumatting name=matting device=cuda:0 ! shupreprocess seed=5 ! shustage1 "  \
  "num-inference-steps=2 ! shustage2 num-steps=2 ! shumesh ! shutexture "      \
  "texture-size=256 ! shuglbmux ! shufilesink location=%s/%s"
#define HOST_JOB "filesrc location=%s/a.png ! shuphotodec ! " TAIL
/* without the filter it would pass on what it gets */
#define UPLOAD "cudaupload name=upload ! video/x-raw(memory:CUDAMemory) ! "
#define CUDA_JOB "filesrc location=%s/a.png ! shuphotodec ! " UPLOAD TAIL

static gboolean
built (void)
{
#ifdef HAVE_GST_CUDA
  return TRUE;
#else
  return FALSE;
#endif
}

/* ---- without a GPU ---- */

static gboolean
takes_cuda (GstCaps *caps)
{
  for (guint i = 0; i < gst_caps_get_size (caps); i++)
    if (gst_caps_features_contains (
            gst_caps_get_features (caps, i), "memory:CUDAMemory"))
      return TRUE;
  return FALSE;
}

static void
templates_say_so (void)
{
  static const char *const names[] = {"shumatting", "shupreprocess"};

  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autoptr (GstElement) e =
        gst_object_ref_sink (gst_element_factory_make (names[i], NULL));
    g_autoptr (GstPad) sink = gst_element_get_static_pad (e, "sink");
    g_autoptr (GstPad) src = gst_element_get_static_pad (e, "src");
    g_autoptr (GstCaps) taken = gst_pad_get_pad_template_caps (sink);
    g_autoptr (GstCaps) given = gst_pad_get_pad_template_caps (src);

    g_assert_true (takes_cuda (taken) == built ());
    g_assert_false (takes_cuda (given));
  }
}

/* What works elsewhere takes no memory of CUDA, and knows no context. */
static void
others_do_not_take_it (gconstpointer device)
{
  g_autoptr (GstElement) e =
      gst_object_ref_sink (gst_element_factory_make ("shumatting", NULL));
  g_autoptr (GstQuery) query = gst_query_new_context (CUDA_CONTEXT);
  GstHarness *h = gst_harness_new_with_element (e, "sink", "src");
  g_autoptr (GstPad) sink = gst_element_get_static_pad (e, "sink");
  g_autoptr (GstCaps) caps = NULL;

  g_object_set (e, "device", device, NULL);
  gst_harness_play (h);
  caps = gst_pad_query_caps (sink, NULL);
  g_assert_false (gst_caps_is_empty (caps));
  g_assert_false (takes_cuda (caps));
  g_assert_false (gst_pad_query (sink, query));
  gst_harness_teardown (h);
}

static GBytes *
views_of (const char *folder, const char *model)
{
  g_autofree char *description = g_strdup_printf (
      "filesrc location=%s/a.png ! shuphotodec ! shumatting "
      "model=synthetic-tiny:9 ! shupreprocess ! shustage1 device=cpu "
      "num-inference-steps=1 %s ! shubundleenc ! shufilesink location=%s/views",
      folder, model, folder);
  g_autofree char *text = fixture_run (description, NULL);

  g_assert_null (text);
  return harness_contents (folder, "views");
}

/* An element with a device of its own starts before the one that says which
 * model. */
static void
later_models_count (void)
{
  g_autofree char *folder = harness_folder ();
  g_autoptr (GBytes) a = NULL, b = NULL, other = NULL;

  harness_put_png (folder, "a.png", 90, 120);
  a = views_of (folder, "model=synthetic-tiny:9");
  b = views_of (folder, "");
  other = views_of (folder, "model=" TINY);
  g_assert_true (g_bytes_equal (a, b));
  g_assert_false (g_bytes_equal (a, other));
  harness_remove (folder);
}

static void
wrong_device_is_an_error (void)
{
  g_autofree char *folder = harness_folder ();
  g_autofree char *description = g_strdup_printf (
      "filesrc location=%s/a.png ! shuphotodec ! shumatting device=cuda:1023 ! "
      "fakesink",
      folder);
  g_autofree char *text = NULL;
  int n;

  harness_put_png (folder, "a.png", 90, 120);
  text = fixture_run (description, &n);
  g_assert_nonnull (text);
  g_assert_nonnull (strstr (text, "device cuda:1023"));
  g_assert_nonnull (strstr (text, "use cpu or auto"));
  g_assert_cmpint (n, ==, 1);
  harness_remove (folder);
}

/* ---- with one ---- */

static gboolean
skip (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ShuModel) model = shu_model_get (NULL, "cuda:0", &error);
  g_autoptr (GstElementFactory) upload =
      gst_element_factory_find ("cudaupload");

  if (!built ())
    g_test_skip ("built without GStreamer's CUDA library");
  else if (!model)
    g_test_skip (error->message);
  else if (!upload)
    g_test_skip ("no element cudaupload: install gstreamer1.0-plugins-bad");
  else
    return FALSE;
  return TRUE;
}

static GstElement *
new_pipeline (const char *job, const char *folder, const char *name)
{
  g_autofree char *text = g_strdup_printf (job, folder, folder, name);
  g_autoptr (GError) error = NULL;
  GstElement *pipeline = gst_parse_launch (text, &error);

  g_assert_no_error (error);
  return pipeline;
}

static void
run (GstElement *pipeline)
{
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  fixture_wait_for_end (pipeline);
}

static void
stop (GstElement *pipeline)
{
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (pipeline);
}

/* The object behind the context that @element knows */
static gpointer
cuda_of (GstElement *pipeline, const char *element)
{
  g_autoptr (GstElement) e = gst_bin_get_by_name (GST_BIN (pipeline), element);
  g_autoptr (GstContext) context = gst_element_get_context (e, CUDA_CONTEXT);

  g_assert_nonnull (context);
  return g_value_get_object (gst_structure_get_value (
      gst_context_get_structure (context), CUDA_CONTEXT));
}

static guint64
stat_of (GstElement *pipeline, const char *field)
{
  g_autoptr (GstElement) e =
      gst_bin_get_by_name (GST_BIN (pipeline), "matting");
  g_autoptr (GstStructure) stats = NULL;
  guint64 value;

  g_object_get (e, "stats", &stats, NULL);
  g_assert_true (gst_structure_get_uint64 (stats, field, &value));
  return value;
}

static void
assert_stays (GstElement *pipeline)
{
  g_assert_cmpuint (stat_of (pipeline, "image-n-up"), ==, 0);
  g_assert_cmpuint (stat_of (pipeline, "image-n-down"), ==, 0);
  g_assert_cmpuint (stat_of (pipeline, "image-n-across"), ==, 1);
}

static void
assert_same (const char *folder, const char *name, const char *other)
{
  g_autoptr (GBytes) a = harness_contents (folder, name);
  g_autoptr (GBytes) b = harness_contents (folder, other);

  g_assert_true (g_bytes_equal (a, b));
}

/* Ours starts first, since it stands behind: the others get its context.  Then
 * the application has one for all. */
static void
shares_in_either_order (void)
{
  g_autofree char *folder = NULL;
  g_autoptr (GstContext) theirs = NULL;
  g_autoptr (GstElement) upload = NULL;
  GstElement *pipeline;
  gpointer ours;

  if (skip ())
    return;
  folder = harness_folder ();
  harness_put_png (folder, "a.png", 90, 120);
  pipeline = new_pipeline (HOST_JOB, folder, "host.glb");
  run (pipeline);
  stop (pipeline);

  pipeline = new_pipeline (CUDA_JOB, folder, "ours.glb");
  run (pipeline);
  ours = cuda_of (pipeline, "matting");
  g_assert_true (cuda_of (pipeline, "upload") == ours);
  assert_stays (pipeline);
  stop (pipeline);
  assert_same (folder, "host.glb", "ours.glb");

  /* one that an element of theirs has made */
  upload = gst_object_ref_sink (gst_element_factory_make ("cudaupload", NULL));
  gst_element_set_state (upload, GST_STATE_PAUSED);
  theirs = gst_element_get_context (upload, CUDA_CONTEXT);
  g_assert_nonnull (theirs);
  pipeline = new_pipeline (CUDA_JOB, folder, "theirs.glb");
  gst_element_set_context (pipeline, theirs);
  run (pipeline);
  g_assert_true (cuda_of (pipeline, "matting") != ours);
  g_assert_true (cuda_of (pipeline, "matting") == cuda_of (pipeline, "upload"));
  assert_stays (pipeline);
  stop (pipeline);
  gst_element_set_state (upload, GST_STATE_NULL);
  assert_same (folder, "host.glb", "theirs.glb");
  harness_remove (folder);
}

/* A cut-out goes to shupreprocess without matting, here and there; rows of
 * 90 x 4 bytes are padded in memory of CUDA. */
static void
cutouts_stay (void)
{
  g_autofree char *folder = NULL;
  static const char *const jobs[] = {
      "filesrc location=%s/a.png ! shuphotodec ! shumatting device=cpu ! "
      "shupreprocess name=matting device=cuda:0 ! shubundleenc ! shufilesink "
      "location=%s/%s",
      "filesrc location=%s/a.png ! shuphotodec ! shumatting device=cpu "
      "! " UPLOAD
      "shupreprocess name=matting device=cuda:0 ! shubundleenc ! shufilesink "
      "location=%s/%s",
  };

  if (skip ())
    return;
  folder = harness_folder ();
  harness_put_png (folder, "a.png", 90, 120);
  for (guint i = 0; i < G_N_ELEMENTS (jobs); i++) {
    GstElement *pipeline = new_pipeline (
        jobs[i], folder, i ? "cuda.safetensors" : "host.safetensors");

    run (pipeline);
    g_assert_cmpuint (stat_of (pipeline, "image-n-up"), ==, 0);
    g_assert_cmpuint (stat_of (pipeline, "image-n-across"), ==, i);
    stop (pipeline);
  }
  assert_same (folder, "host.safetensors", "cuda.safetensors");
  harness_remove (folder);
}

int
main (int argc, char **argv)
{
  fixture_init (&argc, &argv);
  g_test_add_func ("/plugins/cuda/templates_say_so", templates_say_so);
  g_test_add_data_func (
      "/plugins/cuda/cpu_does_not_take_it", "cpu", others_do_not_take_it);
  g_test_add_data_func (
      "/plugins/cuda/mock_does_not_take_it", "mock", others_do_not_take_it);
  g_test_add_func ("/plugins/cuda/later_models_count", later_models_count);
  g_test_add_func (
      "/plugins/cuda/wrong_device_is_an_error", wrong_device_is_an_error);
  g_test_add_func (
      "/plugins/cuda/shares_in_either_order", shares_in_either_order);
  g_test_add_func ("/plugins/cuda/cutouts_stay", cutouts_stay);
  return g_test_run ();
}
