/* SPDX-License-Identifier: MIT */
/* Single elements in a harness: caps, properties, reading files. */
#include "fixture.h"
#include "../../plugins/bundle.h"
#include "../../plugins/model.h"

static void
push_bytes (GstHarness *h, GBytes *bytes, gsize from, gsize size)
{
  const guint8 *data = g_bytes_get_data (bytes, NULL);

  g_assert_cmpint (
      gst_harness_push (h, gst_buffer_new_memdup (data + from, size)), ==,
      GST_FLOW_OK);
}

static void
assert_size (GstHarness *h, int width, int height)
{
  g_autoptr (GstCaps) caps = gst_pad_get_current_caps (h->sinkpad);
  const GstStructure *s = gst_caps_get_structure (caps, 0);
  int w = 0, t = 0;

  gst_structure_get_int (s, "width", &w);
  gst_structure_get_int (s, "height", &t);
  g_assert_cmpint (w, ==, width);
  g_assert_cmpint (t, ==, height);
}

static void
photo_in_pieces (void)
{
  GstHarness *h = gst_harness_new ("shuphotodec");
  g_autoptr (GBytes) png = harness_png (61, 87, TRUE);
  gsize size = g_bytes_get_size (png);

  gst_harness_set_src_caps_str (h, "image/png");
  for (gsize at = 0; at < size; at += 50)
    push_bytes (h, png, at, MIN (50, size - at));
  g_assert_cmpuint (gst_harness_buffers_received (h), ==, 0);
  g_assert_true (gst_harness_push_event (h, gst_event_new_eos ()));
  g_assert_cmpuint (gst_harness_buffers_received (h), ==, 1);
  assert_size (h, 61, 87);
  gst_harness_teardown (h);
}

static void
photos_of_several_sizes (void)
{
  GstHarness *h = gst_harness_new ("shuphotodec");
  g_autoptr (GBytes) a = harness_png (31, 40, TRUE);
  g_autoptr (GBytes) b = harness_png (52, 33, TRUE);

  gst_harness_set_src_caps_str (h, "image/png");
  push_bytes (h, a, 0, g_bytes_get_size (a));
  push_bytes (h, b, 0, g_bytes_get_size (b));
  g_assert_cmpuint (gst_harness_buffers_received (h), ==, 1);
  assert_size (h, 31, 40);
  gst_harness_push_event (h, gst_event_new_eos ());
  g_assert_cmpuint (gst_harness_buffers_received (h), ==, 2);
  assert_size (h, 52, 33);
  gst_harness_teardown (h);
}

/* Who turns pictures by their tags would turn what is upright already. */
static void
photo_is_upright (void)
{
  GstHarness *h = gst_harness_new ("shuphotodec");
  g_autoptr (GBytes) png = harness_png (61, 87, TRUE);
  g_autoptr (GstEvent) tag = NULL;
  GstTagList *tags;

  gst_harness_set_src_caps_str (h, "image/png");
  gst_harness_push_event (
      h, gst_event_new_tag (gst_tag_list_new (GST_TAG_IMAGE_ORIENTATION,
             "rotate-90", GST_TAG_TITLE, "a photo", NULL)));
  push_bytes (h, png, 0, g_bytes_get_size (png));
  g_assert_true (gst_harness_push_event (h, gst_event_new_eos ()));
  tag = gst_pad_get_sticky_event (h->sinkpad, GST_EVENT_TAG, 0);
  g_assert_nonnull (tag);
  gst_event_parse_tag (tag, &tags);
  g_assert_cmpint (gst_tag_list_n_tags (tags), ==, 1);
  g_assert_cmpuint (gst_tag_list_get_tag_size (tags, GST_TAG_TITLE), ==, 1);
  gst_harness_teardown (h);
}

/* Not "Internal data stream error" */
static void
photo_not_wanted (void)
{
  g_autofree char *folder = harness_folder ();
  g_autofree char *line = g_strdup_printf (
      "filesrc location=%s/a.png ! shuphotodec ! video/x-raw,width=5 ! "
      "fakesink",
      folder);
  g_autofree char *message = NULL;

  harness_put_png (folder, "a.png", 61, 87);
  message = fixture_run (line, NULL);
  g_assert_nonnull (message);
  g_assert_nonnull (strstr (message, "does not take what this picture holds"));
  g_assert_nonnull (strstr (message, "width=(int)61"));
  harness_remove (folder);
}

