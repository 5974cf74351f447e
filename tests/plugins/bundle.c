/* SPDX-License-Identifier: MIT */
/* Bundles as buffers: what goes in comes out, and nothing is believed that the
 * memory does not hold. */
#include "fixture.h"
#include "../../plugins/bundle.h"

static ShuBundle *
make_bundle (int n_tensors)
{
  ShuBundle *b = shu_bundle_new ("views");

  for (int i = 0; i < n_tensors; i++) {
    g_autofree char *name = g_strdup_printf ("t%d", i);
    ShuTensor *t = shu_tensor_new (
        i % 2 ? SHU_DTYPE_U8 : SHU_DTYPE_F32, SHU_DIMS (3, i + 1));

    memset (t->data, i, shu_tensor_bytes (t));
    shu_bundle_take (b, name, t);
  }
  shu_bundle_set_int (b, "seed", 43);
  return b;
}

static void
assert_same (const ShuBundle *a, const ShuBundle *b)
{
  g_autoptr (GBytes) x = shu_bundle_encode (a);
  g_autoptr (GBytes) y = shu_bundle_encode (b);

  g_assert_cmpmem (g_bytes_get_data (x, NULL), g_bytes_get_size (x),
      g_bytes_get_data (y, NULL), g_bytes_get_size (y));
}

static void
round_trip (void)
{
  /* on both sides of the number of memories that a buffer can have */
  const int counts[] = {1, 5, 15, 16, 17, 40};

  for (guint k = 0; k < G_N_ELEMENTS (counts); k++) {
    g_autoptr (ShuBundle) b = make_bundle (counts[k]);
    g_autoptr (GstBuffer) buffer = gst_buffer_new ();
    g_autoptr (ShuBundle) back = NULL;

    g_assert_true (shu_buffer_fill_bundle (buffer, b, NULL, NULL));
    g_assert_cmpuint (gst_buffer_get_size (buffer), ==, shu_bundle_bytes (b));
    back = shu_buffer_get_bundle (buffer, NULL);
    g_assert_nonnull (back);
    assert_same (b, back);
  }
}

static void
copies_nothing (void)
{
  g_autoptr (ShuBundle) b = make_bundle (4);
  g_autoptr (GstBuffer) buffer = gst_buffer_new ();
  g_autoptr (ShuBundle) back = NULL;

  g_assert_true (shu_buffer_fill_bundle (buffer, b, NULL, NULL));
  g_assert_cmpuint (gst_buffer_n_memory (buffer), ==, 4);
  back = shu_buffer_get_bundle (buffer, NULL);
  for (int i = 0; i < 4; i++)
    g_assert_true (
        shu_bundle_nth (back, i)->data == shu_bundle_nth (b, i)->data);
}

static void
outlives_buffer (void)
{
  GstBuffer *buffer = gst_buffer_new ();
  ShuBundle *b = make_bundle (20);
  g_autoptr (ShuBundle) back = NULL;
  g_autoptr (ShuBundle) same = make_bundle (20);

  g_assert_true (shu_buffer_fill_bundle (buffer, b, NULL, NULL));
  shu_bundle_unref (b);
  back = shu_buffer_get_bundle (buffer, NULL);
  gst_buffer_unref (buffer);
  assert_same (same, back);
}

static void
copy_keeps_it (void)
{
  g_autoptr (ShuBundle) b = make_bundle (3);
  g_autoptr (GstBuffer) buffer = gst_buffer_new ();
  g_autoptr (GstBuffer) copy = NULL;
  g_autoptr (ShuBundle) back = NULL;

  g_assert_true (shu_buffer_fill_bundle (buffer, b, NULL, NULL));
  copy = gst_buffer_copy_deep (buffer);
  back = shu_buffer_get_bundle (copy, NULL);
  g_assert_nonnull (back);
  assert_same (b, back);
}

static void
refuses (GstBuffer *buffer, const char *expected)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (shu_buffer_get_bundle (buffer, &error));
  g_assert_error (error, SHU_ERROR, SHU_ERROR_INVALID);
  g_assert_nonnull (strstr (error->message, expected));
  gst_buffer_unref (buffer);
}

static void
refuses_what_does_not_fit (void)
{
  g_autoptr (ShuBundle) b = make_bundle (3);
  GstBuffer *buffer = gst_buffer_new ();
  GstBuffer *part;
  ShuBundleMeta *m;

  g_assert_true (shu_buffer_fill_bundle (buffer, b, NULL, NULL));
  part = gst_buffer_copy_region (buffer, GST_BUFFER_COPY_ALL, 0, 8);
  refuses (part, "holds no bundle");
  gst_buffer_set_size (buffer, 20);
  refuses (buffer, "\"t2\"");
  buffer = gst_buffer_new ();
  g_assert_true (shu_buffer_fill_bundle (buffer, b, NULL, NULL));
  m = (ShuBundleMeta *) gst_buffer_get_meta (
      buffer, shu_bundle_meta_api_get_type ());
  m->fields[2].dims[0] = G_MAXINT64 / 2;
  refuses (buffer, "\"t2\"");
  buffer = gst_buffer_new ();
  g_assert_true (shu_buffer_fill_bundle (buffer, b, NULL, NULL));
  m = (ShuBundleMeta *) gst_buffer_get_meta (
      buffer, shu_bundle_meta_api_get_type ());
  m->fields[0].offset = G_MAXSIZE - 4;
  refuses (buffer, "\"t0\"");
  refuses (gst_buffer_new_allocate (NULL, 100, NULL), "holds no bundle");
}

int
main (int argc, char **argv)
{
  fixture_init (&argc, &argv);
  g_test_add_func ("/plugins/bundle/round_trip", round_trip);
  g_test_add_func ("/plugins/bundle/copies_nothing", copies_nothing);
  g_test_add_func ("/plugins/bundle/outlives_buffer", outlives_buffer);
  g_test_add_func ("/plugins/bundle/copy_keeps_it", copy_keeps_it);
  g_test_add_func (
      "/plugins/bundle/refuses_what_does_not_fit", refuses_what_does_not_fit);
  return g_test_run ();
}
