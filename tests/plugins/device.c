/* SPDX-License-Identifier: MIT */
/* What stays on a device, seen with the device that the CPU plays ("mock"),
 * and on a GPU where there is one: memory and caps between the elements, and
 * what comes down. */
#include "fixture.h"
#include "../../plugins/bundle.h"
#include "stages/model_private.h"

enum { TEXTURE = 256 };

#define JOB                                                                    \
  "filesrc location=%s/a.png ! shuphotodec ! shumatting name=matting ! "       \
  "shupreprocess name=preprocess seed=5 ! shustage1 name=stage1 "              \
  "num-inference-steps=2 ! shustage2 name=stage2 num-steps=2 ! shumesh "       \
  "name=mesh ! shutexture name=texture texture-size=256 ! shuglbmux "          \
  "name=mux ! shufilesink location=%s/%s.glb"

/* (transfer full): the job of one photo */
static GstElement *
new_job (const char *folder, const char *name)
{
  g_autofree char *text = g_strdup_printf (JOB, folder, folder, name);
  g_autoptr (GError) error = NULL;
  GstElement *pipeline = gst_parse_launch (text, &error);

  g_assert_no_error (error);
  return pipeline;
}

static void
set_device (GstElement *pipeline, const char *element, const char *device)
{
  g_autoptr (GstElement) e = gst_bin_get_by_name (GST_BIN (pipeline), element);

  g_object_set (e, "device", device, NULL);
}

static GstElement *
start_job (const char *folder, const char *device, const char *name)
{
  GstElement *pipeline = new_job (folder, name);

  set_device (pipeline, "matting", device);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  return pipeline;
}

/* (transfer full): after the job */
static GstElement *
run_job (const char *folder, const char *device, const char *name)
{
  GstElement *pipeline = start_job (folder, device, name);

  fixture_wait_for_end (pipeline);
  return pipeline;
}

static guint64
stat_of (GstElement *pipeline, const char *element, const char *field)
{
  g_autoptr (GstElement) e = gst_bin_get_by_name (GST_BIN (pipeline), element);
  g_autoptr (GstStructure) stats = NULL;
  guint64 value;

  g_object_get (e, "stats", &stats, NULL);
  g_assert_true (gst_structure_get_uint64 (stats, field, &value));
  return value;
}

/* The caps that @element gives, as text: (transfer full) */
static char *
caps_after (GstElement *pipeline, const char *element)
{
  g_autoptr (GstElement) e = gst_bin_get_by_name (GST_BIN (pipeline), element);
  g_autoptr (GstPad) pad = gst_element_get_static_pad (e, "src");
  g_autoptr (GstCaps) caps = gst_pad_get_current_caps (pad);

  g_assert_nonnull (caps);
  return gst_caps_to_string (caps);
}

static void
stop (GstElement *pipeline)
{
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (pipeline);
}

static void
check_job (const char *folder, const char *device)
{
  GstElement *pipeline = run_job (folder, device, "device");
  static const char *const on_device[] = {
      "matting", "preprocess", "stage1", "stage2", "mesh", "texture"};

  for (guint i = 0; i < G_N_ELEMENTS (on_device); i++) {
    g_autofree char *caps = caps_after (pipeline, on_device[i]);

    g_assert_nonnull (strstr (caps, "memory:ShuDevice"));
    g_assert_nonnull (strstr (caps, device));
    if (strcmp (on_device[i], "texture") != 0)
      g_assert_cmpuint (stat_of (pipeline, on_device[i], "image-down"), ==, 0);
    g_assert_cmpuint (stat_of (pipeline, on_device[i], "tensor-down"), ==, 0);
    g_assert_cmpuint (stat_of (pipeline, on_device[i], "preview-down"), ==, 0);
  }
  /* the photo goes up once, and the mesh work brings down what it needs */
  g_assert_cmpuint (stat_of (pipeline, "matting", "image-n-up"), ==, 1);
  g_assert_cmpuint (stat_of (pipeline, "preprocess", "image-n-up"), ==, 0);
  g_assert_cmpuint (stat_of (pipeline, "stage1", "image-n-up"), ==, 0);
  g_assert_cmpuint (stat_of (pipeline, "stage2", "image-n-up"), ==, 0);
  g_assert_cmpuint (stat_of (pipeline, "stage2", "mesh-down"), ==, 0);
  g_assert_cmpuint (stat_of (pipeline, "mesh", "mesh-down"), >, 0);
  g_assert_cmpuint (stat_of (pipeline, "mesh", "image-n-up"), ==, 0);
  /* of pictures, the finished texture comes down alone */
  g_assert_cmpuint (stat_of (pipeline, "texture", "image-n-up"), ==, 0);
  g_assert_cmpuint (stat_of (pipeline, "texture", "image-n-down"), ==, 1);
  g_assert_cmpuint (
      stat_of (pipeline, "texture", "image-down"), ==, 3 * TEXTURE * TEXTURE);
  g_assert_cmpuint (stat_of (pipeline, "texture", "tensor-up"), ==, 0);
  g_assert_cmpuint (stat_of (pipeline, "mux", "image-down"), ==, 0);
  g_assert_cmpuint (stat_of (pipeline, "mux", "mesh-down"), ==, 0);
  stop (pipeline);
}