/* Photos are larger than what the reference cuts out; what is transparent is
 * not cut out. */
static void
matting_reduces (void)
{
  static const struct {
    const char *format;
    int alpha, width, height;
    int cut_width, cut_height;
  } rows[] = {
      {"RGB", 255, 1500, 2000, 768, 1024},
      {"RGBA", 255, 1500, 2000, 768, 1024},
      {"RGBA", 0, 1201, 1600, 1201, 1600},
      {"RGB", 255, 300, 400, 300, 400},
      {"RGBA", 255, 1600, 1200, 1024, 768},
  };

  GstHarness *h = gst_harness_new_parse ("shumatting device=cpu");

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    int n_channels = (int) strlen (rows[i].format);
    g_autofree char *caps = g_strdup_printf (
        "video/x-raw, format=%s, width=%d, height=%d, framerate=0/1",
        rows[i].format, rows[i].width, rows[i].height);
    gsize size = (gsize) rows[i].width * rows[i].height * n_channels;
    guint8 *data = g_malloc (size);
    GstBuffer *out;

    memset (data, 200, size);
    /* the lower half of it, or all */
    for (gsize k = 3; n_channels == 4 && k < size; k += 4)
      data[k] = k > size / 2 ? 255 : rows[i].alpha;
    g_test_message ("%s, alpha %d", caps, rows[i].alpha);
    gst_harness_set_src_caps_str (h, caps);
    g_assert_cmpint (gst_harness_push (h, gst_buffer_new_wrapped (data, size)),
        ==, GST_FLOW_OK);
    assert_size (h, rows[i].cut_width, rows[i].cut_height);
    out = gst_harness_pull (h);
    g_assert_cmpuint (gst_buffer_get_size (out), ==,
        (gsize) rows[i].cut_width * rows[i].cut_height * 4);
    gst_buffer_unref (out);
  }
  gst_harness_teardown (h);
}

static void
matting_wants_squares (void)
{
  for (int n = 1; n <= 2; n++) {
    GstHarness *h = gst_harness_new_parse ("shumatting device=cpu");
    g_autoptr (GstElement) e = gst_harness_find_element (h, "shumatting");
    g_autoptr (GstBus) bus = gst_bus_new ();
    g_autoptr (GstMessage) m = NULL;

    gst_element_set_bus (e, bus);
    gst_harness_set_src_caps (
        h, gst_caps_new_simple ("video/x-raw", "format", G_TYPE_STRING, "RGB",
               "width", G_TYPE_INT, 30, "height", G_TYPE_INT, 40, "framerate",
               GST_TYPE_FRACTION, 25, 1, "pixel-aspect-ratio",
               GST_TYPE_FRACTION, n, 1, NULL));
    m = gst_bus_pop_filtered (bus, GST_MESSAGE_WARNING);
    g_assert_true ((m != NULL) == (n > 1));
    gst_element_set_bus (e, NULL);
    gst_harness_teardown (h);
  }
}

/* What was collected before a flush is gone. */
static void
photo_flush (void)
{
  GstHarness *h = gst_harness_new ("shuphotodec");
  g_autoptr (GBytes) png = harness_png (61, 87, TRUE);
  GstSegment segment;

  gst_harness_set_src_caps_str (h, "image/png");
  push_bytes (h, png, 0, 100);
  gst_harness_push_event (h, gst_event_new_flush_start ());
  gst_harness_push_event (h, gst_event_new_flush_stop (TRUE));
  gst_segment_init (&segment, GST_FORMAT_TIME);
  gst_harness_push_event (h, gst_event_new_segment (&segment));
  push_bytes (h, png, 0, g_bytes_get_size (png));
  g_assert_true (gst_harness_push_event (h, gst_event_new_eos ()));
  g_assert_cmpuint (gst_harness_buffers_received (h), ==, 1);
  gst_harness_teardown (h);
}

