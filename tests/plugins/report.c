/* SPDX-License-Identifier: MIT */
/* What a user reads on the bus: the library's text, and what to do where that
 * does not say it. */
#include "../../plugins/report.h"
#include "fixture.h"

static const struct {
  int code;
  const char *message, *expected;
} rows[] = {
    {SHU_ERROR_INVALID, "a.png: 3 channels",
        "a.png: 3 channels. Check the file or the value named."},
    {SHU_ERROR_LIMIT, "too large.", "too large."},
    {SHU_ERROR_TRUNCATED, "the picture is cut short",
        "the picture is cut short. The file is incomplete: copy or download it "
        "again."},
    {SHU_ERROR_TRUNCATED, "a.pt: it ends inside its data; copy it again",
        "a.pt: it ends inside its data; copy it again."},
    {SHU_ERROR_MEMORY, "no memory for a PNG picture",
        "no memory for a PNG picture. Close other programs or choose smaller "
        "sizes."},
    {SHU_ERROR_MEMORY, "cpu: no memory for 9 MB; choose a smaller size",
        "cpu: no memory for 9 MB; choose a smaller size."},
    {SHU_ERROR_MEMORY, "cuda:0: no memory; close other programs that use it",
        "cuda:0: no memory; close other programs that use it."},
    {SHU_ERROR_MISSING, "x: no model folder; give the folder that holds them",
        "x: no model folder; give the folder that holds them."},
    {SHU_ERROR_MISSING, "there is no x. Looked in:\n  /a\n  /b",
        "there is no x. Looked in:\n  /a\n  /b\nPut what is missing into one "
        "of these."},
};

static void
advises_once (void)
{
  g_autoptr (GstElement) pipeline = gst_pipeline_new (NULL);

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (GError) error =
        g_error_new_literal (SHU_ERROR, rows[i].code, rows[i].message);
    g_autoptr (GError) told = NULL;
    g_autoptr (GstMessage) m = NULL;

    g_assert_cmpint (shu_report_error (pipeline, error), ==, GST_FLOW_ERROR);
    m = fixture_wait (pipeline, GST_MESSAGE_ERROR);
    gst_message_parse_error (m, &told, NULL);
    g_assert_cmpstr (told->message, ==, rows[i].expected);
  }
}

int
main (int argc, char **argv)
{
  fixture_init (&argc, &argv);
  g_test_add_func ("/plugins/report/advises_once", advises_once);
  return g_test_run ();
}