/* The same job with and without a device between: the same file, since both
 * compute in the same way. */
static void
stays_on_mock (void)
{
  g_autofree char *folder = harness_folder ();
  g_autoptr (GBytes) a = NULL;
  g_autoptr (GBytes) b = NULL;
  GstElement *pipeline;
  g_autofree char *caps = NULL;

  harness_put_png (folder, "a.png", 90, 120);
  check_job (folder, "mock");
  pipeline = run_job (folder, "cpu", "host");
  caps = caps_after (pipeline, "stage1");
  g_assert_null (strstr (caps, "ShuDevice"));
  g_assert_cmpuint (stat_of (pipeline, "stage1", "image-up"), ==, 0);
  stop (pipeline);
  a = harness_contents (folder, "device.glb");
  b = harness_contents (folder, "host.glb");
  g_assert_true (g_bytes_equal (a, b));
  harness_remove (folder);
}

static void
stays_on_gpu (void)
{
  g_autofree char *folder = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (ShuModel) model = shu_model_get (NULL, "cuda:0", &error);

  if (!model) {
    g_test_skip (error->message);
    return;
  }
  folder = harness_folder ();
  harness_put_png (folder, "a.png", 90, 120);
  check_job (folder, "cuda:0");
  harness_remove (folder);
}

static void
assert_same_file (const char *folder, const char *name, const char *other)
{
  g_autoptr (GBytes) a = harness_contents (folder, name);
  g_autoptr (GBytes) b = harness_contents (folder, other);

  g_assert_true (g_bytes_equal (a, b));
}

/* ---- from files ---- */

#define REST                                                                   \
  "shumesh name=mesh ! shutexture name=texture texture-size=256 ! shuglbmux "  \
  "! shufilesink"

/* What was saved goes on where shubundledec brings it, with the same result. */
static void
saved_goes_on_there (void)
{
  g_autofree char *folder = harness_folder ();
  g_autofree char *save = g_strdup_printf (
      "filesrc location=%s/a.png ! shuphotodec ! shumatting device=cpu ! "
      "shupreprocess seed=5 ! shustage1 num-inference-steps=2 ! shustage2 "
      "num-steps=2 ! tee name=t ! queue ! shubundleenc ! shufilesink "
      "location=%s/asset  t. ! queue ! " REST " location=%s/straight.glb",
      folder, folder, folder);
  g_autofree char *go_on = g_strdup_printf (
      "filesrc location=%s/asset ! shubundledec name=dec device=mock ! " REST
      " location=%s/there.glb",
      folder, folder);
  g_autofree char *file = g_strdup_printf (
      "filesrc location=%s/asset ! shubundledec name=dec device=mock ! "
      "shunpzenc ! fakesink",
      folder);
  g_autofree char *nowhere = g_strdup_printf (
      "filesrc location=%s/asset ! shubundledec device=cuda:900 ! " REST
      " location=%s/no.glb",
      folder, folder);
  g_autofree char *refused = NULL, *there = NULL, *here = NULL;
  GstElement *pipeline;

  harness_put_png (folder, "a.png", 90, 120);
  g_assert_null (fixture_run (save, NULL));
  pipeline = gst_parse_launch (go_on, NULL);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  fixture_wait_for_end (pipeline);
  there = caps_after (pipeline, "dec");
  g_assert_nonnull (strstr (there, "memory:ShuDevice"));
  g_assert_nonnull (strstr (there, "mock"));
  /* colours, normals, the condition and the cut-out; features and Gaussians */
  g_assert_cmpuint (stat_of (pipeline, "dec", "image-n-up"), ==, 4);
  g_assert_cmpuint (stat_of (pipeline, "dec", "mesh-n-up"), ==, 6);
  g_assert_cmpuint (stat_of (pipeline, "mesh", "image-n-up"), ==, 0);
  g_assert_cmpuint (stat_of (pipeline, "texture", "image-n-up"), ==, 0);
  g_assert_cmpuint (stat_of (pipeline, "texture", "image-n-down"), ==, 1);
  stop (pipeline);
  assert_same_file (folder, "straight.glb", "there.glb");
  /* what takes host memory alone gets that */
  pipeline = gst_parse_launch (file, NULL);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  fixture_wait_for_end (pipeline);
  here = caps_after (pipeline, "dec");
  g_assert_null (strstr (here, "ShuDevice"));
  g_assert_cmpuint (stat_of (pipeline, "dec", "image-n-up"), ==, 0);
  stop (pipeline);
  refused = fixture_run (nowhere, NULL);
  g_assert_nonnull (strstr (refused, "device cuda:900"));
  g_assert_false (harness_exists (folder, "no.glb"));
  harness_remove (folder);
}