static void
bundle_caps (void)
{
  static const char *const schemas[] = {
      "subject", "views", "asset", "mesh", "model"};

  static const struct {
    const char *element;
    const char *takes;
  } rows[] = {
      {"shustage1", "subject"},
      {"shustage2", "views"},
      {"shumesh", "asset"},
      {"shutexture", "mesh"},
      {"shuglbmux", "model"},
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    for (guint k = 0; k < G_N_ELEMENTS (schemas); k++) {
      g_autoptr (GstElement) e = gst_object_ref_sink (
          gst_element_factory_make (rows[i].element, NULL));
      g_autoptr (GstPad) pad = gst_element_get_static_pad (e, "sink");
      g_autofree char *text = g_strdup_printf (
          SHU_BUNDLE_MEDIA_TYPE ", schema=%s, version=1", schemas[k]);
      g_autofree char *next = g_strdup_printf (
          SHU_BUNDLE_MEDIA_TYPE ", schema=%s, version=2", schemas[k]);
      g_autoptr (GstCaps) caps = gst_caps_from_string (text);
      g_autoptr (GstCaps) later = gst_caps_from_string (next);

      g_test_message ("%s: %s", rows[i].element, text);
      g_assert_cmpint (gst_pad_query_accept_caps (pad, caps), ==,
          strcmp (schemas[k], rows[i].takes) == 0);
      g_assert_false (gst_pad_query_accept_caps (pad, later));
    }
}

/* shustage1 tells shupreprocess what its model needs. */
static void
sizes_in_caps (void)
{
  GstHarness *h = gst_harness_new ("shustage1");
  g_autoptr (ShuModel) model = shu_model_get (TINY, NULL, NULL);
  g_autoptr (GstCaps) caps = NULL;
  const GstStructure *s;
  int size;

  g_assert_nonnull (model);
  caps = gst_pad_peer_query_caps (h->srcpad, NULL);
  s = gst_caps_get_structure (caps, 0);
  g_assert_true (gst_structure_get_int (s, "view-size", &size));
  g_assert_cmpint (size, ==, shu_model_defaults (model)->view_size);
  g_assert_true (gst_structure_get_int (s, "condition-size", &size));
  g_assert_cmpint (size, ==, shu_model_defaults (model)->condition_size);
  gst_harness_teardown (h);
}

static void
preprocess_follows_caps (void)
{
  GstHarness *h = gst_harness_new ("shupreprocess");
  g_autoptr (GstCaps) caps = NULL;
  g_autoptr (GstBuffer) out = NULL;
  g_autoptr (ShuBundle) b = NULL;
  GstBuffer *frame = fixture_frame (120, 200, &caps);

  gst_harness_set_caps (h, gst_caps_ref (caps),
      gst_caps_from_string (SHU_BUNDLE_CAPS (
          "subject") ", view-size=(int)96, condition-size=(int)70"));
  g_assert_cmpint (gst_harness_push (h, frame), ==, GST_FLOW_OK);
  out = gst_harness_pull (h);
  b = shu_buffer_get_bundle (out, NULL);
  g_assert_nonnull (b);
  g_assert_nonnull (
      shu_bundle_need (b, "body", SHU_DTYPE_U8, SHU_DIMS (96, 96, 3), NULL));
  g_assert_nonnull (shu_bundle_need (
      b, "condition", SHU_DTYPE_U8, SHU_DIMS (70, 70, 3), NULL));
  g_assert_cmpint (shu_bundle_int (b, "seed", 0), ==, 43);
  gst_harness_teardown (h);
}

/* A frame of @level's contrast, at @ms. */
static GstBuffer *
striped_frame (int level, int ms)
{
  GstBuffer *b = gst_buffer_new_allocate (NULL, 3 * 8 * 8, NULL);
  guint8 rgb[3 * 8 * 8];

  for (int i = 0; i < 3 * 8 * 8; i++)
    rgb[i] = (guint8) (i / 3 % 2 ? 100 + level : 100);
  gst_buffer_fill (b, 0, rgb, sizeof rgb);
  GST_BUFFER_PTS (b) = ms * GST_MSECOND;
  return b;
}

static GstHarness *
pick_harness (const char *description)
{
  GstHarness *h = gst_harness_new_parse (description);

  gst_harness_set_src_caps_str (
      h, "video/x-raw, format=RGB, width=8, height=8, framerate=10/1");
  return h;
}

static void
assert_pulled (GstHarness *h, int ms)
{
  g_autoptr (GstBuffer) b = gst_harness_try_pull (h);

  g_assert_nonnull (b);
  g_assert_cmpuint (GST_BUFFER_PTS (b), ==, ms * GST_MSECOND);
}

/* The sharpest of each 300 ms, the last ones at the end. */
static void
picks_sharpest (void)
{
  static const int levels[] = {5, 50, 20, 9, 3, 80, 1, 2, 90, 91, 4};
  GstHarness *h = pick_harness ("shupick interval=300");

  for (guint i = 0; i < G_N_ELEMENTS (levels); i++)
    g_assert_cmpint (
        gst_harness_push (h, striped_frame (levels[i], 100 * (int) i)), ==,
        GST_FLOW_OK);
  g_assert_cmpuint (gst_harness_buffers_received (h), ==, 3);
  gst_harness_push_event (h, gst_event_new_eos ());
  assert_pulled (h, 100);
  assert_pulled (h, 500);
  assert_pulled (h, 800);
  assert_pulled (h, 900);
  g_assert_null (gst_harness_try_pull (h));
  gst_harness_teardown (h);
}

static void
picks_on_demand (void)
{
  GstHarness *h = pick_harness ("shupick name=p interval=0 num-frames=2");
  g_autoptr (GstElement) p = gst_harness_find_element (h, "shupick");

  for (int i = 0; i < 6; i++) {
    GstFlowReturn ret;

    if (i == 1 || i == 4)
      g_signal_emit_by_name (p, "pick");
    ret = gst_harness_push (h, striped_frame (10, 100 * i));
    g_assert_cmpint (ret, ==, i < 5 ? GST_FLOW_OK : GST_FLOW_EOS);
  }
  assert_pulled (h, 100);
  assert_pulled (h, 400);
  g_assert_null (gst_harness_try_pull (h));
  gst_harness_teardown (h);
}

/* A frame of 100 ms, and then its interval is over. */
static void
pick_has_latency (void)
{
  static const int intervals[] = {300, 0};

  for (guint i = 0; i < G_N_ELEMENTS (intervals); i++) {
    g_autofree char *line =
        g_strdup_printf ("shupick interval=%d", intervals[i]);
    GstHarness *h = pick_harness (line);

    gst_harness_set_upstream_latency (h, 20 * GST_MSECOND);
    gst_harness_push (h, striped_frame (5, 0));
    g_assert_cmpuint (gst_harness_query_latency (h), ==,
        (intervals[i] ? 20 + 300 + 100 : 20) * GST_MSECOND);
    gst_harness_teardown (h);
  }
}

static void
turntable_frames (void)
{
  g_autoptr (GBytes) glb = harness_glb ();
  gsize size = g_bytes_get_size (glb);

  for (int columns = 0; columns <= 2; columns += 2) {
    GstHarness *h = gst_harness_new_parse (
        columns ? "shuturntable num-frames=3 width=64 height=48 columns=2"
                : "shuturntable num-frames=3 width=64 height=48");
    int n = columns ? 1 : 3;

    gst_harness_set_src_caps_str (h, "model/gltf-binary");
    for (gsize at = 0; at < size; at += 500)
      push_bytes (h, glb, at, MIN (500, size - at));
    g_assert_true (gst_harness_push_event (h, gst_event_new_eos ()));
    g_assert_cmpuint (gst_harness_buffers_received (h), ==, n);
    assert_size (h, columns ? 128 : 64, columns ? 96 : 48);
    for (int i = 0; !columns && i < n; i++)
      assert_pulled (h, 40 * i);
    gst_harness_teardown (h);
  }
}

static void
turntable_refuses (void)
{
  g_autofree char *folder = harness_folder ();
  g_autoptr (GBytes) glb = harness_glb ();
  g_autofree char *line = g_strdup_printf (
      "filesrc location=%s/short.glb ! shuturntable ! fakesink", folder);
  g_autofree char *message = NULL;
  int n_errors;

  harness_put (folder, "short.glb", g_bytes_get_data (glb, NULL),
      g_bytes_get_size (glb) - 9);
  message = fixture_run (line, &n_errors);
  g_assert_nonnull (strstr (message, "incomplete"));
  g_assert_cmpint (n_errors, ==, 1);
  harness_remove (folder);
}

static void
refused_property (void)
{
  g_autoptr (GstElement) e =
      gst_object_ref_sink (gst_element_factory_make ("shustage1", NULL));
  int steps;

  g_test_expect_message (G_LOG_DOMAIN, G_LOG_LEVEL_WARNING,
      "*num-inference-steps=1001 is out of range*");
  g_object_set (e, "num-inference-steps", 1001, NULL);
  g_test_assert_expected_messages ();
  g_object_get (e, "num-inference-steps", &steps, NULL);
  g_assert_cmpint (steps, ==, -1);
  g_assert_cmpint (gst_element_set_state (e, GST_STATE_PAUSED), ==,
      GST_STATE_CHANGE_FAILURE);
  gst_element_set_state (e, GST_STATE_NULL);
  /* made good, it starts */
  g_object_set (e, "num-inference-steps", 12, NULL);
  g_assert_cmpint (gst_element_set_state (e, GST_STATE_PAUSED), !=,
      GST_STATE_CHANGE_FAILURE);
  gst_element_set_state (e, GST_STATE_NULL);
}

/* One that is made good does not excuse the other. */
static void
refused_properties (void)
{
  g_autoptr (GstElement) e =
      gst_object_ref_sink (gst_element_factory_make ("shutexture", NULL));

  g_test_expect_message (
      G_LOG_DOMAIN, G_LOG_LEVEL_WARNING, "*texture-size=3 is out of range*");
  g_test_expect_message (
      G_LOG_DOMAIN, G_LOG_LEVEL_WARNING, "*face-detail=9* is out of range*");
  g_object_set (e, "texture-size", 3, "face-detail", 9.0, NULL);
  g_test_assert_expected_messages ();
  g_object_set (e, "face-detail", 1.0, NULL);
  g_assert_cmpint (gst_element_set_state (e, GST_STATE_PAUSED), ==,
      GST_STATE_CHANGE_FAILURE);
  gst_element_set_state (e, GST_STATE_NULL);
}

static void
properties_have_words (void)
{
  g_autoptr (GList) features = gst_registry_get_feature_list_by_plugin (
      gst_registry_get (), "synchuman");

  g_assert_cmpuint (g_list_length (features), >=, 19);
  for (GList *l = features; l; l = l->next) {
    g_autoptr (GstElement) e =
        gst_object_ref_sink (gst_element_factory_create (l->data, NULL));
    guint n;
    g_autofree GParamSpec **specs =
        g_object_class_list_properties (G_OBJECT_GET_CLASS (e), &n);

    for (guint i = 0; i < n; i++) {
      gboolean ours =
          g_str_has_prefix (g_type_name (specs[i]->owner_type), "Shu");

      g_assert_cmpuint (strlen (g_param_spec_get_blurb (specs[i])), >, 5);
      /* and say when they may be set */
      g_assert_true (!ours || !(specs[i]->flags & G_PARAM_WRITABLE) ||
                     specs[i]->flags &
                         (GST_PARAM_MUTABLE_READY | GST_PARAM_MUTABLE_PLAYING));
    }
    for (int k = 0; k < 2; k++)
      g_assert_cmpuint (strlen (gst_element_factory_get_metadata (
                            l->data, k ? GST_ELEMENT_METADATA_DESCRIPTION
                                       : GST_ELEMENT_METADATA_LONGNAME)),
          >, 5);
  }
  for (GList *l = features; l; l = l->next)
    gst_object_unref (l->data);
}

int
main (int argc, char **argv)
{
  fixture_init (&argc, &argv);
  g_test_add_func ("/plugins/photodec/in_pieces", photo_in_pieces);
  g_test_add_func ("/plugins/photodec/several_sizes", photos_of_several_sizes);
  g_test_add_func ("/plugins/photodec/flush", photo_flush);
  g_test_add_func ("/plugins/photodec/upright", photo_is_upright);
  g_test_add_func ("/plugins/photodec/not_wanted", photo_not_wanted);
  g_test_add_func ("/plugins/matting/reduces", matting_reduces);
  g_test_add_func ("/plugins/matting/wants_squares", matting_wants_squares);
  g_test_add_func ("/plugins/caps/schemas", bundle_caps);
  g_test_add_func ("/plugins/caps/sizes", sizes_in_caps);
  g_test_add_func ("/plugins/preprocess/follows_caps", preprocess_follows_caps);
  g_test_add_func ("/plugins/pick/sharpest", picks_sharpest);
  g_test_add_func ("/plugins/pick/on_demand", picks_on_demand);
  g_test_add_func ("/plugins/pick/latency", pick_has_latency);
  g_test_add_func ("/plugins/turntable/frames", turntable_frames);
  g_test_add_func ("/plugins/turntable/refuses", turntable_refuses);
  g_test_add_func ("/plugins/properties/refused", refused_property);
  g_test_add_func ("/plugins/properties/two_refused", refused_properties);
  g_test_add_func ("/plugins/properties/have_words", properties_have_words);
  return g_test_run ();
}
