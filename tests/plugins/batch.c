/* SPDX-License-Identifier: MIT */
/* Elements with batch-size: what they wait for, and for how long; order,
 * contents and failures of what comes out. */
#include "fixture.h"
#include "../../plugins/bundle.h"

enum { N = 3 };

/* ---- subjects ---- */

static ShuModel *
tiny (void)
{
  g_autoptr (GError) error = NULL;
  ShuModel *m = shu_model_get (TINY, "cpu", &error);

  g_assert_no_error (error);
  return m;
}

/* Number @i, another picture and seed each */
static ShuBundle *
make_subject (int i)
{
  g_autoptr (ShuModel) m = tiny ();
  g_autoptr (ShuImage) cutout = harness_figure (60 + 10 * i, 90, TRUE);
  ShuPreprocessParams p = {.seed = 5 + i,
      .view_size = shu_model_defaults (m)->view_size,
      .condition_size = shu_model_defaults (m)->condition_size};
  g_autoptr (GError) error = NULL;
  ShuBundle *b = shu_stage_preprocess (cutout, &p, NULL, &error);

  g_assert_no_error (error);
  return b;
}

static GstBuffer *
as_buffer (const ShuBundle *b, int i)
{
  GstBuffer *buffer = gst_buffer_new ();

  g_assert_true (shu_buffer_fill_bundle (buffer, b, NULL, NULL));
  GST_BUFFER_PTS (buffer) = i * GST_SECOND;
  return buffer;
}

static GstBuffer *
good (int i)
{
  g_autoptr (ShuBundle) b = make_subject (i);

  return as_buffer (b, i);
}

/* A picture of another model's size */
static GstBuffer *
bad (int i)
{
  g_autoptr (ShuBundle) b = make_subject (i);
  g_autoptr (ShuTensor) t = shu_tensor_new (SHU_DTYPE_U8, SHU_DIMS (9, 9, 3));

  memset (t->data, 0, t->n);
  shu_bundle_set (b, "face", t);
  return as_buffer (b, i);
}

/* ---- a stage in a harness ---- */

typedef struct {
  GstHarness *h;
  GstElement *stage;
  GstBus *bus;
} Bench;

static Bench
bench (const char *properties)
{
  g_autofree char *text =
      g_strdup_printf ("shustage1 num-inference-steps=2 %s", properties);
  Bench b = {.h = gst_harness_new_parse (text), .bus = gst_bus_new ()};

  b.stage = gst_harness_find_element (b.h, "shustage1");
  gst_element_set_bus (b.stage, b.bus);
  gst_harness_set_src_caps_str (b.h, SHU_BUNDLE_CAPS ("subject"));
  return b;
}

static void
bench_clear (Bench *b)
{
  gst_element_set_bus (b->stage, NULL);
  gst_object_unref (b->stage);
  gst_object_unref (b->bus);
  gst_harness_teardown (b->h);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Bench, bench_clear)

static void
push (Bench *b, GstBuffer *buffer)
{
  g_assert_cmpint (gst_harness_push (b->h, buffer), ==, GST_FLOW_OK);
}

/* How many have come out so far */
static void
expect_received (Bench *b, guint n)
{
  g_assert_cmpuint (gst_harness_buffers_received (b->h), ==, n);
}

/* The next that comes out is what subject @i gets alone. */
static void
expect_views (Bench *b, int i)
{
  g_autoptr (GstBuffer) out = gst_harness_pull (b->h);
  g_autoptr (ShuModel) m = tiny ();
  g_autoptr (ShuBundle) subject = make_subject (i), alone = NULL, views = NULL;
  g_autoptr (GBytes) x = NULL, y = NULL;
  ShuStage1Params p = {.seed = -1, .steps = 2, .guidance = -1};

  g_assert_nonnull (out);
  g_assert_cmpuint (GST_BUFFER_PTS (out), ==, i * GST_SECOND);
  views = shu_buffer_get_bundle (out, NULL);
  alone = shu_stage_stage1 (m, subject, &p, NULL, NULL);
  x = shu_bundle_encode (views);
  y = shu_bundle_encode (alone);
  g_assert_true (g_bytes_equal (x, y));
}

static GstMessage *
find_message (Bench *b, GstMessageType type)
{
  return gst_bus_pop_filtered (b->bus, type);
}

/* ---- tests ---- */

static void
in_order (void)
{
  g_auto (Bench) b = bench ("batch-size=2 batch-latency=600000");

  push (&b, good (0));
  expect_received (&b, 0);
  push (&b, good (1));
  expect_received (&b, 2);
  push (&b, good (2));
  expect_received (&b, 2);
  g_assert_true (gst_harness_push_event (b.h, gst_event_new_eos ()));
  for (int i = 0; i < N; i++)
    expect_views (&b, i);
}

static void
one_by_one (void)
{
  g_auto (Bench) b = bench ("");

  for (int i = 0; i < 2; i++) {
    push (&b, good (i));
    expect_received (&b, i + 1);
    expect_views (&b, i);
  }
}

/* A gap means that nothing comes for a while. */
static void
gap (void)
{
  g_auto (Bench) b = bench ("batch-size=4 batch-latency=600000");

  push (&b, good (0));
  expect_received (&b, 0);
  gst_harness_push_event (b.h, gst_event_new_gap (GST_SECOND, GST_SECOND));
  expect_views (&b, 0);
}