/* ---- loading ---- */

/* "ELEMENT CODE", as they begin, up to the end of the stream; each ends before
 * the next of its element.  (transfer full) */
static char *
listen (GstElement *pipeline)
{
  GString *begun = g_string_new (NULL);
  g_autofree char *open = g_strdup ("");

  for (;;) {
    g_autoptr (GstMessage) m = fixture_wait (
        pipeline, GST_MESSAGE_EOS | GST_MESSAGE_ERROR | GST_MESSAGE_PROGRESS);
    g_autofree char *code = NULL, *key = NULL;
    GstProgressType type;

    g_assert_cmpint (GST_MESSAGE_TYPE (m), !=, GST_MESSAGE_ERROR);
    if (GST_MESSAGE_TYPE (m) == GST_MESSAGE_EOS)
      break;
    gst_message_parse_progress (m, &type, &code, NULL);
    key = g_strdup_printf ("%s %s", GST_OBJECT_NAME (m->src), code);
    if (type == GST_PROGRESS_TYPE_START) {
      g_assert_cmpstr (open, ==, "");
      g_string_append_printf (begun, "%s%s", begun->len ? ", " : "", key);
    } else
      g_assert_cmpstr (open, ==, key);
    g_free (open);
    open = g_strdup (type == GST_PROGRESS_TYPE_COMPLETE ? "" : key);
  }
  g_assert_cmpstr (open, ==, "");
  return g_string_free (begun, FALSE);
}

/* Networks go up before the stage that wants them begins, and once. */
static void
loading_is_told (void)
{
  g_autofree char *folder = harness_folder ();
  g_autofree char *text = g_strdup_printf (
      "filesrc location=%s/a.png ! shuphotodec ! videoconvert ! "
      "video/x-raw,format=RGB ! shumatting name=matting device=mock ! "
      "shupreprocess name=preprocess ! shustage1 name=stage1 ! "
      "shustage2 name=stage2 ! fakesink",
      folder);
  GstElement *pipeline = gst_parse_launch (text, NULL);
  g_autofree char *heard = NULL;

  harness_put_png (folder, "a.png", 90, 120);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  heard = listen (pipeline);
  stop (pipeline);
  g_assert_cmpstr (heard, ==,
      "matting load, matting matting, preprocess preprocess, stage1 load, "
      "stage1 stage1, stage2 load, stage2 stage2");
  harness_remove (folder);
}

/* Whether the denoiser is loaded for somebody */
static gboolean
is_loaded (const char *device)
{
  g_autoptr (ShuModel) m = shu_model_get (TINY, device, NULL);

  return m->loaded[SHU_NET_JOINT].net && m->loaded[SHU_NET_JOINT].is_there;
}

/* Networks of two pipelines are the same, and go with the last. */
static void
last_lets_go (void)
{
  g_autofree char *folder = harness_folder ();
  GstElement *a, *b;

  harness_put_png (folder, "a.png", 90, 120);
  g_assert_false (is_loaded ("mock"));
  a = run_job (folder, "mock", "a");
  b = run_job (folder, "mock", "b");
  g_assert_true (is_loaded ("mock"));
  stop (a);
  g_assert_true (is_loaded ("mock"));
  stop (b);
  g_assert_false (is_loaded ("mock"));
  harness_remove (folder);
}

