/* SPDX-License-Identifier: MIT */
/* From bundles that no model can be made of: one error that says what is wrong,
 * and no file, not even a part of one. */
#include "fixture.h"
#include "../bad_assets.h"
#include "../harness.h"
#include <string.h>

static int
count_files (const char *folder)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  int n = 0;

  while (g_dir_read_name (dir))
    n++;
  return n;
}

static void
run (gconstpointer data)
{
  const BadBundle *what = data;
  g_autofree char *folder = harness_folder ();
  g_autoptr (GBytes) bytes = bad_bundle_make (what);
  g_autofree char *text = NULL;
  g_autofree char *said = NULL;
  int n_errors;

  harness_put (folder, "in.safetensors", g_bytes_get_data (bytes, NULL),
      g_bytes_get_size (bytes));
  text = g_strdup_printf (
      "filesrc location=%s/in.safetensors ! shubundledec ! %s shutexture "
      "texture-size=256 ! shuglbmux ! shufilesink location=%s/out.glb",
      folder, strcmp (what->schema, "asset") == 0 ? "shumesh !" : "", folder);
  said = fixture_run (text, &n_errors);
  g_test_message ("%s: %s", what->name, said ? said : "no error");
  if (what->says) {
    g_assert_nonnull (said);
    g_assert_nonnull (strstr (said, what->says));
    g_assert_cmpint (n_errors, ==, 1);
  } else
    g_assert_null (said);
  g_assert_cmpint (harness_exists (folder, "out.glb"), ==, what->says == NULL);
  g_assert_cmpint (count_files (folder), ==, what->says ? 1 : 2);
  harness_remove (folder);
}

int
main (int argc, char **argv)
{
  fixture_init (&argc, &argv);
  for (const BadBundle *b = bad_bundles; b->name; b++) {
    g_autofree char *name = g_strdup_printf ("/plugins/bad_meshes/%s", b->name);

    g_test_add_data_func (g_strdelimit (name, " ", '_'), b, run);
  }
  return g_test_run ();
}