static void
latency (void)
{
  g_auto (Bench) b = bench ("batch-size=4 batch-latency=20");

  push (&b, good (0));
  expect_views (&b, 0); /* waits */
  push (&b, good (1));
  expect_views (&b, 1);
}

static void
bad_one_left_out (void)
{
  g_auto (Bench) b = bench ("batch-size=3 batch-latency=600000");
  g_autoptr (GstMessage) m = NULL;
  g_autoptr (GError) error = NULL;
  const GstStructure *details;
  GstClockTime pts = 0;

  push (&b, good (0));
  push (&b, bad (1));
  push (&b, good (2));
  expect_views (&b, 0);
  expect_views (&b, 2);
  m = find_message (&b, GST_MESSAGE_WARNING);
  g_assert_nonnull (m);
  gst_message_parse_warning (m, &error, NULL);
  g_assert_nonnull (strstr (error->message, "\"face\" has 9 x 9 pixels"));
  gst_message_parse_warning_details (m, &details);
  g_assert_true (gst_structure_get_clock_time (details, "pts", &pts));
  g_assert_cmpuint (pts, ==, GST_SECOND);
  g_assert_true (gst_harness_push_event (b.h, gst_event_new_eos ()));
  g_assert_null (find_message (&b, GST_MESSAGE_ERROR));
}

/* Where nothing comes out at all something is wrong. */
static void
only_bad_ones (void)
{
  g_auto (Bench) b = bench ("batch-size=2 batch-latency=600000");
  g_autoptr (GstMessage) m = NULL;

  push (&b, bad (0));
  push (&b, bad (1));
  push (&b, bad (2));
  g_assert_null (find_message (&b, GST_MESSAGE_ERROR));
  g_assert_false (gst_harness_push_event (b.h, gst_event_new_eos ()));
  expect_received (&b, 0);
  m = find_message (&b, GST_MESSAGE_ERROR);
  g_assert_nonnull (m);
}

/* Alone, as without batches, it is an error at once. */
static void
bad_one_alone (void)
{
  g_auto (Bench) b = bench ("");
  g_autoptr (GstMessage) m = NULL;

  g_assert_cmpint (gst_harness_push (b.h, bad (0)), ==, GST_FLOW_ERROR);
  m = find_message (&b, GST_MESSAGE_ERROR);
  g_assert_nonnull (m);
}

static void
flush (void)
{
  g_auto (Bench) b = bench ("batch-size=2 batch-latency=600000");
  GstSegment segment;

  push (&b, good (0));
  gst_harness_push_event (b.h, gst_event_new_flush_start ());
  gst_harness_push_event (b.h, gst_event_new_flush_stop (TRUE));
  gst_segment_init (&segment, GST_FORMAT_TIME);
  gst_harness_push_event (b.h, gst_event_new_segment (&segment));
  push (&b, good (1));
  expect_received (&b, 0);
  push (&b, good (2));
  expect_views (&b, 1);
  expect_views (&b, 2);
}

/* Neither what waits nor who waits with it is left behind. */
static void
stops_while_waiting (void)
{
  g_auto (Bench) b = bench ("batch-size=4 batch-latency=50");

  push (&b, good (0));
}

static void
files_of (const char *folder, const char *batches, const char *name)
{
  g_autofree char *d = g_strdup_printf (
      "multifilesrc location=%s/p-%%d.png stop-index=%d ! shuphotodec ! "
      "shumatting ! shupreprocess ! shustage1 num-inference-steps=2 %s ! "
      "shustage2 num-steps=2 %s ! shubundleenc ! multifilesink "
      "location=%s/%s-%%d.safetensors",
      folder, N - 1, batches, batches, folder, name);
  g_autofree char *failed = fixture_run (d, NULL);

  g_assert_cmpstr (failed, ==, NULL);
}

static void
whole_pipeline (void)
{
  g_autofree char *folder = harness_folder ();

  for (int i = 0; i < N; i++) {
    g_autofree char *name = g_strdup_printf ("p-%d.png", i);

    harness_put_png (folder, name, 60 + 17 * i, 110 - 13 * i);
  }
  files_of (folder, "", "alone");
  files_of (folder, "batch-size=2", "batch");
  for (int i = 0; i < N; i++) {
    g_autofree char *x = g_strdup_printf ("alone-%d.safetensors", i);
    g_autofree char *y = g_strdup_printf ("batch-%d.safetensors", i);
    g_autoptr (GBytes) alone = harness_contents (folder, x);
    g_autoptr (GBytes) batch = harness_contents (folder, y);

    g_assert_true (g_bytes_equal (alone, batch));
  }
  harness_remove (folder);
}

int
main (int argc, char **argv)
{
  fixture_init (&argc, &argv);
  g_test_add_func ("/plugins/batch/in_order", in_order);
  g_test_add_func ("/plugins/batch/one_by_one", one_by_one);
  g_test_add_func ("/plugins/batch/gap", gap);
  g_test_add_func ("/plugins/batch/latency", latency);
  g_test_add_func ("/plugins/batch/bad_one_left_out", bad_one_left_out);
  g_test_add_func ("/plugins/batch/only_bad_ones", only_bad_ones);
  g_test_add_func ("/plugins/batch/bad_one_alone", bad_one_alone);
  g_test_add_func ("/plugins/batch/flush", flush);
  g_test_add_func ("/plugins/batch/stops_while_waiting", stops_while_waiting);
  g_test_add_func ("/plugins/batch/whole_pipeline", whole_pipeline);
  return g_test_run ();
}