/* ---- several GPUs ---- */

static gboolean
skip_without_two (void)
{
  static const char *const devices[] = {"cuda:0", "cuda:1"};

  for (guint i = 0; i < G_N_ELEMENTS (devices); i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (ShuModel) model = shu_model_get (NULL, devices[i], &error);

    if (!model) {
      g_test_skip (error->message);
      return TRUE;
    }
  }
  return FALSE;
}

/* Two pipelines of one process, each on its GPU, one after the other and at the
 * same time */
static void
two_at_once (void)
{
  g_autofree char *folder = NULL;
  GstElement *both[2];

  if (skip_without_two ())
    return;
  folder = harness_folder ();
  harness_put_png (folder, "a.png", 90, 120);
  stop (run_job (folder, "cuda:0", "first"));
  stop (run_job (folder, "cuda:1", "second"));
  both[0] = start_job (folder, "cuda:0", "third");
  both[1] = start_job (folder, "cuda:1", "fourth");
  for (int i = 0; i < 2; i++) {
    fixture_wait_for_end (both[i]);
    stop (both[i]);
  }
  assert_same_file (folder, "first.glb", "second.glb");
  assert_same_file (folder, "first.glb", "third.glb");
  assert_same_file (folder, "first.glb", "fourth.glb");
  harness_remove (folder);
}

/* One pipeline over two GPUs: what an element needs comes once from the other
 * one, and nothing by the host. */
static void
one_over_two (void)
{
  static const char *const on[] = {"matting", "preprocess", "stage1", "stage2"};
  static const char *const device[] = {"cuda:0", "cuda:1", "cuda:1", "cuda:0"};
  g_autofree char *folder = NULL;
  GstElement *pipeline;

  if (skip_without_two ())
    return;
  folder = harness_folder ();
  harness_put_png (folder, "a.png", 90, 120);
  stop (run_job (folder, "cuda:0", "one"));
  pipeline = new_job (folder, "two");
  for (guint i = 0; i < G_N_ELEMENTS (on); i++)
    set_device (pipeline, on[i], device[i]);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  fixture_wait_for_end (pipeline);
  for (guint i = 0; i < G_N_ELEMENTS (on); i++) {
    g_autofree char *caps = caps_after (pipeline, on[i]);

    g_assert_nonnull (strstr (caps, "memory:ShuDevice"));
    g_assert_nonnull (strstr (caps, device[i]));
    g_assert_cmpuint (stat_of (pipeline, on[i], "image-down"), ==, 0);
  }
  g_assert_cmpuint (stat_of (pipeline, "matting", "image-n-across"), ==, 0);
  g_assert_cmpuint (stat_of (pipeline, "preprocess", "image-n-across"), ==, 1);
  g_assert_cmpuint (stat_of (pipeline, "stage1", "image-n-across"), ==, 0);
  /* the colours, the normals and the condition */
  g_assert_cmpuint (stat_of (pipeline, "stage2", "image-n-across"), ==, 3);
  g_assert_cmpuint (stat_of (pipeline, "stage2", "image-n-up"), ==, 0);
  stop (pipeline);
  assert_same_file (folder, "one.glb", "two.glb");
  harness_remove (folder);
}

/* Two elements on different devices, and one that writes files, get system
 * memory; what comes down is counted. */
static void
leaves_device_where_it_must (void)
{
  g_autofree char *folder = harness_folder ();
  g_autofree char *text = g_strdup_printf (
      "filesrc location=%s/a.png ! shuphotodec ! shumatting device=mock ! "
      "shupreprocess ! shustage1 name=stage1 num-inference-steps=2 ! tee "
      "name=t ! queue ! shustage2 device=cpu num-steps=2 ! fakesink  t. ! "
      "queue ! shubundleenc ! fakesink",
      folder);
  GstElement *pipeline;
  g_autofree char *caps = NULL;

  harness_put_png (folder, "a.png", 90, 120);
  pipeline = gst_parse_launch (text, NULL);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  fixture_wait_for_end (pipeline);
  caps = caps_after (pipeline, "stage1");
  g_assert_null (strstr (caps, "ShuDevice"));
  g_assert_cmpuint (stat_of (pipeline, "stage1", "image-n-down"), ==, 4);
  stop (pipeline);
  harness_remove (folder);
}

/* Bundle "views" with a picture on the mock device and numbers here */
static ShuBundle *
mixed_bundle (const guint8 *bytes)
{
  const gint64 dims[] = {2, 3, 4}, n[] = {2};
  ShuBundle *b = shu_bundle_new ("views");
  ShuTensor *picture = shu_tensor_new (SHU_DTYPE_U8, 3, dims);
  ShuTensor *numbers = shu_tensor_new (SHU_DTYPE_I32, 1, n);
  ShuPreprocessParams params = {.view_size = 24, .condition_size = 14};
  g_autoptr (ShuImage) cutout = harness_figure (40, 60, TRUE);
  g_autoptr (ShuTensor) t = shu_tensor_new_image (cutout);
  g_autoptr (ShuBundle) subject =
      shu_stage_preprocess_picture ("mock", t, &params, NULL, NULL);

  g_assert_nonnull (subject);
  memcpy (picture->data, bytes, 24);
  memset (numbers->data, 1, 8);
  shu_bundle_take (b, "picture", picture);
  shu_bundle_take (b, "numbers", numbers);
  shu_bundle_set (b, "body", shu_bundle_get (subject, "body"));
  return b;
}

static void
memory_maps_once (void)
{
  static const guint8 bytes[24] = {1, 2, 3};
  g_autoptr (ShuBundle) b = mixed_bundle (bytes);
  g_autoptr (ShuBundle) back = NULL, host = NULL, copied = NULL;
  g_autoptr (ShuTraffic) traffic = shu_traffic_new ();
  g_autoptr (GstBuffer) buffer = gst_buffer_new ();
  g_autoptr (GstBuffer) copy = NULL;
  ShuTensor *body = shu_bundle_get (b, "body");
  GstMemory *memory;
  GstMapInfo map;

  g_assert_true (shu_buffer_fill_bundle (buffer, b, traffic, NULL));
  g_assert_cmpuint (gst_buffer_n_memory (buffer), ==, 3);
  memory = gst_buffer_peek_memory (buffer, 2);
  g_assert_true (shu_device_memory_tensor (memory) == body);
  g_assert_null (shu_device_memory_tensor (gst_buffer_peek_memory (buffer, 0)));
  back = shu_buffer_get_bundle (buffer, NULL);
  g_assert_false (shu_tensor_is_host (shu_bundle_get (back, "body")));
  g_assert_true (shu_tensor_is_host (shu_bundle_get (back, "picture")));
  g_assert_cmpuint (shu_traffic_get (traffic, SHU_TRAFFIC_IMAGE).n_down, ==, 0);
  for (int i = 0; i < 2; i++) {
    g_assert_true (gst_memory_map (memory, &map, GST_MAP_READ));
    g_assert_cmpuint (map.size, ==, shu_tensor_bytes (body));
    gst_memory_unmap (memory, &map);
  }
  g_assert_false (gst_memory_map (memory, &map, GST_MAP_WRITE));
  copy = gst_buffer_copy_deep (buffer);
  copied = shu_buffer_get_bundle (copy, NULL);
  g_assert_true (shu_tensor_is_host (shu_bundle_get (copied, "body")));
  host = shu_bundle_to_host (back, traffic, NULL);
  g_assert_cmpmem (shu_bundle_get (host, "body")->data, map.size,
      shu_bundle_get (copied, "body")->data, map.size);
  g_assert_cmpuint (shu_traffic_get (traffic, SHU_TRAFFIC_IMAGE).n_down, ==, 1);
}

int
main (int argc, char **argv)
{
  fixture_init (&argc, &argv);
  g_test_add_func ("/plugins/device/stays_on_mock", stays_on_mock);
  g_test_add_func ("/plugins/device/stays_on_gpu", stays_on_gpu);
  g_test_add_func ("/plugins/device/saved_goes_on_there", saved_goes_on_there);
  g_test_add_func ("/plugins/device/loading_is_told", loading_is_told);
  g_test_add_func ("/plugins/device/last_lets_go", last_lets_go);
  g_test_add_func ("/plugins/device/two_at_once", two_at_once);
  g_test_add_func ("/plugins/device/one_over_two", one_over_two);
  g_test_add_func ("/plugins/device/leaves_device_where_it_must",
      leaves_device_where_it_must);
  g_test_add_func ("/plugins/device/memory_maps_once", memory_maps_once);
  return g_test_run ();
}
